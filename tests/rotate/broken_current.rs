//! A Secret whose key IAM does not know, and Secrets that a tool will put such a key into: what is said, and what helps.

use serde_json::json;

use crate::support::aws::{AccessKey, Status};
use crate::support::program::World;
use crate::support::story::{CI, annotate, edit_history, idle_run, key_secret, put_pair, record, told};

const FAILED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed";
const UNKNOWN: &str = "ListAccessKeys with key OLD at AWS: InvalidClientTokenId (403, request id ID): The security token \
    included in the request is invalid; the key is deleted, inactive, of another partition, or too new; put a working pair \
    into its Secret";

/// A world whose key was replaced, and put back by `kubectl apply`.
fn applied_again() -> (World, String) {
    let world = World::with_key_secret();
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let new = world.value("s", "access_key_id");
    put_pair(&world.cluster, "kubectl-client-side-apply", "s", &world.key);
    (world, new)
}

#[test]
fn a_key_that_was_put_back_is_reported_with_who_did_it_and_when() {
    let (world, new) = applied_again();
    assert_eq!(
        idle_run(&world, &["rotate"], 1, &[(&world.key.id, "OLD"), (&new, "NEW")]),
        [
            format!(
                "ERROR t/s: {UNKNOWN}; this program put key NEW into t/s on TIME, and `kubectl-client-side-apply` on TIME has \
                 put OLD there since; the secret of NEW is in no Secret any more: make a new pair for the user, put it \
                 there, and keep whoever applies the Secret from putting old keys back; nothing was done"
            ),
            FAILED.into(),
        ]
    );
}

#[test]
fn a_key_that_nobody_knows_is_reported_with_who_wrote_it() {
    let world = World::with_key_secret();
    world.cloud.delete_key(&world.key.id);
    assert_eq!(
        idle_run(&world, &["rotate"], 1, &[(&world.key.id, "OLD")]),
        [
            format!("ERROR t/s: {UNKNOWN}; it was written to t/s by `kubectl-create` on TIME; nothing was done"),
            FAILED.into(),
        ]
    );
}

/// Another Secret of the user has the pair that works: that one is named. It is not put over what somebody has put there.
#[test]
fn a_dead_key_that_was_put_back_into_one_of_two_secrets_is_reported_with_where_the_pair_is() {
    let world = World::with_key_secret();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    let new = world.value("s", "access_key_id");
    put_pair(&world.cluster, "kubectl-client-side-apply", "s", &world.key);
    let said = idle_run(
        &world,
        &["rotate", "--max-age=1d"],
        1,
        &[(&world.key.id, "OLD"), (&new, "NEW")],
    );
    assert!(
        said.contains(&format!(
            "ERROR t/s: {UNKNOWN}; this program put key NEW into t/s on TIME, and `kubectl-client-side-apply` on TIME has put \
             OLD there since; the user's pair is in t/copy: copy it from there, and keep whoever applies the Secret from \
             putting old keys back; nothing was done"
        )),
        "{said:?}"
    );
}

/// What another Secret holds is of no use without a record that says that it is this user's.
#[test]
fn a_secret_with_a_dead_key_and_no_record_is_left_alone_whatever_others_hold() {
    let world = World::with_key_secret();
    let dead = world.cloud.add_key("ci");
    key_secret(&world.cluster, "t", "dead", &dead);
    world.cloud.delete_key(&dead.id);
    let run = world.run(&["rotate"]);
    let said = told(&world, &run, &[(&dead.id, "OLD")]);
    assert!(said[0].starts_with(&format!("ERROR t/dead: {UNKNOWN}")), "{said:?}");
    assert_eq!((run.code, world.value("dead", "access_key_id")), (Some(1), dead.id));
    world.assert_rotated();
}

/// An inactive key is refused in the same words as one that does not exist.
#[test]
fn an_inactive_current_key_is_reported_and_nothing_is_written() {
    let world = World::with_key_secret();
    world.cloud.set_status(&world.key.id, Status::Inactive);
    let said = idle_run(&world, &["rotate"], 1, &[(&world.key.id, "OLD")]);
    assert!(said[0].starts_with(&format!("ERROR t/s: {UNKNOWN}")), "{said:?}");
}

/// Records without a time, and managed fields that somebody has wiped.
#[test]
fn what_is_not_known_is_not_made_up() {
    let (world, new) = applied_again();
    edit_history(&world, "s", &|history| history["since"] = json!(null));
    world
        .cluster
        .edit_as("", "t", "s", &|secret| secret["metadata"]["managedFields"] = json!([]));
    let said = idle_run(&world, &["rotate"], 1, &[(&world.key.id, "OLD"), (&new, "NEW")]);
    assert!(said[0].contains("this program put key NEW into t/s, and "), "{said:?}");
}

#[test]
fn a_tool_that_applies_the_secret_again_is_warned_of_once_when_its_key_is_replaced() {
    for (place, name, value, tool, shown_by) in [
        (
            "annotations",
            "argocd.argoproj.io/tracking-id",
            "app:/Secret:t/s",
            "Argo CD",
            "annotation `argocd.argoproj.io/tracking-id`",
        ),
        (
            "labels",
            "kustomize.toolkit.fluxcd.io/name",
            "apps",
            "Flux",
            "label `kustomize.toolkit.fluxcd.io/name`",
        ),
        (
            "labels",
            "app.kubernetes.io/managed-by",
            "Helm",
            "Helm",
            "label `app.kubernetes.io/managed-by: Helm`",
        ),
    ] {
        let world = World::with_key_secret();
        world
            .cluster
            .edit("t", "s", &|secret| secret["metadata"][place][name] = json!(value));
        let warning = format!(
            "WARN  t/s: is applied by {tool} ({shown_by}): what it applies again is a dead key; take the pair out of what it \
             applies"
        );
        let run = world.run(&["rotate"]);
        let said = told(&world, &run, &[(&world.key.id, "OLD")]);
        assert_eq!(
            said[..2],
            [warning.clone(), format!("INFO  t/s: rotating key OLD of {CI}")]
        );
        assert_eq!(
            said.iter().filter(|line| line.starts_with("WARN")).count(),
            1,
            "{said:?}"
        );
        assert_eq!(run.code, Some(0));
        world.assert_rotated();
        // A key that is left alone is no reason to warn.
        assert!(!idle_run(&world, &["rotate", "--max-age=1d"], 0, &[]).contains(&warning));
    }
}

/// The message is made of what strangers wrote into the Secret: it stays one line of text.
#[test]
fn a_writer_with_an_odd_name_stays_on_its_line() {
    let (world, _) = applied_again();
    let pair = AccessKey {
        id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret: "x".into(),
    };
    put_pair(&world.cluster, "evil\nERROR t/s: all is lost\u{1b}[31m", "s", &pair);
    let said = idle_run(&world, &["rotate"], 1, &[]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("`evil` on TIME"), "{said:?}");
    annotate(&world.cluster, "s", "note", "x");
    assert!(record(&world, "t", "s", "aws-rotate-key/history").is_some());
}
