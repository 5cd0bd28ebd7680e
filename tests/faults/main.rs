//! Pairs of faults: one in the first run, another one in the run after it, at every two requests. And requests of a run that
//! was killed which take their effect late, while the next run is under way.
//!
//! Too many for every `cargo test`: `.ci/run` calls it by name.

#[path = "../support/mod.rs"]
mod support;

mod late;
mod pairs;
