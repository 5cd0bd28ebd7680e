//! The way to a server, built from parts that each know why they fail.
//!
//! ureq has a TLS connector and proxies of its own. It cannot add an authority to the compiled-in ones, its `NO_PROXY` knows no
//! networks, and its errors do not tell a connection that never was from one that broke, nor a proxy from a server; a create
//! that failed must be known to the first kind or be feared.

use std::fmt;
use std::io;
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout, TcpConnector};

use super::failure::Phase;
use super::identity::Identity;
use super::proxy::Proxy;
use super::proxy_failure::{ProxyFailure, ProxyProblem};
use super::roots::Roots;
use super::tls::{self, Tls, TlsFailure};
use super::tunnel::{ThroughProxy, expired, failed};

/// How a client gets to its server, and whom it takes for it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whom to trust.
    pub roots: Roots,
    /// The name that the server's certificate must be for, where that is not the host of the URL.
    pub server_name: Option<String>,
    /// What the client shows of itself to the server. A proxy is not shown it.
    pub identity: Option<Identity>,
    /// Through which proxy. One that speaks TLS must have a certificate for its own name by one of `roots`.
    pub proxy: Proxy,
}

impl Connection {
    /// The plain way: straight to the host of the URL, which must have a certificate for its name by one of `roots`.
    pub fn trusting(roots: Roots) -> Connection {
        Connection {
            roots,
            server_name: None,
            identity: None,
            proxy: Proxy::None,
        }
    }
}

/// A connection that never came to be.
#[derive(Debug)]
pub(super) enum ConnectFailure {
    Tcp(io::Error),
    Tls(TlsFailure),
    Proxy(Box<ProxyFailure>),
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection")
    }
}

impl std::error::Error for ConnectFailure {}

impl From<ConnectFailure> for ureq::Error {
    fn from(failure: ConnectFailure) -> ureq::Error {
        ureq::Error::Other(Box::new(failure))
    }
}

/// Names first, then TCP, the proxy, and TLS, each of which is there or not.
pub(super) fn parts(connection: &Connection) -> (impl Connector<()>, Names) {
    let proxy = Arc::new(connection.proxy.clone());
    let tcp = Tcp {
        proxy: Arc::clone(&proxy),
        tcp: TcpConnector::default(),
    };
    let through = ThroughProxy {
        proxy: Arc::clone(&proxy),
        tls: tls::client_config(&connection.roots, None),
    };
    let names = Names {
        proxy,
        system: DefaultResolver::default(),
    };
    (tcp.chain(through).chain(Tls::new(connection)), names)
}

/// What is left of the time for the whole set-up.
pub(super) fn remaining(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    let now = (details.current_time)();
    if let (Duration::Exact(limit), Instant::Exact(begun), Instant::Exact(now)) = (timeout.after, details.now, now) {
        timeout.after = limit.saturating_sub(now.saturating_duration_since(begun)).into();
    }
    timeout
}

/// The system's resolver. Where there is a proxy, the proxy's name is resolved, and the server's is left to it. What cannot be
/// resolved is told apart from a connection that broke.
#[derive(Debug)]
pub(super) struct Names {
    proxy: Arc<Proxy>,
    system: DefaultResolver,
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(hop) = self.proxy.hop(uri) else {
            return self.system.resolve(uri, config, timeout).map_err(|error| match error {
                ureq::Error::Io(_) => ureq::Error::HostNotFound,
                other => other,
            });
        };
        let resolved = self.system.resolve(&hop.address.uri, config, timeout);
        resolved.map_err(|error| match error {
            ureq::Error::Io(_) | ureq::Error::HostNotFound => failed(hop, ProxyProblem::NameNotResolved),
            ureq::Error::Timeout(_) => {
                let (phase, limit) = (Phase::Resolve, *timeout.after);
                failed(hop, ProxyProblem::TimedOut { phase, limit })
            }
            other => other,
        })
    }
}

#[derive(Debug)]
struct Tcp {
    proxy: Arc<Proxy>,
    tcp: TcpConnector,
}

impl Connector<()> for Tcp {
    type Out = <TcpConnector as Connector<()>>::Out;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        let hop = self.proxy.hop(details.uri);
        self.tcp.connect(details, chained).map_err(|error| match (error, hop) {
            (ureq::Error::Io(error), Some(hop)) => failed(hop, ProxyProblem::NotConnected(error)),
            (ureq::Error::Timeout(_), Some(hop)) => failed(hop, expired(Phase::Connect, details)),
            (ureq::Error::Io(error), None) => ConnectFailure::Tcp(error).into(),
            (other, _) => other,
        })
    }
}
