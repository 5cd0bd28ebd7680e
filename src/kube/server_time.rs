//! The API server's clock, against which the ages of locks are taken: two machines' clocks are never compared.

use std::time::Duration;

use time::OffsetDateTime;

/// What the API server's clock showed, and when by ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// The `Date` of a reply, in whole seconds.
    pub date: OffsetDateTime,
    /// [`boot_time`](crate::clock::boot_time) before the request was sent that got this reply: no later than the moment of
    /// the date.
    pub asked: Duration,
}

impl ServerTime {
    /// What the API server's clock shows when [`boot_time`](crate::clock::boot_time) is `now`, to about a second and the time that
    /// the reply took.
    pub fn at(self, now: Duration) -> OffsetDateTime {
        self.date + now.saturating_sub(self.asked)
    }

    /// The one with the later date; of the same date, the one that was asked for earlier: a lock dated so and counted from
    /// there by its holder runs out for the holder before it does for others.
    pub(super) fn or_later(self, other: Option<ServerTime>) -> ServerTime {
        match other {
            Some(other) if (other.date, self.asked) > (self.date, other.asked) => other,
            Some(_) | None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_date_counts_and_of_one_date_the_earlier_question() {
        let time = |date, asked| ServerTime {
            date: OffsetDateTime::from_unix_timestamp(date).unwrap(),
            asked: Duration::from_secs(asked),
        };
        for (one, other, later) in [
            (time(1, 5), time(2, 9), time(2, 9)),
            (time(2, 9), time(1, 5), time(2, 9)),
            (time(2, 5), time(2, 9), time(2, 5)),
            (time(2, 9), time(2, 5), time(2, 5)),
            // Answers that overtook each other.
            (time(2, 5), time(1, 9), time(2, 5)),
            (time(1, 9), time(2, 5), time(2, 5)),
        ] {
            assert_eq!(one.or_later(Some(other)), later, "{one:?} {other:?}");
        }
        assert_eq!(time(1, 5).or_later(None), time(1, 5));
    }
}
