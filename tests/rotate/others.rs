//! Other writers of the Secrets, other keys of the user, and Secrets that come and go midway.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::PUT;
use crate::support::aws::Status;
use crate::support::kube::status::status_reply;
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::server::Reply;

#[test]
fn the_old_key_stays_when_only_some_secrets_could_be_written() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let refusal = status_reply(403, "Forbidden", "admission webhook \"guard\" denied the request");
    world
        .kube
        .script()
        .always("PUT /api/v1/namespaces/t/secrets/s", Fault::ReplyInstead(refusal));
    let run = world.run(&["rotate"]);
    let (new, old) = (world.value("copy", "access_key_id"), &world.key.id);
    assert_eq!(
        run.log(&world)[4..],
        [
            format!(
                "ERROR t/copy, t/s: new key {new} is not known to be in every Secret (t/copy holds {new}, t/s holds \
                 {old}): Kubernetes: update t/s at KUBE: Forbidden (403): admission webhook \"guard\" denied the request \
                 (its reason is not shown, for it may quote the Secret); \
                 both keys stay and work; copy the pair from t/copy into the others, then delete the old key with `aws iam delete-access-key --user-name ci --access-key-id {old}`"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed".into(),
        ]
    );
    assert_eq!((run.code, world.value("s", "access_key_id")), (Some(1), old.clone()));
    assert_eq!(world.cloud.status_of(old), Some(Status::Active));
    assert_eq!(world.cloud.status_of(&new), Some(Status::Active));
}

#[test]
fn somebody_elses_change_to_another_field_survives() {
    let world = World::with_key_secret();
    let cluster = Arc::clone(&world.cluster);
    let edit = move || cluster.edit("t", "s", &|s| s["metadata"]["annotations"] = json!({"note": "theirs"}));
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(edit)));
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    world.assert_rotated();
    assert_eq!(world.cluster.annotation("t", "s", "note").as_deref(), Some("theirs"));
}

#[test]
fn somebody_elses_key_is_not_overwritten_and_ours_is_taken_back() {
    let world = World::with_key_secret();
    let cluster = Arc::clone(&world.cluster);
    let edit = move || {
        cluster.edit("t", "s", &|s| {
            s["data"]["access_key_id"] = json!("QUtJQVRIRUlSU1RIRUlSUzAw")
        });
    };
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["rotate"]);
    assert_eq!(
        (run.code, world.value("s", "access_key_id").as_str()),
        (Some(1), "AKIATHEIRSTHEIRS00")
    );
    assert_eq!(world.key_ids(), [world.key.id.as_str()]);
    let error = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(
        error.contains("somebody else changed the key in t/s meanwhile; key AKIA"),
        "{error}"
    );
}

#[test]
fn a_secret_that_is_deleted_or_replaced_midway_takes_no_key_with_it() {
    for replaced in [false, true] {
        let world = World::with_key_secret();
        let (cluster, key) = (
            Arc::clone(&world.cluster),
            (world.key.id.clone(), world.key.secret.clone()),
        );
        let change = move || {
            cluster.remove("t", "s");
            if replaced {
                cluster.add_secret(json!({
                    "metadata": {"name": "s", "namespace": "t", "labels": {"aws-rotate-key": "true"}},
                    "stringData": {"access_key_id": key.0, "secret_access_key": key.1},
                }));
            }
        };
        world.kube.script().once(PUT, Fault::CallBefore(Arc::new(change)));
        assert_eq!(world.run(&["rotate"]).code, Some(1));
        if replaced {
            world.assert_as_before();
        } else {
            assert_eq!(world.key_ids(), [world.key.id.as_str()]);
        }
    }
}

#[test]
fn the_old_key_stays_while_another_secret_speaks_of_it() {
    let world = World::with_key_secret();
    let (cluster, key) = (
        Arc::clone(&world.cluster),
        (world.key.id.clone(), world.key.secret.clone()),
    );
    let add = move || {
        cluster.add_secret(json!({
            "metadata": {"name": "late", "namespace": "t", "labels": {"aws-rotate-key": "true"}},
            "stringData": {"access_key_id": key.0, "secret_access_key": key.1},
        }));
    };
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(add)));
    let run = world.run(&["rotate"]);
    let (new, old) = (world.value("s", "access_key_id"), &world.key.id);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.log(&world)[3],
        format!(
            "ERROR t/s: new key {new} is stored, but t/late still has old key {old}; both keys stay; put the new pair \
             there, then delete the old key with `aws iam delete-access-key --user-name ci --access-key-id {old}`"
        )
    );
    assert_eq!(world.cloud.status_of(old), Some(Status::Active));
}

#[test]
fn a_key_that_is_not_the_secrets_is_left_alone() {
    let world = World::with_key_secret();
    let foreign = world.cloud.add_key("ci");
    world.cloud.set_status(&foreign.id, Status::Inactive);
    let run = world.run(&["rotate"]);
    let (old, other) = (&world.key.id, &foreign.id);
    let today = time::OffsetDateTime::now_utc().date();
    assert_eq!(
        run.log(&world),
        [
            format!(
                "ERROR t/s: arn:aws:iam::123456789012:user/ci has another key beside {old}: {other} (inactive, made \
                 {today}, in no Secret with the label); a key that is not this Secret's is never touched; nothing was done; \
                 if nobody uses it, delete it with `aws iam delete-access-key --user-name ci --access-key-id {other}`, then run again"
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.aws.operations(), ["GetCallerIdentity", "ListAccessKeys"]);
    assert_eq!(world.cloud.keys("ci").len(), 2);
}

/// A Secret of the group that somebody else changes midway is not passed over: the old key it still names stays, and it
/// is not counted as rotated.
#[test]
fn a_secret_that_leaves_the_group_with_the_old_key_keeps_it_alive() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let (cluster, key) = (
        Arc::clone(&world.cluster),
        (world.key.id.clone(), world.key.secret.clone()),
    );
    let edit = move || {
        cluster.edit("t", "s", &|s| {
            s["metadata"]["labels"] = json!({});
            s["data"] = json!({"AWS_ACCESS_KEY_ID": STANDARD.encode(&key.0), "AWS_SECRET": STANDARD.encode(&key.1)});
        });
    };
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["rotate"]);
    assert_eq!(
        (run.code, world.cloud.status_of(&world.key.id)),
        (Some(1), Some(Status::Active))
    );
    let error = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(error.contains("but t/s still has old key"), "{error}");
}

#[test]
fn a_secret_that_somebody_else_gave_another_key_is_not_counted_as_rotated() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let cluster = Arc::clone(&world.cluster);
    let edit = move || {
        cluster.edit("t", "s", &|s| {
            s["data"]["access_key_id"] = json!("QUtJQVRIRUlSU1RIRUlSUzAw")
        });
    };
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["rotate"]);
    let (new, old) = (world.value("copy", "access_key_id"), &world.key.id);
    assert_eq!(
        run.log(&world)[5..],
        [
            format!(
                "INFO  t/copy: rotated: key {new} of arn:aws:iam::123456789012:user/ci replaces {old}, which is deleted"
            ),
            format!(
                "ERROR t/s: not rotated: somebody else changed the key in it meanwhile; its old key {old} is replaced by \
                 {new} and deleted"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 1 rotated, 1 failed".into(),
        ]
    );
}

/// The write is stored, its answer lost, and the Secret made anew with its content, by `kubectl replace --force` for one.
#[test]
fn the_new_key_stays_when_a_secret_made_anew_holds_it() {
    let world = World::with_key_secret();
    let cluster = Arc::clone(&world.cluster);
    let remake = move || {
        let mut secret = cluster.secret("t", "s").unwrap();
        cluster.remove("t", "s");
        secret["metadata"] = json!({"name": "s", "namespace": "t", "labels": {"aws-rotate-key": "true"}});
        cluster.add_secret(secret);
    };
    world.kube.script().once(PUT, Fault::DropAfter);
    world.kube.script().once(
        "GET /api/v1/namespaces/t/secrets/s",
        Fault::CallBefore(Arc::new(remake)),
    );
    let run = world.run(&["rotate"]);
    let held = world.value("s", "access_key_id");
    assert_ne!(held, world.key.id);
    assert_eq!(
        (run.code, world.cloud.status_of(&held)),
        (Some(1), Some(Status::Active))
    );
    assert_eq!(world.key_ids().len(), 2);
}

#[test]
fn half_a_pair_of_the_same_key_stops_the_rotation_before_it_begins() {
    let world = World::with_key_secret();
    world.cluster.add_secret(json!({
        "metadata": {"name": "half", "namespace": "t", "labels": {"aws-rotate-key": "true"}},
        "stringData": {"access_key_id": world.key.id},
    }));
    let run = world.run(&["rotate"]);
    let old = &world.key.id;
    assert_eq!(
        run.log(&world),
        [
            "ERROR t/half: data key `secret_access_key` is missing; the Secret needs `access_key_id` and \
             `secret_access_key`"
                .to_owned(),
            format!(
                "ERROR t/s: key {old} is also in t/half, which cannot be rotated with it; nothing was done; put the whole \
                 pair there, or take the key out"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed".into(),
        ]
    );
    assert_eq!(world.aws.operations(), [""; 0]);
    world.assert_as_before();
}

#[test]
fn a_foreign_key_is_named_with_the_secrets_that_speak_of_it() {
    let world = World::with_key_secret();
    let foreign = world.cloud.add_key("ci");
    world.add_key_secret("other", &foreign.id, &foreign.secret);
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(1));
    let log = run.log(&world);
    assert!(
        log[0].starts_with("ERROR t/other: ") && log[0].contains(", in t/s); a key"),
        "{log:?}"
    );
    assert!(
        log[1].starts_with("ERROR t/s: ") && log[1].contains(", in t/other); a key"),
        "{log:?}"
    );
    assert_eq!(world.key_ids().len(), 2);
}

#[test]
fn the_old_key_stays_when_the_secrets_cannot_be_looked_at() {
    let world = World::with_key_secret();
    let list = "GET /api/v1/namespaces/t/secrets";
    let refusal = status_reply(
        403,
        "Forbidden",
        "secrets is forbidden: User \"u\" cannot list resource \"secrets\"",
    );
    world
        .kube
        .script()
        .some(list, 1, usize::MAX, Fault::ReplyInstead(refusal));
    let run = world.run(&["rotate"]);
    assert_eq!((run.code, world.key_ids().len()), (Some(1), 2));
    let error = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(
        error.contains("may still be there: Kubernetes: list Secrets in namespace t"),
        "{error}"
    );
}

/// Its label is gone, so that only a look at itself can tell what it holds.
#[test]
fn the_old_key_stays_when_a_secret_of_the_group_cannot_be_looked_at() {
    let world = World::with_key_secret();
    let cluster = Arc::clone(&world.cluster);
    let unlabel = move || cluster.edit("t", "s", &|s| s["metadata"]["labels"] = json!({}));
    world.kube.script().once(PUT, Fault::CallAfter(Arc::new(unlabel)));
    let refusal = status_reply(
        403,
        "Forbidden",
        "secrets \"s\" is forbidden: User \"u\" cannot get resource",
    );
    world
        .kube
        .script()
        .always("GET /api/v1/namespaces/t/secrets/s", Fault::ReplyInstead(refusal));
    let run = world.run(&["rotate"]);
    assert_eq!((run.code, world.key_ids().len()), (Some(1), 2));
}

/// STS says that the new key is somebody else's.
#[test]
fn a_key_of_another_user_is_not_published() {
    let world = World::with_key_secret();
    let body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/eve</Arn>\
                <UserId>U</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let answer = Fault::ReplyInstead(Reply::new(200, "text/xml", body));
    world.aws.script().some("GetCallerIdentity", 1, usize::MAX, answer);
    let run = world.run(&["rotate", "--propagation-timeout=1s"]);
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
    let error = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(
        error.contains("it belongs to arn:aws:iam::123456789012:user/eve, not to arn:aws"),
        "{error}"
    );
}
