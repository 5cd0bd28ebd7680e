//! The history: what this program has done to a Secret's keys before. It permits a deletion, it never demands one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Record, json};
use crate::aws::AccessKeyId;

/// The keys of a Secret, so far as this program has made or replaced them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rotate) struct History {
    /// The Secret that it is on.
    pub(in crate::rotate) uid: String,
    /// The key that this program put into the Secret last.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(in crate::rotate) current: Option<AccessKeyId>,
    /// Since when the Secret has that key, by AWS's clock.
    #[serde(with = "json::utc_if_any")]
    pub(in crate::rotate) since: Option<i64>,
    /// The keys that this program may delete.
    pub(in crate::rotate) keys: BTreeMap<AccessKeyId, Entry>,
}

/// A key that this program may delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rotate) struct Entry {
    /// Why it may.
    pub(in crate::rotate) what: What,
    /// Until when the key may stay, by AWS's clock. `None` is no grace.
    #[serde(with = "json::utc_if_any")]
    pub(in crate::rotate) until: Option<i64>,
    /// Whether this program has deactivated it.
    pub(in crate::rotate) deactivated: bool,
}

/// Why a key may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::rotate) enum What {
    /// This program has put another one in its place.
    Replaced,
    /// A create of this program made it, and its secret is lost.
    Orphan,
}

impl History {
    /// As the annotation says it.
    pub(in crate::rotate) fn to_text(&self) -> String {
        json::write(self)
    }
}

impl Record for History {
    fn flaw(&self) -> Option<&'static str> {
        None
    }
}
