//! The sandbox with `--keep`, as the README says it, and its recipe typed into a shell.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::support::program::{Program, Scratch};
use crate::tools::{output, required};

/// It may have to be built first. It is no measure of speed.
const NEVER_STARTS: Duration = Duration::from_secs(600);

/// The sandbox in a process group of its own, so that whatever cargo started ends with it.
struct Sandbox(Child);

impl Sandbox {
    fn signal(&self, signal: Signal) {
        let group = Pid::from_child(&self.0);
        // Fails only when it has ended already.
        let _ = kill_process_group(group, signal);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn the_recipe_works_with_kubectl_and_the_aws_cli_and_shows_what_the_table_shows() {
    let files = Scratch::new();
    // Cargo needs its environment, but for what it set itself to run this test: some build scripts take that for a change
    // and build anew. The sandbox hands nothing of it on to the program.
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let mut child = cargo
        .args(["run", "--locked", "--example", "sandbox", "--", "--keep", "--program"])
        .arg(required("PROGRAM_UNDER_TEST"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TMPDIR", files.path())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(files.path().join("stderr")).unwrap())
        .spawn()
        .expect("cargo is there, it runs this test");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut sandbox = Sandbox(child);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    let mut said: Vec<String> = Vec::new();
    while said.last().is_none_or(|line| line != "Press Ctrl-C here to end it.") {
        let line = receiver.recv_timeout(NEVER_STARTS);
        said.push(line.unwrap_or_else(|_| {
            let errors = fs::read_to_string(files.path().join("stderr")).unwrap();
            panic!("the sandbox ended or hangs; it said: {}\n{errors}", said.join("\n"))
        }));
    }

    let rows = |table: &str, what: &str| -> Vec<String> {
        let from = said
            .iter()
            .position(|line| line == table)
            .unwrap_or_else(|| panic!("no table {table}"));
        let table = said[from + 1..].iter().take_while(|line| line.starts_with("  "));
        table
            .filter_map(|line| line.trim().strip_prefix(what))
            .map(|is| is.trim().to_owned())
            .collect()
    };
    let old = rows("BEFORE", "access_key_id");
    let key = rows("AFTER ECR-UPDATE", "access_key_id");
    assert_eq!(rows("BEFORE", "IAM user ci"), [format!("{} Active", old[0])]);
    assert_eq!(rows("AFTER ECR-UPDATE", "IAM user ci"), [format!("{} Active", key[0])]);
    assert_ne!(key, old);
    assert_eq!(rows("AFTER ECR-UPDATE", "secret_access_key"), ["(not shown) works"]);
    let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com yes";
    assert_eq!(
        rows("BEFORE", "login to "),
        ["ghcr.io                                yes"]
    );
    assert_eq!(
        rows("AFTER ECR-UPDATE", "login to "),
        [ecr, "ghcr.io                                yes"]
    );

    let at = said
        .iter()
        .position(|line| line == "It is left running. In another shell:");
    let recipe: Vec<&str> = said[at.expect("a recipe") + 1..said.len() - 1]
        .iter()
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect();
    let [config, endpoint, rotate, list, id, secret, keys] = recipe[..] else {
        panic!("{recipe:#?}");
    };
    let bin = files.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(required("KUBECTL"), bin.join("kubectl")).unwrap();
    symlink(required("AWS_CLI"), bin.join("aws")).unwrap();
    let typed = |lines: &[&str]| {
        let shell = Program::new("/bin/bash").args(&["-euo", "pipefail", "-c", &lines.join("\n")]);
        let home = files.path().display().to_string();
        output(
            shell
                .env("HOME", home)
                .env("PATH", format!("{}:/usr/bin:/bin", bin.display())),
        )
    };

    let listed = typed(&[config, list]);
    let secrets: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(secrets[0], ["NAME", "TYPE", "DATA", "AGE", "LABELS"]);
    let shown: Vec<[&str; 3]> = secrets[1..]
        .iter()
        .map(|words| [words[0], words[1], words[4]])
        .collect();
    assert_eq!(
        shown,
        [
            [
                "aws-ecr-credentials-eu-west-1",
                "kubernetes.io/dockerconfigjson",
                "aws-ecr-updater=true"
            ],
            ["aws-iam-user-credentials", "Opaque", "aws-rotate-key=true"],
        ]
    );
    let listed: Value =
        serde_json::from_str(&typed(&[config, endpoint, id, secret, keys])).expect("JSON is the AWS CLI's own default");
    let listed_keys: Vec<&Value> = listed["AccessKeyMetadata"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| &k["AccessKeyId"])
        .collect();
    assert_eq!(listed_keys, [key[0].as_str()]);
    // And once more, by hand.
    let again = format!("{rotate} 2>&1");
    assert!(typed(&[config, endpoint, &again]).contains(": 1 rotated, 0 failed"));

    // As Ctrl-C does: it ends in good order, and the folder with the tokens goes with it.
    let left = || {
        let entries = fs::read_dir(files.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with("aws-iam-credential-rotate-"))
            .count()
    };
    assert_eq!(left(), 1);
    sandbox.signal(Signal::INT);
    assert_eq!(sandbox.0.wait().unwrap().code(), Some(0));
    assert_eq!(left(), 0);
}
