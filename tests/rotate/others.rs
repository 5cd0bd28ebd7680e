//! Other writers of the Secrets, other keys of the user, and Secrets that come and go midway.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::PUT;
use crate::support::aws::Status;
use crate::support::kube::status::status_reply;
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::server::Reply;
use crate::support::story::{JOURNAL, put_pair};

/// An admission webhook's refusal, and how it is told.
fn guarded() -> (Fault, &'static str) {
    let refusal = status_reply(403, "Forbidden", "admission webhook \"guard\" denied the request");
    let told = "Kubernetes: update t/s at KUBE: Forbidden (403): admission webhook \"guard\" denied the request (its reason \
        is not shown, for it may quote the Secret)";
    (Fault::ReplyInstead(refusal), told)
}

#[test]
fn no_key_is_made_when_one_of_the_secrets_cannot_be_written() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let (refusal, why) = guarded();
    world.kube.script().always(PUT, refusal);
    let run = world.run(&["rotate"]);
    assert_eq!(
        run.log(&world),
        [
            format!("WARN  t/s: {why}"),
            format!("ERROR t/copy, t/s: t/s cannot be written: {why}; no key was made"),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed".into(),
        ]
    );
    assert_eq!((run.code, world.cloud.create_count("ci")), (Some(1), 0));
    world.assert_as_before();
    // The journal on the other one is taken off again.
    assert_eq!(world.cluster.annotation("t", "copy", JOURNAL), None);
}

#[test]
fn the_old_key_stays_when_only_some_secrets_could_be_written() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let (refusal, why) = guarded();
    world.kube.script().some(PUT, 2, usize::MAX, refusal);
    let run = world.run(&["rotate"]);
    let (new, old) = (world.value("copy", "access_key_id"), &world.key.id);
    assert_eq!(
        run.log(&world)[3..],
        [
            format!("WARN  t/s: {why}"),
            format!(
                "ERROR t/copy, t/s: new key {new} is in t/copy, but t/s could not be written: {why}; both keys stay and \
                 work; the next run brings them together"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed".into(),
        ]
    );
    assert_eq!((run.code, world.value("s", "access_key_id")), (Some(1), old.clone()));
    assert_eq!(world.cloud.status_of(old), Some(Status::Active));
    assert_eq!(world.cloud.status_of(&new), Some(Status::Active));

    world.kube.script().clear();
    let run = world.run(&["rotate"]);
    assert_eq!(
        run.log(&world),
        [
            format!("INFO  t/copy, t/s: key {new} is accepted; writing it to the Secrets"),
            format!("INFO  t/copy, t/s: deleted key {old}"),
            format!(
                "INFO  t/copy, t/s: all hold key {new} now, key {old} is deleted; no key was replaced this time"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 put in order, 0 failed".into(),
        ]
    );
    assert_eq!((run.code, world.cloud.create_count("ci")), (Some(0), 1));
    assert_eq!(
        (world.value("s", "access_key_id"), world.key_ids()),
        (new.clone(), vec![new])
    );
}

#[test]
fn somebody_elses_change_to_another_field_survives() {
    for write in 0..4 {
        let world = World::with_key_secret();
        let cluster = Arc::clone(&world.cluster);
        let edit = move || cluster.edit("t", "s", &|s| s["metadata"]["annotations"]["note"] = json!("theirs"));
        world
            .kube
            .script()
            .some(PUT, write, 1, Fault::CallBefore(Arc::new(edit)));
        assert_eq!(world.run(&["rotate"]).code, Some(0), "at write {write}");
        world.assert_rotated();
        assert_eq!(world.cluster.annotation("t", "s", "note").as_deref(), Some("theirs"));
        assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
    }
}

#[test]
fn somebody_elses_key_is_not_overwritten_and_ours_is_taken_back() {
    // At the journal, at the renewal that names the new key, and at the pair.
    let at_each_write = ["refuse", "delete"]
        .into_iter()
        .flat_map(|foreign_keys| (0..3).map(move |write| (foreign_keys, write)));
    for (foreign_keys, write) in at_each_write {
        let world = World::with_key_secret();
        let cluster = Arc::clone(&world.cluster);
        let edit = move || {
            cluster.edit("t", "s", &|s| {
                s["data"]["access_key_id"] = json!("QUtJQVRIRUlSU1RIRUlSUzAw")
            });
        };
        world
            .kube
            .script()
            .some(PUT, write, 1, Fault::CallBefore(Arc::new(edit)));
        let run = world.run(&["rotate", &format!("--foreign-keys={foreign_keys}")]);
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
        let fate = if write == 0 { "nothing was done" } else { "new key AKIA" };
        let gone = "ERROR t/s: the Secret was deleted, or somebody else changed the key in it meanwhile; ";
        assert!(error.starts_with(&format!("{gone}{fate}")), "at write {write}: {error}");
        assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None, "at write {write}");
    }
}

/// The pair is a good one, of another user. What IAM says to whoever signs with it is of that user's keys: it once passed for
/// "the new key is gone", and the new key stayed for ever.
#[test]
fn another_users_pair_put_there_midway_signs_nothing_for_this_one() {
    for write in 0..3 {
        let world = World::with_key_secret();
        world.cloud.add_user("deploy");
        let theirs = world.cloud.add_key("deploy");
        let (cluster, pair) = (Arc::clone(&world.cluster), theirs.clone());
        let edit = move || put_pair(&cluster, "kubectl-edit", "s", &pair);
        world
            .kube
            .script()
            .some(PUT, write, 1, Fault::CallBefore(Arc::new(edit)));
        let run = world.run(&["rotate"]);
        assert_eq!(
            (run.code, world.value("s", "access_key_id")),
            (Some(1), theirs.id.clone())
        );
        assert_eq!(
            world.key_ids(),
            [world.key.id.as_str()],
            "at write {write}: {:?}",
            run.log(&world)
        );
        assert_eq!(world.cloud.status_of(&theirs.id), Some(Status::Active));
        assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None, "at write {write}");
    }
}

#[test]
fn a_secret_that_is_deleted_or_replaced_midway_takes_no_key_with_it() {
    let at_each_write = [false, true]
        .into_iter()
        .flat_map(|replaced| (0..4).map(move |write| (replaced, write)));
    for (replaced, write) in at_each_write {
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
        world
            .kube
            .script()
            .some(PUT, write, 1, Fault::CallBefore(Arc::new(change)));
        let run = world.run(&["rotate"]);
        if replaced && write == 2 {
            // What the new Secret holds may be anything; the journal went with the old one.
            assert_eq!(run.code, Some(1));
            let [old, new] = <[String; 2]>::try_from(world.key_ids()).unwrap();
            assert_eq!(
                run.log(&world)[3],
                format!(
                    "ERROR t/s: t/s speaks of this user's keys, too, and is not locked with the others; no key was deleted; \
                     run again, and if it stays so put the whole pair there, or take the key out; new key {new} is in no \
                     Secret: if it is still there after the next run, delete it with `aws iam delete-access-key --user-name \
                     ci --access-key-id {new}`"
                )
            );
            assert_eq!(world.cloud.status_of(&old), Some(Status::Active));
        } else if write < 3 {
            assert_eq!(run.code, Some(1), "{:?}", run.log(&world));
            assert_eq!(world.key_ids(), [world.key.id.as_str()], "at write {write}");
        } else {
            // Everything was done but for taking the journal off: only the new key is left, and who made the Secret anew
            // from an old copy of it put a dead key there.
            assert_eq!((world.key_ids().len(), world.cloud.status_of(&world.key.id)), (1, None));
        }
        if replaced {
            assert_eq!(world.value("s", "access_key_id"), world.key.id);
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
            "ERROR t/s: new key {new} is stored, and old key {old} stays: t/late speaks of this user's keys, too, and is not \
             locked with the others; no key was deleted; run again, and if it stays so put the whole pair there, or take \
             the key out"
        )
    );
    assert_eq!(world.cloud.status_of(old), Some(Status::Active));

    assert_eq!(world.run(&["rotate"]).code, Some(0));
    for name in ["s", "late"] {
        assert_eq!(world.value(name, "access_key_id"), new, "{name}");
    }
    assert_eq!(world.key_ids(), [new]);
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
                 {today}, never used); no Secret with the label holds it and no record names it, so it is not touched; \
                 nothing was done; if nobody uses it, delete it with `aws iam delete-access-key --user-name ci \
                 --access-key-id {other}`, then run again (or let this program do it: `--foreign-keys`)"
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(
        world.aws.operations(),
        ["ListAccessKeys", "GetCallerIdentity", "GetAccessKeyLastUsed"]
    );
    // The second list, right before it is said, looks for a Secret that has come to hold it.
    assert_eq!(world.kube.operations(), ["GET /api/v1/namespaces/t/secrets"; 2]);
    assert_eq!(world.cloud.keys("ci").len(), 2);
}

/// A Secret of the group that somebody else changes midway is not passed over: the old key it still names stays, and it
/// is not counted as rotated.
#[test]
fn a_secret_that_leaves_the_group_with_the_old_key_keeps_it_alive() {
    for write in 0..3 {
        leaves_the_group(write);
    }
}

fn leaves_the_group(write: usize) {
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
    world
        .kube
        .script()
        .some(PUT, write, 1, Fault::CallBefore(Arc::new(edit)));
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
    assert!(
        error.contains(&format!(
            " is stored, and old key {} stays: t/s speaks of",
            world.key.id
        )),
        "at write {write}: {error}"
    );
}

#[test]
fn a_secret_that_somebody_else_gave_another_key_is_not_counted_as_rotated() {
    for write in 0..3 {
        gets_another_key(write);
    }
}

fn gets_another_key(write: usize) {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let cluster = Arc::clone(&world.cluster);
    let edit = move || {
        cluster.edit("t", "s", &|s| {
            s["data"]["access_key_id"] = json!("QUtJQVRIRUlSU1RIRUlSUzAw")
        });
    };
    world
        .kube
        .script()
        .some(PUT, write, 1, Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["rotate"]);
    let (new, old) = (world.value("copy", "access_key_id"), &world.key.id);
    assert_eq!(
        run.log(&world)[4..],
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
    world.kube.script().some(PUT, 2, 1, Fault::DropAfter);
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
fn a_second_key_that_another_secret_holds_is_not_foreign_and_both_secrets_get_the_newer_one() {
    let world = World::with_key_secret();
    let newer = world.cloud.add_key("ci");
    world.cloud.age_key(&world.key.id, Duration::from_secs(60));
    world.add_key_secret("other", &newer.id, &newer.secret);
    let run = world.run(&["rotate"]);
    assert_eq!(
        run.log(&world),
        [
            format!("INFO  t/other, t/s: key {} is accepted; writing it to the Secrets", newer.id),
            format!("INFO  t/other, t/s: deleted key {}", world.key.id),
            format!(
                "INFO  t/other, t/s: all hold key {} now, key {} is deleted; no key was replaced this time",
                newer.id, world.key.id
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 put in order, 0 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(0));
    for name in ["other", "s"] {
        assert_eq!(world.value(name, "access_key_id"), newer.id, "{name}");
        assert!(world.value(name, "secret_access_key") == newer.secret, "{name}");
    }
    assert_eq!(world.key_ids(), [newer.id]);
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
    let (new, old) = (world.value("s", "access_key_id"), &world.key.id);
    assert_eq!(
        error,
        format!(
            "ERROR t/s: new key {new} is stored, and old key {old} stays: Kubernetes: list Secrets in namespace t at KUBE: \
             Forbidden (403): secrets is forbidden: User \"u\" cannot list resource \"secrets\"; grant the verb `list` on \
             `secrets` by a Role and a RoleBinding; what was begun is written down on the Secrets, and the next run goes on \
             from there"
        )
    );
}

/// Its label is gone, so that only a look at itself can tell what it holds.
#[test]
fn the_old_key_stays_when_a_secret_of_the_group_cannot_be_looked_at() {
    let world = World::with_key_secret();
    let cluster = Arc::clone(&world.cluster);
    let unlabel = move || cluster.edit("t", "s", &|s| s["metadata"]["labels"] = json!({}));
    world.kube.script().some(PUT, 2, 1, Fault::CallAfter(Arc::new(unlabel)));
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
