//! Keys of the user that no Secret and no record knows: named and left alone, unless a flag says otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::PUT;
use crate::support::aws::{AccessKey, Status};
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::story::{CI, JOURNAL, LIST, idle_run, put_pair, told};

const ROTATE_FAILED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed";

fn with_foreign(status: Status) -> (World, AccessKey) {
    let world = World::with_key_secret();
    let foreign = world.cloud.add_key("ci");
    world.cloud.set_status(&foreign.id, status);
    (world, foreign)
}

fn refusal(described: &str) -> String {
    format!(
        "ERROR t/s: {CI} has another key beside KEY: {described}; no Secret with the label holds it and no record names it, \
         so it is not touched; nothing was done; if nobody uses it, delete it with `aws iam delete-access-key --user-name ci \
         --access-key-id FOREIGN`, then run again (or let this program do it: `--foreign-keys`)"
    )
}

#[test]
fn a_foreign_key_is_left_alone_and_described() {
    for (status, described) in [
        (Status::Active, "FOREIGN (active, made DAY, never used)"),
        (Status::Inactive, "FOREIGN (inactive, made DAY, never used)"),
    ] {
        let (world, foreign) = with_foreign(status);
        let names = [(world.key.id.as_str(), "KEY"), (foreign.id.as_str(), "FOREIGN")];
        assert_eq!(
            idle_run(&world, &["rotate"], 1, &names),
            [refusal(described), ROTATE_FAILED.into()]
        );
        // The second one shows that no Secret has got it meanwhile.
        assert_eq!(world.kube.operations(), [LIST, LIST]);
        assert_eq!(
            world.aws.operations(),
            ["ListAccessKeys", "GetCallerIdentity", "GetAccessKeyLastUsed"]
        );
    }
}

#[test]
fn its_last_use_is_told_where_the_user_may_ask_and_else_left_out() {
    let (world, foreign) = with_foreign(Status::Active);
    let names = [(world.key.id.as_str(), "KEY"), (foreign.id.as_str(), "FOREIGN")];
    // Somebody signs with it.
    put_pair(&world.cluster, "kubectl-edit", "s", &foreign);
    assert_eq!(world.run(&["rotate", "--max-age=1d"]).code, Some(1));
    put_pair(&world.cluster, "kubectl-edit", "s", &world.key);
    assert_eq!(
        idle_run(&world, &["rotate"], 1, &names)[0],
        refusal("FOREIGN (active, made DAY, last used DAY for iam in us-east-1)")
    );
    world.cloud.deny("ci", "iam:GetAccessKeyLastUsed");
    assert_eq!(
        idle_run(&world, &["rotate"], 1, &names)[0],
        refusal("FOREIGN (active, made DAY)")
    );
}

#[test]
fn all_of_them_are_named_when_there_are_more_than_iam_allows() {
    let (world, foreign) = with_foreign(Status::Active);
    let third = world.cloud.add_key("ci");
    let names = [
        (world.key.id.as_str(), "KEY"),
        (foreign.id.as_str(), "FOREIGN"),
        (third.id.as_str(), "THIRD"),
    ];
    let said = idle_run(&world, &["rotate"], 1, &names);
    assert_eq!(
        said[0],
        format!(
            "ERROR t/s: {CI} has other keys beside KEY: FOREIGN (active, made DAY, never used), THIRD (active, made DAY, never \
             used); no Secret with the label holds them and no record names them, so they are not touched; nothing was done; \
             if nobody uses one, delete it with `aws iam delete-access-key --user-name ci --access-key-id ID`, then run again \
             (or let this program do it: `--foreign-keys`)"
        )
    );
}

#[test]
fn delete_inactive_deletes_what_is_inactive_and_rotates() {
    let (world, foreign) = with_foreign(Status::Inactive);
    let names = [(world.key.id.as_str(), "KEY"), (foreign.id.as_str(), "FOREIGN")];
    let run = world.run(&["rotate", "--foreign-keys=delete-inactive"]);
    let said = told(&world, &run, &names);
    assert_eq!(said[0], "INFO  t/s: deleted key FOREIGN");
    assert_eq!(said[1], format!("INFO  t/s: rotating key KEY of {CI}"));
    assert_eq!(run.code, Some(0));
    world.assert_rotated();
    assert_eq!(world.cloud.max_keys_seen("ci"), 2);
}

#[test]
fn delete_inactive_leaves_an_active_one_alone() {
    let (world, foreign) = with_foreign(Status::Active);
    let names = [(world.key.id.as_str(), "KEY"), (foreign.id.as_str(), "FOREIGN")];
    assert_eq!(
        idle_run(&world, &["rotate", "--foreign-keys=delete-inactive"], 1, &names),
        [refusal("FOREIGN (active, made DAY, never used)"), ROTATE_FAILED.into()]
    );
}

/// Deleted under the journal, right after a look at all Secrets.
#[test]
fn delete_deletes_an_active_one_under_the_journal() {
    let (world, foreign) = with_foreign(Status::Active);
    let (cluster, journalled) = (Arc::clone(&world.cluster), Arc::new(AtomicBool::new(false)));
    let seen = Arc::clone(&journalled);
    let look = Fault::CallBefore(Arc::new(move || {
        seen.store(cluster.annotation("t", "s", JOURNAL).is_some(), Ordering::SeqCst);
    }));
    world.aws.script().once("DeleteAccessKey", look);
    let run = world.run(&["rotate", "--foreign-keys=delete"]);
    let said = told(&world, &run, &[(&foreign.id, "FOREIGN")]);
    assert_eq!(
        (run.code, said[0].as_str()),
        (Some(0), "INFO  t/s: deleted key FOREIGN")
    );
    assert!(journalled.load(Ordering::SeqCst), "no journal was on the Secret");
    assert_eq!(world.kube.operations()[..3], [LIST, PUT, LIST]);
    world.assert_rotated();
}

/// Nobody asked for a rotation, and a foreign key is in nobody's way then; but what is not right is said all the same.
#[test]
fn a_foreign_key_is_told_of_also_when_no_rotation_is_due() {
    let (world, foreign) = with_foreign(Status::Active);
    let names = [(world.key.id.as_str(), "KEY"), (foreign.id.as_str(), "FOREIGN")];
    assert_eq!(
        idle_run(&world, &["rotate", "--max-age=90d"], 1, &names)[0],
        refusal("FOREIGN (active, made DAY, never used)")
    );
}

/// A key that another Secret with the label holds is no foreign one, even when that Secret cannot list keys itself.
#[test]
fn a_key_that_another_secret_holds_is_not_foreign() {
    let (world, second) = with_foreign(Status::Inactive);
    world.add_key_secret("other", &second.id, &second.secret);
    let run = world.run(&["rotate", "--foreign-keys=delete-inactive"]);
    let said = told(&world, &run, &[(&world.key.id, "KEY"), (&second.id, "SECOND")]);
    assert_eq!(run.code, Some(0), "{said:?}");
    assert_eq!(world.value("other", "access_key_id"), world.key.id);
}

/// Somebody makes a key while the run is at work: it is not this program's, and not deleted.
#[test]
fn a_key_that_turns_up_during_the_rotation_is_not_touched() {
    let world = World::with_key_secret();
    world.cloud.enforce_limit(false);
    let cloud = Arc::clone(&world.cloud);
    let stranger = Arc::new(std::sync::Mutex::new(String::new()));
    let made = Arc::clone(&stranger);
    let make = Fault::CallAfter(Arc::new(move || *made.lock().unwrap() = cloud.add_key("ci").id));
    world.aws.script().once("CreateAccessKey", make);
    let run = world.run(&["rotate"]);
    let stranger = stranger.lock().unwrap().clone();
    let said = told(&world, &run, &[]);
    assert_eq!(run.code, Some(0), "{said:?}");
    assert_eq!(world.cloud.status_of(&stranger), Some(Status::Active));
    assert_eq!(world.cloud.status_of(&world.key.id), None);
    let names = [(stranger.as_str(), "FOREIGN")];
    assert!(idle_run(&world, &["rotate"], 1, &names)[0].contains("FOREIGN (active, made DAY, never used)"));
}
