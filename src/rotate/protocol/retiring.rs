//! Which key is about to go, for whoever has to be asked before.

use super::decide;
use super::keys::Key;
use super::memory::Memory;
use super::rules::Policy;
use super::seen::Observation;
use super::step::Step;

/// The replaced key that is deleted or deactivated next, unless the look before that shows that a Secret holds it. One that is
/// inactive already, a new key that is taken back, an orphan and a stranger's key are none: nothing that works depends on them.
pub fn goes_next(seen: &Observation<'_>, policy: &Policy) -> Option<Key> {
    let memory = Memory {
        looked: true,
        ..*seen.memory
    };
    let next = decide(
        &Observation {
            memory: &memory,
            ..*seen
        },
        policy,
    );
    let (Step::Delete(key) | Step::Deactivate(key)) = next else {
        return None;
    };
    let active = memory.listing.is_some_and(|listing| listing.active.has(key));
    let replaced = seen.histories(|history| history.replaced).has(key) && memory.new_key() != Some(key);
    (active && replaced).then_some(key)
}
