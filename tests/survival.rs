//! What the program survives: kills and faults at every request, two of them at once, and secrets in every place where one
//! could show. Many programs run at the same time here, so that these tests have a binary of their own: Cargo runs one after
//! the other, and no other test waits for a processor that they use.

#[path = "kill.rs"]
mod kill;
#[path = "kill_all.rs"]
mod kill_all;
#[path = "leaks.rs"]
mod leaks;
#[path = "never_worse/mod.rs"]
mod never_worse;
#[path = "support/mod.rs"]
mod support;
#[path = "together.rs"]
mod together;
