//! How many requests a run may repeat: a bucket of tokens, as AWS's SDKs have it in their standard mode. Pure.
//!
//! Each repeat is paid for, each success brings something back. So a server that fails now and then is asked again every
//! time, also in a run of thousands of requests; one that fails all the time soon ends that, however many users wait for it.

/// The tokens that a run begins with, and the most it ever has: the SDKs' number. They pay for 100 repeats in a row that
/// fail.
const TOKENS: u32 = 500;

/// What a request that succeeds brings back, whether it was a repeat or not.
const SUCCESS: u32 = 1;

/// What a repeat costs. The prices are the SDKs'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// After an error, or a connection that broke.
    Failure,
    /// After a request that ran out of time: each of those has kept a thread, and perhaps a server, busy all that time.
    TimeOut,
}

impl Price {
    fn tokens(self) -> u32 {
        match self {
            Price::Failure => 5,
            Price::TimeOut => 10,
        }
    }
}

/// The tokens that are left, and what they were spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    tokens: u32,
    repeats: u32,
    helped: u32,
}

impl Budget {
    /// A run's budget at its beginning.
    pub(super) const FULL: Budget = Budget {
        tokens: TOKENS,
        repeats: 0,
        helped: 0,
    };

    /// Pays for a repeat; false when there is not enough left for it.
    pub(super) fn pay(&mut self, price: Price) -> bool {
        let Some(left) = self.tokens.checked_sub(price.tokens()) else {
            return false;
        };
        self.tokens = left;
        self.repeats += 1;
        true
    }

    /// A request has succeeded.
    pub(super) fn succeeded(&mut self) {
        self.tokens = (self.tokens + SUCCESS).min(TOKENS);
    }

    /// A repeat has succeeded: its price comes back.
    pub(super) fn helped(&mut self, price: Price) {
        self.tokens = (self.tokens + price.tokens()).min(TOKENS);
        self.helped += 1;
    }

    /// How many repeats were of no use so far.
    pub(super) fn failed(&self) -> u32 {
        self.repeats.saturating_sub(self.helped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_ends_after_a_hundred_repeats_or_fifty_that_ran_out_of_time() {
        for (price, repeats) in [(Price::Failure, 100), (Price::TimeOut, 50)] {
            let mut budget = Budget::FULL;
            let paid = (0..1_000).filter(|_| budget.pay(price)).count();
            assert_eq!((paid, budget.failed()), (repeats, repeats as u32), "{price:?}");
        }
        let mut budget = Budget::FULL;
        while budget.pay(Price::TimeOut) {}
        for _ in 0..5 {
            budget.succeeded();
        }
        assert!(!budget.pay(Price::TimeOut));
        assert!(budget.pay(Price::Failure), "what a server earns it may use");
        assert!(!budget.pay(Price::Failure));
    }

    #[test]
    fn a_repeat_that_helps_costs_nothing_and_nothing_is_saved_up() {
        let mut budget = Budget::FULL;
        for _ in 0..10_000 {
            budget.succeeded();
        }
        assert_eq!(budget, Budget::FULL);
        for _ in 0..10_000 {
            assert!(budget.pay(Price::TimeOut));
            budget.helped(Price::TimeOut);
            budget.succeeded();
        }
        assert_eq!((budget.tokens, budget.failed()), (TOKENS, 0));
    }

    /// However failures and successes are mixed: the tokens stay within their bounds, and the repeats of no use are bounded by
    /// what was there at first and what successes have brought.
    #[test]
    fn repeats_of_no_use_are_paid_for_by_successes() {
        let mut random = 1u32;
        for failing in [1, 10, 30, 50, 80, 99] {
            let (mut budget, mut successes, mut outstanding) = (Budget::FULL, 0, Vec::new());
            for _ in 0..20_000 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let price = if random & 0x100 == 0 {
                    Price::Failure
                } else {
                    Price::TimeOut
                };
                if (random >> 16) % 100 < failing {
                    if budget.pay(price) {
                        outstanding.push(price);
                    }
                } else {
                    successes += 1;
                    budget.succeeded();
                    if let Some(price) = outstanding.pop().filter(|_| random & 0x200 == 0) {
                        budget.helped(price);
                    }
                }
                assert!(budget.tokens <= TOKENS);
                assert!(budget.failed() * Price::Failure.tokens() <= TOKENS + successes * SUCCESS);
            }
        }
    }

    /// The share of failures that the fault injector's test has: three in ten, of which some run out of time.
    #[test]
    fn three_failures_in_ten_are_borne_for_ever() {
        let (mut budget, mut random, mut refused) = (Budget::FULL, 7u32, 0);
        let mut failing = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) % 100 < 30
        };
        for _ in 0..50_000 {
            let mut paid = None;
            for _ in 0..super::super::ATTEMPTS {
                if !failing() {
                    budget.succeeded();
                    if let Some(price) = paid {
                        budget.helped(price);
                    }
                    break;
                }
                if !budget.pay(Price::Failure) {
                    refused += 1;
                    break;
                }
                paid = Some(Price::Failure);
            }
        }
        assert_eq!(refused, 0);
    }
}
