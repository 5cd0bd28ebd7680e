//! Which API server, as the command line and the environment say it.

use std::path::Path;

use super::{Error, Set, certificates, configuration, no_url, unreadable, usage};
use crate::cli::Typed;
use crate::http::{Connection, Roots, base_url};
use crate::kube::{Access, Namespace, Token, in_cluster};

pub(super) fn access(typed: &Typed, set: &Set<'_>) -> Result<Access, Error> {
    let Some(server) = &typed.server else {
        for (name, given) in [
            ("--token-file", typed.token_file.is_some()),
            ("--certificate-authority", typed.certificate_authority.is_some()),
        ] {
            if given {
                return Err(usage(format!("`{name}` goes with `--server`; give both or neither")));
            }
        }
        let (host, port) = (set("KUBERNETES_SERVICE_HOST"), set("KUBERNETES_SERVICE_PORT"));
        return in_cluster::access(host, port, Path::new(in_cluster::SERVICE_ACCOUNT))
            .map_err(|error| configuration(error.to_string()));
    };
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
        token: Token::File(token.clone()),
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
