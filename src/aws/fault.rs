//! A call to AWS that did not succeed: what was tried, who is at fault, what to do.

use std::fmt;

use super::credentials::SignedBy;
use super::{Meaning, Refusal, Service, denied};
use crate::error::Fault;
use crate::http::{self, Delivery, Problem};
use crate::retry::Reaction;

/// A call that did not succeed.
#[derive(Debug)]
pub struct Error {
    /// The operation, `CreateAccessKey`.
    pub operation: &'static str,
    /// The service that was called.
    pub(super) service: Service,
    /// Whose key signed.
    pub(super) signed_by: SignedBy,
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

const NOT_ASSUMED: &str = "allow `sts:AssumeRole` on the role to the user or role that these credentials belong to, and let \
    the role's trust policy name them, and the external id if it asks for one";

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
        match &self.cause {
            Cause::NoAnswer(failure) => failure.reaction(),
            Cause::Refused(refusal) => match refusal.meaning() {
                Meaning::Throttled | Meaning::RemoteFault => Reaction::to_answer(true, refusal.retry_after),
                Meaning::UnknownKey
                | Meaning::WrongSecret
                | Meaning::WrongRegion
                | Meaning::ClockSkew
                | Meaning::AccessDenied
                | Meaning::SessionOver
                | Meaning::LimitExceeded
                | Meaning::NoSuchEntity
                | Meaning::Other => Reaction::GiveUp,
            },
            // An error page of something on the way, most often.
            Cause::Unreadable { status, .. } => Reaction::to_answer(*status == 429 || *status >= 500, None),
            Cause::Unsignable(_) => Reaction::GiveUp,
        }
    }

    /// What was tried and what came back.
    pub fn without_advice(&self) -> String {
        let tried = format!("{}{} at {}", self.operation, self.signed_by, self.host());
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
        let refusal = match &self.cause {
            Cause::NoAnswer(failure) if failure.is_unknown_authority() => {
                return Some("name the authority's certificate in `AWS_CA_BUNDLE`".into());
            }
            Cause::NoAnswer(failure) if matches!(failure.problem, Problem::NameNotResolved) => {
                return Some(format!(
                    "see that the region `{}` is right, and that this machine resolves names",
                    self.region
                ));
            }
            Cause::NoAnswer(failure) => return failure.advice(),
            Cause::Unreadable { status, .. } if *status >= 500 => return Some("run again later".into()),
            Cause::Unreadable { .. } => return Some("see that the address is AWS's, and what stands between".into()),
            Cause::Unsignable(_) => return None,
            Cause::Refused(refusal) => refusal,
        };
        let meaning = refusal.meaning();
        if meaning == Meaning::AccessDenied && self.operation == "AssumeRole" {
            return Some(NOT_ASSUMED.into());
        }
        match self.signed_by {
            SignedBy::Pair(_) => {}
            SignedBy::Ambient(_) | SignedBy::Nobody => {
                if let Some(advice) = self.advice_on_ambient(refusal) {
                    return Some(advice);
                }
            }
        }
        match meaning {
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
            Meaning::AccessDenied => Some(denied::advice(
                &refusal.message,
                &self.service.action(self.operation),
                "the user that owns this key",
            )),
            Meaning::SessionOver => Some("get a new session".into()),
            Meaning::Throttled => {
                Some("run again later; other tools may be using up this account's request rate".into())
            }
            Meaning::LimitExceeded => Some("delete the key that is not needed and run again".into()),
            Meaning::RemoteFault => Some("run again later".into()),
            Meaning::NoSuchEntity => Some("it was deleted meanwhile: see who else takes care of this user".into()),
            Meaning::Other if refusal.status == 409 => {
                Some("something else is changing this user; run again later".into())
            }
            Meaning::Other => None,
        }
    }

    /// Where credentials of this machine need another word than the pair of a Secret.
    fn advice_on_ambient(&self, refusal: &Refusal) -> Option<String> {
        match refusal.meaning() {
            Meaning::UnknownKey => Some(
                "the key is deleted, inactive, of another partition, or lacks its session token (`AWS_SESSION_TOKEN`)"
                    .into(),
            ),
            Meaning::WrongSecret => Some("the secret access key does not belong to this key id".into()),
            Meaning::AccessDenied => Some(match self.operation {
                "AssumeRoleWithWebIdentity" => {
                    "let the role's trust policy name the token's issuer, audience and subject".into()
                }
                _ => denied::advice(
                    &refusal.message,
                    &self.service.action(self.operation),
                    "the user or role that these credentials belong to",
                ),
            }),
            Meaning::SessionOver if self.operation == "AssumeRoleWithWebIdentity" => {
                Some("the web identity token has ended; see what renews its file".into())
            }
            Meaning::WrongRegion
            | Meaning::ClockSkew
            | Meaning::SessionOver
            | Meaning::Throttled
            | Meaning::LimitExceeded
            | Meaning::RemoteFault
            | Meaning::NoSuchEntity
            | Meaning::Other => None,
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
