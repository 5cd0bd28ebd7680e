//! Credentials that stand in variables.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::Error;
use super::variables::Variables;
use crate::aws::{AccessKeyId, Credentials, KeyPair};
use crate::sensitive::Sensitive;

/// How messages call this source.
pub(super) const ORIGIN: &str = "the environment";

/// The pair in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, with `AWS_SESSION_TOKEN`. A secret without an id is nothing, as it
/// is for the AWS CLI.
pub(super) fn credentials(variables: &Variables) -> Result<Option<Credentials>, Error> {
    let Some(id) = variables.get("AWS_ACCESS_KEY_ID") else {
        return Ok(None);
    };
    let broken = |why: &str| Error::broken(ORIGIN, why);
    let id = AccessKeyId::parse(id).map_err(|_| {
        broken("`AWS_ACCESS_KEY_ID` is no access key id; expected 16 to 128 capital letters and digits")
    })?;
    let secret = variables
        .get("AWS_SECRET_ACCESS_KEY")
        .ok_or_else(|| broken("`AWS_ACCESS_KEY_ID` is set and `AWS_SECRET_ACCESS_KEY` is not; set both or neither"))?;
    // `aws configure export-credentials` sets it.
    let expires_at = variables
        .get("AWS_CREDENTIAL_EXPIRATION")
        .map(|text| OffsetDateTime::parse(text, &Rfc3339))
        .transpose()
        .map_err(|_| broken("`AWS_CREDENTIAL_EXPIRATION` is no time in RFC 3339, such as 2026-11-23T04:45:54Z"))?;
    // The older name comes first, as it does for the AWS CLI.
    let token = ["AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"]
        .into_iter()
        .find_map(|name| variables.get(name));
    Ok(Some(Credentials {
        pair: KeyPair {
            id,
            secret: Sensitive::new(secret.to_owned()),
        },
        session_token: token.map(|token| Sensitive::new(token.to_owned())),
        expires_at,
    }))
}
