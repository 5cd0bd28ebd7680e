//! Replies in the API server's form, its headers and `Status` bodies; and the troubles that a test puts into a script.

use serde::Serialize;

use super::random_uid;
use crate::support::server::Reply;

/// One entry of `details.causes`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Cause {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) reason: &'static str,
    pub(super) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) field: String,
}

impl Cause {
    fn of(reason: &'static str, field: impl Into<String>, message: String) -> Cause {
        Cause {
            reason,
            message,
            field: field.into(),
        }
    }

    /// `value` as Go prints it: a string stands in quotation marks.
    pub(super) fn invalid(field: impl Into<String>, value: &str, why: &str) -> Cause {
        Cause::of("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
    }

    pub(super) fn required(field: impl Into<String>, why: &str) -> Cause {
        let colon = if why.is_empty() { "" } else { ": " };
        Cause::of("FieldValueRequired", field, format!("Required value{colon}{why}"))
    }

    pub(super) fn forbidden(field: impl Into<String>, why: &str) -> Cause {
        Cause::of("FieldValueForbidden", field, format!("Forbidden: {why}"))
    }

    pub(super) fn unsupported(field: impl Into<String>, value: &str, supported: &str) -> Cause {
        let message = format!("Unsupported value: {value:?}: supported values: {supported}");
        Cause::of("FieldValueNotSupported", field, message)
    }

    pub(super) fn too_long(field: impl Into<String>, most: usize) -> Cause {
        Cause::of(
            "FieldValueTooLong",
            field,
            format!("Too long: may not be more than {most} bytes"),
        )
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) causes: Vec<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_seconds: Option<u32>,
}

#[derive(Default, Serialize)]
pub(super) struct Metadata {
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub(super) continue_token: Option<String>,
}

/// Fields in the order in which the real server writes them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    kind: &'static str,
    api_version: &'static str,
    pub(super) metadata: Metadata,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u16>,
}

impl Status {
    pub(super) fn failure(code: u16, reason: &'static str, message: impl Into<String>) -> Status {
        Status {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata::default(),
            status: "Failure",
            message: message.into(),
            reason,
            details: None,
            code: Some(code),
        }
    }

    pub(super) fn details(mut self, details: Details) -> Status {
        self.details = Some(details);
        self
    }

    pub(super) fn reply(&self) -> Reply {
        json(self.code.unwrap_or(200), self)
    }
}

/// A JSON reply with the headers that all replies behind authentication have.
pub(super) fn json(code: u16, body: &impl Serialize) -> Reply {
    raw(
        code,
        "application/json",
        serde_json::to_vec_pretty(body).expect("a body made of strings and numbers"),
    )
    .header("X-Kubernetes-Pf-Flowschema-Uid", "8005120c-4f69-490e-a82f-9e3c38a4af4f")
    .header(
        "X-Kubernetes-Pf-Prioritylevel-Uid",
        "1f7b7e4e-c3ef-4bb9-b3e4-5171b9fecff4",
    )
}

/// A reply with the headers that every reply has.
pub(super) fn raw(code: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let mut reply = Reply::new(code, content_type, body);
    reply.headers.insert(0, ("Audit-Id".into(), random_uid()));
    reply
        .headers
        .insert(1, ("Cache-Control".into(), "no-cache, private".into()));
    reply
}

/// A failure without details.
pub fn status_reply(code: u16, reason: &'static str, message: &str) -> Reply {
    Status::failure(code, reason, message).reply()
}

/// 429 of priority and fairness, which is plain text and not a `Status`: what a real server answers when it is
/// overloaded.
pub fn overloaded(retry_after: u32) -> Reply {
    raw(
        429,
        "text/plain; charset=utf-8",
        "Too many requests, please try again later.\n",
    )
    .header("Retry-After", retry_after.to_string())
    .header("X-Content-Type-Options", "nosniff")
}

/// 429 as a `Status`, as registries and webhooks send it.
pub fn too_many_requests(retry_after: u32) -> Reply {
    let details = Details {
        retry_after_seconds: Some(retry_after),
        ..Details::default()
    };
    Status::failure(
        429,
        "TooManyRequests",
        "The request limit has been reached, please try again later.",
    )
    .details(details)
    .reply()
    .header("Retry-After", retry_after.to_string())
}

/// 500, as when etcd has lost its leader in the middle of a request.
pub fn internal_error() -> Reply {
    let why = "etcdserver: leader changed";
    let cause = Cause {
        reason: "",
        message: why.into(),
        field: String::new(),
    };
    Status::failure(500, "InternalError", format!("Internal error occurred: {why}"))
        .details(Details {
            causes: vec![cause],
            ..Details::default()
        })
        .reply()
}

/// 503 of a server that is starting or going down.
pub fn service_unavailable() -> Reply {
    status_reply(
        503,
        "ServiceUnavailable",
        "the server is currently unable to handle the request",
    )
}

/// 504: the request may or may not have taken effect.
pub fn timeout() -> Reply {
    Status::failure(
        504,
        "Timeout",
        "Timeout: request did not complete within the allotted timeout",
    )
    .details(Details::default())
    .reply()
}
