//! CreateAccessKey without a clear answer: a key may have been made. No second one is sent before the list has told; a key
//! that was made is deactivated and not deleted, and the Secret keeps its working key.

use super::{ROTATE_FAILED, ROTATED, program, rotate_world, said};
use crate::support::aws::{Status, error_xml, html_page, service_failure_xml, service_unavailable_xml};
use crate::support::program::NAMESPACE;
use crate::support::script::Fault;
use crate::support::server::{Recorded, Reply};
use crate::support::story;

/// The create took effect or not, and its answer is none. It is reported like this; when the time in which it can still
/// show is over, the list tells which it was. No second one is sent before.
#[track_caller]
fn is_unknown(fault: Fault, arguments: &[&str], problem: &str, made: bool) {
    let world = rotate_world();
    world.aws.script().once("CreateAccessKey", fault);
    let before = super::unversioned(super::state(&world)).0;

    let run = world.check(program(&world, &["rotate", "--lock-timeout=3s"]).args(arguments));

    let begun = [
        "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci".to_owned(),
        format!("WARN  t/s: it is not known whether a key was made: CreateAccessKey with key KEY at AWS: {problem}"),
    ];
    let sent = |operation: &str| world.aws.operations().iter().filter(|sent| *sent == operation).count();
    if made {
        let ended = [
            "INFO  t/s: deactivated key NEW".to_owned(),
            "ERROR t/s: a create whose answer got lost has made key NEW, whose secret nobody has; it is deactivated, and the \
             next run deletes it and rotates; the Secret keeps key KEY; run again"
                .into(),
            ROTATE_FAILED.into(),
        ];
        assert_eq!(said(&world, &run), [&begun[..], &ended].concat());
        assert_eq!(run.code, Some(1));
        assert_eq!((sent("CreateAccessKey"), sent("DeleteAccessKey")), (1, 0));
        let keys = world.cloud.keys("ci").into_iter().map(|key| key.status);
        assert_eq!(keys.collect::<Vec<_>>(), [Status::Active, Status::Inactive]);
        // All that is left on the Secret is the note of the key that this program has made.
        let mut after = super::unversioned(super::state(&world)).0;
        let annotations = after[0]["metadata"].as_object_mut().unwrap().remove("annotations");
        assert!(after == before, "the Secret was changed");
        let annotations = annotations.expect("a note of the key");
        assert_eq!(
            annotations.as_object().unwrap().keys().collect::<Vec<_>>(),
            [story::HISTORY]
        );
        let history = story::record(&world, NAMESPACE, "s", story::HISTORY).unwrap();
        let note = serde_json::json!({"what": "orphan", "until": null, "deactivated": true});
        assert_eq!(history["keys"], serde_json::json!({&world.key_ids()[1]: note}));
    } else {
        let ended = [
            "INFO  t/s: created key NEW; waiting for AWS to accept it",
            "INFO  t/s: key NEW is accepted; writing it to the Secret",
            "INFO  t/s: deleted key KEY",
            "INFO  t/s: rotated: key NEW of arn:aws:iam::123456789012:user/ci replaces KEY, which is deleted",
            ROTATED,
        ];
        assert_eq!(said(&world, &run), [&begun[..], &ended.map(str::to_owned)].concat());
        assert_eq!(run.code, Some(0));
        assert_eq!(sent("CreateAccessKey"), 2);
        world.assert_rotated();
    }
    assert_eq!(
        world.aws.operations()[..3],
        ["ListAccessKeys", "GetCallerIdentity", "CreateAccessKey"]
    );
    // Nothing but lists comes before the time is over in which the create can still show.
    let recorded = world.aws.recorded();
    let next = recorded[3..].iter().find(|next| next.operation != "ListAccessKeys");
    let between = second_of_day(next.expect("another request")) - second_of_day(&recorded[2]);
    assert!(between.rem_euclid(24 * 3600) >= 2, "{between} s");
}

/// When a request was signed, `20261123T044554Z`.
fn second_of_day(recorded: &Recorded) -> i32 {
    let date = recorded.request.header("x-amz-date").expect("a signed request");
    let two = |at: usize| date[at..at + 2].parse::<i32>().expect("two digits");
    two(9) * 3600 + two(11) * 60 + two(13)
}

#[test]
fn a_create_that_hangs_is_looked_for() {
    is_unknown(
        Fault::HangBefore,
        &["--request-timeout=1s"],
        "no complete answer within 1 s; run again later",
        false,
    );
    is_unknown(
        Fault::HangAfter,
        &["--request-timeout=1s"],
        "no complete answer within 1 s; run again later",
        true,
    );
}

#[test]
fn a_create_whose_connection_breaks_is_looked_for() {
    let broke = "the connection broke: closed by the other side; run again later";
    is_unknown(Fault::DropBefore, &[], broke, false);
    is_unknown(Fault::DropAfter, &[], broke, true);
    is_unknown(Fault::CutAnswer, &[], broke, true);
}

#[test]
fn a_create_that_aws_fails_at_is_looked_for() {
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
        is_unknown(Fault::ReplyInstead(reply.clone()), &[], problem, false);
        is_unknown(Fault::ReplyAfter(reply), &[], problem, true);
    }
}

#[test]
fn a_create_with_an_answer_that_is_none_is_looked_for() {
    let page = html_page(200).body.len();
    for (reply, problem) in [
        (
            html_page(200),
            format!("expected IAM's XML, got status 200 with a body of {page} bytes, `text/html; charset=utf-8`; see that the address is AWS's, and what stands between"),
        ),
        (
            html_page(403),
            format!("expected an AWS error, got status 403 with a body of {page} bytes, `text/html; charset=utf-8`; see that the address is AWS's, and what stands between"),
        ),
        (
            html_page(502),
            format!(
                "expected an AWS error, got status 502 with a body of {page} bytes, `text/html; charset=utf-8`; run again later"
            ),
        ),
        (
            Reply::new(200, "text/xml", ""),
            "expected IAM's XML, got status 200 with a body of 0 bytes, `text/xml`; see that the address is AWS's, and what stands between".to_owned(),
        ),
        (
            Reply::new(200, "text/xml", vec![b' '; 1024 * 1024 + 1]),
            "the answer is longer than 1048576 bytes".to_owned(),
        ),
        (
            Reply::new(302, "text/html", "").header("Location", "/elsewhere"),
            "expected an AWS error, got status 302 with a body of 0 bytes, `text/html`; see that the address is AWS's, and what stands between".to_owned(),
        ),
    ] {
        is_unknown(Fault::ReplyAfter(reply), &[], &problem, true);
    }
}

#[test]
fn the_next_run_deletes_the_key_that_was_made_and_rotates() {
    let world = rotate_world();
    world.aws.script().once("CreateAccessKey", Fault::DropAfter);
    assert_eq!(world.run(&["rotate", "--lock-timeout=3s"]).code, Some(1));
    let made = world.key_ids().pop().expect("the key that was made");

    let run = world.run(&["rotate"]);

    let said: Vec<String> = run.log(&world).iter().map(|line| line.replace(&made, "MADE")).collect();
    assert_eq!(said[0], "INFO  t/s: deleted key MADE");
    assert_eq!((said.len(), run.code), (7, Some(0)), "{said:?}");
    assert_eq!(world.cloud.status_of(&made), None);
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
    assert_eq!(world.cloud.create_count("ci"), 2);
}

/// Somebody still found a use for it: then it is nobody's to delete.
#[test]
fn a_key_that_was_made_and_is_active_again_is_named_and_left() {
    let world = rotate_world();
    world.aws.script().once("CreateAccessKey", Fault::DropAfter);
    assert_eq!(world.run(&["rotate", "--lock-timeout=3s"]).code, Some(1));
    let made = world.key_ids().pop().expect("the key that was made");
    world.cloud.set_status(&made, Status::Active);
    let day = time::OffsetDateTime::now_utc().date();
    super::changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            &format!(
                "ERROR t/s: arn:aws:iam::123456789012:user/ci has another key beside KEY: NEW (active, made {day}, never used); \
                 no Secret with the label holds it and no record names it, so it is not touched; nothing was done; if nobody \
                 uses it, delete it with `aws iam delete-access-key --user-name ci --access-key-id NEW`, then run again (or \
                 let this program do it: `--foreign-keys`)"
            ),
            ROTATE_FAILED,
        ],
    );
}
