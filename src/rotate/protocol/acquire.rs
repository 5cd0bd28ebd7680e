//! Before the lock: is there anything to do, may it be done, and whose turn is it to be locked.

use super::ending::let_go;
use super::memory::Listing;
use super::rules::{Policy, Rule};
use super::seen::{Lock, Observation, Who};
use super::step::{Outcome, Step};
use super::to_lock;
use super::whose::{foreign, inactive_orphans, removable, retirable, unfinished_orphans};

/// Looks whether there is anything to do and whether it may be done, and writes the journals in order.
pub(super) fn acquire(seen: &Observation<'_>, policy: &Policy) -> Step {
    let memory = seen.memory;
    if seen.stopping {
        return let_go(seen, policy, Outcome::Stopped);
    }
    let none_locked = !seen.present().any(|(_, secret)| secret.lock == Lock::Mine);
    if none_locked && seen.elsewhere {
        return Step::Finish(Outcome::Elsewhere);
    }
    if let Some((at, _)) = seen
        .present()
        .find(|(_, secret)| secret.immutable && secret.lock != Lock::Mine)
    {
        return let_go(seen, policy, Outcome::Immutable(at));
    }
    let Some(listing) = memory.listing else {
        return Step::ListKeys;
    };
    let live = to_lock(seen, policy).find(|(_, secret)| secret.lock == Lock::Live);
    if let (Some((at, _)), true) = (live, policy.keeps(Rule::Takeover)) {
        return let_go(seen, policy, Outcome::InProgress(at));
    }
    if memory.newcomers {
        return let_go(seen, policy, Outcome::Newcomer);
    }
    match unlisted(seen, policy, listing) {
        Some(Step::Finish(_)) if !memory.looked => return Step::Look,
        Some(step) => return step,
        None => {}
    }
    if let Some((at, _)) = seen.present().find(|(_, secret)| secret.refused) {
        return let_go(seen, policy, Outcome::Unwritable(at));
    }
    let taking_over = seen.present().any(|(_, secret)| secret.lock == Lock::Takeable);
    let refusal = (!taking_over && none_locked)
        .then(|| preflight(seen, policy, listing))
        .flatten();
    match refusal {
        Some(Outcome::NotDue | Outcome::Waiting(_)) | None => {}
        // What the Secrets held before the keys were listed proves nothing: another run may have gone on meanwhile.
        Some(_) if !memory.looked && policy.keeps(Rule::ObserveInOrder) => return Step::Look,
        Some(_) => {}
    }
    if let Some(outcome @ (Outcome::NotDue | Outcome::Waiting(_))) = refusal {
        return Step::Finish(outcome);
    }
    match seen.identity {
        None => return Step::Identify,
        Some(Who::Root) => return let_go(seen, policy, Outcome::Root),
        Some(Who::Other) => return let_go(seen, policy, Outcome::NoUser),
        Some(Who::User) => {}
    }
    if let Some(outcome) = refusal {
        return Step::Finish(outcome);
    }
    match to_lock(seen, policy).find(|(_, secret)| secret.lock != Lock::Mine) {
        Some((at, _)) => Step::Lock(at),
        None => Step::ListKeys,
    }
}

/// Why nothing is written, when that is so.
fn preflight(seen: &Observation<'_>, policy: &Policy, listing: Listing) -> Option<Outcome> {
    let held = seen.held();
    if held.and(listing.active).is_empty() {
        let inactive = seen.present().find(|(_, secret)| secret.key().is_some());
        return Some(Outcome::Inactive(inactive.map_or(0, |(at, _)| at)));
    }
    let foreign = foreign(seen, listing);
    if !foreign.minus(removable(policy, listing, foreign)).is_empty() {
        return Some(Outcome::Foreign(foreign));
    }
    let work = held.len() > 1
        || !removable(policy, listing, foreign).is_empty()
        || !retirable(seen, listing).is_empty()
        || !inactive_orphans(seen, listing).is_empty()
        || !unfinished_orphans(seen, listing).is_empty();
    if work {
        return None;
    }
    if !seen.due {
        return Some(Outcome::NotDue);
    }
    // A second key leaves no room for a new one.
    listing.keys.minus(held).first().map(Outcome::Waiting)
}

/// A key that is held and not listed: the listing is late, or the key is dead.
pub(super) fn unlisted(seen: &Observation<'_>, policy: &Policy, listing: Listing) -> Option<Step> {
    let unlisted = seen.held().minus(listing.keys).minus(seen.memory.gone);
    let (at, _) = seen
        .present()
        .find(|(_, secret)| secret.key().is_some_and(|key| unlisted.has(key)))?;
    if seen.memory.settled < policy.settles && policy.keeps(Rule::Settle) {
        return Some(if seen.stopping {
            let_go(seen, policy, Outcome::Stopped)
        } else {
            Step::Settle
        });
    }
    // Where another Secret of the group holds a key that works, all will get that.
    let heals = !seen.held().and(listing.active).is_empty();
    (!heals).then(|| let_go(seen, policy, Outcome::NotListed(at)))
}
