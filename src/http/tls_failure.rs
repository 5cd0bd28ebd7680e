//! What is wrong with TLS, in plain words. rustls's own are kept where they are rare.

use std::error::Error as _;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError};
use time::OffsetDateTime;

/// What to do about TLS that did not come to be, where that does not depend on which server it was.
pub(super) fn tls_advice(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Some("renew it, or set this machine's clock if that is off")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Some("set this machine's clock if that is off, or wait")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Some("use a name that the certificate is for, or have it issued for this one")
            }
            error if is_an_authority(error) => Some("have that authority issue a certificate for the server"),
            _ => None,
        },
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::NoCertificate) => {
            Some("give the user a client certificate and its key")
        }
        rustls::Error::AlertReceived(alert) if about_the_client(*alert) => {
            Some("see that it has not expired, and that the server trusts its authority")
        }
        _ => None,
    }
}

pub(super) fn tls_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate_reason(error),
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS; is the port right?".into()
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::NoCertificate) => {
            "the server demands a client certificate, and was sent none".into()
        }
        rustls::Error::AlertReceived(alert) if about_the_client(*alert) => {
            format!("the server does not accept the client certificate ({alert:?})")
        }
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server speaks neither TLS 1.2 nor TLS 1.3".into()
        }
        rustls::Error::General(text) => text.clone(),
        error => with_source(error),
    }
}

fn certificate_reason(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "the server's certificate is not signed by a trusted authority".into(),
        CertificateError::NotValidForName => "the server's certificate is for another name".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<String> = presented.iter().map(|name| bare(name)).collect();
            let expected = expected.to_str();
            if names.is_empty() {
                return format!("the server's certificate is not for {expected}, and for no other name");
            }
            format!(
                "the server's certificate is not for {expected}, only for {}",
                names.join(", ")
            )
        }
        CertificateError::Expired => "the server's certificate has expired".into(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the server's certificate expired on {}, and it is {} by this machine's clock",
            date(not_after.as_secs()),
            date(time.as_secs())
        ),
        CertificateError::NotValidYet => "the server's certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the server's certificate is not valid before {}, and it is {} by this machine's clock",
            date(not_before.as_secs()),
            date(time.as_secs())
        ),
        error if is_an_authority(error) => "the server's certificate is that of an authority itself".into(),
        error => with_source(&rustls::Error::InvalidCertificate(error.clone())),
    }
}

/// webpki does not take it for a server's, which OpenSSL and Go do. rustls passes on the reason as an error of any kind.
fn is_an_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

fn with_source(error: &rustls::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// `2026-11-23T04:45:54Z`, of seconds since the epoch.
fn date(seconds: u64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let known = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(format).ok());
    known.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// `DnsName("kubernetes")` and `IpAddress(0::1)`, as rustls writes them, without the wrapping and as people write them.
fn bare(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(name);
    match inner.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => inner.trim_matches('"').to_owned(),
    }
}

/// Whether a server refuses the client's certificate by this alert, or its absence.
pub(super) fn about_the_client(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words() {
        let invalid = rustls::Error::InvalidCertificate;
        for (error, words) in [
            (
                rustls::Error::AlertReceived(AlertDescription::ProtocolVersion),
                "the server speaks neither TLS 1.2 nor TLS 1.3",
            ),
            (
                rustls::Error::AlertReceived(AlertDescription::AccessDenied),
                "the server does not accept the client certificate (AccessDenied)",
            ),
            (
                invalid(CertificateError::Expired),
                "the server's certificate has expired",
            ),
            (
                invalid(CertificateError::NotValidYet),
                "the server's certificate is not valid yet",
            ),
            (
                invalid(CertificateError::NotValidForName),
                "the server's certificate is for another name",
            ),
            (
                invalid(CertificateError::BadSignature),
                "invalid peer certificate: BadSignature",
            ),
        ] {
            assert_eq!(tls_reason(&error), words);
        }
    }

    #[test]
    fn names_and_dates_as_people_write_them() {
        assert_eq!(bare("DnsName(\"*.example.com\")"), "*.example.com");
        assert_eq!(bare("IpAddress(0::1)"), "::1");
        assert_eq!(bare("IpAddress(10.96.0.1)"), "10.96.0.1");
        assert_eq!(date(1_795_409_154), "2026-11-23T04:45:54Z");
        assert_eq!(date(u64::MAX), "18446744073709551615 s after 1970");
    }
}
