//! The Kubernetes API, as far as Secrets and what they are for need it: list, read, make, replace, delete.

pub mod access;
pub mod exec;
pub mod in_cluster;
pub mod key;
pub mod kubeconfig;
mod list;
mod namespaces;
pub mod provenance;
pub mod secret;
mod secrets;
mod server_time;
pub mod service_account;
pub mod session;
pub mod status;
mod what;

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

pub use self::access::{Access, Credential, Impersonation, Namespace, Scope};
pub use self::exec::{EksToken, IssuedToken, NativeToken};
pub use self::key::Key;
pub use self::namespaces::NamespaceState;
pub use self::provenance::{Mark, Writer};
pub use self::secret::{NewSecret, Secret};
pub use self::server_time::ServerTime;
pub use self::service_account::ServiceAccount;
use self::session::{Session, Shown};
pub use self::status::{Cause, Error};
use self::what::{Sent, What};
use crate::clock::boot_time;
use crate::http::{self, Delivery, Limits, Method, Roots};
use crate::retry::{self, Asking, Reaction, Traffic};
use crate::sensitive::Sensitive;

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

    fn error(&self, what: &What, cause: Cause) -> Error {
        Error {
            what: What {
                target: what.target.clone(),
                ..*what
            },
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

    /// Sends a request that changes something, once; only where the server has surely not carried it out is it repeated, if
    /// `asking` permits.
    fn write(&self, what: &What, path: &str, sent: &Sent, asking: Asking) -> Result<http::Reply, Error> {
        let object = match sent {
            Sent::Secret(secret) => secret.object(),
            Sent::Open(object) => object,
        };
        let body = serde_json::to_vec(object).map_err(|why| self.error(what, Cause::Unwritable(why.to_string())))?;
        let body = Sensitive::new(body);
        let reply = retry::repeat(
            &self.traffic,
            &format!("{} {}", what.verb.name(), what.target),
            || self.attempt(what.verb.method(), path, body.clone()),
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
        reply.map_err(|mut cause| {
            if let (Cause::Refused(refusal), Sent::Secret(secret)) = (&mut cause, sent) {
                refusal.withhold_quotes(secret);
            }
            self.error(what, cause)
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
        if method != Method::Get {
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
