//! Arguments and variables that cannot be meant: exit code 2, one or two lines, nothing asked of anybody.

use std::path::Path;

use super::{changes_nothing, rotate_world};
use crate::support::program::{Program, under_test};

const USAGE: &str = "Run `aws-iam-credential-rotate --help` for usage.";

/// The program, told nothing but this.
fn alone(arguments: &[&str]) -> Program {
    Program::new(under_test()).args(arguments)
}

#[test]
fn what_cannot_be_an_argument_is_told_with_the_way_to_the_usage() {
    let lengths = "expected numbers with units in the order d, h, m, s, such as `90d`, `1d12h`, `30m` or `45s`";
    let bad_length =
        |option: &str, value: &str| format!("Error parsing option '{option}' with value '{value}': {lengths}");
    let mut cases: Vec<(Vec<&str>, String)> = vec![
        (
            vec!["delete-everything"],
            "Error parsing positional argument 'command' with value 'delete-everything': expected `rotate`, \
             `ecr-update` or `all`"
                .into(),
        ),
        (vec!["rotate", "ecr-update"], "Unrecognized argument: ecr-update".into()),
        (vec!["--dry-run"], "Unrecognized argument: --dry-run".into()),
        (vec!["-x"], "Unrecognized argument: -x".into()),
        (vec!["rotate", "-n"], "No value provided for option '-n'.".into()),
        (
            vec!["rotate", "--server"],
            "No value provided for option '--server'.".into(),
        ),
        (
            vec!["-n", "a", "-n", "b"],
            "Error parsing option '-n' with value 'b': duplicate values provided".into(),
        ),
    ];
    for value in ["0s", "1d1s"] {
        for option in ["--request-timeout", "--propagation-timeout"] {
            let message = format!(
                "Error parsing option '{option}' with value '{value}': expected more than nothing and at most `1d`"
            );
            cases.push((vec![option, value], message));
        }
    }
    for value in ["5", "5 s", "-5s", "1.5h", "s", "1h1h", "1s1h", "99999999999999999999s"] {
        cases.push((vec!["--request-timeout", value], bad_length("--request-timeout", value)));
        cases.push((
            vec!["--propagation-timeout", value],
            bad_length("--propagation-timeout", value),
        ));
    }
    for (arguments, message) in cases {
        let run = alone(&arguments).run();
        assert_eq!(run.stderr, format!("{message}\n{USAGE}\n"), "{arguments:?}");
        assert_eq!((run.stdout.as_str(), run.code), ("", Some(2)), "{arguments:?}");
    }
}

#[test]
fn a_time_out_that_no_clock_can_count_to_is_refused() {
    for option in ["--propagation-timeout", "--request-timeout"] {
        let run = alone(&[&format!("{option}=18446744073709551615s")]).run();
        assert_eq!(
            run.stderr,
            format!(
                "Error parsing option '{option}' with value '18446744073709551615s': expected more than nothing and at \
                 most `1d`\n{USAGE}\n"
            )
        );
        assert_eq!((run.stdout.as_str(), run.code), ("", Some(2)));
    }
}

#[test]
fn the_version_is_printed() {
    let run = alone(&["--version"]).run();
    assert_eq!(
        run.stdout,
        format!("aws-iam-credential-rotate {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)));
}

#[test]
fn the_help_begins_with_what_the_program_is_for() {
    for ask in [&["--help"][..], &["help"], &["ecr-update", "--help"]] {
        let run = alone(ask).run();
        let first: Vec<&str> = run.stdout.lines().take(11).collect();
        assert_eq!(
            first,
            [
                "Usage: aws-iam-credential-rotate [-n <namespace>] [-A] [--kubeconfig <kubeconfig>] [--context <context>] [--as <as>] [--as-group <as-group...>] [--server <server>] [--token-file <token-file>] \
                 [--certificate-authority <certificate-authority>] [--propagation-timeout <propagation-timeout>] \
                 [--request-timeout <request-timeout>] [--lock-timeout <lock-timeout>] [--deadline <deadline>] \
                 [--retire <retire>] [--grace-period <grace-period>] [--max-age <max-age>] \
                 [--foreign-keys <foreign-keys>] [--renew-within <renew-within>] [--prune] \
                 [--version] [--] [<command>]",
                "",
                "Rotates the IAM access keys held in Kubernetes Secrets, and refreshes ECR image-pull logins.",
                "",
                "Commands:",
                "\u{a0} rotate            replace the key pair in every Secret with the label aws-rotate-key=true:",
                "\u{a0}                   create a key, wait until AWS accepts it, write it to the Secret, delete",
                "\u{a0}                   the old one. This is what is done when no command is given.",
                "\u{a0} ecr-update        put a fresh ECR login into every Secret with the label aws-ecr-updater=true",
                "\u{a0} all               rotate, then ecr-update; logins that were made with a key which is replaced",
                "\u{a0}                   are made anew before that key goes",
            ]
        );
        assert_eq!((run.stderr.as_str(), run.code), ("", Some(0)));
    }
}

const NO_NAMESPACE: &str = "is no name of a namespace; expected at most 63 lower-case letters, digits and `-`, beginning \
    and ending with a letter or digit";
const NO_REGION: &str = "is no AWS region; expected a name such as `us-east-1` or `cn-north-1`";

#[test]
fn a_setting_that_cannot_be_meant_is_refused_before_anything_is_asked() {
    let world = rotate_world();
    let plain = ["--server", "http://127.0.0.1:1", "--token-file", &world.file("token")];
    let here = |arguments: &[&str]| super::program(&world, arguments);
    for (program, line) in [
        (here(&["--namespace", "Bad_Name"]), format!("`--namespace`: `Bad_Name` {NO_NAMESPACE}")),
        (here(&["--namespace="]), format!("`--namespace`: `` {NO_NAMESPACE}")),
        (here(&["-n", "t/secrets/s?x"]), format!("`--namespace`: `t/secrets/s?x` {NO_NAMESPACE}")),
        (
            here(&["-A", "-n", "x"]),
            "`--namespace` and `--all-namespaces` contradict each other; give one of them".to_owned(),
        ),
        (here(&[]).env("NAMESPACE", "Bad_Name"), format!("`NAMESPACE`: `Bad_Name` {NO_NAMESPACE}")),
        (here(&[]).env("NAMESPACE", " "), format!("`NAMESPACE`: ` ` {NO_NAMESPACE}")),
        (here(&[]).env("AWS_REGION", "Europe"), format!("`AWS_REGION`: `Europe` {NO_REGION}")),
        (here(&["ecr-update"]).env("AWS_REGION", "eu-west"), format!("`AWS_REGION`: `eu-west` {NO_REGION}")),
        // Neither may silence what is wrong.
        (
            here(&[]).env("RUST_LOG", "warning"),
            "`RUST_LOG` is `warning`; expected `error`, `warn`, `info`, `debug` or `trace`".to_owned(),
        ),
        (
            here(&[]).env("RUST_LOG", "off"),
            "`RUST_LOG` is `off`; expected `error`, `warn`, `info`, `debug` or `trace`".to_owned(),
        ),
        (here(&[]).env("AWS_DEFAULT_REGION", "x"), format!("`AWS_DEFAULT_REGION`: `x` {NO_REGION}")),
        (
            here(&[]).env("AWS_ENDPOINT_URL", "127.0.0.1:1"),
            "`AWS_ENDPOINT_URL` is `127.0.0.1:1`; expected `https://host:port`".to_owned(),
        ),
        (
            here(&[]).env("AWS_ENDPOINT_URL_STS", "ftp://host"),
            "`AWS_ENDPOINT_URL_STS` is `ftp://host`; expected `https://host:port`".to_owned(),
        ),
        (
            alone(&["--token-file", &world.file("token")]),
            "`--token-file` goes with `--server`; give both or neither".to_owned(),
        ),
        (
            alone(&["--certificate-authority", &world.file("ca.crt")]),
            "`--certificate-authority` goes with `--server`; give both or neither".to_owned(),
        ),
        (
            alone(&["--server", &world.kube.url()]),
            "`--server` needs `--token-file`, a file with a bearer token for it".to_owned(),
        ),
        (
            alone(&plain),
            "`--server` is `http://127.0.0.1:1`; expected `https://host:port`, for a bearer token is never sent in the clear"
                .to_owned(),
        ),
        (
            alone(&["--server", "127.0.0.1:6443", "--token-file", &world.file("token")]),
            "`--server` is `127.0.0.1:6443`; expected `https://host:port`"
                .to_owned(),
        ),
        (
            alone(&["rotate"]),
            "no Kubernetes API server: `KUBECONFIG` and `HOME` are not set, and this is no pod (`KUBERNETES_SERVICE_HOST` and \
             `KUBERNETES_SERVICE_PORT` are not both set); pass `--kubeconfig`, or `--server` and `--token-file`"
                .to_owned(),
        ),
        (
            alone(&[]).env("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
            "no Kubernetes API server: `KUBECONFIG` and `HOME` are not set, and this is no pod (`KUBERNETES_SERVICE_HOST` and \
             `KUBERNETES_SERVICE_PORT` are not both set); pass `--kubeconfig`, or `--server` and `--token-file`"
                .to_owned(),
        ),
        (
            alone(&[]).env("KUBERNETES_SERVICE_HOST", "10.96.0.1").env("KUBERNETES_SERVICE_PORT", "https"),
            "`KUBERNETES_SERVICE_PORT` is `https`; expected a port number".to_owned(),
        ),
    ] {
        changes_nothing(&world, program, 2, &[&format!("ERROR {line}")]);
    }
    assert_eq!(world.kube.operations(), Vec::<String>::new());
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

const NO_URL: &[&str] = &[
    "https://127.0.0.1:99999",
    "https://127.0.0.1:",
    "http://[::1]x",
    "https://[::1]x",
    "https://[::1",
    "https://host?x",
    "https://",
];

#[test]
fn what_is_no_url_is_refused_before_anything_is_asked() {
    let world = rotate_world();
    let token = world.file("token");
    for url in NO_URL {
        changes_nothing(
            &world,
            alone(&["-n", "t", "--server", url, "--token-file", &token]),
            2,
            &[&format!("ERROR `--server` is `{url}`; expected `https://host:port`")],
        );
        for name in [
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_IAM",
            "AWS_ENDPOINT_URL_STS",
            "AWS_ENDPOINT_URL_ECR",
        ] {
            changes_nothing(
                &world,
                super::program(&world, &["rotate"]).env(name, url),
                2,
                &[&format!("ERROR `{name}` is `{url}`; expected `https://host:port`")],
            );
        }
    }
    assert_eq!(world.kube.operations(), Vec::<String>::new());
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn a_password_in_a_url_is_refused_and_not_shown() {
    let world = rotate_world();
    let why = "holds a user name or a password, or is no URL; expected `https://host:port`";
    for url in [
        "https://user:hunter2@host",
        "user:hunter2@host",
        "https://user:hunter2@host:99999",
    ] {
        changes_nothing(
            &world,
            alone(&["-n", "t", "--server", url, "--token-file", &world.file("token")]),
            2,
            &[&format!("ERROR `--server` {why}")],
        );
        changes_nothing(
            &world,
            super::program(&world, &["rotate"]).env("AWS_ENDPOINT_URL", url),
            2,
            &[&format!("ERROR `AWS_ENDPOINT_URL` {why}")],
        );
    }
}

#[test]
fn a_token_in_place_of_the_name_of_its_file_is_not_shown() {
    let world = rotate_world();
    let jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6dDpyb3RhdGUifQ.c2lnbmF0dXJl";
    // A long opaque one, as EKS gives out.
    let opaque = format!("k8s-aws-v1.{}", "aHR0cHM6Ly9zdHMu".repeat(20));
    for token in [jwt, &opaque] {
        changes_nothing(
            &world,
            alone(&["-n", "t", "--server", &world.kube.url(), "--token-file", token]),
            2,
            &["ERROR `--token-file` is no file; expected the name of a file with the token, not the token itself"],
        );
    }
    assert_eq!(world.kube.operations(), Vec::<String>::new());
}

#[test]
fn a_pod_without_its_service_account_is_told_of() {
    // Where these tests run in a pod, it may well have one.
    if Path::new("/var/run/secrets/kubernetes.io/serviceaccount").exists() {
        return;
    }
    for (host, port) in [("10.96.0.1", "443"), ("fd00::1", "6443")] {
        let world = rotate_world();
        let pod = alone(&[])
            .env("KUBERNETES_SERVICE_HOST", host)
            .env("KUBERNETES_SERVICE_PORT", port);
        changes_nothing(
            &world,
            pod,
            2,
            &[
                "ERROR the pod's service account is of no use: `/var/run/secrets/kubernetes.io/serviceaccount/ca.crt`: No \
               such file or directory (os error 2); is `automountServiceAccountToken` off?",
            ],
        );
    }
}

#[test]
fn a_region_of_the_secret_that_cannot_be_meant_stops_its_rotation() {
    for bad in ["europe", "eu-west", "us-east-1a", "evil.example/"] {
        let world = rotate_world();
        world.cluster.edit("t", "s", &|secret| {
            secret["metadata"]["annotations"] = serde_json::json!({"aws-rotate-key/region": bad});
        });
        super::rotate_refuses(
            &world,
            &format!("annotation `aws-rotate-key/region` of t/s: `{bad}` {NO_REGION}; nothing was done"),
        );
        assert_eq!(world.aws.operations(), Vec::<String>::new());
    }
}
