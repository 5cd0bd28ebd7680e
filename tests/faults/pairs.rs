//! Killed at request n, run again and killed at request m, and then at most two more runs.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::support::cases::{self, Case, Kind};
use crate::support::moments::Point;

/// How many requests and renewals of the first run are met.
fn first(secrets: usize, kinds: &[Kind]) -> Vec<(Point, Kind)> {
    let requests = if secrets == 1 { 16 } else { 20 };
    let points = (0..requests).map(Point::Request).chain((0..2).map(Point::Renewal));
    points
        .flat_map(|point| kinds.iter().map(move |kind| (point, *kind)))
        .collect()
}

fn case(secrets: usize, faults: Vec<(Point, Kind)>) -> Case {
    Case {
        secrets,
        limit: false,
        faults,
        stranger: false,
    }
}

/// All pairs: the second fault meets each request that the second run makes after the first fault.
fn pairs(secrets: usize, kinds: &[Kind]) -> Vec<Case> {
    let first = first(secrets, kinds);
    let alone: Vec<Case> = first.iter().map(|fault| case(secrets, vec![*fault])).collect();
    let courses = cases::expect_all(cases::all(&alone, Case::run));
    let mut pairs = Vec::new();
    for (fault, course) in first.iter().zip(courses) {
        let requests = course.after.expect("a run after the fault").len();
        for m in 0..requests {
            pairs.extend(
                kinds
                    .iter()
                    .map(|kind| case(secrets, vec![*fault, (Point::Request(m), *kind)])),
            );
        }
    }
    pairs
}

/// Runs them; every fault has to meet a request.
fn carry_out(what: &str, cases: &[Case]) {
    let begun = Instant::now();
    let courses = cases::expect_all(cases::all(cases, Case::run));
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for (case, course) in cases.iter().zip(&courses) {
        assert!(
            course.met.iter().all(Option::is_some),
            "{case:?} met nothing: {course:?}"
        );
        let second = course.met.last().cloned().flatten().expect("it met a request");
        *met.entry(second).or_default() += 1;
    }
    println!("{what}: {} cases, {} s", cases.len(), begun.elapsed().as_secs());
    println!("{what}: the second fault met {met:?}");
}

#[test]
fn killed_twice_with_one_secret() {
    let cases = pairs(1, &Kind::KILLS);
    assert_eq!(cases.len(), 1272);
    carry_out("pairs of kills, one Secret", &cases);
}

/// After the effect of each request alone: a kill before the next one finds the servers as they are then. (With one Secret
/// both are tried all the same.)
#[test]
fn killed_twice_with_two_secrets() {
    let cases = pairs(2, &[Kind::KillAfter]);
    assert_eq!(cases.len(), 477);
    carry_out("pairs of kills, two Secrets", &cases);
}
