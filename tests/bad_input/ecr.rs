//! What is wrong with an image-pull Secret, with its annotations, or with ECR's answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ECR_FAILED, GET_SOURCE, LIST, changes_nothing, ecr_update_refuses, ecr_world, program, refreshes};
use crate::support::aws::html_page;
use crate::support::program::{NAMESPACE, World};
use crate::support::script::Fault;
use crate::support::server::Reply;

const SOURCE: &str = "aws-ecr-updater/secret";
const REGION: &str = "aws-ecr-updater/region";

/// A world in which the image-pull Secret has this annotation, or lacks it.
fn with_annotation(name: &str, value: Option<&str>) -> World {
    let world = ecr_world();
    let value = value.map_or(Value::Null, Value::from);
    world.cluster.edit(NAMESPACE, "pull", &|secret| match &value {
        Value::Null => {
            secret["metadata"]["annotations"].as_object_mut().unwrap().remove(name);
        }
        value => secret["metadata"]["annotations"][name] = value.clone(),
    });
    world
}

#[test]
fn a_missing_region_is_asked_for() {
    for absent in [None, Some(""), Some(" ")] {
        let world = with_annotation(REGION, absent);
        ecr_update_refuses(
            &world,
            "annotation `aws-ecr-updater/region` is missing or empty; it names the registry's region, such as `eu-west-1`, as `AWS_REGION` may",
        );
        assert_eq!(world.kube.operations(), [LIST]);
        assert_eq!(world.aws.operations(), Vec::<String>::new());
    }
}

#[test]
fn a_missing_region_is_that_of_the_environment() {
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        let world = with_annotation(REGION, None);
        refreshes(&world, program(&world, &["ecr-update"]).env(variable, "eu-west-1"), &[]);
        assert_eq!(world.cloud.tokens_issued()[0].region, "eu-west-1");
    }
}

#[test]
fn a_malformed_region_is_refused_before_anything_is_asked() {
    for bad in [
        "europe",
        "eu-west",
        "EU-WEST-1",
        "eu-west-1.evil.example/",
        "https://eu-west-1",
        "eu_west_1",
    ] {
        let world = with_annotation(REGION, Some(bad));
        ecr_update_refuses(
            &world,
            &format!(
                "annotation `aws-ecr-updater/region`: `{bad}` is no AWS region; expected a name such as `us-east-1` or \
                 `cn-north-1`, or `public` for ECR Public"
            ),
        );
        assert_eq!(world.aws.operations(), Vec::<String>::new());
    }
}

#[test]
fn a_missing_or_malformed_source_is_named() {
    for (absent, says) in [
        (
            None,
            "annotation `aws-ecr-updater/secret` is missing, and there are no AWS credentials: `AWS_ACCESS_KEY_ID` is not set, no \
             profile `default` (no `config` or `credentials` file is there), `AWS_WEB_IDENTITY_TOKEN_FILE` is not set, \
             `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` and `AWS_CONTAINER_CREDENTIALS_FULL_URI` are not set, and \
             `AWS_EC2_METADATA_DISABLED` is set; set one of these",
        ),
        (
            Some("  "),
            "annotation `aws-ecr-updater/secret` is empty; it names the Secret with the key pair; remove it to \
             use the credentials of this machine",
        ),
    ] {
        let world = with_annotation(SOURCE, absent);
        ecr_update_refuses(&world, says);
        assert_eq!(world.kube.operations(), [LIST]);
    }
    for bad in ["s?watch=true", "S", "s%2f..", "..", "s#"] {
        let world = with_annotation(SOURCE, Some(bad));
        ecr_update_refuses(
            &world,
            &format!(
                "annotation `aws-ecr-updater/secret`: `{bad}` is no name of a Secret; expected at most 253 lower-case \
                 letters, digits, `-` and `.`, beginning and ending with a letter or digit"
            ),
        );
        assert_eq!(world.kube.operations(), [LIST]);
    }
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY";
    for (bad, shown) in [
        ("../x", "../x"),
        ("A/x", "A/x"),
        ("a/B", "a/B"),
        ("/x", "/x"),
        ("a/b/c", "a/b/c"),
        (secret, "[…]"),
    ] {
        let world = with_annotation(SOURCE, Some(bad));
        ecr_update_refuses(
            &world,
            &format!(
                "annotation `aws-ecr-updater/secret`: `{shown}` names no Secret; expected `name` or `namespace/name`, in lower-case \
                 letters, digits, `-` and `.`"
            ),
        );
        assert_eq!(world.kube.operations(), [LIST]);
    }
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let world = with_annotation(SOURCE, Some("nobody"));
    ecr_update_refuses(
        &world,
        "annotation `aws-ecr-updater/secret` names Secret t/nobody, which is not there; make it, or correct the name",
    );
    assert_eq!(
        world.kube.operations(),
        [LIST, "GET /api/v1/namespaces/t/secrets/nobody"]
    );
}

/// A world with an image-pull Secret of this type and this value.
fn with_value(kind: &str, key: &str, value: &str) -> World {
    let world = ecr_world();
    world.cluster.remove(NAMESPACE, "pull");
    world.cluster.add_secret(json!({
        "metadata": {
            "name": "pull", "namespace": NAMESPACE, "labels": {"aws-ecr-updater": "true"},
            "annotations": {SOURCE: "s", REGION: "eu-west-1"},
        },
        "type": kind,
        "data": {key: STANDARD.encode(value)},
    }));
    world
}

#[test]
fn a_docker_configuration_that_is_no_object_is_left_as_it_is() {
    for (bad, place) in [
        ("not JSON", " (line 1, column 2)"),
        ("{", " (line 1, column 1)"),
        ("[]", ""),
        ("\"{}\"", ""),
        ("null", ""),
        ("{\"auths\": {}} x", " (line 1, column 15)"),
        ("e30=", " (line 1, column 1)"),
        ("\u{feff}{}", " (line 1, column 1)"),
    ] {
        let world = with_value("Opaque", ".dockerconfigjson", bad);
        ecr_update_refuses(
            &world,
            &format!(
                "the value of `.dockerconfigjson` is no JSON object{place}; it is left as it is: mend it, or set it to `{{}}`"
            ),
        );
    }
}

#[test]
fn auths_that_is_no_object_is_left_as_it_is() {
    for bad in [r#"{"auths":[]}"#, r#"{"auths":"x"}"#, r#"{"auths":{},"auths":7}"#] {
        let world = with_value("kubernetes.io/dockerconfigjson", ".dockerconfigjson", bad);
        ecr_update_refuses(
            &world,
            "`auths` in the value of `.dockerconfigjson` is no JSON object; it is left as it is: mend it, or set it to `{}`",
        );
    }
}

#[test]
fn a_secret_of_a_type_that_holds_no_logins_is_refused() {
    let world = with_value("kubernetes.io/basic-auth", "username", "AWS");
    ecr_update_refuses(
        &world,
        "the Secret's type is `kubernetes.io/basic-auth`; expected `kubernetes.io/dockerconfigjson`, or annotation \
         `aws-ecr-updater/fields` for plain fields",
    );
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn one_bad_image_pull_secret_keeps_no_other_from_its_turn() {
    let world = ecr_world();
    world.add_pull_secret("a", "s", "nowhere", "{}");
    world.add_pull_secret("z", "nobody", "eu-west-1", "{}");
    let run = world.run(&["ecr-update"]);
    let log = super::said(&world, &run);
    assert_eq!(log.len(), 4);
    assert!(log[1].starts_with("INFO  t/pull: login to 123456789012.dkr.ecr.eu-west-1.amazonaws.com with key KEY"));
    assert_eq!(
        log[3],
        "INFO  ecr-update: 3 Secrets with label aws-ecr-updater=true in namespace t: 1 refreshed, 2 failed"
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(
        (
            world.value("a", ".dockerconfigjson"),
            world.value("z", ".dockerconfigjson")
        ),
        ("{}".into(), "{}".into())
    );
}

/// ECR's answer with this login in it.
fn answer(login: Value) -> String {
    json!({"authorizationData": [login]}).to_string()
}

fn login(token: &str, endpoint: &str) -> Value {
    json!({"authorizationToken": token, "proxyEndpoint": endpoint, "expiresAt": 1_795_409_154.5})
}

#[test]
fn an_answer_of_ecr_without_a_usable_login_is_refused() {
    let json = "application/x-amz-json-1.1";
    let endpoint = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let token = STANDARD.encode("AWS:hunter2hunter2");
    let no_token = "the answer's `authorizationToken` is not base64 of `AWS:<password>`";
    let no_registry = "the answer names no registry (`proxyEndpoint` is missing or no URL)";
    let no_expiry = "the answer's `expiresAt` is missing or no time";
    let without = |field: &str| {
        let mut login = login(&token, endpoint);
        login.as_object_mut().unwrap().remove(field);
        login
    };
    let mut late = login(&token, endpoint);
    late["expiresAt"] = json!(1e300);
    for (body, why) in [
        (
            r#"{"authorizationData":[]}"#.to_owned(),
            "the answer holds no login (`authorizationData` is missing or empty)",
        ),
        (
            "{}".to_owned(),
            "the answer holds no login (`authorizationData` is missing or empty)",
        ),
        (answer(json!({})), no_registry),
        (answer(without("proxyEndpoint")), no_registry),
        (answer(without("authorizationToken")), no_token),
        (answer(without("expiresAt")), no_expiry),
        (answer(login("%%%not-base64%%%", endpoint)), no_token),
        (answer(login("", endpoint)), no_token),
        (answer(login(&STANDARD.encode("hunter2hunter2"), endpoint)), no_token),
        (answer(login(&STANDARD.encode("AWS:"), endpoint)), no_token),
        (answer(login(&STANDARD.encode(b"AWS:\xff\xfe"), endpoint)), no_token),
        (answer(login(&token, "")), no_registry),
        (
            answer(login(&token, "123456789012.dkr.ecr.eu-west-1.amazonaws.com")),
            no_registry,
        ),
        (answer(login(&token, "https://")), no_registry),
        (answer(login(&token, "https://a\"b")), no_registry),
        (answer(late), no_expiry),
    ] {
        refused(Reply::new(200, json, body), why);
    }
}

#[test]
fn an_answer_that_is_not_ecrs_is_refused() {
    let json = "application/x-amz-json-1.1";
    for body in [
        "",
        "null",
        "{\"authorizationData\":",
        "<html></html>",
        r#"{"authorizationData":{}}"#,
        r#"{"authorizationData":[7]}"#,
    ] {
        let length = body.len();
        refused(
            Reply::new(200, json, body),
            &format!("expected ECR's JSON, got status 200 with a body of {length} bytes, `application/x-amz-json-1.1`"),
        );
    }
    let page = html_page(200);
    let length = page.body.len();
    refused(
        page,
        &format!("expected ECR's JSON, got status 200 with a body of {length} bytes, `text/html; charset=utf-8`"),
    );
}

/// ECR answers like this, and it is reported like that.
#[track_caller]
fn refused(reply: Reply, why: &str) {
    let world = ecr_world();
    world
        .aws
        .script()
        .once("GetAuthorizationToken", Fault::ReplyInstead(reply));
    let log = [
        &format!(
            "ERROR t/pull: GetAuthorizationToken with key KEY at AWS: {why}; see that the address is AWS's, and what stands between (the key is from Secret t/s)"
        ),
        ECR_FAILED,
    ];
    changes_nothing(&world, program(&world, &["ecr-update"]), 1, &log);
    assert_eq!(world.kube.operations(), [LIST, GET_SOURCE]);
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"]);
}
