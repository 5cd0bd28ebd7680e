//! Bad input: what is wrong in a Secret, at AWS, at the API server, on the network or on the command line. Each test asserts
//! the exact text that an operator would read, the exit code, and that nothing was changed that need not be.

mod answers;
mod aws;
mod causes;
mod command_line;
mod ecr;
mod kubernetes;
mod network;
mod outcome;
mod passing;
mod secrets;
mod tls;

use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::support::aws::Key;
use crate::support::program::{NAMESPACE, Program, Run, World, under_test};

const ROTATE_FAILED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed";
const ROTATED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed";
const ECR_FAILED: &str =
    "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 0 refreshed, 1 failed";
const ECR_DONE: &str =
    "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 1 refreshed, 0 failed";

/// The operations on the Secrets of [`rotate_world`] and [`ecr_world`].
const LIST: &str = "GET /api/v1/namespaces/t/secrets";
const GET_SOURCE: &str = "GET /api/v1/namespaces/t/secrets/s";
const PUT_KEY: &str = "PUT /api/v1/namespaces/t/secrets/s";
const PUT_PULL: &str = "PUT /api/v1/namespaces/t/secrets/pull";

/// A world with the Secret `s` that holds the user's key.
fn rotate_world() -> World {
    World::with_key_secret()
}

/// A world with the image-pull Secret `pull`, whose key pair is in the Secret `s`.
fn ecr_world() -> World {
    let world = World::new();
    add_source(&world, "s", &world.key.id, &world.key.secret);
    world.add_pull_secret("pull", "s", "eu-west-1", "{}");
    world
}

/// A Secret with a key pair and without a label.
fn add_source(world: &World, name: &str, id: &str, secret: &str) {
    world.cluster.add_secret(serde_json::json!({
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": {"access_key_id": id, "secret_access_key": secret},
    }));
}

/// The program in this world, with these arguments.
fn program(world: &World, arguments: &[&str]) -> Program {
    world.program(under_test()).args(arguments)
}

/// The id in AWS's own examples: it has the right form and is nobody's.
const EXAMPLE_ID: &str = "AKIAIOSFODNN7EXAMPLE";

/// The log, with `KEY` for the id of the world's key, `NEW` for that of any other key (but [`EXAMPLE_ID`]) and `FILES` for
/// the world's folder.
fn said(world: &World, run: &Run) -> Vec<String> {
    let files = world.files.path().display().to_string();
    let lines = run
        .log(world)
        .into_iter()
        .map(|line| line.replace(&world.key.id, "KEY").replace(&files, "FILES"));
    lines.map(|line| without_key_ids(&line)).collect()
}

fn without_key_ids(line: &str) -> String {
    match line.split_once("AKIA") {
        None => line.to_owned(),
        Some((before, after)) => {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
            let name = if EXAMPLE_ID.strip_prefix("AKIA") == Some(&after[..end]) {
                EXAMPLE_ID
            } else {
                "NEW"
            };
            format!("{before}{name}{}", without_key_ids(&after[end..]))
        }
    }
}

/// Every Secret as it is stored, and the keys of the user `ci`.
fn state(world: &World) -> (Vec<Value>, Vec<Key>) {
    let secret = |name: String| {
        let (namespace, name) = name.split_once('/').expect("namespace/name");
        world
            .cluster
            .secret(namespace, name)
            .expect("a Secret that was just listed")
    };
    (
        world.cluster.names().into_iter().map(secret).collect(),
        world.cloud.keys("ci"),
    )
}

/// The run says this, ends with this code and leaves every Secret and every key as it was.
#[track_caller]
fn changes_nothing(world: &World, program: Program, code: i32, expected: &[&str]) {
    let before = state(world);
    let run = world.check(program);
    assert_eq!(said(world, &run), expected);
    assert_eq!(run.code, Some(code));
    // Not `assert_eq`: a failing test must not print what is in the Secrets.
    assert!(state(world) == before, "something was changed");
}

/// The Secrets without what any write changes: their version, their writers, and the time of the last one.
fn unversioned((mut secrets, keys): (Vec<Value>, Vec<Key>)) -> (Vec<Value>, Vec<Key>) {
    for secret in &mut secrets {
        let metadata = secret["metadata"].as_object_mut().expect("metadata");
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        if metadata
            .get("annotations")
            .is_some_and(|all| *all == serde_json::json!({}))
        {
            metadata.remove("annotations");
        }
    }
    (secrets, keys)
}

/// As [`changes_nothing`], but what the run wrote and took off again, its journal for one, may have given a Secret another
/// version.
#[track_caller]
fn leaves_as_before(world: &World, program: Program, code: i32, expected: &[&str]) {
    let before = unversioned(state(world));
    let run = world.check(program);
    assert_eq!(said(world, &run), expected);
    assert_eq!(run.code, Some(code));
    assert!(unversioned(state(world)) == before, "something is not as before");
}

/// `rotate` leaves everything as it was, for this reason. No key is made on the way either.
#[track_caller]
fn rotate_refuses(world: &World, why: &str) {
    changes_nothing(
        world,
        program(world, &["rotate"]),
        1,
        &[&format!("ERROR t/s: {why}"), ROTATE_FAILED],
    );
    assert_eq!(world.cloud.create_count("ci"), 0);
}

/// `ecr-update` leaves everything as it was, for this reason.
#[track_caller]
fn ecr_update_refuses(world: &World, why: &str) {
    changes_nothing(
        world,
        program(world, &["ecr-update"]),
        1,
        &[&format!("ERROR t/pull: {why}"), ECR_FAILED],
    );
}

/// The run ends at the list, for this reason.
#[track_caller]
fn no_list(world: &World, job: &str, why: &str) {
    let line = format!("ERROR Kubernetes: list Secrets in namespace t at KUBE: {why}");
    changes_nothing(world, program(world, &[job]), 1, &[&line]);
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

/// `rotate` replaces the key of [`rotate_world`]. Before its usual lines it says `first`.
#[track_caller]
fn rotates(world: &World, program: Program, first: &[&str]) {
    let run = world.check(program);
    let usual = [
        "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
        "INFO  t/s: created key NEW; waiting for AWS to accept it",
        "INFO  t/s: key NEW is accepted; writing it to the Secret",
        "INFO  t/s: deleted key KEY",
        "INFO  t/s: rotated: key NEW of arn:aws:iam::123456789012:user/ci replaces KEY, which is deleted",
        ROTATED,
    ];
    assert_eq!(said(world, &run), [first, &usual].concat());
    assert_eq!(run.code, Some(0));
    let id = world.value("s", "access_key_id");
    assert_eq!(
        world.cloud.keys("ci").iter().map(|key| &key.id).collect::<Vec<_>>(),
        [&id]
    );
    assert!(
        world.cloud.secret_of(&id) == Some(world.value("s", "secret_access_key")),
        "another secret than the key's"
    );
    assert_eq!(world.cloud.create_count("ci"), 1);
}

/// `ecr-update` refreshes the login of [`ecr_world`]. Before its usual lines it says `first`.
#[track_caller]
fn refreshes(world: &World, program: Program, first: &[&str]) {
    let run = world.check(program);
    let expires_at = world
        .cluster
        .annotation(NAMESPACE, "pull", "aws-ecr-updater/expires-at")
        .expect("a fresh login");
    let line = format!(
        "INFO  t/pull: login to 123456789012.dkr.ecr.eu-west-1.amazonaws.com with key KEY is valid until {expires_at}"
    );
    assert_eq!(said(world, &run), [first, &[line.as_str(), ECR_DONE]].concat());
    assert_eq!(run.code, Some(0));
    let issued = world.cloud.tokens_issued().len();
    assert_eq!(issued, 1);
}

/// An address where nobody listens, and where nobody else can begin to: the port belongs to a connection.
struct Nobody {
    client: TcpStream,
    _listener: TcpListener,
}

impl Nobody {
    fn new() -> Nobody {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("the address of a bound socket");
        Nobody {
            client: TcpStream::connect(address).expect("a listener of our own"),
            _listener: listener,
        }
    }

    /// `127.0.0.1:1234`
    fn address(&self) -> String {
        self.client
            .local_addr()
            .expect("the address of a connected socket")
            .to_string()
    }
}
