//! What one run knows beyond what the servers show, and how it learns.
//!
//! The driver and the exhaustive model keep the same books: both call these functions and nothing else changes a memory.

use super::Outcome;
use super::keys::{Key, Keys};
use super::seen::{Lock, Seen};

/// What this run knows of one user's rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Memory {
    /// The keys that were there before, once a journal was begun: what appears later was not.
    pub known: Option<Keys>,
    /// Keys that a create is known to have made, by this run or one whose journal it took over, and that were not
    /// deleted since.
    pub made: Keys,
    /// Whether a create was sent whose outcome is not known.
    pub open: bool,
    /// Whether a journal of another run was taken over.
    pub inherited: bool,
    /// Whether anything was done under the lock. From then on a Secret that does not carry the journal is one that was lost.
    pub begun: bool,
    /// The user's keys as last listed.
    pub listing: Option<Listing>,
    /// Whether all Secrets were read since, and nothing was done since that.
    pub looked: bool,
    /// Whether that look found a Secret of this user that is not of the group.
    pub newcomers: bool,
    /// What became of this run's create.
    pub create: Create,
    /// How many creates were sent.
    pub creates: u8,
    /// The key that was last tried, and how often in a row it was accepted.
    pub tried: Option<Key>,
    /// See `tried`.
    pub in_a_row: u8,
    /// Keys that were not accepted in time.
    pub given_up: Keys,
    /// Keys that are gone: deleted, and not listed any more.
    pub gone: Keys,
    /// Keys whose deletion was refused.
    pub undeletable: Keys,
    /// Keys that this run has deactivated.
    pub deactivated: Keys,
    /// How the rotation is to end, once it has begun to take its journals off.
    pub ending: Option<Outcome>,
    /// How often a listing that contradicts something else was asked for again.
    pub settled: u8,
}

/// The user's keys, as listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// All of them.
    pub keys: Keys,
    /// Those that are active.
    pub active: Keys,
    /// Those whose `CreateDate` lies in the window of a create of unknown outcome.
    pub dated: Keys,
    /// Whether every window of such a create was over when it was asked for.
    pub after_window: bool,
    /// Whether this run held the lock when it was asked for.
    pub under_lock: bool,
}

/// What became of the create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Create {
    /// None was sent, or what became of it is settled.
    #[default]
    None,
    /// It was refused: it made no key, and would make none if sent again.
    Refused,
    /// It made this key, whose secret this run has.
    Made(Key),
    /// The key it made is deleted again.
    Withdrawn,
}

impl Memory {
    /// A journal is about to be written for the first time, or over another run's.
    pub fn taking(&mut self, known: Keys, made: Keys, open: bool, inherited: bool) {
        self.known = Some(known);
        self.made = self.made.or(made);
        self.open |= open;
        self.inherited |= inherited;
    }

    /// The keys were listed.
    pub fn listed(&mut self, listing: Listing) {
        self.begun |= listing.under_lock;
        self.listing = Some(listing);
        self.looked = false;
    }

    /// The listing contradicts something, and is to be asked for again.
    pub fn settle(&mut self) {
        self.listing = None;
        self.settled += 1;
    }

    /// All Secrets in scope were read, after the keys were listed.
    pub fn looked(&mut self, newcomers: bool) {
        self.begun |= self.known.is_some();
        self.looked = true;
        self.newcomers |= newcomers;
    }

    /// A create is about to be sent. All earlier ones are settled.
    pub fn creating(&mut self) {
        self.begun = true;
        self.creates += 1;
        self.open = false;
    }

    /// It made this key.
    pub fn created(&mut self, key: Key) {
        self.create = Create::Made(key);
        self.made = self.made.with(key);
        self.tried = None;
        self.in_a_row = 0;
        self.looked = false;
        if let Some(listing) = &mut self.listing {
            listing.keys = listing.keys.with(key);
            listing.active = listing.active.with(key);
        }
    }

    /// It got no answer.
    pub fn create_unknown(&mut self) {
        self.open = true;
        self.listing = None;
    }

    /// The user has as many keys as it may have. Unless the listing keeps denying that, it was a late one.
    pub fn limit_exceeded(&mut self, most: u8) {
        if self.settled < most {
            self.settle();
        } else {
            self.create = Create::Refused;
        }
    }

    /// It was refused for a reason that stays.
    pub fn create_refused(&mut self) {
        self.create = Create::Refused;
    }

    /// A key was tried, and accepted or not.
    pub fn tried(&mut self, key: Key, accepted: bool, most: u8) {
        self.begun = true;
        if self.tried != Some(key) {
            self.tried = Some(key);
            self.in_a_row = 0;
        }
        self.in_a_row = if accepted { (self.in_a_row + 1).min(most) } else { 0 };
    }

    /// A key was not accepted in time.
    pub fn give_up(&mut self, key: Key) {
        self.given_up = self.given_up.with(key);
    }

    /// A Secret was written.
    pub fn wrote(&mut self) {
        self.looked = false;
    }

    /// A key is gone.
    pub fn deleted(&mut self, key: Key) {
        self.gone = self.gone.with(key);
        self.made = self.made.without(key);
        self.looked = false;
        if let Some(listing) = &mut self.listing {
            listing.keys = listing.keys.without(key);
            listing.active = listing.active.without(key);
            listing.dated = listing.dated.without(key);
        }
        if self.create == Create::Made(key) {
            self.create = Create::Withdrawn;
        }
    }

    /// A key is inactive now.
    pub fn deactivated(&mut self, key: Key) {
        self.deactivated = self.deactivated.with(key);
        self.looked = false;
        if let Some(listing) = &mut self.listing {
            listing.active = listing.active.without(key);
        }
    }

    /// A key could not be deleted or deactivated.
    pub fn not_deleted(&mut self, key: Key) {
        self.undeletable = self.undeletable.with(key);
        self.looked = false;
    }

    /// What became of a deletion or deactivation is not known: it is decided on anew.
    pub fn deletion_unknown(&mut self) {
        self.looked = false;
    }

    /// A Secret was read again. Whether it shows that nothing is locked: what was concluded for the lock is out of date. Where
    /// another one is still locked, so is the listing: whoever had this one meanwhile may have made a key.
    pub fn starts_over(&mut self, secrets: &[Seen]) -> bool {
        if !self.begun {
            self.listing = None;
        }
        let mine = secrets.iter().any(|secret| !secret.fresh || secret.lock == Lock::Mine);
        self.known.is_some() && !self.begun && !mine
    }

    /// The key whose secret this run alone may have.
    pub fn new_key(&self) -> Option<Key> {
        match self.create {
            Create::Made(key) => Some(key),
            Create::None | Create::Refused | Create::Withdrawn => None,
        }
    }
}
