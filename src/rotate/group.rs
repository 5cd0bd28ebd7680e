//! Secrets that hold the same key are rotated together: the old key may go only when all of them hold the new one.

use std::collections::{BTreeMap, BTreeSet};

use super::REGION;
use super::rotation::member::Member;
use crate::aws::{AccessKeyId, KeyPair, Region};
use crate::key_secret;
use crate::kube::{Key, Secret};

/// The Secrets that hold one key.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) pair: KeyPair,
    pub(super) members: Vec<Member>,
}

/// Which Secrets speak of which key, in whatever field.
#[derive(Debug, Default)]
pub(super) struct Mentions(BTreeMap<String, BTreeSet<Key>>);

/// The length of every access key id that AWS gives out today. One of another length is only found when it comes to
/// deleting it.
const ID_LENGTH: usize = 20;

impl Mentions {
    pub(super) fn of(secrets: &[Secret]) -> Mentions {
        let mut mentions = Mentions::default();
        for secret in secrets {
            for value in secret.all_data().values() {
                for word in value.expose().windows(ID_LENGTH).filter(|word| looks_like_an_id(word)) {
                    let id = String::from_utf8_lossy(word).into_owned();
                    mentions.0.entry(id).or_default().insert(secret.key.clone());
                }
            }
        }
        mentions
    }

    /// The Secrets that speak of this key.
    pub(super) fn of_key(&self, id: &AccessKeyId) -> impl Iterator<Item = &Key> {
        self.0.get(id.as_str()).into_iter().flatten()
    }
}

/// Four letters, `AKIA` most often, and letters or digits.
fn looks_like_an_id(word: &[u8]) -> bool {
    let (start, rest) = word.split_at(4);
    start.iter().all(u8::is_ascii_uppercase) && rest.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Puts Secrets with the same pair together, in order of namespace and name. One that holds no pair is told to `refuse`,
/// and so is one that holds a key's id with another secret than the first one: one of the two is wrong.
pub(super) fn groups(secrets: Vec<Secret>, refuse: &mut dyn FnMut(&Key, String)) -> Vec<(KeyPair, Vec<Secret>)> {
    let mut groups: Vec<(KeyPair, Vec<Secret>)> = Vec::new();
    let mut by_id: BTreeMap<AccessKeyId, usize> = BTreeMap::new();
    for secret in secrets {
        let pair = match key_secret::pair(&secret) {
            Ok(pair) => pair,
            Err(why) => {
                refuse(&secret.key, why.to_string());
                continue;
            }
        };
        match by_id.get(&pair.id).map(|&at| &mut groups[at]) {
            None => {
                by_id.insert(pair.id.clone(), groups.len());
                groups.push((pair, vec![secret]));
            }
            Some((first, secrets)) if *first == pair => secrets.push(secret),
            Some((_, secrets)) => refuse(
                &secret.key,
                format!(
                    "key {} is also in {}, with another secret access key; one of the two is wrong: put the same pair \
                     into both",
                    pair.id, secrets[0].key
                ),
            ),
        }
    }
    groups
}

impl Group {
    /// The Secrets that speak of this group's key and are not of it.
    pub(super) fn elsewhere(&self, mentions: &Mentions) -> Vec<Key> {
        let is_member = |key: &&Key| self.members.iter().any(|member| member.secret.key == **key);
        mentions
            .of_key(&self.pair.id)
            .filter(|key| !is_member(key))
            .cloned()
            .collect()
    }

    /// The Secrets that speak of the key which this program put into a Secret of the group, where it holds another one now.
    pub(super) fn with_recorded_key(&self, mentions: &Mentions) -> Vec<Key> {
        let currents = self
            .members
            .iter()
            .filter_map(|member| member.history.as_ref()?.current.as_ref());
        let elsewhere: BTreeSet<Key> = currents
            .filter(|current| **current != self.pair.id)
            .flat_map(|current| mentions.of_key(current).cloned())
            .collect();
        elsewhere.into_iter().collect()
    }

    /// The region that the first Secret which names one names, else the run's. An empty annotation names none.
    pub(super) fn region(&self, default: &Region) -> Result<Region, String> {
        for secret in self.members.iter().map(|member| &member.secret) {
            if let Some(text) = secret.annotation(REGION).map(str::trim).filter(|text| !text.is_empty()) {
                return Region::parse(text)
                    .map_err(|error| format!("annotation `{REGION}` of {}: {error}; nothing was done", secret.key));
            }
        }
        Ok(default.clone())
    }
}
