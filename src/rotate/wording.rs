//! The line that ends a rotation: what happened, what it left, what to do.

use super::group::Holding;
use super::protocol::{Deletion, Outcome};
use super::rotation::Rotation;
use crate::aws::iam::{AccessKey, KeyStatus};

/// `Ok`: every Secret holds a new key and the old one is gone. `Err`: it did not come to that.
pub(super) fn verdict(rotation: &Rotation, outcome: &Outcome, held: &[Holding]) -> Result<String, String> {
    let names = rotation.names();
    let old = &rotation.old.id;
    let owner = rotation.owner();
    let problem = &rotation.problem;
    let new = rotation
        .new
        .as_ref()
        .map_or_else(|| "none".into(), |pair| pair.id.to_string());
    let unchanged = "nothing was done";
    let why = match outcome {
        Outcome::Rotated => {
            return Ok(format!(
                "{names}: rotated: key {new} of {owner} replaces {old}, which is deleted"
            ));
        }
        Outcome::Stopped(why) => format!("{why}; {unchanged}"),
        Outcome::Immutable(at) => format!(
            "Secret {} is immutable, so its key {old} cannot be rotated; {unchanged}; replace the Secret by one without \
             `immutable: true`",
            rotation.secrets[*at].key
        ),
        Outcome::Root => format!(
            "key {old} belongs to the account root ({owner}); {unchanged}; only keys of IAM users are rotated: make a \
             user, and delete the root's keys"
        ),
        Outcome::NoUser => format!("key {old} belongs to {owner}, which is no IAM user; {unchanged}"),
        Outcome::NotListed => format!(
            "key {old} is not among the keys that IAM lists for {owner}; {unchanged}; run again in a minute, and if it \
             stays so put a key of that list into the Secret"
        ),
        Outcome::Inactive => format!(
            "key {old} of {owner} is inactive; {unchanged}; activate it with `aws iam update-access-key --status Active \
             --access-key-id {old}`, or put another pair into the Secret"
        ),
        Outcome::Foreign(keys) => foreign(rotation, keys, held),
        Outcome::NotCreated => format!("no new key was made: {problem}; the Secret keeps key {old}"),
        Outcome::CreateUnknown => format!(
            "it is not known whether a key was made: {problem}; the Secret keeps its working key {old}; if one was made \
             its secret is lost: the next run names it, delete it then"
        ),
        Outcome::NotTrusted => {
            format!(
                "new key {new} was not accepted in time: {problem}; {}",
                withdrawn(rotation, &new)
            )
        }
        Outcome::NotPublished => format!(
            "the new key could not be stored: {problem}; {}",
            withdrawn(rotation, &new)
        ),
        Outcome::PublishedInPart => format!(
            "it is not known that every Secret holds new key {new} instead of {old}: {problem}; both keys stay, so each \
             Secret works; put the same pair into all of them and delete the other key"
        ),
        Outcome::StillHeld => {
            let holders: Vec<String> = rotation.holders.iter().flatten().map(|key| format!("{key}")).collect();
            format!(
                "new key {new} is stored, but {} still has old key {old}; both keys stay; put the new pair there, then \
                 delete the old key with `aws iam delete-access-key --access-key-id {old}`",
                holders.join(", ")
            )
        }
        Outcome::OldRemains => format!(
            "new key {new} is stored, but old key {old} may still be there: {problem}; delete it with `aws iam \
             delete-access-key --access-key-id {old}`"
        ),
    };
    Err(format!("{names}: {why}"))
}

fn withdrawn(rotation: &Rotation, new: &str) -> String {
    let old = &rotation.old.id;
    match rotation.new_deletion {
        Deletion::Done => format!("it was deleted again, the Secret keeps key {old}"),
        Deletion::NotTried | Deletion::Failed => format!(
            "it may still be there: delete it with `aws iam delete-access-key --access-key-id {new}`; the Secret keeps \
             key {old}"
        ),
    }
}

fn foreign(rotation: &Rotation, keys: &[AccessKey], held: &[Holding]) -> String {
    let described: Vec<String> = keys
        .iter()
        .map(|key| {
            let status = match key.status {
                KeyStatus::Active => "active",
                KeyStatus::Inactive => "inactive",
            };
            let whose = match held.iter().find(|(id, _)| *id == key.id) {
                Some((_, names)) => format!("held by {names}"),
                None => "in none of the Secrets".into(),
            };
            format!("{} ({status}, made {}, {whose})", key.id, key.created.date())
        })
        .collect();
    let (old, owner) = (&rotation.old.id, rotation.owner());
    format!(
        "{owner} has another key beside {old}: {}; a key that is not this Secret's is never touched; nothing was done; \
         if nobody uses it, delete it with `aws iam delete-access-key --access-key-id {}`, then run again",
        described.join(", "),
        keys[0].id,
    )
}
