//! Ways out: the new key is taken back, or the journals are taken off or left.

use super::journal::settled;
use super::rules::{Policy, Rule};
use super::seen::{Lock, Observation};
use super::step::{For, Outcome, Step};
use super::under_lock::remove;
use super::whose::unpublished;

/// Deletes the new key if that is sure to lock nobody out, and ends.
pub(super) fn withdraw(seen: &Observation<'_>, policy: &Policy, outcome: Outcome) -> Step {
    let memory = seen.memory;
    let Some(new) = memory.new_key().filter(|new| !memory.undeletable.has(*new)) else {
        return let_go(seen, policy, outcome);
    };
    if seen.held().has(new) {
        return let_go(seen, policy, outcome);
    }
    if !seen.secrets.iter().any(|secret| secret.sent) {
        return Step::Delete(new);
    }
    if seen.stopping {
        return let_go(seen, policy, outcome);
    }
    // A write of unknown fate is stale once another one has been stored.
    let mut may_land = seen.secrets.iter().enumerate().filter(|(_, secret)| secret.may_land);
    if let (Some((at, secret)), true) = (may_land.next(), policy.keeps(Rule::MayLand)) {
        return if secret.is_there() && !secret.refused {
            Step::Record(at)
        } else {
            let_go(seen, policy, outcome)
        };
    }
    remove(seen, policy, Step::Delete(new))
}

/// Waits, and renews the journals meanwhile.
pub(super) fn wait(seen: &Observation<'_>, policy: &Policy, what: For) -> Step {
    if seen.stopping {
        return let_go(seen, policy, Outcome::Stopped);
    }
    match seen.present().find(|(_, secret)| secret.aged && !secret.refused) {
        Some((at, _)) => Step::Record(at),
        None => Step::Wait(what),
    }
}

/// Takes this run's journals off, or leaves them to the next run where something that was sent is not settled.
pub(super) fn let_go(seen: &Observation<'_>, policy: &Policy, outcome: Outcome) -> Step {
    let keep = policy.keeps(Rule::Release) && unsettled(seen, policy);
    let mut mine = seen.secrets.iter().enumerate();
    let next = mine.find(|(_, secret)| {
        secret.is_there() && secret.lock == Lock::Mine && !secret.refused && !(keep && secret.claim.released)
    });
    match next {
        Some((at, _)) if keep => Step::Release(at, outcome),
        Some((at, _)) => Step::Clear(at, outcome),
        None => Step::Finish(outcome),
    }
}

/// Whether something that this run or one before it has sent may still show.
fn unsettled(seen: &Observation<'_>, policy: &Policy) -> bool {
    let memory = seen.memory;
    let open = memory.open && !settled(seen, policy);
    open || !unpublished(seen).is_empty() || seen.secrets.iter().any(|secret| secret.may_land)
}
