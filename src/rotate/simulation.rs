//! Many users on made-up time: the real schedule, the real pace of probes, the real budget and rate of requests and the real
//! decisions, with requests that take a fixed time and keys that are accepted ten seconds after they were made.

use std::ops::Range;
use std::time::Duration;

use super::protocol::{
    self, Claim, For, Holds, Key, Keys, Listing, Lock, Memory, Observation, Outcome, Policy, Seen, Step, Who,
};
use super::rotation::pace::Pace;
use super::rotation::slot::{self, Held};
use super::schedule::{Schedule, Turn};
use super::{CREATES, PROBES, SETTLES};
use crate::cli::{ForeignKeys, Retire};
use crate::retry::{self, Price, Traffic};

/// How long a request takes.
const REQUEST: Duration = Duration::from_millis(50);
/// How long after its creation a key is accepted.
const PROPAGATION: Duration = Duration::from_secs(10);
const WORKERS: usize = 8;
/// How old a listing may be when a lock is taken.
const FRESH: Duration = Duration::from_secs(30);
/// A third of the lock timeout.
const THIRD: Duration = Duration::from_secs(30);

const OLD: Key = Key(0);
const NEW: Key = Key(1);

/// One user with one Secret, whose servers do what they are asked.
struct User {
    secret: Seen,
    memory: Memory,
    identity: Option<Who>,
    pace: Pace,
    slot: Held,
    created: Duration,
    keys: Keys,
    requests: u32,
    attempts: u32,
    /// When it was locked, and for how long it was at the most without being renewed.
    renewed: Duration,
    longest: Duration,
    listed: Duration,
}

/// AWS, as far as it counts requests: it admits so many in a second, and at first some more.
struct Aws {
    per_second: f64,
    /// What it would admit at once, at that time.
    left: f64,
    at: Duration,
    /// When it refuses everything.
    closed: Range<Duration>,
    admitted: u32,
    refused: u32,
    traffic: Traffic,
    random: u32,
}

impl Aws {
    fn admitting(per_second: f64, burst: f64) -> Aws {
        Aws {
            per_second,
            left: burst,
            at: Duration::ZERO,
            closed: Duration::ZERO..Duration::ZERO,
            admitted: 0,
            refused: 0,
            traffic: Traffic::new("AWS"),
            random: 1,
        }
    }

    /// Whether it carries out so many requests that were sent at that time.
    fn admits(&mut self, sent: Duration, answered: Duration, requests: u32) -> bool {
        let earned = self.per_second * sent.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + earned).min(self.per_second.max(10.0));
        self.at = self.at.max(sent);
        for _ in 0..requests {
            if self.left < 1.0 || self.closed.contains(&sent) {
                self.refused += 1;
                self.traffic.throttled(sent, answered, None);
                return false;
            }
            self.left -= 1.0;
            self.admitted += 1;
            self.traffic.admitted(answered);
            self.traffic.succeeded();
        }
        true
    }

    fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random
    }
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
            slot: Held::default(),
            created: Duration::ZERO,
            keys: Keys::NONE.with(OLD),
            requests: 0,
            attempts: 0,
            renewed: Duration::ZERO,
            longest: Duration::ZERO,
            listed: Duration::ZERO,
        }
    }

    /// Goes on from `now` until a request was answered: until when it waits, or that it has ended, and what the time is then.
    fn proceed(&mut self, policy: &Policy, aws: &mut Aws, mut now: Duration) -> (Option<Duration>, Duration) {
        loop {
            let mine = self.secret.lock == Lock::Mine;
            if now > self.listed + FRESH && self.memory.known.is_none() {
                self.memory.listing = None;
            }
            self.secret.aged = mine && now > self.renewed + THIRD;
            let seen = Observation {
                secrets: &[self.secret],
                memory: &self.memory,
                elsewhere: false,
                due: true,
                identity: self.identity,
                window_open: false,
                probe_due: self.pace.is_due(now) && self.slot.until() <= now,
                stopping: false,
            };
            let step = protocol::decide(&seen, policy);
            let (claim, opens) = (protocol::claim(&seen, policy), protocol::opens_window(&seen, policy));
            match step {
                Step::Wait(For::Probe) => {
                    let renewal = self.renewed + THIRD + Duration::from_millis(1);
                    return (Some(self.pace.when().max(self.slot.until()).min(renewal)), now);
                }
                Step::Finish(outcome) => {
                    assert_eq!(outcome, Outcome::Rotated);
                    return (None, now);
                }
                _ => {}
            }
            let sent = now;
            let to_aws = slot::requests_to_aws(step);
            if to_aws > 0 {
                let (traffic, rank) = (&aws.traffic, slot::rank(mine, &self.memory));
                match self.slot.back(now, |held| traffic.reserve(now, to_aws, rank, held)) {
                    None => {}
                    Some(_) if matches!(step, Step::Probe(_)) => continue,
                    Some(until) => {
                        if matches!(step, Step::Delete(_)) {
                            self.memory.deletion_unknown();
                        }
                        return (Some(until), now);
                    }
                }
            }
            now += REQUEST * to_aws.max(1);
            if mine {
                self.longest = self.longest.max(now - self.renewed);
            }
            self.requests += to_aws.max(1);
            if to_aws > 0 && !aws.admits(sent, now, to_aws) {
                if let Step::Probe(key) = step {
                    self.memory.tried(key, false, 0);
                    assert!(!self.pace.refused(now));
                    continue;
                }
                self.attempts += 1;
                let pause = retry::pause(None, self.attempts, aws.random()).expect("not so often in a row");
                assert!(aws.traffic.may_repeat(Price::Failure, &"throttled"));
                return (Some(now + pause), now);
            }
            if self.attempts > 0 {
                aws.traffic.helped(Price::Failure);
                self.attempts = 0;
            }
            match step {
                Step::ListKeys => {
                    self.listed = sent;
                    self.memory.listed(Listing {
                        keys: self.keys,
                        active: self.keys,
                        dated: Keys::NONE,
                        after_window: true,
                        under_lock: self.secret.lock == Lock::Mine,
                    });
                }
                Step::Identify => self.identity = Some(Who::User),
                Step::Lock(_) => {
                    self.memory.taking(claim.known, claim.made, false, false);
                    self.lock(claim, opens, sent);
                }
                Step::Record(_) => self.lock(claim, opens, sent),
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
            return (Some(now), now);
        }
    }

    fn lock(&mut self, claim: Claim, opens: bool, sent: Duration) {
        self.renewed = sent;
        self.secret.lock = Lock::Mine;
        self.secret.claim = claim;
        self.secret.windowed = opens;
        self.memory.wrote();
    }
}

/// How a simulation ended.
struct End {
    /// When all users were done.
    at: Duration,
    /// How many requests one of them took.
    requests: u32,
    /// For how long a lock was not renewed, at the most.
    longest: Duration,
}

/// Takes so many users to their end.
fn finish(users: usize, aws: &mut Aws) -> End {
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
    let mut left = users;
    let mut end = End {
        at: Duration::ZERO,
        requests: 0,
        longest: Duration::ZERO,
    };
    while left > 0 {
        // The worker that is free first takes its turn.
        let worker = (0..WORKERS).min_by_key(|&worker| clocks[worker]).expect("workers");
        let now = clocks[worker];
        match schedule.turn(now) {
            Turn::Do(mut user) => {
                let (until, then) = user.proceed(&policy, aws, now);
                clocks[worker] = then;
                match until {
                    Some(until) => schedule.wait(until, user),
                    None => {
                        left -= 1;
                        end.requests = user.requests;
                        end.at = end.at.max(then);
                        end.longest = end.longest.max(user.longest);
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
    end
}

#[test]
fn three_hundred_users_take_the_time_of_one_and_of_their_requests() {
    let mut unlimited = Aws::admitting(f64::INFINITY, f64::INFINITY);
    let End { at: one, requests, .. } = finish(1, &mut unlimited);
    let End { at: all, .. } = finish(300, &mut unlimited);
    assert_eq!(unlimited.refused, 0);
    let sending = REQUEST * requests * 300 / WORKERS as u32;
    assert_eq!(requests, 23, "requests of one rotation whose key takes ten seconds");
    assert!(
        all <= one + sending,
        "{all:?} for 300 users, {one:?} for one, {sending:?} of requests"
    );
    // Waiting is what could have been shared, and was: one after the other they would take an hour and a quarter.
    assert!(one * 300 > all * 10, "{all:?}, {one:?}");
}

/// AWS admits few requests a second. All of them are used, few are sent in vain, nobody is given up, and nobody who holds a
/// lock waits so long that it runs out.
#[test]
fn throttled_users_share_what_aws_admits_and_all_of_them_finish() {
    for (users, per_second) in [(8, 2.0), (20, 5.0), (300, 5.0), (300, 20.0)] {
        let mut aws = Aws::admitting(per_second, 2.0 * per_second);
        let one = finish(1, &mut Aws::admitting(f64::INFINITY, f64::INFINITY));
        let all = finish(users, &mut aws);
        let least = Duration::from_secs_f64(f64::from(aws.admitted) / per_second);
        let told = format!(
            "{users} users at {per_second}: {:?} for {} requests, {} refused, a lock of {:?}",
            all.at, aws.admitted, aws.refused, all.longest
        );
        // Each worker may have one under way when the first is refused, and again some time later.
        assert!(aws.refused <= 2 * WORKERS as u32 + aws.admitted / 25, "{told}");
        assert!(all.at <= one.at + least.mul_f64(1.1), "{told}");
        assert!(all.longest < 3 * THIRD, "{told}");
    }
}

/// A moment at the beginning in which AWS refuses everything; after it there is room for all.
#[test]
fn a_throttled_moment_does_not_slow_down_the_rest_of_the_run() {
    let free = finish(1_000, &mut Aws::admitting(f64::INFINITY, f64::INFINITY));
    let mut aws = Aws::admitting(f64::INFINITY, f64::INFINITY);
    aws.closed = Duration::ZERO..Duration::from_millis(200);
    let all = finish(1_000, &mut aws);
    assert!(aws.refused > 0);
    assert!(
        all.at < free.at + Duration::from_secs(40),
        "{:?} and {:?}",
        free.at,
        all.at
    );
}
