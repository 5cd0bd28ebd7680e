//! What must be possible: that a promise holds says little where nothing ever happens.

use std::collections::BTreeSet;

use super::Config;
use super::state::{Owner, Spread, State, Status, is_foreign};
use super::step::{self, Action, Fate};
use crate::rotate::protocol::{Create, Keys, Lock, Outcome, Step};

/// Something that has happened on a way through the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A rotation came to its end.
    Rotated,
    /// A key whose id the journal names, and whose secret is lost, was deleted.
    OrphanDeletedById,
    /// A key known by its date was deactivated.
    OrphanDeactivated,
    /// It was deleted by a later run.
    OrphanDeletedLater,
    /// A dead run's journal was taken over.
    TookOverDead,
    /// One that its run had released.
    TookOverReleased,
    /// One that a run which is alive has not renewed in time.
    TookOverExpired,
    /// A write met a conflict, and the run went on with it.
    SurvivedConflict,
    /// A run found that it had lost its lock.
    Lost,
    /// Only some Secrets got the new pair.
    InPart,
    /// A Secret was given a key that another one held already.
    Converged,
    /// A Secret of the user turned up before a deletion.
    Newcomer,
    /// A stranger's key was reported and left alone.
    ForeignRefused,
    /// A stranger's key was deleted as the operator asked.
    ForeignDeleted,
    /// A replaced key stayed for a while.
    GraceKept,
    /// And was deleted when that was over.
    GraceRetired,
    /// A replaced key was deactivated first.
    RetiredInactive,
    /// And was deleted by a later run.
    RetiredLater,
    /// A new key was not accepted in time.
    NotTrusted,
    /// A key was accepted, and then refused again.
    Flapped,
    /// A new key was deleted by the run that made it.
    Withdrawn,
    /// A listing was an old one.
    StaleListing,
    /// A create arrived when nobody waited for it any more.
    CreateLanded,
    /// A deletion did.
    DeleteLanded,
    /// A deactivation did.
    DeactivateLanded,
    /// A write did.
    WriteLanded,
    /// A run ended early and left its journal to the next.
    Released,
    /// A run ended because it was told to.
    Stopped,
}

/// All of them.
pub(super) const ALL: [Event; 28] = [
    Event::Rotated,
    Event::OrphanDeletedById,
    Event::OrphanDeactivated,
    Event::OrphanDeletedLater,
    Event::TookOverDead,
    Event::TookOverReleased,
    Event::TookOverExpired,
    Event::SurvivedConflict,
    Event::Lost,
    Event::InPart,
    Event::Converged,
    Event::Newcomer,
    Event::ForeignRefused,
    Event::ForeignDeleted,
    Event::GraceKept,
    Event::GraceRetired,
    Event::RetiredInactive,
    Event::RetiredLater,
    Event::NotTrusted,
    Event::Flapped,
    Event::Withdrawn,
    Event::StaleListing,
    Event::CreateLanded,
    Event::DeleteLanded,
    Event::DeactivateLanded,
    Event::WriteLanded,
    Event::Released,
    Event::Stopped,
];

/// A set of events.
#[derive(Debug, Default)]
pub(super) struct Events(pub(super) BTreeSet<Event>);

impl Events {
    /// Notes what an action was.
    pub(super) fn note(&mut self, state: &State, action: Action, config: &Config) {
        let event = match action {
            Action::Run(r, step, Fate::Done) => {
                self.0.extend(step::end_of(state, r, step).and_then(of_outcome));
                of_step(state, r, step, config)
            }
            Action::Run(_, _, Fate::Stale) => Some(Event::StaleListing),
            Action::CreateLands(_) => Some(Event::CreateLanded),
            Action::DeleteLands(_) => Some(Event::DeleteLanded),
            Action::DeactivateLands(_) => Some(Event::DeactivateLanded),
            Action::WriteLands(_) => Some(Event::WriteLanded),
            _ => None,
        };
        self.0.extend(event);
    }
}

/// What an end is.
fn of_outcome(outcome: Outcome) -> Option<Event> {
    Some(match outcome {
        Outcome::Rotated => Event::Rotated,
        Outcome::Lost(_) => Event::Lost,
        Outcome::InPart(_) => Event::InPart,
        Outcome::Newcomer => Event::Newcomer,
        Outcome::Foreign(_) => Event::ForeignRefused,
        Outcome::Waiting(_) => Event::GraceKept,
        Outcome::NotTrusted(_) => Event::NotTrusted,
        Outcome::Stopped => Event::Stopped,
        _ => return None,
    })
}

/// What a step that was carried out and answered was.
fn of_step(state: &State, r: usize, step: Step, config: &Config) -> Option<Event> {
    let run = state.runs[r].as_ref()?;
    let memory = &run.memory;
    let orphans = run
        .seen
        .iter()
        .fold(Keys::NONE, |all, seen| all.or(seen.history.orphans));
    let journal = |at: usize| state.secrets[at].and_then(|secret| secret.journal);
    Some(match step {
        Step::Lock(at) if run.newest[at] && run.seen[at].lock == Lock::Takeable => match journal(at)? {
            journal if journal.claim.released => Event::TookOverReleased,
            journal if journal.owner == Owner::Dead => Event::TookOverDead,
            _ => Event::TookOverExpired,
        },
        // The answer that was a conflict has left it not fresh; the journal is still there, and the new pair is published next.
        Step::Reread(at) if journal(at)?.owner == Owner::Run(r as u8) && !run.newest[at] && run.seen[at].sent => memory
            .new_key()
            .filter(|_| !run.seen[at].may_land)
            .map(|_| Event::SurvivedConflict)?,
        Step::Publish(..) if memory.create == Create::None => Event::Converged,
        Step::Probe(key) if state.key(key).spread == Spread::RefusedAgain => Event::Flapped,
        Step::Deactivate(key) if orphans.has(key) => Event::OrphanDeactivated,
        Step::Deactivate(_) => Event::RetiredInactive,
        Step::Delete(key) if orphans.has(key) => Event::OrphanDeletedLater,
        Step::Delete(key) if is_foreign(state.key(key).origin) => Event::ForeignDeleted,
        Step::Delete(key) if memory.new_key() == Some(key) => Event::Withdrawn,
        Step::Delete(key) if memory.made.has(key) => Event::OrphanDeletedById,
        Step::Delete(key) if state.key(key).status == Status::Inactive => Event::RetiredLater,
        Step::Delete(_) if config.grace => Event::GraceRetired,
        Step::Release(..) => Event::Released,
        _ => return None,
    })
}
