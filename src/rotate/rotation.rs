//! One group under way: what this run knows of it, and the effects of the steps that are decided on.

use std::time::Duration;

use super::group::Group;
use super::protocol::{Create, Deletion, Holds, Member, Observation, Policy, Step, Trust, Who};
use super::rewrite;
use super::{LABEL, Servers};
use crate::aws::iam::{self, AccessKey};
use crate::aws::sts::{self, Identity};
use crate::aws::{self, AccessKeyId, KeyPair, Region};
use crate::error::Fault;
use crate::key_secret;
use crate::kube::{Key, Secret};

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
    /// The Secrets that were found to speak of the old key.
    pub(super) holders: Option<Vec<Key>>,
    /// What went wrong last; the message that ends the rotation says it.
    pub(super) problem: String,
    pub(super) new_deletion: Deletion,
    members: Vec<Member>,
    create: Create,
    trust: Trust,
    refusals: u32,
    old_deletion: Deletion,
}

impl Rotation {
    pub(super) fn new(group: Group, region: Region) -> Rotation {
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
            holders: None,
            problem: String::new(),
            create: Create::NotSent,
            trust: Trust::default(),
            refusals: 0,
            old_deletion: Deletion::NotTried,
            new_deletion: Deletion::NotTried,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.secrets.len()
    }

    pub(super) fn names(&self) -> String {
        super::group::names(&self.secrets)
    }

    /// Whose key it is, as far as it is known.
    pub(super) fn owner(&self) -> String {
        self.identity
            .as_ref()
            .map_or_else(|| "its user".into(), Identity::to_string)
    }

    pub(super) fn observe(&self) -> Observation<'_> {
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
            held: self.holders.as_ref().map(|holders| !holders.is_empty()),
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
            Step::Identify => self.identity = Some(sts::get_caller_identity(servers.aws, &self.region, &self.old)?),
            Step::ListKeys => self.keys = Some(iam::list_access_keys(servers.aws, &self.region, &self.old)?),
            Step::Create => self.create(servers, policy, now),
            Step::Probe => self.probe(servers, policy, now),
            Step::Publish(at) => self.publish(*at, servers),
            Step::Reread(at) => self.reread(*at, servers),
            Step::FindHolders => self.find_holders(servers),
            Step::DeleteOld => {
                let signer = self.old.clone();
                self.old_deletion = self.delete(&signer, &self.old.id.clone(), servers);
            }
            Step::DeleteNew => {
                if let Some(new) = self.new.clone() {
                    let signer = self.old.clone();
                    self.new_deletion = self.delete(&signer, &new.id, servers);
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
        let accepted = iam::list_access_keys(servers.aws, &self.region, new)
            .and_then(|_| sts::get_caller_identity(servers.aws, &self.region, new));
        match accepted {
            Ok(identity) if Some(&identity) == self.identity.as_ref() => {
                self.trust.in_a_row += 1;
                self.trust.next = now() + policy.spacing;
                self.refusals = 0;
            }
            Ok(other) => self.distrust(format!("it belongs to {other}, not to {}", self.owner()), now()),
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
                member.holds = Holds::New;
                member.may_land = false;
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
                    _ => member.refused = true,
                }
                log::warn!("{}: {error}", self.secrets[at].key);
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
                match error.fault() {
                    Fault::NotFound => {
                        member.holds = Holds::Gone;
                        member.may_land = false;
                    }
                    _ => member.holds = Holds::Unreadable,
                }
                self.problem = error.to_string();
            }
        }
    }

    fn find_holders(&mut self, servers: &Servers<'_>) {
        let mentions = |secret: &Secret| rewrite::mentions(&secret.all_data(), self.old.id.as_str());
        match servers.kube.list_secrets(servers.scope, LABEL) {
            Ok(secrets) => {
                self.holders = Some(secrets.iter().filter(|s| mentions(s)).map(|s| s.key.clone()).collect());
            }
            Err(error) => {
                self.problem = error.to_string();
                self.holders = Some(Vec::new());
                self.old_deletion = Deletion::Failed;
            }
        }
    }

    /// Deletes a key. An answer that is no "yes" proves nothing either way; the list of keys does.
    fn delete(&mut self, signer: &KeyPair, id: &AccessKeyId, servers: &Servers<'_>) -> Deletion {
        let Err(error) = iam::delete_access_key(servers.aws, &self.region, signer, id) else {
            log::info!("{}: deleted key {id}", self.names());
            return Deletion::Done;
        };
        self.problem = error.to_string();
        let reader = if *id == self.old.id {
            self.new.as_ref().unwrap_or(&self.old)
        } else {
            &self.old
        };
        match iam::list_access_keys(servers.aws, &self.region, reader) {
            Ok(keys) if keys.iter().all(|key| key.id != *id) => {
                log::info!("{}: key {id} is gone", self.names());
                Deletion::Done
            }
            Ok(_) | Err(_) => Deletion::Failed,
        }
    }
}
