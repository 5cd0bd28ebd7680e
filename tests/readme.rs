//! The README says what the program does: every option, variable, label, annotation and exit code, and no command that
//! nothing runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use aws_iam_credential_rotate::ecr_update::annotations;
use aws_iam_credential_rotate::settings::variables;
use aws_iam_credential_rotate::{key_secret, rotate};

use crate::support::program::{Program, under_test};

fn root(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn help() -> String {
    Program::new(under_test()).arg("--help").run().stdout
}

/// The words of a text that begin with two dashes.
fn options(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split(|c| !word(c))
        .filter(|w| w.len() > 2 && w.starts_with("--") && !w.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

fn section<'a>(readme: &'a str, title: &str) -> &'a str {
    let start = readme
        .find(&format!("### {title}\n"))
        .unwrap_or_else(|| panic!("no section {title}"));
    let rest = &readme[start + 4..];
    &rest[..rest.find("\n##").unwrap_or(rest.len())]
}

#[test]
fn every_option_is_explained_and_none_that_there_is_not() {
    let readme = root("README.md");
    let documented = options(section(&readme, "Options"));
    let help = help();
    let listed = &help[help.find("\nOptions:").unwrap()..help.find("\nExamples:").unwrap()];
    let mut known = options(listed);
    known.insert("--help".into());
    assert_eq!(documented, known);
}

#[test]
fn every_command_is_explained_and_none_that_there_is_not() {
    let readme = root("README.md");
    let documented: Vec<&str> = section(&readme, "Commands")
        .lines()
        .filter_map(|row| row.strip_prefix("| `")?.split('`').next())
        .collect();
    let help = help();
    let listed = &help[help.find("\nCommands:").unwrap()..help.find("\nPositional Arguments:").unwrap()];
    // What goes on in a second line is indented further; the first blank is one that does not break.
    let known: Vec<&str> = listed
        .lines()
        .filter(|line| line.chars().take_while(|c| c.is_whitespace()).count() == 2)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn every_variable_is_explained() {
    let readme = root("README.md");
    let documented = section(&readme, "Environment");
    for name in variables() {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_label_annotation_and_data_key_is_explained() {
    let readme = root("README.md");
    let documented = section(&readme, "Labels, annotations and data keys");
    let of_ecr_update = [annotations::LABEL, annotations::COPY]
        .into_iter()
        .chain(annotations::ALL);
    for name in of_ecr_update.chain([
        rotate::LABEL,
        rotate::REGION,
        "aws-rotate-key/grace-period",
        "aws-rotate-key/max-age",
        "aws-rotate-key/journal",
        "aws-rotate-key/history",
        "aws-rotate-key/rotated-at",
        key_secret::ACCESS_KEY_ID,
        key_secret::SECRET_ACCESS_KEY,
        key_secret::ACCESS_KEY_ID_FIELD,
        key_secret::SECRET_ACCESS_KEY_FIELD,
    ]) {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
}

/// Each command of the README, and what runs it. A new one needs a test first.
#[test]
fn every_command_is_one_that_something_runs() {
    const COMMANDS: &[(&str, &str)] = &[
        ("cargo run --locked --example sandbox", ".ci/run"),
        (
            "cargo run --locked --example sandbox -- --keep",
            "tests/real_parts/sandbox.rs",
        ),
        ("cargo test --locked", ".ci/run"),
        ("rustup target add x86_64-unknown-linux-musl", ".ci/run"),
        (
            "cargo build --release --locked --target x86_64-unknown-linux-musl",
            ".ci/run",
        ),
        // By buildah, which takes the same file.
        (
            "docker build --file Dockerfile.scratch --tag aws-iam-credential-rotate:1.0.0 .",
            ".ci/check-image",
        ),
        // Rendered and validated; there is no cluster to apply it to.
        ("kubectl apply --kustomize deploy", ".ci/check-deploy"),
        (
            "kubectl create job --from=cronjob/rotate rotate-now",
            "tests/real_parts/jobs.rs",
        ),
        ("kubectl logs --follow job/rotate-now", "tests/real_parts/jobs.rs"),
        (
            "kubectl create job --from=cronjob/ecr-update ecr-update-now",
            "tests/real_parts/jobs.rs",
        ),
        ("kubectl logs --follow job/ecr-update-now", "tests/real_parts/jobs.rs"),
        (
            "aws-iam-credential-rotate rotate --kubeconfig admin.conf --context production --namespace team-a",
            "tests/real_parts/kubeconfig/users.rs",
        ),
        (
            "aws-iam-credential-rotate rotate --namespace team-a --server https://10.0.0.1:6443 --token-file token \
             --certificate-authority ca.crt",
            "tests/support/program.rs",
        ),
    ];
    let readme = root("README.md");
    let mut inside = false;
    let mut commands = BTreeSet::new();
    for line in readme.lines().map(str::trim) {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside => {
                commands.insert(command.to_owned());
            }
            _ => {}
        }
    }
    let known: BTreeSet<String> = COMMANDS.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(commands, known);
    for (_, runner) in COMMANDS {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(runner).exists(), "{runner}");
    }
}

/// The sources of the program as one text: no back-ticks, strings in one line, and `…` for what is filled in.
fn sources() -> String {
    fn read(folder: &Path, all: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder of the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|end| end == "rs") {
                *all += &fs::read_to_string(&path).expect("a text");
            }
        }
    }
    let mut all = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let mut text = String::new();
    let mut rest = all.as_str();
    while let Some(at) = rest.find(['`', '{', '\\']) {
        text += &rest[..at];
        let found = &rest[at..];
        rest = match found.as_bytes() {
            [b'\\', b'\n', ..] => found[2..].trim_start(),
            [b'{', ..] => match found.find(['}', '\n', ' ']) {
                Some(end) if found.as_bytes()[end] == b'}' => {
                    text += "…";
                    &found[end + 1..]
                }
                _ => &found[1..],
            },
            _ => &found[1..],
        };
    }
    text + rest
}

/// What the tables of messages quote is what the program says: each piece between two `…` is somewhere in it.
#[test]
fn every_message_that_is_explained_is_one_of_the_program() {
    let readme = root("README.md");
    let sources = sources();
    let mut rows = readme.lines().skip_while(|line| *line != "### Log").peekable();
    let mut quoted = 0;
    while let Some(row) = rows.next() {
        if !row.starts_with("| message |") {
            continue;
        }
        let table = std::iter::from_fn(|| rows.next_if(|row| row.starts_with('|')));
        for row in table.skip(1) {
            let cell = row[1..].split('|').next().unwrap_or_default();
            // What is quoted stands at the odd places.
            for message in cell.split('`').skip(1).step_by(2) {
                quoted += 1;
                for piece in message.split('…').map(|piece| piece.trim_matches([' ', ':', ';', ','])) {
                    assert!(
                        sources.contains(piece),
                        "`{message}`: the program does not say `{piece}`"
                    );
                }
            }
        }
    }
    assert!(quoted > 50, "{quoted}");
}
