//! What others do: people, controllers, other programs with the user's rights.

use super::Config;
use super::state::{Origin, RUNS, SECRETS, Secret, Spread, State, Status, is_foreign};
use super::step::{Action, Next, decided};
use crate::cli::ForeignKeys;
use crate::rotate::protocol::{Key, Keys, Step};

/// What others may do now. They put into Secrets only keys that work and whose secret they can have.
pub(super) fn others(state: &State, config: &Config, next: &mut Vec<Next>) {
    let handles = state.budget.put_back > 0 || state.budget.copy > 0;
    let condemned = if handles { condemned(state, config) } else { Keys::NONE };
    let reach = |key: Key| {
        let it = state.key(key);
        it.status == Status::Active && it.public && it.spread == Spread::Everywhere && !condemned.has(key)
    };
    for at in 0..SECRETS {
        let Some(secret) = state.secrets[at] else { continue };
        if state.budget.touch > 0 {
            let mut s = *state;
            s.budget.touch -= 1;
            s.changed(at);
            next.push((Action::Touch(at), Ok(s)));
        }
        if state.budget.put_back > 0 {
            for key in state.active().iter().filter(|key| *key != secret.holds && reach(*key)) {
                let mut s = *state;
                s.budget.put_back -= 1;
                s.secrets[at].as_mut().unwrap().holds = key;
                s.changed(at);
                next.push((Action::PutBack(at, key), Ok(s)));
            }
        }
        if state.budget.wipe > 0 && (secret.journal.is_some() || secret.history != Default::default()) {
            let mut s = *state;
            s.budget.wipe -= 1;
            s.wiped = true;
            let secret = s.secrets[at].as_mut().unwrap();
            secret.journal = None;
            secret.history = Default::default();
            s.changed(at);
            next.push((Action::Wipe(at), Ok(s)));
        }
        if state.budget.remove > 0 {
            let mut s = *state;
            s.budget.remove -= 1;
            s.wiped = true;
            s.secrets[at] = None;
            s.changed(at);
            next.push((Action::Remove(at), Ok(s)));
        }
        if state.budget.copy > 0
            && reach(secret.holds)
            && let Some(to) = (0..config.most_secrets).find(|to| state.secrets[*to].is_none())
        {
            let mut s = *state;
            s.budget.copy -= 1;
            // Its records name the other Secret's uid: they are void.
            s.secrets[to] = Some(Secret {
                holds: secret.holds,
                journal: None,
                history: Default::default(),
            });
            next.push((Action::Copy(at, to), Ok(s)));
        }
    }
    if state.budget.foreign > 0 && !(config.limit && state.existing().len() >= 2) {
        let mut s = *state;
        s.budget.foreign -= 1;
        s.add_key(Origin::Foreign, false);
        next.push((Action::Foreign, Ok(s)));
    }
    // With `--foreign-keys delete-inactive` strangers' keys of both kinds have to occur.
    if state.budget.foreign > 0 && config.policy.foreign_keys == ForeignKeys::DeleteInactive {
        let strangers = state.keys_where(|key| is_foreign(key.origin)).and(state.active());
        for key in strangers.iter() {
            let mut s = *state;
            s.budget.foreign -= 1;
            s.remember_listing();
            s.key_mut(key).status = Status::Inactive;
            next.push((Action::ForeignRests(key), Ok(s)));
        }
    }
}

/// Keys that are being taken away: a run has looked and is about to do it, or its request is under way. Who puts such a key
/// back loses it; no protocol over two servers can prevent that, so it is no case of P1.
fn condemned(state: &State, config: &Config) -> Keys {
    let about_to = (0..RUNS).filter_map(|r| match decided(state, r, config)? {
        Step::Delete(key) | Step::Deactivate(key) => Some(key),
        _ => None,
    });
    about_to.fold(state.deleting.or(state.deactivating), Keys::with)
}
