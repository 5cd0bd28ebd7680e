//! Stories of `rotate`: the ordinary one request by request, and one for each thing that can go wrong on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::aws::{Status, service_failure_xml, service_unavailable_xml, throttling_xml};
use crate::support::kube::status::{internal_error, status_reply, too_many_requests};
use crate::support::program::{VERBS, World, under_test};
use crate::support::script::Fault;

/// A world with the Secret `s` that holds the user's key.
fn world() -> World {
    let world = World::new();
    world.add_key_secret("s", &world.key.id.clone(), &world.key.secret.clone());
    world
}

#[test]
fn an_ordinary_rotation_makes_no_request_that_is_not_needed() {
    let world = world();
    let run = world.run(&["rotate"]);
    let new = world.value("s", "access_key_id");
    let old = &world.key.id;
    assert_eq!(
        run.log(&world),
        [
            format!("INFO  t/s: rotating key {old} of arn:aws:iam::123456789012:user/ci"),
            format!("INFO  t/s: created key {new}; waiting for AWS to accept it"),
            format!("INFO  t/s: key {new} is accepted; writing it to the Secret"),
            format!("INFO  t/s: deleted key {old}"),
            format!(
                "INFO  t/s: rotated: key {new} of arn:aws:iam::123456789012:user/ci replaces {old}, which is deleted"
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(0));
    assert_eq!(
        world.aws.operations(),
        [
            // Whose key is it, and is there another?
            "GetCallerIdentity",
            "ListAccessKeys",
            "CreateAccessKey",
            // Three probes of IAM and STS in a row.
            "ListAccessKeys",
            "GetCallerIdentity",
            "ListAccessKeys",
            "GetCallerIdentity",
            "ListAccessKeys",
            "GetCallerIdentity",
            "DeleteAccessKey",
        ]
    );
    let list = "GET /api/v1/namespaces/t/secrets";
    // The second list, right before the delete, looks for a Secret that still holds the old key.
    assert_eq!(
        world.kube.operations(),
        [list, "PUT /api/v1/namespaces/t/secrets/s", list]
    );
    assert_eq!(
        world.kube.recorded()[0].request.raw_query,
        "labelSelector=aws-rotate-key%3Dtrue&limit=500"
    );
    assert_eq!(
        world.cloud.secret_of(&new).unwrap(),
        world.value("s", "secret_access_key")
    );
    assert_eq!(world.cloud.keys("ci").len(), 1);
}

#[test]
fn every_field_that_held_the_old_pair_holds_the_new_one() {
    let world = World::new();
    let (id, secret) = (&world.key.id, &world.key.secret);
    let fields = |id: &str, secret: &str| {
        [
            ("access_key_id", id.to_owned()),
            ("secret_access_key", format!("{secret}\n")),
            (
                "credentials",
                format!("[default]\naws_access_key_id={id}\naws_secret_access_key={secret}\n"),
            ),
            ("env", format!("export AWS_SECRET_ACCESS_KEY='{secret}'")),
            (
                "app.json",
                format!(r#"{{"key":"{id}","secret":"{}","n":1}}"#, secret.replace('/', "\\/")),
            ),
            ("config", "[default]\nregion = eu-west-1\n".to_owned()),
        ]
    };
    let data: serde_json::Map<_, _> = fields(id, secret)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    world.cluster.add_secret(json!({
        "metadata": {"name": "s", "namespace": "t", "labels": {"aws-rotate-key": "true", "team": "a"},
                     "annotations": {"owner": "somebody"}},
        "type": "example.com/keys",
        "stringData": data,
    }));
    let before = world.cluster.secret("t", "s").unwrap();
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let new = world.value("s", "access_key_id");
    for (name, value) in fields(&new, &world.cloud.secret_of(&new).unwrap()) {
        // The slash is only written as it was when there was one to tell by.
        let shown = |text: &str| {
            if name == "app.json" {
                text.replace("\\/", "/")
            } else {
                text.to_owned()
            }
        };
        assert!(
            shown(&world.value("s", name)) == shown(&value),
            "{name} does not hold the new pair"
        );
    }
    let after = world.cluster.secret("t", "s").unwrap();
    for kept in ["uid", "labels", "annotations", "creationTimestamp"] {
        assert_eq!(after["metadata"][kept], before["metadata"][kept]);
    }
    assert_eq!(after["type"], "example.com/keys");
}

#[test]
fn secrets_with_the_same_key_are_rotated_together() {
    let world = world();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let run = world.run(&[]);
    let (new, old) = (world.value("s", "access_key_id"), &world.key.id);
    assert_eq!(
        run.log(&world)[4..],
        [
            format!(
                "INFO  t/copy, t/s: rotated: key {new} of arn:aws:iam::123456789012:user/ci replaces {old}, which is \
                 deleted"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 2 rotated, 0 failed".into(),
        ]
    );
    assert_eq!((run.code, world.cloud.create_count("ci")), (Some(0), 1));
    assert_eq!(world.value("copy", "access_key_id"), new);
    assert!(world.value("copy", "secret_access_key") == world.value("s", "secret_access_key"));
}

#[test]
fn the_old_key_stays_when_only_some_secrets_could_be_written() {
    let world = world();
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
                "ERROR t/copy, t/s: it is not known that every Secret holds new key {new} instead of {old}: Kubernetes: \
                 update t/s at KUBE: Forbidden (403): admission webhook \"guard\" denied the request; both \
                 keys stay, so each Secret works; put the same pair into all of them and delete the other key"
            ),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed".into(),
        ]
    );
    assert_eq!((run.code, world.value("s", "access_key_id")), (Some(1), old.clone()));
    assert_eq!(world.cloud.status_of(old), Some(Status::Active));
    assert_eq!(world.cloud.status_of(&new), Some(Status::Active));
}

#[test]
fn a_key_is_published_only_after_three_probes_in_a_row() {
    let world = world();
    world.cloud.propagation_requests(1);
    // Then it is accepted three times, refused once, and accepted for good.
    world.cloud.flap(3, 1);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let accepted: Vec<bool> = world
        .aws
        .recorded()
        .iter()
        .skip_while(|r| r.operation != "CreateAccessKey")
        .filter(|r| r.operation == "GetCallerIdentity" || r.operation == "ListAccessKeys")
        .map(|r| r.status == Some(200))
        .collect();
    // Refused; IAM and STS; IAM alone; and then three whole rounds.
    assert_eq!(
        accepted,
        [false, true, true, true, false, true, true, true, true, true, true]
    );
}

#[test]
fn users_wait_at_the_same_time() {
    let world = world();
    world.cloud.add_user("second");
    let second = world.cloud.add_key("second");
    world.add_key_secret("z", &second.id, &second.secret);
    let first_write = "PUT /api/v1/namespaces/t/secrets/s";
    let cloud = Arc::clone(&world.cloud);
    let created = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&created);
    let look = Fault::CallBefore(Arc::new(move || {
        seen.store(cloud.create_count("second"), Ordering::SeqCst)
    }));
    world.kube.script().once(first_write, look);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    assert_eq!(
        created.load(Ordering::SeqCst),
        1,
        "the second user waited for the first one's probes"
    );
}

/// The Secret holds the new key, the old one is gone, and one key was made.
fn assert_rotated(world: &World) {
    let new = world.value("s", "access_key_id");
    assert_ne!(new, world.key.id);
    assert!(world.value("s", "secret_access_key") == world.cloud.secret_of(&new).unwrap());
    assert_eq!((world.key_ids(), world.cloud.create_count("ci")), (vec![new], 1));
}

/// The Secret holds the old key, and it is the only one.
fn assert_as_before(world: &World) {
    assert_eq!(world.value("s", "access_key_id"), world.key.id);
    assert!(world.value("s", "secret_access_key") == world.key.secret);
    assert_eq!(world.key_ids(), [world.key.id.as_str()]);
}

const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";

#[test]
fn a_write_whose_answer_is_lost_is_looked_at_and_not_feared() {
    for fault in [Fault::DropAfter, Fault::CutAnswer, Fault::ReplyAfter(internal_error())] {
        let world = world();
        world.kube.script().once(PUT, fault.clone());
        assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?}");
        assert_rotated(&world);
        let puts = world
            .kube
            .operations()
            .iter()
            .filter(|operation| *operation == PUT)
            .count();
        assert_eq!(
            puts, 1,
            "{fault:?}: the Secret holds the new key, so it is not written again"
        );
    }
}

#[test]
fn a_write_that_was_lost_is_sent_again() {
    for fault in [
        Fault::DropBefore,
        Fault::ReplyInstead(internal_error()),
        Fault::ReplyInstead(too_many_requests(0)),
    ] {
        let world = world();
        world.kube.script().once(PUT, fault.clone());
        assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?}");
        assert_rotated(&world);
    }
}

#[test]
fn both_keys_stay_while_a_write_may_still_be_stored() {
    let world = world();
    world.kube.script().always(PUT, Fault::ReplyInstead(internal_error()));
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(world.cloud.keys("ci").len(), 2);
    assert_eq!(world.value("s", "access_key_id"), world.key.id);
    assert!(!world.aws.operations().contains(&"DeleteAccessKey".to_owned()));
    let last = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(last.contains("both keys stay"), "{last}");
}

#[test]
fn somebody_elses_change_to_another_field_survives() {
    let world = world();
    let cluster = Arc::clone(&world.cluster);
    let edit = move || cluster.edit("t", "s", &|s| s["metadata"]["annotations"] = json!({"note": "theirs"}));
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(edit)));
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    assert_rotated(&world);
    assert_eq!(world.cluster.annotation("t", "s", "note").as_deref(), Some("theirs"));
}

#[test]
fn somebody_elses_key_is_not_overwritten_and_ours_is_taken_back() {
    let world = world();
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
        error.contains("somebody else changed the key in t/s meanwhile; it was deleted again"),
        "{error}"
    );
}

#[test]
fn a_secret_that_is_deleted_or_replaced_midway_takes_no_key_with_it() {
    for replaced in [false, true] {
        let world = world();
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
            assert_as_before(&world);
        } else {
            assert_eq!(world.key_ids(), [world.key.id.as_str()]);
        }
    }
}

#[test]
fn a_create_without_an_answer_is_not_repeated_and_nothing_is_deleted() {
    for (fault, keys) in [
        (Fault::DropBefore, 1),
        (Fault::DropAfter, 2),
        (Fault::CutAnswer, 2),
        (Fault::ReplyInstead(service_unavailable_xml()), 1),
        (Fault::ReplyAfter(service_failure_xml()), 2),
    ] {
        let world = world();
        world.aws.script().always("CreateAccessKey", fault.clone());
        let run = world.run(&["rotate"]);
        assert_eq!(run.code, Some(1), "{fault:?}");
        assert_eq!(
            world.aws.operations(),
            ["GetCallerIdentity", "ListAccessKeys", "CreateAccessKey"],
            "{fault:?}"
        );
        assert_eq!(
            world.kube.operations(),
            ["GET /api/v1/namespaces/t/secrets"],
            "{fault:?}"
        );
        assert_eq!(world.cloud.keys("ci").len(), keys, "{fault:?}");
        let log = run.log(&world);
        let known = "it is not known whether a key was made";
        assert!(
            log.iter()
                .any(|line| line.starts_with("ERROR t/s: ") && line.contains(known)),
            "{log:?}"
        );
    }
}

#[test]
fn a_delete_whose_answer_is_lost_is_confirmed() {
    for fault in [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::ReplyInstead(throttling_xml()),
    ] {
        let world = world();
        world.aws.script().once("DeleteAccessKey", fault.clone());
        assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?}");
        assert_rotated(&world);
    }
}

#[test]
fn the_old_key_stays_while_another_secret_speaks_of_it() {
    let world = world();
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
             there, then delete the old key with `aws iam delete-access-key --access-key-id {old}`"
        )
    );
    assert_eq!(world.cloud.status_of(old), Some(Status::Active));
}

#[test]
fn a_key_that_is_not_the_secrets_is_left_alone() {
    let world = world();
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
                 {today}, in none of the Secrets); a key that is not this Secret's is never touched; nothing was done; \
                 if nobody uses it, delete it with `aws iam delete-access-key --access-key-id {other}`, then run again"
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.aws.operations(), ["GetCallerIdentity", "ListAccessKeys"]);
    assert_eq!(world.cloud.keys("ci").len(), 2);
}

#[test]
fn a_list_of_many_pages_is_read_whole_even_when_its_token_expires() {
    let world = World::new();
    for number in 0..520 {
        world.add_key_secret(&format!("s-{number:03}"), "not an id", "x");
    }
    let cluster = Arc::clone(&world.cluster);
    let list = "GET /api/v1/namespaces/t/secrets";
    world
        .kube
        .script()
        .some(list, 1, 1, Fault::CallBefore(Arc::new(move || cluster.compact())));
    let run = world.run(&["rotate"]);
    let last = run.log(&world).pop().unwrap();
    assert_eq!(
        last,
        "INFO  rotate: 520 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 520 failed"
    );
    let answers: Vec<_> = world.kube.recorded().iter().map(|r| r.status).collect();
    // Page, expired token, and from the start: page, page.
    assert_eq!(answers, [Some(200), Some(410), Some(200), Some(200)]);
}

#[test]
fn all_namespaces_are_looked_at_when_asked_for() {
    let world = world();
    world.cluster.add_namespace("other");
    world.cluster.add_secret(json!({
        "metadata": {"name": "copy", "namespace": "other", "labels": {"aws-rotate-key": "true"}},
        "stringData": {"access_key_id": world.key.id, "secret_access_key": world.key.secret},
    }));
    world.files.file(
        "token",
        world.cluster.token("system:serviceaccount:t:rotate", &[("*", VERBS)]),
    );
    assert_eq!(world.run(&["rotate", "-A"]).code, Some(0));
    assert_rotated(&world);
    assert_eq!(
        world.cluster.data("other", "copy", "access_key_id").unwrap(),
        world.value("s", "access_key_id").as_bytes()
    );
    assert_eq!(world.kube.operations()[0], "GET /api/v1/secrets");
}

#[test]
fn a_secret_without_the_label_is_not_touched() {
    let world = World::new();
    world.cluster.add_secret(json!({
        "metadata": {"name": "s", "namespace": "t", "labels": {"aws-rotate-key": "false"}},
        "stringData": {"access_key_id": world.key.id, "secret_access_key": world.key.secret},
    }));
    let run = world.run(&["rotate"]);
    let line = "INFO  rotate: 0 Secrets with label aws-rotate-key=true in namespace t; nothing to do";
    assert_eq!((run.log(&world), run.code), (vec![line.to_owned()], Some(0)));
    assert_eq!(world.aws.operations(), [""; 0]);
}

/// At the most verbose level, with every kind of answer: `World::run` fails when a secret shows.
#[test]
fn nothing_secret_is_logged_at_any_level() {
    let world = world();
    world
        .aws
        .script()
        .once("CreateAccessKey", Fault::ReplyInstead(throttling_xml()));
    world.kube.script().once(PUT, Fault::CutAnswer);
    world.cloud.propagation_requests(1);
    let program = world.program(under_test()).arg("rotate").env("RUST_LOG", "trace");
    let run = world.check(program);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert!(run.stderr.contains(" DEBUG "));
}
