//! Stories of `ecr-update`: the ordinary one request by request, and one for each thing that can go wrong on the way.

mod copies;
mod forms;
mod ordinary;
mod registries;
mod regressions;
mod renewal;
mod service_accounts;
mod sources;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::program::{NAMESPACE, World};

const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const PUT: &str = "PUT /api/v1/namespaces/t/secrets/pull";
const LIST: &str = "GET /api/v1/namespaces/t/secrets";
const TOKEN: &str = "GetAuthorizationToken";

/// A world with the user's key in the Secret `s` and an image-pull Secret `pull` for eu-west-1.
fn world_with(config: &str) -> World {
    let world = World::new();
    world.add_key_secret("s", &world.key.id.clone(), &world.key.secret.clone());
    world.add_pull_secret("pull", "s", "eu-west-1", config);
    world
}

fn config(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.value(name, ".dockerconfigjson")).unwrap()
}

/// The login that the stand-in issued last, as `auth` holds it.
fn last_login(world: &World) -> String {
    STANDARD.encode(format!("AWS:{}", world.cloud.tokens_issued().last().unwrap().password))
}

/// Compares without printing either side.
fn assert_login(world: &World, name: &str, registry: &str, login: &str) {
    assert!(
        config(world, name)["auths"][registry]["auth"] == login,
        "{name} does not hold the login to {registry}"
    );
}

/// Stores the image-pull Secret `name` with these annotations beside the one that names `s`, which may be among them.
fn add_annotated(world: &World, name: &str, annotations: &[(&str, &str)]) {
    world.cluster.add_secret(json!({
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": {"aws-ecr-updater": "true"},
            "annotations": {"aws-ecr-updater/secret": "s"},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{}"},
    }));
    for (annotation, value) in annotations {
        annotate(world, name, annotation, value);
    }
}

/// Sets an annotation of `ecr-update`, without its prefix.
fn annotate(world: &World, name: &str, annotation: &str, value: &str) {
    world.cluster.edit(NAMESPACE, name, &|secret| {
        secret["metadata"]["annotations"][format!("aws-ecr-updater/{annotation}")] = json!(value)
    });
}

fn expires_at(world: &World, name: &str) -> Option<String> {
    world.cluster.annotation(NAMESPACE, name, "aws-ecr-updater/expires-at")
}

/// The logins issued, as region and key id, sorted.
fn issued(world: &World) -> Vec<(String, String)> {
    let mut issued: Vec<_> = world
        .cloud
        .tokens_issued()
        .into_iter()
        .map(|token| (token.region, token.key_id))
        .collect();
    issued.sort();
    issued
}

/// How many requests there were of that kind.
fn count(operations: &[String], operation: &str) -> usize {
    operations.iter().filter(|known| *known == operation).count()
}
