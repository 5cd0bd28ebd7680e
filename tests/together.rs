//! Two real processes at once on the same two Secrets, both alive on one host, so that neither is provably gone.
//!
//! After every effect on either server the promises are looked at (see [`Moments`]): no key is lost, there never are more
//! than two, and no create is sent while another one is under way or while a new key is in no Secret.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::cases::{self, Case};
use crate::support::dice::Dice;
use crate::support::moments::Moments;
use crate::support::program::{NAMESPACE, Run, World, under_test};
use crate::support::script::Fault;
use crate::support::story::JOURNAL;

/// How two runs meet.
#[derive(Clone, Debug)]
struct Round {
    /// How much later the second one is started.
    jitter: Duration,
    /// Requests to the API server that take longer: the number of the request, and how much longer.
    slow: Vec<(usize, Duration)>,
    /// The same for AWS: a run that has read the Secrets finds another key by the time it is answered.
    slow_aws: Vec<(usize, Duration)>,
    /// The lock timeout, in seconds.
    lock: u64,
}

fn rounds(count: usize, lock: u64, slow: (usize, u64), slow_aws: bool) -> Vec<Round> {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ lock);
    (0..count)
        .map(|round| Round {
            // They meet at the lock, anywhere in a rotation, which takes some 5 s, or around its end.
            jitter: match round % 3 {
                0 => dice.millis(60),
                1 => dice.millis(4500),
                _ => Duration::from_millis(3800) + dice.millis(2400),
            },
            slow: (0..slow.0)
                .map(|_| (dice.below(24) as usize, dice.millis(slow.1)))
                .collect(),
            slow_aws: (0..if slow_aws { 1 + round % 3 } else { 0 })
                .map(|_| (dice.below(8) as usize, dice.millis(2000)))
                .collect(),
            lock,
        })
        .collect()
}

/// What came of one round.
struct Met {
    codes: [Option<i32>; 2],
    in_progress: usize,
    created: usize,
}

fn meet(round: &Round) -> Result<Met, String> {
    let case = Case {
        secrets: 2,
        // AWS does not enforce its limit under concurrency.
        limit: false,
        faults: Vec::new(),
        stranger: false,
    };
    let world = case.world();
    let moments = Moments::of(&world);
    for (skip, time) in &round.slow {
        world.kube.script().some("*", *skip, 1, Fault::Delay(*time));
    }
    for (skip, time) in &round.slow_aws {
        world.aws.script().some("*", *skip, 1, Fault::Delay(*time));
    }
    let program = world
        .program(under_test())
        .args(&["rotate", &format!("--lock-timeout={}s", round.lock)]);
    let first = program.start();
    thread::sleep(round.jitter);
    let second = program.start();
    let runs = [first, second].map(|child| ended(&world, child));
    let said: Vec<String> = runs.iter().flat_map(|run| run.log(&world)).collect();
    let told = |what: String| Err(format!("{round:?}: {what}\n  {}", said.join("\n  ")));
    if let Some(broken) = moments.broken().first() {
        return told(broken.clone());
    }
    let codes = runs.each_ref().map(|run| run.code);
    if codes == [Some(0); 2]
        && let Some(unsteady) = moments.unsteady()
    {
        return told(format!("both ended well, but {unsteady}"));
    }
    if codes != [Some(0); 2] && round.lock > 10 {
        return told(format!("exit codes {codes:?}"));
    }
    // Whatever became of the two, another run or two bring everything in order.
    world.kube.script().clear();
    world.aws.script().clear();
    wait_for_locks(&world, round.lock);
    for _ in 0..2 {
        if moments.unsteady().is_some() {
            world.check(cases::rotate(&world));
        }
    }
    match moments.broken().into_iter().next().or_else(|| moments.unsteady()) {
        Some(what) => told(format!("after two more runs: {what}")),
        None => Ok(Met {
            codes,
            in_progress: said.iter().filter(|line| line.contains("in progress")).count(),
            created: world.cloud.create_count("ci"),
        }),
    }
}

/// Until the lock of a run that came to no good end has run out.
fn wait_for_locks(world: &World, lock: u64) {
    for name in ["copy", "s"] {
        let journal = world.cluster.annotation(NAMESPACE, name, JOURNAL).unwrap_or_default();
        let journal: serde_json::Value = serde_json::from_str(&journal).unwrap_or_default();
        let Some(renewed) = journal["renewed"].as_str() else {
            continue;
        };
        let renewed = OffsetDateTime::parse(renewed, &Rfc3339)
            .expect("a time")
            .unix_timestamp();
        let end = renewed + i64::try_from(lock).expect("seconds") + 2;
        thread::sleep(Duration::from_secs((end - world.cluster.now()).max(0).unsigned_abs()));
    }
}

fn ended(world: &World, child: Child) -> Run {
    let output = child.wait_with_output().expect("a child of ours");
    let run = Run::of(output);
    world.inspect(&run);
    run
}

fn all(what: &str, rounds: &[Round]) -> Vec<Met> {
    let begun = Instant::now();
    let met = cases::expect_all(cases::all(rounds, meet));
    let once = met.iter().filter(|met| met.created == 1).count();
    let twice = met.iter().filter(|met| met.created == 2).count();
    let told = met.iter().filter(|met| met.in_progress > 0).count();
    let well = met.iter().filter(|met| met.codes == [Some(0); 2]).count();
    println!(
        "{what}: {} rounds, one key made in {once} and two in {twice}, one found the other in progress in {told}, both \
         ended well in {well}, {} s",
        rounds.len(),
        begun.elapsed().as_secs()
    );
    met
}

#[test]
fn two_runs_at_once_are_one_after_the_other_or_one_at_all() {
    let met = all("together", &rounds(200, 90, (4, 400), false));
    assert_eq!(met.len(), 200);
    // Both kinds of meeting took place.
    assert!(met.iter().filter(|met| met.in_progress > 0).count() > 50);
    assert!(met.iter().filter(|met| met.created == 2).count() > 5);
}

/// By the time that AWS answers it, a run may find another key in the Secrets than it has read, or a new key of the other run
/// that it knows nothing of.
#[test]
fn a_run_that_is_slow_at_aws_does_not_mistake_what_the_other_does() {
    let met = all("together, slow at AWS", &rounds(100, 90, (2, 400), true));
    assert_eq!(met.len(), 100);
}

/// The lock runs out while its holder lives: its renewal takes longer than it holds. Then the run that lost it may fail, but
/// it breaks nothing.
#[test]
fn a_lock_that_runs_out_under_a_living_run_breaks_nothing() {
    let met = all("together, with locks that run out", &rounds(60, 3, (5, 9000), true));
    assert_eq!(met.len(), 60);
}
