//! What passes: throttling, and a clock that is off.

use super::{ROTATE_FAILED, ecr_world, program, rotate_world, said};
use crate::support::aws::{throttling_json, throttling_xml};
use crate::support::script::Fault;

#[test]
fn a_throttled_request_is_repeated() {
    let world = rotate_world();
    world
        .aws
        .script()
        .once("ListAccessKeys", Fault::ReplyInstead(throttling_xml()));
    // What is throttled was not carried out, so that even this one may be sent again.
    world
        .aws
        .script()
        .some("CreateAccessKey", 0, 2, Fault::ReplyInstead(throttling_xml()));
    super::rotates(&world, program(&world, &["rotate"]), &[]);
    let sent = |operation: &str| world.aws.operations().iter().filter(|sent| *sent == operation).count();
    assert_eq!(
        world.aws.operations()[..3],
        ["ListAccessKeys", "ListAccessKeys", "GetCallerIdentity"]
    );
    assert_eq!(sent("CreateAccessKey"), 3);

    for status in [400, 429] {
        let world = ecr_world();
        world
            .aws
            .script()
            .once("GetAuthorizationToken", Fault::ReplyInstead(throttling_json(status)));
        super::refreshes(&world, program(&world, &["ecr-update"]), &[]);
        assert_eq!(world.aws.operations(), ["GetAuthorizationToken"; 2]);
    }
}

#[test]
fn a_request_that_stays_throttled_is_given_up() {
    let world = rotate_world();
    world
        .aws
        .script()
        .always("CreateAccessKey", Fault::ReplyInstead(throttling_xml()));
    super::leaves_as_before(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            "ERROR t/s: no new key was made: CreateAccessKey with key KEY at AWS: Throttling (400, request id ID): Rate \
             exceeded; run again later; other tools may be using up this account's request rate; the Secret keeps key KEY",
            ROTATE_FAILED,
        ],
    );
    assert_eq!(
        world
            .aws
            .operations()
            .iter()
            .filter(|operation| *operation == "CreateAccessKey")
            .count(),
        5
    );
}

/// The one line about a clock that is off by ten minutes, give or take the moment of the request.
#[track_caller]
fn without_seconds(line: &str) -> String {
    let (before, rest) = line.split_once("clock is ").expect("a word about the clock");
    let (seconds, after) = rest.split_once(" s ").expect("a number of seconds");
    assert!((598..=602).contains(&seconds.parse::<i32>().unwrap()), "{line}");
    format!("{before}clock is 600 s {after}")
}

#[test]
fn a_clock_that_is_ten_minutes_off_is_told_once_and_corrected_for() {
    for (offset, way) in [(600, "behind"), (-600, "ahead of")] {
        let warning = format!(
            "WARN  this machine's clock is 600 s {way} AWS's; signing with AWS's time (set the clock: nothing else is \
             corrected)"
        );
        let world = rotate_world();
        world.cloud.clock_offset(offset);
        let run = world.run(&["rotate"]);
        let log = said(&world, &run);
        assert_eq!(without_seconds(&log[0]), warning);
        assert_eq!(log.iter().filter(|line| line.contains("clock")).count(), 1);
        assert_eq!(log.last().map(String::as_str), Some(super::ROTATED));
        assert_eq!(run.code, Some(0));
        assert_eq!(world.cloud.create_count("ci"), 1);
        assert_eq!(
            world.aws.operations()[..3],
            ["ListAccessKeys", "ListAccessKeys", "GetCallerIdentity"]
        );

        let world = ecr_world();
        world.cloud.clock_offset(offset);
        world.add_pull_secret("pull-2", "s", "us-east-1", "{}");
        let run = world.run(&["ecr-update"]);
        let log = said(&world, &run);
        assert_eq!(without_seconds(&log[0]), warning);
        assert_eq!(log.iter().filter(|line| line.contains("clock")).count(), 1);
        assert_eq!(log.len(), 4);
        assert_eq!(run.code, Some(0));
        assert_eq!(world.aws.operations(), ["GetAuthorizationToken"; 3]);
    }
}
