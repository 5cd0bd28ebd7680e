//! Rows that let both in: sources, clusters, and every kind of user but plugins.

use super::desk::Expected::Seen;
use super::desk::Row;
use super::{CLUSTER, compare, config, row};

const HOLDER: &str = "holder GET /api/v1/namespaces/t/secrets";
const CERTIFIED: &str = "certified[team] GET /api/v1/namespaces/t/secrets";

/// Two files that need each other.
const FIRST: &str = "clusters:\n- name: c\n  cluster: {server: SERVER}\n\
    users:\n- name: u\n  user: {token: TOKEN}\n";
const SECOND: &str = "current-context: x\n\
    contexts:\n- name: x\n  context: {cluster: c, user: u, namespace: t}\n\
    clusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:1', certificate-authority: nowhere}\n- name: d\n  \
    cluster: {server: SERVER, certificate-authority: ../ca.crt}\n\
    users:\n- name: u\n  user: {token: wrong, as: jane}\n";

#[test]
fn where_the_files_are() {
    let ordinary = || config(CLUSTER, "token: TOKEN");
    let two = config(CLUSTER, "token: TOKEN").replace(
        "contexts:\n",
        "contexts:\n- name: other\n  context: {cluster: c, user: u, namespace: default}\n- name: bare\n  context: {cluster: c, user: u}\n",
    );
    let here = |name: &str| ordinary().replace("ca.crt", name);
    compare(&[
        row("--kubeconfig", ordinary(), Seen(HOLDER)),
        Row::new("KUBECONFIG", Seen(HOLDER)).file("config", ordinary()).env("KUBECONFIG", "FILES/config"),
        Row::new("~/.kube/config", Seen(HOLDER)).file("home/.kube/config", here("../../ca.crt")),
        row("--kubeconfig before KUBECONFIG", ordinary(), Seen(HOLDER)).env("KUBECONFIG", "FILES/nothing"),
        Row::new("KUBECONFIG before ~/.kube/config", Seen(HOLDER))
            .file("config", ordinary())
            .file("home/.kube/config", "no kubeconfig")
            .env("KUBECONFIG", "FILES/config"),
        Row::new("an empty KUBECONFIG is none", Seen(HOLDER))
            .file("home/.kube/config", here("../../ca.crt"))
            .env("KUBECONFIG", ""),
        Row::new("KUBECONFIG: missing files are passed over", Seen(HOLDER))
            .file("config", ordinary())
            .env("KUBECONFIG", "FILES/nothing::FILES/config:FILES/config"),
        Row::new("KUBECONFIG: the first file is right about a thing as a whole", Seen(HOLDER))
            .file("one/config", FIRST.replace("server: SERVER", "server: SERVER, certificate-authority: ../ca.crt"))
            .file("two/config", SECOND)
            .env("KUBECONFIG", "FILES/one/config:FILES/two/config"),
        Row::new("KUBECONFIG: an empty file says nothing", Seen(HOLDER))
            .file("empty", "")
            .file("comment", "# nothing\n")
            .file("config", ordinary())
            .env("KUBECONFIG", "FILES/empty:FILES/comment:FILES/config"),
        row("--context", two.clone(), Seen("holder GET /api/v1/namespaces/default/secrets")).args(&["--context", "other"]),
        row("no namespace in the context", two.clone(), Seen("holder GET /api/v1/namespaces/default/secrets"))
            .args(&["--context", "bare"]),
        row("--namespace before the context's", two, Seen(HOLDER)).args(&["--context", "other", "--namespace", "t"]),
        row(
            "JSON",
            "{\n\t\"kind\": \"Config\", \"apiVersion\": \"v1\", \"current-context\": \"x\",\n\t\"clusters\": [{\"name\": \"c\", \
             \"cluster\": {\"server\": \"SERVER\", \"certificate-authority\": \"ca.crt\"}}], \"users\": [{\"name\": \"u\", \
             \"user\": {\"token\": \"TOKEN\"}}],\n\t\"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": \"c\", \
             \"user\": \"u\", \"namespace\": \"t\"}}]\n}\n"
                .into(),
            Seen(HOLDER),
        ),
        row(
            "anchors, merge keys, unknown fields, a second document",
            "colors: true\npreferences: {colors: true}\ncommon: &common {server: SERVER, certificate-authority: ca.crt, x: [1]}\n\
             current-context: \"x\"\nclusters:\n- name: c\n  cluster:\n    <<: *common\nusers:\n- name: u\n  user:\n    token: >-\n      \
             TOKEN\ncontexts:\n- {name: x, context: {cluster: c, user: u, namespace: t}}\n---\nkind: Secret\n"
                .into(),
            Seen(HOLDER),
        ),
        row(
            "of equal keys the last counts",
            config(CLUSTER, "token: wrong, token: TOKEN"),
            Seen(HOLDER),
        ),
    ]);
}

#[test]
fn clusters() {
    let user = "token: TOKEN";
    // Nobody resolves this name but the proxies.
    let proxied = |proxy: &str| {
        let cluster = "server: 'https://kubernetes.example', certificate-authority: ca.crt, proxy-url: ";
        config(&format!("{cluster}'{proxy}'"), user)
    };
    compare(&[
        row(
            "certificate-authority-data",
            config("server: SERVER, certificate-authority-data: CA-DATA", user),
            Seen(HOLDER),
        ),
        row(
            "tls-server-name",
            config(
                "server: SERVER-BY-NAME, certificate-authority: ca.crt, tls-server-name: kubernetes.example",
                user,
            ),
            Seen(HOLDER),
        ),
        row(
            "insecure-skip-tls-verify",
            config("server: SERVER-BY-NAME, insecure-skip-tls-verify: yes", user),
            Seen(HOLDER),
        ),
        row(
            "an IPv6 address",
            config("server: 'SERVER6', certificate-authority: ca.crt", user),
            Seen(HOLDER),
        ),
        row(
            "a path, as Rancher has it",
            config("server: SERVER-PREFIXED, certificate-authority: ca.crt", user),
            Seen(HOLDER),
        ),
        row(
            "a path with a slash at its end",
            config("server: SERVER-PREFIXED/, certificate-authority: ca.crt", user),
            Seen(HOLDER),
        ),
        row("proxy-url: http", proxied("PROXY-HTTP"), Seen(HOLDER)),
        row("proxy-url: http, with a login", proxied("PROXY-LOGIN"), Seen(HOLDER)),
        row(
            "proxy-url: https, by the cluster's authority",
            proxied("PROXY-TLS"),
            Seen(HOLDER),
        ),
        row("proxy-url: socks5", proxied("PROXY-SOCKS"), Seen(HOLDER)),
        row(
            "proxy-url: '' is none",
            config("server: SERVER, certificate-authority: ca.crt, proxy-url: ''", user),
            Seen(HOLDER),
        ),
        row(
            "http, and nobody in particular: `kubectl proxy`",
            config("server: SERVER-PLAIN", ""),
            Seen("proxy GET /api/v1/namespaces/t/secrets"),
        ),
    ]);
}

#[test]
fn users() {
    let with = |user: &str| config(CLUSTER, user);
    compare(&[
        row("tokenFile", with("tokenFile: tokens/t"), Seen(HOLDER)).file("tokens/t", "TOKEN\n"),
        row(
            "tokenFile before token",
            with("token: wrong, tokenFile: t"),
            Seen(HOLDER),
        )
        .file("t", "TOKEN"),
        row(
            "token when the tokenFile is missing",
            with("token: TOKEN, tokenFile: nowhere"),
            Seen(HOLDER),
        ),
        row(
            "username and password",
            with("username: bob, password: 'a pass:word'"),
            Seen("bob GET /api/v1/namespaces/t/secrets"),
        ),
        row(
            "client certificate and key: files, PKCS#8",
            with("client-certificate: u.crt, client-key: u.key"),
            Seen(CERTIFIED),
        )
        .file("u.crt", "CERT-PEM")
        .file("u.key", "KEY-PEM"),
        row(
            "client certificate and key: data, SEC1",
            with("client-certificate-data: CERT-DATA, client-key-data: SEC1-DATA"),
            Seen(CERTIFIED),
        ),
        row(
            "client certificate and key: data, PKCS#1",
            with("client-certificate-data: RSA-CERT-DATA, client-key-data: RSA-PKCS1-DATA"),
            Seen(CERTIFIED),
        ),
        row(
            "client certificate and key: file and data, RSA in PKCS#8",
            with("client-certificate: u.crt, client-key-data: RSA-PKCS8-DATA"),
            Seen(CERTIFIED),
        )
        .file("u.crt", "RSA-CERT-PEM"),
        row(
            "a client certificate and a token: the server takes the certificate",
            with("client-certificate-data: CERT-DATA, client-key-data: KEY-DATA, token: TOKEN"),
            Seen(CERTIFIED),
        ),
        row(
            "a key without a certificate is not looked at",
            with("client-key: nowhere, token: TOKEN"),
            Seen(HOLDER),
        ),
    ]);
}

#[test]
fn impersonation() {
    let with = |user: &str| config(CLUSTER, user);
    compare(&[
        row(
            "as",
            with("token: POWER, as: jane"),
            Seen("jane GET /api/v1/namespaces/t/secrets"),
        ),
        row(
            "as-groups, as-uid, as-user-extra",
            with(
                "token: POWER, as: jane, as-uid: '7', as-groups: [team, b], as-user-extra: {Scopes/x: [view, 'e d'], dn: [c]}",
            ),
            Seen("jane[team,b]#7{dn=c}{scopes/x=view}{scopes/x=e d} GET /api/v1/namespaces/t/secrets"),
        ),
        row(
            "--as",
            with("token: POWER"),
            Seen("jane GET /api/v1/namespaces/t/secrets"),
        )
        .args(&["--as", "jane"]),
        row(
            "--as and --as-group, which may come more than once",
            with("token: POWER"),
            Seen("nobody[team,b] GET /api/v1/namespaces/t/secrets"),
        )
        .args(&["--as", "nobody", "--as-group", "team", "--as-group=b"]),
        row(
            "--as before as; as-groups stay",
            with("token: POWER, as: jane, as-groups: [team]"),
            Seen("nobody[team] GET /api/v1/namespaces/t/secrets"),
        )
        .args(&["--as", "nobody"]),
        row(
            "--as-group before as-groups",
            with("token: POWER, as: nobody, as-groups: [b]"),
            Seen("nobody[team] GET /api/v1/namespaces/t/secrets"),
        )
        .args(&["--as-group", "team"]),
        row(
            "by client certificate",
            with("client-certificate-data: ADMIN-DATA, client-key-data: KEY-DATA, as: jane"),
            Seen("jane GET /api/v1/namespaces/t/secrets"),
        ),
    ]);
}
