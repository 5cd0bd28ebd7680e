//! Before a replaced key goes, whatever depends on it has to follow: it is asked for, waited for, and where it cannot be done
//! the key is kept for this run, as if it had a grace period.

use std::thread::JoinHandle;
use std::time::Duration;

use super::{Rotation, Stop};
use crate::rotate::Servers;
use crate::rotate::dependents::Followed;
use crate::rotate::protocol::{self, Key, Keys, Step};

/// How soon an answer is noticed.
const SLICE: Duration = Duration::from_millis(100);
/// The time until it is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// What became of those who depend on replaced keys.
#[derive(Debug, Default)]
pub(super) struct Following {
    asked: Option<Asked>,
    /// Keys that nothing depends on any more.
    done: Keys,
    /// Keys that stay for this run.
    kept: Keys,
    /// Why they do.
    why: String,
}

/// The key that it is about now.
#[derive(Debug)]
struct Asked {
    key: Key,
    answer: Option<JoinHandle<Followed>>,
    /// When the answer was "later" for the first time.
    since: Option<Duration>,
    next: Duration,
}

impl Following {
    fn keep(&mut self, key: Key, why: String) {
        self.kept = self.kept.with(key);
        self.why = why;
    }
}

impl Rotation {
    /// Why a key stays for this run though it could go, if it does.
    pub(in crate::rotate) fn kept(&self, key: Key) -> Option<&str> {
        self.following.kept.has(key).then_some(self.following.why.as_str())
    }

    /// The keys that do.
    pub(in crate::rotate) fn kept_keys(&self) -> Keys {
        self.following.kept
    }

    /// Until when a step has to wait for those who depend on the key that goes; a time that is past when it is to be decided
    /// anew. They are asked before the look, so that nothing comes between that and the deletion.
    pub(super) fn wait_for_dependents(&mut self, step: Step, servers: &Servers, now: Duration) -> Option<Duration> {
        let dependents = servers.dependents.as_ref()?;
        if !matches!(step, Step::Look | Step::Delete(_) | Step::Deactivate(_)) {
            return None;
        }
        let key = protocol::goes_next(&self.observation(now), &servers.policy)?;
        if self.following.done.has(key) {
            return None;
        }
        let ended = match self.stop {
            Some(Stop::Signal) => Some("the run was stopped by a signal"),
            Some(Stop::Deadline) => Some("the run has taken as long as it may (`--deadline`)"),
            Some(Stop::Failed) | None => None,
        };
        if let Some(why) = ended {
            self.following.keep(key, why.to_owned());
            return Some(Duration::ZERO);
        }
        let same = self.following.asked.take().filter(|asked| asked.key == key);
        let mut asked = same.unwrap_or(Asked {
            key,
            answer: None,
            since: None,
            next: now,
        });
        let until = match asked.answer.take() {
            None if now < asked.next => asked.next,
            None => {
                let there = self.members.iter().filter(|member| !member.gone);
                asked.answer = dependents.ask(there.map(|member| member.secret.key.clone()).collect());
                now + SLICE
            }
            Some(answer) if !answer.is_finished() => {
                asked.answer = Some(answer);
                now + SLICE
            }
            Some(answer) => match answer.join() {
                Ok(Followed::Done) => {
                    self.following.done = self.following.done.with(key);
                    // By now it may be held by somebody: the look must be the last thing before.
                    self.memory.deletion_unknown();
                    return Some(Duration::ZERO);
                }
                Ok(Followed::Later(why)) => {
                    if asked.since.is_none() {
                        log::info!("{}: key {} stays for now: {why}", self.names(), self.keys.id(key));
                    }
                    let end = *asked.since.get_or_insert(now) + servers.options.propagation_timeout;
                    if now >= end || self.stop.is_some() {
                        self.following.keep(key, why);
                        return Some(Duration::ZERO);
                    }
                    asked.next = end.min(now + AGAIN);
                    asked.next
                }
                Ok(Followed::Failed(why)) => {
                    self.following.keep(key, why);
                    return Some(Duration::ZERO);
                }
                Err(_) => {
                    self.following.keep(key, "bug: what depends on it went down".to_owned());
                    return Some(Duration::ZERO);
                }
            },
        };
        self.following.asked = Some(asked);
        Some(until)
    }
}
