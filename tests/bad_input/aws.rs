//! Keys that AWS does not take, and permissions that are missing there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{EXAMPLE_ID, ROTATE_FAILED, ecr_update_refuses, ecr_world, program, rotate_refuses, rotate_world, said};
use crate::support::aws::Status;
use crate::support::program::{NAMESPACE, World};
use crate::support::script::Fault;
use crate::support::server::Reply;
use crate::support::story;

const UNKNOWN: &str = "ListAccessKeys with key KEY at AWS: InvalidClientTokenId (403, request id ID): The security \
    token included in the request is invalid; the key is deleted, inactive, of another partition, or too new; put a working pair into its Secret";
const UNKNOWN_TO_ECR: &str = "GetAuthorizationToken with key KEY at AWS: UnrecognizedClientException (400, request id ID): \
    The security token included in the request is invalid; the key is deleted, inactive, of another partition, or too \
    new; put a working pair into its Secret (the key is from Secret t/s)";

/// What `rotate` says of the key in the Secret `s` that AWS does not know: AWS's answer, and who wrote the key.
fn unknown(world: &World) -> String {
    let secret = world.cluster.secret(NAMESPACE, "s").expect("the Secret");
    let writers = secret["metadata"]["managedFields"].as_array().expect("its writers");
    let wrote_the_id = |writer: &&Value| writer["fieldsV1"]["f:data"].get("f:access_key_id").is_some();
    let writer = writers.iter().find(wrote_the_id).expect("the writer of the id");
    let (manager, time) = (writer["manager"].as_str().unwrap(), writer["time"].as_str().unwrap());
    format!("{UNKNOWN}; it was written to t/s by `{manager}` on {time}; nothing was done")
}

/// Replaces a value of the Secret `s`.
fn put(world: &World, key: &str, value: &str) {
    world.cluster.edit(NAMESPACE, "s", &|secret| {
        secret["stringData"] = serde_json::json!({key: value})
    });
}

#[test]
fn a_deleted_key_is_unknown() {
    let world = rotate_world();
    world.cloud.delete_key(&world.key.id);
    rotate_refuses(&world, &unknown(&world));
    // The Secret is read once more: its key may have been replaced meanwhile.
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 2]);
    assert_eq!(world.kube.operations(), [super::LIST, super::GET_SOURCE]);

    let world = ecr_world();
    world.cloud.delete_key(&world.key.id);
    ecr_update_refuses(&world, UNKNOWN_TO_ECR);
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"]);
    // The source is read once more: its key may have been replaced meanwhile.
    assert_eq!(
        world.kube.operations(),
        [super::LIST, super::GET_SOURCE, super::GET_SOURCE]
    );
}

#[test]
fn an_inactive_key_is_unknown() {
    for status in [Status::Inactive, Status::Expired] {
        let world = rotate_world();
        world.cloud.set_status(&world.key.id, status);
        rotate_refuses(&world, &unknown(&world));
        assert_eq!(world.aws.operations(), ["ListAccessKeys"; 2]);
    }
    let world = ecr_world();
    world.cloud.set_status(&world.key.id, Status::Inactive);
    ecr_update_refuses(&world, UNKNOWN_TO_ECR);
}

#[test]
fn a_key_id_with_a_slip_is_unknown() {
    let world = rotate_world();
    put(&world, "access_key_id", EXAMPLE_ID);
    rotate_refuses(&world, &unknown(&world).replace("KEY", EXAMPLE_ID));
    let world = ecr_world();
    put(&world, "access_key_id", EXAMPLE_ID);
    ecr_update_refuses(&world, &UNKNOWN_TO_ECR.replace("KEY", EXAMPLE_ID));
}

#[test]
fn a_wrong_secret_is_told_from_an_unknown_key() {
    let wrong = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let theirs = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
        Access Key and signing method. Consult the service documentation for details";
    let advice = "the secret access key does not belong to this key id; put the right one into its Secret";
    let world = rotate_world();
    put(&world, "secret_access_key", wrong);
    rotate_refuses(
        &world,
        &format!(
            "ListAccessKeys with key KEY at AWS: SignatureDoesNotMatch (403, request id ID): {theirs}; {advice}; \
             nothing was done"
        ),
    );
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 2]);

    let world = ecr_world();
    put(&world, "secret_access_key", wrong);
    ecr_update_refuses(
        &world,
        &format!(
            "GetAuthorizationToken with key KEY at AWS: InvalidSignatureException (400, request id ID): {theirs}; {advice} \
             (the key is from Secret t/s)"
        ),
    );
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"]);
}

#[test]
fn the_account_roots_key_is_left_alone() {
    let world = World::new();
    let root = world.cloud.add_root_key();
    world.add_key_secret("s", &root.id, &root.secret);
    rotate_refuses(
        &world,
        "key NEW belongs to the account root (arn:aws:iam::123456789012:root); nothing was done; only keys of IAM users \
         are rotated: make a user, and delete the root's keys",
    );
    assert_eq!(world.aws.operations(), ["ListAccessKeys", "GetCallerIdentity"]);
    assert_eq!(world.cloud.status_of(&root.id), Some(Status::Active));
}

/// ListAccessKeys answers that the user has this key alone, in this state.
fn listed(id: &str, status: &str) -> Fault {
    Fault::ReplyInstead(Reply::new(
        200,
        "text/xml",
        format!(
            "<ListAccessKeysResponse><ListAccessKeysResult><IsTruncated>false</IsTruncated><AccessKeyMetadata><member>\
             <UserName>ci</UserName><AccessKeyId>{id}</AccessKeyId><Status>{status}</Status>\
             <CreateDate>2026-11-23T04:45:54Z</CreateDate></member></AccessKeyMetadata></ListAccessKeysResult>\
             </ListAccessKeysResponse>"
        ),
    ))
}

#[test]
fn a_key_that_is_listed_as_inactive_is_left_alone() {
    let world = rotate_world();
    world
        .aws
        .script()
        .always("ListAccessKeys", listed(&world.key.id, "Inactive"));
    rotate_refuses(
        &world,
        "key KEY of arn:aws:iam::123456789012:user/ci is inactive; nothing was done; activate it with `aws iam update-access-key --status Active --user-name ci --access-key-id KEY`, or put another pair into the Secret",
    );
}

#[test]
fn a_key_that_is_not_listed_is_left_alone() {
    let world = rotate_world();
    world
        .aws
        .script()
        .always("ListAccessKeys", listed(EXAMPLE_ID, "Active"));
    let written = unknown(&world);
    let (_, written) = written.split_once("; it was written").expect("who wrote it");
    rotate_refuses(
        &world,
        &format!(
            "key KEY in t/s is not among the keys that IAM lists for its user; it was written{written}; put a key of that \
             list into the Secret"
        ),
    );
    // Listed again until the list may be believed, and nobody was asked to do anything.
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 4]);
}

#[test]
fn a_key_that_is_no_users_is_left_alone() {
    let world = rotate_world();
    let answer = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>\
        <UserId>AROADBQP57FF2AEXAMPLE:s</UserId><Account>123456789012</Account>\
        </GetCallerIdentityResult></GetCallerIdentityResponse>";
    world.aws.script().once(
        "GetCallerIdentity",
        Fault::ReplyInstead(Reply::new(200, "text/xml", answer)),
    );
    rotate_refuses(
        &world,
        "key KEY belongs to arn:aws:sts::123456789012:assumed-role/r/s, which is no IAM user; nothing was done",
    );
    assert_eq!(world.aws.operations(), ["ListAccessKeys", "GetCallerIdentity"]);
}

/// AWS's refusal of a permission, and what the program adds.
fn denied(operation: &str, key: &str, code: &str, resource: &str) -> String {
    let service = if operation == "GetAuthorizationToken" {
        "ecr"
    } else {
        "iam"
    };
    let granted = if resource == "user ci" {
        "arn:aws:iam::123456789012:user/ci"
    } else {
        resource
    };
    format!(
        "{operation} with key {key} at AWS: {code}, request id ID): User: arn:aws:iam::123456789012:user/ci is not \
         authorized to perform: {service}:{operation} on resource: {resource} because no identity-based policy allows \
         the {service}:{operation} action; allow `{service}:{operation}` on `{granted}` to the user that owns this key"
    )
}

#[test]
fn without_the_permission_to_list_keys_nothing_is_done() {
    let world = rotate_world();
    world.cloud.deny("ci", "iam:ListAccessKeys");
    let why = denied("ListAccessKeys", "KEY", "AccessDenied (403", "user ci");
    rotate_refuses(&world, &format!("{why}; nothing was done"));
    assert_eq!(world.aws.operations(), ["ListAccessKeys"]);
}

#[test]
fn without_the_permission_to_create_a_key_the_secret_is_as_before() {
    let world = rotate_world();
    world.cloud.deny("ci", "iam:CreateAccessKey");
    let why = denied("CreateAccessKey", "KEY", "AccessDenied (403", "user ci");
    super::leaves_as_before(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            &format!("ERROR t/s: no new key was made: {why}; the Secret keeps key KEY"),
            ROTATE_FAILED,
        ],
    );
    assert_eq!(
        world.aws.operations(),
        ["ListAccessKeys", "GetCallerIdentity", "CreateAccessKey"]
    );
    // The journal, and its end.
    assert_eq!(world.kube.operations(), [super::LIST, super::PUT_KEY, super::PUT_KEY]);
}

#[test]
fn without_the_permission_to_delete_a_key_the_new_one_is_stored_and_the_old_one_is_named() {
    let world = rotate_world();
    world.cloud.deny("ci", "iam:DeleteAccessKey");

    let run = world.run(&["rotate"]);

    let why = denied("DeleteAccessKey", "KEY", "AccessDenied (403", "user ci");
    assert_eq!(
        said(&world, &run),
        [
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci".to_owned(),
            "INFO  t/s: created key NEW; waiting for AWS to accept it".into(),
            "INFO  t/s: key NEW is accepted; writing it to the Secret".into(),
            format!(
                "ERROR t/s: new key NEW is stored, but old key KEY could not be deleted: {why}; the next run tries again; by \
                 hand: `aws iam delete-access-key --user-name ci --access-key-id KEY`"
            ),
            ROTATE_FAILED.into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    let stored = world.value("s", "access_key_id");
    let keys: BTreeSet<String> = world.cloud.keys("ci").into_iter().map(|key| key.id).collect();
    assert_eq!(keys, BTreeSet::from([world.key.id.clone(), stored.clone()]));
    assert!(
        world.cloud.secret_of(&stored) == Some(world.value("s", "secret_access_key")),
        "another secret"
    );
    assert_eq!(
        world
            .aws
            .operations()
            .iter()
            .filter(|operation| *operation == "DeleteAccessKey")
            .count(),
        1
    );
}

#[test]
fn a_new_key_that_is_never_accepted_is_deleted_again() {
    for denied_to_delete in [false, true] {
        let world = rotate_world();
        world.cloud.propagation_requests(1000);
        if denied_to_delete {
            world.cloud.deny("ci", "iam:DeleteAccessKey");
        }
        let before = super::unversioned(super::state(&world)).0;

        let run = world.run(&["rotate", "--propagation-timeout=1s"]);

        let refusal = "ListAccessKeys with key NEW at AWS: InvalidClientTokenId (403, request id ID): The security token \
            included in the request is invalid";
        let ending = if denied_to_delete {
            let why = denied("DeleteAccessKey", "KEY", "AccessDenied (403", "user ci");
            format!(
                "key NEW could not be deleted again: {why}; the next run tries again; by hand, once no Secret holds it: `aws \
                 iam delete-access-key --user-name ci --access-key-id NEW`; the Secret keeps key KEY"
            )
        } else {
            "key NEW was deleted again; the Secret keeps key KEY".to_owned()
        };
        let mut expected = vec![
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci".to_owned(),
            "INFO  t/s: created key NEW; waiting for AWS to accept it".into(),
        ];
        if !denied_to_delete {
            expected.push("INFO  t/s: deleted key NEW".into());
        }
        expected.push(format!(
            "ERROR t/s: new key NEW was not accepted in time: {refusal}; {ending}"
        ));
        expected.push(ROTATE_FAILED.into());
        assert_eq!(said(&world, &run), expected);
        assert_eq!(run.code, Some(1));
        let mut after = super::unversioned(super::state(&world)).0;
        let (keys, annotations) = if denied_to_delete {
            // The journal stays, for it names the key that is still to go.
            let annotations = after[0]["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("annotations")
                .unwrap();
            (2, annotations.as_object().unwrap().keys().cloned().collect())
        } else {
            (1, Vec::new())
        };
        assert!(after == before, "the Secret was changed");
        assert_eq!(annotations, vec![story::JOURNAL; keys - 1]);
        assert_eq!(world.cloud.keys("ci").len(), keys);
        assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Active));
    }
}

#[test]
fn without_the_permission_to_get_a_login_nothing_is_written() {
    let world = ecr_world();
    world.cloud.deny("ci", "ecr:GetAuthorizationToken");
    let why = denied("GetAuthorizationToken", "KEY", "AccessDeniedException (400", "*");
    ecr_update_refuses(&world, &format!("{why} (the key is from Secret t/s)"));
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"]);
}

#[test]
fn a_region_that_aws_does_not_know_is_told_from_a_wrong_secret() {
    let advice = "Credential should be scoped to a valid region; the region is wrong: see the Secret's region annotation, \
        and `AWS_REGION`";
    // A well-formed name that is no region yet, and one that this account has not enabled.
    for (region, known) in [("eu-west-9", None), ("eu-west-1", Some("us-east-1"))] {
        let annotate = |world: &World, secret: &str, name: &str| {
            if let Some(known) = known {
                world.cloud.regions(&[known]);
            }
            world.cluster.edit(NAMESPACE, secret, &|secret| {
                secret["metadata"]["annotations"][name] = region.into();
            });
        };
        let world = rotate_world();
        annotate(&world, "s", "aws-rotate-key/region");
        rotate_refuses(
            &world,
            &format!(
                "GetCallerIdentity with key KEY at AWS: SignatureDoesNotMatch (403, request id ID): {advice}; nothing was \
                 done"
            ),
        );
        assert_eq!(world.aws.operations(), ["ListAccessKeys", "GetCallerIdentity"]);

        let world = ecr_world();
        annotate(&world, "pull", "aws-ecr-updater/region");
        ecr_update_refuses(
            &world,
            &format!(
                "GetAuthorizationToken with key KEY at AWS: InvalidSignatureException (400, request id ID): {advice} (the \
                 key is from Secret t/s)"
            ),
        );
        assert_eq!(world.aws.operations(), ["GetAuthorizationToken"]);
    }
}
