//! A call to AWS that did not succeed: what was tried, who is at fault, what to do.

use std::fmt;

use super::{AccessKeyId, Meaning, Refusal, Service};
use crate::error::Fault;
use crate::http::{self, Delivery, Problem};
use crate::retry::{Price, Reaction};

/// A call that did not succeed.
#[derive(Debug)]
pub struct Error {
    /// The operation, `CreateAccessKey`.
    pub operation: &'static str,
    /// The service that was called.
    pub(super) service: Service,
    /// The key that signed.
    pub key: AccessKeyId,
    /// The region it was meant for.
    pub(super) region: Box<str>,
    /// Where the call went.
    pub(super) endpoint: Box<str>,
    /// Whether the call was one that is sent once.
    pub(super) once: bool,
    /// Why it did not succeed.
    pub cause: Cause,
}

/// Why a call did not succeed.
#[derive(Debug)]
pub enum Cause {
    /// AWS answered with an error.
    Refused(Box<Refusal>),
    /// No complete answer came.
    NoAnswer(Box<http::Failure>),
    /// What came is not an answer of this service.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What came instead.
        what: String,
    },
    /// The request could not be signed. Says why.
    Unsignable(String),
}

impl Error {
    /// What AWS's refusal means; `None` when AWS did not refuse.
    pub fn meaning(&self) -> Option<Meaning> {
        match &self.cause {
            Cause::Refused(refusal) => Some(refusal.meaning()),
            Cause::NoAnswer(_) | Cause::Unreadable { .. } | Cause::Unsignable(_) => None,
        }
    }

    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        let unless_once = |fault| if self.once { Fault::OutcomeUnknown } else { fault };
        match &self.cause {
            Cause::NoAnswer(failure) => match (failure.delivery, &failure.problem) {
                (Delivery::NotSent, Problem::BadRequest(_)) => Fault::Configuration,
                (Delivery::NotSent, _) => Fault::Network,
                (Delivery::Unknown, _) => unless_once(Fault::Network),
            },
            Cause::Unreadable { .. } => unless_once(Fault::RemoteFault),
            Cause::Unsignable(_) => Fault::Internal,
            Cause::Refused(refusal) => match refusal.meaning() {
                Meaning::UnknownKey | Meaning::WrongSecret | Meaning::ClockSkew | Meaning::SessionOver => {
                    Fault::Credentials
                }
                Meaning::WrongRegion => Fault::Data,
                Meaning::AccessDenied => Fault::AccessDenied,
                Meaning::Throttled => Fault::Throttled,
                Meaning::NoSuchEntity => Fault::NotFound,
                Meaning::RemoteFault => unless_once(Fault::RemoteFault),
                Meaning::LimitExceeded | Meaning::Other => Fault::Refused,
            },
        }
    }

    /// Whether the same call may succeed a moment later, and when AWS asks to be called again. It does not say whether the
    /// call may be repeated: one that makes a key must not.
    pub fn reaction(&self) -> Reaction {
        let (passes, after) = match &self.cause {
            Cause::NoAnswer(failure) => (failure.passes(), None),
            Cause::Refused(refusal) => match refusal.meaning() {
                Meaning::Throttled | Meaning::RemoteFault => (true, refusal.retry_after),
                Meaning::UnknownKey
                | Meaning::WrongSecret
                | Meaning::WrongRegion
                | Meaning::ClockSkew
                | Meaning::AccessDenied
                | Meaning::SessionOver
                | Meaning::LimitExceeded
                | Meaning::NoSuchEntity
                | Meaning::Other => (false, None),
            },
            // An error page of something on the way, most often.
            Cause::Unreadable { status, .. } => (*status >= 500, None),
            Cause::Unsignable(_) => (false, None),
        };
        if passes {
            Reaction::Repeat {
                after,
                price: self.price(),
            }
        } else {
            Reaction::GiveUp
        }
    }

    fn price(&self) -> Price {
        match &self.cause {
            Cause::NoAnswer(failure) if matches!(failure.problem, Problem::TimedOut { .. }) => Price::TimeOut,
            Cause::NoAnswer(_) | Cause::Refused(_) | Cause::Unreadable { .. } | Cause::Unsignable(_) => Price::Failure,
        }
    }

    /// What was tried and what came back.
    pub fn without_advice(&self) -> String {
        let tried = format!("{} with key {} at {}", self.operation, self.key, self.host());
        match &self.cause {
            Cause::Refused(refusal) => format!("{tried}: {refusal}"),
            Cause::NoAnswer(failure) => format!("{tried}: {failure}"),
            Cause::Unreadable { what, .. } => format!("{tried}: {what}"),
            Cause::Unsignable(why) => format!("{tried}: the request cannot be signed: {why}"),
        }
    }

    fn host(&self) -> &str {
        self.endpoint
            .split("://")
            .nth(1)
            .unwrap_or(&self.endpoint)
            .trim_end_matches('/')
    }

    /// What to do about it, where that can be told.
    fn advice(&self) -> Option<String> {
        match &self.cause {
            Cause::NoAnswer(failure) if failure.is_unknown_authority() => {
                return Some("name the authority's certificate in `AWS_CA_BUNDLE`".into());
            }
            Cause::NoAnswer(failure) if matches!(failure.problem, Problem::NameNotResolved) => {
                return Some(format!(
                    "see that the region `{}` is right, and that this machine resolves names",
                    self.region
                ));
            }
            Cause::NoAnswer(failure) => return failure.advice().map(str::to_owned),
            Cause::Unreadable { status, .. } if *status >= 500 => return Some("run again later".into()),
            Cause::Refused(_) | Cause::Unreadable { .. } | Cause::Unsignable(_) => {}
        }
        match self.meaning()? {
            Meaning::UnknownKey => Some(
                "the key is deleted, inactive, of another partition, or too new; put a working pair into its Secret"
                    .into(),
            ),
            Meaning::WrongSecret => {
                Some("the secret access key does not belong to this key id; put the right one into its Secret".into())
            }
            Meaning::WrongRegion => {
                Some("the region is wrong: see the Secret's region annotation, and `AWS_REGION`".into())
            }
            Meaning::ClockSkew => Some("set this machine's clock".into()),
            Meaning::AccessDenied => Some(format!(
                "allow `{}` to the user that owns this key",
                self.service.action(self.operation)
            )),
            Meaning::SessionOver => Some("get a new session".into()),
            Meaning::Throttled => {
                Some("run again later; other tools may be using up this account's request rate".into())
            }
            Meaning::LimitExceeded => Some("delete the key that is not needed and run again".into()),
            Meaning::RemoteFault => Some("run again later".into()),
            Meaning::NoSuchEntity | Meaning::Other => None,
        }
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

impl std::error::Error for Error {}
