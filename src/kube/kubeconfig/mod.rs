//! Kubeconfig files, in the order and with the meaning that client-go gives them (`k8s.io/client-go/tools/clientcmd`).
//!
//! ```text
//! --kubeconfig   or else KUBECONFIG, a list   or else ~/.kube/config     sources   (reads)
//!        each file: YAML -> fields -> contexts, clusters, users          yaml, scalar, fields, file, plugin
//!        the first that says a thing is right                            select
//!        --context or current-context -> one cluster, one user           select
//!        one cluster, one user -> how to reach it                        resolve   (reads)
//! ```
//!
//! Nothing in them at all leaves the way to the pod's own service account. What is there and broken is an error.

mod fields;
mod file;
mod plugin;
mod resolve;
mod scalar;
mod select;
mod sources;
pub(super) mod yaml;

use std::fmt;
use std::path::PathBuf;

pub use self::file::{Cluster, Config, Context, User};
pub use self::resolve::access;
pub use self::select::Choice;
pub use self::sources::Sources;

/// Why the kubeconfigs lead to no cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A file that was named, or is at the usual place, cannot be read.
    Unreadable {
        /// What names it.
        named_by: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A file that is no kubeconfig.
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: file::Error,
    },
    /// No context is named, in no way.
    NoContext {
        /// Those that there are.
        known: Vec<String>,
    },
    /// What a context, a flag or `current-context` names is not there.
    Unknown {
        /// Who names it.
        named_by: String,
        /// What kind of thing it is.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A cluster or a user that is of no use.
    Useless {
        /// `cluster` or `user`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreadable { named_by, path, why } => {
                write!(f, "{named_by} names `{}`, which cannot be read: {why}", path.display())
            }
            Error::Invalid { path, why } => write!(f, "kubeconfig `{}`: {why}", path.display()),
            Error::NoContext { known } => write!(
                f,
                "the kubeconfig has no `current-context`; name a context by `--context`{}",
                listed(known)
            ),
            Error::Unknown {
                named_by,
                kind,
                name,
                known,
            } => write!(
                f,
                "{named_by} names the {kind} `{name}`, which no kubeconfig has{}",
                listed(known)
            ),
            Error::Useless { kind, name, why } => write!(f, "{kind} `{name}` of the kubeconfig: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// More names than this help nobody.
const MOST_LISTED: usize = 10;

fn listed(known: &[String]) -> String {
    let shown: Vec<String> = known.iter().take(MOST_LISTED).map(|name| format!("`{name}`")).collect();
    match (shown.is_empty(), known.len() > MOST_LISTED) {
        (true, _) => String::new(),
        (false, false) => format!("; there is {}", shown.join(", ")),
        (false, true) => format!("; there is {} and more", shown.join(", ")),
    }
}
