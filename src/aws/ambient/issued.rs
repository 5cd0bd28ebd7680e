//! Credentials as JSON, the way metadata endpoints and `credential_process` write them.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::aws::{AccessKeyId, Credentials, KeyPair};
use crate::error::one_line;
use crate::sensitive::Sensitive;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Issued {
    version: Option<serde_json::Value>,
    code: Option<String>,
    message: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    /// As metadata endpoints call it.
    token: Option<String>,
    /// As `credential_process` calls it.
    session_token: Option<String>,
    expiration: Option<String>,
}

/// Who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A metadata endpoint.
    Metadata,
    /// A `credential_process`.
    Process,
}

/// The credentials in it.
///
/// # Errors
///
/// Says what is wrong, without repeating any of it but an error that the endpoint tells.
pub(super) fn parse(form: Form, json: &[u8]) -> Result<Credentials, String> {
    let issued: Issued = serde_json::from_slice(json).map_err(|_| match form {
        Form::Metadata => "the answer is not JSON with credentials".to_owned(),
        Form::Process => "its output is not JSON with credentials".to_owned(),
    })?;
    let session_token = match form {
        Form::Metadata => issued.token,
        Form::Process if issued.version != Some(1.into()) => {
            return Err("`Version` in its output is not 1; no other is understood".into());
        }
        Form::Process => issued.session_token,
    };
    let session_token = session_token.filter(|token| !token.is_empty()).map(Sensitive::new);
    let secret = issued.secret_access_key.map(Sensitive::new);
    if let Some(code) = issued.code.filter(|code| code != "Success") {
        let message = issued.message.unwrap_or_default();
        return Err(format!("it answers `{}`: {}", one_line(&code), one_line(&message)));
    }
    let id = issued.access_key_id.ok_or("`AccessKeyId` is missing")?;
    let id = AccessKeyId::parse(&id).map_err(|_| "`AccessKeyId` is no access key id")?;
    let secret = secret
        .filter(|secret| !secret.expose().is_empty())
        .ok_or("`SecretAccessKey` is missing")?;
    let time = |text: String| OffsetDateTime::parse(&text, &Rfc3339);
    let expires_at = issued
        .expiration
        .map(time)
        .transpose()
        .map_err(|_| "`Expiration` is no time in RFC 3339")?;
    Ok(Credentials {
        pair: KeyPair { id, secret },
        session_token,
        expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let metadata = br#"{"Code":"Success","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"s","Token":"t",
            "Expiration":"2026-11-25T02:00:00Z","LastUpdated":"x","Type":"AWS-HMAC"}"#;
        let read = parse(Form::Metadata, metadata).unwrap();
        assert_eq!(read.session_token.unwrap().expose(), "t");
        assert_eq!(read.expires_at.unwrap().unix_timestamp(), 1_795_572_000);
        let process = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"s"}"#;
        let read = parse(Form::Process, process).unwrap();
        assert_eq!((read.session_token, read.expires_at), (None, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (form, json, says) in [
            (Form::Metadata, "<html>", "the answer is not JSON with credentials"),
            (Form::Process, "x", "its output is not JSON with credentials"),
            (
                Form::Process,
                r#"{"Version":2}"#,
                "`Version` in its output is not 1; no other is understood",
            ),
            (Form::Metadata, "{}", "`AccessKeyId` is missing"),
            (
                Form::Metadata,
                r#"{"AccessKeyId":"secret"}"#,
                "`AccessKeyId` is no access key id",
            ),
            (
                Form::Metadata,
                r#"{"AccessKeyId":"AKIAIOSFODNN7EXAMPLE"}"#,
                "`SecretAccessKey` is missing",
            ),
            (
                Form::Metadata,
                r#"{"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"s","Expiration":"soon"}"#,
                "`Expiration` is no time in RFC 3339",
            ),
            (
                Form::Metadata,
                r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role r"}"#,
                "it answers `AssumeRoleUnauthorizedAccess`: EC2 cannot assume the role r",
            ),
        ] {
            assert_eq!(parse(form, json.as_bytes()), Err(says.into()), "{json}");
        }
    }
}
