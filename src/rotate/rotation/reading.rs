//! What a rotation reads at the API server.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::member::Member;
use super::{Rotation, Trouble};
use crate::error::Fault;
use crate::kube::{Key, Secret};
use crate::retry::Asking;
use crate::rotate::protocol::{self, Keys, Lock};
use crate::rotate::{LABEL, Servers, record, rewrite};

impl Rotation {
    pub(super) fn reread(&mut self, at: usize, servers: &Servers) -> Result<(), Trouble> {
        self.read_again(at, servers)?;
        self.observe(servers, servers.now())?;
        if self.memory.starts_over(&self.shown) {
            self.memory = protocol::Memory::default();
            self.unresolved.clear();
            self.own = None;
        }
        Ok(())
    }

    fn read_again(&mut self, at: usize, servers: &Servers) -> Result<(), Trouble> {
        let member = &mut self.members[at];
        match servers.kube.get_secret(&member.secret.key, Asking::Once) {
            Ok(read) if read.uid != member.secret.uid => {
                self.problem = format!("{} was replaced by another Secret of that name", read.key);
                member.is_gone();
            }
            Ok(read) => member.read(read),
            Err(error) if error.fault() == Fault::NotFound => {
                self.problem = error.to_string();
                member.is_gone();
            }
            Err(error) => return Err(Trouble::from(&error)),
        }
        Ok(())
    }

    /// Reads every Secret with the label, and those of the group that have lost it. One user's at a time, so that no more than
    /// one page of Secrets is in memory.
    pub(super) fn look(&mut self, servers: &Servers) -> Result<(), Trouble> {
        let ours = self.memory.listing.map(|listing| listing.keys).unwrap_or_default();
        let is_member = |secret: &Secret| {
            let same = |member: &&Member| member.secret.key == secret.key && member.secret.uid == secret.uid;
            self.members.iter().find(same).is_some_and(|member| !member.gone)
        };
        let find = |secret: Secret| {
            let member = is_member(&secret);
            (member || self.speaks_of(&secret, ours)).then_some((member, secret))
        };
        let found = {
            let _one = servers.looking.lock().unwrap_or_else(PoisonError::into_inner);
            servers.kube.find_secrets(&servers.scope, LABEL, Asking::Once, find)
        };
        let found = found.map_err(|error| Trouble::from(&error))?;
        let (mut newcomers, mut read) = (Vec::new(), BTreeMap::new());
        for (member, secret) in found {
            if member {
                read.insert(secret.key.clone(), secret);
            } else {
                newcomers.push(secret.key.clone());
            }
        }
        for at in 0..self.members.len() {
            if self.members[at].gone {
                continue;
            }
            match read.remove(&self.members[at].secret.key) {
                Some(secret) => self.members[at].read(secret),
                None => self.read_again(at, servers)?,
            }
        }
        // A Secret of the group that speaks of another key than the one it holds has been changed by somebody else.
        let others = self.members.iter().filter(|member| self.speaks_of_others(member, ours));
        newcomers.extend(others.map(|member| member.secret.key.clone()));
        newcomers.sort();
        self.memory.looked(!newcomers.is_empty());
        if !newcomers.is_empty() {
            self.elsewhere = newcomers;
        }
        Ok(())
    }

    /// Whether a Secret speaks of one of these keys, or a run has it locked for this user.
    fn speaks_of(&self, secret: &Secret, keys: Keys) -> bool {
        let user = self.identity.as_ref().map(|identity| identity.user_id());
        let locked = match record::journal(secret.annotation(record::JOURNAL), &secret.uid) {
            record::Read::Valid(journal) => Some(journal.user.as_str()) == user,
            record::Read::None | record::Read::Void | record::Read::Unreadable(_) => false,
        };
        let data = secret.all_data();
        locked || self.keys.ids(keys).any(|id| rewrite::mentions(&data, id))
    }

    fn speaks_of_others(&self, member: &Member, keys: Keys) -> bool {
        let data = member.secret.all_data();
        let own = member.pair.as_ref().map(|pair| &pair.id);
        !member.gone
            && self
                .keys
                .ids(keys)
                .any(|id| Some(id) != own && rewrite::mentions(&data, id))
    }

    /// Adds the Secrets that a journal names as locked together with the one it is on, as far as they are this user's and
    /// in scope; tells whether there were any. One that was in the group of a run which died may have been sent a key since.
    pub(super) fn add_journalled(&mut self, servers: &Servers) -> Result<bool, Trouble> {
        let before = self.members.len();
        let named = |member: &Member| {
            let journal = member.journal.as_ref().filter(|_| member.seen.lock == Lock::Takeable);
            journal.map(|journal| (journal.run.clone(), journal.group.clone()))
        };
        let named: Vec<(String, Vec<String>)> = self.members.iter().filter_map(named).collect();
        for (run, group) in named {
            for name in group {
                let Some((namespace, name)) = name.split_once('/') else {
                    continue;
                };
                let key = Key {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                };
                let known = self.members.iter().any(|member| member.secret.key == key);
                if known || run == self.run || !servers.sees(&key) || self.strangers.contains(&key) {
                    continue;
                }
                match servers.kube.get_secret(&key, Asking::Once) {
                    Ok(secret) => {
                        let member = Member::new(secret, servers.options.grace_period, servers.options.max_age)
                            .map_err(Trouble::Lasting)?;
                        let ours = member
                            .pair
                            .as_ref()
                            .is_some_and(|pair| self.keys.known(&pair.id).is_some());
                        let same_run = member.journal.as_ref().is_some_and(|journal| journal.run == run);
                        if ours || same_run {
                            self.members.push(member);
                            self.members.sort_by(|a, b| a.secret.key.cmp(&b.secret.key));
                        } else {
                            self.strangers.insert(key);
                        }
                    }
                    Err(error) if matches!(error.fault(), Fault::NotFound | Fault::AccessDenied) => {
                        self.strangers.insert(key);
                    }
                    Err(error) => return Err(Trouble::from(&error)),
                }
            }
        }
        Ok(self.members.len() > before)
    }
}
