//! Access from inside a pod: the service account that the kubelet mounts, and the two variables that it sets.

use std::fmt;
use std::path::{Path, PathBuf};

use super::access::{Access, Credential, Impersonation, Namespace};
use crate::http::{Connection, Roots, certificates_from_pem};

/// Where the kubelet mounts the service account.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Why this pod's service account is of no use.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// This is no pod.
    NotInCluster {
        /// That there is no kubeconfig either, in words.
        no_kubeconfig: String,
    },
    /// `KUBERNETES_SERVICE_PORT` is no port.
    Port(String),
    /// A file is missing or cannot be used.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotInCluster { no_kubeconfig } => write!(
                f,
                "no Kubernetes API server: {no_kubeconfig}, and this is no pod (`KUBERNETES_SERVICE_HOST` and \
                 `KUBERNETES_SERVICE_PORT` are not both set); pass `--kubeconfig`, or `--server` and `--token-file`",
            ),
            Error::Port(port) => write!(f, "`KUBERNETES_SERVICE_PORT` is `{port}`; expected a port number"),
            Error::File { path, why } => write!(
                f,
                "the pod's service account is of no use: `{}`: {why}; is `automountServiceAccountToken` off?",
                path.display()
            ),
        }
    }
}

/// Access by the service account in `directory`; `host` and `port` are the values of `KUBERNETES_SERVICE_HOST` and
/// `KUBERNETES_SERVICE_PORT`, `no_kubeconfig` says that no kubeconfig was found.
///
/// # Errors
///
/// When this is no pod, or its service account is broken: that is never passed over for another source.
pub fn access(
    host: Option<&str>,
    port: Option<&str>,
    directory: &Path,
    no_kubeconfig: impl FnOnce() -> String,
) -> Result<Access, Error> {
    let (Some(host), Some(port)) = (host.filter(|h| !h.is_empty()), port.filter(|p| !p.is_empty())) else {
        return Err(Error::NotInCluster {
            no_kubeconfig: no_kubeconfig(),
        });
    };
    if port.parse::<u16>().is_err() {
        return Err(Error::Port(crate::error::one_line(port)));
    }
    let file = |name: &str| directory.join(name);
    let read = |name: &str| {
        std::fs::read(file(name)).map_err(|error| Error::File {
            path: file(name),
            why: error.to_string(),
        })
    };
    let authority = read("ca.crt")?;
    let authority = certificates_from_pem(&authority).map_err(|error| Error::File {
        path: file("ca.crt"),
        why: error.to_string(),
    })?;
    let namespace = namespace(directory).map_err(|error| format!("{error}, or pass `--namespace`"));
    read("token")?;
    // An IPv6 address stands in brackets in a URL.
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    Ok(Access {
        server: format!("https://{host}:{port}"),
        connection: Connection::trusting(Roots::Only(authority)),
        credential: Credential::TokenFile {
            path: file("token"),
            otherwise: None,
        },
        impersonation: Impersonation::default(),
        namespace,
    })
}

/// The namespace of the pod whose service account is in `directory`.
///
/// # Errors
///
/// When the file is missing or says something else.
pub fn namespace(directory: &Path) -> Result<Namespace, Error> {
    let path = directory.join("namespace");
    let error = |why: String| Error::File {
        path: path.clone(),
        why,
    };
    let text = std::fs::read(&path).map_err(|failure| error(failure.to_string()))?;
    Namespace::parse(String::from_utf8_lossy(&text).trim()).map_err(|failure| error(failure.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> &'static Path {
        Path::new("/nonexistent/serviceaccount")
    }

    #[test]
    fn both_variables_make_a_pod() {
        for (host, port) in [
            (None, None),
            (Some("10.0.0.1"), None),
            (None, Some("443")),
            (Some(""), Some("443")),
        ] {
            let no_kubeconfig = String::from("`KUBECONFIG` and `HOME` are not set");
            let error = access(host, port, none(), || no_kubeconfig.clone()).unwrap_err();
            assert_eq!(error, Error::NotInCluster { no_kubeconfig });
        }
        assert_eq!(
            access(Some("10.0.0.1"), Some("https"), none(), String::new).unwrap_err(),
            Error::Port("https".into())
        );
    }

    #[test]
    fn a_broken_service_account_is_an_error() {
        let error = access(Some("fd00::1"), Some("443"), none(), String::new).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the pod's service account is of no use: `/nonexistent/serviceaccount/ca.crt`: No such file or directory \
             (os error 2); is `automountServiceAccountToken` off?"
        );
    }
}
