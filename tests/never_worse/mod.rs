//! `ecr-update` never leaves a Secret worse than it was: whatever fails, whoever writes meanwhile, however many run at once.
//!
//! After every request that takes effect, every Secret is held against what it was before: it is as it was, or it has
//! logins that AWS has issued, each for its own registry and to the right user, and the annotation with their end. All else in
//! it is the same, byte for byte, and nothing is written that is not to be refreshed (see [`judge`]).

mod faults;
mod judge;
mod others;
mod together;
mod value;
mod watch;
mod world;

use std::fmt::Debug;

/// Carries a case out; an error names it and tells what the programs said.
fn run<C: Debug>(case: &C, carry_out: fn(&C, &mut Vec<String>) -> Result<(), String>) -> Result<(), String> {
    let mut said = Vec::new();
    carry_out(case, &mut said).map_err(|what| format!("{case:?}: {what}\n  {}", said.join("\n  ")))
}
