//! What can go wrong between this program and a proxy. Nothing of a request has left by then.

use std::fmt;
use std::io;
use std::time::Duration;

use super::failure::{Phase, broken, reason, seconds};
use super::proxy::Hop;
use super::tls_failure::tls_reason;

/// No way through a proxy.
#[derive(Debug)]
pub struct ProxyFailure {
    /// `scheme://host:port`, without a user name and a password.
    proxy: String,
    /// The setting that names it.
    setting: &'static str,
    /// Whether a user name and a password are set.
    has_login: bool,
    pub(super) problem: ProxyProblem,
}

#[derive(Debug)]
pub(super) enum ProxyProblem {
    NameNotResolved,
    NotConnected(io::Error),
    Tls(rustls::Error),
    /// It closed the connection, or broke it.
    Broken(io::Error),
    TimedOut {
        phase: Phase,
        limit: Duration,
    },
    /// It wants a user name and a password, or others than it was sent.
    Login,
    /// It wants to know who asks, in a way that is not spoken here.
    LoginBy(String),
    /// An HTTP proxy answered with this status.
    Status(u16),
    /// A SOCKS proxy answered with this code (RFC 1928, section 6).
    Socks(u8),
    /// What answers does not speak the protocol.
    NoProxy,
}

/// The end of a negotiation with a proxy that led nowhere.
pub(super) enum Stopped {
    By(ProxyProblem),
    Io(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Io(error)
    }
}

impl From<ProxyProblem> for Stopped {
    fn from(problem: ProxyProblem) -> Stopped {
        Stopped::By(problem)
    }
}

impl Hop<'_> {
    pub(super) fn failure(&self, problem: ProxyProblem) -> ProxyFailure {
        ProxyFailure {
            proxy: self.address.to_string(),
            setting: self.setting,
            has_login: self.address.login.is_some(),
            problem,
        }
    }
}

impl ProxyFailure {
    pub(super) fn passes(&self) -> bool {
        match &self.problem {
            ProxyProblem::NameNotResolved
            | ProxyProblem::NotConnected(_)
            | ProxyProblem::Broken(_)
            | ProxyProblem::TimedOut { .. } => true,
            ProxyProblem::Status(status) => *status == 429 || *status >= 500,
            // Only the ruleset will be the same again.
            ProxyProblem::Socks(code) => matches!(code, 1 | 3..=6),
            ProxyProblem::Tls(_) | ProxyProblem::Login | ProxyProblem::LoginBy(_) | ProxyProblem::NoProxy => false,
        }
    }

    pub(super) fn advice(&self) -> Option<String> {
        let setting = self.setting;
        Some(match &self.problem {
            ProxyProblem::NameNotResolved => {
                format!("see that `{setting}` is right, and that this machine resolves names")
            }
            ProxyProblem::NotConnected(_)
            | ProxyProblem::TimedOut {
                phase: Phase::Resolve | Phase::Connect | Phase::Tls,
                ..
            } => format!("see that `{setting}` is right and the proxy can be reached from here"),
            ProxyProblem::Broken(_)
            | ProxyProblem::NoProxy
            | ProxyProblem::TimedOut {
                phase: Phase::Tunnel | Phase::Exchange,
                ..
            } => format!("see that `{setting}` is right, its scheme and its port too"),
            ProxyProblem::Login if self.has_login => format!("correct them in `{setting}`"),
            ProxyProblem::Login => format!("put them into `{setting}`: `scheme://user:password@host:port`"),
            ProxyProblem::LoginBy(_) => "have it accept Basic, or use another proxy".into(),
            ProxyProblem::Status(500..) | ProxyProblem::Socks(1 | 3..=6) => {
                "see that the server's address is right, and that the proxy can reach it".into()
            }
            // Only the variables have exceptions.
            ProxyProblem::Status(_) | ProxyProblem::Socks(_) if setting.ends_with(['Y', 'y']) => {
                "have the server allowed by the proxy, or name it in `NO_PROXY` if it can be reached directly".into()
            }
            ProxyProblem::Status(_) | ProxyProblem::Socks(_) => "have the server allowed by the proxy".into(),
            ProxyProblem::Tls(_) => return None,
        })
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = &self.proxy;
        match &self.problem {
            ProxyProblem::NameNotResolved => write!(f, "the host name of the proxy {proxy} cannot be resolved"),
            ProxyProblem::NotConnected(error) => write!(f, "cannot connect to the proxy {proxy}: {}", reason(error)),
            ProxyProblem::Tls(error) => write!(f, "TLS to the proxy {proxy}: {}", tls_reason(error)),
            ProxyProblem::Broken(error) => write!(
                f,
                "the connection to the proxy {proxy} broke before there was a way through it: {}",
                broken(error)
            ),
            ProxyProblem::TimedOut { phase, limit } => {
                let limit = seconds(*limit);
                match phase {
                    Phase::Resolve => write!(
                        f,
                        "the host name of the proxy {proxy} was not resolved within {limit} s"
                    ),
                    Phase::Connect => write!(f, "no connection to the proxy {proxy} within {limit} s"),
                    Phase::Tls => write!(f, "no TLS connection to the proxy {proxy} within {limit} s"),
                    Phase::Tunnel | Phase::Exchange => {
                        write!(f, "no way through the proxy {proxy} within {limit} s")
                    }
                }
            }
            ProxyProblem::Login if self.has_login => {
                write!(f, "the proxy {proxy} does not accept the user name and the password")
            }
            ProxyProblem::Login => write!(f, "the proxy {proxy} wants a user name and a password"),
            ProxyProblem::LoginBy(schemes) => write!(
                f,
                "the proxy {proxy} wants a login by {schemes}, and only Basic is spoken here"
            ),
            ProxyProblem::Status(status) => {
                let meaning = match status {
                    403 => ", forbidden",
                    502 => ", bad gateway",
                    503 => ", service unavailable",
                    504 => ", gateway timeout",
                    _ => "",
                };
                write!(f, "the proxy {proxy} refuses to connect: status {status}{meaning}")
            }
            ProxyProblem::Socks(code) => {
                let meaning = match code {
                    1 => ", general failure",
                    2 => ", not allowed by its rules",
                    3 => ", network unreachable",
                    4 => ", host unreachable",
                    5 => ", connection refused",
                    6 => ", TTL expired",
                    7 => ", command not supported",
                    8 => ", address type not supported",
                    _ => "",
                };
                write!(f, "the proxy {proxy} refuses to connect: SOCKS reply {code}{meaning}")
            }
            ProxyProblem::NoProxy => write!(f, "what answers at {proxy} does not speak as such a proxy"),
        }
    }
}
