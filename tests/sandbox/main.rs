//! The main job in one command: an embedded AWS and an embedded Kubernetes API on loopback, and the real program between
//! them.
//!
//!     cargo run --locked --example sandbox [-- --keep] [-- --program PATH]

#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use aws_iam_credential_rotate::interrupt::Interrupt;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use support::aws::Cloud;
use support::kube::Cluster;
use support::program::{Program, Scratch, VERBS};
use support::server::Server;
use support::tls::Authority;

const NAMESPACE: &str = "default";
const KEY_SECRET: &str = "aws-iam-user-credentials";
const PULL_SECRET: &str = "aws-ecr-credentials-eu-west-1";
const USER: &str = "ci";

/// The contexts of the kubeconfig: what the manifests grant, and all.
const JOB: &str = "aws-iam-credential-rotate";
const ADMIN: &str = "admin";

const USAGE: &str = "usage: sandbox [--keep] [--program PATH]

  --keep          leave the embedded AWS and Kubernetes running, and tell how to poke at them
  --program PATH  the program to run; default: the one in this repository, built first
";

struct Options {
    keep: bool,
    program: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprint!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let interrupt = match Interrupt::by_signals() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            eprintln!("Ctrl-C cannot be handled: {error}");
            return ExitCode::FAILURE;
        }
    };
    let Some(program) = options.program.or_else(build) else {
        return ExitCode::FAILURE;
    };
    let sandbox = Sandbox::new();
    if !sandbox.show(&program) {
        return ExitCode::FAILURE;
    }
    if options.keep {
        sandbox.recipe(&program);
        // Until Ctrl-C; then the folder with the tokens goes, too.
        while !interrupt.is_set() {
            interrupt.wait(Duration::from_secs(3600));
        }
    }
    ExitCode::SUCCESS
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        keep: false,
        program: None,
    };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--keep" => options.keep = true,
            "--program" => options.program = Some(arguments.next().ok_or("`--program` needs a path")?.into()),
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(options)
}

/// Builds the program beside this example and tells where it is.
fn build() -> Option<PathBuf> {
    let name = "aws-iam-credential-rotate";
    println!("Building the program…");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--bin", name])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("the program could not be built");
        return None;
    }
    // target/debug/examples/sandbox, so the program is one folder up.
    let own = env::current_exe().ok()?;
    Some(own.parent()?.parent()?.join(name))
}

struct Sandbox {
    cloud: std::sync::Arc<Cloud>,
    cluster: std::sync::Arc<Cluster>,
    aws: Server,
    kube: Server,
    files: Scratch,
}

impl Sandbox {
    fn new() -> Sandbox {
        let cloud = Cloud::new();
        cloud.add_user(USER);
        let key = cloud.add_key(USER);
        cloud.propagation_requests(2);
        let cluster = Cluster::new();
        cluster.add_namespace(NAMESPACE);
        let secret = |name: &str, label: &str, kind: &str, annotations, data| {
            cluster.add_secret(json!({
                "metadata": {
                    "name": name, "namespace": NAMESPACE, "labels": {label: "true"}, "annotations": annotations,
                },
                "type": kind,
                "stringData": data,
            }));
        };
        let profile = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            key.id, key.secret
        );
        let data = json!({"access_key_id": key.id, "secret_access_key": key.secret, "credentials": profile});
        secret(KEY_SECRET, "aws-rotate-key", "Opaque", json!({}), data);
        let annotations = json!({"aws-ecr-updater/secret": KEY_SECRET, "aws-ecr-updater/region": "eu-west-1"});
        let config = r#"{"auths":{"ghcr.io":{"username":"octocat","password":"kept as it is"}}}"#;
        let data = json!({".dockerconfigjson": config});
        secret(
            PULL_SECRET,
            "aws-ecr-updater",
            "kubernetes.io/dockerconfigjson",
            annotations,
            data,
        );

        let authority = Authority::new("sandbox");
        let kube = cluster.start("127.0.0.1", authority.server(&["127.0.0.1"]));
        let files = Scratch::new();
        let token = cluster.token(
            "system:serviceaccount:default:aws-iam-credential-rotate",
            &[(NAMESPACE, VERBS)],
        );
        let user = |name: &str, token: String| json!({"name": name, "user": {"token": token}});
        let context =
            |user: &str| json!({"name": user, "context": {"cluster": "sandbox", "user": user, "namespace": NAMESPACE}});
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": JOB,
            "clusters": [{
                "name": "sandbox",
                "cluster": {
                    "server": kube.url(),
                    "certificate-authority-data": STANDARD.encode(authority.pem()),
                },
            }],
            "users": [user(JOB, token), user(ADMIN, cluster.token_for_admin())],
            "contexts": [context(JOB), context(ADMIN)],
        });
        files.file("kubeconfig", kubeconfig.to_string());
        Sandbox {
            aws: cloud.start(),
            cloud,
            cluster,
            kube,
            files,
        }
    }

    /// Runs both jobs, with what there is before and after. False when one failed.
    fn show(&self, program: &Path) -> bool {
        println!("Embedded AWS (IAM, STS, ECR): {}", self.aws.url());
        println!("Embedded Kubernetes API:      {}", self.kube.url());
        println!("Nothing leaves this machine.");
        println!("The new key is refused at first, as AWS does until it is known everywhere.\n");
        println!("BEFORE");
        self.table();
        for job in ["rotate", "ecr-update"] {
            let program = Program::new(program)
                .arg(job)
                .env("KUBECONFIG", self.file("kubeconfig"))
                .env("AWS_ENDPOINT_URL", self.aws.url());
            println!("\n$ {}", program.command_line());
            let run = program.run();
            print!("{}{}", run.stdout, run.stderr);
            if run.code != Some(0) {
                println!(
                    "\nThe program ended with {:?}, which the sandbox did not expect.",
                    run.code
                );
                return false;
            }
            println!("\nAFTER {}", job.to_uppercase());
            self.table();
        }
        println!(
            "\nThe Secret holds a new key that works, in every field that held the old one; the old key is deleted.\n\
             The pull Secret has a fresh login, and the login to ghcr.io is as it was."
        );
        true
    }

    fn table(&self) {
        let row = |what: &str, is: &str| println!("  {what:<49} {is}");
        for key in self.cloud.keys(USER) {
            row(&format!("IAM user {USER}"), &format!("{} {:?}", key.id, key.status));
        }
        let text = |secret: &str, name: &str| {
            let value = self.cluster.data(NAMESPACE, secret, name).unwrap_or_default();
            String::from_utf8_lossy(&value).into_owned()
        };
        row(&format!("Secret {KEY_SECRET}"), "");
        row("  access_key_id", &text(KEY_SECRET, "access_key_id"));
        row(
            "  secret_access_key",
            self.verdict(
                &text(KEY_SECRET, "access_key_id"),
                &text(KEY_SECRET, "secret_access_key"),
            ),
        );
        let profile = text(KEY_SECRET, "credentials");
        let id = profile
            .lines()
            .find_map(|line| line.strip_prefix("aws_access_key_id = "))
            .unwrap_or_default();
        row("  credentials (a profile file)", &format!("aws_access_key_id = {id}"));
        row(&format!("Secret {PULL_SECRET}"), "");
        let config: serde_json::Value =
            serde_json::from_str(&text(PULL_SECRET, ".dockerconfigjson")).unwrap_or_default();
        for registry in config["auths"].as_object().into_iter().flat_map(|auths| auths.keys()) {
            row(&format!("  login to {registry}"), "yes");
        }
        let expires = self
            .cluster
            .annotation(NAMESPACE, PULL_SECRET, "aws-ecr-updater/expires-at");
        row(
            "  aws-ecr-updater/expires-at",
            expires.as_deref().unwrap_or("(not set)"),
        );
    }

    fn verdict(&self, id: &str, secret: &str) -> &'static str {
        let works = self.cloud.secret_of(id).as_deref() == Some(secret) && self.cloud.status_of(id).is_some();
        if works {
            "(not shown) works"
        } else {
            "(not shown) does not work"
        }
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// How to look at it with the tools that everybody has, and how to go on.
    fn recipe(&self, program: &Path) {
        let kubectl = format!("kubectl --context {ADMIN}");
        let value =
            |name: &str| format!("$({kubectl} get secret {KEY_SECRET} -o jsonpath='{{.data.{name}}}' | base64 -d)");
        println!("\nIt is left running. In another shell:\n");
        println!("export KUBECONFIG={}", self.file("kubeconfig"));
        println!("export AWS_ENDPOINT_URL={}", self.aws.url());
        println!("{} rotate", program.display());
        println!("{kubectl} get secrets --show-labels\n");
        println!("export AWS_ACCESS_KEY_ID=\"{}\"", value("access_key_id"));
        println!("export AWS_SECRET_ACCESS_KEY=\"{}\"", value("secret_access_key"));
        println!("aws --region us-east-1 iam list-access-keys\n");
        println!("Press Ctrl-C here to end it.");
    }
}
