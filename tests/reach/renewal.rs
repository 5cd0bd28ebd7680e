//! Token files that are replaced while the program runs, as the kubelet replaces them.

use std::fs;
use std::sync::Arc;

use super::kubeconfig::{by_config, config};
use crate::support::program::{NAMESPACE, VERBS, World};
use crate::support::script::Fault;

const LIST: &str = "GET /api/v1/namespaces/t/secrets";
const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";

/// Replaces the token and has the old one refused while a request with the old one is on its way.
fn replaced(world: &World) -> Fault {
    let fresh = world.cluster.token("fresh", &[(NAMESPACE, VERBS)]);
    let (cluster, path) = (world.cluster.clone(), world.file("token"));
    Fault::CallBefore(Arc::new(move || {
        cluster.revoke(&fs::read_to_string(&path).unwrap());
        fs::write(&path, &fresh).unwrap();
    }))
}

/// The operations that were answered with 401.
fn unauthorized(world: &World) -> Vec<String> {
    let refused = world
        .kube
        .recorded()
        .into_iter()
        .filter(|request| request.status == Some(401));
    refused.map(|request| request.operation).collect()
}

#[test]
fn a_request_that_a_new_token_overtook_is_asked_once_more() {
    for operation in [LIST, PUT] {
        let world = World::with_key_secret();
        world.kube.script().once(operation, replaced(&world));
        let run = world.run(&["rotate"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        world.assert_rotated();
        assert_eq!(unauthorized(&world), [operation]);
    }
}

#[test]
fn the_same_goes_for_the_token_file_of_a_kubeconfig() {
    let world = World::with_key_secret();
    world.kube.script().once(PUT, replaced(&world));
    let run = world.check(by_config(
        &world,
        &config(&world.kube.url(), "tokenFile: token"),
        &["rotate"],
    ));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    world.assert_rotated();
    assert_eq!(unauthorized(&world), [PUT]);
}

#[test]
fn the_same_token_is_not_shown_twice() {
    for user in ["tokenFile: token", "token: TOKEN", "username: u, password: p"] {
        let world = World::new();
        let token = fs::read_to_string(world.file("token")).unwrap();
        world.cluster.revoke(&token);
        let config = config(&world.kube.url(), &user.replace("TOKEN", &token));
        let run = world.check(by_config(&world, &config, &["rotate"]));
        let not_accepted = if user.starts_with("token") {
            "the token is not accepted: expired, or of another cluster; get a new one"
        } else {
            "the user name or the password is not accepted; correct them in the kubeconfig"
        };
        assert_eq!(
            run.log(&world),
            [format!(
                "ERROR Kubernetes: list Secrets in namespace t at KUBE: Unauthorized (401): Unauthorized; {not_accepted}"
            )]
        );
        assert_eq!(run.code, Some(1));
        assert_eq!(world.kube.operations(), [LIST]);
    }
}
