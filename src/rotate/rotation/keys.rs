//! The user's keys: their ids by number, what IAM last said of them, and the pairs that this run has.

use std::collections::BTreeMap;

use crate::aws::iam::{AccessKey, KeyStatus};
use crate::aws::{AccessKeyId, KeyPair};
use crate::rotate::protocol::{Key, Keys};

/// The keys of one user, as far as this run has heard of them.
#[derive(Debug, Default)]
pub(in crate::rotate) struct KeyTable {
    ids: Vec<AccessKeyId>,
    listed: BTreeMap<AccessKeyId, AccessKey>,
    pairs: BTreeMap<AccessKeyId, KeyPair>,
}

/// More keys than can be told apart: a server gone wrong, or somebody's idea of a joke.
#[derive(Debug)]
pub(in crate::rotate) struct TooMany;

impl KeyTable {
    /// The number of a key, given now if it has none.
    pub(in crate::rotate) fn number(&mut self, id: &AccessKeyId) -> Result<Key, TooMany> {
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        if self.ids.len() == Keys::MOST {
            return Err(TooMany);
        }
        self.ids.push(id.clone());
        Ok(Key((self.ids.len() - 1) as u8))
    }

    /// The numbers of several keys.
    pub(in crate::rotate) fn numbers<'a>(
        &mut self,
        ids: impl IntoIterator<Item = &'a AccessKeyId>,
    ) -> Result<Keys, TooMany> {
        ids.into_iter().map(|id| self.number(id)).collect()
    }

    /// The number of a key that has one.
    pub(in crate::rotate) fn known(&self, id: &AccessKeyId) -> Option<Key> {
        self.ids.iter().position(|known| known == id).map(|at| Key(at as u8))
    }

    /// The id of a key. Numbers are only ever given by this table.
    pub(in crate::rotate) fn id(&self, key: Key) -> &AccessKeyId {
        &self.ids[usize::from(key.0)]
    }

    /// The ids of several keys.
    pub(in crate::rotate) fn ids(&self, keys: Keys) -> impl Iterator<Item = &AccessKeyId> {
        keys.iter().map(|key| self.id(key))
    }

    /// IAM's list, oldest first: numbers ascend with age.
    pub(in crate::rotate) fn list(&mut self, mut keys: Vec<AccessKey>) -> Result<(Keys, Keys), TooMany> {
        keys.sort_by_key(|key| key.created);
        let (mut all, mut active) = (Keys::NONE, Keys::NONE);
        for key in keys {
            let number = self.number(&key.id)?;
            all = all.with(number);
            if key.status == KeyStatus::Active {
                active = active.with(number);
            }
            self.listed.insert(key.id.clone(), key);
        }
        Ok((all, active))
    }

    /// What IAM last said of a key.
    pub(in crate::rotate) fn listed(&self, key: Key) -> Option<&AccessKey> {
        self.listed.get(self.id(key))
    }

    /// Keeps a pair.
    pub(in crate::rotate) fn learn(&mut self, pair: &KeyPair) {
        self.pairs.insert(pair.id.clone(), pair.clone());
    }

    /// The pair of a key, if this run has it.
    pub(in crate::rotate) fn pair(&self, key: Key) -> Option<&KeyPair> {
        self.pairs.get(self.id(key))
    }
}
