//! The job `ecr-update`: fresh ECR logins for every Secret that asks for them, one AWS call for each pair of credential and
//! realm.
//!
//! ```text
//! Secret ── wanted (pure) ── good already? (record) ── logins (one request each) ── merged into the Secret as it is now
//! ```
//!
//! Whatever fails, what a Secret holds stays: a login is written only once it was received, over the version that it was merged
//! into, and nothing else of the Secret changes.

pub mod annotations;
mod copies;
pub mod docker_config;
mod ended;
pub mod fields;
mod logins;
mod patterns;
mod record;
pub mod service_accounts;
mod turns;
mod value;
mod wanted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use self::annotations::{LABEL, SERVICE_ACCOUNTS};
use self::copies::Copies;
use self::ended::Ended;
use self::logins::Logins;
use self::service_accounts::{Accounts, Added, ServiceAccounts};
use self::wanted::Wanted;
use crate::aws::{self, AccessKeyId, Region, ambient};
use crate::clock::boot_time;
use crate::error::Fault;
use crate::interrupt::Interrupt;
use crate::kube::{self, Key, Scope, Secret};
use crate::retry::Asking;

/// How often a Secret is written before others who write it too are given up on.
const MOST_WRITES: u32 = 3;

/// What `ecr-update` is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespaces to look at.
    pub scope: Scope,
    /// The region for Secrets that name none.
    pub region: Option<Region>,
    /// How much of a login's life is left when it is replaced, where its Secret says nothing else; `None`: all are replaced.
    pub renew_within: Option<Duration>,
    /// Whether copies that are not wanted any more are deleted.
    pub prune: bool,
    /// How long after a rotation a region may not know the new key.
    pub propagation_timeout: Duration,
}

/// The job. Threads may share it.
#[derive(Debug)]
pub struct Updater {
    kube: Arc<kube::Client>,
    settings: Settings,
    interrupt: Interrupt,
    logins: Logins,
    copies: Copies,
    service_accounts: ServiceAccounts,
    /// The Secrets that [`Updater::follow`] has refreshed, with the key that signed.
    followed: Mutex<BTreeMap<Key, AccessKeyId>>,
}

/// How far logins have followed their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// None is left that another key got.
    Done,
    /// Not yet, for this reason, which may pass.
    Later(String),
    /// Not all of them, for this reason.
    Failed(String),
}

impl Updater {
    /// Nothing is asked before it is needed.
    pub fn new(
        kube: Arc<kube::Client>,
        aws: Arc<aws::Client>,
        ambient: ambient::Chain,
        settings: Settings,
        interrupt: Interrupt,
    ) -> Updater {
        Updater {
            logins: Logins::new(Arc::clone(&kube), aws, ambient, settings.propagation_timeout),
            kube,
            settings,
            interrupt,
            copies: Copies::default(),
            service_accounts: ServiceAccounts::default(),
            followed: Mutex::default(),
        }
    }

    /// Refreshes the Secrets in scope whose key is in one of `sources`, with the key that is there now: the one before is about
    /// to go, and its logins with it. What was seen to is not seen to again by [`Updater::run`].
    pub fn follow(&self, sources: &[Key]) -> Follow {
        let depends = |secret: Secret| {
            let source = wanted::source(&secret).ok().flatten();
            source.is_some_and(|source| sources.contains(&source)).then_some(secret)
        };
        let found = self
            .kube
            .find_secrets(&self.settings.scope, LABEL, Asking::Patiently, depends);
        let found = match found {
            Ok(found) => found,
            Err(error) => return Follow::Failed(error.to_string()),
        };
        self.logins.forget_sources(|source| sources.contains(source));
        self.logins.forget_refusals(sources);
        let (mut later, mut failed) = (None, None);
        for secret in found {
            let key = secret.key.clone();
            let by = self.source_key(&secret);
            if by.is_some() && self.followed().get(&key) == by.as_ref() {
                continue;
            }
            if self.interrupt.is_set() {
                return Follow::Failed("stopped by a signal".into());
            }
            match self.refresh(secret) {
                Ended::Refreshed(line) => {
                    if let Some(line) = line {
                        log::info!("{key}: {line}");
                    }
                    self.followed().extend(by.map(|by| (key, by)));
                }
                // The key does not wait for a copy that is not there, or for a service account: the run tells of these.
                Ended::Good(_) | Ended::Short { stale: false, .. } => {}
                Ended::Short { line, stale: true } => failed = failed.or(Some(format!("{key}: {line}"))),
                Ended::Later(why) => later = later.or(Some(format!("{key}: {why}"))),
                Ended::Failed(why) => failed = failed.or(Some(format!("{key}: {why}"))),
            }
        }
        match (later, failed) {
            (Some(why), _) => Follow::Later(why),
            (None, Some(why)) => Follow::Failed(why),
            (None, None) => Follow::Done,
        }
    }

    fn followed(&self) -> MutexGuard<'_, BTreeMap<Key, AccessKeyId>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that would sign for a Secret, where it is another Secret's and that can be told.
    fn source_key(&self, secret: &Secret) -> Option<AccessKeyId> {
        let wanted = Wanted::of(secret, &self.settings).ok()?;
        self.logins.key_id(&wanted).ok()?
    }

    fn refresh(&self, secret: Secret) -> Ended {
        let refreshed = match self.store(secret) {
            Ok(stored) => stored,
            Err(ended) => return ended,
        };
        for told in value::helpers(&refreshed.secret, &refreshed.wanted) {
            log::warn!("{}: {told}", refreshed.secret.key);
        }
        // The Secret holds what it is to hold, as far as that could be had.
        let Stored { secret, wanted, ended } = refreshed;
        let (ended, places) = match &wanted.namespaces {
            None => (ended, Vec::new()),
            Some(patterns) => {
                let spread = self.copies.spread(&self.kube, &self.interrupt, &secret, patterns);
                (
                    ended.and(&format!("; {spread}"), spread.failed, spread.stale),
                    spread.namespaces,
                )
            }
        };
        let added = self.add_to_accounts(&secret, &places);
        ended.and(&added.to_string(), added.failed, false)
    }

    fn add_to_accounts(&self, secret: &Secret, places: &[kube::Namespace]) -> Added {
        match Accounts::parse(secret.annotation(SERVICE_ACCOUNTS).unwrap_or_default()) {
            Ok(accounts) => self.service_accounts.add(&self.kube, &secret.key, places, &accounts),
            Err(error) => {
                log::error!("{}: annotation `{SERVICE_ACCOUNTS}`: {error}", secret.key);
                Added {
                    failed: 1,
                    ..Added::default()
                }
            }
        }
    }

    /// Gives a Secret its logins. What somebody else writes meanwhile is kept: the value is made anew from what the Secret then
    /// holds, and from what it then asks for.
    fn store(&self, mut secret: Secret) -> Result<Stored, Ended> {
        let failed = |why: String| Ended::Failed(why);
        let mut writes = 0;
        loop {
            if secret.is_immutable() {
                let why = "the Secret is immutable; replace it by one without `immutable: true`";
                return Err(failed(why.into()));
            }
            let wanted = Wanted::of(&secret, &self.settings).map_err(failed)?;
            if writes == 0
                && let Some(within) = wanted.renew_within
            {
                let key = self.logins.key_id(&wanted).map_err(failed)?;
                if let Some(line) = value::good(&secret, &wanted, key.as_ref(), self.now() + within) {
                    let ended = Ended::Good(line);
                    return Ok(Stored { secret, wanted, ended });
                }
            }
            let given = self.logins.get(&wanted).map_err(failed)?;
            let mut changed = secret.clone();
            let ended = value::fill(&mut changed, &wanted, &given)?;
            // As it is already: a write that was thought lost has stored it.
            if changed.is_like(&secret) {
                return Ok(Stored { secret, wanted, ended });
            }
            writes += 1;
            let error = match self.kube.update_secret(&changed, Asking::Patiently) {
                Ok(secret) if secret.has_data_of(&changed) => return Ok(Stored { secret, wanted, ended }),
                Ok(_) => {
                    let why = "the login was not stored as it was sent, perhaps changed by an admission webhook";
                    return Err(failed(why.into()));
                }
                Err(error) => error,
            };
            let again = matches!(error.fault(), Fault::Conflict | Fault::OutcomeUnknown);
            if !again || writes == MOST_WRITES {
                return Err(failed(error.to_string()));
            }
            log::debug!("{}: {error}; reading it again", secret.key);
            let uid = secret.uid.clone();
            secret = self
                .kube
                .get_secret(&secret.key, Asking::Patiently)
                .map_err(|error| failed(error.to_string()))?;
            if secret.uid != uid || !secret.has_label(LABEL) {
                return Err(failed(format!(
                    "{} was replaced or lost its label meanwhile; nothing was written to it",
                    secret.key
                )));
            }
        }
    }

    /// The time, by the API server's clock: whether a login is about to end must not depend on this machine's.
    fn now(&self) -> OffsetDateTime {
        let time = self.kube.server_time().map(|time| time.at(boot_time()));
        time.unwrap_or_else(OffsetDateTime::now_utc)
    }
}

/// A Secret that holds what it is to hold, as far as that could be had.
#[derive(Debug)]
struct Stored {
    secret: Secret,
    wanted: Wanted,
    ended: Ended,
}
