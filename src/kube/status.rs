//! What the API server's errors mean: the `Status` object, its reasons, and what to do.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::what::{Resource, Verb, What};
use super::{Secret, session};
use crate::error::{Fault, one_line};
use crate::http::{self, Delivery, Reply};
use crate::retry::Reaction;
use crate::sensitive::Sensitive;

/// A request that did not succeed.
#[derive(Debug)]
pub struct Error {
    /// What was asked.
    pub(super) what: What,
    /// The server that was asked.
    pub(super) server: String,
    /// What to say when what the request showed of its sender is not accepted.
    pub(super) not_accepted: &'static str,
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
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What came instead.
        what: String,
    },
    /// The object cannot be put into JSON.
    Unwritable(String),
    /// There is nothing to show to the server.
    NoCredential(Box<session::Error>),
}

/// A `Status` of failure.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status code.
    pub code: u16,
    reason: String,
    message: String,
    /// The namespace is being deleted, so that nothing can be made in it.
    terminating: bool,
    retry_after: Option<Duration>,
}

/// The cause that the API server gives in the details of its refusal (`NamespaceTerminatingCause` in `k8s.io/api/core/v1`).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// What is shorter than this is found in any message by chance, and is no secret.
const SHORTEST_QUOTE: usize = 8;

pub(super) fn cause(reply: &Reply) -> Cause {
    #[derive(Deserialize)]
    struct Status {
        kind: String,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        details: Value,
    }
    match serde_json::from_slice::<Status>(reply.body.expose()) {
        Ok(status) if status.kind == "Status" => Cause::Refused(Box::new(Refusal {
            code: reply.status,
            reason: one_line(&status.reason),
            message: one_line(&status.message),
            terminating: has_cause(&status.details, NAMESPACE_TERMINATING),
            retry_after: reply.retry_after(),
        })),
        // The flow control filter answers in plain text.
        _ if reply.status == 429 => Cause::Refused(Box::new(Refusal {
            code: 429,
            reason: "TooManyRequests".into(),
            message: String::new(),
            terminating: false,
            retry_after: reply.retry_after(),
        })),
        _ => unexpected(reply, "a Status of the Kubernetes API"),
    }
}

fn has_cause(details: &Value, reason: &str) -> bool {
    let causes = details.get("causes").and_then(Value::as_array);
    causes.is_some_and(|causes| {
        causes
            .iter()
            .any(|cause| cause.get("reason").is_some_and(|it| it == reason))
    })
}

/// An answer that is not what an API server sends.
pub(super) fn unexpected(reply: &Reply, expected: &str) -> Cause {
    Cause::Unreadable {
        status: reply.status,
        what: format!("{} (is this the API server?)", reply.unexpected(expected)),
    }
}

impl Cause {
    pub(super) fn is_expired(&self) -> bool {
        matches!(self, Cause::Refused(refusal) if refusal.code == 410)
    }

    pub(super) fn reaction(&self) -> Reaction {
        match self {
            Cause::NoAnswer(failure) => failure.reaction(),
            Cause::Refused(refusal) => Reaction::to_answer(refusal.fault().passes(), refusal.retry_after),
            // An error page of something on the way, most often.
            Cause::Unreadable { status, .. } => Reaction::to_answer(*status == 429 || *status >= 500, None),
            Cause::Unwritable(_) | Cause::NoCredential(_) => Reaction::GiveUp,
        }
    }
}

impl Refusal {
    /// Keeps out of the log what may quote the object that was sent. Whoever is asked for admission sees the object and
    /// answers in words of its own: only its name is kept. Any other message goes when it has a value of the Secret in it.
    pub(super) fn withhold_quotes(&mut self, sent: &Secret) {
        let verdict = ["denied the request", "denied request"];
        if let Some(end) = verdict
            .iter()
            .find_map(|verdict| Some(self.message.find(verdict)? + verdict.len()))
        {
            self.message.truncate(end);
            self.message
                .push_str(" (its reason is not shown, for it may quote the Secret)");
        }
        let quotes = sent.all_data().values().any(|value| {
            let encoded = Sensitive::new(STANDARD.encode(value.expose()));
            let text = std::str::from_utf8(value.expose()).unwrap_or_default().trim();
            [text, encoded.expose()]
                .iter()
                .any(|text| text.len() >= SHORTEST_QUOTE && self.message.contains(text))
        });
        if quotes {
            self.message = "the message is not shown, for it quotes the Secret".into();
        }
    }

    /// Whether it is RBAC that refuses. An admission webhook, a quota and a namespace that is being deleted also come as 403, and
    /// their own messages must do.
    fn is_by_rbac(&self) -> bool {
        self.code == 403 && !self.terminating && self.message.contains(" cannot ")
    }

    fn fault(&self) -> Fault {
        match self.code {
            401 => Fault::Credentials,
            403 if self.terminating => Fault::Refused,
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
    /// Whether the same request may succeed a moment later, and when the server asks to be asked again. It does not say
    /// whether it may be repeated: a write of unknown outcome must first be looked at.
    pub fn reaction(&self) -> Reaction {
        self.cause.reaction()
    }

    /// Whether a right is missing that a Role or a ClusterRole would give.
    pub fn is_denied_by_rbac(&self) -> bool {
        matches!(&self.cause, Cause::Refused(refusal) if refusal.is_by_rbac())
    }

    /// Whether the namespace is being deleted, so that nothing can be made in it.
    pub fn is_namespace_terminating(&self) -> bool {
        matches!(&self.cause, Cause::Refused(refusal) if refusal.terminating)
    }

    /// What happened, for whoever knows better what to do about it.
    pub fn without_advice(&self) -> String {
        let What { verb, target, .. } = &self.what;
        format!(
            "Kubernetes: {} {target} at {}: {}",
            verb.name(),
            self.server,
            self.cause
        )
    }

    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        let writes = self.what.verb.writes();
        let unless_written = |fault| if writes { Fault::OutcomeUnknown } else { fault };
        match &self.cause {
            Cause::Refused(refusal) => match refusal.fault() {
                Fault::RemoteFault => unless_written(Fault::RemoteFault),
                fault => fault,
            },
            Cause::NoAnswer(failure) if failure.delivery == Delivery::NotSent => Fault::Network,
            Cause::NoAnswer(_) => unless_written(Fault::Network),
            Cause::Unreadable { .. } => unless_written(Fault::RemoteFault),
            Cause::Unwritable(_) => Fault::Internal,
            Cause::NoCredential(error) => error.fault(),
        }
    }

    fn advice(&self) -> Option<String> {
        let refusal = match &self.cause {
            Cause::Refused(refusal) => refusal,
            Cause::NoAnswer(failure) if failure.is_unknown_authority() => {
                return Some(
                    "name the authority's certificate by `--certificate-authority`, or in a pod see to its service account"
                        .into(),
                );
            }
            Cause::NoAnswer(failure) => return failure.advice(),
            Cause::Unreadable { status, .. } if *status >= 500 => return Some("run again later".into()),
            Cause::Unreadable { .. } | Cause::Unwritable(_) | Cause::NoCredential(_) => return None,
        };
        let verb = self.what.verb;
        match refusal.code {
            401 => Some(self.not_accepted.into()),
            403 if refusal.message.contains(" cannot impersonate resource ") => Some(
                "grant the verb `impersonate` on `users` (and `groups`, `uids`, `userextras`) by a ClusterRole and a \
                 ClusterRoleBinding, or leave `--as` out"
                    .into(),
            ),
            403 if refusal.is_by_rbac() => Some(self.grant(refusal.message.ends_with(" at the cluster scope"))),
            404 if verb == Verb::List => Some("see that the address is that of a Kubernetes API server".into()),
            404 => Some("it was deleted meanwhile; make it again if it is still wanted".into()),
            409 if verb == Verb::Create => Some("somebody else has just made it: see who, and run again".into()),
            409 => Some("somebody else keeps changing it: see who, and run again".into()),
            422 => Some(format!(
                "correct the {}, or the policy that forbids it, and run again",
                self.what.resource.kind()
            )),
            429 | 500..=599 if !verb.writes() => Some("run again later".into()),
            _ => None,
        }
    }

    fn grant(&self, cluster_wide: bool) -> String {
        let What { verb, resource, .. } = &self.what;
        let verbs = match resource {
            Resource::Secrets | Resource::Namespaces => format!("verb `{}`", verb.name()),
            // An account that is read is written too: who grants the one learns of the other now and not in the next run.
            Resource::ServiceAccounts => "verbs `get` and `update`".to_owned(),
        };
        let by = match (cluster_wide, resource) {
            (_, Resource::ServiceAccounts) => {
                "a Role and a RoleBinding there, or for every namespace by a ClusterRole and a ClusterRoleBinding"
            }
            (false, Resource::Secrets | Resource::Namespaces) => "a Role and a RoleBinding",
            (true, Resource::Secrets) => "a ClusterRole and a ClusterRoleBinding, or name a namespace",
            (true, Resource::Namespaces) => "a ClusterRole and a ClusterRoleBinding",
        };
        format!("grant the {verbs} on `{}` by {by}", resource.name())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_advice())?;
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
                let reason = if refusal.reason.is_empty() {
                    "an error without a reason"
                } else {
                    &refusal.reason
                };
                write!(f, "{reason} ({})", refusal.code)?;
                if refusal.message.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {}", refusal.message.trim_end_matches('.'))
                }
            }
            Cause::NoAnswer(failure) => write!(f, "{failure}"),
            Cause::Unreadable { what, .. } => f.write_str(what),
            Cause::Unwritable(why) => write!(f, "the Secret cannot be written as JSON: {why}"),
            Cause::NoCredential(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}
