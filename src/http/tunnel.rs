//! The way through a proxy: a tunnel by `CONNECT` or SOCKS, or requests that the proxy passes on.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, Transport, TransportAdapter};

use super::connect::{ConnectFailure, remaining};
use super::connect_method::{self, basic};
use super::failure::Phase;
use super::forward::Forward;
use super::proxy::{Hop, Proxy, host_and_port};
use super::proxy_address::ProxyScheme;
use super::proxy_failure::{ProxyProblem, Stopped};
use super::socks;
use super::tls::{self, TlsFailure};

/// Turns a connection to a proxy into one to the server.
#[derive(Debug)]
pub(super) struct ThroughProxy {
    pub(super) proxy: Arc<Proxy>,
    /// For TLS to the proxy: the server's roots, and no client certificate.
    pub(super) tls: Arc<ClientConfig>,
}

impl<In: Transport> Connector<In> for ThroughProxy {
    type Out = Either<In, Box<dyn Transport>>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        let Some(hop) = self.proxy.hop(details.uri) else {
            return Ok(Some(Either::A(transport)));
        };
        let mut transport = transport.boxed();
        if hop.address.scheme == ProxyScheme::Https {
            let name = hop.address.uri.host().unwrap_or_default();
            let secured = tls::handshake(&self.tls, name, transport, details);
            transport = secured.map_err(|failure| tls_failure(hop, failure, details))?.boxed();
        }
        let login = hop.address.login.as_ref();
        let Some((host, port)) = host_and_port(details.uri) else {
            return Err(ureq::Error::BadUri(details.uri.to_string()));
        };
        let mut socket = TransportAdapter::new(transport, Arc::clone(&details.current_time));
        socket.set_timeout(remaining(details));
        let done = match hop.address.scheme {
            ProxyScheme::Socks5 => socks::connect(&mut socket, host, port, login),
            ProxyScheme::Http | ProxyScheme::Https if details.needs_tls() => {
                connect_method::connect(&mut socket, &format!("{host}:{port}"), login)
            }
            ProxyScheme::Http | ProxyScheme::Https => {
                let origin = format!("http://{}", details.uri.authority().map_or(host, |a| a.as_str()));
                let login = login.map(basic);
                let forward = Forward::new(socket.into_inner(), origin, login);
                return Ok(Some(Either::B(forward.boxed())));
            }
        };
        done.map_err(|stopped| {
            let problem = match stopped {
                Stopped::By(problem) => problem,
                Stopped::Io(error) if timed_out(&error) => expired(Phase::Tunnel, details),
                Stopped::Io(error) => ProxyProblem::Broken(error),
            };
            failed(hop, problem)
        })?;
        Ok(Some(Either::B(socket.into_inner())))
    }
}

/// An error that says that the proxy is at fault.
pub(super) fn failed(hop: Hop<'_>, problem: ProxyProblem) -> ureq::Error {
    ConnectFailure::Proxy(Box::new(hop.failure(problem))).into()
}

/// The limit for the whole set-up ran out.
pub(super) fn expired(phase: Phase, details: &ConnectionDetails<'_>) -> ProxyProblem {
    ProxyProblem::TimedOut {
        phase,
        limit: *details.timeout.after,
    }
}

fn tls_failure(hop: Hop<'_>, failure: TlsFailure, details: &ConnectionDetails<'_>) -> ureq::Error {
    let problem = match failure {
        TlsFailure::Protocol(error) => ProxyProblem::Tls(error),
        TlsFailure::Io(error) => ProxyProblem::Broken(error),
        TlsFailure::TimedOut => expired(Phase::Tls, details),
    };
    failed(hop, problem)
}

/// Whether ureq's time ran out, which it wraps into an I/O error.
pub(super) fn timed_out(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(ureq::Error::Timeout(_)))
}
