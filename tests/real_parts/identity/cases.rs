//! The cases: files and variables, and whom they make this machine. `<NAME>` stands for what [`Setup`] has by that name.

mod endpoints;
mod environment;
mod files;
mod roles;

use crate::support::aws::Metadata;
use crate::support::program::World;
use crate::support::server::Server;

/// One machine.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) variables: &'static [(&'static str, &'static str)],
    pub(super) config: &'static str,
    pub(super) credentials: &'static str,
    /// Its ARN; `None` where nobody lets it in. A role's without the session's name where nothing gives it one.
    pub(super) identity: Option<&'static str>,
}

/// An AWS with two users and a role, metadata endpoints, and files.
pub(super) struct Setup {
    pub(super) world: World,
    pub(super) names: Vec<(&'static str, String)>,
    _servers: [Server; 3],
}

impl Setup {
    pub(super) fn new() -> Setup {
        let world = World::new();
        let cloud = &world.cloud;
        cloud.add_user("other");
        let other = cloud.add_key("other");
        for role in ["r", "second", "guarded", "machine", "old"] {
            cloud.add_role(role);
        }
        cloud.require_external_id("guarded", "42");
        let session = cloud.add_session("r", "given", 3600);
        let ended = cloud.add_session("r", "ended", -60);
        let opens = cloud.opaque_token();
        let container = Metadata::new(cloud, "machine", 3600, &opens).start();
        let instance = Metadata::new(cloud, "machine", 3600, &opens).start();
        let old = Metadata::new(cloud, "old", -60, &opens).start();
        let printed = serde_json::json!({
            "Version": 1, "AccessKeyId": session.key.id, "SecretAccessKey": session.key.secret,
            "SessionToken": session.token, "Expiration": session.ends,
        });
        world.files.file("web", cloud.web_identity_token("r"));
        world.files.file("untrusted", cloud.web_identity_token("second"));
        let elsewhere = format!(
            "[default]\naws_access_key_id={}\naws_secret_access_key={}\n",
            other.id, other.secret
        );
        world.files.file("elsewhere", elsewhere);
        world.files.file("opens", &opens);
        world.files.file("printed of it", printed.to_string());
        world.files.file(
            "version-2",
            printed.to_string().replace("\"Version\":1", "\"Version\":2"),
        );
        world.add_ambient_pull_secret("pull", "eu-west-1");
        let names = vec![
            ("ID", world.key.id.clone()),
            ("SECRET", world.key.secret.clone()),
            ("OTHER_ID", other.id),
            ("OTHER_SECRET", other.secret),
            ("SESSION_ID", session.key.id),
            ("SESSION_SECRET", session.key.secret),
            ("SESSION_TOKEN", session.token),
            ("ENDED_ID", ended.key.id),
            ("ENDED_SECRET", ended.key.secret),
            ("ENDED_TOKEN", ended.token),
            ("OPENS", opens),
            ("CONTAINER", format!("{}/creds", container.url())),
            ("OLD", format!("{}/creds", old.url())),
            ("INSTANCE", instance.url()),
            ("AWS", world.aws.url()),
            ("FILES", world.files.path().display().to_string()),
            ("CI", "arn:aws:iam::123456789012:user/ci".into()),
            ("OTHER", "arn:aws:iam::123456789012:user/other".into()),
            ("GIVEN", "arn:aws:sts::123456789012:assumed-role/r/given".into()),
            (
                "MACHINE",
                "arn:aws:sts::123456789012:assumed-role/machine/metadata".into(),
            ),
            ("ROLE", "arn:aws:iam::123456789012:role".into()),
            ("AS", "arn:aws:sts::123456789012:assumed-role".into()),
        ];
        Setup {
            world,
            names,
            _servers: [container, instance, old],
        }
    }
}

const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "<ID>"), ("AWS_SECRET_ACCESS_KEY", "<SECRET>")];
const PROFILE_X: &str = "[x]\naws_access_key_id=<OTHER_ID>\naws_secret_access_key=<OTHER_SECRET>\n";
const DEFAULT: &str = "[default]\naws_access_key_id=<ID>\naws_secret_access_key=<SECRET>\n";
const DEFAULT_OTHER: &str = "[default]\naws_access_key_id=<OTHER_ID>\naws_secret_access_key=<OTHER_SECRET>\n";

const fn case(
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
    config: &'static str,
    credentials: &'static str,
    identity: Option<&'static str>,
) -> Case {
    Case {
        name,
        variables,
        config,
        credentials,
        identity,
    }
}

pub(super) fn cases() -> Vec<Case> {
    [
        environment::environment(),
        files::files(),
        files::where_aws_is(),
        roles::roles(),
        endpoints::processes(),
        endpoints::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Cases in which the AWS CLI is the one, and the program the other.
pub(super) fn differences() -> Vec<(Case, Option<&'static str>)> {
    vec![
        (
            // The next source could be somebody else.
            case(
                "a file that a variable names and that is not there",
                &[("AWS_SHARED_CREDENTIALS_FILE", "<FILES>/nothing")],
                DEFAULT,
                "",
                Some("<CI>"),
            ),
            None,
        ),
        (
            // As the reference guide of the SDKs has it, and the SDKs for Go and Rust.
            case(
                "a comment behind a value",
                &[],
                "",
                "[default]\naws_access_key_id=<ID> # of ci\naws_secret_access_key=<SECRET>\n",
                None,
            ),
            Some("<CI>"),
        ),
        (
            case(
                "a duration that is no number",
                &[],
                "[default]\nrole_arn=<ROLE>/r\nsource_profile=x\nrole_session_name=mine\nduration_seconds=1h\n",
                PROFILE_X,
                Some("<AS>/r/mine"),
            ),
            None,
        ),
        (
            // AWS's endpoint rules refuse it, and with them the SDKs for Go and Rust; the CLI lets the endpoint win.
            case(
                "FIPS with an endpoint set by hand",
                &[KEY[0], KEY[1], ("AWS_USE_FIPS_ENDPOINT", "true")],
                "",
                "",
                Some("<CI>"),
            ),
            None,
        ),
        (
            // The same.
            case(
                "dual stack with an endpoint set by hand",
                &KEY,
                "[default]\nuse_dualstack_endpoint = true\n",
                "",
                Some("<CI>"),
            ),
            None,
        ),
    ]
}
