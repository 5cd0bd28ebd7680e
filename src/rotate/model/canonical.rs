//! States that differ in nothing that matters are one: names without gaps, in one order, and without what nothing speaks of.

use super::fingerprint::fingerprint;
use super::state::{KEYS, Origin, Owner, State, Status, UNUSED, WINDOWS, is_foreign};
use crate::rotate::protocol::{Claim, Create, History, Holds, Key, Keys};

impl State {
    /// The same state with nothing in it that no longer matters, and keys and windows numbered without gaps.
    pub(super) fn canonical(self) -> State {
        let mut state = self.compact();
        state.order_runs();
        state
    }

    /// The same, each run in its place.
    pub(super) fn compact(mut self) -> State {
        self.tell_apart();
        self.forget_deleted();
        self.renumber_keys();
        self.renumber_windows();
        self
    }

    /// Runs have no names: two states that differ in which run is which are one.
    fn order_runs(&mut self) {
        if self.runs.iter().flatten().count() < 2 && self.runs[0].is_some() {
            return;
        }
        let mut ranks = self.runs.map(|run| run.map_or(u128::MAX, |run| fingerprint(&run)));
        for (a, b) in [(0, 1), (1, 2), (0, 1)] {
            if ranks[a] > ranks[b] {
                ranks.swap(a, b);
                self.runs.swap(a, b);
                let swap = |owner: &mut Owner| {
                    *owner = match *owner {
                        Owner::Run(r) if usize::from(r) == a => Owner::Run(b as u8),
                        Owner::Run(r) if usize::from(r) == b => Owner::Run(a as u8),
                        other => other,
                    }
                };
                let journals = self.secrets.iter_mut().chain(&mut self.writing).flatten();
                journals
                    .filter_map(|secret| secret.journal.as_mut())
                    .for_each(|journal| swap(&mut journal.owner));
                self.creating.iter_mut().flatten().for_each(swap);
            }
        }
    }

    /// What can be told of a key by its date is settled before the window that it lies in is forgotten.
    fn tell_apart(&mut self) {
        for key in self
            .keys
            .iter_mut()
            .filter(|key| key.origin == Origin::Foreign && key.born & self.doubtful != 0)
        {
            key.origin = Origin::ForeignInWindow;
        }
        let strangers = self
            .keys
            .iter()
            .filter(|key| is_foreign(key.origin))
            .fold(0, |all, key| all | key.born);
        for key in self
            .keys
            .iter_mut()
            .filter(|key| key.origin == Origin::Ours && !key.tried)
        {
            key.ambiguous |= key.born & strangers != 0;
        }
    }

    /// Records that name a deleted key permit nothing any more.
    fn forget_deleted(&mut self) {
        let listed = self.runs.iter().flatten().filter_map(|run| run.memory.listing);
        let listed = listed.fold(Keys::NONE, |all, listing| all.or(listing.keys));
        let deleted = self.keys_where(|key| key.status == Status::Deleted).minus(listed);
        if self.before == Some((self.existing(), self.active())) || self.budget.stale == 0 {
            self.before = None;
        }
        let forget = |history: &mut History| {
            history.replaced = history.replaced.minus(deleted);
            history.protected = history.protected.minus(deleted);
            history.orphans = history.orphans.minus(deleted);
            history.deactivated = history.deactivated.minus(deleted);
        };
        let visible = self.before.map_or(Keys::NONE, |(keys, _)| keys);
        for secret in self.secrets.iter_mut().flatten() {
            if visible.and(deleted).is_empty() {
                forget(&mut secret.history);
            }
            if let Some(journal) = &mut secret.journal {
                journal.claim.known = journal.claim.known.minus(deleted.minus(visible));
            }
        }
        self.deleting = self.deleting.minus(deleted);
        self.deactivating = self.deactivating.minus(deleted);
    }

    fn references(&self) -> Keys {
        let mut all = self.deleting.or(self.deactivating).or(self.existing()).or(self.held());
        if let Some((keys, _)) = self.before {
            all = all.or(keys);
        }
        let of_claim = |claim: &Claim| claim.known.or(claim.made);
        let of_history = |history: &History| history.replaced.or(history.orphans);
        for secret in self.secrets.iter().chain(&self.writing).flatten() {
            all = all.with(secret.holds).or(of_history(&secret.history));
            all = all.or(secret.journal.map_or(Keys::NONE, |journal| of_claim(&journal.claim)));
        }
        for run in self.runs.iter().flatten() {
            let m = &run.memory;
            all = all.or(m.known.unwrap_or_default()).or(m.made).or(m.given_up).or(m.gone);
            all = all.or(m.undeletable).or(m.deactivated).or(run.kept);
            all = all.or(m.listing.map_or(Keys::NONE, |l| l.keys));
            all = all.or(m.new_key().into_iter().chain(m.tried).collect());
            for seen in &run.seen {
                all = all.or(of_claim(&seen.claim)).or(of_history(&seen.history));
                all = all.or(seen.key().into_iter().collect());
            }
        }
        all
    }

    fn renumber_keys(&mut self) {
        let used = self.references();
        let mut map = [Key(0); KEYS];
        let mut next = 0;
        let mut moved = false;
        for key in used.iter() {
            let at = usize::from(key.0);
            map[at] = Key(next);
            moved |= next != key.0;
            self.keys[usize::from(next)] = self.keys[at];
            next += 1;
        }
        for at in usize::from(next)..KEYS {
            self.keys[at] = UNUSED;
        }
        if !moved {
            return;
        }
        let one = |key: &mut Key| *key = map[usize::from(key.0)];
        let set = |keys: &mut Keys| *keys = keys.iter().map(|key| map[usize::from(key.0)]).collect();
        let history = |history: &mut History| {
            set(&mut history.replaced);
            set(&mut history.protected);
            set(&mut history.orphans);
            set(&mut history.deactivated);
        };
        let claim = |claim: &mut Claim| {
            set(&mut claim.known);
            set(&mut claim.made);
        };
        set(&mut self.deleting);
        set(&mut self.deactivating);
        if let Some((keys, active)) = &mut self.before {
            set(keys);
            set(active);
        }
        for secret in self.secrets.iter_mut().chain(&mut self.writing).flatten() {
            one(&mut secret.holds);
            history(&mut secret.history);
            if let Some(journal) = &mut secret.journal {
                claim(&mut journal.claim);
            }
        }
        for run in self.runs.iter_mut().flatten() {
            let m = &mut run.memory;
            set(&mut run.kept);
            m.known.iter_mut().for_each(set);
            for keys in [
                &mut m.made,
                &mut m.given_up,
                &mut m.gone,
                &mut m.undeletable,
                &mut m.deactivated,
            ] {
                set(keys);
            }
            if let Some(listing) = &mut m.listing {
                set(&mut listing.keys);
                set(&mut listing.active);
                set(&mut listing.dated);
            }
            m.tried.iter_mut().for_each(one);
            if let Create::Made(key) = &mut m.create {
                one(key);
            }
            for seen in &mut run.seen {
                claim(&mut seen.claim);
                history(&mut seen.history);
                if let Holds::Pair(key) = &mut seen.holds {
                    one(key);
                }
            }
        }
    }

    fn renumber_windows(&mut self) {
        let mut used = 0_u8;
        for secret in self.secrets.iter().chain(&self.writing).flatten() {
            used |= secret.journal.map_or(0, |journal| journal.windows);
        }
        for run in self.runs.iter().flatten() {
            used |= run.unresolved | run.own.map_or(0, |own| 1 << own);
            used |= run.seen_windows.iter().fold(0, |all, windows| all | windows);
        }
        for (at, creating) in self.creating.iter().enumerate() {
            used |= u8::from(creating.is_some()) << at;
        }
        let map: Vec<Option<u8>> = (0..WINDOWS)
            .scan(0, |next, at| {
                let mine = (used & (1 << at) != 0).then_some(*next);
                *next += u8::from(mine.is_some());
                Some(mine)
            })
            .collect();
        let set = |windows: u8| {
            let kept = (0..WINDOWS)
                .filter(|at| windows & (1 << at) != 0)
                .filter_map(|at| map[at]);
            kept.fold(0, |all, at| all | (1 << at))
        };
        self.open = set(self.open);
        self.doubtful = set(self.doubtful);
        let creating = self.creating;
        self.creating = [None; WINDOWS];
        for (at, sender) in creating.into_iter().enumerate() {
            if let Some(to) = map[at] {
                self.creating[usize::from(to)] = sender;
            }
        }
        for key in &mut self.keys {
            key.born = set(key.born);
            key.later = set(key.later);
        }
        for secret in self.secrets.iter_mut().chain(&mut self.writing).flatten() {
            if let Some(journal) = &mut secret.journal {
                journal.windows = set(journal.windows);
            }
        }
        for run in self.runs.iter_mut().flatten() {
            run.unresolved = set(run.unresolved);
            run.own = run.own.and_then(|own| map[usize::from(own)]);
            run.seen_windows = run.seen_windows.map(set);
        }
    }
}
