//! The lines that end a rotation: what happened, what it left, what to do.

use super::group::Mentions;
use super::protocol::{Deletion, Holds, Outcome};
use super::rotation::Rotation;
use crate::aws::iam::{AccessKey, KeyStatus};
use crate::kube::{Key, Secret};

/// What is said at the end, and of how many Secrets.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// The Secrets that hold a new key while the old one is gone, if there are any.
    pub(super) good: Option<(usize, String)>,
    /// The Secrets that it did not come to that with.
    pub(super) bad: Vec<(usize, String)>,
}

/// The end of a rotation in words.
pub(super) fn verdict(rotation: &Rotation, outcome: &Outcome, mentions: &Mentions) -> Verdict {
    if *outcome == Outcome::Rotated {
        return rotated(rotation);
    }
    let line = format!("{}: {}", rotation.names(), failure(rotation, outcome, mentions));
    Verdict {
        good: None,
        bad: vec![(rotation.secrets.len(), line)],
    }
}

/// The old key is gone. A Secret that somebody else has changed or taken away meanwhile was not rotated all the same.
fn rotated(rotation: &Rotation) -> Verdict {
    let (old, new, owner) = (&rotation.old.id, new_id(rotation), rotation.owner());
    let good = holding(rotation, |holds| holds == Holds::New);
    let others = rotation.secrets.iter().zip(&rotation.members);
    let others = others
        .filter(|(_, member)| member.holds != Holds::New)
        .map(|(secret, member)| {
            let what = match member.holds {
                Holds::Gone => "the Secret was deleted or replaced meanwhile",
                Holds::Old | Holds::New | Holds::Other | Holds::Unread | Holds::Unreadable => {
                    "somebody else changed the key in it meanwhile"
                }
            };
            let line = format!(
                "{}: not rotated: {what}; its old key {old} is replaced by {new} and deleted",
                secret.key
            );
            (1, line)
        });
    Verdict {
        bad: others.collect(),
        good: Some((
            good.len(),
            format!(
                "{}: rotated: key {new} of {owner} replaces {old}, which is deleted",
                list(&good)
            ),
        )),
    }
}

fn failure(rotation: &Rotation, outcome: &Outcome, mentions: &Mentions) -> String {
    let (old, new, owner) = (&rotation.old.id, new_id(rotation), rotation.owner());
    let problem = &rotation.problem;
    let unchanged = "nothing was done";
    match outcome {
        Outcome::Rotated => format!("key {new} of {owner} replaces {old}, which is deleted"),
        Outcome::Stopped(why) => format!("{why}; {unchanged}"),
        Outcome::Interrupted if rotation.new.is_none() => format!("stopped by a signal; {unchanged}; run again"),
        Outcome::Interrupted => format!(
            "stopped by a signal while new key {new} was being tried; {}; the Secret keeps key {old}; run again",
            withdrawn(rotation)
        ),
        Outcome::Elsewhere => format!(
            "key {old} is also in {}, which cannot be rotated with it; {unchanged}; put the whole pair there, or take the \
             key out",
            list(&rotation.elsewhere)
        ),
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
            "key {old} of {owner} is inactive; {unchanged}; activate it with `{}`, or put another pair into the Secret",
            command(rotation, "update-access-key --status Active", old.as_str())
        ),
        Outcome::Foreign(keys) => foreign(rotation, keys, mentions),
        Outcome::NotCreated => format!("no new key was made: {problem}; the Secret keeps key {old}"),
        Outcome::CreateUnknown => format!(
            "it is not known whether a key was made: {problem}; the Secret keeps its working key {old}; if one was made \
             its secret is lost: the next run names it, delete it then"
        ),
        Outcome::NotTrusted => format!(
            "new key {new} was not accepted in time: {problem}; {}; the Secret keeps key {old}",
            withdrawn(rotation)
        ),
        // What the Secret holds now is not for us to say: somebody else may have changed it or taken it away.
        Outcome::NotPublished => format!(
            "the new key could not be stored: {problem}; {}; old key {old} still works",
            withdrawn(rotation)
        ),
        Outcome::PublishedInPart => in_part(rotation),
        Outcome::StillHeld => format!(
            "new key {new} is stored, but {} still has old key {old}; both keys stay; put the new pair there, then \
             delete the old key with `{}`",
            list(&rotation.old_holders.secrets),
            delete(rotation, old.as_str())
        ),
        Outcome::OldRemains => format!(
            "new key {new} is stored, but old key {old} may still be there: {}; delete it with `{}`",
            rotation.deletion_problem,
            delete(rotation, old.as_str())
        ),
    }
}

fn new_id(rotation: &Rotation) -> String {
    rotation
        .new
        .as_ref()
        .map_or_else(|| "none".into(), |pair| pair.id.to_string())
}

fn withdrawn(rotation: &Rotation) -> String {
    let new = new_id(rotation);
    match rotation.new_deletion {
        Deletion::Done => format!("key {new} was deleted again"),
        Deletion::NotTried | Deletion::Failed => format!(
            "key {new} could not be deleted again: {}; delete it with `{}`",
            rotation.deletion_problem,
            delete(rotation, &new)
        ),
    }
}

/// The command that deletes a key, for whoever has the right to, which need not be the user itself.
fn delete(rotation: &Rotation, id: &str) -> String {
    command(rotation, "delete-access-key", id)
}

fn command(rotation: &Rotation, command: &str, id: &str) -> String {
    let user = rotation
        .identity
        .as_ref()
        .and_then(|identity| identity.user_name())
        .unwrap_or("NAME");
    format!("aws iam {command} --user-name {user} --access-key-id {id}")
}

/// Both keys stay. What is to be done depends on who has the new one: its secret is in a Secret that holds it, or nowhere.
fn in_part(rotation: &Rotation) -> String {
    let (old, new) = (&rotation.old.id, new_id(rotation));
    let with_new = holding(rotation, |holds| holds == Holds::New);
    let with_old = holding(rotation, |holds| holds == Holds::Old);
    let unknown = holding(rotation, |holds| matches!(holds, Holds::Unread | Holds::Unreadable));
    let mut state = Vec::new();
    for (names, what) in [(&with_new, &new), (&with_old, &old.to_string())] {
        if !names.is_empty() {
            state.push(format!("{} holds {what}", list(names)));
        }
    }
    if !unknown.is_empty() {
        state.push(format!("what {} holds is not known", list(&unknown)));
    }
    if state.is_empty() {
        state.push("some Secret may hold it".into());
    }
    let advice = if with_new.is_empty() {
        format!(
            "look again in a minute, and delete the key that no Secret holds; if that is {new}: `{}`",
            delete(rotation, &new)
        )
    } else {
        format!(
            "copy the pair from {} into the others, then delete the old key with `{}`",
            with_new[0],
            delete(rotation, old.as_str())
        )
    };
    format!(
        "new key {new} is not known to be in every Secret ({}): {}; both keys stay and work; {advice}",
        state.join(", "),
        rotation.problem
    )
}

fn foreign(rotation: &Rotation, keys: &[AccessKey], mentions: &Mentions) -> String {
    let described: Vec<String> = keys
        .iter()
        .map(|key| {
            let status = match key.status {
                KeyStatus::Active => "active",
                KeyStatus::Inactive => "inactive",
            };
            let holders: Vec<Key> = mentions.of_key(&key.id).cloned().collect();
            let whose = match holders.as_slice() {
                [] => "in no Secret with the label".into(),
                holders => format!("in {}", list(holders)),
            };
            format!("{} ({status}, made {}, {whose})", key.id, key.created.date())
        })
        .collect();
    let (old, owner) = (&rotation.old.id, rotation.owner());
    let used = keys.iter().any(|key| mentions.of_key(&key.id).next().is_some());
    let advice = if used {
        "put one and the same pair into all Secrets of this user, delete the other key, and run again".to_owned()
    } else {
        let delete = delete(rotation, keys[0].id.as_str());
        format!("if nobody uses it, delete it with `{delete}`, then run again")
    };
    format!(
        "{owner} has another key beside {old}: {}; a key that is not this Secret's is never touched; nothing was done; \
         {advice}",
        described.join(", "),
    )
}

fn holding(rotation: &Rotation, which: impl Fn(Holds) -> bool) -> Vec<Key> {
    let members = rotation.secrets.iter().zip(&rotation.members);
    members
        .filter(|(_, member)| which(member.holds))
        .map(|(secret, _)| secret.key.clone())
        .collect()
}

/// Secrets' names, as a log line begins.
pub(super) fn names(secrets: &[Secret]) -> String {
    list(&secrets.iter().map(|secret| secret.key.clone()).collect::<Vec<_>>())
}

fn list(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(", ")
}
