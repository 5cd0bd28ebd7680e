//! The job `rotate`: finds the Secrets, puts those of one user into one group, and drives every group to its end.
//!
//! Many users are under way at once. One that waits for its new key to be known is an entry in a list of times, not a
//! thread; a handful of threads carry out the steps, so that the number of requests in flight is bounded.

mod dependents;
mod group;
#[cfg(test)]
mod model;
pub mod protocol;
mod record;
mod rewrite;
mod rotation;
mod schedule;
#[cfg(test)]
mod simulation;
mod wording;
mod workers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::dependents::Dependents;
pub use self::dependents::{Follow, Followed};
use self::group::{Group, Mentions};
use self::protocol::{Outcome, Policy};
use self::rotation::member::Member;
use self::rotation::{Rotation, Stop};
use self::workers::Ended;
use crate::aws::{self, Region};
use crate::cli::{ForeignKeys, Retire};
use crate::clock;
use crate::holder::Holder;
use crate::interrupt::Interrupt;
use crate::kube::{self, Key, Scope};
use crate::report::Tally;
use crate::retry::{Asking, Traffic};

/// The label of a Secret to rotate.
pub const LABEL: &str = "aws-rotate-key";

/// The annotation that names the region whose STS must know a new key.
pub const REGION: &str = "aws-rotate-key/region";

/// What `rotate` is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespaces to look at.
    pub scope: Scope,
    /// The region for Secrets that name none.
    pub region: Region,
    /// How it goes about it.
    pub options: Options,
}

/// How `rotate` goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a new key may take to be accepted.
    pub propagation_timeout: Duration,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long after its last renewal a run's lock on a user holds; 3 s at the least.
    pub lock_timeout: Duration,
    /// How long the whole run may take.
    pub deadline: Duration,
    /// What becomes of a replaced key.
    pub retire: Retire,
    /// How long a replaced key goes on working, where its Secret says nothing else; zero: not at all.
    pub grace_period: Duration,
    /// Younger keys are left alone, where their Secret says nothing else; `None`: none are.
    pub max_age: Option<Duration>,
    /// What to do about a key that no Secret and no record knows.
    pub foreign_keys: ForeignKeys,
    /// The pod that this is, by its uid or else its name; `None` outside a pod, or where its manifest does not say.
    pub pod: Option<String>,
}

/// What the job talks to, and what it is run with.
#[derive(Debug)]
struct Servers {
    kube: Arc<kube::Client>,
    aws: Arc<aws::Client>,
    scope: Scope,
    options: Options,
    policy: Policy,
    holder: Holder,
    interrupt: Interrupt,
    began: Duration,
    dependents: Option<Dependents>,
    /// Held by the one who reads all Secrets in scope.
    looking: Mutex<()>,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Aws,
    Kubernetes,
}

/// How many probes in a row make a new key trusted.
const PROBES: u8 = 3;

/// How often a listing that contradicts something is asked for again, after 2, 4 and 8 seconds.
const SETTLES: u8 = 3;

/// How many creates a run sends for one user, the second one when the first is known to have made nothing.
const CREATES: u8 = 2;

impl Servers {
    fn now(&self) -> Duration {
        clock::boot_time()
    }

    /// What this run has sent to one of them.
    fn traffic(&self, server: Server) -> &Traffic {
        match server {
            Server::Aws => self.aws.traffic(),
            Server::Kubernetes => self.kube.traffic(),
        }
    }

    /// Whether a Secret lies in the namespaces looked at.
    fn sees(&self, key: &Key) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::One(namespace) => namespace.to_string() == key.namespace,
        }
    }

    /// Why a rotation is to come to its end now.
    fn stop(&self, now: Duration) -> Option<Stop> {
        if self.interrupt.is_set() {
            Some(Stop::Signal)
        } else if now >= self.began + self.options.deadline {
            Some(Stop::Deadline)
        } else {
            None
        }
    }
}

/// Rotates the key of every Secret in scope that has the label. What goes wrong with one is logged and counted, and keeps
/// no other from its turn. Before a replaced key goes, what depends on it is made to follow.
///
/// # Errors
///
/// When the Secrets cannot be listed.
pub fn run(
    kube: Arc<kube::Client>,
    aws: Arc<aws::Client>,
    settings: &Settings,
    follow: Option<Arc<Follow>>,
    interrupt: &Interrupt,
) -> Result<Tally, kube::Error> {
    let secrets = kube.list_secrets(&settings.scope, LABEL, Asking::Patiently)?;
    let mut tally = Tally::new("rotate", LABEL, "rotated", &settings.scope, secrets.len());
    let mentions = Mentions::of(&secrets);
    let servers = Servers {
        kube,
        aws,
        policy: Policy {
            probes: PROBES,
            settles: SETTLES,
            creates: CREATES,
            retire: settings.options.retire,
            foreign_keys: settings.options.foreign_keys,
            #[cfg(test)]
            without: None,
        },
        holder: Holder::this_process(settings.options.pod.clone()),
        interrupt: interrupt.clone(),
        began: clock::boot_time(),
        dependents: follow.map(Dependents::new),
        looking: Mutex::new(()),
        scope: settings.scope.clone(),
        options: settings.options.clone(),
    };
    let pairs = group::groups(secrets, &mut |key, why| {
        log::error!("{key}: {why}");
        tally.failed(1);
    });
    let mut rotations = Vec::new();
    for (pair, secrets) in pairs {
        let (names, count) = (wording::names(&secrets), secrets.len());
        let members = secrets
            .into_iter()
            .map(|secret| Member::new(secret, settings.options.grace_period, settings.options.max_age))
            .collect::<Result<Vec<_>, _>>();
        let rotation = members.and_then(|members| {
            let group = Group { pair, members };
            let elsewhere = group.elsewhere(&mentions);
            let recorded_at = group.with_recorded_key(&mentions);
            let region = group.region(&settings.region)?;
            let mut rotation = Rotation::new(group, region, elsewhere);
            rotation.recorded_at = recorded_at;
            Ok(rotation)
        });
        match rotation {
            Ok(rotation) => rotations.push(rotation),
            Err(why) => {
                log::error!("{names}: {why}");
                tally.failed(count);
            }
        }
    }
    let servers = Arc::new(servers);
    let ended = workers::drive(&servers, rotations, &|rotation: &mut Rotation, outcome| {
        report(rotation, outcome, &servers)
    });
    for ended in ended {
        match ended {
            Ended::Told(verdict) => {
                tally.done(verdict.done);
                tally.settled(verdict.settled);
                tally.untouched(verdict.untouched);
                tally.failed(verdict.failed);
            }
            Ended::Abandoned { names, count, doing } => {
                log::error!(
                    "{names}: stopped while {doing}; what was begun is written down on the Secrets, and the next run goes \
                     on from there"
                );
                tally.failed(count);
            }
        }
    }
    Ok(tally)
}

/// How many Secrets of a group are as they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdict {
    done: usize,
    settled: usize,
    untouched: usize,
    failed: usize,
}

/// Says how a rotation ended.
fn report(rotation: &mut Rotation, outcome: Outcome, servers: &Servers) -> Verdict {
    let mut verdict = Verdict::default();
    for line in wording::lines(rotation, outcome, servers) {
        match line.kind {
            wording::Kind::Done => {
                log::info!("{}", line.text);
                verdict.done += line.count;
            }
            wording::Kind::Settled => {
                log::info!("{}", line.text);
                verdict.settled += line.count;
            }
            wording::Kind::Untouched => {
                log::info!("{}", line.text);
                verdict.untouched += line.count;
            }
            wording::Kind::Failed => {
                log::error!("{}", line.text);
                verdict.failed += line.count;
            }
        }
    }
    verdict
}
