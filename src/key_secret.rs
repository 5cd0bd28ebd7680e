//! The Secret that holds an access key, as both jobs read it.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::aws::{AccessKeyId, KeyPair};
use crate::error::one_line;
use crate::kube::Secret;
use crate::kube::key::{LONGEST_DATA_KEY, is_data_key};
use crate::sensitive::Sensitive;

/// The data key of the access key id, where no annotation names another.
pub const ACCESS_KEY_ID: &str = "access_key_id";
/// The data key of the secret access key, where no annotation names another.
pub const SECRET_ACCESS_KEY: &str = "secret_access_key";
/// The annotation that names the data key of the access key id.
pub const ACCESS_KEY_ID_FIELD: &str = "aws-rotate-key/access-key-id-field";
/// The annotation that names the data key of the secret access key.
pub const SECRET_ACCESS_KEY_FIELD: &str = "aws-rotate-key/secret-access-key-field";

/// The annotation that says when the key was replaced last. No decision about a key depends on it: it is for people, and says
/// how long it may still be unknown somewhere.
pub const ROTATED_AT: &str = "aws-rotate-key/rotated-at";

/// Why a Secret holds no pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPair {
    /// This annotation names no data key; what it says instead.
    NoDataKey(&'static str, String),
    /// Both values are to be under one data key.
    Same(Field, Field),
    /// The data key is not there; the two that are needed.
    Missing(Field, [String; 2]),
    /// Its value is empty or white space.
    Empty(Field),
    /// Its value is no text.
    NotUtf8(Field),
    /// The value that is to be an access key id cannot be one.
    NoId(Field),
}

/// A data key, and the annotation that names it, where one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    annotation: Option<&'static str>,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data key `{}`", one_line(&self.name))?;
        match self.annotation {
            Some(annotation) => write!(f, " (named by annotation `{annotation}`)"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for NoPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPair::NoDataKey(annotation, text) => write!(
                f,
                "annotation `{annotation}` is `{text}`, which is no data key; expected at most {LONGEST_DATA_KEY} letters, \
                 digits, `-`, `_` and `.`; without the annotation it is `{}`",
                if *annotation == ACCESS_KEY_ID_FIELD {
                    ACCESS_KEY_ID
                } else {
                    SECRET_ACCESS_KEY
                }
            ),
            NoPair::Same(id, secret) => write!(
                f,
                "the access key id is to be in {id} and the secret access key in {secret}; name two data keys"
            ),
            NoPair::Missing(field, [id, secret]) => {
                let (id, secret) = (one_line(id), one_line(secret));
                write!(f, "{field} is missing; the Secret needs `{id}` and `{secret}`")
            }
            NoPair::Empty(field) => write!(
                f,
                "the value of {field} is empty; put the key pair of an IAM user there"
            ),
            NoPair::NotUtf8(field) => write!(
                f,
                "the value of {field} is not valid UTF-8; was it base64-encoded twice, or stored in another encoding?"
            ),
            NoPair::NoId(field) => write!(
                f,
                "the value of {field} is no access key id; expected 16 to 128 capital letters and digits, such as \
                 AKIAIOSFODNN7EXAMPLE (are the two values swapped?)"
            ),
        }
    }
}

/// The pair in a Secret, from the data keys that its annotations name; white space around a value is ignored.
///
/// # Errors
///
/// When there is none.
pub fn pair(secret: &Secret) -> Result<KeyPair, NoPair> {
    let id_field = field(secret, ACCESS_KEY_ID_FIELD, ACCESS_KEY_ID)?;
    let secret_field = field(secret, SECRET_ACCESS_KEY_FIELD, SECRET_ACCESS_KEY)?;
    if id_field.name == secret_field.name {
        return Err(NoPair::Same(id_field, secret_field));
    }
    let both = || [id_field.name.clone(), secret_field.name.clone()];
    let id = text(secret, &id_field, &both)?;
    let secret = text(secret, &secret_field, &both)?;
    let id = AccessKeyId::parse(id.expose()).map_err(|_| NoPair::NoId(id_field))?;
    Ok(KeyPair { id, secret })
}

/// When the pair was put there by a rotation, if it was.
pub fn rotated_at(secret: &Secret) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(secret.annotation(ROTATED_AT)?, &Rfc3339).ok()
}

/// The data key that the access key id is under, for messages.
pub fn id_data_key(secret: &Secret) -> String {
    field(secret, ACCESS_KEY_ID_FIELD, ACCESS_KEY_ID).map_or_else(|_| ACCESS_KEY_ID.into(), |field| field.name)
}

/// An annotation that is there but empty is a mistake: it does not mean the ordinary data key.
fn field(secret: &Secret, annotation: &'static str, default: &str) -> Result<Field, NoPair> {
    let named = secret.annotation(annotation).map(str::trim);
    match named {
        Some(name) if !is_data_key(name) => Err(NoPair::NoDataKey(annotation, one_line(name))),
        _ => Ok(Field {
            name: named.unwrap_or(default).to_owned(),
            annotation: named.map(|_| annotation),
        }),
    }
}

fn text(secret: &Secret, field: &Field, both: &dyn Fn() -> [String; 2]) -> Result<Sensitive<String>, NoPair> {
    let value = secret
        .data(&field.name)
        .ok_or_else(|| NoPair::Missing(field.clone(), both()))?;
    let text = std::str::from_utf8(value.expose())
        .map_err(|_| NoPair::NotUtf8(field.clone()))?
        .trim();
    if text.is_empty() {
        Err(NoPair::Empty(field.clone()))
    } else {
        Ok(Sensitive::new(text.to_owned()))
    }
}
