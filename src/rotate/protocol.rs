//! What to do next: a pure function from what is seen to one step.
//!
//! The driver observes, [`decide`] names one step, the driver carries it out and observes again. There is no clock, no
//! I/O and no randomness in here, so every state can be put before it.
//!
//! ```text
//!  Identify ─ ListKeys ─ Create ─┬─ Probe ⇄ Wait ─┬─ Publish ⇄ Reread ─┬─ FindHolders ─ DeleteOld ─ Rotated
//!     │          │               │                │                    │        │
//!   refused    refused     unknown: stop      DeleteNew          in part, or    still held: stop
//!                                           (never published)   unknown: stop
//! ```
//!
//! What it keeps to:
//!
//! 1. CreateAccessKey is decided on once. Refused: nothing has changed. Unknown: nothing more is done; a key whose
//!    secret nobody has may exist, but none that is known to be ours.
//! 2. The old key is deleted only when no Secret of the group is thought to hold it, one at least holds the new one, and
//!    a look at all of them made after that finds none that still speaks of the old one.
//! 3. The new key is deleted only when it was never sent to a Secret, or when no write that holds it can still land and a
//!    look at all Secrets made after that finds none that speaks of it. Where that is not known, both keys stay.
//! 4. A key that is neither the Secret's own nor made by this run is never deleted; its presence stops the rotation
//!    before anything is changed. So does a Secret that speaks of the key and cannot be rotated with the others.

use std::time::Duration;

use crate::aws::AccessKeyId;
use crate::aws::iam::{AccessKey, KeyStatus};

/// How often a Secret is written before it is given up.
const MOST_WRITES: u32 = 3;

/// What is seen before a step.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The key that the Secrets held at the start.
    pub old: &'a AccessKeyId,
    /// The Secrets that hold it.
    pub members: &'a [Member],
    /// Whose key it is, once asked.
    pub identity: Option<Who>,
    /// The user's keys before anything was changed, once asked.
    pub keys: Option<&'a [AccessKey]>,
    /// What became of the create.
    pub create: &'a Create,
    /// How the new key is taken.
    pub trust: Trust,
    /// Whether somebody wants the run to stop.
    pub stopping: bool,
    /// Whether a Secret that is not of the group speaks of the old key.
    pub elsewhere: bool,
    /// Which Secrets were found to speak of the old key.
    pub old_held: Held,
    /// Which Secrets were found to speak of the new key.
    pub new_held: Held,
    /// What became of deleting the old key.
    pub old_deletion: Deletion,
    /// What became of deleting the new key.
    pub new_deletion: Deletion,
}

/// One Secret of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whether no write can change it.
    pub immutable: bool,
    /// What it holds, as last seen.
    pub holds: Holds,
    /// How often the new pair was sent to it.
    pub writes: u32,
    /// Whether a write was refused for a reason that stays.
    pub refused: bool,
    /// Whether a write that got no answer may still be stored.
    pub may_land: bool,
}

/// What a Secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The pair of the start.
    Old,
    /// The pair that this run made.
    New,
    /// Something that somebody else put there.
    Other,
    /// Nothing: the Secret is gone, or another one has its name.
    Gone,
    /// Not known until it is read again.
    Unread,
    /// Not known, and reading it failed. It holds the new pair only if a write may have landed.
    Unreadable,
}

/// What a look at all Secrets in scope has shown about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Not looked yet.
    NotLooked,
    /// No Secret speaks of it.
    Nowhere,
    /// At least one does.
    Somewhere,
    /// They could not be looked at.
    Unknown,
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// An IAM user's.
    User,
    /// The account root's.
    Root,
    /// A role's session or a federated user's.
    Other,
}

/// What became of the create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Create {
    /// Not sent yet.
    NotSent,
    /// AWS refused it, or it never left this machine.
    Refused,
    /// No answer came: a key may exist.
    Unknown,
    /// It made this key.
    Made(AccessKeyId),
}

/// How the new key is taken by the services that must know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Probes that succeeded since the last one that did not.
    pub in_a_row: u32,
    /// Whether the last probe failed.
    pub refused: bool,
    /// Not before this time is it probed again. Times count from the run's start.
    pub next: Duration,
    /// After this time it is given up when a probe fails. A run that is late for its probes is not the key's fault.
    pub deadline: Duration,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Not tried yet.
    NotTried,
    /// The key is gone.
    Done,
    /// It may still be there.
    Failed,
}

/// What the operator asked for.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How many probes in a row make a key trusted. Propagation is not monotonic: one success proves nothing.
    pub probes: u32,
    /// The time between them.
    pub spacing: Duration,
    /// How long a new key may take to be trusted.
    pub propagation_timeout: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask STS whose key it is.
    Identify,
    /// List the user's keys.
    ListKeys,
    /// Create a key. Once.
    Create,
    /// Try the new key at every service that must know it.
    Probe,
    /// Nothing before this time.
    Wait(Duration),
    /// Write the new pair to this Secret, on the condition that it is as last read.
    Publish(usize),
    /// Read this Secret again.
    Reread(usize),
    /// Look at all Secrets in scope for those that speak of the old key, or of the new one.
    FindHolders(Which),
    /// Delete the old key.
    DeleteOld,
    /// Delete the new key.
    DeleteNew,
    /// It is over.
    Finish(Outcome),
}

/// One of the two keys of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that is replaced.
    Old,
    /// The one that replaces it.
    New,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every Secret that is still there and still of the group holds the new key, and the old one is gone.
    Rotated,
    /// The run was asked to stop before the new key was sent to a Secret. It is deleted again, if there was one.
    Interrupted,
    /// A question before the create got no good answer, which says why. Nothing was done.
    Stopped(String),
    /// A Secret that is not of the group speaks of the key. Nothing was done.
    Elsewhere,
    /// A Secret cannot be changed. Nothing was done.
    Immutable(usize),
    /// It is the account root's key. Nothing was done.
    Root,
    /// It is no user's key. Nothing was done.
    NoUser,
    /// IAM does not list the Secret's key. Nothing was done.
    NotListed,
    /// The Secret's key is not active. Nothing was done.
    Inactive,
    /// The user has keys that are not this Secret's. Nothing was done.
    Foreign(Vec<AccessKey>),
    /// AWS made no key. Nothing has changed.
    NotCreated,
    /// AWS may have made a key; no Secret holds it.
    CreateUnknown,
    /// The new key was not trusted in time; no Secret holds it.
    NotTrusted,
    /// No Secret could be written; none holds the new key.
    NotPublished,
    /// Some Secrets hold the new key and others do not, or it is not known which do. Both keys stay.
    PublishedInPart,
    /// Every Secret of the group holds the new key, but one speaks of the old key, too. Both stay.
    StillHeld,
    /// Every Secret holds the new key, but the old one could not be deleted.
    OldRemains,
}

/// The next step.
///
/// A run that is asked to stop begins nothing. A new key that no Secret has been sent is withdrawn; once it has been sent to
/// one, a few requests bring the rotation to its end, and that is the better place to stop.
pub fn decide(seen: &Observation<'_>, policy: &Policy, now: Duration) -> Step {
    if seen.stopping && *seen.create == Create::NotSent {
        return Step::Finish(Outcome::Interrupted);
    }
    match preflight(seen) {
        Some(step) => step,
        None => match seen.create {
            Create::NotSent => Step::Create,
            Create::Refused => Step::Finish(Outcome::NotCreated),
            Create::Unknown => Step::Finish(Outcome::CreateUnknown),
            Create::Made(_) => with_new_key(seen, policy, now),
        },
    }
}

/// All that must hold before anything is changed; it is about what was seen at the start, so it stays as it was.
fn preflight(seen: &Observation<'_>) -> Option<Step> {
    let refuse = |outcome| Some(Step::Finish(outcome));
    if seen.elsewhere {
        return refuse(Outcome::Elsewhere);
    }
    if let Some(at) = seen.members.iter().position(|member| member.immutable) {
        return refuse(Outcome::Immutable(at));
    }
    match seen.identity {
        None => return Some(Step::Identify),
        Some(Who::Root) => return refuse(Outcome::Root),
        Some(Who::Other) => return refuse(Outcome::NoUser),
        Some(Who::User) => {}
    }
    let Some(keys) = seen.keys else {
        return Some(Step::ListKeys);
    };
    let Some(own) = keys.iter().find(|key| key.id == *seen.old) else {
        return refuse(Outcome::NotListed);
    };
    if own.status != KeyStatus::Active {
        return refuse(Outcome::Inactive);
    }
    let foreign: Vec<AccessKey> = keys.iter().filter(|key| key.id != *seen.old).cloned().collect();
    if foreign.is_empty() {
        None
    } else {
        refuse(Outcome::Foreign(foreign))
    }
}

fn with_new_key(seen: &Observation<'_>, policy: &Policy, now: Duration) -> Step {
    let never_written = seen.members.iter().all(|member| member.writes == 0);
    if never_written && seen.trust.in_a_row < policy.probes {
        let late = now >= seen.trust.deadline;
        return if seen.stopping {
            withdraw(seen, Outcome::Interrupted)
        } else if late && seen.trust.refused {
            withdraw(seen, Outcome::NotTrusted)
        } else if now < seen.trust.next {
            // A key that is refused is not waited for beyond the deadline.
            let until = if seen.trust.refused {
                seen.trust.deadline
            } else {
                seen.trust.next
            };
            Step::Wait(seen.trust.next.min(until))
        } else {
            Step::Probe
        };
    }
    for (at, member) in seen.members.iter().enumerate() {
        match member.holds {
            Holds::Unread => return Step::Reread(at),
            Holds::Old if !member.refused && member.writes < MOST_WRITES => return Step::Publish(at),
            Holds::Old | Holds::New | Holds::Other | Holds::Gone | Holds::Unreadable => {}
        }
    }
    let any = |holds| seen.members.iter().any(|member| member.holds == holds);
    let may_land = seen
        .members
        .iter()
        .any(|member| member.may_land && member.holds != Holds::New);
    let not_all = any(Holds::New) && (any(Holds::Old) || any(Holds::Unreadable));
    if may_land || not_all {
        Step::Finish(Outcome::PublishedInPart)
    } else if any(Holds::New) {
        retire(seen)
    } else {
        withdraw(seen, Outcome::NotPublished)
    }
}

/// No Secret of the group is thought to hold the new key, and nothing is under way that could put it there.
fn withdraw(seen: &Observation<'_>, outcome: Outcome) -> Step {
    let never_written = seen.members.iter().all(|member| member.writes == 0);
    match (seen.new_deletion, seen.new_held) {
        (Deletion::Done | Deletion::Failed, _) => Step::Finish(outcome),
        (Deletion::NotTried, _) if never_written => Step::DeleteNew,
        (Deletion::NotTried, Held::NotLooked) => Step::FindHolders(Which::New),
        (Deletion::NotTried, Held::Nowhere) => Step::DeleteNew,
        (Deletion::NotTried, Held::Somewhere | Held::Unknown) => Step::Finish(Outcome::PublishedInPart),
    }
}

/// Every Secret of the group that is still there and still ours holds the new key.
fn retire(seen: &Observation<'_>) -> Step {
    match (seen.old_deletion, seen.old_held) {
        (Deletion::Done, _) => Step::Finish(Outcome::Rotated),
        (Deletion::Failed, _) | (Deletion::NotTried, Held::Unknown) => Step::Finish(Outcome::OldRemains),
        (Deletion::NotTried, Held::NotLooked) => Step::FindHolders(Which::Old),
        (Deletion::NotTried, Held::Nowhere) => Step::DeleteOld,
        (Deletion::NotTried, Held::Somewhere) => Step::Finish(Outcome::StillHeld),
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
