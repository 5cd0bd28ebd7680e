//! From a cluster and a user to the way to an API server.

use std::fs;
use std::path::Path;

use super::Error;
use super::file::{Cluster, User};
use super::select::Choice;
use crate::error::one_line;
use crate::http::{Connection, Identity, Proxy, ProxyAddress, Roots, base_url, certificates_from_pem};
use crate::kube::access::{Access, Credential, Impersonation, Namespace};
use crate::kube::exec;
use crate::sensitive::Sensitive;

/// The way to the API server of `choice`. `pod_namespace` is meant where the context names no namespace; `None` outside a
/// pod.
///
/// # Errors
///
/// What client-go refuses is refused here, and so is what would send credentials in the clear.
pub fn access(choice: &Choice<'_>, pod_namespace: Option<Namespace>) -> Result<Access, Error> {
    let (name, cluster) = choice.cluster;
    let in_cluster = |why: String| Error::Useless {
        kind: "cluster",
        name: one_line(name),
        why,
    };
    let server = server(cluster).map_err(in_cluster)?;
    let (mut connection, authority) = connection(cluster).map_err(in_cluster)?;
    let told = exec::Cluster {
        server: cluster.server.clone().unwrap_or_default(),
        tls_server_name: cluster.tls_server_name.clone(),
        insecure_skip_tls_verify: cluster.insecure_skip_tls_verify,
        certificate_authority_data: authority,
        proxy_url: cluster.proxy_url.clone(),
        disable_compression: cluster.disable_compression,
        config: cluster.exec_config.clone(),
    };
    let mut credential = Credential::None;
    let mut impersonation = Impersonation::default();
    let mut of_user = "";
    if let Some((name, user)) = choice.user {
        of_user = name;
        let of_user = |why: String| Error::Useless {
            kind: "user",
            name: one_line(name),
            why,
        };
        connection.identity = identity(user).map_err(of_user)?;
        credential = self::credential(user, connection.identity.is_some(), told).map_err(of_user)?;
        impersonation = user.impersonation.clone();
    }
    let has_credentials = connection.identity.is_some() || !matches!(credential, Credential::None);
    if has_credentials && server.starts_with("http://") {
        return Err(in_cluster(format!(
            "`server` is `{server}`, and credentials are never sent in the clear; expected `https://host:port`, or a user \
             without credentials"
        )));
    }
    if !has_credentials && server.starts_with("https://") {
        let (kind, name, why) = if of_user.is_empty() {
            ("cluster", name, "the context names no `user` for it")
        } else {
            ("user", of_user, "it has no credentials")
        };
        return Err(Error::Useless {
            kind,
            name: one_line(name),
            why: format!(
                "{why}; expected one with a token, a client certificate, a user name and a password, or `exec`"
            ),
        });
    }
    Ok(Access {
        server,
        connection,
        credential,
        impersonation,
        namespace: match (&choice.context.namespace, pod_namespace) {
            (Some(name), _) => Namespace::parse(name).map_err(|error| format!("the context's `namespace`: {error}")),
            (None, Some(namespace)) => Ok(namespace),
            (None, None) => Namespace::parse("default").map_err(|error| error.to_string()),
        },
    })
}

fn server(cluster: &Cluster) -> Result<String, String> {
    let Some(text) = &cluster.server else {
        return Err("it has no `server`".into());
    };
    base_url(text).ok_or_else(|| {
        if text.contains('@') {
            "`server` holds a user name or a password, or is no URL; expected `https://host:port`".into()
        } else {
            format!("`server` is `{}`; expected `https://host:port`", one_line(text))
        }
    })
}

/// How to connect, without the client's part, and the authorities as they were read.
fn connection(cluster: &Cluster) -> Result<(Connection, Option<Vec<u8>>), String> {
    let (name, authority) = match (&cluster.certificate_authority, &cluster.certificate_authority_data) {
        (Some(_), Some(_)) => {
            return Err(
                "it has both `certificate-authority` and `certificate-authority-data`; expected one of them".into(),
            );
        }
        (Some(path), None) => ("certificate-authority", Some(read("certificate-authority", path)?)),
        (None, data) => ("certificate-authority-data", data.clone()),
    };
    let roots = match (&authority, cluster.insecure_skip_tls_verify) {
        (Some(_), true) => {
            return Err(format!(
                "it has both `{name}` and `insecure-skip-tls-verify`; expected one of them"
            ));
        }
        (Some(pem), false) => Roots::Only(certificates_from_pem(pem).map_err(|error| format!("`{name}`: {error}"))?),
        (None, true) => Roots::Anybody,
        (None, false) => Roots::PublicAnd(Vec::new()),
    };
    let connection = Connection {
        server_name: cluster.tls_server_name.clone(),
        proxy: proxy(cluster)?,
        ..Connection::trusting(roots)
    };
    Ok((connection, authority))
}

/// Its URL is not shown: it may hold a password.
fn proxy(cluster: &Cluster) -> Result<Proxy, String> {
    match &cluster.proxy_url {
        None => Ok(Proxy::None),
        // It means the same as `socks5`, for names are resolved by the proxy either way; kubectl knows the other word alone.
        Some(url) if url.expose().to_ascii_lowercase().starts_with("socks5h:") => {
            Err("`proxy-url` is of the scheme `socks5h`; expected `http`, `https` or `socks5`".into())
        }
        Some(url) => ProxyAddress::parse(url.expose())
            .map(Proxy::One)
            .map_err(|error| format!("`proxy-url`: {error}")),
    }
}

fn identity(user: &User) -> Result<Option<Identity>, String> {
    let both = |name: &str| Err(format!("it has both `{name}` and `{name}-data`; expected one of them"));
    let certificate = match (&user.client_certificate, &user.client_certificate_data) {
        (Some(_), Some(_)) => return both("client-certificate"),
        (Some(path), None) => read("client-certificate", path)?,
        (None, Some(data)) => data.clone(),
        // A key alone is of no use to anybody; client-go does not look at it.
        (None, None) => return Ok(None),
    };
    let key = match (&user.client_key, &user.client_key_data) {
        (Some(_), Some(_)) => return both("client-key"),
        (Some(path), None) => Sensitive::new(read("client-key", path)?),
        (None, Some(data)) => data.clone(),
        (None, None) => {
            return Err(
                "it has a client certificate and no key for it; expected `client-key` or `client-key-data`".into(),
            );
        }
    };
    let identity = Identity::from_pem(&certificate, key.expose()).map_err(|error| error.to_string())?;
    Ok(Some(identity))
}

/// A plugin is called only for a user that has nothing else, as in client-go.
fn credential(user: &User, has_identity: bool, told: exec::Cluster) -> Result<Credential, String> {
    if let Some(provider) = &user.auth_provider {
        return Err(format!(
            "`auth-provider` (`{}`) is not understood, for Kubernetes has given it up; expected `exec`, which the provider's own \
             tools write today",
            one_line(provider)
        ));
    }
    let plugin = user.exec.clone().transpose().map_err(|error| error.to_string())?;
    let has_token = user.token.is_some();
    let has_basic = user.username.is_some() || user.password.is_some();
    if has_token && has_basic {
        return Err("it has both a token and `username` or `password`; expected one of them".into());
    }
    if let Some(token) = &user.token
        && !token.expose().bytes().all(|b| b.is_ascii_graphic())
    {
        return Err("`token` holds white space or other characters that no token has".into());
    }
    if let Some(path) = &user.token_file {
        if has_basic {
            return Err("it has both `tokenFile` and `username` or `password`; expected one of them".into());
        }
        if !has_token {
            read("tokenFile", path).map(Sensitive::new)?;
        }
        return Ok(Credential::TokenFile {
            path: path.clone(),
            otherwise: user.token.clone(),
        });
    }
    if let Some(token) = &user.token {
        return Ok(Credential::Token(token.clone()));
    }
    if let Some(username) = &user.username {
        return Ok(Credential::Basic {
            username: username.clone(),
            password: user.password.clone().unwrap_or(Sensitive::new(String::new())),
        });
    }
    Ok(match plugin.filter(|_| !has_identity) {
        Some(plugin) => Credential::Exec {
            plugin: Box::new(plugin),
            cluster: Box::new(told),
        },
        None => Credential::None,
    })
}

fn read(field: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("`{field}` names `{}`, which cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kubeconfig::Config;

    fn resolved(text: &str, pod_namespace: Option<&str>) -> Access {
        let config = Config::parse(text, Path::new("/nonexistent")).unwrap();
        let pod_namespace = pod_namespace.map(|name| Namespace::parse(name).unwrap());
        access(&config.choose(None).unwrap(), pod_namespace).unwrap()
    }

    /// As in client-go, whatever cluster the kubeconfig leads to.
    #[test]
    fn the_pods_namespace_is_meant_where_the_context_names_none() {
        let text = "current-context: x\nclusters: [{name: c, cluster: {server: 'https://h/'}}]\n\
            users: [{name: u, user: {token: t}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n";
        let named = text.replace("user: u}", "user: u, namespace: named}");
        for (text, pod, expected) in [
            (text, None, "default"),
            (text, Some("pod"), "pod"),
            (&named, Some("pod"), "named"),
        ] {
            let access = resolved(text, pod);
            assert_eq!(access.namespace.unwrap().to_string(), expected);
            assert_eq!(access.server, "https://h");
        }
    }
}
