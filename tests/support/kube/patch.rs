//! Merge patches (RFC 7396) and as much of strategic merge patches as Secrets need.

use serde_json::{Map, Value};

pub(super) const ACCEPTED: &str = "application/json-patch+json, application/merge-patch+json, \
    application/apply-patch+yaml, application/strategic-merge-patch+json";

/// How a patch changes an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Strategy {
    Merge,
    /// For a Secret, whose maps merge and whose few lists are replaced here, this is a merge that knows `$patch`.
    StrategicMerge,
}

impl Strategy {
    /// `None` for what is answered with 415: JSON patches and server-side apply are not offered.
    pub(super) fn from_media_type(media_type: &str) -> Option<Strategy> {
        match media_type {
            "application/merge-patch+json" => Some(Strategy::Merge),
            "application/strategic-merge-patch+json" => Some(Strategy::StrategicMerge),
            _ => None,
        }
    }

    pub(super) fn apply(self, target: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else {
            *target = patch.clone();
            return;
        };
        let directive = patch
            .get("$patch")
            .and_then(Value::as_str)
            .filter(|_| self == Strategy::StrategicMerge);
        if !target.is_object() || directive.is_some() {
            *target = Value::Object(Map::new());
        }
        if directive == Some("delete") {
            return;
        }
        let fields = target.as_object_mut().expect("made an object above");
        for (name, value) in patch {
            if self == Strategy::StrategicMerge && name.starts_with('$') {
                continue;
            }
            if value.is_null() {
                fields.remove(name);
            } else {
                self.apply(fields.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}
