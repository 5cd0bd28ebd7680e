//! What is put before [`decide`](super::decide): the Secrets as last seen, and the questions that only a clock can answer.

use super::keys::{Key, Keys};
use super::memory::Memory;

/// Everything that a step is decided on.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The Secrets of the group, in order of namespace and name.
    pub secrets: &'a [Seen],
    /// What this run knows besides.
    pub memory: &'a Memory,
    /// Whether a Secret that is not of the group, since it lacks half of the pair for one, speaks of its key.
    pub elsewhere: bool,
    /// Whether the keys are old enough to be replaced.
    pub due: bool,
    /// Whose keys they are, once asked.
    pub identity: Option<Who>,
    /// Whether the window of a create of unknown outcome is not over yet.
    pub window_open: bool,
    /// Whether it is time to try the new key again.
    pub probe_due: bool,
    /// Whether this run is to come to an end: a signal, its deadline, or a server that does not answer.
    pub stopping: bool,
}

/// One Secret of the group, as last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// What its pair is.
    pub holds: Holds,
    /// Whose journal is on it.
    pub lock: Lock,
    /// What that journal says. Nothing, unless the lock is `Mine` or `Takeable`.
    pub claim: Claim,
    /// What its history says.
    pub history: History,
    /// Whether this is how it is, as far as can be known. A conflict and a write without an answer leave that open.
    pub fresh: bool,
    /// Whether this run's journal on it was stamped more than a third of the lock timeout ago.
    pub aged: bool,
    /// Whether that journal names the time in which a create by this run is to be looked for.
    pub windowed: bool,
    /// Whether a write was refused for a reason that stays.
    pub refused: bool,
    /// Whether a new pair was sent to it.
    pub sent: bool,
    /// Whether a write with a new pair may still be stored.
    pub may_land: bool,
    /// Whether the key that it holds may stay for a while when it is replaced.
    pub grace: bool,
    /// Whether no write can change it.
    pub immutable: bool,
}

/// What a Secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// A pair of this user.
    Pair(Key),
    /// Not told yet: the keys were not listed.
    Unknown,
    /// Something else. It is no concern of this rotation.
    Other,
    /// The Secret is gone, or another one has its name.
    Gone,
}

/// Whose journal is on a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// Nobody's.
    Free,
    /// This run's.
    Mine,
    /// That of a run which may be alive.
    Live,
    /// That of a run which is gone, or has not renewed it in time, or has released it.
    Takeable,
    /// One that cannot be read.
    Unreadable,
}

/// What a journal says of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Claim {
    /// The keys that were there when it was begun.
    pub known: Keys,
    /// Keys that a create is known to have made.
    pub made: Keys,
    /// Whether a create was sent, or may be, whose outcome it does not know.
    pub open: bool,
    /// Whether its run has given up.
    pub released: bool,
}

/// What a history says of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct History {
    /// Keys that this program has replaced in this Secret.
    pub replaced: Keys,
    /// Of these, the ones that may stay for now.
    pub protected: Keys,
    /// Keys that this program has made without learning their secret, known by when they were made.
    pub orphans: Keys,
    /// Of these, the ones that it has deactivated.
    pub deactivated: Keys,
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// An IAM user's.
    User,
    /// The account root's.
    Root,
    /// A role's session or a federated user's.
    Other,
}

impl Seen {
    /// A Secret of which nothing is known yet but that it is there.
    pub fn unknown(immutable: bool, grace: bool) -> Seen {
        Seen {
            holds: Holds::Unknown,
            lock: Lock::Free,
            claim: Claim::default(),
            history: History::default(),
            fresh: true,
            aged: false,
            windowed: false,
            refused: false,
            sent: false,
            may_land: false,
            grace,
            immutable,
        }
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.holds != Holds::Gone
    }

    /// Whether it has to do with this rotation: it holds a key of the user, or a journal is on it.
    fn takes_part(&self) -> bool {
        match self.holds {
            Holds::Pair(_) | Holds::Unknown => true,
            Holds::Other => self.lock != Lock::Free || !self.fresh,
            Holds::Gone => false,
        }
    }

    /// The key of this user that it holds.
    pub fn key(&self) -> Option<Key> {
        match self.holds {
            Holds::Pair(key) => Some(key),
            Holds::Unknown | Holds::Other | Holds::Gone => None,
        }
    }
}

impl Observation<'_> {
    /// The Secrets that take part, with their places.
    pub fn present(&self) -> impl Iterator<Item = (usize, &Seen)> {
        self.secrets
            .iter()
            .enumerate()
            .filter(|(_, secret)| secret.takes_part())
    }

    /// The keys that Secrets hold.
    pub fn held(&self) -> Keys {
        self.secrets.iter().filter_map(Seen::key).collect()
    }

    /// The keys that the Secrets' histories name.
    pub fn recorded(&self) -> Keys {
        self.histories(|history| history.replaced.or(history.orphans))
    }

    /// What `part` picks from each history, together.
    pub fn histories(&self, part: impl Fn(&History) -> Keys) -> Keys {
        let parts = self.present().map(|(_, secret)| part(&secret.history));
        parts.fold(Keys::NONE, Keys::or)
    }
}
