//! SIGTERM, as the kubelet sends it, and SIGINT: what is under way comes to a good end, and nothing new is begun.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::program::{Run, World, under_test};
use crate::support::script::Fault;
use crate::support::server::Server;
use crate::support::story::JOURNAL;

const SECRETS: &str = "GET /api/v1/namespaces/t/secrets";

/// Sends a signal, and waits until one of the child's threads has taken it: on a busy machine another thread could go on with
/// what it has in hand before that.
fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a child of ours that runs");
    let status = format!("/proc/{}/status", child.id());
    let pending = || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        pending.is_some_and(|signals| u64::from_str_radix(signals.trim(), 16) != Ok(0))
    };
    while pending() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs the program and sends it this signal during its first request of this operation.
fn signalled(world: &World, server: &Server, operation: &str, arguments: &[&str], signal: Signal) -> Run {
    signalled_at(world, server, (operation, 0), arguments, signal)
}

/// The same, during a later request of the operation, after so many others.
fn signalled_at(
    world: &World,
    server: &Server,
    (operation, skip): (&str, usize),
    arguments: &[&str],
    signal: Signal,
) -> Run {
    let (tell, reached) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
    let hook = move || {
        let _ = tell.lock().unwrap().send(());
        let _ = wait.lock().unwrap().recv();
    };
    server
        .script()
        .some(operation, skip, 1, Fault::CallBefore(Arc::new(hook)));
    let child = world.program(under_test()).args(arguments).start();
    reached.recv().expect("that request");
    send(&child, signal);
    // The program cannot read the answer before it has the signal: it is not sent until now.
    let _ = go_on.send(());
    let output = child.wait_with_output().expect("a child of ours");
    Run::of(output)
}

#[test]
fn nothing_is_begun_after_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let world = World::with_key_secret();
        let run = signalled(&world, &world.aws, "ListAccessKeys", &["rotate"], signal);
        assert_eq!(
            run.log(&world),
            [
                "ERROR t/s: stopped by a signal; nothing was done; run again",
                "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed",
            ]
        );
        assert_eq!(run.code, Some(1));
        world.assert_as_before();
    }
}

#[test]
fn a_new_key_that_no_secret_has_been_sent_is_deleted_again() {
    let world = World::with_key_secret();
    world.cloud.propagation_requests(1000);
    let run = signalled(&world, &world.aws, "CreateAccessKey", &["rotate"], Signal::TERM);
    let log = run.log(&world);
    let key = |line: &str| {
        line.split_whitespace()
            .find(|word| word.starts_with("AKIA"))
            .unwrap()
            .to_owned()
    };
    let (new, old) = (key(&log[2]), &world.key.id);
    assert_eq!(
        log[2..],
        [
            format!("INFO  t/s: deleted key {new}"),
            format!(
                "ERROR t/s: stopped by a signal; new key {new} was deleted again; the Secret keeps key {old}; run again"
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
    assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
}

const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";

#[test]
fn a_journal_that_was_just_written_is_taken_off_again() {
    let world = World::with_key_secret();
    let run = signalled(&world, &world.kube, PUT, &["rotate"], Signal::TERM);
    assert_eq!(
        run.log(&world)[0],
        "ERROR t/s: stopped by a signal; nothing was done; run again"
    );
    assert_eq!((run.code, world.cloud.create_count("ci")), (Some(1), 0));
    world.assert_as_before();
    assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
}

#[test]
fn a_key_that_is_being_stored_is_stored_and_the_old_one_deleted() {
    let world = World::with_key_secret();
    let run = signalled_at(&world, &world.kube, (PUT, 2), &["rotate"], Signal::TERM);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_ne!(world.value("s", "access_key_id"), world.key.id);
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
    assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
}

#[test]
fn secrets_that_were_not_reached_are_named() {
    let world = World::with_key_secret();
    world.add_pull_secret("a", "s", "eu-west-1", "{}");
    world.add_pull_secret("b", "s", "eu-west-1", "{}");
    let run = signalled(
        &world,
        &world.aws,
        "GetAuthorizationToken",
        &["ecr-update"],
        Signal::TERM,
    );
    let log = run.log(&world);
    assert!(log[0].starts_with("INFO  t/a: login to "), "{log:?}");
    assert_eq!(
        log[1..],
        [
            "ERROR t/b: stopped by a signal; nothing was done; run again",
            "INFO  ecr-update: 2 Secrets with label aws-ecr-updater=true in namespace t: 1 refreshed, 1 failed",
        ]
    );
    assert_eq!(run.code, Some(1));
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let world = World::with_key_secret();
    let (tell, reached) = mpsc::channel();
    let tell = Mutex::new(tell);
    let hook = move || {
        let _ = tell.lock().unwrap().send(());
    };
    // It is told of, and then hangs for as long as the test takes.
    world.kube.script().once(SECRETS, Fault::CallInstead(Arc::new(hook)));
    world.kube.script().some(SECRETS, 1, usize::MAX, Fault::HangBefore);
    let mut child = world.program(under_test()).arg("rotate").start();
    reached.recv().expect("a first request");
    send(&child, Signal::TERM);
    // A signal that is already pending is not counted twice; this one is another.
    send(&child, Signal::INT);
    let status = child.wait().expect("a child of ours");
    assert_eq!((status.code(), status.signal()), (Some(1), None));
}
