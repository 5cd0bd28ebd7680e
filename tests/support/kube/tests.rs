//! What the recorded replies do not show.

mod service_accounts;

use std::sync::Arc;

use serde_json::{Value, json};

use super::Cluster;
use crate::support::server::{Reply, Request, Service as _};

struct Client {
    cluster: Arc<Cluster>,
    token: String,
}

fn admin() -> Client {
    let cluster = Cluster::new();
    cluster.add_namespace("t");
    let token = cluster.token_for_admin();
    Client { cluster, token }
}

impl Client {
    fn send(&self, method: &str, target: &str, media_type: &str, body: Vec<u8>) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = vec![
            ("authorization".into(), format!("Bearer {}", self.token)),
            ("content-type".into(), media_type.into()),
            ("user-agent".into(), "tester/1.0".into()),
        ];
        self.cluster.answer(&Request {
            method: method.into(),
            path: path.into(),
            raw_query: query.into(),
            headers,
            body,
            client: None,
        })
    }

    /// The status and the body.
    fn json(&self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let media_type = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let reply = self.send(method, target, media_type, bytes);
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    fn get(&self, target: &str) -> (u16, Value) {
        self.json("GET", target, &Value::Null)
    }

    /// The status and the message of a refusal.
    fn refusal(&self, method: &str, target: &str, body: &Value) -> (u16, String) {
        let (status, body) = self.json(method, target, body);
        (status, body["message"].as_str().unwrap_or_default().to_owned())
    }

    /// `namespace/name` of what a list holds.
    fn listed(&self, target: &str) -> Vec<String> {
        let (status, list) = self.get(target);
        assert_eq!(status, 200, "{list}");
        let name = |item: &Value| {
            let text = |field: &str| item["metadata"][field].as_str().unwrap().to_owned();
            format!("{}/{}", text("namespace"), text("name"))
        };
        list["items"].as_array().unwrap().iter().map(name).collect()
    }
}

const SECRETS: &str = "/api/v1/namespaces/t/secrets";
const S: &str = "/api/v1/namespaces/t/secrets/s";

fn secret(fields: Value) -> Value {
    let mut secret = json!({ "metadata": { "name": "s", "namespace": "t" } });
    secret
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    secret
}

#[test]
fn selectors() {
    let client = admin();
    for (name, labels) in [
        ("a", json!({ "x": "1" })),
        ("b", json!({ "x": "2", "y": "" })),
        ("c", json!({})),
    ] {
        client
            .cluster
            .add_secret(json!({ "metadata": { "name": name, "namespace": "t", "labels": labels } }));
    }
    for (selector, names) in [
        ("x%3D1", "a"),
        ("x%3D%3D2", "b"),
        ("x!%3D1", "bc"),
        ("x", "ab"),
        ("!x", "c"),
        ("x%20in%20(1,%202)", "ab"),
        ("x%20notin%20(1)", "bc"),
        ("x%3D2,y", "b"),
        ("y%3D", "b"),
        ("x%3E1", "b"),
        ("", "abc"),
    ] {
        let found = client
            .listed(&format!("{SECRETS}?labelSelector={selector}"))
            .concat()
            .replace("t/", "");
        assert_eq!(found, names, "{selector}");
    }
    assert_eq!(
        client.listed("/api/v1/secrets?fieldSelector=metadata.name%3Db"),
        ["t/b"]
    );
    for (selector, message) in [
        (
            "a%20b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("a,", "found '', expected: identifier after ','"),
        (
            "a%20in%20()",
            "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values \
            set can't be empty",
        ),
    ] {
        let refused = client.refusal("GET", &format!("{SECRETS}?labelSelector={selector}"), &Value::Null);
        assert_eq!(refused, (400, message.to_owned()));
    }
    let refused = client.refusal("GET", &format!("{SECRETS}?fieldSelector=data.x%3D1"), &Value::Null);
    assert_eq!(refused, (400, "field label not supported: data.x".into()));
}

#[test]
fn pages_show_the_state_of_the_first() {
    let client = admin();
    for (namespace, name) in [("a", "x"), ("a-b", "x"), ("t", "s")] {
        client
            .cluster
            .add_secret(json!({ "metadata": { "name": name, "namespace": namespace } }));
    }
    // As etcd sorts: `a-b/` before `a/`.
    let (_, first) = client.get("/api/v1/secrets?limit=1");
    assert_eq!(first["items"][0]["metadata"]["namespace"], "a-b");
    client.cluster.remove("a", "x");
    client
        .cluster
        .add_secret(json!({ "metadata": { "name": "new", "namespace": "t" } }));
    let token = first["metadata"]["continue"].as_str().unwrap();
    assert_eq!(
        client.listed(&format!("/api/v1/secrets?limit=5&continue={token}")),
        ["a/x", "t/s"]
    );
    assert_eq!(client.listed("/api/v1/secrets"), ["a-b/x", "t/new", "t/s"]);
}

#[test]
fn what_makes_a_secret_invalid() {
    let client = admin();
    let docker = |data: Value| secret(json!({ "type": "kubernetes.io/dockerconfigjson", "stringData": data }));
    let labelled = |labels: Value| json!({ "metadata": { "name": "s", "labels": labels } });
    for (body, message) in [
        (docker(json!({})), "data[.dockerconfigjson]: Required value"),
        (
            docker(json!({ ".dockerconfigjson": "no" })),
            "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid character 'o' in literal \
             null (expecting 'u')",
        ),
        (
            docker(json!({ ".dockerconfigjson": "[]" })),
            "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": json: cannot unmarshal array into \
             Go value of type map[string]interface {}",
        ),
        (
            json!({ "metadata": { "name": "s", "annotations": { "a": "x".repeat(256 * 1024) } } }),
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            labelled(json!({ "a": "b c" })),
            "metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric \
             characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
             'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
    ] {
        let refused = client.refusal("POST", SECRETS, &body);
        assert_eq!(refused, (422, format!("Secret \"s\" is invalid: {message}")));
    }
    let refused = client.refusal("POST", SECRETS, &labelled(json!({ "a": true })));
    let why = "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string";
    assert_eq!(
        refused,
        (
            400,
            format!("Secret in version \"v1\" cannot be handled as a Secret: {why}")
        )
    );
}

#[test]
fn what_an_update_may_not_change() {
    let client = admin();
    client.cluster.add_secret(secret(
        json!({ "type": "example.com/a", "immutable": true, "stringData": { "a": "b" } }),
    ));
    // Without a type it is Opaque; `immutable` is not set.
    let (status, body) = client.json("PUT", S, &secret(json!({})));
    assert_eq!(status, 422);
    let fields: Vec<_> = body["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| &cause["field"])
        .collect();
    assert_eq!(fields, ["type", "immutable", "data"]);
    // Metadata can be changed all the same.
    assert_eq!(
        client
            .json("PATCH", S, &json!({ "metadata": { "annotations": { "n": "1" } } }))
            .0,
        200
    );

    let elsewhere = json!({ "metadata": { "name": "s", "namespace": "elsewhere" } });
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!(client.refusal("PUT", S, &elsewhere), (400, why.into()));
}

#[test]
fn an_update_that_changes_nothing_is_not_written() {
    let client = admin();
    client.cluster.add_secret(secret(json!({ "stringData": { "a": "b" } })));
    let (_, stored) = client.get(S);
    assert_eq!(client.json("PUT", S, &stored), (200, stored.clone()));
    assert_eq!(
        client.json("PATCH", S, &json!({ "stringData": { "a": "b" } })),
        (200, stored)
    );
    client
        .cluster
        .edit("t", "s", &|secret| secret["data"]["a"] = "Yw==".into());
    assert_eq!(client.cluster.data("t", "s", "a"), Some(b"c".to_vec()));
    let values: Vec<_> = client
        .cluster
        .writes("t", "s")
        .iter()
        .map(|version| version["data"]["a"].clone())
        .collect();
    assert_eq!(values, ["Yg==", "Yw=="]);
}

#[test]
fn a_put_with_the_uid_of_a_deleted_secret_is_a_conflict() {
    let client = admin();
    client.cluster.add_secret(secret(json!({})));
    let (_, stored) = client.get(S);
    let (status, deleted) = client.json("DELETE", S, &json!({ "propagationPolicy": "Background" }));
    assert_eq!((status, &deleted["details"]["uid"]), (200, &stored["metadata"]["uid"]));
    let (status, message) = client.refusal("PUT", S, &stored);
    assert!(
        status == 409 && message.ends_with("UID in object meta: "),
        "{status} {message}"
    );
}

#[test]
fn unknown_fields_are_dropped_or_refused() {
    let client = admin();
    let body = secret(json!({ "colour": "red" }));
    let refused = client.refusal("POST", &format!("{SECRETS}?fieldValidation=Strict"), &body);
    let why = "strict decoding error: unknown field \"colour\"";
    assert_eq!(
        refused,
        (
            400,
            format!("Secret in version \"v1\" cannot be handled as a Secret: {why}")
        )
    );
    let reply = client.send("POST", SECRETS, "application/json", body.to_string().into_bytes());
    assert_eq!(reply.status, 201);
    assert!(
        reply
            .headers
            .contains(&("Warning".into(), r#"299 - "unknown field \"colour\"""#.into()))
    );
    assert_eq!(client.cluster.secret("t", "s").unwrap()["colour"], Value::Null);
}

#[test]
fn an_unknown_parameter_is_a_violation() {
    let client = admin();
    assert_eq!(client.get(&format!("{SECRETS}?labelselector=a")).0, 400);
    assert_eq!(
        client.cluster.violations(),
        ["unknown parameter `labelselector`: GET /api/v1/namespaces/t/secrets?labelselector=a"]
    );
}

#[test]
fn access_ends_with_the_token_and_outside_its_rules() {
    let client = admin();
    let token = client
        .cluster
        .token("system:serviceaccount:t:rot", &[("t", &["list"]), ("*", &["get"])]);
    let client = Client {
        token: token.clone(),
        ..client
    };
    assert_eq!(client.listed(SECRETS), Vec::<String>::new());
    assert_eq!(client.get("/api/v1/namespaces/u/secrets/s").0, 404);
    let refused = client.refusal("GET", "/api/v1/secrets", &Value::Null);
    let user = "User \"system:serviceaccount:t:rot\"";
    let scope = "at the cluster scope";
    let why = format!("secrets is forbidden: {user} cannot list resource \"secrets\" in API group \"\" {scope}");
    assert_eq!(refused, (403, why));
    client.cluster.revoke(&token);
    assert_eq!(
        client.refusal("GET", SECRETS, &Value::Null),
        (401, "Unauthorized".into())
    );
}

#[test]
fn namespaces_are_listed_in_pages_and_end() {
    let client = admin();
    client.cluster.terminate_namespace("t");
    let (status, page) = client.get("/api/v1/namespaces?limit=2");
    assert_eq!(
        (status, &page["kind"], &page["metadata"]["remainingItemCount"]),
        (200, &json!("NamespaceList"), &json!(1))
    );
    let brief = |item: &Value| format!("{} {}", item["metadata"]["name"], item["status"]["phase"]);
    let listed = |page: &Value| page["items"].as_array().unwrap().iter().map(brief).collect::<Vec<_>>();
    assert_eq!(listed(&page), ["\"default\" \"Active\"", "\"kube-system\" \"Active\""]);
    let token = page["metadata"]["continue"].as_str().unwrap();
    let next = format!("/api/v1/namespaces?limit=2&continue={token}");
    let (_, last) = client.get(&next);
    assert_eq!(
        (listed(&last), &last["metadata"]["continue"]),
        (vec!["\"t\" \"Terminating\"".to_owned()], &Value::Null)
    );
    assert!(last["items"][0]["metadata"]["deletionTimestamp"].is_string());
    client.cluster.compact();
    assert_eq!(client.get(&next).0, 410);

    assert_eq!(
        client.get("/api/v1/namespaces/default").1["metadata"]["name"],
        "default"
    );
    let gone = client.refusal("GET", "/api/v1/namespaces/u", &Value::Null);
    assert_eq!(gone, (404, "namespaces \"u\" not found".into()));
    client.cluster.remove_namespace("t");
    assert_eq!(listed(&client.get("/api/v1/namespaces").1).len(), 2);
}

#[test]
fn nothing_is_made_in_a_namespace_that_is_missing_or_being_deleted() {
    let client = admin();
    client.cluster.add_secret(secret(json!({})));
    let new = json!({ "metadata": { "name": "new" } });
    let missing = client.refusal("POST", "/api/v1/namespaces/u/secrets", &new);
    assert_eq!(missing, (404, "namespaces \"u\" not found".into()));
    client.cluster.terminate_namespace("t");
    let (status, refused) = client.json("POST", SECRETS, &new);
    let why =
        "secrets \"new\" is forbidden: unable to create new content in namespace t because it is being terminated";
    assert_eq!((status, refused["message"].as_str()), (403, Some(why)));
    let cause = json!({ "reason": "NamespaceTerminating", "message": "namespace t is being terminated", "field": "metadata.namespace" });
    assert_eq!(
        refused["details"],
        json!({ "name": "new", "kind": "secrets", "causes": [cause] })
    );
    // What is there can still be changed and deleted.
    let data = secret(json!({ "data": { "a": "Yg==" } }));
    assert_eq!(client.json("PUT", S, &data).0, 200);
    assert_eq!(client.json("DELETE", S, &Value::Null).0, 200);
}

#[test]
fn namespaces_are_for_whoever_may_list_them() {
    let client = admin();
    let user = "system:serviceaccount:t:rot";
    let refused = Client {
        token: client.cluster.token(user, &[("*", &["*"])]),
        cluster: Arc::clone(&client.cluster),
    };
    let why = format!(
        "namespaces is forbidden: User {user:?} cannot list resource \"namespaces\" in API group \"\" at the cluster scope"
    );
    assert_eq!(refused.refusal("GET", "/api/v1/namespaces", &Value::Null), (403, why));
    let token = client.cluster.token(user, &[("*", &["list namespaces"])]);
    let allowed = Client { token, ..client };
    assert_eq!(allowed.get("/api/v1/namespaces").0, 200);
    assert_eq!(allowed.get("/api/v1/secrets").0, 403);
}

#[test]
fn protobuf_as_kubectl_sends_it() {
    let client = admin();
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let data = field(2, &[field(1, b"key"), field(2, b"value")].concat());
    let kind = [field(1, b"v1"), field(2, b"Secret")].concat();
    let secret = [field(1, &field(1, b"s")), data, field(3, b"Opaque")].concat();
    let body = [b"k8s\0".as_slice(), &field(1, &kind), &field(2, &secret)].concat();
    assert_eq!(
        client
            .send("POST", SECRETS, "application/vnd.kubernetes.protobuf", body)
            .status,
        201
    );
    assert_eq!(client.cluster.data("t", "s", "key"), Some(b"value".to_vec()));
}
