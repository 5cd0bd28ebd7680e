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
}

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Command, String> {
        match text {
            "rotate" => Ok(Command::Rotate),
            "ecr-update" => Ok(Command::EcrUpdate),
            _ => Err("expected `rotate` or `ecr-update`".into()),
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
    \u{a0} ecr-update        put a fresh ECR login into every Secret with the label aws-ecr-updater=true",
    example = "In a pod, for the pod's own namespace:\n\
    {command_name} rotate\n\
    \n\
    From outside, for all namespaces:\n\
    {command_name} ecr-update -A --server https://10.0.0.1:6443 --token-file token --certificate-authority ca.crt",
    note = "Environment:\n\
    NAMESPACE                    namespace when --namespace is not given; empty means all\n\
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
    /// rotate (default) or ecr-update
    #[argh(positional)]
    pub command: Option<Command>,

    /// the namespace to look at; default: NAMESPACE, else the pod's own, else `default`
    #[argh(option, short = 'n')]
    pub namespace: Option<String>,

    /// look at all namespaces
    #[argh(switch, short = 'A')]
    pub all_namespaces: bool,

    /// address of the Kubernetes API server, https://host:port; default: that of the cluster this pod runs in
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

    /// print the version
    #[argh(switch)]
    pub version: bool,
}

/// The longest time-out that makes sense; it also keeps every sum of times far from overflowing.
const LONGEST: Duration = Duration::from_secs(86_400);

fn duration(text: &str) -> Result<Duration, String> {
    match crate::duration::parse(text) {
        Some(length) if !length.is_zero() && length <= LONGEST => Ok(length),
        Some(_) => Err("expected more than nothing and at most `1d`".into()),
        None => Err(crate::duration::EXPECTED.into()),
    }
}

/// What the arguments come to.
#[derive(Debug, PartialEq)]
pub enum Parsed {
    /// The program is to be run like this.
    Run(Typed),
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
        Ok(typed) => Ok(Parsed::Run(typed)),
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
            Ok(Parsed::Run(typed)) => typed,
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
}
