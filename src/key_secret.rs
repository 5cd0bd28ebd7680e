//! The Secret that holds an access key, as both jobs read it.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::aws::{AccessKeyId, KeyPair};
use crate::kube::Secret;
use crate::sensitive::Sensitive;

/// The data key of the access key id.
pub const ACCESS_KEY_ID: &str = "access_key_id";
/// The data key of the secret access key.
pub const SECRET_ACCESS_KEY: &str = "secret_access_key";

/// The annotation that says when the key was replaced last. No decision about a key depends on it: it is for people, and says
/// how long it may still be unknown somewhere.
pub const ROTATED_AT: &str = "aws-rotate-key/rotated-at";

/// Why a Secret holds no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPair {
    /// The data key is not there.
    Missing(&'static str),
    /// Its value is empty or white space.
    Empty(&'static str),
    /// Its value is no text.
    NotUtf8(&'static str),
    /// The value of `access_key_id` cannot be an id.
    NoId,
}

impl fmt::Display for NoPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPair::Missing(name) => write!(
                f,
                "data key `{name}` is missing; the Secret needs `{ACCESS_KEY_ID}` and `{SECRET_ACCESS_KEY}`"
            ),
            NoPair::Empty(name) => write!(
                f,
                "the value of data key `{name}` is empty; put the key pair of an IAM user there"
            ),
            NoPair::NotUtf8(name) => write!(
                f,
                "the value of data key `{name}` is not valid UTF-8; was it base64-encoded twice, or stored in another encoding?"
            ),
            NoPair::NoId => write!(
                f,
                "the value of data key `{ACCESS_KEY_ID}` is no access key id; expected 16 to 128 capital letters and digits, \
                 such as AKIAIOSFODNN7EXAMPLE (are the two values swapped?)"
            ),
        }
    }
}

/// The pair in a Secret; white space around a value is ignored.
///
/// # Errors
///
/// When there is none.
pub fn pair(secret: &Secret) -> Result<KeyPair, NoPair> {
    let id = text(secret, ACCESS_KEY_ID)?;
    let secret = text(secret, SECRET_ACCESS_KEY)?;
    let id = AccessKeyId::parse(id.expose()).map_err(|_| NoPair::NoId)?;
    Ok(KeyPair { id, secret })
}

/// When the pair was put there by a rotation, if it was.
pub fn rotated_at(secret: &Secret) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(secret.annotation(ROTATED_AT)?, &Rfc3339).ok()
}

fn text(secret: &Secret, name: &'static str) -> Result<Sensitive<String>, NoPair> {
    let value = secret.data(name).ok_or(NoPair::Missing(name))?;
    let text = std::str::from_utf8(value.expose())
        .map_err(|_| NoPair::NotUtf8(name))?
        .trim();
    if text.is_empty() {
        Err(NoPair::Empty(name))
    } else {
        Ok(Sensitive::new(text.to_owned()))
    }
}
