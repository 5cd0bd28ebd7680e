//! The clock by which locks and fences are kept.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time since this machine was started, the time it slept included (`CLOCK_BOOTTIME`). It never goes back, and nobody
/// can set it.
///
/// `std::time::Instant` will not do where another machine goes on meanwhile: on Linux it is `CLOCK_MONOTONIC`, which stands
/// still during suspend. A run that slept for an hour would take a lock that others have long since taken over for its
/// own, and send a create that was to be sent within seconds.
pub fn boot_time() -> Duration {
    // The kernel counts up from zero, so there is nothing negative to be refused.
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_and_never_back() {
        let before = boot_time();
        std::thread::sleep(Duration::from_millis(20));
        let after = boot_time();
        assert!(before > Duration::ZERO);
        assert!(after - before >= Duration::from_millis(20), "{before:?} {after:?}");
    }
}
