//! What a path and an `Accept` header ask for.

use super::refusal;
use crate::support::server::{Reply, Request, percent_decode};

/// A resource's path: `/api/v1/namespaces/t/secrets/s1` or `/apis/apps/v1/deployments`.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) group: String,
    pub(super) namespace: Option<String>,
    pub(super) resource: String,
    pub(super) name: Option<String>,
    /// There are more segments behind the name, `/status` for one.
    more: bool,
}

impl Resource {
    /// `None` for a path that is no resource's.
    pub(super) fn from_path(path: &str) -> Option<Resource> {
        let segments: Vec<String> = path.strip_prefix('/')?.split('/').map(percent_decode).collect();
        let (group, rest) = match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["api", "v1", ..] => ("", &segments[2..]),
            ["apis", group, _, ..] => (group, &segments[3..]),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            [first, namespace, rest @ ..] if first == "namespaces" && !rest.is_empty() => {
                (Some(namespace.clone()), rest)
            }
            // A namespace lies in itself.
            [first, namespace] if first == "namespaces" => (Some(namespace.clone()), rest),
            rest => (None, rest),
        };
        let (resource, rest) = rest.split_first().filter(|(resource, _)| !resource.is_empty())?;
        let name = rest.first().cloned();
        Some(Resource {
            group: group.to_owned(),
            namespace,
            resource: resource.clone(),
            name,
            more: rest.len() > 1,
        })
    }

    pub(super) fn is_secrets(&self) -> bool {
        self.is_plain("secrets")
    }

    /// Whether this is the core group's resource of that name, and not something of one.
    pub(super) fn is_plain(&self, resource: &str) -> bool {
        self.group.is_empty() && self.resource == resource && !self.more
    }
}

/// In which form Secrets are answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Json,
    /// `meta.k8s.io/v1` `Table`, what kubectl prints without `-o`.
    Table,
}

/// The first form of the `Accept` header that there is.
pub(super) fn negotiate(request: &Request) -> Result<Form, Reply> {
    let accept = request.header("accept").unwrap_or_default();
    if accept.trim().is_empty() {
        return Ok(Form::Json);
    }
    let form = accept.split(',').find_map(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        if !matches!(parts.next(), Some("application/json" | "application/*" | "*/*")) {
            return None;
        }
        match parts.find_map(|parameter| parameter.strip_prefix("as=")) {
            None => Some(Form::Json),
            Some("Table") if clause.contains("v=v1") && clause.contains("g=meta.k8s.io") => Some(Form::Table),
            Some(_) => None,
        }
    });
    form.ok_or_else(refusal::not_acceptable)
}

/// The media type of the request's body; JSON when nothing is said.
pub(super) fn media_type(request: &Request) -> String {
    let content_type = request.header("content-type").unwrap_or_default();
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if media_type.is_empty() {
        "application/json".into()
    } else {
        media_type
    }
}
