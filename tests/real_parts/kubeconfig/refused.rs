//! Rows that both refuse, and those that only this program does.

use super::desk::Expected::{Refused, Seen, Stricter};
use super::desk::Row;
use super::{CLUSTER, compare, config, row};

#[test]
fn files_that_are_broken() {
    let ordinary = config(CLUSTER, "token: TOKEN");
    compare(&[
        Row::new(
            "nothing anywhere",
            Refused(
                "ERROR no Kubernetes API server: `KUBECONFIG` is not set, `FILES/home/.kube/config` is empty or not there, and this \
                 is no pod (`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are not both set); pass `--kubeconfig`, or \
                 `--server` and `--token-file`",
            ),
        ),
        Row::new(
            "--kubeconfig is missing",
            Refused("ERROR `--kubeconfig` names `FILES/nothing`, which cannot be read: No such file or directory (os error 2)"),
        )
        .args(&["--kubeconfig", "FILES/nothing"])
        .env("KUBECONFIG", "FILES/config")
        .file("config", ordinary.clone()),
        Row::new(
            "--kubeconfig is a folder",
            Refused("ERROR `--kubeconfig` names `FILES/home`, which cannot be read: Is a directory (os error 21)"),
        )
        .args(&["--kubeconfig", "FILES/home"])
        .file("home/x", ""),
        Row::new(
            "one of KUBECONFIG is broken",
            Refused("ERROR kubeconfig `FILES/broken`: it is a text; expected a map"),
        )
        .file("config", ordinary.clone())
        .file("broken", "no kubeconfig")
        .env("KUBECONFIG", "FILES/config:FILES/broken"),
        row(
            "no YAML",
            "clusters: [\n".into(),
            Refused("ERROR kubeconfig `FILES/config`: it is no YAML: line 2: while parsing a node, did not find expected node content"),
        ),
        row(
            "tabs",
            "clusters:\n\t- name: x\n".into(),
            Refused("ERROR kubeconfig `FILES/config`: it is no YAML: line 2: tabs disallowed within this context (block indentation)"),
        ),
        row(
            "another kind",
            ordinary.replace("kind: Config", "kind: Secret"),
            Refused("ERROR kubeconfig `FILES/config`: `kind` is `Secret`; expected `Config`"),
        ),
        row(
            "another version",
            ordinary.replace("apiVersion: v1", "apiVersion: v2"),
            Refused("ERROR kubeconfig `FILES/config`: `apiVersion` is `v2`; expected `v1`"),
        ),
        row(
            "a wrong type",
            config(CLUSTER, "token: 12345678"),
            Refused("ERROR kubeconfig `FILES/config`: `users[0].user.token` is a number; expected a text"),
        ),
        row(
            "a wrong type in a user that nobody needs",
            ordinary.clone() + "- name: other\n  user: {token: [TOKEN]}\n",
            Refused("ERROR kubeconfig `FILES/config`: `users[1].user.token` is a list; expected a text"),
        ),
        row(
            "a user that nobody needs, broken otherwise",
            ordinary.clone() + "- name: other\n  user: {exec: {command: x}, client-certificate: nowhere}\n",
            Seen("holder GET /api/v1/namespaces/t/secrets"),
        ),
        row(
            "no base64",
            config("server: SERVER, certificate-authority-data: '!!'", "token: TOKEN"),
            Refused("ERROR kubeconfig `FILES/config`: `clusters[0].cluster.certificate-authority-data` is no base64"),
        ),
        row(
            "a name twice",
            ordinary.clone() + "- name: u\n  user: {token: TOKEN}\n",
            Refused("ERROR kubeconfig `FILES/config`: `users[1].name` is `u`, which is there twice"),
        ),
        row(
            "an alias bomb",
            alias_bomb(),
            Refused("ERROR kubeconfig `FILES/config`: with its aliases resolved it is larger than 32 MiB"),
        ),
    ]);
}

fn alias_bomb() -> String {
    let mut text = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n".to_owned();
    for level in 1..9 {
        text += &format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{}", level - 1); 9].join(",")
        );
    }
    text
}

#[test]
fn contexts_that_lead_nowhere() {
    let ordinary = config(CLUSTER, "token: TOKEN");
    compare(&[
        row(
            "no such context",
            ordinary.clone(),
            Refused("ERROR `--context` names the context `z`, which no kubeconfig has; there is `x`"),
        )
        .args(&["--context", "z"]),
        row(
            "a current-context that is not there",
            ordinary.replace("current-context: x", "current-context: z"),
            Refused("ERROR `current-context` names the context `z`, which no kubeconfig has; there is `x`"),
        ),
        row(
            "no current-context",
            ordinary.replace("current-context: x\n", ""),
            Refused("ERROR the kubeconfig has no `current-context`; name a context by `--context`; there is `x`"),
        ),
        row(
            "a cluster that is not there",
            ordinary.replace("{cluster: c,", "{cluster: d,"),
            Refused("ERROR context `x` names the cluster `d`, which no kubeconfig has; there is `c`"),
        ),
        row(
            "a user that is not there",
            ordinary.replace("user: u,", "user: v,"),
            Refused("ERROR context `x` names the user `v`, which no kubeconfig has; there is `u`"),
        ),
        row(
            "no user",
            ordinary.replace("user: u, ", ""),
            Refused(
                "ERROR cluster `c` of the kubeconfig: the context names no `user` for it; expected one with a token, a client \
                 certificate, a user name and a password, or `exec`",
            ),
        ),
        row(
            "no server",
            config("certificate-authority: ca.crt", "token: TOKEN"),
            Refused("ERROR cluster `c` of the kubeconfig: it has no `server`"),
        ),
        Row::new(
            "a context and no kubeconfig",
            Refused(
                "ERROR `--context` goes with a kubeconfig, and `KUBECONFIG` is not set, `FILES/home/.kube/config` is empty or not \
                 there",
            ),
        )
        .args(&["--context", "x"]),
    ]);
}

#[test]
fn clusters_that_cannot_be_meant() {
    let with = |cluster: &str| config(cluster, "token: TOKEN");
    compare(&[
        row(
            "an authority twice",
            with("server: SERVER, certificate-authority: ca.crt, certificate-authority-data: CA-DATA"),
            Refused(
                "ERROR cluster `c` of the kubeconfig: it has both `certificate-authority` and `certificate-authority-data`; \
                 expected one of them",
            ),
        ),
        row(
            "an authority, and insecure",
            with("server: SERVER, certificate-authority: ca.crt, insecure-skip-tls-verify: true"),
            Refused(
                "ERROR cluster `c` of the kubeconfig: it has both `certificate-authority` and `insecure-skip-tls-verify`; expected \
                 one of them",
            ),
        ),
        row(
            "an authority that is missing",
            with("server: SERVER, certificate-authority: nowhere"),
            Refused(
                "ERROR cluster `c` of the kubeconfig: `certificate-authority` names `FILES/nowhere`, which cannot be read: No such \
                 file or directory (os error 2)",
            ),
        ),
        row(
            "an authority that is none",
            with("server: SERVER, certificate-authority-data: YWJj"),
            Refused(
                "ERROR cluster `c` of the kubeconfig: `certificate-authority-data`: it holds no certificate; expected PEM, `-----BEGIN \
                 CERTIFICATE-----`",
            ),
        ),
        row(
            "another name",
            with("server: SERVER-BY-NAME, certificate-authority: ca.crt"),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER-BY-NAME: TLS: the server's certificate is not for \
                 127.0.0.1, only for kubernetes.example; use a name that the certificate is for, or have it issued for this one",
            ),
        ),
        row(
            "the public authorities do not know it",
            with("server: SERVER"),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: TLS: the server's certificate is not signed by a \
                 trusted authority; name the authority's certificate by `--certificate-authority`, or in a pod see to its \
                 service account",
            ),
        ),
        row(
            "no URL",
            with("server: 'https://127.0.0.1:port'"),
            Refused(
                "ERROR cluster `c` of the kubeconfig: `server` is `https://127.0.0.1:port`; expected `https://host:port`",
            ),
        ),
        row(
            "no scheme, which kubectl takes for http",
            with("server: '127.0.0.1:1'"),
            Refused("ERROR cluster `c` of the kubeconfig: `server` is `127.0.0.1:1`; expected `https://host:port`"),
        ),
        row(
            "an authority of which a part is damaged",
            with("server: SERVER, certificate-authority: damaged.crt"),
            Stricter(
                "ERROR cluster `c` of the kubeconfig: `certificate-authority`: a certificate in it is damaged",
                "as `--certificate-authority` does: whom the file was to trust is not known",
            ),
        )
        .file(
            "damaged.crt",
            "CA-PEM-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n",
        ),
        row(
            "a proxy of no kind that is known",
            with("server: SERVER, proxy-url: 'ftp://h'"),
            Refused(
                "ERROR cluster `c` of the kubeconfig: `proxy-url`: its scheme is `ftp`; expected `http`, `https`, `socks5` or `socks5h`",
            ),
        ),
        row(
            "a proxy with a scheme that curl has, and Kubernetes has not",
            with("server: SERVER, proxy-url: 'socks5h://h'"),
            Refused(
                "ERROR cluster `c` of the kubeconfig: `proxy-url` is of the scheme `socks5h`; expected `http`, `https` or `socks5`",
            ),
        ),
        row(
            "a proxy without a scheme",
            with("server: SERVER, proxy-url: 'h:3128'"),
            Refused("ERROR cluster `c` of the kubeconfig: `proxy-url`: it has no scheme; expected `http://host:port`"),
        ),
        row(
            "a proxy that wants another login",
            with("server: 'https://kubernetes.example', proxy-url: 'PROXY-LOGIN'")
                .replace("PROXY-LOGIN", "http://somebody:wrong@PROXY-AT"),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at https://kubernetes.example: the proxy http://PROXY-AT does not \
                 accept the user name and the password; correct them in `proxy-url`",
            ),
        ),
        row(
            "http, with a token",
            config("server: SERVER-PLAIN", "token: TOKEN"),
            Stricter(
                "ERROR cluster `c` of the kubeconfig: `server` is `SERVER-PLAIN`, and credentials are never sent in the clear; \
                 expected `https://host:port`, or a user without credentials",
                "kubectl goes there without the token, as somebody else than the kubeconfig says",
            ),
        ),
    ]);
}

#[test]
fn users_that_cannot_be_meant() {
    let with = |user: &str| config(CLUSTER, user);
    compare(&[
        row(
            "a token and a password",
            with("token: TOKEN, username: bob, password: p"),
            Refused(
                "ERROR user `u` of the kubeconfig: it has both a token and `username` or `password`; expected one of them",
            ),
        ),
        row(
            "a tokenFile and a password",
            with("tokenFile: ca.crt, username: bob, password: p"),
            Refused(
                "ERROR user `u` of the kubeconfig: it has both `tokenFile` and `username` or `password`; expected one of them",
            ),
        ),
        row(
            "a tokenFile that is missing",
            with("tokenFile: nowhere"),
            Refused(
                "ERROR user `u` of the kubeconfig: `tokenFile` names `FILES/nowhere`, which cannot be read: No such file or \
                 directory (os error 2)",
            ),
        ),
        row(
            "a tokenFile without a token",
            with("tokenFile: empty"),
            Refused("ERROR Kubernetes: list Secrets in namespace t at SERVER: no bearer token in `FILES/empty`: it is empty, or no token"),
        )
        .file("empty", "\n"),
        row(
            "a token with a line's end, as a block has it",
            with("token: \"TOKEN\\n\""),
            Refused("ERROR user `u` of the kubeconfig: `token` holds white space or other characters that no token has"),
        ),
        row(
            "a password alone",
            with("password: p"),
            Refused(
                "ERROR user `u` of the kubeconfig: it has no credentials; expected one with a token, a client certificate, a user \
                 name and a password, or `exec`",
            ),
        ),
        row(
            "a certificate by an authority that the cluster does not trust",
            with("client-certificate-data: STRANGER-DATA, client-key-data: KEY-DATA"),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: TLS: the server does not accept the client certificate \
                 (UnknownCA); see that it has not expired, and that the server trusts its authority",
            ),
        ),
        row(
            "a certificate without a key",
            with("client-certificate-data: CERT-DATA"),
            Refused(
                "ERROR user `u` of the kubeconfig: it has a client certificate and no key for it; expected `client-key` or \
                 `client-key-data`",
            ),
        ),
        row(
            "a certificate twice",
            with("client-certificate-data: CERT-DATA, client-certificate: ca.crt, client-key-data: KEY-DATA"),
            Refused(
                "ERROR user `u` of the kubeconfig: it has both `client-certificate` and `client-certificate-data`; expected one of \
                 them",
            ),
        ),
        row(
            "a key twice",
            with("client-certificate-data: CERT-DATA, client-key: ca.crt, client-key-data: KEY-DATA"),
            Refused(
                "ERROR user `u` of the kubeconfig: it has both `client-key` and `client-key-data`; expected one of them",
            ),
        ),
        row(
            "another's key",
            with("client-certificate-data: RSA-CERT-DATA, client-key-data: KEY-DATA"),
            Refused(
                "ERROR user `u` of the kubeconfig: the client key: it is not the key of the client certificate; give the pair that was issued together",
            ),
        ),
        row(
            "a key file that is missing",
            with("client-certificate-data: CERT-DATA, client-key: nowhere"),
            Refused(
                "ERROR user `u` of the kubeconfig: `client-key` names `FILES/nowhere`, which cannot be read: No such file or \
                 directory (os error 2)",
            ),
        ),
        row(
            "nothing",
            with(""),
            Refused(
                "ERROR user `u` of the kubeconfig: it has no credentials; expected one with a token, a client certificate, a user \
                 name and a password, or `exec`",
            ),
        ),
        row(
            "auth-provider, which client-go gave up",
            with("auth-provider: {name: gcp, config: {cmd-path: gcloud}}"),
            Refused(
                "ERROR user `u` of the kubeconfig: `auth-provider` (`gcp`) is not understood, for Kubernetes has given it up; \
                 expected `exec`, which the provider's own tools write today",
            ),
        ),
        row(
            "auth-provider: oidc, with a token that cannot be renewed",
            with(
                "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://127.0.0.1:1', client-id: c, id-token: a.b.c}}",
            ),
            Refused(
                "ERROR user `u` of the kubeconfig: `auth-provider` (`oidc`) is not understood, for Kubernetes has given it up; \
                 expected `exec`, which the provider's own tools write today",
            ),
        ),
        row(
            "exec: no interactiveMode",
            with("exec: {apiVersion: client.authentication.k8s.io/v1, command: x}"),
            Refused(
                "ERROR user `u` of the kubeconfig: `users[0].user.exec.interactiveMode` is missing; expected `Never`, `IfAvailable` \
                 or `Always`",
            ),
        ),
        row(
            "exec: v1alpha1, although there is a token",
            with("token: TOKEN, exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"),
            Refused(
                "ERROR user `u` of the kubeconfig: `users[0].user.exec.apiVersion` is `client.authentication.k8s.io/v1alpha1`; \
                 expected `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`",
            ),
        ),
        row(
            "a token that the server does not know",
            with("token: unknown"),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: Unauthorized (401): Unauthorized; the token is not accepted: expired, or of another cluster; get a new one",
            ),
        ),
        row(
            "a wrong password",
            with("username: bob, password: wrong"),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: Unauthorized (401): Unauthorized; the user name or the password is not accepted; correct them in the kubeconfig",
            ),
        ),
        row(
            "groups without a user",
            with("token: POWER, as-groups: [team]"),
            Refused(
                "ERROR the kubeconfig's user has `as-uid`, `as-groups` or `as-user-extra` without `as`, the user to act as",
            ),
        ),
        row(
            "--as-group without --as",
            with("token: POWER"),
            Refused("ERROR `--as-group` needs `--as`, the user to act as"),
        )
        .args(&["--as-group", "team"]),
        row(
            "no right to impersonate",
            with("token: TOKEN, as: jane"),
            Refused(
                "ERROR Kubernetes: list Secrets in namespace t at SERVER: Forbidden (403): users \"jane\" is forbidden: User \
                 \"holder\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope; grant the verb \
                 `impersonate` on `users` (and `groups`, `uids`, `userextras`) by a ClusterRole and a ClusterRoleBinding, or leave \
                 `--as` out",
            ),
        ),
    ]);
}
