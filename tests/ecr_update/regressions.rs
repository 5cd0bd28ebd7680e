//! What a first version did wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_iam_credential_rotate::cli::{self, Parsed};
use aws_iam_credential_rotate::ecr_update::{Follow, Updater};
use aws_iam_credential_rotate::interrupt::Interrupt;
use aws_iam_credential_rotate::kube::Key;
use aws_iam_credential_rotate::settings::{Environment, Job, Settings};
use aws_iam_credential_rotate::{aws, http, kube};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{REGISTRY, TOKEN, add_annotated, annotate, assert_login, count, issued, last_login, world_with};
use crate::support::program::{NAMESPACE, World, under_test};

const A: &str = "210987654321.dkr.ecr.eu-west-1.amazonaws.com";
const B: &str = "210987654321.dkr.ecr.us-west-2.amazonaws.com";

/// Says on `s` when its key was put there, and takes the key away.
fn dead_key_rotated_at(world: &World, at: &str) {
    world.cluster.edit(NAMESPACE, "s", &|secret| {
        secret["metadata"]["annotations"]["aws-rotate-key/rotated-at"] = json!(at)
    });
    world.cloud.delete_key(&world.key.id);
}

#[test]
fn a_rotation_dated_into_the_future_is_not_waited_for() {
    for at in ["2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        let world = world_with("{}");
        dead_key_rotated_at(&world, at);
        assert_eq!(world.run(&["ecr-update", "--propagation-timeout=2s"]).code, Some(1));
        assert_eq!(count(&world.aws.operations(), TOKEN), 1, "{at}");
    }
}

#[test]
fn secrets_that_share_a_brand_new_key_share_each_try() {
    let world = world_with("{}");
    for number in 0..19 {
        world.add_pull_secret(&format!("pull-{number}"), "s", "eu-west-1", "{}");
    }
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    dead_key_rotated_at(&world, &now);
    let run = world.run(&["ecr-update", "--propagation-timeout=5s"]);
    assert_eq!(run.code, Some(1));
    // One try at first and one every two seconds for five seconds.
    let asked = count(&world.aws.operations(), TOKEN);
    assert!(asked <= 5, "{asked} requests for a login");
}

const ROLE: &str = "arn:aws:iam::123456789012:role/pull";

#[test]
fn a_session_that_cannot_be_had_in_one_region_is_no_failure_of_another_secrets() {
    let world = World::with_key_secret();
    world.cloud.add_role("pull");
    add_annotated(&world, "a", &[("role-arn", ROLE), ("region", "us-west-2,eu-west-1")]);
    add_annotated(&world, "b", &[("role-arn", ROLE), ("region", "eu-west-1")]);
    world.cloud.regions(&["eu-west-1"]);
    let run = world.run(&["ecr-update"]);
    assert!(
        run.log(&world).iter().any(|line| line.starts_with("INFO  t/b: ")),
        "{:?}",
        run.log(&world)
    );
    assert_login(&world, "b", REGISTRY, &last_login(&world));
    // The region that works is served in the other Secret too.
    assert_login(&world, "a", REGISTRY, &last_login(&world));
}

/// An Opaque Secret with these fields.
fn with_fields(world: &World, fields: &str, annotations: &[(&str, &str)]) {
    world.cluster.add_secret(json!({
        "metadata": {
            "name": "plain", "namespace": NAMESPACE, "labels": {"aws-ecr-updater": "true"},
            "annotations": {"aws-ecr-updater/secret": "s", "aws-ecr-updater/fields": fields},
        },
    }));
    for (name, value) in annotations {
        annotate(world, "plain", name, value);
    }
}

#[test]
fn plain_fields_for_another_registry_are_due() {
    let world = World::with_key_secret();
    with_fields(&world, "url=url,password=password", &[("registries", A)]);
    assert_eq!(world.run(&["ecr-update", "--renew-within=6h"]).code, Some(0));
    assert_eq!(world.value("plain", "url"), A);
    annotate(&world, "plain", "registries", B);
    let run = world.run(&["ecr-update", "--renew-within=6h"]);
    assert_eq!(world.value("plain", "url"), B, "{:?}", run.log(&world));
    assert_eq!(issued(&world).len(), 2);
}

#[test]
fn plain_fields_that_change_places_are_due() {
    let world = World::with_key_secret();
    with_fields(&world, "username=x,password=password", &[("registries", A)]);
    assert_eq!(world.run(&["ecr-update", "--renew-within=6h"]).code, Some(0));
    assert_eq!(world.value("plain", "x"), "AWS");
    annotate(&world, "plain", "fields", "url=x,password=password");
    let run = world.run(&["ecr-update", "--renew-within=6h"]);
    assert_eq!(world.value("plain", "x"), A, "{:?}", run.log(&world));
}

#[test]
fn plain_fields_can_be_of_a_further_registry_where_the_run_has_a_region() {
    let world = World::with_key_secret();
    with_fields(&world, "url=url,password=password", &[("registries", A)]);
    let program = world.program(under_test()).arg("ecr-update");
    let run = world.check(program.env("AWS_REGION", "eu-west-1"));
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(world.value("plain", "url"), A);
}

#[test]
fn another_key_of_this_machine_makes_it_due() {
    let world = World::new();
    world.cloud.add_user("machine");
    world.add_ambient_pull_secret("pull", "eu-west-1");
    let run = || {
        let key = world.cloud.add_key("machine");
        let run = world.check(
            world
                .program(under_test())
                .args(&["ecr-update", "--renew-within=6h"])
                .env("AWS_ACCESS_KEY_ID", &key.id)
                .env("AWS_SECRET_ACCESS_KEY", &key.secret),
        );
        (key.id, run)
    };
    let (old, first) = run();
    assert_eq!(first.code, Some(0), "{:?}", first.log(&world));
    world.cloud.delete_key(&old);
    let (_, second) = run();
    assert_eq!(issued(&world).len(), 2, "{:?}", second.log(&world));
}

/// An updater in this process, so that it can be asked to follow more than once.
fn updater(world: &World) -> Updater {
    let text = |text: &str| text.to_owned();
    let arguments = [
        text("ecr-update"),
        text("--server"),
        world.kube.url(),
        text("--token-file"),
        world.file("token"),
        text("--certificate-authority"),
        world.file("ca.crt"),
    ];
    let Ok(Parsed::Run(typed)) = cli::parse(&arguments) else {
        panic!("arguments");
    };
    let environment: Environment = [
        ("NAMESPACE", text(NAMESPACE)),
        ("AWS_ENDPOINT_URL", world.aws.url()),
        ("AWS_EC2_METADATA_DISABLED", text("true")),
    ]
    .into_iter()
    .collect();
    let settings = Settings::resolve(&typed, &environment).unwrap();
    let Job::EcrUpdate(job) = settings.job else {
        panic!("another job");
    };
    let native = |_: &kube::EksToken| Err("none".to_owned());
    let kube = kube::Client::new(settings.access, settings.kube_limits, Box::new(native));
    let http = http::Client::new(&settings.aws_connection, settings.aws_limits);
    let aws = aws::Client::new(http, settings.endpoints);
    let ambient = aws::ambient::Chain::new(settings.ambient);
    Updater::new(Arc::new(kube), Arc::new(aws), ambient, job, Interrupt::default())
}

/// A run may retire two keys of a user: the one that the run before left, and the one that it replaces itself.
#[test]
fn what_followed_once_follows_the_next_key_too() {
    let world = world_with("{}");
    let updater = updater(&world);
    let source = Key {
        namespace: NAMESPACE.to_owned(),
        name: "s".to_owned(),
    };
    let signed_by = || issued(&world).into_iter().map(|(_, key)| key).collect::<BTreeSet<_>>();
    assert_eq!(updater.follow(std::slice::from_ref(&source)), Follow::Done);
    assert!(signed_by().contains(&world.key.id));
    let fresh = world.cloud.add_key("ci");
    world.cluster.edit(NAMESPACE, "s", &|secret| {
        secret["stringData"] = json!({"access_key_id": fresh.id, "secret_access_key": fresh.secret})
    });
    assert_eq!(updater.follow(&[source]), Follow::Done);
    world.cloud.delete_key(&world.key.id);
    updater.run().unwrap();
    assert!(
        signed_by().contains(&fresh.id),
        "the old key was let go with the Secret's login still by it"
    );
    assert_login(&world, "pull", REGISTRY, &last_login(&world));
}

/// A Secret may hold both a key pair and a login.
#[test]
fn a_login_is_not_written_over_a_key_pair() {
    let world = World::with_key_secret();
    with_fields(&world, "password=secret,username=user", &[("region", "eu-west-1")]);
    world.cluster.edit(NAMESPACE, "plain", &|secret| {
        secret["metadata"]["annotations"]["aws-rotate-key/secret-access-key-field"] = json!("secret")
    });
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        run.log(&world)[0],
        "ERROR t/plain: annotation `aws-ecr-updater/fields` names the data key that `aws-rotate-key/secret-access-key-field` names; a \
         login is not written over a key pair: name another"
    );
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}
