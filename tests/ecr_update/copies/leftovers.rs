//! Copies that nobody wants any more: reported, and deleted with `--prune` alone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    LISTS, NAMESPACES, RIGHTS, TEAMS, USER, add_secret, allow, ask_for, assert_copied, assert_no_copy, of, requests,
    told, world_of_teams,
};
use crate::support::kube::status::internal_error;
use crate::support::program::World;
use crate::support::script::Fault;

/// A world with copies of `t/pull` in `team-a`, wanted, and in `team-b`, not wanted any more.
fn world_with_leftover() -> World {
    let world = world_of_teams("team-a,team-b");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    ask_for(&world, "team-a");
    world.kube.forget();
    world
}

const NOT_HERE: &str = "team-b/pull: is a copy of t/pull, which does not want it here any more; `--prune` deletes it";
const DELETED: &str = "INFO  team-b/pull: deleted, for it was a copy of t/pull, which does not want it here any more";

#[test]
fn without_prune_it_is_reported_and_stays() {
    let world = world_with_leftover();
    let before = world.cluster.secret("team-b", "pull");
    let run = world.run(&["ecr-update"]);
    assert_eq!(
        (run.code, told(&world, &run)),
        (Some(0), vec![format!("WARN  {NOT_HERE}")])
    );
    assert!(world.cluster.secret("team-b", "pull") == before);
    assert_eq!(requests(&world).len(), LISTS.len() + 1);
}

#[test]
fn with_prune_it_is_deleted_right_after_its_original_was_read() {
    let world = world_with_leftover();
    let resource_version = world.cluster.secret("team-b", "pull").unwrap()["metadata"].clone();
    let run = world.run(&["ecr-update", "--prune"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), vec![DELETED.to_owned()]));
    assert_no_copy(&world, "team-b");
    assert_copied(&world, "team-a");
    let expected = [of("PUT", "team-a"), of("GET", "t"), of("DELETE", "team-b")];
    assert_eq!(requests(&world)[LISTS.len()..], expected);
    let deleted = world.kube.recorded().pop().unwrap();
    let body: Value = serde_json::from_slice(&deleted.request.body).unwrap();
    let preconditions = &body["preconditions"];
    assert_eq!(preconditions["uid"], resource_version["uid"]);
    assert_eq!(preconditions["resourceVersion"], resource_version["resourceVersion"]);
    assert_eq!(
        (&body["kind"], &body["apiVersion"]),
        (&json!("DeleteOptions"), &json!("v1"))
    );
}

#[test]
fn copies_of_an_original_that_wants_none_or_is_gone_are_left_over() {
    let no_label: fn(&World) = |world| {
        world
            .cluster
            .edit("t", "pull", &|secret| secret["metadata"]["labels"] = json!({}));
    };
    let no_annotation: fn(&World) = |world| {
        world.cluster.edit("t", "pull", &|secret| {
            secret["metadata"]["annotations"]
                .as_object_mut()
                .unwrap()
                .remove(NAMESPACES);
        });
    };
    for (change, why) in [
        (no_annotation, "wants no copies any more"),
        (no_label, "is gone or has lost its label"),
        (
            |world| world.cluster.remove("t", "pull"),
            "is gone or has lost its label",
        ),
    ] {
        let world = world_of_teams("team-*,!team-x");
        assert_eq!(world.run(&["ecr-update"]).code, Some(0));
        change(&world);
        // Nobody asks for copies: they are looked for where that needs no right that was not needed before.
        assert_eq!(told(&world, &world.run(&["ecr-update"])), Vec::<String>::new());
        let run = world.run(&["ecr-update", "-A"]);
        let line =
            |namespace| format!("WARN  {namespace}/pull: is a copy of t/pull, which {why}; `--prune` deletes it");
        assert_eq!((run.code, told(&world, &run)), (Some(0), TEAMS.map(line).to_vec()));
        assert_eq!(world.run(&["ecr-update", "--prune"]).code, Some(0));
        for namespace in TEAMS {
            assert_no_copy(&world, namespace);
        }
    }
}

#[test]
fn an_original_that_cannot_be_understood_or_has_failed_keeps_its_copies() {
    let bad_patterns: fn(&World) = |world| ask_for(world, "Team");
    let no_source: fn(&World) = |world| {
        world.cluster.remove("t", "s");
        ask_for(world, "team-a");
    };
    for change in [bad_patterns, no_source] {
        let world = world_with_leftover();
        change(&world);
        assert_eq!(world.run(&["ecr-update", "--prune"]).code, Some(1));
        for namespace in TEAMS {
            assert!(world.cluster.secret(namespace, "pull").is_some(), "{namespace}");
        }
    }
}

#[test]
fn what_is_not_marked_or_of_an_original_out_of_scope_is_never_deleted() {
    let world = world_of_teams("team-a");
    let mark = json!({"aws-ecr-updater/copy": "true"});
    let of_original = |original: &str| json!({"aws-ecr-updater/copy-of": original});
    // Another scope's.
    add_secret(&world, "team-b", mark.clone(), of_original("u/pull"));
    // One without a mark; one whose mark names another name, nothing, and itself.
    add_secret(&world, "other", json!({}), of_original("t/pull"));
    add_secret(&world, "team-x", mark.clone(), of_original("t/other"));
    add_secret(&world, "default", mark.clone(), of_original("pull"));
    add_secret(&world, "kube-system", mark.clone(), of_original("kube-system/pull"));
    // One that somebody has made an original of its own.
    let label = json!({"aws-ecr-updater/copy": "true", "aws-ecr-updater": "true"});
    world.cluster.add_namespace("own");
    add_secret(&world, "own", label, of_original("t/pull"));
    let names = world.cluster.names();
    let run = world.run(&["ecr-update", "--prune"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()));
    let deleted = names.iter().filter(|name| !world.cluster.names().contains(name));
    assert_eq!(deleted.count(), 0);
}

#[test]
fn an_annotation_that_is_back_keeps_the_copy() {
    for back in ["team-*", "no namespace has such a name"] {
        let world = world_with_leftover();
        let cluster = Arc::clone(&world.cluster);
        let edit = move || {
            cluster.edit("t", "pull", &|secret| {
                secret["metadata"]["annotations"][NAMESPACES] = json!(back);
            });
        };
        world
            .kube
            .script()
            .once(&of("GET", "t"), Fault::CallBefore(Arc::new(edit)));
        let run = world.run(&["ecr-update", "--prune"]);
        let line = "WARN  team-b/pull: not deleted, for t/pull may want it again".to_owned();
        assert_eq!((run.code, told(&world, &run)), (Some(0), vec![line]));
        assert!(world.cluster.secret("team-b", "pull").is_some());
    }
}

#[test]
fn a_delete_whose_answer_is_lost_is_looked_at() {
    for fault in Fault::lost_answers(internal_error) {
        let world = world_with_leftover();
        world.kube.script().once(&of("DELETE", "team-b"), fault.clone());
        let run = world.run(&["ecr-update", "--prune"]);
        assert_eq!(
            (run.code, told(&world, &run)),
            (Some(0), vec![DELETED.to_owned()]),
            "{fault:?}"
        );
        assert_no_copy(&world, "team-b");
        let mut expected = vec![of("GET", "t"), of("DELETE", "team-b"), of("GET", "team-b")];
        if !fault.lets_pass() {
            expected.extend([of("GET", "t"), of("DELETE", "team-b")]);
        }
        assert_eq!(requests(&world)[LISTS.len() + 1..], expected, "{fault:?}");
    }
}

#[test]
fn a_copy_that_changes_meanwhile_is_deleted_only_while_it_is_marked() {
    let run_with = |change: &'static (dyn Fn(&mut Value) + Send + Sync)| {
        let world = world_with_leftover();
        let cluster = Arc::clone(&world.cluster);
        let edit = move || cluster.edit("team-b", "pull", &|copy| change(copy));
        world
            .kube
            .script()
            .once(&of("DELETE", "team-b"), Fault::CallBefore(Arc::new(edit)));
        let run = world.run(&["ecr-update", "--prune"]);
        (run.code, told(&world, &run), world)
    };
    let (code, lines, world) = run_with(&|copy| copy["metadata"]["labels"]["team"] = json!("b"));
    assert_eq!((code, lines), (Some(0), vec![DELETED.to_owned()]));
    assert_no_copy(&world, "team-b");

    let (code, lines, world) = run_with(&|copy| copy["metadata"]["annotations"] = json!({}));
    let line = "WARN  team-b/pull: not deleted, for it has lost its mark meanwhile".to_owned();
    assert_eq!((code, lines), (Some(0), vec![line]));
    assert!(world.cluster.secret("team-b", "pull").is_some());
}

#[test]
fn one_of_its_name_that_was_made_meanwhile_is_not_deleted() {
    let world = world_with_leftover();
    let cluster = Arc::clone(&world.cluster);
    let remake = move || {
        cluster.remove("team-b", "pull");
        cluster.add_secret(json!({"metadata": {"name": "pull", "namespace": "team-b"}}));
    };
    world
        .kube
        .script()
        .once(&of("DELETE", "team-b"), Fault::CallBefore(Arc::new(remake)));
    assert_eq!(world.run(&["ecr-update", "--prune"]).code, Some(0));
    assert!(world.cluster.secret("team-b", "pull").is_some());
}

#[test]
fn the_right_to_delete_is_named_once() {
    let world = world_of_teams("team-*");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    ask_for(&world, "team-x");
    let but_delete: Vec<&str> = RIGHTS.iter().copied().filter(|verb| *verb != "delete").collect();
    allow(&world, &[("*", &but_delete)]);
    let run = world.run(&["ecr-update", "--prune"]);
    let line = format!(
        "ERROR copies that are not wanted any more: 2 not deleted: Kubernetes: delete team-a/pull at KUBE: Forbidden (403): \
         secrets \"pull\" is forbidden: User \"{USER}\" cannot delete resource \"secrets\" in API group \"\" in the namespace \
         \"team-a\"; copies need a ClusterRole with `list` on `namespaces` and `get`, `list`, `create` and `update` on `secrets`, \
         and `delete` for `--prune`"
    );
    assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line]));
    for namespace in TEAMS {
        assert!(world.cluster.secret(namespace, "pull").is_some(), "{namespace}");
    }
}

#[test]
fn an_original_that_cannot_be_read_again_keeps_its_copy() {
    let world = world_with_leftover();
    world
        .kube
        .script()
        .always(&of("GET", "t"), Fault::ReplyInstead(internal_error()));
    let run = world.run(&["ecr-update", "--prune"]);
    assert_eq!(run.code, Some(1));
    assert!(told(&world, &run)[0].starts_with("ERROR team-b/pull: not deleted: Kubernetes: get t/pull at KUBE:"));
    assert!(world.cluster.secret("team-b", "pull").is_some());
}
