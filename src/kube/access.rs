//! Where the API server is, how it is trusted, and what of it this run may see.

use std::fmt;
use std::path::PathBuf;

use super::exec;
use crate::http::Connection;
use crate::sensitive::Sensitive;

/// How to reach an API server.
#[derive(Debug)]
pub struct Access {
    /// `https://host:port`, perhaps with a path, without a slash at the end.
    pub server: String,
    /// How to get to it. A client certificate is part of it.
    pub connection: Connection,
    /// What to show it.
    pub credential: Credential,
    /// As whom to act there.
    pub impersonation: Impersonation,
    /// The namespace meant when none is named, or why there is none.
    pub namespace: Result<Namespace, String>,
}

/// What a request shows beside the client certificate that the connection may have.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing.
    None,
    /// A bearer token.
    Token(Sensitive<String>),
    /// A bearer token in a file that somebody keeps fresh.
    TokenFile {
        /// The file.
        path: PathBuf,
        /// The token when the file cannot be read.
        otherwise: Option<Sensitive<String>>,
    },
    /// A user name and a password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Sensitive<String>,
    },
    /// What a program issues.
    Exec {
        /// The program.
        plugin: Box<exec::Plugin>,
        /// What it is told of the cluster.
        cluster: Box<exec::Cluster>,
    },
}

/// As whom to act, for which the API server asks for the right `impersonate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// The user. Without one there is nothing to be asked for.
    pub user: Option<String>,
    /// The user's id.
    pub uid: Option<String>,
    /// The user's groups.
    pub groups: Vec<String>,
    /// More of the user, by name; a name may come more than once.
    pub extra: Vec<(String, String)>,
}

impl Impersonation {
    /// Whether something is asked for without saying as whom.
    pub fn lacks_user(&self) -> bool {
        let Impersonation {
            user,
            uid,
            groups,
            extra,
        } = self;
        user.is_none() && (uid.is_some() || !groups.is_empty() || !extra.is_empty())
    }

    /// The headers that ask for it, names in lower case.
    pub fn headers(&self) -> Vec<(String, String)> {
        let one =
            |name: &str, value: &Option<String>| value.iter().map(|value| (name.to_owned(), value.clone())).collect();
        let all: [Vec<(String, String)>; 4] = [
            one("impersonate-user", &self.user),
            one("impersonate-uid", &self.uid),
            self.groups
                .iter()
                .map(|group| ("impersonate-group".to_owned(), group.clone()))
                .collect(),
            self.extra
                .iter()
                .map(|(name, value)| (format!("impersonate-extra-{}", header_name(name)), value.clone()))
                .collect(),
        ];
        all.into_iter().flatten().collect()
    }
}

/// As client-go does it: what cannot stand in the name of a header is percent-encoded. Capitals come out small on the other
/// side either way.
fn header_name(name: &str) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&b);
    let encode = |b: u8| {
        if fits(b) {
            char::from(b.to_ascii_lowercase()).to_string()
        } else {
            format!("%{b:02x}")
        }
    };
    name.bytes().map(encode).collect()
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

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
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
    fn impersonation_is_asked_for_by_headers() {
        let all = Impersonation {
            user: Some("jane".into()),
            uid: Some("7".into()),
            groups: vec!["a".into(), "b".into()],
            extra: vec![("Scopes/x".into(), "view".into()), ("dn".into(), "1".into())],
        };
        let expected = [
            ("impersonate-user", "jane"),
            ("impersonate-uid", "7"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-extra-scopes%2fx", "view"),
            ("impersonate-extra-dn", "1"),
        ];
        assert_eq!(
            all.headers(),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(!all.lacks_user() && !Impersonation::default().lacks_user());
        assert!(Impersonation { user: None, ..all }.lacks_user());
    }

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
