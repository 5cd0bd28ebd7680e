//! The exhaustive proof: every state that one user, its Secrets and its runs can get into, with the real
//! [`decide`](crate::rotate::protocol::decide) and the real [`Memory`](crate::rotate::protocol::Memory).
//!
//! # What a state is
//!
//! The user's keys at IAM; up to three Secrets with journal and history; up to three runs, each with its memory and the Secrets
//! as it last saw them; the requests under way that got no answer; which windows of creates are not over; and the budget of
//! what may still go wrong. There is no clock: ages are *young*, *old* and *expired*, and what may be over may be over now or
//! later. States that differ only in names are one (`canonical`). `state` has the types.
//!
//! # What may happen
//!
//! - A run begins, or does the step that it decides on. A request that changes something is done, refused for good, lost
//!   before it arrives, done with its answer lost, or is late: no answer comes, and it arrives at any later time or never. A
//!   listing may be the one from before the last change (`step`, `run`, `iam`, `secrets`).
//! - A run crashes between any two of these, or is told to stop.
//! - Journals grow old and run out, also those of runs that are alive; windows end; a new key is accepted nowhere, then
//!   once and refused again, then everywhere; the grace period ends (`world`).
//! - What depends on a replaced key does not follow, so that a run keeps the key; or it takes so long that journals have to be
//!   renewed before the key may go.
//! - Others touch a Secret, put another live key into it, wipe its annotations, remove it, copy it, before or after it in order;
//!   make a key of the user, also in the very second of a listing, and deactivate it (`others`).
//!
//! How often each may happen is the budget of a configuration. With it, the limit of two keys at IAM or none, whether a run
//! can prove that another is gone, grace, max-age, what becomes of replaced and of foreign keys.
//!
//! # What is asserted
//!
//! Each of [`Violation`], in every state or at every change: P1 when a Secret or a key changes, P2 when a key does, P4 when
//! one is made, P7 when a create is sent, P5 by a walk without faults from every state (`settle`). What must be possible
//! (`sometimes`), and that every budget was used up somewhere, so that nothing holds because nothing happens. The numbers of
//! states and transitions are pinned: a change of the protocol shows there, and is to be understood before they are written
//! anew. `ablations` takes every rule out and shows the promise that then fails.
//!
//! `cargo test` explores two and a half million states (`suite`). The large configurations (`large`) take minutes:
//!
//! ```text
//! RUSTFLAGS='--cfg model_large' cargo test --profile model --locked --lib rotate::model::large
//! ```
//!
//! # What is more than can happen
//!
//! Windows and journals end in any order that the thirds of the lock timeout permit, however unlikely. A late request may
//! arrive after everything else that its window lets pass. A deletion that got no answer may arrive at any time at all.
//!
//! # What is assumed
//!
//! - A create that got no answer makes its key before its window is over, or never (rule 6: the request's timeout ends there).
//! - A listing is late by less than a window lasts: a key whose window is over is listed.
//! - The API server compares resource versions, so that a late write over a newer version is no write. There is one late write
//!   to a Secret at a time.
//! - Nobody puts a key that does not work into a Secret, or one whose secret no Secret has ever shown.
//! - Nobody puts a key back between a run's last look and the deletion that it was for, or while that is under way. No protocol
//!   over two servers prevents this; the time is that of one request.
//! - Where somebody wipes a record or removes a Secret, P1 and P2 hold, and P4, P5 and P7 cannot be promised: what they rest on
//!   is gone.
//! - A run that died, or was taken for dead, may have sent the create that its journal announces. For P2 this counts as a create
//!   whose answer never came. Of two keys that it may have made, neither is touched, and P5 leaves them to people.

mod ablations;
mod canonical;
mod explore;
mod fingerprint;
mod iam;
#[cfg(model_large)]
mod large;
mod others;
mod run;
mod secrets;
mod settle;
mod sometimes;
mod state;
mod step;
mod suite;
mod world;

use self::state::{Budget, KEYS, RUNS, SECRETS, Secret, State, UNUSED, WINDOWS};
use crate::cli::{ForeignKeys, Retire};
use crate::rotate::protocol::{Key, Keys, Policy};

/// A promise that does not hold in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Violation {
    /// A Secret is left with a key that does not work.
    P1,
    /// A key that is nobody's of ours was deleted or deactivated.
    P2,
    /// There are more than two keys by our doing.
    P4,
    /// Two runs after the last fault the steady state is not reached.
    P5,
    /// Two runs have a new key at the same time.
    P7,
    /// A Secret was given a key that is not known everywhere.
    Unproven,
    /// A run ended with the report that IAM does not list a key which it has.
    Untrue,
}

/// One configuration of the model.
#[derive(Clone, Copy, Debug)]
struct Config {
    /// What the tests call it.
    name: &'static str,
    /// How many Secrets there are.
    secrets: usize,
    /// With those that others may add.
    most_secrets: usize,
    /// How many runs there may be at once.
    runs: usize,
    /// Whether a second key leaves no room for a third.
    limit: bool,
    /// Whether a run can prove that another one is gone.
    provable: bool,
    /// Whether the knowledge of a new key takes time to spread.
    spreads: bool,
    /// Whether a replaced key may stay for a while.
    grace: bool,
    /// Whether a key is replaced only once: what this program has made is young.
    max_age: bool,
    /// Whether the Secrets hold different keys at first.
    different: bool,
    /// Whether P5 is looked at.
    progress: bool,
    /// Whether reports are: only where a run settles as many contradictions as can come together. A late listing is one, a
    /// whole rotation by another run between a listing and the look after it is another.
    truthful: bool,
    /// Whether a Secret that others add comes before those that are there.
    copy_before: bool,
    policy: Policy,
    /// What may happen besides, and how often.
    budget: Budget,
}

impl Config {
    /// The state that everything begins with: no run, no record, and what the Secrets hold works.
    fn initial(&self) -> State {
        let mut state = State {
            keys: [UNUSED; KEYS],
            secrets: [None; SECRETS],
            runs: [None; RUNS],
            open: 0,
            doubtful: 0,
            creating: [None; WINDOWS],
            deleting: Keys::NONE,
            deactivating: Keys::NONE,
            writing: [None; SECRETS],
            before: None,
            budget: self.budget,
            wiped: false,
        };
        let keys = if self.different { 2 } else { 1 };
        for at in 0..keys {
            state.add_key(state::Origin::Original, false);
            state.keys[at].public = true;
        }
        let first = if self.copy_before {
            self.most_secrets - self.secrets
        } else {
            0
        };
        for at in 0..self.secrets {
            state.secrets[first + at] = Some(Secret {
                holds: Key((at % keys) as u8),
                journal: None,
                history: Default::default(),
            });
        }
        state.before = None;
        state
    }
}

/// What the configurations have in common: two runs at once, one Secret, and nothing that goes wrong.
const BASE: Config = Config {
    name: "",
    secrets: 1,
    most_secrets: 1,
    runs: 2,
    limit: true,
    provable: true,
    spreads: false,
    grace: false,
    max_age: false,
    different: false,
    copy_before: false,
    progress: true,
    truthful: false,
    policy: Policy {
        probes: 1,
        settles: 1,
        creates: 2,
        retire: Retire::Delete,
        foreign_keys: ForeignKeys::Refuse,
        without: None,
    },
    budget: Budget {
        foreign: 0,
        stale: 0,
        touch: 0,
        put_back: 0,
        wipe: 0,
        remove: 0,
        copy: 0,
        refuse: 0,
        crash: 0,
        stop: 0,
        lose: 0,
        late: 0,
        expire: 0,
        keep: 0,
        runs: 0,
    },
};
