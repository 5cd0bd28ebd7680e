//! The lines that end a rotation: what happened, what it left, what to do.

mod failure;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(super) use self::failure::dead_key;
use self::failure::failure;
use super::Servers;
use super::protocol::{Key as Number, Keys, Outcome};
use super::rotation::Rotation;
use super::rotation::member::Member;
use crate::aws::AccessKeyId;
use crate::kube::{Key, Secret};

/// What is said at the end, and of how many Secrets.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) count: usize,
    pub(super) text: String,
}

/// What a line means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// These Secrets hold a new key.
    Done,
    /// What an earlier run, or somebody else, had left is settled; no key was replaced.
    Settled,
    /// Nothing had to be done with these, or somebody else is at it.
    Untouched,
    /// Something has to be seen to.
    Failed,
}

/// The end of a rotation in words. A key that had to be kept is something to be seen to.
pub(super) fn lines(rotation: &Rotation, outcome: Outcome, servers: &Servers) -> Vec<Line> {
    let mut lines = end(rotation, outcome, servers);
    if !rotation.kept_keys().is_empty() {
        lines.iter_mut().for_each(|line| line.kind = Kind::Failed);
    }
    lines
}

fn end(rotation: &Rotation, outcome: Outcome, servers: &Servers) -> Vec<Line> {
    let count = rotation.members.len();
    let line = |kind, text: String| {
        vec![Line {
            kind,
            count,
            text: format!("{}: {text}", rotation.names()),
        }]
    };
    match outcome {
        Outcome::Rotated => rotated(rotation),
        Outcome::NotDue => line(Kind::Untouched, not_due(rotation)),
        Outcome::Tidied => line(Kind::Settled, tidied(rotation)),
        Outcome::Waiting(key) => line(Kind::Untouched, waiting(rotation, key)),
        Outcome::InProgress(at) => line(Kind::Untouched, in_progress(rotation, at)),
        Outcome::Stopped
        | Outcome::Lost(_)
        | Outcome::Unreadable(_)
        | Outcome::NotListed(_)
        | Outcome::Inactive(_)
        | Outcome::Root
        | Outcome::NoUser
        | Outcome::Immutable(_)
        | Outcome::Unwritable(_)
        | Outcome::Foreign(_)
        | Outcome::Gone
        | Outcome::Newcomer
        | Outcome::Elsewhere
        | Outcome::NotCreated
        | Outcome::CreateUnknown
        | Outcome::NotTrusted(_)
        | Outcome::Unverified
        | Outcome::NotPublished(_)
        | Outcome::InPart(_)
        | Outcome::Remains(_) => line(Kind::Failed, failure(rotation, outcome, servers)),
    }
}

/// The old key is gone, or may stay. A Secret that somebody else has changed or taken away meanwhile was not rotated all the
/// same.
fn rotated(rotation: &Rotation) -> Vec<Line> {
    let new = rotation.memory.new_key();
    let (old, owner) = (&rotation.first.id, rotation.owner());
    let id = new.map_or_else(|| "none".into(), |key| rotation.keys.id(key).to_string());
    let fate = fate(rotation, rotation.keys.known(old));
    let holds = |member: &&Member| member.seen.key() == new;
    let good: Vec<&Member> = rotation.members.iter().filter(holds).collect();
    let others = rotation.members.iter().filter(|member| !holds(member));
    let mut lines = vec![Line {
        kind: Kind::Done,
        count: good.len(),
        text: format!(
            "{}: rotated: key {id} of {owner} replaces {old}, which {fate}",
            names(good.iter().map(|member| &member.secret))
        ),
    }];
    lines.extend(others.map(|member| {
        let what = if member.gone {
            "the Secret was deleted or replaced meanwhile"
        } else {
            "somebody else changed the key in it meanwhile"
        };
        Line {
            kind: Kind::Failed,
            count: 1,
            text: format!(
                "{}: not rotated: {what}; its old key {old} is replaced by {id} and {}",
                member.secret.key,
                fate.trim_start_matches("is ")
            ),
        }
    }));
    lines
}

/// What became of a replaced key.
fn fate(rotation: &Rotation, old: Option<Number>) -> String {
    let Some(old) = old else { return "is deleted".into() };
    let until = rotation
        .members
        .iter()
        .filter_map(|member| member.history.as_ref()?.keys.get(rotation.keys.id(old))?.until)
        .max();
    if let Some(why) = rotation.kept(old) {
        format!("is kept, since {why}; the next run of `all` goes on from there")
    } else if rotation.memory.gone.has(old) {
        "is deleted".into()
    } else if rotation.memory.deactivated.has(old) {
        "is deactivated and will be deleted by a later run".into()
    } else {
        match until {
            Some(until) => format!("may stay until {}", date(until)),
            None => "stays".into(),
        }
    }
}

fn not_due(rotation: &Rotation) -> String {
    let old = &rotation.first.id;
    let created = rotation
        .keys
        .known(old)
        .and_then(|key| rotation.keys.listed(key))
        .map(|key| key.created);
    let made = created.map_or_else(String::new, |created| format!(", made {},", created.date()));
    let rest = match rotation.kept_keys().first() {
        None => "nothing was done".to_owned(),
        Some(key) => format!("key {} {}", rotation.keys.id(key), fate(rotation, Some(key))),
    };
    format!("key {old}{made} is young enough; {rest}")
}

fn tidied(rotation: &Rotation) -> String {
    let list = |keys: Keys| join(rotation.keys.ids(keys).map(AccessKeyId::to_string));
    let mut done = Vec::new();
    let held: Keys = rotation.members.iter().filter_map(|member| member.seen.key()).collect();
    if rotation.memory.tried.is_some() && held.len() == 1 {
        done.push(format!("all hold key {} now", list(held)));
    }
    if !rotation.memory.gone.is_empty() {
        done.push(format!("key {} is deleted", list(rotation.memory.gone)));
    }
    if !rotation.memory.deactivated.is_empty() {
        done.push(format!(
            "key {} is deactivated and will be deleted by a later run",
            list(rotation.memory.deactivated)
        ));
    }
    if let Some(key) = rotation.kept_keys().first() {
        done.push(format!("key {} {}", rotation.keys.id(key), fate(rotation, Some(key))));
    }
    if done.is_empty() {
        done.push("what an earlier run had begun is settled".into());
    }
    format!("{}; no key was replaced this time", done.join(", "))
}

fn waiting(rotation: &Rotation, key: Number) -> String {
    let id = rotation.keys.id(key);
    let done = match rotation.kept_keys().is_empty() {
        true => "nothing was done",
        false => "no key was replaced",
    };
    format!(
        "key {id} {}; a user has two keys at the most, so none is made before that; {done}",
        fate(rotation, Some(key))
    )
}

fn in_progress(rotation: &Rotation, at: usize) -> String {
    let member = &rotation.members[at];
    let by = member.journal.as_ref().map_or_else(String::new, |journal| {
        format!(
            " by {} (since {}, renewed {})",
            journal.holder,
            date(journal.begun),
            date(journal.renewed)
        )
    });
    format!("in progress{by}, as {} says; nothing was done", member.secret.key)
}

fn date(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}

/// Secrets' names, as a log line begins.
pub(super) fn names<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    join(secrets.into_iter().map(|secret| secret.key.to_string()))
}

fn list(keys: &[Key]) -> String {
    join(keys.iter().map(Key::to_string))
}

fn join(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}
