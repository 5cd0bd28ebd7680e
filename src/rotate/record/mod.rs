//! What a rotation writes down on its Secrets, for whoever comes after it: annotations in versioned JSON, nothing secret in
//! them, each bound to the Secret's uid.
//!
//! A record is believed whole or not at all. One that is bound to another uid came along when somebody copied the Secret,
//! and says nothing about this one. Anything else that is not exactly what this version writes cannot be read, and then
//! nothing of this user may be touched: a guess could permit the deletion of a key that is in use.
//!
//! In the JSON, times are RFC 3339 in UTC, so that people can read them; here they are seconds since 1970. Every one says
//! whose clock it is of, the API server's or AWS's. This machine's own clock is in none of them.

mod history;
mod journal;
mod json;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use serde_json::Value;

#[allow(unused_imports)]
pub(super) use self::history::{Entry, History, What};
#[allow(unused_imports)]
pub(super) use self::journal::{Journal, Window};

/// The annotation with the [`Journal`].
pub(super) const JOURNAL: &str = "aws-rotate-key/journal";

/// The annotation with the [`History`].
pub(super) const HISTORY: &str = "aws-rotate-key/history";

/// The longest record that is read, in bytes. All annotations of an object together may have four times as much.
pub(super) const LONGEST: usize = 64 * 1024;

/// The version of what is written, and the only one that is read.
const VERSION: u64 = 1;

/// What an annotation turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read<T> {
    /// There is none.
    None,
    /// It is bound to another Secret's uid: it came along with a copy.
    Void,
    /// A record of this Secret.
    Valid(T),
    /// It cannot be read, for this reason. The reason quotes nothing of what it says.
    Unreadable(String),
}

/// Reads the annotation [`JOURNAL`] of the Secret with this uid.
pub(super) fn journal(text: Option<&str>, uid: &str) -> Read<Journal> {
    read(text, uid)
}

/// Reads the annotation [`HISTORY`] of the Secret with this uid.
pub(super) fn history(text: Option<&str>, uid: &str) -> Read<History> {
    read(text, uid)
}

/// What can be read as a record.
trait Record: DeserializeOwned {
    /// What is wrong with one whose fields are of the right form each.
    fn flaw(&self) -> Option<&'static str>;
}

fn read<T: Record>(text: Option<&str>, uid: &str) -> Read<T> {
    let Some(text) = text else { return Read::None };
    match parse(text, uid) {
        Ok(Some(record)) => Read::Valid(record),
        Ok(None) => Read::Void,
        Err(why) => Read::Unreadable(why),
    }
}

/// The record, or `None` where it is another Secret's. The version is looked at before anything else: a newer one may have
/// any fields. The uid comes next: what is odd about another Secret's record is no concern of this one.
fn parse<T: Record>(text: &str, uid: &str) -> Result<Option<T>, String> {
    if text.len() > LONGEST {
        return Err(format!("expected at most {LONGEST} bytes, it has {}", text.len()));
    }
    let Some(Value::Object(mut fields)) = json::parse(text) else {
        return Err("it is cut off or no JSON of this kind".to_owned());
    };
    match fields.remove("version").as_ref().and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(newer @ VERSION..) => {
            return Err(format!(
                "expected version {VERSION}, it is {newer}: written by a newer version of this program"
            ));
        }
        Some(other) => return Err(format!("expected version {VERSION}, it is {other}")),
        None => return Err(format!("expected version {VERSION}, it names none")),
    }
    if let Some(Value::String(found)) = fields.get("uid")
        && found != uid
    {
        return Ok(None);
    }
    let record: T = serde_json::from_value(Value::Object(fields)).map_err(|error| json::reason(&error))?;
    match record.flaw() {
        None => Ok(Some(record)),
        Some(flaw) => Err(flaw.to_owned()),
    }
}
