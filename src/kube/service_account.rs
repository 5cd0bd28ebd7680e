//! The ServiceAccount object, and the requests for it: read as a whole, changed in place, written back whole, so that no
//! field is lost.

use serde_json::{Value, json};

use super::status::{self, Error};
use super::what::{Resource, Sent, Verb, What};
use super::{Client, Key, secret};
use crate::http;
use crate::retry::Asking;

/// The field with the Secrets that the account's pods pull images with, in the order in which they are tried.
const PULL_SECRETS: &str = "imagePullSecrets";

/// A service account as the API server last showed it, with the changes made since.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// Which one.
    pub key: Key,
    object: Value,
}

impl ServiceAccount {
    /// Whether its pods pull images with this Secret of its namespace.
    pub fn pulls_with(&self, secret: &str) -> bool {
        let secrets = self.object.get(PULL_SECRETS).and_then(Value::as_array);
        secrets.is_some_and(|secrets| {
            secrets
                .iter()
                .any(|entry| entry.get("name").is_some_and(|name| name == secret))
        })
    }

    /// Puts this Secret behind those that its pods pull images with.
    pub fn pull_with(&mut self, secret: &str) {
        let Some(object) = self.object.as_object_mut() else {
            return;
        };
        let secrets = object.entry(PULL_SECRETS).or_insert(Value::Null);
        if secrets.is_null() {
            *secrets = json!([]);
        }
        if let Value::Array(secrets) = secrets {
            secrets.push(json!({ "name": secret }));
        }
    }
}

fn parse(body: &[u8]) -> Option<ServiceAccount> {
    let object: Value = serde_json::from_slice(body).ok()?;
    if object.get("kind")?.as_str()? != Resource::ServiceAccounts.kind() {
        return None;
    }
    let (key, _) = secret::identity(&object)?;
    Some(ServiceAccount { key, object })
}

impl Client {
    /// One service account.
    ///
    /// # Errors
    ///
    /// As for every request.
    pub fn get_service_account(&self, key: &Key, asking: Asking) -> Result<ServiceAccount, Error> {
        let what = about(Verb::Get, key);
        let reply = self
            .get(&Resource::ServiceAccounts.path(key), asking)
            .map_err(|cause| self.error(&what, cause))?;
        self.account_in(&what, &reply)
    }

    /// Replaces a service account, provided that nobody else has since it was read. It is sent as
    /// [`Client::update_secret`] sends.
    ///
    /// # Errors
    ///
    /// As for [`Client::update_secret`].
    pub fn update_service_account(&self, account: &ServiceAccount, asking: Asking) -> Result<ServiceAccount, Error> {
        let what = about(Verb::Update, &account.key);
        let object = Sent::Open(&account.object);
        let reply = self.write(&what, &Resource::ServiceAccounts.path(&account.key), &object, asking)?;
        self.account_in(&what, &reply)
    }

    fn account_in(&self, what: &What, reply: &http::Reply) -> Result<ServiceAccount, Error> {
        parse(reply.body.expose()).ok_or_else(|| self.error(what, status::unexpected(reply, "a ServiceAccount")))
    }
}

fn about(verb: Verb, key: &Key) -> What {
    What {
        verb,
        resource: Resource::ServiceAccounts,
        target: format!("service account {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(more: Value) -> ServiceAccount {
        let mut object = json!({
            "kind": "ServiceAccount", "apiVersion": "v1",
            "metadata": {"name": "default", "namespace": "t", "uid": "u", "resourceVersion": "7", "odd": [1]},
        });
        let fields = more.as_object().unwrap().clone();
        object.as_object_mut().unwrap().extend(fields);
        parse(object.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_name_is_put_last_and_nothing_else_changes() {
        for before in [
            json!({}),
            json!({"imagePullSecrets": null}),
            json!({"imagePullSecrets": []}),
            json!({"imagePullSecrets": [{"name": "b"}, {"name": "a", "odd": 1}, {}], "secrets": [{"name": "pull"}], "new": 1}),
        ] {
            let mut changed = account(before.clone());
            assert!(!changed.pulls_with("pull"), "{before}");
            changed.pull_with("pull");
            assert!(changed.pulls_with("pull"), "{before}");
            let secrets = changed.object[PULL_SECRETS].as_array_mut().unwrap();
            assert_eq!(secrets.pop(), Some(json!({"name": "pull"})));
            let mut expected = account(before.clone());
            if secrets.is_empty() {
                expected.object[PULL_SECRETS] = json!([]);
            }
            assert_eq!(changed.object, expected.object);
        }
    }

    #[test]
    fn what_is_no_service_account_or_has_no_version_is_refused() {
        let text = account(json!({})).object.to_string();
        assert!(parse(text.replace("ServiceAccount", "Secret").as_bytes()).is_none());
        assert!(parse(text.replace(r#""7""#, r#""""#).as_bytes()).is_none());
        assert!(parse(b"<html>").is_none());
    }
}
