//! Calls a plugin.

use std::io::{self, ErrorKind, IsTerminal};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::wait::wait;
use super::{Cluster, EksToken, Error, Interactive, Issued, NativeToken, Plugin, Problem, eks, info, reply};
use crate::error::one_line;

/// How long a plugin may take that asks nobody. The lock of a rotation would not wait longer.
const LIMIT: Duration = Duration::from_secs(60);

/// What `plugin` issues for `cluster`. Where the program is missing and its tokens can be made without it, `native` makes
/// one.
///
/// # Errors
///
/// When nothing was issued that can be used.
pub(in crate::kube) fn issue(plugin: &Plugin, cluster: &Cluster, native: &NativeToken) -> Result<Issued, Error> {
    let error = |problem| Error {
        command: plugin.command.clone(),
        problem,
    };
    let terminal = io::stdin().is_terminal();
    let interactive = match plugin.interactive {
        Interactive::Never => false,
        Interactive::IfAvailable => terminal,
        Interactive::Always if terminal => true,
        Interactive::Always => return Err(error(Problem::NoTerminal)),
    };
    let info = info::exec_info(
        plugin.version,
        interactive,
        plugin.provide_cluster_info.then_some(cluster),
    );
    let mut command = Command::new(&plugin.command);
    command
        .args(&plugin.arguments)
        .envs(plugin.environment.iter().map(|(name, value)| (name, value.expose())))
        .env("KUBERNETES_EXEC_INFO", info.expose())
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(failure) if failure.kind() == ErrorKind::NotFound => {
            return match eks::recognise(plugin) {
                Some(wanted) => issue_natively(wanted, native).map_err(|why| error(Problem::Native(why))),
                None => Err(error(Problem::NotFound {
                    // Hints are written in several lines, and the address is in the last.
                    hint: plugin.install_hint.as_deref().map(|hint| {
                        let words: Vec<&str> = hint.split_whitespace().collect();
                        one_line(&words.join(" "))
                    }),
                })),
            };
        }
        Err(failure) => return Err(error(Problem::NotStarted(failure.to_string()))),
    };
    log::debug!("calling the exec plugin `{}`", plugin.command.display());
    let limit = (!interactive).then_some(LIMIT);
    let stdout = wait(child, limit, |line| {
        // A person that is to answer must see what is asked.
        if interactive {
            log::warn!("{} says: {line}", plugin.command.display());
        }
    });
    let stdout = stdout.map_err(error)?;
    reply::parse(stdout.expose(), plugin.version).map_err(|why| error(Problem::Answer(why)))
}

fn issue_natively(wanted: Result<EksToken, String>, native: &NativeToken) -> Result<Issued, String> {
    let wanted = wanted?;
    log::debug!("making a token for the EKS cluster `{}`", one_line(&wanted.cluster));
    let issued = native(&wanted)?;
    Ok(Issued {
        token: Some(issued.token),
        identity: None,
        expires_at: Some(issued.expires_at),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::kube::exec::{IssuedToken, Version};
    use crate::sensitive::Sensitive;

    /// What is issued when the program of an entry for EKS is missing.
    fn without_program(arguments: &[&str], native: &NativeToken) -> Result<Issued, String> {
        let plugin = Plugin {
            command: PathBuf::from("/nonexistent/aws"),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: vec![("AWS_PROFILE".into(), Sensitive::new("p".into()))],
            version: Version::V1Beta1,
            provide_cluster_info: false,
            interactive: Interactive::Never,
            install_hint: Some("install it".into()),
        };
        issue(&plugin, &Cluster::default(), native).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_for_eks_needs_no_program() {
        let expires_at = time::OffsetDateTime::UNIX_EPOCH;
        let native = move |wanted: &EksToken| {
            assert_eq!(
                (wanted.cluster.as_str(), wanted.region.as_deref()),
                ("c", Some("eu-west-1"))
            );
            assert_eq!(wanted.environment, [("AWS_PROFILE".to_owned(), "p".to_owned())]);
            let token = Sensitive::new("k8s-aws-v1.x".to_owned());
            Ok(IssuedToken { token, expires_at })
        };
        let issued = without_program(
            &["eks", "get-token", "--cluster-name", "c", "--region", "eu-west-1"],
            &native,
        )
        .unwrap();
        assert_eq!(issued.token, Some(Sensitive::new("k8s-aws-v1.x".to_owned())));
        assert_eq!(issued.expires_at, Some(expires_at));
    }

    #[test]
    fn a_token_for_eks_that_cannot_be_made_says_why() {
        assert_eq!(
            without_program(&["eks", "get-token", "--cluster-name", "c"], &|_| Err(
                "no credentials".into()
            ))
            .unwrap_err(),
            "no token for EKS could be made in place of `/nonexistent/aws`, which is not installed: no credentials"
        );
        assert_eq!(
            without_program(&["sts", "get-caller-identity"], &|_| panic!("not asked for")).unwrap_err(),
            "the exec plugin `/nonexistent/aws` is not there: install it"
        );
    }
}
