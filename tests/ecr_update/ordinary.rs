//! The ordinary run, request by request, and what can go wrong on the way of one Secret.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{PUT, REGISTRY, TOKEN, assert_login, last_login, world_with};
use crate::support::kube::status::{internal_error, too_many_requests};
use crate::support::script::Fault;

#[test]
fn ten_secrets_that_share_a_credential_need_one_token() {
    let world = world_with("{}");
    for number in 0..9 {
        world.add_pull_secret(&format!("pull-{number}"), "s", "eu-west-1", "{}");
    }
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0));
    let expires = world
        .cluster
        .annotation("t", "pull", "aws-ecr-updater/expires-at")
        .unwrap();
    assert_eq!(
        run.log(&world)[0],
        format!(
            "INFO  t/pull: login to {REGISTRY} with key {} is valid until {expires}",
            world.key.id
        )
    );
    let last = "INFO  ecr-update: 10 Secrets with label aws-ecr-updater=true in namespace t: 10 refreshed, 0 failed";
    assert_eq!(run.log(&world)[10..], [last]);
    assert_eq!(world.aws.operations(), [TOKEN]);
    let secrets = "/api/v1/namespaces/t/secrets";
    let mut expected = vec![format!("GET {secrets}"), format!("GET {secrets}/s"), PUT.to_owned()];
    expected.extend((0..9).map(|number| format!("PUT {secrets}/pull-{number}")));
    assert_eq!(world.kube.operations(), expected);
    assert_login(&world, "pull-8", REGISTRY, &last_login(&world));
}

#[test]
fn one_token_for_each_credential_and_region() {
    let world = world_with("{}");
    world.cloud.add_user("second");
    let second = world.cloud.add_key("second");
    world.add_key_secret("s2", &second.id, &second.secret);
    // Another Secret with the same pair is the same credential.
    world.add_key_secret("s-copy", &world.key.id, &world.key.secret);
    for (name, source, region) in [
        ("a", "s", "eu-west-1"),
        ("b", "s", "us-west-2"),
        ("c", "s2", "eu-west-1"),
        ("d", "s-copy", "eu-west-1"),
        ("e", "s2", "eu-west-1"),
    ] {
        world.add_pull_secret(name, source, region, "{}");
    }
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let mut issued: Vec<(String, String)> = world
        .cloud
        .tokens_issued()
        .into_iter()
        .map(|token| (token.region, token.key_id))
        .collect();
    issued.sort();
    let mut expected = [
        ("eu-west-1", &world.key.id),
        ("us-west-2", &world.key.id),
        ("eu-west-1", &second.id),
    ]
    .map(|(region, id)| (region.to_owned(), id.clone()));
    expected.sort();
    assert_eq!(issued, expected);
}

#[test]
fn what_is_of_other_registries_stays() {
    let before = r#"{"auths":{"ghcr.io":{"username":"u","password":"p","email":"e"},"quay.io":{"identitytoken":"t"}},"credHelpers":{"gcr.io":"gcloud"},"n":1.50}"#;
    let world = world_with(before);
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let login = last_login(&world);
    let entry = format!(r#"}},"{REGISTRY}":{{"auth":"{login}"}}}},"credHelpers""#);
    assert!(world.value("pull", ".dockerconfigjson") == before.replace(r#"}},"credHelpers""#, &entry));
    // Twice: the login is another one, the rest is the same again.
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert!(
        world.value("pull", ".dockerconfigjson")
            == before.replace(r#"}},"credHelpers""#, &entry.replace(&login, &last_login(&world)))
    );
}

#[test]
fn a_value_that_is_missing_is_a_start() {
    let world = world_with("{}");
    world.cluster.add_secret(json!({
        "metadata": {
            "name": "plain", "namespace": "t", "labels": {"aws-ecr-updater": "true"},
            "annotations": {"aws-ecr-updater/secret": "s", "aws-ecr-updater/region": "eu-west-1"},
        },
    }));
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_login(&world, "plain", REGISTRY, &last_login(&world));
}

#[test]
fn the_end_of_the_login_is_annotated_in_rfc_3339() {
    let world = world_with("{}");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let text = world
        .cluster
        .annotation("t", "pull", "aws-ecr-updater/expires-at")
        .unwrap();
    let expires = time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).unwrap();
    let left = expires - time::OffsetDateTime::now_utc();
    assert!((11 * 3600..=12 * 3600).contains(&left.whole_seconds()), "{text}");
}

#[test]
fn a_write_that_fails_for_the_moment_is_made_again_on_a_fresh_copy() {
    let throttled = Fault::ReplyInstead(too_many_requests(0));
    for fault in Fault::lost_answers(internal_error).into_iter().chain([throttled]) {
        let world = world_with("{}");
        world.kube.script().once(PUT, fault.clone());
        assert_eq!(world.run(&["ecr-update"]).code, Some(0), "{fault:?}");
        assert_login(&world, "pull", REGISTRY, &last_login(&world));
        assert_eq!(world.aws.operations(), [TOKEN], "{fault:?}");
    }
}

#[test]
fn somebody_elses_login_added_meanwhile_survives() {
    let world = world_with("{}");
    let cluster = Arc::clone(&world.cluster);
    let theirs = STANDARD.encode(r#"{"auths":{"ghcr.io":{"auth":"dTpw"}}}"#);
    let edit = move || {
        cluster.edit("t", "pull", &|secret| {
            secret["data"][".dockerconfigjson"] = json!(theirs)
        })
    };
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(edit)));
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_login(&world, "pull", "ghcr.io", "dTpw");
    assert_login(&world, "pull", REGISTRY, &last_login(&world));
}

#[test]
fn a_secret_that_loses_its_label_meanwhile_is_not_written() {
    let world = world_with("{}");
    let cluster = Arc::clone(&world.cluster);
    let edit = move || cluster.edit("t", "pull", &|secret| secret["metadata"]["labels"] = json!({}));
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["ecr-update"]);
    let line = "ERROR t/pull: t/pull was replaced or lost its label meanwhile; nothing was written to it";
    assert_eq!((run.code, run.log(&world)[0].as_str()), (Some(1), line));
    assert_eq!(world.value("pull", ".dockerconfigjson"), "{}");
}

#[test]
fn a_key_that_was_replaced_meanwhile_is_read_again_once() {
    let world = world_with("{}");
    let fresh = world.cloud.add_key("ci");
    let (cloud, cluster, old) = (
        Arc::clone(&world.cloud),
        Arc::clone(&world.cluster),
        world.key.id.clone(),
    );
    let (id, secret) = (STANDARD.encode(&fresh.id), STANDARD.encode(&fresh.secret));
    let rotate = move || {
        cluster.edit("t", "s", &|s| {
            s["data"] = json!({"access_key_id": id, "secret_access_key": secret})
        });
        cloud.delete_key(&old);
    };
    world.aws.script().once(TOKEN, Fault::CallBefore(Arc::new(rotate)));
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(world.aws.operations(), [TOKEN, TOKEN]);
    assert_eq!(world.cloud.tokens_issued().last().unwrap().key_id, fresh.id);
}

#[test]
fn one_bad_secret_keeps_no_other_from_its_login() {
    let world = world_with("{}");
    world.add_pull_secret("bad", "nobody", "eu-west-1", "{}");
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        run.log(&world)[0],
        "ERROR t/bad: annotation `aws-ecr-updater/secret` names Secret t/nobody, which is not there; make it, or correct the name"
    );
    let last = "INFO  ecr-update: 2 Secrets with label aws-ecr-updater=true in namespace t: 1 refreshed, 1 failed";
    assert_eq!((run.log(&world)[2].as_str(), run.code), (last, Some(1)));
    assert_login(&world, "pull", REGISTRY, &last_login(&world));
}

#[test]
fn a_write_whose_answer_is_lost_is_not_made_twice() {
    for fault in [Fault::DropAfter, Fault::CutAnswer, Fault::ReplyAfter(internal_error())] {
        let world = world_with("{}");
        world.kube.script().once(PUT, fault.clone());
        assert_eq!(world.run(&["ecr-update"]).code, Some(0), "{fault:?}");
        let puts = world
            .kube
            .operations()
            .iter()
            .filter(|operation| *operation == PUT)
            .count();
        assert_eq!(puts, 1, "{fault:?}");
    }
}

#[test]
fn a_secret_made_anew_meanwhile_is_not_written() {
    let world = world_with("{}");
    let cluster = Arc::clone(&world.cluster);
    let remake = move || {
        let mut secret = cluster.secret("t", "pull").unwrap();
        cluster.remove("t", "pull");
        secret["metadata"] = json!({"name": "pull", "namespace": "t", "labels": {"aws-ecr-updater": "true"}});
        cluster.add_secret(secret);
    };
    world.kube.script().once(PUT, Fault::CallBefore(Arc::new(remake)));
    assert_eq!(world.run(&["ecr-update"]).code, Some(1));
    assert_eq!(world.value("pull", ".dockerconfigjson"), "{}");
}

#[test]
fn what_failed_once_is_not_asked_for_again() {
    let world = world_with("{}");
    world.add_pull_secret("pull-2", "s", "eu-west-1", "{}");
    world.add_pull_secret("lost-1", "nobody", "eu-west-1", "{}");
    world.add_pull_secret("lost-2", "nobody", "eu-west-1", "{}");
    world.cloud.deny("ci", "ecr:GetAuthorizationToken");
    assert_eq!(world.run(&["ecr-update"]).code, Some(1));
    assert_eq!(world.aws.operations(), [TOKEN]);
    let secrets = "GET /api/v1/namespaces/t/secrets";
    // The two sources are read at the same time.
    let mut asked = world.kube.operations();
    asked.sort();
    let expected = [secrets.to_owned(), format!("{secrets}/nobody"), format!("{secrets}/s")];
    assert_eq!(asked, expected);
}
