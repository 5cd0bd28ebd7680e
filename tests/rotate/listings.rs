//! IAM's list of keys, when it is late or longer than it should be.

use super::PUT;
use crate::support::aws::Status;
use crate::support::program::World;
use crate::support::story::{HISTORY, JOURNAL, LIST, edit_history, idle_run, record, time, told};

#[test]
fn a_list_that_shows_the_current_key_late_is_asked_for_again() {
    let world = World::with_key_secret();
    world.cloud.stale_listings(1);
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    world.assert_rotated();
    assert_eq!(
        world.aws.operations()[..3],
        ["ListAccessKeys", "ListAccessKeys", "GetCallerIdentity"]
    );
}

#[test]
fn a_current_key_that_is_never_listed_is_reported_and_nothing_is_written() {
    let world = World::with_key_secret();
    world.cloud.stale_listings(usize::MAX);
    let said = idle_run(&world, &["rotate"], 1, &[(&world.key.id, "KEY")]);
    assert!(
        said[0].starts_with("ERROR t/s: key KEY in t/s is not among the keys that IAM lists for "),
        "{said:?}"
    );
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 4]);
}

/// The list shows a foreign key that was just deleted: it is there at the next run's look.
#[test]
fn a_list_that_shows_a_deleted_key_stops_the_run_at_the_most() {
    let world = World::with_key_secret();
    let foreign = world.cloud.add_key("ci");
    world.cloud.delete_key(&foreign.id);
    world.cloud.stale_listings(1);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&foreign.id, "FOREIGN")]);
    assert!(run.code == Some(0) || said[0].contains("FOREIGN (active"), "{said:?}");
    if run.code == Some(1) {
        world.assert_as_before();
        assert_eq!(world.run(&["rotate"]).code, Some(0));
    }
    world.assert_rotated();
}

/// The list does not show the second key yet; IAM's limit knows it.
#[test]
fn a_limit_that_the_list_denies_is_looked_at_again() {
    let world = World::with_key_secret();
    let foreign = world.cloud.add_key("ci");
    world.cloud.stale_listings(1);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "KEY"), (&foreign.id, "FOREIGN")]);
    assert_eq!(run.code, Some(1), "{said:?}");
    assert!(
        said[said.len() - 2].contains("has another key beside KEY: FOREIGN (active, made DAY"),
        "{said:?}"
    );
    assert_eq!(world.cloud.status_of(&foreign.id), Some(Status::Active));
    assert_eq!(
        (world.value("s", "access_key_id"), world.cloud.create_count("ci")),
        (world.key.id.clone(), 0)
    );
    assert_eq!(record(&world, "t", "s", JOURNAL), None);
}

/// AWS does not keep to its limit when two requests come at once; this program does.
#[test]
fn there_are_never_more_than_two_keys_by_our_doing_where_iam_sets_no_limit() {
    let world = World::with_key_secret();
    world.cloud.enforce_limit(false);
    assert_eq!(world.run(&["rotate", "--grace-period=1h"]).code, Some(0));
    assert_eq!(world.run(&["rotate", "--grace-period=1h"]).code, Some(0));
    assert_eq!(
        (world.cloud.create_count("ci"), world.cloud.max_keys_seen("ci")),
        (1, 2)
    );
    let past = time(&world, -5);
    edit_history(&world, "s", &|history| {
        history["keys"][&world.key.id]["until"] = past.clone().into()
    });
    assert_eq!(world.run(&["rotate", "--grace-period=1h"]).code, Some(0));
    assert_eq!(
        (world.cloud.create_count("ci"), world.cloud.max_keys_seen("ci")),
        (2, 2)
    );
}

/// A key that a record permits to delete was deleted by somebody else: its entry leaves, and nothing is in the way.
#[test]
fn a_replaced_key_that_is_gone_already_is_forgotten() {
    let world = World::with_key_secret();
    assert_eq!(world.run(&["rotate", "--grace-period=1h"]).code, Some(0));
    world.cloud.delete_key(&world.key.id);
    world.kube.forget();
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    let held = world.value("s", "access_key_id");
    assert_eq!(world.key_ids(), std::slice::from_ref(&held));
    assert_eq!(world.kube.operations(), [LIST, PUT, PUT, PUT, LIST, PUT]);
    let history = record(&world, "t", "s", HISTORY).unwrap();
    assert_eq!(
        (&history["current"], &history["keys"]),
        (&held.into(), &serde_json::json!({}))
    );
}
