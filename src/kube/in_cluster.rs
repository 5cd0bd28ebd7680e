//! Access from inside a pod: the service account that the kubelet mounts, and the two variables that it sets.

use std::fmt;
use std::path::{Path, PathBuf};

use super::access::{Access, Namespace, Token};
use crate::http::{Connection, Roots, certificates_from_pem};

/// Where the kubelet mounts the service account.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Why this pod's service account is of no use.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// This is no pod.
    NotInCluster,
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
            Error::NotInCluster => f.write_str(
                "no Kubernetes API server: not in a pod (`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are not \
                 both set); pass `--server` and `--token-file`",
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
/// `KUBERNETES_SERVICE_PORT`.
///
/// # Errors
///
/// When this is no pod, or its service account is broken: that is never passed over for another source.
pub fn access(host: Option<&str>, port: Option<&str>, directory: &Path) -> Result<Access, Error> {
    let (Some(host), Some(port)) = (host.filter(|h| !h.is_empty()), port.filter(|p| !p.is_empty())) else {
        return Err(Error::NotInCluster);
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
    let namespace = read("namespace").and_then(|text| {
        Namespace::parse(String::from_utf8_lossy(&text).trim()).map_err(|error| Error::File {
            path: file("namespace"),
            why: error.to_string(),
        })
    });
    let namespace = namespace.map_err(|error| format!("{error}, or pass `--namespace`"));
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
        token: Token::File(file("token")),
        namespace,
    })
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
            assert_eq!(access(host, port, none()).unwrap_err(), Error::NotInCluster);
        }
        assert_eq!(
            access(Some("10.0.0.1"), Some("https"), none()).unwrap_err(),
            Error::Port("https".into())
        );
    }

    #[test]
    fn a_broken_service_account_is_an_error() {
        let error = access(Some("fd00::1"), Some("443"), none()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the pod's service account is of no use: `/nonexistent/serviceaccount/ca.crt`: No such file or directory \
             (os error 2); is `automountServiceAccountToken` off?"
        );
    }
}
