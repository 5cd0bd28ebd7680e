//! Signature version 4, the checking side, on nothing but HMAC and SHA-256.
//!
//! Written from "Create a signed AWS API request" in the IAM User Guide. The texts are AWS's own where they are known.

use ring::{digest, hmac};
use time::PrimitiveDateTime;

use super::super::server::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

/// How far a request's date may be from the service's, in seconds.
const WINDOW: i64 = 5 * 60;

/// Why a request does not prove who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no signature.
    Unsigned,
    /// What is there cannot be checked.
    Incomplete(String),
    /// Nobody has this key, or not here, or not now.
    UnknownKey,
    /// The session has ended.
    SessionOver,
    /// The signature is wrong, or for another service, region or time.
    Invalid(String),
}

/// A request with its `Authorization` header taken apart.
pub(super) struct Signed<'r> {
    request: &'r Request,
    pub(super) key_id: &'r str,
    date: &'r str,
    pub(super) region: &'r str,
    service: &'r str,
    signed_headers: Vec<&'r str>,
    signature: &'r str,
    /// `X-Amz-Date`, as sent and in seconds since the epoch.
    timestamp: &'r str,
    at: i64,
}

impl<'r> Signed<'r> {
    /// Takes the header apart and checks that all that must be signed is.
    pub(super) fn parse(request: &'r Request) -> Result<Signed<'r>, Refusal> {
        let incomplete = |text: String| Refusal::Incomplete(text);
        let authorization = only(request, "authorization")?.ok_or(Refusal::Unsigned)?;
        let (algorithm, fields) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            return Err(incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
        }
        let field = |name: &str| {
            fields
                .split(',')
                .filter_map(|field| field.trim().split_once('='))
                .find_map(|(found, value)| (found == name).then_some(value))
                .ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
        };
        let credential = field("Credential")?;
        let parts: Vec<&str> = credential.split('/').collect();
        let &[key_id, date, region, service, terminator] = parts.as_slice() else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 '{credential}'"
            )));
        };
        if terminator != TERMINATOR {
            return Err(Refusal::Invalid(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
            )));
        }
        let signed_headers: Vec<&str> = field("SignedHeaders")?.split(';').collect();
        let signature = field("Signature")?;
        let timestamp = only(request, "x-amz-date")?.ok_or_else(|| {
            incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".into())
        })?;
        let at = parse_timestamp(timestamp).ok_or_else(|| {
            incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
            ))
        })?;
        let signed = Signed {
            request,
            key_id,
            date,
            region,
            service,
            signed_headers,
            signature,
            timestamp,
            at,
        };
        signed.check_signed_headers()?;
        Ok(signed)
    }

    /// `host` and every `x-amz-*` header must be signed, or a third party could change them.
    fn check_signed_headers(&self) -> Result<(), Refusal> {
        let names = &self.signed_headers;
        if !names.is_sorted_by(|a, b| a < b) || names.iter().any(|name| name.bytes().any(|b| b.is_ascii_uppercase())) {
            return Err(Refusal::Incomplete(format!(
                "'SignedHeaders' must be in lower case, in order and without repetition, got '{}'.",
                names.join(";")
            )));
        }
        if let Some(absent) = names.iter().find(|name| self.request.header(name).is_none()) {
            return Err(Refusal::Incomplete(format!(
                "'{absent}' is named as a 'SignedHeader', but it does not exist in the HTTP request"
            )));
        }
        let sent = self.request.headers.iter().map(|(name, _)| name.as_str());
        let required = sent.filter(|name| name.starts_with("x-amz-")).chain(["host"]);
        match required.into_iter().find(|name| !names.contains(name)) {
            Some(unsigned) => Err(Refusal::Incomplete(format!(
                "'{unsigned}' must be a 'SignedHeader' in the AWS Authorization."
            ))),
            None => Ok(()),
        }
    }

    /// The credential scope must be that of the service called, in a region where it is, on the day of the request.
    pub(super) fn check_scope(&self, service: &str, in_region: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        if self.service != service {
            return Err(Refusal::Invalid(format!(
                "Credential should be scoped to correct service: '{service}'."
            )));
        }
        if !in_region(self.region) {
            return Err(Refusal::Invalid(
                "Credential should be scoped to a valid region.".into(),
            ));
        }
        let day = &self.timestamp[..8];
        if self.date != day {
            return Err(Refusal::Invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != \
                 '{day}', from '{}'.",
                self.date, self.timestamp
            )));
        }
        Ok(())
    }

    /// The request must be about as old as it says.
    pub(super) fn check_window(&self, now: i64) -> Result<(), Refusal> {
        let stamp = format_timestamp;
        if self.at < now - WINDOW {
            return Err(Refusal::Invalid(format!(
                "Signature expired: {} is now earlier than {} ({} - 5 min.)",
                self.timestamp,
                stamp(now - WINDOW),
                stamp(now)
            )));
        }
        if self.at > now + WINDOW {
            return Err(Refusal::Invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + 5 min.)",
                self.timestamp,
                stamp(now + WINDOW),
                stamp(now)
            )));
        }
        Ok(())
    }

    /// The signature must be the one that this secret makes of this request.
    pub(super) fn check_signature(&self, secret: &str) -> Result<(), Refusal> {
        let claimed = self.request.header("x-amz-content-sha256");
        if claimed.is_some_and(|claimed| claimed != sha256_hex(&self.request.body)) {
            return Err(Refusal::Invalid(
                "The value passed in as x-amz-content-sha256 does not match the computed payload hash.".into(),
            ));
        }
        if self.expected_signature(secret) != self.signature {
            return Err(Refusal::Invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details."
                    .into(),
            ));
        }
        Ok(())
    }

    fn expected_signature(&self, secret: &str) -> String {
        let scope = [self.date, self.region, self.service, TERMINATOR];
        let to_sign = format!(
            "{ALGORITHM}\n{}\n{}\n{}",
            self.timestamp,
            scope.join("/"),
            sha256_hex(self.canonical_request().as_bytes())
        );
        let key = scope.iter().fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            hmac_sha256(&key, part.as_bytes())
        });
        hex(&hmac_sha256(&key, to_sign.as_bytes()))
    }

    fn canonical_request(&self) -> String {
        let mut query: Vec<(String, String)> = self
            .request
            .query()
            .iter()
            .map(|(name, value)| (uri_encode(name, ""), uri_encode(value, "")))
            .collect();
        query.sort();
        let query: Vec<String> = query
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let headers: String = self
            .signed_headers
            .iter()
            .map(|&name| format!("{name}:{}\n", canonical_value(self.request, name)))
            .collect();
        [
            self.request.method.as_str(),
            // Every service but S3 encodes the path as sent once more.
            &uri_encode(&self.request.path, "/"),
            &query.join("&"),
            &headers,
            &self.signed_headers.join(";"),
            &sha256_hex(&self.request.body),
        ]
        .join("\n")
    }
}

/// The value of a header that may come once only.
fn only<'r>(request: &'r Request, name: &str) -> Result<Option<&'r str>, Refusal> {
    let mut values = request
        .headers
        .iter()
        .filter(|(found, _)| found == name)
        .map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Refusal::Incomplete(format!("'{name}' comes more than once."))),
    }
}

/// All values of that header, with runs of spaces made one.
fn canonical_value(request: &Request, name: &str) -> String {
    let values = request.headers.iter().filter(|(found, _)| found == name);
    let values: Vec<String> = values
        .map(|(_, value)| {
            value
                .split(' ')
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    values.join(",")
}

fn uri_encode(text: &str, also_kept: &str) -> String {
    text.bytes()
        .map(|byte| match char::from(byte) {
            kept if kept.is_ascii_alphanumeric() || "-._~".contains(kept) || also_kept.contains(kept) => {
                kept.to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn parse_timestamp(text: &str) -> Option<i64> {
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    Some(
        PrimitiveDateTime::parse(text, format)
            .ok()?
            .assume_utc()
            .unix_timestamp(),
    )
}

fn format_timestamp(epoch_seconds: i64) -> String {
    super::reply::iso8601(epoch_seconds).replace(['-', ':'], "")
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
        .as_ref()
        .to_vec()
}

fn sha256_hex(data: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, data).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
