//! Secrets of a user that come, go and change while the user's key is being rotated.

use serde_json::json;

use super::PUT;
use crate::support::aws::Status;
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::story::{CI, HISTORY, JOURNAL, idle_run, key_secret, record, to_cluster, told};

fn with_copy() -> World {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    world
}

#[test]
fn a_secret_that_loses_its_label_midway_is_published_all_the_same() {
    let world = with_copy();
    let unlabel = to_cluster(&world, |cluster| {
        cluster.edit("t", "copy", &|secret| secret["metadata"]["labels"] = json!({}));
    });
    world.aws.script().once("CreateAccessKey", Fault::CallBefore(unlabel));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "OLD")]);
    assert_eq!(
        said[4],
        format!("INFO  t/copy, t/s: rotated: key NEW of {CI} replaces OLD, which is deleted")
    );
    assert_eq!(run.code, Some(0));
    world.assert_rotated();
    assert_eq!(world.value("copy", "access_key_id"), world.value("s", "access_key_id"));
    assert_eq!(record(&world, "t", "copy", JOURNAL), None);
}

#[test]
fn a_secret_that_is_deleted_midway_leaves_the_group() {
    let world = with_copy();
    let remove = to_cluster(&world, |cluster| cluster.remove("t", "copy"));
    world.aws.script().once("CreateAccessKey", Fault::CallBefore(remove));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "OLD")]);
    assert_eq!(
        said[said.len() - 3..],
        [
            format!("INFO  t/s: rotated: key NEW of {CI} replaces OLD, which is deleted"),
            "ERROR t/copy: not rotated: the Secret was deleted or replaced meanwhile; its old key OLD is replaced by NEW and \
             deleted"
                .into(),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 1 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    world.assert_rotated();
}

/// `kubectl replace --force`: another Secret has its name now, and holds the old pair.
#[test]
fn a_secret_that_is_replaced_midway_keeps_the_old_key_alive_and_the_next_run_brings_it_after() {
    let world = with_copy();
    let key = world.key.clone();
    let replace = to_cluster(&world, move |cluster| {
        cluster.remove("t", "copy");
        key_secret(cluster, "t", "copy", &key);
    });
    world.aws.script().once("CreateAccessKey", Fault::CallBefore(replace));
    let run = world.run(&["rotate"]);
    let new = world.value("s", "access_key_id");
    let names = [(world.key.id.as_str(), "OLD"), (new.as_str(), "NEW")];
    let said = told(&world, &run, &names);
    assert_eq!(
        said[said.len() - 2..],
        [
            "ERROR t/copy, t/s: new key NEW is stored, and old key OLD stays: t/copy speaks of this user's keys, too, and is \
             not locked with the others; no key was deleted; run again, and if it stays so put the whole pair there, or take \
             the key out",
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed",
        ]
    );
    assert_eq!(
        (run.code, world.value("copy", "access_key_id")),
        (Some(1), world.key.id.clone())
    );
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Active));

    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &names);
    assert_eq!(
        said[2],
        "INFO  t/copy, t/s: all hold key NEW now, key OLD is deleted; no key was replaced this time"
    );
    assert_eq!((run.code, world.key_ids()), (Some(0), vec![new.clone()]));
    assert_eq!(world.value("copy", "access_key_id"), new);
}

#[test]
fn a_copy_that_turns_up_midway_stops_the_deletion_and_the_next_run_brings_it_after() {
    let world = World::with_key_secret();
    let key = world.key.clone();
    let add = to_cluster(&world, move |cluster| key_secret(cluster, "t", "late", &key));
    // Between the publish and the look.
    world.kube.script().some(PUT, 2, 1, Fault::CallBefore(add));
    let run = world.run(&["rotate"]);
    let new = world.value("s", "access_key_id");
    let names = [(world.key.id.as_str(), "OLD"), (new.as_str(), "NEW")];
    let said = told(&world, &run, &names);
    assert_eq!(
        said[3],
        "ERROR t/s: new key NEW is stored, and old key OLD stays: t/late speaks of this user's keys, too, and is not locked \
         with the others; no key was deleted; run again, and if it stays so put the whole pair there, or take the key out"
    );
    assert_eq!(
        (run.code, world.cloud.status_of(&world.key.id)),
        (Some(1), Some(Status::Active))
    );

    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &names);
    assert_eq!(
        said[2],
        "INFO  t/late, t/s: all hold key NEW now, key OLD is deleted; no key was replaced this time"
    );
    assert_eq!((run.code, world.key_ids()), (Some(0), vec![new.clone()]));
    assert_eq!(world.value("late", "access_key_id"), new);
}

/// A copy with its annotations: its history permits nothing, and it is rotated with the original from then on.
#[test]
fn a_copy_with_all_annotations_is_rotated_with_the_original() {
    let world = World::with_key_secret();
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let second = world.value("s", "access_key_id");
    let mut copy = world.cluster.secret("t", "s").unwrap();
    let annotations = copy["metadata"]["annotations"].clone();
    copy["metadata"] =
        json!({"name": "copy", "namespace": "t", "labels": {"aws-rotate-key": "true"}, "annotations": annotations});
    world.cluster.add_secret(copy);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&second, "SECOND")]);
    assert_eq!(
        said[0],
        "WARN  t/copy: its records are of another Secret, of which this one is a copy; they count for nothing"
    );
    assert_eq!(
        said[5],
        format!("INFO  t/copy, t/s: rotated: key NEW of {CI} replaces SECOND, which is deleted")
    );
    assert_eq!(
        (run.code, world.key_ids()),
        (Some(0), vec![world.value("copy", "access_key_id")])
    );
    let uid = &world.cluster.secret("t", "copy").unwrap()["metadata"]["uid"];
    assert_eq!(record(&world, "t", "copy", HISTORY).unwrap()["uid"], *uid);
}

/// The Secret becomes something else midway: `kubernetes.io/dockerconfigjson`, without the pair. A Secret's type is fixed, so
/// it has to be made anew for that.
#[test]
fn a_secret_that_changes_its_type_midway_leaves_the_group() {
    let world = World::with_key_secret();
    let change = to_cluster(&world, |cluster| {
        cluster.remove("t", "s");
        cluster.add_secret(json!({
            "metadata": {"name": "s", "namespace": "t", "labels": {"aws-rotate-key": "true"}},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{}"},
        }));
    });
    world.aws.script().once("CreateAccessKey", Fault::CallBefore(change));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "OLD")]);
    assert_eq!(
        said[said.len() - 3..],
        [
            "INFO  t/s: deleted key NEW",
            "ERROR t/s: the Secret was deleted, or somebody else changed the key in it meanwhile; new key NEW was deleted again",
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed",
        ]
    );
    assert_eq!((run.code, world.key_ids()), (Some(1), vec![world.key.id.clone()]));
}

/// The id in a field that is no pair: it is rewritten with the rest.
#[test]
fn an_id_in_an_unrelated_field_of_the_same_secret_is_rewritten() {
    let world = World::with_key_secret();
    let id = world.key.id.clone();
    world.cluster.edit("t", "s", &|secret| {
        secret["stringData"] = json!({"note": format!("rotated by us: {id}")});
    });
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    world.assert_rotated();
    assert_eq!(
        world.value("s", "note"),
        format!("rotated by us: {}", world.value("s", "access_key_id"))
    );
}

#[test]
fn an_id_in_an_unrelated_field_of_another_labelled_secret_is_not_left_to_die_there() {
    let world = World::with_key_secret();
    world.cloud.add_user("other");
    let other = world.cloud.add_key("other");
    world.cluster.add_secret(json!({
        "metadata": {"name": "o", "namespace": "t", "labels": {"aws-rotate-key": "true"}},
        "stringData": {"access_key_id": other.id, "secret_access_key": other.secret, "note": world.key.id},
    }));
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "KEY")]);
    let refused = "ERROR t/s: key KEY is also in t/o, which cannot be rotated with it; nothing was done; put the whole pair \
                   there, or take the key out";
    assert!(said.contains(&refused.to_owned()), "{said:?}");
    assert_eq!(
        (run.code, world.value("s", "access_key_id")),
        (Some(1), world.key.id.clone())
    );
    assert_eq!(world.key_ids(), [world.key.id.as_str()]);
}

/// What has no label is none of this program's business, also when it speaks of a key.
#[test]
fn an_id_in_a_secret_without_the_label_stands_in_nobodys_way() {
    let world = World::with_key_secret();
    world.cluster.add_secret(json!({
        "metadata": {"name": "plain", "namespace": "t"}, "stringData": {"note": world.key.id},
    }));
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    world.assert_rotated();
    assert_eq!(world.value("plain", "note"), world.key.id);
    assert_eq!(world.cluster.writes("t", "plain").len(), 1);
}

/// Nothing that was seen is acted on when the group has gone.
#[test]
fn a_secret_that_is_gone_before_the_journal_costs_nobody_anything() {
    let world = World::with_key_secret();
    let remove = to_cluster(&world, |cluster| cluster.remove("t", "s"));
    world.aws.script().once("GetCallerIdentity", Fault::CallBefore(remove));
    let said = idle_run_ignoring_secrets(&world);
    assert_eq!(
        said[0],
        "ERROR t/s: the Secret was deleted, or somebody else changed the key in it meanwhile; nothing was done"
    );
    assert_eq!(world.cloud.create_count("ci"), 0);
}

fn idle_run_ignoring_secrets(world: &World) -> Vec<String> {
    let run = world.run(&["rotate"]);
    assert_eq!((run.code, world.key_ids()), (Some(1), vec![world.key.id.clone()]));
    told(world, &run, &[])
}

#[test]
fn a_half_pair_elsewhere_leaves_everything_as_it_was() {
    let world = World::with_key_secret();
    world.cluster.add_secret(json!({
        "metadata": {"name": "half", "namespace": "t", "labels": {"aws-rotate-key": "true"}},
        "stringData": {"access_key_id": world.key.id},
    }));
    let said = idle_run(&world, &["rotate"], 1, &[(&world.key.id, "KEY")]);
    assert!(said.contains(
        &"ERROR t/s: key KEY is also in t/half, which cannot be rotated with it; nothing was done; put the whole pair there, \
          or take the key out"
            .to_owned()
    ), "{said:?}");
}
