//! ECR: a login for image pulls.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use time::OffsetDateTime;

use super::credentials::Signer;
use super::{Call, Cause, Client, Credentials, Error, JSON_1_1, KeyPair, Region, Safety, Service, refusal};
use crate::retry::Asking;
use crate::sensitive::Sensitive;

/// A login to the registries of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The registry's host, `123456789012.dkr.ecr.eu-west-1.amazonaws.com`.
    pub registry: String,
    /// Base64 of `AWS:<password>`, as `auth` in a Docker configuration holds it.
    pub authorization: Sensitive<String>,
    /// When it ends, by AWS's clock.
    pub expires_at: OffsetDateTime,
}

/// GetAuthorizationToken: a login for the account that `keys` belongs to, in `region`.
///
/// # Errors
///
/// As for every call; an answer without a usable token is one.
pub fn get_authorization_token(client: &Client, region: &Region, keys: &KeyPair) -> Result<Login, Error> {
    token(client, region, keys.into())
}

/// As [`get_authorization_token`], for whoever `credentials` of this machine belong to.
///
/// # Errors
///
/// As for every call.
pub fn get_authorization_token_as(client: &Client, region: &Region, credentials: &Credentials) -> Result<Login, Error> {
    token(client, region, credentials.into())
}

fn token(client: &Client, region: &Region, keys: Signer<'_>) -> Result<Login, Error> {
    let call = Call {
        service: Service::Ecr,
        region,
        operation: "GetAuthorizationToken",
        content_type: JSON_1_1,
        target: Some("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"),
        body: "{}".into(),
        safety: Safety::Repeatable(Asking::Patiently),
    };
    let reply = client.call(&call, keys)?;
    parse(reply.body.expose()).map_err(|problem| {
        let cause = match problem {
            NoLogin::NotJson => refusal::unexpected(&reply, "ECR's JSON"),
            other => Cause::Unreadable {
                status: reply.status,
                what: other.text().into(),
            },
        };
        client.error(&call, keys, cause)
    })
}

#[derive(Debug, PartialEq, Eq)]
enum NoLogin {
    NotJson,
    EmptyList,
    Registry,
    Token,
    Expiry,
}

impl NoLogin {
    fn text(&self) -> &'static str {
        match self {
            NoLogin::NotJson => "the answer is not ECR's JSON",
            NoLogin::EmptyList => "the answer holds no login (`authorizationData` is missing or empty)",
            NoLogin::Registry => "the answer names no registry (`proxyEndpoint` is missing or no URL)",
            NoLogin::Token => "the answer's `authorizationToken` is not base64 of `AWS:<password>`",
            NoLogin::Expiry => "the answer's `expiresAt` is missing or no time",
        }
    }
}

fn parse(body: &[u8]) -> Result<Login, NoLogin> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        authorization_data: Vec<Data>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        #[serde(default)]
        authorization_token: String,
        #[serde(default)]
        proxy_endpoint: String,
        expires_at: Option<f64>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| NoLogin::NotJson)?;
    let data = answer.authorization_data.into_iter().next().ok_or(NoLogin::EmptyList)?;
    let authorization = Sensitive::new(data.authorization_token);
    let registry = data
        .proxy_endpoint
        .split_once("://")
        .map(|(_, host)| host.trim_end_matches('/').to_owned());
    let registry = registry.filter(|host| is_host(host)).ok_or(NoLogin::Registry)?;
    let login = STANDARD
        .decode(authorization.expose())
        .map(Sensitive::new)
        .map_err(|_| NoLogin::Token)?;
    if !login.expose().starts_with(b"AWS:") || login.expose().len() == 4 || std::str::from_utf8(login.expose()).is_err()
    {
        return Err(NoLogin::Token);
    }
    // Whole seconds are enough, and rounding down never claims more than there is.
    let expires_at = data.expires_at.ok_or(NoLogin::Expiry)?;
    let expires_at = OffsetDateTime::from_unix_timestamp(expires_at as i64).map_err(|_| NoLogin::Expiry)?;
    Ok(Login {
        registry,
        authorization,
        expires_at,
    })
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(token: &str, endpoint: &str) -> Result<Login, NoLogin> {
        let body = format!(
            r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":1.795452354123E9,"proxyEndpoint":"{endpoint}"}}]}}"#
        );
        parse(body.as_bytes())
    }

    #[test]
    fn a_login_is_read() {
        let login = answer("QVdTOnB3", "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com").unwrap();
        assert_eq!(login.registry, "123456789012.dkr.ecr.eu-west-1.amazonaws.com");
        assert_eq!(login.authorization.expose(), "QVdTOnB3");
        assert_eq!(login.expires_at.unix_timestamp(), 1_795_452_354);
    }

    #[test]
    fn what_is_no_login_is_named() {
        assert_eq!(parse(b"<html>"), Err(NoLogin::NotJson));
        for empty in ["{}", r#"{"authorizationData":[]}"#] {
            assert_eq!(parse(empty.as_bytes()), Err(NoLogin::EmptyList));
        }
        assert_eq!(parse(br#"{"authorizationData":[{}]}"#), Err(NoLogin::Registry));
        for token in ["***", "Zm9v", "QVdTOg==", ""] {
            assert_eq!(answer(token, "https://h"), Err(NoLogin::Token), "{token}");
        }
        for endpoint in ["", "h", "https://", "https://a/b", "https://a b"] {
            assert_eq!(answer("QVdTOnB3", endpoint), Err(NoLogin::Registry), "{endpoint}");
        }
    }
}
