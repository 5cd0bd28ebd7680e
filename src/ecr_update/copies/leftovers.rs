//! Copies that nobody wants any more: reported, or deleted where that is asked for.

use std::collections::BTreeMap;

use super::{Copies, in_words};
use crate::ecr_update::annotations::{COPY, COPY_OF, LABEL, NAMESPACES};
use crate::ecr_update::patterns::Patterns;
use crate::error::Fault;
use crate::interrupt::Interrupt;
use crate::kube::{self, Key, Namespace, Scope, Secret};
use crate::retry::Asking;

/// How often a copy that others write is tried to be deleted.
const MOST_DELETES: u32 = 3;

/// Which copies an original wants, as this run found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// None: it has no such annotation.
    Nothing,
    /// Those.
    In(Patterns),
    /// Nobody knows: its annotations cannot be understood, or it failed in this run. It keeps what it has.
    Unknown,
}

impl Copies {
    /// Reports every copy whose original is in `scope` and does not want it where it is, or is not among `originals`, all the
    /// labelled Secrets of the scope; with `prune`, deletes it. Copies are asked for only if they were in this run, or if that is
    /// worth a request: for `prune`, and where all namespaces are looked at anyway. What goes wrong is logged, and counted in the
    /// answer.
    pub(crate) fn leftovers(
        &self,
        kube: &kube::Client,
        interrupt: &Interrupt,
        scope: &Scope,
        originals: &BTreeMap<Key, Wish>,
        prune: bool,
    ) -> usize {
        let mut failed = 0;
        let found = {
            let mut known = self.known();
            match &known.copies {
                // An original that asked for copies has been told, and has failed.
                Some(Err(_)) => return 0,
                Some(Ok(_)) => {}
                None if prune || *scope == Scope::All => {}
                None => return 0,
            }
            if interrupt.is_set() {
                if !prune {
                    return 0;
                }
                log::error!("copies that are not wanted any more were not looked for: stopped by a signal; run again");
                return 1;
            }
            let kept = std::mem::take(&mut known.kept);
            known.read_copies(kube).map(|copies| {
                let others = copies.values().filter(|copy| !kept.contains(&copy.key));
                let left = others.filter_map(|copy| Leftover::of(copy, scope, originals));
                left.collect::<Vec<_>>()
            })
        };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                log::error!("copies that are not wanted any more were not looked for: {why}");
                return 1;
            }
        };
        let mut denied = Vec::new();
        for leftover in found {
            let (name, original, why) = (leftover.copy.key.clone(), leftover.original.clone(), leftover.why());
            if !prune {
                log::warn!("{name}: is a copy of {original}, which {why}; `--prune` deletes it");
                continue;
            }
            if interrupt.is_set() {
                log::error!("{name}: stopped by a signal before it was deleted; run again");
                failed += 1;
                continue;
            }
            match leftover.delete(kube) {
                Ok(None) => log::info!("{name}: deleted, for it was a copy of {original}, which {why}"),
                Ok(Some(why)) => log::warn!("{name}: not deleted, for {why}"),
                Err(error) if error.is_denied_by_rbac() => denied.push(error),
                Err(error) => {
                    log::error!("{name}: not deleted: {error}");
                    failed += 1;
                }
            }
        }
        if let Some(first) = denied.first() {
            log::error!(
                "copies that are not wanted any more: {} not deleted: {}",
                denied.len(),
                in_words(first)
            );
            failed += denied.len();
        }
        failed
    }
}

/// A copy that is not wanted.
struct Leftover {
    copy: Secret,
    original: Key,
    why: Why,
}

/// What its original has to do with it.
enum Why {
    NotHere,
    Nowhere,
    Gone,
}

impl Leftover {
    /// `copy`, if its original is in `scope` and does not want it. What is not marked as this program marks is none, and neither
    /// is what somebody has made an original.
    fn of(copy: &Secret, scope: &Scope, originals: &BTreeMap<Key, Wish>) -> Option<Leftover> {
        let original = original_of(copy)?;
        match scope {
            Scope::One(namespace) if namespace.as_str() != original.namespace => return None,
            Scope::One(_) | Scope::All => {}
        }
        let why = match originals.get(&original) {
            Some(Wish::Unknown) => return None,
            Some(Wish::In(patterns)) if patterns.matches(&copy.key.namespace) => return None,
            Some(Wish::In(_)) => Why::NotHere,
            Some(Wish::Nothing) => Why::Nowhere,
            None => Why::Gone,
        };
        let copy = copy.clone();
        Some(Leftover { copy, original, why })
    }

    fn why(&self) -> &'static str {
        match self.why {
            Why::NotHere => "does not want it here any more",
            Why::Nowhere => "wants no copies any more",
            Why::Gone => "is gone or has lost its label",
        }
    }

    /// Deletes it, unless that is wrong by now; then it says why. The original is read right before: its annotation may be
    /// back, and it may be the label alone that was missing.
    fn delete(mut self, kube: &kube::Client) -> Result<Option<String>, kube::Error> {
        let mut deletes = 0;
        loop {
            match kube.get_secret(&self.original, Asking::Patiently) {
                Ok(original) if may_want(&original, &self.copy) => {
                    return Ok(Some(format!("{} may want it again", self.original)));
                }
                Ok(_) => {}
                Err(error) if error.fault() == Fault::NotFound => {}
                Err(error) => return Err(error),
            }
            deletes += 1;
            let error = match kube.delete_secret(&self.copy, Asking::Patiently) {
                Ok(()) => return Ok(None),
                Err(error) => error,
            };
            match error.fault() {
                Fault::NotFound => return Ok(None),
                Fault::Conflict | Fault::OutcomeUnknown if deletes < MOST_DELETES => {}
                _ => return Err(error),
            }
            log::debug!("{}: {error}; looking at what is there", self.copy.key);
            match kube.get_secret(&self.copy.key, Asking::Patiently) {
                Ok(found) if found.uid == self.copy.uid && original_of(&found).as_ref() == Some(&self.original) => {
                    self.copy = found;
                }
                // Another one of its name is not a copy that this run has found.
                Ok(found) if found.uid != self.copy.uid => return Ok(None),
                Ok(_) => return Ok(Some("it has lost its mark meanwhile".into())),
                Err(error) if error.fault() == Fault::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The original of a copy of ours: one of the same name in another namespace.
fn original_of(copy: &Secret) -> Option<Key> {
    let (namespace, name) = copy.annotation(COPY_OF)?.split_once('/')?;
    let namespace = Namespace::parse(namespace).ok()?.to_string();
    let marked = copy.has_label(COPY) && !copy.has_label(LABEL);
    (marked && name == copy.key.name && namespace != copy.key.namespace).then(|| Key {
        namespace,
        name: name.to_owned(),
    })
}

/// Whether an original, as it is now, wants this copy, or may want it, for its annotation cannot be understood.
fn may_want(original: &Secret, copy: &Secret) -> bool {
    let asks = original.annotation(NAMESPACES).filter(|_| original.has_label(LABEL));
    asks.is_some_and(|text| Patterns::parse(text).map_or(true, |patterns| patterns.matches(&copy.key.namespace)))
}
