//! Nobody there, nobody answering, or somebody answering who is not AWS.

use std::net::TcpListener;

use super::{
    ECR_FAILED, LIST, Nobody, ROTATE_FAILED, changes_nothing, ecr_update_refuses, ecr_world, program, rotate_refuses,
    rotate_world,
};
use crate::support::aws::{html_page, server_exception_json, service_unavailable_xml};
use crate::support::program::{Program, World, under_test};
use crate::support::script::Fault;
use crate::support::server::Reply;

/// The program, sent to another API server.
fn program_for(world: &World, address: &str) -> Program {
    Program::new(under_test())
        .args(&["rotate", "-n", "t", "--server", &format!("https://{address}")])
        .args(&[
            "--token-file",
            &world.file("token"),
            "--certificate-authority",
            &world.file("ca.crt"),
        ])
        .env("AWS_ENDPOINT_URL", world.aws.url())
}

#[test]
fn an_api_server_that_is_not_there_is_named() {
    let world = rotate_world();
    let nobody = Nobody::new();
    let address = nobody.address();
    changes_nothing(
        &world,
        program_for(&world, &address),
        1,
        &[&format!(
            "ERROR Kubernetes: list Secrets in namespace t at https://{address}: cannot connect: connection refused"
        )],
    );
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn an_api_server_that_hangs_is_given_up() {
    let world = rotate_world();
    world.kube.script().always(LIST, Fault::HangBefore);
    changes_nothing(
        &world,
        program(&world, &["rotate", "--request-timeout=1s"]),
        1,
        &["ERROR Kubernetes: list Secrets in namespace t at KUBE: no complete answer within 1 s"],
    );
    assert_eq!(world.kube.operations(), [LIST; 4]);
}

#[test]
fn an_api_server_that_does_not_speak_is_given_up() {
    let world = rotate_world();
    // Connections are made by the kernel; nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    changes_nothing(
        &world,
        program_for(&world, &address).arg("--request-timeout=3s"),
        1,
        &[&format!(
            "ERROR Kubernetes: list Secrets in namespace t at https://{address}: no connection within 1 s"
        )],
    );
}

#[test]
fn an_api_server_that_hangs_up_is_given_up() {
    for (fault, why) in [
        (Fault::DropBefore, "the connection broke: closed by the other side"),
        (Fault::CutAnswer, "the connection broke: closed by the other side"),
    ] {
        let world = rotate_world();
        world.kube.script().always(LIST, fault);
        changes_nothing(
            &world,
            program(&world, &["rotate"]),
            1,
            &[&format!("ERROR Kubernetes: list Secrets in namespace t at KUBE: {why}")],
        );
        assert_eq!(world.kube.operations(), [LIST; 4]);
    }
}

#[test]
fn an_aws_endpoint_that_is_not_there_is_named() {
    let nobody = Nobody::new();
    let address = nobody.address();
    let world = rotate_world();
    changes_nothing(
        &world,
        program(&world, &["rotate"]).env("AWS_ENDPOINT_URL", format!("http://{address}")),
        1,
        &[
            &format!(
                "ERROR t/s: GetCallerIdentity with key KEY at {address}: cannot connect: connection refused; nothing was \
                 done"
            ),
            ROTATE_FAILED,
        ],
    );
    let world = ecr_world();
    changes_nothing(
        &world,
        program(&world, &["ecr-update"]).env("AWS_ENDPOINT_URL_ECR", format!("http://{address}")),
        1,
        &[
            &format!(
                "ERROR t/pull: GetAuthorizationToken with key KEY at {address}: cannot connect: connection refused (the \
                 key is from Secret t/s)"
            ),
            ECR_FAILED,
        ],
    );
}

#[test]
fn a_create_that_never_left_is_surely_without_effect() {
    let nobody = Nobody::new();
    let address = nobody.address();
    let world = rotate_world();
    // The key is listed, then IAM's endpoint goes away.
    let page = world.aws.url();
    let elsewhere = World::new();
    let _ = (page, elsewhere);
    changes_nothing(
        &world,
        program(&world, &["rotate"]).env("AWS_ENDPOINT_URL_IAM", format!("http://{address}")),
        1,
        &[
            &format!(
                "ERROR t/s: ListAccessKeys with key KEY at {address}: cannot connect: connection refused; nothing was done"
            ),
            ROTATE_FAILED,
        ],
    );
}

#[test]
fn an_aws_endpoint_that_hangs_is_given_up() {
    let world = rotate_world();
    world.aws.script().always("ListAccessKeys", Fault::HangBefore);
    changes_nothing(
        &world,
        program(&world, &["rotate", "--request-timeout=1s"]),
        1,
        &[
            "ERROR t/s: ListAccessKeys with key KEY at AWS: no complete answer within 1 s; nothing was done",
            ROTATE_FAILED,
        ],
    );
    assert_eq!(world.aws.operations()[1..], ["ListAccessKeys"; 4]);

    let world = ecr_world();
    world.aws.script().always("GetAuthorizationToken", Fault::HangBefore);
    changes_nothing(
        &world,
        program(&world, &["ecr-update", "--request-timeout=1s"]),
        1,
        &[
            "ERROR t/pull: GetAuthorizationToken with key KEY at AWS: no complete answer within 1 s (the key is from \
             Secret t/s)",
            ECR_FAILED,
        ],
    );
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"; 4]);
}

/// What is no answer of AWS, and how it is reported for a service whose answers are called so.
fn answers_that_are_none(expected: &str) -> Vec<(Reply, String)> {
    let page = html_page(200).body.len();
    vec![
        (
            html_page(200),
            format!("expected {expected}, got status 200 with a body of {page} bytes, `text/html; charset=utf-8`"),
        ),
        (
            html_page(403),
            format!("expected an AWS error, got status 403 with a body of {page} bytes, `text/html; charset=utf-8`"),
        ),
        (
            html_page(502),
            format!("expected an AWS error, got status 502 with a body of {page} bytes, `text/html; charset=utf-8`"),
        ),
        (
            Reply::new(200, "text/xml", vec![b' '; 1024 * 1024 + 1]),
            "the answer is longer than 1048576 bytes".to_owned(),
        ),
        (
            Reply::new(200, "text/xml", "<a>".repeat(100)),
            format!("expected {expected}, got status 200 with a body of 300 bytes, `text/xml`"),
        ),
    ]
}

#[test]
fn an_answer_that_is_not_iams_is_refused() {
    for (reply, why) in answers_that_are_none("IAM's XML") {
        let world = rotate_world();
        world.aws.script().always("ListAccessKeys", Fault::ReplyInstead(reply));
        rotate_refuses(
            &world,
            &format!("ListAccessKeys with key KEY at AWS: {why}; nothing was done"),
        );
    }
}

#[test]
fn an_answer_that_is_not_stss_is_refused() {
    for (reply, why) in answers_that_are_none("STS's XML") {
        let world = rotate_world();
        world
            .aws
            .script()
            .always("GetCallerIdentity", Fault::ReplyInstead(reply));
        rotate_refuses(
            &world,
            &format!("GetCallerIdentity with key KEY at AWS: {why}; nothing was done"),
        );
    }
}

#[test]
fn an_answer_that_is_not_ecrs_is_refused() {
    for (reply, why) in answers_that_are_none("ECR's JSON") {
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
}

#[test]
fn a_redirect_of_aws_is_not_followed() {
    let elsewhere = World::new();
    for status in [301, 302, 307] {
        let reply = Reply::new(status, "text/plain", "").header("Location", elsewhere.aws.url());
        let why = format!("expected an AWS error, got status {status} with a body of 0 bytes, `text/plain`");
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
fn an_aws_that_keeps_failing_is_given_up() {
    let world = rotate_world();
    world
        .aws
        .script()
        .always("ListAccessKeys", Fault::ReplyInstead(service_unavailable_xml()));
    rotate_refuses(
        &world,
        "ListAccessKeys with key KEY at AWS: ServiceUnavailable (503, request id ID): The request has failed due to a \
         temporary failure of the server; run again later; nothing was done",
    );
    assert_eq!(world.aws.operations()[1..], ["ListAccessKeys"; 4]);

    let world = ecr_world();
    world
        .aws
        .script()
        .always("GetAuthorizationToken", Fault::ReplyInstead(server_exception_json()));
    ecr_update_refuses(
        &world,
        "GetAuthorizationToken with key KEY at AWS: ServerException (500, request id ID): These errors are usually caused \
         by a server-side issue; run again later (the key is from Secret t/s)",
    );
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"; 4]);
}
