//! Secrets that hold the same key are rotated together: the old key may go only when all of them hold the new one.

use std::collections::BTreeMap;

use super::REGION;
use crate::aws::{AccessKeyId, KeyPair, Region};
use crate::key_secret;
use crate::kube::{Key, Secret};

/// The Secrets that hold one key.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) pair: KeyPair,
    pub(super) secrets: Vec<Secret>,
}

/// Which Secrets hold which key, for messages about another one's.
pub(super) type Holding = (AccessKeyId, String);

/// Puts Secrets with the same pair together, in order of namespace and name. One that holds no pair is told to `refuse`,
/// and so is one that holds a key's id with another secret than the first one: one of the two is wrong.
pub(super) fn groups(secrets: Vec<Secret>, refuse: &mut dyn FnMut(&Key, String)) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
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
                groups.push(Group {
                    pair,
                    secrets: vec![secret],
                });
            }
            Some(group) if group.pair == pair => group.secrets.push(secret),
            Some(group) => refuse(
                &secret.key,
                format!(
                    "key {} is also in {}, with another secret access key; one of the two is wrong: put the same pair \
                     into both",
                    pair.id, group.secrets[0].key
                ),
            ),
        }
    }
    groups
}

impl Group {
    /// The Secrets' names, as a log line begins.
    pub(super) fn names(&self) -> String {
        names(&self.secrets)
    }

    pub(super) fn holding(&self) -> Holding {
        (self.pair.id.clone(), self.names())
    }

    /// The region that the first Secret which names one names, else the run's.
    pub(super) fn region(&self, default: &Region) -> Result<Region, String> {
        match self.secrets.iter().find_map(|secret| secret.annotation(REGION)) {
            None => Ok(default.clone()),
            Some(text) => Region::parse(text).map_err(|error| format!("annotation `{REGION}`: {error}")),
        }
    }
}

pub(super) fn names(secrets: &[Secret]) -> String {
    secrets
        .iter()
        .map(|secret| secret.key.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
