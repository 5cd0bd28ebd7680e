//! Journals of other runs: respected while they may be alive, taken over when they are not, and what they tell is minded.

use std::time::Duration;

use serde_json::{Value, json};

use super::PUT;
use crate::support::aws::{AccessKey, Status};
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::story::{
    CI, HISTORY, JOURNAL, LIST, annotate, idle_run, journal, put_journal, record, time, to_cluster, told,
};

const IN_PROGRESS: &str =
    "INFO  t/s: in progress by pod other (since TIME, renewed TIME), as t/s says; nothing was done";
const LEFT: &str =
    "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 left as they were, 0 failed";

fn rotates(world: &World, arguments: &[&str]) {
    let run = world.run(arguments);
    assert_eq!(run.code, Some(0), "{:?}", run.log(world));
    world.assert_rotated();
    assert_eq!(record(world, "t", "s", JOURNAL), None);
}

#[test]
fn what_a_live_run_has_in_hand_is_left_to_it() {
    let world = World::with_key_secret();
    for (renewed_ago, arguments) in [
        (0, &["rotate"][..]),
        (80, &["rotate"]),
        (2, &["rotate", "--lock-timeout=3s"]),
        // A little ahead, by the clock of another API server.
        (-5, &["rotate"]),
    ] {
        put_journal(&world, "s", renewed_ago, json!({}));
        assert_eq!(idle_run(&world, arguments, 0, &[]), [IN_PROGRESS, LEFT]);
    }
    assert_eq!(world.kube.operations(), [LIST; 4]);
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 4]);
}

#[test]
fn a_holder_without_a_pod_is_named_by_host_and_process() {
    let world = World::with_key_secret();
    let holder = json!({"pod": null, "host": "bastion", "boot": "b", "pids": "pid:[1]", "pid": 7, "started": 1});
    put_journal(&world, "s", 1, json!({"holder": holder}));
    assert_eq!(
        idle_run(&world, &["rotate"], 0, &[])[0],
        "INFO  t/s: in progress by bastion, process 7 (since TIME, renewed TIME), as t/s says; nothing was done"
    );
}

/// The whole user is left alone, and no other one.
#[test]
fn one_locked_secret_locks_its_user() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    put_journal(&world, "s", 1, json!({}));
    assert_eq!(
        idle_run(&world, &["rotate"], 0, &[])[0],
        "INFO  t/copy, t/s: in progress by pod other (since TIME, renewed TIME), as t/s says; nothing was done"
    );
}

/// Another run was faster at the second Secret: the first one is given back.
#[test]
fn a_lock_that_is_lost_to_another_run_is_given_back() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let theirs = journal(&world, "s", 0, json!({"group": ["t/copy", "t/s"]})).to_string();
    let put = to_cluster(&world, move |cluster| annotate(cluster, "s", JOURNAL, &theirs));
    world.kube.script().once(PUT, Fault::CallBefore(put));
    let run = world.run(&["rotate"]);
    assert_eq!(
        told(&world, &run, &[])[0],
        "INFO  t/copy, t/s: in progress by pod other (since TIME, renewed TIME), as t/s says; nothing was done"
    );
    assert_eq!((run.code, world.cloud.create_count("ci")), (Some(0), 0));
    assert_eq!(record(&world, "t", "copy", JOURNAL), None);
    assert_eq!(record(&world, "t", "s", JOURNAL).unwrap()["run"], "0123456789abcdef");
}

#[test]
fn a_lock_that_has_run_out_is_taken_over() {
    let world = World::with_key_secret();
    put_journal(&world, "s", 100, json!({}));
    rotates(&world, &["rotate"]);

    let world = World::with_key_secret();
    put_journal(&world, "s", 5, json!({}));
    rotates(&world, &["rotate", "--lock-timeout=3s"]);
}

#[test]
fn a_lock_that_was_released_is_taken_over_at_once() {
    let world = World::with_key_secret();
    put_journal(&world, "s", 1, json!({"released": true}));
    rotates(&world, &["rotate"]);
}

/// Nothing proves that a process on another machine has ended: only the API server's clock does.
#[test]
fn what_cannot_be_proven_to_be_dead_is_waited_for() {
    let world = World::with_key_secret();
    put_journal(&world, "s", 0, json!({}));
    assert_eq!(idle_run(&world, &["rotate"], 0, &[]), [IN_PROGRESS, LEFT]);
    world.cluster.clock_offset(80);
    assert_eq!(idle_run(&world, &["rotate"], 0, &[]), [IN_PROGRESS, LEFT]);
    world.cluster.clock_offset(95);
    rotates(&world, &["rotate"]);
}

/// A world with a journal of a run that is gone, and a key that is not among those it knew.
fn with_leftover(journal: impl Fn(&World, &AccessKey) -> Value) -> (World, AccessKey) {
    let world = World::with_key_secret();
    let left = world.cloud.add_key("ci");
    let known = json!([world.key.id]);
    let mut change = journal(&world, &left);
    change["known"] = known;
    put_journal(&world, "s", 200, change);
    (world, left)
}

/// The window of a create, from and to so many seconds from now.
fn window(world: &World, from: i64, to: i64) -> Value {
    json!([{"from": time(world, from), "to": time(world, to)}])
}

#[test]
fn a_key_that_a_dead_run_is_known_to_have_made_is_deleted_at_once() {
    let (world, left) = with_leftover(|_, left| json!({"made": [left.id]}));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "KEY"), (&left.id, "LEFT")]);
    assert_eq!(
        said[..2],
        [
            "INFO  t/s: deleted key LEFT".to_owned(),
            format!("INFO  t/s: rotating key KEY of {CI}")
        ]
    );
    assert_eq!(run.code, Some(0));
    world.assert_rotated();
}

/// Its secret is lost, and that it is ours is known by its date alone: it gets a run's time for somebody to object.
#[test]
fn a_key_that_a_dead_run_may_have_made_is_deactivated_and_deleted_by_the_next_run() {
    let (world, left) = with_leftover(|world, _| json!({"windows": window(world, -160, -100)}));
    world.cloud.age_key(&left.id, Duration::from_secs(130));
    let names = [(world.key.id.as_str(), "KEY"), (left.id.as_str(), "LEFT")];
    let run = world.run(&["rotate"]);
    assert_eq!(
        told(&world, &run, &names),
        [
            "INFO  t/s: deactivated key LEFT",
            "ERROR t/s: a create whose answer got lost has made key LEFT, whose secret nobody has; it is deactivated, and the \
             next run deletes it and rotates; the Secret keeps key KEY; run again",
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed",
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.cloud.status_of(&left.id), Some(Status::Inactive));
    assert_eq!(
        record(&world, "t", "s", HISTORY).unwrap()["keys"][&left.id],
        json!({"what": "orphan", "until": null, "deactivated": true})
    );

    let run = world.run(&["rotate"]);
    assert_eq!(told(&world, &run, &names)[0], "INFO  t/s: deleted key LEFT");
    assert_eq!(run.code, Some(0));
    world.assert_rotated();
}

/// Somebody objected: then it is somebody's.
#[test]
fn an_orphan_that_somebody_has_activated_again_is_foreign() {
    let (world, left) = with_leftover(|world, _| json!({"windows": window(world, -160, -100)}));
    world.cloud.age_key(&left.id, Duration::from_secs(130));
    assert_eq!(world.run(&["rotate"]).code, Some(1));
    assert_eq!(world.cloud.status_of(&left.id), Some(Status::Inactive));
    world.cloud.set_status(&left.id, Status::Active);
    let said = idle_run(&world, &["rotate"], 1, &[(&left.id, "LEFT")]);
    assert!(
        said[0].contains("has another key beside NEW: LEFT (active, made DAY"),
        "{said:?}"
    );
}

/// A create of the dead run may still be under way: nothing is concluded before its time is over.
#[test]
fn an_open_window_is_waited_for() {
    let (world, left) = with_leftover(|world, _| json!({"windows": window(world, -60, 4)}));
    let over = world.cluster.now() + 4;
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&left.id, "LEFT")]);
    assert_eq!(said[0], "INFO  t/s: deactivated key LEFT", "{said:?}");
    assert!(world.cluster.now() > over, "it did not wait");
    assert_eq!(run.code, Some(1));
}

#[test]
fn of_two_candidates_neither_is_touched() {
    let (world, one) = with_leftover(|world, _| json!({"windows": window(world, -160, -100)}));
    let other = world.cloud.add_key("ci");
    for key in [&one, &other] {
        world.cloud.age_key(&key.id, Duration::from_secs(130));
    }
    let keys = world.cloud.keys("ci");
    let run = world.run(&["rotate"]);
    let said = told(
        &world,
        &run,
        &[(&world.key.id, "KEY"), (&one.id, "ONE"), (&other.id, "TWO")],
    );
    assert!(
        said[0].starts_with("ERROR t/s: ") && said[0].contains("ONE (active, made DAY"),
        "{said:?}"
    );
    assert!(said[0].contains("TWO (active, made DAY"), "{said:?}");
    assert_eq!((run.code, world.cloud.keys("ci") == keys), (Some(1), true));
}

#[test]
fn a_key_that_was_made_outside_the_window_or_was_known_is_not_the_dead_runs() {
    let (world, left) = with_leftover(|world, _| json!({"windows": window(world, -160, -100)}));
    let keys = world.cloud.keys("ci");
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&left.id, "LEFT")]);
    assert!(said[0].contains("LEFT (active, made DAY"), "{said:?}");
    assert_eq!((run.code, world.cloud.keys("ci") == keys), (Some(1), true));

    let world = World::with_key_secret();
    let second = world.cloud.add_key("ci");
    world.cloud.age_key(&second.id, Duration::from_secs(130));
    let windows = window(&world, -160, -100);
    put_journal(&world, "s", 200, json!({"windows": windows}));
    assert_eq!(world.run(&["rotate"]).code, Some(1));
    assert_eq!(world.cloud.status_of(&second.id), Some(Status::Active));
}

/// The dead run had published to one of two Secrets: what it made is held there, and given to the other.
#[test]
fn a_rotation_that_stopped_between_two_publishes_is_finished() {
    let world = World::with_key_secret();
    world.cloud.age_key(&world.key.id, Duration::from_secs(3600));
    let made = world.cloud.add_key("ci");
    world.add_key_secret("copy", &made.id, &made.secret);
    let change = json!({"known": [world.key.id], "made": [made.id], "group": ["t/copy", "t/s"]});
    put_journal(&world, "s", 200, change.clone());
    put_journal(&world, "copy", 200, change);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "OLD"), (&made.id, "MADE")]);
    assert_eq!(
        said[2], "INFO  t/copy, t/s: all hold key MADE now, key OLD is deleted; no key was replaced this time",
        "{said:?}"
    );
    assert_eq!(
        (run.code, world.value("s", "access_key_id")),
        (Some(0), made.id.clone())
    );
    assert_eq!(world.key_ids(), [made.id.as_str()]);
}

/// Another run takes over while this one waits for the new key to be accepted: this one does nothing more.
#[test]
fn a_run_whose_lock_is_taken_leaves_the_user_to_the_other() {
    let world = World::with_key_secret();
    let theirs = journal(&world, "s", 0, json!({})).to_string();
    let put = to_cluster(&world, move |cluster| annotate(cluster, "s", JOURNAL, &theirs));
    // The renewal after the create meets it.
    world.aws.script().once("CreateAccessKey", Fault::CallAfter(put));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[]);
    assert_eq!(
        said[2],
        "ERROR t/s: the lock on t/s was lost: pod other has taken it over; this run leaves the user to that one; new key NEW \
         is in no Secret: if it is still there after the next run, delete it with `aws iam delete-access-key --user-name ci \
         --access-key-id NEW`"
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.value("s", "access_key_id"), world.key.id);
    assert_eq!(record(&world, "t", "s", JOURNAL).unwrap()["run"], "0123456789abcdef");
    assert!(!world.aws.operations().contains(&"DeleteAccessKey".to_owned()));
}

#[test]
fn a_journal_that_somebody_removed_ends_the_run() {
    let world = World::with_key_secret();
    let wipe = to_cluster(&world, |cluster| {
        cluster.edit("t", "s", &|secret| secret["metadata"]["annotations"] = json!({}));
    });
    world.aws.script().once("CreateAccessKey", Fault::CallAfter(wipe));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[]);
    assert!(
        said[2].starts_with("ERROR t/s: the lock on t/s was lost: somebody has removed its journal"),
        "{said:?}"
    );
    assert_eq!(
        (run.code, world.value("s", "access_key_id")),
        (Some(1), world.key.id.clone())
    );
}
