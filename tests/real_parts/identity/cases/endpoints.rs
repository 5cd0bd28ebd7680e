//! Programs and endpoints that give credentials.

use super::{Case, DEFAULT, case};

pub(super) fn processes() -> Vec<Case> {
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

pub(super) fn endpoints() -> Vec<Case> {
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
