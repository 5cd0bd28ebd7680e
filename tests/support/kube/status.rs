//! Replies in the API server's form: headers, and `Status` bodies with its texts.
//!
//! Texts and shapes are those of kube-apiserver v1.36.2 (see `samples/`).

use serde::Serialize;

use super::random_uid;
use crate::support::server::Reply;

/// One entry of `details.causes`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Cause {
    fn of(reason: &'static str, field: impl Into<String>, message: String) -> Cause {
        Cause { reason, message, field: field.into() }
    }

    /// `value` as Go prints it: a string stands in quotation marks.
    pub fn invalid(field: impl Into<String>, value: &str, why: &str) -> Cause {
        Cause::of("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
    }

    pub fn required(field: impl Into<String>, why: &str) -> Cause {
        let colon = if why.is_empty() { "" } else { ": " };
        Cause::of("FieldValueRequired", field, format!("Required value{colon}{why}"))
    }

    pub fn forbidden(field: impl Into<String>, why: &str) -> Cause {
        Cause::of("FieldValueForbidden", field, format!("Forbidden: {why}"))
    }

    pub fn unsupported(field: impl Into<String>, value: &str, supported: &str) -> Cause {
        let message = format!("Unsupported value: {value:?}: supported values: {supported}");
        Cause::of("FieldValueNotSupported", field, message)
    }

    pub fn too_long(field: impl Into<String>, most: usize) -> Cause {
        Cause::of("FieldValueTooLong", field, format!("Too long: may not be more than {most} bytes"))
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

#[derive(Default, Serialize)]
struct Metadata {
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    continue_token: Option<String>,
}

/// Fields in the order in which the real server writes them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata,
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
}

impl Status {
    fn failure(code: u16, reason: &'static str, message: impl Into<String>) -> Status {
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

    fn details(mut self, details: Details) -> Status {
        self.details = Some(details);
        self
    }

    fn reply(&self) -> Reply {
        json(self.code.unwrap_or(200), self)
    }
}

/// A JSON reply with the headers that all replies behind authentication have.
pub(super) fn json(code: u16, body: &impl Serialize) -> Reply {
    raw(code, "application/json", serde_json::to_vec_pretty(body).expect("a body made of strings and numbers"))
        .header("X-Kubernetes-Pf-Flowschema-Uid", "8005120c-4f69-490e-a82f-9e3c38a4af4f")
        .header("X-Kubernetes-Pf-Prioritylevel-Uid", "1f7b7e4e-c3ef-4bb9-b3e4-5171b9fecff4")
}

/// A reply with the headers that every reply has.
pub(super) fn raw(code: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let mut reply = Reply::new(code, content_type, body);
    reply.headers.insert(0, ("Audit-Id".into(), random_uid()));
    reply.headers.insert(1, ("Cache-Control".into(), "no-cache, private".into()));
    reply
}

/// A failure without details.
pub fn status_reply(code: u16, reason: &'static str, message: &str) -> Reply {
    Status::failure(code, reason, message).reply()
}

/// 429 of priority and fairness, which is plain text and not a `Status`: what a real server answers when it is
/// overloaded.
pub fn overloaded(retry_after: u32) -> Reply {
    raw(429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n")
        .header("Retry-After", retry_after.to_string())
        .header("X-Content-Type-Options", "nosniff")
}

/// 429 as a `Status`, as registries and webhooks send it.
pub fn too_many_requests(retry_after: u32) -> Reply {
    let details = Details { retry_after_seconds: Some(retry_after), ..Details::default() };
    Status::failure(429, "TooManyRequests", "The request limit has been reached, please try again later.")
        .details(details)
        .reply()
        .header("Retry-After", retry_after.to_string())
}

/// 500, as when etcd has lost its leader in the middle of a request.
pub fn internal_error() -> Reply {
    let why = "etcdserver: leader changed";
    let cause = Cause { reason: "", message: why.into(), field: String::new() };
    Status::failure(500, "InternalError", format!("Internal error occurred: {why}"))
        .details(Details { causes: vec![cause], ..Details::default() })
        .reply()
}

/// 503 of a server that is starting or going down.
pub fn service_unavailable() -> Reply {
    status_reply(503, "ServiceUnavailable", "the server is currently unable to handle the request")
}

/// 504: the request may or may not have taken effect.
pub fn timeout() -> Reply {
    Status::failure(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
        .details(Details::default())
        .reply()
}

pub(super) fn bad_request(message: impl Into<String>) -> Reply {
    Status::failure(400, "BadRequest", message).reply()
}

/// 401 comes before priority and fairness, so it lacks their headers.
pub(super) fn unauthorized() -> Reply {
    let mut reply = status_reply(401, "Unauthorized", "Unauthorized");
    reply.headers.retain(|(name, _)| !name.starts_with("X-Kubernetes-Pf-"));
    reply
}

/// 403 on a resource; `resource` with its group, as in `deployments.apps`.
pub(super) fn forbidden(resource: &str, group: &'static str, name: Option<&str>, why: &str) -> Reply {
    let full = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    let subject = name.map_or(full.clone(), |name| format!("{full} {name:?}"));
    let name = name.unwrap_or_default().to_owned();
    Status::failure(403, "Forbidden", format!("{subject} is forbidden: {why}"))
        .details(Details { name, group, kind: resource.to_owned(), ..Details::default() })
        .reply()
        .header("X-Content-Type-Options", "nosniff")
}

/// 403 on a path that is no resource.
pub(super) fn forbidden_path(user: &str, verb: &str, path: &str) -> Reply {
    Status::failure(403, "Forbidden", format!("forbidden: User {user:?} cannot {verb} path {path:?}"))
        .details(Details::default())
        .reply()
        .header("X-Content-Type-Options", "nosniff")
}

pub(super) fn not_found(kind: &str, name: &str) -> Reply {
    Status::failure(404, "NotFound", format!("{kind} {name:?} not found")).details(named(kind, name)).reply()
}

pub(super) fn already_exists(name: &str) -> Reply {
    Status::failure(409, "AlreadyExists", format!("secrets {name:?} already exists"))
        .details(named("secrets", name))
        .reply()
}

fn conflict(name: &str, why: &str) -> Reply {
    Status::failure(409, "Conflict", format!("Operation cannot be fulfilled on secrets {name:?}: {why}"))
        .details(named("secrets", name))
        .reply()
}

/// 409: the resourceVersion given is not the stored one.
pub(super) fn modified(name: &str) -> Reply {
    conflict(name, "the object has been modified; please apply your changes to the latest version and try again")
}

/// 409: a precondition (`UID` or `ResourceVersion`) does not hold. Where there is no object at all, `actual` is empty:
/// so a PUT that carries the uid of a deleted Secret is answered, and not with 404.
pub(super) fn precondition_failed(namespace: &str, name: &str, what: &str, wanted: &str, actual: &str) -> Reply {
    conflict(
        name,
        &format!(
            "StorageError: invalid object, Code: 4, Key: /registry/secrets/{namespace}/{name}, ResourceVersion: 0, \
             AdditionalErrorMsg: Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {actual}"
        ),
    )
}

/// 422 on a Secret.
pub(super) fn invalid_secret(name: &str, causes: Vec<Cause>) -> Reply {
    invalid("Secret", "", name, causes)
}

/// 422 on a request's options, `ListOptions` for one.
pub(super) fn invalid_options(kind: &str, cause: Cause) -> Reply {
    invalid(kind, "meta.k8s.io", "", vec![cause])
}

fn invalid(kind: &str, group: &'static str, name: &str, causes: Vec<Cause>) -> Reply {
    let full = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let mut errors: Vec<String> = Vec::new();
    for error in causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)) {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    let errors = if errors.len() == 1 { errors.remove(0) } else { format!("[{}]", errors.join(", ")) };
    Status::failure(422, "Invalid", format!("{full} {name:?} is invalid: {errors}"))
        .details(Details { group, causes, ..named(kind, name) })
        .reply()
}

pub(super) fn unsupported_media_type(accepted: &str) -> Reply {
    let message = format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
    Status::failure(415, "UnsupportedMediaType", message).reply()
}

pub(super) fn not_acceptable() -> Reply {
    let available = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    Status::failure(406, "NotAcceptable", format!("406: Not Acceptable\n\nAvailable representations: {available}"))
        .details(Details::default())
        .reply()
}

pub(super) fn method_not_allowed() -> Reply {
    Status::failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        .details(Details::default())
        .reply()
}

/// The real server stops reading here, hence the closed connection.
pub(super) fn too_large(limit: usize) -> Reply {
    status_reply(413, "RequestEntityTooLarge", &format!("Request entity too large: limit is {limit}"))
        .header("Connection", "close")
}

/// 410 for a `continue` token; `replacement` goes on in today's state.
pub(super) fn expired_continue(replacement: String) -> Reply {
    let mut status = Status::failure(
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
         results. Continuing with the provided token results in an inconsistent list - objects that were created, \
         modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.metadata.continue_token = Some(replacement);
    status.reply()
}

/// 504: a list was asked for a resourceVersion that does not exist yet. (The real server waits some seconds before.)
pub(super) fn too_large_resource_version(asked: u64, current: u64) -> Reply {
    let causes = vec![Cause {
        reason: "ResourceVersionTooLarge",
        message: "Too large resource version".into(),
        field: String::new(),
    }];
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    Status::failure(504, "Timeout", message)
        .details(Details { causes, retry_after_seconds: Some(1), ..Details::default() })
        .reply()
        .header("Retry-After", "1")
}

/// The `ERROR` event's object on a watch from a compacted resourceVersion.
pub(super) fn watch_expired(asked: u64, compacted: u64) -> impl Serialize {
    Status::failure(410, "Expired", format!("too old resource version: {asked} ({compacted})"))
}

/// 200 after a DELETE.
pub(super) fn deleted(name: &str, uid: &str) -> Reply {
    let mut status = Status::failure(200, "", "").details(Details { uid: uid.to_owned(), ..named("secrets", name) });
    status.status = "Success";
    status.code = None;
    status.reply()
}

fn named(kind: &str, name: &str) -> Details {
    Details { name: name.to_owned(), kind: kind.to_owned(), ..Details::default() }
}
