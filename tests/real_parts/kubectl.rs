//! `kubectl` and the embedded API: whether a stand-in answers as an API server does is best judged by the client that
//! everybody uses.

mod edits;

use crate::support::program::{NAMESPACE, Program, World};
use crate::tools::{kubectl, output, refusal};

/// A world, and what `kubectl` prints in it for an administrator.
struct Desk {
    world: World,
    admin: String,
}

impl Desk {
    fn new() -> Desk {
        let world = World::new();
        let admin = world.cluster.token_for_admin();
        Desk { world, admin }
    }

    fn kubectl(&self, arguments: &[&str]) -> Program {
        kubectl(&self.world, &self.admin).args(arguments)
    }

    /// What is printed when all goes well, without the line's end.
    fn says(&self, arguments: &[&str]) -> String {
        output(self.kubectl(arguments)).trim_end().to_owned()
    }

    /// Creates and labels the Secret `s` with the user's key, as somebody would by hand.
    fn create_key_secret(&self) {
        let id = format!("--from-literal=access_key_id={}", self.world.key.id);
        let secret = format!("--from-literal=secret_access_key={}", self.world.key.secret);
        assert_eq!(
            self.says(&["create", "secret", "generic", "s", &id, &secret]),
            "secret/s created"
        );
        assert_eq!(
            self.says(&["label", "secret", "s", "aws-rotate-key=true"]),
            "secret/s labeled"
        );
    }
}

const MANIFEST: &str = "apiVersion: v1
kind: Secret
metadata:
  name: applied
  labels:
    made-by: hand
stringData:
  field: one
";

#[test]
fn secrets_are_created_found_by_label_changed_applied_and_deleted() {
    let desk = Desk::new();
    desk.create_key_secret();
    let manifest = desk
        .world
        .files
        .file("created.yaml", MANIFEST.replace("applied", "created"));
    let manifest = manifest.to_str().unwrap();
    assert_eq!(desk.says(&["create", "-f", manifest]), "secret/created created");
    assert_eq!(
        refusal(desk.kubectl(&["create", "-f", manifest])),
        format!(
            "Error from server (AlreadyExists): error when creating \"{manifest}\": secrets \"created\" already exists"
        )
    );

    let apply = |text: &str| {
        let path = desk.world.files.file("applied.yaml", text);
        desk.says(&["apply", "-f", path.to_str().unwrap()])
    };
    assert_eq!(apply(MANIFEST), "secret/applied created");
    assert_eq!(apply(&MANIFEST.replace("hand", "machine")), "secret/applied configured");
    assert_eq!(apply(&MANIFEST.replace("one", "two")), "secret/applied configured");
    let path = "jsonpath={.metadata.labels.made-by} {.data.field} {.type}";
    assert_eq!(desk.says(&["get", "secret", "applied", "-o", path]), "hand dHdv Opaque");

    assert_eq!(
        desk.says(&["get", "secrets", "-o", "name"]),
        "secret/applied\nsecret/created\nsecret/s"
    );
    assert_eq!(
        desk.says(&["get", "secrets", "-l", "aws-rotate-key=true", "-o", "name"]),
        "secret/s"
    );
    let table = desk.says(&["get", "secrets", "-l", "aws-rotate-key=true"]);
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["NAME", "TYPE", "DATA", "AGE"]);
    assert_eq!((words.len(), &words[1][..3]), (2, &["s", "Opaque", "2"][..]));

    assert_eq!(desk.says(&["annotate", "secret", "s", "team=a"]), "secret/s annotated");
    assert_eq!(
        desk.says(&["annotate", "secret", "s", "team=b", "--overwrite"]),
        "secret/s annotated"
    );
    assert_eq!(
        desk.says(&["label", "secret", "s", "aws-rotate-key-"]),
        "secret/s unlabeled"
    );
    assert_eq!(
        desk.world.cluster.annotation(NAMESPACE, "s", "team").as_deref(),
        Some("b")
    );
    assert_eq!(
        desk.says(&["get", "secrets", "-l", "aws-rotate-key=true", "-o", "name"]),
        ""
    );

    for name in ["s", "applied", "created"] {
        assert!(
            desk.says(&["delete", "secret", name])
                .starts_with(&format!("secret \"{name}\" deleted"))
        );
        let gone = format!("Error from server (NotFound): secrets \"{name}\" not found");
        assert_eq!(refusal(desk.kubectl(&["delete", "secret", name])), gone);
    }
    assert_eq!(desk.world.cluster.names(), Vec::<String>::new());
}

#[test]
fn namespaces_are_shown_and_take_nothing_new_once_they_are_being_deleted() {
    let desk = Desk::new();
    desk.world.cluster.add_namespace("leaving");
    desk.world.cluster.terminate_namespace("leaving");
    let table = desk.says(&["get", "ns"]);
    let words = |line: &str| {
        line.split_whitespace()
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        table.lines().map(words).collect::<Vec<_>>(),
        [
            "NAME STATUS",
            "default Active",
            "kube-system Active",
            "leaving Terminating",
            "t Active"
        ]
    );
    assert_eq!(desk.says(&["get", "namespaces", "t", "-o", "name"]), "namespace/t");
    assert_eq!(
        refusal(desk.kubectl(&["-n", "leaving", "create", "secret", "generic", "s"])),
        "error: failed to create secret secrets \"s\" is forbidden: unable to create new content in namespace leaving because it \
         is being terminated"
    );
}

#[test]
fn service_accounts_are_shown_with_what_they_pull_with() {
    let desk = Desk::new();
    desk.world.cluster.add_service_account(NAMESPACE, "builder");
    desk.world
        .cluster
        .edit_service_account(NAMESPACE, "builder", &|account| {
            account["imagePullSecrets"] = serde_json::json!([{ "name": "pull" }]);
        });
    assert_eq!(
        desk.says(&["get", "sa", "-o", "name"]),
        "serviceaccount/builder\nserviceaccount/default"
    );
    let yaml = desk.says(&["get", "sa", "builder", "-o", "yaml"]);
    let begin =
        "apiVersion: v1\nimagePullSecrets:\n- name: pull\nkind: ServiceAccount\nmetadata:\n  creationTimestamp: ";
    assert!(yaml.starts_with(begin), "{yaml}");
    let list = desk.says(&["get", "serviceaccounts", "--all-namespaces", "-o", "yaml"]);
    assert_eq!(list.matches("kind: ServiceAccount\n").count(), 4, "{list}");
    let table = desk.says(&["get", "sa"]);
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["NAME", "SECRETS", "AGE"]);
    assert_eq!((words.len(), &words[1][..2]), (3, &["builder", "0"][..]));
    assert_eq!(
        refusal(desk.kubectl(&["get", "sa", "none"])),
        "Error from server (NotFound): serviceaccounts \"none\" not found"
    );
}

#[test]
fn a_field_that_secrets_do_not_have_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    let manifest = desk
        .world
        .files
        .file("misspelt.yaml", MANIFEST.replace("stringData", "stringdata"));
    let manifest = manifest.to_str().unwrap();
    for verb in ["create", "apply"] {
        let said = refusal(desk.kubectl(&[verb, "-f", manifest]));
        assert!(said.starts_with("Error from server (BadRequest): "), "{said}");
        assert!(
            said.ends_with("strict decoding error: unknown field \"stringdata\""),
            "{said}"
        );
    }
    assert_eq!(desk.world.cluster.names(), Vec::<String>::new());
}

#[test]
fn who_may_only_get_and_list_reads_everything_and_changes_nothing() {
    let desk = Desk::new();
    desk.create_key_secret();
    let before = desk.world.cluster.secret(NAMESPACE, "s");
    let user = "system:serviceaccount:t:reader";
    let reader = desk.world.cluster.token(user, &[(NAMESPACE, &["get", "list"])]);
    let reader = |arguments: &[&str]| kubectl(&desk.world, &reader).args(arguments);
    assert_eq!(
        output(reader(&["get", "secrets", "-l", "aws-rotate-key", "-o", "name"])),
        "secret/s\n"
    );
    assert_eq!(
        output(reader(&["get", "secret", "s", "-o", "yaml"])),
        desk.says(&["get", "secret", "s", "-o", "yaml"]) + "\n"
    );

    let manifest = desk.world.files.file("m.yaml", MANIFEST);
    let manifest = manifest.to_str().unwrap();
    let server = "Error from server (Forbidden): ";
    let creating = format!("{server}error when creating \"{manifest}\": ");
    let may_not =
        |verb: &str| format!("is forbidden: User \"{user}\" cannot {verb} resource \"secrets\" in API group \"\"");
    let here = "in the namespace \"t\"";
    for (arguments, expected) in [
        (
            &["create", "secret", "generic", "g", "--from-literal=a=b"][..],
            format!("error: failed to create secret secrets {} {here}", may_not("create")),
        ),
        (
            &["create", "-f", manifest],
            format!("{creating}secrets {} {here}", may_not("create")),
        ),
        (
            &["apply", "-f", manifest],
            format!("{creating}secrets {} {here}", may_not("create")),
        ),
        (
            &["label", "secret", "s", "a=b"],
            format!("{server}secrets \"s\" {} {here}", may_not("patch")),
        ),
        (
            &["annotate", "secret", "s", "a=b"],
            format!("{server}secrets \"s\" {} {here}", may_not("patch")),
        ),
        (
            &["delete", "secret", "s"],
            format!("{server}secrets \"s\" {} {here}", may_not("delete")),
        ),
        (
            &["get", "secrets", "--namespace", "default"],
            format!("{server}secrets {} in the namespace \"default\"", may_not("list")),
        ),
        (
            &["get", "secret", "s", "--namespace", "default"],
            format!("{server}secrets \"s\" {} in the namespace \"default\"", may_not("get")),
        ),
        (
            &["get", "secrets", "--all-namespaces"],
            format!("{server}secrets {} at the cluster scope", may_not("list")),
        ),
    ] {
        assert_eq!(refusal(reader(arguments)), expected);
    }
    let unknown = kubectl(&desk.world, "no-token-of-this-cluster").args(&["get", "secrets"]);
    assert_eq!(
        refusal(unknown),
        "error: You must be logged in to the server (Unauthorized)"
    );
    assert_eq!(desk.world.cluster.names(), ["t/s"]);
    assert_eq!(desk.world.cluster.secret(NAMESPACE, "s"), before);
}
