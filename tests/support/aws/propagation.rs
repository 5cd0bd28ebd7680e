//! When a new key is known where: IAM is eventually consistent, and not even monotonic.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::action::Api;

/// How long one service takes to know a new key.
#[derive(Clone, Copy, Default)]
pub(super) struct Lag {
    /// That many requests signed by the key are refused first.
    pub(super) requests: usize,
    /// Until so long after its creation the key is refused.
    pub(super) delay: Duration,
}

/// How a key that was known is refused again for a while.
#[derive(Clone, Copy, Default)]
pub(super) struct Flap {
    pub(super) accept: usize,
    pub(super) refuse: usize,
}

/// What applies to keys created from now on.
#[derive(Clone, Default)]
pub(super) struct Propagation {
    pub(super) common: Lag,
    /// Takes the place of `common` at that service.
    pub(super) own: BTreeMap<Api, Lag>,
    pub(super) flap: Flap,
}

impl Propagation {
    /// The gates of a key created now.
    pub(super) fn gates(&self) -> Gates {
        let born = Instant::now();
        let gate = |lag: &Lag| Gate {
            born,
            lag: *lag,
            flap: self.flap,
        };
        Gates {
            common: Some(gate(&self.common)),
            own: self.own.iter().map(|(&api, lag)| (api, gate(lag))).collect(),
        }
    }
}

/// What one key still has to pass before it is known everywhere. The default: nothing.
#[derive(Default)]
pub(super) struct Gates {
    common: Option<Gate>,
    own: BTreeMap<Api, Gate>,
}

impl Gates {
    /// Whether this request finds the key known; every request counts.
    pub(super) fn admit(&mut self, api: Api) -> bool {
        self.own.get_mut(&api).or(self.common.as_mut()).is_none_or(Gate::admit)
    }
}

struct Gate {
    born: Instant,
    lag: Lag,
    flap: Flap,
}

impl Gate {
    fn admit(&mut self) -> bool {
        // A request counts also while the delay lasts: both begin with the key's creation.
        let counted = take_one(&mut self.lag.requests);
        if counted || self.born.elapsed() < self.lag.delay {
            return false;
        }
        take_one(&mut self.flap.accept) || !take_one(&mut self.flap.refuse)
    }
}

/// One less, if there was one.
pub(super) fn take_one(count: &mut usize) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}
