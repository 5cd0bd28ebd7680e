//! Exec plugins, each a script in the world's folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::kubeconfig::{by_config, config};
use crate::support::program::{NAMESPACE, Program, VERBS, World};
use crate::support::script::Fault;

const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";

/// Writes the plugin, which notes each call in `calls`, then does what `script` says in the world's folder.
fn plugin(world: &World, script: &str) {
    let folder = world.files.path().display();
    let path = world.files.file(
        "plugin",
        format!("#!/bin/sh\ncd '{folder}'\necho called >> calls\n{script}\n"),
    );
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A script that issues what is in the file `token`, until `expires` where that is not empty.
fn issuing(expires: &str) -> String {
    let expiry = if expires.is_empty() {
        String::new()
    } else {
        format!(", \"expirationTimestamp\": \"{expires}\"")
    };
    format!(
        "cat <<END\n{{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\", \
         \"status\": {{\"token\": \"$(cat token)\"{expiry}}}}}\nEND"
    )
}

fn program(world: &World, arguments: &[&str]) -> Program {
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: IfAvailable}";
    by_config(world, &config(&world.kube.url(), user), arguments).env("PATH", "/usr/bin:/bin")
}

fn calls(world: &World) -> usize {
    fs::read_to_string(world.file("calls"))
        .unwrap_or_default()
        .lines()
        .count()
}

#[test]
fn a_plugin_is_called_once_for_all_threads_and_requests() {
    let world = World::new();
    for at in 0..6 {
        let user = format!("user-{at}");
        world.cloud.add_user(&user);
        let key = world.cloud.add_key(&user);
        world.add_key_secret(&user, &key.id, &key.secret);
    }
    plugin(&world, &issuing("2099-01-01T00:00:00Z"));
    let run = world.check(program(&world, &["rotate"]));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        run.log(&world).last().unwrap(),
        "INFO  rotate: 6 Secrets with label aws-rotate-key=true in namespace t: 6 rotated, 0 failed"
    );
    assert_eq!(calls(&world), 1);
}

#[test]
fn what_has_ended_is_not_shown_again() {
    let world = World::with_key_secret();
    plugin(&world, &issuing("2020-01-01T00:00:00Z"));
    let run = world.check(program(&world, &["rotate"]));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    world.assert_rotated();
    assert_eq!(calls(&world), world.kube.operations().len());
}

/// A PUT that is answered with 401 was not carried out: the rotation goes on with what the plugin issues then.
#[test]
fn after_a_401_the_plugin_is_called_again_once() {
    let world = World::with_key_secret();
    plugin(&world, &issuing(""));
    let fresh = world.cluster.token("fresh", &[(NAMESPACE, VERBS)]);
    let (cluster, path) = (world.cluster.clone(), world.file("token"));
    let replace = move || {
        cluster.revoke(&fs::read_to_string(&path).unwrap());
        fs::write(&path, &fresh).unwrap();
    };
    // The one that stores the new pair.
    world
        .kube
        .script()
        .some(PUT, 2, 1, Fault::CallBefore(Arc::new(replace)));
    let run = world.check(program(&world, &["rotate"]));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    world.assert_rotated();
    assert_eq!(calls(&world), 2);
    let refused: Vec<_> = world
        .kube
        .recorded()
        .into_iter()
        .filter(|r| r.status == Some(401))
        .collect();
    assert_eq!(refused.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(), [PUT]);
}

#[test]
fn a_plugin_that_issues_the_same_again_is_called_no_third_time() {
    let world = World::new();
    plugin(&world, &issuing(""));
    world.files.file("token", "unknown-to-the-server");
    let run = world.check(program(&world, &["rotate"]));
    assert_eq!(
        run.log(&world),
        [
            "ERROR Kubernetes: list Secrets in namespace t at KUBE: Unauthorized (401): Unauthorized; what the exec plugin issued is not accepted, not even what it issued anew; see that it is for this cluster"
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!((calls(&world), world.kube.operations().len()), (2, 2));
}

/// What a plugin prints is never shown, and what it says is one line without what may be a secret.
#[test]
fn nothing_secret_that_a_plugin_prints_is_repeated() {
    let world = World::new();
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let ways = [
        (
            format!("echo {secret}"),
            "printed no credential that can be used: expected an `ExecCredential` in JSON, and it is none",
        ),
        (
            format!("echo {secret}; echo the key is {secret} >&2; exit 4"),
            "failed with exit code 4: the key is […]",
        ),
        (
            format!("echo '{{\"kind\": \"{secret}\"}}'"),
            "printed no credential that can be used: its kind is `[…]`; expected `ExecCredential`",
        ),
        ("kill -KILL $$".into(), "failed with signal: 9 (SIGKILL)"),
    ];
    for (script, expected) in ways {
        plugin(&world, &script);
        for level in ["info", "trace"] {
            let run = world.check(program(&world, &["rotate"]).env("RUST_LOG", level));
            let command = format!("{}/plugin", world.files.path().display());
            assert_eq!(
                run.log(&world).last().unwrap(),
                &format!(
                    "ERROR Kubernetes: list Secrets in namespace t at KUBE: the exec plugin `{command}` {expected}"
                )
            );
            assert_eq!(run.code, Some(1));
            assert!(!run.stderr.contains(secret), "the secret was printed");
        }
    }
    assert_eq!(world.kube.operations(), Vec::<String>::new());
}

#[test]
fn the_environment_is_handed_on_with_what_the_entry_adds() {
    let world = World::with_key_secret();
    plugin(
        &world,
        &format!("echo \"$INHERITED $ADDED $1\" > seen\n{}", issuing("")),
    );
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never, args: [one two], \
                env: [{name: ADDED, value: a}]}";
    let program = by_config(&world, &config(&world.kube.url(), user), &["rotate"])
        .env("PATH", "/usr/bin:/bin")
        .env("INHERITED", "i")
        .env("ADDED", "not this");
    assert_eq!(world.check(program).code, Some(0));
    assert_eq!(fs::read_to_string(world.file("seen")).unwrap(), "i a one two\n");
    world.assert_rotated();
}

/// What would make another token than the missing program is named, before anybody is asked for credentials.
#[test]
fn an_entry_for_eks_that_is_not_understood_is_refused() {
    let world = World::new();
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws-iam-authenticator, args: [token, -i, c, \
                --forward-session-name]}";
    let run = world.check(by_config(&world, &config(&world.kube.url(), user), &["rotate"]).env("PATH", "/nonexistent"));
    assert_eq!(
        run.log(&world),
        [
            "ERROR Kubernetes: list Secrets in namespace t at KUBE: no token for EKS could be made in place of \
             `aws-iam-authenticator`, which is not installed: its argument `--forward-session-name` is not understood"
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

/// On a terminal, which util-linux's `script` makes: the plugin's question is shown, and it gets the answer.
#[test]
fn a_plugin_may_ask_a_person() {
    let world = World::with_key_secret();
    plugin(
        &world,
        &format!(
            "printf 'Code? ' >&2\nread answer\necho \"$answer\" > answer\n{}",
            issuing("")
        ),
    );
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Always}";
    let typed = by_config(&world, &config(&world.kube.url(), user), &["rotate"]).quoted();
    let script = "echo 123456 | script -qec \"$COMMAND\" /dev/null";
    let run = Program::new("/bin/sh")
        .args(&["-c", script])
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_ENDPOINT_URL", world.aws.url())
        .env("COMMAND", typed)
        .run();
    let plugin = world.file("plugin");
    let question = format!("WARN  {plugin} says: Code?");
    assert!(run.stdout.contains(&question), "{}", run.stdout);
    assert_eq!(run.code, Some(0));
    assert_eq!(fs::read_to_string(world.file("answer")).unwrap(), "123456\n");
    world.assert_rotated();
}
