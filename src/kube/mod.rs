//! The Kubernetes API, as far as Secrets need it: list, read, replace.

pub mod access;
pub mod exec;
pub mod in_cluster;
pub mod kubeconfig;
pub mod provenance;
pub mod secret;
mod server_time;
pub mod session;
pub mod status;

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

pub use self::access::{Access, Credential, Impersonation, Namespace, Scope};
pub use self::exec::{EksToken, IssuedToken, NativeToken};
pub use self::provenance::{Mark, Writer};
pub use self::secret::{Key, Secret};
pub use self::server_time::ServerTime;
use self::session::{Session, Shown};
pub use self::status::{Cause, Error};
use crate::clock::boot_time;
use crate::http::{self, Delivery, Limits, Method, Roots};
use crate::retry::{self, Asking, Reaction, Traffic};
use crate::sensitive::Sensitive;

/// How many Secrets one page of a list holds; kubectl's own number.
const PAGE: usize = 500;

/// A list whose continue tokens keep expiring is asked for whole after this many times.
const MOST_RESTARTS: usize = 2;

/// More than this, a million Secrets, are a server that goes round in circles.
const MOST_PAGES: usize = 2000;

/// A client for one API server. Threads may share it.
#[derive(Debug)]
pub struct Client {
    server: String,
    session: Session,
    /// As whom to act. A run has one client, so that the names of its headers last as long as the program.
    impersonation: Vec<(&'static str, Sensitive<String>)>,
    server_time: Mutex<Option<ServerTime>>,
    traffic: Traffic,
}

impl Client {
    /// A client for the server that `access` names, which keeps to `limits`. `native` makes tokens for EKS where the program
    /// that should do it is missing.
    pub fn new(access: Access, limits: Limits, native: Box<NativeToken>) -> Client {
        if matches!(access.connection.roots, Roots::Anybody) {
            log::warn!(
                "Kubernetes: the certificate of {} is not checked (`insecure-skip-tls-verify`): whoever is on the way may read \
                 the credentials and every Secret",
                access.server
            );
        }
        let headers = access.impersonation.headers().into_iter();
        Client {
            session: Session::new(access.connection, limits, access.credential, native),
            server: access.server,
            impersonation: headers
                .map(|(name, value)| (&*name.leak(), Sensitive::new(value)))
                .collect(),
            server_time: Mutex::new(None),
            traffic: Traffic::new("Kubernetes"),
        }
    }

    /// The latest time of the API server's clock that any of its replies has shown, also a reply that refused. `None` before
    /// the first one.
    pub fn server_time(&self) -> Option<ServerTime> {
        *self.server_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this run has sent to the server, for whoever repeats by itself.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

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

    fn error(&self, verb: &'static str, target: String, cause: Cause) -> Error {
        Error {
            verb,
            target,
            server: self.server.clone(),
            not_accepted: self.session.not_accepted(),
            cause,
        }
    }

    fn get(&self, path: &str, asking: Asking) -> Result<http::Reply, Cause> {
        let send = || self.attempt(Method::Get, path, Sensitive::new(Vec::new()));
        retry::repeat(&self.traffic, &format!("GET {path}"), send, |cause| {
            asking.permits(cause.reaction())
        })
    }

    /// Sends a request. One that is answered with 401 was not carried out, not even a PUT: it is sent once more if there is
    /// something else to show, a token file that was replaced or what a plugin issues anew.
    fn attempt(&self, method: Method, path: &str, body: Sensitive<Vec<u8>>) -> Result<http::Reply, Cause> {
        let shown = self.session.show().map_err(no_credential)?;
        let reply = self.send(method, path, body.clone(), &shown)?;
        let renewed = match reply.status {
            401 => self.session.renew(&shown).map_err(no_credential)?,
            _ => None,
        };
        let reply = match renewed {
            None => reply,
            Some(renewed) => {
                log::debug!("not accepted; asking once more with new credentials");
                self.send(method, path, body, &renewed)?
            }
        };
        if (200..300).contains(&reply.status) {
            Ok(reply)
        } else {
            Err(status::cause(&reply))
        }
    }

    fn send(&self, method: Method, path: &str, body: Sensitive<Vec<u8>>, shown: &Shown) -> Result<http::Reply, Cause> {
        let mut headers = vec![("accept", Sensitive::new("application/json".to_owned()))];
        headers.extend(shown.authorization.clone().map(|value| ("authorization", value)));
        headers.extend(self.impersonation.iter().cloned());
        if method == Method::Put {
            headers.push(("content-type", Sensitive::new("application/json".to_owned())));
        }
        let request = http::Request {
            method,
            url: format!("{}{path}", self.server),
            headers,
            body,
        };
        let asked = boot_time();
        let reply = shown
            .http
            .send(&request)
            .map_err(|failure| Cause::NoAnswer(Box::new(failure)))?;
        if let Some(date) = reply.date() {
            let mut known = self.server_time.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(ServerTime { date, asked }.or_later(*known));
        }
        Ok(reply)
    }
}

fn no_credential(error: session::Error) -> Cause {
    Cause::NoCredential(Box::new(error))
}

fn path_of(key: &Key) -> String {
    format!("/api/v1/namespaces/{}/secrets/{}", key.namespace, key.name)
}

/// A JSON object's member, without a panic for what is no object.
fn member<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_may_share_a_client() {
        fn shared<T: Send + Sync>() {}
        shared::<Client>();
    }
}
