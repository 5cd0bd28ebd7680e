//! The JSON of records, strictly: what occurs twice, has a name too many or is written in another way is an error.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::VERSION;
use crate::aws::AccessKeyId;

const NO_TIME: &str = "expected every time to be such as `2026-11-24T21:00:00Z`";
const NO_KEY_ID: &str = "expected every access key id to be 16 to 128 capital letters and digits";

/// A record, with its version in front.
pub(super) fn write(record: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        version: u64,
        #[serde(flatten)]
        record: &'a T,
    }
    let version = VERSION;
    // Records are made of names, texts, numbers and times, and each of these has a JSON form.
    serde_json::to_string(&Versioned { version, record }).expect("a record has a JSON form")
}

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().map(|Unique(value)| value)
}

/// Why a value is no record. serde's own words quote what they found, which may be anything; only those pass that are
/// made of this program's words alone.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text == NO_TIME || text == NO_KEY_ID || text.starts_with("missing field `") {
        text
    } else {
        format!("expected the fields of version {VERSION} and no others, each of its kind")
    }
}

/// Any JSON value in which no object has a name twice: which of the two counts would be a guess.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Unique)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a name that occurs twice")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Unique(value))) = entries.next_entry::<String, Unique>()? {
            if fields.insert(name, value).is_some() {
                return Err(de::Error::custom("a name occurs twice"));
            }
        }
        Ok(Value::Object(fields))
    }
}

impl Serialize for AccessKeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AccessKeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AccessKeyId, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        AccessKeyId::parse(&text).map_err(|_| D::Error::custom(NO_KEY_ID))
    }
}

/// The last second of the year 9999, which is as far as RFC 3339 goes.
const LATEST: i64 = 253_402_300_799;

/// For what cannot be dated so, the nearest time that can. A grace period may be of any length.
fn time_text(seconds: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(seconds.clamp(0, LATEST)).ok()?;
    time.format(&Rfc3339).ok()
}

/// Only as [`time_text`] writes it: in UTC, by whole seconds.
fn seconds(text: &str) -> Option<i64> {
    let seconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp();
    (time_text(seconds)? == text).then_some(seconds)
}

/// A time as RFC 3339.
pub(super) mod utc {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(seconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        let text = time_text(*seconds).ok_or_else(|| serde::ser::Error::custom(NO_TIME))?;
        serializer.serialize_str(&text)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        seconds(&text).ok_or_else(|| D::Error::custom(NO_TIME))
    }
}

/// A time as RFC 3339, or `null`. That the field is missing is an error: without it, `until` would permit the most.
pub(super) mod utc_if_any {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super::utc")] i64);

    pub(in super::super) fn serialize<S: Serializer>(seconds: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        seconds.map(Time).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(seconds)| seconds))
    }
}
