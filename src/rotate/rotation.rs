//! One group under way: what this run knows of it, and the effects of the steps that are decided on.

use std::time::Duration;

use super::group::Group;
use super::protocol::{Create, Deletion, Held, Holds, Member, Observation, Policy, Step, Trust, Which, Who};
use super::rewrite;
use super::{LABEL, Servers};
use crate::aws::iam::{self, AccessKey};
use crate::aws::sts::{self, Identity};
use crate::aws::{self, AccessKeyId, Asking, KeyPair, Meaning, Region};
use crate::error::Fault;
use crate::key_secret;
use crate::kube::{self, Key, Secret};

/// A key that is not accepted yet is tried again after pauses that grow up to this.
const LONGEST_PROBE_PAUSE: Duration = Duration::from_secs(10);

/// What is known of one group.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) old: KeyPair,
    pub(super) secrets: Vec<Secret>,
    pub(super) region: Region,
    pub(super) identity: Option<Identity>,
    pub(super) keys: Option<Vec<AccessKey>>,
    pub(super) new: Option<KeyPair>,
    /// Secrets that speak of the old key and are not of the group.
    pub(super) elsewhere: Vec<Key>,
    /// The Secrets that were found to speak of the old key after the new one was stored.
    pub(super) old_holders: Holders,
    /// What went wrong last; the message that ends the rotation says it.
    pub(super) problem: String,
    /// What went wrong when a key was to be deleted.
    pub(super) deletion_problem: String,
    pub(super) new_deletion: Deletion,
    pub(super) members: Vec<Member>,
    new_holders: Holders,
    create: Create,
    trust: Trust,
    refusals: u32,
    old_deletion: Deletion,
}

/// What a look at the Secrets in scope has found.
#[derive(Debug)]
pub(super) struct Holders {
    held: Held,
    pub(super) secrets: Vec<Key>,
}

impl Holders {
    const NOT_LOOKED: Holders = Holders {
        held: Held::NotLooked,
        secrets: Vec::new(),
    };
}

impl Rotation {
    pub(super) fn new(group: Group, region: Region, elsewhere: Vec<Key>) -> Rotation {
        let member = |secret: &Secret| Member {
            immutable: secret.is_immutable(),
            holds: Holds::Old,
            writes: 0,
            refused: false,
            may_land: false,
        };
        Rotation {
            members: group.secrets.iter().map(member).collect(),
            old: group.pair,
            secrets: group.secrets,
            region,
            identity: None,
            keys: None,
            new: None,
            elsewhere,
            old_holders: Holders::NOT_LOOKED,
            new_holders: Holders::NOT_LOOKED,
            problem: String::new(),
            deletion_problem: String::new(),
            create: Create::NotSent,
            trust: Trust::default(),
            refusals: 0,
            old_deletion: Deletion::NotTried,
            new_deletion: Deletion::NotTried,
        }
    }

    pub(super) fn names(&self) -> String {
        super::wording::names(&self.secrets)
    }

    /// Whose key it is, as far as it is known.
    pub(super) fn owner(&self) -> String {
        self.identity
            .as_ref()
            .map_or_else(|| "its user".into(), Identity::to_string)
    }

    pub(super) fn observe(&self, stopping: bool) -> Observation<'_> {
        let who = |identity: &Identity| match (identity.is_user(), identity.is_root()) {
            (true, _) => Who::User,
            (_, true) => Who::Root,
            (false, false) => Who::Other,
        };
        Observation {
            old: &self.old.id,
            members: &self.members,
            identity: self.identity.as_ref().map(who),
            keys: self.keys.as_deref(),
            create: &self.create,
            trust: self.trust,
            stopping,
            elsewhere: !self.elsewhere.is_empty(),
            old_held: self.old_holders.held,
            new_held: self.new_holders.held,
            old_deletion: self.old_deletion,
            new_deletion: self.new_deletion,
        }
    }

    /// Carries out one step.
    ///
    /// # Errors
    ///
    /// Only while nothing has been changed; later on what goes wrong is something to be decided on.
    pub(super) fn carry_out(
        &mut self,
        step: &Step,
        servers: &Servers<'_>,
        policy: &Policy,
        now: &dyn Fn() -> Duration,
    ) -> Result<(), aws::Error> {
        match step {
            Step::Identify => {
                let asked = sts::get_caller_identity(servers.aws, &self.region, &self.old, Asking::Patiently);
                self.identity = Some(asked?);
            }
            Step::ListKeys => {
                let asked = iam::list_access_keys(servers.aws, &self.region, &self.old, Asking::Patiently);
                self.keys = Some(asked?);
            }
            Step::Create => self.create(servers, policy, now),
            Step::Probe => self.probe(servers, policy, now),
            Step::Publish(at) => self.publish(*at, servers),
            Step::Reread(at) => self.reread(*at, servers),
            Step::FindHolders(Which::Old) => self.old_holders = self.find_holders(self.old.id.clone(), servers),
            Step::FindHolders(Which::New) => {
                if let Some(new) = &self.new {
                    self.new_holders = self.find_holders(new.id.clone(), servers);
                }
            }
            Step::DeleteOld => self.old_deletion = self.delete(self.old.id.clone(), servers),
            Step::DeleteNew => {
                if let Some(new) = &self.new {
                    self.new_deletion = self.delete(new.id.clone(), servers);
                }
            }
            Step::Wait(_) | Step::Finish(_) => {}
        }
        Ok(())
    }

    fn create(&mut self, servers: &Servers<'_>, policy: &Policy, now: &dyn Fn() -> Duration) {
        let names = self.names();
        log::info!("{names}: rotating key {} of {}", self.old.id, self.owner());
        self.create = match iam::create_access_key(servers.aws, &self.region, &self.old) {
            Ok(pair) => {
                log::info!("{names}: created key {}; waiting for AWS to accept it", pair.id);
                let id = pair.id.clone();
                self.new = Some(pair);
                self.trust = Trust {
                    in_a_row: 0,
                    refused: false,
                    next: now(),
                    deadline: now() + policy.propagation_timeout,
                };
                Create::Made(id)
            }
            Err(error) => {
                self.problem = error.to_string();
                if error.fault() == Fault::OutcomeUnknown {
                    Create::Unknown
                } else {
                    Create::Refused
                }
            }
        };
    }

    /// Tries the new key at IAM and at the region's STS: neither's knowledge of it implies the other's.
    fn probe(&mut self, servers: &Servers<'_>, policy: &Policy, now: &dyn Fn() -> Duration) {
        let Some(new) = &self.new else { return };
        let accepted = iam::list_access_keys(servers.aws, &self.region, new, Asking::Once)
            .and_then(|_| sts::get_caller_identity(servers.aws, &self.region, new, Asking::Once));
        match accepted {
            Ok(identity) if Some(&identity) == self.identity.as_ref() => {
                self.trust.in_a_row += 1;
                self.trust.refused = false;
                self.trust.next = now() + policy.spacing;
                self.refusals = 0;
            }
            Ok(other) => self.distrust(format!("it belongs to {other}, not to {}", self.owner()), now()),
            // "Put a working pair into its Secret" is no advice for a key that is in none yet.
            Err(error) if error.meaning() == Some(Meaning::UnknownKey) => {
                self.distrust(error.without_advice(), now());
            }
            Err(error) => self.distrust(error.to_string(), now()),
        }
        let done = self.trust.in_a_row == policy.probes;
        if let (true, Some(new)) = (done, &self.new) {
            log::info!("{}: key {} is accepted; writing it to the Secret", self.names(), new.id);
        }
    }

    fn distrust(&mut self, why: String, now: Duration) {
        log::debug!("{}: the new key is not accepted yet: {why}", self.names());
        self.problem = why;
        self.trust.in_a_row = 0;
        self.trust.refused = true;
        let pause = Duration::from_secs(1 << self.refusals.min(8)).min(LONGEST_PROBE_PAUSE);
        self.trust.next = now + pause;
        self.refusals += 1;
    }

    fn publish(&mut self, at: usize, servers: &Servers<'_>) {
        let Some(new) = &self.new else { return };
        let mut changed = self.secrets[at].clone();
        for (name, value) in rewrite::rewritten(&changed.all_data(), &self.old, new) {
            changed.set_data(&name, value.expose());
        }
        let member = &mut self.members[at];
        member.writes += 1;
        // Rewriting works on the very text that the pair was read from, so this cannot differ; if it ever does, a pair
        // that works is not replaced by one that does not.
        if key_secret::pair(&changed).ok().as_ref() != Some(new) {
            member.refused = true;
            self.problem = format!("bug: rewriting {} did not yield the new pair", changed.key);
            return;
        }
        match servers.kube.update_secret(&changed) {
            Ok(stored) => {
                member.may_land = false;
                // What was stored is what counts: an admission webhook may have changed it on the way.
                let as_sent = key_secret::pair(&stored).ok().as_ref() == Some(new);
                member.holds = if as_sent { Holds::New } else { Holds::Unread };
                if !as_sent {
                    self.problem = format!(
                        "{} was not stored as it was sent, perhaps changed by an admission webhook",
                        stored.key
                    );
                }
                self.secrets[at] = stored;
            }
            Err(error) => {
                match error.fault() {
                    Fault::Conflict => member.holds = Holds::Unread,
                    Fault::NotFound => member.holds = Holds::Gone,
                    Fault::OutcomeUnknown => {
                        member.holds = Holds::Unread;
                        member.may_land = true;
                    }
                    // The server has refused it, or it never left this machine.
                    Fault::Usage
                    | Fault::Configuration
                    | Fault::Data
                    | Fault::Credentials
                    | Fault::AccessDenied
                    | Fault::Refused
                    | Fault::Throttled
                    | Fault::Network
                    | Fault::Internal => member.refused = true,
                    // Not said of writes, whose fate it leaves open.
                    Fault::RemoteFault => {
                        member.holds = Holds::Unread;
                        member.may_land = true;
                    }
                }
                let next = if member.holds == Holds::Unread {
                    "; reading it again"
                } else {
                    ""
                };
                log::warn!("{}: {error}{next}", self.secrets[at].key);
                self.problem = error.to_string();
            }
        }
    }

    fn reread(&mut self, at: usize, servers: &Servers<'_>) {
        let before = &self.secrets[at];
        let member = &mut self.members[at];
        match servers.kube.get_secret(&before.key) {
            Ok(read) if read.uid != before.uid => {
                member.holds = Holds::Gone;
                member.may_land = false;
                self.problem = format!("{} was replaced by another Secret of that name", before.key);
            }
            Ok(read) => {
                // A write that names an older version can no longer be stored.
                member.may_land &= read.resource_version() == before.resource_version();
                let held = key_secret::pair(&read).ok();
                member.holds = match held {
                    Some(pair) if pair == self.old => Holds::Old,
                    Some(pair) if Some(&pair) == self.new.as_ref() => Holds::New,
                    Some(_) | None => Holds::Other,
                };
                if member.holds == Holds::Other {
                    self.problem = format!("somebody else changed the key in {} meanwhile", read.key);
                }
                self.secrets[at] = read;
            }
            Err(error) => {
                if error.fault() == Fault::NotFound {
                    member.holds = Holds::Gone;
                    member.may_land = false;
                } else {
                    member.holds = Holds::Unreadable;
                }
                self.problem = error.to_string();
            }
        }
    }

    /// Looks at every Secret with the label, and at those of the group that have lost it.
    fn find_holders(&mut self, id: AccessKeyId, servers: &Servers<'_>) -> Holders {
        let speaks_of_it = |secret: &Secret| rewrite::mentions(&secret.all_data(), &id);
        let is_member = |key: &Key| self.secrets.iter().any(|secret| secret.key == *key);
        let listed = servers.kube.find_secrets(servers.scope, LABEL, |secret| {
            let speaks = speaks_of_it(&secret);
            (speaks || is_member(&secret.key)).then(|| (secret.key.clone(), speaks))
        });
        let mut looked_at = match listed {
            Ok(looked_at) => looked_at,
            Err(error) => return self.not_looked(&error),
        };
        for key in self.secrets.iter().map(|secret| secret.key.clone()).collect::<Vec<_>>() {
            if looked_at.iter().any(|(other, _)| *other == key) {
                continue;
            }
            match servers.kube.get_secret(&key) {
                Ok(secret) => looked_at.push((key, speaks_of_it(&secret))),
                Err(error) if error.fault() == Fault::NotFound => {}
                Err(error) => return self.not_looked(&error),
            }
        }
        let secrets: Vec<Key> = looked_at
            .into_iter()
            .filter(|(_, speaks)| *speaks)
            .map(|(key, _)| key)
            .collect();
        let held = if secrets.is_empty() {
            Held::Nowhere
        } else {
            Held::Somewhere
        };
        Holders { held, secrets }
    }

    fn not_looked(&mut self, error: &kube::Error) -> Holders {
        self.deletion_problem = error.to_string();
        Holders {
            held: Held::Unknown,
            secrets: Vec::new(),
        }
    }

    /// Deletes a key, signed by the old one: all of AWS knows that. An answer that is no "yes" proves nothing either way.
    /// An answer that there is no such key is believed when the list does not have it either: an earlier attempt, whose
    /// answer was lost, has deleted it.
    fn delete(&mut self, id: AccessKeyId, servers: &Servers<'_>) -> Deletion {
        let Err(error) = iam::delete_access_key(servers.aws, &self.region, &self.old, &id) else {
            log::info!("{}: deleted key {id}", self.names());
            return Deletion::Done;
        };
        self.deletion_problem = error.to_string();
        let own = id == self.old.id;
        let gone = match error.meaning() {
            Some(Meaning::NoSuchEntity) => true,
            Some(Meaning::UnknownKey) => own,
            Some(_) | None => false,
        };
        let reader = if own {
            self.new.as_ref().unwrap_or(&self.old)
        } else {
            &self.old
        };
        if gone && self.unlisted(&id, reader, servers) {
            log::info!("{}: key {id} is gone", self.names());
            Deletion::Done
        } else {
            Deletion::Failed
        }
    }

    fn unlisted(&self, id: &AccessKeyId, reader: &KeyPair, servers: &Servers<'_>) -> bool {
        let keys = iam::list_access_keys(servers.aws, &self.region, reader, Asking::Patiently);
        keys.is_ok_and(|keys| keys.iter().all(|key| key.id != *id))
    }
}
