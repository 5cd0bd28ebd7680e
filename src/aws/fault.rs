//! What AWS's errors mean. Codes and statuses are AWS's own: the IAM User Guide's and the ECR API reference's lists of
//! common errors, and the service models.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::{AccessKeyId, Service, xml};
use crate::error::{Fault, one_line};
use crate::http::{self, Delivery, Problem, Reply};

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

/// An error that AWS answered with.
#[derive(Debug)]
pub struct Refusal {
    /// AWS's code, `InvalidClientTokenId`.
    pub code: String,
    message: String,
    status: u16,
    request_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    /// When AWS answered, by its own clock.
    pub(super) date: Option<OffsetDateTime>,
}

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// AWS does not know the key: deleted, inactive, or made so recently that this service has not heard of it.
    UnknownKey,
    /// The secret does not belong to the key.
    WrongSecret,
    /// The region in the signature is not one of the service's.
    WrongRegion,
    /// The time in the signature is off.
    ClockSkew,
    /// The user may not do this.
    AccessDenied,
    /// The session has ended.
    SessionOver,
    /// Too many calls; this one was not carried out.
    Throttled,
    /// The user has as many keys as AWS allows.
    LimitExceeded,
    /// The thing is not there.
    NoSuchEntity,
    /// AWS failed; the call may have been carried out.
    RemoteFault,
    /// Anything else.
    Other,
}

impl Meaning {
    pub(super) fn can_be_the_clock(self) -> bool {
        match self {
            Meaning::WrongSecret | Meaning::ClockSkew => true,
            Meaning::UnknownKey
            | Meaning::WrongRegion
            | Meaning::AccessDenied
            | Meaning::SessionOver
            | Meaning::Throttled
            | Meaning::LimitExceeded
            | Meaning::NoSuchEntity
            | Meaning::RemoteFault
            | Meaning::Other => false,
        }
    }
}

impl Refusal {
    /// What the code means.
    pub fn meaning(&self) -> Meaning {
        match self.code.as_str() {
            "InvalidClientTokenId" | "UnrecognizedClientException" => Meaning::UnknownKey,
            "RequestExpired" => Meaning::ClockSkew,
            "SignatureDoesNotMatch" | "InvalidSignatureException"
                if ["Signature expired", "Signature not yet current"]
                    .iter()
                    .any(|m| self.message.starts_with(m)) =>
            {
                Meaning::ClockSkew
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException"
                if self
                    .message
                    .starts_with("Credential should be scoped to a valid region") =>
            {
                Meaning::WrongRegion
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException" => Meaning::WrongSecret,
            "AccessDenied" | "AccessDeniedException" => Meaning::AccessDenied,
            "ExpiredToken" | "ExpiredTokenException" => Meaning::SessionOver,
            "Throttling" | "ThrottlingException" | "ThrottledException" | "RequestLimitExceeded" => Meaning::Throttled,
            "TooManyRequestsException" => Meaning::Throttled,
            "LimitExceeded" => Meaning::LimitExceeded,
            "NoSuchEntity" => Meaning::NoSuchEntity,
            _ if self.status == 429 => Meaning::Throttled,
            _ if self.status >= 500 => Meaning::RemoteFault,
            _ => Meaning::Other,
        }
    }
}

/// Classifies an answer that is no success.
pub(super) fn cause(service: Service, reply: &Reply) -> Cause {
    let parsed = match service {
        Service::Iam | Service::Sts => query_error(reply.body.expose()),
        // Anything between this program and ECR that speaks for AWS may answer in the older form.
        Service::Ecr => json_error(reply.body.expose()).or_else(|| query_error(reply.body.expose())),
    };
    let Some((code, message)) = parsed else {
        return unexpected(reply, "an AWS error");
    };
    let message = one_line(message.trim());
    Cause::Refused(Box::new(Refusal {
        code: one_line(code.trim()),
        message,
        status: reply.status,
        request_id: reply.header("x-amzn-requestid").map(one_line),
        retry_after: reply.retry_after(),
        date: reply.header("date").and_then(http_date),
    }))
}

/// An answer that is not what the service sends.
pub(super) fn unexpected(reply: &Reply, expected: &str) -> Cause {
    Cause::Unreadable {
        status: reply.status,
        what: reply.unexpected(expected),
    }
}

fn query_error(body: &[u8]) -> Option<(String, String)> {
    let root = xml::parse(body).ok()?;
    // ServiceUnavailable comes without the outer element from some front ends.
    let error = root
        .child("Error")
        .or_else(|| root.child("Errors").and_then(|errors| errors.child("Error")))?;
    Some((
        error.text_of("Code")?.to_owned(),
        error.text_of("Message").unwrap_or_default().to_owned(),
    ))
}

fn json_error(body: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "__type")]
        code: String,
        #[serde(alias = "Message", default)]
        message: String,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    // `com.amazonaws.ecr#ServerException`: the name is what follows the namespace.
    let code = body.code.rsplit('#').next().unwrap_or_default().to_owned();
    Some((code, body.message))
}

fn http_date(text: &str) -> Option<OffsetDateTime> {
    // RFC 9110's fixed form is RFC 2822's but for the name of the zone.
    OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok()
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

    /// What was tried and what came back.
    pub fn without_advice(&self) -> String {
        let tried = format!("{} with key {} at {}", self.operation, self.key, self.host());
        match &self.cause {
            Cause::Refused(refusal) => {
                let id = refusal
                    .request_id
                    .as_ref()
                    .map(|id| format!(", request id {id}"))
                    .unwrap_or_default();
                let said = match refusal.message.trim_end_matches('.') {
                    "" => String::new(),
                    message => format!(": {message}"),
                };
                format!("{tried}: {} ({}{id}){said}", refusal.code, refusal.status)
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, status: u16, message: &str) -> Meaning {
        let refusal = Refusal {
            code: code.into(),
            message: message.into(),
            status,
            request_id: None,
            retry_after: None,
            date: None,
        };
        refusal.meaning()
    }

    #[test]
    fn every_code_of_the_table_has_its_meaning() {
        for (code, status, message, meaning) in [
            ("InvalidClientTokenId", 403, "", Meaning::UnknownKey),
            ("UnrecognizedClientException", 400, "", Meaning::UnknownKey),
            (
                "SignatureDoesNotMatch",
                403,
                "The request signature we calculated",
                Meaning::WrongSecret,
            ),
            (
                "InvalidSignatureException",
                400,
                "The request signature",
                Meaning::WrongSecret,
            ),
            (
                "SignatureDoesNotMatch",
                403,
                "Signature expired: 20261123T",
                Meaning::ClockSkew,
            ),
            (
                "SignatureDoesNotMatch",
                403,
                "Signature not yet current: 2026",
                Meaning::ClockSkew,
            ),
            ("RequestExpired", 400, "", Meaning::ClockSkew),
            (
                "SignatureDoesNotMatch",
                403,
                "Credential should be scoped to a valid region. ",
                Meaning::WrongRegion,
            ),
            (
                "InvalidSignatureException",
                400,
                "Signature expired: 20261123T",
                Meaning::ClockSkew,
            ),
            ("AccessDenied", 403, "", Meaning::AccessDenied),
            ("AccessDeniedException", 400, "", Meaning::AccessDenied),
            ("ExpiredToken", 403, "", Meaning::SessionOver),
            ("ExpiredTokenException", 400, "", Meaning::SessionOver),
            ("Throttling", 400, "", Meaning::Throttled),
            ("ThrottlingException", 400, "", Meaning::Throttled),
            ("ThrottlingException", 429, "", Meaning::Throttled),
            ("LimitExceeded", 409, "", Meaning::LimitExceeded),
            ("ServiceUnavailable", 503, "", Meaning::RemoteFault),
            ("ServiceFailure", 500, "", Meaning::RemoteFault),
            ("ServerException", 500, "", Meaning::RemoteFault),
            ("NoSuchEntity", 404, "", Meaning::NoSuchEntity),
            ("ValidationError", 400, "", Meaning::Other),
        ] {
            assert_eq!(refusal(code, status, message), meaning, "{code} {status}");
        }
    }

    #[test]
    fn both_error_forms_are_read() {
        let xml = br#"<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>
            <Code>AccessDenied</Code><Message>a &amp; b</Message></Error><RequestId>r</RequestId></ErrorResponse>"#;
        assert_eq!(query_error(xml), Some(("AccessDenied".into(), "a & b".into())));
        let json = br#"{"__type":"com.amazonaws.ecr#ServerException","Message":"m","more":1}"#;
        assert_eq!(json_error(json), Some(("ServerException".into(), "m".into())));
        assert_eq!(json_error(b"<html>"), None);
        assert_eq!(query_error(b"<html><body>sign in</body></html>"), None);
    }

    #[test]
    fn a_date_header_is_read() {
        assert_eq!(
            http_date("Mon, 23 Nov 2026 04:45:54 GMT").unwrap().unix_timestamp(),
            1_795_409_154
        );
    }
}
