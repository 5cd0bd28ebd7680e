//! What happens by itself: time passes, and requests that nobody waits for any more arrive.

use super::iam::{bounded, take_away};
use super::run::{protect, with_run};
use super::secrets::store;
use super::state::{Age, KEYS, Origin, Owner, RUNS, SECRETS, Spread, State, Status, WINDOWS};
use super::step::{Action, Next};
use super::{Config, Violation};
use crate::rotate::protocol::{Key, Keys, Lock};

/// Time passes. Nothing has a length here: what may be over may be over now or later, in any order that the protocol's
/// intervals allow.
pub(super) fn time(state: &State, next: &mut Vec<Next>) {
    for at in 0..SECRETS {
        next.extend(journal_ages(state, at));
        next.extend((0..RUNS).filter_map(|r| lost_journal_seems_old(state, at, r)));
    }
    next.extend((0..WINDOWS).filter_map(|w| window_over(state, w)));
    next.extend((0..KEYS as u8).filter_map(|key| spreads(state, Key(key))));
    if state.keys.iter().any(|key| key.recent) {
        let mut s = *state;
        s.keys.iter_mut().for_each(|key| key.recent = false);
        next.push((Action::NextSecond, Ok(s)));
    }
    next.extend(grace_over(state));
}

/// A journal expires only behind the windows that it names: a window lasts two thirds of the lock timeout. One whose run is
/// alive expires only where that is to be looked at.
fn journal_ages(state: &State, at: usize) -> Option<Next> {
    let journal = state.secrets[at]?.journal?;
    let over = journal.windows & state.open == 0;
    let dead = journal.owner == Owner::Dead;
    let age = match journal.age {
        Age::Young => Age::Old,
        Age::Old if over && (dead || state.budget.expire > 0) => Age::Expired,
        Age::Old | Age::Expired => return None,
    };
    let mut s = *state;
    if age == Age::Expired && !dead {
        s.budget.expire -= 1;
    }
    s.secrets[at].as_mut()?.journal.as_mut()?.age = age;
    if let Owner::Run(r) = journal.owner
        && let Some(run) = s.runs[usize::from(r)].as_mut()
    {
        run.seen[at].aged = run.seen[at].lock == Lock::Mine;
    }
    Some((Action::Ages(at), Ok(s)))
}

/// A run whose journal is gone, or was written over, does not know that, and its own clock goes on.
fn lost_journal_seems_old(state: &State, at: usize, r: usize) -> Option<Next> {
    let seen = &state.runs[r].as_ref()?.seen[at];
    let journal = state.secrets[at].and_then(|secret| secret.journal);
    let lost = journal.is_none_or(|journal| journal.owner != Owner::Run(r as u8));
    let seems_young = seen.is_there() && seen.lock == Lock::Mine && !seen.aged;
    (lost && seems_young).then(|| {
        (
            Action::Seems(r, at),
            Ok(with_run(state, r, |run| run.seen[at].aged = true)),
        )
    })
}

/// A window ends behind the fence of the run whose create it is for: not while a journal that names it is young. A create
/// that is still under way then has timed out.
fn window_over(state: &State, w: usize) -> Option<Next> {
    let mut journals = state.secrets.iter().flatten().filter_map(|secret| secret.journal);
    let fenced = journals.any(|journal| journal.windows & (1 << w) != 0 && journal.age == Age::Young);
    if state.open & (1 << w) == 0 || fenced {
        return None;
    }
    let mut s = *state;
    s.open &= !(1 << w);
    s.creating[w] = None;
    // A write that is still under way carries a stamp that is as old.
    let writing = s.writing.iter_mut().flatten();
    for journal in writing.filter_map(|secret| secret.journal.as_mut()) {
        journal.age = journal.age.max(Age::Old);
    }
    Some((Action::WindowOver(w), Ok(s)))
}

fn spreads(state: &State, key: Key) -> Option<Next> {
    let spread = match (state.key(key).status, state.key(key).spread) {
        (Status::Active, Spread::Nowhere) => Spread::Flaps,
        (Status::Active, Spread::Flaps | Spread::RefusedAgain) => Spread::Everywhere,
        _ => return None,
    };
    let mut s = *state;
    s.key_mut(key).spread = spread;
    Some((Action::Spreads(key, spread), Ok(s)))
}

/// The grace period of all replaced keys ends, and every run's clock says so.
fn grace_over(state: &State) -> Option<Next> {
    let mut histories = state.secrets.iter().flatten().map(|secret| secret.history);
    if histories.all(|history| history.protected.is_empty()) {
        return None;
    }
    let mut s = *state;
    for secret in s.secrets.iter_mut().flatten() {
        secret.history.protected = Keys::NONE;
    }
    for run in s.runs.iter_mut().flatten() {
        for at in 0..SECRETS {
            run.seen[at].history.protected = Keys::NONE;
            protect(run, at);
        }
    }
    Some((Action::GraceOver, Ok(s)))
}

/// A request that got no answer arrives.
pub(super) fn landings(state: &State, config: &Config, next: &mut Vec<Next>) {
    for w in 0..WINDOWS {
        if state.creating[w].is_none() {
            continue;
        }
        let mut s = *state;
        s.creating[w] = None;
        if !(config.limit && s.existing().len() >= 2) {
            s.add_key(Origin::Ours, config.spreads);
        }
        let result = bounded(&s).map_or(Ok(s), Err);
        next.push((Action::CreateLands(w), result));
    }
    for key in state.deleting.iter() {
        let mut s = *state;
        s.deleting = s.deleting.without(key);
        let result = take_away(&mut s, key, true, config).map(|()| s);
        next.push((Action::DeleteLands(key), result));
    }
    for key in state.deactivating.iter() {
        let mut s = *state;
        s.deactivating = s.deactivating.without(key);
        let result = take_away(&mut s, key, false, config).map(|()| s);
        next.push((Action::DeactivateLands(key), result));
    }
    for at in 0..SECRETS {
        if let Some(content) = state.writing[at] {
            let mut s = *state;
            s.writing[at] = None;
            let result = store(&mut s, at, content).map(|()| s);
            next.push((Action::WriteLands(at), result));
        }
    }
}

/// Everything under way arrives. False where nothing was.
pub(super) fn land(s: &mut State, config: &Config) -> Result<bool, Violation> {
    let mut any = false;
    loop {
        let mut next = Vec::new();
        landings(s, config, &mut next);
        match next.into_iter().next() {
            Some((_, result)) => *s = result?.compact(),
            None => return Ok(any),
        }
        any = true;
    }
}
