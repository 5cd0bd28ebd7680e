//! Whose logins they are: a Secret in another namespace, a role, other data keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{LIST, REGISTRY, TOKEN, add_annotated, assert_login, expires_at, issued, last_login, world_with};
use crate::support::program::{NAMESPACE, VERBS, World, under_test};
use crate::support::script::Fault;
use crate::support::story::told;

/// A request that is held longer than this hangs; shorter than the program's own time-out.
const HANGS: Duration = Duration::from_secs(40);

const ROLE: &str = "arn:aws:iam::123456789012:role/pull";

/// The pair of the user in namespace `keys`, which the program may read where `verbs` says so.
fn with_source_elsewhere(verbs: &[&str]) -> World {
    let world = World::new();
    world.cluster.add_namespace("keys");
    world.cluster.add_secret(json!({
        "metadata": {"name": "s", "namespace": "keys"},
        "stringData": {"access_key_id": world.key.id, "secret_access_key": world.key.secret},
    }));
    let rules = [(NAMESPACE, VERBS), ("keys", verbs)];
    world
        .files
        .file("token", world.cluster.token("system:serviceaccount:t:rotate", &rules));
    add_annotated(&world, "pull", &[("secret", "keys/s"), ("region", "eu-west-1")]);
    world
}

#[test]
fn the_key_may_be_in_another_namespace() {
    let world = with_source_elsewhere(&["get"]);
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_login(&world, "pull", REGISTRY, &last_login(&world));
    assert_eq!(issued(&world), [("eu-west-1".to_owned(), world.key.id.clone())]);
}

#[test]
fn a_key_that_may_not_be_read_is_named_with_the_right_that_is_missing() {
    let world = with_source_elsewhere(&[]);
    add_annotated(&world, "zzz", &[("region", "eu-west-1")]);
    world.add_key_secret("s", &world.key.id, &world.key.secret);
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        run.log(&world)[0],
        "ERROR t/pull: annotation `aws-ecr-updater/secret` names Secret keys/s, which may not be read: Kubernetes: get keys/s at \
         KUBE: Forbidden (403): secrets \"s\" is forbidden: User \"system:serviceaccount:t:rotate\" cannot get resource \
         \"secrets\" in API group \"\" in the namespace \"keys\"; grant the verb `get` on `secrets` by a Role and a RoleBinding"
    );
    assert_eq!(world.value("pull", ".dockerconfigjson"), "{}");
    // The rest goes on.
    assert_login(&world, "zzz", REGISTRY, &last_login(&world));
    assert_eq!(run.code, Some(1));
}

#[test]
fn a_role_is_assumed_once_in_each_region_for_all_its_secrets() {
    let world = world_with("{}");
    world.cloud.add_role("pull");
    world.cloud.require_external_id("pull", "tenant-7");
    let annotations = [
        ("role-arn", ROLE),
        ("external-id", "tenant-7"),
        ("region", "eu-west-1,us-west-2"),
    ];
    add_annotated(&world, "by-role", &annotations);
    add_annotated(&world, "by-role-too", &annotations);
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(
        world.aws.operations(),
        ["AssumeRole", TOKEN, "AssumeRole", TOKEN, TOKEN]
    );
    assert_eq!(
        told(&world, &run, &[(&world.key.id, "KEY")])[0],
        format!(
            "INFO  t/by-role: logins to {REGISTRY}, 123456789012.dkr.ecr.us-west-2.amazonaws.com with key KEY as role `{ROLE}` are valid until TIME"
        )
    );
    let signed = issued(&world);
    assert!(signed[0].1.starts_with("ASIA") || signed[1].1.starts_with("ASIA"));
    assert_eq!(signed.iter().filter(|(_, key)| *key == world.key.id).count(), 1);
}

#[test]
fn a_role_that_asks_for_an_external_id_says_so() {
    let world = world_with("{}");
    world.cloud.add_role("pull");
    world.cloud.require_external_id("pull", "tenant-7");
    add_annotated(&world, "by-role", &[("role-arn", ROLE), ("region", "eu-west-1")]);
    let run = world.run(&["ecr-update"]);
    let line = told(&world, &run, &[(&world.key.id, "KEY")])[0].clone();
    assert_eq!(
        line,
        format!(
            "ERROR t/by-role: role `{ROLE}`: AssumeRole with key KEY at AWS: AccessDenied (403, request id ID): User: \
             arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: {ROLE}; \
             allow `sts:AssumeRole` on the role to the user or role that these credentials belong to, and let the role's trust \
             policy name them, and the external id if it asks for one (the key is from Secret t/s)"
        )
    );
    assert_eq!(run.code, Some(1));
    assert_login(&world, "pull", REGISTRY, &last_login(&world));
}

#[test]
fn a_role_may_be_assumed_with_the_credentials_of_this_machine() {
    let world = World::new();
    world.cloud.add_role("pull");
    world.cloud.add_user("machine");
    let machine = world.cloud.add_key("machine");
    world.add_ambient_pull_secret("pull", "eu-west-1");
    super::annotate(&world, "pull", "role-arn", ROLE);
    let run = world.check(
        world
            .program(under_test())
            .arg("ecr-update")
            .env("AWS_ACCESS_KEY_ID", &machine.id)
            .env("AWS_SECRET_ACCESS_KEY", &machine.secret),
    );
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(world.aws.operations(), ["AssumeRole", TOKEN]);
    assert_eq!(
        told(&world, &run, &[(&machine.id, "KEY")])[0],
        format!(
            "INFO  t/pull: login to {REGISTRY} with key KEY of the environment as role `{ROLE}` is valid until TIME"
        )
    );
}

#[test]
fn what_is_no_role_or_no_external_id_is_refused_before_anything_is_asked() {
    let role = "expected the ARN of a role, such as `arn:aws:iam::123456789012:role/pull`";
    for (annotations, line) in [
        (
            &[("role-arn", "pull")][..],
            format!("annotation `aws-ecr-updater/role-arn` is `pull`; {role}"),
        ),
        (
            &[("role-arn", "arn:aws:iam::1234:role/pull")],
            format!("annotation `aws-ecr-updater/role-arn` is `arn:aws:iam::1234:role/pull`; {role}"),
        ),
        (
            &[("external-id", "tenant-7")],
            "annotation `aws-ecr-updater/external-id` says nothing without `aws-ecr-updater/role-arn`; add the role, or remove it"
                .to_owned(),
        ),
        (
            &[("role-arn", ROLE), ("external-id", "a b")],
            "annotation `aws-ecr-updater/external-id` is no external id; expected 2 to 1224 letters, digits and `_+=,.@:/-`"
                .to_owned(),
        ),
    ] {
        let world = World::with_key_secret();
        add_annotated(&world, "pull", &[("region", "eu-west-1")]);
        for (name, value) in annotations {
            super::annotate(&world, "pull", name, value);
        }
        let run = world.run(&["ecr-update"]);
        assert_eq!((run.log(&world)[0].as_str(), run.code), (format!("ERROR t/pull: {line}").as_str(), Some(1)));
        assert_eq!(world.kube.operations(), [LIST]);
        assert_eq!(world.aws.operations(), Vec::<String>::new());
        assert_eq!(expires_at(&world, "pull"), None);
    }
}

#[test]
fn an_annotation_with_a_slip_in_its_name_is_warned_of() {
    let world = world_with("{}");
    super::annotate(&world, "pull", "regoin", "us-west-2");
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        run.log(&world)[0],
        "WARN  t/pull: annotation `aws-ecr-updater/regoin` is not known, and is not heeded; see that its name is right"
    );
    assert_eq!(run.code, Some(0));
}

/// AWS keeps the one who asks first waiting until the other's Secret has its login.
#[test]
fn a_credential_that_waits_holds_up_no_other() {
    let world = world_with("{}");
    world.cloud.add_user("second");
    let second = world.cloud.add_key("second");
    world.add_key_secret("s2", &second.id, &second.secret);
    world.add_pull_secret("pull-2", "s2", "eu-west-1", "{}");
    let cluster = Arc::clone(&world.cluster);
    let held = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&held);
    let until_the_other_is_done = move || {
        let is_done = |name| {
            cluster
                .annotation(NAMESPACE, name, "aws-ecr-updater/expires-at")
                .is_some()
        };
        let begun = Instant::now();
        while begun.elapsed() < HANGS && held.load(Ordering::SeqCst) {
            held.store(!is_done("pull") && !is_done("pull-2"), Ordering::SeqCst);
            thread::sleep(Duration::from_millis(10));
        }
    };
    world
        .aws
        .script()
        .once(TOKEN, Fault::CallBefore(Arc::new(until_the_other_is_done)));
    assert_eq!(world.run(&["ecr-update", "--request-timeout=60s"]).code, Some(0));
    assert!(!told.load(Ordering::SeqCst), "the other one had to wait");
}
