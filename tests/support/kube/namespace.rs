//! Namespaces: objects of their own, which others are made in until they are being deleted.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::list::{self, ListMetadata};
use super::options::Options;
use super::route::Form;
use super::store::Store;
use super::table::{Cells, Table};
use super::{format_time, random_uid, refusal, status};
use crate::support::server::Reply;

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Namespace {
    metadata: Metadata,
    spec: Value,
    status: Value,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    name: String,
    uid: String,
    resource_version: String,
    pub(super) creation_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_timestamp: Option<String>,
    labels: BTreeMap<String, String>,
}

/// Outside a list, where it says what it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typed<'a> {
    kind: &'static str,
    api_version: &'static str,
    #[serde(flatten)]
    namespace: &'a Namespace,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceList<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMetadata,
    items: Vec<&'a Namespace>,
}

impl Namespace {
    pub(super) fn new(name: &str, revision: u64, now: i64) -> Namespace {
        Namespace {
            metadata: Metadata {
                name: name.to_owned(),
                uid: random_uid(),
                resource_version: revision.to_string(),
                creation_timestamp: format_time(now),
                deletion_timestamp: None,
                labels: [("kubernetes.io/metadata.name".to_owned(), name.to_owned())].into(),
            },
            spec: json!({ "finalizers": ["kubernetes"] }),
            status: json!({ "phase": "Active" }),
        }
    }

    /// From now on it is being deleted.
    pub(super) fn terminate(&mut self, revision: u64, now: i64) {
        self.metadata.resource_version = revision.to_string();
        self.metadata.deletion_timestamp = Some(format_time(now));
        self.status = json!({ "phase": "Terminating" });
    }

    fn phase(&self) -> &str {
        self.status["phase"].as_str().unwrap_or_default()
    }

    fn row(&self, now: i64) -> Cells {
        let age = super::table::age_since(&self.metadata.creation_timestamp, now);
        (
            vec![json!(self.metadata.name), json!(self.phase()), json!(age)],
            json!(self.metadata),
        )
    }
}

/// Refuses to make an object of that name in a namespace that is not there or is being deleted, as the admission of
/// `NamespaceLifecycle` does.
pub(super) fn admit(store: &Store, namespace: &str, name: &str) -> Result<(), Reply> {
    match store.namespaces.get(namespace) {
        None => Err(refusal::not_found("namespaces", namespace)),
        Some(it) if it.phase() == "Terminating" => Err(refusal::namespace_terminating(namespace, name)),
        Some(_) => Ok(()),
    }
}

pub(super) fn get(store: &Store, name: &str, form: Form, now: i64) -> Result<Reply, Reply> {
    let namespace = store.namespaces.get(name);
    let namespace = namespace.ok_or_else(|| refusal::not_found("namespaces", name))?;
    let typed = Typed {
        kind: "Namespace",
        api_version: "v1",
        namespace,
    };
    Ok(match form {
        Form::Json => status::json(200, &typed),
        Form::Table => status::json(200, &table(ListMetadata::default(), &[namespace], now)),
    })
}

/// All of them, page by page, as they are now: their history is not kept.
pub(super) fn list(store: &Store, options: &Options, form: Form, now: i64) -> Result<Reply, Reply> {
    let start = list::start(store, "", options)?;
    let all = store
        .namespaces
        .iter()
        .map(|(name, namespace)| (name.as_str(), namespace));
    let wanted = |namespace: &Namespace| options.label_selector.matches(&namespace.metadata.labels);
    let (metadata, items) = list::page(&start, "", options, all, wanted);
    Ok(match form {
        Form::Json => status::json(
            200,
            &NamespaceList {
                kind: "NamespaceList",
                api_version: "v1",
                metadata,
                items,
            },
        ),
        Form::Table => status::json(200, &table(metadata, &items, now)),
    })
}

fn table(metadata: ListMetadata, namespaces: &[&Namespace], now: i64) -> Table {
    let columns = [
        ("Name", "name", "Name must be unique within a namespace."),
        ("Status", "", "The status of the namespace"),
        ("Age", "", "The time when this object was created."),
    ];
    Table::new(metadata, &columns, namespaces.iter().map(|it| it.row(now)).collect())
}
