//! Who has its turn when: the Secrets of a run, by credential, a few credentials at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::Updater;
use super::annotations::{self, LABEL};
use super::copies::Wish;
use super::ended::{Ended, say};
use super::wanted::{self, Wanted};
use crate::error::one_line;
use crate::kube::{self, Key, Secret};
use crate::report::Tally;
use crate::retry::Asking;

/// How often a key that is new is tried again where it is not known yet.
const AGAIN: Duration = Duration::from_secs(2);

/// How many credentials are under way at once: a region that hangs for one must not hold up all others.
const MOST_WORKERS: usize = 8;

/// How soon a signal is noticed.
const SLICE: Duration = Duration::from_millis(100);

/// The Secrets of one credential, with their places in the list.
type Group = Vec<(usize, Secret)>;

/// How a Secret ended, with its place in the list.
type Told = (usize, Key, Ended);

impl Updater {
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
}

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
