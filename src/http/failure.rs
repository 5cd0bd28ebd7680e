//! What can go wrong between a request and its answer, and whether the request can have been delivered.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use super::SETUP_SHARE;
use super::connect::ConnectFailure;
use super::proxy_failure::{ProxyFailure, ProxyProblem};
use super::tls::TlsFailure;
use super::tls_failure::{about_the_client, tls_advice, tls_reason};

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
    /// No way through the proxy.
    Proxy(Box<ProxyFailure>),
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
    /// TCP.
    Connect,
    /// Having a proxy connect to the server.
    Tunnel,
    /// TLS, within the limit for the connection.
    Tls,
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
            Problem::Proxy(failure) => failure.passes(),
            Problem::Tls(_) | Problem::BodyTooLarge { .. } | Problem::BadRequest(_) => false,
        }
    }

    /// What to do about it, where that does not depend on which server it was.
    pub fn advice(&self) -> Option<String> {
        match &self.problem {
            Problem::NameNotResolved => {
                Some("see that the address is right, and that this machine resolves names".into())
            }
            Problem::NotConnected(_)
            | Problem::TimedOut {
                phase: Phase::Resolve | Phase::Connect | Phase::Tunnel,
                ..
            } => Some("see that the address is right and can be reached from here".into()),
            Problem::TimedOut { phase: Phase::Tls, .. } => {
                Some("see that the address is right, and that TLS is spoken at that port".into())
            }
            Problem::TimedOut {
                phase: Phase::Exchange, ..
            }
            | Problem::Broken(_) => Some("run again later".into()),
            Problem::Tls(error) => tls_advice(error).map(str::to_owned),
            Problem::Proxy(failure) => match self.tls() {
                Some(error) => tls_advice(error).map(str::to_owned),
                None => failure.advice(),
            },
            Problem::Handshake(_) | Problem::BodyTooLarge { .. } | Problem::Malformed(_) | Problem::BadRequest(_) => {
                None
            }
        }
    }

    /// Whether the certificate, the server's or the proxy's, is by an authority that is not trusted.
    pub fn is_unknown_authority(&self) -> bool {
        matches!(
            self.tls(),
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
        )
    }

    /// What was wrong with TLS, with the server or the proxy.
    fn tls(&self) -> Option<&rustls::Error> {
        match &self.problem {
            Problem::Tls(error) => Some(error),
            Problem::Proxy(failure) => match &failure.problem {
                ProxyProblem::Tls(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn of_proxy(failure: ProxyFailure) -> Failure {
        Failure {
            problem: Problem::Proxy(Box::new(failure)),
            delivery: Delivery::NotSent,
        }
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
            ureq::Error::Io(error) => match refusal_of_the_client(&error) {
                Some(alert) => not_sent(Problem::Tls(rustls::Error::AlertReceived(alert))),
                None => unknown(Problem::Broken(broken(&error))),
            },
            ureq::Error::Other(error) => match error.downcast::<ConnectFailure>() {
                Ok(failure) => not_sent(match *failure {
                    ConnectFailure::Tcp(error) => Problem::NotConnected(error),
                    ConnectFailure::Tls(TlsFailure::Protocol(error)) => Problem::Tls(error),
                    ConnectFailure::Tls(TlsFailure::Io(error)) => Problem::Handshake(error),
                    ConnectFailure::Tls(TlsFailure::TimedOut) => Problem::TimedOut {
                        phase: Phase::Tls,
                        limit: time / SETUP_SHARE,
                    },
                    ConnectFailure::Proxy(failure) => Problem::Proxy(failure),
                }),
                Err(error) => unknown(Problem::Broken(error.to_string())),
            },
            other => unknown(Problem::Broken(other.to_string())),
        }
    }
}

/// The alert by which a server refuses the client's certificate, or its absence. With TLS 1.3 it comes when the request has
/// been sent; the server has read nothing of that, for its handshake is not finished.
fn refusal_of_the_client(error: &io::Error) -> Option<AlertDescription> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) if about_the_client(*alert) => Some(*alert),
        _ => None,
    }
}

pub(super) fn broken(error: &io::Error) -> String {
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
            Problem::Proxy(failure) => write!(f, "{failure}"),
            Problem::TimedOut { phase, limit } => {
                let what = match phase {
                    Phase::Resolve => "the host name was not resolved",
                    Phase::Connect | Phase::Tunnel => "no connection",
                    Phase::Tls => "no TLS connection",
                    Phase::Exchange => "no complete answer",
                };
                write!(f, "{what} within {} s", seconds(*limit))
            }
            Problem::BodyTooLarge { limit } => write!(f, "the answer is longer than {limit} bytes"),
            Problem::Broken(reason) => write!(f, "the connection broke: {reason}"),
            Problem::BadRequest(reason) => write!(f, "the request cannot be sent: {reason}"),
            Problem::Malformed(reason) => write!(f, "not HTTP as expected: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}

/// To a tenth.
pub(super) fn seconds(limit: Duration) -> f64 {
    (limit.as_secs_f64() * 10.0).round() / 10.0
}

/// Without the ` (os error 111)` that the standard library appends.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}
