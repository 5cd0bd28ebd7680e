//! Requests and answers that are lost, cut or not what they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::PUT;
use crate::support::aws::{Status, error_xml, html_page, service_failure_xml, service_unavailable_xml, throttling_xml};
use crate::support::kube::status::{internal_error, status_reply, too_many_requests};
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::server::Reply;
use crate::support::story::{JOURNAL, put_pair, to_cluster};

/// How often an ordinary rotation writes the Secret: the journal, the new key's id, the pair, the end of the journal.
const WRITES: usize = 4;

#[test]
fn a_write_whose_answer_is_lost_is_looked_at_and_not_feared() {
    let faults = [Fault::DropAfter, Fault::CutAnswer, Fault::ReplyAfter(internal_error())];
    for (fault, write) in faults
        .iter()
        .flat_map(|fault| (0..WRITES).map(move |write| (fault, write)))
    {
        let world = World::with_key_secret();
        world.kube.script().some(PUT, write, 1, fault.clone());
        assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?} at write {write}");
        world.assert_rotated();
        let puts = world
            .kube
            .operations()
            .iter()
            .filter(|operation| *operation == PUT)
            .count();
        // A create is sent only under a journal whose answer has come.
        assert_eq!(
            puts,
            if write == 0 { WRITES + 1 } else { WRITES },
            "{fault:?} at write {write}: what was stored is not written again"
        );
        assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
    }
}

/// Something on the way has sent the pair to two servers: the first has stored it, the second had too many requests. And there is
/// no more time: the pause asked for is too long.
#[test]
fn a_pair_that_is_stored_and_answered_with_429_locks_nobody_out() {
    let world = World::with_key_secret();
    world
        .kube
        .script()
        .some(PUT, 2, 1, Fault::ReplyAfter(too_many_requests(30)));
    world.run(&["rotate"]);
    let held = world.value("s", "access_key_id");
    assert!(world.key_ids().contains(&held), "{held} is gone");
    for _ in 0..2 {
        world.run(&["rotate"]);
    }
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
    assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
}

#[test]
fn a_write_that_was_lost_is_sent_again() {
    for fault in [
        Fault::DropBefore,
        Fault::ReplyInstead(internal_error()),
        Fault::ReplyInstead(too_many_requests(0)),
    ] {
        for write in 0..WRITES {
            let world = World::with_key_secret();
            world.kube.script().some(PUT, write, 1, fault.clone());
            assert_eq!(world.run(&["rotate"]).code, Some(0), "{fault:?} at write {write}");
            world.assert_rotated();
            assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
        }
    }
}

#[test]
fn both_keys_stay_while_a_write_may_still_be_stored() {
    let world = World::with_key_secret();
    world
        .kube
        .script()
        .some(PUT, 2, usize::MAX, Fault::ReplyInstead(internal_error()));
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
    let made = world.key_ids().pop().unwrap();
    assert_eq!(
        last,
        format!(
            "ERROR t/s: the new key could not be stored: Kubernetes: update t/s at KUBE: InternalError (500): Internal error \
             occurred: etcdserver: leader changed; key {made} is not deleted yet, the next run does that; by hand, once no \
             Secret holds it: `aws iam delete-access-key --user-name ci --access-key-id {made}`; old key {} still works",
            world.key.id
        )
    );

    world.kube.script().clear();
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    assert_eq!(world.cloud.status_of(&made), None);
    assert_eq!(world.key_ids(), [world.value("s", "access_key_id")]);
}

/// As long as nothing but the journal was sent there is no second key.
#[test]
fn no_key_is_made_when_the_journal_cannot_be_stored() {
    let world = World::with_key_secret();
    world.kube.script().always(PUT, Fault::ReplyInstead(internal_error()));
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(1));
    world.assert_as_before();
    assert_eq!(world.cloud.create_count("ci"), 0);
}

#[test]
fn a_create_without_an_answer_is_repeated_once_if_it_made_nothing_and_nothing_is_deleted() {
    for (fault, made) in [
        (Fault::DropBefore, false),
        (Fault::DropAfter, true),
        (Fault::CutAnswer, true),
        (Fault::ReplyInstead(service_unavailable_xml()), false),
        (Fault::ReplyAfter(service_failure_xml()), true),
    ] {
        let world = World::with_key_secret();
        world.aws.script().always("CreateAccessKey", fault.clone());
        let run = world.run(&["rotate", "--lock-timeout=3s"]);
        assert_eq!(run.code, Some(1), "{fault:?}");
        let sent = |operation: &str| world.aws.operations().iter().filter(|sent| *sent == operation).count();
        assert_eq!(sent("CreateAccessKey"), if made { 1 } else { 2 }, "{fault:?}");
        assert_eq!(sent("DeleteAccessKey"), 0, "{fault:?}");
        assert_eq!(world.value("s", "access_key_id"), world.key.id, "{fault:?}");
        assert_eq!(world.cloud.status_of(&world.key.id), Some(Status::Active), "{fault:?}");
        let orphan = world.key_ids().into_iter().find(|id| *id != world.key.id);
        let inactive = orphan.as_ref().and_then(|id| world.cloud.status_of(id));
        assert_eq!(inactive, made.then_some(Status::Inactive), "{fault:?}");
        assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None, "{fault:?}");
        let log = run.log(&world);
        let known = "it is not known whether a key was made";
        assert!(
            log.iter()
                .any(|line| line.starts_with("WARN  t/s: ") && line.contains(known)),
            "{log:?}"
        );
        let last = &log[log.len() - 2];
        match orphan {
            Some(orphan) => assert_eq!(
                *last,
                format!(
                    "ERROR t/s: a create whose answer got lost has made key {orphan}, whose secret nobody has; it is \
                     deactivated, and the next run deletes it and rotates; the Secret keeps key {}; run again",
                    world.key.id
                )
            ),
            None => assert!(
                last.starts_with("ERROR t/s: AWS did not say whether it made a key, twice, and none is there: "),
                "{last}"
            ),
        }
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
        error.contains(&format!(
            "is stored, but old key {} could not be deleted: ",
            world.key.id
        )),
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
    // The journal and the new key's id are stored; of the pair only what stands beside it is. The answer shows what the
    // webhook made of it.
    let (cluster, written) = (Arc::clone(&world.cluster), AtomicUsize::new(0));
    let undo = AtomicBool::new(false);
    world.kube.script().choose(Arc::new(move |operation, _| {
        if undo.swap(false, Ordering::SeqCst) {
            revert();
            return None;
        }
        let before = cluster.secret("t", "s").unwrap().to_string();
        let publishes = operation == PUT && written.fetch_add(1, Ordering::SeqCst) >= 2;
        undo.store(publishes, Ordering::SeqCst);
        publishes.then(|| Fault::ReplyAfter(Reply::new(200, "application/json", before)))
    }));
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(1), "{:?}", run.log(&world));
    world.assert_as_before();
}

/// `kubectl apply` of an old manifest for one, between the write and the look at what became of it.
#[test]
fn a_pair_that_somebody_puts_back_before_the_publish_is_known_is_replaced_again() {
    let world = World::with_key_secret();
    let key = world.key.clone();
    let put_back = to_cluster(&world, move |cluster| put_pair(cluster, "kubectl-edit", "s", &key));
    world.kube.script().some(PUT, 2, 1, Fault::DropAfter);
    world
        .kube
        .script()
        .once("GET /api/v1/namespaces/t/secrets/s", Fault::CallBefore(put_back));
    let run = world.run(&["rotate"]);
    assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    world.assert_rotated();
    assert_eq!(world.cluster.annotation("t", "s", JOURNAL), None);
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
        error.contains(&format!(
            "is stored, but old key {} could not be deleted: ",
            world.key.id
        )),
        "{error}"
    );
}

#[test]
fn a_create_whose_answer_is_no_http_is_looked_for() {
    let world = World::with_key_secret();
    let long = Reply::new(200, "text/xml", "").header("X-Long", "x".repeat(64 * 1024));
    world.aws.script().always("CreateAccessKey", Fault::ReplyAfter(long));
    let run = world.run(&["rotate", "--lock-timeout=3s"]);
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
