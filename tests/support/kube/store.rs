//! All Secrets in all their versions, as etcd keeps them under one counter.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::namespace::Namespace;
use super::object::Secret;
use super::service_account::ServiceAccount;

pub(super) struct Store {
    /// The last revision given out; a list's resourceVersion.
    pub(super) revision: u64,
    /// Revisions below this one can no longer be read.
    pub(super) compacted: u64,
    /// By key, `namespace/name`, as etcd sorts them: `a-b/x` stands before `a/x`.
    history: BTreeMap<String, Vec<Version>>,
    pub(super) namespaces: BTreeMap<String, Namespace>,
    /// By key, in all their versions.
    service_accounts: BTreeMap<String, Vec<Arc<ServiceAccount>>>,
}

/// A Secret as it was from a revision on.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) revision: u64,
    /// For a deletion the last state, with the deletion's resourceVersion.
    pub(super) secret: Arc<Secret>,
    pub(super) deleted: bool,
}

impl Store {
    pub(super) fn new(now: i64) -> Store {
        let mut store = Store {
            revision: 100,
            compacted: 1,
            history: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            service_accounts: BTreeMap::new(),
        };
        for name in ["default", "kube-system"] {
            store.add_namespace(name, now);
        }
        store
    }

    /// Adds a namespace with its service account `default`, if it is not there. The revision stays: tests count those of
    /// Secrets.
    pub(super) fn add_namespace(&mut self, name: &str, now: i64) {
        if self.namespaces.contains_key(name) {
            return;
        }
        let namespace = Namespace::new(name, self.revision, now);
        self.namespaces.insert(name.to_owned(), namespace);
        self.push_service_account(ServiceAccount::new(name, "default", now));
    }

    pub(super) fn terminate_namespace(&mut self, name: &str, now: i64) {
        let namespace = self.namespaces.get_mut(name);
        let namespace = namespace.unwrap_or_else(|| panic!("no namespace {name}"));
        self.revision += 1;
        namespace.terminate(self.revision, now);
    }

    /// Removes a namespace and all that is in it.
    pub(super) fn remove_namespace(&mut self, name: &str) {
        let prefix = format!("{name}/");
        let within: Vec<_> = self.at(self.revision, &prefix).map(|(_, it)| Arc::clone(it)).collect();
        for secret in within {
            self.delete(&secret);
        }
        self.service_accounts.retain(|key, _| !key.starts_with(&prefix));
        self.namespaces.remove(name);
    }

    pub(super) fn service_account(&self, namespace: &str, name: &str) -> Option<Arc<ServiceAccount>> {
        self.service_account_versions(namespace, name).last().cloned()
    }

    /// Oldest first; none where there is no such account.
    pub(super) fn service_account_versions(&self, namespace: &str, name: &str) -> &[Arc<ServiceAccount>] {
        let versions = self.service_accounts.get(&key(namespace, name));
        versions.map(Vec::as_slice).unwrap_or_default()
    }

    /// The accounts whose key begins with `prefix`, in order, as they are now.
    pub(super) fn service_accounts(&self, prefix: &str) -> impl Iterator<Item = (&str, &Arc<ServiceAccount>)> {
        let within = self
            .service_accounts
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix));
        within.filter_map(|(key, versions)| Some((key.as_str(), versions.last()?)))
    }

    /// Stores a version under the next revision.
    pub(super) fn put_service_account(&mut self, account: ServiceAccount) -> Arc<ServiceAccount> {
        self.revision += 1;
        self.push_service_account(account)
    }

    fn push_service_account(&mut self, mut account: ServiceAccount) -> Arc<ServiceAccount> {
        account.metadata.resource_version = self.revision.to_string();
        let account = Arc::new(account);
        let key = key(&account.metadata.namespace, &account.metadata.name);
        self.service_accounts.entry(key).or_default().push(Arc::clone(&account));
        account
    }

    /// Its versions go with it.
    pub(super) fn remove_service_account(&mut self, namespace: &str, name: &str) {
        self.revision += 1;
        self.service_accounts.remove(&key(namespace, name));
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Secret>> {
        let last = self.history.get(&key(namespace, name))?.last()?;
        (!last.deleted).then(|| Arc::clone(&last.secret))
    }

    /// Stores a version under the next revision.
    pub(super) fn put(&mut self, secret: Secret) -> Arc<Secret> {
        self.push(secret, false)
    }

    pub(super) fn delete(&mut self, secret: &Secret) {
        self.push(secret.clone(), true);
    }

    fn push(&mut self, mut secret: Secret, deleted: bool) -> Arc<Secret> {
        self.revision += 1;
        secret.metadata.resource_version = self.revision.to_string();
        let key = key(&secret.metadata.namespace, &secret.metadata.name);
        let secret = Arc::new(secret);
        let version = Version {
            revision: self.revision,
            secret: Arc::clone(&secret),
            deleted,
        };
        self.history.entry(key).or_default().push(version);
        secret
    }

    /// The Secrets whose key begins with `prefix`, in order, as they were at `revision`.
    pub(super) fn at(&self, revision: u64, prefix: &str) -> impl Iterator<Item = (&str, &Arc<Secret>)> {
        self.history
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter_map(move |(key, versions)| {
                let version = versions.iter().rev().find(|version| version.revision <= revision)?;
                (!version.deleted).then_some((key.as_str(), &version.secret))
            })
    }

    /// Each change after `revision` to a key that begins with `prefix`, with the version before it, oldest first.
    pub(super) fn changes(&self, revision: u64, prefix: &str) -> Vec<(Option<Version>, Version)> {
        let mut changes = Vec::new();
        for (key, versions) in &self.history {
            for (index, version) in versions.iter().enumerate() {
                if key.starts_with(prefix) && version.revision > revision {
                    let before = index.checked_sub(1).map(|before| versions[before].clone());
                    changes.push((before.filter(|before| !before.deleted), version.clone()));
                }
            }
        }
        changes.sort_by_key(|(_, version)| version.revision);
        changes
    }

    /// Every version of a Secret that was ever stored, oldest first; deletions are left out.
    pub(super) fn versions(&self, namespace: &str, name: &str) -> impl Iterator<Item = &Arc<Secret>> {
        let versions = self.history.get(&key(namespace, name)).into_iter().flatten();
        versions
            .filter(|version| !version.deleted)
            .map(|version| &version.secret)
    }

    /// The keys of what exists now.
    pub(super) fn keys(&self) -> Vec<String> {
        self.at(self.revision, "").map(|(key, _)| key.to_owned()).collect()
    }
}

fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}
