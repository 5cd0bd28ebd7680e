//! A rotation of the real program with a fault at each of its requests: it is killed there, or the request or its answer is
//! lost, cut, refused or late, each before the request takes effect and after it.
//!
//! After every request that takes effect, on either server: every Secret holds a key that is active and its own secret, no
//! key of somebody else is touched, there never are more than two keys, and no create is sent while a new key is in no
//! Secret (see [`Moments`]). After at most two more runs all Secrets hold the same key, which is the only one, and no
//! journal is left.

use std::time::Instant;

use crate::support::cases::{self, Case, Kind};
use crate::support::moments::{Moments, Point};

const LIST: &str = "GET /api/v1/namespaces/t/secrets";

/// The requests of a rotation of one Secret.
const ONE: &[&str] = &[
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
    LIST,
    "DeleteAccessKey",
    "clear t/s",
];

/// And of two.
const TWO: &[&str] = &[
    LIST,
    "ListAccessKeys",
    "GetCallerIdentity",
    "lock t/copy",
    "lock t/s",
    "CreateAccessKey",
    "record t/copy",
    "record t/s",
    "ListAccessKeys",
    "GetCallerIdentity",
    "ListAccessKeys",
    "GetCallerIdentity",
    "ListAccessKeys",
    "GetCallerIdentity",
    "publish t/copy",
    "publish t/s",
    LIST,
    "DeleteAccessKey",
    "clear t/copy",
    "clear t/s",
];

/// How many renewals there are at the least, while the new key is tried.
const RENEWALS: usize = 2;

/// The points of a rotation, each once.
fn points(secrets: usize) -> Vec<Point> {
    let requests = if secrets == 1 { ONE } else { TWO };
    let renewals = (0..RENEWALS).map(Point::Renewal);
    (0..requests.len()).map(Point::Request).chain(renewals).collect()
}

fn single(secrets: usize, kinds: &[Kind], limit: bool, stranger: bool) -> Vec<Case> {
    let points = points(secrets);
    let each = points
        .iter()
        .flat_map(|point| kinds.iter().map(move |kind| (*point, *kind)));
    each.map(|fault| Case {
        secrets,
        limit,
        faults: vec![fault],
        stranger,
    })
    .collect()
}

#[test]
fn the_requests_of_a_rotation() {
    for (secrets, expected) in [(1, ONE), (2, TWO)] {
        let case = Case {
            secrets,
            limit: true,
            faults: Vec::new(),
            stranger: false,
        };
        let world = case.world();
        let moments = Moments::of(&world);
        assert_eq!(world.check(cases::rotate(&world)).code, Some(0));
        assert_eq!(moments.seen(), expected);
        assert!(moments.renewals() >= RENEWALS * secrets, "{}", moments.renewals());
        assert_eq!((moments.broken(), moments.unsteady()), (Vec::new(), None));
    }
}

/// Runs the cases; every fault has to meet a request.
fn faults(what: &str, cases: &[Case]) {
    let begun = Instant::now();
    let courses = cases::expect_all(cases::all(cases, Case::run));
    for (case, course) in cases.iter().zip(&courses) {
        assert!(course.met.iter().all(Option::is_some), "{case:?} met nothing");
    }
    let count = |secrets| cases.iter().filter(|case| case.secrets == secrets).count();
    println!(
        "{what}: {} cases, one Secret {}, two Secrets {}, {} s",
        cases.len(),
        count(1),
        count(2),
        begun.elapsed().as_secs()
    );
}

#[test]
fn killed_at_any_request() {
    let mut cases = Vec::new();
    for secrets in [1, 2] {
        for limit in [true, false] {
            cases.extend(single(secrets, &Kind::KILLS, limit, false));
        }
    }
    assert_eq!(cases.len(), 2 * 2 * (16 + 2) + 2 * 2 * (20 + 2));
    faults("kill test", &cases);
}

/// AWS does not enforce its limit here: it must not be what keeps the number of keys down.
#[test]
fn lost_refused_or_late_at_any_request() {
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| !Kind::KILLS.contains(kind))
        .collect();
    let cases: Vec<Case> = [1, 2]
        .into_iter()
        .flat_map(|secrets| single(secrets, &kinds, false, false))
        .collect();
    assert_eq!(cases.len(), 7 * (16 + 2) + 7 * (20 + 2));
    faults("lost, refused or late", &cases);
}

/// Somebody else makes a key for the same user right after the kill. It is theirs, whatever the journal left open.
#[test]
fn killed_at_any_request_and_then_a_stranger_makes_a_key() {
    let cases: Vec<Case> = [1, 2]
        .into_iter()
        .flat_map(|secrets| single(secrets, &Kind::KILLS, true, true))
        .collect();
    assert_eq!(cases.len(), 2 * (16 + 2) + 2 * (20 + 2));
    faults("kill test with a stranger's key", &cases);
}
