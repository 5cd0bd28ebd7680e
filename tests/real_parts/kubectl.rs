//! `kubectl` and the embedded API: whether a stand-in answers as an API server does is best judged by the client that
//! everybody uses. Then both `kubectl` and the program at the same Secret.

use std::sync::Arc;

use serde_json::Value;

use crate::support::program::{NAMESPACE, Program, World};
use crate::support::script::Fault;
use crate::tools::{kubectl, output, pair_by_kubectl, program, refusal, run};

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

    /// A Secret as `kubectl` shows it, without what differs from run to run.
    fn yaml(&self, name: &str) -> String {
        let yaml = self.says(&["get", "secret", name, "-o", "yaml", "--show-managed-fields"]);
        let differs = ["  creationTimestamp:", "  resourceVersion:", "  uid:", "    time:"];
        let lines: Vec<&str> = yaml
            .lines()
            .filter(|line| !differs.iter().any(|name| line.starts_with(name)))
            .collect();
        lines.join("\n")
    }

    /// Creates and labels the Secret `s` with the user's key, as the README says it.
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

    /// Rotates, and tells the log.
    fn rotate(&self) -> Vec<String> {
        let run = run(&self.world, program(&self.world).arg("rotate"));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.log(&self.world)
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

#[test]
fn rotations_between_edits_by_kubectl_keep_what_kubectl_wrote_and_are_signed_with_the_programs_name() {
    let desk = Desk::new();
    desk.create_key_secret();
    desk.rotate();
    assert_eq!(desk.says(&["annotate", "secret", "s", "team=a"]), "secret/s annotated");
    desk.rotate();
    let pair = pair_by_kubectl(&desk.world, &desk.admin, "s");
    let keys = desk.world.cloud.keys("ci");
    assert_eq!((keys.len(), keys[0].id.as_str()), (1, pair.id.as_str()));
    assert!(desk.world.cloud.secret_of(&pair.id) == Some(pair.secret));
    let value = |field: &str| desk.says(&["get", "secret", "s", "-o", &format!("jsonpath={{.data.{field}}}")]);
    let expected = EDITED_AND_ROTATED
        .replace("ID", &value("access_key_id"))
        .replace("SECRET", &value("secret_access_key"));
    // Not `assert_eq`: a failing test prints no secret, even a made-up one.
    for (line, expected) in desk.yaml("s").lines().zip(expected.lines()) {
        assert!(
            line == expected,
            "expected a line that begins with `{}`",
            expected.split(": ").next().unwrap()
        );
    }
    assert_eq!(desk.yaml("s").lines().count(), expected.lines().count());
}

const EDITED_AND_ROTATED: &str = r#"apiVersion: v1
data:
  access_key_id: ID
  secret_access_key: SECRET
kind: Secret
metadata:
  annotations:
    team: a
  labels:
    aws-rotate-key: "true"
  managedFields:
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:data: {}
      f:type: {}
    manager: kubectl-create
    operation: Update
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:metadata:
        f:labels:
          .: {}
          f:aws-rotate-key: {}
    manager: kubectl-label
    operation: Update
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:metadata:
        f:annotations:
          .: {}
          f:team: {}
    manager: kubectl-annotate
    operation: Update
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:data:
        f:access_key_id: {}
        f:secret_access_key: {}
    manager: aws-iam-credential-rotate
    operation: Update
  name: s
  namespace: t
type: Opaque"#;

#[test]
fn an_edit_by_kubectl_just_before_the_write_is_kept_and_the_key_is_rotated() {
    let desk = Desk::new();
    desk.create_key_secret();
    let annotate = desk.kubectl(&["annotate", "secret", "s", "team=a"]);
    let put = "PUT /api/v1/namespaces/t/secrets/s";
    desk.world
        .kube
        .script()
        .once(put, Fault::CallBefore(Arc::new(move || drop(output(annotate.clone())))));
    let log = desk.rotate();
    let warnings: Vec<&String> = log.iter().filter(|line| !line.starts_with("INFO")).collect();
    assert_eq!(warnings, ["X"]);
    let answers: Vec<Option<u16>> = desk
        .world
        .kube
        .recorded()
        .iter()
        .filter(|r| r.operation == put)
        .map(|r| r.status)
        .collect();
    assert_eq!(answers, [Some(409), Some(200)]);

    let annotation = "jsonpath={.metadata.annotations.team}";
    assert_eq!(desk.says(&["get", "secret", "s", "-o", annotation]), "a");
    let pair = pair_by_kubectl(&desk.world, &desk.admin, "s");
    assert_ne!(pair.id, desk.world.key.id);
    let keys = desk.world.cloud.keys("ci");
    assert_eq!((keys.len(), keys[0].id.as_str()), (1, pair.id.as_str()));
    assert!(desk.world.cloud.secret_of(&pair.id) == Some(pair.secret));
}

#[test]
fn a_manifest_that_is_applied_again_puts_a_dead_key_back_and_the_next_run_says_so() {
    let desk = Desk::new();
    let old = &desk.world.key;
    let manifest = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"aws-rotate-key": "true"}},
        "stringData": {"access_key_id": old.id, "secret_access_key": old.secret},
    });
    let manifest = desk.world.files.file("s.json", Value::to_string(&manifest));
    let manifest = manifest.to_str().unwrap();
    assert_eq!(desk.says(&["apply", "-f", manifest]), "secret/s created");
    // Not by `run`, which looks for secrets in annotations too: `kubectl apply` has put this one there.
    let rotate = || program(&desk.world).arg("rotate").run();
    assert_eq!(rotate().code, Some(0));
    let new = pair_by_kubectl(&desk.world, &desk.admin, "s");
    assert_eq!(desk.says(&["apply", "-f", manifest]), "secret/s configured");
    assert_eq!(pair_by_kubectl(&desk.world, &desk.admin, "s").id, old.id);

    let run = rotate();
    assert_eq!(
        run.log(&desk.world),
        [
            format!(
                "ERROR t/s: GetCallerIdentity with key {} at AWS: InvalidClientTokenId (403, request id ID): The security \
                 token included in the request is invalid; the key is deleted, inactive, of another partition, or too \
                 new; put a working pair into the Secret; nothing was done",
                old.id
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    // The key that works is not touched, nor is the Secret.
    let keys = desk.world.cloud.keys("ci");
    assert_eq!((keys.len(), keys[0].id.as_str()), (1, new.id.as_str()));
    assert_eq!(desk.world.cluster.writes(NAMESPACE, "s").len(), 3);
}
