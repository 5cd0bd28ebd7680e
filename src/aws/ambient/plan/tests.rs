use super::*;
use crate::sensitive::Sensitive;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// The source that counts: how it is called, and what it is, in short.
fn planned(variables: &[(&str, &str)], config: &str, credentials: &str, chosen: Chosen) -> String {
    let set = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
    let (config, credentials) = (Sensitive::new(config.into()), Sensitive::new(credentials.into()));
    let plan = Plan {
        variables: &Variables::from(set),
        profiles: &Profiles::parse(Some(("config", &config)), Some(("credentials", &credentials))).unwrap(),
        chosen: &chosen,
    };
    match plan.source() {
        Ok(None) => "none".into(),
        Ok(Some(source)) => told(&source),
        Err(error) => error.to_string(),
    }
}

fn told(source: &Source) -> String {
    let kind = match &source.kind {
        Kind::Known(credentials) => format!("{}", credentials.pair.id),
        Kind::WebIdentity { token_file, role } => format!("{} by token {token_file}", role.arn),
        Kind::Role { role, from } => format!("{} by {}", role.arn, told(from)),
        Kind::Process(command) => command.join(" "),
        Kind::Container(_) | Kind::Metadata(_) => "asked".into(),
    };
    format!("{}: {kind}", source.origin)
}

fn by_default(variables: &[(&str, &str)], config: &str, credentials: &str) -> String {
    planned(variables, config, credentials, Chosen::Default)
}

fn keys(id: &str) -> String {
    format!("aws_access_key_id={id}\naws_secret_access_key=s\n")
}

#[test]
fn the_first_source_that_is_there_counts() {
    let environment = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", "s")];
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", ROLE)];
    let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c")];
    let all: Vec<_> = [&environment[..], &web, &container].concat();
    let config = format!(
        "[default]\ncredential_process=/bin/p x\n{}",
        keys("AKIACONFIG7EXAMPLE00")
    );
    let credentials = format!("[default]\n{}", keys("AKIACREDENTIALS70000"));
    assert_eq!(
        by_default(&all, &config, &credentials),
        format!("the environment: {ID}")
    );
    let rest = &all[2..];
    assert_eq!(
        by_default(rest, &config, &credentials),
        format!("`AWS_WEB_IDENTITY_TOKEN_FILE`: {ROLE} by token /t")
    );
    assert_eq!(
        by_default(&container, &config, &credentials),
        "profile `default`: AKIACREDENTIALS70000"
    );
    assert_eq!(by_default(&container, &config, ""), "profile `default`: /bin/p x");
    assert_eq!(
        by_default(&container, &config.replace("credential_process", "x"), ""),
        "profile `default`: AKIACONFIG7EXAMPLE00"
    );
    assert_eq!(
        by_default(&container, "", ""),
        "the container's endpoint at `http://169.254.170.2`: asked"
    );
    assert_eq!(
        by_default(&[], "", ""),
        "the instance's metadata service at `http://169.254.169.254`: asked"
    );
    assert_eq!(by_default(&[("AWS_EC2_METADATA_DISABLED", "True")], "", ""), "none");
}

#[test]
fn a_profile_with_a_role_comes_before_web_identity() {
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:other")];
    let config = format!(
        "[default]\nrole_arn={ROLE}\nsource_profile=a\n[profile a]\n{}",
        keys(ID)
    );
    assert_eq!(
        by_default(&web, &config, ""),
        format!("profile `default`: {ROLE} by profile `a`: {ID}")
    );
}

#[test]
fn a_profile_that_an_argument_names_comes_before_the_environment() {
    let environment = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", "s")];
    let credentials = format!("[x]\n{}", keys("AKIACREDENTIALS70000"));
    let planned = |chosen| planned(&environment, "", &credentials, chosen);
    assert_eq!(planned(Chosen::Variable("x".into())), format!("the environment: {ID}"));
    assert_eq!(
        planned(Chosen::Argument("x".into())),
        "profile `x`: AKIACREDENTIALS70000"
    );
}

#[test]
fn roles_are_taken_one_after_the_other() {
    let config = format!(
        "[default]\nrole_arn=arn:1\nsource_profile=b\n[profile b]\nrole_arn=arn:2\nsource_profile=c\n[profile c]\n\
         role_arn=arn:3\nweb_identity_token_file=/t\n[profile self]\nrole_arn=arn:4\nsource_profile=self\n{}",
        keys(ID)
    );
    assert_eq!(
        by_default(&[], &config, ""),
        "profile `default`: arn:1 by profile `b`: arn:2 by profile `c`: arn:3 by token /t"
    );
    assert_eq!(
        planned(&[], &config, "", Chosen::Variable("self".into())),
        format!("profile `self`: arn:4 by profile `self`: {ID}")
    );
    let sourced = "[default]\nrole_arn=arn:1\ncredential_source=";
    let environment = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(
        planned(
            &environment,
            &format!("{sourced}Environment").replace("default", "profile x"),
            "",
            Chosen::Argument("x".into())
        ),
        format!("profile `x`: arn:1 by the environment: {ID}")
    );
    assert_eq!(
        by_default(&[], &format!("{sourced}Ec2InstanceMetadata"), ""),
        "profile `default`: arn:1 by the instance's metadata service at `http://169.254.169.254`: asked"
    );
}

#[test]
fn a_source_that_is_broken_is_never_passed_over() {
    for (variables, config, says) in [
        (
            &[("AWS_ACCESS_KEY_ID", ID)][..],
            "",
            "the environment: `AWS_ACCESS_KEY_ID` is set and `AWS_SECRET_ACCESS_KEY` is not; set both or neither",
        ),
        (
            &[("AWS_ACCESS_KEY_ID", "my secret"), ("AWS_SECRET_ACCESS_KEY", "s")],
            "",
            "the environment: `AWS_ACCESS_KEY_ID` is no access key id; expected 16 to 128 capital letters and digits",
        ),
        (
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")],
            "",
            "`AWS_WEB_IDENTITY_TOKEN_FILE`: a web identity token needs a role; set `AWS_ROLE_ARN`, or `role_arn` in the profile",
        ),
        (
            &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "c")],
            "",
            "the container's endpoint: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` is `c`; expected a path that begins with `/`",
        ),
        (
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/c")],
            "",
            "the container's endpoint: `AWS_CONTAINER_CREDENTIALS_FULL_URI` names the host `example.com` without TLS; expected \
             `https`, or one of 169.254.170.2, 169.254.170.23, fd00:ec2::23, localhost or a loopback address",
        ),
        (
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "x")],
            "",
            "the instance's metadata service: `AWS_EC2_METADATA_SERVICE_ENDPOINT` is no URL; expected `http://host:port`",
        ),
        (
            &[],
            "aws_access_key_id=AKIAIOSFODNN7EXAMPLE",
            "profile `default`: it has `aws_access_key_id` and no `aws_secret_access_key` in the same file",
        ),
        (
            &[],
            "aws_access_key_id=x\naws_secret_access_key=s",
            "profile `default`: `aws_access_key_id` is no access key id; expected 16 to 128 capital letters and digits",
        ),
        (
            &[],
            "role_arn=r",
            "profile `default`: it has `role_arn` and says not with whose credentials; add `source_profile` or \
             `credential_source`",
        ),
        (
            &[],
            "role_arn=r\nsource_profile=a\ncredential_source=Environment",
            "profile `default`: it has both `source_profile` and `credential_source`; remove one of them",
        ),
        (
            &[],
            "role_arn=r\nsource_profile=a",
            "profile `default`: `source_profile` is `a`, and there is no such profile",
        ),
        (
            &[],
            "role_arn=r\nsource_profile=default",
            "profile `default`: `source_profile` leads back to where it began: `default`, then `default`; one of them needs keys",
        ),
        (
            &[],
            "role_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\nsource_profile=default",
            "profile `b`: `source_profile` leads back to where it began: `default`, then `b`, then `default`; one of them needs \
             keys",
        ),
        (
            &[],
            "role_arn=r\nsource_profile=b\n[profile b]\nregion=eu-west-1",
            "profile `default`: `source_profile` is `b`, which has no credentials",
        ),
        (
            &[],
            "role_arn=r\ncredential_source=Nowhere",
            "profile `default`: `credential_source` is `Nowhere`; expected `Environment`, `EcsContainer` or \
             `Ec2InstanceMetadata`",
        ),
        (
            &[],
            "role_arn=r\ncredential_source=EcsContainer",
            "profile `default`: `credential_source` is `EcsContainer`, and there are no credentials",
        ),
        (
            &[],
            "role_arn=r\ncredential_source=Ec2InstanceMetadata\nduration_seconds=1h",
            "profile `default`: `duration_seconds` is no whole number",
        ),
        (
            &[],
            "role_arn=r\nsource_profile=a\nmfa_serial=arn",
            "profile `default`: `mfa_serial` asks for a code that nobody is here to type; use a role without it",
        ),
        (
            &[],
            "sso_session=s\nsso_account_id=1",
            "profile `default`: it signs in by IAM Identity Center (`sso_account_id`), which this program does not do; let \
             `credential_process = aws configure export-credentials --profile NAME` do it in a profile of its own",
        ),
        (
            &[],
            "credential_process=/bin/x 'a",
            "profile `default`: `credential_process` has a quote that is not closed, or ends in a backslash",
        ),
    ] {
        let config = format!("[default]\n{config}\n");
        assert_eq!(by_default(variables, &config, ""), format!("credentials from {says}"));
    }
}
