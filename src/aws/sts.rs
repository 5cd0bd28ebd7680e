//! STS: who a key belongs to.

use std::fmt;

use super::{Call, Client, Error, FORM, KeyPair, Region, Safety, Service, query, refusal, xml};
use crate::error::one_line;
use crate::retry::Asking;

const VERSION: &str = "2011-06-15";

/// Whom AWS takes the holder of a key for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    arn: String,
    user_id: String,
    account: String,
}

impl Identity {
    /// AWS's own id of the user, `AIDACKCEVSQ6C2EXAMPLE`: the same under another name or path, and never given out again.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The account's number, of twelve digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// An IAM user, not the account root and not a role's session.
    pub fn is_user(&self) -> bool {
        self.resource().is_some_and(|resource| resource.starts_with("user/"))
    }

    /// The root of the account.
    pub fn is_root(&self) -> bool {
        self.resource() == Some("root")
    }

    /// The user's name, as `--user-name` takes it: without its path.
    pub fn user_name(&self) -> Option<&str> {
        self.resource()?.strip_prefix("user/")?.rsplit('/').next()
    }

    /// What follows the account: `arn:aws:iam::123456789012:user/path/name`.
    fn resource(&self) -> Option<&str> {
        self.arn.splitn(6, ':').nth(5)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

/// GetCallerIdentity: whom `keys` belongs to. It needs no permission and cannot be denied.
///
/// # Errors
///
/// As for every call.
pub fn get_caller_identity(
    client: &Client,
    region: &Region,
    keys: &KeyPair,
    asking: Asking,
) -> Result<Identity, Error> {
    let call = Call {
        service: Service::Sts,
        region,
        operation: "GetCallerIdentity",
        content_type: FORM,
        target: None,
        body: query("GetCallerIdentity", VERSION, &[]),
        safety: Safety::Repeatable(asking),
    };
    let reply = client.call(&call, keys)?;
    parse(reply.body.expose()).ok_or_else(|| client.error(&call, keys, refusal::unexpected(&reply, "STS's XML")))
}

fn parse(body: &[u8]) -> Option<Identity> {
    let root = xml::parse(body).ok()?;
    let result = root.child("GetCallerIdentityResult")?;
    let text = |name| result.text_of(name).filter(|text| !text.is_empty()).map(one_line);
    Some(Identity {
        arn: text("Arn").filter(|arn| arn.starts_with("arn:"))?,
        user_id: text("UserId")?,
        account: text("Account")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &str) -> Option<Identity> {
        let body = format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult>{fields}</GetCallerIdentityResult>\
             </GetCallerIdentityResponse>"
        );
        parse(body.as_bytes())
    }

    fn identity(arn: &str) -> Identity {
        answer(&format!(
            "<Arn>{arn}</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>123456789012</Account>"
        ))
        .unwrap()
    }

    #[test]
    fn an_answer_without_one_of_its_fields_is_none() {
        let fields = [
            "<Arn>arn:aws:iam::123456789012:user/ci</Arn>",
            "<UserId>AIDACKCEVSQ6C2EXAMPLE</UserId>",
            "<Account>123456789012</Account>",
        ];
        let whole = answer(&fields.concat()).unwrap();
        assert_eq!(
            (whole.user_id(), whole.account()),
            ("AIDACKCEVSQ6C2EXAMPLE", "123456789012")
        );
        for missing in fields {
            assert_eq!(answer(&fields.concat().replace(missing, "")), None, "{missing}");
        }
        assert_eq!(answer(&fields.concat().replace("AIDACKCEVSQ6C2EXAMPLE", " ")), None);
    }

    #[test]
    fn users_of_one_name_are_told_apart() {
        let fields = |id| {
            format!("<Arn>arn:aws:iam::123456789012:user/ci</Arn><UserId>{id}</UserId><Account>123456789012</Account>")
        };
        assert_ne!(answer(&fields("AIDAOLD")).unwrap(), answer(&fields("AIDANEW")).unwrap());
    }

    #[test]
    fn users_root_and_roles_are_told_apart() {
        assert_eq!(
            identity("arn:aws-cn:iam::123456789012:user/team/a/ci").user_name(),
            Some("ci")
        );
        let of = |arn| (identity(arn).is_user(), identity(arn).is_root());
        assert_eq!(of("arn:aws:iam::123456789012:user/ci"), (true, false));
        assert_eq!(of("arn:aws-cn:iam::123456789012:user/team/a/ci"), (true, false));
        assert_eq!(of("arn:aws:iam::123456789012:root"), (false, true));
        assert_eq!(of("arn:aws:sts::123456789012:assumed-role/r/s"), (false, false));
    }
}
