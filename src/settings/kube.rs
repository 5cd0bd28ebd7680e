//! Which API server, as the command line and the environment say it.

use std::path::Path;

use super::{Error, Set, certificates, configuration, no_url, unreadable, usage};
use crate::cli::Typed;
use crate::http::{Connection, Roots, base_url};
use crate::kube::kubeconfig::{self, Sources};
use crate::kube::{Access, Credential, Impersonation, Namespace, in_cluster};

/// By `--server`, else by kubeconfig, else by the pod's service account: in this order, as kubectl does.
pub(super) fn access(typed: &Typed, set: &Set<'_>) -> Result<Access, Error> {
    let mut access = match &typed.server {
        Some(server) => by_flags(typed, server)?,
        None => without_server(typed, set)?,
    };
    impersonate(&mut access.impersonation, typed)?;
    Ok(access)
}

/// What is typed counts before what the kubeconfig's user says, each for itself.
fn impersonate(impersonation: &mut Impersonation, typed: &Typed) -> Result<(), Error> {
    for (option, values) in [("--as", typed.r#as.as_slice()), ("--as-group", &typed.as_group)] {
        if values
            .iter()
            .any(|value| value.is_empty() || value.contains(char::is_control))
        {
            return Err(usage(format!("`{option}` is empty, or holds what no name has")));
        }
    }
    if let Some(user) = &typed.r#as {
        impersonation.user = Some(user.clone());
    }
    if !typed.as_group.is_empty() {
        impersonation.groups.clone_from(&typed.as_group);
    }
    let of_a_name = |(_, value): &(String, String)| !value.contains(char::is_control);
    if !impersonation.headers().iter().all(of_a_name) {
        return Err(configuration(
            "the kubeconfig's user has a control character in `as`, `as-uid`, `as-groups` or `as-user-extra`",
        ));
    }
    if !impersonation.lacks_user() {
        return Ok(());
    }
    Err(if typed.as_group.is_empty() {
        configuration(
            "the kubeconfig's user has `as-uid`, `as-groups` or `as-user-extra` without `as`, the user to act as",
        )
    } else {
        usage("`--as-group` needs `--as`, the user to act as")
    })
}

fn without_server(typed: &Typed, set: &Set<'_>) -> Result<Access, Error> {
    for (name, given) in [
        ("--token-file", typed.token_file.is_some()),
        ("--certificate-authority", typed.certificate_authority.is_some()),
    ] {
        if given {
            return Err(usage(format!("`{name}` goes with `--server`; give both or neither")));
        }
    }
    let sources = Sources {
        named: typed.kubeconfig.as_deref(),
        variable: set("KUBECONFIG"),
        home: set("HOME"),
    };
    let config = sources.load().map_err(|error| configuration(error.to_string()))?;
    let service_account = Path::new(in_cluster::SERVICE_ACCOUNT);
    let (host, port) = (set("KUBERNETES_SERVICE_HOST"), set("KUBERNETES_SERVICE_PORT"));
    match (config, &typed.context) {
        (Some(config), context) => {
            let broken = |error: kubeconfig::Error| configuration(error.to_string());
            let choice = config.choose(context.as_deref()).map_err(broken)?;
            // As kubectl does: a pod's own namespace is meant in a pod, whichever cluster is.
            let in_pod = host.is_some() && port.is_some();
            let pod_namespace = in_pod.then(|| in_cluster::namespace(service_account).ok()).flatten();
            kubeconfig::access(&choice, pod_namespace).map_err(broken)
        }
        (None, Some(_)) => Err(usage(format!(
            "`--context` goes with a kubeconfig, and {}",
            sources.nothing()
        ))),
        (None, None) => in_cluster::access(host, port, service_account, || sources.nothing())
            .map_err(|error| configuration(error.to_string())),
    }
}

fn by_flags(typed: &Typed, server: &str) -> Result<Access, Error> {
    for (name, given) in [
        ("--kubeconfig", typed.kubeconfig.is_some()),
        ("--context", typed.context.is_some()),
    ] {
        if given {
            return Err(usage(format!(
                "`{name}` and `--server` contradict each other: each says which API server; give one of them"
            )));
        }
    }
    let Some(server) = base_url(server) else {
        return Err(usage(no_url("--server", server, "https://host:port")));
    };
    if !server.starts_with("https://") {
        let text = "`; expected `https://host:port`, for a bearer token is never sent in the clear";
        return Err(usage(format!("`--server` is `{server}{text}")));
    }
    let Some(token) = &typed.token_file else {
        return Err(usage(
            "`--server` needs `--token-file`, a file with a bearer token for it",
        ));
    };
    std::fs::metadata(token).map_err(|error| no_token_file(token, &error))?;
    let roots = match &typed.certificate_authority {
        None => Roots::PublicAnd(Vec::new()),
        Some(path) => Roots::Only(certificates("`--certificate-authority`", path)?),
    };
    let namespace = Namespace::parse("default").map_err(|error| error.to_string());
    Ok(Access {
        server,
        connection: Connection::trusting(roots),
        credential: Credential::TokenFile {
            path: token.clone(),
            otherwise: None,
        },
        impersonation: Impersonation::default(),
        namespace,
    })
}

/// What is no file is shown, unless it may be the token itself.
fn no_token_file(path: &Path, error: &std::io::Error) -> Error {
    let text = path.to_string_lossy();
    if text.starts_with("eyJ") || (text.len() >= 20 && !text.contains('/')) {
        return usage("`--token-file` is no file; expected the name of a file with the token, not the token itself");
    }
    unreadable("`--token-file`", path, error)
}
