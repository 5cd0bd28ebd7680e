//! Entries for EKS: what `aws eks get-token` and `aws-iam-authenticator token` are asked for, so that it can be done without
//! them.

use time::OffsetDateTime;

use super::Plugin;
use crate::sensitive::Sensitive;

/// A token for an EKS cluster, as an entry of a kubeconfig asks for it.
#[derive(Clone, PartialEq, Eq)]
pub struct EksToken {
    /// The cluster's name, or its id where it is a local one on Outposts.
    pub cluster: String,
    /// The region whose STS signs for it.
    pub region: Option<String>,
    /// The role to assume first.
    pub role_arn: Option<String>,
    /// The profile that the credentials are from.
    pub profile: Option<String>,
    /// The entry's own variables, which count before those that are inherited. They may hold secrets.
    pub environment: Vec<(String, String)>,
}

impl std::fmt::Debug for EksToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EksToken({:?} in {:?})", self.cluster, self.region)
    }
}

/// A token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The bearer token.
    pub token: Sensitive<String>,
    /// Until when it is good.
    pub expires_at: OffsetDateTime,
}

/// Makes a token for EKS, or says in a few words why it cannot.
pub type NativeToken = dyn Fn(&EksToken) -> Result<IssuedToken, String> + Send + Sync;

/// What an option is for.
#[derive(Clone, Copy)]
enum Meaning {
    Cluster,
    Region,
    Role,
    Profile,
    /// With a value, and without a meaning for the token.
    IgnoredValue,
    /// Without a value and without a meaning for the token.
    IgnoredSwitch,
    /// The AWS CLI's form of output; only JSON makes a credential.
    Output,
}

/// What an option of a program is for; `None` for one that is not understood.
type Options = fn(&str) -> Option<Meaning>;

/// What `plugin` asks for, when it is one of the programs that can be done without; an error names the argument that is not
/// understood and would make another token.
pub(super) fn recognise(plugin: &Plugin) -> Option<Result<EksToken, String>> {
    let program = plugin.command.file_name()?.to_str()?;
    let arguments: Vec<&str> = plugin.arguments.iter().map(String::as_str).collect();
    let (words, option): (&[&str], Options) = match program {
        "aws" => (&["eks", "get-token"], aws_option),
        "aws-iam-authenticator" => (&["token"], authenticator_option),
        _ => return None,
    };
    let mut token = EksToken {
        cluster: String::new(),
        region: None,
        role_arn: None,
        profile: None,
        environment: plugin
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().clone()))
            .collect(),
    };
    match read(&arguments, words, option, &mut token) {
        Ok(true) if token.cluster.is_empty() => Some(Err("its arguments name no cluster".into())),
        Ok(true) => Some(Ok(token)),
        // Another of its commands.
        Ok(false) => None,
        Err(why) => Some(Err(why)),
    }
}

/// `false` when the words that are no options are other words.
fn read(arguments: &[&str], words: &[&str], option: Options, token: &mut EksToken) -> Result<bool, String> {
    let mut found = Vec::new();
    let mut problem = None;
    let mut rest = arguments.iter().copied();
    while let Some(argument) = rest.next() {
        if !argument.starts_with('-') {
            found.push(argument);
            continue;
        }
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (argument, None),
        };
        let Some(kind) = option(name) else {
            let name = crate::error::one_line(name);
            problem.get_or_insert(format!("its argument `{name}` is not understood"));
            continue;
        };
        if let Meaning::IgnoredSwitch = kind {
            continue;
        }
        let Some(value) = joined.or_else(|| rest.next()) else {
            problem.get_or_insert(format!("its argument `{name}` has no value"));
            continue;
        };
        match kind {
            Meaning::Cluster => value.clone_into(&mut token.cluster),
            Meaning::Region => token.region = Some(value.to_owned()),
            Meaning::Role => token.role_arn = Some(value.to_owned()),
            Meaning::Profile => token.profile = Some(value.to_owned()),
            Meaning::Output if value != "json" => {
                problem.get_or_insert("its argument `--output` is not `json`".into());
            }
            Meaning::Output | Meaning::IgnoredValue | Meaning::IgnoredSwitch => {}
        }
    }
    if !words.iter().all(|word| found.contains(word)) {
        return Ok(false);
    }
    // The value of an option that is not understood looks like a word: the option is what is wrong.
    match problem {
        Some(problem) => Err(problem),
        None => Ok(found == words),
    }
}

/// The AWS CLI's own options and those of `eks get-token`. Not among them: what makes it ask somebody else
/// (`--endpoint-url`), sign otherwise (`--no-sign-request`) or print something else (`--query`).
fn aws_option(name: &str) -> Option<Meaning> {
    Some(match name {
        "--cluster-name" | "--cluster-id" => Meaning::Cluster,
        "--region" => Meaning::Region,
        "--role-arn" => Meaning::Role,
        "--profile" => Meaning::Profile,
        "--output" => Meaning::Output,
        "--color" | "--cli-read-timeout" | "--cli-connect-timeout" => Meaning::IgnoredValue,
        "--debug" | "--no-paginate" | "--no-cli-pager" | "--no-cli-auto-prompt" => Meaning::IgnoredSwitch,
        _ => return None,
    })
}

/// Not among them: `--session-name` and `--forward-session-name`, which clusters may map to users, `--external-id`, and
/// `--token-only`, which prints no credential.
fn authenticator_option(name: &str) -> Option<Meaning> {
    Some(match name {
        "--cluster-id" | "-i" => Meaning::Cluster,
        "--region" => Meaning::Region,
        "--role" | "-r" => Meaning::Role,
        "--log-format" | "-l" => Meaning::IgnoredValue,
        "--cache" => Meaning::IgnoredSwitch,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::kube::exec::{Interactive, Version};

    fn ask(command_line: &str) -> Option<Result<EksToken, String>> {
        let mut words = command_line.split_whitespace().map(str::to_owned);
        recognise(&Plugin {
            command: PathBuf::from(words.next().unwrap()),
            arguments: words.collect(),
            environment: vec![("AWS_PROFILE".into(), Sensitive::new("p".into()))],
            version: Version::V1Beta1,
            provide_cluster_info: false,
            interactive: Interactive::IfAvailable,
            install_hint: None,
        })
    }

    #[test]
    fn what_the_tools_write_into_kubeconfigs_is_understood() {
        let of = |cluster: &str, region: Option<&str>, role: Option<&str>, profile: Option<&str>| EksToken {
            cluster: cluster.into(),
            region: region.map(str::to_owned),
            role_arn: role.map(str::to_owned),
            profile: profile.map(str::to_owned),
            environment: vec![("AWS_PROFILE".into(), "p".into())],
        };
        let role = "arn:aws:iam::123456789012:role/admin";
        for (command_line, expected) in [
            // `aws eks update-kubeconfig`, with --role-arn.
            (
                format!("aws --region eu-west-1 eks get-token --cluster-name c --output json --role-arn {role}"),
                of("c", Some("eu-west-1"), Some(role), None),
            ),
            // eksctl.
            (
                "aws eks get-token --output json --cluster-name c --region us-gov-west-1".into(),
                of("c", Some("us-gov-west-1"), None, None),
            ),
            (
                "/usr/local/bin/aws eks get-token --cluster-id=0f1e --profile=q --no-cli-pager".into(),
                of("0f1e", None, None, Some("q")),
            ),
            ("aws-iam-authenticator token -i c".into(), of("c", None, None, None)),
            (
                format!("aws-iam-authenticator token --cluster-id c -r {role} --region cn-north-1 --cache"),
                of("c", Some("cn-north-1"), Some(role), None),
            ),
        ] {
            assert_eq!(ask(&command_line), Some(Ok(expected)), "{command_line}");
        }
    }

    #[test]
    fn what_would_make_another_token_is_named() {
        for (command_line, expected) in [
            ("aws eks get-token", "its arguments name no cluster"),
            (
                "aws eks get-token --cluster-name",
                "its argument `--cluster-name` has no value",
            ),
            (
                "aws eks get-token --cluster-name c --endpoint-url https://h",
                "its argument `--endpoint-url` is not understood",
            ),
            (
                "aws eks get-token --cluster-name c --output text",
                "its argument `--output` is not `json`",
            ),
            (
                "aws-iam-authenticator token -i c --session-name s",
                "its argument `--session-name` is not understood",
            ),
            (
                "aws-iam-authenticator token -i c --token-only",
                "its argument `--token-only` is not understood",
            ),
        ] {
            let found = ask(command_line);
            match found {
                Some(Err(why)) => assert_eq!(why, expected, "{command_line}"),
                other => panic!("{command_line}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_programs_and_other_commands_are_none_of_this() {
        for command_line in [
            "gke-gcloud-auth-plugin",
            "aws sts get-caller-identity",
            "aws-iam-authenticator verify -i c",
        ] {
            assert_eq!(ask(command_line), None, "{command_line}");
        }
    }
}
