//! STS: a session as a role, for whoever may assume it, or for the bearer of a token that the role trusts.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::registry::is_account;
use super::{
    AccessKeyId, Call, Client, Credentials, Error, FORM, KeyPair, Region, Safety, Service, Signer, query, refusal, xml,
};
use crate::retry::Asking;
use crate::sensitive::Sensitive;

const VERSION: &str = "2011-06-15";

/// The name of a session where nobody gives it one; it stands in CloudTrail.
const SESSION_NAME: &str = "aws-iam-credential-rotate";

/// A role, and how it is assumed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The session's name; one of this program's where it is `None`.
    pub session_name: Option<String>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// How long the session is to last, in seconds; an hour where nothing is said.
    pub duration_seconds: Option<u32>,
}

impl Role {
    /// The role of that ARN, assumed with nothing further said.
    pub fn of(arn: &str) -> Role {
        Role {
            arn: arn.to_owned(),
            session_name: None,
            external_id: None,
            duration_seconds: None,
        }
    }

    fn query(&self, operation: &str, token: Option<&str>) -> String {
        let duration = self.duration_seconds.map(|seconds| seconds.to_string());
        let session_name = self.session_name.as_deref().unwrap_or(SESSION_NAME);
        let mut parameters = vec![("RoleArn", self.arn.as_str()), ("RoleSessionName", session_name)];
        let optional = [
            ("DurationSeconds", duration.as_deref()),
            ("ExternalId", self.external_id.as_deref()),
            ("WebIdentityToken", token),
        ];
        parameters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        query(operation, VERSION, &parameters)
    }
}

/// AssumeRole: a session as `role`, for whoever signs.
///
/// # Errors
///
/// As for every call.
pub fn assume_role<'a>(
    client: &Client,
    region: &Region,
    by: impl Into<Signer<'a>>,
    role: &Role,
) -> Result<Credentials, Error> {
    session(client, region, by.into(), "AssumeRole", role, None)
}

/// Whether a text is the ARN of a role, `arn:aws:iam::123456789012:role/path/name`, in any partition.
pub fn is_role_arn(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = fields[..] else {
        return false;
    };
    let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b);
    let name = resource.strip_prefix("role/").unwrap_or_default();
    partition.starts_with("aws")
        && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        && is_account(account)
        && !name.is_empty()
        && !name.ends_with('/')
        && name.bytes().all(of_a_name)
}

/// Whether a text can be an external id, by the API reference of AssumeRole.
pub fn is_external_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
    (2..=1224).contains(&text.len()) && text.bytes().all(fits)
}

/// AssumeRoleWithWebIdentity: a session as `role`, for the bearer of an OpenID Connect token. Nobody signs it.
///
/// # Errors
///
/// As for every call.
pub fn assume_role_with_web_identity(
    client: &Client,
    region: &Region,
    token: &Sensitive<String>,
    role: &Role,
) -> Result<Credentials, Error> {
    let operation = "AssumeRoleWithWebIdentity";
    session(client, region, Signer::Nobody, operation, role, Some(token.expose()))
}

fn session(
    client: &Client,
    region: &Region,
    signer: Signer<'_>,
    operation: &'static str,
    role: &Role,
    token: Option<&str>,
) -> Result<Credentials, Error> {
    let call = Call {
        service: Service::Sts,
        region,
        operation,
        content_type: FORM,
        target: None,
        body: role.query(operation, token),
        safety: Safety::Repeatable(Asking::Patiently),
    };
    let reply = client.call(&call, signer)?;
    parse(operation, reply.body.expose())
        .ok_or_else(|| client.error(&call, signer, refusal::unexpected(&reply, "STS's XML with a session")))
}

fn parse(operation: &str, body: &[u8]) -> Option<Credentials> {
    let root = xml::parse(body).ok()?;
    let session = root.child(&format!("{operation}Result"))?.child("Credentials")?;
    let text = |name| session.text_of(name).filter(|text| !text.is_empty());
    Some(Credentials {
        pair: KeyPair {
            id: AccessKeyId::parse(text("AccessKeyId")?).ok()?,
            secret: Sensitive::new(text("SecretAccessKey")?.to_owned()),
        },
        session_token: Some(Sensitive::new(text("SessionToken")?.to_owned())),
        expires_at: Some(OffsetDateTime::parse(text("Expiration")?, &Rfc3339).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_and_half_of_one_is_none() {
        let fields = [
            "<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>",
            "<SecretAccessKey>secret</SecretAccessKey>",
            "<SessionToken>token</SessionToken>",
            "<Expiration>2026-11-25T02:00:00Z</Expiration>",
        ];
        let answer = |fields: &str| {
            let body = format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials>{fields}</Credentials></AssumeRoleResult>\
                 </AssumeRoleResponse>"
            );
            parse("AssumeRole", body.as_bytes())
        };
        let session = answer(&fields.concat()).unwrap();
        assert_eq!(session.pair.id.as_str(), "ASIAIOSFODNN7EXAMPLE");
        assert_eq!(session.session_token.unwrap().expose(), "token");
        assert_eq!(session.expires_at.unwrap().unix_timestamp(), 1_795_572_000);
        for missing in fields {
            assert_eq!(answer(&fields.concat().replace(missing, "")), None, "{missing}");
        }
    }

    #[test]
    fn arns_of_roles_and_of_nothing_else() {
        for good in [
            "arn:aws:iam::123456789012:role/pull",
            "arn:aws-cn:iam::123456789012:role/team/a/pull+1=2,3.4@5_6-7",
        ] {
            assert!(is_role_arn(good), "{good}");
        }
        for bad in [
            "",
            "pull",
            "arn:aws:iam::123456789012:user/ci",
            "arn:aws:iam::12345678901:role/pull",
            "arn:aws:sts::123456789012:assumed-role/pull/s",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam:eu-west-1:123456789012:role/a",
            "arn:gcp:iam::123456789012:role/a",
        ] {
            assert!(!is_role_arn(bad), "{bad}");
        }
    }

    #[test]
    fn external_ids() {
        assert!(is_external_id("a:b/c+d=e,f.g@h-1_2"));
        for bad in ["", "a", "a b", "ä1"] {
            assert!(!is_external_id(bad), "{bad}");
        }
    }

    #[test]
    fn only_what_is_said_is_asked_for() {
        let mut role = Role::of("arn:aws:iam::123456789012:role/r");
        let start = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr&RoleSessionName=";
        assert_eq!(role.query("AssumeRole", None), format!("{start}{SESSION_NAME}"));
        role.session_name = Some("ci".into());
        role.external_id = Some("a b".into());
        role.duration_seconds = Some(900);
        assert_eq!(
            role.query("AssumeRole", None),
            format!("{start}ci&DurationSeconds=900&ExternalId=a%20b")
        );
    }
}
