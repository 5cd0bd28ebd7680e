//! In which form: both Docker configurations, and plain fields.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{LIST, REGISTRY, annotate, last_login, world_with};
use crate::support::program::{NAMESPACE, World};
use crate::support::story::told;

/// A world with the user's key in `s`, and the Secret `pull` of that type, which asks for fields where they are named.
fn world(secret_type: &str, data: Value, fields: Option<&str>) -> World {
    let world = World::with_key_secret();
    world.cluster.add_secret(json!({
        "metadata": {
            "name": "pull", "namespace": NAMESPACE, "labels": {"aws-ecr-updater": "true"},
            "annotations": {"aws-ecr-updater/secret": "s", "aws-ecr-updater/region": "eu-west-1"},
        },
        "type": secret_type,
        "stringData": data,
    }));
    if let Some(fields) = fields {
        annotate(&world, "pull", "fields", fields);
    }
    world
}

fn password(world: &World) -> String {
    world.cloud.tokens_issued().last().expect("a login").password.clone()
}

fn keys(world: &World) -> Vec<String> {
    let data = &world.cluster.secret(NAMESPACE, "pull").unwrap()["data"];
    data.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_legacy_form_has_its_registries_at_the_top() {
    let world = world(
        "kubernetes.io/dockercfg",
        json!({".dockercfg": r#"{"ghcr.io":{"username":"u","password":"p"},"n":1.50}"#}),
        None,
    );
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    let expected = format!(
        r#"{{"ghcr.io":{{"username":"u","password":"p"}},"n":1.50,"{REGISTRY}":{{"auth":"{}"}}}}"#,
        last_login(&world)
    );
    assert!(world.value("pull", ".dockercfg") == expected);
    assert_eq!(keys(&world), [".dockercfg"]);
    // And lasts.
    let run = world.run(&["ecr-update", "--renew-within=1h"]);
    assert_eq!((run.code, world.aws.operations().len()), (Some(0), 1));
}

#[test]
fn plain_fields_for_tools_that_read_no_docker_configuration() {
    let world = world(
        "Opaque",
        json!({"type": "helm", "enableOCI": "true", "url": "old"}),
        Some("username=username, password=password, url=url"),
    );
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(
        told(&world, &run, &[(&world.key.id, "KEY")])[0],
        format!("INFO  t/pull: login to {REGISTRY} with key KEY is valid until TIME")
    );
    assert_eq!(keys(&world), ["enableOCI", "password", "type", "url", "username"]);
    assert_eq!(world.value("pull", "username"), "AWS");
    assert!(world.value("pull", "password") == password(&world));
    assert_eq!(world.value("pull", "url"), REGISTRY);
    assert_eq!(
        (world.value("pull", "type"), world.value("pull", "enableOCI")),
        ("helm".into(), "true".into())
    );
    // A field that somebody changed makes it due.
    let run = world.run(&["ecr-update", "--renew-within=1h"]);
    assert_eq!((run.code, world.aws.operations().len()), (Some(0), 1));
    world.cluster.edit(NAMESPACE, "pull", &|secret| {
        secret["data"]["username"] = json!(STANDARD.encode("x"))
    });
    assert_eq!(world.run(&["ecr-update", "--renew-within=1h"]).code, Some(0));
    assert_eq!(world.value("pull", "username"), "AWS");
}

#[test]
fn fields_beside_a_docker_configuration() {
    let world = world(
        "kubernetes.io/dockerconfigjson",
        json!({".dockerconfigjson": "{}"}),
        Some("password=token"),
    );
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert!(world.value("pull", "token") == password(&world));
    super::assert_login(&world, "pull", REGISTRY, &last_login(&world));
}

#[test]
fn fields_of_any_other_type() {
    let world = world(
        "kubernetes.io/basic-auth",
        json!({"username": "AWS"}),
        Some("password=password"),
    );
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert!(world.value("pull", "password") == password(&world));
}

#[test]
fn fields_that_cannot_be_meant_are_refused_before_anything_is_asked() {
    for (fields, region, line) in [
        (
            "username=u",
            "eu-west-1",
            "annotation `aws-ecr-updater/fields`: no data key is named for the password; add `password=` and the data key",
        ),
        (
            "password=access_key_id",
            "eu-west-1",
            "annotation `aws-ecr-updater/fields`: the data key for `password` is `access_key_id`, which holds something else; name \
             another",
        ),
        (
            "password=p",
            "eu-west-1,us-west-2",
            "annotation `aws-ecr-updater/fields` has room for one login, and 2 registries are asked for; name one region or one \
             registry",
        ),
    ] {
        let world = world("Opaque", json!({}), Some(fields));
        annotate(&world, "pull", "region", region);
        let run = world.run(&["ecr-update"]);
        assert_eq!(run.log(&world)[0], format!("ERROR t/pull: {line}"));
        assert_eq!((run.code, world.kube.operations()), (Some(1), vec![LIST.to_owned()]));
    }
}

#[test]
fn a_helper_that_some_clients_ask_first_is_told() {
    let world = world_with(r#"{"credsStore":"desktop"}"#);
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        run.log(&world)[0],
        "WARN  t/pull: `credsStore` names a helper for all registries: `docker` asks it, and not the login in `auths`; the kubelet, \
         `podman` and `skopeo` do not"
    );
    assert_eq!(run.code, Some(0));
}
