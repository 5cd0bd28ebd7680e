//! Access keys: the id, which everybody may see, and the pair, which nobody may.

use std::fmt;

use aws_credential_types::Credentials;

use crate::sensitive::Sensitive;

/// The id of an access key, such as `AKIAIOSFODNN7EXAMPLE`. It is no secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(String);

/// A text that cannot be an access key id.
#[derive(Debug, PartialEq, Eq)]
pub struct NoAccessKeyId;

impl AccessKeyId {
    /// Takes 16 to 128 capital letters and digits. The IAM API reference allows more (`[\w]+`), but no id has ever had it,
    /// and a secret access key that somebody put in its place must not pass for an id and be shown.
    ///
    /// # Errors
    ///
    /// Anything else. The text is not repeated in the error: it may be a secret in the wrong field.
    pub fn parse(text: &str) -> Result<AccessKeyId, NoAccessKeyId> {
        let fits =
            (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if fits {
            Ok(AccessKeyId(text.to_owned()))
        } else {
            Err(NoAccessKeyId)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A long-term access key of an IAM user: id and secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPair {
    /// Says whose key it is.
    pub id: AccessKeyId,
    /// Proves it.
    pub secret: Sensitive<String>,
}

impl KeyPair {
    pub(super) fn for_signing(&self) -> Credentials {
        Credentials::new(self.id.as_str(), self.secret.expose(), None, None, "Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_id_and_not_the_secret() {
        let id = AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap();
        let pair = KeyPair {
            id,
            secret: Sensitive::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
        };
        assert_eq!(
            format!("{pair:?}"),
            "KeyPair { id: AKIAIOSFODNN7EXAMPLE, secret: [redacted] }"
        );
    }

    #[test]
    fn ids_are_16_to_128_capital_letters_and_digits() {
        assert!(AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").is_ok());
        for bad in [
            "",
            "AKIA",
            "AKIAIOSFODNN7 EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY",
        ] {
            assert_eq!(AccessKeyId::parse(bad), Err(NoAccessKeyId), "{bad}");
        }
    }
}
