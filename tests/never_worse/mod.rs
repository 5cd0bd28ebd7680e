//! `ecr-update` never leaves a Secret worse than it was: whatever fails, whoever writes meanwhile, however many run at once.
//!
//! After every request that takes effect, every Secret is held against what it was before: it is as it was, or it has
//! logins that AWS has issued, each for its own registry and to the right user, and the annotation with their end. All else in
//! it is the same, byte for byte, and nothing is written that is not to be refreshed (see [`judge`]).

mod faults;
mod judge;
mod others;
mod together;
mod watch;
mod world;
