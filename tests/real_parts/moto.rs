//! `rotate` and `ecr-update` against moto, which checks signatures and policies with code that shares nothing with this
//! project's. What came of it is read by `kubectl` and the AWS CLI.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::program::{NAMESPACE, Run, Scratch, World};
use crate::tools::{Pair, aws, kubectl, output, pair_by_kubectl, program, refusal, required, run, value_by_kubectl};

/// Starting it takes a second or two. It is no measure of speed.
const NEVER_STARTS: Duration = Duration::from_secs(120);

/// A running moto, ended when dropped.
struct Moto {
    child: Child,
    url: String,
    _home: Scratch,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// Every request after the first `unauthenticated` ones must be signed, and permitted by a policy.
    fn start(unauthenticated: usize) -> Moto {
        let home = Scratch::new();
        // With port 0 it takes a free one and says which.
        let mut child = Command::new(required("MOTO_SERVER"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env_clear()
            .env("HOME", home.path())
            .env("INITIAL_NO_AUTH_ACTION_COUNT", unauthenticated.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server is a program");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        // Reads on to the end, so that moto never waits for room to log into.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut moto = Moto {
            child,
            url: String::new(),
            _home: home,
        };
        let mut said = String::new();
        while moto.url.is_empty() {
            let line = receiver.recv_timeout(NEVER_STARTS);
            let line = line.unwrap_or_else(|_| panic!("moto did not start; it said: {said}"));
            if let Some((_, url)) = line.split_once(" * Running on ") {
                moto.url = url.trim().to_owned();
            }
            said += &line;
        }
        moto
    }

    /// Starts it with these users, each with a key and with these policies of `deploy/iam`.
    fn with_users<const N: usize>(users: [(&str, &[&str]); N]) -> (Moto, [Pair; N]) {
        // Each step is one request: the user, its policies, its key.
        let moto = Moto::start(users.iter().map(|(_, policies)| 2 + policies.len()).sum());
        let nobody = Pair {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "nobody's".into(),
        };
        let iam = |arguments: &[&str]| moto.aws(&nobody, &[&["iam"], arguments].concat());
        let pairs = users.map(|(user, policies)| {
            iam(&["create-user", "--user-name", user]);
            for name in policies {
                let put = [
                    "put-user-policy",
                    "--user-name",
                    user,
                    "--policy-name",
                    name,
                    "--policy-document",
                ];
                iam(&[&put[..], &[&policy(name)]].concat());
            }
            pair(&iam(&["create-access-key", "--user-name", user]))
        });
        // From here on who is nobody is refused; else all that follows would prove nothing.
        assert_eq!(moto.refusal(&nobody), UNKNOWN_KEY);
        (moto, pairs)
    }

    fn aws(&self, pair: &Pair, arguments: &[&str]) -> Value {
        let printed = output(aws(&self.url, pair).args(arguments));
        if printed.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&printed).expect("JSON, as asked for")
        }
    }

    /// The ids of the user's keys, as listed with this pair.
    fn keys(&self, pair: &Pair) -> Vec<String> {
        let listed = self.aws(pair, &["iam", "list-access-keys"]);
        let keys = listed["AccessKeyMetadata"].as_array().expect("a list of keys");
        keys.iter()
            .map(|key| key["AccessKeyId"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// How the AWS CLI is refused with this pair.
    fn refusal(&self, pair: &Pair) -> String {
        refusal(aws(&self.url, pair).args(&["iam", "list-access-keys"]))
    }
}

const UNKNOWN_KEY: &str = "An error occurred (InvalidClientTokenId) when calling the ListAccessKeys operation: The \
    security token included in the request is invalid.";

/// A policy of `deploy/iam` for every resource: moto compares a statement's `Resource` with the text `*`, so the patterns
/// in these files would permit nothing there. That they match the right ARNs is checked by `.ci/check_deploy.py`.
fn policy(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/iam")
        .join(format!("{name}.json"));
    let text = fs::read_to_string(&path).expect("a policy in deploy/iam");
    let mut policy: Value = serde_json::from_str(&text).expect("JSON");
    for statement in policy["Statement"].as_array_mut().expect("statements") {
        statement["Resource"] = "*".into();
    }
    policy.to_string()
}

/// The pair in the answer to CreateAccessKey.
fn pair(created: &Value) -> Pair {
    let text = |name: &str| created["AccessKey"][name].as_str().expect("a new key").to_owned();
    Pair {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
    }
}

/// A run of the program with moto for AWS.
fn run_at(moto: &Moto, world: &World, command: &str) -> Run {
    let run = run(world, program(world).arg(command).env("AWS_ENDPOINT_URL", &moto.url));
    assert_eq!(world.aws.operations(), Vec::<String>::new(), "moto was passed over");
    run
}

const MAY_ROTATE: &[&str] = &["rotate-policy"];

#[test]
fn after_each_of_two_rotations_the_new_pair_works_and_the_old_one_is_refused() {
    let (moto, [first]) = Moto::with_users([("ci", MAY_ROTATE)]);
    let world = World::new();
    let admin = world.cluster.token_for_admin();
    world.add_key_secret("s", &first.id, &first.secret);
    let mut old = first;
    for _ in 0..2 {
        let run = run_at(&moto, &world, "rotate");
        let new = pair_by_kubectl(&world, &admin, "s");
        assert_eq!(
            run.log(&world),
            [
                format!(
                    "INFO  t/s: rotating key {} of arn:aws:iam::123456789012:user/ci",
                    old.id
                ),
                format!("INFO  t/s: created key {}; waiting for AWS to accept it", new.id),
                format!("INFO  t/s: key {} is accepted; writing it to the Secret", new.id),
                format!("INFO  t/s: deleted key {}", old.id),
                format!(
                    "INFO  t/s: rotated: key {} of arn:aws:iam::123456789012:user/ci replaces {}, which is deleted",
                    new.id, old.id
                ),
                "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed".into(),
            ]
        );
        assert_eq!(run.code, Some(0));
        assert!(new.id != old.id && new.secret != old.secret);
        assert_eq!(moto.keys(&new), [new.id.as_str()]);
        assert_eq!(moto.refusal(&old), UNKNOWN_KEY);
        old = new;
    }
}

#[test]
fn the_pull_secret_gets_the_login_that_the_aws_cli_gets_and_keeps_other_registries() {
    let (moto, [first]) = Moto::with_users([("ci", &["rotate-policy", "ecr-policy"])]);
    let world = World::new();
    let admin = world.cluster.token_for_admin();
    world.add_key_secret("s", &first.id, &first.secret);
    let others = r#"{"auths":{"ghcr.io":{"username":"octocat","password":"kept"}},"credHelpers":{"x":"y"}}"#;
    world.add_pull_secret("pull", "s", "eu-west-1", others);

    assert_eq!(run_at(&moto, &world, "rotate").code, Some(0));
    let new = pair_by_kubectl(&world, &admin, "s");
    let run = run_at(&moto, &world, "ecr-update");
    let registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    // moto's logins have all ended in 2015.
    assert_eq!(
        run.log(&world),
        [
            format!(
                "INFO  t/pull: login to {registry} with key {} is valid until 2015-01-01T00:00:00Z",
                new.id
            ),
            "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 1 refreshed, 0 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(0));

    let told = moto.aws(&new, &["ecr", "get-authorization-token", "--region", "eu-west-1"]);
    let told = &told["authorizationData"][0];
    assert_eq!(told["proxyEndpoint"], format!("https://{registry}"));
    let mut expected: Value = serde_json::from_str(others).unwrap();
    expected["auths"][registry] = serde_json::json!({"auth": told["authorizationToken"]});
    let stored: Value = serde_json::from_str(&value_by_kubectl(&world, &admin, "pull", ".dockerconfigjson")).unwrap();
    assert_eq!(stored, expected);
    let expires = "jsonpath={.metadata.annotations.aws-ecr-updater/expires-at}";
    let expires = output(kubectl(&world, &admin).args(&["get", "secret", "pull", "-o", expires]));
    assert_eq!(expires, "2015-01-01T00:00:00Z");
}

#[test]
fn a_key_that_somebody_else_made_stops_the_rotation_before_anything_is_touched() {
    let (moto, [own]) = Moto::with_users([("ci", MAY_ROTATE)]);
    let foreign = pair(&moto.aws(&own, &["iam", "create-access-key"]));
    let world = World::new();
    world.add_key_secret("s", &own.id, &own.secret);
    let run = run_at(&moto, &world, "rotate");
    let log = run.log(&world);
    let user = "arn:aws:iam::123456789012:user/ci";
    let listed = moto.aws(&own, &["iam", "list-access-keys"]);
    let keys = listed["AccessKeyMetadata"].as_array().unwrap();
    let made = keys
        .iter()
        .find(|key| key["AccessKeyId"] == foreign.id.as_str())
        .expect("the foreign key is still there");
    let day = &made["CreateDate"].as_str().unwrap()[..10];
    assert_eq!(
        log,
        [
            format!(
                "ERROR t/s: {user} has another key beside {}: {} (active, made {day}, in none of the Secrets); a key that \
                 is not this Secret's is never touched; nothing was done; if nobody uses it, delete it with `aws iam \
                 delete-access-key --access-key-id {}`, then run again",
                own.id, foreign.id, foreign.id
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.cluster.writes(NAMESPACE, "s").len(), 1);
    // Both still work, and there is no third.
    for pair in [&own, &foreign] {
        assert_eq!(moto.keys(pair), [own.id.as_str(), &foreign.id]);
    }
    // What the message advises helps.
    moto.aws(&own, &["iam", "delete-access-key", "--access-key-id", &foreign.id]);
    assert_eq!(run_at(&moto, &world, "rotate").code, Some(0));
}

#[test]
fn users_that_may_are_rotated_and_one_that_may_not_shows_in_the_exit_code() {
    let (moto, [one, none, two]) =
        Moto::with_users([("one", MAY_ROTATE), ("none", &["ecr-policy"]), ("two", MAY_ROTATE)]);
    let world = World::new();
    let admin = world.cluster.token_for_admin();
    for (name, pair) in [("a", &one), ("b", &none), ("c", &two)] {
        world.add_key_secret(name, &pair.id, &pair.secret);
    }
    let run = run_at(&moto, &world, "rotate");
    let log = run.log(&world);
    let errors: Vec<&String> = log.iter().filter(|line| !line.starts_with("INFO")).collect();
    assert_eq!(errors.len(), 1, "{log:?}");
    let address = moto.url.strip_prefix("http://").unwrap();
    let before = format!(
        "ERROR t/b: ListAccessKeys with key {} at {address}: AccessDenied (403",
        none.id
    );
    let after = "): User: arn:aws:iam::123456789012:user/none is not authorized to perform: iam:ListAccessKeys; allow \
        `iam:ListAccessKeys` to the user that owns this key; nothing was done";
    assert!(
        errors[0].starts_with(&before) && errors[0].ends_with(after),
        "{}",
        errors[0]
    );
    assert_eq!(
        log.last().map(String::as_str),
        Some("INFO  rotate: 3 Secrets with label aws-rotate-key=true in namespace t: 2 rotated, 1 failed")
    );
    assert_eq!(run.code, Some(1));
    for (name, old) in [("a", &one), ("c", &two)] {
        let new = pair_by_kubectl(&world, &admin, name);
        assert_eq!(moto.keys(&new), [new.id.as_str()]);
        assert_eq!(moto.refusal(old), UNKNOWN_KEY);
    }
    assert!(pair_by_kubectl(&world, &admin, "b") == none);
    assert_eq!(world.cluster.writes(NAMESPACE, "b").len(), 1);
}
