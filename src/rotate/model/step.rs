//! What may happen next: every step of every run with every fate that its request may have, and what others do.

use super::run::{begin, crash, finish, list, look, may_be_listed, probe, protect, read, with_run};
use super::state::{Run, SECRETS, Spread, State, Status};
use super::{Config, Violation, iam, others, secrets, world};
use crate::rotate::protocol::{self, For, Key, Memory, Observation, Outcome, Step, Who};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Done and answered.
    Done,
    /// Refused for good.
    Refused,
    /// It never arrived, and that is not known.
    LostBefore,
    /// It was carried out, and the answer was lost.
    LostAfter,
    /// No answer came, and it may be carried out at any later time.
    Late,
    /// The answer is an old one.
    Stale,
}

/// What may happen. Runs are named by the place that they have in the state before; it is another one after most actions,
/// since runs are kept in an order of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A run begins: it has read all Secrets.
    Begin(usize),
    /// A run does a step.
    Run(usize, Step, Fate),
    /// The time is over in which a key had to be accepted.
    GiveUp(usize, Key),
    /// What depends on a replaced key cannot follow: the run keeps the key.
    Keep(usize, Key),
    /// A run dies.
    Crash(usize),
    /// A run is told to stop.
    Stop(usize),
    /// The journal on this Secret grows older.
    Ages(usize),
    /// A run's journal on this Secret is not there any more, and would have grown old by the run's own clock.
    Seems(usize, usize),
    /// A create's window is over.
    WindowOver(usize),
    /// A create that got no answer is carried out.
    CreateLands(usize),
    /// A deletion that got no answer is.
    DeleteLands(Key),
    /// A deactivation that got no answer is.
    DeactivateLands(Key),
    /// A write to this Secret that got no answer is.
    WriteLands(usize),
    /// Somebody changes something in this Secret that is no concern of ours.
    Touch(usize),
    /// Somebody puts a key that works into this Secret.
    PutBack(usize, Key),
    /// Somebody removes the annotations.
    Wipe(usize),
    /// Somebody deletes the Secret.
    Remove(usize),
    /// Somebody copies the first Secret to the second.
    Copy(usize, usize),
    /// Somebody makes a key of the user.
    Foreign,
    /// Its owner deactivates it.
    ForeignRests(Key),
    /// A second is over: the dates of keys made now are later ones.
    NextSecond,
    /// The knowledge of a new key has spread this far.
    Spreads(Key, Spread),
    /// Replaced keys may not stay any longer.
    GraceOver,
}

/// An action, and the state after it or the promise that it breaks.
pub(super) type Next = (Action, Result<State, Violation>);

/// What a run is shown.
pub(super) fn observation<'a>(run: &'a Run, state: &State) -> Observation<'a> {
    Observation {
        secrets: &run.seen,
        memory: &run.memory,
        elsewhere: false,
        due: run.due,
        identity: Some(Who::User),
        window_open: state.open & run.unresolved != 0,
        probe_due: true,
        stopping: run.stopping,
    }
}

/// The step that a run decides on. `None` when there is no such run.
pub(super) fn decided(state: &State, r: usize, config: &Config) -> Option<Step> {
    let run = state.runs[r].as_ref()?;
    Some(protocol::decide(&observation(run, state), &config.policy))
}

/// All that may happen in this state.
pub(super) fn successors(state: &State, config: &Config) -> Vec<Next> {
    let mut next: Vec<Next> = Vec::with_capacity(24);
    for r in 0..config.runs {
        match &state.runs[r] {
            // Any free place will do.
            None if state.budget.runs > 0 && state.runs[..r].iter().all(Option::is_some) => {
                let mut s = *state;
                s.budget.runs -= 1;
                s.runs[r] = Some(begin(&s, r, config));
                next.push((Action::Begin(r), Ok(s)));
            }
            None => {}
            Some(run) => {
                run_steps(state, config, r, &mut next);
                dependents(state, config, r, &mut next);
                if state.budget.crash > 0 {
                    let mut s = *state;
                    s.budget.crash -= 1;
                    crash(&mut s, r);
                    next.push((Action::Crash(r), Ok(s)));
                }
                if state.budget.stop > 0 && !run.stopping {
                    let mut s = *state;
                    s.budget.stop -= 1;
                    s.runs[r].as_mut().unwrap().stopping = true;
                    next.push((Action::Stop(r), Ok(s)));
                }
            }
        }
    }
    world::time(state, &mut next);
    world::landings(state, config, &mut next);
    others::others(state, config, &mut next);
    next
}

fn run_steps(state: &State, config: &Config, r: usize, next: &mut Vec<Next>) {
    let run = state.runs[r].as_ref().expect("a run that is alive");
    let step = protocol::decide(&observation(run, state), &config.policy);
    let mut push = |fate, result: Option<Result<State, Violation>>| {
        if let Some(result) = result {
            next.push((Action::Run(r, step, fate), result));
        }
    };
    if config.truthful
        && let Some(Outcome::NotListed(at)) = end_of(state, r, step)
        && run.seen[at].key().is_some_and(|key| state.active().has(key))
    {
        return push(Fate::Done, Some(Err(Violation::Untrue)));
    }
    match step {
        Step::Finish(_) => push(Fate::Done, Some(Ok(finish(state, r)))),
        Step::Wait(For::Window) | Step::Wait(For::Probe) => {}
        Step::Identify => unreachable!("the model's runs know whose key it is"),
        Step::Settle => push(Fate::Done, Some(Ok(with_run(state, r, |run| run.memory.settle())))),
        Step::Reread(at) => {
            let mut s = *state;
            let mut run = *run;
            read(state, config, r, &mut run, at);
            if run.memory.starts_over(&run.seen) {
                run.memory = Memory::default();
                run.unresolved = 0;
                run.own = None;
            }
            s.runs[r] = Some(run);
            push(Fate::Done, Some(Ok(s)));
        }
        Step::Look => push(Fate::Done, Some(Ok(look(state, config, r)))),
        Step::ListKeys => {
            push(Fate::Done, Some(Ok(list(state, r, None))));
            if let Some(before) = state
                .before
                .filter(|before| state.budget.stale > 0 && may_be_listed(state, *before))
            {
                let mut s = list(state, r, Some(before));
                s.budget.stale -= 1;
                push(Fate::Stale, Some(Ok(s)));
            }
        }
        Step::Probe(key) => probe(state, config, r, key, next),
        Step::Create => {
            for fate in fates(state) {
                push(fate, iam::create(state, config, r, fate));
            }
        }
        Step::Delete(key) | Step::Deactivate(key) => {
            for fate in fates(state) {
                push(fate, iam::remove(state, config, r, step, key, fate));
            }
        }
        Step::Lock(at) | Step::Record(at) | Step::Publish(at, _) | Step::Clear(at, _) | Step::Release(at, _) => {
            for fate in fates(state) {
                push(fate, secrets::write(state, config, r, step, at, fate));
            }
        }
    }
}

/// A replaced key is about to go, and something depends on it: that cannot follow, or not yet. While a run waits for it, it
/// renews its journals.
fn dependents(state: &State, config: &Config, r: usize, next: &mut Vec<Next>) {
    let run = state.runs[r].as_ref().expect("a run that is alive");
    let seen = observation(run, state);
    if state.budget.keep == 0 {
        return;
    }
    let Some(key) = protocol::goes_next(&seen, &config.policy) else {
        return;
    };
    let mut s = with_run(state, r, |run| {
        run.kept = run.kept.with(key);
        (0..SECRETS).for_each(|at| protect(run, at));
    });
    s.budget.keep -= 1;
    next.push((Action::Keep(r, key), Ok(s)));
    if let Some(at) = run.seen.iter().position(|seen| seen.aged && !seen.refused) {
        for fate in fates(state) {
            if let Some(result) = secrets::write(state, config, r, Step::Record(at), at, fate) {
                next.push((Action::Run(r, Step::Record(at), fate), result));
            }
        }
    }
}

/// The end that this step begins, if it does.
pub(super) fn end_of(state: &State, r: usize, step: Step) -> Option<Outcome> {
    let begun = state.runs[r].as_ref()?.memory.ending.is_some();
    match step {
        Step::Clear(_, outcome) | Step::Release(_, outcome) | Step::Finish(outcome) if !begun => Some(outcome),
        _ => None,
    }
}

/// What may become of a request that changes something.
fn fates(state: &State) -> impl Iterator<Item = Fate> {
    let budget = state.budget;
    let all = [
        (Fate::Done, true),
        (Fate::Refused, budget.refuse > 0),
        (Fate::LostBefore, budget.lose > 0),
        (Fate::LostAfter, budget.lose > 0),
        (Fate::Late, budget.late > 0),
    ];
    all.into_iter().filter(|(_, possible)| *possible).map(|(fate, _)| fate)
}

/// A fault is taken off the budget.
pub(super) fn spend(state: &mut State, fate: Fate) {
    match fate {
        Fate::Done | Fate::Stale => {}
        Fate::Refused => state.budget.refuse -= 1,
        Fate::LostBefore | Fate::LostAfter => state.budget.lose -= 1,
        Fate::Late => state.budget.late -= 1,
    }
}

/// The one step of this run, carried out without a fault. A key that is gone is given up once its time is over.
pub(super) fn without_fault(state: &State, config: &Config, r: usize) -> Option<Result<State, Violation>> {
    let mut next = Vec::with_capacity(8);
    run_steps(state, config, r, &mut next);
    let hopeless = |key: Key| state.key(key).status != Status::Active;
    let chosen = |action: &Action| match action {
        Action::Run(_, Step::Probe(key), Fate::Done) => !hopeless(*key),
        Action::GiveUp(_, key) => hopeless(*key),
        Action::Run(_, _, fate) => *fate == Fate::Done,
        _ => false,
    };
    next.into_iter()
        .find(|(action, _)| chosen(action))
        .map(|(_, result)| result)
}
