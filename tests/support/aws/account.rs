//! One AWS account: its users, their access keys, and which service knows which key by now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::action::{Action, Api};
use super::partition::Partition;
use super::propagation::{Gates, Propagation, take_one};
use super::random;
use super::reply::Failure;
use super::sigv4::Refusal;

pub(super) const ACCOUNT: &str = "123456789012";
const KEYS_PER_USER: usize = 2;

/// Whether a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    Inactive,
    /// Set by AWS alone; as good as inactive.
    Expired,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Active => "Active",
            Status::Inactive => "Inactive",
            Status::Expired => "Expired",
        }
    }
}

/// A key as ListAccessKeys shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: String,
    pub status: Status,
    /// Seconds since the epoch by the service's clock.
    pub created: i64,
}

/// A key with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("secret", &"[redacted]")
            .finish()
    }
}

/// A session's key, its token and its end, as metadata endpoints give them.
#[derive(Clone)]
pub struct Session {
    pub key: AccessKey,
    pub token: String,
    /// In ISO 8601.
    pub ends: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} until {}", self.key, self.ends)
    }
}

/// One ECR login that was handed out.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// Of ECR Public: `public`.
    pub region: String,
    pub key_id: String,
    pub password: String,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("region", &self.region)
            .field("key_id", &self.key_id)
            .field("password", &"[redacted]")
            .finish()
    }
}

/// What a request, and not the test itself, did to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Created,
    Deleted,
    Activated,
    Deactivated,
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Root,
    User(String),
    /// A session: the role's name and its own.
    Session(String, String),
}

/// What somebody may be for a while.
pub(super) struct Role {
    pub(super) id: String,
    /// What AssumeRole must bring along; every user and session of the account is trusted.
    pub(super) external_id: Option<String>,
    /// The web identity tokens that are trusted.
    pub(super) tokens: BTreeSet<String>,
}

pub(super) struct User {
    pub(super) id: String,
    /// `/`, or `/ci/` for example.
    pub(super) path: String,
    pub(super) created: i64,
    /// Permissions as policies write them. All others are granted.
    pub(super) denied: BTreeSet<String>,
    pub(super) creates: usize,
    pub(super) most_keys: usize,
}

/// An access key of any owner, also after its deletion.
pub(super) struct StoredKey {
    pub(super) key: Key,
    pub(super) secret: String,
    pub(super) owner: Owner,
    /// Of a session: what comes with every request, and when it ends.
    pub(super) session: Option<(String, i64)>,
    /// By when, what service and from which region it was last used.
    pub(super) last_used: Option<(i64, Api, String)>,
    deleted: bool,
    /// How many requests it still signs after its deletion.
    afterlife: usize,
    gates: Gates,
}

/// A key's place in a listing: keys are listed in order of creation.
pub(super) type Row = (usize, Key);

/// Who sent a request.
pub(super) struct Caller {
    pub(super) owner: Owner,
    pub(super) key_id: String,
    pub(super) region: String,
}

pub(super) struct Account {
    pub(super) partition: Partition,
    pub(super) users: BTreeMap<String, User>,
    pub(super) roles: BTreeMap<String, Role>,
    /// What is secret beside keys and logins.
    pub(super) other_secrets: Vec<String>,
    pub(super) issued: Vec<IssuedToken>,
    /// So many seconds earlier than the one before each login ends.
    pub(super) login_step: i64,
    pub(super) regions: BTreeSet<String>,
    pub(super) clock_offset: i64,
    pub(super) enforce_limit: bool,
    pub(super) propagation: Propagation,
    pub(super) deletion_lag: usize,
    pub(super) stale_listings: usize,
    pub(super) page_size: usize,
    /// What requests did to keys, in order.
    pub(super) changes: Vec<(String, Change)>,
    keys: Vec<StoredKey>,
    /// Each owner's keys before the last change to them.
    before: BTreeMap<Owner, Vec<Row>>,
}

impl Account {
    pub(super) fn new(partition: Partition) -> Account {
        Account {
            partition,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            other_secrets: Vec::new(),
            issued: Vec::new(),
            login_step: 0,
            regions: partition.regions.iter().map(|&region| region.to_owned()).collect(),
            clock_offset: 0,
            enforce_limit: true,
            propagation: Propagation::default(),
            deletion_lag: 0,
            stale_listings: 0,
            // What IAM does when MaxItems is not given.
            page_size: 100,
            changes: Vec::new(),
            keys: Vec::new(),
            before: BTreeMap::new(),
        }
    }

    /// The service's clock.
    pub(super) fn now(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        i64::try_from(since.as_secs()).expect("a clock before the end of time") + self.clock_offset
    }

    /// The user that a test speaks of.
    pub(super) fn user(&mut self, name: &str) -> &mut User {
        self.users
            .get_mut(name)
            .unwrap_or_else(|| panic!("the account has no user `{name}`"))
    }

    /// The role that a test speaks of.
    pub(super) fn role(&mut self, name: &str) -> &mut Role {
        self.roles
            .get_mut(name)
            .unwrap_or_else(|| panic!("the account has no role `{name}`"))
    }

    pub(super) fn arn(&self, owner: &Owner) -> String {
        let (service, resource) = match owner {
            Owner::Root => ("iam", "root".to_owned()),
            Owner::User(name) => ("iam", format!("user{}{name}", self.users[name].path)),
            Owner::Session(role, name) => ("sts", format!("assumed-role/{role}/{name}")),
        };
        format!("arn:{}:{service}::{ACCOUNT}:{resource}", self.partition.name)
    }

    /// Policy: all that was not denied. The root of an account has none.
    pub(super) fn permit(&self, caller: &Owner, action: Action, resource: &str) -> Result<(), Failure> {
        match caller {
            Owner::Root | Owner::Session(..) => Ok(()),
            Owner::User(name) if !self.users[name].denied.contains(&action.permission()) => Ok(()),
            Owner::User(_) => Err(Failure::access_denied(
                action.api(),
                &self.arn(caller),
                &action.permission(),
                resource,
            )),
        }
    }

    /// The key that signed a request, if that service accepts it now. Every call is one request.
    pub(super) fn signing_key(&mut self, api: Api, id: &str) -> Result<&mut StoredKey, Refusal> {
        let stored = self
            .keys
            .iter_mut()
            .find(|stored| stored.key.id == id)
            .ok_or(Refusal::UnknownKey)?;
        let known = stored.gates.admit(api) && (!stored.deleted || take_one(&mut stored.afterlife));
        if known && stored.key.status == Status::Active {
            Ok(stored)
        } else {
            Err(Refusal::UnknownKey)
        }
    }

    /// Any key that exists or did, for inspection.
    pub(super) fn stored(&self, id: &str) -> Option<&StoredKey> {
        self.keys.iter().find(|stored| stored.key.id == id)
    }

    pub(super) fn ever_stored(&self) -> impl Iterator<Item = &StoredKey> {
        self.keys.iter()
    }

    /// A key that exists.
    pub(super) fn existing(&mut self, id: &str) -> Option<&mut StoredKey> {
        self.keys
            .iter_mut()
            .find(|stored| stored.key.id == id && !stored.deleted)
    }

    pub(super) fn rows(&self, owner: &Owner) -> Vec<Row> {
        let own = |(_, stored): &(usize, &StoredKey)| stored.owner == *owner && !stored.deleted;
        self.keys
            .iter()
            .enumerate()
            .filter(own)
            .map(|(row, stored)| (row, stored.key.clone()))
            .collect()
    }

    /// What a listing shows: the keys, or, while listings are stale, the keys before the last change.
    pub(super) fn listed(&mut self, owner: &Owner) -> Vec<Row> {
        let stale = take_one(&mut self.stale_listings);
        stale
            .then(|| self.before.get(owner).cloned())
            .flatten()
            .unwrap_or_else(|| self.rows(owner))
    }

    pub(super) fn limit_reached(&self, owner: &Owner) -> bool {
        self.enforce_limit && self.rows(owner).len() >= KEYS_PER_USER
    }

    /// A new key; `Gates::default()` for one that is known everywhere.
    pub(super) fn create(&mut self, owner: &Owner, gates: Gates) -> &StoredKey {
        self.remember(owner);
        let key = Key {
            id: random::access_key_id(),
            status: Status::Active,
            created: self.now(),
        };
        let secret = random::secret_access_key();
        self.keys.push(StoredKey {
            key,
            secret,
            owner: owner.clone(),
            session: None,
            last_used: None,
            deleted: false,
            afterlife: 0,
            gates,
        });
        let count = self.rows(owner).len();
        if let Owner::User(name) = owner {
            let user = self.user(name);
            user.most_keys = user.most_keys.max(count);
        }
        self.keys.last().expect("the key just pushed")
    }

    /// A session of a role, known everywhere at once.
    pub(super) fn create_session(&mut self, role: &str, name: &str, seconds: i64) -> &StoredKey {
        let owner = Owner::Session(role.to_owned(), name.to_owned());
        let ends = self.now() + seconds;
        self.create(&owner, Gates::default());
        let stored = self.keys.last_mut().expect("the key just made");
        stored.key.id = stored.key.id.replacen("AKIA", "ASIA", 1);
        stored.session = Some((random::session_token(), ends));
        stored
    }

    /// Sets the status of a key that exists. `None`: the owner has no such key.
    pub(super) fn set_status(&mut self, owner: &Owner, id: &str, status: Status) -> Option<()> {
        let old = self.existing(id).filter(|stored| stored.owner == *owner)?.key.status;
        if old != status {
            self.remember(owner);
            self.existing(id)?.key.status = status;
        }
        Some(())
    }

    /// Deletes a key. `None`: the owner has no such key.
    pub(super) fn delete(&mut self, owner: &Owner, id: &str) -> Option<()> {
        self.existing(id).filter(|stored| stored.owner == *owner)?;
        self.remember(owner);
        let afterlife = self.deletion_lag;
        let stored = self.existing(id)?;
        stored.deleted = true;
        stored.afterlife = afterlife;
        Some(())
    }

    fn remember(&mut self, owner: &Owner) {
        self.before.insert(owner.clone(), self.rows(owner));
    }
}

#[cfg(test)]
mod tests;
