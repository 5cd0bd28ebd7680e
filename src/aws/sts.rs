//! STS: who a key belongs to.

use std::fmt;

use super::{Asking, Call, Client, Error, FORM, KeyPair, Region, Service, query, refusal, xml};

const VERSION: &str = "2011-06-15";

/// Whom AWS takes the holder of a key for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    arn: String,
}

impl Identity {
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
/// As for every call; reading is repeated where that can help.
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
        safety: asking.safety(),
    };
    let reply = client.call(&call, keys)?;
    parse(reply.body.expose()).ok_or_else(|| client.error(&call, keys, refusal::unexpected(&reply, "STS's XML")))
}

fn parse(body: &[u8]) -> Option<Identity> {
    let root = xml::parse(body).ok()?;
    let arn = root.child("GetCallerIdentityResult")?.text_of("Arn")?;
    arn.starts_with("arn:").then(|| Identity {
        arn: crate::error::one_line(arn),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(arn: &str) -> Identity {
        let body = format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>U</UserId>\
             <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        );
        parse(body.as_bytes()).unwrap()
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
