//! A rotation with faults at given points, and what has to come of it within two more runs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::aws::service_failure_xml;
use super::kube::status::internal_error;
use super::moments::{Moments, Plan, Point, Side};
use super::program::{Program, Run, World, under_test};
use super::script::Fault;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The program is killed before the request takes effect, which it then never does.
    KillBefore,
    /// The program is killed after the request has taken effect.
    KillAfter,
    DropBefore,
    DropAfter,
    Cut,
    /// Status 500 and no effect.
    ErrorInstead,
    /// Status 500, and the effect all the same.
    ErrorAfter,
    /// No answer within the request timeout, and no effect.
    HangBefore,
    /// No answer within the request timeout, but the effect.
    HangAfter,
}

impl Kind {
    pub const KILLS: [Kind; 2] = [Kind::KillBefore, Kind::KillAfter];
    pub const ALL: [Kind; 9] = [
        Kind::KillBefore,
        Kind::KillAfter,
        Kind::DropBefore,
        Kind::DropAfter,
        Kind::Cut,
        Kind::ErrorInstead,
        Kind::ErrorAfter,
        Kind::HangBefore,
        Kind::HangAfter,
    ];

    fn fault(self, side: Side) -> Fault {
        let error = match side {
            Side::Aws => service_failure_xml(),
            Side::Kube => internal_error(),
        };
        match self {
            Kind::KillBefore | Kind::KillAfter => unreachable!("a kill has a trap of its own"),
            Kind::DropBefore => Fault::DropBefore,
            Kind::DropAfter => Fault::DropAfter,
            Kind::Cut => Fault::CutAnswer,
            Kind::ErrorInstead => Fault::ReplyInstead(error),
            Kind::ErrorAfter => Fault::ReplyAfter(error),
            Kind::HangBefore => Fault::HangBefore,
            Kind::HangAfter => Fault::HangAfter,
        }
    }
}

/// One fault after another, each in a run of its own.
#[derive(Clone, Debug)]
pub struct Case {
    /// How many Secrets hold the key.
    pub secrets: usize,
    /// Whether AWS refuses a third key.
    pub limit: bool,
    pub faults: Vec<(Point, Kind)>,
    /// Whether somebody else makes a key for the user after the last fault. It is dated long before.
    pub stranger: bool,
}

/// How a case went.
#[derive(Debug, Default)]
pub struct Course {
    /// What each fault met; `None` where the run ended before.
    pub met: Vec<Option<String>>,
    /// The requests of the first run after the faults.
    pub after: Option<Vec<String>>,
}

impl Case {
    pub fn world(&self) -> World {
        let world = World::with_key_secret();
        if self.secrets == 2 {
            world.add_key_secret("copy", &world.key.id, &world.key.secret);
        }
        world.cloud.enforce_limit(self.limit);
        // Somebody who has nothing to do with it.
        world.cloud.add_user("other");
        for _ in 0..2 {
            world.cloud.add_key("other");
        }
        world
    }

    /// Carries it out. An error says what is broken, with all that the runs said.
    pub fn run(&self) -> Result<Course, String> {
        let world = self.world();
        let moments = Moments::of(&world);
        let (mut course, mut said) = (Course::default(), Vec::new());
        let told = |said: &[String], what: String| {
            let met = moments.met();
            Err(format!(
                "{self:?}: {what} (last fault at {met:?})\n  {}",
                said.join("\n  ")
            ))
        };
        for (point, kind) in &self.faults {
            moments.restart();
            let run = faulty_run(&world, &moments, *point, *kind);
            said.extend(lines(&world, &run));
            course.met.push(moments.met());
            if let Some(broken) = moments.broken().first() {
                return told(&said, broken.clone());
            }
            if let (Some(0), Some(restless)) = (run.code, moments.restless()) {
                return told(&said, format!("exit code 0, but {restless}"));
            }
        }
        let stranger = self.stranger.then(|| intrude(&world)).flatten();
        if let Some(stranger) = &stranger {
            for _ in 0..2 {
                let run = world.check(rotate(&world));
                said.extend(lines(&world, &run));
                if world.cloud.status_of(stranger).is_none() {
                    return told(&said, "P2: the stranger's key is gone".into());
                }
            }
            world.cloud.delete_key(stranger);
        }
        let mut unsteady = None;
        for _ in 0..2 {
            moments.restart();
            let run = world.check(rotate(&world));
            said.extend(lines(&world, &run));
            course.after.get_or_insert_with(|| moments.seen());
            if let Some(broken) = moments.broken().first() {
                return told(&said, broken.clone());
            }
            if let (Some(0), Some(restless)) = (run.code, moments.restless()) {
                return told(&said, format!("exit code 0, but {restless}"));
            }
            unsteady = moments.unsteady();
            if unsteady.is_none() && run.code == Some(0) {
                return Ok(course);
            }
        }
        told(&said, unsteady.unwrap_or_else(|| "P5: the second run failed".into()))
    }
}

/// The program as all cases run it: a lock that soon runs out, so that windows do.
pub fn rotate(world: &World) -> Program {
    world.program(under_test()).args(&["rotate", "--lock-timeout=3s"])
}

/// What a run said, and how it ended.
pub fn lines(world: &World, run: &Run) -> Vec<String> {
    let code = run
        .code
        .map_or_else(|| "killed".into(), |code| format!("exit code {code}"));
    run.log(world).into_iter().chain([code]).collect()
}

/// A key of somebody else, if the user has room for it.
fn intrude(world: &World) -> Option<String> {
    if world.key_ids().len() > 1 {
        return None;
    }
    let id = world.cloud.add_key("ci").id;
    world.cloud.age_key(&id, Duration::from_secs(3600));
    Some(id)
}

fn faulty_run(world: &World, moments: &Moments, point: Point, kind: Kind) -> Run {
    faulty(world, rotate(world), kind, |plan| moments.plan(point, plan))
}

/// Runs the program with such a fault at the request that `plan` puts it to.
pub fn faulty(world: &World, program: Program, kind: Kind, plan: impl FnOnce(Plan)) -> Run {
    if !Kind::KILLS.contains(&kind) {
        plan(Box::new(move |side| kind.fault(side)));
        let hangs = matches!(kind, Kind::HangBefore | Kind::HangAfter);
        return world.check(if hangs {
            program.arg("--request-timeout=1s")
        } else {
            program
        });
    }
    let (tell, reached) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
    let hook = Arc::new(move || {
        let _ = tell.lock().unwrap().send(());
        let _ = wait.lock().unwrap().recv();
    });
    let after = kind == Kind::KillAfter;
    plan(Box::new(move |_| match after {
        true => Fault::CallAfter(Arc::clone(&hook) as Arc<dyn Fn() + Send + Sync>),
        false => Fault::CallInstead(Arc::clone(&hook) as Arc<dyn Fn() + Send + Sync>),
    }));
    let mut child = program.start();
    loop {
        match reached.recv_timeout(Duration::from_millis(100)) {
            Ok(()) => break child.kill().expect("a child of ours"),
            // It may end before it comes there.
            Err(RecvTimeoutError::Timeout) if child.try_wait().expect("a child of ours").is_none() => {}
            Err(_) => break,
        }
    }
    let output = child.wait_with_output().expect("a child of ours");
    // The effect came before the stop, or never comes: nothing is under way any more.
    let _ = go_on.send(());
    let run = Run::of(output);
    world.inspect(&run);
    run
}

/// How many programs are under way at once: they mostly wait.
pub const AT_ONCE: usize = 160;

/// Carries out all cases, many at once, and tells what came of each. One caller at a time, however many tests there are.
pub fn all<C: Sync, R: Send>(cases: &[C], run: impl Fn(&C) -> Result<R, String> + Sync) -> Vec<Result<R, String>> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..cases.len()).collect());
    let results: Mutex<Vec<Option<Result<R, String>>>> = Mutex::new(cases.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..cases.len().min(AT_ONCE) {
            scope.spawn(|| {
                loop {
                    let Some(next) = queue.lock().unwrap().pop_front() else {
                        return;
                    };
                    let result = catch_unwind(AssertUnwindSafe(|| run(&cases[next])));
                    let result = result.unwrap_or_else(|_| Err(format!("case {next} panicked, see above")));
                    results.lock().unwrap()[next] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    results
        .into_iter()
        .map(|result| result.expect("every case was run"))
        .collect()
}

/// What every case came to, if none failed. Else the first failures are told.
pub fn expect_all<R>(results: Vec<Result<R, String>>) -> Vec<R> {
    let count = results.len();
    let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let bad: Vec<String> = bad.into_iter().filter_map(Result::err).collect();
    assert!(
        bad.is_empty(),
        "{} of {count} cases failed; the first of them:\n{}",
        bad.len(),
        bad[..bad.len().min(12)].join("\n")
    );
    good.into_iter().filter_map(Result::ok).collect()
}
