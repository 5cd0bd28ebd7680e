//! When a rotation may send its next requests to AWS: pure, so that a test can make up the time.

use std::time::Duration;

use crate::retry::{Rank, Slot};
use crate::rotate::protocol::{Memory, Step};

/// The slot that was asked for, until it is used.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::rotate) struct Held(Option<Slot>);

impl Held {
    /// Until when the rotation has to wait, or `None` when it may send now. `ask` is given the slot that is held, and says which
    /// one counts.
    pub(in crate::rotate) fn back(
        &mut self,
        now: Duration,
        ask: impl FnOnce(Option<Slot>) -> Slot,
    ) -> Option<Duration> {
        let slot = ask(self.0);
        match slot {
            Slot::From(at, _) if at <= now => {
                self.0 = None;
                None
            }
            Slot::From(..) | Slot::Ask(_) => {
                self.0 = Some(slot);
                Some(slot.at())
            }
        }
    }

    /// Until when nothing may be sent; a time that is past when that is not so.
    pub(in crate::rotate) fn until(&self) -> Duration {
        self.0.map_or(Duration::ZERO, Slot::at)
    }
}

/// Who has locked a Secret goes first: the lock is to be held for a short time only. So does who has listed the keys: the
/// listing must not be old when the lock is taken.
pub(in crate::rotate) fn rank(locked: bool, memory: &Memory) -> Rank {
    if locked || memory.listing.is_some() {
        Rank::Begun
    } else {
        Rank::NotBegun
    }
}

/// How many requests a step sends to AWS, in the ordinary case.
pub(in crate::rotate) fn requests_to_aws(step: Step) -> u32 {
    match step {
        Step::Probe(_) => 2,
        Step::ListKeys | Step::Identify | Step::Create | Step::Delete(_) | Step::Deactivate(_) => 1,
        Step::Reread(_)
        | Step::Look
        | Step::Settle
        | Step::Lock(_)
        | Step::Record(_)
        | Step::Publish(..)
        | Step::Clear(..)
        | Step::Release(..)
        | Step::Wait(_)
        | Step::Finish(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Cuts;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_slot_is_held_until_it_is_used() {
        let mut held = Held::default();
        let slot = |at| Slot::From(s(at), Cuts::default());
        assert_eq!(held.back(s(1), |_| slot(5)), Some(s(5)));
        assert_eq!(held.until(), s(5));
        let same = |held: Option<Slot>| held.expect("it has one");
        assert_eq!(held.back(s(4), same), Some(s(5)));
        assert_eq!(held.back(s(6), same), None);
        assert_eq!(held.until(), s(0));
        let none = |held: Option<Slot>| held.map_or(Slot::Ask(s(8)), |_| panic!("it was used"));
        assert_eq!(held.back(s(6), none), Some(s(8)));
    }

    /// To be told to ask again at this very moment is not to be told to send.
    #[test]
    fn who_is_to_ask_again_may_not_send() {
        assert_eq!(Held::default().back(s(5), |_| Slot::Ask(s(5))), Some(s(5)));
    }
}
