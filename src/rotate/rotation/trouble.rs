//! What a rotation does when a step goes wrong, and when it has to be held back.

use std::mem;
use std::time::Duration;

use super::keys::TooMany;
use super::{Progress, Rotation, Stop, doing, slot};
use crate::retry::{self, Price, Reaction};
use crate::rotate::protocol::{Lock, Outcome, Step};
use crate::rotate::{Server, Servers};
use crate::{aws, kube};

/// Something that was tried and did not work.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The same request may succeed later.
    Passing(String, Again),
    /// Another request may succeed: it is signed by another pair, or by the right time.
    Otherwise(String),
    /// It will not.
    Lasting(String),
    /// Nothing is wrong, but it is to be gone on with after a pause.
    Pause(Duration),
}

/// A request that is to be repeated, at the expense of its server's budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    server: Server,
    /// The pause that the server asked for.
    after: Option<Duration>,
    price: Price,
}

impl Trouble {
    fn of(text: String, reaction: Reaction, server: Server) -> Trouble {
        match reaction {
            Reaction::Repeat { after, price } => Trouble::Passing(text, Again { server, after, price }),
            Reaction::GiveUp => Trouble::Lasting(text),
        }
    }
}

impl From<&aws::Error> for Trouble {
    fn from(error: &aws::Error) -> Trouble {
        Trouble::of(error.to_string(), error.reaction(), Server::Aws)
    }
}

impl From<&kube::Error> for Trouble {
    fn from(error: &kube::Error) -> Trouble {
        Trouble::of(error.to_string(), error.reaction(), Server::Kubernetes)
    }
}

impl From<TooMany> for Trouble {
    fn from(_: TooMany) -> Trouble {
        Trouble::Lasting("its records and IAM together name more keys than can be told apart".into())
    }
}

impl Rotation {
    /// What comes of trouble with a step: a pause, or the end.
    pub(super) fn after(&mut self, step: Step, trouble: Trouble, servers: &Servers) -> Option<Progress> {
        let now = servers.now();
        let (text, after, again) = match trouble {
            Trouble::Pause(pause) => return Some(Progress::Wait(now + pause)),
            Trouble::Passing(text, again) => (text, Some(again.after), Some(again)),
            Trouble::Otherwise(text) => (text, Some(None), None),
            Trouble::Lasting(text) => (text, None, None),
        };
        if self.attempts == 0 {
            self.first_failure = now;
        }
        self.attempts += 1;
        self.failed = Some(step);
        let pause = after
            .and_then(|after| retry::pause(after, self.attempts, retry::random()))
            .filter(|pause| now + *pause < self.first_failure + retry::DEADLINE);
        let affordable = |again: Again| servers.traffic(again.server).may_repeat(again.price, &text);
        if let (Some(pause), None) = (pause, self.stop)
            && again.is_none_or(affordable)
        {
            self.paid = again.map(|again| (step, again));
            log::debug!("{}: {text}; again in {} ms", self.names(), pause.as_millis());
            return Some(Progress::Wait(now + pause));
        }
        log::debug!("{}: {text}; giving up", self.names());
        self.problem = text;
        match self.stop {
            None => {
                self.stop = Some(Stop::Failed);
                self.attempts = 0;
                None
            }
            Some(_) => {
                // The key stays for the next run; there are still the journals to be released.
                if let Step::Delete(key) | Step::Deactivate(key) = step
                    && !self.memory.undeletable.has(key)
                {
                    self.memory.not_deleted(key);
                    return None;
                }
                // Even coming to an end does not work. What was written down is enough for the next run.
                Some(Progress::Ended(Outcome::Stopped))
            }
        }
    }

    /// A step was carried out: the failures before it are over, but for those of a create that a journal is renewed for. If it
    /// was paid for as a repeat, the repeat has helped.
    pub(super) fn succeeded(&mut self, step: Step, servers: &Servers) {
        let renews = matches!(step, Step::Record(_));
        if !renews || self.failed.is_none_or(|failed| matches!(failed, Step::Record(_))) {
            self.attempts = 0;
            self.failed = None;
        }
        if let Some((_, again)) = self
            .paid
            .take_if(|(paid, _)| mem::discriminant(paid) == mem::discriminant(&step))
        {
            servers.traffic(again.server).helped(again.price);
        }
    }

    /// Until when a step has to wait because AWS has throttled this run: the slot of its requests is asked for once and kept. A
    /// run that is to end waits for nothing.
    pub(super) fn hold_back(&mut self, step: Step, servers: &Servers, now: Duration) -> Option<Duration> {
        let requests = slot::requests_to_aws(step);
        if requests == 0 || servers.stop(now).is_some() {
            return None;
        }
        let locked = self.members.iter().any(|member| member.seen.lock == Lock::Mine);
        let rank = slot::rank(locked, &self.memory);
        let until = self
            .slot
            .back(now, |held| servers.aws.traffic().reserve(now, requests, rank, held))?;
        log::debug!(
            "{}: {} is held back for {} ms, since AWS throttles",
            self.names(),
            doing(step),
            until.saturating_sub(now).as_millis()
        );
        // What is held back has not failed meanwhile.
        self.first_failure += until.saturating_sub(now);
        if matches!(step, Step::Delete(_) | Step::Deactivate(_)) {
            // By then it may be held by somebody: the look must be the last thing before.
            self.memory.deletion_unknown();
        }
        Some(until)
    }
}
