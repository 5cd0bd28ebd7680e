//! The threads that carry out the steps: few, and no more than there are users.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::protocol::Outcome;
use super::rotation::{Doing, Progress, Rotation, Stop};
use super::schedule::{Schedule, Turn};
use super::{Servers, Verdict};
use crate::aws::AccessKeyId;

/// How many requests are in flight at once.
const MOST_WORKERS: usize = 8;

/// How soon a signal is noticed.
const SLICE: Duration = Duration::from_millis(100);

/// How long a step in hand may take once the run is to end. The kubelet gives a pod 30 seconds.
const LAST_STEPS: Duration = Duration::from_secs(20);

/// What became of a group.
#[derive(Debug)]
pub(super) enum Ended {
    /// It came to its end, and the log says which.
    Told(Verdict),
    /// The run ended while it was under way.
    Abandoned {
        /// Its Secrets.
        names: String,
        /// How many they are.
        count: usize,
        /// The step that was in hand.
        doing: &'static str,
    },
}

struct State {
    schedule: Schedule<(usize, Rotation)>,
    /// Those that a thread has in hand.
    busy: BTreeMap<usize, (String, usize, Doing)>,
    surveyed: Vec<(usize, Rotation)>,
    ended: Vec<(usize, Rotation, Outcome)>,
    survey: bool,
    over: bool,
}

struct Shared {
    servers: Arc<Servers>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Takes every group to its end. First of all the keys of each are listed, so that groups of the same user are found and put
/// together; then each is rotated.
pub(super) fn drive(
    servers: &Arc<Servers>,
    rotations: Vec<Rotation>,
    tell: &dyn Fn(&mut Rotation, Outcome) -> Verdict,
) -> Vec<Ended> {
    let workers = rotations.len().min(MOST_WORKERS);
    let survey = rotations.len() > 1;
    let shared = Arc::new(Shared {
        servers: Arc::clone(servers),
        state: Mutex::new(State {
            schedule: Schedule::new(rotations.into_iter().enumerate()),
            busy: BTreeMap::new(),
            surveyed: Vec::new(),
            ended: Vec::new(),
            survey,
            over: false,
        }),
        changed: Condvar::new(),
    });
    for _ in 0..workers {
        let shared = Arc::clone(&shared);
        thread::spawn(move || shared.work());
    }
    let mut all = Vec::new();
    let mut last = None;
    let mut state = shared.lock();
    loop {
        let now = servers.now();
        if last.is_none() && matches!(servers.stop(now), Some(Stop::Signal | Stop::Deadline)) {
            last = Some(now + LAST_STEPS);
            state.schedule.hurry();
            shared.changed.notify_all();
        }
        // A survey's failures wait for its end: another user's list may show whose Secrets they are.
        if !state.survey {
            let mut ended = mem::take(&mut state.ended);
            ended.sort_by_key(|(at, _, _)| *at);
            drop(state);
            for (_, mut rotation, outcome) in ended {
                all.push(Ended::Told(tell(&mut rotation, outcome)));
            }
            state = shared.lock();
        }
        let idle = state.busy.is_empty() && matches!(state.schedule.peek(), Turn::Nothing);
        if idle && state.survey {
            state.survey = false;
            let (merged, failed) = merge(mem::take(&mut state.surveyed), mem::take(&mut state.ended));
            state.ended = failed;
            state.schedule = Schedule::new(merged);
            shared.changed.notify_all();
            continue;
        }
        if idle && state.ended.is_empty() {
            break;
        }
        if last.is_some_and(|last| now >= last) {
            break;
        }
        if state.ended.is_empty() || state.survey {
            state = shared.wait(state, SLICE);
        }
    }
    state.over = true;
    shared.changed.notify_all();
    for (names, count, doing) in state.busy.values() {
        all.push(Ended::Abandoned {
            names: names.clone(),
            count: *count,
            doing: doing.what(),
        });
    }
    let (ended, mut waiting) = (mem::take(&mut state.ended), mem::take(&mut state.surveyed));
    waiting.extend(state.schedule.drain());
    drop(state);
    for (_, mut rotation, outcome) in ended {
        all.push(Ended::Told(tell(&mut rotation, outcome)));
    }
    all.extend(waiting.into_iter().map(|(_, rotation)| Ended::Abandoned {
        names: rotation.names(),
        count: rotation.members.len(),
        doing: "waiting for its turn",
    }));
    all
}

impl Shared {
    /// A thread that panicked has lost the rotation that it had in hand and nothing else.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn work(&self) {
        let mut state = self.lock();
        while !state.over {
            let now = self.servers.now();
            let (at, mut rotation) = match state.schedule.turn(now) {
                Turn::Do(work) => work,
                Turn::Wait(until) => {
                    state = self.wait(state, until.saturating_sub(now).min(Duration::from_secs(3600)));
                    continue;
                }
                Turn::Nothing => {
                    state = self.wait(state, Duration::from_secs(3600));
                    continue;
                }
            };
            let survey = state.survey;
            state
                .busy
                .insert(at, (rotation.names(), rotation.members.len(), rotation.doing.clone()));
            drop(state);
            let progress = rotation.proceed(&self.servers, survey);
            state = self.lock();
            state.busy.remove(&at);
            match progress {
                Progress::Wait(until) => {
                    // Nothing is waited for once the run is to end.
                    let stopping = self.servers.stop(self.servers.now()).is_some();
                    state
                        .schedule
                        .wait(if stopping { Duration::ZERO } else { until }, (at, rotation));
                }
                Progress::Surveyed => state.surveyed.push((at, rotation)),
                Progress::Ended(outcome) => state.ended.push((at, rotation, outcome)),
            }
            self.changed.notify_all();
        }
    }
}

type Numbered = Vec<(usize, Rotation)>;
type Failed = Vec<(usize, Rotation, Outcome)>;

/// Puts groups of the same user together: one's list has the other's key. That the other could not list them itself does not
/// matter then.
fn merge(mut surveyed: Numbered, failed: Failed) -> (Numbered, Failed) {
    surveyed.sort_by_key(|(at, _)| *at);
    let mut merged: Vec<(usize, Rotation, BTreeSet<AccessKeyId>)> = Vec::new();
    for (at, rotation) in surveyed {
        let listed: BTreeSet<AccessKeyId> = rotation.listed_ids();
        match merged.iter_mut().find(|(_, _, ids)| ids.contains(&rotation.first.id)) {
            Some((_, first, ids)) => {
                first.absorb(rotation);
                ids.extend(listed);
            }
            None => merged.push((at, rotation, listed)),
        }
    }
    let mut left = Vec::new();
    for (at, rotation, outcome) in failed {
        match merged.iter_mut().find(|(_, _, ids)| ids.contains(&rotation.first.id)) {
            Some((_, first, _)) => first.absorb(rotation),
            None => left.push((at, rotation, outcome)),
        }
    }
    (
        merged.into_iter().map(|(at, rotation, _)| (at, rotation)).collect(),
        left,
    )
}
