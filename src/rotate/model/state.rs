//! One state of the model: one user's keys at IAM, the Secrets, the runs, and what is under way between them.

use crate::rotate::protocol::{Claim, History, Holds, Key, Keys, Lock, Memory, Seen};

/// The most Secrets, runs, keys and windows that a state has room for.
pub(super) const SECRETS: usize = 3;
pub(super) const RUNS: usize = 3;
pub(super) const KEYS: usize = 7;
pub(super) const WINDOWS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Status {
    Active,
    Inactive,
    /// Deleted, but something still speaks of it.
    Deleted,
    Unused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// The Secrets held it at the start.
    Original,
    /// The same, and this program has written another one in its place.
    Replaced,
    /// A create of this program made it.
    Ours,
    /// A stranger made it.
    Foreign,
    /// A stranger made it while a create of ours was under way, or may have been, that nobody knows the outcome of.
    ForeignInWindow,
}

/// Whether a stranger made it.
pub(super) fn is_foreign(origin: Origin) -> bool {
    matches!(origin, Origin::Foreign | Origin::ForeignInWindow)
}

/// How far the knowledge of a new key has spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spread {
    /// It is refused.
    Nowhere,
    /// It is accepted once, and then refused again.
    Flaps,
    /// It was accepted once, and is refused again.
    RefusedAgain,
    /// It is accepted for good.
    Everywhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyState {
    pub(super) status: Status,
    pub(super) origin: Origin,
    pub(super) spread: Spread,
    /// The windows that its `CreateDate` lies in.
    pub(super) born: u8,
    /// The windows that had begun, and were over, when it was made. One that begins anew has it in.
    pub(super) later: u8,
    /// Whether it was made in this very second: a window that begins with this second's listing has it in.
    pub(super) recent: bool,
    /// Whether it is one of two that the same create may have made.
    pub(super) ambiguous: bool,
    /// Whether the run that made it has tried it.
    pub(super) tried: bool,
    /// Whether a Secret has held it, so that people may have its secret.
    pub(super) public: bool,
}

pub(super) const UNUSED: KeyState = KeyState {
    status: Status::Unused,
    origin: Origin::Original,
    spread: Spread::Everywhere,
    born: 0,
    later: 0,
    recent: false,
    ambiguous: false,
    tried: false,
    public: false,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Run(u8),
    /// A run that is no more.
    Dead,
}

/// How long ago a journal was stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Age {
    /// Within a third of the lock timeout.
    Young,
    /// Within the lock timeout.
    Old,
    /// Longer ago.
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Journal {
    pub(super) owner: Owner,
    pub(super) claim: Claim,
    /// The windows that it names.
    pub(super) windows: u8,
    pub(super) age: Age,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Secret {
    pub(super) holds: Key,
    pub(super) journal: Option<Journal>,
    pub(super) history: History,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) memory: Memory,
    /// The Secrets as it last saw them; `Holds::Gone` for those that it does not know of.
    pub(super) seen: [Seen; SECRETS],
    /// The windows that the journals it saw there name.
    pub(super) seen_windows: [u8; SECRETS],
    /// Whether what it saw is still the newest version of the Secret.
    pub(super) newest: [bool; SECRETS],
    /// The windows of creates whose outcome it does not know.
    pub(super) unresolved: u8,
    /// The window that begins with its last listing.
    pub(super) own: Option<u8>,
    pub(super) stopping: bool,
    pub(super) due: bool,
    /// Replaced keys that something else depends on, so that this run keeps them.
    pub(super) kept: Keys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Budget {
    pub(super) foreign: u8,
    pub(super) stale: u8,
    pub(super) touch: u8,
    pub(super) put_back: u8,
    pub(super) wipe: u8,
    pub(super) remove: u8,
    pub(super) copy: u8,
    pub(super) refuse: u8,
    pub(super) crash: u8,
    pub(super) stop: u8,
    pub(super) lose: u8,
    pub(super) late: u8,
    pub(super) expire: u8,
    pub(super) keep: u8,
    pub(super) runs: u8,
}

impl Budget {
    /// The smaller of each.
    pub(super) fn least(&self, other: &Budget) -> Budget {
        Budget {
            foreign: self.foreign.min(other.foreign),
            stale: self.stale.min(other.stale),
            touch: self.touch.min(other.touch),
            put_back: self.put_back.min(other.put_back),
            wipe: self.wipe.min(other.wipe),
            remove: self.remove.min(other.remove),
            copy: self.copy.min(other.copy),
            refuse: self.refuse.min(other.refuse),
            crash: self.crash.min(other.crash),
            stop: self.stop.min(other.stop),
            lose: self.lose.min(other.lose),
            late: self.late.min(other.late),
            expire: self.expire.min(other.expire),
            keep: self.keep.min(other.keep),
            runs: self.runs.min(other.runs),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) keys: [KeyState; KEYS],
    pub(super) secrets: [Option<Secret>; SECRETS],
    pub(super) runs: [Option<Run>; RUNS],
    /// Windows that are not over.
    pub(super) open: u8,
    /// Windows in which a create got no answer, or may have been sent by a run that died or was taken for dead.
    pub(super) doubtful: u8,
    /// Windows in which a create is under way that got no answer, and who sent it.
    pub(super) creating: [Option<Owner>; WINDOWS],
    pub(super) deleting: Keys,
    pub(super) deactivating: Keys,
    /// Writes under way that got no answer. Each is stale once another one is stored.
    pub(super) writing: [Option<Secret>; SECRETS],
    /// What a listing showed before the last change: all keys, and the active ones.
    pub(super) before: Option<(Keys, Keys)>,
    /// What may still happen.
    pub(super) budget: Budget,
    /// Whether somebody has removed a record, or a Secret with its records.
    pub(super) wiped: bool,
}

/// A Secret that a run does not know of.
pub(super) const UNSEEN: Seen = Seen {
    holds: Holds::Gone,
    lock: Lock::Free,
    claim: Claim {
        known: Keys::NONE,
        made: Keys::NONE,
        open: false,
        released: false,
    },
    history: History {
        replaced: Keys::NONE,
        protected: Keys::NONE,
        orphans: Keys::NONE,
        deactivated: Keys::NONE,
    },
    fresh: true,
    aged: false,
    windowed: false,
    refused: false,
    sent: false,
    may_land: false,
    grace: false,
    immutable: false,
};

impl State {
    pub(super) fn key(&self, key: Key) -> &KeyState {
        &self.keys[usize::from(key.0)]
    }

    pub(super) fn key_mut(&mut self, key: Key) -> &mut KeyState {
        &mut self.keys[usize::from(key.0)]
    }

    pub(super) fn keys_where(&self, which: impl Fn(&KeyState) -> bool) -> Keys {
        let all = (0..KEYS as u8).map(Key);
        all.filter(|key| which(self.key(*key))).collect()
    }

    pub(super) fn existing(&self) -> Keys {
        self.keys_where(|key| matches!(key.status, Status::Active | Status::Inactive))
    }

    pub(super) fn active(&self) -> Keys {
        self.keys_where(|key| key.status == Status::Active)
    }

    /// The keys that count as this program's doing, with those it found.
    pub(super) fn own(&self) -> Keys {
        self.existing().and(self.keys_where(|key| !is_foreign(key.origin)))
    }

    pub(super) fn held(&self) -> Keys {
        self.secrets.iter().flatten().map(|secret| secret.holds).collect()
    }

    /// Every Secret's content changes version: what others have seen is old, and writes under way are stale.
    pub(super) fn changed(&mut self, at: usize) {
        self.writing[at] = None;
        for run in self.runs.iter_mut().flatten() {
            run.newest[at] = false;
        }
    }

    pub(super) fn remember_listing(&mut self) {
        self.before = Some((self.existing(), self.active()));
    }

    /// A new key, in the first place behind all others.
    pub(super) fn add_key(&mut self, origin: Origin, spreads: bool) -> Key {
        let used = |key: &KeyState| key.status != Status::Unused;
        let at = self.keys.iter().rposition(used).map_or(0, |at| at + 1);
        assert!(at < KEYS, "the model has room for more keys than ever matter at a time");
        self.remember_listing();
        let spread = if spreads { Spread::Nowhere } else { Spread::Everywhere };
        self.keys[at] = KeyState {
            status: Status::Active,
            origin,
            spread,
            born: self.open,
            later: !self.open,
            recent: is_foreign(origin),
            ambiguous: false,
            tried: false,
            public: false,
        };
        Key(at as u8)
    }
}
