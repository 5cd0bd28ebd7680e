//! Rotations that take more than one run, against moto: grace, a shared user, a foreign key, and a run that is killed.

use std::io::{BufRead, BufReader};

use serde_json::json;

use super::MAY_ROTATE;
use super::server::{Moto, UNKNOWN_KEY, pair};
use crate::support::program::{NAMESPACE, Run, World};
use crate::support::story::{CI, HISTORY, JOURNAL, edit_history, record, time, told};
use crate::tools::{Pair, pair_by_kubectl, program, run};

fn run_at(moto: &Moto, world: &World, arguments: &[&str]) -> Run {
    let program = program(world)
        .arg("rotate")
        .args(arguments)
        .env("AWS_ENDPOINT_URL", &moto.url);
    let run = run(world, program);
    assert_eq!(world.aws.operations(), Vec::<String>::new(), "moto was passed over");
    run
}

/// A moto with the user `ci`, and a world in which these Secrets hold its key.
fn with_secrets(names: &[&str]) -> (Moto, World, Pair, String) {
    let (moto, [first]) = Moto::with_users([("ci", MAY_ROTATE)]);
    let world = World::new();
    let admin = world.cluster.token_for_admin();
    for name in names {
        world.add_key_secret(name, &first.id, &first.secret);
    }
    (moto, world, first, admin)
}

fn assert_no_journal(world: &World, names: &[&str]) {
    for name in names {
        assert_eq!(record(world, NAMESPACE, name, JOURNAL), None, "{name}");
    }
}

#[test]
fn both_pairs_work_while_the_grace_period_lasts_and_the_old_one_goes_after_it() {
    let (moto, world, first, admin) = with_secrets(&["s"]);
    assert_eq!(run_at(&moto, &world, &["--grace-period=1h"]).code, Some(0));
    let second = pair_by_kubectl(&world, &admin, "s");
    for pair in [&first, &second] {
        assert_eq!(moto.keys(pair), [first.id.as_str(), &second.id]);
    }
    let names = [(first.id.as_str(), "FIRST"), (second.id.as_str(), "SECOND")];
    let run = run_at(&moto, &world, &["--grace-period=1h"]);
    assert_eq!(
        told(&world, &run, &names)[0],
        "INFO  t/s: key FIRST may stay until TIME; a user has two keys at the most, so none is made before that; nothing was \
         done"
    );
    assert_eq!(run.code, Some(0));
    assert!(pair_by_kubectl(&world, &admin, "s") == second);

    let past = time(&world, -5);
    edit_history(&world, "s", &|history| {
        history["keys"][&first.id]["until"] = json!(past)
    });
    let run = run_at(&moto, &world, &["--grace-period=1h"]);
    let said = told(&world, &run, &names);
    assert_eq!(said[0], "INFO  t/s: deleted key FIRST");
    assert_eq!(
        said[4],
        format!("INFO  t/s: rotated: key NEW of {CI} replaces SECOND, which may stay until TIME")
    );
    assert_eq!(run.code, Some(0));
    let third = pair_by_kubectl(&world, &admin, "s");
    assert_eq!(moto.refusal(&first), UNKNOWN_KEY);
    for pair in [&second, &third] {
        assert_eq!(moto.keys(pair), [second.id.as_str(), &third.id]);
    }
    assert_no_journal(&world, &["s"]);
}

#[test]
fn two_secrets_of_one_user_get_the_same_new_pair() {
    let (moto, world, first, admin) = with_secrets(&["a", "b"]);
    let run = run_at(&moto, &world, &[]);
    let new = pair_by_kubectl(&world, &admin, "a");
    assert!(pair_by_kubectl(&world, &admin, "b") == new);
    assert_eq!(
        told(&world, &run, &[(&first.id, "OLD")])[4],
        format!("INFO  t/a, t/b: rotated: key NEW of {CI} replaces OLD, which is deleted")
    );
    assert_eq!((run.code, moto.keys(&new)), (Some(0), vec![new.id.clone()]));
    assert_eq!(moto.refusal(&first), UNKNOWN_KEY);
    assert_no_journal(&world, &["a", "b"]);
}

#[test]
fn two_secrets_with_different_keys_of_one_user_get_the_newer_pair() {
    let (moto, world, first, admin) = with_secrets(&["s"]);
    let second = pair(&moto.aws(&first, &["iam", "create-access-key"]));
    world.add_key_secret("b", &second.id, &second.secret);
    let run = run_at(&moto, &world, &[]);
    let held = pair_by_kubectl(&world, &admin, "s");
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert!(pair_by_kubectl(&world, &admin, "b") == held);
    assert_eq!(moto.keys(&held), [held.id.as_str()]);
}

#[test]
fn a_foreign_key_is_deleted_when_the_operator_says_so() {
    let (moto, world, first, admin) = with_secrets(&["s"]);
    let foreign = pair(&moto.aws(&first, &["iam", "create-access-key"]));
    let names = [(first.id.as_str(), "FIRST"), (foreign.id.as_str(), "FOREIGN")];
    let refused = run_at(&moto, &world, &["--foreign-keys=delete-inactive"]);
    let said = told(&world, &refused, &names);
    assert!(
        said[0].contains("has another key beside FIRST: FOREIGN (active, made DAY"),
        "{said:?}"
    );
    assert_eq!((refused.code, moto.keys(&first).len()), (Some(1), 2));

    let run = run_at(&moto, &world, &["--foreign-keys=delete"]);
    assert_eq!(told(&world, &run, &names)[0], "INFO  t/s: deleted key FOREIGN");
    let new = pair_by_kubectl(&world, &admin, "s");
    assert_eq!((run.code, moto.keys(&new)), (Some(0), vec![new.id.clone()]));
    assert_eq!(moto.refusal(&foreign), UNKNOWN_KEY);
}

/// Two runs later at the latest all is as if nothing had been.
#[test]
fn a_run_that_is_killed_after_the_create_is_brought_to_its_end_by_later_ones() {
    let (moto, world, first, admin) = with_secrets(&["s", "t"]);
    let killed = program(&world)
        .args(&["rotate", "--lock-timeout=3s"])
        .env("AWS_ENDPOINT_URL", &moto.url);
    let mut child = killed.start();
    let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let created = lines.map_while(Result::ok).find(|line| line.contains(": created key "));
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    assert!(created.is_some(), "it made no key");
    // Nobody is locked out, and what was begun is written down.
    assert!(pair_by_kubectl(&world, &admin, "s") == first);
    assert_eq!(moto.keys(&first).len(), 2);
    assert!(record(&world, NAMESPACE, "s", JOURNAL).is_some());

    let mut runs = Vec::new();
    while runs.len() < 2 && moto.keys(&pair_by_kubectl(&world, &admin, "s")).len() > 1 {
        let run = run_at(&moto, &world, &["--lock-timeout=3s"]);
        runs.push(run.log(&world));
    }
    let held = pair_by_kubectl(&world, &admin, "s");
    assert_eq!(moto.keys(&held), [held.id.as_str()], "{runs:?}");
    assert!(pair_by_kubectl(&world, &admin, "t") == held);
    assert_no_journal(&world, &["s", "t"]);
    let history = record(&world, NAMESPACE, "s", HISTORY);
    assert!(history.is_none_or(|history| history["keys"] == json!({})), "{runs:?}");
}
