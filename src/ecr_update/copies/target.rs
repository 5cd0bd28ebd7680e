//! One copy: what is there, what becomes of it, and the requests for that.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ecr_update::annotations::{COPY, COPY_OF, EXPIRES_AT};
use crate::error::{Fault, one_line};
use crate::kube::{self, Key, Namespace, NewSecret, Secret};
use crate::retry::Asking;

/// How often a copy is looked at again before others who write it too are given up on.
const MOST_LOOKS: u32 = 3;

/// A place for a copy.
pub(super) struct Target {
    pub(super) original: Secret,
    pub(super) namespace: Namespace,
    pub(super) key: Key,
}

/// What became of a target.
pub(super) enum Kept {
    /// There is a copy with the original's data.
    Good { copy: Box<Secret>, change: Change },
    /// The namespace is being deleted, which is nobody's mistake.
    Leaving,
    /// The namespace is gone.
    Gone,
    /// There is none, or an old one if `stale`.
    Failed { why: Why, stale: bool },
}

/// Why a copy is not what it is to be.
pub(super) enum Why {
    Said(String),
    /// A right is missing.
    Denied(kube::Error),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Made,
    Updated,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Make,
    Update,
    Nothing,
    /// It is somebody else's.
    Leave(String),
    /// It cannot be changed.
    Stuck(String),
}

impl Target {
    pub(super) fn new(original: Secret, namespace: Namespace) -> Target {
        let key = Key {
            namespace: namespace.to_string(),
            name: original.key.name.clone(),
        };
        Target {
            original,
            namespace,
            key,
        }
    }

    /// Brings the copy to the original's data, beginning with what is known to be there. Where somebody else was faster or an
    /// answer was lost, what is there is read and judged anew.
    pub(super) fn keep(&mut self, kube: &kube::Client, mut there: Option<Secret>) -> Kept {
        let mut change = Change::None;
        let mut looks = 0;
        loop {
            let stale = there.is_some();
            let written = match (self.step(there.as_ref()), there) {
                (Step::Leave(why), _) => return failed(why, false),
                (Step::Stuck(why), _) => return failed(why, stale),
                (Step::Nothing, Some(copy)) => {
                    let copy = Box::new(copy);
                    return Kept::Good { copy, change };
                }
                (Step::Update, Some(copy)) => {
                    if ends(&copy) > ends(&self.original) {
                        match self.look_at_original(kube) {
                            Ok(false) => {}
                            Ok(true) => {
                                there = Some(copy);
                                continue;
                            }
                            Err(kept) => return kept,
                        }
                    }
                    change = Change::Updated;
                    kube.update_secret(&self.renewed(copy), Asking::Patiently)
                }
                (Step::Make, _) | (Step::Nothing | Step::Update, None) => {
                    change = Change::Made;
                    kube.create_secret(&self.new_copy(), Asking::Patiently)
                }
            };
            let error = match written {
                Ok(copy) if self.step(Some(&copy)) == Step::Nothing => {
                    let copy = Box::new(copy);
                    return Kept::Good { copy, change };
                }
                Ok(_) => {
                    let why = "the copy was not stored as it was sent, perhaps changed by an admission webhook";
                    return failed(why.into(), stale);
                }
                Err(error) => error,
            };
            match error.fault() {
                Fault::Conflict | Fault::OutcomeUnknown if looks < MOST_LOOKS => {}
                // Of a namespace, when a copy was to be made; else of a copy that somebody deleted.
                Fault::NotFound if change == Change::Made => return Kept::Gone,
                Fault::NotFound if looks < MOST_LOOKS => {}
                _ => return gave_up(error, stale),
            }
            looks += 1;
            log::debug!("{}: {error}; looking at what is there", self.key);
            there = match kube.get_secret(&self.key, Asking::Patiently) {
                Ok(found) => Some(found),
                Err(error) if error.fault() == Fault::NotFound => None,
                Err(error) => return gave_up(error, stale),
            };
        }
    }

    /// Whether the original has changed since it was read; then it is what it is now. Asked where a copy holds a later login:
    /// another run has most likely written both since, and the login at hand may be of a key that is gone.
    fn look_at_original(&mut self, kube: &kube::Client) -> Result<bool, Kept> {
        let now = kube.get_secret(&self.original.key, Asking::Patiently);
        let now = now.map_err(|error| gave_up(error, true))?;
        if now.uid != self.original.uid {
            let why = format!("{} was replaced meanwhile; nothing was written here", self.original.key);
            return Err(failed(why, true));
        }
        let changed = now.resource_version() != self.original.resource_version();
        self.original = now;
        Ok(changed)
    }

    fn step(&self, there: Option<&Secret>) -> Step {
        let Some(copy) = there else {
            return Step::Make;
        };
        let original = &self.original;
        let owner = copy.annotation(COPY_OF).filter(|_| copy.has_label(COPY));
        if owner != Some(&original.key.to_string()) {
            let what = match owner {
                Some(other) => format!("a copy of {}, not of {}", one_line(other), original.key),
                None => format!("no copy of {}", original.key),
            };
            return Step::Leave(format!(
                "is there and is {what}: it is left alone; rename one of the two, or delete it"
            ));
        }
        if copy.secret_type() != original.secret_type() {
            return Step::Stuck(format!(
                "has the type `{}` and its original {} `{}`, and the type of a Secret cannot be changed: delete this copy, and the \
                 next run makes it anew",
                one_line(copy.secret_type()),
                original.key,
                one_line(original.secret_type())
            ));
        }
        if copy.has_data_of(original) && copy.annotation(EXPIRES_AT) == original.annotation(EXPIRES_AT) {
            Step::Nothing
        } else if copy.is_immutable() {
            Step::Stuck(format!(
                "is immutable and not what {} is now: delete this copy, and the next run makes it anew",
                original.key
            ))
        } else {
            Step::Update
        }
    }

    fn new_copy(&self) -> NewSecret {
        let mut copy = NewSecret::like(&self.original, &self.namespace, COPY);
        copy.set_annotation(COPY_OF, &self.original.key.to_string());
        if let Some(expires_at) = self.original.annotation(EXPIRES_AT) {
            copy.set_annotation(EXPIRES_AT, expires_at);
        }
        copy
    }

    fn renewed(&self, mut copy: Secret) -> Secret {
        copy.take_data_of(&self.original);
        match self.original.annotation(EXPIRES_AT) {
            Some(expires_at) => copy.set_annotation(EXPIRES_AT, expires_at),
            None => copy.remove_annotation(EXPIRES_AT),
        }
        copy
    }
}

/// When the first of a Secret's logins ends; the least where that is not known.
fn ends(secret: &Secret) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(secret.annotation(EXPIRES_AT)?, &Rfc3339).ok()
}

fn failed(why: String, stale: bool) -> Kept {
    let why = Why::Said(why);
    Kept::Failed { why, stale }
}

fn gave_up(error: kube::Error, stale: bool) -> Kept {
    if error.is_namespace_terminating() {
        Kept::Leaving
    } else if error.is_denied_by_rbac() {
        let why = Why::Denied(error);
        Kept::Failed { why, stale }
    } else {
        failed(error.to_string(), stale)
    }
}
