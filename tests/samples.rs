//! The stand-in for the API server, held to a real server's replies (`support/kube/samples/`).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::kube::Cluster;
use crate::support::server::{Reply, Request, Service as _};

/// Replays a recorded request and compares the reply with the recorded one.
macro_rules! replay {
    ($case:expr, $($name:literal)*) => {
        $($case.replay($name, include_str!(concat!("support/kube/samples/", $name, ".txt")));)*
    };
}

#[test]
fn answers_are_those_of_a_real_api_server() {
    let cluster = Cluster::new();
    let token = cluster.token(
        "system:serviceaccount:t:rot",
        &[("t", &["get", "watch", "list", "update"])],
    );
    let case = Case {
        cluster: Arc::clone(&cluster),
        token,
    };

    add_items(&cluster, include_str!("support/kube/samples/01-list-all-200.txt"));
    cluster.add_secret(json!({ "metadata": { "name": "unlabelled", "namespace": "t" }, "data": { "a": "Yg==" } }));
    cluster.raise_revision(217);
    replay!(case, "01-list-all-200" "02-list-limit1-page1-200" "03-list-limit1-page2-200"
        "04-list-limit1-page3-last-200" "04b-list-limit1-page4-empty-200" "04c-list-limit1-no-selector-200"
        "05-list-nomatch-empty-200" "06-get-200" "07-get-missing-404");
    replay!(case, "08-update-200" "09-update-stale-rv-409" "10-update-no-rv-200" "11-update-wrong-uid-409"
        "16-update-missing-404" "17-type-change-422" "18-bad-key-name-422" "19-bad-base64-400" "20-bad-json-400"
        "21-name-mismatch-400" "22-unsupported-media-415" "25-too-long-422" "25b-body-over-3MiB-413");
    replay!(case, "12-forbidden-delete-403" "13-forbidden-create-403" "14-forbidden-patch-403"
        "15-forbidden-other-ns-403" "26-bad-token-401" "28-anonymous-403");
    replay!(case, "23-bad-selector-400" "24-garbage-continue-400" "25c-not-acceptable-406");

    cluster.raise_revision(226);
    cluster.add_secret(body_of(include_str!("support/kube/samples/29-get-immutable-200.txt")));
    replay!(case, "29-get-immutable-200" "30-update-immutable-422" "31-list-page1-before-compaction-200");

    for (n, revision) in [(1, 228), (2, 230), (3, 232), (4, 234), (5, 235), (6, 236), (7, 238)] {
        cluster.raise_revision(revision - 1);
        case.annotate("s3", &n.to_string());
    }
    // The real server's revision went on between this and the next; the stand-in's goes on with the compaction.
    let watch = include_str!("support/kube/samples/36-watch-from-list-rv.txt").replace("\"239\"", "\"238\"");
    case.replay("36-watch-from-list-rv", &watch);
    cluster.compact();
    replay!(case, "32-list-expired-continue-410" "33-list-inconsistent-continue-200" "34-list-exact-old-rv");

    cluster.raise_revision(247);
    cluster.compact();
    replay!(case, "37-watch-compacted-rv");
    cluster.raise_revision(251);
    replay!(case, "38-list-future-rv" "39-old-token-after-restart-200");
    assert_eq!(cluster.violations(), Vec::<String>::new());
}

struct Case {
    cluster: Arc<Cluster>,
    token: String,
}

impl Case {
    fn replay(&self, name: &str, sample: &str) {
        let (request, reply) = sample.split_once("\nHTTP/1.1 ").expect("a request and a reply");
        let mut request = read_request(request);
        match name {
            "25-too-long-422" => request.body = secret_with_data(&"A".repeat(1_400_000)),
            "25b-body-over-3MiB-413" => request.body = vec![b'x'; 3 * 1024 * 1024 + 1],
            _ => {}
        }
        request.headers.push(("user-agent".into(), "curl/8.5.0".into()));
        match name {
            "26-bad-token-401" => request.headers.push(("authorization".into(), "Bearer nonsense".into())),
            "28-anonymous-403" => {}
            _ => request
                .headers
                .push(("authorization".into(), format!("Bearer {}", self.token))),
        }
        let (head, body) = reply
            .replace("\r\n", "\n")
            .split_once("\n\n")
            .map(own)
            .expect("headers and a body");
        let found = self.cluster.answer(&request);
        let found_body = String::from_utf8(found.body.clone()).expect("UTF-8");
        assert_eq!(found.status.to_string(), head[..3], "{name}: {found_body}");
        assert_eq!(headers_of(&found), headers_in(&head), "{name}");
        if name.contains("watch") {
            // One event on each line, in any order of fields.
            let events = |text: &str| -> Vec<Value> {
                text.lines()
                    .filter(|line| !line.is_empty())
                    .map(|line| without_times(parsed(line)))
                    .collect()
            };
            assert_eq!(events(&found_body), events(&body), "{name}");
        } else {
            assert_eq!(
                without_time_lines(&found_body),
                without_time_lines(body.trim_end()),
                "{name}"
            );
        }
    }

    fn annotate(&self, name: &str, value: &str) {
        let request = Request {
            method: "PATCH".into(),
            path: format!("/api/v1/namespaces/t/secrets/{name}"),
            raw_query: "fieldManager=kubectl-annotate".into(),
            headers: vec![
                (
                    "authorization".into(),
                    format!("Bearer {}", self.cluster.token_for_admin()),
                ),
                ("content-type".into(), "application/merge-patch+json".into()),
            ],
            body: json!({ "metadata": { "annotations": { "n": value } } })
                .to_string()
                .into_bytes(),
            client: None,
        };
        assert_eq!(self.cluster.answer(&request).status, 200);
    }
}

fn own((a, b): (&str, &str)) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

/// The request of a sample: lines with `> `, the method and the path first, then headers, then a body.
fn read_request(text: &str) -> Request {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("> "));
    let (method, target) = lines
        .next()
        .and_then(|line| line.split_once(' '))
        .expect("a request line");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    for line in lines.by_ref().take_while(|line| *line != "(body)") {
        let (name, value) = line.split_once(": ").expect("a header");
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let body = lines.collect::<Vec<_>>().join("\n").into_bytes();
    Request {
        method: method.into(),
        path: path.into(),
        raw_query: query.into(),
        headers,
        body,
        client: None,
    }
}

fn secret_with_data(base64: &str) -> Vec<u8> {
    json!({ "metadata": { "name": "s1" }, "data": { "big": base64 } })
        .to_string()
        .into_bytes()
}

/// Header lines without what differs from one reply to the next, and without what the HTTP server adds.
fn comparable(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !matches!(name.as_str(), "Date" | "Content-Length" | "Transfer-Encoding"));
    for (name, value) in &mut headers {
        if name == "Audit-Id" || name.starts_with("X-Kubernetes-Pf-") {
            *value = format!("{} characters", value.len());
        }
    }
    headers.sort();
    headers
}

fn headers_of(reply: &Reply) -> Vec<(String, String)> {
    comparable(reply.headers.clone())
}

fn headers_in(head: &str) -> Vec<(String, String)> {
    comparable(
        head.lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(own)
            .collect(),
    )
}

/// The times in `managedFields` are those of the replay.
fn without_time_lines(body: &str) -> String {
    body.lines()
        .filter(|line| !line.trim_start().starts_with("\"time\": "))
        .collect::<Vec<_>>()
        .join("\n")
}

fn without_times(mut event: Value) -> Value {
    for entry in event["object"]["metadata"]["managedFields"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        entry["time"] = Value::Null;
    }
    event
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

fn body_of(sample: &str) -> Value {
    let text = sample.replace("\r\n", "\n");
    let (_, reply) = text.split_once("\nHTTP/1.1 ").expect("a reply");
    parsed(reply.split_once("\n\n").expect("a body").1)
}

/// Adds a recorded list's Secrets, each with the resourceVersion it has there.
fn add_items(cluster: &Cluster, list: &str) {
    for item in body_of(list)["items"].as_array().expect("items") {
        let revision: u64 = item["metadata"]["resourceVersion"]
            .as_str()
            .expect("text")
            .parse()
            .expect("a number");
        cluster.raise_revision(revision - 1);
        cluster.add_secret(item.clone());
    }
}
