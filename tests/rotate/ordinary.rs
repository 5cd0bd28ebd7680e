//! What a rotation does when nothing goes wrong, or nothing but what always does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::PUT;
use crate::support::aws::throttling_xml;
use crate::support::program::{VERBS, World, under_test};
use crate::support::script::Fault;

#[test]
fn an_ordinary_rotation_makes_no_request_that_is_not_needed() {
    let world = World::with_key_secret();
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
            // Is it listed, is there another, and whose is it?
            "ListAccessKeys",
            "GetCallerIdentity",
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
    // The journal, the new key's id, the pair; the second list, right before the delete, looks for a Secret that still holds
    // the old key; the journal comes off.
    assert_eq!(world.kube.operations(), [list, PUT, PUT, PUT, list, PUT]);
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
    for kept in ["uid", "labels", "creationTimestamp"] {
        assert_eq!(after["metadata"][kept], before["metadata"][kept]);
    }
    let annotations = after["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(annotations["owner"], "somebody");
    assert_eq!(
        annotations.keys().collect::<Vec<_>>(),
        ["aws-rotate-key/history", "aws-rotate-key/rotated-at", "owner"]
    );
    assert_eq!(after["type"], "example.com/keys");
}

/// An escape in front of an id ends in a letter or a digit, and was once taken for a part of a longer word.
#[test]
fn an_id_behind_an_escape_is_rewritten_too() {
    let world = World::new();
    let (id, secret) = (&world.key.id, &world.key.secret);
    let fields = |id: &str, secret: &str| {
        json!({
            "access_key_id": id, "secret_access_key": secret,
            "passwd": format!(r#"{{"passwd":"x\n{id}:{secret}\n"}}"#),
            "broker": format!("sqs%3A%2F%2F{id}%3A{}%40", secret.replace('/', "%2F").replace('+', "%2B")),
            "query": format!(r#"{{"q":"a=1\u0026{id}"}}"#),
        })
    };
    world.cluster.add_secret(json!({
        "metadata": {"name": "s", "namespace": "t", "labels": {"aws-rotate-key": "true"}},
        "stringData": fields(id, secret),
    }));
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let new = world.value("s", "access_key_id");
    let expected = fields(&new, &world.cloud.secret_of(&new).unwrap());
    for (name, value) in expected.as_object().unwrap() {
        let plain = |text: &str| text.replace("%2F", "/").replace("%2B", "+");
        assert!(
            plain(&world.value("s", name)) == plain(value.as_str().unwrap()),
            "{name} does not hold the new pair"
        );
    }
}

#[test]
fn secrets_with_the_same_key_are_rotated_together() {
    let world = World::with_key_secret();
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
fn a_key_is_published_only_after_three_probes_in_a_row() {
    let world = World::with_key_secret();
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
    let world = World::with_key_secret();
    world.cloud.add_user("second");
    let second = world.cloud.add_key("second");
    world.add_key_secret("z", &second.id, &second.secret);
    let cloud = Arc::clone(&world.cloud);
    let created = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&created);
    let look = Fault::CallBefore(Arc::new(move || {
        seen.store(cloud.create_count("second"), Ordering::SeqCst)
    }));
    // The third write stores the pair.
    world.kube.script().some(PUT, 2, 1, look);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    assert_eq!(
        created.load(Ordering::SeqCst),
        1,
        "the second user waited for the first one's probes"
    );
}

/// A user whose services are slow keeps the run busy; the others' keys are probed late, and are none the worse for it.
#[test]
fn a_key_that_is_probed_late_is_not_given_up() {
    let world = World::with_key_secret();
    world.cloud.add_user("slow");
    let slow = world.cloud.add_key("slow");
    world.add_key_secret("z", &slow.id, &slow.secret);
    // The second identity that is asked for is the slow user's.
    let pause = Fault::Delay(Duration::from_secs(3));
    world.aws.script().some("GetCallerIdentity", 2, 1, pause);
    let run = world.run(&["rotate", "--propagation-timeout=1s"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    world.assert_rotated();
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
    let world = World::with_key_secret();
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
    world.assert_rotated();
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
    let world = World::with_key_secret();
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
