//! One user's rotation under way: it observes, asks [`decide`](protocol::decide), carries out one step, and observes again.

mod at_aws;
mod following;
mod journalling;
pub(super) mod keys;
pub(super) mod member;
pub(super) mod pace;
mod reading;
pub(super) mod slot;
mod trouble;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use self::following::Following;
use self::keys::{KeyTable, TooMany};
use self::member::{Member, View};
use self::pace::Pace;
use self::slot::Held;
use self::trouble::{Again, Trouble};
use super::Servers;
use super::group::Group;
use super::protocol::{self, For, Lock, Memory, Observation, Outcome, Seen, Step, Who};
use super::record::Window;
use crate::aws::sts::Identity;
use crate::aws::{AccessKeyId, KeyPair, Region};
use crate::kube::Key;
use crate::retry;

/// More steps than any rotation takes without waiting: a server, or this program, goes round in circles.
const MOST_STEPS: u32 = 1000;
/// A listing older than this is made again before a journal is written: what a stranger makes after it could pass for ours.
const FRESH: Duration = Duration::from_secs(30);
/// A create is not sent with less time than this left.
const LEAST_TIME: Duration = Duration::from_millis(200);

/// What is known of one user's rotation.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) members: Vec<Member>,
    pub(super) keys: KeyTable,
    pub(super) memory: Memory,
    pub(super) identity: Option<Identity>,
    pub(super) region: Region,
    /// The pair that the Secrets were put together by.
    pub(super) first: KeyPair,
    /// Secrets that speak of the user's keys and are not of the group.
    pub(super) elsewhere: Vec<Key>,
    /// Secrets that speak of the key which the group's records name, where the group itself holds another.
    pub(super) recorded_at: Vec<Key>,
    /// What went wrong last; the message that ends the rotation says it.
    pub(super) problem: String,
    /// Why a key could not be deleted or deactivated.
    pub(super) undeleted: String,
    /// Why it is to come to its end, when it is.
    pub(super) stop: Option<Stop>,
    /// What is being done, for whoever asks where it hangs.
    pub(super) doing: Doing,
    run: String,
    /// The Secrets as the protocol is shown them.
    shown: Vec<Seen>,
    steps: u32,
    /// Whether the keys were ever listed.
    numbered: bool,
    /// The windows of creates whose outcome is not known.
    unresolved: Vec<Window>,
    /// The window of a create to come, as the journals name it.
    own: Option<Window>,
    /// AWS's clock at the last listing, and ours when it was asked and answered.
    listed: Option<Listed>,
    pace: Pace,
    attempts: u32,
    /// The step that went wrong last, until it is carried out or another one is.
    failed: Option<Step>,
    unknown_writes: u32,
    first_failure: Duration,
    /// The step that is repeated, and what was paid for that.
    paid: Option<(Step, Again)>,
    /// When its next requests to AWS may be sent, if that was asked.
    slot: Held,
    /// Whether the Secrets were read again because AWS refused their key.
    read_again: bool,
    /// How often each key could not be deleted or deactivated.
    failed_removals: BTreeMap<protocol::Key, u32>,
    /// Pairs that AWS has refused.
    refused_signers: BTreeSet<AccessKeyId>,
    /// Secrets that a journal names and that are none of this user's.
    strangers: BTreeSet<Key>,
    following: Following,
}

/// What a rotation is doing, for another thread to see.
#[derive(Clone, Debug, Default)]
pub(super) struct Doing(Arc<Mutex<&'static str>>);

impl Doing {
    fn is(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    pub(super) fn what(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the keys were listed.
#[derive(Clone, Copy, Debug)]
struct Listed {
    date: i64,
    asked: Duration,
    answered: Duration,
}

/// Why a rotation is to come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody wants the run to stop.
    Signal,
    /// The run has taken as long as it may.
    Deadline,
    /// Something that is needed did not work.
    Failed,
}

/// How far it came.
#[derive(Debug)]
pub(super) enum Progress {
    /// It goes on at that time.
    Wait(Duration),
    /// The user's keys are listed, and that was all that was wanted.
    Surveyed,
    /// It has come to its end.
    Ended(Outcome),
}

impl Rotation {
    pub(super) fn new(group: Group, region: Region, elsewhere: Vec<Key>) -> Rotation {
        Rotation {
            members: group.members,
            keys: KeyTable::default(),
            memory: Memory::default(),
            identity: None,
            region,
            first: group.pair,
            elsewhere,
            recorded_at: Vec::new(),
            problem: String::new(),
            undeleted: String::new(),
            stop: None,
            doing: Doing::default(),
            run: retry::random_id(),
            shown: Vec::new(),
            steps: 0,
            numbered: false,
            unresolved: Vec::new(),
            own: None,
            listed: None,
            pace: Pace::default(),
            attempts: 0,
            failed: None,
            unknown_writes: 0,
            first_failure: Duration::ZERO,
            paid: None,
            slot: Held::default(),
            read_again: false,
            failed_removals: BTreeMap::new(),
            refused_signers: BTreeSet::new(),
            strangers: BTreeSet::new(),
            following: Following::default(),
        }
    }

    pub(super) fn names(&self) -> String {
        super::wording::names(self.members.iter().map(|member| &member.secret))
    }

    /// Whose key it is, as far as it is known.
    pub(super) fn owner(&self) -> String {
        self.identity
            .as_ref()
            .map_or_else(|| "its user".into(), Identity::to_string)
    }

    /// Goes on until it has to wait or has come to its end. A survey ends with the list of keys.
    pub(super) fn proceed(&mut self, servers: &Servers, survey: bool) -> Progress {
        loop {
            if survey && self.memory.listing.is_some() {
                return Progress::Surveyed;
            }
            let now = servers.now();
            if self.stop.is_none() {
                self.stop = servers.stop(now);
            }
            if let Err(TooMany) = self.observe(servers, now) {
                self.problem = "its records and IAM together name more keys than can be told apart".into();
                return Progress::Ended(Outcome::Stopped);
            }
            self.steps += 1;
            if self.steps > MOST_STEPS {
                self.problem = format!("no end after {MOST_STEPS} steps");
                return Progress::Ended(Outcome::Stopped);
            }
            let mut step = protocol::decide(&self.observation(now), &servers.policy);
            if let Some(until) = self.wait_for_dependents(step, servers, now) {
                self.doing.is("waiting for what depends on the old key");
                match self.aged() {
                    Some(at) => step = Step::Record(at),
                    None if until <= now => continue,
                    None => {
                        self.steps = 0;
                        return Progress::Wait(self.in_time_to_renew(until, servers));
                    }
                }
            }
            let trouble = match step {
                Step::Finish(outcome) => return Progress::Ended(outcome),
                Step::Wait(what) => {
                    self.steps = 0;
                    return Progress::Wait(self.wake(what, now, servers));
                }
                step => {
                    match self.hold_back(step, servers, now) {
                        None => {}
                        // The protocol knows how to wait for a probe: it renews the journals meanwhile.
                        Some(_) if matches!(step, Step::Probe(_)) => continue,
                        Some(until) => return Progress::Wait(until),
                    }
                    match self.carry_out(step, servers, now) {
                        Ok(()) => {
                            self.succeeded(step, servers);
                            continue;
                        }
                        Err(trouble) => trouble,
                    }
                }
            };
            match self.after(step, trouble, servers) {
                Some(progress) => return progress,
                None => continue,
            }
        }
    }

    fn observation(&self, now: Duration) -> Observation<'_> {
        let who = |identity: &Identity| match (identity.is_user(), identity.is_root()) {
            (true, _) => Who::User,
            (_, true) => Who::Root,
            (false, false) => Who::Other,
        };
        let aws_now = self.aws_now(now);
        Observation {
            secrets: &self.shown,
            memory: &self.memory,
            elsewhere: !self.elsewhere.is_empty() && !self.memory.begun,
            due: self.is_due(now),
            identity: self.identity.as_ref().map(who),
            window_open: !self.unresolved.iter().all(|window| window.is_over(aws_now)),
            probe_due: self.pace.is_due(now) && self.slot.until() <= now,
            stopping: self.stop.is_some(),
        }
    }

    /// Brings what the protocol is shown up to date: what the records say depends on the clocks, and on the keys' numbers.
    fn observe(&mut self, servers: &Servers, now: Duration) -> Result<(), TooMany> {
        let aws_now = self.aws_now(now);
        // What a stranger makes between the listing and the journal could pass for ours: the listing is made anew.
        let late = self.listed.is_some_and(|listed| now > listed.asked + FRESH);
        if late && self.memory.known.is_none() && self.memory.listing.is_some() && self.stop.is_none() {
            self.memory.listing = None;
        }
        self.shown.clear();
        let kept = self.kept_keys();
        for member in &mut self.members {
            let view = View {
                run: &self.run,
                user: self.identity.as_ref().map(Identity::user_id),
                holder: &servers.holder,
                lock_timeout: servers.options.lock_timeout,
                most_ahead: servers.options.lock_timeout + servers.options.request_timeout,
                server_now: servers.kube.server_time().map_or(0, |time| time.date.unix_timestamp()),
                aws_now,
            };
            member.show(&view, self.numbered.then_some(&mut self.keys))?;
            let history = &mut member.seen.history;
            history.protected = history.protected.or(kept.and(history.replaced));
            let third = servers.options.lock_timeout / 3;
            member.seen.aged =
                member.seen.lock == Lock::Mine && member.stamped.is_none_or(|stamped| now > stamped + third);
            self.shown.push(member.seen);
        }
        Ok(())
    }

    /// Whether a key is old enough to be replaced: any of the group's, since they are replaced together.
    fn is_due(&self, now: Duration) -> bool {
        let aws_now = self.aws_now(now);
        self.members.iter().any(|member| {
            let created = member.pair.as_ref().and_then(|pair| self.keys.known(&pair.id));
            let created = created
                .and_then(|key| self.keys.listed(key))
                .map(|key| key.created.unix_timestamp());
            match (member.max_age, created) {
                (None, _) | (_, None) => true,
                (Some(most), Some(created)) => aws_now.saturating_sub(created) >= seconds(most),
            }
        })
    }

    /// AWS's clock, no later than it really is: what it showed at the last listing, and what has passed since.
    fn aws_now(&self, now: Duration) -> i64 {
        match self.listed {
            Some(listed) => listed.date + seconds(now.saturating_sub(listed.answered)),
            None => OffsetDateTime::now_utc().unix_timestamp(),
        }
    }

    /// When to go on: at the time of what is waited for, and in time to renew the journals.
    fn wake(&self, what: For, now: Duration, servers: &Servers) -> Duration {
        let until = match what {
            For::Probe => self.pace.when().max(self.slot.until()),
            For::Window => {
                let last = self.unresolved.iter().map(|window| window.to).max().unwrap_or_default();
                let left = last.saturating_sub(self.aws_now(now)).saturating_add(1);
                now + Duration::from_secs(u64::try_from(left).unwrap_or(1))
            }
        };
        self.in_time_to_renew(until, servers)
    }

    /// A Secret whose journal is to be renewed, as the protocol does while it waits.
    fn aged(&self) -> Option<usize> {
        self.shown.iter().position(|seen| seen.aged && !seen.refused)
    }

    /// That time, or an earlier one at which a journal has to be renewed.
    fn in_time_to_renew(&self, until: Duration, servers: &Servers) -> Duration {
        let third = servers.options.lock_timeout / 3;
        let stamps = self
            .members
            .iter()
            .filter(|member| member.seen.lock == Lock::Mine && !member.seen.refused);
        let renewal = stamps.filter_map(|member| Some(member.stamped? + third)).min();
        // Just behind it, so that the journal counts as aged then.
        let renewal = renewal.map(|at| at + Duration::from_millis(1));
        renewal.map_or(until, |renewal| renewal.min(until))
    }

    fn carry_out(&mut self, step: Step, servers: &Servers, now: Duration) -> Result<(), Trouble> {
        log::trace!("{}: {step:?}", self.names());
        self.doing.is(doing(step));
        match step {
            Step::Reread(at) => self.reread(at, servers),
            Step::ListKeys => self.list_keys(servers, now),
            Step::Settle => {
                self.memory.settle();
                Err(Trouble::Pause(Duration::from_secs(1 << self.memory.settled.min(3))))
            }
            Step::Identify => self.identify(servers),
            Step::Create => self.create(servers, now),
            Step::Probe(key) => self.probe(key, servers, now),
            Step::Look => self.look(servers),
            Step::Delete(key) => self.delete(key, servers),
            Step::Deactivate(key) => self.deactivate(key, servers),
            Step::Lock(_) if self.add_journalled(servers)? => Ok(()),
            Step::Lock(at) | Step::Record(at) | Step::Publish(at, _) | Step::Clear(at, _) | Step::Release(at, _) => {
                self.write(step, at, servers, now)
            }
            Step::Wait(_) | Step::Finish(_) => Ok(()),
        }
    }

    /// The user's keys, as listed.
    pub(super) fn listed_ids(&self) -> BTreeSet<AccessKeyId> {
        let keys = self.memory.listing.map(|listing| listing.keys).unwrap_or_default();
        self.keys.ids(keys).cloned().collect()
    }

    /// Takes in the Secrets of another group of the same user.
    pub(super) fn absorb(&mut self, other: Rotation) {
        self.keys.learn(&other.first);
        for pair in other.members.iter().filter_map(|member| member.pair.as_ref()) {
            self.keys.learn(pair);
        }
        // What another one's journal names may be here already.
        let known: BTreeSet<Key> = self.members.iter().map(|member| member.secret.key.clone()).collect();
        let new = other
            .members
            .into_iter()
            .filter(|member| !known.contains(&member.secret.key));
        self.members.extend(new);
        self.members.sort_by(|a, b| a.secret.key.cmp(&b.secret.key));
        self.elsewhere.extend(other.elsewhere);
        self.elsewhere
            .retain(|key| self.members.iter().all(|member| member.secret.key != *key));
        self.elsewhere.sort();
        self.elsewhere.dedup();
    }
}

fn seconds(length: Duration) -> i64 {
    i64::try_from(length.as_secs()).unwrap_or(i64::MAX / 2)
}

/// What a step is called when a run is asked where it stands.
fn doing(step: Step) -> &'static str {
    match step {
        Step::Reread(_) | Step::Look => "reading the Secrets",
        Step::ListKeys | Step::Settle | Step::Identify => "looking at the keys",
        Step::Lock(_) => "locking the Secrets",
        Step::Record(_) => "renewing the lock",
        Step::Create => "creating a key",
        Step::Probe(_) => "trying the new key",
        Step::Publish(..) => "storing the new key",
        Step::Delete(_) => "deleting a key",
        Step::Deactivate(_) => "deactivating a key",
        Step::Clear(..) | Step::Release(..) => "releasing the Secrets",
        Step::Wait(_) => "waiting",
        Step::Finish(_) => "ending",
    }
}
