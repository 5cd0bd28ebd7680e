//! Service accounts that pull with an ECR Secret: its name in their `imagePullSecrets`, once.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{PUT, REGISTRY, TOKEN, assert_login, last_login, world_with};
use crate::support::kube::status::{internal_error, status_reply, too_many_requests};
use crate::support::program::{NAMESPACE, Run, VERBS, World};
use crate::support::script::Fault;
use crate::support::story::annotate;

const ANNOTATION: &str = "aws-ecr-updater/service-accounts";
const GET_ACCOUNT: &str = "GET /api/v1/namespaces/t/serviceaccounts/default";
const PUT_ACCOUNT: &str = "PUT /api/v1/namespaces/t/serviceaccounts/default";
/// What [`said`] makes of the line on a Secret that was added.
const ADDED: &str = "INFO  t/pull; added to `imagePullSecrets` of service account t/default";

/// What the feature needs beside [`VERBS`].
const RIGHTS: &[&str] = &["get serviceaccounts", "update serviceaccounts"];

/// A world whose Secret `pull` names these accounts, and a program that may read and write them.
fn world_for(accounts: &str) -> World {
    let world = world_with("{}");
    annotate(&world.cluster, "pull", ANNOTATION, accounts);
    grant(&world, RIGHTS);
    world
}

fn grant(world: &World, rights: &[&str]) {
    let rules = [(NAMESPACE, VERBS), (NAMESPACE, rights)];
    let token = world.cluster.token("system:serviceaccount:t:rotate", &rules);
    world.files.file("token", token);
}

/// The names in an account's `imagePullSecrets`.
fn pulls_with(world: &World, account: &str) -> Vec<String> {
    names(&world.cluster.service_account(NAMESPACE, account).expect("an account"))
}

fn names(account: &Value) -> Vec<String> {
    let entries = account["imagePullSecrets"].as_array().into_iter().flatten();
    entries
        .map(|entry| entry["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// The requests for service accounts, in order.
fn asked(world: &World) -> Vec<String> {
    let operations = world.kube.operations().into_iter();
    operations.filter(|it| it.contains("/serviceaccounts/")).collect()
}

fn count(world: &World, operation: &str) -> usize {
    asked(world).iter().filter(|it| *it == operation).count()
}

/// The log without the closing line; of the lines on logins only whom the Secret was added to.
fn said(world: &World, run: &Run) -> Vec<String> {
    let lines = run.log(world).into_iter();
    let told = |line: String| match line.split_once(": login to ") {
        None => Some(line),
        Some((key, rest)) => Some(format!("{key}; {}", rest.split_once("; ")?.1)),
    };
    lines
        .filter(|line| !line.contains(" ecr-update: "))
        .filter_map(told)
        .collect()
}

/// The closing line and the exit code when the one Secret's login is stored and something else failed.
#[track_caller]
fn assert_failed_with_its_login(world: &World, run: &Run) {
    assert_login(world, "pull", REGISTRY, &last_login(world));
    let last = "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 0 refreshed, 1 failed";
    let log = run.log(world);
    assert_eq!((run.code, log.last().map(String::as_str)), (Some(1), Some(last)));
    assert!(log[log.len() - 2].starts_with("INFO  t/pull: login to "), "{log:?}");
}

#[test]
fn the_secret_is_added_to_each_account_after_its_login_is_stored() {
    let world = world_for("default, builder");
    world.cluster.add_service_account(NAMESPACE, "builder");
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0));
    assert_eq!(said(&world, &run), [format!("{ADDED}, t/builder")]);
    let secrets = "GET /api/v1/namespaces/t/secrets";
    let expected = [
        secrets.to_owned(),
        format!("{secrets}/s"),
        PUT.to_owned(),
        GET_ACCOUNT.to_owned(),
        PUT_ACCOUNT.to_owned(),
        GET_ACCOUNT.replace("default", "builder"),
        PUT_ACCOUNT.replace("default", "builder"),
    ];
    assert_eq!(world.kube.operations(), expected);
    for account in ["default", "builder"] {
        assert_eq!(pulls_with(&world, account), ["pull"]);
    }
    assert_login(&world, "pull", REGISTRY, &last_login(&world));
}

#[test]
fn a_second_run_reads_each_account_once_and_writes_none() {
    let world = world_for("default,builder");
    world.cluster.add_service_account(NAMESPACE, "builder");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let before = asked(&world).len();
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, said(&world, &run)), (Some(0), Vec::<String>::new()));
    let builder = GET_ACCOUNT.replace("default", "builder");
    assert_eq!(asked(&world)[before..], [GET_ACCOUNT.to_owned(), builder]);
    assert_eq!(pulls_with(&world, "default"), ["pull"]);
}

#[test]
fn secrets_that_share_an_account_read_it_once() {
    let world = world_for("default");
    for name in ["a", "b", "c"] {
        world.add_pull_secret(name, "s", "eu-west-1", "{}");
        annotate(&world.cluster, name, ANNOTATION, "default");
    }
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_eq!((count(&world, GET_ACCOUNT), count(&world, PUT_ACCOUNT)), (1, 4));
    assert_eq!(pulls_with(&world, "default"), ["a", "b", "c", "pull"]);
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_eq!((count(&world, GET_ACCOUNT), count(&world, PUT_ACCOUNT)), (2, 4));
}

#[test]
fn secrets_of_several_credentials_do_not_wear_out_an_account() {
    let world = world_for("default");
    let mut expected = vec!["pull".to_owned()];
    for number in 0..7 {
        let (user, source, name) = (
            format!("user-{number}"),
            format!("s-{number}"),
            format!("pull-{number}"),
        );
        world.cloud.add_user(&user);
        let key = world.cloud.add_key(&user);
        world.add_key_secret(&source, &key.id, &key.secret);
        world.add_pull_secret(&name, &source, "eu-west-1", "{}");
        annotate(&world.cluster, &name, ANNOTATION, "default");
        expected.push(name);
    }
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    let mut names = pulls_with(&world, "default");
    names.sort();
    assert_eq!(names, expected);
    // Eight are under way at once, and none got in another's way.
    assert_eq!((count(&world, GET_ACCOUNT), count(&world, PUT_ACCOUNT)), (1, 8));
}

#[test]
fn a_login_that_is_left_as_it_was_is_seen_to_as_well() {
    let world = world_with("{}");
    grant(&world, RIGHTS);
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    annotate(&world.cluster, "pull", ANNOTATION, "default");
    let run = world.run(&["ecr-update", "--renew-within", "6h"]);
    assert_eq!((run.code, world.aws.operations().len()), (Some(0), 1));
    let last = "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 0 refreshed, 1 left as they were, 0 failed";
    assert_eq!(run.log(&world).last().map(String::as_str), Some(last));
    assert_eq!(said(&world, &run), [ADDED]);
    assert_eq!(pulls_with(&world, "default"), ["pull"]);
}

#[test]
fn every_other_field_and_the_order_of_the_list_stay() {
    let world = world_for("default");
    world.cluster.edit_service_account(NAMESPACE, "default", &|account| {
        account["imagePullSecrets"] = json!([{"name": "z"}, {"name": "pull-2"}, {"name": "a"}, {"name": "z"}, {}]);
        account["secrets"] = json!([{"name": "pull"}]);
        account["automountServiceAccountToken"] = json!(false);
        account["metadata"]["labels"] = json!({"pull": "pull"});
        account["metadata"]["annotations"] = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/r"});
        account["metadata"]["ownerReferences"] =
            json!([{"kind": "Team", "name": "pull", "uid": "u", "apiVersion": "x/v1"}]);
        account["metadata"]["finalizers"] = json!(["x/y"]);
    });
    let mut expected = world.cluster.service_account(NAMESPACE, "default").unwrap();
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let mut stored = world.cluster.service_account(NAMESPACE, "default").unwrap();
    assert_eq!(names(&stored), ["z", "pull-2", "a", "z", "", "pull"]);
    for account in [&mut expected, &mut stored] {
        account["imagePullSecrets"] = Value::Null;
        account["metadata"]["resourceVersion"] = Value::Null;
    }
    assert_eq!(stored, expected);
}

#[test]
fn an_account_that_has_it_already_is_not_written() {
    let world = world_for("default");
    world.cluster.edit_service_account(NAMESPACE, "default", &|account| {
        account["imagePullSecrets"] = json!([{"name": "pull"}, {"name": "other"}]);
    });
    let versions = world.cluster.service_account_versions(NAMESPACE, "default");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_eq!(asked(&world), [GET_ACCOUNT]);
    assert_eq!(world.cluster.service_account_versions(NAMESPACE, "default"), versions);
}

#[test]
fn without_a_name_no_account_is_asked_for_and_no_right_is_needed() {
    let world = world_with("{}");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    annotate(&world.cluster, "pull", ANNOTATION, " ");
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, said(&world, &run)), (Some(0), Vec::new()));
    assert_eq!(asked(&world), Vec::<String>::new());
}

#[test]
fn an_account_keeps_the_secret_when_the_annotation_is_taken_away() {
    let world = world_for("default");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    world.cluster.edit(NAMESPACE, "pull", &|secret| {
        secret["metadata"]["annotations"]
            .as_object_mut()
            .unwrap()
            .remove(ANNOTATION);
    });
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, said(&world, &run)), (Some(0), Vec::new()));
    assert_eq!(pulls_with(&world, "default"), ["pull"]);
    assert_eq!(asked(&world), [GET_ACCOUNT, PUT_ACCOUNT]);
}

#[test]
fn an_account_is_not_told_to_pull_with_what_holds_no_login() {
    let world = world_for("default");
    world.cloud.deny("ci", "ecr:GetAuthorizationToken");
    assert_eq!(world.run(&["ecr-update"]).code, Some(1));
    assert_eq!(world.aws.operations(), [TOKEN]);
    assert_eq!(asked(&world), Vec::<String>::new());

    let world = world_for("default");
    let denied = status_reply(403, "Forbidden", "admission webhook \"w\" denied the request: no");
    world.kube.script().always(PUT, Fault::ReplyInstead(denied));
    assert_eq!(world.run(&["ecr-update"]).code, Some(1));
    assert_eq!(asked(&world), Vec::<String>::new());
}

#[test]
fn what_somebody_else_adds_meanwhile_survives() {
    let world = world_for("default");
    let cluster = Arc::clone(&world.cluster);
    let edit = move || {
        cluster.edit_service_account(NAMESPACE, "default", &|account| {
            account["imagePullSecrets"] = json!([{"name": "theirs"}]);
        })
    };
    world.kube.script().once(PUT_ACCOUNT, Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, said(&world, &run)), (Some(0), vec![ADDED.to_owned()]));
    assert_eq!(asked(&world), [GET_ACCOUNT, PUT_ACCOUNT, GET_ACCOUNT, PUT_ACCOUNT]);
    assert_eq!(pulls_with(&world, "default"), ["theirs", "pull"]);
}

#[test]
fn what_somebody_else_adds_for_us_meanwhile_is_not_added_twice() {
    let world = world_for("default");
    let cluster = Arc::clone(&world.cluster);
    let edit = move || {
        cluster.edit_service_account(NAMESPACE, "default", &|account| {
            account["imagePullSecrets"] = json!([{"name": "pull"}]);
        })
    };
    world.kube.script().once(PUT_ACCOUNT, Fault::CallBefore(Arc::new(edit)));
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_eq!(asked(&world), [GET_ACCOUNT, PUT_ACCOUNT, GET_ACCOUNT]);
    assert_eq!(pulls_with(&world, "default"), ["pull"]);
}

#[test]
fn a_write_whose_answer_is_lost_adds_the_name_once() {
    for (fault, puts) in [
        (Fault::DropBefore, 2),
        (Fault::DropAfter, 1),
        (Fault::CutAnswer, 1),
        (Fault::ReplyInstead(internal_error()), 2),
        (Fault::ReplyAfter(internal_error()), 1),
        (Fault::ReplyInstead(too_many_requests(0)), 2),
    ] {
        let world = world_for("default");
        world.kube.script().once(PUT_ACCOUNT, fault.clone());
        let run = world.run(&["ecr-update"]);
        assert_eq!(
            (run.code, said(&world, &run)),
            (Some(0), vec![ADDED.to_owned()]),
            "{fault:?}"
        );
        assert_eq!(count(&world, PUT_ACCOUNT), puts, "{fault:?}");
        for version in world.cluster.service_account_versions(NAMESPACE, "default") {
            assert!(names(&version).len() <= 1, "{fault:?}: {:?}", names(&version));
        }
        assert_eq!(pulls_with(&world, "default"), ["pull"], "{fault:?}");
    }
}

#[test]
fn an_account_that_somebody_keeps_changing_is_given_up_on() {
    let world = world_for("default");
    let cluster = Arc::clone(&world.cluster);
    let edit = move || {
        cluster.edit_service_account(NAMESPACE, "default", &|account| {
            account["automountServiceAccountToken"] = json!(account["automountServiceAccountToken"] != true);
        })
    };
    world
        .kube
        .script()
        .always(PUT_ACCOUNT, Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["ecr-update"]);
    let expected = format!(
        "ERROR t/pull: annotation `{ANNOTATION}`: Kubernetes: update service account t/default at KUBE: Conflict (409): Operation \
         cannot be fulfilled on serviceaccounts \"default\": the object has been modified; please apply your changes to the latest \
         version and try again; somebody else keeps changing it: see who, and run again"
    );
    assert_eq!(said(&world, &run), [expected]);
    assert_eq!(count(&world, PUT_ACCOUNT), 3);
    assert_failed_with_its_login(&world, &run);
}

#[test]
fn the_account_made_anew_meanwhile_gets_it_too() {
    let world = world_for("default");
    let cluster = Arc::clone(&world.cluster);
    let remake = move || {
        cluster.remove_service_account(NAMESPACE, "default");
        cluster.add_service_account(NAMESPACE, "default");
    };
    world
        .kube
        .script()
        .once(PUT_ACCOUNT, Fault::CallBefore(Arc::new(remake)));
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_eq!(pulls_with(&world, "default"), ["pull"]);
}

#[test]
fn an_account_that_is_missing_is_warned_of_and_the_others_get_it() {
    let world = world_for("builder,default");
    let run = world.run(&["ecr-update"]);
    let missing = format!(
        "WARN  t/pull: annotation `{ANNOTATION}` names service account t/builder, which is not there; make it, or correct the name"
    );
    assert_eq!(
        (run.code, said(&world, &run)),
        (Some(0), vec![missing.clone(), ADDED.to_owned()])
    );
    // It is gone between the two requests.
    let world = world_for("default");
    let cluster = Arc::clone(&world.cluster);
    let remove = move || cluster.remove_service_account(NAMESPACE, "default");
    world
        .kube
        .script()
        .once(PUT_ACCOUNT, Fault::CallBefore(Arc::new(remove)));
    let run = world.run(&["ecr-update"]);
    // The stand-in has the precondition fail, as a real server has, and it is looked for once more.
    assert_eq!(
        (run.code, said(&world, &run)),
        (Some(0), vec![missing.replace("builder", "default")])
    );
    assert_eq!(asked(&world), [GET_ACCOUNT, PUT_ACCOUNT, GET_ACCOUNT]);
}

#[test]
fn a_missing_right_is_one_error_that_says_what_to_grant() {
    let denied = |verb: &str| {
        format!(
            "ERROR t/pull: annotation `{ANNOTATION}`: Kubernetes: {verb} service account t/default at KUBE: Forbidden (403): \
             serviceaccounts \"default\" is forbidden: User \"system:serviceaccount:t:rotate\" cannot {verb} resource \
             \"serviceaccounts\" in API group \"\" in the namespace \"t\"; grant the verbs `get` and `update` on \
             `serviceaccounts` by a Role and a RoleBinding there, or for every namespace by a ClusterRole and a \
             ClusterRoleBinding; the same for 1 more service account"
        )
    };
    for (rights, verb, requests) in [(&[][..], "get", 2), (&["get serviceaccounts"][..], "update", 4)] {
        let world = world_for("default,builder");
        world.cluster.add_service_account(NAMESPACE, "builder");
        grant(&world, rights);
        let run = world.run(&["ecr-update"]);
        assert_eq!(said(&world, &run), [denied(verb)]);
        assert_failed_with_its_login(&world, &run);
        assert_eq!(asked(&world).len(), requests);
    }
}

#[test]
fn what_is_refused_once_is_not_asked_for_again() {
    let world = world_for("default,none");
    world.add_pull_secret("pull-2", "s", "eu-west-1", "{}");
    annotate(&world.cluster, "pull-2", ANNOTATION, "default,none");
    world.cluster.add_service_account(NAMESPACE, "builder");
    grant(&world, &[]);
    let run = world.run(&["ecr-update"]);
    let log = said(&world, &run);
    assert_eq!((run.code, log.len()), (Some(1), 2));
    assert_eq!(log[1], log[0].replacen("t/pull", "t/pull-2", 1));
    assert_eq!(
        asked(&world),
        [GET_ACCOUNT.to_owned(), GET_ACCOUNT.replace("default", "none")]
    );
}

#[test]
fn an_account_that_is_not_stored_as_it_was_sent_is_an_error() {
    let world = world_for("default");
    let cluster = Arc::clone(&world.cluster);
    // What a webhook that tidies up service accounts makes of it.
    let stored = world.cluster.service_account(NAMESPACE, "default").unwrap();
    let reply = crate::support::server::Reply::new(200, "application/json", stored.to_string());
    world.kube.script().once(PUT_ACCOUNT, Fault::ReplyInstead(reply));
    let run = world.run(&["ecr-update"]);
    let expected = format!(
        "ERROR t/pull: annotation `{ANNOTATION}`: service account t/default was not stored as it was sent, perhaps changed by an \
         admission webhook"
    );
    assert_eq!(said(&world, &run), [expected]);
    assert_failed_with_its_login(&world, &run);
    assert_eq!(cluster.service_account_versions(NAMESPACE, "default").len(), 1);
}

#[test]
fn a_bad_annotation_keeps_no_login_from_being_refreshed() {
    for (text, why) in [
        (
            "default,",
            "a name is missing beside a comma; expected names of service accounts, such as `default,builder`",
        ),
        (
            "default,Builder",
            "`Builder` is no name of a service account; expected at most 253 lower-case letters, digits, `-` and `.`, beginning \
             and ending with a letter or digit",
        ),
        (
            "default,default",
            "`default` comes twice; name each service account once",
        ),
    ] {
        let world = world_for(text);
        let run = world.run(&["ecr-update"]);
        assert_eq!(
            said(&world, &run),
            [format!("ERROR t/pull: annotation `{ANNOTATION}`: {why}")]
        );
        assert_failed_with_its_login(&world, &run);
        assert_eq!(asked(&world), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn one_bad_account_keeps_no_other_secret_from_its_turn() {
    let world = world_for("default");
    world.add_pull_secret("zz", "s", "eu-west-1", "{}");
    annotate(&world.cluster, "zz", ANNOTATION, "builder");
    world.cluster.add_service_account(NAMESPACE, "builder");
    let invalid = status_reply(422, "Invalid", "ServiceAccount \"default\" is invalid: x");
    world.kube.script().always(PUT_ACCOUNT, Fault::ReplyInstead(invalid));
    let run = world.run(&["ecr-update"]);
    let last = "INFO  ecr-update: 2 Secrets with label aws-ecr-updater=true in namespace t: 1 refreshed, 1 failed";
    assert_eq!(
        (run.code, run.log(&world).last().map(String::as_str)),
        (Some(1), Some(last))
    );
    assert_eq!(
        said(&world, &run),
        [
            format!(
                "ERROR t/pull: annotation `{ANNOTATION}`: Kubernetes: update service account t/default at KUBE: Invalid (422): \
                 ServiceAccount \"default\" is invalid: x; correct the ServiceAccount, or the policy that forbids it, and run again"
            ),
            ADDED.replace("t/pull", "t/zz").replace("default", "builder"),
        ]
    );
    assert_eq!(pulls_with(&world, "builder"), ["zz"]);
}
