//! SIGTERM at the points of a rotation: what is left is understood by the next run, the exit code is 1, and a line says where
//! it stopped. A rotation that is past its publish goes on to its end.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PUT;
use crate::support::program::{Run, World, under_test};
use crate::support::script::Fault;
use crate::support::story::{JOURNAL, record, terminated, told};

const FAILED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed";

/// The next run finishes.
fn assert_goes_on(world: &World) {
    let run = world.run(&["rotate", "--lock-timeout=3s"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(world));
    let held = world.value("s", "access_key_id");
    assert!(world.value("s", "secret_access_key") == world.cloud.secret_of(&held).unwrap());
    assert_eq!(world.key_ids(), [held]);
    assert_eq!(record(world, "t", "s", JOURNAL), None);
}

fn lines(world: &World, run: &Run) -> Vec<String> {
    told(world, run, &[(&world.key.id, "OLD")])
}

#[test]
fn while_the_journal_is_written_it_is_taken_off_again() {
    let world = World::with_key_secret();
    let run = terminated(&world, &["rotate"], |fault| world.kube.script().once(PUT, fault));
    assert_eq!(
        lines(&world, &run),
        ["ERROR t/s: stopped by a signal; nothing was done; run again", FAILED]
    );
    assert_eq!((run.code, record(&world, "t", "s", JOURNAL)), (Some(1), None));
    world.assert_as_before();
    assert_goes_on(&world);
}

#[test]
fn while_the_first_of_two_journals_is_written_neither_is_left() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let copy = "PUT /api/v1/namespaces/t/secrets/copy";
    let run = terminated(&world, &["rotate"], |fault| world.kube.script().once(copy, fault));
    assert_eq!(
        lines(&world, &run),
        [
            "ERROR t/copy, t/s: stopped by a signal; nothing was done; run again",
            "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed",
        ]
    );
    for name in ["copy", "s"] {
        assert_eq!(record(&world, "t", name, JOURNAL), None, "{name}");
    }
    world.assert_as_before();
}

#[test]
fn until_the_new_key_is_stored_it_is_deleted_again() {
    let probe = "ListAccessKeys";
    for (at, skip) in [
        ("CreateAccessKey", 0),
        (PUT, 1),
        (probe, 1),
        (probe, 2),
        ("GetCallerIdentity", 3),
    ] {
        let world = World::with_key_secret();
        let run = terminated(&world, &["rotate"], |fault| {
            let server = if at == PUT { &world.kube } else { &world.aws };
            server.script().some(at, skip, 1, fault);
        });
        let said = lines(&world, &run);
        assert_eq!(
            said[said.len() - 3..],
            [
                "INFO  t/s: deleted key NEW",
                "ERROR t/s: stopped by a signal; new key NEW was deleted again; the Secret keeps key OLD; run again",
                FAILED,
            ],
            "at {at} {skip}"
        );
        assert_eq!(
            (run.code, record(&world, "t", "s", JOURNAL)),
            (Some(1), None),
            "at {at} {skip}"
        );
        world.assert_as_before();
        assert_goes_on(&world);
    }
}

#[test]
fn once_the_new_key_is_being_stored_the_rotation_is_brought_to_its_end() {
    for (at, skip) in [(PUT, 2), ("DeleteAccessKey", 0), (PUT, 3)] {
        let world = World::with_key_secret();
        let run = terminated(&world, &["rotate"], |fault| {
            let server = if at == PUT { &world.kube } else { &world.aws };
            server.script().some(at, skip, 1, fault);
        });
        assert_eq!(run.code, Some(0), "at {at} {skip}: {:?}", run.log(&world));
        world.assert_rotated();
        assert_eq!(record(&world, "t", "s", JOURNAL), None, "at {at} {skip}");
    }
}

/// Publishing to the second Secret is part of what has begun.
#[test]
fn a_publish_to_several_secrets_is_finished() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    let copy = "PUT /api/v1/namespaces/t/secrets/copy";
    let run = terminated(&world, &["rotate"], |fault| world.kube.script().some(copy, 2, 1, fault));
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    world.assert_rotated();
    assert_eq!(world.value("copy", "access_key_id"), world.value("s", "access_key_id"));
}

/// The create's answer is lost and its window lasts: the journal stays, released, and the next run finds the key.
#[test]
fn while_a_create_is_unsettled_the_journal_is_released_and_not_cleared() {
    let world = World::with_key_secret();
    world.aws.script().once("CreateAccessKey", Fault::DropAfter);
    // The first renewal while the window is waited for.
    let run = terminated(&world, &["rotate", "--lock-timeout=9s"], |fault| {
        world.kube.script().some(PUT, 1, 1, fault);
    });
    let said = lines(&world, &run);
    assert_eq!(said[said.len() - 1], FAILED);
    assert!(
        said[said.len() - 2].starts_with("ERROR t/s: stopped by a signal; ")
            && said[said.len() - 2]
                .ends_with("what was begun is written down on the Secrets, and the next run goes on from there"),
        "{said:?}"
    );
    assert_eq!(run.code, Some(1));
    let journal = record(&world, "t", "s", JOURNAL).expect("the journal stays");
    assert_eq!(journal["released"], true);
    assert_eq!(world.key_ids().len(), 2);
    // The key is found by its date, deactivated, and deleted by the run after.
    assert_eq!(world.run(&["rotate", "--lock-timeout=3s"]).code, Some(1));
    assert_goes_on(&world);
    assert_eq!(world.cloud.max_keys_seen("ci"), 2);
}

/// The kubelet gives 30 seconds, and a request may hang for longer: the run ends all the same, and says where.
#[test]
fn a_request_that_hangs_does_not_keep_the_run_from_ending() {
    let world = World::with_key_secret();
    let (tell, reached) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
    let hang = move || {
        let _ = tell.lock().unwrap().send(());
        let _ = wait.lock().unwrap().recv();
    };
    // The publish is stored, and its answer does not come.
    world.kube.script().some(PUT, 2, 1, Fault::CallAfter(Arc::new(hang)));
    let child = world
        .program(under_test())
        .args(&["rotate", "--request-timeout=5m"])
        .start();
    reached.recv().expect("the publish");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("a child of ours that runs");
    let begun = Instant::now();
    let output = child.wait_with_output().expect("a child of ours");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(26), "it took {took:?}");
    let run = Run::of(output);
    let said = lines(&world, &run);
    assert_eq!(
        said[3..],
        [
            "ERROR t/s: stopped while storing the new key; what was begun is written down on the Secrets, and the next run \
             goes on from there",
            FAILED,
        ]
    );
    assert_eq!(run.code, Some(1));
    drop(go_on);
    assert_eq!(world.key_ids().len(), 2);
    assert_goes_on(&world);
}
