//! Answers that are none: HTML pages, redirects, bodies without an end, JSON of somebody else.

use super::{
    GET_SOURCE, LIST, PUT_PULL, ROTATE_FAILED, ecr_update_refuses, ecr_world, no_list, program, refreshes,
    rotate_refuses, rotate_world, said,
};
use crate::support::aws::html_page;
use crate::support::kube::status::{status_reply, too_many_requests};
use crate::support::program::{NAMESPACE, World};
use crate::support::script::Fault;
use crate::support::server::Reply;

#[test]
fn a_list_that_is_none_is_refused() {
    let page = html_page(200).body.len();
    let in_json = |status, body: &str| Reply::new(status, "application/json", body);
    for (reply, why) in [
        (
            html_page(200),
            format!(
                "expected a SecretList, got status 200 with a body of {page} bytes, `text/html; charset=utf-8` (is this the API server?)"
            ),
        ),
        (
            html_page(403),
            format!(
                "expected a Status of the Kubernetes API, got status 403 with a body of {page} bytes, `text/html; \
                 charset=utf-8` (is this the API server?)"
            ),
        ),
        (
            in_json(200, r#"{"kind":"Status","status":"Success"}"#),
            "expected a SecretList, got status 200 with a body of 36 bytes, `application/json` (is this the API server?)"
                .into(),
        ),
        (
            in_json(200, r#"{"kind":"SecretList","metadata":{},"items":[{"metadata":{"name":"s"}}]}"#),
            "expected a SecretList, got status 200 with a body of 71 bytes, `application/json` (is this the API server?)"
                .into(),
        ),
        (
            in_json(400, r#"{"kind":"Status","reason":7}"#),
            "expected a Status of the Kubernetes API, got status 400 with a body of 28 bytes, `application/json` (is this the API server?)"
                .into(),
        ),
        (
            in_json(400, r#"{"kind":"Pod"}"#),
            "expected a Status of the Kubernetes API, got status 400 with a body of 14 bytes, `application/json` (is this the API server?)"
                .into(),
        ),
        (
            Reply { status: 200, headers: Vec::new(), body: Vec::new() },
            "expected a SecretList, got status 200 with a body of 0 bytes, of no stated type (is this the API server?)"
                .into(),
        ),
        (
            status_reply(400, "BadRequest", "first line\nsecond \u{1b}[31mline"),
            "BadRequest (400): first line".into(),
        ),
        (
            too_many_requests(3600),
            "TooManyRequests (429): The request limit has been reached, please try again later; run again later".into(),
        ),
    ] {
        let world = rotate_world();
        world.kube.script().once(LIST, Fault::ReplyInstead(reply));
        no_list(&world, "rotate", &why);
        assert_eq!(world.kube.operations(), [LIST]);
    }
}

#[test]
fn the_page_of_a_gateway_in_place_of_a_list_is_not_the_end() {
    let world = ecr_world();
    world.kube.script().once(LIST, Fault::ReplyInstead(html_page(502)));
    world
        .kube
        .script()
        .once(GET_SOURCE, Fault::ReplyInstead(html_page(504)));
    refreshes(&world, program(&world, &["ecr-update"]), &[]);
    assert_eq!(world.kube.operations(), [LIST, LIST, GET_SOURCE, GET_SOURCE, PUT_PULL]);
}

#[test]
fn the_page_of_a_gateway_in_place_of_a_list_is_told_in_the_end() {
    let world = rotate_world();
    let page = html_page(502);
    let length = page.body.len();
    world.kube.script().always(LIST, Fault::ReplyInstead(page));
    no_list(
        &world,
        "rotate",
        &format!(
            "expected a Status of the Kubernetes API, got status 502 with a body of {length} bytes, `text/html; \
             charset=utf-8` (is this the API server?); run again later"
        ),
    );
    assert_eq!(world.kube.operations(), [LIST; 5]);
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
             charset=utf-8` (is this the API server?)"
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
        "expected a Status of the Kubernetes API, got status 302 with a body of 0 bytes, `text/plain` (is this the API server?)",
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

/// What to do about it.
const NOT_AWS: &str = "; see that the address is AWS's, and what stands between";

/// What is no answer of AWS, how it is reported for a service whose answers are called so, and how often it is asked. Only
/// the page of something on the way that could not reach AWS is worth another try.
fn answers_that_are_none(expected: &str) -> Vec<(Reply, String, usize)> {
    let page = html_page(200).body.len();
    vec![
        (
            html_page(200),
            format!(
                "expected {expected}, got status 200 with a body of {page} bytes, `text/html; charset=utf-8`{NOT_AWS}"
            ),
            1,
        ),
        (
            html_page(403),
            format!(
                "expected an AWS error, got status 403 with a body of {page} bytes, `text/html; charset=utf-8`{NOT_AWS}"
            ),
            1,
        ),
        (
            html_page(502),
            format!(
                "expected an AWS error, got status 502 with a body of {page} bytes, `text/html; charset=utf-8`; run again later"
            ),
            5,
        ),
        (
            Reply::new(200, "text/xml", vec![b' '; 1024 * 1024 + 1]),
            "the answer is longer than 1048576 bytes".to_owned(),
            1,
        ),
        (
            Reply::new(200, "text/xml", "<a>".repeat(100)),
            format!("expected {expected}, got status 200 with a body of 300 bytes, `text/xml`{NOT_AWS}"),
            1,
        ),
    ]
}

/// How often AWS was asked for this.
fn sent(world: &World, operation: &str) -> usize {
    world.aws.operations().iter().filter(|sent| *sent == operation).count()
}

#[test]
fn an_answer_that_is_not_iams_is_refused() {
    for (reply, why, times) in answers_that_are_none("IAM's XML") {
        let world = rotate_world();
        world.aws.script().always("ListAccessKeys", Fault::ReplyInstead(reply));
        rotate_refuses(
            &world,
            &format!("ListAccessKeys with key KEY at AWS: {why}; nothing was done"),
        );
        assert_eq!(sent(&world, "ListAccessKeys"), times);
    }
}

#[test]
fn an_answer_that_is_not_stss_is_refused() {
    for (reply, why, times) in answers_that_are_none("STS's XML") {
        let world = rotate_world();
        world
            .aws
            .script()
            .always("GetCallerIdentity", Fault::ReplyInstead(reply));
        rotate_refuses(
            &world,
            &format!("GetCallerIdentity with key KEY at AWS: {why}; nothing was done"),
        );
        assert_eq!(sent(&world, "GetCallerIdentity"), times);
    }
}

#[test]
fn an_answer_that_is_not_ecrs_is_refused() {
    for (reply, why, times) in answers_that_are_none("ECR's JSON") {
        let world = ecr_world();
        world
            .aws
            .script()
            .always("GetAuthorizationToken", Fault::ReplyInstead(reply));
        ecr_update_refuses(
            &world,
            &format!("GetAuthorizationToken with key KEY at AWS: {why} (the key is from Secret t/s)"),
        );
        assert_eq!(sent(&world, "GetAuthorizationToken"), times);
    }
}

#[test]
fn a_redirect_of_aws_is_not_followed() {
    let elsewhere = World::new();
    for status in [301, 302, 307] {
        let reply = Reply::new(status, "text/plain", "").header("Location", elsewhere.aws.url());
        let why = format!("expected an AWS error, got status {status} with a body of 0 bytes, `text/plain`{NOT_AWS}");
        let world = rotate_world();
        world
            .aws
            .script()
            .always("GetCallerIdentity", Fault::ReplyInstead(reply.clone()));
        rotate_refuses(
            &world,
            &format!("GetCallerIdentity with key KEY at AWS: {why}; nothing was done"),
        );
        let world = ecr_world();
        world
            .aws
            .script()
            .always("GetAuthorizationToken", Fault::ReplyInstead(reply));
        ecr_update_refuses(
            &world,
            &format!("GetAuthorizationToken with key KEY at AWS: {why} (the key is from Secret t/s)"),
        );
    }
    assert_eq!(elsewhere.aws.operations(), Vec::<String>::new());
}

#[test]
fn a_page_in_place_of_the_answer_to_a_deletion_is_not_believed() {
    let world = rotate_world();
    let page = html_page(200);
    let length = page.body.len();
    world.aws.script().always("DeleteAccessKey", Fault::ReplyInstead(page));

    let run = world.run(&["rotate"]);

    assert_eq!(
        said(&world, &run)[3..],
        [
            format!(
                "ERROR t/s: new key NEW is stored, but old key KEY could not be deleted: DeleteAccessKey with key KEY at \
                 AWS: expected IAM's XML, got status 200 with a body of {length} bytes, `text/html; charset=utf-8`{NOT_AWS}; the \
                 next run tries again; by hand: `aws iam delete-access-key --user-name ci --access-key-id KEY`"
            ),
            ROTATE_FAILED.to_owned(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(
        world.key_ids(),
        [world.key.id.clone(), world.value("s", "access_key_id")]
    );
    assert_eq!(sent(&world, "DeleteAccessKey"), 1);
}
