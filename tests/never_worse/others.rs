//! Somebody else writes one of the Secrets between any two requests: what they wrote stays, and no other Secret goes without
//! its login for it.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::faults::REQUESTS;
use super::judge;
use super::watch::Watch;
use super::world::{CONFIG, LABEL, PULLS, update, world};
use crate::support::cases;
use crate::support::kube::Cluster;
use crate::support::program::NAMESPACE;
use crate::support::script::Fault;

/// What somebody does to a Secret.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edit {
    /// A login to another registry, as a client writes it: the whole configuration in an order of its own.
    AddRegistry,
    Annotate,
    /// The configuration is emptied.
    Empty,
    Unlabel,
    /// Deleted and made anew under the same name, with a login to another registry.
    Remake,
    Delete,
}

impl Edit {
    const ALL: [Edit; 6] = [
        Edit::AddRegistry,
        Edit::Annotate,
        Edit::Empty,
        Edit::Unlabel,
        Edit::Remake,
        Edit::Delete,
    ];

    fn carry_out(self, cluster: &Cluster, name: &str) {
        let edit = |edit: &dyn Fn(&mut Value)| cluster.edit(NAMESPACE, name, edit);
        match self {
            Edit::AddRegistry => edit(&|secret| {
                let mut config: Value = serde_json::from_str(&judge::text(secret)).expect("JSON");
                config["auths"]["registry.example"] = theirs();
                secret["data"][CONFIG] = json!(STANDARD.encode(config.to_string()));
            }),
            Edit::Annotate => edit(&|secret| secret["metadata"]["annotations"]["note"] = json!("theirs")),
            Edit::Empty => edit(&|secret| secret["data"][CONFIG] = json!(STANDARD.encode("{}"))),
            Edit::Unlabel => edit(&|secret| secret["metadata"]["labels"] = json!({"team": "b"})),
            Edit::Remake => {
                let mut secret = cluster.secret(NAMESPACE, name).expect("the Secret");
                cluster.remove(NAMESPACE, name);
                let annotations = &secret["metadata"]["annotations"];
                secret["metadata"] = json!({
                    "name": name, "namespace": NAMESPACE, "labels": {LABEL: "true"},
                    "annotations": {
                        "aws-ecr-updater/secret": annotations["aws-ecr-updater/secret"],
                        "aws-ecr-updater/region": annotations["aws-ecr-updater/region"],
                    },
                });
                let config = json!({"auths": {"registry.example": theirs()}}).to_string();
                secret["data"][CONFIG] = json!(STANDARD.encode(config));
                cluster.add_secret(secret);
            }
            Edit::Delete => cluster.remove(NAMESPACE, name),
        }
    }

    /// Whether it is still there.
    fn stands(self, cluster: &Cluster, name: &str) -> bool {
        let secret = cluster.secret(NAMESPACE, name);
        let is_theirs = |secret: &Value| {
            let config: Value = serde_json::from_str(&judge::text(secret)).unwrap_or_default();
            config["auths"]["registry.example"] == theirs()
        };
        match (self, secret) {
            (Edit::Delete, secret) => secret.is_none(),
            (_, None) => false,
            (Edit::AddRegistry, Some(secret)) => is_theirs(&secret),
            (Edit::Annotate, Some(secret)) => secret["metadata"]["annotations"]["note"] == "theirs",
            (Edit::Empty, Some(secret)) => !judge::text(&secret).contains("z.example"),
            (Edit::Unlabel, Some(secret)) => secret["metadata"]["labels"] == json!({"team": "b"}),
            (Edit::Remake, Some(secret)) => {
                is_theirs(&secret) && secret["metadata"]["annotations"].get("note").is_none()
            }
        }
    }

    /// Whether the Secret is to be refreshed after it, at the latest by the next run.
    fn is_to_be_refreshed(self) -> bool {
        match self {
            Edit::AddRegistry | Edit::Annotate | Edit::Empty | Edit::Remake => true,
            Edit::Unlabel | Edit::Delete => false,
        }
    }

    /// Whether a run that has read the Secret before may refuse to write it after.
    fn may_be_refused(self) -> bool {
        match self {
            Edit::AddRegistry | Edit::Annotate | Edit::Empty => false,
            Edit::Unlabel | Edit::Remake | Edit::Delete => true,
        }
    }
}

fn theirs() -> Value {
    json!({"username": "u", "password": "p"})
}

#[derive(Debug)]
struct Case {
    request: usize,
    edit: Edit,
    name: &'static str,
}

fn run(case: &Case) -> Result<(), String> {
    let world = world();
    let watch = Watch::of(&world, false);
    let since = world.cloud.tokens_issued().len();
    let (writer, edit, name) = (Arc::clone(&watch), case.edit, case.name);
    let write: Arc<dyn Fn() + Send + Sync> = Arc::new(move || writer.write(|cluster| edit.carry_out(cluster, name)));
    watch.plan(case.request, Box::new(move |_| Fault::CallBefore(Arc::clone(&write))));
    let mut said = Vec::new();
    let first = world.check(update(&world));
    said.extend(cases::lines(&world, &first));
    let met = watch.met();
    let gone = |stage: &str| {
        let stands = case.edit.stands(&world.cluster, case.name);
        (!stands).then(|| format!("what they wrote is gone after {stage}"))
    };
    // What is emptied after it was written stays so until the next run.
    let written = REQUESTS[..case.request].contains(&format!("PUT /api/v1/namespaces/t/secrets/{name}").as_str());
    let may_lack = edit.may_be_refused() || (edit == Edit::Empty && written);
    let amiss = watch.amiss(since, may_lack.then_some(name));
    let mut found = watch.broken().or_else(|| gone("the run")).or(amiss);
    if met.as_deref() != Some(REQUESTS[case.request]) {
        found.get_or_insert_with(|| "another request was met".into());
    }
    if first.code != Some(0) && !(edit.may_be_refused() && first.code == Some(1)) {
        found.get_or_insert_with(|| "it did not end as it should".into());
    }
    let since = world.cloud.tokens_issued().len();
    let last = world.check(update(&world));
    said.extend(cases::lines(&world, &last));
    if last.code != Some(0) {
        found.get_or_insert_with(|| "the run after it failed".into());
    }
    let besides = (!case.edit.is_to_be_refreshed()).then_some(case.name);
    let found = found
        .or_else(|| watch.broken())
        .or_else(|| gone("the next run"))
        .or_else(|| watch.amiss(since, besides));
    match found {
        None => Ok(()),
        Some(what) => Err(format!("{case:?}: {what} (before {met:?})\n  {}", said.join("\n  "))),
    }
}

#[test]
fn what_somebody_else_writes_between_any_two_requests_stays() {
    let begun = Instant::now();
    let mut all = Vec::new();
    for request in 0..REQUESTS.len() {
        for pull in PULLS {
            all.extend(Edit::ALL.map(|edit| Case {
                request,
                edit,
                name: pull.name,
            }));
        }
    }
    assert_eq!(all.len(), 8 * 3 * 6);
    cases::expect_all(cases::all(&all, run));
    println!(
        "ecr-update, another writer: {} cases, {} s",
        all.len(),
        begun.elapsed().as_secs()
    );
}
