//! Several Secrets of one user: with the same key, with different ones, and with one among them that cannot be written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::PUT;
use crate::support::aws::Status;
use crate::support::kube::status::status_reply;
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::server::Reply;
use crate::support::story::{CI, HISTORY, JOURNAL, grant_all_namespaces, idle_run, key_secret, record, told};

const PUT_COPY: &str = "PUT /api/v1/namespaces/t/secrets/copy";
const REFUSED: &str = "Kubernetes: update t/s at KUBE: Forbidden (403): admission webhook \"guard\" denied the request (its \
    reason is not shown, for it may quote the Secret)";

fn refusal() -> Reply {
    status_reply(403, "Forbidden", "admission webhook \"guard\" denied the request: no")
}

/// A world whose Secrets `copy` and `s` hold the same key.
fn with_copy() -> World {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    world
}

/// No Secret is left with a journal.
fn assert_no_journal(world: &World) {
    for name in world.cluster.names() {
        let (namespace, name) = name.split_once('/').unwrap();
        assert_eq!(record(world, namespace, name, JOURNAL), None, "{namespace}/{name}");
    }
}

#[test]
fn one_key_in_three_secrets_of_two_namespaces_is_rotated_once() {
    let world = with_copy();
    key_secret(&world.cluster, "other", "s", &world.key);
    grant_all_namespaces(&world);
    let run = world.run(&["rotate", "-A"]);
    assert_eq!(
        told(&world, &run, &[(&world.key.id, "OLD")]),
        [
            format!("INFO  other/s, t/copy, t/s: rotating key OLD of {CI}"),
            "INFO  other/s, t/copy, t/s: created key NEW; waiting for AWS to accept it".into(),
            "INFO  other/s, t/copy, t/s: key NEW is accepted; writing it to the Secrets".into(),
            "INFO  other/s, t/copy, t/s: deleted key OLD".into(),
            format!("INFO  other/s, t/copy, t/s: rotated: key NEW of {CI} replaces OLD, which is deleted"),
            "INFO  rotate: 3 Secrets with label aws-rotate-key=true in all namespaces: 3 rotated, 0 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(0));
    world.assert_rotated();
    let new = world.value("s", "access_key_id");
    assert_eq!(world.value("copy", "access_key_id"), new);
    assert_eq!(
        world.cluster.data("other", "s", "access_key_id").unwrap(),
        new.as_bytes()
    );
    assert_no_journal(&world);
    // Journals in order of namespace and name, renewals, publishes, and the end.
    let other = "PUT /api/v1/namespaces/other/secrets/s";
    let round = [other, PUT_COPY, PUT];
    let list = "GET /api/v1/secrets";
    assert_eq!(
        world.kube.operations(),
        [&[list][..], &round, &round, &round, &[list], &round].concat()
    );
}

#[test]
fn different_keys_of_one_user_give_way_to_the_newest() {
    let world = World::with_key_secret();
    world.cloud.age_key(&world.key.id, Duration::from_secs(3600));
    let newer = world.cloud.add_key("ci");
    key_secret(&world.cluster, "t", "b", &newer);
    let names = [(world.key.id.as_str(), "OLDER"), (newer.id.as_str(), "NEWER")];
    let run = world.run(&["rotate"]);
    assert_eq!(
        told(&world, &run, &names),
        [
            "INFO  t/b, t/s: key NEWER is accepted; writing it to the Secrets",
            "INFO  t/b, t/s: deleted key OLDER",
            "INFO  t/b, t/s: all hold key NEWER now, key OLDER is deleted; no key was replaced this time",
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 put in order, 0 failed",
        ]
    );
    assert_eq!((run.code, world.cloud.create_count("ci")), (Some(0), 0));
    assert_eq!(world.value("s", "access_key_id"), newer.id);
    assert!(world.value("s", "secret_access_key") == newer.secret);
    assert_eq!(world.key_ids(), [newer.id.as_str()]);
    assert_no_journal(&world);

    assert_eq!(world.run(&["rotate"]).code, Some(0));
    assert_ne!(world.value("s", "access_key_id"), newer.id);
    assert_eq!(world.value("b", "access_key_id"), world.value("s", "access_key_id"));
    assert_eq!(world.key_ids().len(), 1);
}

/// The newest is no better than its secret: one that AWS does not accept is not given to others.
#[test]
fn a_newer_pair_that_does_not_work_gives_way_to_an_older_one_that_does() {
    let world = World::with_key_secret();
    world.cloud.age_key(&world.key.id, Duration::from_secs(3600));
    let newer = world.cloud.add_key("ci");
    world.add_key_secret("b", &newer.id, "wrong/but/as/long/as/a/real/secret/key/is");
    let run = world.run(&["rotate", "--propagation-timeout=2s"]);
    let said = told(&world, &run, &[(&world.key.id, "OLDER"), (&newer.id, "NEWER")]);
    assert_eq!(run.code, Some(0), "{said:?}");
    assert!(
        said.contains(
            &"INFO  t/b, t/s: all hold key OLDER now, key NEWER is deleted; no key was replaced this time".to_owned()
        ),
        "{said:?}"
    );
    assert!(world.value("b", "secret_access_key") == world.key.secret);
}

#[test]
fn an_inactive_newer_key_gives_way_to_an_active_one() {
    let world = World::with_key_secret();
    world.cloud.age_key(&world.key.id, Duration::from_secs(3600));
    let newer = world.cloud.add_key("ci");
    key_secret(&world.cluster, "t", "b", &newer);
    world.cloud.set_status(&newer.id, Status::Inactive);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "OLDER"), (&newer.id, "NEWER")]);
    assert_eq!(run.code, Some(0), "{said:?}");
    assert_eq!(world.value("b", "access_key_id"), world.key.id);
    assert_eq!(world.key_ids(), [world.key.id.as_str()]);
}

#[test]
fn a_secret_that_cannot_be_written_is_found_out_before_a_key_is_made() {
    let world = with_copy();
    world.kube.script().always(PUT, Fault::ReplyInstead(refusal()));
    let run = world.run(&["rotate"]);
    assert_eq!(
        told(&world, &run, &[]),
        [
            format!("WARN  t/s: {REFUSED}"),
            format!("ERROR t/copy, t/s: t/s cannot be written: {REFUSED}; no key was made"),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed".into(),
        ]
    );
    assert_eq!((run.code, world.cloud.create_count("ci")), (Some(1), 0));
    world.assert_as_before();
    assert_no_journal(&world);
    // The rest of the user is no more rotated than this Secret, and no harm is done meanwhile.
    let again = world.run(&["rotate"]);
    assert_eq!((again.code, world.cloud.create_count("ci")), (Some(1), 0));
    world.kube.script().clear();
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    world.assert_rotated();
}

#[test]
fn a_secret_that_cannot_be_written_when_it_comes_to_the_pair_keeps_the_old_key_and_is_brought_after() {
    let world = with_copy();
    // The journal and the renewal are let through.
    world
        .kube
        .script()
        .some(PUT, 2, usize::MAX, Fault::ReplyInstead(refusal()));
    let run = world.run(&["rotate"]);
    let new = world.value("copy", "access_key_id");
    let names = [(world.key.id.as_str(), "OLD"), (new.as_str(), "NEW")];
    assert_eq!(
        told(&world, &run, &names)[3..],
        [
            format!("WARN  t/s: {REFUSED}"),
            format!(
                "ERROR t/copy, t/s: new key NEW is in t/copy, but t/s could not be written: {REFUSED}; both keys stay and \
                 work; the next run brings them together"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.key_ids(), [world.key.id.as_str(), &new]);
    assert_eq!(world.value("s", "access_key_id"), world.key.id);

    world.kube.script().clear();
    let run = world.run(&["rotate"]);
    assert_eq!(
        told(&world, &run, &names),
        [
            "INFO  t/copy, t/s: key NEW is accepted; writing it to the Secrets",
            "INFO  t/copy, t/s: deleted key OLD",
            "INFO  t/copy, t/s: all hold key NEW now, key OLD is deleted; no key was replaced this time",
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 put in order, 0 failed",
        ]
    );
    assert_eq!((run.code, world.key_ids()), (Some(0), vec![new.clone()]));
    assert_eq!(world.value("s", "access_key_id"), new);
    assert_no_journal(&world);
}

/// While it still cannot be written, the user stays as it is: no third key, no deletion.
#[test]
fn as_long_as_it_cannot_be_written_both_keys_stay() {
    let world = with_copy();
    world
        .kube
        .script()
        .some(PUT, 2, usize::MAX, Fault::ReplyInstead(refusal()));
    assert_eq!(world.run(&["rotate"]).code, Some(1));
    let keys = world.key_ids();
    for _ in 0..2 {
        let run = world.run(&["rotate"]);
        assert_eq!(
            (run.code, world.key_ids()),
            (Some(1), keys.clone()),
            "{:?}",
            run.log(&world)
        );
    }
    assert_eq!(
        (world.cloud.create_count("ci"), world.cloud.max_keys_seen("ci")),
        (1, 2)
    );
}

/// Both hold keys that work, so that neither is touched while one of them is locked by somebody else.
#[test]
fn other_users_are_rotated_while_one_is_not() {
    let world = with_copy();
    world.cloud.add_user("other");
    let other = world.cloud.add_key("other");
    world.add_key_secret("z", &other.id, &other.secret);
    world.kube.script().always(PUT, Fault::ReplyInstead(refusal()));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[]);
    assert_eq!(
        said.last().unwrap(),
        "INFO  rotate: 3 Secrets with label aws-rotate-key=true in namespace t: 1 rotated, 2 failed"
    );
    assert_eq!(run.code, Some(1));
    assert_ne!(world.value("z", "access_key_id"), other.id);
}

/// One of the two Secrets is immutable: the user cannot be rotated as a whole, so it is not at all.
#[test]
fn an_immutable_secret_keeps_its_user_from_being_rotated() {
    let world = with_copy();
    world
        .cluster
        .edit("t", "s", &|secret| secret["immutable"] = json!(true));
    assert_eq!(
        idle_run(&world, &["rotate"], 1, &[(&world.key.id, "OLD")])[0],
        "ERROR t/copy, t/s: Secret t/s is immutable, so its key OLD cannot be rotated; nothing was done; replace the Secret \
         by one without `immutable: true`"
    );
}

/// Each Secret's history permits the deletion of what was replaced in it.
#[test]
fn the_records_are_on_every_secret_of_the_group() {
    let world = with_copy();
    assert_eq!(world.run(&["rotate", "--grace-period=1h"]).code, Some(0));
    for name in ["copy", "s"] {
        let history = record(&world, "t", name, HISTORY).expect("a history");
        assert_eq!(history["keys"][&world.key.id]["what"], "replaced", "{name}");
        assert_eq!(
            history["uid"],
            world.cluster.secret("t", name).unwrap()["metadata"]["uid"]
        );
    }
    assert_no_journal(&world);
}

/// No delete is sent while any of the Secrets still holds the key, whatever the order of things.
#[test]
fn the_old_key_is_deleted_only_after_the_last_publish() {
    let world = with_copy();
    let cluster = Arc::clone(&world.cluster);
    let (old, holding) = (world.key.id.clone(), Arc::new(AtomicUsize::new(usize::MAX)));
    let seen = Arc::clone(&holding);
    let look = Fault::CallBefore(Arc::new(move || {
        let holds = |name: &&str| cluster.data("t", name, "access_key_id").unwrap() == old.as_bytes();
        seen.store(
            ["copy", "s"].iter().filter(|name| holds(name)).count(),
            Ordering::SeqCst,
        );
    }));
    world.aws.script().once("DeleteAccessKey", look);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    assert_eq!(holding.load(Ordering::SeqCst), 0);
}
