//! What tells kubectl that there are Secrets, namespaces and service accounts, and what can be done with them.

use serde_json::{Value, json};

use super::status;
use crate::support::server::{Reply, Request};

/// The answer on a path that is no resource's.
pub(super) fn answer(request: &Request) -> Reply {
    let body = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/healthz" | "/livez" | "/readyz") => return status::raw(200, "text/plain; charset=utf-8", "ok"),
        ("GET", "/version") => version(),
        ("GET", "/api") => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        ("GET", "/apis") => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] }),
        ("GET", "/api/v1") => resources(),
        ("GET", "/openapi/v3") => json!({ "paths": { "api/v1": { "serverRelativeURL": "/openapi/v3/api/v1" } } }),
        ("GET", "/openapi/v3/api/v1") => open_api(),
        _ => return page_not_found(),
    };
    status::json(200, &body)
}

/// What Go's HTTP server says of a path that nobody serves.
pub(super) fn page_not_found() -> Reply {
    status::raw(404, "text/plain; charset=utf-8", "404 page not found\n").header("X-Content-Type-Options", "nosniff")
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": "v1.36.2",
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.25.0",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

fn resources() -> Value {
    json!({
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "namespaces",
                "singularName": "namespace",
                "namespaced": false,
                "kind": "Namespace",
                "verbs": ["get", "list"],
                "shortNames": ["ns"],
            },
            {
                "name": "serviceaccounts",
                "singularName": "serviceaccount",
                "namespaced": true,
                "kind": "ServiceAccount",
                "verbs": ["get", "list", "update"],
                "shortNames": ["sa"],
            },
            {
                "name": "secrets",
                "singularName": "secret",
                "namespaced": true,
                "kind": "Secret",
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            },
        ],
    })
}

/// As much as kubectl asks for before `create` and `apply`: the fields of a Secret, and that the server checks them.
fn open_api() -> Value {
    let kind = json!({ "group": "", "version": "v1", "kind": "Secret" });
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "object", "additionalProperties": text });
    let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": text });
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter);
    let patch =
        json!({ "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind, "parameters": parameters });
    let metadata = json!({
        "type": "object",
        "properties": {
            "name": text, "namespace": text, "uid": text, "resourceVersion": text, "creationTimestamp": text,
            "labels": texts, "annotations": texts,
            "ownerReferences": { "type": "array", "items": { "type": "object" } },
            "finalizers": { "type": "array", "items": text },
            "managedFields": { "type": "array", "items": { "type": "object" } },
        },
    });
    let secret = json!({
        "type": "object",
        "properties": {
            "apiVersion": text, "kind": text, "type": text, "immutable": { "type": "boolean" },
            "data": { "type": "object", "additionalProperties": { "type": "string", "format": "byte" } },
            "stringData": texts,
            "metadata": { "$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" },
        },
        "x-kubernetes-group-version-kind": [kind],
    });
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "v1.36.2" },
        "paths": { "/api/v1/namespaces/{namespace}/secrets/{name}": { "patch": patch } },
        "components": { "schemas": {
            "io.k8s.api.core.v1.Secret": secret,
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": metadata,
        } },
    })
}
