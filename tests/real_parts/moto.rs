//! `rotate` and `ecr-update` against moto, which checks signatures and policies with code that shares nothing with this
//! project's. What came of it is read by `kubectl` and the AWS CLI.

pub(crate) mod server;
mod stories;

use serde_json::Value;

use self::server::{Moto, UNKNOWN_KEY, pair};
use crate::support::program::{NAMESPACE, Run, World};
use crate::tools::{kubectl, output, pair_by_kubectl, program, run, value_by_kubectl};

/// A run of the program with moto for AWS.
fn run_at(moto: &Moto, world: &World, command: &str) -> Run {
    let run = run(world, program(world).arg(command).env("AWS_ENDPOINT_URL", &moto.url));
    assert_eq!(world.aws.operations(), Vec::<String>::new(), "moto was passed over");
    run
}

const MAY_ROTATE: &[&str] = &["rotate-policy"];

#[test]
fn after_each_of_two_rotations_the_new_pair_works_and_the_old_one_is_refused() {
    let (moto, [first]) = Moto::with_users([("ci", MAY_ROTATE)]);
    let world = World::new();
    let admin = world.cluster.token_for_admin();
    world.add_key_secret("s", &first.id, &first.secret);
    let mut old = first;
    for _ in 0..2 {
        let run = run_at(&moto, &world, "rotate");
        let new = pair_by_kubectl(&world, &admin, "s");
        assert_eq!(
            run.log(&world),
            [
                format!(
                    "INFO  t/s: rotating key {} of arn:aws:iam::123456789012:user/ci",
                    old.id
                ),
                format!("INFO  t/s: created key {}; waiting for AWS to accept it", new.id),
                format!("INFO  t/s: key {} is accepted; writing it to the Secret", new.id),
                format!("INFO  t/s: deleted key {}", old.id),
                format!(
                    "INFO  t/s: rotated: key {} of arn:aws:iam::123456789012:user/ci replaces {}, which is deleted",
                    new.id, old.id
                ),
                "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed".into(),
            ]
        );
        assert_eq!(run.code, Some(0));
        assert!(new.id != old.id && new.secret != old.secret);
        assert_eq!(moto.keys(&new), [new.id.as_str()]);
        assert_eq!(moto.refusal(&old), UNKNOWN_KEY);
        old = new;
    }
}

/// That moto refuses what is wrongly signed is what makes it a judge of the rest.
#[test]
fn a_wrong_secret_is_refused_and_nothing_is_touched() {
    let (moto, [right]) = Moto::with_users([("ci", MAY_ROTATE)]);
    let world = World::new();
    world.add_key_secret("s", &right.id, "wrong/but/as/long/as/a/real/secret/key/is");
    let run = run_at(&moto, &world, "rotate");
    assert_eq!(
        run.log(&world),
        [
            format!(
                "ERROR t/s: ListAccessKeys with key {} at {}: SignatureDoesNotMatch (403, request id ID): The request \
                 signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
                 signing method. Consult the service documentation for details; the secret access key does not belong to \
                 this key id; put the right one into its Secret; nothing was done",
                right.id,
                moto.address()
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(moto.keys(&right), [right.id.as_str()]);
    assert_eq!(world.cluster.writes(NAMESPACE, "s").len(), 1);
}

#[test]
fn the_pull_secret_gets_the_login_that_the_aws_cli_gets_and_keeps_other_registries() {
    let (moto, [first]) = Moto::with_users([("ci", &["rotate-policy", "ecr-policy"])]);
    let world = World::new();
    let admin = world.cluster.token_for_admin();
    world.add_key_secret("s", &first.id, &first.secret);
    let others = r#"{"auths":{"ghcr.io":{"username":"octocat","password":"kept"}},"credHelpers":{"x":"y"}}"#;
    world.add_pull_secret("pull", "s", "eu-west-1", others);

    assert_eq!(run_at(&moto, &world, "rotate").code, Some(0));
    let new = pair_by_kubectl(&world, &admin, "s");
    let run = run_at(&moto, &world, "ecr-update");
    let registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    // moto's logins have all ended in 2015.
    assert_eq!(
        run.log(&world),
        [
            format!(
                "INFO  t/pull: login to {registry} with key {} is valid until 2015-01-01T00:00:00Z",
                new.id
            ),
            "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 1 refreshed, 0 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(0));

    let told = moto.aws(&new, &["ecr", "get-authorization-token", "--region", "eu-west-1"]);
    let told = &told["authorizationData"][0];
    assert_eq!(told["proxyEndpoint"], format!("https://{registry}"));
    let mut expected: Value = serde_json::from_str(others).unwrap();
    expected["auths"][registry] = serde_json::json!({"auth": told["authorizationToken"]});
    let stored: Value = serde_json::from_str(&value_by_kubectl(&world, &admin, "pull", ".dockerconfigjson")).unwrap();
    assert_eq!(stored, expected);
    let expires = "jsonpath={.metadata.annotations.aws-ecr-updater/expires-at}";
    let expires = output(kubectl(&world, &admin).args(&["get", "secret", "pull", "-o", expires]));
    assert_eq!(expires, "2015-01-01T00:00:00Z");
}

#[test]
fn a_key_that_somebody_else_made_stops_the_rotation_before_anything_is_touched() {
    let (moto, [own]) = Moto::with_users([("ci", MAY_ROTATE)]);
    let foreign = pair(&moto.aws(&own, &["iam", "create-access-key"]));
    let world = World::new();
    world.add_key_secret("s", &own.id, &own.secret);
    let run = run_at(&moto, &world, "rotate");
    let log = run.log(&world);
    let user = "arn:aws:iam::123456789012:user/ci";
    let listed = moto.aws(&own, &["iam", "list-access-keys"]);
    let keys = listed["AccessKeyMetadata"].as_array().unwrap();
    let made = keys
        .iter()
        .find(|key| key["AccessKeyId"] == foreign.id.as_str())
        .expect("the foreign key is still there");
    let day = &made["CreateDate"].as_str().unwrap()[..10];
    assert_eq!(
        log,
        [
            format!(
                "ERROR t/s: {user} has another key beside {}: {} (active, made {day}); no Secret with the label holds it and \
                 no record names it, so it is not touched; nothing was done; if nobody uses it, delete it with `aws iam \
                 delete-access-key --user-name ci --access-key-id {}`, then run again (or let this program do it: \
                 `--foreign-keys`)",
                own.id, foreign.id, foreign.id
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.cluster.writes(NAMESPACE, "s").len(), 1);
    // Both still work, and there is no third.
    for pair in [&own, &foreign] {
        assert_eq!(moto.keys(pair), [own.id.as_str(), &foreign.id]);
    }
    // What the message advises helps.
    moto.aws(&own, &["iam", "delete-access-key", "--access-key-id", &foreign.id]);
    assert_eq!(run_at(&moto, &world, "rotate").code, Some(0));
}

#[test]
fn users_that_may_are_rotated_and_one_that_may_not_shows_in_the_exit_code() {
    let (moto, [one, none, two]) =
        Moto::with_users([("one", MAY_ROTATE), ("none", &["ecr-policy"]), ("two", MAY_ROTATE)]);
    let world = World::new();
    let admin = world.cluster.token_for_admin();
    for (name, pair) in [("a", &one), ("b", &none), ("c", &two)] {
        world.add_key_secret(name, &pair.id, &pair.secret);
    }
    let run = run_at(&moto, &world, "rotate");
    let log = run.log(&world);
    let errors: Vec<&String> = log.iter().filter(|line| !line.starts_with("INFO")).collect();
    assert_eq!(
        errors,
        [&format!(
            "ERROR t/b: ListAccessKeys with key {} at {}: AccessDenied (403, request id ID): User: \
             arn:aws:iam::123456789012:user/none is not authorized to perform: iam:ListAccessKeys; allow \
             `iam:ListAccessKeys` on `arn:aws:iam::123456789012:user/none` to the user that owns this key; nothing was done",
            none.id,
            moto.address()
        )]
    );
    assert_eq!(
        log.last().map(String::as_str),
        Some("INFO  rotate: 3 Secrets with label aws-rotate-key=true in namespace t: 2 rotated, 1 failed")
    );
    assert_eq!(run.code, Some(1));
    for (name, old) in [("a", &one), ("c", &two)] {
        let new = pair_by_kubectl(&world, &admin, name);
        assert_eq!(moto.keys(&new), [new.id.as_str()]);
        assert_eq!(moto.refusal(old), UNKNOWN_KEY);
    }
    assert!(pair_by_kubectl(&world, &admin, "b") == none);
    assert_eq!(world.cluster.writes(NAMESPACE, "b").len(), 1);
}
