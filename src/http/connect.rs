//! TCP and TLS for the HTTP layer, by rustls, with trust as the caller sets it.
//!
//! ureq has a TLS connector of its own. It cannot add an authority to the compiled-in ones, and its errors do not tell
//! a connection that never was from one that broke; a create that failed must be known to the first kind or be feared.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, TcpConnector, Transport, TransportAdapter,
};

/// The certificate authorities that a client trusts.
#[derive(Clone, Debug)]
pub enum Roots {
    /// The public ones, compiled in (Mozilla's list), and these.
    PublicAnd(Vec<CertificateDer<'static>>),
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
}

impl Roots {
    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        let own = match self {
            Roots::PublicAnd(certificates) => {
                store.roots.extend_from_slice(webpki_roots::TLS_SERVER_ROOTS);
                certificates
            }
            Roots::Only(certificates) => certificates,
        };
        store.add_parsable_certificates(own.iter().cloned());
        store
    }
}

/// A file of certificates that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// It holds no certificate in PEM.
    None,
    /// A certificate in it is damaged.
    Damaged,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateError::None => "it holds no certificate; expected PEM, `-----BEGIN CERTIFICATE-----`",
            CertificateError::Damaged => "a certificate in it is damaged",
        })
    }
}

/// Reads a PEM bundle; text around the certificates is ignored, as everywhere.
///
/// # Errors
///
/// When it holds none, or one that is damaged.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| CertificateError::Damaged)?;
    if certificates.is_empty() {
        return Err(CertificateError::None);
    }
    let (_, ignored) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    if ignored > 0 {
        Err(CertificateError::Damaged)
    } else {
        Ok(certificates)
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

pub(super) fn chain(roots: Roots) -> impl Connector<()> {
    Tcp(TcpConnector::default()).chain(Tls {
        config: client_config(&roots),
    })
}

fn client_config(roots: &Roots) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        // Both are compiled in, and the provider has suites for both.
        .expect("TLS 1.2 and 1.3 by the ring provider")
        .with_root_certificates(roots.store())
        .with_no_client_auth();
    Arc::new(config)
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

#[derive(Debug)]
struct Tls {
    config: Arc<ClientConfig>,
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            let error = rustls::Error::General(format!("`{host}` is no host name and no IP address"));
            ConnectFailure::Tls(TlsFailure::Protocol(error))
        })?;
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| ConnectFailure::Tls(TlsFailure::Protocol(error)))?;
        let mut socket = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(details.timeout);
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(handshake_error)?;
        }
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport {
            buffers,
            stream: StreamOwned::new(connection, socket),
        })))
    }
}

/// rustls wraps its own errors into I/O errors, ureq its time-outs.
fn handshake_error(error: io::Error) -> ureq::Error {
    if error.get_ref().is_some_and(|inner| inner.is::<ureq::Error>()) {
        return ureq::Error::from(error);
    }
    let failure = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(protocol) => TlsFailure::Protocol(protocol.clone()),
        None => TlsFailure::Io(error),
    };
    ConnectFailure::Tls(failure).into()
}

struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        self.stream.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
