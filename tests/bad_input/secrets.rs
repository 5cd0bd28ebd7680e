//! What is wrong in the Secret that holds the key pair, for both jobs; and what only looks so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{add_source, changes_nothing, ecr_update_refuses, ecr_world, program, said};
use crate::support::program::{NAMESPACE, World};

/// A pair of the right form that AWS does not know; it must never come so far that AWS is asked.
const ID: &str = super::EXAMPLE_ID;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

const NO_ID: &str = "data key `access_key_id` is missing; the Secret needs `access_key_id` and `secret_access_key`";
const NO_SECRET: &str =
    "data key `secret_access_key` is missing; the Secret needs `access_key_id` and `secret_access_key`";
const EMPTY_ID: &str = "the value of data key `access_key_id` is empty; put the key pair of an IAM user there";
const EMPTY_SECRET: &str = "the value of data key `secret_access_key` is empty; put the key pair of an IAM user there";
const BINARY_ID: &str = "the value of data key `access_key_id` is not valid UTF-8; was it base64-encoded twice, or stored \
    in another encoding?";
const BINARY_SECRET: &str = "the value of data key `secret_access_key` is not valid UTF-8; was it base64-encoded twice, \
    or stored in another encoding?";
const NOT_AN_ID: &str = "the value of data key `access_key_id` is no access key id; expected 16 to 128 capital letters \
    and digits, such as AKIAIOSFODNN7EXAMPLE (are the two values swapped?)";

type Value = Option<&'static [u8]>;

/// A name, what is in `access_key_id` and in `secret_access_key`, and what is said of it.
const BAD: &[(&str, Value, Value, &str)] = &[
    ("no-data", None, None, NO_ID),
    ("no-id", None, Some(SECRET.as_bytes()), NO_ID),
    ("no-secret", Some(ID.as_bytes()), None, NO_SECRET),
    ("empty-id", Some(b""), Some(SECRET.as_bytes()), EMPTY_ID),
    ("empty-secret", Some(ID.as_bytes()), Some(b""), EMPTY_SECRET),
    ("white-id", Some(b" \t"), Some(SECRET.as_bytes()), EMPTY_ID),
    ("white-secret", Some(ID.as_bytes()), Some(b"\r\n"), EMPTY_SECRET),
    (
        "binary-id",
        Some(b"AKIAIOSFODNN7EX\xc4MPLE"),
        Some(SECRET.as_bytes()),
        BINARY_ID,
    ),
    (
        "binary-secret",
        Some(ID.as_bytes()),
        Some(b"\xff\xfew\0J\0a\0l\0"),
        BINARY_SECRET,
    ),
    ("swapped", Some(SECRET.as_bytes()), Some(ID.as_bytes()), NOT_AN_ID),
    ("short-id", Some(b"AKIAIOSFODNN7EX"), Some(SECRET.as_bytes()), NOT_AN_ID),
    (
        "spaced-id",
        Some(b"AKIAIOSFODNN7 EXAMPLE"),
        Some(SECRET.as_bytes()),
        NOT_AN_ID,
    ),
    (
        "quoted-id",
        Some(b"\"AKIAIOSFODNN7EXAMPLE\""),
        Some(SECRET.as_bytes()),
        NOT_AN_ID,
    ),
    (
        "two-lines",
        Some(b"AKIAIOSFODNN7EXAMPLE\nAKIAIOSFODNN7EXAMPLE"),
        Some(SECRET.as_bytes()),
        NOT_AN_ID,
    ),
];

fn add(world: &World, name: &str, labels: serde_json::Value, id: Value, secret: Value) {
    let mut data = json!({});
    for (key, value) in [("access_key_id", id), ("secret_access_key", secret)] {
        if let Some(value) = value {
            data[key] = STANDARD.encode(value).into();
        }
    }
    let metadata = json!({"name": name, "namespace": NAMESPACE, "labels": labels});
    world.cluster.add_secret(json!({"metadata": metadata, "data": data}));
}

#[test]
fn each_bad_secret_is_named_and_none_keeps_a_good_one_from_its_turn() {
    let world = World::new();
    let mut expected = Vec::new();
    for (name, id, secret, why) in BAD {
        add(&world, name, json!({"aws-rotate-key": "true"}), *id, *secret);
        expected.push(format!("ERROR t/{name}: {why}"));
    }
    expected.sort();
    // One sorts before the bad ones, one behind them.
    world.cloud.add_user("last");
    let last = world.cloud.add_key("last");
    world.add_key_secret("a-good-one", &world.key.id, &world.key.secret);
    world.add_key_secret("z-good-one", &last.id, &last.secret);
    let before: Vec<_> = BAD
        .iter()
        .map(|(name, ..)| world.cluster.secret(NAMESPACE, name))
        .collect();

    let run = world.run(&["rotate"]);

    let log = said(&world, &run);
    assert_eq!(log[..BAD.len()], expected);
    assert_eq!(
        log.last().map(String::as_str),
        Some("INFO  rotate: 16 Secrets with label aws-rotate-key=true in namespace t: 2 rotated, 14 failed")
    );
    assert_eq!(run.code, Some(1));
    assert!(!run.stderr.contains(SECRET), "a secret was printed");
    for (name, user) in [("a-good-one", "ci"), ("z-good-one", "last")] {
        let keys = world.cloud.keys(user);
        assert_eq!(
            keys.iter().map(|key| &key.id).collect::<Vec<_>>(),
            [&world.value(name, "access_key_id")]
        );
        assert_ne!(keys[0].id, if user == "ci" { &*world.key.id } else { &*last.id });
    }
    let after: Vec<_> = BAD
        .iter()
        .map(|(name, ..)| world.cluster.secret(NAMESPACE, name))
        .collect();
    assert!(before == after, "a bad Secret was changed");
}

#[test]
fn a_bad_source_is_named_and_keeps_no_other_image_pull_secret_from_its_turn() {
    let world = ecr_world();
    let mut expected = Vec::new();
    for (name, id, secret, why) in BAD {
        add(&world, name, json!({}), *id, *secret);
        let pull = format!("by-{name}");
        world.add_pull_secret(&pull, name, "eu-west-1", "{}");
        expected.push(format!(
            "ERROR t/{pull}: annotation `aws-ecr-updater/secret` names Secret t/{name}: {why}"
        ));
    }
    expected.sort();

    let run = world.run(&["ecr-update"]);

    let log = said(&world, &run);
    assert_eq!(log[..BAD.len()], expected);
    assert_eq!(
        log.last().map(String::as_str),
        Some("INFO  ecr-update: 15 Secrets with label aws-ecr-updater=true in namespace t: 1 refreshed, 14 failed")
    );
    assert_eq!(run.code, Some(1));
    for (name, ..) in BAD {
        assert_eq!(world.value(&format!("by-{name}"), ".dockerconfigjson"), "{}");
    }
    assert!(
        world
            .value("pull", ".dockerconfigjson")
            .contains("123456789012.dkr.ecr.eu-west-1.amazonaws.com")
    );
}

#[test]
fn padded_and_newline_ended_values_work_and_keep_their_padding() {
    let world = World::new();
    let paddings = [
        ("newline", "", "\n"),
        ("windows", "", "\r\n"),
        ("padded", " \t", "  "),
        ("bare", "", ""),
    ];
    for (name, before, after) in paddings {
        world.cloud.add_user(name);
        let key = world.cloud.add_key(name);
        let padded = |value: &str| format!("{before}{value}{after}");
        world.add_key_secret(name, &padded(&key.id), &padded(&key.secret));
    }

    let run = world.run(&["rotate"]);

    assert_eq!(
        said(&world, &run).last().map(String::as_str),
        Some("INFO  rotate: 4 Secrets with label aws-rotate-key=true in namespace t: 4 rotated, 0 failed")
    );
    assert_eq!(run.code, Some(0));
    for (name, before, after) in paddings {
        let keys = world.cloud.keys(name);
        assert_eq!(keys.len(), 1);
        assert_eq!(
            world.value(name, "access_key_id"),
            format!("{before}{}{after}", keys[0].id)
        );
        let secret = world.cloud.secret_of(&keys[0].id).unwrap();
        assert!(
            world.value(name, "secret_access_key") == format!("{before}{secret}{after}"),
            "{name}"
        );
    }
}

#[test]
fn a_padded_source_works_for_ecr_update() {
    let world = World::new();
    add_source(
        &world,
        "s",
        &format!(" {}\n", world.key.id),
        &format!("\t{}\r\n", world.key.secret),
    );
    world.add_pull_secret("pull", "s", "eu-west-1", "{}");
    super::refreshes(&world, program(&world, &["ecr-update"]), &[]);
}

#[test]
fn an_immutable_secret_is_not_rotated() {
    let world = super::rotate_world();
    world
        .cluster
        .edit(NAMESPACE, "s", &|secret| secret["immutable"] = true.into());
    super::rotate_refuses(
        &world,
        "Secret t/s is immutable, so its key KEY cannot be rotated; nothing was done; replace the Secret by one without \
         `immutable: true`",
    );
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn an_immutable_image_pull_secret_is_not_refreshed() {
    let world = ecr_world();
    world
        .cluster
        .edit(NAMESPACE, "pull", &|secret| secret["immutable"] = true.into());
    ecr_update_refuses(
        &world,
        "the Secret is immutable; replace it by one without `immutable: true`",
    );
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn an_immutable_source_works_for_ecr_update() {
    let world = ecr_world();
    world
        .cluster
        .edit(NAMESPACE, "s", &|secret| secret["immutable"] = true.into());
    super::refreshes(&world, program(&world, &["ecr-update"]), &[]);
}

#[test]
fn a_swapped_pair_whose_secret_is_letters_and_digits_is_not_shown() {
    // More than a quarter of all secrets have neither `+` nor `/`.
    let plain = "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY";
    for job in ["rotate", "ecr-update"] {
        let world = World::new();
        world.add_key_secret("s", plain, ID);
        world.add_pull_secret("pull", "s", "eu-west-1", "{}");
        let program = program(&world, &[job]);
        let run = world.check(program.clone().env("RUST_LOG", "trace"));
        assert!(!run.stderr.contains(plain), "the secret was printed");
        let lines = if job == "rotate" {
            [format!("ERROR t/s: {NOT_AN_ID}"), super::ROTATE_FAILED.to_owned()]
        } else {
            [
                format!("ERROR t/pull: annotation `aws-ecr-updater/secret` names Secret t/s: {NOT_AN_ID}"),
                super::ECR_FAILED.to_owned(),
            ]
        };
        changes_nothing(&world, program, 1, &[&lines[0], &lines[1]]);
        assert_eq!(world.aws.operations(), Vec::<String>::new());
    }
}

#[test]
fn one_key_id_with_two_secrets_stops_the_rotation_of_both() {
    let world = super::rotate_world();
    world.add_key_secret("t", &world.key.id, SECRET);
    changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            "ERROR t/t: key KEY is also in t/s, with another secret access key; one of the two is wrong: put the same pair \
             into both",
            "ERROR t/s: key KEY is also in t/t, which cannot be rotated with it; nothing was done; put the whole pair there, \
             or take the key out",
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed",
        ],
    );
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn half_a_pair_elsewhere_stops_the_rotation_of_the_whole_one() {
    let world = super::rotate_world();
    world.add_key_secret("same", &world.key.id, &world.key.secret);
    let metadata = |name: &str| json!({"name": name, "namespace": NAMESPACE, "labels": {"aws-rotate-key": "true"}});
    world
        .cluster
        .add_secret(json!({"metadata": metadata("half"), "stringData": {"access_key_id": world.key.id}}));
    let config = format!("[default]\naws_access_key_id = {}\n", world.key.id);
    world
        .cluster
        .add_secret(json!({"metadata": metadata("other"), "stringData": {"config": config}}));
    changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            &format!("ERROR t/half: {NO_SECRET}"),
            &format!("ERROR t/other: {NO_ID}"),
            "ERROR t/s, t/same: key KEY is also in t/half, t/other, which cannot be rotated with it; nothing was done; put \
             the whole pair there, or take the key out",
            "INFO  rotate: 4 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 4 failed",
        ],
    );
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}
