//! What a rotation writes at the API server: pairs, histories, and the journals that `journalling` makes.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Rotation, Stop, Trouble, seconds};
use crate::aws::AccessKeyId;
use crate::error::Fault;
use crate::key_secret;
use crate::kube::Secret;
use crate::retry::{self, Asking, Price};
use crate::rotate::protocol::{self, Step};
use crate::rotate::record::{self, Entry, History, What};
use crate::rotate::{Servers, rewrite};

/// How often a Secret is sent a new pair before it is given up.
const MOST_PUBLISHES: u32 = 5;

/// What a history says of a key that a create of unknown outcome must have made.
const ORPHAN: Entry = Entry {
    what: What::Orphan,
    until: None,
    deactivated: false,
};

impl Rotation {
    /// Writes one Secret: a journal, a pair, or the end of a journal.
    pub(super) fn write(&mut self, step: Step, at: usize, servers: &Servers, now: Duration) -> Result<(), Trouble> {
        let publishes = matches!(step, Step::Publish(..));
        if matches!(step, Step::Lock(_)) {
            self.members[at].warn();
        }
        if let Step::Clear(_, outcome) | Step::Release(_, outcome) = step {
            self.memory.ending = Some(outcome);
        }
        let (changed, opens) = match self.changed(step, at, servers, now) {
            Ok(changed) => changed,
            Err(why) => {
                self.members[at].seen.refused = true;
                self.problem = why;
                return Ok(());
            }
        };
        let member = &mut self.members[at];
        let key = member.secret.key.clone();
        // What is known before the answer: that it may have been sent.
        if publishes {
            member.publishes += 1;
            member.seen.sent = true;
        }
        let answer = servers.kube.update_secret(&changed, Asking::Once);
        self.memory.wrote();
        let member = &mut self.members[at];
        let error = match answer {
            Ok(stored) => {
                member.read(stored);
                member.seen.may_land = false;
                member.seen.windowed = opens;
                self.unknown_writes = 0;
                self.after_write(step, at);
                return Ok(());
            }
            Err(error) => error,
        };
        self.problem = error.to_string();
        match error.fault() {
            Fault::Conflict => {
                member.seen.fresh = false;
                log::debug!("{error}; reading it again");
                Ok(())
            }
            Fault::NotFound => {
                member.is_gone();
                Ok(())
            }
            Fault::OutcomeUnknown | Fault::RemoteFault => {
                member.seen.fresh = false;
                member.seen.may_land |= publishes;
                log::warn!("{key}: {error}; reading it again");
                self.unknown_write(at, servers)
            }
            // Whoever says so need not be who was asked first: something on the way may have sent the pair twice.
            Fault::Throttled if publishes => {
                member.seen.fresh = false;
                member.seen.may_land = true;
                Err(Trouble::from(&error))
            }
            // It was not carried out, and may be later.
            Fault::Throttled | Fault::Network => {
                let trouble = Trouble::from(&error);
                if publishes && !member.seen.may_land && member.publishes == 1 {
                    member.seen.sent = false;
                }
                Err(trouble)
            }
            Fault::Usage
            | Fault::Configuration
            | Fault::Data
            | Fault::Credentials
            | Fault::AccessDenied
            | Fault::Refused
            | Fault::Internal => {
                member.seen.refused = true;
                log::warn!("{key}: {error}");
                Ok(())
            }
        }
    }

    /// A write got no answer. That may not go on for ever: then the run comes to its end, and then without this Secret.
    fn unknown_write(&mut self, at: usize, servers: &Servers) -> Result<(), Trouble> {
        self.unknown_writes += 1;
        let pause = retry::pause(None, self.unknown_writes, retry::random());
        let pause = pause.filter(|_| servers.kube.traffic().may_repeat(Price::Failure, &self.problem));
        match (pause, self.stop) {
            (Some(pause), None) => Err(Trouble::Pause(pause)),
            (Some(_), Some(_)) => Ok(()),
            (None, None) => {
                self.unknown_writes = 0;
                self.stop = Some(Stop::Failed);
                Ok(())
            }
            (None, Some(_)) => {
                self.members[at].seen.refused = true;
                Ok(())
            }
        }
    }

    fn after_write(&mut self, step: Step, at: usize) {
        let member = &mut self.members[at];
        if let Step::Publish(_, key) = step {
            // What was stored is what counts: an admission webhook may have changed it on the way.
            let wanted = self.keys.id(key);
            let as_sent = member.pair.as_ref().is_some_and(|pair| pair.id == *wanted);
            if !as_sent {
                self.problem = format!(
                    "{} was not stored as it was sent, perhaps changed by an admission webhook",
                    member.secret.key
                );
                member.seen.refused |= member.publishes >= MOST_PUBLISHES;
            }
        }
        let kept = member.journal.as_ref().is_some_and(|journal| journal.run == self.run);
        if matches!(step, Step::Lock(_)) && !kept {
            self.problem = format!(
                "{} was stored without the journal, perhaps changed by an admission webhook",
                member.secret.key
            );
            member.seen.refused = true;
        }
    }

    /// The Secret as it is to be stored, and whether its journal names the time of a create to come.
    fn changed(&mut self, step: Step, at: usize, servers: &Servers, now: Duration) -> Result<(Secret, bool), String> {
        let seen = self.observation(now);
        let orphan = protocol::suspect(&seen, &servers.policy);
        let ends = protocol::ends_with_publish(&seen, at);
        let opens = protocol::opens_window(&seen, &servers.policy) && !matches!(step, Step::Publish(..));
        let mut changed = self.members[at].secret.clone();
        let mut history = self.history(at, step);
        match step {
            Step::Lock(_) | Step::Record(_) | Step::Release(..) => {
                let orphan = orphan.filter(|_| matches!(step, Step::Record(_)));
                if let Some(orphan) = orphan {
                    history.keys.insert(self.keys.id(orphan).clone(), ORPHAN);
                }
                let journal = self.journal(step, at, servers, now)?;
                changed.set_annotation(record::JOURNAL, &journal);
            }
            Step::Publish(_, key) => {
                self.set_pair(&mut changed, &mut history, at, key, now)?;
                let date = OffsetDateTime::from_unix_timestamp(self.stamp(servers, now).0).ok();
                let date = date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_default();
                changed.set_annotation(key_secret::ROTATED_AT, &date);
                if ends {
                    changed.remove_annotation(record::JOURNAL);
                } else {
                    let journal = self.journal(step, at, servers, now)?;
                    changed.set_annotation(record::JOURNAL, &journal);
                }
            }
            _ => {
                for id in self.keys.ids(self.memory.deactivated) {
                    if let Some(entry) = history.keys.get_mut(id) {
                        entry.deactivated = true;
                    }
                }
                changed.remove_annotation(record::JOURNAL);
            }
        }
        if history.keys.is_empty() && history.current.is_none() {
            changed.remove_annotation(record::HISTORY);
        } else if self.members[at].history.as_ref() != Some(&history) {
            changed.set_annotation(record::HISTORY, &history.to_text());
        }
        Ok((changed, opens))
    }

    /// Puts the pair of `key` in the place of the one that the Secret holds, wherever that stands.
    fn set_pair(
        &self,
        changed: &mut Secret,
        history: &mut History,
        at: usize,
        key: protocol::Key,
        now: Duration,
    ) -> Result<(), String> {
        let new = self.keys.pair(key).ok_or("bug: no pair to publish")?.clone();
        let old = self.members[at].pair.clone().ok_or("bug: no pair to replace")?;
        for (name, value) in rewrite::rewritten(&changed.all_data(), &old, &new) {
            changed.set_data(&name, value.expose());
        }
        // Rewriting works on the very text that the pair was read from, so this cannot differ; if it ever does, a pair that
        // works is not replaced by one that does not.
        if key_secret::pair(changed).ok().as_ref() != Some(&new) {
            return Err(format!("bug: rewriting {} did not yield the new pair", changed.key));
        }
        let grace = self.members[at].grace;
        let aws_now = self.aws_now(now);
        let entry = Entry {
            what: What::Replaced,
            until: (!grace.is_zero()).then(|| aws_now.saturating_add(seconds(grace))),
            deactivated: false,
        };
        history.keys.insert(old.id, entry);
        history.keys.remove(&new.id);
        history.current = Some(new.id);
        history.since = Some(aws_now);
        Ok(())
    }

    /// What the history of a Secret is to say; an empty one where there is none. An entry leaves when its key is gone.
    fn history(&self, at: usize, step: Step) -> History {
        let member = &self.members[at];
        let mut history = member.history.clone().unwrap_or_else(|| History {
            uid: member.secret.uid.clone(),
            current: None,
            since: None,
            keys: BTreeMap::new(),
        });
        if let (Step::Publish(..) | Step::Clear(..), Some(listing)) = (step, self.memory.listing) {
            let listed = |id: &AccessKeyId| self.keys.known(id).is_some_and(|key| listing.keys.has(key));
            history.keys.retain(|id, _| listed(id));
        }
        history
    }
}
