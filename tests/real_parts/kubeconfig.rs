//! The same kubeconfig files, flags and variables drive `kubectl` and this program to the same answer: both are let in, as the
//! same user of the same groups at the same path, or both refuse. Where this program refuses what kubectl takes, the row says
//! why.

mod desk;
mod exec;
mod refused;
mod users;

use desk::{Desk, Expected, Row};

/// Every row on its own: each is a kubeconfig `FILES/config`, and what comes of it.
#[track_caller]
fn compare(rows: &[Row]) {
    let desk = Desk::new();
    let failed: Vec<String> = rows.iter().filter_map(|row| desk.compare(row).err()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} rows:\n{}",
        failed.len(),
        rows.len(),
        failed.join("\n")
    );
}

/// A kubeconfig with one context, `x`, for the cluster `c` and the user `u`.
fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
         clusters:\n- name: c\n  cluster: {{{cluster}}}\n\
         contexts:\n- name: x\n  context: {{cluster: c, user: u, namespace: t}}\n\
         users:\n- name: u\n  user: {{{user}}}\n"
    )
}

/// The cluster that the rows without another use.
const CLUSTER: &str = "server: SERVER, certificate-authority: ca.crt";

/// A row that reads a kubeconfig by `--kubeconfig`.
fn row(name: &'static str, config: String, expected: Expected) -> Row {
    Row::new(name, expected)
        .file("config", config)
        .args(&["--kubeconfig", "FILES/config"])
}
