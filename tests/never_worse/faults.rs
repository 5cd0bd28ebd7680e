//! A fault at each request of a run: it is killed there, or the request or its answer is lost, cut, refused or late.

use std::time::Instant;

use super::watch::Watch;
use super::world::{update, world};
use crate::support::cases::{self, Kind};

const SECRETS: &str = "GET /api/v1/namespaces/t/secrets";

/// The requests of a run.
pub(super) const REQUESTS: &[&str] = &[
    SECRETS,
    "GET /api/v1/namespaces/t/secrets/s",
    "GetAuthorizationToken",
    "PUT /api/v1/namespaces/t/secrets/fresh",
    "PUT /api/v1/namespaces/t/secrets/kept",
    "GET /api/v1/namespaces/t/secrets/s2",
    "GetAuthorizationToken",
    "PUT /api/v1/namespaces/t/secrets/other",
];

#[test]
fn the_requests_of_a_run() {
    let world = world();
    let watch = Watch::of(&world, false);
    let since = world.cloud.tokens_issued().len();
    assert_eq!(world.check(update(&world)).code, Some(0));
    assert_eq!(watch.seen(), REQUESTS);
    assert_eq!((watch.broken(), watch.amiss(since, None)), (None, None));
}

#[derive(Debug)]
struct Case {
    request: usize,
    kind: Kind,
}

fn run(case: &Case) -> Result<(), String> {
    let world = world();
    let watch = Watch::of(&world, false);
    let mut said = Vec::new();
    let since = world.cloud.tokens_issued().len();
    let faulty = cases::faulty(&world, update(&world), case.kind, |plan| watch.plan(case.request, plan));
    said.extend(cases::lines(&world, &faulty));
    let met = watch.met();
    let killed = Kind::KILLS.contains(&case.kind);
    let mut found = watch.broken();
    if met.as_deref() != Some(REQUESTS[case.request]) {
        found.get_or_insert_with(|| "another request was met".into());
    } else if killed != faulty.code.is_none() {
        found.get_or_insert_with(|| "it did not end as it should".into());
    } else if !killed {
        // One fault is overcome within the run.
        let amiss = (faulty.code != Some(0)).then(|| "one fault made the run fail".into());
        found = found.or(amiss).or_else(|| watch.amiss(since, None));
    }
    let since = world.cloud.tokens_issued().len();
    let last = world.check(update(&world));
    said.extend(cases::lines(&world, &last));
    if last.code != Some(0) {
        found.get_or_insert_with(|| "the run after it failed".into());
    }
    match found.or_else(|| watch.broken()).or_else(|| watch.amiss(since, None)) {
        None => Ok(()),
        Some(what) => Err(format!(
            "{case:?}: {what} (the fault met {met:?})\n  {}",
            said.join("\n  ")
        )),
    }
}

#[test]
fn a_fault_at_any_request_leaves_no_secret_worse() {
    let begun = Instant::now();
    let kinds = |request| Kind::ALL.into_iter().map(move |kind| Case { request, kind });
    let all: Vec<Case> = (0..REQUESTS.len()).flat_map(kinds).collect();
    assert_eq!(all.len(), 8 * 9);
    cases::expect_all(cases::all(&all, run));
    println!(
        "ecr-update, a fault at any request: {} cases, {} s",
        all.len(),
        begun.elapsed().as_secs()
    );
}
