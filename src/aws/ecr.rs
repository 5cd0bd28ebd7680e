//! ECR: a login for image pulls.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use time::OffsetDateTime;

use super::registry::{PUBLIC_HOST, Realm};
use super::{Call, Cause, Client, Error, JSON_1_1, Safety, Service, Signer, refusal};
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

/// GetAuthorizationToken: a login for whoever signs, to the registries of `realm`.
///
/// # Errors
///
/// As for every call; an answer without a usable token is one.
pub fn get_authorization_token<'a>(client: &Client, realm: &Realm, by: impl Into<Signer<'a>>) -> Result<Login, Error> {
    let by = by.into();
    let region = realm.region();
    let (service, target) = match realm {
        Realm::Private(_) => (
            Service::Ecr,
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        ),
        Realm::Public => (Service::EcrPublic, "SpencerFrontendService.GetAuthorizationToken"),
    };
    let call = Call {
        service,
        region: &region,
        operation: "GetAuthorizationToken",
        content_type: JSON_1_1,
        target: Some(target),
        body: "{}".into(),
        safety: Safety::Repeatable(Asking::Patiently),
    };
    let reply = client.call(&call, by)?;
    parse(realm, reply.body.expose()).map_err(|problem| {
        let cause = match problem {
            NoLogin::NotJson => refusal::unexpected(&reply, "ECR's JSON"),
            other => Cause::Unreadable {
                status: reply.status,
                what: other.text().into(),
            },
        };
        client.error(&call, by, cause)
    })
}

#[derive(Debug, PartialEq, Eq)]
enum NoLogin {
    NotJson,
    Empty,
    Registry,
    Token,
    Expiry,
}

impl NoLogin {
    fn text(&self) -> &'static str {
        match self {
            NoLogin::NotJson => "the answer is not ECR's JSON",
            NoLogin::Empty => "the answer holds no login (`authorizationData` is missing or empty)",
            NoLogin::Registry => "the answer names no registry (`proxyEndpoint` is missing or no URL)",
            NoLogin::Token => "the answer's `authorizationToken` is not base64 of `AWS:<password>`",
            NoLogin::Expiry => "the answer's `expiresAt` is missing or no time",
        }
    }
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

fn parse(realm: &Realm, body: &[u8]) -> Result<Login, NoLogin> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<T> {
        authorization_data: Option<T>,
    }
    let data = match realm {
        Realm::Private(_) => serde_json::from_slice::<Answer<Vec<Data>>>(body)
            .map(|answer| answer.authorization_data.and_then(|list| list.into_iter().next())),
        Realm::Public => serde_json::from_slice::<Answer<Data>>(body).map(|answer| answer.authorization_data),
    };
    let data = data.map_err(|_| NoLogin::NotJson)?.ok_or(NoLogin::Empty)?;
    let authorization = Sensitive::new(data.authorization_token);
    let registry = match realm {
        Realm::Private(_) => data
            .proxy_endpoint
            .split_once("://")
            .map(|(_, host)| host.trim_end_matches('/').to_owned())
            .filter(|host| is_host(host))
            .ok_or(NoLogin::Registry)?,
        // Its answer names none.
        Realm::Public => PUBLIC_HOST.to_owned(),
    };
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
        parse(&private(), body.as_bytes())
    }

    fn private() -> Realm {
        Realm::parse("eu-west-1").unwrap()
    }

    #[test]
    fn the_public_gallery_answers_with_one_object_and_names_no_registry() {
        let body = br#"{"authorizationData":{"authorizationToken":"QVdTOnB3","expiresAt":1.795452354E9}}"#;
        let login = parse(&Realm::Public, body).unwrap();
        assert_eq!(login.registry, "public.ecr.aws");
        assert_eq!(login.expires_at.unix_timestamp(), 1_795_452_354);
        assert_eq!(parse(&private(), body), Err(NoLogin::NotJson));
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
        assert_eq!(parse(&private(), b"<html>"), Err(NoLogin::NotJson));
        for empty in ["{}", r#"{"authorizationData":[]}"#] {
            assert_eq!(parse(&private(), empty.as_bytes()), Err(NoLogin::Empty));
        }
        assert_eq!(
            parse(&private(), br#"{"authorizationData":[{}]}"#),
            Err(NoLogin::Registry)
        );
        for token in ["***", "Zm9v", "QVdTOg==", ""] {
            assert_eq!(answer(token, "https://h"), Err(NoLogin::Token), "{token}");
        }
        for endpoint in ["", "h", "https://", "https://a/b", "https://a b"] {
            assert_eq!(answer("QVdTOnB3", endpoint), Err(NoLogin::Registry), "{endpoint}");
        }
    }
}
