//! The `exec` of a user: a program that issues credentials.

use std::path::{Path, PathBuf};

use super::fields::{FieldError, Fields, meant_from};
use crate::error::one_line;
use crate::kube::exec;
use crate::sensitive::Sensitive;

/// The outer error is the file's: a field of the wrong type. The inner one is this user's: a field that is missing, or says
/// what cannot be meant.
pub(super) fn read(fields: &Fields<'_>, directory: &Path) -> Result<Result<exec::Plugin, FieldError>, FieldError> {
    let command = fields.text("command")?;
    let version = fields.text("apiVersion")?;
    let interactive = fields.text("interactiveMode")?;
    let mut environment = Vec::new();
    for variable in fields.maps("env")? {
        let (name, value) = (variable.text("name")?, variable.text("value")?);
        environment.push((
            variable,
            name.unwrap_or_default(),
            Sensitive::new(value.unwrap_or_default()),
        ));
    }
    let (arguments, install_hint) = (fields.texts("args")?, fields.text("installHint")?);
    let provide_cluster_info = fields.flag("provideClusterInfo")?;
    let checked = || {
        let version = checked_version(fields, version.as_deref())?;
        Ok(exec::Plugin {
            command: checked_command(fields, command.as_deref(), directory)?,
            arguments: checked_arguments(fields, arguments)?,
            environment: environment
                .into_iter()
                .map(checked_variable)
                .collect::<Result<_, _>>()?,
            version,
            provide_cluster_info,
            interactive: checked_interactive(fields, interactive.as_deref(), version)?,
            install_hint,
        })
    };
    Ok(checked())
}

/// One without a slash is looked up in `PATH`.
fn checked_command(fields: &Fields<'_>, command: Option<&str>, directory: &Path) -> Result<PathBuf, FieldError> {
    match command {
        None => Err(fields.error("command", "is missing")),
        Some(command) if command.contains('\0') => Err(fields.error("command", "holds a zero byte")),
        Some(command) if command.contains('/') => Ok(meant_from(directory, command)),
        Some(command) => Ok(PathBuf::from(command)),
    }
}

fn checked_arguments(fields: &Fields<'_>, arguments: Vec<String>) -> Result<Vec<String>, FieldError> {
    if arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(fields.error("args", "holds a zero byte"));
    }
    Ok(arguments)
}

fn checked_variable(
    (fields, name, value): (Fields<'_>, String, Sensitive<String>),
) -> Result<(String, Sensitive<String>), FieldError> {
    if name.is_empty() {
        Err(fields.error("name", "is missing"))
    } else if name.contains(['=', '\0']) {
        Err(fields.error("name", "is no name of a variable"))
    } else if value.expose().contains('\0') {
        Err(fields.error("value", "holds a zero byte"))
    } else {
        Ok((name, value))
    }
}

fn checked_version(fields: &Fields<'_>, version: Option<&str>) -> Result<exec::Version, FieldError> {
    let expected = format!("expected `{}` or `{}`", exec::Version::V1, exec::Version::V1Beta1);
    match version {
        None => Err(fields.error("apiVersion", format!("is missing; {expected}"))),
        Some(text) => exec::Version::parse(text).ok_or_else(|| {
            let found = one_line(text);
            fields.error("apiVersion", format!("is `{found}`; {expected}"))
        }),
    }
}

/// The older version did without.
fn checked_interactive(
    fields: &Fields<'_>,
    mode: Option<&str>,
    version: exec::Version,
) -> Result<exec::Interactive, FieldError> {
    let expected = "expected `Never`, `IfAvailable` or `Always`";
    match (mode, version) {
        (Some("Never"), _) => Ok(exec::Interactive::Never),
        (Some("IfAvailable"), _) | (None, exec::Version::V1Beta1) => Ok(exec::Interactive::IfAvailable),
        (Some("Always"), _) => Ok(exec::Interactive::Always),
        (Some(found), _) => {
            let found = one_line(found);
            Err(fields.error("interactiveMode", format!("is `{found}`; {expected}")))
        }
        (None, exec::Version::V1) => Err(fields.error("interactiveMode", format!("is missing; {expected}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::kube::kubeconfig::Config;

    #[test]
    fn a_plugin_that_cannot_be_called_matters_only_to_its_user() {
        for (text, expected) in [
            (
                "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}}}]",
                "`users[0].user.exec.command` is missing",
            ),
            (
                "users: [{name: u, user: {exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}}}]",
                "`users[0].user.exec.apiVersion` is `client.authentication.k8s.io/v1alpha1`; expected \
                 `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`",
            ),
            (
                "users: [{name: u, user: {exec: {command: x, apiVersion: client.authentication.k8s.io/v1}}}]",
                "`users[0].user.exec.interactiveMode` is missing; expected `Never`, `IfAvailable` or `Always`",
            ),
            (
                "users: [{name: u, user: {exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1, env: [{value: x}]}}}]",
                "`users[0].user.exec.env[0].name` is missing",
            ),
        ] {
            let config = Config::parse(text, Path::new("/")).unwrap();
            let error = config.users["u"].exec.clone().unwrap().unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }
}
