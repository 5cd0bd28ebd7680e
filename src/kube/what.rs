//! What a request is about: for its errors, and for the advice that they give.

use super::{Key, Secret};
use crate::http::Method;

/// What is done, as RBAC's rules name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Get,
    Create,
    Update,
    Delete,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Verb::List => "list",
            Verb::Get => "get",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }

    pub(super) fn method(self) -> Method {
        match self {
            Verb::List | Verb::Get => Method::Get,
            Verb::Create => Method::Post,
            Verb::Update => Method::Put,
            Verb::Delete => Method::Delete,
        }
    }

    /// Whether the same request twice is another thing than once, so that a lost answer leaves a question.
    pub(super) fn writes(self) -> bool {
        match self {
            Verb::List | Verb::Get => false,
            Verb::Create | Verb::Update | Verb::Delete => true,
        }
    }
}

/// A kind of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Secrets,
    Namespaces,
    ServiceAccounts,
}

impl Resource {
    /// As paths and RBAC's rules name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Resource::Secrets => "secrets",
            Resource::Namespaces => "namespaces",
            Resource::ServiceAccounts => "serviceaccounts",
        }
    }

    /// The path of all of them in a namespace.
    pub(super) fn collection(self, namespace: &str) -> String {
        format!("/api/v1/namespaces/{namespace}/{}", self.name())
    }

    /// The path of one of them.
    pub(super) fn path(self, key: &Key) -> String {
        format!("{}/{}", self.collection(&key.namespace), key.name)
    }

    /// One of them.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Resource::Secrets => "Secret",
            Resource::Namespaces => "Namespace",
            Resource::ServiceAccounts => "ServiceAccount",
        }
    }

    /// The kind of a list of them.
    pub(super) fn list_kind(self) -> &'static str {
        match self {
            Resource::Secrets => "SecretList",
            Resource::Namespaces => "NamespaceList",
            Resource::ServiceAccounts => "ServiceAccountList",
        }
    }
}

/// A request, for what is said of it.
#[derive(Debug)]
pub(super) struct What {
    pub(super) verb: Verb,
    pub(super) resource: Resource,
    /// `namespace/name`, or a list in words.
    pub(super) target: String,
}

impl What {
    /// One Secret.
    pub(super) fn secret(verb: Verb, key: &Key) -> What {
        What {
            verb,
            resource: Resource::Secrets,
            target: key.to_string(),
        }
    }
}

/// What a write sends.
pub(super) enum Sent<'a> {
    /// A Secret, which no answer may quote in a log.
    Secret(&'a Secret),
    /// Something that is no secret.
    Open(&'a serde_json::Value),
}
