//! What a rotation writes down, and when; and what it makes of records that are damaged, old or somebody else's.

use serde_json::{Value, json};

use super::PUT;
use crate::support::kube::status::status_reply;
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::story::{
    CI, HISTORY, JOURNAL, LIST, ROTATED_AT, annotate, edit_history, idle_run, journal, put_journal, record, told,
};

/// A record in one stored version of a Secret.
fn in_version(version: &Value, annotation: &str) -> Option<Value> {
    let text = version["metadata"]["annotations"][annotation].as_str()?;
    Some(serde_json::from_str(text).expect("a record is JSON"))
}

const PROBED: [&str; 9] = [
    "ListAccessKeys",
    "GetCallerIdentity",
    "CreateAccessKey",
    "ListAccessKeys",
    "GetCallerIdentity",
    "ListAccessKeys",
    "GetCallerIdentity",
    "ListAccessKeys",
    "GetCallerIdentity",
];

#[test]
fn an_ordinary_rotation_costs_four_writes_the_last_of_which_clears_the_journal() {
    let world = World::with_key_secret();
    let uid = world.cluster.secret("t", "s").unwrap()["metadata"]["uid"].clone();
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    world.assert_rotated();
    let (old, new) = (&world.key.id, world.value("s", "access_key_id"));
    assert_eq!(world.kube.operations(), [LIST, PUT, PUT, PUT, LIST, PUT]);
    assert_eq!(world.aws.operations(), [&PROBED[..], &["DeleteAccessKey"]].concat());

    let versions = world.cluster.writes("t", "s");
    let journals: Vec<Option<Value>> = versions.iter().map(|version| in_version(version, JOURNAL)).collect();
    let begun = journals[1].as_ref().expect("a journal before the create");
    let fields: Vec<&String> = begun.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "begun", "group", "holder", "known", "made", "released", "renewed", "run", "uid", "user", "version",
            "windows"
        ]
    );
    assert_eq!(
        json!([
            begun["version"],
            begun["uid"],
            begun["user"],
            begun["group"],
            begun["known"],
            begun["made"]
        ]),
        json!([1, uid, world.cloud.user_id("ci"), ["t/s"], [old], []])
    );
    assert_eq!(begun["begun"], begun["renewed"]);
    assert_eq!(begun["windows"].as_array().map(Vec::len), Some(1));
    // The renewal right after the create names the new key, and no window: nothing is unknown any more.
    let renewed = journals[2].as_ref().expect("a journal after the create");
    assert_eq!(
        json!([renewed["known"], renewed["made"], renewed["windows"]]),
        json!([[old], [new], []])
    );
    // The publish keeps it, since the old key is still to be deleted.
    let published = journals[3].as_ref().expect("a journal on the published Secret");
    for journal in [renewed, published] {
        for kept in ["uid", "user", "run", "holder", "begun", "group"] {
            assert_eq!(journal[kept], begun[kept], "{kept}");
        }
    }
    assert_eq!((&journals[0], &journals[4], versions.len()), (&None, &None, 5));

    let histories: Vec<Option<Value>> = versions.iter().map(|version| in_version(version, HISTORY)).collect();
    let entry = json!({"what": "replaced", "until": null, "deactivated": false});
    let published = histories[3].as_ref().expect("a history with the publish");
    let since = published["since"].clone();
    assert_eq!(
        published,
        &json!({"version": 1, "uid": uid, "current": new, "since": since, "keys": {old: entry}})
    );
    assert_eq!(
        histories[4],
        Some(json!({"version": 1, "uid": uid, "current": new, "since": since, "keys": {}}))
    );
    assert_eq!((&histories[1], &histories[2]), (&None, &None));
    let rotated_at = world
        .cluster
        .annotation("t", "s", ROTATED_AT)
        .expect("the time for people");
    assert!(rotated_at.len() == 20 && rotated_at.ends_with('Z'), "{rotated_at}");
}

#[test]
fn with_a_grace_period_it_costs_three_writes_the_last_of_which_publishes_and_clears() {
    let world = World::with_key_secret();
    let run = world.run(&["rotate", "--grace-period", "1h"]);
    let (old, new) = (world.key.id.clone(), world.value("s", "access_key_id"));
    assert_eq!(
        told(&world, &run, &[(&old, "OLD")]),
        [
            format!("INFO  t/s: rotating key OLD of {CI}"),
            "INFO  t/s: created key NEW; waiting for AWS to accept it".into(),
            "INFO  t/s: key NEW is accepted; writing it to the Secret".into(),
            format!("INFO  t/s: rotated: key NEW of {CI} replaces OLD, which may stay until TIME"),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(0));
    assert_eq!(world.kube.operations(), [LIST, PUT, PUT, PUT]);
    assert_eq!(world.aws.operations(), PROBED);
    assert_eq!(world.key_ids(), [old.clone(), new.clone()]);
    assert_eq!(record(&world, "t", "s", JOURNAL), None);
    let history = record(&world, "t", "s", HISTORY).unwrap();
    assert_eq!(
        (&history["current"], &history["keys"][&old]["what"]),
        (&json!(new), &json!("replaced"))
    );
    assert!(
        history["keys"][&old]["until"].as_str() > history["since"].as_str(),
        "{history}"
    );
}

/// Nothing of this user is touched, whatever is wrong with its records, and the message says what is.
#[test]
fn a_record_that_cannot_be_read_is_left_to_people() {
    let world = World::with_key_secret();
    let whole = journal(&world, "s", 1000, json!({}));
    let with = |field: &str, value: Value| {
        let mut journal = whole.clone();
        journal[field] = value;
        journal.to_string()
    };
    let cut = whole.to_string()[..100].to_owned();
    let fields = "expected the fields of version 1 and no others, each of its kind";
    for (annotation, text, why) in [
        (JOURNAL, cut.clone(), "it is cut off or no JSON of this kind"),
        (JOURNAL, String::new(), "it is cut off or no JSON of this kind"),
        (HISTORY, cut, "it is cut off or no JSON of this kind"),
        (
            JOURNAL,
            with("version", json!(2)),
            "expected version 1, it is 2: written by a newer version of this program",
        ),
        (
            HISTORY,
            r#"{"version":2}"#.into(),
            "expected version 1, it is 2: written by a newer version of this program",
        ),
        (JOURNAL, with("more", json!(1)), fields),
        (JOURNAL, with("released", json!("no")), fields),
        (
            JOURNAL,
            with("user", json!("user ci")),
            "expected `user` to be the unique id of an IAM user, such as AIDACKCEVSQ6C2EXAMPLE",
        ),
        (
            JOURNAL,
            with("known", json!(["wJalrXUtnFEMI/K7MDENG"])),
            "expected every access key id to be 16 to 128 capital letters and digits",
        ),
    ] {
        world
            .cluster
            .edit("t", "s", &|secret| secret["metadata"]["annotations"] = json!({}));
        annotate(&world.cluster, "s", annotation, &text);
        assert_eq!(
            idle_run(&world, &["rotate"], 1, &[]),
            [
                format!(
                    "ERROR t/s: a record on t/s cannot be read: annotation `{annotation}`: {why}; nothing of this user is \
                     touched; if no other run and no newer version of this program is at work, remove the annotation"
                ),
                "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
            ],
            "{text}"
        );
    }
    assert_eq!(world.cloud.create_count("ci"), 0);
}

#[test]
fn an_unreadable_record_keeps_the_users_other_secrets_from_being_touched_and_no_other_users() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    world.cloud.add_user("other");
    let other = world.cloud.add_key("other");
    world.add_key_secret("z", &other.id, &other.secret);
    annotate(&world.cluster, "s", HISTORY, "{");
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[]);
    assert!(said.contains(
        &"ERROR t/copy, t/s: a record on t/s cannot be read: annotation `aws-rotate-key/history`: it is cut off or no JSON \
          of this kind; nothing of this user is touched; if no other run and no newer version of this program is at work, \
          remove the annotation"
            .to_owned()
    ), "{said:?}");
    assert_eq!(
        said.last().unwrap(),
        "INFO  rotate: 3 Secrets with label aws-rotate-key=true in namespace t: 1 rotated, 2 failed"
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(
        (world.key_ids(), world.cluster.writes("t", "copy").len()),
        (vec![world.key.id.clone()], 1)
    );
    assert_ne!(world.value("z", "access_key_id"), other.id);
}

#[test]
fn a_journal_from_the_future_is_left_to_people() {
    let world = World::with_key_secret();
    put_journal(&world, "s", -3600, json!({}));
    assert_eq!(
        idle_run(&world, &["rotate"], 1, &[])[0],
        "ERROR t/s: a record on t/s cannot be read: annotation `aws-rotate-key/journal`: it is dated in the future, by the \
         API server's clock; nothing of this user is touched; if no other run and no newer version of this program is at \
         work, remove the annotation"
    );
}

/// Somebody copied a Secret with all its annotations: the records speak of the other one.
#[test]
fn records_that_came_along_with_a_copy_are_void_and_said_to_be() {
    let world = World::with_key_secret();
    let elsewhere = json!({"uid": "00000000-0000-4000-8000-000000000000"});
    // Live, if it were this Secret's.
    put_journal(&world, "s", 1, elsewhere);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "OLD")]);
    assert_eq!(
        said[0],
        "WARN  t/s: its records are of another Secret, of which this one is a copy; they count for nothing"
    );
    assert_eq!((run.code, said.len()), (Some(0), 7), "{said:?}");
    world.assert_rotated();
    assert_eq!(record(&world, "t", "s", JOURNAL), None);
}

/// A history that came along with a copy permits nothing.
#[test]
fn a_copied_history_permits_no_deletion() {
    let world = World::with_key_secret();
    let second = world.cloud.add_key("ci");
    let entry = json!({"what": "replaced", "until": null, "deactivated": false});
    let history =
        json!({"version": 1, "uid": "another", "current": world.key.id, "since": null, "keys": {&second.id: entry}});
    annotate(&world.cluster, "s", HISTORY, &history.to_string());
    let said = idle_run(&world, &["rotate"], 1, &[(&second.id, "OTHER"), (&world.key.id, "OLD")]);
    assert!(
        said[0].contains("has another key beside OLD: OTHER (active, made DAY"),
        "{said:?}"
    );
}

/// The Secret was given another user's pair since; the journal is of the one before, and its time is over.
#[test]
fn an_old_journal_of_another_user_is_nothing_to_this_one() {
    let world = World::with_key_secret();
    put_journal(
        &world,
        "s",
        1000,
        json!({"user": "AIDACKCEVSQ6C2EXAMPLE", "made": ["AKIAIOSFODNN7EXAMPLE"]}),
    );
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[]);
    assert_eq!(run.code, Some(0), "{said:?}");
    assert_eq!(
        said[0],
        "WARN  t/s: its records are of another user, whose pair was in it before; they count for nothing"
    );
    world.assert_rotated();
}

/// What the history permits is deleted only because it names the key, and never because the history says so of the key that
/// the Secret holds.
#[test]
fn a_history_does_not_permit_to_delete_what_a_secret_holds() {
    let world = World::with_key_secret();
    assert_eq!(world.run(&["rotate", "--grace-period=1h"]).code, Some(0));
    let held = world.value("s", "access_key_id");
    edit_history(&world, "s", &|history| {
        history["keys"][&held] = json!({"what": "replaced", "until": null, "deactivated": true});
    });
    let said = idle_run(&world, &["rotate", "--max-age=1d"], 0, &[]);
    assert!(said[0].contains("is young enough"), "{said:?}");
}

#[test]
fn a_secret_that_is_too_large_for_the_journal_is_found_out_before_a_key_is_made() {
    let world = World::with_key_secret();
    let size = 1024 * 1024 - 60;
    world.cluster.edit("t", "s", &|secret| {
        secret["data"]["big"] = json!(base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            vec![b'x'; size]
        ));
    });
    // All annotations together may have 256 KiB.
    annotate(&world.cluster, "s", "notes", &"n".repeat(256 * 1024 - 200));
    let said = idle_run(&world, &["rotate"], 1, &[]);
    assert_eq!(
        said[1],
        "ERROR t/s: t/s cannot be written: Kubernetes: update t/s at KUBE: Invalid (422): Secret \"s\" is invalid: \
         metadata.annotations: Too long: may not be more than 262144 bytes; correct the Secret, or the policy that forbids it, \
         and run again; no key was made"
    );
    assert_eq!(world.cloud.create_count("ci"), 0);
    assert!(!world.aws.operations().contains(&"CreateAccessKey".to_owned()));
}

/// etcd refuses what is larger than 1.5 MiB, in words of its own.
#[test]
fn an_object_that_etcd_does_not_take_is_found_out_before_a_key_is_made() {
    let world = World::with_key_secret();
    let refusal = status_reply(500, "", "etcdserver: request is too large");
    world.kube.script().always(PUT, Fault::ReplyInstead(refusal));
    let said = idle_run(&world, &["rotate"], 1, &[]);
    assert!(said.last().unwrap().ends_with("0 rotated, 1 failed"), "{said:?}");
    assert_eq!(world.cloud.create_count("ci"), 0);
}
