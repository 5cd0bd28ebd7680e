//! SIGTERM and SIGINT: a run that is asked to stop brings what is under way to a good end and begins nothing new.
//!
//! In an image from scratch the program is process 1, which the kernel shields from signals that it does not handle:
//! without this a pod would always be killed after its grace period, in the middle of whatever it was doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

/// How soon a wait notices that it is over.
const SLICE: Duration = Duration::from_millis(100);

/// Whether somebody wants the run to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// An interrupt that SIGTERM and SIGINT set. The second one ends the program at once, with exit code 1: that is safe,
    /// and whoever presses Ctrl-C twice means it.
    ///
    /// # Errors
    ///
    /// When the system does not let signals be handled.
    pub fn by_signals() -> std::io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&interrupt.0))?;
            signal_hook::flag::register(signal, Arc::clone(&interrupt.0))?;
        }
        Ok(interrupt)
    }

    /// Whether the run is to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits that long, or until the run is to stop.
    pub fn wait(&self, length: Duration) {
        let start = Instant::now();
        while !self.is_set() {
            let left = length.saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}
