//! The stand-in as tests hold it: what to set up, what to make go wrong, what to look at afterwards.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::super::server::{Reply, Request, Server, Service};
use super::account::{AccessKey, Account, Change, IssuedToken, Key, Owner, Role, Session, Status, StoredKey, User};
use super::action::{Action, Api};
use super::partition::Partition;
use super::propagation::{Flap, Gates};
use super::{ecr, query, random};

/// One AWS account, shared by the servers that answer for it and the test that watches.
pub struct Cloud {
    account: Mutex<Account>,
}

impl Cloud {
    /// Account 123456789012 in partition `aws`, without users.
    pub fn new() -> Arc<Cloud> {
        Cloud::in_partition(Partition::AWS)
    }

    pub fn in_partition(partition: Partition) -> Arc<Cloud> {
        Arc::new(Cloud {
            account: Mutex::new(Account::new(partition)),
        })
    }

    /// One endpoint for all three services, at 127.0.0.1.
    pub fn start(self: &Arc<Self>) -> Server {
        Server::start("127.0.0.1", Arc::<Cloud>::clone(self), None)
    }

    pub fn start_tls(self: &Arc<Self>, config: Arc<rustls::ServerConfig>) -> Server {
        Server::start("127.0.0.1", Arc::<Cloud>::clone(self), Some(config))
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }
}

/// Setting up, and what others do to the account meanwhile. None of this obeys limits, policies or propagation.
impl Cloud {
    pub fn add_user(&self, name: &str) {
        self.add_user_at("/", name);
    }

    /// A user with a path, for example `/ci/`.
    pub fn add_user_at(&self, path: &str, name: &str) {
        assert!(
            path.starts_with('/') && path.ends_with('/'),
            "a path begins and ends with `/`, got `{path}`"
        );
        let mut account = self.account();
        let user = User {
            id: random::user_id(),
            path: path.to_owned(),
            created: account.now(),
            denied: BTreeSet::new(),
            creates: 0,
            most_keys: 0,
        };
        account.users.insert(name.to_owned(), user);
    }

    /// A key of that user, known everywhere at once.
    pub fn add_key(&self, user: &str) -> AccessKey {
        let mut account = self.account();
        account.user(user);
        made(account.create(&Owner::User(user.to_owned()), Gates::default()))
    }

    /// A key of the account's root.
    pub fn add_root_key(&self) -> AccessKey {
        made(self.account().create(&Owner::Root, Gates::default()))
    }

    /// A role that every user and every session of the account may take, and whoever brings one of its tokens.
    pub fn add_role(&self, name: &str) {
        let role = Role {
            id: random::role_id(),
            external_id: None,
            tokens: BTreeSet::new(),
        };
        self.account().roles.insert(name.to_owned(), role);
    }

    /// From now on AssumeRole must bring this along.
    pub fn require_external_id(&self, role: &str, external_id: &str) {
        self.account().role(role).external_id = Some(external_id.to_owned());
    }

    /// A web identity token that the role trusts.
    pub fn web_identity_token(&self, role: &str) -> String {
        let mut account = self.account();
        let token = random::web_identity_token();
        account.role(role).tokens.insert(token.clone());
        account.other_secrets.push(token.clone());
        token
    }

    /// A session that lasts so long, in seconds.
    pub fn add_session(&self, role: &str, name: &str, seconds: i64) -> Session {
        let mut account = self.account();
        account.role(role);
        let stored = account.create_session(role, name, seconds);
        let (token, ends) = stored.session.clone().expect("a session has a token");
        Session {
            key: made(stored),
            token,
            ends: super::reply::iso8601(ends),
        }
    }

    /// An ECR login as the key's owner would have got it, and when it ends, in seconds since the epoch.
    pub fn add_login(&self, key_id: &str, region: &str) -> (String, i64) {
        ecr::issue(&mut self.account(), key_id, region)
    }

    /// Something that must not be found in any output.
    pub fn hide(&self, secret: &str) {
        self.account().other_secrets.push(secret.to_owned());
    }

    /// A token that opens an endpoint; it must not be found in any output.
    pub fn opaque_token(&self) -> String {
        let token = random::secret_access_key().replace(['/', '+'], "x");
        self.hide(&token);
        token
    }

    pub fn delete_key(&self, key_id: &str) {
        let mut account = self.account();
        let owner = existing(&mut account, key_id).owner.clone();
        account.delete(&owner, key_id);
    }

    pub fn set_status(&self, key_id: &str, status: Status) {
        let mut account = self.account();
        let owner = existing(&mut account, key_id).owner.clone();
        account.set_status(&owner, key_id, status);
    }

    /// Moves a key's creation into the past.
    pub fn age_key(&self, key_id: &str, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).expect("an age in the age of the universe");
        existing(&mut self.account(), key_id).key.created -= seconds;
    }

    /// Denies the user a permission, for example `iam:CreateAccessKey`. All are granted at first.
    pub fn deny(&self, user: &str, permission: &str) {
        self.account().user(user).denied.insert(permission.to_owned());
    }

    pub fn allow(&self, user: &str, permission: &str) {
        self.account().user(user).denied.remove(permission);
    }
}

/// How the service behaves from now on.
impl Cloud {
    /// Whether a third key is refused; AWS itself does not do so under concurrency.
    pub fn enforce_limit(&self, on: bool) {
        self.account().enforce_limit = on;
    }

    /// Keys created from now on are refused for the first `n` requests signed by them, over all services together.
    pub fn propagation_requests(&self, n: usize) {
        self.account().propagation.common.requests = n;
    }

    /// Keys created from now on are refused until so long after their creation.
    pub fn propagation_delay(&self, delay: Duration) {
        self.account().propagation.common.delay = delay;
    }

    /// The same for one service, `iam`, `sts` or `ecr`, which then counts its own requests; the common settings do not
    /// apply there any more.
    pub fn propagation_requests_for(&self, service: &str, n: usize) {
        self.account()
            .propagation
            .own
            .entry(Api::named(service))
            .or_default()
            .requests = n;
    }

    pub fn propagation_delay_for(&self, service: &str, delay: Duration) {
        self.account()
            .propagation
            .own
            .entry(Api::named(service))
            .or_default()
            .delay = delay;
    }

    /// Keys created from now on, once known, are accepted for `accept` requests, then refused for `refuse`, then
    /// accepted for good. A service with a propagation of its own counts for itself.
    pub fn flap(&self, accept: usize, refuse: usize) {
        self.account().propagation.flap = Flap { accept, refuse };
    }

    /// Keys deleted from now on still sign that many requests.
    pub fn deletion_lag_requests(&self, n: usize) {
        self.account().deletion_lag = n;
    }

    /// The next `n` answers to ListAccessKeys show the user's keys as they were before the last change to them.
    pub fn stale_listings(&self, n: usize) {
        self.account().stale_listings = n;
    }

    /// At most `n` keys on a page of ListAccessKeys.
    pub fn page_size(&self, n: usize) {
        assert!(n > 0, "a page holds at least one key");
        self.account().page_size = n;
    }

    /// The regions where STS and ECR are.
    pub fn regions(&self, regions: &[&str]) {
        self.account().regions = regions.iter().map(|&region| region.to_owned()).collect();
    }

    /// No two ECR logins end at the same time: each so many seconds before the one issued before it.
    pub fn login_step(&self, seconds: i64) {
        self.account().login_step = seconds;
    }

    /// Sets the service's clock that far ahead of the real one, or behind it.
    pub fn clock_offset(&self, seconds: i64) {
        self.account().clock_offset = seconds;
    }
}

/// What became of it all.
impl Cloud {
    /// The user's keys in order of creation, without deleted ones.
    pub fn keys(&self, user: &str) -> Vec<Key> {
        let mut account = self.account();
        account.user(user);
        account
            .rows(&Owner::User(user.to_owned()))
            .into_iter()
            .map(|(_, key)| key)
            .collect()
    }

    /// The key's status; `None` when there is no such key, or no more.
    pub fn status_of(&self, key_id: &str) -> Option<Status> {
        self.account().existing(key_id).map(|stored| stored.key.status)
    }

    /// The secret of a key that exists or did.
    pub fn secret_of(&self, key_id: &str) -> Option<String> {
        self.account().stored(key_id).map(|stored| stored.secret.clone())
    }

    /// The user whose key this is or was; `None` for the root's.
    pub fn user_of(&self, key_id: &str) -> Option<String> {
        match &self.account().stored(key_id)?.owner {
            Owner::Root | Owner::Session(..) => None,
            Owner::User(name) => Some(name.clone()),
        }
    }

    /// Whose key this is or was, as an ARN.
    pub fn arn_of(&self, key_id: &str) -> String {
        let account = self.account();
        let stored = account.stored(key_id).unwrap_or_else(|| panic!("no key `{key_id}`"));
        account.arn(&stored.owner)
    }

    /// The user's unique id, `AIDA…`.
    pub fn user_id(&self, user: &str) -> String {
        self.account().user(user).id.clone()
    }

    /// How many keys CreateAccessKey has made for that user.
    pub fn create_count(&self, user: &str) -> usize {
        self.account().user(user).creates
    }

    /// How many keys the user had at the most at one time.
    pub fn max_keys_seen(&self, user: &str) -> usize {
        self.account().user(user).most_keys
    }

    /// What requests did to keys, in order; what the test itself did is not in it.
    pub fn changes(&self) -> Vec<(String, Change)> {
        self.account().changes.clone()
    }

    /// The ECR logins handed out, in order.
    pub fn tokens_issued(&self) -> Vec<IssuedToken> {
        self.account().issued.clone()
    }

    /// Every secret access key and ECR password there ever was: what must not be found in any output.
    pub fn secrets(&self) -> Vec<String> {
        let account = self.account();
        let keys = account.ever_stored().map(|stored| stored.secret.clone());
        let tokens = account
            .ever_stored()
            .filter_map(|stored| Some(stored.session.as_ref()?.0.clone()));
        keys.chain(tokens)
            .chain(account.issued.iter().map(|token| token.password.clone()))
            .chain(account.other_secrets.iter().cloned())
            .collect()
    }
}

impl Service for Cloud {
    fn operation(&self, request: &Request) -> String {
        match Action::of(request) {
            Some(action) => action.name().to_owned(),
            None => format!("{} {}", request.method, request.path),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut account = self.account();
        // The header tells ECR's protocol from the other; no client of IAM or STS sends it.
        if request.header("x-amz-target").is_some() {
            ecr::answer(&mut account, request)
        } else {
            query::answer(&mut account, request)
        }
    }

    fn now(&self) -> i64 {
        self.account().now()
    }
}

fn made(stored: &StoredKey) -> AccessKey {
    AccessKey {
        id: stored.key.id.clone(),
        secret: stored.secret.clone(),
    }
}

fn existing<'a>(account: &'a mut Account, key_id: &str) -> &'a mut StoredKey {
    account
        .existing(key_id)
        .unwrap_or_else(|| panic!("the account has no key `{key_id}`"))
}
