//! The job `rotate`: finds the Secrets, puts those with the same key into one group, and drives every group to its end.
//!
//! All groups are under way at once. One that waits for its new key to be known is an entry in a queue of times, not a
//! thread, and keeps nobody else from their turn.

mod group;
pub mod protocol;
mod rewrite;
mod rotation;
mod wording;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use self::protocol::{Policy, Step};
use self::rotation::Rotation;
use crate::aws::{self, Region};
use crate::kube::{self, Scope};
use crate::report::Tally;

/// The label of a Secret to rotate.
pub const LABEL: &str = "aws-rotate-key";

/// The annotation that names the region whose STS must know a new key.
pub const REGION: &str = "aws-rotate-key/region";

/// What `rotate` is run with.
#[derive(Debug)]
pub struct Settings {
    /// The namespaces to look at.
    pub scope: Scope,
    /// The region for Secrets that name none.
    pub region: Region,
    /// How long a new key may take to be accepted.
    pub propagation_timeout: Duration,
}

/// What the job talks to.
#[derive(Debug)]
struct Servers<'a> {
    kube: &'a kube::Client,
    aws: &'a aws::Client,
    scope: &'a Scope,
}

/// How many probes in a row make a new key trusted, and the time between them.
const PROBES: u32 = 3;
const PROBE_SPACING: Duration = Duration::from_secs(2);

/// Rotates the key of every Secret in scope that has the label. What goes wrong with one is logged and counted, and keeps
/// no other from its turn.
///
/// # Errors
///
/// When the Secrets cannot be listed.
pub fn run(kube: &kube::Client, aws: &aws::Client, settings: &Settings) -> Result<Tally, kube::Error> {
    let secrets = kube.list_secrets(&settings.scope, LABEL)?;
    let mut tally = Tally::new("rotate", LABEL, "rotated", &settings.scope, secrets.len());
    let groups = group::groups(secrets, &mut |key, why| {
        log::error!("{key}: {why}");
        tally.failed(1);
    });
    let held: Vec<_> = groups.iter().map(group::Group::holding).collect();
    let policy = Policy {
        probes: PROBES,
        spacing: PROBE_SPACING,
        propagation_timeout: settings.propagation_timeout,
    };
    let servers = Servers {
        kube,
        aws,
        scope: &settings.scope,
    };
    let mut rotations = Vec::new();
    for group in groups {
        let (names, size) = (group.names(), group.secrets.len());
        match group.region(&settings.region) {
            Ok(region) => rotations.push(Rotation::new(group, region)),
            Err(why) => {
                log::error!("{names}: {why}");
                tally.failed(size);
            }
        }
    }
    drive(&servers, &policy, rotations, &mut |rotation, outcome| {
        let size = rotation.size();
        match wording::verdict(rotation, outcome, &held) {
            Ok(line) => {
                log::info!("{line}");
                tally.done(size);
            }
            Err(line) => {
                log::error!("{line}");
                tally.failed(size);
            }
        }
    });
    Ok(tally)
}

fn drive(
    servers: &Servers<'_>,
    policy: &Policy,
    mut rotations: Vec<Rotation>,
    finish: &mut dyn FnMut(&Rotation, &protocol::Outcome),
) {
    let start = Instant::now();
    let mut queue: BinaryHeap<Reverse<(Duration, usize)>> =
        (0..rotations.len()).map(|at| Reverse((Duration::ZERO, at))).collect();
    while let Some(Reverse((due, at))) = queue.pop() {
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        loop {
            let step = protocol::decide(&rotations[at].observe(), policy, start.elapsed());
            match step {
                Step::Wait(until) => {
                    queue.push(Reverse((until, at)));
                    break;
                }
                Step::Finish(outcome) => {
                    finish(&rotations[at], &outcome);
                    break;
                }
                step => {
                    if let Err(why) = rotations[at].carry_out(&step, servers, policy, &|| start.elapsed()) {
                        finish(&rotations[at], &protocol::Outcome::Stopped(why.to_string()));
                        break;
                    }
                }
            }
        }
    }
}
