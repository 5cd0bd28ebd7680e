//! What the annotation `aws-ecr-updater/logins` says: whose logins a Secret holds and to which registries, so that the next run
//! can tell whether they are still what is wanted. It only ever saves a request: whatever does not fit leads to a refresh.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::sensitive::Sensitive;

/// The version of what is written, and the only one that is heeded.
const VERSION: u64 = 1;

/// Whose logins a Secret holds, and to which registries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u64,
    /// The id of the key that got them; none where it was a session's.
    pub(super) key: Option<String>,
    /// The role that was assumed.
    pub(super) role: Option<String>,
    /// The own registry of each realm.
    pub(super) own: BTreeMap<String, String>,
    /// Of what was written, see [`fingerprint`].
    pub(super) fingerprint: String,
}

impl Record {
    pub(super) fn new(
        key: Option<String>,
        role: Option<String>,
        own: BTreeMap<String, String>,
        fingerprint: String,
    ) -> Record {
        Record {
            version: VERSION,
            key,
            role,
            own,
            fingerprint,
        }
    }

    /// Reads an annotation. What is not understood is nothing.
    pub(super) fn parse(text: &str) -> Option<Record> {
        serde_json::from_str(text)
            .ok()
            .filter(|record: &Record| record.version == VERSION)
    }

    /// The annotation.
    pub(super) fn write(&self) -> String {
        // Names, texts and numbers each have a JSON form.
        serde_json::to_string(self).expect("a record has a JSON form")
    }
}

/// Tells whether what a Secret holds is what was written: 64 bits of the logins, of which each is far too long to be guessed
/// from that. Not a checksum for ever: another build of this program may make another one of the same, which costs a refresh.
pub(super) fn fingerprint(parts: &[(String, Sensitive<Vec<u8>>)], expires_at: &str) -> String {
    let mut hasher = DefaultHasher::new();
    for (name, value) in parts {
        (name, value.expose()).hash(&mut hasher);
    }
    expires_at.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let own = BTreeMap::from([("eu-west-1".to_owned(), "h".to_owned())]);
        let record = Record::new(
            Some("AKIAIOSFODNN7EXAMPLE".into()),
            None,
            own,
            "0123456789abcdef".into(),
        );
        let text = record.write();
        assert_eq!(
            text,
            r#"{"version":1,"key":"AKIAIOSFODNN7EXAMPLE","role":null,"own":{"eu-west-1":"h"},"fingerprint":"0123456789abcdef"}"#
        );
        assert_eq!(Record::parse(&text), Some(record));
        for other in ["", "{}", &text.replace(":1,", ":2,"), &text.replace("own", "theirs")] {
            assert_eq!(Record::parse(other), None, "{other}");
        }
    }

    #[test]
    fn every_part_counts() {
        let part = |name: &str, value: &str| (name.to_owned(), Sensitive::new(value.as_bytes().to_vec()));
        let all = [
            fingerprint(&[part("h", "a")], "t"),
            fingerprint(&[part("h", "b")], "t"),
            fingerprint(&[part("g", "a")], "t"),
            fingerprint(&[part("h", "a")], "u"),
            fingerprint(&[part("h", "a"), part("h", "a")], "t"),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(fingerprint(&[part("h", "a")], "t"), all[0]);
    }
}
