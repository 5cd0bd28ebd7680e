//! ECR and ECR Public: GetAuthorizationToken, over JSON 1.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::server::{Reply, Request};
use super::account::{ACCOUNT, Account, Caller, IssuedToken};
use super::action::{Action, Api};
use super::authenticate::authenticate;
use super::random;
use super::reply::{Failure, result_json};

/// How long a login is good for, in seconds.
const LIFETIME: i64 = 12 * 60 * 60;

pub(super) fn answer(account: &mut Account, request: &Request) -> Reply {
    match perform(account, request) {
        Ok(result) => result_json(&result),
        Err(failure) => failure.json(),
    }
}

fn perform(account: &mut Account, request: &Request) -> Result<Value, Failure> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/") || !request.raw_query.is_empty() {
        let message = format!(
            "expected `POST /` without a query, got `{} {}`",
            request.method, request.path
        );
        return Err(Failure::new(404, "UnknownOperationException", message));
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if content_type != "application/x-amz-json-1.1" {
        let message = format!("expected content type `application/x-amz-json-1.1`, got `{content_type}`");
        return Err(Failure::new(400, "SerializationException", message));
    }
    let target = request.header("x-amz-target").unwrap_or_default();
    let action = Action::of_target(target)
        .ok_or_else(|| Failure::new(400, "UnknownOperationException", format!("no operation `{target}`")))?;
    let caller = authenticate(account, action.api(), request)?;
    let input: Map<String, Value> = serde_json::from_slice(&request.body).map_err(|error| {
        Failure::new(
            400,
            "SerializationException",
            format!("the body is no JSON object: {error}"),
        )
    })?;
    if let Some(unknown) = input.keys().next() {
        let message = format!("the stand-in takes no members, not even the deprecated `registryIds`: got `{unknown}`");
        return Err(Failure::new(400, "InvalidParameterException", message));
    }
    account.permit(&caller.owner, action, "*")?;
    Ok(get_authorization_token(account, action.api(), caller))
}

fn get_authorization_token(account: &mut Account, api: Api, caller: Caller) -> Value {
    let Caller {
        owner: _,
        key_id,
        region,
    } = caller;
    // ECR Public answers with one object, and names no registry.
    let public = api == Api::EcrPublic;
    let (password, expires_at) = issue(account, &key_id, if public { "public" } else { &region });
    let mut data = json!({
        "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
        // Seconds as a float, as AWS sends it.
        "expiresAt": expires_at as f64 + 0.123,
    });
    if !public {
        let host = format!("{ACCOUNT}.dkr.ecr.{region}.{}", account.partition.suffix);
        data["proxyEndpoint"] = json!(format!("https://{host}"));
        data = json!([data]);
    }
    json!({"authorizationData": data})
}

/// A new login, and when it ends.
pub(super) fn issue(account: &mut Account, key_id: &str, region: &str) -> (String, i64) {
    let before = i64::try_from(account.issued.len()).expect("as many logins as fit into a test");
    let expires_at = account.now() + LIFETIME - before * account.login_step;
    let password = random::ecr_password(expires_at);
    account.issued.push(IssuedToken {
        region: region.to_owned(),
        key_id: key_id.to_owned(),
        password: password.clone(),
    });
    (password, expires_at)
}
