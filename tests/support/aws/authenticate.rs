//! Who sent a request: the signature, then the key.

use super::super::server::Request;
use super::account::{Account, Caller};
use super::action::Api;
use super::reply::Failure;
use super::sigv4::{Refusal, Signed};

/// The sender of a request to that service.
pub(super) fn authenticate(account: &mut Account, api: Api, request: &Request) -> Result<Caller, Failure> {
    check(account, api, request).map_err(|refusal| Failure::refused(api, refusal))
}

fn check(account: &mut Account, api: Api, request: &Request) -> Result<Caller, Refusal> {
    let now = account.now();
    let signed = Signed::parse(request)?;
    signed.check_scope(api.name(), |region| match api {
        Api::Iam => region == account.partition.iam_region,
        Api::Sts | Api::Ecr => account.regions.contains(region),
        Api::EcrPublic => region == "us-east-1",
    })?;
    signed.check_window(now)?;
    let stored = account.signing_key(api, signed.key_id)?;
    // A user's own key that comes with a session token is not what it claims to be, nor a session's without.
    let token = request.header("x-amz-security-token");
    if token != stored.session.as_ref().map(|(token, _)| token.as_str()) {
        return Err(Refusal::UnknownKey);
    }
    signed.check_signature(&stored.secret)?;
    if stored.session.as_ref().is_some_and(|(_, ends)| *ends <= now) {
        return Err(Refusal::SessionOver);
    }
    stored.last_used = Some((now, api, signed.region.to_owned()));
    Ok(Caller {
        owner: stored.owner.clone(),
        key_id: signed.key_id.to_owned(),
        region: signed.region.to_owned(),
    })
}
