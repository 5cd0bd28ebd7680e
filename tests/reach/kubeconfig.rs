//! Kubeconfig files: what they lead to, and what is said on the way. That they mean the same as to kubectl is tested beside
//! kubectl, in `tests/real_parts/kubeconfig.rs`.

use crate::support::program::{NAMESPACE, Program, Run, VERBS, World, under_test};
use crate::support::tls::{Authority, EC_PKCS8};

/// A kubeconfig in the world's folder with one context, for `server` and this user, trusting `ca.crt`.
pub(super) fn config(server: &str, user: &str) -> String {
    format!(
        "current-context: x\n\
         clusters:\n- name: c\n  cluster: {{server: '{server}', certificate-authority: ca.crt}}\n\
         contexts:\n- name: x\n  context: {{cluster: c, user: u, namespace: t}}\n\
         users:\n- name: u\n  user: {{{user}}}\n"
    )
}

/// The program, told of the world's AWS and of nothing else.
pub(super) fn alone(world: &World, arguments: &[&str]) -> Program {
    Program::new(under_test())
        .args(arguments)
        .env("AWS_ENDPOINT_URL", world.aws.url())
}

/// The program, told of this kubeconfig as well.
pub(super) fn by_config(world: &World, config: &str, arguments: &[&str]) -> Program {
    let path = world.files.file("config", config).display().to_string();
    alone(world, arguments).args(&["--kubeconfig", &path])
}

fn said(world: &World, run: &Run) -> Vec<String> {
    let files = world.files.path().display().to_string();
    run.log(world)
        .iter()
        .map(|line| line.replace(&files, "FILES"))
        .collect()
}

#[track_caller]
fn refused(world: &World, program: Program, expected: &str) {
    let run = world.check(program);
    assert_eq!(said(world, &run), [format!("ERROR {expected}")]);
    assert_eq!(run.code, Some(2));
    assert_eq!(world.kube.operations(), Vec::<String>::new());
}

const TOKEN_FILE: &str = "tokenFile: token";

#[test]
fn every_kind_of_user_can_rotate() {
    let authority = Authority::new("clusters");
    let certificate = authority.client_named("certified", "team", EC_PKCS8);
    for (user, seen) in [
        (TOKEN_FILE, "system:serviceaccount:t:rotate"),
        ("client-certificate: u.crt, client-key: u.key", "certified"),
        ("username: bob, password: correct horse", "bob"),
        ("tokenFile: power, as: jane", "jane"),
    ] {
        let mut world = World::with_key_secret();
        world.kube = world
            .cluster
            .start("127.0.0.1", authority.server_with_clients(&["127.0.0.1"]));
        world.files.file("ca.crt", authority.pem());
        world.files.file("u.crt", &certificate);
        world.files.file("u.key", EC_PKCS8);
        for subject in ["team", "bob", "jane"] {
            world.cluster.grant(subject, &[(NAMESPACE, VERBS)]);
        }
        world.cluster.set_password("bob", "correct horse");
        world
            .files
            .file("power", world.cluster.token("power", &[("*", &["impersonate"])]));
        let run = world.check(by_config(&world, &config(&world.kube.url(), user), &["rotate"]));
        assert_eq!(run.code, Some(0), "{user}: {}", run.stderr);
        world.assert_rotated();
        assert!(world.cluster.asked().iter().all(|asked| asked.user == seen), "{user}");
        assert!(!run.stderr.contains("correct horse"));
    }
}

/// Lists, gets and updates, each below the path.
#[test]
fn a_server_below_a_path_is_reached_there_alone() {
    let mut world = World::with_key_secret();
    world.add_pull_secret("pull", "s", "eu-west-1", "{}");
    let authority = Authority::new("rancher");
    world.files.file("ca.crt", authority.pem());
    world.kube = world
        .cluster
        .start_under("/k8s/clusters/c-1", "127.0.0.1", authority.server(&["127.0.0.1"]));
    let config = config(&format!("{}/k8s/clusters/c-1/", world.kube.url()), TOKEN_FILE);
    for job in ["rotate", "ecr-update"] {
        let run = world.check(by_config(&world, &config, &[job]));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    world.assert_rotated();
    let operations = world.kube.operations();
    for operation in ["GET", "GET /s", "PUT /s", "PUT /pull"] {
        let (method, name) = operation.split_once(' ').unwrap_or((operation, ""));
        let operation = format!("{method} /k8s/clusters/c-1/api/v1/namespaces/t/secrets{name}");
        assert!(operations.contains(&operation), "{operation}: {operations:#?}");
    }
}

#[test]
fn an_ipv6_server_and_another_name_on_its_certificate() {
    let mut world = World::with_key_secret();
    let authority = Authority::new("cluster");
    world.files.file("ca.crt", authority.pem());
    world.kube = world.cluster.start("::1", authority.server(&["kubernetes.example"]));
    let config = config(&world.kube.url(), TOKEN_FILE).replace("ca.crt", "ca.crt, tls-server-name: kubernetes.example");
    assert_eq!(world.check(by_config(&world, &config, &["rotate"])).code, Some(0));
    world.assert_rotated();
}

#[test]
fn a_certificate_that_is_not_checked_is_warned_of_on_every_run() {
    let mut world = World::new();
    world.kube = world
        .cluster
        .start("127.0.0.1", Authority::new("nobody's").server(&["elsewhere"]));
    let config = config(&world.kube.url(), TOKEN_FILE)
        .replace("certificate-authority: ca.crt", "insecure-skip-tls-verify: true");
    for _ in 0..2 {
        let run = world.check(by_config(&world, &config, &["rotate"]));
        assert_eq!(
            said(&world, &run),
            [
                "WARN  Kubernetes: the certificate of KUBE is not checked (`insecure-skip-tls-verify`): whoever is on the way \
                 may read the credentials and every Secret",
                "INFO  rotate: 0 Secrets with label aws-rotate-key=true in namespace t; nothing to do",
            ]
        );
        assert_eq!(run.code, Some(0));
    }
}

#[test]
fn the_namespace_is_the_flags_the_variables_or_the_contexts() {
    let world = World::new();
    world.cluster.add_namespace("u");
    let token = world.cluster.token(
        "many",
        &[(NAMESPACE, VERBS), ("u", VERBS), ("default", VERBS), ("*", VERBS)],
    );
    world.files.file("many", token);
    let config = config(&world.kube.url(), "tokenFile: many");
    let bare = config.replace(", namespace: t", "");
    for (config, arguments, variable, expected) in [
        (&config, &[][..], None, "namespace t"),
        (&config, &["-n", "u"], None, "namespace u"),
        (&config, &[], Some("u"), "namespace u"),
        (&config, &["-n", "default"], Some("u"), "namespace default"),
        (&config, &["-A"], None, "all namespaces"),
        (&config, &[], Some(""), "all namespaces"),
        (&bare, &[], None, "namespace default"),
    ] {
        let mut program = by_config(&world, config, arguments);
        if let Some(variable) = variable {
            program = program.env("NAMESPACE", variable);
        }
        let run = world.check(program);
        assert_eq!(
            said(&world, &run),
            [format!(
                "INFO  rotate: 0 Secrets with label aws-rotate-key=true in {expected}; nothing to do"
            )]
        );
    }
    let broken = config.replace("namespace: t", "namespace: T_T");
    refused(
        &World::new(),
        by_config(&world, &broken, &["rotate"]),
        "the context's `namespace`: `T_T` is no name of a namespace; expected at most 63 lower-case letters, digits and `-`, \
         beginning and ending with a letter or digit",
    );
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let world = World::new();
    let config = world
        .files
        .file("config", config(&world.kube.url(), TOKEN_FILE))
        .display()
        .to_string();
    let server = world.kube.url();
    for (arguments, expected) in [
        (
            &["--kubeconfig", &*config, "--server", &*server][..],
            "`--kubeconfig` and `--server` contradict each other: each says which API server; give one of them",
        ),
        (
            &["--context", "x", "--server", &server],
            "`--context` and `--server` contradict each other: each says which API server; give one of them",
        ),
        (
            &["--kubeconfig", &config, "--token-file", "t"],
            "`--token-file` goes with `--server`; give both or neither",
        ),
        (
            &["--kubeconfig", &config, "--certificate-authority", "t"],
            "`--certificate-authority` goes with `--server`; give both or neither",
        ),
        (
            &["--kubeconfig", &config, "--as-group", "g"],
            "`--as-group` needs `--as`, the user to act as",
        ),
        (
            &["--kubeconfig", &config, "--as", ""],
            "`--as` is empty, or holds what no name has",
        ),
        (
            &["--kubeconfig", &config, "--as", "a", "--as-group", "b\r\nx-y: z"],
            "`--as-group` is empty, or holds what no name has",
        ),
    ] {
        refused(&world, alone(&world, arguments), expected);
    }
}

/// `--server` is a way of its own: what a kubeconfig says does not matter, not even that it is broken.
#[test]
fn a_server_that_is_named_needs_no_kubeconfig() {
    let world = World::with_key_secret();
    world.files.file("config", "no kubeconfig");
    let run = world.check(
        world
            .program(under_test())
            .arg("rotate")
            .env("KUBECONFIG", world.file("config"))
            .env("HOME", world.file("")),
    );
    assert_eq!(run.code, Some(0));
    world.assert_rotated();
}

#[test]
fn a_server_that_is_named_can_be_asked_as_somebody_else() {
    let world = World::with_key_secret();
    let token = world.cluster.token("power", &[("*", &["impersonate"])]);
    world.files.file("token", token);
    world.cluster.grant("team", &[(NAMESPACE, VERBS)]);
    let program = world
        .program(under_test())
        .args(&["--as", "jane", "--as-group", "team"]);
    assert_eq!(world.check(program).code, Some(0));
    world.assert_rotated();
    let asked = world.cluster.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.user == "jane" && asked.groups == ["team"])
    );
}

#[test]
fn nothing_but_a_name_gets_into_a_header() {
    let world = World::new();
    for user in [
        "as: \"a\\r\\nx: y\"",
        "as: a, as-groups: [\"b\\n\"]",
        "as: a, as-user-extra: {c: [\"\\0\"]}",
    ] {
        let config = config(&world.kube.url(), &format!("{TOKEN_FILE}, {user}"));
        refused(
            &world,
            by_config(&world, &config, &["rotate"]),
            "the kubeconfig's user has a control character in `as`, `as-uid`, `as-groups` or `as-user-extra`",
        );
    }
}

#[test]
fn a_variable_that_names_nothing_is_told() {
    let world = World::new();
    let (one, two) = (world.file("one"), world.file("two"));
    let program = alone(&world, &["rotate"])
        .env("KUBECONFIG", format!("{one}:{two}"))
        .env("HOME", "/nonexistent");
    let run = world.check(program);
    assert_eq!(
        said(&world, &run),
        [
            "WARN  `KUBECONFIG` names no file that is there: `FILES/one`, `FILES/two`",
            "ERROR no Kubernetes API server: the kubeconfigs of `KUBECONFIG`, `FILES/one:FILES/two`, are empty or not there, and \
             this is no pod (`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are not both set); pass `--kubeconfig`, or \
             `--server` and `--token-file`",
        ]
    );
    assert_eq!(run.code, Some(2));
}

#[test]
fn a_kubeconfig_counts_before_the_pod_it_is_used_in() {
    let world = World::with_key_secret();
    let program = by_config(&world, &config(&world.kube.url(), TOKEN_FILE), &["rotate"])
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "1");
    assert_eq!(world.check(program).code, Some(0));
    world.assert_rotated();
    // An empty one does not.
    let program = by_config(&world, "kind: Config\n", &["rotate"])
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "1");
    let run = world.check(program);
    let line = &said(&world, &run)[0];
    assert!(
        line.starts_with("ERROR the pod's service account is of no use: "),
        "{line}"
    );
}

#[test]
fn credentials_do_not_go_out_in_the_clear() {
    let mut world = World::with_key_secret();
    let token = std::fs::read_to_string(world.file("token")).unwrap();
    world.kube = world.cluster.start_plain("127.0.0.1", token);
    let with = |user: &str| config(&world.kube.url(), user);
    for user in [
        TOKEN_FILE,
        "username: u",
        "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}",
    ] {
        refused(
            &world,
            by_config(&world, &with(user), &["rotate"]),
            "cluster `c` of the kubeconfig: `server` is `KUBE`, and credentials are never sent in the clear; expected \
             `https://host:port`, or a user without credentials",
        );
    }
    let run = world.check(by_config(&world, &with(""), &["rotate"]));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    world.assert_rotated();
}
