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
        let collection = match scope {
            Scope::All => "/api/v1/secrets".to_owned(),
            Scope::One(namespace) => format!("/api/v1/namespaces/{namespace}/secrets"),
        };
        let selector = format!("labelSelector={}%3Dtrue", label.replace('/', "%2F"));
        let mut restarts = 0;
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut path = format!("{collection}?{selector}");
            if restarts <= MOST_RESTARTS {
                path += &format!("&limit={PAGE}");
            }
            if let Some(token) = &next {
                path += &format!("&continue={}", encode(token));
            }
            let error = |cause| self.error("list", format!("Secrets in {scope}"), cause);
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
            found.extend(page.secrets);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
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
        let body = serde_json::to_vec(secret.object()).map_err(|why| error(Cause::Unreadable(why.to_string())))?;
        let body = Sensitive::new(body);
        let path = path_of(&secret.key);
        let reply = retry::repeat(
            &format!("update {}", secret.key),
            || self.attempt(Method::Put, &path, body.clone()),
            |cause| match cause {
                Cause::NoAnswer(failure) if failure.delivery == Delivery::NotSent => cause.reaction(),
                Cause::Refused(refusal) if refusal.code == 429 => cause.reaction(),
                _ => Reaction::GiveUp,
            },
        );
        let reply = reply.map_err(error)?;
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

/// Percent-encoding for a query value.
fn encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|b| {
            if keep(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
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
                why: "it holds no bearer token".into(),
            });
        }
        Ok(Sensitive::new(format!("Bearer {token}")))
    }
}

/// A JSON object's member, without a panic for what is no object.
fn member<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}
