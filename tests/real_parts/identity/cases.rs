//! The cases: files and variables, and whom they make this machine. `<NAME>` stands for what [`Setup`] has by that name.

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
    [environment(), files(), roles(), processes(), endpoints()]
        .into_iter()
        .flatten()
        .collect()
}

fn environment() -> Vec<Case> {
    const WEB: (&str, &str) = ("AWS_WEB_IDENTITY_TOKEN_FILE", "<FILES>/web");
    const ROLE: (&str, &str) = ("AWS_ROLE_ARN", "<ROLE>/r");
    vec![
        case("nothing", &[], "", "", None),
        case("a key", &KEY, "", "", Some("<CI>")),
        case(
            "a session",
            &[
                ("AWS_ACCESS_KEY_ID", "<SESSION_ID>"),
                ("AWS_SECRET_ACCESS_KEY", "<SESSION_SECRET>"),
                ("AWS_SESSION_TOKEN", "<SESSION_TOKEN>"),
            ],
            "",
            "",
            Some("<GIVEN>"),
        ),
        case(
            "a session that has ended",
            &[
                ("AWS_ACCESS_KEY_ID", "<ENDED_ID>"),
                ("AWS_SECRET_ACCESS_KEY", "<ENDED_SECRET>"),
                ("AWS_SESSION_TOKEN", "<ENDED_TOKEN>"),
            ],
            "",
            "",
            None,
        ),
        case("an id alone", &[KEY[0]], "", DEFAULT_OTHER, None),
        case(
            "a secret alone is nothing",
            &[("AWS_SECRET_ACCESS_KEY", "<SECRET>")],
            "",
            DEFAULT_OTHER,
            Some("<OTHER>"),
        ),
        case(
            "before the profile that a variable names",
            &[KEY[0], KEY[1], ("AWS_PROFILE", "x")],
            "",
            PROFILE_X,
            Some("<CI>"),
        ),
        case(
            "before web identity",
            &[KEY[0], KEY[1], WEB, ROLE],
            "",
            "",
            Some("<CI>"),
        ),
        case("web identity", &[WEB, ROLE], "", "", Some("<AS>/r")),
        case(
            "web identity with a name",
            &[WEB, ROLE, ("AWS_ROLE_SESSION_NAME", "pod")],
            "",
            "",
            Some("<AS>/r/pod"),
        ),
        case("web identity without a role", &[WEB], "", DEFAULT, None),
        case(
            "web identity with the role of the profile",
            &[WEB],
            "[default]\nrole_arn=<ROLE>/r\nweb_identity_token_file=x\n",
            "",
            Some("<AS>/r"),
        ),
        case(
            "web identity by a token that the role does not trust",
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", "<FILES>/untrusted"), ROLE],
            "",
            DEFAULT,
            None,
        ),
        case(
            "web identity by a file that is not there",
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", "<FILES>/nothing"), ROLE],
            "",
            DEFAULT,
            None,
        ),
        case(
            "web identity before keys in files",
            &[WEB, ROLE],
            "",
            DEFAULT,
            Some("<AS>/r"),
        ),
        case(
            "a profile with a role before web identity",
            &[WEB, ROLE],
            "[default]\nrole_arn=<ROLE>/second\nsource_profile=x\nrole_session_name=mine\n",
            PROFILE_X,
            Some("<AS>/second/mine"),
        ),
    ]
}

fn files() -> Vec<Case> {
    vec![
        case("keys in `credentials`", &[], "", DEFAULT, Some("<CI>")),
        case("keys in `config`", &[], DEFAULT, "", Some("<CI>")),
        case(
            "`credentials` before `config`",
            &[],
            DEFAULT,
            DEFAULT_OTHER,
            Some("<OTHER>"),
        ),
        case(
            "`AWS_PROFILE`",
            &[("AWS_PROFILE", "x")],
            DEFAULT,
            PROFILE_X,
            Some("<OTHER>"),
        ),
        case(
            "`AWS_DEFAULT_PROFILE` before `AWS_PROFILE`",
            &[("AWS_PROFILE", "y"), ("AWS_DEFAULT_PROFILE", "x")],
            "[profile y]\naws_access_key_id=<ID>\naws_secret_access_key=<SECRET>\n",
            PROFILE_X,
            Some("<OTHER>"),
        ),
        case(
            "a profile that is not there",
            &[("AWS_PROFILE", "y")],
            "",
            DEFAULT,
            None,
        ),
        case(
            "a profile that is not there, with a key",
            &[KEY[0], KEY[1], ("AWS_PROFILE", "y")],
            "",
            "",
            None,
        ),
        case(
            "a profile of two words",
            &[("AWS_PROFILE", "of two")],
            "[profile \"of two\"]\naws_access_key_id : <ID>\nAWS_SECRET_ACCESS_KEY = <SECRET>\ns3 =\n  max = 1\n",
            "",
            Some("<CI>"),
        ),
        case(
            "a section of `config` that is no profile",
            &[("AWS_PROFILE", "x")],
            PROFILE_X,
            "",
            None,
        ),
        case("half a pair", &[], "[default]\naws_access_key_id=<ID>\n", "", None),
        case(
            "a pair in two files",
            &[],
            "[default]\naws_secret_access_key=<SECRET>\n",
            "[default]\naws_access_key_id=<ID>\n",
            None,
        ),
        case(
            "a file that is no such file",
            &[],
            "region = eu-west-1\n",
            DEFAULT,
            None,
        ),
        case("a section twice", &[], "[default]\n[default]\n", DEFAULT, None),
        case(
            "a session in a profile",
            &[],
            "",
            "[default]\naws_access_key_id=<SESSION_ID>\naws_secret_access_key=<SESSION_SECRET>\naws_session_token=<SESSION_TOKEN>\n",
            Some("<GIVEN>"),
        ),
        case(
            "files that variables name",
            &[
                ("AWS_SHARED_CREDENTIALS_FILE", "<FILES>/elsewhere"),
                ("AWS_CONFIG_FILE", "/dev/null"),
            ],
            "",
            DEFAULT,
            Some("<OTHER>"),
        ),
    ]
}

fn roles() -> Vec<Case> {
    vec![
        case(
            "a role",
            &[],
            "[default]\nrole_arn=<ROLE>/r\nsource_profile=x\n",
            PROFILE_X,
            Some("<AS>/r"),
        ),
        case(
            "a role with all that can be said",
            &[],
            "[default]\nrole_arn=<ROLE>/guarded\nsource_profile=x\nexternal_id=42\nrole_session_name=mine\nduration_seconds=900\n",
            PROFILE_X,
            Some("<AS>/guarded/mine"),
        ),
        case(
            "a role by the wrong external id",
            &[],
            "[default]\nrole_arn=<ROLE>/guarded\nsource_profile=x\nexternal_id=43\n",
            PROFILE_X,
            None,
        ),
        case(
            "roles one after the other",
            &[("AWS_PROFILE", "b")],
            "[profile a]\nrole_arn=<ROLE>/r\nsource_profile=x\n[profile b]\nrole_arn=<ROLE>/second\nsource_profile=a\nrole_session_name=mine\n",
            PROFILE_X,
            Some("<AS>/second/mine"),
        ),
        case(
            "a role with the profile's own keys",
            &[("AWS_PROFILE", "x")],
            "[profile x]\nrole_arn=<ROLE>/r\nsource_profile=x\nrole_session_name=mine\n",
            PROFILE_X,
            Some("<AS>/r/mine"),
        ),
        case(
            "profiles in a circle",
            &[],
            "[default]\nrole_arn=<ROLE>/r\nsource_profile=a\n[profile a]\nrole_arn=<ROLE>/r\nsource_profile=default\n",
            PROFILE_X,
            None,
        ),
        case(
            "a source that is not there",
            &[],
            "[default]\nrole_arn=<ROLE>/r\nsource_profile=y\n",
            PROFILE_X,
            None,
        ),
        case(
            "a role without a source",
            &[],
            "[default]\nrole_arn=<ROLE>/r\n",
            DEFAULT,
            None,
        ),
        case(
            "a role with two sources",
            &[],
            "[default]\nrole_arn=<ROLE>/r\nsource_profile=x\ncredential_source=Environment\n",
            PROFILE_X,
            None,
        ),
        case(
            "a role by the token of another profile",
            &[],
            "[default]\nrole_arn=<ROLE>/second\nsource_profile=web\nrole_session_name=mine\n[profile web]\nrole_arn=<ROLE>/r\n\
             web_identity_token_file=<FILES>/web\n",
            "",
            Some("<AS>/second/mine"),
        ),
        case(
            "a role with the container's credentials",
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "<CONTAINER>"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "<OPENS>"),
            ],
            "[default]\nrole_arn=<ROLE>/second\ncredential_source=EcsContainer\nrole_session_name=mine\n",
            "",
            Some("<AS>/second/mine"),
        ),
        case(
            "a role with the instance's credentials",
            &[
                ("AWS_EC2_METADATA_DISABLED", "false"),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "<INSTANCE>"),
            ],
            "[default]\nrole_arn=<ROLE>/second\ncredential_source=Ec2InstanceMetadata\nrole_session_name=mine\n",
            "",
            Some("<AS>/second/mine"),
        ),
        case(
            "a role with a source that there is none of",
            &[],
            "[default]\nrole_arn=<ROLE>/r\ncredential_source=Nowhere\n",
            DEFAULT,
            None,
        ),
    ]
}

fn processes() -> Vec<Case> {
    const PRINTS: &str = "[default]\ncredential_process = /bin/cat '<FILES>/printed of it'\n";
    vec![
        case("a process", &[], PRINTS, "", Some("<GIVEN>")),
        case(
            "keys in `credentials` before a process",
            &[],
            PRINTS,
            DEFAULT,
            Some("<CI>"),
        ),
        case(
            "a process before keys in `config`",
            &[],
            "[default]\ncredential_process = /bin/cat <FILES>/printed\\ of\\ it\naws_access_key_id=<ID>\naws_secret_access_key=<SECRET>\n",
            "",
            Some("<GIVEN>"),
        ),
        case(
            "a process that is a role's source",
            &[],
            "[default]\nrole_arn=<ROLE>/second\nsource_profile=p\nrole_session_name=mine\n[profile p]\n\
             credential_process = /bin/cat \"<FILES>/printed of it\"\n",
            "",
            Some("<AS>/second/mine"),
        ),
        case(
            "a process that fails",
            &[],
            "[default]\ncredential_process = /bin/false\n",
            "",
            None,
        ),
        case(
            "a process of another version",
            &[],
            "[default]\ncredential_process = /bin/cat <FILES>/version-2\n",
            "",
            None,
        ),
        case(
            "a process that is not there",
            &[],
            "[default]\ncredential_process = /nowhere\n",
            "",
            None,
        ),
    ]
}

fn endpoints() -> Vec<Case> {
    const CONTAINER: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "<CONTAINER>");
    const OPENS: (&str, &str) = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "<OPENS>");
    const ASK: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "false");
    const INSTANCE: (&str, &str) = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "<INSTANCE>");
    vec![
        case("a container", &[CONTAINER, OPENS], "", "", Some("<MACHINE>")),
        case(
            "a container with a token in a file",
            &[
                CONTAINER,
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "<FILES>/opens"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "no"),
            ],
            "",
            "",
            Some("<MACHINE>"),
        ),
        case(
            "a container that does not open",
            &[CONTAINER, ASK, INSTANCE],
            "",
            "",
            None,
        ),
        case(
            "keys in files before a container",
            &[CONTAINER, OPENS],
            "",
            DEFAULT,
            Some("<CI>"),
        ),
        case(
            "a container before the instance",
            &[
                CONTAINER,
                OPENS,
                ASK,
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"),
            ],
            "",
            "",
            Some("<MACHINE>"),
        ),
        case(
            "a container whose credentials have ended",
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "<OLD>"), OPENS],
            "",
            "",
            None,
        ),
        case(
            "a container somewhere else",
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/creds"), OPENS],
            "",
            "",
            None,
        ),
        case("an instance", &[ASK, INSTANCE], "", "", Some("<MACHINE>")),
        case(
            "an instance that must not be asked",
            &[("AWS_EC2_METADATA_DISABLED", "TRUE"), INSTANCE],
            "",
            "",
            None,
        ),
        case(
            "an instance that does not answer",
            &[ASK, ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")],
            "",
            "",
            None,
        ),
    ]
}
