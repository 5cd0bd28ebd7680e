//! `all` with a fault at each of its requests: it is killed there, or the request or its answer is lost, cut, refused or late.
//!
//! After every request that takes effect, on either server, what [`Moments`] looks at: also that a login which worked once is made
//! with a key that is active. After at most two more runs all Secrets hold the same key, which is the only one, no journal is
//! left, and every login is made with that key.

use crate::support::cases::{self, Kind};
use crate::support::moments::{Moments, Point};
use crate::support::program::{Program, World, under_test};

const LIST: &str = "GET /api/v1/namespaces/t/secrets";

/// The requests of a rotation of one Secret, with one login that depends on it.
const REQUESTS: &[&str] = &[
    LIST,
    "ListAccessKeys",
    "GetCallerIdentity",
    "lock t/s",
    "CreateAccessKey",
    "record t/s",
    "ListAccessKeys",
    "GetCallerIdentity",
    "ListAccessKeys",
    "GetCallerIdentity",
    "ListAccessKeys",
    "GetCallerIdentity",
    "publish t/s",
    // The login follows.
    LIST,
    "GET /api/v1/namespaces/t/secrets/s",
    "GetAuthorizationToken",
    "publish t/pull-s",
    // And the old key goes.
    LIST,
    "DeleteAccessKey",
    "clear t/s",
    // Nothing is left for the other job but to see that.
    LIST,
    "GET /api/v1/namespaces/t/secrets/s",
];

/// Where the login follows.
const FOLLOWING: std::ops::Range<usize> = 13..17;

/// How many renewals there are at the least while a login is waited for, after those while the key was tried.
const RENEWALS: usize = 4;

#[derive(Clone, Debug)]
struct Case {
    secrets: &'static [&'static str],
    /// How many requests with the new key ECR refuses.
    late: usize,
    fault: Option<(Point, Kind)>,
}

const ONE: &[&str] = &["s"];
const TWO: &[&str] = &["copy", "s"];

fn all(world: &World) -> Program {
    world.program(under_test()).args(&["all", "--lock-timeout=3s"])
}

impl Case {
    /// Every Secret has a login that was made with its key.
    fn world(&self) -> World {
        let world = World::new();
        for name in self.secrets {
            world.add_key_secret(name, &world.key.id, &world.key.secret);
            world.add_pull_secret(&format!("pull-{name}"), name, "eu-west-1", "{}");
        }
        assert_eq!(world.run(&["ecr-update"]).code, Some(0));
        world.cloud.propagation_requests_for("ecr", self.late);
        world
    }

    /// What its fault met.
    fn run(&self) -> Result<Option<String>, String> {
        let world = self.world();
        let moments = Moments::of(&world);
        let mut said = Vec::new();
        let told = |said: &[String], what: String| Err(format!("{self:?}: {what}\n  {}", said.join("\n  ")));
        let mut met = None;
        if let Some((point, kind)) = self.fault {
            let run = cases::faulty(&world, all(&world), kind, |plan| moments.plan(point, plan));
            said.extend(cases::lines(&world, &run));
            met = moments.met();
        }
        for _ in 0..2 {
            moments.restart();
            let run = world.check(all(&world));
            said.extend(cases::lines(&world, &run));
            if let Some(broken) = moments.broken().first() {
                return told(&said, broken.clone());
            }
            let current = world.value("s", "access_key_id");
            let follows = |(_, key): &(String, Option<String>)| key.as_ref() == Some(&current);
            let steady = moments.unsteady().is_none() && moments.logins().iter().all(follows);
            if run.code == Some(0) && steady {
                return Ok(met);
            }
        }
        let logins = moments.logins();
        told(
            &said,
            format!("not steady after two runs: {:?}, {logins:?}", moments.unsteady()),
        )
    }
}

#[test]
fn the_requests_of_all() {
    let case = Case {
        secrets: ONE,
        late: 0,
        fault: None,
    };
    let world = case.world();
    let moments = Moments::of(&world);
    assert_eq!(world.check(all(&world)).code, Some(0));
    assert_eq!(moments.seen(), REQUESTS);
    assert_eq!((moments.broken(), moments.unsteady()), (Vec::new(), None));
}

/// Runs the cases; every fault has to meet a request.
fn faults(cases: &[Case]) {
    let met = cases::expect_all(cases::all(cases, Case::run));
    for (case, met) in cases.iter().zip(&met) {
        assert!(met.is_some(), "{case:?} met nothing");
    }
}

fn at(
    points: impl Iterator<Item = Point> + Clone,
    kinds: &[Kind],
    secrets: &'static [&'static str],
    late: usize,
) -> Vec<Case> {
    let each = kinds.iter().flat_map(|kind| points.clone().map(|point| (point, *kind)));
    each.map(|fault| Case {
        secrets,
        late,
        fault: Some(fault),
    })
    .collect()
}

#[test]
fn all_killed_at_any_request() {
    let points = |count| (0..count).map(Point::Request);
    let mut cases = at(points(REQUESTS.len()), &Kind::KILLS, ONE, 0);
    // With each Secret: its lock, record, publish and clear; in following its source, its login, and its source once more.
    cases.extend(at(points(REQUESTS.len() + 7), &Kind::KILLS, TWO, 0));
    faults(&cases);
}

#[test]
fn all_killed_while_it_waits_for_a_login() {
    // A key is not known to ECR at first; renewals come between.
    let mut cases = at((0..RENEWALS).map(Point::Renewal), &Kind::KILLS, ONE, 2);
    cases.extend(at(FOLLOWING.map(Point::Request), &Kind::KILLS, ONE, 2));
    faults(&cases);
}

#[test]
fn a_request_of_a_login_that_follows_is_lost_refused_or_late() {
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| !Kind::KILLS.contains(kind))
        .collect();
    faults(&at(FOLLOWING.map(Point::Request), &kinds, ONE, 0));
}
