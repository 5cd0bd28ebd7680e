//! What AWS answers when it refuses, and what its codes mean. They are AWS's own: the IAM User Guide's and the ECR API
//! reference's lists of common errors, and the service models.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use super::{Cause, Service, xml};
use crate::error::one_line;
use crate::http::Reply;

/// An error that AWS answered with.
#[derive(Debug)]
pub struct Refusal {
    /// AWS's code, `InvalidClientTokenId`.
    pub code: String,
    pub(super) message: String,
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
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
            // STS could not get the keys of a web identity token's issuer.
            "IDPCommunicationError" => Meaning::RemoteFault,
            _ if self.status == 429 => Meaning::Throttled,
            _ if self.status >= 500 => Meaning::RemoteFault,
            _ => Meaning::Other,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.code, self.status)?;
        if let Some(id) = &self.request_id {
            write!(f, ", request id {id}")?;
        }
        f.write_str(")")?;
        match self.message.trim_end_matches('.') {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
}

/// Classifies an answer that is no success.
pub(super) fn cause(service: Service, reply: &Reply) -> Cause {
    let parsed = match service {
        Service::Iam | Service::Sts => query_error(reply.body.expose()),
        // Anything between this program and ECR that speaks for AWS may answer in the older form.
        Service::Ecr | Service::EcrPublic => {
            json_error(reply.body.expose()).or_else(|| query_error(reply.body.expose()))
        }
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
        date: reply.date(),
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
            ("IDPCommunicationError", 400, "", Meaning::RemoteFault),
            ("ValidationError", 400, "", Meaning::Other),
        ] {
            assert_eq!(refusal(code, status, message), meaning, "{code} {status}");
            assert_eq!(one_line(code), code, "a code is not struck out");
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
}
