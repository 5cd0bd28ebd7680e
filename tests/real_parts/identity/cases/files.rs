//! The files: which counts, what is in order, and what is not.

use super::{Case, DEFAULT, DEFAULT_OTHER, KEY, PROFILE_X, case};

pub(super) fn files() -> Vec<Case> {
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

/// Endpoints set by hand: one that nobody serves must not be the one that counts.
pub(super) fn where_aws_is() -> Vec<Case> {
    const UNSET: (&str, &str) = ("AWS_ENDPOINT_URL", "");
    const NOBODY: (&str, &str) = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    vec![
        case(
            "an endpoint for all in the profile",
            &[UNSET, KEY[0], KEY[1]],
            "[default]\nendpoint_url = <AWS>\n",
            "",
            Some("<CI>"),
        ),
        case(
            "endpoints for each service in the profile",
            &[UNSET, KEY[0], KEY[1]],
            "[default]\nservices = here\nendpoint_url = http://127.0.0.1:1\n[services here]\nsts =\n  endpoint_url = <AWS>\necr =\n  \
             endpoint_url = <AWS>\n",
            "",
            Some("<CI>"),
        ),
        case(
            "endpoints for each service before that for all",
            &[
                NOBODY,
                KEY[0],
                KEY[1],
                ("AWS_ENDPOINT_URL_STS", "<AWS>"),
                ("AWS_ENDPOINT_URL_ECR", "<AWS>"),
            ],
            "",
            "",
            Some("<CI>"),
        ),
        case(
            "an endpoint by a variable before those of the profile",
            &KEY,
            "[default]\nservices = here\n[services here]\nsts =\n  endpoint_url = http://127.0.0.1:1\necr =\n  endpoint_url = \
             http://127.0.0.1:1\n",
            "",
            Some("<CI>"),
        ),
        case(
            "services that are not there",
            &[UNSET, KEY[0], KEY[1]],
            "[default]\nservices = nowhere\n",
            "",
            None,
        ),
    ]
}
