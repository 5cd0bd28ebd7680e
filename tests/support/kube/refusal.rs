//! What the API server says when it refuses a request, and when it has deleted something.
//!
//! Texts and shapes are those of kube-apiserver v1.36.2 (see `samples/`).

use serde::Serialize;

use super::status::{self, Cause, Details, Status};
use crate::support::server::Reply;

pub(super) fn bad_request(message: impl Into<String>) -> Reply {
    Status::failure(400, "BadRequest", message).reply()
}

/// 401 comes before priority and fairness, so it lacks their headers.
pub(super) fn unauthorized() -> Reply {
    let mut reply = status::status_reply(401, "Unauthorized", "Unauthorized");
    reply.headers.retain(|(name, _)| !name.starts_with("X-Kubernetes-Pf-"));
    reply
}

/// 403 on a resource; `resource` with its group, as in `deployments.apps`.
pub(super) fn forbidden(resource: &str, group: &str, name: Option<&str>, why: &str) -> Reply {
    let full = if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    };
    let subject = name.map_or(full.clone(), |name| format!("{full} {name:?}"));
    let name = name.unwrap_or_default().to_owned();
    Status::failure(403, "Forbidden", format!("{subject} is forbidden: {why}"))
        .details(Details {
            name,
            group: group.to_owned(),
            kind: resource.to_owned(),
            ..Details::default()
        })
        .reply()
        .header("X-Content-Type-Options", "nosniff")
}

/// 403 on making something in a namespace that is being deleted. It comes from admission, hence without the header that
/// access control sets.
pub(super) fn namespace_terminating(namespace: &str, name: &str) -> Reply {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause = Cause {
        reason: "NamespaceTerminating",
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".into(),
    };
    Status::failure(403, "Forbidden", format!("secrets {name:?} is forbidden: {why}"))
        .details(Details {
            causes: vec![cause],
            ..named("secrets", name)
        })
        .reply()
}

/// 403 on a path that is no resource.
pub(super) fn forbidden_path(user: &str, verb: &str, path: &str) -> Reply {
    Status::failure(
        403,
        "Forbidden",
        format!("forbidden: User {user:?} cannot {verb} path {path:?}"),
    )
    .details(Details::default())
    .reply()
    .header("X-Content-Type-Options", "nosniff")
}

pub(super) fn not_found(kind: &str, name: &str) -> Reply {
    Status::failure(404, "NotFound", format!("{kind} {name:?} not found"))
        .details(named(kind, name))
        .reply()
}

pub(super) fn already_exists(name: &str) -> Reply {
    Status::failure(409, "AlreadyExists", format!("secrets {name:?} already exists"))
        .details(named("secrets", name))
        .reply()
}

fn conflict(resource: &str, name: &str, why: &str) -> Reply {
    Status::failure(
        409,
        "Conflict",
        format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"),
    )
    .details(named(resource, name))
    .reply()
}

/// 409: the resourceVersion given is not the stored one.
pub(super) fn modified(resource: &str, name: &str) -> Reply {
    conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )
}

/// 409: a precondition (`UID` or `ResourceVersion`) does not hold. Where there is no object at all, `actual` is empty:
/// so a PUT that carries the uid of a deleted Secret is answered, and not with 404.
pub(super) fn precondition_failed(
    resource: &str,
    namespace: &str,
    name: &str,
    what: &str,
    wanted: &str,
    actual: &str,
) -> Reply {
    conflict(
        resource,
        name,
        &format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{resource}/{namespace}/{name}, ResourceVersion: 0, \
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

fn invalid(kind: &str, group: &str, name: &str, causes: Vec<Cause>) -> Reply {
    let full = if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    };
    let mut errors: Vec<String> = Vec::new();
    for error in causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)) {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    let errors = if errors.len() == 1 {
        errors.remove(0)
    } else {
        format!("[{}]", errors.join(", "))
    };
    Status::failure(422, "Invalid", format!("{full} {name:?} is invalid: {errors}"))
        .details(Details {
            group: group.to_owned(),
            causes,
            ..named(kind, name)
        })
        .reply()
}

pub(super) fn unsupported_media_type(accepted: &str) -> Reply {
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
    Status::failure(415, "UnsupportedMediaType", message).reply()
}

pub(super) fn not_acceptable() -> Reply {
    let available = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    Status::failure(
        406,
        "NotAcceptable",
        format!("406: Not Acceptable\n\nAvailable representations: {available}"),
    )
    .details(Details::default())
    .reply()
}

pub(super) fn method_not_allowed() -> Reply {
    Status::failure(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )
    .details(Details::default())
    .reply()
}

/// The real server stops reading here, hence the closed connection.
pub(super) fn too_large(limit: usize) -> Reply {
    status::status_reply(
        413,
        "RequestEntityTooLarge",
        &format!("Request entity too large: limit is {limit}"),
    )
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
        .details(Details {
            causes,
            retry_after_seconds: Some(1),
            ..Details::default()
        })
        .reply()
        .header("Retry-After", "1")
}

/// The `ERROR` event's object on a watch from a compacted resourceVersion.
pub(super) fn watch_expired(asked: u64, compacted: u64) -> impl Serialize {
    Status::failure(
        410,
        "Expired",
        format!("too old resource version: {asked} ({compacted})"),
    )
}

/// 200 after a DELETE.
pub(super) fn deleted(name: &str, uid: &str) -> Reply {
    let mut status = Status::failure(200, "", "").details(Details {
        uid: uid.to_owned(),
        ..named("secrets", name)
    });
    status.status = "Success";
    status.code = None;
    status.reply()
}

fn named(kind: &str, name: &str) -> Details {
    Details {
        name: name.to_owned(),
        kind: kind.to_owned(),
        ..Details::default()
    }
}
