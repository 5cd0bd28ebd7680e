//! `all`: a rotation, and the logins made with the key that it replaces, in one process.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::aws::Status;
use crate::support::kube::status::status_reply;
use crate::support::moments::Moments;
use crate::support::program::{NAMESPACE, Run, World};
use crate::support::script::Fault;
use crate::support::story::{CI, HISTORY, JOURNAL, annotate, edit_history, record, terminated, time, told};

const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const LIST: &str = "GET /api/v1/namespaces/t/secrets";
const PUT_PULL: &str = "PUT /api/v1/namespaces/t/secrets/pull";
const ROTATED: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed";
const KEPT: &str = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed";
const IN_ORDER: &str =
    "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 put in order, 0 failed";

/// A world with the user's key in the Secret `s`, and the image-pull Secret `pull` with a login made with it.
fn world() -> World {
    let world = World::with_key_secret();
    world.add_pull_secret("pull", "s", "eu-west-1", "{}");
    assert_eq!(world.run(&["ecr-update"]).code, Some(0));
    world.aws.forget();
    world.kube.forget();
    world
}

/// The key that the login in an image-pull Secret was made with.
fn maker(world: &World, name: &str) -> String {
    let config: Value = serde_json::from_str(&world.value(name, ".dockerconfigjson")).unwrap();
    let auth = config["auths"][REGISTRY]["auth"].as_str().expect("a login");
    let auth = String::from_utf8(STANDARD.decode(auth).unwrap()).unwrap();
    let issued = world.cloud.tokens_issued();
    let token = issued.iter().rfind(|token| auth == format!("AWS:{}", token.password));
    token.expect("a login that was issued").key_id.clone()
}

/// What a run said, with names for keys and times.
fn said(world: &World, run: &Run) -> Vec<String> {
    told(world, run, &[(&world.key.id, "OLD")])
}

/// The place of the only line that has this in it.
#[track_caller]
fn only(lines: &[String], text: &str) -> usize {
    let found: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains(text)).collect();
    assert_eq!(found.len(), 1, "`{text}` in {lines:#?}");
    found[0]
}

#[test]
fn a_login_is_made_anew_with_the_new_key_before_the_old_one_goes() {
    let world = world();
    let moments = Moments::of(&world);
    let run = world.run(&["all"]);
    let said = said(&world, &run);
    assert_eq!(run.code, Some(0), "{said:?}");
    world.assert_rotated();
    assert_eq!(maker(&world, "pull"), world.value("s", "access_key_id"));
    let seen = moments.seen();
    let order = [
        "publish t/s",
        "GetAuthorizationToken",
        "publish t/pull",
        "DeleteAccessKey",
        "clear t/s",
    ];
    let places = order.map(|name| only(&seen, name));
    assert!(places.is_sorted(), "{seen:?}");
    // Nothing comes between the look and the deletion.
    assert_eq!(seen[places[3] - 1], LIST);
    assert_eq!(moments.broken(), Vec::<String>::new());
    // The login is told where it was made, and no second time.
    assert!(only(&said, "login to") < only(&said, "deleted key OLD"));
    assert_eq!(
        said[said.len() - 2..],
        [
            ROTATED,
            "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 1 refreshed, 0 failed"
        ]
    );
}

#[test]
fn rotate_alone_asks_nobody() {
    let world = world();
    assert_eq!(world.run(&["rotate"]).code, Some(0));
    world.assert_rotated();
    assert!(
        world
            .kube
            .operations()
            .iter()
            .all(|operation| !operation.contains("/pull"))
    );
    assert_eq!(maker(&world, "pull"), world.key.id);
}

#[test]
fn without_logins_it_is_a_rotation_and_nothing_to_do() {
    let world = World::with_key_secret();
    let run = world.run(&["all"]);
    assert_eq!(run.code, Some(0));
    world.assert_rotated();
    assert_eq!(
        said(&world, &run)[5..],
        [
            ROTATED,
            "INFO  ecr-update: 0 Secrets with label aws-ecr-updater=true in namespace t; nothing to do"
        ]
    );
}

/// Logins of other keys are made anew as `ecr-update` does it, after the rotation.
#[test]
fn a_login_that_depends_on_no_rotated_key_is_refreshed_afterwards() {
    let world = world();
    world.cloud.add_user("deploy");
    let other = world.cloud.add_key("deploy");
    world.cluster.add_secret(json!({
        "metadata": {"name": "other", "namespace": NAMESPACE},
        "stringData": {"access_key_id": other.id, "secret_access_key": other.secret},
    }));
    world.add_pull_secret("a-pull", "other", "eu-west-1", "{}");
    let moments = Moments::of(&world);
    assert_eq!(world.run(&["all"]).code, Some(0));
    let seen = moments.seen();
    assert!(only(&seen, "publish t/pull") < only(&seen, "DeleteAccessKey"));
    assert!(only(&seen, "clear t/s") < only(&seen, "publish t/a-pull"));
    assert_eq!(maker(&world, "a-pull"), other.id);
}

/// A login that cannot be stored keeps the old key, whose login still is in use. The cause mended, the next run goes on.
#[test]
fn a_login_that_cannot_be_stored_keeps_the_old_key_until_it_can() {
    let world = world();
    let refusal = status_reply(403, "Forbidden", "admission webhook \"guard\" denied the request");
    world.kube.script().always(PUT_PULL, Fault::ReplyInstead(refusal));
    let run = world.run(&["all"]);
    let said = said(&world, &run);
    let line = &said[only(&said, "replaces OLD")];
    assert!(
        line.starts_with(&format!(
            "ERROR t/s: rotated: key NEW of {CI} replaces OLD, which is kept, since t/pull: "
        )),
        "{line}"
    );
    assert!(line.ends_with("; the next run of `all` goes on from there"), "{line}");
    assert_eq!((run.code, said.contains(&KEPT.to_owned())), (Some(1), true), "{said:?}");
    let new = world.value("s", "access_key_id");
    assert_eq!(world.key_ids(), [world.key.id.as_str(), &new]);
    assert_eq!(maker(&world, "pull"), world.key.id);
    assert_eq!(record(&world, "t", "s", JOURNAL), None);
    // It stays so, and no third key is made.
    let again = world.run(&["all"]);
    let lines = told(&world, &again, &[(&world.key.id, "OLD"), (&new, "CURRENT")]);
    let line = &lines[only(&lines, "is kept, since t/pull: ")];
    assert!(line.starts_with("ERROR t/s: key OLD is kept, since "), "{line}");
    assert!(
        line.ends_with(
            "; the next run of `all` goes on from there; a user has two keys at the most, so none is made before that; no \
             key was replaced"
        ),
        "{line}"
    );
    assert_eq!((again.code, world.key_ids().len()), (Some(1), 2));
    assert_eq!(record(&world, "t", "s", JOURNAL), None);

    world.kube.script().clear();
    let moments = Moments::of(&world);
    let mended = world.run(&["all"]);
    assert_eq!(mended.code, Some(0), "{:?}", mended.log(&world));
    let seen = moments.seen();
    // The login is made with the key that the Secret holds, then the old one goes; then the rotation that is due.
    let stored = seen.iter().position(|name| name == "publish t/pull");
    assert!(
        stored < seen.iter().position(|name| name == "DeleteAccessKey"),
        "{seen:?}"
    );
    assert_eq!(moments.broken(), Vec::<String>::new());
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
    assert_eq!(maker(&world, "pull"), world.value("s", "access_key_id"));
}

#[test]
fn an_immutable_login_keeps_the_old_key() {
    let world = world();
    world
        .cluster
        .edit(NAMESPACE, "pull", &|secret| secret["immutable"] = json!(true));
    let run = world.run(&["all"]);
    let lines = said(&world, &run);
    only(
        &lines,
        "replaces OLD, which is kept, since t/pull: the Secret is immutable; replace it by one without `immutable: true`; the \
         next run",
    );
    assert_eq!((run.code, maker(&world, "pull")), (Some(1), world.key.id.clone()));
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Active));
    // Somebody means it and runs `rotate` alone.
    assert_eq!(world.run(&["rotate", "--max-age=1h"]).code, Some(0));
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
}

/// ECR in the region hears of the new key later than IAM and STS do. The lock is renewed meanwhile.
#[test]
fn a_refusal_of_a_new_key_by_ecr_is_waited_out() {
    let world = world();
    world.cloud.propagation_requests_for("ecr", 2);
    let moments = Moments::of(&world);
    let run = world.run(&["all", "--lock-timeout=3s"]);
    let lines = said(&world, &run);
    assert_eq!(run.code, Some(0), "{lines:?}");
    only(&lines, "INFO  t/s: key OLD stays for now: t/pull: ");
    let tokens = world.aws.operations();
    assert_eq!(tokens.iter().filter(|name| *name == "GetAuthorizationToken").count(), 3);
    assert_eq!(moments.broken(), Vec::<String>::new());
    world.assert_rotated();
    assert_eq!(maker(&world, "pull"), world.value("s", "access_key_id"));
}

#[test]
fn the_lock_is_renewed_while_a_login_is_waited_for() {
    let world = world();
    world.cloud.propagation_requests_for("ecr", 2);
    assert_eq!(world.run(&["all", "--lock-timeout=3s"]).code, Some(0));
    let kube = world.kube.recorded();
    let stamp = |request: &Value| request["metadata"]["annotations"][JOURNAL].as_str().map(str::to_owned);
    let published = kube
        .iter()
        .filter(|recorded| recorded.operation == "PUT /api/v1/namespaces/t/secrets/s");
    let bodies: Vec<Value> = published
        .map(|recorded| serde_json::from_slice(&recorded.request.body).unwrap())
        .collect();
    let new = STANDARD.encode(world.value("s", "access_key_id"));
    // Of those with the new pair the first stores it and the last takes the journal off.
    let with_new = bodies.iter().filter(|body| body["data"]["access_key_id"] == *new);
    let journals = with_new.filter_map(stamp).count();
    assert!(
        journals > 2,
        "renewed {journals} times in four seconds, with a second as a third of the timeout"
    );
}

#[test]
fn a_refusal_of_a_new_key_by_ecr_that_does_not_end_keeps_the_old_one() {
    let world = world();
    world
        .cloud
        .propagation_delay_for("ecr", std::time::Duration::from_secs(3600));
    let moments = Moments::of(&world);
    let run = world.run(&["all", "--propagation-timeout=3s"]);
    let lines = said(&world, &run);
    only(&lines, "INFO  t/s: key OLD stays for now: t/pull: ");
    let line = &lines[only(&lines, "replaces OLD, which is kept, since t/pull: ")];
    assert!(line.starts_with("ERROR t/s: rotated: "), "{line}");
    // What the other job says of it in its turn.
    only(&lines, "ERROR t/pull: ");
    assert_eq!(run.code, Some(1));
    assert_eq!(maker(&world, "pull"), world.key.id);
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Active));
    assert_eq!(record(&world, "t", "s", JOURNAL), None);
    assert_eq!(moments.broken(), Vec::<String>::new());
}

/// The old key goes on working for a while: logins follow in their own time, and nothing is waited for before it is to go.
#[test]
fn with_a_grace_period_logins_follow_before_the_key_goes_in_a_later_run() {
    let world = world();
    let moments = Moments::of(&world);
    assert_eq!(world.run(&["all", "--grace-period=1h"]).code, Some(0));
    let new = world.value("s", "access_key_id");
    assert_eq!(maker(&world, "pull"), new);
    assert_eq!(world.key_ids(), [world.key.id.clone(), new.clone()]);

    // Meanwhile somebody has put a login of the old key back.
    let until = record(&world, "t", "s", HISTORY).unwrap()["keys"][&world.key.id]["until"].clone();
    let (password, _) = world.cloud.add_login(&world.key.id, "eu-west-1");
    let auth = STANDARD.encode(format!("AWS:{password}"));
    let config = json!({"auths": {REGISTRY: {"auth": auth}}}).to_string();
    world.cluster.edit(NAMESPACE, "pull", &|secret| {
        secret["data"][".dockerconfigjson"] = json!(STANDARD.encode(&config));
    });
    assert_eq!(
        record(&world, "t", "s", HISTORY).unwrap()["keys"][&world.key.id]["until"],
        until
    );
    let past = time(&world, -5);
    edit_history(&world, "s", &|history| {
        history["keys"][&world.key.id]["until"] = json!(past)
    });
    moments.restart();
    let run = world.run(&["all", "--grace-period=1h", "--max-age=1d"]);
    let lines = said(&world, &run);
    assert_eq!(run.code, Some(0), "{lines:?}");
    assert!(lines.contains(&IN_ORDER.to_owned()), "{lines:?}");
    let seen = moments.seen();
    assert!(
        only(&seen, "publish t/pull") < only(&seen, "DeleteAccessKey"),
        "{seen:?}"
    );
    assert_eq!((maker(&world, "pull"), world.key_ids()), (new.clone(), vec![new]));
    assert_eq!(moments.broken(), Vec::<String>::new());
}

/// The end of a grace period stands in the history. A key that is kept beyond it has the same entry as before.
#[test]
fn a_key_that_is_kept_beyond_its_grace_period_has_its_record_as_it_was() {
    let world = world();
    assert_eq!(world.run(&["all", "--grace-period=1h"]).code, Some(0));
    let past = time(&world, -5);
    edit_history(&world, "s", &|history| {
        history["keys"][&world.key.id]["until"] = json!(past)
    });
    let before = record(&world, "t", "s", HISTORY);
    world
        .cluster
        .edit(NAMESPACE, "pull", &|secret| secret["immutable"] = json!(true));
    let run = world.run(&["all", "--max-age=1d"]);
    let lines = said(&world, &run);
    only(
        &lines,
        "ERROR t/s: key NEW, made DAY, is young enough; key OLD is kept, since t/pull: the Secret is immutable",
    );
    assert_eq!(run.code, Some(1));
    assert!(record(&world, "t", "s", HISTORY) == before, "the history was changed");
    assert_eq!(world.key_ids().len(), 2);
}

#[test]
fn a_key_is_deactivated_only_after_its_logins_have_followed_and_then_goes_unasked() {
    let world = world();
    let moments = Moments::of(&world);
    assert_eq!(world.run(&["all", "--retire=deactivate"]).code, Some(0));
    let seen = moments.seen();
    assert!(
        only(&seen, "publish t/pull") < only(&seen, "UpdateAccessKey"),
        "{seen:?}"
    );
    assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Inactive));
    moments.restart();
    assert_eq!(world.run(&["all", "--retire=deactivate", "--max-age=1d"]).code, Some(0));
    // Nothing that works depends on it any more.
    let seen = moments.seen();
    assert!(
        only(&seen, "DeleteAccessKey") < only(&seen, "publish t/pull"),
        "{seen:?}"
    );
    assert_eq!(moments.broken(), Vec::<String>::new());
}

/// Two Secrets of one user with different keys, each with a login: both logins are made with the key that both get.
#[test]
fn logins_of_secrets_that_are_brought_together_follow_before_the_other_key_goes() {
    let world = world();
    let second = world.cloud.add_key("ci");
    world.cloud.age_key(&world.key.id, std::time::Duration::from_secs(60));
    world.add_key_secret("s2", &second.id, &second.secret);
    world.add_pull_secret("pull2", "s2", "eu-west-1", "{}");
    let moments = Moments::of(&world);
    let run = world.run(&["all"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(world.key_ids(), [second.id.as_str()]);
    assert_eq!(
        [maker(&world, "pull"), maker(&world, "pull2")],
        [second.id.clone(), second.id]
    );
    let seen = moments.seen();
    assert!(
        only(&seen, "publish t/pull2") < only(&seen, "DeleteAccessKey"),
        "{seen:?}"
    );
    assert_eq!(moments.broken(), Vec::<String>::new());
}

/// Of two logins one cannot be stored: what it was made with stays, for both.
#[test]
fn one_login_of_two_keeps_the_key_of_both_secrets() {
    let world = world();
    world.add_key_secret("copy", &world.key.id, &world.key.secret);
    world.add_pull_secret("pull2", "copy", "eu-west-1", "{}");
    let refusal = status_reply(403, "Forbidden", "no");
    world
        .kube
        .script()
        .always("PUT /api/v1/namespaces/t/secrets/pull2", Fault::ReplyInstead(refusal));
    let run = world.run(&["all"]);
    let lines = said(&world, &run);
    only(&lines, "ERROR t/copy, t/s: rotated: ");
    only(
        &lines,
        "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 0 rotated, 2 failed",
    );
    assert_eq!((run.code, world.key_ids().len()), (Some(1), 2));
    assert_eq!(maker(&world, "pull"), world.value("s", "access_key_id"));
}

#[test]
fn a_signal_while_a_login_is_waited_for_keeps_the_key() {
    let world = world();
    world
        .cloud
        .propagation_delay_for("ecr", std::time::Duration::from_secs(3600));
    let run = terminated(&world, &["all"], |hook| {
        world.aws.script().some("GetAuthorizationToken", 1, 1, hook);
    });
    let lines = said(&world, &run);
    only(
        &lines,
        "replaces OLD, which is kept, since the run was stopped by a signal; the next run of `all` goes on from there",
    );
    only(&lines, "ERROR t/pull: stopped by a signal; nothing was done; run again");
    assert_eq!(run.code, Some(1));
    assert_eq!(maker(&world, "pull"), world.key.id);
    assert_eq!(record(&world, "t", "s", JOURNAL), None);
}

#[test]
fn a_signal_during_the_rotation_leaves_the_logins_as_they_were() {
    let world = world();
    let run = terminated(&world, &["all"], |hook| {
        world.aws.script().once("GetCallerIdentity", hook);
    });
    let lines = said(&world, &run);
    assert_eq!(
        lines,
        [
            "ERROR t/s: stopped by a signal; nothing was done; run again",
            KEPT,
            "ERROR t/pull: stopped by a signal; nothing was done; run again",
            "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 0 refreshed, 1 failed",
        ]
    );
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
    assert_eq!(maker(&world, "pull"), world.key.id);
}

#[test]
fn secrets_that_cannot_be_listed_for_one_job_keep_the_other_from_nothing() {
    for skip in [0, 1] {
        let world = World::new();
        world.cluster.add_secret(json!({
            "metadata": {"name": "s", "namespace": NAMESPACE},
            "stringData": {"access_key_id": world.key.id, "secret_access_key": world.key.secret},
        }));
        world.add_pull_secret("pull", "s", "eu-west-1", "{}");
        let refusal = status_reply(403, "Forbidden", "secrets is forbidden");
        world.kube.script().some(LIST, skip, 1, Fault::ReplyInstead(refusal));
        let run = world.run(&["all"]);
        let lines = said(&world, &run);
        only(&lines, "ERROR ");
        let other = [
            "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 1 refreshed, 0 failed",
            "INFO  rotate: 0 Secrets with label aws-rotate-key=true in namespace t; nothing to do",
        ];
        only(&lines, other[skip]);
        assert_eq!(run.code, Some(1), "{lines:?}");
    }
}

/// Both jobs read the pair where the annotations say it is.
#[test]
fn a_pair_under_other_data_keys_is_rotated_and_its_login_follows() {
    let world = World::new();
    world.cluster.add_secret(json!({
        "metadata": {
            "name": "s", "namespace": NAMESPACE, "labels": {"aws-rotate-key": "true"},
            "annotations": {"aws-rotate-key/access-key-id-field": "user", "aws-rotate-key/secret-access-key-field": "pass"},
        },
        "stringData": {"user": world.key.id, "pass": world.key.secret},
    }));
    world.add_pull_secret("pull", "s", "eu-west-1", "{}");
    assert_eq!(world.run(&["all"]).code, Some(0));
    assert_eq!(world.key_ids(), [world.value("s", "user")]);
    assert_eq!(maker(&world, "pull"), world.value("s", "user"));
    annotate(&world.cluster, "s", "aws-rotate-key/access-key-id-field", "absent");
    let run = world.run(&["ecr-update"]);
    only(
        &said(&world, &run),
        "data key `absent` (named by annotation `aws-rotate-key/access-key-id-field`) is missing; the Secret needs `absent` \
         and `pass`",
    );
    assert_eq!(run.code, Some(1));
}
