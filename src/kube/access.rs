//! Where the API server is, how it is trusted, and what of it this run may see.

use std::fmt;
use std::path::PathBuf;

use crate::http::Connection;

/// How to reach an API server.
#[derive(Debug)]
pub struct Access {
    /// `https://host:port`, without a slash at the end.
    pub server: String,
    /// How to get to it.
    pub connection: Connection,
    /// What to show it.
    pub token: Token,
    /// The namespace meant when none is named, or why there is none.
    pub namespace: Result<Namespace, String>,
}

/// Where the bearer token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A file that somebody keeps fresh.
    File(PathBuf),
}

/// The name of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(String);

/// A text that cannot name a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoNamespace(String);

impl fmt::Display for NoNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no name of a namespace; expected at most 63 lower-case letters, digits and `-`, beginning and \
             ending with a letter or digit",
            self.0
        )
    }
}

impl Namespace {
    /// Takes a label as in RFC 1123, which Kubernetes asks of a namespace's name.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn parse(text: &str) -> Result<Namespace, NoNamespace> {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = text.as_bytes();
        let inner = bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        if bytes.len() <= 63 && inner && edge(bytes.first()) && edge(bytes.last()) {
            Ok(Namespace(text.to_owned()))
        } else {
            Err(NoNamespace(crate::error::one_line(text)))
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The namespaces that a run looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// One.
    One(Namespace),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => f.write_str("all namespaces"),
            Scope::One(namespace) => write!(f, "namespace {namespace}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_namespaces() {
        for good in ["a", "kube-system", "0", &"x".repeat(63)] {
            assert!(Namespace::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "ä", &"x".repeat(64)] {
            assert!(Namespace::parse(bad).is_err(), "{bad}");
        }
    }
}
