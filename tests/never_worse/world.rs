//! The world: Secrets of every kind that `ecr-update` refreshes, some for the first time and some after an earlier run, and
//! Secrets that are not to be touched.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::cases;
use crate::support::kube::Cluster;
use crate::support::program::{NAMESPACE, Program, Run, World, under_test};

/// The Secrets to refresh, in the order of their turns.
pub(super) const PULLS: [&str; 4] = ["fields", "fresh", "kept", "legacy"];

/// A password of another registry.
const PASSWORD: &str = "planted/PASSWORD+of+a+registry/dckr_pat_0123456789abcdef";
const EXTERNAL_ID: &str = "external-id-of-a-role";

pub(super) fn registry(region: &str) -> String {
    format!("123456789012.dkr.ecr.{region}.amazonaws.com")
}

/// A world in which all of [`PULLS`] but `fresh` have been refreshed once, and nothing is recorded of that.
pub(super) fn world() -> World {
    let world = World::with_key_secret();
    world.cloud.login_step(60);
    world.cloud.hide(PASSWORD);
    world.cloud.add_role("pull");
    world.cloud.require_external_id("pull", EXTERNAL_ID);
    world.cloud.add_user("second");
    let second = world.cloud.add_key("second");
    world.add_key_secret("s2", &second.id, &second.secret);
    fields(&world);
    kept(&world);
    legacy(&world);
    strangers(&world);
    let run = world.program(under_test()).arg("ecr-update").run();
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    add(
        &world,
        json!({"name": "fresh", "annotations": {"aws-ecr-updater/secret": "s", "aws-ecr-updater/region": "eu-west-1"}}),
        ("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "{}"})),
    );
    world.aws.forget();
    world.kube.forget();
    world
}

/// Plain fields, by a session of a role.
fn fields(world: &World) {
    let annotations = json!({
        "aws-ecr-updater/secret": "s", "aws-ecr-updater/region": "eu-west-1",
        "aws-ecr-updater/role-arn": "arn:aws:iam::123456789012:role/pull", "aws-ecr-updater/external-id": EXTERNAL_ID,
        "aws-ecr-updater/fields": "username=user,password=pass,url=host", "note": "kept",
    });
    let metadata = json!({"name": "fields", "annotations": annotations});
    add(world, metadata, ("Opaque", json!({"z.example": "not a login"})));
}

/// Two regions, among entries of others in many forms; one host in two spellings.
fn kept(world: &World) {
    let annotations = json!({
        "aws-ecr-updater/secret": "t/s", "aws-ecr-updater/region": "eu-west-1,us-west-2", "note": "kept",
    });
    let auth = STANDARD.encode("AWS:of long ago");
    let host = registry("eu-west-1");
    let value = format!(
        r#"{{"credHelpers":{{"gcr.io":"gcloud"}}, "auths":{{"z.example":{{"username":"u","password":"{PASSWORD}"}},
        "{host}":{{"auth":"{auth}","email":"e@example"}},"quay.io":{{"identitytoken":"t\u002b1", "n":1.50}},
        "https://{host}":{{"auth":"{auth}"}}}},"HttpHeaders":{{}},"n":1e2}}"#
    );
    let metadata = json!({"name": "kept", "annotations": annotations});
    let value = json!({".dockerconfigjson": value, "note": "kept"});
    add(world, metadata, ("kubernetes.io/dockerconfigjson", value));
}

/// The older form, with a registry of another account.
fn legacy(world: &World) {
    let annotations = json!({
        "aws-ecr-updater/secret": "s2", "aws-ecr-updater/region": "us-west-2",
        "aws-ecr-updater/registries": "210987654321.dkr.ecr.us-west-2.amazonaws.com", "note": "kept",
    });
    let value = format!(r#"{{"z.example":{{"auth":"dTpw", "n":1.50}}, "y.example":{{"password":"{PASSWORD}"}}}}"#);
    let metadata = json!({"name": "legacy", "annotations": annotations});
    add(
        world,
        metadata,
        ("kubernetes.io/dockercfg", json!({".dockercfg": value})),
    );
}

fn add(world: &World, mut metadata: Value, (kind, data): (&str, Value)) {
    metadata["namespace"] = json!(NAMESPACE);
    metadata["labels"] = json!({"aws-ecr-updater": "true", "team": "a"});
    let secret = json!({"metadata": metadata, "type": kind, "stringData": data});
    world.cluster.add_secret(secret);
}

/// Secrets that look like those to refresh and are not: without the label, with another value of it, out of scope.
fn strangers(world: &World) {
    let value = json!({"auths": {registry("eu-west-1"): {"auth": STANDARD.encode("AWS:theirs")}}}).to_string();
    for (namespace, name, labels) in [
        (NAMESPACE, "unlabelled", json!({})),
        (NAMESPACE, "off", json!({"aws-ecr-updater": "false"})),
        ("elsewhere", "fresh", json!({"aws-ecr-updater": "true"})),
    ] {
        world.cluster.add_secret(json!({
            "metadata": {
                "name": name, "namespace": namespace, "labels": labels,
                "annotations": {"aws-ecr-updater/secret": "s", "aws-ecr-updater/region": "eu-west-1"},
            },
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": value},
        }));
    }
}

/// `ecr-update` at the most verbose level: [`World::check`] looks for what is secret in all that it prints.
pub(super) fn update(world: &World) -> Program {
    world.program(under_test()).arg("ecr-update").env("RUST_LOG", "trace")
}

/// Every Secret as it is stored, by namespace and name.
pub(super) type Stored = BTreeMap<String, Value>;

pub(super) fn stored(cluster: &Cluster) -> Stored {
    let secret = |key: String| {
        let (namespace, name) = key.split_once('/').expect("namespace/name");
        let secret = cluster.secret(namespace, name)?;
        Some((key, secret))
    };
    cluster.names().into_iter().filter_map(secret).collect()
}

/// What a run said to people, and how it ended. What it says at the most verbose level would hide that.
pub(super) fn told(world: &World, run: &Run) -> Vec<String> {
    let is_verbose = |line: &String| ["DEBUG", "TRACE"].iter().any(|level| line.starts_with(level));
    let mut lines = cases::lines(world, run);
    lines.retain(|line| !is_verbose(line));
    lines
}

pub(super) fn expect(is_so: bool, else_what: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(else_what.to_owned()) }
}

pub(super) fn nothing(found: Option<String>) -> Result<(), String> {
    found.map_or(Ok(()), Err)
}
