//! When a key is tried again, and until when: pure, so that a test can make up the time.

use std::time::Duration;

/// The time between two probes that succeed.
pub(in crate::rotate) const SPACING: Duration = Duration::from_secs(2);
/// A key that is not accepted yet is tried again after pauses that grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The times of a key's probes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::rotate) struct Pace {
    next: Duration,
    deadline: Duration,
    refusals: u32,
}

impl Pace {
    /// A key that is to be tried from now on, for so long at the most.
    pub(in crate::rotate) fn new(now: Duration, timeout: Duration) -> Pace {
        Pace {
            next: now,
            deadline: now + timeout,
            refusals: 0,
        }
    }

    /// It was accepted.
    pub(in crate::rotate) fn accepted(&mut self, now: Duration) {
        self.refusals = 0;
        self.next = now + SPACING;
    }

    /// It was refused. True when it has been given time enough; a run that is late for its probes is not the key's fault, so
    /// that only a refusal after the deadline counts.
    pub(in crate::rotate) fn refused(&mut self, now: Duration) -> bool {
        let pause = Duration::from_secs(1 << self.refusals.min(8)).min(LONGEST_PAUSE);
        self.refusals += 1;
        self.next = now + pause;
        now >= self.deadline
    }

    /// Whether it is to be tried now.
    pub(in crate::rotate) fn is_due(&self, now: Duration) -> bool {
        now >= self.when()
    }

    /// When it is to be tried. A key that is refused is not waited for beyond the deadline.
    pub(in crate::rotate) fn when(&self) -> Duration {
        if self.refusals > 0 {
            self.next.min(self.deadline)
        } else {
            self.next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pauses_grow_to_ten_seconds_and_end_at_the_deadline() {
        let mut pace = Pace::new(s(100), s(30));
        assert!(pace.is_due(s(100)));
        let mut now = s(100);
        let mut tried = Vec::new();
        while !pace.refused(now) {
            now = pace.when();
            tried.push(now.as_secs());
        }
        assert_eq!(tried, [101, 103, 107, 115, 125, 130]);
    }

    #[test]
    fn an_accepted_key_is_tried_again_two_seconds_later_even_behind_the_deadline() {
        let mut pace = Pace::new(s(0), s(5));
        pace.accepted(s(9));
        assert_eq!(
            (pace.when(), pace.is_due(s(10)), pace.is_due(s(11))),
            (s(11), false, true)
        );
    }
}
