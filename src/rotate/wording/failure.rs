//! What went wrong, what that left, what to do.

use super::{date, join, list};
use crate::aws::AccessKeyId;
use crate::aws::iam::{self, KeyStatus};
use crate::key_secret;
use crate::kube::Key;
use crate::rotate::Servers;
use crate::rotate::protocol::{Create, Holds, Key as Number, Keys, Lock, Outcome};
use crate::rotate::rotation::member::Member;
use crate::rotate::rotation::{Rotation, Stop};

pub(super) fn failure(rotation: &Rotation, outcome: Outcome, servers: &Servers) -> String {
    let (old, owner) = (&rotation.first.id, rotation.owner());
    let problem = &rotation.problem;
    let unchanged = "nothing was done";
    let id = |key: Number| rotation.keys.id(key);
    let name = |at: usize| &rotation.members[at].secret.key;
    match outcome {
        Outcome::Rotated | Outcome::NotDue | Outcome::Tidied | Outcome::Waiting(_) | Outcome::InProgress(_) => {
            "bug: no failure".into()
        }
        Outcome::Stopped => stopped(rotation),
        Outcome::Lost(at) => format!(
            "the lock on {} was lost: {}; this run leaves the user to {}{}",
            name(at),
            match rotation.members[at].journal {
                Some(ref journal) => format!("{} has taken it over", journal.holder),
                None => "somebody has removed its journal".into(),
            },
            match rotation.members[at].journal {
                Some(_) => "that one",
                None => "the next one",
            },
            unused(rotation)
        ),
        Outcome::Unreadable(at) => format!(
            "a record on {} cannot be read: {}; nothing of this user is touched; if no other run and no newer version of \
             this program is at work, remove the annotation",
            name(at),
            rotation.members[at].unreadable.as_deref().unwrap_or_default()
        ),
        Outcome::NotListed(at) => {
            let member = &rotation.members[at];
            let dead = member.pair.as_ref().map_or(old, |pair| &pair.id);
            format!(
                "key {dead} in {} is not among the keys that IAM lists for {owner}{}; {unchanged}; put a key of that list \
                 into the Secret",
                name(at),
                dead_key(rotation, dead)
            )
        }
        Outcome::Inactive(at) => {
            let held = rotation.members[at].pair.as_ref().map_or(old, |pair| &pair.id);
            format!(
                "key {held} of {owner} is inactive; {unchanged}; activate it with `{}`, or put another pair into the Secret",
                command(rotation, "update-access-key --status Active", held.as_str())
            )
        }
        Outcome::Root => format!(
            "key {old} belongs to the account root ({owner}); {unchanged}; only keys of IAM users are rotated: make a \
             user, and delete the root's keys"
        ),
        Outcome::NoUser => format!("key {old} belongs to {owner}, which is no IAM user; {unchanged}"),
        Outcome::Immutable(at) => format!(
            "Secret {} is immutable, so its key {old} cannot be rotated; {unchanged}; replace the Secret by one without \
             `immutable: true`",
            name(at)
        ),
        Outcome::Unwritable(at) => format!("{} cannot be written: {problem}; no key was made", name(at)),
        // With no Secret left that holds a key of the user, that is what there is to say.
        Outcome::Foreign(_) | Outcome::NotPublished(_) if withdrawn_for_nobody(rotation) => {
            failure(rotation, Outcome::Gone, servers)
        }
        Outcome::Foreign(keys) => foreign(rotation, keys, servers),
        Outcome::Gone => match rotation.memory.gone.newest() {
            Some(new) => format!(
                "the Secret was deleted, or somebody else changed the key in it meanwhile; new key {} was deleted again",
                id(new)
            ),
            None => format!("the Secret was deleted, or somebody else changed the key in it meanwhile; {unchanged}"),
        },
        Outcome::Newcomer => format!(
            "{}{} speaks of this user's keys, too, and is not locked with the others; no key was deleted; run again, and if \
             it stays so put the whole pair there, or take the key out{}",
            published(rotation),
            list(&rotation.elsewhere),
            unused(rotation)
        ),
        Outcome::Elsewhere => format!(
            "key {old} is also in {}, which cannot be rotated with it; {unchanged}; put the whole pair there, or take the \
             key out",
            list(&rotation.elsewhere)
        ),
        Outcome::NotCreated => format!("no new key was made: {problem}; the Secret keeps key {old}"),
        Outcome::CreateUnknown => {
            let made = rotation.memory.deactivated;
            if made.is_empty() {
                format!(
                    "AWS did not say whether it made a key, twice, and none is there: {problem}; the Secret keeps key {old}"
                )
            } else {
                format!(
                    "a create whose answer got lost has made key {}, whose secret nobody has; it is deactivated, and the \
                     next run deletes it and rotates; the Secret keeps key {old}; run again",
                    join(rotation.keys.ids(made).map(AccessKeyId::to_string))
                )
            }
        }
        Outcome::NotTrusted(new) => format!(
            "new key {} was not accepted in time: {problem}; {}; the Secret keeps key {old}",
            id(new),
            withdrawn(rotation, new)
        ),
        Outcome::Unverified => {
            format!("none of the keys in these Secrets was accepted in time: {problem}; {unchanged}")
        }
        // What the Secret holds now is not for us to say: somebody else may have changed it or taken it away.
        Outcome::NotPublished(new) => format!(
            "the new key could not be stored: {problem}; {}; old key {old} still works",
            withdrawn(rotation, new)
        ),
        Outcome::InPart(new) => in_part(rotation, new),
        Outcome::Remains(key) => format!(
            "{} {} could not be deleted: {}; the next run tries again; by hand: `{}`",
            match held_new(rotation) {
                Some(new) => format!("new key {} is stored, but old key", id(new)),
                None => "key".into(),
            },
            id(key),
            rotation.undeleted,
            command(rotation, "delete-access-key", id(key).as_str())
        ),
    }
}

/// The new key, if a Secret holds it.
fn held_new(rotation: &Rotation) -> Option<Number> {
    let new = rotation.memory.new_key()?;
    let holds = |member: &Member| member.seen.key() == Some(new);
    rotation.members.iter().any(holds).then_some(new)
}

/// That a new key is in use already, if it is.
fn published(rotation: &Rotation) -> String {
    held_new(rotation).map_or_else(String::new, |new| {
        let (new, old) = (rotation.keys.id(new), &rotation.first.id);
        let gone = rotation
            .keys
            .known(old)
            .is_some_and(|old| rotation.memory.gone.has(old));
        let fate = if gone { "is deleted" } else { "stays" };
        format!("new key {new} is stored, and old key {old} {fate}: ")
    })
}

/// Whether the new key was deleted again and no Secret of the group holds any key of the user.
fn withdrawn_for_nobody(rotation: &Rotation) -> bool {
    let held = rotation.members.iter().any(|member| member.seen.key().is_some());
    rotation.memory.create == Create::Withdrawn && !held
}

/// A key that this run has made and that no Secret holds: without a journal that names it, nobody else knows whose it is.
fn unused(rotation: &Rotation) -> String {
    let held = |key: &Number| rotation.members.iter().any(|member| member.seen.key() == Some(*key));
    let unused = rotation.memory.new_key().filter(|new| !held(new));
    unused.map_or_else(String::new, |new| {
        let id = rotation.keys.id(new);
        let delete = command(rotation, "delete-access-key", id.as_str());
        format!("; new key {id} is in no Secret: if it is still there after the next run, delete it with `{delete}`")
    })
}

/// The run came to its end. What was begun is either taken back or written down.
fn stopped(rotation: &Rotation) -> String {
    let (why, advice) = match rotation.stop {
        Some(Stop::Signal) => ("stopped by a signal", "; run again"),
        Some(Stop::Deadline) => (
            "stopped, for the run has taken as long as it may (`--deadline`)",
            "; run again",
        ),
        Some(Stop::Failed) | None => (rotation.problem.as_str(), ""),
    };
    let written_down = rotation.members.iter().any(|member| member.seen.lock == Lock::Mine);
    let withdrawn = rotation.memory.gone.newest().filter(|_| rotation.memory.creates > 0);
    if written_down {
        return format!(
            "{}{why}; what was begun is written down on the Secrets, and the next run goes on from there",
            published(rotation)
        );
    }
    match withdrawn {
        Some(new) => format!(
            "{why}; new key {} was deleted again; the Secret keeps key {}{advice}",
            rotation.keys.id(new),
            rotation.first.id
        ),
        None => format!("{why}; nothing was done{advice}"),
    }
}

/// What the records and the managed fields show about a key that IAM does not know.
pub(in crate::rotate) fn dead_key(rotation: &Rotation, dead: &AccessKeyId) -> String {
    let holders = rotation
        .members
        .iter()
        .filter(|member| member.pair.as_ref().is_some_and(|pair| pair.id == *dead));
    let mut said = String::new();
    for member in holders {
        let history = member.history.as_ref();
        let current = history.and_then(|history| history.current.as_ref());
        let put = history
            .and_then(|history| history.since)
            .map_or_else(String::new, |since| format!(" on {}", date(since)));
        let writer = member
            .secret
            .last_writers_of_data(&[&key_secret::id_data_key(&member.secret)])
            .into_iter()
            .next();
        let writer = writer.map(|writer| {
            let when = writer
                .time
                .map_or_else(String::new, |at| format!(" on {}", date(at.unix_timestamp())));
            format!("`{}`{when}", writer.manager)
        });
        match (current, writer) {
            (Some(current), writer) if current != dead => {
                let cure = match rotation.recorded_at.as_slice() {
                    [] => format!(
                        "the secret of {current} is in no Secret any more: make a new pair for the user, put it there"
                    ),
                    others => format!("the user's pair is in {}: copy it from there", list(others)),
                };
                said += &format!(
                    "; this program put key {current} into {}{put}, and {} has put {dead} there since; {cure}, and keep \
                     whoever applies the Secret from putting old keys back",
                    member.secret.key,
                    writer.unwrap_or_else(|| "somebody".into())
                );
            }
            (_, Some(writer)) => said += &format!("; it was written to {} by {writer}", member.secret.key),
            (_, None) => {}
        }
    }
    said
}

fn withdrawn(rotation: &Rotation, new: Number) -> String {
    let id = rotation.keys.id(new);
    if rotation.memory.gone.has(new) {
        format!("key {id} was deleted again")
    } else {
        let tried = match rotation.undeleted.as_str() {
            "" => "is not deleted yet, the next run does that".to_owned(),
            why => format!("could not be deleted again: {why}; the next run tries again"),
        };
        let delete = command(rotation, "delete-access-key", id.as_str());
        format!("key {id} {tried}; by hand, once no Secret holds it: `{delete}`")
    }
}

/// The command for whoever has the right to, which need not be the user itself.
fn command(rotation: &Rotation, command: &str, id: &str) -> String {
    let user = rotation
        .identity
        .as_ref()
        .and_then(|identity| identity.user_name())
        .unwrap_or("NAME");
    format!("aws iam {command} --user-name {user} --access-key-id {id}")
}

/// Both keys stay, and a later run brings the others after.
fn in_part(rotation: &Rotation, new: Number) -> String {
    let holding = |which: &dyn Fn(&Member) -> bool| -> Vec<Key> {
        let members = rotation.members.iter().filter(|member| which(member));
        members.map(|member| member.secret.key.clone()).collect()
    };
    let with_new = holding(&|member| member.seen.key() == Some(new));
    let without =
        holding(&|member| !member.gone && member.seen.key() != Some(new) && member.seen.holds != Holds::Other);
    format!(
        "new key {} is in {}, but {} could not be written: {}; both keys stay and work; the next run brings them together",
        rotation.keys.id(new),
        list(&with_new),
        list(&without),
        rotation.problem
    )
}

fn foreign(rotation: &Rotation, keys: Keys, servers: &Servers) -> String {
    let described: Vec<String> = keys
        .iter()
        .map(|key| {
            let id = rotation.keys.id(key);
            let (status, made) = match rotation.keys.listed(key) {
                None => ("not listed any more", String::new()),
                Some(listed) => {
                    let status = match listed.status {
                        KeyStatus::Active => "active",
                        KeyStatus::Inactive => "inactive",
                    };
                    (status, format!(", made {}", listed.created.date()))
                }
            };
            format!("{id} ({status}{made}{})", last_use(rotation, id, servers))
        })
        .collect();
    let (old, owner) = (&rotation.first.id, rotation.owner());
    let described = described.join(", ");
    let next = "then run again (or let this program do it: `--foreign-keys`)";
    match (keys.first(), keys.len()) {
        (Some(key), 1) => {
            let delete = command(rotation, "delete-access-key", rotation.keys.id(key).as_str());
            format!(
                "{owner} has another key beside {old}: {described}; no Secret with the label holds it and no record names it, \
                 so it is not touched; nothing was done; if nobody uses it, delete it with `{delete}`, {next}"
            )
        }
        _ => {
            let delete = command(rotation, "delete-access-key", "ID");
            format!(
                "{owner} has other keys beside {old}: {described}; no Secret with the label holds them and no record names \
                 them, so they are not touched; nothing was done; if nobody uses one, delete it with `{delete}`, {next}"
            )
        }
    }
}

/// When a key was used last, where this user may ask that.
fn last_use(rotation: &Rotation, id: &AccessKeyId, servers: &Servers) -> String {
    match iam::get_access_key_last_used(&servers.aws, &rotation.region, &rotation.first, id) {
        Ok(used) => match used.date {
            Some(at) => format!(", last used {} for {} in {}", at.date(), used.service, used.region),
            None => ", never used".into(),
        },
        Err(error) => {
            log::debug!("{}: {error}", rotation.names());
            String::new()
        }
    }
}
