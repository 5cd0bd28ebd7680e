//! A running moto, and the AWS CLI at it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::program::Scratch;
use crate::tools::{Pair, aws, output, refusal, required};

/// Starting it takes a second or two. It is no measure of speed.
const NEVER_STARTS: Duration = Duration::from_secs(120);

/// A running moto, ended when dropped.
pub(crate) struct Moto {
    child: Child,
    pub(crate) url: String,
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
    pub(crate) fn start(unauthenticated: usize) -> Moto {
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
    pub(crate) fn with_users<const N: usize>(users: [(&str, &[&str]); N]) -> (Moto, [Pair; N]) {
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

    /// The address, as the program's messages name it.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("moto serves plain HTTP")
    }

    pub(crate) fn aws(&self, pair: &Pair, arguments: &[&str]) -> Value {
        let printed = output(aws(&self.url, pair).args(arguments));
        if printed.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&printed).expect("JSON, as asked for")
        }
    }

    /// The ids of the user's keys, as listed with this pair.
    pub(crate) fn keys(&self, pair: &Pair) -> Vec<String> {
        let listed = self.aws(pair, &["iam", "list-access-keys"]);
        let keys = listed["AccessKeyMetadata"].as_array().expect("a list of keys");
        keys.iter()
            .map(|key| key["AccessKeyId"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// How the AWS CLI is refused with this pair.
    pub(super) fn refusal(&self, pair: &Pair) -> String {
        refusal(aws(&self.url, pair).args(&["iam", "list-access-keys"]))
    }
}

pub(super) const UNKNOWN_KEY: &str = "An error occurred (InvalidClientTokenId) when calling the ListAccessKeys operation: The \
    security token included in the request is invalid.";

/// A policy of `deploy/iam` for every resource: moto compares a statement's `Resource` with the text `*`, so the patterns
/// in these files would permit nothing there. That they match the right ARNs is checked by `.ci/check_deploy.py`.
pub(crate) fn policy(name: &str) -> String {
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
pub(super) fn pair(created: &Value) -> Pair {
    let text = |name: &str| created["AccessKey"][name].as_str().expect("a new key").to_owned();
    Pair {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
    }
}
