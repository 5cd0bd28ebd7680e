//! Requests to IAM that change something, and the promises that only they can break.

use super::state::{Origin, Owner, State, Status};
use super::step::{Fate, spend};
use super::{Config, Violation};
use crate::cli::ForeignKeys;
use crate::rotate::protocol::{Key, Step};

/// A create is sent. `None` where this fate differs in nothing from another one.
pub(super) fn create(state: &State, config: &Config, r: usize, fate: Fate) -> Option<Result<State, Violation>> {
    let mut s = *state;
    let own = s.runs[r].as_ref()?.own?;
    if let Some(violation) = alone(state, r) {
        return Some(Err(violation));
    }
    spend(&mut s, fate);
    let full = config.limit && state.existing().len() >= 2;
    {
        let run = s.runs[r].as_mut()?;
        run.memory.creating();
        run.unresolved = 1 << own;
        for seen in &mut run.seen {
            seen.windowed = false;
        }
    }
    match fate {
        Fate::Done | Fate::LostAfter if full => {
            let run = s.runs[r].as_mut()?;
            if fate == Fate::Done {
                run.unresolved = 0;
                run.memory.limit_exceeded(config.policy.settles);
            } else {
                run.memory.create_unknown();
                s.doubtful |= 1 << own;
            }
        }
        Fate::Done | Fate::LostAfter => {
            let key = s.add_key(Origin::Ours, config.spreads);
            if let Some(violation) = bounded(&s) {
                return Some(Err(violation));
            }
            let run = s.runs[r].as_mut()?;
            if fate == Fate::Done {
                run.unresolved = 0;
                run.memory.created(key);
            } else {
                run.memory.create_unknown();
                s.doubtful |= 1 << own;
            }
        }
        Fate::Refused => {
            let run = s.runs[r].as_mut()?;
            run.unresolved = 0;
            run.memory.create_refused();
        }
        Fate::LostBefore => {
            s.doubtful |= 1 << own;
            s.runs[r].as_mut()?.memory.create_unknown();
        }
        Fate::Late => {
            s.doubtful |= 1 << own;
            s.creating[usize::from(own)] = Some(Owner::Run(r as u8));
            s.runs[r].as_mut()?.memory.create_unknown();
        }
        Fate::Stale => return None,
    }
    Some(Ok(s))
}

/// P7: no other run has a create under way, or a new key that is not published.
fn alone(state: &State, r: usize) -> Option<Violation> {
    if state.wiped {
        return None;
    }
    let others = state.runs.iter().enumerate().filter(|(other, _)| *other != r);
    let unpublished = others.filter_map(|(_, run)| run.as_ref()?.memory.new_key());
    let exists = |key: Key| state.key(key).status == Status::Active && !state.held().has(key);
    let creating = state
        .creating
        .iter()
        .flatten()
        .any(|owner| *owner != Owner::Run(r as u8));
    let mine = state.creating.iter().flatten().next().is_some();
    (creating || mine || unpublished.into_iter().any(exists)).then_some(Violation::P7)
}

/// P4: never more than two keys by our doing.
pub(super) fn bounded(state: &State) -> Option<Violation> {
    (!state.wiped && state.own().len() > 2).then_some(Violation::P4)
}

/// A deletion or a deactivation is sent.
pub(super) fn remove(
    state: &State,
    config: &Config,
    r: usize,
    step: Step,
    key: Key,
    fate: Fate,
) -> Option<Result<State, Violation>> {
    let mut s = *state;
    spend(&mut s, fate);
    let deletes = matches!(step, Step::Delete(_));
    match fate {
        Fate::Done | Fate::LostAfter => {
            if let Err(violation) = take_away(&mut s, key, deletes, config) {
                return Some(Err(violation));
            }
            let memory = &mut s.runs[r].as_mut()?.memory;
            match (fate, deletes) {
                (Fate::Done, true) => memory.deleted(key),
                (Fate::Done, false) => memory.deactivated(key),
                _ => memory.deletion_unknown(),
            }
        }
        Fate::Refused => s.runs[r].as_mut()?.memory.not_deleted(key),
        Fate::LostBefore => s.runs[r].as_mut()?.memory.deletion_unknown(),
        Fate::Late => {
            let under_way = if deletes { &mut s.deleting } else { &mut s.deactivating };
            *under_way = under_way.with(key);
            s.runs[r].as_mut()?.memory.deletion_unknown();
        }
        Fate::Stale => return None,
    }
    Some(Ok(s))
}

/// A key is deleted or deactivated at IAM. P1 and P2 are looked at here, since nothing else can break them but a write.
pub(super) fn take_away(state: &mut State, key: Key, deletes: bool, config: &Config) -> Result<(), Violation> {
    let before = *state.key(key);
    if !matches!(before.status, Status::Active | Status::Inactive) {
        return Ok(());
    }
    if !deletes && before.status == Status::Inactive {
        return Ok(());
    }
    if state.held().has(key) && before.status == Status::Active {
        return Err(Violation::P1);
    }
    let asked_for = match config.policy.foreign_keys {
        ForeignKeys::Refuse => false,
        ForeignKeys::DeleteInactive => before.status == Status::Inactive,
        ForeignKeys::Delete => true,
    };
    let others = state.keys_where(|other| {
        other.origin == Origin::Ours && !other.public && other.born & before.born != 0 && other.status == Status::Active
    });
    match before.origin {
        Origin::Ours | Origin::Replaced => {}
        Origin::ForeignInWindow if others.without(key).is_empty() => {}
        Origin::Foreign | Origin::ForeignInWindow if asked_for => {}
        Origin::Original | Origin::Foreign | Origin::ForeignInWindow => return Err(Violation::P2),
    }
    state.remember_listing();
    state.key_mut(key).status = if deletes { Status::Deleted } else { Status::Inactive };
    Ok(())
}
