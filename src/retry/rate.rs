//! How fast requests are sent once a server has said that they are too many: a rate for the whole run, as AWS's SDKs have it
//! in their adaptive mode. Pure: the time comes in.
//!
//! Nothing is held back before the first request is throttled. Then the rate falls to a share of what the server has just
//! admitted, and grows again along a cubic curve (CUBIC, RFC 9438): fast at first, slowly where it was last refused, faster
//! again beyond. The SDKs send one program's requests and let each wait in its thread; here many users share the rate, and
//! what has to wait is told until when, so that no thread sleeps.

use std::collections::VecDeque;
use std::time::Duration;

/// The share of the admitted rate that is left after a refusal; the SDKs' number.
const SHARE: f64 = 0.7;

/// How fast the rate grows, in requests per second for each cubic second. The SDKs have 0.4 and are back at the limit, and
/// beyond it, within two seconds. A run lasts minutes: a slower curve has fewer requests refused and loses little time.
const GROWTH: f64 = 0.04;

/// The rate never falls below this, in requests per second; the SDKs' number.
const LOWEST: f64 = 0.5;

/// What the server is first supposed to admit at the least, in requests per second: when the first request of a run is refused,
/// nothing is known yet.
const FIRST: f64 = 2.0;

/// Over how long it is counted what the server admits.
const WINDOW: Duration = Duration::from_secs(2);

/// What is not pressing waits while those before it have more than this to wait.
const ROOM: Duration = Duration::from_secs(1);

/// Nobody is told to wait for longer than this without asking again: the rate may be another one by then.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Work that was begun: something is locked, or a key was made.
    Begun,
    /// Work that loses nothing by waiting.
    NotBegun,
}

/// When a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// From that time on, unless the rate is cut before.
    From(Duration, Cuts),
    /// That is not known yet: it is to be asked again at that time.
    Ask(Duration),
}

/// How often the rate was cut when a slot was given. What was given before the last cut counts no more: all of them together
/// would come too fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cuts(u32);

impl Slot {
    /// The time that it names.
    pub fn at(self) -> Duration {
        match self {
            Slot::From(at, _) | Slot::Ask(at) => at,
        }
    }
}

/// What a server lets through.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// When the last requests were admitted, for as long as [`WINDOW`].
    admitted: VecDeque<Duration>,
    limit: Option<Limit>,
}

/// The rate, once there is one.
#[derive(Clone, Copy, Debug)]
struct Limit {
    /// The rate, in requests per second, at which a request was last refused.
    refused_at: f64,
    /// When that was.
    cut: Duration,
    cuts: Cuts,
    /// When the next request may be sent.
    next: Duration,
    /// When the next one who is not pressed may ask again.
    ask: Duration,
}

impl Limit {
    /// The rate at that time, in requests per second.
    fn rate(&self, now: Duration) -> f64 {
        // The curve is so laid that it begins at the share that is left.
        let flat = (self.refused_at * (1.0 - SHARE) / GROWTH).cbrt();
        let since = now.saturating_sub(self.cut).as_secs_f64() - flat;
        (self.refused_at + GROWTH * since.powi(3)).max(LOWEST)
    }
}

impl Rate {
    /// When so many requests may be sent, one right after the other. Whoever holds a slot keeps it, so that others come later;
    /// whoever has none, or one that counts no more, gets the next.
    pub(super) fn reserve(&mut self, now: Duration, requests: u32, rank: Rank, held: Option<Slot>) -> Slot {
        let Some(limit) = &mut self.limit else {
            return Slot::From(now, Cuts::default());
        };
        match held {
            Some(slot @ Slot::From(_, cuts)) if cuts == limit.cuts => return slot,
            Some(slot) if slot.at() > now => return slot,
            Some(_) | None => {}
        }
        let takes = Duration::from_secs_f64(f64::from(requests) / limit.rate(now));
        let from = limit.next.max(now);
        match rank {
            Rank::NotBegun if from > now + ROOM => {
                limit.ask = (limit.ask.max(from - ROOM) + takes).min(now + LONGEST_WAIT);
                Slot::Ask(limit.ask)
            }
            Rank::NotBegun | Rank::Begun => {
                limit.next = from + takes;
                Slot::From(from, limit.cuts)
            }
        }
    }

    /// The server has answered a request, and did not find it one too many.
    pub(super) fn admitted(&mut self, now: Duration) {
        self.admitted.push_back(now);
        self.forget(now);
    }

    /// The server has refused a request as one too many. One that had been sent before the rate was last cut says nothing new.
    pub(super) fn throttled(&mut self, sent: Duration, now: Duration, after: Option<Duration>) {
        self.forget(now);
        let resume = now + after.unwrap_or_default().min(super::LONGEST_PAUSE);
        let admitted = self.admitted.len() as f64 / WINDOW.as_secs_f64();
        let limit = match self.limit {
            Some(limit) if sent < limit.cut => limit,
            known => {
                let rate = known.map_or(admitted.max(FIRST), |limit| {
                    let rate = limit.rate(now);
                    // Without a queue little may have been admitted because little was sent.
                    let least = if limit.next > now { LOWEST } else { rate * SHARE };
                    admitted.clamp(least, rate.max(least))
                });
                let refused_at = rate.max(LOWEST / SHARE);
                // There is no room at this moment, not even for one.
                let next = now + Duration::from_secs_f64(1.0 / (refused_at * SHARE));
                Limit {
                    refused_at,
                    cut: now,
                    cuts: Cuts(known.map_or(0, |limit| limit.cuts.0) + 1),
                    next,
                    ask: next,
                }
            }
        };
        self.limit = Some(Limit {
            next: limit.next.max(resume),
            ..limit
        });
    }

    fn forget(&mut self, now: Duration) {
        while self.admitted.front().is_some_and(|at| *at + WINDOW < now) {
            self.admitted.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn admitted_twenty_a_second() -> Rate {
        let mut rate = Rate::default();
        (0..40).for_each(|at| rate.admitted(ms(at * 50)));
        rate
    }

    fn per_second(rate: &Rate, now: Duration) -> f64 {
        (rate.limit.unwrap().rate(now) * 100.0).round() / 100.0
    }

    #[test]
    fn nothing_is_held_back_before_a_request_was_throttled() {
        let mut rate = admitted_twenty_a_second();
        for _ in 0..1_000 {
            assert_eq!(
                rate.reserve(ms(2_000), 2, Rank::NotBegun, None),
                Slot::From(ms(2_000), Cuts::default())
            );
        }
    }

    #[test]
    fn it_falls_to_a_share_of_what_was_admitted_and_comes_back() {
        let mut rate = admitted_twenty_a_second();
        rate.throttled(ms(1_990), ms(2_000), None);
        let curve: Vec<f64> = [0, 2, 5, 8, 12, 20]
            .map(|second| per_second(&rate, ms(2_000 + second * 1_000)))
            .to_vec();
        assert_eq!(curve, [14.0, 18.55, 20.0, 20.78, 31.96, 146.72]);
        // One that was under way at that time says nothing new; a later one does.
        rate.throttled(ms(1_999), ms(2_100), None);
        assert_eq!(per_second(&rate, ms(2_000)), 14.0);
        rate.throttled(ms(2_000), ms(2_100), None);
        assert_eq!(per_second(&rate, ms(2_100)), 10.03);
    }

    #[test]
    fn requests_are_spaced_and_each_has_a_time_of_its_own() {
        let mut rate = admitted_twenty_a_second();
        rate.throttled(ms(1_990), ms(2_000), None);
        let slots = [1, 2, 1].map(|requests| rate.reserve(ms(2_000), requests, Rank::Begun, None));
        for (slot, before) in slots.into_iter().zip([1.0, 2.0, 4.0]) {
            let wanted = ms(2_000) + Duration::from_secs_f64(before / 14.0);
            assert!(slot.at().abs_diff(wanted) < ms(1), "{slot:?} {wanted:?}");
            assert_eq!(rate.reserve(ms(2_500), 1, Rank::Begun, Some(slot)), slot, "it is kept");
        }
        // After a cut it is too early, and there is another one.
        rate.throttled(ms(2_050), ms(2_100), None);
        assert_eq!(rate.reserve(ms(2_110), 1, Rank::Begun, Some(slots[2])), slots[2]);
        let other = rate.reserve(ms(2_300), 1, Rank::Begun, Some(slots[2]));
        assert_eq!(other, Slot::From(ms(2_300), Cuts(2)));
        assert!(slots[2].at() < ms(2_300));
    }

    #[test]
    fn what_was_not_begun_waits_while_there_is_a_queue_and_then_one_after_the_other() {
        let mut rate = admitted_twenty_a_second();
        rate.throttled(ms(1_990), ms(2_000), None);
        for _ in 0..28 {
            rate.reserve(ms(2_000), 1, Rank::Begun, None);
        }
        let (first, second) = (
            rate.reserve(ms(2_000), 1, Rank::NotBegun, None),
            rate.reserve(ms(2_000), 1, Rank::NotBegun, None),
        );
        let (Slot::Ask(first), Slot::Ask(second)) = (first, second) else {
            panic!("{first:?} {second:?}");
        };
        assert!(ms(3_000) < first && first < second, "{first:?} {second:?}");
        // They have taken nothing from those that have begun.
        let Slot::From(next, _) = rate.reserve(ms(2_000), 1, Rank::Begun, None) else {
            panic!("it has begun");
        };
        assert!(
            next.abs_diff(ms(2_000) + Duration::from_secs_f64(29.0 / 14.0)) < ms(1),
            "{next:?}"
        );
        assert!(matches!(rate.reserve(second, 1, Rank::NotBegun, None), Slot::From(..)));
    }

    #[test]
    fn everybody_waits_as_long_as_the_server_asks_but_not_for_ever() {
        let mut rate = admitted_twenty_a_second();
        rate.throttled(ms(1_990), ms(2_000), Some(ms(7_000)));
        assert_eq!(
            rate.reserve(ms(2_000), 1, Rank::Begun, None),
            Slot::From(ms(9_000), Cuts(1))
        );
        let mut rate = admitted_twenty_a_second();
        rate.throttled(ms(1_990), ms(2_000), Some(ms(3_600_000)));
        assert_eq!(
            rate.reserve(ms(2_000), 1, Rank::Begun, None),
            Slot::From(ms(22_000), Cuts(1))
        );
    }

    #[test]
    fn it_never_stops_altogether() {
        let mut rate = Rate::default();
        for at in 0..100 {
            rate.throttled(ms(at * 10), ms(at * 10 + 5), None);
        }
        assert_eq!(per_second(&rate, ms(1_000)), 0.5);
    }
}
