//! Roles, one after the other.

use super::{Case, DEFAULT, PROFILE_X, case};

pub(super) fn roles() -> Vec<Case> {
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
