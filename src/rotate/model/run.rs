//! What a run learns from the servers, how it begins and how it ends.

use super::Config;
use super::state::{Age, Origin, Owner, Run, SECRETS, Spread, State, Status, UNSEEN, WINDOWS};
use super::step::{Action, Fate, Next};
use crate::rotate::protocol::{Claim, Holds, Key, Keys, Listing, Lock, Memory, Rule, Seen, Step};

/// A run that has just read all Secrets.
pub(super) fn begin(state: &State, r: usize, config: &Config) -> Run {
    let mut run = Run {
        memory: Memory::default(),
        seen: [UNSEEN; SECRETS],
        seen_windows: [0; SECRETS],
        newest: [true; SECRETS],
        unresolved: 0,
        own: None,
        stopping: false,
        kept: Keys::NONE,
        due: !config.max_age || state.held().iter().any(|key| state.key(key).origin != Origin::Ours),
    };
    for at in 0..SECRETS {
        if state.secrets[at].is_some() {
            read(state, config, r, &mut run, at);
        }
    }
    run
}

/// The run dies. Whether it has sent the create that its journals announce is not known to anybody.
pub(super) fn crash(state: &mut State, r: usize) {
    let mine = Owner::Run(r as u8);
    let journals = state
        .secrets
        .iter()
        .chain(&state.writing)
        .flatten()
        .filter_map(|secret| secret.journal);
    let announced = journals
        .filter(|journal| journal.owner == mine)
        .fold(0, |all, journal| all | journal.windows);
    state.doubtful |= announced;
    die(state, r);
}

/// The run is no more; what it has left is a dead run's.
pub(super) fn die(state: &mut State, r: usize) {
    state.runs[r] = None;
    let mine = Owner::Run(r as u8);
    for secret in state.secrets.iter_mut().chain(&mut state.writing).flatten() {
        if let Some(journal) = secret.journal.as_mut().filter(|journal| journal.owner == mine) {
            journal.owner = Owner::Dead;
            journal.age = journal.age.max(Age::Old);
        }
    }
    for sender in state.creating.iter_mut().filter(|sender| **sender == Some(mine)) {
        *sender = Some(Owner::Dead);
    }
}

/// What run `r` sees when it reads this Secret now; what it knows by itself stays.
pub(super) fn read(state: &State, config: &Config, r: usize, run: &mut Run, at: usize) {
    let before = run.seen[at];
    let Some(secret) = &state.secrets[at] else {
        run.seen[at] = UNSEEN;
        return;
    };
    let lock = match &secret.journal {
        None => Lock::Free,
        Some(journal) if journal.owner == Owner::Run(r as u8) => Lock::Mine,
        Some(journal) if journal.claim.released || journal.age == Age::Expired => Lock::Takeable,
        Some(journal) if journal.owner == Owner::Dead && config.provable => Lock::Takeable,
        Some(_) if !config.policy.keeps(Rule::Takeover) => Lock::Takeable,
        Some(_) => Lock::Live,
    };
    let readable = matches!(lock, Lock::Mine | Lock::Takeable);
    let journal = secret.journal.filter(|_| readable);
    run.seen[at] = Seen {
        holds: Holds::Pair(secret.holds),
        lock,
        claim: journal.map_or(Claim::default(), |journal| journal.claim),
        history: secret.history,
        fresh: true,
        aged: lock == Lock::Mine && journal.is_some_and(|journal| journal.age > Age::Young),
        windowed: before.windowed && lock == Lock::Mine,
        refused: before.refused,
        sent: before.sent,
        may_land: before.may_land && run.newest[at],
        grace: config.grace,
        immutable: false,
    };
    protect(run, at);
    run.seen_windows[at] = journal.map_or(0, |journal| journal.windows);
    run.newest[at] = true;
}

/// What a run keeps is shown to it like a key whose grace period lasts.
pub(super) fn protect(run: &mut Run, at: usize) {
    let history = &mut run.seen[at].history;
    history.protected = history.protected.or(run.kept.and(history.replaced));
}

/// The same with a change to this run.
pub(super) fn with_run(state: &State, r: usize, change: impl FnOnce(&mut Run)) -> State {
    let mut s = *state;
    change(s.runs[r].as_mut().expect("a run that is alive"));
    s
}

/// The run ends in good order.
pub(super) fn finish(state: &State, r: usize) -> State {
    let mut s = *state;
    die(&mut s, r);
    s
}

/// All Secrets are read.
pub(super) fn look(state: &State, config: &Config, r: usize) -> State {
    let mut s = *state;
    let mut run = s.runs[r].expect("a run that is alive");
    let mut newcomers = false;
    for at in 0..SECRETS {
        if run.seen[at].is_there() {
            read(state, config, r, &mut run, at);
        } else {
            newcomers |= state.secrets[at].is_some();
        }
    }
    run.memory.looked(newcomers);
    s.runs[r] = Some(run);
    s
}

/// The keys are listed: as they are, or as they were before the last change.
pub(super) fn list(state: &State, r: usize, stale: Option<(Keys, Keys)>) -> State {
    let mut s = *state;
    let run = s.runs[r].expect("a run that is alive");
    let (keys, active) = stale.unwrap_or((state.existing(), state.active()));
    let dated = state.keys_where(|key| key.born & run.unresolved != 0).and(keys);
    let mine = run.memory.known.is_some()
        && run
            .seen
            .iter()
            .filter(|seen| seen.is_there())
            .all(|seen| seen.lock == Lock::Mine);
    let listing = Listing {
        keys,
        active,
        dated,
        after_window: state.open & run.unresolved == 0,
        under_lock: mine,
    };
    // The window of a create to come begins with the second of this listing.
    let keep = run.own.is_some() && run.seen.iter().any(|seen| seen.windowed);
    if !keep {
        let used = used_windows(&s, r);
        let own = (0..WINDOWS as u8)
            .find(|w| used & (1 << w) == 0)
            .expect("a free window");
        s.open |= 1 << own;
        for key in &mut s.keys {
            key.born &= !(1 << own);
            key.later &= !(1 << own);
            if key.recent && key.status != Status::Unused {
                key.born |= 1 << own;
            }
        }
        s.runs[r].as_mut().expect("alive").own = Some(own);
    }
    s.runs[r].as_mut().expect("alive").memory.listed(listing);
    s
}

/// Whether a listing may still show that: IAM is late by seconds, and not by as long as a window lasts.
pub(super) fn may_be_listed(state: &State, before: (Keys, Keys)) -> bool {
    let hidden = state.existing().minus(before.0);
    let old = hidden.iter().any(|key| state.key(key).born & !state.open != 0);
    before != (state.existing(), state.active()) && !old
}

/// The windows that something names, other than this run's own.
fn used_windows(state: &State, r: usize) -> u8 {
    let mut used = 0;
    for secret in state.secrets.iter().chain(&state.writing).flatten() {
        used |= secret.journal.map_or(0, |journal| journal.windows);
    }
    for (at, run) in state.runs.iter().enumerate() {
        let Some(run) = run else { continue };
        used |= run.unresolved | run.seen_windows.iter().fold(0, |all, windows| all | windows);
        if at != r {
            used |= run.own.map_or(0, |own| 1 << own);
        }
    }
    for (at, creating) in state.creating.iter().enumerate() {
        used |= u8::from(creating.is_some()) << at;
    }
    used
}

/// A key is tried.
pub(super) fn probe(state: &State, config: &Config, r: usize, key: Key, next: &mut Vec<Next>) {
    let spread = state.key(key).spread;
    let accepted = state.key(key).status == Status::Active && matches!(spread, Spread::Flaps | Spread::Everywhere);
    let mut s = with_run(state, r, |run| run.memory.tried(key, accepted, config.policy.probes));
    s.key_mut(key).tried = true;
    if spread == Spread::Flaps {
        s.key_mut(key).spread = Spread::RefusedAgain;
    }
    next.push((Action::Run(r, Step::Probe(key), Fate::Done), Ok(s)));
    if !accepted {
        s.runs[r].as_mut().expect("alive").memory.give_up(key);
        next.push((Action::GiveUp(r, key), Ok(s)));
    }
}
