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
pub mod fields;
mod logins;
mod patterns;
mod record;
pub mod service_accounts;
mod value;
mod wanted;

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use time::OffsetDateTime;

use self::annotations::{LABEL, SERVICE_ACCOUNTS};
use self::copies::{Copies, Wish};
use self::logins::Logins;
use self::service_accounts::{Accounts, Added, ServiceAccounts};
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

/// How many credentials are under way at once: a region that hangs for one must not hold up all others.
const MOST_WORKERS: usize = 8;

/// How soon a signal is noticed.
const SLICE: Duration = Duration::from_millis(100);

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

/// What became of one Secret.
#[derive(Debug)]
enum Ended {
    /// `None`: that was said already.
    Refreshed(Option<String>),
    /// What it holds is good.
    Good(String),
    /// What it holds is good, but not all copies of it are what they are to be, which was said already. Some hold an old
    /// login if `stale`.
    Short {
        line: String,
        stale: bool,
    },
    /// It failed for a reason that may pass.
    Later(String),
    Failed(String),
}

impl Ended {
    /// With what became of what depends on the Secret: how many of these failed, and whether one of them holds an old login.
    fn and(self, more: &str, failed: usize, stale: bool) -> Ended {
        match self {
            Ended::Refreshed(Some(line)) | Ended::Good(line) if failed > 0 => Ended::Short {
                line: line + more,
                stale,
            },
            Ended::Refreshed(line) => Ended::Refreshed(line.map(|line| line + more)),
            Ended::Good(line) => Ended::Good(line + more),
            Ended::Short { line, stale: already } => Ended::Short {
                line: line + more,
                stale: already || stale,
            },
            Ended::Failed(why) => Ended::Failed(why + more),
            Ended::Later(_) => self,
        }
    }
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

    /// Refreshes every Secret in scope that has the label. What goes wrong with one is logged and counted, and keeps no other
    /// from its turn.
    ///
    /// # Errors
    ///
    /// When the Secrets cannot be listed.
    pub fn run(&self) -> Result<Tally, kube::Error> {
        self.logins.forget_sources(|_| true);
        self.copies.forget();
        let scope = &self.settings.scope;
        let secrets = self.kube.list_secrets(scope, LABEL, Asking::Patiently)?;
        let mut tally = Tally::new("ecr-update", LABEL, "refreshed", scope, secrets.len());
        secrets.iter().for_each(warn_of_unknown);
        let mut wishes = secrets
            .iter()
            .map(|secret| (secret.key.clone(), self.wish(secret)))
            .collect();
        let groups = Mutex::new(groups(secrets));
        let next = || groups.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let workers = groups.lock().map_or(1, |groups| groups.len().min(MOST_WORKERS));
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                let tell = tell.clone();
                scope.spawn(move || {
                    while let Some(group) = next() {
                        self.take_all(group, &tell);
                    }
                });
            }
            drop(tell);
            self.report(&told, &mut tally, &mut wishes);
        });
        let prune = self.settings.prune;
        let failed = self
            .copies
            .leftovers(&self.kube, &self.interrupt, scope, &wishes, prune);
        tally.failed(failed);
        Ok(tally)
    }

    /// Gives the Secrets of one credential their turns, and those whose key is too new another one until that is over.
    fn take_all(&self, group: Group, tell: &Sender<Told>) {
        let mut waiting: Vec<(usize, Secret)> = group;
        while !waiting.is_empty() {
            waiting.retain(|(at, secret)| {
                let ended = self.take(secret);
                let again = matches!(ended, Ended::Later(_));
                if again {
                    log::debug!("{}: {ended:?}; the key is new, trying again", secret.key);
                } else {
                    // Who listens does so until the last word.
                    let _ = tell.send((*at, secret.key.clone(), ended));
                }
                again
            });
            if let Some((_, secret)) = waiting.first() {
                self.interrupt.wait(AGAIN);
                // All Secrets of a key share the next try.
                self.logins
                    .forget_refusals(wanted::source(secret).ok().flatten().as_slice());
            }
        }
    }

    fn take(&self, secret: &Secret) -> Ended {
        if self.interrupt.is_set() {
            return Ended::Failed("stopped by a signal; nothing was done; run again".into());
        }
        let by = self.followed().get(&secret.key).cloned();
        if by.is_some() && by == self.source_key(secret) {
            return Ended::Refreshed(None);
        }
        self.refresh(secret.clone())
    }

    /// Says how each Secret ended, in their order; once the run is to stop, at once.
    fn report(&self, told: &Receiver<Told>, tally: &mut Tally, wishes: &mut BTreeMap<Key, Wish>) {
        let mut ended = BTreeMap::new();
        let mut next = 0;
        loop {
            match told.recv_timeout(SLICE) {
                Ok((at, key, how)) => {
                    if matches!(how, Ended::Later(_) | Ended::Failed(_)) {
                        wishes.insert(key.clone(), Wish::Unknown);
                    }
                    ended.insert(at, (key, how));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.interrupt.is_set() {
                next = ended.keys().next().copied().unwrap_or(next);
            }
            while let Some((key, how)) = ended.remove(&next) {
                say(&key, how, tally);
                next += 1;
            }
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

    /// Which copies a Secret wants, as far as that can be told.
    fn wish(&self, secret: &Secret) -> Wish {
        match Wanted::of(secret, &self.settings) {
            Ok(Wanted { namespaces: None, .. }) => Wish::Nothing,
            Ok(Wanted {
                namespaces: Some(patterns),
                ..
            }) => Wish::In(patterns),
            Err(_) => Wish::Unknown,
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

/// The Secrets of one credential, with their places in the list.
type Group = Vec<(usize, Secret)>;

/// How a Secret ended, with its place in the list.
type Told = (usize, Key, Ended);

/// Puts Secrets of the same credential together: what one of them waits for, all of them need.
fn groups(secrets: Vec<Secret>) -> VecDeque<Group> {
    let mut groups: BTreeMap<Option<Key>, Group> = BTreeMap::new();
    for (at, secret) in secrets.into_iter().enumerate() {
        // One whose annotation names no Secret fails by itself.
        let source = wanted::source(&secret).ok().flatten();
        groups.entry(source).or_default().push((at, secret));
    }
    groups.into_values().collect()
}

fn say(key: &Key, ended: Ended, tally: &mut Tally) {
    match ended {
        Ended::Refreshed(line) => {
            if let Some(line) = line {
                log::info!("{key}: {line}");
            }
            tally.done(1);
        }
        Ended::Good(line) => {
            log::info!("{key}: {line}");
            tally.untouched(1);
        }
        Ended::Short { line, .. } => {
            log::info!("{key}: {line}");
            tally.failed(1);
        }
        Ended::Later(why) | Ended::Failed(why) => {
            log::error!("{key}: {why}");
            tally.failed(1);
        }
    }
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
