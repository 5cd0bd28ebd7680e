//! Rotations through an independent fault injector: of all calls to AWS three in ten fail, are answered in half, or are late.

mod injector;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use aws_iam_credential_rotate::aws::iam::{self, KeyStatus};
use aws_iam_credential_rotate::aws::{self, AccessKeyId, Endpoints, KeyPair, Meaning, Region};
use aws_iam_credential_rotate::http;
use aws_iam_credential_rotate::retry::Asking;
use aws_iam_credential_rotate::sensitive::Sensitive;

use self::injector::{Injector, request};
use crate::moto::server::{Moto, policy};
use crate::support::program::{NAMESPACE, Run, World};
use crate::support::story::{JOURNAL, record};
use crate::tools::{Pair, program, run};

/// How many users there are, each with a Secret.
const USERS: usize = 160;

/// How many rotations are brought to their end while calls fail.
const ROTATIONS: usize = 200;

/// More runs than that are no progress.
const MOST_RUNS: usize = 8;

/// Each rule does what it says to one of so many requests that no rule before it has taken, counted and not drawn, so that
/// the share of all is sure: 1 − 10/11 · 12/13 · 13/14 · 14/15 · 16/17, three in ten. Throttling comes in addition, and no more
/// often than an AWS that throttles for the rate would: a program that heeds it does not stay above the rate.
fn rules() -> Value {
    let one_of = |count: usize, mut what: Value| {
        what["sequence"] = json!({"fail": 1, "pass": count - 1});
        what
    };
    json!([
        one_of(
            7,
            json!({"error": {"code": "Throttling", "status": 400}, "rate": {"count": 1, "window_s": 30}})
        ),
        one_of(11, json!({"error": {"code": "ServiceUnavailable", "status": 503}})),
        one_of(13, json!({"error": {"code": "ServiceFailure", "status": 500}})),
        // The connection is reset before moto has seen the request.
        one_of(14, json!({"reset": true})),
        // moto has carried it out, and half of its answer comes.
        one_of(15, json!({"response": {"abort_frac": 0.5}})),
        // Some of these are later than the program waits, and take effect after that.
        one_of(17, json!({"latency": {"min": 100, "max": 2500}})),
    ])
}

/// moto itself, asked by this project's client past the injector: moto checks each signature.
struct Judge {
    client: aws::Client,
    region: Region,
}

impl Judge {
    fn of(moto: &Moto) -> Judge {
        let limits = http::Limits {
            time: Duration::from_secs(60),
            body: 1 << 20,
        };
        let connection = http::Connection::trusting(http::Roots::Only(Vec::new()));
        let client = http::Client::new(&connection, limits);
        let endpoints = Endpoints {
            iam: Some(moto.url.clone()),
            ..Endpoints::default()
        };
        Judge {
            client: aws::Client::new(client, endpoints),
            region: Region::parse("us-east-1").expect("a region"),
        }
    }

    /// The user's keys, each with whether it is active; `None` when this pair is refused.
    fn keys(&self, pair: &Pair) -> Option<Vec<(String, bool)>> {
        let keys = KeyPair {
            id: AccessKeyId::parse(&pair.id).expect("an id"),
            secret: Sensitive::new(pair.secret.clone()),
        };
        let listed = iam::list_access_keys(&self.client, &self.region, &keys, Asking::Patiently);
        match listed {
            Ok(listing) => Some(
                listing
                    .keys
                    .iter()
                    .map(|key| (key.id.to_string(), key.status == KeyStatus::Active))
                    .collect(),
            ),
            Err(error) if error.meaning() == Some(Meaning::UnknownKey) => None,
            Err(error) => panic!("moto: {error}"),
        }
    }
}

fn held(world: &World, secret: &str) -> Pair {
    Pair {
        id: world.value(secret, "access_key_id"),
        secret: world.value(secret, "secret_access_key"),
    }
}

/// A moto with these users, and the pairs of each: so many. It is asked without a signature, over one connection after the
/// other: an AWS CLI for each would take minutes.
fn moto_with(users: &[(String, usize)]) -> (Moto, Vec<Vec<Pair>>) {
    let moto = Moto::start(users.iter().map(|(_, keys)| 2 + keys).sum());
    let headers = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261125/us-east-1/iam/aws4_request, \
                   SignedHeaders=host, Signature=00\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let iam = |call: &str| {
        let body = format!("Version=2010-05-08&Action={call}");
        request(moto.address(), "POST", "/", headers, &body)
    };
    let within = |answer: &str, name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>")).expect("an element");
        rest.split_once('<').expect("its end").0.to_owned()
    };
    let policy: String = policy("rotate-policy")
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let mut pairs = Vec::new();
    for (user, keys) in users {
        iam(&format!("CreateUser&UserName={user}"));
        iam(&format!(
            "PutUserPolicy&UserName={user}&PolicyName=p&PolicyDocument={policy}"
        ));
        let made = (0..*keys).map(|_| iam(&format!("CreateAccessKey&UserName={user}")));
        let pair = |answer: String| Pair {
            id: within(&answer, "AccessKeyId"),
            secret: within(&answer, "SecretAccessKey"),
        };
        pairs.push(made.map(pair).collect());
    }
    (moto, pairs)
}

/// What a run has rotated, by its own account.
fn rotated(run: &Run) -> usize {
    let last = run.stderr.lines().last().expect("a last line");
    let words: Vec<&str> = last.split([' ', ',']).collect();
    let at = words.iter().position(|word| *word == "rotated").expect("a count");
    words[at - 1].parse().expect("a number")
}

/// What is broken for a user, as it can be seen from outside at any moment.
fn broken(judge: &Judge, world: &World, user: &str) -> Option<String> {
    let mut held_before = None;
    loop {
        let pair = held(world, user);
        let Some(keys) = judge.keys(&pair) else {
            // It may have been replaced and deleted between the two questions; then the Secret holds another one by now.
            if held_before.as_ref() == Some(&pair) {
                return Some(format!("P1: {user} holds a key that does not work"));
            }
            held_before = Some(pair);
            continue;
        };
        return (keys.len() > 2).then(|| format!("P4: {user} has {} keys", keys.len()));
    }
}

/// Sets a flag when it goes out of scope.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Each run may fail for some users; the next one goes on from there. In the end nothing is left over.
#[test]
fn two_hundred_rotations_at_three_faults_in_ten_calls_and_none_is_lost() {
    let mut users: Vec<(String, usize)> = (0..USERS).map(|user| (format!("user-{user}"), 1)).collect();
    users.push(("stranger".into(), 2));
    let (moto, mut pairs) = moto_with(&users);
    let strangers = pairs.pop().expect("the stranger's");
    let names: Vec<&str> = users[..USERS].iter().map(|(name, _)| name.as_str()).collect();
    let world = World::new();
    for (name, pairs) in names.iter().zip(&pairs) {
        world.add_key_secret(name, &pairs[0].id, &pairs[0].secret);
    }
    let (injector, judge) = (Injector::before(moto.address()), Judge::of(&moto));
    let rotate = |more: &[&str]| {
        let limits = [
            "--lock-timeout=15s",
            "--request-timeout=2s",
            "--propagation-timeout=40s",
        ];
        let program = program(&world).arg("rotate").args(&limits).args(more);
        let run = run(&world, program.env("AWS_ENDPOINT_URL", injector.url()));
        assert_eq!(world.aws.operations(), Vec::<String>::new(), "moto was passed over");
        run
    };
    let check_all = || {
        names
            .iter()
            .filter_map(|name| broken(&judge, &world, name))
            .collect::<Vec<_>>()
    };

    injector.set_rules(&rules());
    let over = AtomicBool::new(false);
    let (mut done, mut runs) = (0, Vec::new());
    let seen = thread::scope(|scope| {
        // One user after the other, over and over.
        let watch = scope.spawn(|| {
            let mut seen = Vec::new();
            let mut next = names.iter().cycle();
            while !over.load(Ordering::SeqCst) {
                seen.extend(next.next().and_then(|name| broken(&judge, &world, name)));
                thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        // Also when a run fails the test: else the watcher would never end.
        let until_here = Over(&over);
        while done < ROTATIONS && runs.len() < MOST_RUNS {
            let run = rotate(&[]);
            done += rotated(&run);
            runs.push(run);
        }
        drop(until_here);
        watch.join().expect("the watcher")
    });
    let told = || {
        let logs = runs.iter().map(|run| run.log(&world).join("\n"));
        logs.collect::<Vec<_>>().join("\n\n")
    };
    assert_eq!((seen, check_all()), (Vec::new(), Vec::new()), "{}", told());
    assert!(
        done >= ROTATIONS,
        "{done} rotations in {} runs:\n{}",
        runs.len(),
        told()
    );

    // The faults have happened, by the injector's own account.
    let (requests, counts) = injector.counts();
    let faults: u64 = counts.iter().map(|(_, count)| count).sum();
    assert!(
        faults * 10 >= requests * 3,
        "{faults} faults in {requests} requests: {counts:?}"
    );
    assert!(counts.iter().all(|(_, count)| *count > 0), "{counts:?}");

    injector.set_rules(&json!([]));
    // Whoever was rotated is not due; what is left over is tidied up.
    let last = [rotate(&["--max-age=1d"]), rotate(&["--max-age=1d"])];
    let said: Vec<String> = last.iter().map(|run| run.log(&world).join("\n")).collect();
    assert_eq!(last[1].code, Some(0), "{said:?}\n{}", told());
    for name in &names {
        let pair = held(&world, name);
        assert_eq!(judge.keys(&pair), Some(vec![(pair.id.clone(), true)]), "{name}");
        // A history may still name keys that are gone: it permits, and is not written for its own sake.
        assert_eq!(record(&world, NAMESPACE, name, JOURNAL), None, "{name}");
    }
    let untouched = strangers.iter().map(|pair| (pair.id.clone(), true)).collect();
    assert_eq!(judge.keys(&strangers[0]), Some(untouched), "P2");
    // And by the AWS CLI's account.
    let pair = held(&world, names[0]);
    assert_eq!(moto.keys(&pair), [pair.id.as_str()]);
}
