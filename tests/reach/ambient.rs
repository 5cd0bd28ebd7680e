//! `ecr-update` without a Secret that holds a key pair: every source of credentials that a machine may have, and whose login it
//! becomes.

use crate::support::aws::{Metadata, error_xml};
use crate::support::program::{Program, World, under_test};
use crate::support::script::Fault;
use crate::support::server::Reply;

pub(super) const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// A world with a role `r` and an image-pull Secret that names no source.
pub(super) fn world() -> World {
    let world = World::new();
    world.cloud.add_role("r");
    world.add_ambient_pull_secret("pull", "eu-west-1");
    world
}

pub(super) fn program(world: &World) -> Program {
    world.program(under_test()).arg("ecr-update")
}

/// The files `config` and `credentials` of this world, and the variables that name them.
pub(super) fn with_files(world: &World, config: &str, credentials: &str) -> Program {
    world.files.file("config", config);
    world.files.file("credentials", credentials);
    program(world)
        .env("AWS_CONFIG_FILE", world.file("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", world.file("credentials"))
}

/// The user's keys, as the files write them.
pub(super) fn keys(world: &World) -> String {
    format!(
        "aws_access_key_id = {}\naws_secret_access_key = {}\n",
        world.key.id, world.key.secret
    )
}

/// A run that becomes somebody: whom, and what it says about the login with the changing parts struck out.
fn becomes(world: &World, program: Program) -> (String, String) {
    let run = world.check(program);
    let log = run.log(world);
    assert_eq!(run.code, Some(0), "{log:?}");
    let token = world.cloud.tokens_issued().pop().expect("a login");
    let line = log
        .iter()
        .find(|line| line.contains("login to"))
        .expect("a line about it");
    let (line, _) = line.split_once(" is valid until").expect("an end");
    let start = "INFO  t/pull: login to 123456789012.dkr.ecr.eu-west-1.amazonaws.com with key ID of ";
    let line = line.replace(&token.key_id, "ID");
    let origin = line.strip_prefix(start).unwrap_or_else(|| panic!("{line}"));
    (world.cloud.arn_of(&token.key_id), origin.to_owned())
}

fn session(name: &str) -> String {
    format!("arn:aws:sts::123456789012:assumed-role/r/{name}")
}

const CI: &str = "arn:aws:iam::123456789012:user/ci";
const OWN_NAME: &str = "aws-iam-credential-rotate";

#[test]
fn the_environment() {
    let world = world();
    let with_key = program(&world)
        .env("AWS_ACCESS_KEY_ID", &world.key.id)
        .env("AWS_SECRET_ACCESS_KEY", &world.key.secret);
    assert_eq!(becomes(&world, with_key), (CI.into(), "the environment".into()));
    let session_of = world.cloud.add_session("r", "env", 3600);
    let with_session = program(&world)
        .env("AWS_ACCESS_KEY_ID", &session_of.key.id)
        .env("AWS_SECRET_ACCESS_KEY", &session_of.key.secret)
        .env("AWS_SESSION_TOKEN", &session_of.token);
    assert_eq!(
        becomes(&world, with_session),
        (session("env"), "the environment".into())
    );
    assert_eq!(
        world.aws.operations(),
        ["GetAuthorizationToken", "GetAuthorizationToken"]
    );
}

#[test]
fn web_identity() {
    let world = world();
    world.files.file("web", world.cloud.web_identity_token("r") + "\n");
    let by_variables = program(&world)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", world.file("web"))
        .env("AWS_ROLE_ARN", ROLE);
    let origin = "`AWS_WEB_IDENTITY_TOKEN_FILE`".to_owned();
    assert_eq!(
        becomes(&world, by_variables.clone()),
        (session(OWN_NAME), origin.clone())
    );
    assert_eq!(
        world.aws.operations(),
        ["AssumeRoleWithWebIdentity", "GetAuthorizationToken"]
    );
    let named = by_variables.env("AWS_ROLE_SESSION_NAME", "pod");
    assert_eq!(becomes(&world, named), (session("pod"), origin));
    let config = format!(
        "[default]\nrole_arn={ROLE}\nweb_identity_token_file={}\nrole_session_name=file\n",
        world.file("web")
    );
    let by_profile = with_files(&world, &config, "");
    assert_eq!(
        becomes(&world, by_profile),
        (session("file"), "profile `default`".into())
    );
}

/// By the machine's clock the session has ended before it began.
#[test]
fn web_identity_where_the_clock_is_two_hours_ahead() {
    let world = world();
    world.cloud.clock_offset(-7200);
    world.files.file("web", world.cloud.web_identity_token("r"));
    let run = world.check(
        program(&world)
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", world.file("web"))
            .env("AWS_ROLE_ARN", ROLE),
    );
    let log = run.log(&world);
    assert_eq!(run.code, Some(0), "{log:?}");
    assert!(log[0].starts_with("WARN  this machine's clock is 72"), "{log:?}");
    assert_eq!(world.cloud.tokens_issued().len(), 1);
}

#[test]
fn profiles_with_keys_and_with_roles() {
    let world = world();
    world.cloud.require_external_id("r", "42");
    let config = format!(
        "[profile role]\nrole_arn={ROLE}\nsource_profile=keys\nexternal_id=42\nrole_session_name=one\nduration_seconds=900\n\
         [profile twice]\nrole_arn={ROLE}\nsource_profile=role\nexternal_id=42\nrole_session_name=two\n\
         [profile env]\nrole_arn={ROLE}\ncredential_source=Environment\nexternal_id=42\nrole_session_name=three\n"
    );
    let credentials = format!("[keys]\n{}", keys(&world));
    let files = with_files(&world, &config, &credentials);
    for (profile, whom) in [
        ("keys", CI.to_owned()),
        ("role", session("one")),
        ("twice", session("two")),
    ] {
        let run = files.clone().env("AWS_PROFILE", profile);
        assert_eq!(becomes(&world, run), (whom, format!("profile `{profile}`")));
    }
    let calls = world.aws.operations();
    let (role, token) = ("AssumeRole", "GetAuthorizationToken");
    assert_eq!(calls, [token, role, token, role, role, token]);
    // Its keys come first where a variable names the profile, as for the AWS CLI.
    let both = files
        .env("AWS_PROFILE", "env")
        .env("AWS_ACCESS_KEY_ID", &world.key.id)
        .env("AWS_SECRET_ACCESS_KEY", &world.key.secret);
    assert_eq!(becomes(&world, both), (CI.into(), "the environment".into()));
}

#[test]
fn the_files_in_the_home_folder() {
    let world = World::new();
    std::fs::create_dir(world.files.path().join(".aws")).unwrap();
    world
        .files
        .file(".aws/credentials", format!("[default]\n{}", keys(&world)));
    world.files.file(
        ".aws/config",
        format!(
            "[default]\nregion = eu-west-1 # not eu-central-1\nservices = here\n[services here]\necr =\n  endpoint_url = {}\n",
            world.aws.url()
        ),
    );
    let mut run = program(&world).env("HOME", world.files.path().display().to_string());
    run = run.env("AWS_ENDPOINT_URL", "");
    // The Secret names no region: the profile does.
    world.cluster.add_secret(serde_json::json!({
        "metadata": {"name": "pull", "namespace": "t", "labels": {"aws-ecr-updater": "true"}},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{}"},
    }));
    assert_eq!(becomes(&world, run), (CI.into(), "profile `default`".into()));
}

#[test]
fn a_process() {
    let world = world();
    let session_of = world.cloud.add_session("r", "process", 3600);
    let printed = serde_json::json!({
        "Version": 1, "AccessKeyId": session_of.key.id, "SecretAccessKey": session_of.key.secret,
        "SessionToken": session_of.token, "Expiration": session_of.ends,
    });
    world.files.file("a b.json", printed.to_string());
    let config = format!(
        "[default]\ncredential_process = /bin/cat '{}'\n",
        world.file("a b.json")
    );
    let run = with_files(&world, &config, "");
    assert_eq!(becomes(&world, run), (session("process"), "profile `default`".into()));
}

#[test]
fn a_container() {
    let world = world();
    let token = world.cloud.opaque_token();
    let metadata = Metadata::new(&world.cloud, "r", 3600, &token);
    let server = metadata.start();
    let at = server.url();
    let url = format!("{at}/creds");
    world.files.file("pod-token", &token);
    let run = program(&world)
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world.file("pod-token"));
    let origin = format!("the container's endpoint at `{at}`");
    assert_eq!(becomes(&world, run), (session("metadata"), origin));
    assert_eq!(server.operations(), ["GET /creds"]);
}

/// In ECS the path is all that it takes.
#[test]
fn the_path_of_a_container_s_endpoint_is_in_no_log() {
    let world = world();
    let token = world.cloud.opaque_token();
    let server = Metadata::new(&world.cloud, "r", 3600, &token).start();
    let run = world.check(
        program(&world)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url()))
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token)
            .env("RUST_LOG", "trace"),
    );
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(server.operations(), ["GET /creds"]);
    assert!(
        run.stderr.contains(" DEBUG ") && !run.stderr.contains("/creds"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_instance() {
    let world = world();
    let server = Metadata::new(&world.cloud, "r", 3600, "nothing yet").start();
    let run = program(&world)
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url());
    assert_eq!(
        becomes(&world, run),
        (session("metadata"), "the instance's role `r`".into())
    );
    let roles = "GET /latest/meta-data/iam/security-credentials/";
    assert_eq!(
        server.operations(),
        ["PUT /latest/api/token".to_owned(), roles.into(), format!("{roles}r")]
    );
}

/// Two Secrets, two regions, one source: how often it is asked when its sessions last so long, in seconds.
fn asked(seconds: i64) -> usize {
    let world = world();
    world.add_ambient_pull_secret("second", "us-west-2");
    let token = world.cloud.opaque_token();
    let server = Metadata::new(&world.cloud, "r", seconds, &token).start();
    let run = world.check(
        program(&world)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url()))
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token),
    );
    assert_eq!(run.code, Some(0));
    assert_eq!(world.cloud.tokens_issued().len(), 2);
    server.operations().len()
}

#[test]
fn credentials_are_got_once_and_again_before_they_end() {
    assert_eq!(asked(3600), 1);
    assert_eq!(asked(301 + 600), 1);
    assert_eq!(asked(240), 2);
}

#[test]
fn credentials_that_are_about_to_end_are_better_than_none() {
    let world = world();
    world.add_ambient_pull_secret("second", "us-west-2");
    let token = world.cloud.opaque_token();
    let server = Metadata::new(&world.cloud, "r", 240, &token).start();
    let gone = Reply::new(404, "text/plain", "gone");
    server.script().some("GET /creds", 1, 1, Fault::ReplyInstead(gone));
    let at = server.url();
    let url = format!("{at}/creds");
    let run = world.check(
        program(&world)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token),
    );
    let log = run.log(&world);
    assert_eq!(run.code, Some(0), "{log:?}");
    assert_eq!(
        log[1],
        format!(
            "WARN  credentials from the container's endpoint at `{at}`: expected JSON with credentials, got status 404 with a body of 4 \
             bytes, `text/plain`; going on with those that are about to end"
        )
    );
    assert_eq!(world.cloud.tokens_issued().len(), 2);
}

/// The endpoint was not there, and is not asked for every Secret anew.
#[test]
fn what_failed_once_is_not_asked_again() {
    let world = world();
    world.add_ambient_pull_secret("second", "us-west-2");
    let server = Metadata::new(&world.cloud, "r", 240, "another").start();
    let run = world.check(program(&world).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url())));
    assert_eq!((run.code, server.operations().len()), (Some(1), 1));
    let log = run.log(&world);
    assert_eq!(log[0].split_once(": ").unwrap().1, log[1].split_once(": ").unwrap().1);
}

#[test]
fn an_overloaded_container_s_endpoint_is_asked_again() {
    let world = world();
    let token = world.cloud.opaque_token();
    let server = Metadata::new(&world.cloud, "r", 3600, &token).start();
    let overloaded = Reply::new(500, "text/plain", "internal");
    server.script().once("GET /creds", Fault::ReplyInstead(overloaded));
    let run = program(&world)
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url()))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token);
    assert_eq!(world.check(run).code, Some(0));
    assert_eq!(server.operations().len(), 2);
}

/// Without a region of its own a role is taken where each Secret's registry is.
#[test]
fn a_region_whose_sts_refuses_is_no_matter_of_the_other_secrets() {
    let world = world();
    world.add_ambient_pull_secret("a", "us-west-2");
    let refused = error_xml(403, "RegionDisabledException", "STS is not activated in this region");
    world.aws.script().once("AssumeRole", Fault::ReplyInstead(refused));
    let config = format!(
        "[default]\nrole_arn={ROLE}\nsource_profile=x\n[profile x]\n{}",
        keys(&world)
    );
    let run = world.check(
        with_files(&world, &config, "")
            .env("AWS_REGION", "")
            .env("AWS_DEFAULT_REGION", ""),
    );
    let log = run.log(&world);
    assert!(log[2].ends_with(": 1 refreshed, 1 failed"), "{log:#?}");
}

#[test]
fn a_broken_connection_to_a_container_s_endpoint_is_tried_again() {
    let world = world();
    let token = world.cloud.opaque_token();
    let server = Metadata::new(&world.cloud, "r", 3600, &token).start();
    server.script().once("GET /creds", Fault::DropBefore);
    let run = program(&world)
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url()))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token);
    assert_eq!(becomes(&world, run).0, session("metadata"));
    assert_eq!(server.operations().len(), 2);
}

#[test]
fn nothing_is_asked_for_that_no_secret_needs() {
    let world = World::with_key_secret();
    world.add_pull_secret("pull", "s", "eu-west-1", "{}");
    let server = Metadata::new(&world.cloud, "r", 3600, "nothing").start();
    for job in ["ecr-update", "rotate"] {
        let run = world.check(
            world
                .program(under_test())
                .arg(job)
                .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url()))
                // Broken, and nobody's concern.
                .env("AWS_ACCESS_KEY_ID", "x"),
        );
        assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
    }
    assert_eq!(server.operations(), Vec::<String>::new());
}

/// [`World::check`] looks for every secret there is: keys, session tokens, the tokens that open endpoints, logins.
#[test]
fn nothing_secret_is_told_at_the_highest_level_of_logging() {
    let world = world();
    let opens = world.cloud.opaque_token();
    let metadata = Metadata::new(&world.cloud, "r", 3600, &opens).start();
    let instance = Metadata::new(&world.cloud, "r", 3600, "nothing yet").start();
    world.files.file("web", world.cloud.web_identity_token("r"));
    let role = format!("[default]\nrole_arn={ROLE}\nsource_profile=k\n");
    for run in [
        with_files(&world, &role, &format!("[k]\n{}", keys(&world))),
        program(&world)
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", world.file("web"))
            .env("AWS_ROLE_ARN", ROLE),
        program(&world)
            .env(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("{}/creds", metadata.url()),
            )
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &opens),
        program(&world)
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url()),
    ] {
        let run = world.check(run.env("RUST_LOG", "trace"));
        assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
        assert!(run.stderr.contains(" DEBUG "), "{:?}", run.log(&world));
    }
}

/// A home that is none is like one without files.
#[test]
fn a_home_that_is_no_folder_has_no_files() {
    let world = world();
    let run = program(&world)
        .env("HOME", "/dev/null")
        .env("AWS_ACCESS_KEY_ID", &world.key.id)
        .env("AWS_SECRET_ACCESS_KEY", &world.key.secret);
    assert_eq!(becomes(&world, run), (CI.into(), "the environment".into()));
}
