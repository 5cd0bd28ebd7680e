//! The forms of answers: Query (XML) and JSON 1.1, and ready-made faults for scripts.

use serde_json::{Value, json};

use super::super::server::Reply;
use super::action::Api;
use super::random;
use super::sigv4::Refusal;

const IAM_NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const JSON: &str = "application/x-amz-json-1.1";

/// Why a request was not carried out, in the words of the service that was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            status,
            code,
            message: message.into(),
        }
    }

    /// A parameter that is missing, unknown or out of its bounds.
    pub(super) fn validation(message: impl Into<String>) -> Failure {
        Failure::new(400, "ValidationError", message)
    }

    /// The caller may not do this; IAM and ECR differ in the code alone.
    pub(super) fn access_denied(api: Api, caller: &str, permission: &str, resource: &str) -> Failure {
        let message = format!(
            "User: {caller} is not authorized to perform: {permission} on resource: {resource} because no \
             identity-based policy allows the {permission} action"
        );
        match api {
            Api::Iam | Api::Sts => Failure::new(403, "AccessDenied", message),
            Api::Ecr | Api::EcrPublic => Failure::new(400, "AccessDeniedException", message),
        }
    }

    /// A request that does not prove who sent it.
    pub(super) fn refused(api: Api, refusal: Refusal) -> Failure {
        let (query, json, message) = match refusal {
            Refusal::Unsigned => {
                let message = match api {
                    Api::Iam | Api::Sts => "Request is missing Authentication Token",
                    Api::Ecr | Api::EcrPublic => "Missing Authentication Token",
                };
                (
                    "MissingAuthenticationToken",
                    "MissingAuthenticationTokenException",
                    message.to_owned(),
                )
            }
            Refusal::Incomplete(message) => ("IncompleteSignature", "IncompleteSignatureException", message),
            Refusal::UnknownKey => {
                let message = "The security token included in the request is invalid.";
                (
                    "InvalidClientTokenId",
                    "UnrecognizedClientException",
                    message.to_owned(),
                )
            }
            Refusal::SessionOver => {
                let message = "The security token included in the request is expired";
                ("ExpiredToken", "ExpiredTokenException", message.to_owned())
            }
            Refusal::Invalid(message) => ("SignatureDoesNotMatch", "InvalidSignatureException", message),
        };
        match api {
            Api::Iam | Api::Sts => Failure::new(403, query, message),
            Api::Ecr | Api::EcrPublic => Failure::new(400, json, message),
        }
    }

    pub(super) fn xml(&self, api: Api) -> Reply {
        query_error(api, self.status, self.code, &self.message)
    }

    pub(super) fn json(&self) -> Reply {
        error_json(self.status, self.code, &self.message)
    }
}

/// A successful Query answer; `result` is the inside of `<ActionResult>`, `None` where the action has no result.
pub(super) fn result_xml(api: Api, action: &str, result: Option<&str>) -> Reply {
    let id = random::request_id();
    let result = result
        .map(|inner| format!("  <{action}Result>\n{inner}  </{action}Result>\n"))
        .unwrap_or_default();
    let body = format!(
        "<{action}Response xmlns=\"{}\">\n{result}  <ResponseMetadata>\n    <RequestId>{id}</RequestId>\n  \
         </ResponseMetadata>\n</{action}Response>\n",
        namespace(api)
    );
    Reply::new(200, "text/xml", body).header("x-amzn-RequestId", id)
}

/// A successful JSON answer.
pub(super) fn result_json(body: &Value) -> Reply {
    Reply::new(200, JSON, body.to_string()).header("x-amzn-RequestId", random::request_id())
}

/// `<name>text</name>` on a line of its own.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("    <{name}>{}</{name}>\n", escape(text))
}

/// `2015-08-30T12:36:00Z`
pub(super) fn iso8601(epoch_seconds: i64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time::OffsetDateTime::from_unix_timestamp(epoch_seconds)
        .ok()
        .and_then(|at| at.format(format).ok())
        .expect("a date between the years 0 and 9999")
}

/// An error as IAM answers it.
pub fn error_xml(status: u16, code: &str, message: &str) -> Reply {
    query_error(Api::Iam, status, code, message)
}

/// An error as ECR answers it; `kind` is the `__type`.
pub fn error_json(status: u16, kind: &str, message: &str) -> Reply {
    let body = json!({ "__type": kind, "message": message });
    Reply::new(status, JSON, body.to_string()).header("x-amzn-RequestId", random::request_id())
}

/// Too many requests, as IAM and STS put it.
pub fn throttling_xml() -> Reply {
    error_xml(400, "Throttling", "Rate exceeded")
}

/// Too many requests, as ECR puts it; 400 and 429 are both seen.
pub fn throttling_json(status: u16) -> Reply {
    error_json(status, "ThrottlingException", "Rate exceeded")
}

pub fn service_unavailable_xml() -> Reply {
    error_xml(
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    )
}

pub fn service_failure_xml() -> Reply {
    let message = "The request processing has failed because of an unknown error, exception or failure.";
    error_xml(500, "ServiceFailure", message)
}

pub fn server_exception_json() -> Reply {
    error_json(
        500,
        "ServerException",
        "These errors are usually caused by a server-side issue.",
    )
}

/// The older of IAM's two answers to a clock that is wrong.
pub fn request_expired_xml() -> Reply {
    error_xml(400, "RequestExpired", "Request has expired.")
}

/// What a proxy or a load balancer puts in the place of an answer.
pub fn html_page(status: u16) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html>\n<head><title>{status}</title></head>\n<body>\n<h1>Something went wrong</h1>\n<hr>\n\
         </body>\n</html>\n"
    );
    Reply::new(status, "text/html; charset=utf-8", page)
}

fn query_error(api: Api, status: u16, code: &str, message: &str) -> Reply {
    let id = random::request_id();
    let fault = if status < 500 { "Sender" } else { "Receiver" };
    let body = format!(
        "<ErrorResponse xmlns=\"{}\">\n  <Error>\n    <Type>{fault}</Type>\n    <Code>{}</Code>\n    \
         <Message>{}</Message>\n  </Error>\n  <RequestId>{id}</RequestId>\n</ErrorResponse>\n",
        namespace(api),
        escape(code),
        escape(message)
    );
    Reply::new(status, "text/xml", body).header("x-amzn-RequestId", id)
}

fn namespace(api: Api) -> &'static str {
    match api {
        Api::Iam => IAM_NAMESPACE,
        Api::Sts => STS_NAMESPACE,
        Api::Ecr | Api::EcrPublic => unreachable!("ECR speaks JSON"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
