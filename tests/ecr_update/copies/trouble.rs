//! What can go wrong with a copy: somebody else's Secret is in its place, others write it, answers are lost, rights lack, its
//! namespace goes away. Nothing of it keeps another copy from its turn.

use std::sync::Arc;

use serde_json::json;

use super::{
    LISTS, NAMESPACES, RIGHTS, USER, add_copy, add_secret, allow, assert_copied, assert_no_copy, counts, of, requests,
    told, world_of_teams,
};
use crate::support::kube::status::{internal_error, status_reply};
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::server::Request;
use crate::support::story::terminated;

/// `work` done to the cluster before the next request of this operation.
fn before(world: &World, operation: &str, work: impl Fn(&crate::support::kube::Cluster) + Send + Sync + 'static) {
    let cluster = Arc::clone(&world.cluster);
    let fault = Fault::CallBefore(Arc::new(move || work(&cluster)));
    world.kube.script().once(operation, fault);
}

#[test]
fn somebody_elses_secret_of_that_name_is_left_as_it_is() {
    let world = world_of_teams("team-*");
    add_secret(
        &world,
        "team-a",
        json!({}),
        json!({"aws-ecr-updater/copy-of": "t/pull"}),
    );
    let mark = json!({"aws-ecr-updater/copy": "true"});
    add_secret(&world, "team-b", mark, json!({"aws-ecr-updater/copy-of": "u/pull"}));
    let before = ["team-a", "team-b"].map(|namespace| world.cluster.secret(namespace, "pull"));
    let run = world.run(&["ecr-update"]);
    let rest = "it is left alone; rename one of the two, or delete it";
    let lines = [
        format!("ERROR team-a/pull: is there and is no copy of t/pull: {rest}"),
        format!("ERROR team-b/pull: is there and is a copy of u/pull, not of t/pull: {rest}"),
    ];
    assert_eq!((run.code, told(&world, &run)), (Some(1), lines.to_vec()));
    assert_eq!(counts(&world, &run), "1 made, 0 updated, 0 unchanged, 2 failed");
    assert!(["team-a", "team-b"].map(|namespace| world.cluster.secret(namespace, "pull")) == before);
    assert_copied(&world, "team-x");
}

#[test]
fn a_copy_of_another_type_or_one_that_is_immutable_is_to_be_deleted_by_hand() {
    let world = world_of_teams("team-*");
    for namespace in ["team-a", "team-b"] {
        add_copy(&world, namespace);
    }
    world
        .cluster
        .edit("team-a", "pull", &|copy| copy["type"] = json!("Opaque"));
    world
        .cluster
        .edit("team-b", "pull", &|copy| copy["immutable"] = json!(true));
    let run = world.run(&["ecr-update"]);
    let lines = [
        "ERROR team-a/pull: has the type `Opaque` and its original t/pull `kubernetes.io/dockerconfigjson`, and the type of a \
         Secret cannot be changed: delete this copy, and the next run makes it anew",
        "ERROR team-b/pull: is immutable and not what t/pull is now: delete this copy, and the next run makes it anew",
    ];
    assert_eq!(
        (run.code, told(&world, &run)),
        (Some(1), lines.map(String::from).to_vec())
    );
    assert_copied(&world, "team-x");
    // As the message says.
    for namespace in ["team-a", "team-b"] {
        world.cluster.remove(namespace, "pull");
    }
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_copied(&world, "team-a");
    assert_copied(&world, "team-b");
}

#[test]
fn a_namespace_that_is_being_deleted_or_gone_is_nobodys_mistake() {
    let line = "WARN  team-a/pull: namespace team-a is being deleted and gets no copy of t/pull".to_owned();
    let world = world_of_teams("team-a,team-b");
    world.cluster.terminate_namespace("team-a");
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), vec![line.clone()]));
    assert_copied(&world, "team-b");

    // Since it was listed.
    let world = world_of_teams("team-a,team-b");
    before(&world, &of("POST", "team-a"), |cluster| {
        cluster.terminate_namespace("team-a")
    });
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), vec![line]));
    assert_copied(&world, "team-b");

    for (method, copy_is_there) in [("POST", false), ("PUT", true)] {
        let world = world_of_teams("team-a,team-b");
        if copy_is_there {
            add_copy(&world, "team-a");
        }
        before(&world, &of(method, "team-a"), |cluster| {
            cluster.remove_namespace("team-a")
        });
        let run = world.run(&["ecr-update"]);
        assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()), "{method}");
        assert_copied(&world, "team-b");
    }
}

#[test]
fn a_copy_whose_answer_is_lost_is_looked_at_and_made_once() {
    for fault in Fault::lost_answers(internal_error) {
        let world = world_of_teams("team-a,team-b");
        world.kube.script().once(&of("POST", "team-a"), fault.clone());
        let run = world.run(&["ecr-update"]);
        assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()), "{fault:?}");
        assert_eq!(counts(&world, &run), "2 made, 0 updated, 0 unchanged", "{fault:?}");
        assert_copied(&world, "team-a");
        let mut expected = vec![of("POST", "team-a"), of("GET", "team-a")];
        if !fault.lets_pass() {
            expected.push(of("POST", "team-a"));
        }
        expected.push(of("POST", "team-b"));
        assert_eq!(requests(&world)[LISTS.len()..], expected, "{fault:?}");
        assert_eq!(world.cluster.writes("team-a", "pull").len(), 1, "{fault:?}");
    }
}

#[test]
fn an_update_whose_answer_is_lost_is_looked_at_and_made_once() {
    for fault in Fault::lost_answers(internal_error) {
        let world = world_of_teams("team-a");
        add_copy(&world, "team-a");
        world.kube.script().once(&of("PUT", "team-a"), fault.clone());
        let run = world.run(&["ecr-update"]);
        assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()), "{fault:?}");
        assert_eq!(counts(&world, &run), "0 made, 1 updated, 0 unchanged", "{fault:?}");
        assert_copied(&world, "team-a");
        let mut expected = vec![of("PUT", "team-a"), of("GET", "team-a")];
        if !fault.lets_pass() {
            expected.push(of("PUT", "team-a"));
        }
        assert_eq!(requests(&world)[LISTS.len()..], expected, "{fault:?}");
        assert_eq!(world.cluster.writes("team-a", "pull").len(), 2, "{fault:?}");
    }
}

#[test]
fn what_others_make_change_or_delete_meanwhile_is_judged_anew() {
    // Another run has just made the copy, of an older login.
    let world = world_of_teams("team-a");
    before(&world, &of("POST", "team-a"), |cluster| {
        cluster.add_secret(json!({
            "metadata": {
                "name": "pull", "namespace": "team-a", "labels": {"aws-ecr-updater/copy": "true"},
                "annotations": {"aws-ecr-updater/copy-of": "t/pull"},
            },
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{}"},
        }));
    });
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()));
    assert_copied(&world, "team-a");
    let expected = ["POST", "GET", "PUT"].map(|method| of(method, "team-a"));
    assert_eq!(requests(&world)[LISTS.len()..], expected);

    // Somebody labels it.
    let world = world_of_teams("team-a");
    add_copy(&world, "team-a");
    before(&world, &of("PUT", "team-a"), |cluster| {
        cluster.edit("team-a", "pull", &|copy| {
            copy["metadata"]["labels"]["team"] = json!("a")
        });
    });
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_copied(&world, "team-a");
    let copy = world.cluster.secret("team-a", "pull").unwrap();
    assert_eq!(copy["metadata"]["labels"]["team"], "a");

    // Somebody makes it his own.
    let world = world_of_teams("team-a");
    add_copy(&world, "team-a");
    before(&world, &of("PUT", "team-a"), |cluster| {
        cluster.edit("team-a", "pull", &|copy| copy["metadata"]["labels"] = json!({}));
    });
    let run = world.run(&["ecr-update"]);
    let line =
        "ERROR team-a/pull: is there and is no copy of t/pull: it is left alone; rename one of the two, or delete it";
    assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line.to_owned()]));
    assert_eq!(world.cluster.writes("team-a", "pull").len(), 2);

    // Somebody deletes it.
    let world = world_of_teams("team-a");
    add_copy(&world, "team-a");
    before(&world, &of("PUT", "team-a"), |cluster| cluster.remove("team-a", "pull"));
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_copied(&world, "team-a");
    let expected = ["PUT", "GET", "POST"].map(|method| of(method, "team-a"));
    assert_eq!(requests(&world)[LISTS.len()..], expected);
}

/// Another run has stored a later login, and has brought it to the copy, after this run has read the original and before it comes
/// to the copy.
#[test]
fn a_later_login_of_another_run_is_not_replaced_by_an_earlier_one() {
    let world = world_of_teams("team-a,team-b");
    add_copy(&world, "team-a");
    let later = |secret: &mut serde_json::Value| {
        secret["data"] = json!({".dockerconfigjson": "eyJhdXRocyI6e319"});
        secret["metadata"]["annotations"]["aws-ecr-updater/expires-at"] = json!("2999-01-01T00:00:00Z");
    };
    before(&world, LISTS[1], move |cluster| {
        cluster.edit("t", "pull", &later);
        cluster.edit("team-a", "pull", &later);
    });
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()));
    assert_eq!(world.value("pull", ".dockerconfigjson"), "{\"auths\":{}}");
    assert_copied(&world, "team-a");
    assert_copied(&world, "team-b");
    let expected = [of("GET", "t"), of("POST", "team-b")];
    assert_eq!(requests(&world)[LISTS.len()..], expected);

    // Without another run it is the copy that is wrong.
    let world = world_of_teams("team-a");
    add_copy(&world, "team-a");
    world.cluster.edit("team-a", "pull", &later);
    let run = world.run(&["ecr-update"]);
    assert_eq!(counts(&world, &run), "0 made, 1 updated, 0 unchanged");
    assert_copied(&world, "team-a");

    // An original that was made anew meanwhile is another one.
    let world = world_of_teams("team-a");
    add_copy(&world, "team-a");
    world.cluster.edit("team-a", "pull", &later);
    let copy = world.cluster.secret("team-a", "pull");
    before(&world, &of("GET", "t"), |cluster| {
        let mut secret = cluster.secret("t", "pull").unwrap();
        cluster.remove("t", "pull");
        secret["metadata"] = json!({"name": "pull", "namespace": "t"});
        cluster.add_secret(secret);
    });
    let run = world.run(&["ecr-update"]);
    let line = "ERROR team-a/pull: t/pull was replaced meanwhile; nothing was written here".to_owned();
    assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line]));
    assert!(world.cluster.secret("team-a", "pull") == copy);
}

#[test]
fn a_copy_that_others_keep_changing_is_given_up_on_and_the_next_has_its_turn() {
    let world = world_of_teams("team-a,team-b");
    add_copy(&world, "team-a");
    let cluster = Arc::clone(&world.cluster);
    let edit = move || {
        let note = json!(cluster.writes("team-a", "pull").len().to_string());
        cluster.edit("team-a", "pull", &|copy| {
            copy["metadata"]["annotations"]["note"] = note.clone()
        });
    };
    world
        .kube
        .script()
        .always(&of("PUT", "team-a"), Fault::CallBefore(Arc::new(edit)));
    let run = world.run(&["ecr-update"]);
    let line = "ERROR team-a/pull: Kubernetes: update team-a/pull at KUBE: Conflict (409): Operation cannot be fulfilled on \
                secrets \"pull\": the object has been modified; please apply your changes to the latest version and try again; \
                somebody else keeps changing it: see who, and run again";
    assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line.to_owned()]));
    let puts = requests(&world).into_iter().filter(|it| *it == of("PUT", "team-a"));
    assert_eq!(puts.count(), 4);
    assert_copied(&world, "team-b");
}

const NEEDED: &str = "copies need a ClusterRole with `list` on `namespaces` and `get`, `list`, `create` and `update` on \
                      `secrets`, and `delete` for `--prune`";

#[test]
fn a_right_that_is_missing_is_named_once_for_an_original_with_all_that_copies_need() {
    let refused = |verb: &str, resource: &str, scope: &str| {
        format!(
            "{resource} is forbidden: User \"{USER}\" cannot {verb} resource \"{resource}\" in API group \"\" {scope}"
        )
    };
    let everywhere = "at the cluster scope";
    let ours: (&str, &[&str]) = ("t", RIGHTS);
    for (rules, line) in [
        (
            vec![ours],
            format!(
                "ERROR t/pull: its copies were not looked at: Kubernetes: list namespaces at KUBE: Forbidden (403): {}; {NEEDED}",
                refused("list", "namespaces", everywhere)
            ),
        ),
        (
            vec![ours, ("*", &["list namespaces"])],
            format!(
                "ERROR t/pull: its copies were not looked at: Kubernetes: list Secrets in all namespaces at KUBE: Forbidden \
                 (403): {}; {NEEDED}",
                refused("list", "secrets", everywhere)
            ),
        ),
        (
            vec![ours, ("*", &["list namespaces", "list", "get", "update"])],
            format!(
                "ERROR t/pull: 3 of its copies: Kubernetes: create team-a/pull at KUBE: Forbidden (403): {}; {NEEDED}",
                refused("create", "secrets", "in the namespace \"team-a\"")
            ),
        ),
    ] {
        let world = world_of_teams("team-*");
        allow(&world, &rules);
        let run = world.run(&["ecr-update"]);
        assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line]));
        // Its own login it has.
        assert!(world.value("pull", ".dockerconfigjson").contains("auth"));
        assert_no_copy(&world, "team-a");
    }
}

#[test]
fn what_a_webhook_quotes_of_a_copy_is_not_shown() {
    let world = world_of_teams("team-a,team-b");
    let cloud = Arc::clone(&world.cloud);
    let chooser = move |operation: &str, _: &Request| {
        let quoted = cloud.tokens_issued().pop()?.password;
        let message = format!("admission webhook \"w.example\" denied the request: {quoted} is no good");
        (operation == of("POST", "team-a")).then(|| Fault::ReplyInstead(status_reply(403, "Forbidden", &message)))
    };
    world.kube.script().choose(Arc::new(chooser));
    let run = world.run(&["ecr-update"]);
    let line = "ERROR team-a/pull: Kubernetes: create team-a/pull at KUBE: Forbidden (403): admission webhook \"w.example\" denied \
                the request (its reason is not shown, for it may quote the Secret)";
    assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line.to_owned()]));
    assert_copied(&world, "team-b");
}

#[test]
fn where_a_right_lacks_in_one_namespace_alone_the_others_have_their_copies() {
    let world = world_of_teams("team-*");
    let almost: &[&str] = &["list", "get", "update", "list namespaces"];
    allow(
        &world,
        &[("t", RIGHTS), ("*", almost), ("team-a", RIGHTS), ("team-x", RIGHTS)],
    );
    let run = world.run(&["ecr-update"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(counts(&world, &run), "2 made, 0 updated, 0 unchanged, 1 failed");
    assert_copied(&world, "team-a");
    assert_copied(&world, "team-x");
}

#[test]
fn what_failed_once_is_not_asked_for_again_by_the_next_original() {
    let world = world_of_teams("team-a");
    world.add_pull_secret("pull-2", "s", "eu-west-1", "{}");
    world.cluster.edit("t", "pull-2", &|secret| {
        secret["metadata"]["annotations"][NAMESPACES] = json!("team-a");
    });
    allow(&world, &[("t", RIGHTS)]);
    assert_eq!(world.run(&["ecr-update"]).code, Some(1));
    let operations = world.kube.operations();
    assert_eq!(operations.iter().filter(|it| *it == LISTS[0]).count(), 1);
    assert!(!operations.contains(&LISTS[1].to_owned()));
}

#[test]
fn an_original_that_fails_is_not_copied_and_its_copies_keep_what_they_have() {
    let world = world_of_teams("team-a");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let before = world.cluster.secret("team-a", "pull");
    world.cloud.deny("ci", "ecr:GetAuthorizationToken");
    assert_eq!(world.run(&["ecr-update", "--prune"]).code, Some(1));
    assert!(world.cluster.secret("team-a", "pull") == before);
}

#[test]
fn a_signal_stops_between_two_copies() {
    let world = world_of_teams("team-a,team-b");
    let post = of("POST", "team-a");
    let run = terminated(&world, &["ecr-update"], |fault| world.kube.script().once(&post, fault));
    let line = "ERROR t/pull: stopped by a signal before all its copies were looked at; run again";
    assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line.to_owned()]));
    assert_copied(&world, "team-a");
    assert_no_copy(&world, "team-b");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_copied(&world, "team-b");
}
