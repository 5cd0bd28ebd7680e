//! The program is killed at each request it makes, before the request has its effect and after it.
//!
//! Whatever the moment: every version of the Secret that was ever stored holds a key that is active, no key of somebody
//! else is touched, and no more than one key is made. The next run finishes, or says which key it found.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::aws::Status;
use crate::support::program::{World, under_test};
use crate::support::script::Fault;
use crate::support::server::Server;

/// A stop in the middle of a request, until the program is dead.
struct Trap {
    reached: Receiver<()>,
    go_on: Sender<()>,
}

impl Trap {
    /// Stops request `n` (from 0) at this server, before or after its effect.
    fn set(server: &Server, n: usize, after: bool) -> Trap {
        let (tell, reached) = mpsc::channel();
        let (go_on, wait) = mpsc::channel();
        let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
        let hook = Arc::new(move || {
            let _ = tell.lock().unwrap().send(());
            let _ = wait.lock().unwrap().recv();
        });
        let fault = if after {
            Fault::CallAfter(hook)
        } else {
            Fault::CallInstead(hook)
        };
        server.script().some("*", n, 1, fault);
        Trap { reached, go_on }
    }
}

/// One of a world's two servers.
type Pick = fn(&World) -> &Server;

/// Kills the program at one request and looks at what it left.
fn kill_at(server: Pick, n: usize, after: bool) {
    let case = format!("request {n}, {} its effect", if after { "after" } else { "before" });
    let world = World::with_key_secret();
    let trap = Trap::set(server(&world), n, after);
    let mut child = world.program(under_test()).arg("rotate").start();
    trap.reached
        .recv()
        .unwrap_or_else(|_| panic!("{case}: it ended before that"));
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    let _ = trap.go_on.send(());
    // The effect came before the stop, or not at all: nothing is under way any more.
    server(&world).script().clear();
    assert_kept(&world, &case);

    let keys = world.key_ids();
    let held = world.value("s", "access_key_id");
    let run = world.run(&["rotate"]);
    assert_kept(&world, &case);
    if keys.len() == 1 {
        assert_eq!(run.code, Some(0), "{case}");
        assert_ne!(world.value("s", "access_key_id"), held, "{case}");
        assert_eq!(world.key_ids(), [world.value("s", "access_key_id")], "{case}");
    } else {
        // A second key is there, made by the run that died or replaced by it: it is named and left alone.
        let other = keys.iter().find(|key| **key != held).expect("a second key");
        assert_eq!((run.code, &world.key_ids()), (Some(1), &keys), "{case}");
        assert!(
            run.log(&world)[0].contains(&format!("has another key beside {held}: {other} (active")),
            "{case}"
        );
    }
}

/// Every key that the Secret ever held was stored with its own secret, the one it holds is active, and there never were
/// more than two.
fn assert_kept(world: &World, case: &str) {
    let text = |version: &serde_json::Value, key: &str| {
        let value = STANDARD
            .decode(version["data"][key].as_str().unwrap_or_default())
            .unwrap_or_default();
        String::from_utf8(value).unwrap_or_default()
    };
    for version in world.cluster.writes("t", "s") {
        let id = text(&version, "access_key_id");
        assert!(
            world.cloud.secret_of(&id) == Some(text(&version, "secret_access_key")),
            "{case}: a pair that never was"
        );
    }
    let held = world.value("s", "access_key_id");
    assert_eq!(world.cloud.status_of(&held), Some(Status::Active), "{case}: locked out");
    assert!(world.cloud.max_keys_seen("ci") <= 2, "{case}: more than two keys");
}

/// How many requests an ordinary rotation makes to AWS and to Kubernetes.
fn requests() -> (usize, usize) {
    let world = World::with_key_secret();
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    (world.aws.operations().len(), world.kube.operations().len())
}

#[test]
fn killed_at_any_request_it_locks_nobody_out() {
    let (aws, kube) = requests();
    let mut cases: Vec<(Pick, usize, bool)> = Vec::new();
    for after in [false, true] {
        cases.extend((0..aws).map(|n| ((|world: &World| &world.aws) as Pick, n, after)));
        cases.extend((0..kube).map(|n| ((|world: &World| &world.kube) as Pick, n, after)));
    }
    assert_eq!(cases.len(), 26);
    std::thread::scope(|scope| {
        for (server, n, after) in cases {
            scope.spawn(move || kill_at(server, n, after));
        }
    });
}
