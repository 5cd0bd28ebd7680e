//! Rows with plugins. Each is a script in the row's own folder; both programs must call it alike, tell it the same and make
//! the same of what it prints.

use super::desk::Expected::{Refused, Seen};
use super::{CLUSTER, compare, config, row};

const HOLDER: &str = "holder GET /api/v1/namespaces/t/secrets";

/// A plugin that notes what it was told and prints `STATUS` for the version it was told of.
fn plugin(version: &str, status: &str) -> String {
    format!(
        "#!/bin/sh\nprintf '%s\\n' \"$KUBERNETES_EXEC_INFO\" | grep . >> \"FILES/told-$WHO\"\n\
         echo 'a word on stderr' >&2\n\
         cat <<END\n{{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/{version}\", \
         \"spec\": {{}}, \"status\": {status}}}\nEND\n"
    )
}

fn exec(version: &str, more: &str) -> String {
    format!("exec: {{apiVersion: client.authentication.k8s.io/{version}, command: ./plugin{more}}}")
}

const TOKEN: &str = "{\"token\": \"TOKEN\"}";

#[test]
fn plugins_that_issue_something() {
    let v1 = exec("v1", ", interactiveMode: Never");
    let with_cluster = exec("v1", ", interactiveMode: IfAvailable, provideClusterInfo: true");
    compare(&[
        row("v1", config(CLUSTER, &v1), Seen(HOLDER)).file("plugin", plugin("v1", TOKEN)),
        row("v1beta1, in which interactiveMode may be missing", config(CLUSTER, &exec("v1beta1", "")), Seen(HOLDER))
            .file("plugin", plugin("v1beta1", TOKEN)),
        row(
            "found in PATH, with arguments and variables",
            config(
                CLUSTER,
                "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [-c, 'test \"$A\" = \
                 \"b c\" && test \"$1\" = d && test \"$WHO\" != twice && exec FILES/plugin', x, d], env: [{name: A, value: b c}, \
                 {name: HOME, value: /nonexistent}]}",
            ),
            Seen(HOLDER),
        )
        .file("plugin", plugin("v1", TOKEN)),
        row("provideClusterInfo", config(CLUSTER, &with_cluster), Seen(HOLDER)).file("plugin", plugin("v1", TOKEN)),
        row(
            "provideClusterInfo with all that there is to tell",
            config(
                "server: SERVER-BY-NAME, certificate-authority-data: CA-DATA, tls-server-name: kubernetes.example, \
                 disable-compression: true, extensions: [{name: other, extension: 1}, {name: client.authentication.k8s.io/exec, \
                 extension: {audience: a, n: 1.5, list: [yes, null]}}]",
                &with_cluster,
            ),
            Seen(HOLDER),
        )
        .file("plugin", plugin("v1", TOKEN)),
        row(
            "provideClusterInfo, insecure, with a path",
            config("server: SERVER-PREFIXED/, insecure-skip-tls-verify: true", &with_cluster),
            Seen(HOLDER),
        )
        .file("plugin", plugin("v1", TOKEN)),
        row(
            "provideClusterInfo through a proxy",
            config(
                "server: 'https://kubernetes.example', certificate-authority: ca.crt, proxy-url: 'PROXY-LOGIN'",
                &with_cluster,
            ),
            Seen(HOLDER),
        )
        .file("plugin", plugin("v1", TOKEN)),
        row("a client certificate", config(CLUSTER, &v1), Seen("certified[team] GET /api/v1/namespaces/t/secrets")).file(
            "plugin",
            plugin(
                "v1",
                "{\"clientCertificateData\": \"$(sed 's/$/\\\\n/' FILES/u.crt | tr -d '\\n')\", \"clientKeyData\": \"KEY-JSON\"}",
            ),
        )
        .file("u.crt", "CERT-PEM"),
        row("an expiry", config(CLUSTER, &v1), Seen(HOLDER)).file(
            "plugin",
            plugin("v1", "{\"token\": \"TOKEN\", \"expirationTimestamp\": \"2099-01-01T00:00:00Z\"}"),
        ),
        row("YAML", config(CLUSTER, &v1), Seen(HOLDER)).file(
            "plugin",
            "#!/bin/sh\ncat <<END\nkind: ExecCredential\napiVersion: client.authentication.k8s.io/v1\nstatus:\n  token: TOKEN\nEND\n",
        ),
        row("a token makes it needless", config(CLUSTER, &format!("token: TOKEN, {v1}")), Seen(HOLDER))
            .file("plugin", "#!/bin/sh\nexit 1\n"),
        row(
            "so does a client certificate",
            config(CLUSTER, &format!("client-certificate-data: CERT-DATA, client-key-data: KEY-DATA, {v1}")),
            Seen("certified[team] GET /api/v1/namespaces/t/secrets"),
        )
        .file("plugin", "#!/bin/sh\nexit 1\n"),
    ]);
}

#[test]
fn plugins_that_do_not() {
    let v1 = || config(CLUSTER, &exec("v1", ", interactiveMode: Never"));
    compare(&[
        row(
            "not there",
            config(
                CLUSTER,
                "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: no-such-plugin, \
                 installHint: \"get it from\\nsomewhere\"}",
            ),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `no-such-plugin` is not there: get it \
                 from somewhere",
            ),
        ),
        row(
            "not there, and no hint",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` is not there; install \
                 it, or correct `command` in the kubeconfig's user",
            ),
        ),
        row(
            "not executable",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` cannot be started: \
                 Permission denied (os error 13)",
            ),
        )
        .file("plugin", "exit 0\n"),
        row(
            "failed",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` failed with exit code \
                 3: log in first",
            ),
        )
        .file("plugin", "#!/bin/sh\necho TOKEN\necho Error >&2\necho log in first >&2\nexit 3\n"),
        row(
            "rubbish",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` printed no credential \
                 that can be used: expected an `ExecCredential` in JSON, and it is none",
            ),
        )
        .file("plugin", "#!/bin/sh\necho TOKEN\n"),
        row(
            "another version",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` printed no credential \
                 that can be used: its apiVersion is `client.authentication.k8s.io/v1beta1`; the kubeconfig says \
                 `client.authentication.k8s.io/v1`",
            ),
        )
        .file("plugin", plugin("v1beta1", TOKEN)),
        row(
            "nothing in the status",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` printed no credential \
                 that can be used: its `status` has neither a token nor a client certificate and its key",
            ),
        )
        .file("plugin", plugin("v1", "{}")),
        row(
            "a certificate without a key",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` printed no credential \
                 that can be used: its `status` has only one of client certificate and key; expected both or none",
            ),
        )
        .file("plugin", plugin("v1", "{\"clientCertificateData\": \"x\"}")),
        row(
            "a person is needed, and there is none",
            config(CLUSTER, &exec("v1", ", interactiveMode: Always")),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: the exec plugin `FILES/plugin` has to ask a person \
                 (`interactiveMode: Always`), and standard input is no terminal; use a user that needs nobody",
            ),
        )
        .file("plugin", plugin("v1", TOKEN)),
        row(
            "a token that the server does not know: called twice",
            v1(),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: Unauthorized (401): Unauthorized; what the exec plugin issued is not accepted, not even what it issued anew; see that it is for this cluster",
            ),
        )
        .file("plugin", "#!/bin/sh\necho '{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\", \
              \"status\": {\"token\": \"unknown\"}}'\n"),
    ]);
}
