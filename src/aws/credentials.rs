//! Access keys: the id, which everybody may see, and the pair, which nobody may.

use std::fmt;

use time::OffsetDateTime;

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

/// What signs a call: a key pair, and what belongs to it where it is a session's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credentials {
    /// The pair; of a session it begins with `ASIA`.
    pub pair: KeyPair,
    /// Goes with every call of a session.
    pub session_token: Option<Sensitive<String>>,
    /// When they end, where that is known.
    pub expires_at: Option<OffsetDateTime>,
}

/// Who signs a call.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    /// Nobody: the call itself carries the proof.
    Nobody,
    /// The pair of a Secret.
    Pair(&'a KeyPair),
    /// Credentials that this machine has.
    Ambient(&'a Credentials),
}

impl<'a> From<&'a KeyPair> for Signer<'a> {
    fn from(pair: &'a KeyPair) -> Signer<'a> {
        Signer::Pair(pair)
    }
}

impl<'a> From<&'a Credentials> for Signer<'a> {
    fn from(credentials: &'a Credentials) -> Signer<'a> {
        Signer::Ambient(credentials)
    }
}

impl Signer<'_> {
    pub(super) fn for_signing(self) -> Option<aws_credential_types::Credentials> {
        let (pair, token) = match self {
            Signer::Nobody => return None,
            Signer::Pair(pair) => (pair, None),
            Signer::Ambient(credentials) => (&credentials.pair, credentials.session_token.as_ref()),
        };
        Some(aws_credential_types::Credentials::new(
            pair.id.as_str(),
            pair.secret.expose(),
            token.map(|token| token.expose().clone()),
            None,
            "",
        ))
    }

    pub(super) fn signed_by(self) -> SignedBy {
        match self {
            Signer::Nobody => SignedBy::Nobody,
            Signer::Pair(pair) => SignedBy::Pair(pair.id.clone()),
            Signer::Ambient(credentials) => SignedBy::Ambient(credentials.pair.id.clone()),
        }
    }
}

/// Who signed a call, as errors tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignedBy {
    Nobody,
    Pair(AccessKeyId),
    Ambient(AccessKeyId),
}

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignedBy::Nobody => Ok(()),
            SignedBy::Pair(id) | SignedBy::Ambient(id) => write!(f, " with key {id}"),
        }
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
        let credentials = Credentials {
            pair,
            session_token: Some(Sensitive::new("FwoGZXIvYXdzEXAMPLE".into())),
            expires_at: None,
        };
        assert_eq!(
            format!("{credentials:?}"),
            "Credentials { pair: KeyPair { id: AKIAIOSFODNN7EXAMPLE, secret: [redacted] }, session_token: Some([redacted]), \
             expires_at: None }"
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
