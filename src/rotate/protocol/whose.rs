//! What the user's keys are to this program: orphans, replaced ones, strangers'.

use super::keys::{Key, Keys};
use super::memory::{Listing, Memory};
use super::rules::{Policy, Rule};
use super::seen::Observation;
use crate::cli::ForeignKeys;

/// Keys that were made and that no Secret was ever given.
pub(super) fn unpublished(seen: &Observation<'_>) -> Keys {
    seen.memory.made.minus(seen.held()).minus(seen.recorded())
}

/// The key that a create of unknown outcome must have made: the only one that was not there before, that nobody holds and
/// no record names, and that AWS dates into the time when the create was under way.
pub fn suspect(seen: &Observation<'_>, policy: &Policy) -> Option<Key> {
    let memory = seen.memory;
    let listing = memory
        .listing
        .filter(|listing| memory.open && outlives(memory, policy, *listing))?;
    let known = if policy.keeps(Rule::Known) {
        memory.known.unwrap_or_default()
    } else {
        Keys::NONE
    };
    let new = listing
        .keys
        .minus(known)
        .minus(seen.held())
        .minus(seen.recorded())
        .minus(memory.made);
    let candidates = if policy.keeps(Rule::Dated) {
        new.and(listing.dated)
    } else {
        new
    };
    if candidates.len() == 1 || !policy.keeps(Rule::OnlyCandidate) {
        candidates.newest()
    } else {
        None
    }
}

/// Whether a listing shows all that the creates of unknown outcome will ever have made.
pub(super) fn outlives(memory: &Memory, policy: &Policy, listing: Listing) -> bool {
    let rule = if memory.inherited {
        Rule::OutliveDead
    } else {
        Rule::OutliveWindow
    };
    let in_order = listing.under_lock || !policy.keeps(Rule::ObserveInOrder);
    in_order && (listing.after_window || !policy.keeps(rule))
}

/// The replaced key, where a publish that was sent is taken for one that was stored. The model only.
pub(super) fn taken_for_published(seen: &Observation<'_>) -> Option<Key> {
    let new = seen.memory.new_key()?;
    let sent = seen.present().all(|(_, secret)| secret.sent);
    seen.held()
        .without(new)
        .minus(seen.memory.gone)
        .first()
        .filter(|_| sent)
}

/// Keys that no Secret holds and no record names, and orphans that somebody has made active again.
pub(super) fn foreign(seen: &Observation<'_>, listing: Listing) -> Keys {
    let memory = seen.memory;
    let revived = seen.histories(|history| history.deactivated).and(listing.active);
    let ours = seen.held().or(seen.recorded().minus(revived)).or(memory.made);
    listing.keys.minus(ours)
}

/// Foreign keys that the operator wants to be deleted.
pub(super) fn removable(policy: &Policy, listing: Listing, foreign: Keys) -> Keys {
    match policy.foreign_keys {
        ForeignKeys::Refuse => Keys::NONE,
        ForeignKeys::DeleteInactive => foreign.minus(listing.active),
        ForeignKeys::Delete => foreign,
    }
}

/// Keys that were replaced, that nobody holds, and whose time is over.
pub(super) fn retirable(seen: &Observation<'_>, listing: Listing) -> Keys {
    let replaced = seen.histories(|history| history.replaced);
    let protected = seen.histories(|history| history.protected);
    listing.keys.and(replaced).minus(protected).minus(seen.held())
}

/// Orphans known by their date that are to be deactivated, or were about to be when a run died.
pub(super) fn unfinished_orphans(seen: &Observation<'_>, listing: Listing) -> Keys {
    let orphans = seen.histories(|history| history.orphans.minus(history.deactivated));
    orphans.and(listing.active).minus(seen.held())
}

/// Orphans known by their date that an earlier run has deactivated.
pub(super) fn inactive_orphans(seen: &Observation<'_>, listing: Listing) -> Keys {
    let orphans = seen.histories(|history| history.orphans);
    orphans.and(listing.keys).minus(listing.active).minus(seen.held())
}
