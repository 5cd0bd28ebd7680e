//! Writes to Secrets, and the promises that only they can break.

use super::run::read;
use super::state::{Age, Journal, Origin, Owner, Run, SECRETS, Secret, Spread, State, Status};
use super::step::{Fate, observation, spend};
use super::{Config, Violation};
use crate::rotate::protocol::{self, Claim, Lock, Step};

/// A write is sent. `None` where this fate differs in nothing from another one: a late write over a newer version is no
/// write, as if it had been lost before.
pub(super) fn write(
    state: &State,
    config: &Config,
    r: usize,
    step: Step,
    at: usize,
    fate: Fate,
) -> Option<Result<State, Violation>> {
    let mut s = *state;
    let mut run = s.runs[r]?;
    let content = content(&mut run, state, config, r, step, at)?;
    if matches!(step, Step::Clear(..) | Step::Release(..)) {
        // What is said of it in the end is no part of the state.
        run.memory.ending = Some(protocol::Outcome::Stopped);
    }
    let opens = matches!(step, Step::Lock(_) | Step::Record(_))
        && protocol::opens_window(&observation(&run, state), &config.policy);
    spend(&mut s, fate);
    // A younger stamp moves the end of the window that is named with it.
    if opens && let Some(own) = run.own {
        s.open |= 1 << own;
        for key in &mut s.keys {
            key.born |= key.later & (1 << own);
            key.later &= !(1 << own);
        }
    }
    let publishes = matches!(step, Step::Publish(..));
    // The server compares versions when the write arrives.
    let conflict = !run.newest[at];
    match fate {
        Fate::Done | Fate::LostAfter if conflict => {
            run.seen[at].fresh = false;
            if publishes {
                run.seen[at].sent = true;
                run.seen[at].may_land |= fate == Fate::LostAfter;
            }
            s.runs[r] = Some(run);
        }
        Fate::Done | Fate::LostAfter => {
            s.runs[r] = Some(run);
            if let Err(violation) = store(&mut s, at, content) {
                return Some(Err(violation));
            }
            let run = s.runs[r].as_mut()?;
            run.memory.wrote();
            run.seen[at].sent |= publishes;
            if fate == Fate::Done {
                run.newest[at] = true;
                run.seen[at].may_land = false;
                let mut read_back = *run;
                let now = s;
                read(&now, config, r, &mut read_back, at);
                read_back.seen[at].windowed = opens;
                s.runs[r] = Some(read_back);
            } else {
                run.seen[at].may_land |= publishes;
                run.seen[at].fresh = false;
            }
        }
        Fate::Refused => {
            run.seen[at].refused = true;
            run.memory.wrote();
            s.runs[r] = Some(run);
        }
        Fate::LostBefore | Fate::Late => {
            run.memory.wrote();
            run.seen[at].fresh = false;
            if publishes {
                run.seen[at].sent = true;
                run.seen[at].may_land = true;
            }
            s.runs[r] = Some(run);
            if fate == Fate::Late {
                if conflict || s.writing[at].is_some() {
                    return None;
                }
                s.writing[at] = Some(content);
            }
        }
        Fate::Stale => return None,
    }
    Some(Ok(s))
}

/// What a write stores. A journal's first writing takes over what it finds.
fn content(run: &mut Run, state: &State, config: &Config, r: usize, step: Step, at: usize) -> Option<Secret> {
    let policy = &config.policy;
    let mut secret = Secret {
        holds: run.seen[at].key()?,
        journal: None,
        history: run.seen[at].history,
    };
    // What this run keeps, it does not write down.
    secret.history.protected = secret.history.protected.minus(run.kept);
    let inherits = |run: &Run| {
        let taken = (0..SECRETS).filter(|at| run.seen[*at].lock == Lock::Takeable && run.seen[*at].is_there());
        taken.fold(run.unresolved, |all, at| all | run.seen_windows[at])
    };
    let (known, made, open) = protocol::inheritance(&observation(run, state));
    let claim = protocol::claim(&observation(run, state), policy);
    let opens = protocol::opens_window(&observation(run, state), policy);
    let own = run.own.map_or(0, |own| 1 << own);
    let mut windows = if open && claim.open && !opens { inherits(run) } else { 0 };
    if opens {
        windows |= own;
    }
    let journal = Journal {
        owner: Owner::Run(r as u8),
        claim,
        windows,
        age: Age::Young,
    };
    match step {
        Step::Lock(_) => {
            let inherited = run
                .seen
                .iter()
                .any(|seen| seen.is_there() && seen.lock == Lock::Takeable);
            run.unresolved = inherits(run);
            run.memory.taking(known, made, open, inherited);
            secret.journal = Some(journal);
        }
        Step::Record(_) => {
            if let Some(orphan) = protocol::suspect(&observation(run, state), policy) {
                secret.history.orphans = secret.history.orphans.with(orphan);
            }
            secret.journal = Some(journal);
        }
        Step::Publish(_, key) => {
            secret.history.replaced = secret.history.replaced.with(secret.holds).with(key);
            if config.grace {
                secret.history.protected = secret.history.protected.with(secret.holds);
            }
            secret.holds = key;
            if !protocol::ends_with_publish(&observation(run, state), at) {
                secret.journal = Some(journal);
            }
        }
        Step::Clear(..) => {
            let done = run.memory.deactivated.and(secret.history.orphans);
            secret.history.deactivated = secret.history.deactivated.or(done);
        }
        Step::Release(..) => {
            secret.journal = Some(Journal {
                claim: Claim {
                    released: true,
                    ..claim
                },
                ..journal
            });
        }
        _ => return None,
    }
    Some(secret)
}

/// A write arrives. What it changes is looked at: P1, and that no key is published before it is known everywhere.
pub(super) fn store(state: &mut State, at: usize, content: Secret) -> Result<(), Violation> {
    let before = state.secrets[at].expect("a Secret that is there");
    if content.holds != before.holds {
        if state.key(content.holds).status != Status::Active {
            return Err(Violation::P1);
        }
        if state.key(content.holds).spread != Spread::Everywhere {
            return Err(Violation::Unproven);
        }
        state.key_mut(content.holds).public = true;
        let old = state.key_mut(before.holds);
        if old.origin == Origin::Original {
            old.origin = Origin::Replaced;
        }
    }
    // Who takes a journal over cannot know what its run has sent.
    if let (Some(old), Some(new)) = (before.journal, content.journal)
        && old.owner != new.owner
        && !old.claim.released
    {
        state.doubtful |= old.windows;
    }
    state.secrets[at] = Some(content);
    state.changed(at);
    Ok(())
}
