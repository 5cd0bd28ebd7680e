//! Exec plugins: programs that issue credentials, as kubeconfigs name them (`client.authentication.k8s.io`, v1 and v1beta1).

mod eks;
mod info;
mod reply;
mod run;
mod wait;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;

pub use self::eks::{EksToken, IssuedToken, NativeToken};
pub use self::info::Cluster;
pub(super) use self::run::issue;
use crate::http::Identity;
use crate::sensitive::Sensitive;

/// A program that issues credentials, and how it is called.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The program. One without a slash is looked up in `PATH`.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Added to the environment that it inherits. Values may be secret.
    pub environment: Vec<(String, Sensitive<String>)>,
    /// The version of the protocol.
    pub version: Version,
    /// Whether it is told of the cluster.
    pub provide_cluster_info: bool,
    /// Whether it may ask a person.
    pub interactive: Interactive,
    /// How to get the program when it is missing.
    pub install_hint: Option<String>,
}

/// The version of the protocol between client and plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `client.authentication.k8s.io/v1`
    V1,
    /// `client.authentication.k8s.io/v1beta1`
    V1Beta1,
}

impl Version {
    /// `None` for what client-go does not know either, `v1alpha1` for one.
    pub fn parse(text: &str) -> Option<Version> {
        [Version::V1, Version::V1Beta1]
            .into_iter()
            .find(|version| version.to_string() == text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V1 => "client.authentication.k8s.io/v1",
            Version::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        })
    }
}

/// Whether a plugin gets the standard input, to ask a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interactive {
    /// It does not.
    Never,
    /// If that is a terminal.
    IfAvailable,
    /// It cannot do without.
    Always,
}

/// What a plugin issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// A bearer token.
    pub token: Option<Sensitive<String>>,
    /// A client certificate.
    pub identity: Option<Identity>,
    /// Until when it is good; `None`: until the server refuses it.
    pub expires_at: Option<OffsetDateTime>,
}

/// A plugin that issued nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    command: PathBuf,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    NotFound { hint: Option<String> },
    NotStarted(String),
    NoTerminal,
    Failed { how: String, said: Option<String> },
    TimedOut { limit: Duration, said: Option<String> },
    TooMuch { limit: usize },
    Answer(String),
    Native(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |f: &mut fmt::Formatter<'_>, said: &Option<String>| match said {
            Some(said) => write!(f, ": {said}"),
            None => Ok(()),
        };
        let command = self.command.display();
        if !matches!(self.problem, Problem::Native(_)) {
            write!(f, "the exec plugin `{command}` ")?;
        }
        match &self.problem {
            Problem::NotFound { hint: Some(hint) } => write!(f, "is not there: {hint}"),
            Problem::NotFound { hint: None } => {
                f.write_str("is not there; install it, or correct `command` in the kubeconfig's user")
            }
            Problem::NotStarted(why) => write!(f, "cannot be started: {why}"),
            Problem::NoTerminal => f.write_str(
                "has to ask a person (`interactiveMode: Always`), and standard input is no terminal; use a user that needs \
                 nobody",
            ),
            Problem::Failed { how, said: last } => {
                write!(f, "failed with {how}")?;
                said(f, last)
            }
            Problem::TimedOut { limit, said: last } => {
                write!(f, "did not end within {} s", limit.as_secs())?;
                said(f, last)
            }
            Problem::TooMuch { limit } => write!(f, "printed more than {limit} bytes; expected an `ExecCredential`"),
            Problem::Answer(why) => write!(f, "printed no credential that can be used: {why}"),
            Problem::Native(why) => write!(
                f,
                "no token for EKS could be made in place of `{command}`, which is not installed: {why}"
            ),
        }
    }
}

impl std::error::Error for Error {}
