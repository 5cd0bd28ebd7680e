//! What the API server's errors mean: the `Status` object, its reasons, and what to do.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::{Fault, one_line};
use crate::http::{self, Delivery, Problem, Reply};
use crate::retry::Reaction;

/// A request that did not succeed.
#[derive(Debug)]
pub struct Error {
    /// The verb as RBAC names it.
    pub(super) verb: &'static str,
    /// What it was about: `namespace/name`, or a list.
    pub(super) target: String,
    /// The server that was asked.
    pub(super) server: String,
    /// Why it did not succeed.
    pub cause: Cause,
}

/// Why a request did not succeed.
#[derive(Debug)]
pub enum Cause {
    /// The server answered with a `Status`.
    Refused(Box<Refusal>),
    /// No complete answer came.
    NoAnswer(Box<http::Failure>),
    /// What came is no answer of a Kubernetes API server.
    Unreadable(String),
    /// There is no token to send.
    NoToken {
        /// The file it should be in.
        path: PathBuf,
        /// Why it is not.
        why: String,
    },
}

/// A `Status` of failure.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status code.
    pub code: u16,
    reason: String,
    message: String,
    retry_after: Option<std::time::Duration>,
}

pub(super) fn cause(reply: &Reply) -> Cause {
    #[derive(Deserialize)]
    struct Status {
        kind: String,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice::<Status>(reply.body.expose()) {
        Ok(status) if status.kind == "Status" => Cause::Refused(Box::new(Refusal {
            code: reply.status,
            reason: one_line(&status.reason),
            message: one_line(&status.message),
            retry_after: reply.retry_after(),
        })),
        // The flow control filter answers in plain text.
        _ if reply.status == 429 => Cause::Refused(Box::new(Refusal {
            code: 429,
            reason: "TooManyRequests".into(),
            message: String::new(),
            retry_after: reply.retry_after(),
        })),
        _ => unexpected(reply, "a Status of the Kubernetes API"),
    }
}

/// An answer that is not what an API server sends. The body is not repeated: nobody knows what is in it.
pub(super) fn unexpected(reply: &Reply, expected: &str) -> Cause {
    let content_type = reply
        .header("content-type")
        .map_or("of no stated type".into(), |t| format!("`{}`", one_line(t)));
    Cause::Unreadable(format!(
        "expected {expected}, got status {} with a body of {} bytes, {content_type}; is this the API server?",
        reply.status,
        reply.body.expose().len()
    ))
}

impl Cause {
    pub(super) fn is_expired(&self) -> bool {
        matches!(self, Cause::Refused(refusal) if refusal.code == 410)
    }

    pub(super) fn reaction(&self) -> Reaction {
        let (passes, after) = match self {
            Cause::Refused(refusal) => (refusal.fault().passes(), refusal.retry_after),
            Cause::NoAnswer(failure) => (
                !matches!(failure.problem, Problem::Tls(_) | Problem::BodyTooLarge { .. }),
                None,
            ),
            Cause::Unreadable(_) | Cause::NoToken { .. } => (false, None),
        };
        if passes {
            Reaction::Repeat { after }
        } else {
            Reaction::GiveUp
        }
    }
}

impl Refusal {
    fn fault(&self) -> Fault {
        match self.code {
            401 => Fault::Credentials,
            403 => Fault::AccessDenied,
            404 => Fault::NotFound,
            409 => Fault::Conflict,
            429 => Fault::Throttled,
            500..=599 => Fault::RemoteFault,
            _ => Fault::Refused,
        }
    }
}

impl Error {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        let writes = self.verb == "update";
        let unless_written = |fault| if writes { Fault::OutcomeUnknown } else { fault };
        match &self.cause {
            Cause::Refused(refusal) => match refusal.fault() {
                Fault::RemoteFault => unless_written(Fault::RemoteFault),
                fault => fault,
            },
            Cause::NoAnswer(failure) if failure.delivery == Delivery::NotSent => Fault::Network,
            Cause::NoAnswer(_) => unless_written(Fault::Network),
            Cause::Unreadable(_) => unless_written(Fault::RemoteFault),
            Cause::NoToken { .. } => Fault::Configuration,
        }
    }

    fn advice(&self) -> Option<String> {
        let Cause::Refused(refusal) = &self.cause else {
            return None;
        };
        match refusal.code {
            401 => Some("the token is not accepted: expired, or of another cluster".into()),
            // RBAC's words. An admission webhook also answers 403, and its own message must do.
            403 if refusal.message.contains(" cannot ") => Some(format!(
                "grant the verb `{}` on `secrets` by a Role and a RoleBinding",
                self.verb
            )),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Kubernetes: {} {} at {}: {}",
            self.verb, self.target, self.server, self.cause
        )?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Refused(refusal) => {
                write!(f, "{} ({})", refusal.reason, refusal.code)?;
                if refusal.message.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {}", refusal.message)
                }
            }
            Cause::NoAnswer(failure) => write!(f, "{failure}"),
            Cause::Unreadable(what) => f.write_str(what),
            Cause::NoToken { path, why } => write!(f, "no bearer token from `{}`: {why}", path.display()),
        }
    }
}

impl std::error::Error for Error {}
