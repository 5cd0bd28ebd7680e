//! What a plugin prints: an `ExecCredential` with a status.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Issued, Version};
use crate::error::one_line;
use crate::http::Identity;
use crate::kube::kubeconfig::yaml;
use crate::sensitive::Sensitive;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    client_certificate_data: Option<String>,
    #[serde(default)]
    client_key_data: Option<String>,
    #[serde(default)]
    expiration_timestamp: Option<String>,
}

/// Reads what a plugin printed. Nothing of it is repeated in an error but the names of kind and version.
///
/// # Errors
///
/// What client-go refuses, too.
pub(super) fn parse(stdout: &[u8], version: Version) -> Result<Issued, String> {
    let text = std::str::from_utf8(stdout).map_err(|_| "it is no UTF-8".to_owned())?;
    if text.trim().is_empty() {
        return Err("it printed nothing; expected an `ExecCredential` in JSON".into());
    }
    // client-go reads YAML here as well. The parser's words may quote what was printed.
    let credential = yaml::parse(text)
        .ok()
        .and_then(|value| serde_json::from_value::<Credential>(value).ok())
        .ok_or("expected an `ExecCredential` in JSON, and it is none")?;
    if credential.kind.as_deref() != Some("ExecCredential") {
        let kind = one_line(&credential.kind.unwrap_or_default());
        return Err(format!("its kind is `{kind}`; expected `ExecCredential`"));
    }
    let found = credential.api_version.unwrap_or_default();
    if found != version.to_string() {
        let found = one_line(&found);
        return Err(format!("its apiVersion is `{found}`; the kubeconfig says `{version}`"));
    }
    let status = credential.status.ok_or("it has no `status`")?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Sensitive::new);
    let token = filled(status.token);
    let pair = (filled(status.client_certificate_data), filled(status.client_key_data));
    let identity = match (pair, &token) {
        ((None, None), None) => {
            return Err("its `status` has neither a token nor a client certificate and its key".into());
        }
        ((None, None), Some(_)) => None,
        ((Some(certificate), Some(key)), _) => Some(
            Identity::from_pem(certificate.expose().as_bytes(), key.expose().as_bytes())
                .map_err(|error| error.to_string())?,
        ),
        ((Some(_), None) | (None, Some(_)), _) => {
            return Err("its `status` has only one of client certificate and key; expected both or none".into());
        }
    };
    if token.as_ref().is_some_and(|token| !fits_a_header(token.expose())) {
        return Err("its token holds white space or other characters that no token has".into());
    }
    let expires_at = status.expiration_timestamp.filter(|text| !text.is_empty());
    let expires_at = expires_at.map(|text| {
        OffsetDateTime::parse(&text, &Rfc3339)
            .map_err(|_| format!("its `expirationTimestamp` is `{}`; expected RFC 3339", one_line(&text)))
    });
    Ok(Issued {
        token,
        identity,
        expires_at: expires_at.transpose()?,
    })
}

/// A bearer token in a header.
fn fits_a_header(token: &str) -> bool {
    token.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\"";

    fn status(status: &str) -> Result<Issued, String> {
        parse(format!("{{{V1}, \"status\": {status}}}\n").as_bytes(), Version::V1)
    }

    #[test]
    fn a_token_and_when_it_ends() {
        let issued = status("{\"token\": \"abc\", \"expirationTimestamp\": \"2026-11-25T00:00:00Z\"}").unwrap();
        assert_eq!(issued.token, Some(Sensitive::new("abc".to_owned())));
        assert_eq!(issued.expires_at.unwrap().unix_timestamp(), 1_795_564_800);
        let issued = status("{\"token\": \"abc\", \"expirationTimestamp\": null}").unwrap();
        assert_eq!(issued.expires_at, None);
    }

    #[test]
    fn yaml_is_as_good_as_json() {
        let text = "kind: ExecCredential\napiVersion: client.authentication.k8s.io/v1beta1\nstatus:\n  token: abc\n";
        assert!(parse(text.as_bytes(), Version::V1Beta1).is_ok());
    }

    #[test]
    fn what_is_no_credential_is_told_without_what_was_printed() {
        for (stdout, expected) in [
            ("", "it printed nothing; expected an `ExecCredential` in JSON"),
            ("hunter2", "expected an `ExecCredential` in JSON, and it is none"),
            ("{\"a\":", "expected an `ExecCredential` in JSON, and it is none"),
            (
                "{\"kind\": \"Secret\"}",
                "its kind is `Secret`; expected `ExecCredential`",
            ),
            (
                "{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1beta1\"}",
                "its apiVersion is `client.authentication.k8s.io/v1beta1`; the kubeconfig says \
                 `client.authentication.k8s.io/v1`",
            ),
            (&format!("{{{V1}}}"), "it has no `status`"),
        ] {
            assert_eq!(parse(stdout.as_bytes(), Version::V1).unwrap_err(), expected, "{stdout}");
        }
        for (said, expected) in [
            (
                "{}",
                "its `status` has neither a token nor a client certificate and its key",
            ),
            (
                "{\"token\": \"a\", \"clientKeyData\": \"hunter2\"}",
                "its `status` has only one of client certificate and key; expected both or none",
            ),
            ("{\"token\": 5}", "expected an `ExecCredential` in JSON, and it is none"),
            (
                "{\"token\": \"a b\"}",
                "its token holds white space or other characters that no token has",
            ),
            (
                "{\"token\": \"a\", \"expirationTimestamp\": \"soon\"}",
                "its `expirationTimestamp` is `soon`; expected RFC 3339",
            ),
            (
                "{\"clientCertificateData\": \"a\", \"clientKeyData\": \"hunter2\"}",
                "the client certificate: it holds no certificate; expected PEM, `-----BEGIN CERTIFICATE-----`",
            ),
        ] {
            assert_eq!(status(said).unwrap_err(), expected, "{said}");
        }
    }
}
