//! The command line, as typed.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use argh::FromArgs;

/// The program's name, as usage and version show it.
pub const NAME: &str = "aws-iam-credential-rotate";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Replace access keys.
    Rotate,
    /// Refresh image-pull logins.
    EcrUpdate,
    /// The one, then the other.
    All,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Command, String> {
        match text {
            "rotate" => Ok(Command::Rotate),
            "ecr-update" => Ok(Command::EcrUpdate),
            "all" => Ok(Command::All),
            _ => Err("expected `rotate`, `ecr-update` or `all`".into()),
        }
    }
}

/// What becomes of a key that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// It is deleted.
    Delete,
    /// It is deactivated, and deleted one run later: until then it can be brought back to life.
    Deactivate,
}

impl FromStr for Retire {
    type Err = String;

    fn from_str(text: &str) -> Result<Retire, String> {
        match text {
            "delete" => Ok(Retire::Delete),
            "deactivate" => Ok(Retire::Deactivate),
            _ => Err("expected `delete` or `deactivate`".into()),
        }
    }
}

/// What to do about a key of the user that no Secret and no record knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKeys {
    /// Nothing, and nothing for its user: it is reported.
    Refuse,
    /// Delete it if it is inactive; else as [`ForeignKeys::Refuse`].
    DeleteInactive,
    /// Delete it.
    Delete,
}

impl FromStr for ForeignKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<ForeignKeys, String> {
        match text {
            "refuse" => Ok(ForeignKeys::Refuse),
            "delete-inactive" => Ok(ForeignKeys::DeleteInactive),
            "delete" => Ok(ForeignKeys::Delete),
            _ => Err("expected `refuse`, `delete-inactive` or `delete`".into()),
        }
    }
}

/// The arguments, checked one by one but not against each other.
#[derive(Debug, FromArgs, PartialEq)]
#[argh(
    description = "Rotates the IAM access keys held in Kubernetes Secrets, and refreshes ECR image-pull logins.\n\
    \n\
    Commands:\n\
    \u{a0} rotate            replace the key pair in every Secret with the label aws-rotate-key=true:\n\
    \u{a0}                   create a key, wait until AWS accepts it, write it to the Secret, delete\n\
    \u{a0}                   the old one. This is what is done when no command is given.\n\
    \u{a0} ecr-update        put a fresh ECR login into every Secret with the label aws-ecr-updater=true\n\
    \u{a0} all               rotate, then ecr-update; logins that were made with a key which is replaced\n\
    \u{a0}                   are made anew before that key goes",
    example = "In a pod, for the pod's own namespace:\n\
    {command_name} rotate\n\
    \n\
    From outside, for all namespaces:\n\
    {command_name} ecr-update -A --context production",
    note = "Environment:\n\
    NAMESPACE                    namespace when --namespace is not given; empty means all\n\
    KUBECONFIG                   kubeconfig files with : between them; default: ~/.kube/config\n\
    AWS_REGION                   region when an annotation names none (also AWS_DEFAULT_REGION)\n\
    AWS_ENDPOINT_URL             endpoint for all AWS services; _IAM, _STS and _ECR appended: for one\n\
    AWS_CA_BUNDLE                file of certificate authorities to trust for AWS beside the public ones\n\
    RUST_LOG                     error, warn, info (default), debug or trace",
    error_code(0, "all is well"),
    error_code(
        1,
        "at least one Secret failed, or the Secrets could not be listed; the log names each"
    ),
    error_code(2, "wrong usage or configuration; nothing was done")
)]
pub struct Typed {
    /// rotate (default), ecr-update or all
    #[argh(positional)]
    pub command: Option<Command>,

    /// the namespace to look at; default: NAMESPACE, else the context's, else the pod's own, else `default`
    #[argh(option, short = 'n')]
    pub namespace: Option<String>,

    /// look at all namespaces
    #[argh(switch, short = 'A')]
    pub all_namespaces: bool,

    /// kubeconfig file; default: KUBECONFIG, else ~/.kube/config, else the cluster this pod runs in
    #[argh(option)]
    pub kubeconfig: Option<PathBuf>,

    /// the context of the kubeconfig; default: its current one
    #[argh(option)]
    pub context: Option<String>,

    /// user to act as, for which the right `impersonate` is needed
    #[argh(option, long = "as")]
    pub r#as: Option<String>,

    /// group to act as, with --as; may be given more than once
    #[argh(option)]
    pub as_group: Vec<String>,

    /// address of the Kubernetes API server, https://host:port, in place of a kubeconfig
    #[argh(option)]
    pub server: Option<String>,

    /// file with the bearer token for --server; it is read again for every request
    #[argh(option)]
    pub token_file: Option<PathBuf>,

    /// file with the certificate authorities to trust for --server; default: the public ones
    #[argh(option)]
    pub certificate_authority: Option<PathBuf>,

    /// how long a new key may take to be accepted before it is deleted again, such as 2m (default) or 90s
    #[argh(option, from_str_fn(duration))]
    pub propagation_timeout: Option<Duration>,

    /// how long one request may take, such as 30s (default)
    #[argh(option, from_str_fn(duration))]
    pub request_timeout: Option<Duration>,

    /// rotate: how long after its last sign of life a run keeps others from its users, such as 90s (default)
    #[argh(option, from_str_fn(lock_timeout))]
    pub lock_timeout: Option<Duration>,

    /// rotate: how long the whole run may take, such as 15m (default)
    #[argh(option, from_str_fn(duration))]
    pub deadline: Option<Duration>,

    /// rotate: what becomes of a replaced key: delete (default), or deactivate and delete one run later
    #[argh(option)]
    pub retire: Option<Retire>,

    /// rotate: how long a replaced key goes on working, such as 7d; a later run retires it; default: 0s, not at all
    #[argh(option, from_str_fn(grace_period))]
    pub grace_period: Option<Duration>,

    /// rotate: leave keys alone that are younger, such as 90d; default: replace all
    #[argh(option, from_str_fn(max_age))]
    pub max_age: Option<Duration>,

    /// rotate: what to do about a key that no Secret and no record knows: refuse (default) to rotate, delete-inactive or
    /// delete
    #[argh(option)]
    pub foreign_keys: Option<ForeignKeys>,

    /// ecr-update: write only logins that end within this time, such as 6h, or are not what is wanted; default: all
    #[argh(option, from_str_fn(renew_within))]
    pub renew_within: Option<Duration>,

    /// ecr-update: delete copies of Secrets in namespaces that are not wanted any more; default: report them
    #[argh(switch)]
    pub prune: bool,

    /// print the version
    #[argh(switch)]
    pub version: bool,
}

/// The longest time-out that makes sense; it also keeps every sum of times far from overflowing.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A third of it is what a create gets, and must be more than AWS needs to answer.
const SHORTEST_LOCK: Duration = Duration::from_secs(3);

/// The longest life of a key that makes sense: ten years.
const LONGEST_LIFE: Duration = Duration::from_secs(3650 * 86_400);

/// How long a login to ECR lasts, by its API reference.
const LONGEST_LOGIN: Duration = Duration::from_secs(12 * 3600);

/// A length of time that fits, else what is expected.
fn length(text: &str, fits: fn(Duration) -> bool, expected: &str) -> Result<Duration, String> {
    match crate::duration::parse(text) {
        Some(length) if fits(length) => Ok(length),
        Some(_) => Err(expected.into()),
        None => Err(crate::duration::EXPECTED.into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    length(
        text,
        |length| !length.is_zero() && length <= LONGEST,
        "expected more than nothing and at most `1d`",
    )
}

fn lock_timeout(text: &str) -> Result<Duration, String> {
    length(
        text,
        |length| (SHORTEST_LOCK..=LONGEST).contains(&length),
        "expected at least `3s` and at most `1d`",
    )
}

/// How long a replaced key may stay, as an option or an annotation says it.
///
/// # Errors
///
/// What is expected instead.
pub(crate) fn grace_period(text: &str) -> Result<Duration, String> {
    length(text, |length| length <= LONGEST_LIFE, "expected at most `3650d`")
}

/// How old a key is when it is replaced, as an option or an annotation says it. Not zero: one reader takes that for "replace
/// all", another for "no limit".
///
/// # Errors
///
/// What is expected instead.
pub(crate) fn max_age(text: &str) -> Result<Duration, String> {
    length(
        text,
        |length| !length.is_zero() && length <= LONGEST_LIFE,
        "expected more than nothing and at most `3650d`",
    )
}

/// How much of a login's life is left when it is replaced, as an option or an annotation says it. No login lasts longer than 12
/// hours, so that more would mean something else than what is written.
///
/// # Errors
///
/// What is expected instead.
pub(crate) fn renew_within(text: &str) -> Result<Duration, String> {
    length(
        text,
        |length| !length.is_zero() && length <= LONGEST_LOGIN,
        "expected more than nothing and at most `12h`",
    )
}

/// What the arguments come to.
#[derive(Debug, PartialEq)]
pub enum Parsed {
    /// The program is to be run like this.
    Run(Box<Typed>),
    /// This is to be printed, and that is all.
    Print(String),
}

/// Reads the arguments, without the program's own name.
///
/// # Errors
///
/// A message for wrong usage.
pub fn parse(arguments: &[String]) -> Result<Parsed, String> {
    // argh takes `--name value` alone; people type `--name=value` just as often.
    let arguments: Vec<&str> = arguments
        .iter()
        .flat_map(|argument| match argument.split_once('=') {
            _ if argument == "-h" => vec!["--help"],
            _ if argument == "-V" => vec!["--version"],
            Some((name, value)) if name.starts_with('-') => vec![name, value],
            _ => vec![argument.as_str()],
        })
        .collect();
    match Typed::from_args(&[NAME], &arguments) {
        Ok(typed) if typed.version => Ok(Parsed::Print(format!("{NAME} {}\n", env!("CARGO_PKG_VERSION")))),
        Ok(typed) => Ok(Parsed::Run(Box::new(typed))),
        Err(argh::EarlyExit { output, status: Ok(()) }) => Ok(Parsed::Print(output)),
        Err(argh::EarlyExit {
            output,
            status: Err(()),
        }) => Err(format!("{}\nRun `{NAME} --help` for usage.", output.trim_end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Typed {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        match parse(&arguments) {
            Ok(Parsed::Run(typed)) => *typed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_stand_before_and_behind_the_command_with_and_without_an_equals_sign() {
        let expected = run(&["ecr-update", "-n", "team", "--request-timeout", "5s"]);
        assert_eq!(expected.command, Some(Command::EcrUpdate));
        for other in [
            &["-n", "team", "ecr-update", "--request-timeout=5s"][..],
            &["--namespace=team", "--request-timeout", "5s", "ecr-update"],
            &["-n=team", "--request-timeout=5s", "ecr-update"],
        ] {
            assert_eq!(run(other), expected, "{other:?}");
        }
        assert_eq!(run(&[]).command, None);
    }

    #[test]
    fn the_options_of_rotate() {
        let typed = run(&[
            "--lock-timeout=3s",
            "--deadline=1h",
            "--retire=deactivate",
            "--grace-period=0s",
            "--max-age=3650d",
            "--foreign-keys=delete-inactive",
        ]);
        assert_eq!(typed.lock_timeout, Some(Duration::from_secs(3)));
        assert_eq!(typed.deadline, Some(Duration::from_secs(3_600)));
        assert_eq!(typed.retire, Some(Retire::Deactivate));
        assert_eq!(typed.grace_period, Some(Duration::ZERO));
        assert_eq!(typed.max_age, Some(Duration::from_secs(3650 * 86_400)));
        assert_eq!(typed.foreign_keys, Some(ForeignKeys::DeleteInactive));
        assert_eq!(run(&["--retire", "delete"]).retire, Some(Retire::Delete));
        assert_eq!(
            run(&["--foreign-keys", "refuse"]).foreign_keys,
            Some(ForeignKeys::Refuse)
        );
        assert_eq!(
            run(&["--foreign-keys", "delete"]).foreign_keys,
            Some(ForeignKeys::Delete)
        );
    }

    #[test]
    fn what_an_option_of_rotate_cannot_be() {
        for (option, values, expected) in [
            (
                "--lock-timeout",
                &["0s", "2s", "1d1s"][..],
                "expected at least `3s` and at most `1d`",
            ),
            (
                "--deadline",
                &["0s", "1d1s"],
                "expected more than nothing and at most `1d`",
            ),
            ("--grace-period", &["3650d1s"], "expected at most `3650d`"),
            (
                "--max-age",
                &["0d", "3650d1s"],
                "expected more than nothing and at most `3650d`",
            ),
            ("--retire", &["", "Delete", "keep"], "expected `delete` or `deactivate`"),
            (
                "--foreign-keys",
                &["", "yes"],
                "expected `refuse`, `delete-inactive` or `delete`",
            ),
            (
                "--renew-within",
                &["0s", "12h1s", "1d"],
                "expected more than nothing and at most `12h`",
            ),
            ("--lock-timeout", &["90"], crate::duration::EXPECTED),
            ("--deadline", &["15"], crate::duration::EXPECTED),
            ("--grace-period", &["0"], crate::duration::EXPECTED),
            ("--max-age", &["90 d"], crate::duration::EXPECTED),
        ] {
            for value in values {
                let message = format!(
                    "Error parsing option '{option}' with value '{value}': {expected}\nRun `{NAME} --help` for usage."
                );
                assert_eq!(parse(&[format!("{option}={value}")]), Err(message));
            }
        }
    }
}
