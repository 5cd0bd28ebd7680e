//! P5, progress: from every state, with no further fault, the steady state is two runs away at the most.

use std::collections::HashSet;

use super::fingerprint::{ByFingerprint, fingerprint};
use super::state::{Age, RUNS, Spread, State, Status};
use super::{Config, Violation};
use super::{run, step, world};
use crate::cli::Retire;
use crate::rotate::protocol::{For, Step};

/// The points of such walks that are known to lead to the steady state. A walk has no choices, so that it ends where it meets
/// one of them.
#[derive(Default)]
pub(super) struct Settled(HashSet<u128, ByFingerprint>);

/// How many runs begin after the last fault.
const FURTHER: usize = 2;
/// More steps than any run needs.
const STEPS: usize = 300;

impl Settled {
    /// From here on nothing goes wrong: what is under way arrives, or does not; what is alive comes to its end; locks run out;
    /// two further runs later nothing is left over.
    pub(super) fn from(&mut self, state: &State, config: &Config) -> Result<(), Violation> {
        let mut landed = *state;
        if world::land(&mut landed, config)? {
            self.walk(landed, config)?;
        }
        self.walk(*state, config)
    }

    fn walk(&mut self, mut s: State, config: &Config) -> Result<(), Violation> {
        s.deleting = Default::default();
        s.deactivating = Default::default();
        s.writing = Default::default();
        s.creating = Default::default();
        s.budget = Default::default();
        s.before = None;
        for r in 0..RUNS {
            if !self.run_to_end(&mut s, config, r, r)? {
                return Ok(());
            }
        }
        for further in 0..FURTHER {
            s.open = 0;
            for journal in s
                .secrets
                .iter_mut()
                .flatten()
                .filter_map(|secret| secret.journal.as_mut())
            {
                journal.age = Age::Expired;
            }
            for secret in s.secrets.iter_mut().flatten() {
                secret.history.protected = Default::default();
            }
            s.runs[0] = Some(run::begin(&s, 0, config));
            if !self.run_to_end(&mut s, config, 0, RUNS + further)? {
                return Ok(());
            }
        }
        if is_steady(&s, config) {
            Ok(())
        } else {
            Err(Violation::P5)
        }
    }

    /// One run without faults, to its end. False where a walk was before.
    fn run_to_end(&mut self, s: &mut State, config: &Config, r: usize, phase: usize) -> Result<bool, Violation> {
        for _ in 0..STEPS {
            for key in &mut s.keys {
                key.spread = Spread::Everywhere;
                key.recent = false;
            }
            *s = s.compact();
            if !self.0.insert(fingerprint(&(phase as u8, &*s))) {
                return Ok(false);
            }
            let Some(step) = step::decided(s, r, config) else {
                return Ok(true);
            };
            match step {
                Step::Wait(For::Window) => {
                    s.open = 0;
                    s.creating = Default::default();
                }
                Step::Finish(_) => {
                    *s = run::finish(s, r);
                    return Ok(true);
                }
                _ => match step::without_fault(s, config, r) {
                    Some(next) => *s = next?,
                    None => return Err(Violation::P5),
                },
            }
        }
        Err(Violation::P5)
    }
}

/// No journal is left, all Secrets hold the same key, and no other one is left of ours but those that are to stay.
fn is_steady(s: &State, config: &Config) -> bool {
    let journal = s.secrets.iter().flatten().any(|secret| secret.journal.is_some());
    if s.wiped {
        return true;
    }
    // With a stranger's key nothing is done but to settle what was begun. A key that was put to use belongs to that.
    if s.existing() != s.own() {
        let begun = s.keys_where(|key| key.tried && !key.public && key.status != Status::Deleted);
        return !journal && begun.is_empty();
    }
    let inactive = s.keys_where(|key| key.status == Status::Inactive);
    let kept = config.grace || (config.policy.retire == Retire::Deactivate && s.own().minus(s.held()) == inactive);
    // A key that might as well be a stranger's is left to people.
    let ambiguous = s.keys_where(|key| key.ambiguous && !key.public);
    !journal && s.held().len() == 1 && (s.own().minus(ambiguous) == s.held() || kept)
}
