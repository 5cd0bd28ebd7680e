//! What the API server refuses: permissions, tokens, too many requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{
    GET_SOURCE, LIST, PUT_KEY, PUT_PULL, ROTATE_FAILED, changes_nothing, ecr_update_refuses, ecr_world, no_list,
    program, refreshes, rotate_world, said,
};
use crate::support::kube::Cluster;
use crate::support::kube::status::{overloaded, service_unavailable, status_reply, too_many_requests};
use crate::support::program::{NAMESPACE, Program, World, under_test};
use crate::support::script::Fault;
use crate::support::server::Reply;
use crate::support::tls::Authority;

const USER: &str = "system:serviceaccount:t:rotate";

/// From now on the token of the world's file grants these verbs.
fn grant(world: &World, namespace: &str, verbs: &[&str]) {
    world
        .files
        .file("token", world.cluster.token(USER, &[(namespace, verbs)]));
}

#[test]
fn without_the_permission_to_list_secrets_nothing_is_done() {
    let why = "Forbidden (403): secrets is forbidden: User \"system:serviceaccount:t:rotate\" cannot list resource \
        \"secrets\" in API group \"\" in the namespace \"t\"; grant the verb `list` on `secrets` by a Role and a RoleBinding";
    for job in ["rotate", "ecr-update"] {
        let world = if job == "rotate" { rotate_world() } else { ecr_world() };
        grant(&world, NAMESPACE, &["get", "update"]);
        no_list(&world, job, why);
        assert_eq!(world.kube.operations(), [LIST]);
    }
}

#[test]
fn without_the_permission_for_all_namespaces_nothing_is_done() {
    let world = rotate_world();
    changes_nothing(
        &world,
        program(&world, &["rotate", "-A"]),
        1,
        &[
            "ERROR Kubernetes: list Secrets in all namespaces at KUBE: Forbidden (403): secrets is forbidden: User \
           \"system:serviceaccount:t:rotate\" cannot list resource \"secrets\" in API group \"\" at the cluster scope; grant the verb `list` on `secrets` by a ClusterRole and a ClusterRoleBinding, or name a namespace",
        ],
    );
}

#[test]
fn without_the_permission_to_get_secrets_no_login_is_asked_for() {
    let world = ecr_world();
    grant(&world, NAMESPACE, &["list", "update"]);
    ecr_update_refuses(
        &world,
        "annotation `aws-ecr-updater/secret` names Secret t/s, which may not be read: Kubernetes: get t/s at KUBE: Forbidden \
         (403): secrets \"s\" is forbidden: User \"system:serviceaccount:t:rotate\" cannot get resource \"secrets\" in API group \"\" in the namespace \"t\"; grant \
         the verb `get` on `secrets` by a Role and a RoleBinding",
    );
    assert_eq!(world.kube.operations(), [LIST, GET_SOURCE]);
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn without_the_permission_to_update_secrets_no_login_is_stored() {
    let world = ecr_world();
    grant(&world, NAMESPACE, &["list", "get"]);
    ecr_update_refuses(
        &world,
        "Kubernetes: update t/pull at KUBE: Forbidden (403): secrets \"pull\" is forbidden: User \
         \"system:serviceaccount:t:rotate\" cannot update resource \"secrets\" in API group \"\" in the namespace \"t\"; \
         grant the verb `update` on `secrets` by a Role and a RoleBinding",
    );
    assert_eq!(world.kube.operations(), [LIST, GET_SOURCE, PUT_PULL]);
}

#[test]
fn without_the_permission_to_update_secrets_no_key_is_made() {
    let world = rotate_world();
    grant(&world, NAMESPACE, &["list", "get"]);
    changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            &format!("WARN  t/s: {NO_UPDATE}"),
            &format!("ERROR t/s: t/s cannot be written: {NO_UPDATE}; no key was made"),
            ROTATE_FAILED,
        ],
    );
    assert_eq!(world.kube.operations(), [LIST, PUT_KEY]);
    assert_eq!(world.aws.operations(), ["ListAccessKeys", "GetCallerIdentity"]);
}

const NO_UPDATE: &str = "Kubernetes: update t/s at KUBE: Forbidden (403): secrets \"s\" is forbidden: User \
    \"system:serviceaccount:t:rotate\" cannot update resource \"secrets\" in API group \"\" in the namespace \"t\"; \
    grant the verb `update` on `secrets` by a Role and a RoleBinding";

/// The journal could be written and the pair could not.
#[test]
fn when_the_permission_to_update_secrets_is_taken_away_midway_the_new_key_is_deleted_again() {
    let world = rotate_world();
    let message = "secrets \"s\" is forbidden: User \"system:serviceaccount:t:rotate\" cannot update resource \"secrets\" in \
        API group \"\" in the namespace \"t\"";
    let refusal = Fault::ReplyInstead(status_reply(403, "Forbidden", message));
    world.kube.script().some(PUT_KEY, 2, usize::MAX, refusal);

    let run = world.run(&["rotate"]);

    assert_eq!(
        said(&world, &run),
        [
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            "INFO  t/s: created key NEW; waiting for AWS to accept it",
            "INFO  t/s: key NEW is accepted; writing it to the Secret",
            &format!("WARN  t/s: {NO_UPDATE}"),
            "INFO  t/s: deleted key NEW",
            &format!(
                "ERROR t/s: the new key could not be stored: {NO_UPDATE}; key NEW was deleted again; old key KEY still works"
            ),
            ROTATE_FAILED,
        ],
    );
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
    // The key is deleted only after a look at all Secrets.
    assert_eq!(world.kube.operations(), [LIST, PUT_KEY, PUT_KEY, PUT_KEY, LIST]);
    assert_eq!(world.cloud.create_count("ci"), 1);
}

#[test]
fn without_the_permission_to_get_secrets_a_conflict_ends_with_the_old_key() {
    let world = rotate_world();
    grant(&world, NAMESPACE, &["list", "update"]);
    let cluster = world.cluster.clone();
    let touch = move || {
        cluster.edit(NAMESPACE, "s", &|secret| {
            secret["metadata"]["annotations"]["a"] = json!("b")
        })
    };
    let touch = Fault::CallBefore(Arc::new(touch));
    let no_get = "ERROR t/s: Kubernetes: get t/s at KUBE: Forbidden (403): secrets \"s\" is forbidden: User \
        \"system:serviceaccount:t:rotate\" cannot get resource \"secrets\" in API group \"\" in the namespace \"t\"; grant \
        the verb `get` on `secrets` by a Role and a RoleBinding";

    // At the journal.
    world.kube.script().once(PUT_KEY, touch.clone());
    let run = world.run(&["rotate"]);
    assert_eq!(
        said(&world, &run),
        [&format!("{no_get}; nothing was done"), ROTATE_FAILED]
    );
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
    assert_eq!(world.cloud.create_count("ci"), 0);

    // At the pair. What the Secret holds cannot be looked at, so both keys stay for now.
    world.kube.script().some(PUT_KEY, 2, 1, touch);
    let run = world.run(&["rotate"]);
    assert_eq!(
        said(&world, &run)[3..],
        [
            &format!("{no_get}; what was begun is written down on the Secrets, and the next run goes on from there"),
            ROTATE_FAILED,
        ]
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.value("s", "access_key_id"), world.key.id);
    assert_eq!(world.key_ids().len(), 2);

    // The next run does not need it.
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(0), "{:?}", said(&world, &run));
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
}

#[test]
fn a_token_that_is_not_valid_is_refused() {
    for job in ["rotate", "ecr-update"] {
        let world = if job == "rotate" { rotate_world() } else { ecr_world() };
        world
            .cluster
            .revoke(std::fs::read_to_string(world.file("token")).unwrap().trim());
        no_list(
            &world,
            job,
            "Unauthorized (401): Unauthorized; the token is not accepted: expired, or of another cluster; get a new one",
        );
        assert_eq!(world.kube.operations(), [LIST]);
    }
}

#[test]
fn a_namespace_that_is_not_there_has_no_secrets() {
    let world = rotate_world();
    grant(&world, "nowhere", &["list"]);
    changes_nothing(
        &world,
        program(&world, &["rotate", "--namespace=nowhere"]),
        0,
        &["INFO  rotate: 0 Secrets with label aws-rotate-key=true in namespace nowhere; nothing to do"],
    );
}

#[test]
fn an_overloaded_or_failing_api_server_is_asked_again() {
    for reply in [
        overloaded(1),
        too_many_requests(1),
        overloaded(0),
        service_unavailable(),
    ] {
        let world = ecr_world();
        world.kube.script().once(LIST, Fault::ReplyInstead(reply.clone()));
        world.kube.script().once(GET_SOURCE, Fault::ReplyInstead(reply));
        refreshes(&world, program(&world, &["ecr-update"]), &[]);
        assert_eq!(world.kube.operations(), [LIST, LIST, GET_SOURCE, GET_SOURCE, PUT_PULL]);
    }
}

#[test]
fn an_api_server_that_keeps_failing_is_given_up() {
    let world = rotate_world();
    world
        .kube
        .script()
        .always(LIST, Fault::ReplyInstead(service_unavailable()));
    no_list(
        &world,
        "rotate",
        "ServiceUnavailable (503): the server is currently unable to handle the request; run again later",
    );
    assert_eq!(world.kube.operations(), [LIST; 5]);
}

#[test]
fn a_list_of_all_namespaces_when_the_variable_is_empty() {
    let world = ecr_world();
    grant(&world, "*", &["list", "get", "update"]);
    world.cluster.add_secret(json!({
        "metadata": {
            "name": "pull", "namespace": "other", "labels": {"aws-ecr-updater": "true"},
            "annotations": {"aws-ecr-updater/secret": "nobody", "aws-ecr-updater/region": "eu-west-1"},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{}"},
    }));
    let run = world.check(program(&world, &["ecr-update"]).env("NAMESPACE", ""));
    let log = said(&world, &run);
    assert_eq!(
        log[0],
        "ERROR other/pull: annotation `aws-ecr-updater/secret` names Secret other/nobody, which is not there; make it, or correct the name"
    );
    assert_eq!(
        log[2],
        "INFO  ecr-update: 2 Secrets with label aws-ecr-updater=true in all namespaces: 1 refreshed, 1 failed"
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(world.kube.operations()[0], "GET /api/v1/secrets");
}

/// What an admission webhook answers that refuses a Secret and quotes it.
fn quoting(quote: &str) -> Fault {
    let message = format!("admission webhook \"policy.example\" denied the request: data: {quote} is not allowed");
    Fault::ReplyInstead(status_reply(403, "Forbidden", &message))
}

/// How it is told: by whom, but not in whose words.
const WITHHELD: &str = "Kubernetes: update t/s at KUBE: Forbidden (403): admission webhook \"policy.example\" denied the \
                        request (its reason is not shown, for it may quote the Secret)";

#[test]
fn a_webhooks_words_are_not_shown() {
    // At the journal, and at the pair.
    let world = rotate_world();
    world.kube.script().once(PUT_KEY, quoting("owner"));
    changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            &format!("WARN  t/s: {WITHHELD}"),
            &format!("ERROR t/s: t/s cannot be written: {WITHHELD}; no key was made"),
            ROTATE_FAILED,
        ],
    );
    world.kube.script().some(PUT_KEY, 2, 1, quoting("owner"));
    let run = world.run(&["rotate"]);
    assert_eq!(
        said(&world, &run),
        [
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            "INFO  t/s: created key NEW; waiting for AWS to accept it",
            "INFO  t/s: key NEW is accepted; writing it to the Secret",
            &format!("WARN  t/s: {WITHHELD}"),
            "INFO  t/s: deleted key NEW",
            &format!(
                "ERROR t/s: the new key could not be stored: {WITHHELD}; key NEW was deleted again; old key KEY still works"
            ),
            ROTATE_FAILED,
        ],
    );
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
}

#[test]
fn a_message_that_quotes_the_secret_is_not_shown() {
    let withheld = "the message is not shown, for it quotes the Secret";
    for (quote, shown) in [
        ("a password in clear", withheld),
        // What looks like a secret is struck out of any message.
        (&STANDARD.encode("a password in clear\n"), "the value […] is too simple"),
    ] {
        let world = rotate_world();
        world.cluster.edit(NAMESPACE, "s", &|secret| {
            secret["stringData"] = json!({"password": "a password in clear\n"})
        });
        let message = format!("the value {quote} is too simple");
        world
            .kube
            .script()
            .once(PUT_KEY, Fault::ReplyInstead(status_reply(422, "Invalid", &message)));
        let run = world.run(&["rotate"]);
        let why = format!(
            "Kubernetes: update t/s at KUBE: Invalid (422): {shown}; correct the Secret, or the policy that forbids it, and run again"
        );
        assert_eq!(
            said(&world, &run),
            [
                &format!("WARN  t/s: {why}"),
                &format!("ERROR t/s: t/s cannot be written: {why}; no key was made"),
                ROTATE_FAILED,
            ]
        );
        assert_eq!(run.code, Some(1));
    }
}

#[test]
fn a_webhooks_message_that_quotes_the_old_secret_is_not_shown() {
    for encode in [str::to_owned as fn(&str) -> String, |text| STANDARD.encode(text)] {
        let world = rotate_world();
        world.kube.script().once(PUT_KEY, quoting(&encode(&world.key.secret)));
        let run = world.run(&["rotate"]);
        assert_eq!(said(&world, &run)[0], format!("WARN  t/s: {WITHHELD}"));
        assert_eq!(run.code, Some(1));
    }
}

#[test]
fn a_webhooks_message_that_quotes_the_new_secret_is_not_shown() {
    let plain = str::to_owned as fn(&str) -> String;
    let encoded: fn(&str) -> String = |text| STANDARD.encode(text);
    // At the renewal that names the new key, and at the pair.
    for (encode, skip) in [(plain, 0), (encoded, 0), (plain, 1), (encoded, 1)] {
        let world = rotate_world();
        // A server that the hook can reach: what it will quote is not known before the key is made.
        let authority = Authority::new("cluster");
        let kube = Arc::new(world.cluster.start("127.0.0.1", authority.server(&["127.0.0.1"])));
        world.files.file("ca.crt", authority.pem());
        let (cloud, script) = (world.cloud.clone(), kube.clone());
        let quote_it = move || {
            let id = &cloud.keys("ci").pop().expect("the key that was just made").id;
            let secret = cloud.secret_of(id).expect("its secret");
            script.script().some(PUT_KEY, skip, 1, quoting(&encode(&secret)));
        };
        world
            .aws
            .script()
            .once("CreateAccessKey", Fault::CallAfter(Arc::new(quote_it)));
        let program = Program::new(under_test())
            .args(&["-n", "t", "--server", &kube.url(), "--token-file", &world.file("token")])
            .args(&["--certificate-authority", &world.file("ca.crt")])
            .env("AWS_ENDPOINT_URL", world.aws.url());

        let run = world.check(program);

        let log = said(&world, &run).join("\n").replace(&kube.url(), "KUBE");
        assert!(log.contains(&format!("WARN  t/s: {WITHHELD}\n")), "{log}");
        assert_eq!(run.code, Some(1));
        world.assert_as_before();
    }
}

/// The answer to a write that a webhook has undone.
fn stored_as_before(world: &World, name: &str) -> Fault {
    as_stored(&world.cluster, name)
}

fn as_stored(cluster: &Cluster, name: &str) -> Fault {
    let secret = cluster.secret(NAMESPACE, name).expect("a Secret of ours");
    Fault::ReplyInstead(Reply::new(200, "application/json", secret.to_string()))
}

#[test]
fn a_write_whose_answer_holds_something_else_is_not_believed() {
    let world = rotate_world();
    world.kube.script().always(PUT_KEY, stored_as_before(&world, "s"));
    changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            "ERROR t/s: t/s cannot be written: t/s was stored without the journal, perhaps changed by an admission webhook; \
             no key was made",
            ROTATE_FAILED,
        ],
    );
    assert_eq!(world.kube.operations(), [LIST, PUT_KEY]);
    assert_eq!(world.cloud.create_count("ci"), 0);

    // The journal is stored and the pair is not.
    let world = rotate_world();
    let (cluster, written) = (world.cluster.clone(), AtomicUsize::new(0));
    world.kube.script().choose(Arc::new(move |operation, _| {
        let undone = operation == PUT_KEY && written.fetch_add(1, Ordering::SeqCst) >= 2;
        undone.then(|| as_stored(&cluster, "s"))
    }));
    let run = world.run(&["rotate"]);
    assert_eq!(
        said(&world, &run),
        [
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            "INFO  t/s: created key NEW; waiting for AWS to accept it",
            "INFO  t/s: key NEW is accepted; writing it to the Secret",
            "INFO  t/s: deleted key NEW",
            "ERROR t/s: the new key could not be stored: t/s was not stored as it was sent, perhaps changed by an admission \
             webhook; key NEW was deleted again; old key KEY still works",
            ROTATE_FAILED,
        ],
    );
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
    assert_eq!(
        world.kube.operations(),
        [
            LIST, PUT_KEY, PUT_KEY, PUT_KEY, PUT_KEY, PUT_KEY, PUT_KEY, PUT_KEY, LIST
        ]
    );

    let world = ecr_world();
    world.kube.script().always(PUT_PULL, stored_as_before(&world, "pull"));
    ecr_update_refuses(
        &world,
        "the login was not stored as it was sent, perhaps changed by an admission webhook",
    );
    assert_eq!(world.kube.operations(), [LIST, GET_SOURCE, PUT_PULL]);
}
