//! STS: a session as a role, for whoever may assume it, or for the bearer of a token that the role trusts.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::credentials::Signer;
use super::{
    AccessKeyId, Call, Client, Credentials, Error, FORM, KeyPair, Region, Safety, Service, query, refusal, xml,
};
use crate::retry::Asking;
use crate::sensitive::Sensitive;

const VERSION: &str = "2011-06-15";

/// The name of a session where nobody gives it one; it stands in CloudTrail.
const SESSION_NAME: &str = "aws-iam-credential-rotate";

/// A role, and how it is assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// AssumeRole: a session as `role`, for whoever `credentials` belong to.
///
/// # Errors
///
/// As for every call.
pub fn assume_role(
    client: &Client,
    region: &Region,
    credentials: &Credentials,
    role: &Role,
) -> Result<Credentials, Error> {
    session(client, region, credentials.into(), "AssumeRole", role, None)
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
