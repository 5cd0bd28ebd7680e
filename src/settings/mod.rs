//! What is meant: the arguments and the environment, checked and put together.

mod aws;
mod kube;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use log::LevelFilter;

pub use self::aws::Aws;
use crate::aws::{Endpoints, Region, ambient};
use crate::cli::{Command, ForeignKeys, Retire, Typed};
use crate::error::{Fault, one_line};
use crate::http::{Connection, Limits, certificates_from_pem};
use crate::kube::{Access, Namespace, Scope};
use crate::{ecr_update, rotate};

/// The variables that are read here.
const OWN: &[&str] = &[
    "NAMESPACE",
    "KUBECONFIG",
    "HOME",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_ECR",
    "AWS_ENDPOINT_URL_ECR_PUBLIC",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_CA_BUNDLE",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "POD_UID",
    "POD_NAME",
    "RUST_LOG",
];

/// The variables that are read, and no others.
pub fn variables() -> impl Iterator<Item = &'static str> {
    OWN.iter().chain(ambient::NAMES).copied()
}

/// How long one request may take when nothing is said.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a new key may take to be accepted when nothing is said.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a lock holds without a sign of life when nothing is said.
const LOCK_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a run of `rotate` may take when nothing is said.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// AWS's answers are a few kilobytes.
const AWS_BODY: u64 = 1024 * 1024;
/// A page of 500 Secrets of some size; one Secret has at most 1 MiB of data.
const KUBE_BODY: u64 = 64 * 1024 * 1024;

/// All that a run needs.
#[derive(Debug)]
pub struct Settings {
    /// What to do.
    pub job: Job,
    /// Which API server.
    pub access: Access,
    /// Where AWS is.
    pub endpoints: Endpoints,
    /// How to get to AWS.
    pub aws_connection: Connection,
    /// Where credentials of this machine come from; nothing was asked yet.
    pub ambient: ambient::Sources,
    /// Limits for a request to AWS.
    pub aws_limits: Limits,
    /// Limits for a request to the API server.
    pub kube_limits: Limits,
    /// What is logged.
    pub log_level: LevelFilter,
}

/// What to do, and with what.
#[derive(Debug)]
pub enum Job {
    /// Replace access keys.
    Rotate(rotate::Settings),
    /// Refresh image-pull logins.
    EcrUpdate(ecr_update::Settings),
    /// The one, then the other.
    All(rotate::Settings, ecr_update::Settings),
}

/// Something that cannot be meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    fault: Fault,
    text: String,
}

impl Error {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

fn usage(text: impl Into<String>) -> Error {
    Error {
        fault: Fault::Usage,
        text: text.into(),
    }
}

fn configuration(text: impl Into<String>) -> Error {
    Error {
        fault: Fault::Configuration,
        text: text.into(),
    }
}

/// The environment: those of [`variables`] that are set.
pub type Environment = BTreeMap<&'static str, String>;

/// The value of a variable that is set to something.
type Set<'e> = dyn Fn(&str) -> Option<&'e str> + 'e;

/// An empty variable counts as not set, as it does for the AWS SDKs.
fn set_in<'e>(environment: &'e Environment) -> impl Fn(&str) -> Option<&'e str> {
    |name: &str| {
        environment
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }
}

impl Settings {
    /// Puts together what was typed and what the environment says.
    ///
    /// # Errors
    ///
    /// What cannot be meant is named, with what was expected.
    pub fn resolve(typed: &Typed, environment: &Environment) -> Result<Settings, Error> {
        let set = set_in(environment);
        let access = kube::access(typed, &set)?;
        let scope = scope(typed, environment.get("NAMESPACE"), &access)?;
        let Aws {
            endpoints,
            connection,
            region,
            sources,
        } = Aws::resolve(environment, None, None)?;
        let ecr_update = ecr_update::Settings {
            scope: scope.clone(),
            region: region.clone(),
            renew_within: typed.renew_within,
            prune: typed.prune,
            propagation_timeout: typed.propagation_timeout.unwrap_or(PROPAGATION_TIMEOUT),
        };
        let rotate = rotate::Settings {
            scope,
            region: match region {
                Some(region) => region,
                // IAM is the partition's, so that a rotation needs no region; the older tool asked for none.
                None => Region::parse("us-east-1").map_err(|error| configuration(error.to_string()))?,
            },
            options: rotate_options(typed, &set),
        };
        let job = match typed.command.unwrap_or(Command::Rotate) {
            Command::Rotate => Job::Rotate(rotate),
            Command::EcrUpdate => Job::EcrUpdate(ecr_update),
            Command::All => Job::All(rotate, ecr_update),
        };
        let time = typed.request_timeout.unwrap_or(REQUEST_TIMEOUT);
        Ok(Settings {
            job,
            access,
            endpoints,
            aws_connection: connection,
            ambient: sources,
            aws_limits: Limits { time, body: AWS_BODY },
            log_level: set("RUST_LOG").map_or(Ok(LevelFilter::Info), log_level)?,
            kube_limits: Limits { time, body: KUBE_BODY },
        })
    }
}

fn rotate_options(typed: &Typed, set: &Set<'_>) -> rotate::Options {
    rotate::Options {
        propagation_timeout: typed.propagation_timeout.unwrap_or(PROPAGATION_TIMEOUT),
        request_timeout: typed.request_timeout.unwrap_or(REQUEST_TIMEOUT),
        lock_timeout: typed.lock_timeout.unwrap_or(LOCK_TIMEOUT),
        deadline: typed.deadline.unwrap_or(DEADLINE),
        retire: typed.retire.unwrap_or(Retire::Delete),
        grace_period: typed.grace_period.unwrap_or_default(),
        max_age: typed.max_age,
        foreign_keys: typed.foreign_keys.unwrap_or(ForeignKeys::Refuse),
        pod: set("POD_UID").or_else(|| set("POD_NAME")).map(one_line),
    }
}

fn log_level(text: &str) -> Result<LevelFilter, Error> {
    match text.parse() {
        Ok(LevelFilter::Off) | Err(_) => Err(configuration(format!(
            "`RUST_LOG` is `{}`; expected `error`, `warn`, `info`, `debug` or `trace`",
            one_line(text)
        ))),
        Ok(level) => Ok(level),
    }
}

fn scope(typed: &Typed, variable: Option<&String>, access: &Access) -> Result<Scope, Error> {
    match (&typed.namespace, typed.all_namespaces, variable) {
        (Some(_), true, _) => Err(usage(
            "`--namespace` and `--all-namespaces` contradict each other; give one of them",
        )),
        (Some(name), false, _) => Namespace::parse(name)
            .map(Scope::One)
            .map_err(|error| usage(format!("`--namespace`: {error}"))),
        (None, true, _) => Ok(Scope::All),
        (None, false, Some(name)) if name.is_empty() => Ok(Scope::All),
        (None, false, Some(name)) => Namespace::parse(name)
            .map(Scope::One)
            .map_err(|error| configuration(format!("`NAMESPACE`: {error}"))),
        (None, false, None) => access.namespace.clone().map(Scope::One).map_err(configuration),
    }
}

/// What is no URL is shown, unless it may hold a password.
fn no_url(setting: &str, text: &str, expected: &str) -> String {
    if text.contains('@') {
        return format!("`{setting}` holds a user name or a password, or is no URL; expected `{expected}`");
    }
    format!("`{setting}` is `{}`; expected `{expected}`", one_line(text))
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, Error> {
    let pem = std::fs::read(path).map_err(|error| unreadable(setting, path, &error))?;
    certificates_from_pem(&pem).map_err(|error| configuration(format!("{setting} names `{}`: {error}", path.display())))
}

fn unreadable(setting: &str, path: &Path, error: &std::io::Error) -> Error {
    configuration(format!(
        "{setting} names `{}`, which cannot be read: {error}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Roots;
    use crate::kube::{Credential, Impersonation};

    fn access_in(namespace: &str) -> Access {
        Access {
            server: "https://[::1]:6443".into(),
            connection: Connection::trusting(Roots::Only(Vec::new())),
            credential: Credential::None,
            impersonation: Impersonation::default(),
            namespace: Ok(Namespace::parse(namespace).unwrap()),
        }
    }

    fn typed(arguments: &[&str]) -> Typed {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        match crate::cli::parse(&arguments) {
            Ok(crate::cli::Parsed::Run(typed)) => *typed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_namespace_comes_from_the_flag_the_variable_or_the_pod() {
        let scope_of = |arguments: &[&str], variable: Option<&str>| {
            let variable = variable.map(str::to_owned);
            scope(&typed(arguments), variable.as_ref(), &access_in("pod")).map(|scope| scope.to_string())
        };
        assert_eq!(scope_of(&["-n", "a"], Some("b")).unwrap(), "namespace a");
        assert_eq!(scope_of(&["-A"], Some("b")).unwrap(), "all namespaces");
        assert_eq!(scope_of(&[], Some("b")).unwrap(), "namespace b");
        assert_eq!(scope_of(&[], Some("")).unwrap(), "all namespaces");
        assert_eq!(scope_of(&[], None).unwrap(), "namespace pod");
        assert!(scope_of(&["-A", "-n", "a"], None).is_err());
        assert!(scope_of(&["-n", "A_B"], None).is_err());
        assert!(scope_of(&[], Some("A_B")).is_err());
    }

    #[test]
    fn rotate_has_a_default_for_all_that_needs_one() {
        let nothing = rotate::Options {
            propagation_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(90),
            deadline: Duration::from_secs(900),
            retire: Retire::Delete,
            grace_period: Duration::ZERO,
            max_age: None,
            foreign_keys: ForeignKeys::Refuse,
            pod: None,
        };
        assert_eq!(rotate_options(&typed(&[]), &|_| None), nothing);
        let arguments = "--lock-timeout 1m --deadline 2m --retire deactivate --grace-period 7d --max-age 90d \
                         --foreign-keys delete";
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let all = rotate::Options {
            propagation_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(120),
            retire: Retire::Deactivate,
            grace_period: Duration::from_secs(7 * 86_400),
            max_age: Some(Duration::from_secs(90 * 86_400)),
            foreign_keys: ForeignKeys::Delete,
            pod: Some("rotate-1".into()),
        };
        let variable = |name: &str| (name == "POD_NAME").then_some("rotate-1");
        assert_eq!(rotate_options(&typed(&arguments), &variable), all);
    }

    #[test]
    fn a_pod_is_known_by_its_uid_before_its_name() {
        let pod_of = |uid: Option<&'static str>| {
            let variable = |name: &str| match name {
                "POD_UID" => uid,
                "POD_NAME" => Some("rotate-1"),
                _ => None,
            };
            rotate_options(&typed(&[]), &variable).pod
        };
        assert_eq!(pod_of(Some("2d2c9c4e")).as_deref(), Some("2d2c9c4e"));
        assert_eq!(pod_of(None).as_deref(), Some("rotate-1"));
    }
}
