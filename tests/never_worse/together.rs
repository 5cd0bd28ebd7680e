//! Two real processes at once: two updaters, or one beside `rotate` of the key that it signs with.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::watch::Watch;
use super::world::{update, world};
use crate::support::cases;
use crate::support::dice::Dice;
use crate::support::program::{Program, Run, World, under_test};
use crate::support::script::Fault;

/// How two meet.
#[derive(Clone, Debug)]
struct Round {
    /// How much later the second one is started.
    jitter: Duration,
    /// Requests to the API server that take longer: the number of the request, and how much longer.
    slow: Vec<(usize, Duration)>,
    /// The same for AWS.
    slow_aws: Vec<(usize, Duration)>,
}

/// Rounds in which the second one is started at most so many milliseconds later.
fn rounds(count: usize, latest: u64) -> Vec<Round> {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let round = |_| Round {
        jitter: dice.millis(latest),
        slow: (0..4).map(|_| (dice.below(12) as usize, dice.millis(200))).collect(),
        slow_aws: (0..2).map(|_| (dice.below(4) as usize, dice.millis(200))).collect(),
    };
    (0..count).map(round).collect()
}

/// Both runs, and what they said.
fn meet(world: &World, round: &Round, first: &Program, second: &Program) -> ([Run; 2], Vec<String>) {
    for (skip, time) in &round.slow {
        world.kube.script().some("*", *skip, 1, Fault::Delay(*time));
    }
    for (skip, time) in &round.slow_aws {
        world.aws.script().some("*", *skip, 1, Fault::Delay(*time));
    }
    let first = first.start();
    thread::sleep(round.jitter);
    let second = second.start();
    let runs = [first, second].map(|child| ended(world, child));
    let said = runs.iter().flat_map(|run| cases::lines(world, run)).collect();
    world.kube.script().clear();
    world.aws.script().clear();
    (runs, said)
}

fn ended(world: &World, child: Child) -> Run {
    let run = Run::of(child.wait_with_output().expect("a child of ours"));
    world.inspect(&run);
    run
}

/// At the most verbose level it prints more than a pipe holds, and nobody reads it before its end.
fn quiet(world: &World) -> Program {
    update(world).env("RUST_LOG", "info")
}

/// How often two updaters found that the other one had written before.
fn two_updaters(round: &Round) -> Result<usize, String> {
    let world = world();
    let watch = Watch::of(&world, false);
    let since = world.cloud.tokens_issued().len();
    let (runs, said) = meet(&world, round, &quiet(&world), &quiet(&world));
    let told = |what: String| Err(format!("{round:?}: {what}\n  {}", said.join("\n  ")));
    if let Some(what) = watch.broken().or_else(|| watch.amiss(since, None)) {
        return told(what);
    }
    let codes = runs.map(|run| run.code);
    if codes != [Some(0); 2] {
        return told(format!("exit codes {codes:?}"));
    }
    let answers = world.kube.recorded().into_iter();
    Ok(answers.filter(|answer| answer.status == Some(409)).count())
}

#[test]
fn two_updaters_at_once_end_in_one_good_value() {
    let begun = Instant::now();
    let rounds = rounds(80, 120);
    let conflicts = cases::expect_all(cases::all(&rounds, two_updaters));
    let met = conflicts.iter().filter(|count| **count > 0).count();
    println!(
        "two updaters: {} rounds, {met} with conflicts, {} s",
        rounds.len(),
        begun.elapsed().as_secs()
    );
    assert!(met > 30, "they hardly met: {met} rounds with conflicts");
}

/// Whether the key was replaced while the updater was at work.
fn beside_rotate(round: &Round) -> Result<bool, String> {
    let world = world();
    let watch = Watch::of(&world, true);
    let since = world.cloud.tokens_issued().len();
    let rotate = world.program(under_test()).args(&["rotate", "--lock-timeout=3s"]);
    let (runs, said) = meet(&world, round, &rotate, &quiet(&world));
    let told = |what: String| Err(format!("{round:?}: {what}\n  {}", said.join("\n  ")));
    if let Some(what) = watch.broken().or_else(|| watch.amiss(since, None)) {
        return told(what);
    }
    let codes = runs.map(|run| run.code);
    if codes != [Some(0); 2] {
        return told(format!("exit codes {codes:?}"));
    }
    let tokens = world.cloud.tokens_issued();
    let is_new = |id: &str| world.cloud.user_of(id).as_deref() == Some("ci") && world.cloud.status_of(id).is_some();
    Ok(tokens[since..].iter().any(|token| is_new(&token.key_id)))
}

#[test]
fn an_updater_beside_the_rotation_of_its_key_writes_a_login_or_none() {
    let begun = Instant::now();
    let rounds = rounds(60, 6500);
    let by_new_key = cases::expect_all(cases::all(&rounds, beside_rotate));
    let new = by_new_key.iter().filter(|new| **new).count();
    println!(
        "an updater beside a rotation: {} rounds, {new} with a login by the new key, {} s",
        rounds.len(),
        begun.elapsed().as_secs()
    );
    assert!(new > 5 && new < 55, "they hardly met: {new} with the new key");
}
