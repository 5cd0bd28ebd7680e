//! The requests for Secrets.

use super::status::{self, Error};
use super::what::{Resource, Sent, Verb, What};
use super::{Client, Key, NewSecret, Scope, Secret, secret};
use crate::http;
use crate::retry::Asking;

impl Client {
    /// All Secrets in `scope` with the label `label` set to `true`, in order of namespace and name.
    ///
    /// # Errors
    ///
    /// As for every request.
    pub fn list_secrets(&self, scope: &Scope, label: &str, asking: Asking) -> Result<Vec<Secret>, Error> {
        let mut secrets = self.find_secrets(scope, label, asking, Some)?;
        secrets.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(secrets)
    }

    /// What `find` makes of the Secrets in `scope` with the label `label` set to `true`. No more than a page of them is in
    /// memory at a time. The request for each page is asked as `asking` says.
    ///
    /// # Errors
    ///
    /// As for [`Client::list_secrets`].
    pub fn find_secrets<T>(
        &self,
        scope: &Scope,
        label: &str,
        asking: Asking,
        find: impl Fn(Secret) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let what = What {
            verb: Verb::List,
            resource: Resource::Secrets,
            target: format!("Secrets in {scope}"),
        };
        let path = match scope {
            Scope::All => "/api/v1/secrets".to_owned(),
            Scope::One(namespace) => Resource::Secrets.collection(namespace.as_str()),
        };
        let selector = format!("labelSelector={}", http::percent_encode(&format!("{label}=true")));
        self.list(&what, &path, &selector, asking, |items| {
            Some(secret::from_items(items)?.into_iter().filter_map(&find).collect())
        })
    }

    /// One Secret.
    ///
    /// # Errors
    ///
    /// As for every request.
    pub fn get_secret(&self, key: &Key, asking: Asking) -> Result<Secret, Error> {
        let what = What::secret(Verb::Get, key);
        let reply = self
            .get(&Resource::Secrets.path(key), asking)
            .map_err(|cause| self.error(&what, cause))?;
        self.secret_in(&what, &reply)
    }

    /// Replaces a Secret, provided that nobody else has since it was read. It is sent once; only where the server has
    /// surely not carried it out is it repeated, and with [`Asking::Once`] not even then.
    ///
    /// # Errors
    ///
    /// [`Fault::Conflict`](crate::error::Fault::Conflict) when somebody else was first,
    /// [`Fault::OutcomeUnknown`](crate::error::Fault::OutcomeUnknown) when it may or may not have been stored.
    pub fn update_secret(&self, secret: &Secret, asking: Asking) -> Result<Secret, Error> {
        let what = What::secret(Verb::Update, &secret.key);
        let reply = self.write(
            &what,
            &Resource::Secrets.path(&secret.key),
            &Sent::Secret(secret),
            asking,
        )?;
        self.secret_in(&what, &reply)
    }

    /// Makes a Secret, provided that there is none of its name. It is sent as [`Client::update_secret`] sends.
    ///
    /// # Errors
    ///
    /// [`Fault::Conflict`](crate::error::Fault::Conflict) when there is one, [`Fault::NotFound`](crate::error::Fault::NotFound)
    /// when there is no such namespace, [`Fault::OutcomeUnknown`](crate::error::Fault::OutcomeUnknown) when it may or may not
    /// have been stored.
    pub fn create_secret(&self, new: &NewSecret, asking: Asking) -> Result<Secret, Error> {
        let secret = new.secret();
        let what = What::secret(Verb::Create, &secret.key);
        let reply = self.write(
            &what,
            &Resource::Secrets.collection(&secret.key.namespace),
            &Sent::Secret(secret),
            asking,
        )?;
        self.secret_in(&what, &reply)
    }

    /// Deletes a Secret, provided that it is still what was read: the same one, and not changed since. It is sent as
    /// [`Client::update_secret`] sends.
    ///
    /// # Errors
    ///
    /// [`Fault::Conflict`](crate::error::Fault::Conflict) when it is another one or has changed,
    /// [`Fault::NotFound`](crate::error::Fault::NotFound) when there is none,
    /// [`Fault::OutcomeUnknown`](crate::error::Fault::OutcomeUnknown) when it may or may not be gone.
    pub fn delete_secret(&self, secret: &Secret, asking: Asking) -> Result<(), Error> {
        let what = What::secret(Verb::Delete, &secret.key);
        let options = serde_json::json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": secret.uid, "resourceVersion": secret.resource_version()},
        });
        self.write(
            &what,
            &Resource::Secrets.path(&secret.key),
            &Sent::Open(&options),
            asking,
        )?;
        Ok(())
    }

    fn secret_in(&self, what: &What, reply: &http::Reply) -> Result<Secret, Error> {
        secret::parse(reply.body.expose()).ok_or_else(|| self.error(what, status::unexpected(reply, "a Secret")))
    }
}
