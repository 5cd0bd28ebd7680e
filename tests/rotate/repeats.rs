//! How often each request is sent when it goes wrong, alone and when nothing works any more.

use std::sync::Arc;
use std::thread;

use crate::support::aws::{error_xml, service_unavailable_xml, throttling_xml};
use crate::support::kube::status;
use crate::support::program::{Run, World};
use crate::support::script::Fault;

use super::PUT;

/// What goes wrong each time that a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Throttled,
    TooMany,
    Unavailable,
    ResetBefore,
    ResetAfter,
    Late,
}

impl Wrong {
    const ALL: [Wrong; 6] = [
        Wrong::Throttled,
        Wrong::TooMany,
        Wrong::Unavailable,
        Wrong::ResetBefore,
        Wrong::ResetAfter,
        Wrong::Late,
    ];

    fn fault(self, operation: &str) -> Fault {
        let at_aws = operation != PUT;
        match self {
            Wrong::Throttled if at_aws => Fault::ReplyInstead(throttling_xml()),
            Wrong::TooMany if at_aws => Fault::ReplyInstead(error_xml(429, "TooManyRequestsException", "")),
            Wrong::Unavailable if at_aws => Fault::ReplyInstead(service_unavailable_xml()),
            Wrong::Throttled | Wrong::TooMany => Fault::ReplyInstead(status::too_many_requests(0)),
            Wrong::Unavailable => Fault::ReplyInstead(status::internal_error()),
            Wrong::ResetBefore => Fault::DropBefore,
            Wrong::ResetAfter => Fault::DropAfter,
            Wrong::Late => Fault::HangBefore,
        }
    }
}

/// How often `operation` is sent when it goes wrong every time, and how the run ends.
fn sent(operation: &str, wrong: Wrong) -> (usize, Option<i32>) {
    let world = World::with_key_secret();
    let server = if operation == PUT { &world.kube } else { &world.aws };
    server.script().always(operation, wrong.fault(operation));
    let mut arguments = vec!["rotate", "--lock-timeout=3s"];
    if wrong == Wrong::Late {
        arguments.push("--request-timeout=1s");
    }
    if operation == "UpdateAccessKey" {
        arguments.push("--retire=deactivate");
    }
    let run = world.run(&arguments);
    let all = server.operations();
    // Whatever happens, a pair that works is there.
    let held = world.value("s", "access_key_id");
    assert!(world.key_ids().contains(&held), "{operation} {wrong:?}");
    assert!(world.key_ids().len() <= 2, "{operation} {wrong:?}");
    (all.iter().filter(|sent| *sent == operation).count(), run.code)
}

/// What does no harm when it is sent again is sent five times; a create only after a refusal that says it was not carried
/// out, and else once more when it is sure that the first one has made nothing.
#[test]
fn each_request_is_sent_as_often_as_it_may_be() {
    let cases: Vec<(&str, Wrong)> = [
        "ListAccessKeys",
        "GetCallerIdentity",
        "CreateAccessKey",
        "DeleteAccessKey",
        "UpdateAccessKey",
        PUT,
    ]
    .into_iter()
    .flat_map(|operation| Wrong::ALL.map(|wrong| (operation, wrong)))
    .collect();
    let results: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = cases
            .iter()
            .map(|(operation, wrong)| scope.spawn(|| sent(operation, *wrong)))
            .collect();
        started.into_iter().map(|case| case.join().expect("a case")).collect()
    });
    for ((operation, wrong), result) in cases.into_iter().zip(results) {
        let count = match (operation, wrong) {
            ("CreateAccessKey", Wrong::Unavailable | Wrong::ResetBefore | Wrong::Late) => 2,
            // It has made a key, whose secret nobody has: that one is looked for.
            ("CreateAccessKey", Wrong::ResetAfter) => 1,
            // The journal is found to be stored, and goes on to be renewed; then the run ends, and takes it off.
            (PUT, Wrong::ResetAfter) => 6,
            (_, _) => 5,
        };
        assert_eq!(result, (count, Some(1)), "{operation} {wrong:?}");
    }
}

/// So many users, each with a Secret.
fn world_with(users: usize) -> World {
    let world = World::new();
    for user in 0..users {
        let name = format!("user-{user}");
        world.cloud.add_user(&name);
        let key = world.cloud.add_key(&name);
        world.add_key_secret(&name, &key.id, &key.secret);
    }
    world
}

/// The lines of this level, without the names of the keys.
fn lines(world: &World, run: &Run, level: &str) -> Vec<String> {
    let log = run.log(world).into_iter().filter(|line| line.starts_with(level));
    log.map(|line| {
        let words = line
            .split(' ')
            .map(|word| if word.starts_with("AKIA") { "KEY" } else { word });
        words.collect::<Vec<_>>().join(" ")
    })
    .collect()
}

/// Sixty users times five attempts would be three hundred requests to a service that is down. After a hundred repeats it is
/// left alone.
#[test]
fn an_outage_ends_in_a_clear_failure_and_not_in_a_storm() {
    let world = world_with(60);
    let down = Fault::ReplyInstead(service_unavailable_xml());
    world.aws.script().choose(Arc::new(move |_, _| Some(down.clone())));
    let run = world.run(&["rotate"]);
    let failure = "ListAccessKeys with key KEY at AWS: ServiceUnavailable (503, request id ID): The request has failed due to \
                   a temporary failure of the server; run again later";
    assert_eq!(
        lines(&world, &run, "WARN"),
        [format!(
            "WARN  AWS: 100 repeats of requests have failed in this run; from now on a request that fails is not repeated; \
             the last failure: {failure}; find out what is wrong with AWS or on the way there, then run again"
        )]
    );
    let errors = lines(&world, &run, "ERROR");
    assert_eq!(errors.len(), 60);
    for error in errors {
        let (name, why) = error.split_once(": ").unwrap();
        assert!(name.starts_with("ERROR t/user-"), "{name}");
        assert_eq!(why, format!("{failure}; nothing was done"));
    }
    assert_eq!(world.aws.operations(), vec!["ListAccessKeys"; 160]);
    assert_eq!(run.code, Some(1));
}

/// Everything that waits has locked its Secret when the outage begins. What this run has made is deleted if that still works,
/// and tried once if it does not; the journals are released all the same, and two later runs bring everything to order.
#[test]
fn an_outage_in_the_midst_of_everything_leaves_what_later_runs_understand() {
    let world = world_with(40);
    let down = Fault::ReplyInstead(service_unavailable_xml());
    world
        .aws
        .script()
        .always("GetCallerIdentity", Fault::CallBefore(Arc::new(|| ())));
    let created = world.cloud.clone();
    world.aws.script().choose(Arc::new(move |_, _| {
        let all = (0..40).all(|user| created.create_count(&format!("user-{user}")) > 0);
        all.then(|| down.clone())
    }));
    let run = world.run(&["rotate", "--propagation-timeout=4s", "--lock-timeout=9s"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        lines(&world, &run, "WARN").len(),
        1,
        "{:?}",
        lines(&world, &run, "WARN")
    );
    for user in 0..40 {
        let name = format!("user-{user}");
        let journal = crate::support::story::record(&world, "t", &name, crate::support::story::JOURNAL);
        assert!(journal.is_none_or(|journal| journal["released"] == true), "{name}");
        let held = world.value(&name, "access_key_id");
        assert!(world.cloud.status_of(&held).is_some(), "{name}");
    }
    world.aws.script().choose(Arc::new(|_, _| None));
    let _ = world.run(&["rotate", "--lock-timeout=9s"]);
    let run = world.run(&["rotate", "--lock-timeout=9s"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    for user in 0..40 {
        let name = format!("user-{user}");
        let held = world.value(&name, "access_key_id");
        let keys: Vec<String> = world.cloud.keys(&name).into_iter().map(|key| key.id).collect();
        assert_eq!(keys, [held], "{name}");
    }
}

/// What is said of the clock, the seconds as whole minutes: some pass meanwhile, and AWS's date is cut to seconds.
fn clock_lines(world: &World, run: &Run) -> Vec<String> {
    let all = run.log(world).into_iter().filter(|line| line.contains("clock"));
    all.map(|line| {
        let Some((before, rest)) = line.split_once("clock is ") else {
            return line;
        };
        let (seconds, after) = rest.split_once(" s ").expect("seconds");
        let seconds = seconds.parse::<i64>().expect("a number");
        format!("{before}clock is {} min {after}", (seconds + 30) / 60)
    })
    .collect()
}

fn off_by_ten_minutes(way: &str) -> String {
    format!(
        "WARN  this machine's clock is 10 min {way} AWS's; signing with AWS's time (set the clock: nothing else is corrected)"
    )
}

/// Eight requests are under way when the clock is found to be wrong. It is told once.
#[test]
fn a_clock_that_is_off_is_told_once_however_many_users_there_are() {
    for (offset, way) in [(600, "behind"), (-600, "ahead of")] {
        let world = world_with(24);
        world.cloud.clock_offset(offset);
        let run = world.run(&["rotate"]);
        assert_eq!(clock_lines(&world, &run), [off_by_ten_minutes(way)]);
        assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    }
}

/// Somebody sets the clock right while the run signs by AWS's time, just before the create.
#[test]
fn a_clock_that_is_set_during_the_run_is_noticed_again() {
    let world = World::with_key_secret();
    world.cloud.clock_offset(600);
    let cloud = world.cloud.clone();
    let set = Fault::CallBefore(Arc::new(move || cloud.clock_offset(0)));
    world.aws.script().once("CreateAccessKey", set);
    let run = world.run(&["rotate"]);
    let again = "WARN  this machine's clock and AWS's agree again: one of them was set during the run";
    assert_eq!(
        clock_lines(&world, &run),
        [off_by_ten_minutes("behind"), again.into()],
        "{:?}",
        run.log(&world)
    );
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    world.assert_rotated();
}
