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
use crate::retry::{Price, Reaction};

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

    /// Whether the same request may be sent again, and what that costs.
    pub fn reaction(&self) -> Reaction {
        if !self.passes() {
            return Reaction::GiveUp;
        }
        Reaction::Repeat {
            after: None,
            price: match self.problem {
                Problem::TimedOut { .. } => Price::TimeOut,
                Problem::NameNotResolved
                | Problem::NotConnected(_)
                | Problem::Tls(_)
                | Problem::Handshake(_)
                | Problem::Proxy(_)
                | Problem::BodyTooLarge { .. }
                | Problem::Broken(_)
                | Problem::Malformed(_)
                | Problem::BadRequest(_) => Price::Failure,
            },
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
                Some(alert) => unknown(Problem::Tls(rustls::Error::AlertReceived(alert))),
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

/// The alert by which a server refuses the client's certificate, or its absence. Where it shows that the server has read
/// nothing of the request, the transport says so.
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

#[cfg(test)]
mod tests {
    use super::super::proxy::Hop;
    use super::super::proxy_address::ProxyAddress;
    use super::*;

    /// What no stand-in can bring about: a name that is not resolved in time, and a connection that is not made in time.
    #[test]
    fn every_phase_has_its_words() {
        let limit = Duration::from_millis(3_333);
        for (phase, words) in [
            (
                Phase::Resolve,
                "the host name was not resolved within 3.3 s; see that the address is right and can be reached from here",
            ),
            (
                Phase::Connect,
                "no connection within 3.3 s; see that the address is right and can be reached from here",
            ),
            (
                Phase::Tls,
                "no TLS connection within 3.3 s; see that the address is right, and that TLS is spoken at that port",
            ),
            (Phase::Exchange, "no complete answer within 3.3 s; run again later"),
        ] {
            let problem = Problem::TimedOut { phase, limit };
            let failure = Failure {
                problem,
                delivery: Delivery::NotSent,
            };
            assert_eq!(format!("{failure}; {}", failure.advice().unwrap()), words);
            assert!(failure.passes());
        }
        let address = ProxyAddress::parse("socks5://u:p@proxy").unwrap();
        let hop = Hop {
            address: &address,
            setting: "proxy-url",
        };
        let reached = "see that `proxy-url` is right and the proxy can be reached from here";
        for (phase, words) in [
            (
                Phase::Resolve,
                "the host name of the proxy socks5://proxy:1080 was not resolved",
            ),
            (Phase::Connect, "no connection to the proxy socks5://proxy:1080"),
        ] {
            let failure = Failure::of_proxy(hop.failure(ProxyProblem::TimedOut { phase, limit }));
            assert_eq!(failure.to_string(), format!("{words} within 3.3 s"));
            assert_eq!(failure.advice().as_deref(), Some(reached));
            assert!(failure.passes());
        }
        // No exceptions can be named for the proxy of a kubeconfig.
        let failure = Failure::of_proxy(hop.failure(ProxyProblem::Socks(2)));
        assert_eq!(
            failure.advice().as_deref(),
            Some("have the server allowed by the proxy")
        );
    }

    /// Only what ureq and rustls say of the way there is certain not to have been sent.
    #[test]
    fn what_can_have_been_sent() {
        let io = |error| ureq::Error::Io(io::Error::other(error));
        let alert = |alert| io(rustls::Error::AlertReceived(alert));
        for (error, delivery) in [
            (ureq::Error::HostNotFound, Delivery::NotSent),
            (ureq::Error::Timeout(ureq::Timeout::Resolve), Delivery::NotSent),
            (ureq::Error::Timeout(ureq::Timeout::Connect), Delivery::NotSent),
            (ureq::Error::Timeout(ureq::Timeout::Global), Delivery::Unknown),
            (ureq::Error::Timeout(ureq::Timeout::RecvResponse), Delivery::Unknown),
            (alert(rustls::AlertDescription::CertificateRequired), Delivery::Unknown),
            (alert(rustls::AlertDescription::InternalError), Delivery::Unknown),
            (io(rustls::Error::DecryptError), Delivery::Unknown),
            (ureq::Error::Io(io::ErrorKind::BrokenPipe.into()), Delivery::Unknown),
            (ConnectFailure::Tls(TlsFailure::TimedOut).into(), Delivery::NotSent),
        ] {
            let text = error.to_string();
            let failure = Failure::from_ureq(error, Duration::from_secs(30));
            assert_eq!(failure.delivery, delivery, "{text}: {failure}");
        }
    }
}
