//! TCP and TLS for the HTTP layer, by rustls, with trust as the caller sets it.
//!
//! ureq has a TLS connector of its own. It cannot add an authority to the compiled-in ones, and its errors do not tell
//! a connection that never was from one that broke; a create that failed must be known to the first kind or be feared.

use std::fmt;
use std::io;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout, TcpConnector};

use super::identity::Identity;
use super::roots::Roots;
use super::tls::Tls;

/// How a client gets to its server, and whom it takes for it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whom to trust.
    pub roots: Roots,
    /// The name that the server's certificate must be for, where that is not the host of the URL.
    pub server_name: Option<String>,
    /// What the client shows of itself.
    pub identity: Option<Identity>,
}

impl Connection {
    /// The plain way: straight to the host of the URL, which must have a certificate for its name by one of `roots`.
    pub fn trusting(roots: Roots) -> Connection {
        Connection {
            roots,
            server_name: None,
            identity: None,
        }
    }
}

/// A connection that never came to be.
#[derive(Debug)]
pub(super) enum ConnectFailure {
    Tcp(io::Error),
    Tls(TlsFailure),
}

#[derive(Debug)]
pub(super) enum TlsFailure {
    Protocol(rustls::Error),
    Io(io::Error),
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

pub(super) fn chain(connection: &Connection) -> impl Connector<()> {
    Tcp(TcpConnector::default()).chain(Tls::new(connection))
}

/// The system's resolver. What it cannot resolve is told apart from a connection that broke.
#[derive(Debug, Default)]
pub(super) struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            other => other,
        })
    }
}

#[derive(Debug)]
struct Tcp(TcpConnector);

impl Connector<()> for Tcp {
    type Out = <TcpConnector as Connector<()>>::Out;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained).map_err(|error| match error {
            ureq::Error::Io(error) => ConnectFailure::Tcp(error).into(),
            other => other,
        })
    }
}
