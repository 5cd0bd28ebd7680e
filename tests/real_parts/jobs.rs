//! "Rotate now", as the README says it: kubectl makes a Job from the CronJob in `deploy/`, and shows its log.
//!
//! The stand-in here knows just enough of Jobs for that. It runs the program with the arguments that the Job asks for.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::kube::protobuf::texts_at;
use crate::support::program::{Program, World};
use crate::support::server::{Reply, Request, Server, Service};
use crate::support::tls::Authority;
use crate::tools::{output, program, required};

/// The cluster's Jobs: the CronJobs that were applied, and the one Job that kubectl makes.
struct Jobs {
    world: Arc<World>,
    cron_jobs: Vec<Value>,
    job: Mutex<Option<(Value, String)>>,
}

impl Jobs {
    /// kubectl sends Jobs in protobuf; the numbers are those of `k8s.io/api/batch/v1/generated.proto`.
    fn posted(&self, request: &Request) -> Value {
        let texts = |path: &[u64]| texts_at(&request.body, path).expect("a Job in protobuf");
        // Its metadata's name, and its template's containers' arguments.
        let (name, arguments) = (texts(&[1, 1]), texts(&[2, 6, 2, 2, 4]));
        let job = json!({
            "kind": "Job", "apiVersion": "batch/v1",
            "metadata": { "name": name[0], "namespace": "default", "uid": "1d2c9c4e-0000-4000-8000-000000000000" },
            "spec": { "selector": { "matchLabels": { "job": "it" } }, "template": { "spec": {} } },
        });
        let run = self
            .world
            .check(arguments.iter().fold(program(&self.world), Program::arg));
        *self.job.lock().unwrap() = Some((job.clone(), run.stderr));
        job
    }
}

impl Service for Jobs {
    fn operation(&self, request: &Request) -> String {
        format!("{} {}", request.method, request.path)
    }

    fn answer(&self, request: &Request) -> Reply {
        let job = || self.job.lock().unwrap().clone();
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": { "name": "it", "namespace": "default", "labels": { "job": "it" } },
            "spec": { "containers": [{ "name": "it" }] },
            "status": { "phase": "Succeeded" },
        });
        let resources = |version: &str, kinds: &[(&str, &str)]| {
            let kinds = kinds.iter().map(|(name, kind)| {
                json!({ "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get", "list", "create"] })
            });
            json!({ "kind": "APIResourceList", "groupVersion": version, "resources": kinds.collect::<Vec<_>>() })
        };
        let version = json!({ "groupVersion": "batch/v1", "version": "v1" });
        let body = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/version") => json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.2" }),
            ("GET", "/api") => json!({ "kind": "APIVersions", "versions": ["v1"] }),
            ("GET", "/apis") => json!({
                "kind": "APIGroupList", "apiVersion": "v1",
                "groups": [{ "name": "batch", "versions": [version], "preferredVersion": version }],
            }),
            ("GET", "/api/v1") => resources("v1", &[("pods", "Pod")]),
            ("GET", "/apis/batch/v1") => resources("batch/v1", &[("jobs", "Job"), ("cronjobs", "CronJob")]),
            ("POST", "/apis/batch/v1/namespaces/default/jobs") => self.posted(request),
            ("GET", "/api/v1/namespaces/default/pods") => {
                json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod] })
            }
            ("GET", "/api/v1/namespaces/default/pods/it") => pod,
            ("GET", "/api/v1/namespaces/default/pods/it/log") => {
                let log = job().map(|(_, log)| log).unwrap_or_default();
                return Reply::new(200, "text/plain", log);
            }
            ("GET", path) => {
                let named = |object: &Value, kind: &str| {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    path == format!("/apis/batch/v1/namespaces/default/{kind}/{name}")
                };
                let found = self.cron_jobs.iter().find(|object| named(object, "cronjobs")).cloned();
                match found.or_else(|| job().map(|(job, _)| job).filter(|job| named(job, "jobs"))) {
                    Some(object) => object,
                    None => return Reply::new(404, "text/plain", "404 page not found\n"),
                }
            }
            _ => return Reply::new(404, "text/plain", "404 page not found\n"),
        };
        Reply::new(
            if request.method == "POST" { 201 } else { 200 },
            "application/json",
            body.to_string(),
        )
    }

    fn now(&self) -> i64 {
        time::OffsetDateTime::now_utc().unix_timestamp()
    }
}

/// kubectl in a cluster where `deploy/` was applied.
struct Cluster {
    jobs: Server,
    world: Arc<World>,
}

impl Cluster {
    fn new() -> Cluster {
        let world = Arc::new(World::new());
        world.add_key_secret("aws-iam-user-credentials", &world.key.id, &world.key.secret);
        world.add_pull_secret("pull", "aws-iam-user-credentials", "eu-west-1", "{}");
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("deploy")
            .display()
            .to_string();
        let manifests = Program::new(required("KUBECTL"))
            .args(&["kustomize", &deploy])
            .run()
            .stdout;
        let cron_jobs = ["rotate", "ecr-update"].map(|name| cron_job(&manifests, name)).to_vec();
        let authority = Authority::new("jobs");
        world.files.file("jobs.crt", authority.pem());
        let service = Jobs {
            world: Arc::clone(&world),
            cron_jobs,
            job: Mutex::default(),
        };
        let jobs = Server::start("127.0.0.1", Arc::new(service), Some(authority.server(&["127.0.0.1"])));
        Cluster { jobs, world }
    }

    /// A command line of the README, at this cluster.
    fn type_in(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let tool = Program::new(required("KUBECTL"))
            .env("HOME", self.world.files.path().display().to_string())
            // This stand-in does not look at it; without one kubectl asks for a user name.
            .args(&["--token", "any"])
            .args(&[
                "--server",
                &self.jobs.url(),
                "--certificate-authority",
                &self.world.file("jobs.crt"),
            ]);
        output(tool.args(&words[1..]))
    }
}

/// The CronJob of that name, as far as a Job made from it shows it: its template's arguments.
fn cron_job(manifests: &str, name: &str) -> Value {
    let document = manifests
        .split("\n---\n")
        .find(|document| document.contains("kind: CronJob") && document.contains(&format!("\n  name: {name}\n")))
        .unwrap_or_else(|| panic!("deploy/ has no CronJob {name}"));
    // The arguments are a list below `- args:`; kustomize writes each in a line of its own.
    let after = document.split_once("- args:\n").expect("arguments").1;
    let lines = after.lines().map(str::trim).take_while(|line| line.starts_with("- "));
    let arguments: Vec<&str> = lines.map(|line| line.trim_start_matches("- ")).collect();
    json!({
        "kind": "CronJob", "apiVersion": "batch/v1",
        "metadata": { "name": name, "namespace": "default", "uid": "2d2c9c4e-0000-4000-8000-000000000000" },
        "spec": {
            "schedule": "0 0 * * *",
            "jobTemplate": { "spec": { "template": { "spec": {
                "restartPolicy": "Never",
                "containers": [{ "name": name, "image": "aws-iam-credential-rotate:1.0.0", "args": arguments }],
            } } } },
        },
    })
}

#[test]
fn rotate_now_as_the_readme_says_it() {
    let cluster = Cluster::new();
    let made = cluster.type_in("kubectl create job --from=cronjob/rotate rotate-now");
    assert_eq!(made, "job.batch/rotate-now created\n");
    let log = cluster.type_in("kubectl logs --follow job/rotate-now");
    let last = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed\n";
    assert!(log.ends_with(last), "{log}");
}

#[test]
fn refresh_now_as_the_readme_says_it() {
    let cluster = Cluster::new();
    let made = cluster.type_in("kubectl create job --from=cronjob/ecr-update ecr-update-now");
    assert_eq!(made, "job.batch/ecr-update-now created\n");
    let log = cluster.type_in("kubectl logs --follow job/ecr-update-now");
    let last = "INFO  ecr-update: 1 Secret with label aws-ecr-updater=true in namespace t: 1 refreshed, 0 failed\n";
    assert!(log.ends_with(last), "{log}");
}
