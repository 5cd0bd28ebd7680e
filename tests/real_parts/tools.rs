//! The real parts: where they are, and how each is called. All run with an environment of their own.

use std::env;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::program::{NAMESPACE, Program, Run, World};

/// What a variable of the caller's says. A part that is missing fails the test: to skip it would prove nothing.
pub(crate) fn required(variable: &str) -> PathBuf {
    let path = env::var_os(variable)
        .unwrap_or_else(|| panic!("the variable `{variable}` is not set; see `real_parts` in .ci/run"));
    let path = PathBuf::from(path);
    assert!(
        path.is_absolute() && path.exists(),
        "`{variable}` is `{}`; expected the absolute path of a file",
        path.display()
    );
    path
}

/// The program in this world, with no arguments of its own yet.
pub(crate) fn program(world: &World) -> Program {
    world.program(required("PROGRAM_UNDER_TEST"))
}

/// Runs the program. Of no pair that any Secret of the world ever held may the secret part be in what it printed; that
/// is [`World::check`]'s promise for keys of the embedded AWS, and here for all others.
pub(crate) fn run(world: &World, program: Program) -> Run {
    let run = world.check(program);
    for key in world.cluster.names() {
        let (namespace, name) = key.split_once('/').unwrap();
        for version in world.cluster.writes(namespace, name) {
            for field in ["secret_access_key", ".dockerconfigjson"] {
                let Some(value) = version["data"][field].as_str().filter(|value| !value.is_empty()) else {
                    continue;
                };
                let text = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
                let leaks = run.stderr.contains(value) || run.stderr.contains(text.trim());
                assert!(!leaks, "{key}: the value of {field} was printed");
            }
        }
    }
    run
}

/// `kubectl` at this world's API with this token. It keeps what it learns of the API in a folder of the test's own.
pub(crate) fn kubectl(world: &World, token: &str) -> Program {
    Program::new(required("KUBECTL"))
        .env("HOME", world.files.path().display().to_string())
        .args(&[
            "--server",
            &world.kube.url(),
            "--certificate-authority",
            &world.file("ca.crt"),
        ])
        .args(&["--token", token, "--namespace", NAMESPACE])
}

/// A key pair, as the AWS CLI takes it.
#[derive(Clone, PartialEq)]
pub(crate) struct Pair {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The AWS CLI at this endpoint, signing with this pair. Its home is a folder without `.aws`.
pub(crate) fn aws(endpoint: &str, pair: &Pair) -> Program {
    Program::new(required("AWS_CLI"))
        .env("HOME", "/nonexistent")
        .env("AWS_ACCESS_KEY_ID", &pair.id)
        .env("AWS_SECRET_ACCESS_KEY", &pair.secret)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .args(&["--endpoint-url", endpoint, "--output", "json"])
}

/// What a tool prints when all goes well.
pub(crate) fn output(tool: Program) -> String {
    let run = tool.run();
    // The command line is not shown: a token may be in it.
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "stdout: {}", run.stdout);
    run.stdout
}

/// What a tool says when it is refused.
pub(crate) fn refusal(tool: Program) -> String {
    let run = tool.run();
    assert_ne!(run.code, Some(0), "stdout: {}", run.stdout);
    assert_eq!(run.stdout, "");
    run.stderr.trim().to_owned()
}

/// A data value of a Secret, read by `kubectl`.
pub(crate) fn value_by_kubectl(world: &World, token: &str, secret: &str, key: &str) -> String {
    let path = format!("jsonpath={{.data.{}}}", key.replace('.', "\\."));
    let value = output(kubectl(world, token).args(&["get", "secret", secret, "-o", &path]));
    String::from_utf8(STANDARD.decode(value).expect("base64")).expect("text")
}

/// The pair in a Secret, read by `kubectl`.
pub(crate) fn pair_by_kubectl(world: &World, token: &str, secret: &str) -> Pair {
    let value = |key| value_by_kubectl(world, token, secret, key);
    Pair {
        id: value("access_key_id"),
        secret: value("secret_access_key"),
    }
}
