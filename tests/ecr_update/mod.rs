//! Stories of `ecr-update`: the ordinary one request by request, and one for each thing that can go wrong on the way.

mod ordinary;
mod service_accounts;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::program::World;

const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const PUT: &str = "PUT /api/v1/namespaces/t/secrets/pull";
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
