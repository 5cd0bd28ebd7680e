//! Service accounts.

use super::*;

const ACCOUNT: &str = "/api/v1/namespaces/t/serviceaccounts/default";

#[test]
fn every_namespace_has_an_account_and_a_put_changes_only_what_it_read() {
    let client = admin();
    let (status, mut account) = client.get(ACCOUNT);
    assert_eq!((status, &account["kind"]), (200, &json!("ServiceAccount")));
    assert_eq!(
        client.get("/api/v1/namespaces/kube-system/serviceaccounts/default").0,
        200
    );
    // What a service account does not have is dropped.
    account["imagePullSecrets"] = json!([{ "name": "a", "odd": 1 }, {}]);
    account["secrets"] = json!([{ "name": "b", "namespace": "t" }]);
    account["automountServiceAccountToken"] = json!(false);
    account["odd"] = json!(1);
    let (status, stored) = client.json("PUT", ACCOUNT, &account);
    assert_eq!(status, 200);
    assert_eq!(stored["imagePullSecrets"], json!([{ "name": "a" }, {}]));
    assert_eq!(stored["secrets"], json!([{ "name": "b" }]));
    assert_eq!(
        (&stored["automountServiceAccountToken"], &stored["odd"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(client.get(ACCOUNT).1, stored);
    let stale = "Operation cannot be fulfilled on serviceaccounts \"default\": the object has been modified; please apply \
                 your changes to the latest version and try again";
    assert_eq!(client.refusal("PUT", ACCOUNT, &account), (409, stale.into()));
    let (status, refused) = client.json("PUT", ACCOUNT, &account);
    assert_eq!(
        (status, &refused["details"], &refused["reason"]),
        (
            409,
            &json!({ "name": "default", "kind": "serviceaccounts" }),
            &json!("Conflict")
        )
    );
    // The same again is no new version; without a resourceVersion whatever is there is overwritten.
    assert_eq!(client.json("PUT", ACCOUNT, &stored), (200, stored));
    assert_eq!(
        client
            .json("PUT", ACCOUNT, &json!({ "metadata": { "name": "default" } }))
            .0,
        200
    );
    let versions = client.cluster.service_account_versions("t", "default");
    let secrets: Vec<_> = versions.iter().map(|version| &version["imagePullSecrets"]).collect();
    assert_eq!(secrets, [&Value::Null, &json!([{ "name": "a" }, {}]), &Value::Null]);
}

#[test]
fn an_account_that_is_missing_or_another_one_is_not_written() {
    let client = admin();
    let missing = "/api/v1/namespaces/t/serviceaccounts/builder";
    let gone = (404, "serviceaccounts \"builder\" not found".to_owned());
    let named = |name: &str| json!({ "metadata": { "name": name } });
    assert_eq!(client.refusal("GET", missing, &Value::Null), gone);
    assert_eq!(client.refusal("PUT", missing, &named("builder")), gone);
    client.cluster.add_service_account("t", "builder");
    let (_, old) = client.get(missing);
    client.cluster.remove_service_account("t", "builder");
    client.cluster.add_service_account("t", "builder");
    let (status, why) = client.refusal("PUT", missing, &old);
    let (old, new) = (&old["metadata"]["uid"], &client.get(missing).1["metadata"]["uid"]);
    let text = |uid: &Value| uid.as_str().unwrap().to_owned();
    let expected = format!(
        "Operation cannot be fulfilled on serviceaccounts \"builder\": StorageError: invalid object, Code: 4, Key: \
         /registry/serviceaccounts/t/builder, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: \
         {}, UID in object meta: {}",
        text(old),
        text(new)
    );
    assert_eq!((status, why), (409, expected));
    let (status, why) = client.refusal("PUT", missing, &named("default"));
    let expected = "the name of the object (default) does not match the name on the URL (builder)";
    assert_eq!((status, why.as_str()), (400, expected));
    for (method, target) in [("POST", "/api/v1/namespaces/t/serviceaccounts"), ("DELETE", ACCOUNT)] {
        assert_eq!(client.refusal(method, target, &named("x")).0, 405, "{method}");
    }
}

#[test]
fn accounts_are_listed_in_pages_and_for_whoever_may_read_them() {
    let client = admin();
    client.cluster.add_service_account("t", "builder");
    let accounts = "/api/v1/namespaces/t/serviceaccounts";
    assert_eq!(client.listed(accounts), ["t/builder", "t/default"]);
    assert_eq!(client.listed("/api/v1/serviceaccounts").len(), 4);
    let (_, page) = client.get(&format!("{accounts}?limit=1"));
    let token = page["metadata"]["continue"].as_str().unwrap();
    assert_eq!(
        client.listed(&format!("{accounts}?limit=1&continue={token}")),
        ["t/default"]
    );

    let user = "system:serviceaccount:t:rot";
    let token = client
        .cluster
        .token(user, &[("t", &["*"]), ("t", &["get serviceaccounts"])]);
    let limited = Client { token, ..client };
    let (_, account) = limited.get(ACCOUNT);
    let why = |verb: &str, name: &str| {
        format!(
            "serviceaccounts{name} is forbidden: User {user:?} cannot {verb} resource \"serviceaccounts\" in API group \"\" in the \
             namespace \"t\""
        )
    };
    assert_eq!(
        limited.refusal("PUT", ACCOUNT, &account),
        (403, why("update", " \"default\""))
    );
    assert_eq!(limited.refusal("GET", accounts, &Value::Null), (403, why("list", "")));
    limited.cluster.remove_namespace("t");
    assert_eq!(limited.get(ACCOUNT).0, 404);
}
