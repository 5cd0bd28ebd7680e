//! Identifiers and secrets that look like AWS's.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

/// The alphabet of AWS's identifiers: base32 of RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// `AKIA` and 16 characters.
pub(super) fn access_key_id() -> String {
    format!("AKIA{}", base32(16))
}

/// `AIDA` and 17 characters: the unique id of a user.
pub(super) fn user_id() -> String {
    format!("AIDA{}", base32(17))
}

/// `AROA` and 17 characters: the unique id of a role.
pub(super) fn role_id() -> String {
    format!("AROA{}", base32(17))
}

/// What comes with every request of a session.
pub(super) fn session_token() -> String {
    format!("IQoJb3JpZ2luX2Vj{}", STANDARD.encode(bytes(270)))
}

/// A token of an OpenID Connect provider in form.
pub(super) fn web_identity_token() -> String {
    let part = |count| URL_SAFE_NO_PAD.encode(bytes(count));
    format!("eyJhbGciOiJSUzI1NiJ9.{}.{}", part(120), part(256))
}

/// 40 characters of base64. Each has a `/` and a `+`, since these are what careless encoders break.
pub(super) fn secret_access_key() -> String {
    loop {
        let secret = STANDARD.encode(bytes(30));
        if secret.contains('/') && secret.contains('+') {
            return secret;
        }
    }
}

/// A password as ECR makes them: base64 of JSON around an encrypted payload, between 1.8 and 2.3 kB, never the same size
/// for long.
pub(super) fn ecr_password(expires_at: i64) -> String {
    let payload = bytes(780 + usize::from(bytes(1)[0]));
    let inner = serde_json::json!({
        "payload": STANDARD.encode(payload),
        "datakey": STANDARD.encode(bytes(184)),
        "version": "2",
        "type": "DATA_KEY",
        "expiration": expires_at,
    });
    STANDARD.encode(inner.to_string())
}

/// `7a62c49f-347e-4fc4-9331-6e8eEXAMPLE` in form.
pub(super) fn request_id() -> String {
    let hex: String = bytes(16).iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn base32(length: usize) -> String {
    bytes(length)
        .iter()
        .map(|byte| char::from(BASE32[usize::from(byte % 32)]))
        .collect()
}

fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    SystemRandom::new().fill(&mut bytes).expect("the system's randomness");
    bytes
}
