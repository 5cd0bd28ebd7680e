//! Service accounts: GET, lists and PUT. Every namespace has `default` from the start.
//!
//! A PUT keeps to what the registry of kube-apiserver does: fields that a service account does not have are dropped, and of
//! the entries of `secrets` and `imagePullSecrets` all but the name. `managedFields` stay as they are sent, which a real
//! server adds to. Not offered: making, patching and deleting them through the API, and watches.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::decode;
use super::list::{self, ListMetadata};
use super::object::Metadata;
use super::options::Options;
use super::route::{Form, Resource, media_type, negotiate};
use super::store::Store;
use super::table::{Cells, Table, age_since};
use super::{Cluster, format_time, go, random_uid, refusal, status, write};
use crate::support::server::{Reply, Request};

/// Fields in the order in which the server writes them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceAccount {
    pub(super) metadata: Metadata,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Named>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_pull_secrets: Vec<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    automount_service_account_token: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Named {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

/// Outside a list, where it says what it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typed<'a> {
    kind: &'static str,
    api_version: &'static str,
    #[serde(flatten)]
    account: &'a ServiceAccount,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceAccountList<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMetadata,
    items: Vec<&'a ServiceAccount>,
}

impl ServiceAccount {
    pub(super) fn new(namespace: &str, name: &str, now: i64) -> ServiceAccount {
        let metadata = Metadata {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            uid: random_uid(),
            creation_timestamp: format_time(now),
            ..Metadata::default()
        };
        ServiceAccount {
            metadata,
            ..ServiceAccount::default()
        }
    }

    fn from_value(value: &Value) -> Result<ServiceAccount, Reply> {
        let kind = &value["kind"];
        if !kind.is_null() && kind != "ServiceAccount" {
            return Err(cannot_be_handled(&format!("it is a {kind}")));
        }
        let named = |field: &str| match &value[field] {
            Value::Null => Ok(Vec::new()),
            Value::Array(entries) => entries.iter().map(Named::from_value).collect(),
            other => Err(wrong_kind(other, &format!("ServiceAccount.{field}"), "[]v1.Object")),
        };
        let automount = match &value["automountServiceAccountToken"] {
            Value::Null => None,
            Value::Bool(automount) => Some(*automount),
            other => {
                let field = "ServiceAccount.automountServiceAccountToken";
                return Err(wrong_kind(other, field, "bool"));
            }
        };
        Ok(ServiceAccount {
            metadata: decode::metadata_from_value(&value["metadata"])?,
            secrets: named("secrets")?,
            image_pull_secrets: named("imagePullSecrets")?,
            automount_service_account_token: automount,
        })
    }

    fn typed(&self) -> Typed<'_> {
        Typed {
            kind: "ServiceAccount",
            api_version: "v1",
            account: self,
        }
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self.typed()).expect("an account of strings")
    }

    fn row(&self, now: i64) -> Cells {
        let age = age_since(&self.metadata.creation_timestamp, now);
        let cells = vec![json!(self.metadata.name), json!(self.secrets.len()), json!(age)];
        (cells, json!(self.metadata))
    }
}

impl Named {
    fn from_value(value: &Value) -> Result<Named, Reply> {
        match (value, &value["name"]) {
            (Value::Object(_), Value::Null) => Ok(Named::default()),
            (Value::Object(_), Value::String(name)) => Ok(Named { name: name.clone() }),
            (Value::Object(_), name) => Err(wrong_kind(name, "LocalObjectReference.name", "string")),
            (other, _) => Err(wrong_kind(other, "ServiceAccount", "v1.LocalObjectReference")),
        }
    }
}

fn cannot_be_handled(why: &str) -> Reply {
    refusal::bad_request(format!(
        "ServiceAccount in version \"v1\" cannot be handled as a ServiceAccount: {why}"
    ))
}

fn wrong_kind(value: &Value, field: &str, wanted: &str) -> Reply {
    let found = go::json_kind(value);
    cannot_be_handled(&format!(
        "json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    ))
}

/// What is answered to a request for service accounts that RBAC lets through.
pub(super) fn answer(
    store: &mut Store,
    request: &Request,
    resource: &Resource,
    options: &Options,
    now: i64,
) -> Result<Reply, Reply> {
    let form = negotiate(request)?;
    match (
        request.method.as_str(),
        resource.namespace.as_deref(),
        resource.name.as_deref(),
    ) {
        ("GET", namespace, None) if !options.watch => list(store, namespace, options, form, now),
        ("GET", Some(namespace), Some(name)) => {
            let account = store.service_account(namespace, name);
            let account = account.ok_or_else(|| refusal::not_found("serviceaccounts", name))?;
            Ok(one(&account, form, now))
        }
        ("PUT", Some(namespace), Some(name)) => {
            if media_type(request) != "application/json" {
                return Err(refusal::unsupported_media_type("application/json"));
            }
            let body: Value = serde_json::from_slice(&request.body).map_err(|error| {
                refusal::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
            })?;
            let account = ServiceAccount::from_value(&body)?;
            let stored = update(store, namespace, name, account, options)?;
            Ok(one(&stored, form, now))
        }
        _ => Err(refusal::method_not_allowed()),
    }
}

/// Puts `new` in the place of the account of that name, if it still is what the client thinks it is.
fn update(
    store: &mut Store,
    namespace: &str,
    name: &str,
    mut new: ServiceAccount,
    options: &Options,
) -> Result<Arc<ServiceAccount>, Reply> {
    const RESOURCE: &str = "serviceaccounts";
    write::check_place(&new.metadata, namespace, name)?;
    let old = store.service_account(namespace, name);
    let (wanted, actual) = (&new.metadata.uid, old.as_ref().map_or("", |old| &old.metadata.uid));
    if !wanted.is_empty() && wanted != actual {
        return Err(refusal::precondition_failed(
            RESOURCE, namespace, name, "UID", wanted, actual,
        ));
    }
    let old = old.ok_or_else(|| refusal::not_found(RESOURCE, name))?;
    write::fill(&mut new.metadata, &old.metadata, RESOURCE)?;
    // What changes nothing is not written.
    if new == *old || options.dry_run {
        return Ok(old);
    }
    Ok(store.put_service_account(new))
}

fn one(account: &ServiceAccount, form: Form, now: i64) -> Reply {
    match form {
        Form::Json => status::json(200, &account.typed()),
        Form::Table => status::json(200, &table(ListMetadata::default(), &[account], now)),
    }
}

/// Those of a namespace, or of all, as they are now.
fn list(store: &Store, namespace: Option<&str>, options: &Options, form: Form, now: i64) -> Result<Reply, Reply> {
    let prefix = list::prefix(namespace);
    let start = list::start(store, &prefix, options)?;
    let all = store.service_accounts(&prefix).map(|(at, account)| (at, &**account));
    let wanted = |account: &ServiceAccount| options.label_selector.matches(&account.metadata.labels);
    let (metadata, items) = list::page(&start, &prefix, options, all, wanted);
    Ok(match form {
        Form::Json => status::json(
            200,
            &ServiceAccountList {
                kind: "ServiceAccountList",
                api_version: "v1",
                metadata,
                items,
            },
        ),
        Form::Table => status::json(200, &table(metadata, &items, now)),
    })
}

fn table(metadata: ListMetadata, accounts: &[&ServiceAccount], now: i64) -> Table {
    let columns = [
        ("Name", "name", "Name must be unique within a namespace."),
        ("Secrets", "", "Secrets is a list of the secrets in the same namespace."),
        ("Age", "", "The time when this object was created."),
    ];
    Table::new(metadata, &columns, accounts.iter().map(|it| it.row(now)).collect())
}

impl Cluster {
    /// Adds a service account, and its namespace. Panics on what could not be created.
    pub fn add_service_account(&self, namespace: &str, name: &str) {
        let mut state = self.state();
        let now = state.now();
        state.store.add_namespace(namespace, now);
        let there = state.store.service_account(namespace, name);
        assert!(there.is_none(), "{namespace}/{name} is there already");
        state
            .store
            .put_service_account(ServiceAccount::new(namespace, name, now));
    }

    /// A service account as it is stored now, with `kind` and `apiVersion`.
    pub fn service_account(&self, namespace: &str, name: &str) -> Option<Value> {
        let account = self.state().store.service_account(namespace, name)?;
        Some(account.to_value())
    }

    /// Changes a service account as another writer does; panics when there is none or when the result is none.
    pub fn edit_service_account(&self, namespace: &str, name: &str, edit: &dyn Fn(&mut Value)) {
        let mut value = self.service_account(namespace, name).expect("a service account");
        edit(&mut value);
        let Ok(account) = ServiceAccount::from_value(&value) else {
            panic!("the edit makes the service account invalid");
        };
        self.state().store.put_service_account(account);
    }

    /// Deletes a service account, if it is there.
    pub fn remove_service_account(&self, namespace: &str, name: &str) {
        self.state().store.remove_service_account(namespace, name);
    }

    /// Every version of a service account since it was made, oldest first.
    pub fn service_account_versions(&self, namespace: &str, name: &str) -> Vec<Value> {
        let state = self.state();
        let versions = state.store.service_account_versions(namespace, name);
        versions.iter().map(|account| account.to_value()).collect()
    }
}
