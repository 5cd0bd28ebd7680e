//! What a rotation does at AWS: lists, creates, tries, deactivates and deletes keys.

use std::time::Duration;

use time::OffsetDateTime;

use super::pace::Pace;
use super::{LEAST_TIME, Listed, Rotation, Trouble};
use crate::aws::iam::{self, KeyStatus};
use crate::aws::{self, KeyPair, Meaning, sts};
use crate::error::Fault;
use crate::retry::Asking;
use crate::rotate::protocol::{Key, Listing, Lock};
use crate::rotate::rotation::keys::TooMany;
use crate::rotate::{Servers, wording};

impl Rotation {
    pub(super) fn list_keys(&mut self, servers: &Servers, now: Duration) -> Result<(), Trouble> {
        let signer = self.signer();
        let answer = iam::list_access_keys(&servers.aws, &self.region, &signer, Asking::Once);
        let listed = answer.map_err(|error| self.refused(&signer, &error))?;
        let answered = servers.now();
        let date = listed.date.unwrap_or_else(OffsetDateTime::now_utc).unix_timestamp();
        self.listed = Some(Listed {
            date,
            asked: now,
            answered,
        });
        let windows = self.unresolved.clone();
        let dates: Vec<_> = listed
            .keys
            .iter()
            .map(|key| (key.id.clone(), key.created.unix_timestamp()))
            .collect();
        let (keys, active) = self.keys.list(listed.keys)?;
        self.number_members()?;
        let in_window = |created: i64| windows.iter().any(|window| window.has(created));
        let dated = dates.iter().filter(|(_, created)| in_window(*created));
        let dated = dated.filter_map(|(id, _)| self.keys.known(id)).collect();
        let locked = self.memory.known.is_some()
            && self
                .members
                .iter()
                .all(|member| member.gone || member.seen.lock == Lock::Mine);
        self.memory.listed(Listing {
            keys,
            active,
            dated,
            after_window: windows.iter().all(|window| window.is_over(date)),
            under_lock: locked,
        });
        self.add_journalled(servers)?;
        Ok(())
    }

    /// The Secrets' own keys get numbers, too, after those that are listed: numbers ascend with age.
    fn number_members(&mut self) -> Result<(), TooMany> {
        let mut pairs = self.members.iter().filter_map(|member| member.pair.as_ref());
        if !pairs.clone().any(|pair| pair.id == self.first.id)
            && let Some(pair) = pairs.find(|pair| self.may_be_ours(pair))
        {
            self.first = pair.clone();
        }
        if !self.numbered {
            self.keys.number(&self.first.id)?;
        }
        self.numbered = true;
        self.keys.learn(&self.first);
        for member in &self.members {
            if let Some(pair) = &member.pair
                && self.keys.known(&pair.id).is_some()
            {
                self.keys.learn(pair);
            }
        }
        Ok(())
    }

    /// Whether a pair in a Secret may be this user's. Once the keys were listed, one that nobody has heard of is not: somebody
    /// has put another user's pair there, and what that user's keys are says nothing about these.
    fn may_be_ours(&self, pair: &KeyPair) -> bool {
        !self.numbered || self.keys.known(&pair.id).is_some()
    }

    /// A pair that works, as far as is known: the oldest that a Secret holds, for that is known everywhere. It stays the one
    /// that signs until it is refused.
    fn signer(&self) -> KeyPair {
        let active = self.memory.listing.map(|listing| listing.active);
        let usable = |pair: &&KeyPair| {
            let key = self.keys.known(&pair.id);
            let listed = key.is_none_or(|key| active.is_none_or(|active| active.has(key)));
            let refused = self.refused_signers.contains(&pair.id);
            let gone = key.is_some_and(|key| self.memory.gone.has(key));
            listed && !refused && !gone && self.may_be_ours(pair)
        };
        let mut pairs: Vec<&KeyPair> = self.members.iter().filter_map(|member| member.pair.as_ref()).collect();
        pairs.push(&self.first);
        pairs.sort_by_key(|pair| self.keys.known(&pair.id));
        pairs.into_iter().find(usable).unwrap_or(&self.first).clone()
    }

    /// A refused signer is not asked again while there is another one.
    fn refused(&mut self, signer: &KeyPair, error: &aws::Error) -> Trouble {
        let unknown = matches!(error.meaning(), Some(Meaning::UnknownKey | Meaning::WrongSecret));
        // Another run may have replaced the key since the Secrets were read.
        if unknown && self.memory.known.is_none() && !self.read_again {
            self.read_again = true;
            for member in self.members.iter_mut().filter(|member| !member.gone) {
                member.seen.fresh = false;
            }
            return Trouble::Pause(Duration::ZERO);
        }
        if unknown && !self.refused_signers.contains(&signer.id) {
            self.refused_signers.insert(signer.id.clone());
            if self.signer().id != signer.id {
                return Trouble::Otherwise(error.to_string());
            }
        }
        if error.meaning() == Some(Meaning::UnknownKey) {
            return Trouble::Lasting(format!("{error}{}", wording::dead_key(self, &signer.id)));
        }
        Trouble::from(error)
    }

    pub(super) fn identify(&mut self, servers: &Servers) -> Result<(), Trouble> {
        let signer = self.signer();
        let answer = sts::get_caller_identity(&servers.aws, &self.region, &signer, Asking::Once);
        self.identity = Some(answer.map_err(|error| self.refused(&signer, &error))?);
        Ok(())
    }

    pub(super) fn create(&mut self, servers: &Servers, now: Duration) -> Result<(), Trouble> {
        let oldest = self
            .members
            .iter()
            .filter_map(|member| member.stamped)
            .min()
            .unwrap_or(now);
        let end = oldest + servers.options.lock_timeout * 2 / 3;
        let within = end.saturating_sub(servers.now());
        if within < LEAST_TIME {
            return Err(Trouble::Pause(Duration::ZERO));
        }
        let signer = self.signer();
        if self.attempts == 0 && self.memory.creates == 0 {
            log::info!("{}: rotating key {} of {}", self.names(), signer.id, self.owner());
        }
        let before = self.memory;
        let window = self.own;
        self.memory.creating();
        let answer = iam::create_access_key(&servers.aws, &self.region, &signer, within);
        let error = match answer {
            Ok(pair) => {
                log::info!(
                    "{}: created key {}; waiting for AWS to accept it",
                    self.names(),
                    pair.id
                );
                let key = self.keys.number(&pair.id)?;
                self.keys.learn(&pair);
                self.sent_create();
                self.unresolved.clear();
                self.memory.created(key);
                self.pace = Pace::new(servers.now(), servers.options.propagation_timeout);
                return Ok(());
            }
            Err(error) => error,
        };
        self.problem = error.to_string();
        match (error.fault(), error.meaning()) {
            (Fault::OutcomeUnknown, _) => {
                log::warn!("{}: it is not known whether a key was made: {error}", self.names());
                self.sent_create();
                self.unresolved = window.into_iter().collect();
                self.memory.create_unknown();
                Ok(())
            }
            (_, Some(Meaning::LimitExceeded)) => {
                self.sent_create();
                self.memory.limit_exceeded(servers.policy.settles);
                Err(Trouble::Pause(Duration::from_secs(1 << self.memory.settled.min(3))))
            }
            // A clock that was off is known now; what was throttled or never sent may be sent.
            (_, Some(Meaning::ClockSkew)) if self.attempts == 0 => {
                self.memory = before;
                Err(Trouble::Otherwise(error.to_string()))
            }
            (Fault::Throttled | Fault::Network, _) if self.attempts + 1 < crate::retry::ATTEMPTS => {
                self.memory = before;
                Err(Trouble::from(&error))
            }
            _ => {
                self.sent_create();
                self.memory.create_refused();
                Ok(())
            }
        }
    }

    fn sent_create(&mut self) {
        for member in &mut self.members {
            member.seen.windowed = false;
        }
    }

    /// Tries a key at IAM and at the region's STS: neither's knowledge of it implies the other's.
    pub(super) fn probe(&mut self, key: Key, servers: &Servers, now: Duration) -> Result<(), Trouble> {
        let Some(pair) = self.keys.pair(key).cloned() else {
            self.memory.give_up(key);
            return Ok(());
        };
        if self.memory.tried != Some(key) && self.memory.new_key() != Some(key) {
            self.pace = Pace::new(now, servers.options.propagation_timeout);
        }
        let accepted = iam::list_access_keys(&servers.aws, &self.region, &pair, Asking::Once)
            .and_then(|_| sts::get_caller_identity(&servers.aws, &self.region, &pair, Asking::Once));
        let now = servers.now();
        match accepted {
            Ok(identity) if self.identity.as_ref().is_none_or(|own| *own == identity) => {
                self.memory.tried(key, true, servers.policy.probes);
                self.pace.accepted(now);
            }
            Ok(other) => self.distrust(key, format!("it belongs to {other}, not to {}", self.owner()), now),
            // "Put a working pair into its Secret" is no advice for a key that is in none yet.
            Err(error) if error.meaning() == Some(Meaning::UnknownKey) => {
                self.distrust(key, error.without_advice(), now);
            }
            Err(error) => self.distrust(key, error.to_string(), now),
        }
        if self.memory.tried == Some(key) && self.memory.in_a_row == servers.policy.probes {
            let plural = if self.members.len() > 1 { "s" } else { "" };
            log::info!(
                "{}: key {} is accepted; writing it to the Secret{plural}",
                self.names(),
                pair.id
            );
        }
        Ok(())
    }

    fn distrust(&mut self, key: Key, why: String, now: Duration) {
        log::debug!("{}: key {} is not accepted yet: {why}", self.names(), self.keys.id(key));
        self.problem = why;
        self.memory.tried(key, false, 0);
        if self.pace.refused(now) {
            self.memory.give_up(key);
        }
    }

    /// Deletes a key, signed by itself where this run has its secret, for it is known everywhere, and it is the one that is to
    /// go. Being refused proves nothing about it: the list does.
    pub(super) fn delete(&mut self, key: Key, servers: &Servers) -> Result<(), Trouble> {
        let id = self.keys.id(key).clone();
        let new = self.memory.new_key() == Some(key);
        let active = self.memory.listing.is_some_and(|listing| listing.active.has(key));
        let itself = self
            .keys
            .pair(key)
            .filter(|pair| active && !new && !self.refused_signers.contains(&pair.id));
        let signer = itself.cloned().unwrap_or_else(|| self.signer());
        let Err(error) = iam::delete_access_key(&servers.aws, &self.region, &signer, &id, Asking::Once) else {
            log::info!("{}: deleted key {id}", self.names());
            self.memory.deleted(key);
            return Ok(());
        };
        self.undeleted = error.to_string();
        match error.meaning() {
            Some(Meaning::NoSuchEntity) => self.confirm_gone(key, servers),
            Some(Meaning::UnknownKey) => {
                self.refused_signers.insert(signer.id.clone());
                self.confirm_gone(key, servers)
            }
            // Its Secret held another secret than its own: another pair of the user signs.
            Some(Meaning::WrongSecret) if self.refused_signers.insert(signer.id.clone()) => {
                self.memory.deletion_unknown();
                Err(Trouble::Otherwise(self.undeleted.clone()))
            }
            _ => self.not_removed(key, &error),
        }
    }

    fn confirm_gone(&mut self, key: Key, servers: &Servers) -> Result<(), Trouble> {
        let id = self.keys.id(key).clone();
        let signer = self.other_signer(key);
        let listed = iam::list_access_keys(&servers.aws, &self.region, &signer, Asking::Once);
        let listed = listed.map_err(|error| Trouble::from(&error))?;
        self.memory.deletion_unknown();
        if listed.keys.iter().all(|key| key.id != id) {
            log::info!("{}: key {id} is gone", self.names());
            self.memory.deleted(key);
            return Ok(());
        }
        if self.last_removal(key) {
            self.memory.not_deleted(key);
            return Ok(());
        }
        Err(Trouble::Otherwise(self.undeleted.clone()))
    }

    /// Counts an attempt to remove a key that failed, and whether it was the last one. The look before each is a success, so
    /// that the count of failures in a row is of no use here.
    fn last_removal(&mut self, key: Key) -> bool {
        let count = self.failed_removals.entry(key).or_default();
        *count += 1;
        *count >= crate::retry::ATTEMPTS
    }

    /// A pair that is not of this key.
    fn other_signer(&self, key: Key) -> KeyPair {
        let id = self.keys.id(key);
        let mut pairs = self.members.iter().filter_map(|member| member.pair.as_ref());
        let usable = |pair: &&KeyPair| !self.refused_signers.contains(&pair.id) && self.may_be_ours(pair);
        let other = pairs.find(|pair| pair.id != *id && usable(pair));
        other.cloned().unwrap_or_else(|| self.signer())
    }

    fn not_removed(&mut self, key: Key, error: &aws::Error) -> Result<(), Trouble> {
        match Trouble::from(error) {
            trouble @ Trouble::Passing(..) if !self.last_removal(key) => {
                self.memory.deletion_unknown();
                Err(trouble)
            }
            _ => {
                self.memory.not_deleted(key);
                Ok(())
            }
        }
    }

    pub(super) fn deactivate(&mut self, key: Key, servers: &Servers) -> Result<(), Trouble> {
        let id = self.keys.id(key).clone();
        let signer = self.other_signer(key);
        let answer = iam::update_access_key(
            &servers.aws,
            &self.region,
            &signer,
            &id,
            KeyStatus::Inactive,
            Asking::Once,
        );
        match answer {
            Ok(()) => {
                log::info!("{}: deactivated key {id}", self.names());
                self.memory.deactivated(key);
                Ok(())
            }
            Err(error) => {
                self.undeleted = error.to_string();
                self.not_removed(key, &error)
            }
        }
    }
}
