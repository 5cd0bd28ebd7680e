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
pub mod docker_config;
pub mod fields;
mod logins;
mod record;
mod value;
mod wanted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use self::annotations::LABEL;
use self::logins::Logins;
use self::wanted::Wanted;
use crate::aws::{self, AccessKeyId, Region, ambient};
use crate::clock::boot_time;
use crate::error::{Fault, one_line};
use crate::interrupt::Interrupt;
use crate::kube::{self, Key, Scope, Secret};
use crate::report::Tally;
use crate::retry::Asking;

/// How often a Secret is written before others who write it too are given up on.
const MOST_WRITES: u32 = 3;

/// How often a key that is new is tried again where it is not known yet.
const AGAIN: Duration = Duration::from_secs(2);

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
    /// The Secrets that [`Updater::follow`] has seen to, and the key whose logins they got. One process may replace a key twice.
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

/// What became of one Secret.
#[derive(Debug)]
enum Ended {
    Refreshed(String),
    /// What it holds is good.
    Good(String),
    /// It failed for a reason that may pass.
    Later(String),
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
            followed: Mutex::default(),
        }
    }

    /// Refreshes every Secret in scope that has the label. What goes wrong with one is logged and counted, and keeps no other
    /// from its turn.
    ///
    /// # Errors
    ///
    /// When the Secrets cannot be listed.
    pub fn run(&self) -> Result<Tally, kube::Error> {
        let scope = &self.settings.scope;
        let secrets = self.kube.list_secrets(scope, LABEL, Asking::Patiently)?;
        let mut tally = Tally::new("ecr-update", LABEL, "refreshed", scope, secrets.len());
        let mut waiting = Vec::new();
        // A rotation may have gone on since any of them was read.
        self.logins.forget_sources(|_| true);
        for secret in secrets {
            if self.has_followed(&secret) {
                tally.done(1);
                continue;
            }
            warn_of_unknown(&secret);
            waiting.extend(self.take(secret, &mut tally));
        }
        while !waiting.is_empty() {
            self.interrupt.wait(AGAIN);
            waiting = waiting
                .into_iter()
                .filter_map(|secret| self.take(secret, &mut tally))
                .collect();
        }
        Ok(tally)
    }

    /// Gives one Secret its turn, and it back where it is to have another one.
    fn take(&self, secret: Secret, tally: &mut Tally) -> Option<Secret> {
        let key = secret.key.clone();
        if self.interrupt.is_set() {
            log::error!("{key}: stopped by a signal; nothing was done; run again");
            tally.failed(1);
            return None;
        }
        match self.refresh(secret.clone()) {
            Ended::Refreshed(line) => {
                log::info!("{key}: {line}");
                tally.done(1);
            }
            Ended::Good(line) => {
                log::info!("{key}: {line}");
                tally.untouched(1);
            }
            Ended::Later(why) => {
                log::debug!("{key}: {why}; the key is new, trying again");
                return Some(secret);
            }
            Ended::Failed(why) => {
                log::error!("{key}: {why}");
                tally.failed(1);
            }
        }
        None
    }

    /// Refreshes the Secrets in scope whose key is in one of `sources`, with the key that is there now: the one before is about
    /// to go, and its logins with it. What was seen to is not seen to again by [`Updater::run`].
    pub fn follow(&self, sources: &[Key]) -> Follow {
        let depends = |secret: Secret| {
            let source = source(&secret).filter(|source| sources.contains(source))?;
            Some((source, secret))
        };
        let found = self
            .kube
            .find_secrets(&self.settings.scope, LABEL, Asking::Patiently, depends);
        let found = match found {
            Ok(found) => found,
            Err(error) => return Follow::Failed(error.to_string()),
        };
        self.logins.forget_sources(|source| sources.contains(source));
        let (mut later, mut failed) = (None, None);
        for (source, secret) in found {
            if self.has_followed(&secret) {
                continue;
            }
            let key = secret.key.clone();
            if self.interrupt.is_set() {
                return Follow::Failed("stopped by a signal".into());
            }
            match self.refresh(secret) {
                Ended::Refreshed(line) | Ended::Good(line) => {
                    log::info!("{key}: {line}");
                    let followed = self.logins.id_in(&source).map(|id| (key, id));
                    self.followed().extend(followed);
                }
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

    /// Whether it got its logins from the key that its source holds now.
    fn has_followed(&self, secret: &Secret) -> bool {
        let by = self.followed().get(&secret.key).cloned();
        by.is_some() && by == source(secret).and_then(|source| self.logins.id_in(&source))
    }

    fn followed(&self) -> MutexGuard<'_, BTreeMap<Key, AccessKeyId>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self, secret: Secret) -> Ended {
        let refreshed = match self.store(secret) {
            Ok(stored) => stored,
            Err(ended) => return ended,
        };
        for told in value::helpers(&refreshed.secret, &refreshed.wanted) {
            log::warn!("{}: {told}", refreshed.secret.key);
        }
        // What depends on the Secret, copies and service accounts, comes here: it holds what it is to hold, as far as that
        // could be had.
        refreshed.ended
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
                Ok(secret) if secret.all_data() == changed.all_data() => return Ok(Stored { secret, wanted, ended }),
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
        match self.kube.server_time() {
            Some(time) => time.date + boot_time().saturating_sub(time.asked),
            None => OffsetDateTime::now_utc(),
        }
    }
}

/// The Secret with the key pair, where a right one is named.
fn source(secret: &Secret) -> Option<Key> {
    wanted::source(secret).ok().flatten()
}

/// A Secret that holds what it is to hold, as far as that could be had.
#[derive(Debug)]
struct Stored {
    secret: Secret,
    wanted: Wanted,
    ended: Ended,
}

/// Says which annotations mean nothing: what they should have said is not heeded.
fn warn_of_unknown(secret: &Secret) {
    for name in secret.annotation_names().filter(|name| annotations::is_unknown(name)) {
        log::warn!(
            "{}: annotation `{}` is not known, and is not heeded; see that its name is right",
            secret.key,
            one_line(name)
        );
    }
}
