//! The requests for Secrets.

use super::status::{self, Cause, Error};
use super::{Client, Key, Scope, Secret, secret};
use crate::http::{self, Delivery, Method};
use crate::retry::{self, Asking, Reaction};
use crate::sensitive::Sensitive;

/// How many Secrets one page of a list holds; kubectl's own number.
const PAGE: usize = 500;

/// A list whose continue tokens keep expiring is asked for whole after this many times.
const MOST_RESTARTS: usize = 2;

/// More than this, a million Secrets, are a server that goes round in circles.
const MOST_PAGES: usize = 2000;

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
        let error = |cause| self.error("list", format!("Secrets in {scope}"), cause);
        let collection = match scope {
            Scope::All => "/api/v1/secrets".to_owned(),
            Scope::One(namespace) => format!("/api/v1/namespaces/{namespace}/secrets"),
        };
        let selector = format!("labelSelector={}", http::percent_encode(&format!("{label}=true")));
        let mut restarts = 0;
        let mut pages = 0;
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut path = format!("{collection}?{selector}");
            if restarts <= MOST_RESTARTS {
                path += &format!("&limit={PAGE}");
            }
            if let Some(token) = &next {
                path += &format!("&continue={}", http::percent_encode(token));
            }
            let page = match self.get(&path, asking) {
                Ok(reply) => secret::parse_list(reply.body.expose())
                    .ok_or_else(|| error(status::unexpected(&reply, "a SecretList")))?,
                // The pages so far show a state that is gone; a list from two states could lack what both hold.
                Err(cause) if cause.is_expired() && next.is_some() => {
                    restarts += 1;
                    found.clear();
                    next = None;
                    continue;
                }
                Err(cause) => return Err(error(cause)),
            };
            found.extend(page.secrets.into_iter().filter_map(&find));
            pages += 1;
            next = page.next;
            if next.is_none() {
                return Ok(found);
            }
            if pages == MOST_PAGES {
                let what = format!("the list has more than {MOST_PAGES} pages");
                return Err(error(Cause::Unreadable { status: 200, what }));
            }
        }
    }

    /// One Secret.
    ///
    /// # Errors
    ///
    /// As for every request.
    pub fn get_secret(&self, key: &Key, asking: Asking) -> Result<Secret, Error> {
        let error = |cause| self.error("get", key.to_string(), cause);
        let reply = self.get(&path_of(key), asking).map_err(error)?;
        secret::parse(reply.body.expose()).ok_or_else(|| error(status::unexpected(&reply, "a Secret")))
    }

    /// Replaces a Secret, provided that nobody else has since it was read. It is sent once; only where the server has
    /// surely not carried it out is it repeated, and with [`Asking::Once`] not even then.
    ///
    /// # Errors
    ///
    /// [`Fault::Conflict`](crate::error::Fault::Conflict) when somebody else was first,
    /// [`Fault::OutcomeUnknown`](crate::error::Fault::OutcomeUnknown) when it may or may not have been stored.
    pub fn update_secret(&self, secret: &Secret, asking: Asking) -> Result<Secret, Error> {
        let error = |cause| self.error("update", secret.key.to_string(), cause);
        let body = serde_json::to_vec(secret.object()).map_err(|why| error(Cause::Unwritable(why.to_string())))?;
        let body = Sensitive::new(body);
        let path = path_of(&secret.key);
        let reply = retry::repeat(
            &self.traffic,
            &format!("update {}", secret.key),
            || self.attempt(Method::Put, &path, body.clone()),
            |cause| {
                let surely_without_effect = match cause {
                    Cause::NoAnswer(failure) => failure.delivery == Delivery::NotSent,
                    Cause::Refused(refusal) => refusal.code == 429,
                    Cause::Unreadable { .. } => false,
                    Cause::Unwritable(_) | Cause::NoCredential(_) => true,
                };
                if surely_without_effect {
                    asking.permits(cause.reaction())
                } else {
                    Reaction::GiveUp
                }
            },
        );
        let reply = reply.map_err(|mut cause| {
            if let Cause::Refused(refusal) = &mut cause {
                refusal.withhold_quotes(secret);
            }
            error(cause)
        })?;
        secret::parse(reply.body.expose()).ok_or_else(|| error(status::unexpected(&reply, "a Secret")))
    }
}

fn path_of(key: &Key) -> String {
    format!("/api/v1/namespaces/{}/secrets/{}", key.namespace, key.name)
}
