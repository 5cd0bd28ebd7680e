//! What the API server refuses, and answers of it that are none.

use super::{
    GET_SOURCE, LIST, PUT_KEY, PUT_PULL, ROTATE_FAILED, changes_nothing, ecr_update_refuses, ecr_world, program,
    refreshes, rotate_world, said,
};
use crate::support::aws::html_page;
use crate::support::kube::status::{overloaded, service_unavailable, status_reply, too_many_requests};
use crate::support::program::{NAMESPACE, World};
use crate::support::script::Fault;
use crate::support::server::Reply;

const USER: &str = "system:serviceaccount:t:rotate";

/// From now on the token of the world's file grants these verbs.
fn grant(world: &World, namespace: &str, verbs: &[&str]) {
    world
        .files
        .file("token", world.cluster.token(USER, &[(namespace, verbs)]));
}

/// The run ends at the list, for this reason.
#[track_caller]
fn no_list(world: &World, job: &str, why: &str) {
    let line = format!("ERROR Kubernetes: list Secrets in namespace t at KUBE: {why}");
    changes_nothing(world, program(world, &[job]), 1, &[&line]);
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn without_the_permission_to_list_secrets_nothing_is_done() {
    let why = "Forbidden (403): secrets is forbidden: User \"system:serviceaccount:t:rotate\" cannot list resource \
        \"secrets\" in API group \"\" in the namespace \"t\"; grant the verb `list` on `secrets` by a Role and a RoleBinding";
    for job in ["rotate", "ecr-update"] {
        let world = if job == "rotate" { rotate_world() } else { ecr_world() };
        grant(&world, NAMESPACE, &["get", "update"]);
        no_list(&world, job, why);
        assert_eq!(world.kube.operations(), [LIST]);
    }
}

#[test]
fn without_the_permission_for_all_namespaces_nothing_is_done() {
    let world = rotate_world();
    changes_nothing(
        &world,
        program(&world, &["rotate", "-A"]),
        1,
        &[
            "ERROR Kubernetes: list Secrets in all namespaces at KUBE: Forbidden (403): secrets is forbidden: User \
           \"system:serviceaccount:t:rotate\" cannot list resource \"secrets\" in API group \"\" at the cluster scope; \
           grant the verb `list` on `secrets` by a Role and a RoleBinding",
        ],
    );
}

#[test]
fn without_the_permission_to_get_secrets_no_login_is_asked_for() {
    let world = ecr_world();
    grant(&world, NAMESPACE, &["list", "update"]);
    ecr_update_refuses(
        &world,
        "Kubernetes: get t/s at KUBE: Forbidden (403): secrets \"s\" is forbidden: User \
         \"system:serviceaccount:t:rotate\" cannot get resource \"secrets\" in API group \"\" in the namespace \"t\"; grant \
         the verb `get` on `secrets` by a Role and a RoleBinding",
    );
    assert_eq!(world.kube.operations(), [LIST, GET_SOURCE]);
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn without_the_permission_to_update_secrets_no_login_is_stored() {
    let world = ecr_world();
    grant(&world, NAMESPACE, &["list", "get"]);
    ecr_update_refuses(
        &world,
        "Kubernetes: update t/pull at KUBE: Forbidden (403): secrets \"pull\" is forbidden: User \
         \"system:serviceaccount:t:rotate\" cannot update resource \"secrets\" in API group \"\" in the namespace \"t\"; \
         grant the verb `update` on `secrets` by a Role and a RoleBinding",
    );
    assert_eq!(world.kube.operations(), [LIST, GET_SOURCE, PUT_PULL]);
}

#[test]
fn without_the_permission_to_update_secrets_the_new_key_is_deleted_again() {
    let world = rotate_world();
    grant(&world, NAMESPACE, &["list", "get"]);
    let why = "Kubernetes: update t/s at KUBE: Forbidden (403): secrets \"s\" is forbidden: User \
        \"system:serviceaccount:t:rotate\" cannot update resource \"secrets\" in API group \"\" in the namespace \"t\"; \
        grant the verb `update` on `secrets` by a Role and a RoleBinding";
    changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            "INFO  t/s: created key NEW; waiting for AWS to accept it",
            "INFO  t/s: key NEW is accepted; writing it to the Secret",
            &format!("WARN  t/s: {why}"),
            "INFO  t/s: deleted key NEW",
            &format!(
                "ERROR t/s: the new key could not be stored: {why}; it was deleted again, the Secret keeps key KEY"
            ),
            ROTATE_FAILED,
        ],
    );
    assert_eq!(world.kube.operations(), [LIST, PUT_KEY]);
    assert_eq!(world.cloud.create_count("ci"), 1);
}

#[test]
fn a_token_that_is_not_valid_is_refused() {
    for job in ["rotate", "ecr-update"] {
        let world = if job == "rotate" { rotate_world() } else { ecr_world() };
        world
            .cluster
            .revoke(std::fs::read_to_string(world.file("token")).unwrap().trim());
        no_list(
            &world,
            job,
            "Unauthorized (401): Unauthorized; the token is not accepted: expired, or of another cluster",
        );
        assert_eq!(world.kube.operations(), [LIST]);
    }
}

#[test]
fn a_namespace_that_is_not_there_has_no_secrets() {
    let world = rotate_world();
    grant(&world, "nowhere", &["list"]);
    changes_nothing(
        &world,
        program(&world, &["rotate", "--namespace=nowhere"]),
        0,
        &["INFO  rotate: 0 Secrets with label aws-rotate-key=true in namespace nowhere; nothing to do"],
    );
}

#[test]
fn a_list_that_is_none_is_refused() {
    let page = html_page(200).body.len();
    let in_json = |status, body: &str| Reply::new(status, "application/json", body);
    for (reply, why) in [
        (
            html_page(200),
            format!(
                "expected a SecretList, got status 200 with a body of {page} bytes, `text/html; charset=utf-8`; is this \
                 the API server?"
            ),
        ),
        (
            html_page(403),
            format!(
                "expected a Status of the Kubernetes API, got status 403 with a body of {page} bytes, `text/html; \
                 charset=utf-8`; is this the API server?"
            ),
        ),
        (
            in_json(200, r#"{"kind":"Status","status":"Success"}"#),
            "expected a SecretList, got status 200 with a body of 36 bytes, `application/json`; is this the API server?"
                .into(),
        ),
        (
            in_json(200, r#"{"kind":"SecretList","metadata":{},"items":[{"metadata":{"name":"s"}}]}"#),
            "expected a SecretList, got status 200 with a body of 71 bytes, `application/json`; is this the API server?"
                .into(),
        ),
        (
            in_json(400, r#"{"kind":"Status","reason":7}"#),
            "expected a Status of the Kubernetes API, got status 400 with a body of 28 bytes, `application/json`; is this \
             the API server?"
                .into(),
        ),
        (
            in_json(400, r#"{"kind":"Pod"}"#),
            "expected a Status of the Kubernetes API, got status 400 with a body of 14 bytes, `application/json`; is this \
             the API server?"
                .into(),
        ),
        (
            Reply { status: 200, headers: Vec::new(), body: Vec::new() },
            "expected a SecretList, got status 200 with a body of 0 bytes, of no stated type; is this the API server?"
                .into(),
        ),
        (
            status_reply(400, "BadRequest", "first line\nsecond \u{1b}[31mline"),
            "BadRequest (400): first line".into(),
        ),
        (
            too_many_requests(3600),
            "TooManyRequests (429): The request limit has been reached, please try again later.".into(),
        ),
    ] {
        let world = rotate_world();
        world.kube.script().once(LIST, Fault::ReplyInstead(reply));
        no_list(&world, "rotate", &why);
        assert_eq!(world.kube.operations(), [LIST]);
    }
}

#[test]
fn an_overloaded_or_failing_api_server_is_asked_again() {
    for reply in [
        overloaded(1),
        too_many_requests(1),
        overloaded(0),
        service_unavailable(),
    ] {
        let world = ecr_world();
        world.kube.script().once(LIST, Fault::ReplyInstead(reply.clone()));
        world.kube.script().once(GET_SOURCE, Fault::ReplyInstead(reply));
        refreshes(&world, program(&world, &["ecr-update"]), &[]);
        assert_eq!(world.kube.operations(), [LIST, LIST, GET_SOURCE, GET_SOURCE, PUT_PULL]);
    }
}

#[test]
fn an_api_server_that_keeps_failing_is_given_up() {
    let world = rotate_world();
    world
        .kube
        .script()
        .always(LIST, Fault::ReplyInstead(service_unavailable()));
    no_list(
        &world,
        "rotate",
        "ServiceUnavailable (503): the server is currently unable to handle the request",
    );
    assert_eq!(world.kube.operations(), [LIST; 4]);
}

#[test]
fn a_source_that_is_no_secret_is_refused() {
    let world = ecr_world();
    let page = html_page(200);
    let length = page.body.len();
    world.kube.script().once(GET_SOURCE, Fault::ReplyInstead(page));
    ecr_update_refuses(
        &world,
        &format!(
            "Kubernetes: get t/s at KUBE: expected a Secret, got status 200 with a body of {length} bytes, `text/html; \
             charset=utf-8`; is this the API server?"
        ),
    );
}

#[test]
fn a_write_that_is_answered_with_a_page_is_looked_at_before_it_is_believed() {
    // Stored, though the answer does not say so.
    let world = ecr_world();
    world.kube.script().once(PUT_PULL, Fault::ReplyAfter(html_page(200)));
    refreshes(&world, program(&world, &["ecr-update"]), &[]);
    assert_eq!(world.cluster.writes(NAMESPACE, "pull").len(), 2);
    // Not stored, though the answer is a 200.
    let world = ecr_world();
    world.kube.script().once(PUT_PULL, Fault::ReplyInstead(html_page(200)));
    refreshes(&world, program(&world, &["ecr-update"]), &[]);
    assert_eq!(world.cluster.writes(NAMESPACE, "pull").len(), 2);
}

#[test]
fn a_redirect_of_the_api_server_is_not_followed() {
    let world = rotate_world();
    let elsewhere = World::new();
    let to = format!("{}/api/v1/namespaces/t/secrets", elsewhere.kube.url());
    let reply = Reply::new(302, "text/plain", "").header("Location", to);
    world.kube.script().once(LIST, Fault::ReplyInstead(reply));
    no_list(
        &world,
        "rotate",
        "expected a Status of the Kubernetes API, got status 302 with a body of 0 bytes, `text/plain`; is this the API \
         server?",
    );
    assert_eq!(elsewhere.kube.operations(), Vec::<String>::new());
}

#[test]
fn a_longer_list_than_is_read_is_refused() {
    let world = rotate_world();
    let body = vec![b' '; 64 * 1024 * 1024 + 1];
    world
        .kube
        .script()
        .once(LIST, Fault::ReplyInstead(Reply::new(200, "application/json", body)));
    no_list(&world, "rotate", "the answer is longer than 67108864 bytes");
    assert_eq!(world.kube.operations(), [LIST]);
}

#[test]
fn a_list_of_all_namespaces_when_the_variable_is_empty() {
    let world = ecr_world();
    grant(&world, "*", &["list", "get", "update"]);
    world.cluster.add_secret(serde_json::json!({
        "metadata": {
            "name": "pull", "namespace": "other", "labels": {"aws-ecr-updater": "true"},
            "annotations": {"aws-ecr-updater/secret": "nobody", "aws-ecr-updater/region": "eu-west-1"},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{}"},
    }));
    let run = world.check(program(&world, &["ecr-update"]).env("NAMESPACE", ""));
    let log = said(&world, &run);
    assert_eq!(
        log[0],
        "ERROR other/pull: annotation `aws-ecr-updater/secret` names Secret other/nobody, which is not there"
    );
    assert_eq!(
        log[2],
        "INFO  ecr-update: 2 Secrets with label aws-ecr-updater=true in all namespaces: 1 refreshed, 1 failed"
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.kube.operations()[0], "GET /api/v1/secrets");
}
