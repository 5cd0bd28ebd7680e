//! What to do next: a pure function from what is seen to one step.
//!
//! The driver observes, [`decide`] names one step, the driver carries it out and observes again. There is no clock, no I/O
//! and no randomness in here: what depends on time is a yes or no in the [`Observation`]. The same function runs in
//! production and in the exhaustive model (`rotate/model`), which takes out the rules below one by one and names the promise
//! that then breaks.
//!
//! ```text
//!             ┌ nothing to do, or refused: nothing was written
//!  list keys ─┤
//!             └ lock each Secret in order ── not won: release those that were, and leave
//!                 │
//!                 ├ another run's leftovers: wait for its window, list, delete or deactivate its orphans
//!                 ├ different keys: try the newest, publish it to all
//!                 ├ replaced keys whose time is over: look, delete
//!                 │
//!               create ── no answer: wait for the window, list ─┬ nothing there: create once more
//!                 │                                             └ one candidate: note, look, deactivate, end
//!               record the new id on each Secret
//!                 │
//!               probe … probe ── not accepted in time: delete the new key
//!                 │
//!               publish to each Secret ── to none: look, delete the new key ── to some: both keys stay
//!                 │
//!               look, delete the old key
//!                 │
//!               clear each journal, or release it where something sent is unsettled
//! ```
//!
//! The rules, with the promise that the model sees broken without them:
//!
//! 1. *Observe in order* \[P1, P4\]: what is concluded under another run's journal is concluded from a listing made after that
//!    journal was taken over on every Secret. Under a journal that took nothing over, the listing before it will do: had
//!    another run been at work in between, the `resourceVersion` would have told.
//! 2. *Delete only what nobody holds* \[P1, P2\]: a key is deleted or deactivated only if a record names it, or rule 5 makes it
//!    an orphan, and a look at all Secrets, made after the listing and right before, shows that none holds it, that all of the
//!    group carry this run's journal, and that no other Secret speaks of the user's keys. A new key that was never sent to a
//!    Secret is held by nobody for sure.
//! 3. *Lock the whole user, in one order* \[P7\]: nothing is done to a key before every Secret carries this run's journal.
//! 4. *Known*: what was listed, held or named in a record when the journal was begun is no orphan \[P2\]. Where journals differ,
//!    their intersection counts; a takeover keeps it.
//! 5. *Orphan* \[P2\]: not known, held nowhere, in no record, and either its id is in the journal, or it is the only key that
//!    AWS dates into the window of a create whose outcome nobody knows. The latter is noted, deactivated, and deleted by a
//!    later run if it is still inactive. Two candidates: neither is touched.
//! 6. *Fence* \[P4, P7\]: a create is sent only while all journals are young, and ends before they are old. After one of
//!    unknown outcome nothing is concluded and no second one is sent before its window is over.
//! 7. *Renew* \[P5\]: journals are renewed while the run waits; the one right after the create names the new key. A run that
//!    finds a journal of its own gone does nothing more \[P1\].
//! 8. *Publish only over one's own journal* \[P1\].
//! 9. *A publish that may still land* \[P1\]: a new key is deleted only after another write has won each Secret that it was sent
//!    to. Journals are taken off last.
//! 10. *Takeover* \[P7\]: of a journal that was not renewed in time, was released, or whose holder is gone; and then too nothing is
//!     created or cleared before the dead holder's window is over.
//! 11. *Release, do not clear* \[P5\]: where something that was sent is unsettled the journal stays, marked as released.
//! 12. *Stale listings* \[P4\]: a held key that is not listed, and a limit that the listing denies, are looked at again until
//!     they settle.
//!
//! What is taken for granted: a listing is late by less than a window lasts (two thirds of the lock timeout); every Secret
//! with a key of the user is in scope; and who puts an old key back between the look and the deletion of that very key gets a
//! dead one, since no request to one server can be made to depend on the other.

mod acquire;
mod ending;
mod journal;
mod keys;
mod memory;
mod retiring;
mod rules;
mod seen;
mod step;
mod under_lock;
mod whose;

use self::acquire::acquire;
use self::ending::{let_go, withdraw};
pub use self::journal::{claim, ends_with_publish, inheritance, opens_window};
pub use self::keys::{Key, Keys};
pub use self::memory::{Create, Listing, Memory};
pub use self::retiring::goes_next;
pub use self::rules::{Policy, Rule};
pub use self::seen::{Claim, History, Holds, Lock, Observation, Seen, Who};
pub use self::step::{For, Outcome, Step};
use self::under_lock::{publish, under_lock};
pub use self::whose::suspect;
use self::whose::taken_for_published;

/// The next step.
pub fn decide(seen: &Observation<'_>, policy: &Policy) -> Step {
    if !policy.keeps(Rule::PublishKnown)
        && let Some(replaced) = taken_for_published(seen)
    {
        return Step::Delete(replaced);
    }
    if let Some((at, _)) = seen.present().find(|(_, secret)| !secret.fresh) {
        return Step::Reread(at);
    }
    if let Some(outcome) = seen.memory.ending {
        return let_go(seen, policy, outcome);
    }
    if let Some((at, _)) = seen.present().find(|(_, secret)| secret.lock == Lock::Unreadable) {
        return let_go(seen, policy, Outcome::Unreadable(at));
    }
    if seen.present().next().is_none() {
        return withdraw(seen, policy, Outcome::Gone);
    }
    if finished_with_the_publish(seen) && policy.keeps(Rule::Journal) {
        return Step::Finish(Outcome::Rotated);
    }
    let locked = seen.memory.known.is_some() && to_lock(seen, policy).all(|(_, secret)| secret.lock == Lock::Mine);
    // Before anything was done under the lock, a Secret that is not locked is one still to be locked. After that it is one
    // that was lost.
    if locked || !policy.keeps(Rule::Journal) || (seen.memory.begun && !policy.keeps(Rule::LostEnds)) {
        under_lock(seen, policy)
    } else if seen.memory.begun {
        if !policy.keeps(Rule::OwnJournal)
            && let Some(step) = seen.memory.new_key().and_then(|new| publish(seen, policy, new))
        {
            return step;
        }
        let lost = seen.present().find(|(_, secret)| secret.lock != Lock::Mine);
        let_go(seen, policy, Outcome::Lost(lost.map_or(0, |(at, _)| at)))
    } else {
        acquire(seen, policy)
    }
}

/// The Secrets that are to carry this run's journal: all of them.
fn to_lock<'a>(seen: &'a Observation<'_>, policy: &Policy) -> impl Iterator<Item = (usize, &'a Seen)> {
    seen.present()
        .take(if policy.keeps(Rule::LockWhole) { usize::MAX } else { 1 })
}

/// A publish that cleared the only journal was the last step.
fn finished_with_the_publish(seen: &Observation<'_>) -> bool {
    let new = seen.memory.new_key();
    new.is_some()
        && seen
            .present()
            .all(|(_, secret)| secret.lock == Lock::Free && secret.key() == new && secret.sent)
}
