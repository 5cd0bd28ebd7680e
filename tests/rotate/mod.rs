//! Stories of `rotate`: the ordinary one request by request, and one for each thing that can go wrong on the way.

mod lost_answers;
mod ordinary;
mod others;

use crate::support::program::World;

const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";

/// A world with the Secret `s` that holds the user's key.
fn world() -> World {
    let world = World::new();
    world.add_key_secret("s", &world.key.id.clone(), &world.key.secret.clone());
    world
}

/// The Secret holds the new key, the old one is gone, and one key was made.
fn assert_rotated(world: &World) {
    let new = world.value("s", "access_key_id");
    assert_ne!(new, world.key.id);
    assert!(world.value("s", "secret_access_key") == world.cloud.secret_of(&new).unwrap());
    assert_eq!((world.key_ids(), world.cloud.create_count("ci")), (vec![new], 1));
}

/// The Secret holds the old key, and it is the only one.
fn assert_as_before(world: &World) {
    assert_eq!(world.value("s", "access_key_id"), world.key.id);
    assert!(world.value("s", "secret_access_key") == world.key.secret);
    assert_eq!(world.key_ids(), [world.key.id.as_str()]);
}
