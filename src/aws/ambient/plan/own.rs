//! What a profile has without any role: keys, or a program that prints them.

use super::{Kind, Source};
use crate::aws::ambient::error::Error;
use crate::aws::ambient::ini::Section;
use crate::aws::ambient::profiles::{Profile, text};
use crate::aws::ambient::words;
use crate::aws::{AccessKeyId, Credentials, KeyPair};
use crate::sensitive::Sensitive;

/// The value of an option that is set to something.
pub(super) fn set_in<'a>(profile: &Profile<'a>, option: &str) -> Option<&'a str> {
    profile.text(option).filter(|text| !text.is_empty())
}

/// A profile with a web identity is none, whatever `role_arn` says.
pub(super) fn is_role(profile: &Profile<'_>) -> bool {
    profile.text("role_arn").is_some() && profile.text("web_identity_token_file").is_none()
}

pub(super) fn has_keys(profile: &Profile<'_>) -> bool {
    ["aws_access_key_id", "aws_secret_access_key"]
        .iter()
        .any(|option| profile.text(option).is_some())
}

/// What a profile has without any role.
pub(super) fn own_credentials(profile: &Profile<'_>) -> Result<Option<Source>, Error> {
    let source = |kind| Source {
        origin: profile.to_string(),
        kind,
    };
    // Without one of these the AWS CLI goes on to the profile's keys.
    let signs_in = ["sso_role_name", "sso_account_id"];
    if let Some(option) = signs_in.into_iter().find(|option| profile.text(option).is_some()) {
        return Err(Error::broken(
            profile,
            format!(
                "it signs in by IAM Identity Center (`{option}`), which this program does not do; let `credential_process = aws \
                 configure export-credentials --profile NAME` do it in a profile of its own"
            ),
        ));
    }
    if let Some(keys) = keys_in(profile, profile.credentials)? {
        return Ok(Some(source(Kind::Known(keys))));
    }
    if let Some(command) = profile.text("credential_process") {
        let command = words::split(command).ok_or_else(|| {
            Error::broken(
                profile,
                "`credential_process` has a quote that is not closed, or ends in a backslash",
            )
        })?;
        return Ok(Some(source(Kind::Process(command))));
    }
    Ok(keys_in(profile, profile.config)?.map(|keys| source(Kind::Known(keys))))
}

/// The keys in one of the two files; id and secret must be in the same.
fn keys_in(profile: &Profile<'_>, section: Option<&Section>) -> Result<Option<Credentials>, Error> {
    let Some((section, id)) = section.and_then(|section| Some((section, text(section, "aws_access_key_id")?))) else {
        return Ok(None);
    };
    let broken = |why: &str| Error::broken(profile, why);
    let secret = text(section, "aws_secret_access_key")
        .filter(|secret| !secret.is_empty())
        .ok_or_else(|| broken("it has `aws_access_key_id` and no `aws_secret_access_key` in the same file"))?;
    let id = AccessKeyId::parse(id).map_err(|_| {
        broken("`aws_access_key_id` is no access key id; expected 16 to 128 capital letters and digits")
    })?;
    Ok(Some(Credentials {
        pair: KeyPair {
            id,
            secret: Sensitive::new(secret.to_owned()),
        },
        // The older name comes first, as it does for the AWS CLI.
        session_token: ["aws_security_token", "aws_session_token"]
            .into_iter()
            .find_map(|option| text(section, option).filter(|token| !token.is_empty()))
            .map(|token| Sensitive::new(token.to_owned())),
        expires_at: None,
    }))
}
