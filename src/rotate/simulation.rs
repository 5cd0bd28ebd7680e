//! Many users on made-up time: the real schedule, the real pace of probes and the real decisions, with requests that take a
//! fixed time and keys that are accepted ten seconds after they were made.

use std::time::Duration;

use super::protocol::{
    self, Claim, For, Holds, Key, Keys, Listing, Lock, Memory, Observation, Outcome, Policy, Seen, Step, Who,
};
use super::rotation::pace::Pace;
use super::schedule::{Schedule, Turn};
use super::{CREATES, PROBES, SETTLES};
use crate::cli::{ForeignKeys, Retire};

/// How long a request takes.
const REQUEST: Duration = Duration::from_millis(50);
/// How long after its creation a key is accepted.
const PROPAGATION: Duration = Duration::from_secs(10);
const WORKERS: usize = 8;

const OLD: Key = Key(0);
const NEW: Key = Key(1);

/// One user with one Secret, whose servers do what they are asked.
struct User {
    secret: Seen,
    memory: Memory,
    identity: Option<Who>,
    pace: Pace,
    created: Duration,
    keys: Keys,
    requests: u32,
}

impl User {
    fn new() -> User {
        User {
            secret: Seen {
                holds: Holds::Pair(OLD),
                ..Seen::unknown(false, false)
            },
            memory: Memory::default(),
            identity: None,
            pace: Pace::default(),
            created: Duration::ZERO,
            keys: Keys::NONE.with(OLD),
            requests: 0,
        }
    }

    /// Goes on from `now`: until when it waits, or that it has ended, and what the time is then.
    fn proceed(&mut self, policy: &Policy, mut now: Duration) -> (Option<Duration>, Duration) {
        loop {
            let seen = Observation {
                secrets: &[self.secret],
                memory: &self.memory,
                elsewhere: false,
                due: true,
                identity: self.identity,
                window_open: false,
                probe_due: self.pace.is_due(now),
                stopping: false,
            };
            let step = protocol::decide(&seen, policy);
            let (claim, opens) = (protocol::claim(&seen, policy), protocol::opens_window(&seen, policy));
            match step {
                Step::Wait(For::Probe) => return (Some(self.pace.when()), now),
                Step::Finish(outcome) => {
                    assert_eq!(outcome, Outcome::Rotated);
                    return (None, now);
                }
                _ => {}
            }
            let requests = if matches!(step, Step::Probe(_)) { 2 } else { 1 };
            now += REQUEST * requests;
            self.requests += requests;
            match step {
                Step::ListKeys => self.memory.listed(Listing {
                    keys: self.keys,
                    active: self.keys,
                    dated: Keys::NONE,
                    after_window: true,
                    under_lock: self.secret.lock == Lock::Mine,
                }),
                Step::Identify => self.identity = Some(Who::User),
                Step::Lock(_) => {
                    self.memory.taking(claim.known, claim.made, false, false);
                    self.lock(claim, opens);
                }
                Step::Record(_) => self.lock(claim, opens),
                Step::Create => {
                    self.memory.creating();
                    self.memory.created(NEW);
                    self.keys = self.keys.with(NEW);
                    self.created = now;
                    self.pace = Pace::new(now, Duration::from_secs(120));
                }
                Step::Probe(key) => {
                    let accepted = now >= self.created + PROPAGATION;
                    self.memory.tried(key, accepted, policy.probes);
                    if accepted {
                        self.pace.accepted(now);
                    } else {
                        assert!(!self.pace.refused(now));
                    }
                }
                Step::Publish(_, key) => {
                    self.secret.holds = Holds::Pair(key);
                    self.secret.sent = true;
                    self.secret.history.replaced = Keys::NONE.with(OLD).with(NEW);
                }
                Step::Look => self.memory.looked(false),
                Step::Delete(key) => {
                    self.keys = self.keys.without(key);
                    self.memory.deleted(key);
                }
                Step::Clear(_, outcome) => {
                    self.memory.ending = Some(outcome);
                    self.secret.lock = Lock::Free;
                }
                other => panic!("an ordinary rotation does not {other:?}"),
            }
        }
    }

    fn lock(&mut self, claim: Claim, opens: bool) {
        self.secret.lock = Lock::Mine;
        self.secret.claim = claim;
        self.secret.windowed = opens;
        self.memory.wrote();
    }
}

/// When so many users are done, and how many requests one of them took.
fn finish(users: usize) -> (Duration, u32) {
    let policy = Policy {
        probes: PROBES,
        settles: SETTLES,
        creates: CREATES,
        retire: Retire::Delete,
        foreign_keys: ForeignKeys::Refuse,
        without: None,
    };
    let mut schedule = Schedule::new((0..users).map(|_| User::new()));
    let mut clocks = [Duration::ZERO; WORKERS];
    let (mut left, mut requests) = (users, 0);
    let mut end = Duration::ZERO;
    while left > 0 {
        // The worker that is free first takes its turn.
        let worker = (0..WORKERS).min_by_key(|&worker| clocks[worker]).expect("workers");
        let now = clocks[worker];
        match schedule.turn(now) {
            Turn::Do(mut user) => {
                let (until, then) = user.proceed(&policy, now);
                clocks[worker] = then;
                match until {
                    Some(until) => schedule.wait(until, user),
                    None => {
                        left -= 1;
                        requests = user.requests;
                        end = end.max(then);
                        assert_eq!(user.keys, Keys::NONE.with(NEW));
                    }
                }
            }
            Turn::Wait(until) => clocks[worker] = until,
            // The others have the rest in hand.
            Turn::Nothing => {
                clocks[worker] = *clocks
                    .iter()
                    .filter(|clock| **clock > now)
                    .min()
                    .expect("a worker at work")
            }
        }
    }
    (end, requests)
}

#[test]
fn three_hundred_users_take_the_time_of_one_and_of_their_requests() {
    let (one, requests) = finish(1);
    let (all, _) = finish(300);
    let sending = REQUEST * requests * 300 / WORKERS as u32;
    assert_eq!(requests, 23, "requests of one rotation whose key takes ten seconds");
    assert!(
        all <= one + sending,
        "{all:?} for 300 users, {one:?} for one, {sending:?} of requests"
    );
    // Waiting is what could have been shared, and was: one after the other they would take an hour and a quarter.
    assert!(one * 300 > all * 10, "{all:?}, {one:?}");
}
