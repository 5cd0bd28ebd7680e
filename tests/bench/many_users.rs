//! How long users that wait for their keys take together: `cargo bench --bench many_users`.
//!
//! One user, and then three hundred, whose new keys are accepted ten seconds after they were made, over TCP and TLS, with
//! the release binary.

// Clippy compiles a benchmark as a test, but without the harness that would run the support's own.
#![cfg_attr(test, allow(unused_imports))]

#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::program::{World, under_test};

const PROPAGATION: Duration = Duration::from_secs(10);

fn main() {
    for users in [1, 300] {
        let world = World::new();
        world.cloud.propagation_delay(PROPAGATION);
        for number in 0..users {
            let user = format!("user-{number:03}");
            world.cloud.add_user(&user);
            let key = world.cloud.add_key(&user);
            world.add_key_secret(&user, &key.id, &key.secret);
        }
        let start = Instant::now();
        let run = world.check(world.program(under_test()).arg("rotate"));
        let took = start.elapsed();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let requests = world.aws.operations().len() + world.kube.operations().len();
        println!("{users} users: {:.1} s, {requests} requests", took.as_secs_f64());
    }
}
