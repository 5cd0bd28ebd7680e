//! All reachable states, breadth first, so that the first trace to a violation is a shortest one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::fingerprint::{ByFingerprint, fingerprint};
use super::settle::Settled;
use super::sometimes::Events;
use super::state::{Budget, State};
use super::step::{self, Action};
use super::{Config, Violation};

/// What an exploration has found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// The first violation, and a shortest way there.
    pub(super) violation: Option<(Violation, Vec<Action>)>,
    /// What happened in it.
    pub(super) events: Events,
    /// The least that was left of each budget in any state.
    pub(super) least: Budget,
}

/// Each state that was reached, with the one before it on a shortest way there.
type Reached = HashMap<u128, u128, ByFingerprint>;

/// Looks at every reachable state, or at `most`; ends at the first violation.
pub(super) fn explore(config: &Config, most: usize) -> Found {
    let start = config.initial().canonical();
    let mut reached = Reached::default();
    let mut frontier = vec![start];
    let mut settled = Settled::default();
    let mut found = Found {
        states: 0,
        transitions: 0,
        violation: None,
        events: Events::default(),
        least: config.budget,
    };
    reached.insert(fingerprint(&start), 0);
    while !frontier.is_empty() && found.states < most {
        let mut next = Vec::new();
        for state in &frontier {
            found.states += 1;
            found.least = found.least.least(&state.budget);
            let here = fingerprint(state);
            if config.progress
                && let Err(violation) = settled.from(state, config)
            {
                found.violation = Some((violation, trace(config, &reached, here)));
                return found;
            }
            for (action, result) in step::successors(state, config) {
                found.transitions += 1;
                found.events.note(state, action, config);
                let state = match result {
                    Ok(state) => state.canonical(),
                    Err(violation) => {
                        let mut actions = trace(config, &reached, here);
                        actions.push(action);
                        found.violation = Some((violation, actions));
                        return found;
                    }
                };
                if let Entry::Vacant(entry) = reached.entry(fingerprint(&state)) {
                    entry.insert(here);
                    next.push(state);
                }
            }
        }
        frontier = next;
    }
    found
}

/// The actions that lead to a state: the way back to the start, walked again.
fn trace(config: &Config, reached: &Reached, to: u128) -> Vec<Action> {
    let mut way: Vec<u128> =
        std::iter::successors(Some(to), |at| reached.get(at).copied().filter(|at| *at != 0)).collect();
    way.reverse();
    let mut state = config.initial().canonical();
    let mut actions = Vec::new();
    for at in &way[1..] {
        let there =
            |result: Result<State, Violation>| result.ok().map(State::canonical).filter(|s| fingerprint(s) == *at);
        let mut next = step::successors(&state, config).into_iter();
        let (action, next) = next
            .find_map(|(action, result)| there(result).map(|state| (action, state)))
            .expect("a step that was taken before");
        actions.push(action);
        state = next;
    }
    actions
}
