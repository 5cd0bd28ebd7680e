//! A user's keys by number: what the protocol reasons about needs no more, and sets of them are one word.

use std::fmt;

/// A key of the user, by the number that the run has given it. Numbers ascend with the keys' creation, as far as a listing
/// told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u8);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "K{}", self.0)
    }
}

/// A set of keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Keys(u32);

impl Keys {
    /// How many keys can be told apart.
    pub const MOST: usize = u32::BITS as usize;
    /// No key.
    pub const NONE: Keys = Keys(0);

    /// Whether it has this key.
    pub fn has(self, key: Key) -> bool {
        self.0 & (1 << key.0) != 0
    }

    /// With this key.
    pub fn with(self, key: Key) -> Keys {
        Keys(self.0 | 1 << key.0)
    }

    /// Without this key.
    pub fn without(self, key: Key) -> Keys {
        Keys(self.0 & !(1 << key.0))
    }

    /// What either has.
    pub fn or(self, other: Keys) -> Keys {
        Keys(self.0 | other.0)
    }

    /// What both have.
    pub fn and(self, other: Keys) -> Keys {
        Keys(self.0 & other.0)
    }

    /// What the other one has not.
    pub fn minus(self, other: Keys) -> Keys {
        Keys(self.0 & !other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The oldest one.
    pub fn first(self) -> Option<Key> {
        self.iter().next()
    }

    /// The newest one.
    pub fn newest(self) -> Option<Key> {
        self.iter().last()
    }

    /// All of them, oldest first.
    pub fn iter(self) -> impl Iterator<Item = Key> {
        (0..Keys::MOST as u8).map(Key).filter(move |key| self.has(*key))
    }
}

impl FromIterator<Key> for Keys {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Keys {
        keys.into_iter().fold(Keys::NONE, Keys::with)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
