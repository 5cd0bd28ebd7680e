//! One kubeconfig file: what it says, each thing under its name. The fields are those of `k8s.io/client-go/tools/clientcmd/api/v1`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zeroize::Zeroize;

use super::fields::{FieldError, Fields};
use super::{plugin, yaml};
use crate::kube::access::Impersonation;
use crate::kube::exec;
use crate::sensitive::Sensitive;

/// A kubeconfig, from one file or merged from several.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The context that counts when none is named.
    pub current_context: Option<String>,
    /// By name.
    pub contexts: BTreeMap<String, Context>,
    /// By name.
    pub clusters: BTreeMap<String, Cluster>,
    /// By name.
    pub users: BTreeMap<String, User>,
}

/// Who works at which cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The name of the cluster.
    pub cluster: Option<String>,
    /// The name of the user.
    pub user: Option<String>,
    /// The namespace that is meant when none is named.
    pub namespace: Option<String>,
}

/// An API server and how to get to it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its URL.
    pub server: Option<String>,
    /// The file of the authorities to trust.
    pub certificate_authority: Option<PathBuf>,
    /// The authorities to trust themselves, PEM.
    pub certificate_authority_data: Option<Vec<u8>>,
    /// The name that its certificate must be for, where that is not the URL's host.
    pub tls_server_name: Option<String>,
    /// Whoever answers is taken for it.
    pub insecure_skip_tls_verify: bool,
    /// The proxy on the way to it. It may hold a password.
    pub proxy_url: Option<Sensitive<String>>,
    /// Only handed on to exec plugins: this program never asks for compression.
    pub disable_compression: bool,
    /// What the cluster has to say to exec plugins (the extension `client.authentication.k8s.io/exec`).
    pub exec_config: Option<Value>,
}

/// Somebody's credentials. What is to come of them when there are several is decided in `resolve`.
#[derive(Clone, Debug)]
pub struct User {
    /// A bearer token.
    pub token: Option<Sensitive<String>>,
    /// A file with a bearer token.
    pub token_file: Option<PathBuf>,
    /// A file with a client certificate.
    pub client_certificate: Option<PathBuf>,
    /// The client certificate itself, PEM.
    pub client_certificate_data: Option<Vec<u8>>,
    /// A file with the client certificate's key.
    pub client_key: Option<PathBuf>,
    /// The key itself, PEM.
    pub client_key_data: Option<Sensitive<Vec<u8>>>,
    /// For basic authentication.
    pub username: Option<String>,
    /// For basic authentication.
    pub password: Option<Sensitive<String>>,
    /// As whom to act.
    pub impersonation: Impersonation,
    /// The name of a provider of the kind that client-go no longer has, but for one.
    pub auth_provider: Option<String>,
    /// A program that issues credentials, or why it cannot be called: that matters only to who needs this user.
    pub exec: Option<Result<exec::Plugin, FieldError>>,
}

/// A file that is no kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub(super) String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Error {
        Error(error.to_string())
    }
}

impl Config {
    /// Reads a kubeconfig, YAML or JSON. Relative paths in it are meant from `directory`, the one that it lies in.
    ///
    /// # Errors
    ///
    /// What is no YAML, another kind of document, a field of the wrong type, two things of one kind with the same name.
    pub fn parse(text: &str, directory: &Path) -> Result<Config, Error> {
        let value = Wiped(yaml::parse(text).map_err(|error| Error(error.to_string()))?);
        let file = Fields::of_file(&value.0)?;
        for (name, expected) in [("apiVersion", "v1"), ("kind", "Config")] {
            if let Some(found) = file.text(name)?.filter(|found| found != expected) {
                let found = crate::error::one_line(&found);
                return Err(file.error(name, format!("is `{found}`; expected `{expected}`")).into());
            }
        }
        Ok(Config {
            current_context: file.text("current-context")?,
            contexts: named(&file, "contexts", "context", context)?,
            clusters: named(&file, "clusters", "cluster", |fields| cluster(fields, directory))?,
            users: named(&file, "users", "user", |fields| user(fields, directory))?,
        })
    }

    /// Nothing is in it: as good as no file.
    pub fn is_empty(&self) -> bool {
        self.current_context.is_none() && self.contexts.is_empty() && self.clusters.is_empty() && self.users.is_empty()
    }
}

/// The content of a file, in which secrets stand anywhere.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        fn wipe(value: &mut Value) {
            match value {
                Value::String(text) => text.zeroize(),
                Value::Array(items) => items.iter_mut().for_each(wipe),
                Value::Object(map) => map.values_mut().for_each(wipe),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        wipe(&mut self.0);
    }
}

/// A list of `{name: …, KIND: {…}}`. client-go refuses a name that comes twice.
fn named<T>(
    file: &Fields<'_>,
    list: &str,
    kind: &str,
    read: impl Fn(&Fields<'_>) -> Result<T, FieldError>,
) -> Result<BTreeMap<String, T>, FieldError> {
    let mut all = BTreeMap::new();
    for item in file.maps(list)? {
        let name = item.text("name")?.unwrap_or_default();
        let thing = read(&item.map(kind)?)?;
        if all.contains_key(&name) {
            let name = crate::error::one_line(&name);
            return Err(item.error("name", format!("is `{name}`, which is there twice")));
        }
        all.insert(name, thing);
    }
    Ok(all)
}

fn context(fields: &Fields<'_>) -> Result<Context, FieldError> {
    Ok(Context {
        cluster: fields.text("cluster")?,
        user: fields.text("user")?,
        namespace: fields.text("namespace")?,
    })
}

fn cluster(fields: &Fields<'_>, directory: &Path) -> Result<Cluster, FieldError> {
    let mut exec_config = None;
    for extension in fields.maps("extensions")? {
        if extension.text("name")?.as_deref() == Some("client.authentication.k8s.io/exec") {
            exec_config = extension.value("extension").cloned();
        }
    }
    Ok(Cluster {
        server: fields.text("server")?,
        certificate_authority: fields.path("certificate-authority", directory)?,
        certificate_authority_data: fields.data("certificate-authority-data")?,
        tls_server_name: fields.text("tls-server-name")?,
        insecure_skip_tls_verify: fields.flag("insecure-skip-tls-verify")?,
        proxy_url: fields.text("proxy-url")?.map(Sensitive::new),
        disable_compression: fields.flag("disable-compression")?,
        exec_config,
    })
}

fn user(fields: &Fields<'_>, directory: &Path) -> Result<User, FieldError> {
    let mut extra = Vec::new();
    let all = fields.map("as-user-extra")?;
    for name in all.names() {
        extra.extend(all.texts(name)?.into_iter().map(|value| (name.to_owned(), value)));
    }
    let auth_provider = match fields.value("auth-provider") {
        None => None,
        Some(_) => Some(fields.map("auth-provider")?.text("name")?.unwrap_or_default()),
    };
    let exec = match fields.value("exec") {
        None => None,
        Some(_) => Some(plugin::read(&fields.map("exec")?, directory)?),
    };
    Ok(User {
        token: fields.text("token")?.map(Sensitive::new),
        token_file: fields.path("tokenFile", directory)?,
        client_certificate: fields.path("client-certificate", directory)?,
        client_certificate_data: fields.data("client-certificate-data")?,
        client_key: fields.path("client-key", directory)?,
        client_key_data: fields.data("client-key-data")?.map(Sensitive::new),
        username: fields.text("username")?,
        password: fields.text("password")?.map(Sensitive::new),
        impersonation: Impersonation {
            user: fields.text("as")?,
            uid: fields.text("as-uid")?,
            groups: fields.texts("as-groups")?,
            extra,
        },
        auth_provider,
        exec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/home/u/.kube")).map_err(|error| error.to_string())
    }

    #[test]
    fn paths_are_meant_from_the_file() {
        let config = parse(
            "clusters: [{name: c, cluster: {certificate-authority: ca.crt}}]\n\
             users:\n\
             - {name: u, user: {tokenFile: ../t, client-key: /k, exec: {command: ./x, apiVersion: client.authentication.k8s.io/v1beta1}}}\n\
             - {name: v, user: {exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}}}\n",
        )
        .unwrap();
        let path = |path: &Option<PathBuf>| path.as_ref().unwrap().display().to_string();
        assert_eq!(
            path(&config.clusters["c"].certificate_authority),
            "/home/u/.kube/ca.crt"
        );
        let user = &config.users["u"];
        assert_eq!(path(&user.token_file), "/home/u/t");
        assert_eq!(path(&user.client_key), "/k");
        assert_eq!(
            user.exec.as_ref().unwrap().as_ref().unwrap().command,
            Path::new("/home/u/.kube/x")
        );
        assert_eq!(
            config.users["v"].exec.as_ref().unwrap().as_ref().unwrap().command,
            Path::new("x")
        );
    }

    #[test]
    fn what_is_empty_is_not_there() {
        for text in [
            "",
            "\n",
            "# nothing\n",
            "---\n",
            "null",
            "{}",
            "apiVersion: v1\nkind: Config\nclusters: null\nusers: []\ncurrent-context: ''\n",
        ] {
            assert!(parse(text).unwrap().is_empty(), "{text:?}");
        }
        let user = parse("users: [{name: u, user: {token: '', password: null, tokenFile: }}]")
            .unwrap()
            .users["u"]
            .clone();
        assert!(user.token.is_none() && user.password.is_none() && user.token_file.is_none());
    }

    #[test]
    fn what_is_no_kubeconfig_is_told_with_the_field() {
        for (text, expected) in [
            ("text", "it is a text; expected a map"),
            ("[]", "it is a list; expected a map"),
            ("kind: Secret", "`kind` is `Secret`; expected `Config`"),
            ("apiVersion: v2", "`apiVersion` is `v2`; expected `v1`"),
            ("current-context: 5", "`current-context` is a number; expected a text"),
            (
                "current-context: on",
                "`current-context` is `true` or `false`; expected a text",
            ),
            ("clusters: {c: {}}", "`clusters` is a map; expected a list"),
            ("clusters: [x]", "`clusters[0]` is a text; expected a map"),
            (
                "clusters: [{name: c}, {name: c}]",
                "`clusters[1].name` is `c`, which is there twice",
            ),
            (
                "clusters: [{name: c, cluster: {insecure-skip-tls-verify: 'true'}}]",
                "`clusters[0].cluster.insecure-skip-tls-verify` is a text; expected `true` or `false`",
            ),
            (
                "clusters: [{name: c, cluster: {certificate-authority-data: '!'}}]",
                "`clusters[0].cluster.certificate-authority-data` is no base64",
            ),
            (
                "users: [{name: u, user: {}}, {name: v, user: {token: 1234567890123456789012}}]",
                "`users[1].user.token` is a number; expected a text",
            ),
            (
                "users: [{name: u, user: {as-user-extra: {a: b}}}]",
                "`users[0].user.as-user-extra.a` is a text; expected a list",
            ),
            (
                "users: [{name: u, user: {exec: {command: x, apiVersion: client.authentication.k8s.io/v1, args: [1]}}}]",
                "`users[0].user.exec.args[0]` is a number; expected a text",
            ),
        ] {
            assert_eq!(parse(text).map(|_| ()), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn no_secret_shows_in_debug() {
        let config = parse(
            "users: [{name: u, user: {token: hunter2, password: hunter2, client-key-data: aHVudGVyMg==, exec: {command: x, \
             apiVersion: client.authentication.k8s.io/v1beta1, env: [{name: A, value: hunter2}]}}}]\n\
             clusters: [{name: c, cluster: {proxy-url: 'http://u:hunter2@h'}}]",
        )
        .unwrap();
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("104, 117, 110"),
            "{shown}"
        );
    }
}
