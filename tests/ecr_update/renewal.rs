//! When logins are replaced: always, or only where they are about to end or are not what is wanted.

use std::time::Duration;

use super::{LIST, PUT, REGISTRY, TOKEN, add_annotated, annotate, assert_login, expires_at, last_login, world_with};
use crate::support::program::{NAMESPACE, Run, World};
use crate::support::story::told;

const SOON: &str = "--renew-within=6h";

/// A world whose pull Secret was just refreshed.
fn refreshed() -> World {
    let world = world_with("{}");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    world
}

/// Whether a run asks for a login, writes the Secret, and is content.
fn renews(world: &World, arguments: &[&str]) -> bool {
    let (tokens, writes) = (world.cloud.tokens_issued().len(), puts(world));
    let run: Run = world.run(arguments);
    assert_eq!(run.code, Some(0), "{:?}", run.log(world));
    let renewed = (world.cloud.tokens_issued().len() - tokens, puts(world) - writes);
    assert!(renewed == (0, 0) || renewed == (1, 1), "{renewed:?}");
    assert_login(world, "pull", REGISTRY, &last_login(world));
    renewed == (1, 1)
}

fn puts(world: &World) -> usize {
    super::count(&world.kube.operations(), PUT)
}

#[test]
fn always_when_nothing_is_said() {
    let world = refreshed();
    assert!(renews(&world, &["ecr-update"]));
}

#[test]
fn a_login_that_lasts_is_left_alone_request_by_request() {
    let world = refreshed();
    let before = world.kube.operations().len();
    let run = world.run(&["ecr-update", SOON]);
    assert_eq!(
        told(&world, &run, &[]),
        [
            format!("INFO  t/pull: login to {REGISTRY} is valid until TIME, and left as before"),
            "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 0 refreshed, 1 left as they were, 0 failed"
                .to_owned(),
        ]
    );
    assert_eq!(world.kube.operations()[before..], [LIST, &format!("{LIST}/s")]);
    assert_eq!(world.aws.operations(), [TOKEN]);
}

#[test]
fn what_makes_a_login_due() {
    let world = refreshed();
    assert!(!renews(&world, &["ecr-update", SOON]));
    // Less is left. The cluster's clock counts, not this machine's.
    world.cluster.clock_offset(6 * 3600 + 600);
    assert!(renews(&world, &["ecr-update", SOON]));
    world.cluster.clock_offset(0);
    assert!(!renews(&world, &["ecr-update", SOON]));
    // The key was replaced.
    let fresh = world.cloud.add_key("ci");
    world.cluster.edit(NAMESPACE, "s", &|secret| {
        secret["stringData"] = serde_json::json!({"access_key_id": fresh.id, "secret_access_key": fresh.secret})
    });
    assert!(renews(&world, &["ecr-update", SOON]));
    assert!(!renews(&world, &["ecr-update", SOON]));
    // The value lacks the registry, or holds another login to it.
    for value in [
        "{}",
        r#"{"auths":{}}"#,
        &format!(r#"{{"auths":{{"{REGISTRY}":{{"auth":"QVdTOm9sZA=="}}}}}}"#),
    ] {
        world.cluster.edit(NAMESPACE, "pull", &|secret| {
            secret["stringData"] = serde_json::json!({".dockerconfigjson": value})
        });
        assert!(renews(&world, &["ecr-update", SOON]), "{value}");
        assert!(!renews(&world, &["ecr-update", SOON]), "{value}");
    }
    // Somebody's entry for another registry does not make it due.
    let with_another = world
        .value("pull", ".dockerconfigjson")
        .replace(r#"{"auths":{"#, r#"{"auths":{"ghcr.io":{"auth":"dTpw"},"#);
    world.cluster.edit(NAMESPACE, "pull", &|secret| {
        secret["stringData"] = serde_json::json!({".dockerconfigjson": with_another})
    });
    assert!(!renews(&world, &["ecr-update", SOON]));
    // An annotation that is gone or was changed.
    for name in ["expires-at", "logins"] {
        for value in ["", "{}", "2099-01-01T00:00:00Z"] {
            annotate(&world, "pull", name, value);
            assert!(renews(&world, &["ecr-update", SOON]), "{name} {value}");
            assert!(!renews(&world, &["ecr-update", SOON]), "{name} {value}");
        }
    }
}

#[test]
fn a_registry_or_a_role_that_is_added_makes_it_due() {
    let world = World::with_key_secret();
    add_annotated(&world, "pull", &[("region", "eu-west-1"), ("renew-within", "6h")]);
    world.cloud.add_role("pull");
    let other = "210987654321.dkr.ecr.eu-west-1.amazonaws.com";
    let run = |calls: &[&str]| {
        let before = world.aws.operations().len();
        assert_eq!(world.run(&["ecr-update"]).code, Some(0));
        assert_eq!(world.aws.operations()[before..], *calls);
    };
    run(&[TOKEN]);
    run(&[]);
    annotate(&world, "pull", "registries", other);
    run(&[TOKEN]);
    run(&[]);
    annotate(&world, "pull", "region", "eu-west-1,us-west-2");
    run(&[TOKEN, TOKEN]);
    run(&[]);
    annotate(&world, "pull", "role-arn", "arn:aws:iam::123456789012:role/pull");
    run(&["AssumeRole", TOKEN, "AssumeRole", TOKEN]);
    run(&[]);
    // Less is wanted: what is there is more than enough.
    annotate(&world, "pull", "registries", "");
    let before = expires_at(&world, "pull");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert!(expires_at(&world, "pull").is_some() && before.is_some());
}

#[test]
fn the_annotation_comes_before_the_option() {
    let world = refreshed();
    annotate(&world, "pull", "renew-within", "1h");
    assert!(!renews(&world, &["ecr-update"]));
    world.cluster.clock_offset(7 * 3600);
    assert!(!renews(&world, &["ecr-update", SOON]));
    annotate(&world, "pull", "renew-within", "12h");
    assert!(renews(&world, &["ecr-update"]));
    annotate(&world, "pull", "renew-within", "sometimes");
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        run.log(&world)[0],
        "ERROR t/pull: annotation `aws-ecr-updater/renew-within` is `sometimes`; expected numbers with units in the order d, h, m, s, \
         such as `90d`, `1d12h`, `30m` or `45s`"
    );
}

/// The source says when its key was put there: a region that does not know it yet is asked again.
#[test]
fn a_region_that_does_not_know_a_brand_new_key_is_asked_again() {
    let world = world_with("{}");
    world.cloud.propagation_requests_for("ecr", 2);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(super::count(&world.aws.operations(), TOKEN), 3);
    assert_login(&world, "pull", REGISTRY, &last_login(&world));
}

#[test]
fn a_region_that_never_knows_the_key_is_given_up_on() {
    let world = world_with("{}");
    world.cloud.propagation_delay_for("ecr", Duration::from_secs(3600));
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    world.add_pull_secret("zzz", "nobody", "eu-west-1", "{}");
    let run = world.run(&["ecr-update", "--propagation-timeout=6s"]);
    assert_eq!(run.code, Some(1));
    let log = run.log(&world);
    assert!(log[0].contains("UnrecognizedClientException"), "{log:?}");
    assert!(log[1].starts_with("ERROR t/zzz: "), "{log:?}");
    assert_eq!(world.value("pull", ".dockerconfigjson"), "{}");
}

/// A key that is dead is not waited for.
#[test]
fn a_key_that_was_not_just_rotated_is_not_waited_for() {
    let world = world_with("{}");
    world.cloud.delete_key(&world.key.id);
    assert_eq!(world.run(&["ecr-update"]).code, Some(1));
    assert_eq!(world.aws.operations(), [TOKEN]);
}
