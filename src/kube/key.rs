//! Names of objects, and of what is in them.

use std::fmt;

use super::Namespace;

/// Which Secret, or which service account: namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A text that cannot name a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSecretName(String);

impl fmt::Display for NoSecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no name of a Secret; expected at most 253 lower-case letters, digits, `-` and `.`, beginning and \
             ending with a letter or digit",
            self.0
        )
    }
}

impl Key {
    /// The Secret `name` beside another one. The name goes into a URL, so it is held to RFC 1123's form, as the API server
    /// holds it.
    ///
    /// # Errors
    ///
    /// When it cannot be a name.
    pub fn in_namespace_of(other: &Key, name: &str) -> Result<Key, NoSecretName> {
        if is_name(name) {
            Ok(Key {
                namespace: other.namespace.clone(),
                name: name.to_owned(),
            })
        } else {
            Err(NoSecretName(crate::error::one_line(name)))
        }
    }

    /// A Secret by both of its names; `None` when one of them cannot be one.
    pub fn parse(namespace: &str, name: &str) -> Option<Key> {
        let namespace = Namespace::parse(namespace).ok()?.to_string();
        is_name(name).then(|| Key {
            namespace,
            name: name.to_owned(),
        })
    }
}

/// Whether Kubernetes takes this for the name of an object: a domain name as in RFC 1123, at most 253 lower-case letters,
/// digits, `-` and `.`, each label beginning and ending with a letter or digit. (A `-` beside a `.` is left to the server.)
pub fn is_name(text: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let edges = bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric);
    let inner = bytes.iter().all(|b| alphanumeric(b) || matches!(b, b'-' | b'.'));
    bytes.len() <= 253 && edges && inner && !text.contains("..")
}

/// The longest data key that Kubernetes takes, in bytes.
pub const LONGEST_DATA_KEY: usize = 253;

/// Whether Kubernetes takes this for a data key of a Secret: `IsConfigMapKey` of its API machinery, which says it for Secrets as
/// well.
pub fn is_data_key(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let path = text == "." || text.starts_with("..");
    (1..=LONGEST_DATA_KEY).contains(&text.len()) && text.bytes().all(good) && !path
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_data_key() {
        for good in ["a", "AWS_ACCESS_KEY_ID", "a.b-c", ".x", "x..", &"k".repeat(253)] {
            assert!(is_data_key(good), "{good}");
        }
        for bad in ["", ".", "..", "..a", "a/b", "a b", "a=b", "ä", "a\n", &"k".repeat(254)] {
            assert!(!is_data_key(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_url() {
        let here = Key {
            namespace: "t".into(),
            name: "s".into(),
        };
        assert_eq!(Key::in_namespace_of(&here, "a-1.b").unwrap().to_string(), "t/a-1.b");
        for bad in ["", "a/b", "../b", "a?b", "A", "a_b", "-a", "a.", "a..b", "a%2f"] {
            assert!(Key::in_namespace_of(&here, bad).is_err(), "{bad}");
        }
    }
}
