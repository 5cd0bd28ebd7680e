//! The Kubernetes API, as far as Secrets need it: list, read, replace.

pub mod access;
pub mod in_cluster;
pub mod secret;
pub mod status;

use std::fs;

use serde_json::Value;

pub use self::access::{Access, Namespace, Scope, Token};
pub use self::secret::{Key, Secret};
pub use self::status::{Cause, Error};
use crate::http::{self, Delivery, Method};
use crate::retry::{self, Reaction};
use crate::sensitive::Sensitive;

/// How many Secrets one page of a list holds; kubectl's own number.
const PAGE: usize = 500;

/// A list whose continue tokens keep expiring is asked for whole after this many times.
const MOST_RESTARTS: usize = 2;

/// More than this, a million Secrets, are a server that goes round in circles.
const MOST_PAGES: usize = 2000;

/// A client for one API server.
#[derive(Debug)]
pub struct Client {
    http: http::Client,
    server: String,
    token: Token,
}

impl Client {
    /// A client for the server that `access` names.
    pub fn new(http: http::Client, access: Access) -> Client {
        Client {
            http,
            server: access.server,
            token: access.token,
        }
    }

    /// All Secrets in `scope` with the label `label` set to `true`, in order of namespace and name.
    ///
    /// # Errors
    ///
    /// As for every request; reading is repeated where that can help.
    pub fn list_secrets(&self, scope: &Scope, label: &str) -> Result<Vec<Secret>, Error> {
        let mut secrets = self.find_secrets(scope, label, Some)?;
        secrets.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(secrets)
    }

    /// What `find` makes of the Secrets in `scope` with the label `label` set to `true`. No more than a page of them is in
    /// memory at a time.
    ///
    /// # Errors
    ///
    /// As for [`Client::list_secrets`].
    pub fn find_secrets<T>(
        &self,
        scope: &Scope,
        label: &str,
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
            let page = match self.get(&path) {
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
    /// As for every request; reading is repeated where that can help.
    pub fn get_secret(&self, key: &Key) -> Result<Secret, Error> {
        let error = |cause| self.error("get", key.to_string(), cause);
        let reply = self.get(&path_of(key)).map_err(error)?;
        secret::parse(reply.body.expose()).ok_or_else(|| error(status::unexpected(&reply, "a Secret")))
    }

    /// Replaces a Secret, provided that nobody else has since it was read. It is sent once; only where the server has
    /// surely not carried it out is it repeated.
    ///
    /// # Errors
    ///
    /// [`Fault::Conflict`](crate::error::Fault::Conflict) when somebody else was first,
    /// [`Fault::OutcomeUnknown`](crate::error::Fault::OutcomeUnknown) when it may or may not have been stored.
    pub fn update_secret(&self, secret: &Secret) -> Result<Secret, Error> {
        let error = |cause| self.error("update", secret.key.to_string(), cause);
        let body = serde_json::to_vec(secret.object()).map_err(|why| error(Cause::Unwritable(why.to_string())))?;
        let body = Sensitive::new(body);
        let path = path_of(&secret.key);
        let reply = retry::repeat(
            &format!("update {}", secret.key),
            || self.attempt(Method::Put, &path, body.clone()),
            |cause| {
                let surely_without_effect = match cause {
                    Cause::NoAnswer(failure) => failure.delivery == Delivery::NotSent,
                    Cause::Refused(refusal) => refusal.code == 429,
                    Cause::Unreadable { .. } => false,
                    Cause::Unwritable(_) | Cause::NoToken { .. } => true,
                };
                if surely_without_effect {
                    cause.reaction()
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
            cause,
        }
    }

    fn get(&self, path: &str) -> Result<http::Reply, Cause> {
        let send = || self.attempt(Method::Get, path, Sensitive::new(Vec::new()));
        retry::repeat(&format!("GET {path}"), send, Cause::reaction)
    }

    fn attempt(&self, method: Method, path: &str, body: Sensitive<Vec<u8>>) -> Result<http::Reply, Cause> {
        let mut headers = vec![("accept", Sensitive::new("application/json".to_owned()))];
        headers.push(("authorization", self.token.header()?));
        if method == Method::Put {
            headers.push(("content-type", Sensitive::new("application/json".to_owned())));
        }
        let request = http::Request {
            method,
            url: format!("{}{path}", self.server),
            headers,
            body,
        };
        let reply = self
            .http
            .send(&request)
            .map_err(|failure| Cause::NoAnswer(Box::new(failure)))?;
        if (200..300).contains(&reply.status) {
            Ok(reply)
        } else {
            Err(status::cause(&reply))
        }
    }
}

fn path_of(key: &Key) -> String {
    format!("/api/v1/namespaces/{}/secrets/{}", key.namespace, key.name)
}

impl Token {
    /// The `Authorization` header. A file is read anew for every request: the kubelet replaces it while we run.
    fn header(&self) -> Result<Sensitive<String>, Cause> {
        let Token::File(path) = self;
        let text = fs::read_to_string(path).map(Sensitive::new);
        let text = text.map_err(|error| Cause::NoToken {
            path: path.clone(),
            why: error.to_string(),
        })?;
        let token = text.expose().trim();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Cause::NoToken {
                path: path.clone(),
                why: "it is empty, or no token".into(),
            });
        }
        Ok(Sensitive::new(format!("Bearer {token}")))
    }
}

/// A JSON object's member, without a panic for what is no object.
fn member<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}
