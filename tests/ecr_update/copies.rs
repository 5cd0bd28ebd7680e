//! Copies in other namespaces: which are made, what they hold, what of others stays, and what each costs.

mod leftovers;
mod trouble;

use serde_json::{Value, json};

use super::{PUT, world_with};
use crate::support::program::{Run, World};

const TEAMS: [&str; 2] = ["team-a", "team-b"];
const NAMESPACES: &str = "aws-ecr-updater/namespaces";
const USER: &str = "system:serviceaccount:t:rotate";

/// What the manifests' ClusterRole grants.
const RIGHTS: &[&str] = &["get", "list", "watch", "create", "update", "delete", "list namespaces"];

/// The namespaces `team-a`, `team-b`, `team-x` and `other`, and an image-pull Secret `t/pull` that is to be copied as `patterns`
/// say.
fn world_of_teams(patterns: &str) -> World {
    let world = world_with("{}");
    allow(&world, &[("*", RIGHTS)]);
    for namespace in ["team-a", "team-b", "team-x", "other"] {
        world.cluster.add_namespace(namespace);
    }
    ask_for(&world, patterns);
    world
}

fn allow(world: &World, rules: &[(&str, &[&str])]) {
    world.files.file("token", world.cluster.token(USER, rules));
}

/// From now on `t/pull` asks for these copies.
fn ask_for(world: &World, patterns: &str) {
    world.cluster.edit("t", "pull", &|secret| {
        secret["metadata"]["annotations"][NAMESPACES] = json!(patterns);
    });
}

/// The log without the lines of what is refreshed, and without the closing line.
fn told(world: &World, run: &Run) -> Vec<String> {
    let mut log = run.log(world);
    log.pop();
    log.retain(|line| !line.starts_with("INFO  t/"));
    log
}

/// What the line of `t/pull` says of its copies.
fn counts(world: &World, run: &Run) -> String {
    let log = run.log(world);
    let mut counts = log.iter().filter_map(|line| {
        let line = line.strip_prefix("INFO  t/pull: ")?;
        Some(line.split_once("; copies: ")?.1.to_owned())
    });
    counts.next().unwrap_or_default()
}

/// The copy in `namespace` is as it is to be, and holds what `t/pull` holds.
fn assert_copied(world: &World, namespace: &str) {
    let [original, copy] = ["t", namespace].map(|namespace| {
        let secret = world.cluster.secret(namespace, "pull");
        secret.unwrap_or_else(|| panic!("no copy in {namespace}"))
    });
    assert!(copy["data"] == original["data"], "{namespace} has other data");
    assert_eq!(copy["type"], original["type"], "{namespace}");
    assert_eq!(copy["metadata"]["labels"]["aws-ecr-updater/copy"], "true");
    let annotations = &copy["metadata"]["annotations"];
    assert_eq!(annotations["aws-ecr-updater/copy-of"], "t/pull");
    let expires_at = "aws-ecr-updater/expires-at";
    assert_eq!(annotations[expires_at], original["metadata"]["annotations"][expires_at]);
}

fn assert_no_copy(world: &World, namespace: &str) {
    assert_eq!(world.cluster.secret(namespace, "pull"), None, "{namespace}");
}

/// Stores a Secret `pull` in `namespace` with these labels and annotations.
fn add_secret(world: &World, namespace: &str, labels: Value, annotations: Value) {
    world.cluster.add_secret(json!({
        "metadata": {"name": "pull", "namespace": namespace, "labels": labels, "annotations": annotations},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{\"auths\":{}}"},
    }));
}

/// Stores a copy of `t/pull`, not up to date.
fn add_copy(world: &World, namespace: &str) {
    let label = json!({"aws-ecr-updater/copy": "true"});
    add_secret(world, namespace, label, json!({"aws-ecr-updater/copy-of": "t/pull"}));
}

/// What was asked of Secrets and namespaces, without the two requests before `t/pull` is written.
fn requests(world: &World) -> Vec<String> {
    let operations = world.kube.operations();
    let written = operations.iter().position(|operation| operation == PUT);
    operations[written.map_or(0, |at| at + 1)..].to_vec()
}

const LISTS: [&str; 2] = ["GET /api/v1/namespaces", "GET /api/v1/secrets"];

fn of(method: &str, namespace: &str) -> String {
    match method {
        "POST" => format!("POST /api/v1/namespaces/{namespace}/secrets"),
        method => format!("{method} /api/v1/namespaces/{namespace}/secrets/pull"),
    }
}

#[test]
fn each_matching_namespace_gets_one_and_no_other() {
    let world = world_of_teams("team-*,!team-x");
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()));
    assert_eq!(counts(&world, &run), "2 made, 0 updated, 0 unchanged");
    for namespace in TEAMS {
        assert_copied(&world, namespace);
        // Nothing but the mark goes along: neither what asks for the copies nor the label of an original.
        let metadata = &world.cluster.secret(namespace, "pull").unwrap()["metadata"];
        assert_eq!(metadata["labels"], json!({"aws-ecr-updater/copy": "true"}));
        let names: Vec<_> = metadata["annotations"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["aws-ecr-updater/copy-of", "aws-ecr-updater/expires-at"]);
    }
    assert_no_copy(&world, "team-x");
    assert_no_copy(&world, "other");
    let expected = [LISTS.map(String::from), [of("POST", "team-a"), of("POST", "team-b")]].concat();
    assert_eq!(requests(&world), expected);
}

#[test]
fn a_star_means_all_namespaces_but_the_originals_own() {
    let world = world_of_teams("*");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    for namespace in ["default", "kube-system", "other", "team-a", "team-b", "team-x"] {
        assert_copied(&world, namespace);
    }
    assert_eq!(world.cluster.names().len(), 8);
    assert_eq!(world.cluster.annotation("t", "pull", "aws-ecr-updater/copy-of"), None);
}

#[test]
fn the_next_login_reaches_the_copies_and_what_others_put_on_them_stays() {
    let world = world_of_teams("team-*,!team-x");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    world.cluster.edit("team-a", "pull", &|copy| {
        copy["metadata"]["labels"]["team"] = json!("a");
        copy["metadata"]["annotations"]["note"] = json!("theirs");
        copy["data"]["more"] = json!("Yg==");
    });
    world.kube.forget();
    let run = world.run(&["ecr-update"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()));
    assert_eq!(counts(&world, &run), "0 made, 2 updated, 0 unchanged");
    for namespace in TEAMS {
        assert_copied(&world, namespace);
    }
    let copy = world.cluster.secret("team-a", "pull").unwrap();
    assert_eq!(copy["metadata"]["labels"]["team"], "a");
    assert_eq!(copy["metadata"]["annotations"]["note"], "theirs");
    let expected = [LISTS.map(String::from), [of("PUT", "team-a"), of("PUT", "team-b")]].concat();
    assert_eq!(requests(&world), expected);
}

#[test]
fn nothing_is_written_where_the_logins_last_and_the_copies_are_as_they_should_be() {
    let world = world_of_teams("team-*,!team-x");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let secrets = || {
        ["t", "team-a", "team-b"].map(|namespace| {
            let secret = world.cluster.secret(namespace, "pull").unwrap();
            secret["metadata"]["resourceVersion"].clone()
        })
    };
    let before = secrets();
    world.kube.forget();
    let run = world.run(&["ecr-update", "--renew-within=6h"]);
    assert_eq!((run.code, told(&world, &run)), (Some(0), Vec::new()));
    assert_eq!(counts(&world, &run), "0 made, 0 updated, 2 unchanged");
    assert_eq!(secrets(), before);
    let requests = world.kube.operations();
    assert!(
        requests.iter().all(|request| request.starts_with("GET ")),
        "{requests:?}"
    );
    assert_eq!(requests[requests.len() - 2..], LISTS);

    // What is missing or was changed is put right, and nothing else.
    world.cluster.remove("team-a", "pull");
    world.kube.forget();
    let run = world.run(&["ecr-update", "--renew-within=6h"]);
    assert_eq!(counts(&world, &run), "1 made, 0 updated, 1 unchanged");
    assert_copied(&world, "team-a");
    world.cluster.edit("team-b", "pull", &|copy| {
        copy["data"][".dockerconfigjson"] = json!("e30=");
        copy["metadata"]["annotations"]["aws-ecr-updater/expires-at"] = json!("never");
    });
    let run = world.run(&["ecr-update", "--renew-within=6h"]);
    assert_eq!(counts(&world, &run), "0 made, 1 updated, 1 unchanged");
    assert_copied(&world, "team-b");
}

#[test]
fn fifty_namespaces_cost_two_lists_and_one_write_each() {
    let world = world_of_teams("many-*");
    let names: Vec<String> = (10..60).map(|number| format!("many-{number}")).collect();
    for name in &names {
        world.cluster.add_namespace(name);
    }
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let writes = |method: &str| {
        let writes = names.iter().map(|name| of(method, name));
        LISTS.map(String::from).into_iter().chain(writes).collect::<Vec<_>>()
    };
    assert_eq!(requests(&world), writes("POST"));
    world.kube.forget();
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_eq!(requests(&world), writes("PUT"));
    for name in &names {
        assert_copied(&world, name);
    }
}

#[test]
fn namespaces_are_listed_in_pages() {
    let world = world_of_teams("many-999");
    for number in 0..1000 {
        world.cluster.add_namespace(&format!("many-{number:03}"));
    }
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    let pages = [LISTS[0], LISTS[0], LISTS[0], LISTS[1]].map(String::from);
    assert_eq!(requests(&world), [&pages[..], &[of("POST", "many-999")]].concat());
}

#[test]
fn two_originals_share_the_two_lists() {
    let world = world_of_teams("team-a");
    world.add_pull_secret("pull-2", "s", "eu-west-1", "{}");
    world.cluster.edit("t", "pull-2", &|secret| {
        secret["metadata"]["annotations"][NAMESPACES] = json!("team-b");
    });
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_copied(&world, "team-a");
    assert!(world.cluster.secret("team-b", "pull-2").is_some());
    let lists = world.kube.operations();
    let count = |list: &str| lists.iter().filter(|operation| *operation == list).count();
    assert_eq!(LISTS.map(count), [1, 1]);
}

#[test]
fn who_asks_for_no_copies_needs_no_right_to_them() {
    let world = world_with("{}");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    assert_eq!(requests(&world), Vec::<String>::new());
}

#[test]
fn an_annotation_that_cannot_be_meant_is_an_error_and_a_pattern_that_matches_nothing_a_warning() {
    for (patterns, why) in [
        ("", "a pattern is empty; expected a list such as `team-*,!team-x`"),
        (
            "team-a,",
            "a pattern is empty; expected a list such as `team-*,!team-x`",
        ),
        (
            "!team-x",
            "every pattern begins with `!`, so that no namespace matches; expected one without it, such as `*`",
        ),
        (
            "Team-*",
            "no namespace can match `Team-*`; expected lower-case letters, digits and `-` as names have them, and `*` for any of \
             these",
        ),
    ] {
        let world = world_of_teams(patterns);
        let run = world.run(&["ecr-update"]);
        let line = format!("ERROR t/pull: annotation `{NAMESPACES}`: {why}");
        assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line]));
        assert_no_copy(&world, "team-a");
    }
    let world = world_of_teams("taem-*,team-a,!taem-x");
    let run = world.run(&["ecr-update"]);
    let line = format!("WARN  t/pull: pattern `taem-*` in annotation `{NAMESPACES}` matches no namespace");
    assert_eq!((run.code, told(&world, &run)), (Some(0), vec![line]));
    assert_copied(&world, "team-a");
}

#[test]
fn a_copy_that_carries_the_label_of_an_original_is_refused() {
    let world = world_of_teams("team-a");
    world.add_pull_secret("loop", "s", "eu-west-1", "{}");
    world.cluster.edit("t", "loop", &|secret| {
        secret["metadata"]["annotations"]["aws-ecr-updater/copy-of"] = json!("u/loop");
    });
    let before = world.cluster.secret("t", "loop");
    let run = world.run(&["ecr-update"]);
    let line = "ERROR t/loop: is a copy of u/loop: take the label `aws-ecr-updater` off it";
    assert_eq!((run.code, told(&world, &run)), (Some(1), vec![line.to_owned()]));
    assert!(world.cluster.secret("t", "loop") == before);
    assert_copied(&world, "team-a");
}
