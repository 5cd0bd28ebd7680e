//! What a journal that is written now says.

use super::keys::Keys;
use super::memory::Create;
use super::rules::Policy;
use super::seen::{Claim, Lock, Observation};
use super::whose::{foreign, outlives, retirable, suspect};

/// What this run's next journal says: what is known of keys, with the journals that it takes over.
pub fn claim(seen: &Observation<'_>, policy: &Policy) -> Claim {
    let (known, made, open) = inheritance(seen);
    Claim {
        known,
        made,
        open: opens_window(seen, policy) || (open && !settled(seen, policy)),
        released: false,
    }
}

/// Whether a journal that is written now is to name the time of a create to come.
pub fn opens_window(seen: &Observation<'_>, policy: &Policy) -> bool {
    let (_, _, open) = inheritance(seen);
    seen.due && seen.memory.create == Create::None && (!open || settled(seen, policy))
}

/// Whether it is known what the creates of unknown outcome have made, and that is recorded.
pub(super) fn settled(seen: &Observation<'_>, policy: &Policy) -> bool {
    let memory = seen.memory;
    let listed = memory.listing.is_some_and(|listing| outlives(memory, policy, listing));
    listed && suspect(seen, policy).is_none()
}

/// What a journal that is written now takes over: the known keys, those made, and whether a create is unsettled. Where the
/// journals differ in what is known, their intersection counts.
pub fn inheritance(seen: &Observation<'_>) -> (Keys, Keys, bool) {
    let memory = seen.memory;
    let listed = memory.listing.map_or(Keys::NONE, |listing| listing.keys);
    let taken: Vec<Claim> = seen
        .present()
        .filter(|(_, secret)| secret.lock == Lock::Takeable)
        .map(|(_, secret)| secret.claim)
        .collect();
    let now = listed.or(seen.held()).or(seen.recorded());
    let known = match (memory.known, taken.split_first()) {
        (Some(known), _) => taken.iter().fold(known, |known, claim| known.and(claim.known)),
        (None, Some((first, rest))) => rest.iter().fold(first.known, |known, claim| known.and(claim.known)),
        (None, None) => now,
    };
    let made = taken.iter().fold(memory.made, |made, claim| made.or(claim.made));
    // What a history names, that permits.
    let made = made.minus(seen.recorded());
    let open = memory.open || taken.iter().any(|claim| claim.open);
    (known, made, open)
}

/// Whether a publish to this Secret, its only one, ends the rotation: what it replaces may stay, so that nothing is left to
/// do under the journal.
pub fn ends_with_publish(seen: &Observation<'_>, at: usize) -> bool {
    let Some(listing) = seen.memory.listing else {
        return false;
    };
    let alone = seen.present().count() == 1;
    let kept = seen.secrets[at].grace && seen.memory.new_key().is_some();
    alone && kept && retirable(seen, listing).is_empty() && foreign(seen, listing).is_empty()
}
