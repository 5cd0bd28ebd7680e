//! What stories about rotations have in common: the log in words that are the same in every run, the records on a Secret,
//! and Secrets in other namespaces.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{fs, thread};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::aws::AccessKey;
use super::kube::Cluster;
use super::program::{NAMESPACE, Program, Run, VERBS, World, under_test};
use super::script::Fault;

pub const JOURNAL: &str = "aws-rotate-key/journal";
pub const HISTORY: &str = "aws-rotate-key/history";
pub const ROTATED_AT: &str = "aws-rotate-key/rotated-at";

/// The user of [`World`], as the log names it.
pub const CI: &str = "arn:aws:iam::123456789012:user/ci";

pub const LIST: &str = "GET /api/v1/namespaces/t/secrets";

/// The log with a name for each of these ids, `NEW` for every other, `TIME` for times and `DAY` for days.
pub fn told(world: &World, run: &Run, names: &[(&str, &str)]) -> Vec<String> {
    let named = |line: String| settled(&names.iter().fold(line, |line, (id, name)| line.replace(id, name)));
    run.log(world).into_iter().map(named).collect()
}

/// A line of a log with the same for every key's id, time and day.
pub fn settled(line: &str) -> String {
    without(&without(line, "AKIA", 20, "NEW"), "20", 0, "")
}

/// The text with `name` for each word that begins so; a `length` of 0 stands for the form of a time or a day.
fn without(text: &str, begin: &str, length: usize, name: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(begin) {
        let found = &rest[at..];
        let (end, name) = match length {
            0 if is_like(found, "0000-00-00T00:00:00Z") => (20, "TIME"),
            0 if is_like(found, "0000-00-00") => (10, "DAY"),
            0 => (begin.len(), begin),
            length => (length.min(found.len()), name),
        };
        result += &rest[..at];
        result += name;
        rest = &found[end..];
    }
    result + rest
}

/// Whether the text begins in that form, with a digit for each `0`.
fn is_like(text: &str, form: &str) -> bool {
    text.len() >= form.len()
        && text.bytes().zip(form.bytes()).all(|(is, like)| match like {
            b'0' => is.is_ascii_digit(),
            like => is == like,
        })
}

/// A record on a Secret, parsed.
pub fn record(world: &World, namespace: &str, name: &str, annotation: &str) -> Option<Value> {
    let text = world.cluster.annotation(namespace, name, annotation)?;
    Some(serde_json::from_str(&text).expect("a record is JSON"))
}

/// Changes the history of the Secret `name` as nobody but a test would.
pub fn edit_history(world: &World, name: &str, edit: &dyn Fn(&mut Value)) {
    let mut history = record(world, NAMESPACE, name, HISTORY).expect("a history");
    edit(&mut history);
    annotate(&world.cluster, name, HISTORY, &history.to_string());
}

pub fn annotate(cluster: &Cluster, name: &str, annotation: &str, value: &str) {
    cluster.edit(NAMESPACE, name, &|secret| {
        secret["metadata"]["annotations"][annotation] = json!(value)
    });
}

/// A time as records write it, so many seconds from now by the cluster's clock.
pub fn time(world: &World, from_now: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(world.cluster.now() + from_now).unwrap();
    time.format(&Rfc3339).unwrap()
}

/// A journal on the Secret `name`, by a run of user `ci` in another pod that renewed it so many seconds ago and knows the
/// keys that there are now; `change` makes something else of it.
pub fn journal(world: &World, name: &str, renewed_ago: i64, change: Value) -> Value {
    let secret = world.cluster.secret(NAMESPACE, name).expect("a Secret");
    let mut journal = json!({
        "version": 1, "uid": secret["metadata"]["uid"], "user": world.cloud.user_id("ci"), "run": "0123456789abcdef",
        "holder": {"pod": "other", "host": "elsewhere", "boot": "b", "pids": "pid:[1]", "pid": 7, "started": 1},
        "begun": time(world, -renewed_ago - 5), "renewed": time(world, -renewed_ago),
        "group": [format!("{NAMESPACE}/{name}")], "known": world.key_ids(), "windows": [], "made": [], "released": false,
    });
    for (field, value) in change.as_object().expect("fields") {
        journal[field] = value.clone();
    }
    journal
}

/// Puts that [`journal`] on the Secret.
pub fn put_journal(world: &World, name: &str, renewed_ago: i64, change: Value) {
    let journal = journal(world, name, renewed_ago, change).to_string();
    annotate(&world.cluster, name, JOURNAL, &journal);
}

/// A labelled Secret with this pair in any namespace.
pub fn key_secret(cluster: &Cluster, namespace: &str, name: &str, key: &AccessKey) {
    cluster.add_secret(json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {"aws-rotate-key": "true"}},
        "stringData": {"access_key_id": key.id, "secret_access_key": key.secret},
    }));
}

/// Puts another pair into a Secret, as this field manager.
pub fn put_pair(cluster: &Cluster, manager: &str, name: &str, key: &AccessKey) {
    cluster.edit_as(manager, NAMESPACE, name, &|secret| {
        secret["data"]["access_key_id"] = json!(STANDARD.encode(&key.id));
        secret["data"]["secret_access_key"] = json!(STANDARD.encode(&key.secret));
    });
}

/// From now on the program may see every namespace.
pub fn grant_all_namespaces(world: &World) {
    let token = world.cluster.token("system:serviceaccount:t:rotate", &[("*", VERBS)]);
    world.files.file("token", token);
}

/// Every Secret as it is stored and every key of the user.
pub fn state(world: &World) -> (Vec<Option<Value>>, Vec<super::aws::Key>) {
    let secret = |name: &String| {
        let (namespace, name) = name.split_once('/').expect("namespace/name");
        world.cluster.secret(namespace, name)
    };
    (
        world.cluster.names().iter().map(secret).collect(),
        world.cloud.keys("ci"),
    )
}

/// A run with these arguments that leaves every Secret and every key as it was; what it said.
#[track_caller]
pub fn idle_run(world: &World, arguments: &[&str], code: i32, names: &[(&str, &str)]) -> Vec<String> {
    let before = state(world);
    let run = world.run(arguments);
    let said = told(world, &run, names);
    assert_eq!(run.code, Some(code), "{said:?}");
    // Not `assert_eq`: a failing test must not print what is in the Secrets.
    assert!(state(world) == before, "something was changed: {said:?}");
    said
}

/// A hook that does something once to the cluster and nothing else.
pub fn to_cluster(world: &World, change: impl Fn(&Cluster) + Send + Sync + 'static) -> Arc<dyn Fn() + Send + Sync> {
    let cluster = Arc::clone(&world.cluster);
    Arc::new(move || change(&cluster))
}

/// Runs the program and sends it SIGTERM while a request is before its effect; `at` puts the hook into a script.
pub fn terminated(world: &World, arguments: &[&str], at: impl FnOnce(Fault)) -> Run {
    let (tell, reached) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
    let hook = move || {
        let _ = tell.lock().unwrap().send(());
        let _ = wait.lock().unwrap().recv();
    };
    at(Fault::CallBefore(Arc::new(hook)));
    let program: Program = world.program(under_test()).args(arguments);
    let child = program.start();
    reached.recv().expect("that request");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a child of ours that runs");
    wait_for_handler(child.id());
    let _ = go_on.send(());
    let output = child.wait_with_output().expect("a child of ours");
    Run::of(output)
}

/// Waits until a signal that was sent is handled: it is not pending any more, and every thread is asleep again. The program
/// waits for an answer all the while.
fn wait_for_handler(pid: u32) {
    let asleep = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with('S'))
    };
    let handled = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut pending = status.lines().filter_map(|line| line.strip_prefix("ShdPnd:"));
        let pending = pending.any(|set| set.trim().bytes().any(|digit| digit != b'0'));
        let mut tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        !pending && tasks.all(asleep)
    };
    let begun = Instant::now();
    while !handled() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the signal is not handled");
        thread::sleep(Duration::from_millis(2));
    }
}
