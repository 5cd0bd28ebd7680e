//! Somebody else writes one of the Secrets between any two requests: what they wrote stays, and no other Secret goes without
//! its login for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::faults::{REQUESTS, moment};
use super::run;
use super::value::{EXPIRES_AT, LOGINS, Secret, Wanted};
use super::watch::Watch;
use super::world::{PULLS, expect, nothing, told, update, world};
use crate::support::cases;
use crate::support::kube::Cluster;
use crate::support::program::NAMESPACE;
use crate::support::script::Fault;

/// What somebody does to a Secret.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edit {
    /// A login to another registry, as a client writes it: the whole value in an order of its own.
    AddRegistry,
    Annotate,
    /// What was written is thrown away, with all that was beside it.
    Empty,
    /// Logins to another region are wanted.
    Move,
    Unlabel,
    /// Deleted and made anew under the same name, with a login to another registry and nothing else.
    Remake,
    Delete,
}

/// What somebody else adds to a value, and the name of what they throw away.
const THEIRS: &str = "registry.example";
const THROWN_AWAY: &str = "z.example";

impl Edit {
    const ALL: [Edit; 7] = [
        Edit::AddRegistry,
        Edit::Annotate,
        Edit::Empty,
        Edit::Move,
        Edit::Unlabel,
        Edit::Remake,
        Edit::Delete,
    ];

    fn carry_out(self, cluster: &Cluster, name: &str) {
        let edit = |edit: &dyn Fn(&mut Value)| cluster.edit(NAMESPACE, name, edit);
        match self {
            Edit::AddRegistry => edit(&|secret| put_theirs(secret, false)),
            Edit::Annotate => edit(&|secret| secret["metadata"]["annotations"]["note"] = json!("theirs")),
            Edit::Empty => edit(&empty),
            Edit::Move => {
                edit(&|secret| secret["metadata"]["annotations"]["aws-ecr-updater/region"] = json!("eu-central-1"))
            }
            Edit::Unlabel => edit(&|secret| secret["metadata"]["labels"] = json!({"team": "b"})),
            Edit::Remake => {
                let mut secret = cluster.secret(NAMESPACE, name).expect("the Secret");
                cluster.remove(NAMESPACE, name);
                put_theirs(&mut secret, true);
                let mut annotations = secret["metadata"]["annotations"].take();
                let asks = |name: &String| ![EXPIRES_AT, LOGINS, "note"].contains(&name.as_str());
                annotations
                    .as_object_mut()
                    .expect("annotations")
                    .retain(|name, _| asks(name));
                secret["metadata"] = json!({
                    "name": name, "namespace": NAMESPACE, "labels": {"aws-ecr-updater": "true"},
                    "annotations": annotations,
                });
                cluster.add_secret(secret);
            }
            Edit::Delete => cluster.remove(NAMESPACE, name),
        }
    }

    /// Whether it is still there.
    fn stands(self, cluster: &Cluster, name: &str) -> bool {
        let Some(secret) = cluster.secret(NAMESPACE, name) else {
            return self == Edit::Delete;
        };
        let metadata = &secret["metadata"];
        let note = &metadata["annotations"]["note"];
        match self {
            Edit::AddRegistry => has(&secret, THEIRS),
            Edit::Annotate => note == "theirs",
            Edit::Empty => !has(&secret, THROWN_AWAY),
            Edit::Move => metadata["annotations"]["aws-ecr-updater/region"] == "eu-central-1",
            Edit::Unlabel => metadata["labels"] == json!({"team": "b"}),
            Edit::Remake => has(&secret, THEIRS) && !has(&secret, THROWN_AWAY) && note.is_null(),
            Edit::Delete => false,
        }
    }

    /// Whether a run that has read the Secret before may refuse to write it after.
    fn may_be_refused(self) -> bool {
        match self {
            Edit::AddRegistry | Edit::Annotate | Edit::Empty | Edit::Move => false,
            Edit::Unlabel | Edit::Remake | Edit::Delete => true,
        }
    }

    /// Whether what the Secret holds is not enough after it: the next run sees to that where this one has been there before.
    fn wants_more(self) -> bool {
        match self {
            Edit::Empty | Edit::Move => true,
            Edit::AddRegistry | Edit::Annotate | Edit::Unlabel | Edit::Remake | Edit::Delete => false,
        }
    }

    /// Whether the Secret is to be refreshed after it, at the latest by the next run.
    fn is_to_be_refreshed(self) -> bool {
        match self {
            Edit::AddRegistry | Edit::Annotate | Edit::Empty | Edit::Move | Edit::Remake => true,
            Edit::Unlabel | Edit::Delete => false,
        }
    }
}

/// The entries of the configuration, or, where there is none, the data.
fn with_entries(secret: &mut Value, edit: &dyn Fn(&mut Value)) {
    let wanted = Wanted::of(&Secret(secret)).and_then(|wanted| wanted.config);
    let Some((key, wrapped)) = wanted else {
        return edit(&mut secret["data"]);
    };
    let mut config: Value = serde_json::from_str(&Secret(secret).data(key)).expect("JSON");
    edit(if wrapped { &mut config["auths"] } else { &mut config });
    secret["data"][key] = json!(STANDARD.encode(config.to_string()));
}

fn put_theirs(secret: &mut Value, alone: bool) {
    let is_plain = secret["type"] == "Opaque";
    with_entries(secret, &|entries| {
        if alone {
            *entries = json!({});
        }
        let theirs = json!({"username": "u", "password": "p"});
        entries[THEIRS] = if is_plain { json!(STANDARD.encode("p")) } else { theirs };
    });
}

fn empty(secret: &mut Value) {
    with_entries(secret, &|entries| *entries = json!({}));
}

fn has(secret: &Value, name: &str) -> bool {
    let data = secret["data"].as_object().into_iter().flatten();
    let is_named = |key: &String| key == name || Secret(secret).data(key).contains(&format!("\"{name}\":{{"));
    data.map(|(key, _)| key).any(is_named)
}

/// The request that writes it.
fn turn_of(name: &str) -> usize {
    let is_its = |request: &&str| request.starts_with("PUT ") && request.ends_with(&format!("/{name}"));
    REQUESTS.iter().position(is_its).expect("a turn")
}

/// Before which request what is done to which Secret.
#[derive(Debug)]
struct Case {
    request: usize,
    edit: Edit,
    name: &'static str,
}

fn carry_out(case: &Case, said: &mut Vec<String>) -> Result<(), String> {
    let world = world();
    let watch = Watch::of(&world, false);
    let since = world.cloud.tokens_issued().len();
    let (writer, edit, name) = (Arc::clone(&watch), case.edit, case.name);
    let versions = world.cluster.writes(NAMESPACE, name).len();
    let had_its_turn = Arc::new(AtomicBool::new(false));
    let had = Arc::clone(&had_its_turn);
    let write: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        writer.write(|cluster| {
            had.store(cluster.writes(NAMESPACE, name).len() > versions, Ordering::SeqCst);
            edit.carry_out(cluster, name);
        });
    });
    let plan = Box::new(move |_| Fault::CallBefore(Arc::clone(&write)));
    watch.plan(moment(case.request), plan);
    let first = world.check(update(&world));
    said.extend(told(&world, &first));
    expect(watch.met(), "nothing was written before any request")?;
    nothing(watch.broken())?;
    expect(edit.stands(&world.cluster, name), "what they wrote is gone")?;
    let is_refused = edit.may_be_refused() && first.code == Some(1);
    expect(first.code == Some(0) || is_refused, "it did not end as it should")?;
    // What is changed after the Secret had its turn is for the next run.
    let may_lack = edit.may_be_refused() || (edit.wants_more() && had_its_turn.load(Ordering::SeqCst));
    nothing(watch.amiss(since, may_lack.then_some(name)))?;

    let last = world.check(update(&world).arg("--renew-within=1h"));
    said.extend(told(&world, &last));
    expect(last.code == Some(0), "the run after it failed")?;
    nothing(watch.broken())?;
    expect(
        edit.stands(&world.cluster, name),
        "what they wrote is gone after the next run",
    )?;
    let besides = (!edit.is_to_be_refreshed()).then_some(name);
    nothing(watch.amiss(0, besides))
}

#[test]
fn what_somebody_else_writes_between_any_two_requests_stays() {
    let begun = Instant::now();
    let mut all = Vec::new();
    for name in PULLS {
        // Most later ones have nothing to do with it any more.
        for request in 0..=(turn_of(name) + 1).min(REQUESTS.len() - 1) {
            all.extend(Edit::ALL.map(|edit| Case { request, edit, name }));
        }
    }
    assert_eq!(all.len(), 7 * (6 + 8 + 10 + 12));
    cases::expect_all(cases::all(&all, |case| run(case, carry_out)));
    println!(
        "ecr-update, another writer: {} cases, {} s",
        all.len(),
        begun.elapsed().as_secs()
    );
}

/// Somebody who writes before each write of this program is not fought for ever.
#[test]
fn somebody_else_who_is_always_faster_is_told_of() {
    let world = world();
    let watch = Watch::of(&world, false);
    let since = world.cloud.tokens_issued().len();
    let writer = Arc::clone(&watch);
    let count = AtomicUsize::new(0);
    let write = move || {
        let note = json!(count.fetch_add(1, Ordering::SeqCst));
        writer.write(|cluster| {
            cluster.edit(NAMESPACE, "kept", &|secret| {
                secret["metadata"]["annotations"]["note"] = json!(note.to_string())
            })
        });
    };
    let before = world.cluster.data(NAMESPACE, "kept", ".dockerconfigjson");
    let put = "PUT /api/v1/namespaces/t/secrets/kept";
    world.kube.script().always(put, Fault::CallBefore(Arc::new(write)));
    let run = world.check(update(&world));
    let said = told(&world, &run);
    assert_eq!((run.code, watch.broken()), (Some(1), None), "{said:?}");
    let told = said.iter().filter(|line| line.starts_with("ERROR t/kept: ")).count();
    assert_eq!(told, 1, "{said:?}");
    assert_eq!(watch.amiss(since, Some("kept")), None);
    assert!(world.cluster.data(NAMESPACE, "kept", ".dockerconfigjson") == before);
    let note = world.cluster.annotation(NAMESPACE, "kept", "note");
    assert_eq!(note.as_deref(), Some("2"), "three writes, each after one of theirs");
}
