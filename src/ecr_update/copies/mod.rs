//! Copies of a Secret in other namespaces.
//!
//! A copy carries a mark: the label [`COPY`] and the annotation `copy-of` with its original. What lacks the mark, or has another
//! original's, is somebody else's and is never touched. The namespaces and all copies are listed once in a run, the
//! copies as whole objects, so that one that is as it should be costs no request.

mod leftovers;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use self::leftovers::Wish;
use self::target::{Change, Kept, Target, Why};
use super::annotations::{COPY, NAMESPACES};
use super::patterns::Patterns;
use crate::interrupt::Interrupt;
use crate::kube::{self, Key, Namespace, NamespaceState, Scope, Secret};
use crate::retry::Asking;

/// What copies need, for whoever lacks it.
const RIGHTS: &str = "copies need a ClusterRole with `list` on `namespaces` and `get`, `list`, `create` and `update` on `secrets`, \
                      and `delete` for `--prune`";

/// The copies of a cluster, as this run knows them. Threads may share it.
#[derive(Debug, Default)]
pub(super) struct Copies {
    known: Mutex<Known>,
}

/// What was read, or why it could not be: what failed once is not asked for again.
#[derive(Debug, Default)]
struct Known {
    namespaces: Option<Result<Vec<NamespaceState>, String>>,
    copies: Option<Result<Marked, String>>,
    /// Those that were found or made good: whatever else is known of their originals, they are wanted.
    kept: BTreeSet<Key>,
}

/// The marked copies, by namespace and name.
type Marked = BTreeMap<Key, Secret>;

/// What became of the copies of one original. What went wrong has been logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// So many were made.
    pub(super) made: usize,
    /// So many got the original's present data.
    pub(super) updated: usize,
    /// So many had it.
    pub(super) unchanged: usize,
    /// So many targets have none, or an old one, and should not.
    pub(super) failed: usize,
    /// Whether one of them has, or may have, an old one.
    pub(super) stale: bool,
    /// Where there is a good copy now.
    pub(super) namespaces: Vec<Namespace>,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "copies: {} made, {} updated, {} unchanged",
            self.made, self.updated, self.unchanged
        )?;
        match self.failed {
            0 => Ok(()),
            failed => write!(f, ", {failed} failed"),
        }
    }
}

impl Copies {
    /// Sees to it that every namespace that matches has a copy of `original`, which is given as it is stored. What goes wrong
    /// with one target is logged, and keeps no other from its turn.
    pub(super) fn spread(
        &self,
        kube: &kube::Client,
        interrupt: &Interrupt,
        original: &Secret,
        patterns: &Patterns,
    ) -> Spread {
        let mut spread = Spread::default();
        let namespaces = match self.read(kube) {
            Ok(namespaces) => namespaces,
            Err(why) => {
                log::error!("{}: its copies were not looked at: {why}", original.key);
                spread.failed = 1;
                spread.stale = true;
                return spread;
            }
        };
        let names: Vec<&str> = namespaces.iter().map(|it| it.name.as_str()).collect();
        for pattern in patterns.unmatched(&names) {
            log::warn!(
                "{}: pattern `{pattern}` in annotation `{NAMESPACES}` matches no namespace",
                original.key
            );
        }
        let mut denied = Vec::new();
        let mut original = original.clone();
        for NamespaceState { name, terminating } in namespaces {
            if name.as_str() == original.key.namespace || !patterns.matches(name.as_str()) {
                continue;
            }
            if interrupt.is_set() {
                log::error!(
                    "{}: stopped by a signal before all its copies were looked at; run again",
                    original.key
                );
                spread.failed += 1;
                spread.stale = true;
                break;
            }
            let mut target = Target::new(original, name);
            let kept = if terminating {
                Kept::Leaving
            } else {
                target.keep(kube, self.copy(&target.key))
            };
            original = target.original;
            match kept {
                Kept::Good { copy, change } => {
                    match change {
                        Change::None => spread.unchanged += 1,
                        Change::Made => spread.made += 1,
                        Change::Updated => spread.updated += 1,
                    }
                    self.remember(*copy);
                    spread.namespaces.push(target.namespace);
                }
                Kept::Leaving => log::warn!(
                    "{}: namespace {} is being deleted and gets no copy of {}",
                    target.key,
                    target.namespace,
                    original.key
                ),
                Kept::Gone => log::debug!("{}: its namespace is gone", target.key),
                Kept::Failed { why, stale } => {
                    match why {
                        Why::Said(why) => log::error!("{}: {why}", target.key),
                        Why::Denied(error) => denied.push(error),
                    }
                    spread.failed += 1;
                    spread.stale |= stale;
                }
            }
        }
        // The same for every one of them, most often.
        if let Some(first) = denied.first() {
            log::error!("{}: {} of its copies: {}", original.key, denied.len(), in_words(first));
        }
        spread
    }

    /// The namespaces. The copies are read with them.
    fn read(&self, kube: &kube::Client) -> Result<Vec<NamespaceState>, String> {
        let mut known = self.known();
        let namespaces = known.namespaces.get_or_insert_with(|| {
            let listed = kube.list_namespaces(Asking::Patiently);
            listed.map_err(|error| in_words(&error))
        });
        let namespaces = namespaces.clone()?;
        known.read_copies(kube)?;
        Ok(namespaces)
    }

    /// The copy of that name, if one is known.
    fn copy(&self, key: &Key) -> Option<Secret> {
        match &self.known().copies {
            Some(Ok(copies)) => copies.get(key).cloned(),
            Some(Err(_)) | None => None,
        }
    }

    fn remember(&self, copy: Secret) {
        let mut known = self.known();
        known.kept.insert(copy.key.clone());
        if let Some(Ok(copies)) = &mut known.copies {
            copies.insert(copy.key.clone(), copy);
        }
    }

    /// Everything is read again when it is needed.
    pub(super) fn forget(&self) {
        *self.known() = Known::default();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked had not put anything half into it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn read_copies(&mut self, kube: &kube::Client) -> Result<&Marked, String> {
        let copies = self.copies.get_or_insert_with(|| {
            let listed = kube.list_secrets(&Scope::All, COPY, Asking::Patiently);
            let copies = listed.map_err(|error| in_words(&error))?;
            Ok(copies.into_iter().map(|copy| (copy.key.clone(), copy)).collect())
        });
        copies.as_ref().map_err(Clone::clone)
    }
}

/// An error of a request for copies. What RBAC lacks is named as a whole: whoever grants it verb by verb needs five runs.
fn in_words(error: &kube::Error) -> String {
    if error.is_denied_by_rbac() {
        format!("{}; {RIGHTS}", error.without_advice())
    } else {
        error.to_string()
    }
}
