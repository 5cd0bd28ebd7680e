//! TCP and TLS for the HTTP layer, by rustls, with trust as the caller sets it.
//!
//! ureq has a TLS connector of its own. It cannot add an authority to the compiled-in ones, and its errors do not tell
//! a connection that never was from one that broke; a create that failed must be known to the first kind or be feared.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, TcpConnector, Transport, TransportAdapter,
};

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

/// The certificate authorities that a client trusts.
#[derive(Clone, Debug)]
pub enum Roots {
    /// The public ones, compiled in (Mozilla's list), and these.
    PublicAnd(Vec<CertificateDer<'static>>),
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
    /// Whoever answers: nothing is checked but that the server has the key of the certificate it shows.
    Anybody,
}

/// A client certificate with its chain, and its private key.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity([redacted])")
    }
}

/// A client certificate or key that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The certificate.
    Certificate(CertificateError),
    /// It holds no private key in PEM.
    NoKey,
    /// The key is damaged, of a kind that TLS does not use, or not the certificate's.
    Unusable(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Certificate(error) => write!(f, "the client certificate: {error}"),
            IdentityError::NoKey => f.write_str(
                "the client key: it holds no private key that can be read; expected PEM, `-----BEGIN PRIVATE KEY-----` (PKCS#8), \
                 `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC1), not encrypted",
            ),
            IdentityError::Unusable(why) => write!(f, "the client certificate and its key: {why}"),
        }
    }
}

impl Identity {
    /// Reads a certificate, with its chain, and its private key, both PEM. The key may be PKCS#1, PKCS#8 or SEC1.
    ///
    /// # Errors
    ///
    /// When one of them is missing or damaged, or the key is not the certificate's.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let chain = certificates_from_pem(certificate).map_err(IdentityError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let identity = Identity {
            chain,
            key: Arc::new(key),
        };
        identity
            .certified()
            .map(|_| identity)
            .map_err(|error| IdentityError::Unusable(error.to_string()))
    }

    fn certified(&self) -> Result<CertifiedKey, rustls::Error> {
        CertifiedKey::from_der(
            self.chain.clone(),
            self.key.clone_key(),
            &rustls::crypto::ring::default_provider(),
        )
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
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

pub(super) fn chain(connection: &Connection) -> impl Connector<()> {
    Tcp(TcpConnector::default()).chain(Tls {
        config: client_config(connection),
        server_name: connection.server_name.clone(),
    })
}

fn client_config(connection: &Connection) -> Arc<ClientConfig> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()
        // Both are compiled in, and the provider has suites for both.
        .expect("TLS 1.2 and 1.3 by the ring provider");
    let builder = match &connection.roots {
        Roots::PublicAnd(own) => {
            let public = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            builder.with_root_certificates(with_own(public, own))
        }
        Roots::Only(own) => builder.with_root_certificates(with_own(RootCertStore::empty(), own)),
        Roots::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    let identity = connection
        .identity
        .as_ref()
        .and_then(|identity| identity.certified().ok());
    Arc::new(match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
        None => builder.with_no_client_auth(),
    })
}

fn with_own(mut store: RootCertStore, own: &[CertificateDer<'static>]) -> RootCertStore {
    store.add_parsable_certificates(own.iter().cloned());
    store
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
    server_name: Option<String>,
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = match &self.server_name {
            Some(name) => name,
            None => details.uri.host().unwrap_or_default(),
        };
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
