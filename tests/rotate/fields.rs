//! Pairs under other data keys than the ordinary ones, as annotations name them.

use serde_json::{Value, json};

use super::PUT;
use crate::support::aws::{AccessKey, Status};
use crate::support::kube::Cluster;
use crate::support::program::{NAMESPACE, World};
use crate::support::script::Fault;
use crate::support::story::{JOURNAL, idle_run, state, to_cluster, told};

const ID_FIELD: &str = "aws-rotate-key/access-key-id-field";
const SECRET_FIELD: &str = "aws-rotate-key/secret-access-key-field";
const ROTATED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed";
const FAILED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed";

/// The labelled Secret `name` with these annotations and values.
fn add(world: &World, name: &str, annotations: Value, data: Value) {
    world.cluster.add_secret(json!({
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": {"aws-rotate-key": "true"}, "annotations": annotations,
        },
        "stringData": data,
    }));
}

/// The Secret `s` whose pair is under `user` and `pass`.
fn with_named_fields(others: &[(&str, &str)]) -> World {
    let world = World::new();
    let mut data = json!({"user": world.key.id, "pass": world.key.secret});
    for (name, value) in others {
        data[name] = json!(value);
    }
    add(&world, "s", json!({ID_FIELD: "user", SECRET_FIELD: " pass "}), data);
    world
}

fn assert_holds(world: &World, name: &str, [id, secret]: [&str; 2], key: &str) {
    assert_eq!(world.value(name, id), key);
    assert!(
        world.value(name, secret) == world.cloud.secret_of(key).unwrap(),
        "{name}: the secret is another one's"
    );
}

#[test]
fn a_pair_is_rotated_where_the_annotations_say_it_is() {
    let world = with_named_fields(&[("note", "theirs")]);
    let run = world.run(&["rotate"]);
    assert_eq!(run.log(&world).last().map(String::as_str), Some(ROTATED));
    assert_eq!(run.code, Some(0));
    let [new] = &world.key_ids()[..] else {
        panic!("more than one key");
    };
    assert_ne!(*new, world.key.id);
    assert_holds(&world, "s", ["user", "pass"], new);
    assert_eq!(world.value("s", "note"), "theirs");
    assert_eq!(world.cluster.data(NAMESPACE, "s", "access_key_id"), None);
}

#[test]
fn one_annotation_alone_leaves_the_other_data_key_as_it_always_is() {
    let world = World::new();
    let (id, secret) = (&world.key.id, &world.key.secret);
    add(
        &world,
        "s",
        json!({SECRET_FIELD: "pass"}),
        json!({"access_key_id": id, "pass": secret}),
    );
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    assert_holds(&world, "s", ["access_key_id", "pass"], &world.key_ids()[0]);
}

/// What stands under the ordinary data keys is another user's pair, which has a Secret of its own.
#[test]
fn another_pair_under_the_ordinary_data_keys_is_like_any_other_value() {
    let world = World::new();
    world.cloud.add_user("deploy");
    let theirs = world.cloud.add_key("deploy");
    add(
        &world,
        "s",
        json!({ID_FIELD: "user", SECRET_FIELD: "pass"}),
        json!({
            "user": world.key.id, "pass": world.key.secret, "access_key_id": theirs.id, "secret_access_key": theirs.secret,
        }),
    );
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    assert_holds(&world, "s", ["user", "pass"], &world.key_ids()[0]);
    assert_holds(&world, "s", ["access_key_id", "secret_access_key"], &theirs.id);
    assert_eq!(world.cloud.status_of(&theirs.id), Some(Status::Active));

    // Its own Secret cannot be rotated while this one would be left with a dead key.
    world.add_key_secret("theirs", &theirs.id, &theirs.secret);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&theirs.id, "THEIRS")]);
    assert!(
        said.contains(
            &"ERROR t/theirs: key THEIRS is also in t/s, which cannot be rotated with it; nothing was done; put the whole \
              pair there, or take the key out"
                .to_owned()
        ),
        "{said:?}"
    );
    assert_eq!(world.cloud.status_of(&theirs.id), Some(Status::Active));
}

/// Nobody's annotation names it, but the Secret speaks of it, so that it is in use for all we know.
#[test]
fn another_key_of_the_user_in_the_same_secret_is_never_deleted() {
    let world = World::new();
    let second = world.cloud.add_key("ci");
    add(
        &world,
        "s",
        json!({ID_FIELD: "user", SECRET_FIELD: "pass"}),
        json!({
            "user": world.key.id, "pass": world.key.secret, "access_key_id": second.id, "secret_access_key": second.secret,
        }),
    );
    for flag in ["refuse", "delete"] {
        assert_eq!(world.run(&["rotate", "--foreign-keys", flag]).code, Some(1));
        assert_holds(&world, "s", ["user", "pass"], &world.key.id);
        assert_eq!(world.key_ids(), [world.key.id.clone(), second.id.clone()]);
        assert_eq!(world.cluster.annotation(NAMESPACE, "s", JOURNAL), None);
    }
}

#[test]
fn secrets_with_different_data_keys_for_one_key_are_rotated_together() {
    let world = with_named_fields(&[]);
    world.add_key_secret("ordinary", &world.key.id, &world.key.secret);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let [new] = &world.key_ids()[..] else {
        panic!("more than one key");
    };
    assert_holds(&world, "s", ["user", "pass"], new);
    assert_holds(&world, "ordinary", ["access_key_id", "secret_access_key"], new);
    assert_eq!(world.cloud.create_count("ci"), 1);
}

#[test]
fn what_an_annotation_cannot_name_is_told_and_nothing_is_asked() {
    let named = |annotation: &str| format!("(named by annotation `{annotation}`)");
    let (by_id, by_secret) = (named(ID_FIELD), named(SECRET_FIELD));
    let no_data_key = |annotation: &str, text: &str, default: &str| {
        format!(
            "annotation `{annotation}` is `{text}`, which is no data key; expected at most 253 letters, digits, `-`, `_` \
             and `.`; without the annotation it is `{default}`"
        )
    };
    for (annotations, why) in [
        (json!({ID_FIELD: ""}), no_data_key(ID_FIELD, "", "access_key_id")),
        (
            json!({SECRET_FIELD: " "}),
            no_data_key(SECRET_FIELD, "", "secret_access_key"),
        ),
        (
            json!({ID_FIELD: "../id"}),
            no_data_key(ID_FIELD, "../id", "access_key_id"),
        ),
        (
            json!({SECRET_FIELD: "a, b"}),
            no_data_key(SECRET_FIELD, "a, b", "secret_access_key"),
        ),
        (
            json!({ID_FIELD: "user", SECRET_FIELD: "user"}),
            format!(
                "the access key id is to be in data key `user` {by_id} and the secret access key in data key `user` \
                 {by_secret}; name two data keys"
            ),
        ),
        (
            json!({ID_FIELD: "secret_access_key"}),
            format!(
                "the access key id is to be in data key `secret_access_key` {by_id} and the secret access key in data key \
                 `secret_access_key`; name two data keys"
            ),
        ),
        (
            json!({ID_FIELD: "user", SECRET_FIELD: "absent"}),
            format!("data key `absent` {by_secret} is missing; the Secret needs `user` and `absent`"),
        ),
        (
            json!({ID_FIELD: "user"}),
            "data key `secret_access_key` is missing; the Secret needs `user` and `secret_access_key`".to_owned(),
        ),
        (
            json!({ID_FIELD: "empty", SECRET_FIELD: "pass"}),
            format!("the value of data key `empty` {by_id} is empty; put the key pair of an IAM user there"),
        ),
        (
            json!({ID_FIELD: "pass", SECRET_FIELD: "user"}),
            format!(
                "the value of data key `pass` {by_id} is no access key id; expected 16 to 128 capital letters and digits, \
                 such as AKIAIOSFODNN7EXAMPLE (are the two values swapped?)"
            ),
        ),
    ] {
        let world = World::new();
        let data = json!({"user": world.key.id, "pass": world.key.secret, "empty": " "});
        add(&world, "s", annotations, data);
        let before = state(&world);
        let run = world.run(&["rotate"]);
        assert_eq!(run.log(&world), [format!("ERROR t/s: {why}"), FAILED.into()]);
        assert_eq!(run.code, Some(1));
        assert!(state(&world) == before, "something was changed");
        assert_eq!(world.aws.operations(), Vec::<String>::new());
    }
}

/// Somebody has put the secret itself where its data key is to be named.
#[test]
fn a_secret_in_place_of_a_data_keys_name_is_not_shown() {
    let world = with_named_fields(&[]);
    let secret = world.key.secret.clone();
    // As an annotation it is theirs, and no leak of ours.
    world.cluster.edit(NAMESPACE, "s", &|s| {
        s["metadata"]["annotations"][SECRET_FIELD] = json!(secret)
    });
    let run = world.program(crate::support::program::under_test()).arg("rotate").run();
    assert!(!run.stderr.contains(&secret), "the secret was printed");
    assert_eq!(run.code, Some(1));
}

/// Before each write somebody names other data keys: none at all that is there, and those of another user's pair.
#[test]
fn annotations_that_change_midway_cost_no_key_that_is_in_use() {
    std::thread::scope(|scope| {
        for names in [["gone", "pass"], ["other-user", "other-pass"]] {
            for write in 0..4 {
                scope.spawn(move || changed_midway(names, write));
            }
        }
    });
}

fn changed_midway(names: [&'static str; 2], write: usize) {
    let world = World::new();
    world.cloud.add_user("deploy");
    let AccessKey { id, secret } = world.cloud.add_key("deploy");
    add(
        &world,
        "s",
        json!({ID_FIELD: "user", SECRET_FIELD: "pass"}),
        json!({"user": world.key.id, "pass": world.key.secret, "other-user": id, "other-pass": secret}),
    );
    let name_fields = |cluster: &Cluster, names: [&str; 2]| {
        cluster.edit(NAMESPACE, "s", &|s| {
            s["metadata"]["annotations"][ID_FIELD] = json!(names[0]);
            s["metadata"]["annotations"][SECRET_FIELD] = json!(names[1]);
        });
    };
    let change = to_cluster(&world, move |cluster| name_fields(cluster, names));
    world.kube.script().some(PUT, write, 1, Fault::CallBefore(change));
    let said = world.run(&["rotate"]).log(&world);
    let told = format!("{names:?} at write {write}: {said:?}");
    // Whoever reads the old data keys finds a pair that works.
    let held = world.value("s", "user");
    assert_eq!(world.cloud.status_of(&held), Some(Status::Active), "{told}");
    assert_holds(&world, "s", ["user", "pass"], &held);
    assert_holds(&world, "s", ["other-user", "other-pass"], &id);
    assert_eq!(world.cloud.status_of(&id), Some(Status::Active), "{told}");

    name_fields(&world.cluster, ["user", "pass"]);
    world.run(&["rotate"]);
    let last = world.run(&["rotate"]);
    assert_eq!(last.code, Some(0), "{told}, then {:?}", last.log(&world));
    let [key] = &world.key_ids()[..] else {
        panic!("more than one key: {told}");
    };
    assert_holds(&world, "s", ["user", "pass"], key);
    assert_eq!(world.cluster.annotation(NAMESPACE, "s", JOURNAL), None);
}

#[test]
fn who_put_a_dead_key_there_is_told_for_the_data_key_that_is_named() {
    let world = with_named_fields(&[]);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let new = world.value("s", "user");
    let old = world.key.id.clone();
    world
        .cluster
        .edit_as("kubectl-client-side-apply", NAMESPACE, "s", &|secret| {
            secret["data"]["user"] = json!(base64_of(&world.key.id));
            secret["data"]["pass"] = json!(base64_of(&world.key.secret));
        });
    // Somebody else writes another value of the Secret later.
    world.cluster.edit_as("note-taker", NAMESPACE, "s", &|secret| {
        secret["data"]["note"] = json!(base64_of("x"));
    });
    let said = idle_run(&world, &["rotate"], 1, &[(&old, "OLD"), (&new, "CURRENT")]);
    assert!(
        said[0].contains("and `kubectl-client-side-apply` on TIME has put OLD there since"),
        "{said:?}"
    );
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
