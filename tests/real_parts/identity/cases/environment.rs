//! Variables: keys, sessions and web identity.

use super::{Case, DEFAULT, DEFAULT_OTHER, KEY, PROFILE_X, case};

pub(super) fn environment() -> Vec<Case> {
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
            "a session by the older name of its token",
            &[
                ("AWS_ACCESS_KEY_ID", "<SESSION_ID>"),
                ("AWS_SECRET_ACCESS_KEY", "<SESSION_SECRET>"),
                ("AWS_SECURITY_TOKEN", "<SESSION_TOKEN>"),
                ("AWS_CREDENTIAL_EXPIRATION", "2099-01-01T00:00:00Z"),
            ],
            "",
            "",
            Some("<GIVEN>"),
        ),
        case(
            "a key that has ended as its variable says",
            &[KEY[0], KEY[1], ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")],
            "",
            "",
            None,
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
