//! A run is killed while a request of it is under way, which takes its effect only when the next run is at request m.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use crate::support::cases::{self, Case, Kind};
use crate::support::moments::{Moments, Point};
use crate::support::script::Fault;

/// The request of the first run that lands late, and the one of the second run before which it does.
#[derive(Clone, Copy, Debug)]
struct Late {
    secrets: usize,
    sent: Point,
    lands: usize,
}

/// What changes something: all else may land when it wants.
const CHANGES: [&str; 7] = [
    "lock",
    "record",
    "renew",
    "publish",
    "clear",
    "CreateAccessKey",
    "DeleteAccessKey",
];

/// The run that takes over learns what a create has made only after the time in which it can land is over; until then it
/// has sent these requests and no more.
const BEFORE_WINDOW: usize = 4;

fn all(secrets: usize) -> Vec<Late> {
    let requests = if secrets == 1 { 16 } else { 20 };
    let points: Vec<Point> = (0..requests)
        .map(Point::Request)
        .chain((0..2).map(Point::Renewal))
        .collect();
    let alone: Vec<Case> = points
        .iter()
        .map(|point| Case {
            secrets,
            limit: false,
            faults: vec![(*point, Kind::KillBefore)],
            stranger: false,
        })
        .collect();
    let courses = cases::expect_all(cases::all(&alone, Case::run));
    let mut late = Vec::new();
    for (sent, course) in points.into_iter().zip(courses) {
        let met = course.met[0].clone().expect("it met a request");
        if !CHANGES.iter().any(|change| met.starts_with(change)) {
            continue;
        }
        let after = course.after.expect("a run after the fault").len();
        let most = if met == "CreateAccessKey" { BEFORE_WINDOW } else { after };
        late.extend((0..most).map(|lands| Late { secrets, sent, lands }));
    }
    late
}

fn carry_out(late: &Late) -> Result<(), String> {
    let case = Case {
        secrets: late.secrets,
        limit: false,
        faults: Vec::new(),
        stranger: false,
    };
    let world = case.world();
    let moments = Moments::of(&world);
    let (tell, reached) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
    let held: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        let _ = tell.lock().unwrap().send(());
        let _ = wait.lock().unwrap().recv();
    });
    moments.plan(late.sent, Box::new(move |_| Fault::CallBefore(Arc::clone(&held))));
    let mut child = cases::rotate(&world).start();
    if reached.recv().is_err() {
        let _ = child.wait();
        return Err(format!("{late:?}: not reached"));
    }
    let sent = moments.met();
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");

    moments.restart();
    let (watch, go_on) = (Arc::clone(&moments), Mutex::new(go_on));
    let land: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        let effects = watch.effects();
        let _ = go_on.lock().unwrap().send(());
        watch.wait_for_effect(effects);
    });
    moments.plan(
        Point::Request(late.lands),
        Box::new(move |_| Fault::CallBefore(Arc::clone(&land))),
    );
    let mut said = Vec::new();
    let mut met = None;
    for run in 0..3 {
        let run_now = world.check(cases::rotate(&world));
        said.extend(run_now.log(&world));
        if run == 0 {
            met = moments.met();
        }
        let restless = if run_now.code == Some(0) {
            moments.restless()
        } else {
            None
        };
        if let Some(what) = moments.broken().into_iter().next().or(restless) {
            return Err(format!(
                "{late:?}: {what}; {sent:?} landed before {met:?}\n  {}",
                said.join("\n  ")
            ));
        }
        if moments.unsteady().is_none() && run_now.code == Some(0) {
            return match met {
                Some(_) => Ok(()),
                None => Err(format!("{late:?}: it did not land")),
            };
        }
        moments.restart();
    }
    let what = moments.unsteady().unwrap_or_else(|| "the last run failed".into());
    Err(format!(
        "{late:?}: {what}; {sent:?} landed before {met:?}\n  {}",
        said.join("\n  ")
    ))
}

#[test]
fn what_a_dead_run_has_sent_lands_late() {
    let begun = Instant::now();
    let late: Vec<Late> = [1, 2].into_iter().flat_map(all).collect();
    cases::expect_all(cases::all(&late, carry_out));
    let count = |secrets| late.iter().filter(|late| late.secrets == secrets).count();
    println!(
        "landing late: {} cases, one Secret {}, two Secrets {}, {} s",
        late.len(),
        count(1),
        count(2),
        begun.elapsed().as_secs()
    );
    assert_eq!((count(1), count(2)), (123, 238));
}
