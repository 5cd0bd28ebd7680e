//! To which registries: several regions, other accounts' and other hosts, ECR Public.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{LIST, REGISTRY, TOKEN, add_annotated, assert_login, config, count, expires_at, issued, world_with};
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::story::told;

const WEST: &str = "123456789012.dkr.ecr.us-west-2.amazonaws.com";

/// The login that was issued for that region, as `auth` holds it.
fn login_of(world: &World, region: &str) -> String {
    let tokens = world.cloud.tokens_issued();
    let token = tokens.iter().rfind(|token| token.region == region).expect("a login");
    STANDARD.encode(format!("AWS:{}", token.password))
}

#[test]
fn several_regions_in_one_secret() {
    let world = World::with_key_secret();
    add_annotated(&world, "pull", &[("region", "eu-west-1, us-west-2,eu-west-1")]);
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        told(&world, &run, &[(&world.key.id, "KEY")]),
        [
            format!("INFO  t/pull: logins to {REGISTRY}, {WEST} with key KEY are valid until TIME"),
            "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 1 refreshed, 0 failed"
                .to_owned(),
        ]
    );
    assert_eq!(world.aws.operations(), [TOKEN, TOKEN]);
    assert_login(&world, "pull", REGISTRY, &login_of(&world, "eu-west-1"));
    assert_login(&world, "pull", WEST, &login_of(&world, "us-west-2"));
}

#[test]
fn further_registries_get_the_login_of_their_own_region() {
    let world = World::with_key_secret();
    let others = [
        ("210987654321.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        ("210987654321.dkr.ecr-fips.us-west-2.amazonaws.com", "us-west-2"),
        ("ecr-public.aws.com", "public"),
    ];
    let hosts: Vec<&str> = others.iter().map(|(host, _)| *host).collect();
    let named = format!("{}, {REGISTRY}", hosts.join(","));
    add_annotated(&world, "pull", &[("region", "eu-west-1"), ("registries", &named)]);
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(world.aws.operations(), [TOKEN, TOKEN, TOKEN]);
    assert_login(&world, "pull", REGISTRY, &login_of(&world, "eu-west-1"));
    for (host, region) in others {
        assert_login(&world, "pull", host, &login_of(&world, region));
    }
    // Where only a further registry was asked for, the account's own gets no entry.
    assert_eq!(config(&world, "pull")["auths"].as_object().unwrap().len(), 5);
}

#[test]
fn further_registries_alone_need_no_region() {
    let world = World::with_key_secret();
    let host = "210987654321.dkr.ecr.us-west-2.amazonaws.com";
    add_annotated(&world, "pull", &[("registries", host)]);
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_login(&world, "pull", host, &login_of(&world, "us-west-2"));
    assert_eq!(config(&world, "pull")["auths"].as_object().unwrap().len(), 1);
}

#[test]
fn ecr_public_by_the_region_public() {
    let world = World::with_key_secret();
    add_annotated(&world, "pull", &[("region", "public,eu-west-1")]);
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_login(&world, "pull", "public.ecr.aws", &login_of(&world, "public"));
    assert_login(&world, "pull", REGISTRY, &login_of(&world, "eu-west-1"));
}

#[test]
fn ecr_public_needs_a_permission_of_its_own() {
    let world = World::with_key_secret();
    world.cloud.deny("ci", "ecr-public:GetAuthorizationToken");
    add_annotated(&world, "pull", &[("region", "public")]);
    let run = world.run(&["ecr-update"]);
    let line = &told(&world, &run, &[(&world.key.id, "KEY")])[0];
    assert!(
        line.starts_with(
            "ERROR t/pull: GetAuthorizationToken with key KEY at AWS: AccessDeniedException (400, request id ID):"
        ) && line.contains("`ecr-public:GetAuthorizationToken`"),
        "{line}"
    );
}

#[test]
fn what_is_no_registry_is_refused_before_anything_is_asked() {
    let expected = "expected `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, with `ecr-fips` for FIPS, or `ACCOUNT.dkr-ecr.REGION.on.aws` for \
                    dual-stack, without a scheme, a port or a path";
    for (value, line) in [
        (
            "ghcr.io",
            format!("`ghcr.io` is no host of an ECR registry; {expected}"),
        ),
        (
            "https://210987654321.dkr.ecr.us-west-2.amazonaws.com",
            format!("`https://210987654321.dkr.ecr.us-west-2.amazonaws.com` is no host of an ECR registry; {expected}"),
        ),
    ] {
        let world = World::with_key_secret();
        add_annotated(&world, "pull", &[("region", "eu-west-1"), ("registries", value)]);
        let run = world.run(&["ecr-update"]);
        let line = format!("ERROR t/pull: annotation `aws-ecr-updater/registries`: {line}");
        assert_eq!((run.log(&world)[0].as_str(), run.code), (line.as_str(), Some(1)));
        assert_eq!(world.kube.operations(), [LIST]);
    }
    for (name, what) in [("registries", "the host of a registry"), ("region", "a region")] {
        let world = world_with("{}");
        super::annotate(&world, "pull", name, "eu-west-1,,");
        if name == "registries" {
            super::annotate(&world, "pull", name, &format!("{REGISTRY},"));
        }
        let run = world.run(&["ecr-update"]);
        assert_eq!(
            run.log(&world)[0],
            format!(
                "ERROR t/pull: annotation `aws-ecr-updater/{name}` has a comma without {what} beside it; expected them with one \
                 comma in between"
            )
        );
    }
}

/// What could be had is written, what could not stays, and so does the time that speaks of the first of them.
#[test]
fn a_region_that_fails_keeps_no_other_from_its_login() {
    let world = World::with_key_secret();
    add_annotated(&world, "pull", &[("region", "eu-west-1,us-west-2")]);
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let (old_west, old_end) = (login_of(&world, "us-west-2"), expires_at(&world, "pull"));
    world.cloud.regions(&["eu-west-1"]);
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(1));
    let line = &told(&world, &run, &[(&world.key.id, "KEY")])[0];
    assert!(
        line.starts_with(&format!(
            "ERROR t/pull: login to {REGISTRY} with key KEY is valid until TIME; but GetAuthorizationToken with key KEY at AWS: "
        )) && line.ends_with("; what was there for it stays"),
        "{line}"
    );
    assert_login(&world, "pull", REGISTRY, &login_of(&world, "eu-west-1"));
    assert_login(&world, "pull", WEST, &old_west);
    assert_eq!(expires_at(&world, "pull"), old_end);
    // The record of what is good is gone, so that the next run tries again whatever `renew-within` says.
    world.cloud.regions(&["eu-west-1", "us-west-2"]);
    let run = world.run(&["ecr-update", "--renew-within=1h"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_login(&world, "pull", WEST, &login_of(&world, "us-west-2"));
}

#[test]
fn a_thousand_secrets_of_ten_sources_in_three_regions_need_thirty_logins() {
    let world = World::new();
    let regions = ["eu-west-1", "us-west-2", "us-east-1"];
    for source in 0..10 {
        let user = format!("user-{source}");
        world.cloud.add_user(&user);
        let key = world.cloud.add_key(&user);
        world.add_key_secret(&format!("s-{source}"), &key.id, &key.secret);
    }
    for number in 0..1000 {
        // One in ten wants all three regions in one Secret.
        let region = if number % 10 == 9 {
            regions.join(",")
        } else {
            regions[number / 10 % 3].to_owned()
        };
        world.add_pull_secret(&format!("pull-{number}"), &format!("s-{}", number % 10), &region, "{}");
    }
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0));
    assert_eq!(
        run.log(&world)[1000],
        "INFO  ecr-update: 1000 Secrets with label aws-ecr-updater=true in namespace t: 1000 refreshed, 0 failed"
    );
    assert_eq!(world.aws.operations(), vec![TOKEN; 30]);
    let mut each = issued(&world);
    each.dedup();
    assert_eq!(each.len(), 30);
    let asked = world.kube.operations();
    // Two pages of 500, and one which shows that there are no more.
    assert_eq!(count(&asked, LIST), 3);
    let puts = asked.iter().filter(|asked| asked.starts_with("PUT")).count();
    assert_eq!((puts, asked.len()), (1000, 3 + 10 + 1000));
}

/// One region's endpoint that hangs or fails is asked once for each credential, however many Secrets want it.
#[test]
fn a_region_that_fails_is_asked_once_for_all_of_its_secrets() {
    let world = World::with_key_secret();
    for number in 0..20 {
        world.add_pull_secret(&format!("pull-{number}"), "s", "eu-west-1", "{}");
    }
    world.cloud.deny("ci", "ecr:GetAuthorizationToken");
    world.aws.script().once(TOKEN, Fault::DropBefore);
    assert_eq!(world.run(&["ecr-update"]).code, Some(1));
    assert_eq!(world.aws.operations(), [TOKEN, TOKEN]);
}
