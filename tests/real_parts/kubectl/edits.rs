//! `kubectl` and the program at the same Secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::Desk;
use crate::support::program::{NAMESPACE, Program};
use crate::support::script::Fault;
use crate::tools::{output, pair_by_kubectl, program, run};

/// How the lines of the program's annotations begin.
const RECORDS: &str = "    aws-rotate-key/";

impl Desk {
    /// A Secret as `kubectl` shows it, without what differs from run to run.
    fn yaml(&self, name: &str) -> String {
        let yaml = self.says(&["get", "secret", name, "-o", "yaml", "--show-managed-fields"]);
        let differs = [
            "  creationTimestamp:",
            "  resourceVersion:",
            "  uid:",
            "    time:",
            RECORDS,
        ];
        let lines: Vec<&str> = yaml
            .lines()
            .filter(|line| !differs.iter().any(|name| line.starts_with(name)))
            .collect();
        lines.join("\n")
    }

    /// Rotates, and tells the log.
    fn rotate(&self) -> Vec<String> {
        let run = run(&self.world, program(&self.world).arg("rotate"));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.log(&self.world)
    }
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
          f:team: {}
    manager: kubectl-annotate
    operation: Update
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:data:
        f:access_key_id: {}
        f:secret_access_key: {}
      f:metadata:
        f:annotations:
          .: {}
          f:aws-rotate-key/history: {}
          f:aws-rotate-key/rotated-at: {}
    manager: aws-iam-credential-rotate
    operation: Update
  name: s
  namespace: t
type: Opaque"#;

#[test]
fn an_edit_by_kubectl_just_before_the_write_is_kept_and_the_key_is_rotated() {
    let desk = Desk::new();
    desk.create_key_secret();
    // Before each of the four writes: the journal, the new key's id, the pair, the end of the journal.
    let count = AtomicUsize::new(0);
    let annotate: Vec<Program> = (0..4)
        .map(|n| desk.kubectl(&["annotate", "secret", "s", &format!("team-{n}=a")]))
        .collect();
    let annotate = Arc::new(move || drop(output(annotate[count.fetch_add(1, Ordering::SeqCst)].clone())));
    let put = "PUT /api/v1/namespaces/t/secrets/s";
    for write in 0..4 {
        // The one that is repeated is let pass.
        let fault = Fault::CallBefore(annotate.clone());
        desk.world.kube.script().some(put, 2 * write, 1, fault);
    }
    let log = desk.rotate();
    let warnings: Vec<&String> = log.iter().filter(|line| !line.starts_with("INFO")).collect();
    assert_eq!(warnings, [""; 0]);
    let answers: Vec<Option<u16>> = desk
        .world
        .kube
        .recorded()
        .iter()
        .filter(|r| r.operation == put)
        .map(|r| r.status)
        .collect();
    assert_eq!(answers, [Some(409), Some(200)].repeat(4));

    for write in 0..4 {
        let annotation = format!("jsonpath={{.metadata.annotations.team-{write}}}");
        assert_eq!(desk.says(&["get", "secret", "s", "-o", &annotation]), "a");
    }
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
    let manifest = desk.world.files.file("s.json", manifest.to_string());
    let manifest = manifest.to_str().unwrap();
    assert_eq!(desk.says(&["apply", "-f", manifest]), "secret/s created");
    // Not by `run`, which looks for secrets in annotations too: `kubectl apply` has put this one there.
    let rotate = || program(&desk.world).arg("rotate").run();
    assert_eq!(rotate().code, Some(0));
    let new = pair_by_kubectl(&desk.world, &desk.admin, "s");
    assert_eq!(desk.says(&["apply", "-f", manifest]), "secret/s configured");
    assert_eq!(pair_by_kubectl(&desk.world, &desk.admin, "s").id, old.id);

    let history = r"jsonpath={.metadata.annotations.aws-rotate-key/history}";
    let history: Value = serde_json::from_str(&desk.says(&["get", "secret", "s", "-o", history])).unwrap();
    let applied = r#"jsonpath={.metadata.managedFields[?(@.manager=="kubectl-client-side-apply")].time}"#;
    let applied = desk.says(&["get", "secret", "s", "--show-managed-fields", "-o", applied]);

    let writes = desk.world.cluster.writes(NAMESPACE, "s").len();
    let run = rotate();
    assert_eq!(
        run.log(&desk.world),
        [
            format!(
                "ERROR t/s: ListAccessKeys with key {old} at AWS: InvalidClientTokenId (403, request id ID): The security \
                 token included in the request is invalid; the key is deleted, inactive, of another partition, or too \
                 new; put a working pair into its Secret; this program put key {new} into t/s on {}, and \
                 `kubectl-client-side-apply` on {applied} has put {old} there since; the secret of {new} is in no Secret any \
                 more: make a new pair for the user, put it there, and keep whoever applies the Secret from putting old keys \
                 back; nothing was done",
                history["since"].as_str().unwrap(),
                old = old.id,
                new = new.id,
            ),
            "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 0 rotated, 1 failed".into(),
        ]
    );
    assert_eq!(run.code, Some(1));
    // The key that works is not touched, nor is the Secret.
    let keys = desk.world.cloud.keys("ci");
    assert_eq!((keys.len(), keys[0].id.as_str()), (1, new.id.as_str()));
    assert_eq!(desk.world.cluster.writes(NAMESPACE, "s").len(), writes);
}
