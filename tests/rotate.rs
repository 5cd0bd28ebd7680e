//! Stories of `rotate`: the ordinary one request by request, and one for each thing that can go wrong on the way.

use crate::support::program::World;

/// A world with the Secret `s` that holds the user's key.
fn world() -> World {
    let world = World::new();
    world.add_key_secret("s", &world.key.id.clone(), &world.key.secret.clone());
    world
}

#[test]
fn an_ordinary_rotation_makes_no_request_that_is_not_needed() {
    let world = world();
    let run = world.run(&["rotate"]);
    let new = world.value("s", "access_key_id");
    let old = &world.key.id;
    assert_eq!(
        run.log(&world),
        [
            format!("INFO  t/s: rotating key {old} of arn:aws:iam::123456789012:user/ci"),
            format!("INFO  t/s: created key {new}; waiting for AWS to accept it"),
            format!("INFO  t/s: key {new} is accepted; writing it to the Secret"),
            format!("INFO  t/s: deleted key {old}"),
            format!(
                "INFO  t/s: rotated: key {new} of arn:aws:iam::123456789012:user/ci replaces {old}, which is deleted"
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(0));
    assert_eq!(
        world.aws.operations(),
        [
            // Whose key is it, and is there another?
            "GetCallerIdentity",
            "ListAccessKeys",
            "CreateAccessKey",
            // Three probes of IAM and STS in a row.
            "ListAccessKeys",
            "GetCallerIdentity",
            "ListAccessKeys",
            "GetCallerIdentity",
            "ListAccessKeys",
            "GetCallerIdentity",
            "DeleteAccessKey",
        ]
    );
    let list = "GET /api/v1/namespaces/t/secrets";
    // The second list, right before the delete, looks for a Secret that still holds the old key.
    assert_eq!(world.kube.operations(), [list, "PUT /api/v1/namespaces/t/secrets/s", list]);
    assert_eq!(world.kube.recorded()[0].request.raw_query, "labelSelector=aws-rotate-key%3Dtrue&limit=500");
    assert_eq!(world.cloud.secret_of(&new).unwrap(), world.value("s", "secret_access_key"));
    assert_eq!(world.cloud.keys("ci").len(), 1);
}
