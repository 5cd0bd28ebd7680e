//! The job `rotate`: finds the Secrets, puts those with the same key into one group, and drives every group to its end.
//!
//! Many groups are under way at once. One that waits for its new key to be known is an entry in a list of times, not a
//! thread, and keeps nobody else from their turn.

mod group;
pub mod protocol;
mod rewrite;
mod rotation;
mod wording;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::group::Mentions;
use self::protocol::{Outcome, Policy, Step};
use self::rotation::Rotation;
use crate::aws::{self, Region};
use crate::interrupt::Interrupt;
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

/// How many users may have a second key at the same time. A run that is killed leaves as many keys behind at the worst.
const MOST_UNDER_WAY: usize = 16;

/// Rotates the key of every Secret in scope that has the label. What goes wrong with one is logged and counted, and keeps
/// no other from its turn.
///
/// # Errors
///
/// When the Secrets cannot be listed.
pub fn run(
    kube: &kube::Client,
    aws: &aws::Client,
    settings: &Settings,
    interrupt: &Interrupt,
) -> Result<Tally, kube::Error> {
    let secrets = kube.list_secrets(&settings.scope, LABEL)?;
    let mut tally = Tally::new("rotate", LABEL, "rotated", &settings.scope, secrets.len());
    let mentions = Mentions::of(&secrets);
    let groups = group::groups(secrets, &mut |key, why| {
        log::error!("{key}: {why}");
        tally.failed(1);
    });
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
    let mut rotations = VecDeque::new();
    for group in groups {
        let elsewhere = group.elsewhere(&mentions);
        match group.region(&settings.region) {
            Ok(region) => rotations.push_back(Rotation::new(group, region, elsewhere)),
            Err(why) => {
                log::error!("{}: {why}", wording::names(&group.secrets));
                tally.failed(group.secrets.len());
            }
        }
    }
    drive(&servers, &policy, rotations, interrupt, &mut |rotation, outcome| {
        let verdict = wording::verdict(rotation, outcome, &mentions);
        if let Some((count, line)) = verdict.good {
            log::info!("{line}");
            tally.done(count);
        }
        for (count, line) in verdict.bad {
            log::error!("{line}");
            tally.failed(count);
        }
    });
    Ok(tally)
}

/// Takes every group to its end. One that waits is taken up again before a new one is begun, so that each key is probed
/// about when it should be.
fn drive(
    servers: &Servers<'_>,
    policy: &Policy,
    mut fresh: VecDeque<Rotation>,
    interrupt: &Interrupt,
    finish: &mut dyn FnMut(&Rotation, &Outcome),
) {
    let start = Instant::now();
    let mut waiting: Vec<(Duration, Rotation)> = Vec::new();
    loop {
        let next = (0..waiting.len()).min_by_key(|&at| waiting[at].0);
        let due = next.is_some_and(|at| waiting[at].0 <= start.elapsed());
        let mut rotation = match (next, waiting.len() < MOST_UNDER_WAY && !due) {
            (_, true) if !fresh.is_empty() => match fresh.pop_front() {
                Some(rotation) => rotation,
                None => continue,
            },
            (Some(at), _) => {
                let (due, rotation) = waiting.swap_remove(at);
                interrupt.wait(due.saturating_sub(start.elapsed()));
                rotation
            }
            (None, _) => return,
        };
        let outcome = loop {
            match protocol::decide(&rotation.observe(interrupt.is_set()), policy, start.elapsed()) {
                Step::Wait(until) => {
                    waiting.push((until, rotation));
                    break None;
                }
                Step::Finish(outcome) => break Some((rotation, outcome)),
                step => {
                    if let Err(error) = rotation.carry_out(&step, servers, policy, &|| start.elapsed()) {
                        break Some((rotation, Outcome::Stopped(error.to_string())));
                    }
                }
            }
        };
        if let Some((rotation, outcome)) = outcome {
            finish(&rotation, &outcome);
        }
    }
}
