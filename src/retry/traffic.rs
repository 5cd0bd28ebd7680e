//! What all threads of a run share for one remote service: how much is repeated, and how fast requests are sent.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::budget::{Budget, Price};
use super::rate::{Rank, Rate, Slot};

/// One remote service, as this run may use it. Threads may share it.
#[derive(Debug)]
pub struct Traffic {
    service: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    rate: Rate,
    told: bool,
}

impl Traffic {
    /// A run that has sent nothing yet. `service` is its name in messages.
    pub fn new(service: &'static str) -> Traffic {
        Traffic {
            service,
            state: Mutex::new(State {
                budget: Budget::FULL,
                rate: Rate::default(),
                told: false,
            }),
        }
    }

    /// Whether a request that failed with this error may be repeated; if so, it is paid for. The first time that it may not
    /// be, that is logged.
    pub(crate) fn may_repeat(&self, price: Price, error: &dyn fmt::Display) -> bool {
        let mut state = self.state();
        if state.budget.pay(price) {
            return true;
        }
        let first = !std::mem::replace(&mut state.told, true);
        let failed = state.budget.failed();
        drop(state);
        if first {
            log::warn!("{}", self.exhausted(failed, error));
        }
        false
    }

    fn exhausted(&self, failed: u32, error: &dyn fmt::Display) -> String {
        let service = self.service;
        format!(
            "{service}: {failed} repeats of requests have failed in this run; from now on a request that fails is not \
             repeated; the last failure: {error}; find out what is wrong with {service} or on the way there, then run again"
        )
    }

    /// A request has succeeded.
    pub(crate) fn succeeded(&self) {
        self.state().budget.succeeded();
    }

    /// A repeat that was paid for has succeeded.
    pub(crate) fn helped(&self, price: Price) {
        self.state().budget.helped(price);
    }

    /// When so many requests may be sent; see [`Slot`].
    pub(crate) fn reserve(&self, now: Duration, requests: u32, rank: Rank, held: Option<Slot>) -> Slot {
        self.state().rate.reserve(now, requests, rank, held)
    }

    /// The service has taken on a request.
    pub(crate) fn admitted(&self, now: Duration) {
        self.state().rate.admitted(now);
    }

    /// The service has refused a request, sent at that time, as one too many.
    pub(crate) fn throttled(&self, sent: Duration, now: Duration, after: Option<Duration>) {
        self.state().rate.throttled(sent, now, after);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_often_it_was_tried_and_what_to_do() {
        let traffic = Traffic::new("AWS");
        while traffic.may_repeat(Price::TimeOut, &"no answer") {}
        assert_eq!(
            traffic.exhausted(traffic.state().budget.failed(), &"ListAccessKeys: no answer"),
            "AWS: 50 repeats of requests have failed in this run; from now on a request that fails is not repeated; the last \
             failure: ListAccessKeys: no answer; find out what is wrong with AWS or on the way there, then run again"
        );
        assert!(traffic.state().told);
    }
}
