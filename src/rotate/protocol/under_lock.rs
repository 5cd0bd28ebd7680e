//! Under the lock: leftovers, convergence, the new key, and what it replaces.

use super::acquire::unlisted;
use super::ending::{let_go, wait, withdraw};
use super::keys::{Key, Keys};
use super::memory::{Create, Listing};
use super::rules::{Policy, Rule};
use super::seen::{Lock, Observation, Seen};
use super::step::{For, Outcome, Step};
use super::to_lock;
use super::whose::{
    foreign, inactive_orphans, outlives, removable, retirable, suspect, unfinished_orphans, unpublished,
};
use crate::cli::Retire;

/// Every Secret of the group carries this run's journal.
pub(super) fn under_lock(seen: &Observation<'_>, policy: &Policy) -> Step {
    let memory = seen.memory;
    let stop_here = seen.stopping && !seen.secrets.iter().any(|secret| secret.sent);
    if stop_here {
        return withdraw(seen, policy, Outcome::Stopped);
    }
    // Somebody has put other keys there: this user's are no concern of these Secrets any more.
    if seen.held().is_empty() {
        return withdraw(seen, policy, Outcome::Gone);
    }
    let listing = match memory.listing {
        Some(listing) if listing.under_lock || !memory.inherited || !policy.keeps(Rule::ObserveInOrder) => listing,
        Some(_) | None => return Step::ListKeys,
    };
    if let Some(step) = unlisted(seen, policy, listing) {
        return step;
    }
    if let Some(new) = memory.new_key() {
        if let Some(step) = bring_out(seen, policy, new) {
            return step;
        }
    } else if memory.create != Create::Withdrawn {
        if let Some(step) = settle_creates(seen, policy, listing) {
            return step;
        }
        if let Some(step) = converge(seen, policy, listing) {
            return step;
        }
    }
    tidy(seen, policy, listing).unwrap_or_else(|| go_on(seen, policy, listing))
}

/// The new key: recorded, tried, published. `None` when every Secret that can be written holds it.
fn bring_out(seen: &Observation<'_>, policy: &Policy, new: Key) -> Option<Step> {
    let named = seen.recorded().has(new);
    let recorded =
        |secret: &Seen| secret.lock != Lock::Mine || secret.claim.made.has(new) || secret.key() == Some(new) || named;
    let sent = seen.secrets.iter().any(|secret| secret.sent);
    let records = policy.keeps(Rule::RecordId) && policy.keeps(Rule::Journal);
    let mut unrecorded = seen
        .present()
        .filter(|(_, secret)| !recorded(secret) && !secret.refused);
    if let (Some((at, _)), true) = (unrecorded.next(), records) {
        return Some(Step::Record(at));
    }
    if !sent && let Some(step) = verify(seen, policy, new, Outcome::NotTrusted(new)) {
        return Some(step);
    }
    if let Some(step) = publish(seen, policy, new) {
        return Some(step);
    }
    let held = seen.held().has(new);
    (!held).then(|| withdraw(seen, policy, Outcome::NotPublished(new)))
}

/// Tries a key until it is trusted.
fn verify(seen: &Observation<'_>, policy: &Policy, key: Key, otherwise: Outcome) -> Option<Step> {
    let memory = seen.memory;
    if memory.tried == Some(key) && memory.in_a_row >= policy.probes {
        return None;
    }
    Some(if memory.given_up.has(key) {
        withdraw(seen, policy, otherwise)
    } else if seen.probe_due {
        Step::Probe(key)
    } else {
        wait(seen, policy, For::Probe)
    })
}

/// The next Secret to be written with this key.
pub(super) fn publish(seen: &Observation<'_>, policy: &Policy, key: Key) -> Option<Step> {
    let differs = |secret: &Seen| secret.key().is_some_and(|held| held != key);
    let rules = [Rule::OwnJournal, Rule::Journal, Rule::LockWhole];
    let own = |secret: &Seen| secret.lock == Lock::Mine || !rules.iter().all(|rule| policy.keeps(*rule));
    let next = seen
        .present()
        .find(|(_, secret)| differs(secret) && own(secret) && !secret.refused);
    next.map(|(at, _)| Step::Publish(at, key))
}

/// Creates of unknown outcome, and keys that a run which is gone has made: found and removed. `None` when none is left.
fn settle_creates(seen: &Observation<'_>, policy: &Policy, listing: Listing) -> Option<Step> {
    let memory = seen.memory;
    if !policy.keeps(Rule::UnknownOutcome) || !policy.keeps(Rule::Journal) {
        return None;
    }
    if memory.open && !outlives(memory, policy, listing) {
        return Some(if seen.window_open {
            wait(seen, policy, For::Window)
        } else {
            Step::ListKeys
        });
    }
    if let Some(orphan) = suspect(seen, policy) {
        let noted = |secret: &Seen| secret.history.orphans.has(orphan) || secret.refused;
        if let Some((at, _)) = seen.present().find(|(_, secret)| !noted(secret)) {
            return Some(Step::Record(at));
        }
    }
    let orphans = unpublished(seen).minus(memory.undeletable);
    orphans.first().map(|orphan| remove(seen, policy, Step::Delete(orphan)))
}

/// Several Secrets with different keys get the newest that works. `None` when all hold the same.
fn converge(seen: &Observation<'_>, policy: &Policy, listing: Listing) -> Option<Step> {
    let held = seen.held();
    if held.len() < 2 {
        return None;
    }
    let works = held.and(listing.active).minus(seen.memory.given_up);
    let Some(target) = works.newest() else {
        return Some(let_go(seen, policy, Outcome::Unverified));
    };
    verify(seen, policy, target, Outcome::Unverified).or_else(|| publish(seen, policy, target))
}

/// Removes what records permit to remove, and what the operator asked for. `None` when there is nothing of the kind.
fn tidy(seen: &Observation<'_>, policy: &Policy, listing: Listing) -> Option<Step> {
    let memory = seen.memory;
    let left = |keys: Keys| keys.minus(memory.undeletable).minus(memory.deactivated);
    if let Some(orphan) = left(unfinished_orphans(seen, listing)).first() {
        return Some(remove(seen, policy, Step::Deactivate(orphan)));
    }
    if let Some(orphan) = left(inactive_orphans(seen, listing)).first() {
        return Some(remove(seen, policy, Step::Delete(orphan)));
    }
    if let Some(old) = left(retirable(seen, listing)).first() {
        let step = match policy.retire {
            Retire::Deactivate if listing.active.has(old) => Step::Deactivate(old),
            Retire::Deactivate | Retire::Delete => Step::Delete(old),
        };
        return Some(remove(seen, policy, step));
    }
    let foreign = removable(policy, listing, foreign(seen, listing));
    left(foreign).first().map(|key| remove(seen, policy, Step::Delete(key)))
}

/// A step against a key: only right after a look which shows that nobody holds it.
pub(super) fn remove(seen: &Observation<'_>, policy: &Policy, step: Step) -> Step {
    if !seen.memory.looked && policy.keeps(Rule::NobodyHolds) {
        return Step::Look;
    }
    if seen.memory.newcomers && policy.keeps(Rule::Newcomer) {
        return let_go(seen, policy, Outcome::Newcomer);
    }
    step
}

/// Nothing is left over: on to a new key, or to the end.
fn go_on(seen: &Observation<'_>, policy: &Policy, listing: Listing) -> Step {
    let memory = seen.memory;
    let end = |outcome| let_go(seen, policy, outcome);
    let foreign = foreign(seen, listing);
    if !foreign.is_empty() {
        return end(Outcome::Foreign(foreign));
    }
    if memory.create == Create::Withdrawn {
        let key = memory.gone.newest().unwrap_or(Key(0));
        return end(if memory.given_up.has(key) {
            Outcome::NotTrusted(key)
        } else {
            Outcome::NotPublished(key)
        });
    }
    if let Some(key) = memory.undeletable.first() {
        return end(Outcome::Remains(key));
    }
    if let Some((at, secret)) = seen.present().find(|(_, secret)| secret.refused) {
        return end(match secret.sent {
            true => memory.new_key().map_or(Outcome::Unwritable(at), Outcome::InPart),
            false => Outcome::Unwritable(at),
        });
    }
    match memory.create {
        Create::Made(_) => return end(Outcome::Rotated),
        Create::Refused => return end(Outcome::NotCreated),
        Create::Withdrawn | Create::None => {}
    }
    if !memory
        .deactivated
        .and(seen.histories(|history| history.orphans))
        .is_empty()
    {
        return end(Outcome::CreateUnknown);
    }
    let tidied = !memory.gone.is_empty() || !memory.deactivated.is_empty() || memory.inherited;
    let room = listing.keys.minus(seen.held()).first();
    match (seen.due, room) {
        (false, _) => end(if tidied || memory.tried.is_some() {
            Outcome::Tidied
        } else {
            Outcome::NotDue
        }),
        // Secrets were just brought together: what they hold is new to some of them.
        (true, _) if memory.tried.is_some() => end(Outcome::Tidied),
        (true, Some(_)) if tidied => end(Outcome::Tidied),
        (true, Some(key)) => end(Outcome::Waiting(key)),
        (true, None) if memory.creates >= policy.creates => end(Outcome::CreateUnknown),
        (true, None) => create(seen, policy),
    }
}

/// A create, if the journals are young enough; else they are made so first.
fn create(seen: &Observation<'_>, policy: &Policy) -> Step {
    let covers = |secret: &Seen| (!secret.aged || !policy.keeps(Rule::Fence)) && secret.windowed;
    match to_lock(seen, policy).find(|(_, secret)| !covers(secret)) {
        Some((at, _)) if policy.keeps(Rule::Journal) => Step::Record(at),
        Some(_) | None => Step::Create,
    }
}
