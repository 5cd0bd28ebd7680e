//! The program as a process: what others on the machine could see of it.

use std::fs;

use crate::support::program::{World, under_test};
use crate::support::script::Fault;

#[test]
fn no_core_dump_is_written() {
    let world = World::new();
    let (reached, at_server) = std::sync::mpsc::channel();
    let tell = move || {
        let _ = reached.send(());
    };
    let list = "GET /api/v1/namespaces/t/secrets";
    world
        .kube
        .script()
        .once(list, Fault::CallBefore(std::sync::Arc::new(tell)));
    world.kube.script().some(list, 1, usize::MAX, Fault::HangBefore);
    // The first answer is followed by a second page, so that the process stays while it is looked at.
    for number in 0..501 {
        world.add_key_secret(&format!("s-{number}"), "no id", "x");
    }
    let mut child = world.program(under_test()).start();
    at_server.recv().expect("a first request");
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("the limits of a running process");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit for core files");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
}
