//! What depends on a key that was replaced, such as logins that were made with it: it is brought to the new key before the old
//! one goes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

use crate::kube::Key;

/// Brings whatever depends on the pairs in these Secrets to what they hold now.
pub type Follow = dyn Fn(&[Key]) -> Followed + Send + Sync;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Nothing depends on an earlier pair any more.
    Done,
    /// Not yet, for this reason; it is worth asking again.
    Later(String),
    /// It cannot be done now, for this reason.
    Failed(String),
}

/// Asks one after the other, each in a thread of its own: whoever waits for the answer holds locks, and has to renew them.
pub(super) struct Dependents {
    follow: Arc<Follow>,
    turn: Arc<Mutex<()>>,
}

impl fmt::Debug for Dependents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dependents")
    }
}

impl Dependents {
    pub(super) fn new(follow: Arc<Follow>) -> Dependents {
        Dependents {
            follow,
            turn: Arc::default(),
        }
    }

    /// Begins to ask for these Secrets, unless others are being asked for.
    pub(super) fn ask(&self, secrets: Vec<Key>) -> Option<JoinHandle<Followed>> {
        if matches!(self.turn.try_lock(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let (follow, turn) = (Arc::clone(&self.follow), Arc::clone(&self.turn));
        Some(thread::spawn(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            follow(&secrets)
        }))
    }
}
