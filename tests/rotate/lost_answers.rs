//! Requests and answers that are lost, cut or not what they should be.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::PUT;
use crate::support::aws::{error_xml, html_page, service_failure_xml, service_unavailable_xml, throttling_xml};
use crate::support::kube::status::{internal_error, status_reply, too_many_requests};
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::server::Reply;

#[test]
fn a_write_whose_answer_is_lost_is_looked_at_and_not_feared() {
    for fault in [Fault::DropAfter, Fault::CutAnswer, Fault::ReplyAfter(internal_error())] {
        let world = World::with_key_secret();
        world.kube.script().once(PUT, fault.clone());
        assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?}");
        world.assert_rotated();
        let puts = world
            .kube
            .operations()
            .iter()
            .filter(|operation| *operation == PUT)
            .count();
        assert_eq!(
            puts, 1,
            "{fault:?}: the Secret holds the new key, so it is not written again"
        );
    }
}

#[test]
fn a_write_that_was_lost_is_sent_again() {
    for fault in [
        Fault::DropBefore,
        Fault::ReplyInstead(internal_error()),
        Fault::ReplyInstead(too_many_requests(0)),
    ] {
        let world = World::with_key_secret();
        world.kube.script().once(PUT, fault.clone());
        assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?}");
        world.assert_rotated();
    }
}

#[test]
fn both_keys_stay_while_a_write_may_still_be_stored() {
    let world = World::with_key_secret();
    world.kube.script().always(PUT, Fault::ReplyInstead(internal_error()));
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(world.cloud.keys("ci").len(), 2);
    assert_eq!(world.value("s", "access_key_id"), world.key.id);
    assert!(!world.aws.operations().contains(&"DeleteAccessKey".to_owned()));
    let last = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(last.contains("both keys stay"), "{last}");
}

#[test]
fn a_create_without_an_answer_is_not_repeated_and_nothing_is_deleted() {
    for (fault, keys) in [
        (Fault::DropBefore, 1),
        (Fault::DropAfter, 2),
        (Fault::CutAnswer, 2),
        (Fault::ReplyInstead(service_unavailable_xml()), 1),
        (Fault::ReplyAfter(service_failure_xml()), 2),
    ] {
        let world = World::with_key_secret();
        world.aws.script().always("CreateAccessKey", fault.clone());
        let run = world.run(&["rotate"]);
        assert_eq!(run.code, Some(1), "{fault:?}");
        assert_eq!(
            world.aws.operations(),
            ["GetCallerIdentity", "ListAccessKeys", "CreateAccessKey"],
            "{fault:?}"
        );
        assert_eq!(
            world.kube.operations(),
            ["GET /api/v1/namespaces/t/secrets"],
            "{fault:?}"
        );
        assert_eq!(world.cloud.keys("ci").len(), keys, "{fault:?}");
        let log = run.log(&world);
        let known = "it is not known whether a key was made";
        assert!(
            log.iter()
                .any(|line| line.starts_with("ERROR t/s: ") && line.contains(known)),
            "{log:?}"
        );
    }
}

#[test]
fn a_delete_whose_answer_is_lost_is_confirmed() {
    for fault in [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::ReplyInstead(throttling_xml()),
    ] {
        let world = World::with_key_secret();
        world.aws.script().once("DeleteAccessKey", fault.clone());
        assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?}");
        world.assert_rotated();
    }
}

#[test]
fn an_answer_to_the_delete_that_is_not_iams_is_not_believed() {
    let world = World::with_key_secret();
    world
        .aws
        .script()
        .always("DeleteAccessKey", Fault::ReplyInstead(html_page(200)));
    let run = world.run(&["rotate"]);
    assert_eq!((run.code, world.key_ids().len()), (Some(1), 2));
    let error = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(
        error.contains(&format!("old key {} may still be there", world.key.id)),
        "{error}"
    );
}

/// An admission webhook that puts something else into the Secret than was sent.
#[test]
fn what_was_stored_counts_and_not_what_was_sent() {
    let world = World::with_key_secret();
    let (cluster, old) = (Arc::clone(&world.cluster), STANDARD.encode(&world.key.id));
    let secret = STANDARD.encode(&world.key.secret);
    let revert = move || {
        cluster.edit("t", "s", &|s| {
            s["data"] = json!({"access_key_id": old.clone(), "secret_access_key": secret.clone()});
        });
    };
    // The answer shows what the webhook made of it.
    let cluster = Arc::clone(&world.cluster);
    let before = cluster.secret("t", "s").unwrap();
    let answer = Reply::new(200, "application/json", before.to_string());
    world.kube.script().always(PUT, Fault::ReplyAfter(answer));
    world.kube.script().always(
        "GET /api/v1/namespaces/t/secrets/s",
        Fault::CallBefore(Arc::new(revert)),
    );
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(1), "{:?}", run.log(&world));
    world.assert_as_before();
}

/// "No such key" is believed only when the list agrees.
#[test]
fn a_key_that_is_still_listed_is_not_taken_for_gone() {
    let world = World::with_key_secret();
    let refusal = error_xml(404, "NoSuchEntity", "The Access Key cannot be found.");
    world
        .aws
        .script()
        .always("DeleteAccessKey", Fault::ReplyInstead(refusal));
    let run = world.run(&["rotate"]);
    assert_eq!((run.code, world.key_ids().len()), (Some(1), 2));
    let error = run
        .log(&world)
        .into_iter()
        .rfind(|line| line.starts_with("ERROR"))
        .unwrap();
    assert!(
        error.contains(&format!("old key {} may still be there", world.key.id)),
        "{error}"
    );
}

#[test]
fn a_create_whose_answer_is_no_http_is_not_repeated() {
    let world = World::with_key_secret();
    let long = Reply::new(200, "text/xml", "").header("X-Long", "x".repeat(64 * 1024));
    world.aws.script().always("CreateAccessKey", Fault::ReplyAfter(long));
    let run = world.run(&["rotate"]);
    assert_eq!(
        (run.code, world.key_ids().len(), world.cloud.create_count("ci")),
        (Some(1), 2, 1)
    );
    let log = run.log(&world);
    assert!(
        log.iter()
            .any(|line| line.contains("it is not known whether a key was made")),
        "{log:?}"
    );
}

#[test]
fn a_list_that_has_expired_before_it_began_is_no_reason_to_go_round_for_ever() {
    let world = World::with_key_secret();
    let expired = Fault::ReplyInstead(status_reply(410, "Expired", "too old"));
    world.kube.script().always("GET /api/v1/namespaces/t/secrets", expired);
    assert_eq!(world.run(&["rotate"]).code, Some(1));
    assert_eq!(world.kube.operations().len(), 1);
}
