//! The page of the README on ECR logins: each example is given to `kubectl` as it stands there, the program is run, and the log
//! says what stands below it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::program::{Program, VERBS, World};
use crate::support::story::settled;
use crate::tools::{kubectl, output, program, run};

/// Where the page has it all, unless an example says otherwise.
const HERE: &str = "default";
/// Where the page's examples expect the key pair.
const KEY_SECRET: &str = "aws-iam-user-credentials";

/// A stretch of the page: its heading and its fenced blocks, as language and text.
struct Part {
    title: String,
    blocks: Vec<(String, String)>,
}

impl Part {
    fn blocks(&self, language: &str) -> Vec<&str> {
        let blocks = self.blocks.iter().filter(|(of, _)| of == language);
        blocks.map(|(_, text)| text.as_str()).collect()
    }
}

fn root(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The page, by its headings; what comes before the first one is under the page's own.
fn parts() -> Vec<Part> {
    let readme = root("README.md");
    let from = readme.find("## Refresh ECR logins\n").expect("the page");
    let page = &readme[from + 3..];
    let page = &page[..page.find("\n## ").expect("another page")];
    let mut parts: Vec<Part> = Vec::new();
    // The open block's language, the blanks before it, and its text so far.
    let mut open: Option<(String, usize, String)> = None;
    let mut title = page.lines().next().map(str::to_owned);
    for line in page.lines() {
        title = title.or_else(|| line.strip_prefix("### ").map(str::to_owned));
        if let Some(title) = title.take() {
            let blocks = Vec::new();
            parts.push(Part { title, blocks });
        }
        let text = line.trim_start();
        match (&mut open, text.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), line.len() - text.len(), String::new())),
            (Some(_), Some(_)) => {
                let (language, _, text) = open.take().expect("it is open");
                parts.last_mut().expect("a heading").blocks.push((language, text));
            }
            (Some((_, blanks, text)), None) => {
                *text += line.get(*blanks..).unwrap_or_default();
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    parts
}

/// One run of the program, and what is done before it.
type Step = (fn(&Desk), &'static [&'static str]);

fn nothing(_: &Desk) {}

const REFRESH: Step = (nothing, &["ecr-update"]);

/// Each example of the page with the runs whose logs stand below it. A new one needs its runs first.
const EXAMPLES: &[(&str, &[Step])] = &[
    ("Refresh ECR logins", &[REFRESH]),
    (
        "A key pair in another namespace",
        &[(Desk::key_elsewhere, &["ecr-update"])],
    ),
    ("A role", &[(Desk::role, &["ecr-update"])]),
    ("Several regions", &[REFRESH]),
    ("Other accounts, FIPS and dual-stack names", &[REFRESH]),
    ("ECR Public", &[REFRESH]),
    ("Secrets of type `kubernetes.io/dockercfg`", &[REFRESH]),
    (
        "Plain fields, for Argo CD",
        &[(Desk::in_argo_cd, &["ecr-update", "--namespace", "argocd"])],
    ),
    (
        "Copies in other namespaces",
        &[
            (Desk::with_copies, &["ecr-update"]),
            (Desk::fewer_teams, &["ecr-update"]),
            (nothing, &["ecr-update", "--prune"]),
        ],
    ),
    ("Service accounts", &[(Desk::accounts, &["ecr-update"])]),
    ("Only when it is due", &[(Desk::refreshed, &["ecr-update"])]),
    ("Key pairs under other data keys", &[(nothing, &["rotate"])]),
    ("Rotate, then refresh", &[(Desk::both_jobs, &["all"])]),
];

/// A world in which somebody follows the page.
struct Desk {
    world: World,
    admin: String,
}

impl Desk {
    fn new() -> Desk {
        let world = World::new();
        let admin = world.cluster.token_for_admin();
        for namespace in [HERE, "keys", "argocd"] {
            world.cluster.add_namespace(namespace);
        }
        let desk = Desk { world, admin };
        desk.grant(&[(HERE, VERBS)]);
        desk
    }

    /// What the program may do, as the manifests and examples in `deploy/` grant it.
    fn grant(&self, rules: &[(&str, &[&str])]) {
        let account = "system:serviceaccount:default:aws-iam-credential-rotate";
        self.world.files.file("token", self.world.cluster.token(account, rules));
    }

    /// A Secret with the user's pair, without a label.
    fn add_key(&self, namespace: &str) {
        let key = &self.world.key;
        self.world.cluster.add_secret(serde_json::json!({
            "metadata": {"name": KEY_SECRET, "namespace": namespace},
            "stringData": {"access_key_id": key.id, "secret_access_key": key.secret},
        }));
    }

    fn key_elsewhere(&self) {
        self.add_key("keys");
        self.grant(&[(HERE, VERBS), ("keys", &["get"])]);
    }

    fn role(&self) {
        self.world.cloud.add_role("pull");
        self.world.cloud.require_external_id("pull", "cluster-7");
    }

    fn in_argo_cd(&self) {
        self.add_key("argocd");
        self.grant(&[("argocd", VERBS)]);
    }

    fn with_copies(&self) {
        for namespace in ["team-a", "team-b", "team-x"] {
            self.world.cluster.add_namespace(namespace);
        }
        let secrets = &["get", "list", "watch", "update", "create", "delete", "list namespaces"];
        self.grant(&[("*", secrets)]);
    }

    fn fewer_teams(&self) {
        let change = [
            "secret",
            "aws-ecr-credentials",
            "--overwrite",
            "aws-ecr-updater/namespaces=team-a",
        ];
        let said = output(self.kubectl(&["--namespace", HERE, "annotate"]).args(&change));
        assert_eq!(said, "secret/aws-ecr-credentials annotated\n");
    }

    fn accounts(&self) {
        self.world.cluster.add_service_account(HERE, "builder");
        self.grant(&[
            (HERE, VERBS),
            (HERE, &["get serviceaccounts", "update serviceaccounts"]),
        ]);
    }

    /// The two Secrets of the page's beginning, with a login that depends on the key.
    fn both_jobs(&self) {
        let parts = parts();
        self.create(parts[0].blocks("yaml")[0]);
        let label = [
            "--namespace",
            HERE,
            "label",
            "secret",
            KEY_SECRET,
            "aws-rotate-key=true",
        ];
        output(self.kubectl(&label));
        self.refreshed();
    }

    fn refreshed(&self) {
        assert_eq!(self.run(&["ecr-update"]).len(), 2);
    }

    fn create(&self, manifest: &str) {
        // A real pair in place of the one that is not.
        let key = &self.world.key;
        let manifest = manifest
            .replace("AKIAIOSFODNN7EXAMPLE", &key.id)
            .replace("put-the-secret-access-key-here", &key.secret);
        let named = manifest.lines().find_map(|line| line.strip_prefix("  namespace: "));
        let namespace = named.unwrap_or(HERE).to_owned();
        let path = self.world.files.file("example.yaml", manifest);
        let path = path.to_str().expect("text");
        let said = output(self.kubectl(&["--namespace", &namespace, "create", "--filename", path]));
        assert!(said.ends_with(" created\n"), "{said}");
    }

    fn kubectl(&self, arguments: &[&str]) -> Program {
        kubectl(&self.world, &self.admin).args(arguments)
    }

    /// Runs the program, which is to succeed; its log, with the same for ids and times in every run.
    fn run(&self, arguments: &[&str]) -> Vec<String> {
        let tool = program(&self.world).env("NAMESPACE", HERE).args(arguments);
        let run = run(&self.world, tool);
        let log = run.log(&self.world);
        assert_eq!(run.code, Some(0), "{log:#?}");
        log.iter().map(|line| settled(line)).collect()
    }
}

#[test]
fn every_example_is_understood_by_kubectl_and_the_log_says_what_the_page_says() {
    let parts = parts();
    let titles: Vec<&str> = parts
        .iter()
        .filter(|part| !part.blocks("yaml").is_empty() || !part.blocks("text").is_empty())
        .map(|part| part.title.as_str())
        .collect();
    let known: Vec<&str> = EXAMPLES.iter().map(|(title, _)| *title).collect();
    assert_eq!(titles, known);
    for ((title, steps), part) in EXAMPLES
        .iter()
        .zip(parts.iter().filter(|part| known.contains(&part.title.as_str())))
    {
        let desk = Desk::new();
        let manifests = part.blocks("yaml");
        if !manifests
            .iter()
            .any(|manifest| manifest.contains(&format!("\n  name: {KEY_SECRET}\n")))
        {
            desk.add_key(HERE);
        }
        manifests.iter().for_each(|manifest| desk.create(manifest));
        let logs = part.blocks("text");
        assert_eq!(logs.len(), steps.len(), "{title}: a log for each run");
        for ((prepare, arguments), expected) in steps.iter().zip(logs) {
            prepare(&desk);
            let said = desk.run(arguments);
            let mut rest = said.iter();
            for line in expected.lines().map(settled) {
                assert!(
                    rest.any(|is| *is == line),
                    "{title}: `{line}` is not there, or not in this order: {said:#?}"
                );
            }
        }
    }
}

/// The files that the page names are what stands on it, but for their comments.
#[test]
fn every_example_is_in_a_file_of_its_own() {
    let parts = parts();
    let plain = |text: &str| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let files: Vec<String> = fs::read_dir(folder)
        .expect("the examples")
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a text"))
        .map(|text| plain(text.split("\n---\n").next().unwrap_or_default()))
        .collect();
    for part in &parts {
        for manifest in part.blocks("yaml") {
            let manifest = plain(manifest);
            assert!(
                files.iter().any(|file| file.trim_end() == manifest.trim_end()),
                "{}:\n{manifest}",
                part.title
            );
        }
        for policy in part.blocks("json") {
            let shown: Value = serde_json::from_str(policy).expect("JSON");
            let file: Value = serde_json::from_str(&root("deploy/iam/pull-role-trust-policy.json")).expect("JSON");
            assert_eq!(shown, file, "{}", part.title);
        }
    }
}
