//! CreateAccessKey without a clear answer: a key may have been made. It is sent once, nothing is deleted, and the Secret
//! keeps its working key.

use super::{ROTATE_FAILED, program, rotate_world, said};
use crate::support::aws::{Status, error_xml, html_page, service_failure_xml, service_unavailable_xml};
use crate::support::program::NAMESPACE;
use crate::support::script::Fault;
use crate::support::server::Reply;

/// The answer is lost in this way; it is reported like this, and afterwards the user has so many keys.
#[track_caller]
fn is_unknown(fault: Fault, arguments: &[&str], problem: &str, keys: usize) {
    let world = rotate_world();
    world.aws.script().once("CreateAccessKey", fault);
    let before = world.cluster.secret(NAMESPACE, "s");

    let run = world.check(program(&world, &["rotate"]).args(arguments));

    assert_eq!(
        said(&world, &run),
        [
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            &format!(
                "ERROR t/s: it is not known whether a key was made: CreateAccessKey with key KEY at AWS: {problem}; the \
                 Secret keeps its working key KEY; if one was made its secret is lost: the next run names it, delete it \
                 then"
            ),
            ROTATE_FAILED,
        ]
    );
    assert_eq!(run.code, Some(1));
    assert!(world.cluster.secret(NAMESPACE, "s") == before, "the Secret was changed");
    assert_eq!(
        world.aws.operations(),
        ["GetCallerIdentity", "ListAccessKeys", "CreateAccessKey"]
    );
    assert_eq!(world.cloud.keys("ci").len(), keys);
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Active));
}

#[test]
fn a_create_that_hangs_is_not_repeated() {
    is_unknown(
        Fault::HangBefore,
        &["--request-timeout=1s"],
        "no complete answer within 1 s; run again later",
        1,
    );
    is_unknown(
        Fault::HangAfter,
        &["--request-timeout=1s"],
        "no complete answer within 1 s; run again later",
        2,
    );
}

#[test]
fn a_create_whose_connection_breaks_is_not_repeated() {
    let broke = "the connection broke: closed by the other side; run again later";
    is_unknown(Fault::DropBefore, &[], broke, 1);
    is_unknown(Fault::DropAfter, &[], broke, 2);
    is_unknown(Fault::CutAnswer, &[], broke, 2);
}

#[test]
fn a_create_that_aws_fails_at_is_not_repeated() {
    for (reply, problem) in [
        (
            service_failure_xml(),
            "ServiceFailure (500, request id ID): The request processing has failed because of an unknown error, \
             exception or failure; run again later",
        ),
        (
            service_unavailable_xml(),
            "ServiceUnavailable (503, request id ID): The request has failed due to a temporary failure of the server; \
             run again later",
        ),
        (
            error_xml(504, "Timeout", ""),
            "Timeout (504, request id ID); run again later",
        ),
    ] {
        is_unknown(Fault::ReplyInstead(reply.clone()), &[], problem, 1);
        is_unknown(Fault::ReplyAfter(reply), &[], problem, 2);
    }
}

#[test]
fn a_create_with_an_answer_that_is_none_is_not_repeated() {
    let page = html_page(200).body.len();
    for (reply, problem) in [
        (
            html_page(200),
            format!("expected IAM's XML, got status 200 with a body of {page} bytes, `text/html; charset=utf-8`"),
        ),
        (
            html_page(403),
            format!("expected an AWS error, got status 403 with a body of {page} bytes, `text/html; charset=utf-8`"),
        ),
        (
            html_page(502),
            format!(
                "expected an AWS error, got status 502 with a body of {page} bytes, `text/html; charset=utf-8`; run again later"
            ),
        ),
        (
            Reply::new(200, "text/xml", ""),
            "expected IAM's XML, got status 200 with a body of 0 bytes, `text/xml`".to_owned(),
        ),
        (
            Reply::new(200, "text/xml", vec![b' '; 1024 * 1024 + 1]),
            "the answer is longer than 1048576 bytes".to_owned(),
        ),
        (
            Reply::new(302, "text/html", "").header("Location", "/elsewhere"),
            "expected an AWS error, got status 302 with a body of 0 bytes, `text/html`".to_owned(),
        ),
    ] {
        is_unknown(Fault::ReplyAfter(reply), &[], &problem, 2);
    }
}

#[test]
fn the_next_run_names_the_key_that_was_made_and_leaves_it() {
    let world = rotate_world();
    world.aws.script().once("CreateAccessKey", Fault::DropAfter);
    assert_eq!(world.run(&["rotate"]).code, Some(1));
    let made = world.cloud.keys("ci").pop().expect("the key that was made");
    let day = time::OffsetDateTime::from_unix_timestamp(made.created).unwrap().date();
    super::changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            &format!(
                "ERROR t/s: arn:aws:iam::123456789012:user/ci has another key beside KEY: NEW (active, made {day}, in no \
                 Secret with the label); a key that is not this Secret's is never touched; nothing was done; if nobody uses it, \
                 delete it with `aws iam delete-access-key --user-name ci --access-key-id NEW`, then run again"
            ),
            ROTATE_FAILED,
        ],
    );
}
