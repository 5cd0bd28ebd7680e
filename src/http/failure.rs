//! What can go wrong between a request and its answer, and whether the request can have been delivered.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use super::SETUP_SHARE;
use super::connect::{ConnectFailure, TlsFailure};

/// No complete answer came.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub problem: Problem,
    /// Whether the other side can have seen the request.
    pub delivery: Delivery,
}

/// Whether a request that got no answer can have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It certainly has not: there never was a connection to send it over.
    NotSent,
    /// It may have.
    Unknown,
}

/// What went wrong.
#[derive(Debug)]
pub enum Problem {
    /// The host has no address.
    NameNotResolved,
    /// No TCP connection.
    NotConnected(io::Error),
    /// No TLS connection; most often an unknown certificate authority or a wrong name.
    Tls(rustls::Error),
    /// The connection broke while TLS was being set up.
    Handshake(io::Error),
    /// A limit ran out.
    TimedOut {
        /// During what.
        phase: Phase,
        /// The limit that ran out.
        limit: Duration,
    },
    /// The answer was longer than is read.
    BodyTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The connection broke before the answer was complete.
    Broken(String),
    /// What came is no HTTP.
    Malformed(String),
    /// The request cannot be put into HTTP.
    BadRequest(String),
}

/// The part of an exchange that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the host's address.
    Resolve,
    /// TCP and TLS.
    Connect,
    /// From the first byte sent to the last one received.
    Exchange,
}

impl Failure {
    /// Whether the same request may get an answer a moment later. A certificate, a URL and an answer that is too long
    /// will be the same again.
    pub fn passes(&self) -> bool {
        match &self.problem {
            Problem::NameNotResolved
            | Problem::NotConnected(_)
            | Problem::Handshake(_)
            | Problem::TimedOut { .. }
            | Problem::Broken(_)
            | Problem::Malformed(_) => true,
            Problem::Tls(_) | Problem::BodyTooLarge { .. } | Problem::BadRequest(_) => false,
        }
    }

    /// What to do about it, where that does not depend on which server it was.
    pub fn advice(&self) -> Option<&'static str> {
        match &self.problem {
            Problem::NameNotResolved => Some("see that the address is right, and that this machine resolves names"),
            Problem::NotConnected(_)
            | Problem::TimedOut {
                phase: Phase::Resolve | Phase::Connect,
                ..
            } => Some("see that the address is right and can be reached from here"),
            Problem::TimedOut {
                phase: Phase::Exchange, ..
            }
            | Problem::Broken(_) => Some("run again later"),
            Problem::Tls(rustls::Error::InvalidCertificate(
                rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. },
            )) => Some("renew it, or set this machine's clock if that is off"),
            Problem::Tls(_)
            | Problem::Handshake(_)
            | Problem::BodyTooLarge { .. }
            | Problem::Malformed(_)
            | Problem::BadRequest(_) => None,
        }
    }

    /// Whether the server's certificate is by an authority that is not trusted.
    pub fn is_unknown_authority(&self) -> bool {
        matches!(
            self.problem,
            Problem::Tls(rustls::Error::InvalidCertificate(
                rustls::CertificateError::UnknownIssuer
            ))
        )
    }

    /// `time` is the limit that was in force for the whole exchange.
    pub(super) fn from_ureq(error: ureq::Error, time: Duration) -> Failure {
        let not_sent = |problem| Failure {
            problem,
            delivery: Delivery::NotSent,
        };
        let unknown = |problem| Failure {
            problem,
            delivery: Delivery::Unknown,
        };
        match error {
            ureq::Error::HostNotFound => not_sent(Problem::NameNotResolved),
            ureq::Error::ConnectionFailed => not_sent(Problem::NotConnected(io::ErrorKind::NotConnected.into())),
            ureq::Error::BadUri(uri) => not_sent(Problem::BadRequest(format!("`{uri}` is no URL"))),
            ureq::Error::Http(error) => not_sent(Problem::BadRequest(error.to_string())),
            ureq::Error::Timeout(ureq::Timeout::Resolve) => not_sent(Problem::TimedOut {
                phase: Phase::Resolve,
                limit: time / SETUP_SHARE,
            }),
            ureq::Error::Timeout(ureq::Timeout::Connect) => not_sent(Problem::TimedOut {
                phase: Phase::Connect,
                limit: time / SETUP_SHARE,
            }),
            ureq::Error::Timeout(_) => unknown(Problem::TimedOut {
                phase: Phase::Exchange,
                limit: time,
            }),
            ureq::Error::Protocol(error) => unknown(Problem::Malformed(error.to_string())),
            ureq::Error::LargeResponseHeader(size, limit) => unknown(Problem::Malformed(format!(
                "a header of {size} bytes, more than {limit}"
            ))),
            ureq::Error::Io(error) => unknown(Problem::Broken(broken(&error))),
            ureq::Error::Other(error) => match error.downcast::<ConnectFailure>() {
                Ok(failure) => not_sent(match *failure {
                    ConnectFailure::Tcp(error) => Problem::NotConnected(error),
                    ConnectFailure::Tls(TlsFailure::Protocol(error)) => Problem::Tls(error),
                    ConnectFailure::Tls(TlsFailure::Io(error)) => Problem::Handshake(error),
                }),
                Err(error) => unknown(Problem::Broken(error.to_string())),
            },
            other => unknown(Problem::Broken(other.to_string())),
        }
    }
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "closed by the other side".into(),
        _ => error.to_string(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::NameNotResolved => f.write_str("the host name cannot be resolved"),
            Problem::NotConnected(error) => write!(f, "cannot connect: {}", reason(error)),
            Problem::Tls(error) => write!(f, "TLS: {}", tls_reason(error)),
            Problem::Handshake(error) => write!(
                f,
                "TLS: the connection broke before it was set up ({}); does the server speak TLS?",
                broken(error)
            ),
            Problem::TimedOut { phase, limit } => {
                let what = match phase {
                    Phase::Resolve => "the host name was not resolved",
                    Phase::Connect => "no connection",
                    Phase::Exchange => "no complete answer",
                };
                write!(f, "{what} within {} s", (limit.as_secs_f64() * 10.0).round() / 10.0)
            }
            Problem::BodyTooLarge { limit } => write!(f, "the answer is longer than {limit} bytes"),
            Problem::Broken(reason) => write!(f, "the connection broke: {reason}"),
            Problem::BadRequest(reason) => write!(f, "the request cannot be sent: {reason}"),
            Problem::Malformed(reason) => write!(f, "not HTTP as expected: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Without the ` (os error 111)` that the standard library appends.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}

fn tls_reason(error: &rustls::Error) -> String {
    use rustls::CertificateError;
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is not signed by a trusted authority".into()
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName) => {
            "the server's certificate is for another name".into()
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            format!(
                "the server's certificate is not for {}, only for {}",
                expected.to_str(),
                names.join(", ")
            )
        }
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS; is the port right?".into()
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired".into()
        }
        error => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// `DnsName("kubernetes")` and `IpAddress(10.0.0.1)`, as rustls writes them, without the wrapping.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(name);
    inner.trim_matches('"')
}
