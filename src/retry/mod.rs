//! When a request is repeated, and after how long: full jitter, as AWS's own SDKs do it. How often a whole run repeats, and
//! how fast it sends, is in [`Traffic`].

mod budget;
mod rate;
mod traffic;

use std::time::{Duration, Instant};

pub use self::budget::Price;
pub use self::rate::{Cuts, Rank, Slot};
pub use self::traffic::Traffic;

/// How often a request that is safe to repeat is sent at the most.
pub const ATTEMPTS: u32 = 5;

/// No attempt is begun later than this after the first one. An API server that is restarted is back by then, and one that
/// hangs must not hold up the rest of the run for longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The first pause is at most this long, each later one at most twice the one before.
const BASE: Duration = Duration::from_millis(500);

/// No pause is longer, and a `Retry-After` beyond it is not waited for.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How often a request is sent that may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Until there is an answer, within reason: where repeating does no harm and can help.
    Patiently,
    /// Once: the caller repeats by itself, at a time of its own.
    Once,
}

impl Asking {
    /// What comes of an error's reaction.
    pub(crate) fn permits(self, reaction: Reaction) -> Reaction {
        match self {
            Asking::Patiently => reaction,
            Asking::Once => Reaction::GiveUp,
        }
    }
}

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The same again may succeed.
    Repeat {
        /// The pause that the server asked for.
        after: Option<Duration>,
        /// What it costs.
        price: Price,
    },
    /// The same again would fail again.
    GiveUp,
}

impl Reaction {
    /// What an answer asks for that may be another one later if it `passes`.
    pub(crate) fn to_answer(passes: bool, after: Option<Duration>) -> Reaction {
        if passes {
            Reaction::Repeat {
                after,
                price: Price::Failure,
            }
        } else {
            Reaction::GiveUp
        }
    }
}

/// The pause before the next attempt, or `None` when there is to be none. `after` is what the server asked for, `attempt`
/// counts from 1, `random` is uniform over all of `u32`.
pub fn pause(after: Option<Duration>, attempt: u32, random: u32) -> Option<Duration> {
    if attempt >= ATTEMPTS || after.is_some_and(|after| after > LONGEST_PAUSE) {
        return None;
    }
    let ceiling = BASE.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_PAUSE);
    let jitter = ceiling.mul_f64(f64::from(random) / f64::from(u32::MAX));
    Some(after.unwrap_or_default() + jitter)
}

/// Sends with `send` until it succeeds, its error says that repeating is of no use, [`ATTEMPTS`] is reached, or the run has
/// repeated enough.
///
/// # Errors
///
/// The last attempt's.
pub fn repeat<T, E: std::fmt::Display>(
    traffic: &Traffic,
    what: &str,
    mut send: impl FnMut() -> Result<T, E>,
    reaction: impl Fn(&E) -> Reaction,
) -> Result<T, E> {
    let start = Instant::now();
    let mut attempt = 1;
    let mut paid = None;
    loop {
        let error = match send() {
            Ok(done) => {
                traffic.succeeded();
                if let Some(price) = paid {
                    traffic.helped(price);
                }
                return Ok(done);
            }
            Err(error) => error,
        };
        let Reaction::Repeat { after, price } = reaction(&error) else {
            return Err(error);
        };
        let Some(pause) = pause(after, attempt, random()).filter(|pause| start.elapsed() + *pause < DEADLINE) else {
            return Err(error);
        };
        if !traffic.may_repeat(price, &format_args!("{what}: {error}")) {
            return Err(error);
        }
        paid = Some(price);
        log::debug!(
            "{what}: attempt {attempt} of {ATTEMPTS}: {error}; again in {} ms",
            pause.as_millis()
        );
        std::thread::sleep(pause);
        attempt += 1;
    }
}

/// Uniform over all of `u32`.
pub(crate) fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness the pause is merely short; that is no reason to fail.
    let _ = getrandom::getrandom(&mut bytes);
    u32::from_ne_bytes(bytes)
}

/// 16 hexadecimal digits that no other run has.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 8];
    if getrandom::getrandom(&mut bytes).is_err() {
        // No two processes of a machine share number and time.
        let unlikely = crate::clock::boot_time().as_nanos() as u64 ^ (u64::from(std::process::id()) << 40);
        bytes = unlikely.to_ne_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Reaction = Reaction::Repeat {
        after: None,
        price: Price::Failure,
    };

    #[test]
    fn the_ceiling_doubles_and_the_jitter_is_full() {
        let highest: Vec<_> = (1..ATTEMPTS)
            .map(|attempt| pause(None, attempt, u32::MAX).unwrap().as_millis())
            .collect();
        assert_eq!(highest, [500, 1000, 2000, 4000]);
        assert_eq!(pause(None, 2, 0), Some(Duration::ZERO));
    }

    #[test]
    fn it_ends() {
        assert_eq!(pause(None, ATTEMPTS, 0), None);
    }

    #[test]
    fn what_is_asked_once_is_sent_once() {
        let sent = std::cell::Cell::new(0);
        let send = || {
            sent.set(sent.get() + 1);
            Err::<(), _>("no")
        };
        let traffic = Traffic::new("AWS");
        assert_eq!(repeat(&traffic, "it", send, |_| Asking::Once.permits(ANY)), Err("no"));
        assert_eq!(sent.get(), 1);
        assert_eq!(Asking::Patiently.permits(ANY), ANY);
    }

    #[test]
    fn retry_after_is_respected_within_reason() {
        let after = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pause(after(7), 1, 0), Some(Duration::from_secs(7)));
        assert_eq!(pause(after(21), 1, 0), None);
    }

    /// A request whose repeats would be paid for by others' successes is not held back by those that failed before.
    #[test]
    fn a_run_that_has_repeated_enough_sends_each_request_once() {
        let traffic = Traffic::new("AWS");
        while traffic.may_repeat(Price::Failure, &"before") {}
        let sent = std::cell::Cell::new(0);
        let send = |answer| {
            sent.set(sent.get() + 1);
            answer
        };
        assert_eq!(repeat(&traffic, "it", || send(Err::<(), _>("no")), |_| ANY), Err("no"));
        assert_eq!(sent.get(), 1);
        for _ in 0..5 {
            assert_eq!(repeat(&traffic, "it", || send(Ok::<_, &str>(())), |_| ANY), Ok(()));
        }
        assert!(traffic.may_repeat(Price::Failure, &"after"));
    }
}
