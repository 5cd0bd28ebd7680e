//! Secrets planted in every place where they can occur, at the most verbose log level: none shows.
//!
//! What a server says is not the program's to choose: an error may quote the request, a webhook the object, a proxy the
//! headers. What people write is not either: a secret gets into the field beside its own, or into an annotation.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::aws::{error_json, error_xml};
use crate::support::cases;
use crate::support::kube::status::status_reply;
use crate::support::leaks::Planted;
use crate::support::program::{Run, World, under_test};
use crate::support::script::Fault;
use crate::support::server::Reply;

/// Of a session: no Secret holds one, but an answer may.
const SESSION: &str = "IQoJb3JpZ2luX2VjEHQaCXVzLWVhc3QtMSJHMEUCIQDk/planted+SESSION+token/0123456789==";
/// Of a registry.
const PASSWORD: &str = "planted/PASSWORD+of+a+registry/dckr_pat_0123456789abcdef";

const LIST: &str = "GET /api/v1/namespaces/t/secrets";
const GET: &str = "GET /api/v1/namespaces/t/secrets/s";
const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";
const PUT_PULL: &str = "PUT /api/v1/namespaces/t/secrets/pull";

/// A world with a Secret that holds its key in many forms, and an image-pull Secret with a password of another registry.
fn world() -> World {
    world_with(&|_, _| ())
}

/// The same, with both Secrets changed before they are made: what stands there is the test's and not the program's.
fn world_with(edit: &dyn Fn(&mut Value, &str)) -> World {
    let world = World::new();
    let (id, secret) = (&world.key.id, &world.key.secret);
    let escaped = secret.replace('/', "\\/").replace('+', "\\u002b");
    let in_url = secret.replace('/', "%2F").replace('+', "%2B");
    let mut secrets = [
        json!({
            "metadata": {"name": "s", "namespace": "t", "uid": "11111111-1111-4111-8111-111111111111",
                         "labels": {"aws-rotate-key": "true"},
                         "annotations": {"note": format!("{secret} {PASSWORD}")}},
            "data": data(&[
                ("access_key_id", id.clone()),
                ("secret_access_key", format!(" {secret}\n")),
                ("credentials", format!("[default]\naws_access_key_id={id}\naws_secret_access_key={secret}\n")),
                ("app.json", format!(r#"{{"key":"{id}","secret":"{escaped}"}}"#)),
                ("broker", format!("sqs://{id}:{in_url}@host")),
                ("other", format!("{PASSWORD} {SESSION}")),
            ]),
        }),
        json!({
            "metadata": {"name": "pull", "namespace": "t", "labels": {"aws-ecr-updater": "true"},
                         "annotations": {"aws-ecr-updater/secret": "s", "aws-ecr-updater/region": "eu-west-1"}},
            "type": "kubernetes.io/dockerconfigjson",
            "data": data(&[(".dockerconfigjson", config())]),
        }),
    ];
    for mut made in secrets.iter_mut().map(Value::take) {
        edit(&mut made, secret);
        world.cluster.add_secret(made);
    }
    world
}

fn data(values: &[(&str, String)]) -> Value {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(STANDARD.encode(value))))
        .collect()
}

/// Of an image-pull Secret with a login to another registry.
fn config() -> String {
    let auth = STANDARD.encode(format!("AWS:{PASSWORD}"));
    json!({"auths": {"registry.example": {"auth": auth, "password": PASSWORD}}}).to_string()
}

fn planted(world: &World) -> Vec<Planted> {
    let mut planted = world.planted();
    planted.push(Planted::new("the session token", SESSION));
    planted.push(Planted::new("the registry's password", PASSWORD));
    planted
}

/// All that is secret, in one line, in many forms.
fn quotation(world: &World) -> String {
    let token = std::fs::read_to_string(world.file("token")).expect("the token");
    let forms = |secret: &str| {
        let base64 = STANDARD.encode(format!("AWS:{secret}"));
        let in_url = secret.replace('/', "%2f").replace('+', "%2B").replace('=', "%3D");
        let escaped = secret.replace('/', "\\/").replace('+', "\\u002b");
        format!("{secret} {base64} {in_url} {escaped} {}", STANDARD.encode(secret))
    };
    let secrets = [world.key.secret.as_str(), token.trim(), SESSION, PASSWORD];
    secrets.map(forms).join(" ")
}

/// Runs it at the most verbose level.
fn traced(world: &World, command: &str) -> Run {
    let arguments = [
        command,
        "--lock-timeout=3s",
        "--propagation-timeout=2s",
        "--deadline=20s",
    ];
    let program = world.program(under_test()).args(&arguments);
    program.env("RUST_LOG", "trace").run()
}

/// Runs it and looks for what was planted.
fn run(world: &World, command: &str) -> Run {
    let run = traced(world, command);
    world.assert_no_leak(&run, &planted(world));
    run
}

/// Answers of AWS that quote, by name.
fn of_aws(quote: &str) -> Vec<(&'static str, Reply)> {
    let xml = |body: String| Reply::new(200, "text/xml", body);
    let small = || error_xml(400, "ValidationError", "no");
    vec![
        ("message", error_xml(400, "ValidationError", quote)),
        ("denial", error_xml(403, "AccessDenied", quote)),
        ("signature", error_xml(403, "SignatureDoesNotMatch", quote)),
        ("unknown key", error_xml(403, "InvalidClientTokenId", quote)),
        ("throttling", error_xml(400, "Throttling", quote)),
        ("failure", error_xml(500, "ServiceFailure", quote)),
        ("code", error_xml(400, quote, "no")),
        ("json", error_json(400, "AccessDeniedException", quote)),
        ("json type", error_json(400, quote, "no")),
        ("plain", Reply::new(502, "text/plain", quote)),
        ("html", Reply::new(200, "text/html", format!("<html>{quote}</html>"))),
        ("broken xml", xml(format!("<CreateAccessKeyResponse><{quote}"))),
        (
            "other xml",
            xml(format!("<a b=\"{}\">{}</a>", quote.replace('&', ""), quote)),
        ),
        (
            "json body",
            Reply::new(200, "application/x-amz-json-1.1", json!({"token": quote}).to_string()),
        ),
        (
            "broken json",
            Reply::new(200, "application/x-amz-json-1.1", format!("{{\"token\": \"{quote}\",")),
        ),
        (
            "request id",
            Reply::new(400, "text/xml", small().body).header("x-amzn-RequestId", quote),
        ),
        ("type", Reply::new(400, quote, "no")),
        ("date", small().header("Date", quote)),
        (
            "location",
            Reply::new(302, "text/plain", "").header("Location", format!("https://host/?{quote}")),
        ),
        ("pause", error_xml(503, "SlowDown", "no").header("Retry-After", quote)),
        ("header", small().header("X-Trace", quote)),
    ]
}

/// Answers of Kubernetes that quote, by name.
fn of_kube(quote: &str) -> Vec<(&'static str, Reply)> {
    let status = |code: u16, reason: &str, message: &str| {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code,
            "details": {"name": quote, "causes": [{"reason": quote, "message": quote, "field": quote}]},
        });
        Reply::new(code, "application/json", body.to_string())
    };
    vec![
        (
            "denial",
            status_reply(
                403,
                "Forbidden",
                &format!("admission webhook \"guard\" denied the request: {quote}"),
            ),
        ),
        ("invalid", status(422, "Invalid", quote)),
        ("conflict", status(409, "Conflict", quote)),
        ("failure", status(500, "InternalError", quote)),
        ("too many", status(429, "TooManyRequests", quote)),
        ("unauthorized", status(401, "Unauthorized", quote)),
        ("bad request", status(400, "BadRequest", quote)),
        ("reason", status(400, quote, "no")),
        ("plain", Reply::new(502, "text/plain", quote)),
        ("html", Reply::new(200, "text/html", format!("<html>{quote}</html>"))),
        (
            "other json",
            Reply::new(
                200,
                "application/json",
                json!({"kind": quote, "items": [quote]}).to_string(),
            ),
        ),
        (
            "broken json",
            Reply::new(200, "application/json", format!("{{\"kind\": \"{quote}\",")),
        ),
        ("type", Reply::new(400, quote, "no")),
        ("date", status(500, "InternalError", "no").header("Date", quote)),
        (
            "location",
            Reply::new(307, "text/plain", "").header("Location", format!("https://host/?{quote}")),
        ),
        (
            "pause",
            status(429, "TooManyRequests", "no").header("Retry-After", quote),
        ),
        (
            "warning",
            status(403, "Forbidden", "no").header("Warning", format!("299 - \"{quote}\"")),
        ),
    ]
}

/// One answer in the place of all of one operation, or of the first, or after its effect.
struct Quoted {
    command: &'static str,
    operation: &'static str,
    answer: usize,
    how: usize,
}

fn quoted(case: &Quoted) -> Result<(), String> {
    let world = world();
    let quote = quotation(&world);
    let at_kube = case.operation.contains(' ');
    let (server, answers) = if at_kube {
        (&world.kube, of_kube(&quote))
    } else {
        (&world.aws, of_aws(&quote))
    };
    let (name, answer) = answers[case.answer].clone();
    match case.how {
        0 => server.script().once(case.operation, Fault::ReplyInstead(answer)),
        1 => server.script().always(case.operation, Fault::ReplyInstead(answer)),
        _ => server.script().once(case.operation, Fault::ReplyAfter(answer)),
    }
    let ended = traced(&world, case.command);
    match world.leak(&ended, &planted(&world)) {
        Some(leak) => Err(format!(
            "{} {} `{name}` {}: {leak}",
            case.command, case.operation, case.how
        )),
        None => Ok(()),
    }
}

#[test]
fn an_answer_that_quotes_secrets_is_not_shown() {
    let aws = of_aws("").len();
    let kube = of_kube("").len();
    let mut all = Vec::new();
    for (command, operation) in [
        ("rotate", LIST),
        ("rotate", GET),
        ("rotate", PUT),
        ("rotate", "ListAccessKeys"),
        ("rotate", "GetCallerIdentity"),
        ("rotate", "CreateAccessKey"),
        ("rotate", "DeleteAccessKey"),
        ("ecr-update", LIST),
        ("ecr-update", GET),
        ("ecr-update", PUT_PULL),
        ("ecr-update", "GetAuthorizationToken"),
    ] {
        let answers = if operation.contains(' ') { kube } else { aws };
        for answer in 0..answers {
            all.extend((0..3).map(|how| Quoted {
                command,
                operation,
                answer,
                how,
            }));
        }
    }
    assert_eq!(all.len(), 3 * (6 * 17 + 5 * 21));
    cases::expect_all(cases::all(&all, quoted));
    println!("leaks: {} answers that quote secrets", all.len());
}

/// A login of ECR that cannot be used as it is.
#[test]
fn a_malformed_login_is_not_shown() {
    let login = STANDARD.encode(format!("AWS:{PASSWORD}"));
    let good = json!({"authorizationToken": login, "expiresAt": 1795560000.5, "proxyEndpoint": "https://1.example"});
    let with = |field: &str, value: Value| {
        let mut data = good.clone();
        data[field] = value;
        json!({"authorizationData": [data]})
    };
    for body in [
        with("authorizationToken", json!(PASSWORD)),
        with("authorizationToken", json!(format!("{login}!"))),
        with("authorizationToken", json!(STANDARD.encode(PASSWORD))),
        with("authorizationToken", json!({"token": PASSWORD})),
        with("proxyEndpoint", json!(format!("https://AWS:{PASSWORD}@1.example"))),
        with("proxyEndpoint", json!(PASSWORD)),
        with("expiresAt", json!(PASSWORD)),
        json!({"authorizationData": PASSWORD}),
        json!({"authorizationData": [PASSWORD, login]}),
        json!([login]),
    ] {
        let world = world();
        let answer = Reply::new(200, "application/x-amz-json-1.1", body.to_string());
        world
            .aws
            .script()
            .always("GetAuthorizationToken", Fault::ReplyInstead(answer));
        assert_eq!(run(&world, "ecr-update").code, Some(1));
    }
}

/// What people write into the wrong place.
#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    type Edit = fn(&mut Value, &str);
    let edits: &[(&str, Edit)] = &[
        ("fields swapped", |s, _| {
            let id = s["data"]["access_key_id"].take();
            s["data"]["access_key_id"] = s["data"]["secret_access_key"].take();
            s["data"]["secret_access_key"] = id;
        }),
        ("secret as id", |s, secret| {
            s["data"]["access_key_id"] = json!(STANDARD.encode(secret))
        }),
        ("two lines", |s, secret| {
            s["data"]["secret_access_key"] = json!(STANDARD.encode(format!("{secret}\n{secret}")));
        }),
        ("pair as id", |s, secret| {
            s["data"]["access_key_id"] = json!(STANDARD.encode(format!("AKIAABCDEFGHIJKLMNOP:{secret}")));
        }),
        ("region", |s, secret| {
            s["metadata"]["annotations"]["aws-rotate-key/region"] = json!(secret)
        }),
        ("max-age", |s, secret| {
            s["metadata"]["annotations"]["aws-rotate-key/max-age"] = json!(secret)
        }),
        ("grace-period", |s, secret| {
            s["metadata"]["annotations"]["aws-rotate-key/grace-period"] = json!(secret)
        }),
        ("rotated-at", |s, secret| {
            s["metadata"]["annotations"]["aws-rotate-key/rotated-at"] = json!(secret)
        }),
        ("journal", |s, secret| {
            s["metadata"]["annotations"]["aws-rotate-key/journal"] = json!(secret)
        }),
        ("history", |s, secret| {
            s["metadata"]["annotations"]["aws-rotate-key/history"] = json!(secret)
        }),
        ("journal, JSON", |s, secret| {
            let text = json!({"version": 1, "uid": secret, secret: secret, "run": secret}).to_string();
            s["metadata"]["annotations"]["aws-rotate-key/journal"] = json!(text);
        }),
        ("history, newer", |s, secret| {
            let text = json!({"version": 9, "uid": s["metadata"]["uid"], "current": secret}).to_string();
            s["metadata"]["annotations"]["aws-rotate-key/history"] = json!(text);
        }),
        ("history, an id", |s, secret| {
            let text = json!({"version": 1, "uid": s["metadata"]["uid"], "current": secret, "since": secret,
                              "keys": {secret: {"what": secret, "until": null, "deactivated": false}}});
            s["metadata"]["annotations"]["aws-rotate-key/history"] = json!(text.to_string());
        }),
        ("journal, copied", |s, secret| {
            let text =
                json!({"version": 1, "uid": "another", "user": secret, "run": secret, "holder": secret}).to_string();
            s["metadata"]["annotations"]["aws-rotate-key/journal"] = json!(text);
        }),
        ("GitOps mark", |s, secret| {
            s["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = json!(secret)
        }),
        ("Helm", |s, secret| {
            s["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!(secret)
        }),
    ];
    let results = cases::all(edits, |(what, edit)| {
        let fresh = world_with(&|made, secret| {
            if made["metadata"]["name"] == "s" {
                edit(made, secret);
            }
        });
        for command in ["rotate", "ecr-update"] {
            let ended = traced(&fresh, command);
            if let Some(leak) = fresh.leak(&ended, &planted(&fresh)) {
                return Err(format!("{what}, {command}: {leak}"));
            }
        }
        Ok(())
    });
    cases::expect_all(results);
}

#[test]
fn a_secret_in_the_annotations_and_the_value_of_an_image_pull_secret_is_not_shown() {
    let edits: &[fn(&mut Value)] = &[
        |s| s["metadata"]["annotations"]["aws-ecr-updater/secret"] = json!(PASSWORD),
        |s| s["metadata"]["annotations"]["aws-ecr-updater/secret"] = json!(format!("t/{PASSWORD}")),
        |s| s["metadata"]["annotations"]["aws-ecr-updater/region"] = json!(PASSWORD),
        |s| s["metadata"]["annotations"]["aws-ecr-updater/expires-at"] = json!(PASSWORD),
        |s| s["metadata"]["annotations"]["aws-ecr-updater/role-arn"] = json!(PASSWORD),
        |s| s["data"][".dockerconfigjson"] = json!(STANDARD.encode(format!("{{\"auths\": \"{PASSWORD}\"}}"))),
        |s| s["data"][".dockerconfigjson"] = json!(STANDARD.encode(format!("{{\"auths\": {{\"{PASSWORD}\": 1}}}}"))),
        |s| s["data"][".dockerconfigjson"] = json!(STANDARD.encode(format!("{{\"auths\": {{}}, \"{PASSWORD}\": 1}}"))),
    ];
    let results = cases::all(edits, |edit| {
        let world = world_with(&|made, _| {
            if made["metadata"]["name"] == "pull" {
                edit(made);
            }
        });
        let ended = traced(&world, "ecr-update");
        world.leak(&ended, &planted(&world)).map_or(Ok(()), Err)
    });
    cases::expect_all(results);
}

#[test]
fn a_token_file_with_more_than_a_token_is_not_shown() {
    for more in ["\nsecond line", "\u{e9}", "\r\nX-Header: x", " and more"] {
        let world = world();
        let token = std::fs::read_to_string(world.file("token")).expect("the token");
        let kept = planted(&world);
        world.files.file("token", format!("{token}{more}"));
        let program = world.program(under_test()).arg("rotate").env("RUST_LOG", "trace");
        let run = program.run();
        world.assert_no_leak(&run, &kept);
    }
}

/// Every fault that the other tests know, at every request, at the most verbose level.
#[test]
fn nothing_shows_whatever_goes_wrong() {
    let faults = || {
        [
            Fault::DropBefore,
            Fault::DropAfter,
            Fault::CutAnswer,
            Fault::HangBefore,
            Fault::HangAfter,
        ]
    };
    let mut all = Vec::new();
    for command in ["rotate", "ecr-update"] {
        for at in 0..(if command == "rotate" { 12 } else { 3 }) {
            all.extend((0..faults().len()).flat_map(|fault| [(command, true, at, fault), (command, false, at, fault)]));
        }
    }
    let results = cases::all(&all, |(command, at_aws, at, fault)| {
        let world = world();
        let server = if *at_aws { &world.aws } else { &world.kube };
        server.script().some("*", *at, 1, faults()[*fault].clone());
        let program = world
            .program(under_test())
            .args(&[command, "--lock-timeout=3s", "--request-timeout=1s"]);
        let ended = program.env("RUST_LOG", "trace").run();
        world.assert_no_leak(&ended, &planted(&world));
        Ok(())
    });
    cases::expect_all(results);
    println!("leaks: {} faults", all.len());
}

#[test]
fn nothing_shows_when_it_is_told_to_stop() {
    let operations = ["ListAccessKeys", "CreateAccessKey", "DeleteAccessKey", PUT, LIST];
    let results = cases::all(&operations, |operation| {
        let world = world();
        let server = if operation.contains(' ') {
            &world.kube
        } else {
            &world.aws
        };
        let pause = Fault::Delay(Duration::from_millis(300));
        let (tell, reached) = std::sync::mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        let hook = Arc::new(move || {
            let _ = tell.lock().unwrap().send(());
        });
        server.script().once(operation, Fault::CallBefore(hook));
        server.script().always(operation, pause);
        let program = world
            .program(under_test())
            .args(&["rotate", "--lock-timeout=3s"])
            .env("RUST_LOG", "trace");
        let mut child = program.start();
        // The pipe holds more than is printed; a trace of one rotation is a few kilobytes.
        if reached.recv().is_err() {
            let _ = child.wait();
            return Err(format!("{operation}: not reached"));
        }
        kill_process(Pid::from_child(&child), Signal::TERM).expect("a child of ours that runs");
        let output = child.wait_with_output().expect("a child of ours");
        let run = Run::of(output);
        world.assert_no_leak(&run, &planted(&world));
        Ok(())
    });
    cases::expect_all(results);
}
