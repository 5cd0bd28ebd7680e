//! When a key is replaced, and what becomes of the one before: `--max-age`, `--grace-period`, `--retire`, and the
//! annotations that stand above them.

use std::time::Duration;

use serde_json::json;

use super::PUT;
use crate::support::aws::Status;
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::story::{
    CI, HISTORY, JOURNAL, LIST, annotate, edit_history, idle_run, record, time, to_cluster, told,
};

const GRACE: &str = "aws-rotate-key/grace-period";
const MAX_AGE: &str = "aws-rotate-key/max-age";
const HOUR: Duration = Duration::from_secs(3600);
const LEFT: &str =
    "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 left as they were, 0 failed";
const IN_ORDER: &str =
    "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 put in order, 0 failed";
const ROTATED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed";

/// A world in which the Secret's key was just replaced; the first key may stay for an hour.
fn in_grace() -> World {
    let world = World::with_key_secret();
    assert_eq!(world.run(&["rotate", "--grace-period=1h"]).code, Some(0));
    world.aws.forget();
    world.kube.forget();
    world
}

fn end_grace(world: &World) {
    let past = time(world, -5);
    edit_history(world, "s", &|history| {
        history["keys"][&world.key.id]["until"] = json!(past)
    });
}

#[test]
fn while_the_grace_period_lasts_the_next_run_does_nothing() {
    let world = in_grace();
    let names = [(world.key.id.as_str(), "OLD")];
    let until = record(&world, "t", "s", HISTORY).unwrap()["keys"][&world.key.id]["until"].clone();
    let said = world.run(&["rotate"]).log(&world);
    assert_eq!(
        said,
        [
            format!(
                "INFO  t/s: key {} may stay until {}; a user has two keys at the most, so none is made before that; nothing \
                 was done",
                world.key.id,
                until.as_str().unwrap()
            ),
            LEFT.into()
        ]
    );
    // What the run says now about grace is for keys to come; this one has its promise.
    for arguments in [&["rotate", "--grace-period=0s"][..], &["rotate", "--retire=deactivate"]] {
        assert_eq!(idle_run(&world, arguments, 0, &names).len(), 2);
    }
    assert_eq!(world.kube.operations(), [LIST; 3]);
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 3]);
}

#[test]
fn after_the_grace_period_the_next_run_deletes_the_old_key_and_rotates() {
    let world = in_grace();
    let second = world.value("s", "access_key_id");
    end_grace(&world);
    let run = world.run(&["rotate", "--grace-period=1h"]);
    let names = [(world.key.id.as_str(), "FIRST"), (second.as_str(), "SECOND")];
    assert_eq!(
        told(&world, &run, &names),
        [
            "INFO  t/s: deleted key FIRST".to_owned(),
            format!("INFO  t/s: rotating key SECOND of {CI}"),
            "INFO  t/s: created key NEW; waiting for AWS to accept it".into(),
            "INFO  t/s: key NEW is accepted; writing it to the Secret".into(),
            format!("INFO  t/s: rotated: key NEW of {CI} replaces SECOND, which may stay until TIME"),
            ROTATED.into(),
        ]
    );
    assert_eq!(run.code, Some(0));
    let third = world.value("s", "access_key_id");
    assert_eq!(world.key_ids(), [second.clone(), third.clone()]);
    // The journal, the look right before the delete, the renewal, the publish.
    let history = record(&world, "t", "s", HISTORY).unwrap();
    let keys: Vec<&String> = history["keys"].as_object().unwrap().keys().collect();
    assert!(keys.contains(&&second), "{history}");
    assert_eq!(record(&world, "t", "s", JOURNAL), None);
}

/// The rotation is due once a month, the old key may stay for a day: it goes by itself when its day is over.
#[test]
fn the_old_key_goes_after_its_grace_period_also_when_no_rotation_is_due() {
    let world = in_grace();
    end_grace(&world);
    let run = world.run(&["rotate", "--max-age=30d"]);
    assert_eq!(
        told(&world, &run, &[(&world.key.id, "OLD")]),
        [
            "INFO  t/s: deleted key OLD",
            "INFO  t/s: key OLD is deleted; no key was replaced this time",
            IN_ORDER,
        ]
    );
    assert_eq!(run.code, Some(0));
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
    assert_eq!(world.kube.operations(), [LIST, PUT, LIST, PUT]);
    assert_eq!(
        world.aws.operations(),
        ["ListAccessKeys", "GetCallerIdentity", "DeleteAccessKey"]
    );
    assert_eq!(record(&world, "t", "s", HISTORY).unwrap()["keys"], json!({}));
    assert!(idle_run(&world, &["rotate", "--max-age=30d"], 0, &[])[0].contains("is young enough"));
}

#[test]
fn the_annotation_stands_above_the_option() {
    // (annotation, option, whether the old key stays)
    for (annotation, option, stays) in [
        ("1d12h", "0s", true),
        ("0s", "1h", false),
        (" 1h ", "0s", true),
        ("", "1h", true),
    ] {
        let world = World::with_key_secret();
        annotate(&world.cluster, "s", GRACE, annotation);
        assert_eq!(
            world.run(&["rotate", &format!("--grace-period={option}")]).code,
            Some(0)
        );
        let old = world.cloud.status_of(&world.key.id);
        assert_eq!(old, stays.then_some(Status::Active), "{annotation} above {option}");
    }
}

#[test]
fn a_key_is_deactivated_first_and_deleted_one_run_later() {
    let world = World::with_key_secret();
    let first = world.run(&["rotate", "--retire=deactivate"]);
    let second = world.value("s", "access_key_id");
    let names = [(world.key.id.as_str(), "FIRST"), (second.as_str(), "SECOND")];
    let said = told(&world, &first, &names);
    assert_eq!(
        said[3..],
        [
            "INFO  t/s: deactivated key FIRST".to_owned(),
            format!(
                "INFO  t/s: rotated: key SECOND of {CI} replaces FIRST, which is deactivated and will be deleted by a later run"
            ),
            ROTATED.into(),
        ]
    );
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Inactive));
    assert_eq!(
        record(&world, "t", "s", HISTORY).unwrap()["keys"][&world.key.id]["deactivated"],
        true
    );

    let run = world.run(&["rotate", "--retire=deactivate"]);
    let third = world.value("s", "access_key_id");
    let said = told(&world, &run, &names);
    assert_eq!(said[0], "INFO  t/s: deleted key FIRST");
    assert_eq!(run.code, Some(0), "{said:?}");
    assert_eq!(
        world
            .cloud
            .keys("ci")
            .iter()
            .map(|key| (key.id.as_str(), key.status))
            .collect::<Vec<_>>(),
        [(second.as_str(), Status::Inactive), (third.as_str(), Status::Active)]
    );
}

/// Somebody still needed it. It is not deleted under their hands: it gets its warning once more.
#[test]
fn a_deactivated_key_that_somebody_has_activated_again_is_deactivated_again_and_not_deleted() {
    let world = World::with_key_secret();
    assert_eq!(world.run(&["rotate", "--retire=deactivate"]).code, Some(0));
    world.cloud.set_status(&world.key.id, Status::Active);
    let run = world.run(&["rotate", "--retire=deactivate"]);
    assert_eq!(
        told(&world, &run, &[(&world.key.id, "OLD")]),
        [
            "INFO  t/s: deactivated key OLD",
            "INFO  t/s: key OLD is deactivated and will be deleted by a later run; no key was replaced this time",
            IN_ORDER,
        ]
    );
    assert_eq!(run.code, Some(0));
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Inactive));
}

#[test]
fn a_replaced_key_whose_secret_somebody_put_back_is_not_retired() {
    let world = in_grace();
    let second = world.value("s", "access_key_id");
    crate::support::story::put_pair(&world.cluster, "kubectl-edit", "s", &world.key);
    end_grace(&world);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "FIRST"), (&second, "SECOND")]);
    // The key that nobody holds goes: this program made it. The one that is held is replaced as always.
    assert_eq!(said[0], "INFO  t/s: deleted key SECOND", "{said:?}");
    assert_eq!(run.code, Some(0), "{said:?}");
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
}

#[test]
fn a_young_key_is_left_alone_without_a_write() {
    let world = World::with_key_secret();
    world.cloud.age_key(&world.key.id, 36 * HOUR - Duration::from_secs(60));
    for (option, annotation) in [
        ("--max-age=90d", None),
        ("--max-age=1s", Some("1d12h")),
        ("--max-age=1d12h", None),
    ] {
        if let Some(text) = annotation {
            annotate(&world.cluster, "s", MAX_AGE, text);
        }
        assert_eq!(
            idle_run(&world, &["rotate", option], 0, &[(&world.key.id, "KEY")]),
            ["INFO  t/s: key KEY, made DAY, is young enough; nothing was done", LEFT]
        );
    }
    assert_eq!(world.kube.operations(), [LIST; 3]);
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 3]);
}

#[test]
fn an_old_key_is_replaced() {
    for (option, annotation) in [
        (Some("--max-age=1d12h"), None),
        (None, Some("1d12h")),
        (Some("--max-age=90d"), Some("36h")),
    ] {
        let world = World::with_key_secret();
        world.cloud.age_key(&world.key.id, 36 * HOUR);
        if let Some(text) = annotation {
            annotate(&world.cluster, "s", MAX_AGE, text);
        }
        let arguments: Vec<&str> = ["rotate"].into_iter().chain(option).collect();
        assert_eq!(world.run(&arguments).code, Some(0));
        world.assert_rotated();
    }
}

#[test]
fn a_bad_duration_fails_its_secret_and_not_the_run() {
    for (annotation, text, expected) in [
        (
            GRACE,
            "soon",
            "expected numbers with units in the order d, h, m, s, such as `90d`, `1d12h`, `30m` or `45s`",
        ),
        (
            MAX_AGE,
            "90",
            "expected numbers with units in the order d, h, m, s, such as `90d`, `1d12h`, `30m` or `45s`",
        ),
        (MAX_AGE, "0d", "expected more than nothing and at most `3650d`"),
        (GRACE, "3651d", "expected at most `3650d`"),
    ] {
        let world = World::with_key_secret();
        world.cloud.add_user("other");
        let other = world.cloud.add_key("other");
        world.add_key_secret("z", &other.id, &other.secret);
        annotate(&world.cluster, "s", annotation, text);
        let run = world.run(&["rotate"]);
        let said = told(&world, &run, &[]);
        assert_eq!(
            said[0],
            format!("ERROR t/s: annotation `{annotation}` of t/s is `{text}`; {expected}; nothing was done")
        );
        assert_eq!(
            said.last().unwrap(),
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 1 rotated, 1 failed"
        );
        assert_eq!(run.code, Some(1));
        assert_eq!(world.cluster.writes("t", "s").len(), 2, "the Secret and its annotation");
        assert_ne!(world.value("z", "access_key_id"), other.id);
    }
}

/// Two Secrets of one user, one with grace: the old key may stay for as long as any of them wants it to.
#[test]
fn the_longest_grace_period_of_a_group_counts() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    annotate(&world.cluster, "copy", GRACE, "1h");
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&world.key.id, "OLD")]);
    assert_eq!(
        said[3],
        format!("INFO  t/copy, t/s: rotated: key NEW of {CI} replaces OLD, which may stay until TIME")
    );
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Active));
    assert_eq!(idle_run(&world, &["rotate"], 0, &[]).len(), 2);
    for name in ["copy", "s"] {
        assert_eq!(record(&world, "t", name, JOURNAL), None, "{name}");
    }
}

/// The deletion that the history permits is stopped by a Secret that turns up right before it.
#[test]
fn a_copy_of_the_old_pair_that_turns_up_stops_its_deletion() {
    let world = in_grace();
    end_grace(&world);
    let key = world.key.clone();
    let add = to_cluster(&world, move |cluster| {
        crate::support::story::key_secret(cluster, "t", "late", &key)
    });
    world.kube.script().once(PUT, Fault::CallBefore(add));
    let run = world.run(&["rotate", "--max-age=30d"]);
    let said = told(&world, &run, &[(&world.key.id, "OLD")]);
    assert_eq!(
        said[0],
        "ERROR t/s: t/late speaks of this user's keys, too, and is not locked with the others; no key was deleted; run \
         again, and if it stays so put the whole pair there, or take the key out"
    );
    assert_eq!(
        (run.code, world.cloud.status_of(&world.key.id)),
        (Some(1), Some(Status::Active))
    );
}
