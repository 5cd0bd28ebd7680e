//! A source of credentials that is there but broken: never passed over for the next one, and told to the letter.

use super::ambient::{ROLE, keys, program, with_files, world};
use crate::support::aws::{Metadata, error_xml};
use crate::support::program::{Program, World};
use crate::support::script::Fault;
use crate::support::server::Reply;

/// A run that gets no login: why, with the stand-ins' addresses and the folder of files struck out.
fn refused(world: &World, program: Program) -> String {
    let run = world.check(program);
    let log = run.log(world);
    assert_eq!(run.code, Some(1), "{log:?}");
    assert!(world.cloud.tokens_issued().is_empty());
    let line = log[0].strip_prefix("ERROR t/pull: annotation `aws-ecr-updater/secret` is missing, and ");
    let line = line.unwrap_or_else(|| panic!("{log:?}"));
    line.replace(&world.files.path().display().to_string(), "FILES")
}

/// A run that does not begin.
fn does_not_begin(world: &World, program: Program) -> String {
    let run = world.check(program);
    let log = run.log(world);
    assert_eq!((run.code, log.len()), (Some(2), 1), "{log:?}");
    assert_eq!(world.kube.operations(), Vec::<String>::new());
    let line = log[0].strip_prefix("ERROR ").expect("an error");
    line.replace(&world.files.path().display().to_string(), "FILES")
}

#[test]
fn a_file_that_is_named_must_be_there_and_in_order() {
    let world = world();
    let missing = program(&world).env("AWS_CONFIG_FILE", world.file("nothing"));
    assert_eq!(
        does_not_begin(&world, missing),
        "`AWS_CONFIG_FILE`: `FILES/nothing` cannot be read: No such file or directory (os error 2)"
    );
    let broken = with_files(&world, "[default]\nregion\n", "");
    assert_eq!(
        does_not_begin(&world, broken),
        "`FILES/config`: line 2 is neither `[section]` nor `name = value`"
    );
    let unknown = with_files(&world, "", "[x]\n").env("AWS_PROFILE", "y");
    assert_eq!(
        does_not_begin(&world, unknown),
        "`AWS_PROFILE` is `y`, and there is no such profile (looked into `FILES/config` and `FILES/credentials`)"
    );
}

#[test]
fn settings_of_a_profile_are_checked_like_variables() {
    let world = world();
    for (setting, says) in [
        (
            "region = here",
            "`region` of profile `default`: `here` is no AWS region; expected a name such as `us-east-1` or `cn-north-1`",
        ),
        (
            "use_fips_endpoint = yes",
            "`use_fips_endpoint` of profile `default` is `yes`; expected `true` or `false`",
        ),
        (
            "use_fips_endpoint = true",
            "`use_fips_endpoint` of profile `default` and `AWS_ENDPOINT_URL` contradict each other: an endpoint set by hand has no \
             other hosts; unset one of them",
        ),
        (
            "ca_bundle = /nowhere",
            "`ca_bundle` of profile `default` names `/nowhere`, which cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let run = with_files(&world, &format!("[default]\n{setting}\n"), "");
        assert_eq!(does_not_begin(&world, run), says);
    }
}

#[test]
fn a_process_that_fails_says_why_and_never_what_it_printed() {
    let world = world();
    let secret = world.cloud.opaque_token();
    world.files.file(
        "fails.sh",
        format!("echo '{secret}'; echo >&2; echo 'the vault is sealed' >&2; exit 3\n"),
    );
    world.files.file("prints.sh", format!("echo '{secret}'\n"));
    for (command, says) in [
        (
            format!("/bin/sh {}", world.file("fails.sh")),
            "`/bin/sh` failed (exit status: 3): the vault is sealed",
        ),
        (
            format!("/bin/sh {}", world.file("prints.sh")),
            "`/bin/sh`: its output is not JSON with credentials",
        ),
        ("/bin/false".into(), "`/bin/false` failed (exit status: 1): nothing"),
        (
            "no-such-program".into(),
            "`no-such-program` cannot be run: No such file or directory (os error 2)",
        ),
    ] {
        let run = with_files(&world, &format!("[default]\ncredential_process = {command}\n"), "");
        assert_eq!(
            refused(&world, run),
            format!("credentials from profile `default`: {says}")
        );
    }
}

#[test]
fn a_profile_that_leads_back_to_itself() {
    let world = world();
    let config = format!(
        "[default]\nrole_arn={ROLE}\nsource_profile=a\n[profile a]\nrole_arn={ROLE}\nsource_profile=b\n[profile b]\n\
         role_arn={ROLE}\nsource_profile=a\n"
    );
    assert_eq!(
        refused(&world, with_files(&world, &config, "")),
        "credentials from profile `b`: `source_profile` leads back to where it began: `default`, then `a`, then `b`, then `a`; \
         one of them needs keys"
    );
}

#[test]
fn roles_that_aws_refuses() {
    let world = world();
    world.cloud.require_external_id("r", "42");
    let config = format!("[default]\nrole_arn={ROLE}\nsource_profile=k\n");
    let run = with_files(&world, &config, &format!("[k]\n{}", keys(&world)));
    assert_eq!(
        refused(&world, run),
        format!(
            "credentials from profile `default`: role `{ROLE}`: AssumeRole with key {} at AWS: AccessDenied (403, request id ID): \
             User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: {ROLE}; allow \
             `sts:AssumeRole` on the role to the user or role that these credentials belong to, and let the role's trust policy name \
             them, and the external id if it asks for one",
            world.key.id
        )
    );
    let token = world.cloud.web_identity_token("r");
    world.cloud.add_role("another");
    world.files.file("web", &token);
    let run = program(&world)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", world.file("web"))
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/another");
    assert_eq!(
        refused(&world, run),
        "credentials from `AWS_WEB_IDENTITY_TOKEN_FILE`: role `arn:aws:iam::123456789012:role/another`: \
         AssumeRoleWithWebIdentity at AWS: AccessDenied (403, request id ID): Not authorized to perform \
         sts:AssumeRoleWithWebIdentity; let the role's trust policy name the token's issuer, audience and subject"
    );
    let ended = error_xml(
        400,
        "ExpiredTokenException",
        "Token expired: current date/time 1 must be before 0",
    );
    world
        .aws
        .script()
        .once("AssumeRoleWithWebIdentity", Fault::ReplyInstead(ended));
    let run = program(&world)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", world.file("web"))
        .env("AWS_ROLE_ARN", ROLE);
    assert_eq!(
        refused(&world, run),
        format!(
            "credentials from `AWS_WEB_IDENTITY_TOKEN_FILE`: role `{ROLE}`: AssumeRoleWithWebIdentity at AWS: \
             ExpiredTokenException (400, request id ID): Token expired: current date/time 1 must be before 0; the web identity token \
             has ended; see what renews its file"
        )
    );
    let run = program(&world)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", world.file("nothing"))
        .env("AWS_ROLE_ARN", ROLE);
    assert_eq!(
        refused(&world, run),
        "credentials from `AWS_WEB_IDENTITY_TOKEN_FILE`: the web identity token: `FILES/nothing` cannot be read: No such file or \
         directory (os error 2)"
    );
}

#[test]
fn endpoints_that_refuse() {
    let world = world();
    let server = Metadata::new(&world.cloud, "r", 3600, "the right one").start();
    let at = server.url();
    let url = format!("{at}/creds");
    let run = program(&world).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url);
    assert_eq!(
        refused(&world, run),
        format!(
            "credentials from the container's endpoint at `{at}`: it answers status 401; see that \
             `AWS_CONTAINER_AUTHORIZATION_TOKEN` or `…_TOKEN_FILE` is right"
        )
    );
    let instance = |endpoint: &str| {
        program(&world)
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
    };
    let wrong = format!("{}/elsewhere", server.url());
    assert_eq!(
        refused(&world, instance(&wrong)),
        format!(
            "credentials from the instance's metadata service at `{wrong}`: expected a token of IMDSv2, got status 404 with a body \
             of 9 bytes, `text/plain`"
        )
    );
    // What EC2 answers where the instance's owner has turned it off.
    let off = Reply::new(403, "text/plain", "forbidden");
    server.script().once("PUT /latest/api/token", Fault::ReplyInstead(off));
    for (address, tried) in [
        (server.url(), "status 403: it is turned off"),
        ("http://127.0.0.1:1".to_owned(), "cannot connect: connection refused"),
    ] {
        assert_eq!(
            refused(&world, instance(&address)),
            format!(
                "there are no AWS credentials: `AWS_ACCESS_KEY_ID` is not set, no profile `default` (no `config` or `credentials` \
                 file is there), `AWS_WEB_IDENTITY_TOKEN_FILE` is not set, `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` and \
                 `AWS_CONTAINER_CREDENTIALS_FULL_URI` are not set, and the instance's metadata service at `{address}` gives none \
                 ({tried}); set one of these"
            )
        );
    }
}

#[test]
fn a_login_that_is_denied_is_told_whom_to_allow_it() {
    let world = world();
    world.cloud.deny("ci", "ecr:GetAuthorizationToken");
    let run = world.check(
        program(&world)
            .env("AWS_ACCESS_KEY_ID", &world.key.id)
            .env("AWS_SECRET_ACCESS_KEY", &world.key.secret),
    );
    assert_eq!(
        run.log(&world)[0],
        format!(
            "ERROR t/pull: GetAuthorizationToken with key {} at AWS: AccessDeniedException (400, request id ID): User: \
             arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no \
             identity-based policy allows the ecr:GetAuthorizationToken action; allow `ecr:GetAuthorizationToken` on `*` to the user or \
             role that these credentials belong to (the key is from the environment)",
            world.key.id
        )
    );
}

/// Nothing answers, as in a pod that the answers do not reach: the run goes on after a second.
#[test]
fn an_instance_that_is_silent_holds_nothing_up() {
    let world = world();
    let server = Metadata::new(&world.cloud, "r", 3600, "nothing").start();
    server.script().always("PUT /latest/api/token", Fault::HangBefore);
    let run = program(&world)
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url());
    let said = refused(&world, run);
    assert!(
        said.ends_with("gives none (no complete answer within 1 s); set one of these"),
        "{said}"
    );
    assert_eq!(server.operations(), ["PUT /latest/api/token"]);
}

#[test]
fn credentials_that_have_ended() {
    let world = world();
    let token = world.cloud.opaque_token();
    let server = Metadata::new(&world.cloud, "r", -60, &token).start();
    let run = program(&world)
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url()))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token);
    let said = refused(&world, run);
    assert!(said.starts_with("credentials from the container's endpoint"), "{said}");
    assert!(said.contains(": they ended at 20"), "{said}");
    assert!(said.ends_with("Z, by this machine's clock"), "{said}");
    let session = world.cloud.add_session("r", "old", -60);
    let run = world.check(
        program(&world)
            .env("AWS_ACCESS_KEY_ID", &session.key.id)
            .env("AWS_SECRET_ACCESS_KEY", &session.key.secret)
            .env("AWS_SESSION_TOKEN", &session.token),
    );
    assert_eq!(
        run.log(&world)[0],
        format!(
            "ERROR t/pull: GetAuthorizationToken with key {} at AWS: ExpiredTokenException (400, request id ID): The security \
             token included in the request is expired; get a new session (the key is from the environment)",
            session.key.id
        )
    );
}

/// The stand-in is no easier than AWS: a session is its key and its token, and a user's key has none.
#[test]
fn a_token_that_does_not_belong_to_the_key() {
    let world = world();
    let session = world.cloud.add_session("r", "mine", 3600);
    let another = world.cloud.add_session("r", "another", 3600);
    for (key, token) in [
        (&session.key, None),
        (&session.key, Some(&another.token)),
        (&world.key, Some(&session.token)),
    ] {
        let mut run = program(&world)
            .env("AWS_ACCESS_KEY_ID", &key.id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret);
        if let Some(token) = token {
            run = run.env("AWS_SESSION_TOKEN", token);
        }
        assert_eq!(
            world.check(run).log(&world)[0],
            format!(
                "ERROR t/pull: GetAuthorizationToken with key {} at AWS: UnrecognizedClientException (400, request id ID): The \
                 security token included in the request is invalid; the key is deleted, inactive, of another partition, or lacks \
                 its session token (`AWS_SESSION_TOKEN`) (the key is from the environment)",
                key.id
            )
        );
    }
}
