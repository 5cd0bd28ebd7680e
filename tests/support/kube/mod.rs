//! A strict stand-in for the Kubernetes API server: Secrets, namespaces to read, service accounts, access control, discovery.
//!
//! It answers as kube-apiserver v1.36.2 does, down to the messages; `samples/` holds that server's own replies, which a
//! test holds it to. It is strict where a real server is lenient: a query parameter that it does not know fails the
//! test (see [`Cluster::violations`]).
//!
//! Not offered, and refused as a real server refuses what it does not know: YAML, JSON patches and server-side apply
//! (415), answers in protobuf (406), deleting collections (405), other resources (403 or 404), `generateName` (422). A
//! watch tells what has happened and ends. Finalizers are kept but hold nothing up. kubectl works from version 1.29 on;
//! older ones want a schema in protobuf before `create -f` and `apply`.

mod access;
mod answer;
mod decode;
mod discovery;
mod front;
mod go;
mod list;
mod managed;
mod namespace;
mod object;
mod options;
mod patch;
pub mod protobuf;
mod refusal;
mod route;
mod selector;
mod service_account;
pub mod status;
mod store;
mod subject;
mod table;
mod validate;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::server::{Reply, Request, Server, Service};
pub use access::Authenticator;
use access::Known;
use front::Front;
use object::Secret;
use store::Store;

/// A cluster's API server. The namespaces `default` and `kube-system` exist from the start.
pub struct Cluster {
    state: Mutex<State>,
}

/// A request for Secrets, and who it was taken to be from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub user: String,
    pub uid: String,
    pub groups: Vec<String>,
    /// Names and values, in the order they came.
    pub extra: Vec<(String, String)>,
    /// `GET /api/v1/namespaces/t/secrets`
    pub what: String,
}

struct State {
    store: Store,
    known: Known,
    asked: Vec<Asked>,
    violations: Vec<String>,
    clock_offset: i64,
}

impl Cluster {
    pub fn new() -> Arc<Cluster> {
        let (store, known) = (Store::new(epoch_seconds()), Known::default());
        Arc::new(Cluster {
            state: Mutex::new(State {
                store,
                known,
                asked: Vec::new(),
                violations: Vec::new(),
                clock_offset: 0,
            }),
        })
    }

    /// Serves HTTPS on a free port of `host` (`127.0.0.1` or `::1`).
    pub fn start(self: &Arc<Self>, host: &str, tls: Arc<rustls::ServerConfig>) -> Server {
        Server::start(host, Arc::clone(self) as Arc<dyn Service>, Some(tls))
    }

    /// Serves HTTPS on a free port of `host` under a path such as `/k8s/clusters/c-1`.
    pub fn start_under(self: &Arc<Self>, prefix: &str, host: &str, tls: Arc<rustls::ServerConfig>) -> Server {
        let service = Front {
            cluster: Arc::clone(self),
            prefix: prefix.to_owned(),
            token: None,
        };
        Server::start(host, Arc::new(service), Some(tls))
    }

    /// Serves HTTP without TLS on a free port of `host`, and asks the cluster as whoever has `token`.
    pub fn start_plain(self: &Arc<Self>, host: &str, token: String) -> Server {
        let service = Front {
            cluster: Arc::clone(self),
            prefix: String::new(),
            token: Some(token),
        };
        Server::start(host, Arc::new(service), None)
    }

    /// What a user or a group may that comes by client certificate, password or impersonation. Rules as for
    /// [`Cluster::token`]; `impersonate` for `*` allows to act as anybody.
    pub fn grant(&self, subject: &str, rules: &[(&str, &[&str])]) {
        self.state().known.grant(subject, rules);
    }

    /// From now on the user is known by this password.
    pub fn set_password(&self, user: &str, password: &str) {
        self.state().known.set_password(user, password);
    }

    /// From now on `authenticator` is asked whose a token is that is not known.
    pub fn ask(&self, authenticator: Box<Authenticator>) {
        self.state().known.ask(authenticator);
    }

    /// Who asked for what of Secrets, in order of arrival, whether they were allowed to or not.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// Forgets who asked.
    pub fn forget_asked(&self) {
        self.state().asked.clear();
    }

    /// Issues a token for a user such as `system:serviceaccount:t:rot`; a rule is a namespace, or `*` for all and for
    /// the cluster scope, and verbs on Secrets (`*` for all), or on others as in `list namespaces`.
    pub fn token(&self, user: &str, rules: &[(&str, &[&str])]) -> String {
        self.state().known.issue(user, rules)
    }

    /// Issues a token that may do everything.
    pub fn token_for_admin(&self) -> String {
        self.state().known.issue_for_admin()
    }

    /// From now on the token is answered with 401.
    pub fn revoke(&self, token: &str) {
        self.state().known.revoke(token);
    }

    pub fn add_namespace(&self, name: &str) {
        let mut state = self.state();
        let now = state.now();
        state.store.add_namespace(name, now);
    }

    /// From now on the namespace is being deleted: what is in it stays, and nothing is made in it.
    pub fn terminate_namespace(&self, name: &str) {
        let mut state = self.state();
        let now = state.now();
        state.store.terminate_namespace(name, now);
    }

    /// Deletes a namespace with all that is in it.
    pub fn remove_namespace(&self, name: &str) {
        self.state().store.remove_namespace(name);
    }

    /// Adds a Secret, and its namespace (`default` when it names none). A uid, a creationTimestamp and managedFields
    /// are kept when they are given, which a real server does not do. Panics on what could not be created.
    pub fn add_secret(&self, secret: Value) {
        let mut state = self.state();
        let mut secret = decoded(&secret);
        let metadata = &mut secret.metadata;
        if metadata.namespace.is_empty() {
            metadata.namespace = "default".into();
        }
        if metadata.uid.is_empty() {
            metadata.uid = random_uid();
        }
        let now = format_time(state.now());
        if metadata.creation_timestamp.is_empty() {
            metadata.creation_timestamp.clone_from(&now);
        }
        if metadata.managed_fields.is_empty() {
            let fields = managed::after_write(&[], None, &secret, "kubectl-create", &now);
            secret.metadata.managed_fields = fields;
        }
        let causes = validate::secret(&secret);
        assert!(causes.is_empty(), "the Secret could not be created: {causes:?}");
        let (namespace, name) = (&secret.metadata.namespace, &secret.metadata.name);
        assert!(
            state.store.get(namespace, name).is_none(),
            "{namespace}/{name} is there already"
        );
        let namespace = namespace.clone();
        let now = state.now();
        state.store.add_namespace(&namespace, now);
        state.store.put(secret);
    }

    /// The Secret as it is stored now, with `kind` and `apiVersion`.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<Value> {
        self.state().store.get(namespace, name).map(|secret| secret.to_value())
    }

    /// A value of `data`, decoded.
    pub fn data(&self, namespace: &str, name: &str, key: &str) -> Option<Vec<u8>> {
        Some(self.state().store.get(namespace, name)?.data.get(key)?.0.clone())
    }

    pub fn annotation(&self, namespace: &str, name: &str, key: &str) -> Option<String> {
        self.state()
            .store
            .get(namespace, name)?
            .metadata
            .annotations
            .get(key)
            .cloned()
    }

    /// Changes a Secret as another writer (`kubectl-edit`) does; panics when there is none or when the result is no
    /// valid Secret. What is immutable can be changed here, as if the Secret had been made anew. `edit` must not call
    /// the cluster.
    pub fn edit(&self, namespace: &str, name: &str, edit: &dyn Fn(&mut Value)) {
        self.edit_as("kubectl-edit", namespace, name, edit);
    }

    /// [`Cluster::edit`] by another field manager.
    pub fn edit_as(&self, manager: &str, namespace: &str, name: &str, edit: &dyn Fn(&mut Value)) {
        let mut state = self.state();
        let old = state
            .store
            .get(namespace, name)
            .unwrap_or_else(|| panic!("no Secret {namespace}/{name}"));
        let mut value = old.to_value();
        edit(&mut value);
        let mut new = decoded(&value);
        let causes = validate::secret(&new);
        assert!(causes.is_empty(), "the edit makes the Secret invalid: {causes:?}");
        let (entries, now) = (&old.metadata.managed_fields, format_time(state.now()));
        new.metadata.managed_fields = managed::after_write(entries, Some(&old), &new, manager, &now);
        state.store.put(new);
    }

    /// Deletes a Secret, if it is there.
    pub fn remove(&self, namespace: &str, name: &str) {
        let mut state = self.state();
        if let Some(secret) = state.store.get(namespace, name) {
            state.store.delete(&secret);
        }
    }

    /// `namespace/name` of all Secrets.
    pub fn names(&self) -> Vec<String> {
        self.state().store.keys()
    }

    /// Every version of a Secret that was ever stored, oldest first.
    pub fn writes(&self, namespace: &str, name: &str) -> Vec<Value> {
        self.state()
            .store
            .versions(namespace, name)
            .map(|secret| secret.to_value())
            .collect()
    }

    /// Raises the resourceVersion to this, as writes to other resources do. It never falls.
    pub fn raise_revision(&self, to: u64) {
        let mut state = self.state();
        state.store.revision = state.store.revision.max(to);
    }

    /// Forgets all revisions but the newest: every `continue` token handed out so far has expired.
    pub fn compact(&self) {
        let mut state = self.state();
        // Something else is written too, so that a token of the newest revision is old as well.
        state.store.revision += 1;
        state.store.compacted = state.store.revision;
    }

    /// What clients did that no client may do. A test asserts that there is nothing.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Puts the cluster's clock so many seconds before (or, negative, behind) that of this machine.
    pub fn clock_offset(&self, seconds: i64) {
        self.state().clock_offset = seconds;
    }

    /// The cluster's clock, in seconds since the epoch.
    pub fn now(&self) -> i64 {
        self.state().now()
    }

    /// A test that panicked in [`Cluster::edit`] has failed already; others may go on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Cluster {
    fn operation(&self, request: &Request) -> String {
        format!("{} {}", request.method, request.path)
    }

    fn answer(&self, request: &Request) -> Reply {
        self.state().answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn now(&self) -> i64 {
        Cluster::now(self)
    }
}

impl State {
    fn now(&self) -> i64 {
        epoch_seconds() + self.clock_offset
    }
}

fn epoch_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock after 1970").as_secs() as i64
}

/// A Secret that a test wrote down.
fn decoded(secret: &Value) -> Secret {
    match decode::secret_from_value(secret) {
        Ok(decoded) => decoded.secret,
        Err(reply) => panic!("not a Secret: {}", String::from_utf8_lossy(&reply.body)),
    }
}

/// A version 4 UUID.
fn random_uid() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system's randomness");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// `2026-11-23T04:45:52Z`.
fn format_time(epoch_seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(epoch_seconds).expect("a year of four digits");
    time.format(&Rfc3339).expect("a year of four digits")
}

fn parse_time(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .map(OffsetDateTime::unix_timestamp)
}
