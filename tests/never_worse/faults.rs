//! A fault at each request of a run: it is killed there, or the request or its answer is lost, cut, refused or late.

use std::time::Instant;

use super::run;
use super::watch::{Moment, Watch};
use super::world::{expect, nothing, told, update, world};
use crate::support::cases::{self, Kind};

const SECRETS: &str = "GET /api/v1/namespaces/t/secrets";

/// The requests of a run. Three credentials are in use at once, and their requests come in any order.
pub(super) const REQUESTS: [&str; 12] = [
    SECRETS,
    "GET /api/v1/namespaces/t/secrets/s",
    "AssumeRole",
    "GetAuthorizationToken",
    "PUT /api/v1/namespaces/t/secrets/fields",
    "GetAuthorizationToken",
    "PUT /api/v1/namespaces/t/secrets/fresh",
    "GetAuthorizationToken",
    "PUT /api/v1/namespaces/t/secrets/kept",
    "GET /api/v1/namespaces/t/secrets/s2",
    "GetAuthorizationToken",
    "PUT /api/v1/namespaces/t/secrets/legacy",
];

/// The request of that number.
pub(super) fn moment(request: usize) -> Moment {
    let operation = REQUESTS[request];
    let before = REQUESTS[..request].iter().filter(|other| **other == operation);
    (operation, before.count())
}

#[test]
fn the_requests_of_a_run() {
    let world = world();
    let watch = Watch::of(&world, false);
    let since = world.cloud.tokens_issued().len();
    assert_eq!(world.check(update(&world)).code, Some(0));
    let mut seen = watch.seen();
    let mut expected = REQUESTS.map(str::to_owned);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    assert_eq!((watch.broken(), watch.amiss(since, None)), (None, None));
}

#[derive(Debug)]
struct Case {
    request: usize,
    kind: Kind,
}

fn carry_out(case: &Case, said: &mut Vec<String>) -> Result<(), String> {
    let world = world();
    let watch = Watch::of(&world, false);
    let since = world.cloud.tokens_issued().len();
    let plan = |plan| watch.plan(moment(case.request), plan);
    let program = update(&world);
    let program = if case.kind.hangs() {
        program.arg("--request-timeout=4s")
    } else {
        program
    };
    let faulty = cases::faulty(&world, program, case.kind, plan);
    said.extend(told(&world, &faulty));
    expect(watch.met(), "the fault met no request")?;
    nothing(watch.broken())?;
    if Kind::KILLS.contains(&case.kind) {
        expect(faulty.code.is_none(), "it was not killed")?;
    } else {
        expect(faulty.code == Some(0), "one fault made the run fail")?;
        nothing(watch.amiss(since, None))?;
    }
    // What is good already is left as it is: what the run before has recorded must be so.
    let last = world.check(update(&world).arg("--renew-within=1h"));
    said.extend(told(&world, &last));
    expect(last.code == Some(0), "the run after it failed")?;
    nothing(watch.broken().or_else(|| watch.amiss(0, None)))
}

#[test]
fn a_fault_at_any_request_leaves_no_secret_worse() {
    let begun = Instant::now();
    let kinds = |request| Kind::ALL.into_iter().map(move |kind| Case { request, kind });
    let all: Vec<Case> = (0..REQUESTS.len()).flat_map(kinds).collect();
    assert_eq!(all.len(), 12 * 9);
    cases::expect_all(cases::all(&all, |case| run(case, carry_out)));
    println!(
        "ecr-update, a fault at any request: {} cases, {} s",
        all.len(),
        begun.elapsed().as_secs()
    );
}
