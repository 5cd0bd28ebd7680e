//! TLS over whatever connection there is.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, ClientConfig, ClientConnection, ProtocolVersion, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::connect::{ConnectFailure, Connection, remaining};
use super::identity::Identity;
use super::roots::Roots;
use super::tls_failure::about_the_client;
use super::tunnel::timed_out;

/// TLS to the server of the URL.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl Tls {
    pub(super) fn new(connection: &Connection) -> Tls {
        Tls {
            config: client_config(&connection.roots, connection.identity.as_ref()),
            server_name: connection.server_name.clone(),
        }
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let name = match &self.server_name {
            Some(name) => name,
            None => details.uri.host().unwrap_or_default(),
        };
        let secured = handshake(&self.config, name, transport.boxed(), details);
        secured
            .map(|transport| Some(Either::B(transport)))
            .map_err(|failure| ConnectFailure::Tls(failure).into())
    }
}

/// A handshake that did not succeed.
#[derive(Debug)]
pub(super) enum TlsFailure {
    Protocol(rustls::Error),
    Io(io::Error),
    TimedOut,
}

pub(super) fn client_config(roots: &Roots, identity: Option<&Identity>) -> Arc<ClientConfig> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        // Both are compiled in, and the provider has suites for both.
        .expect("TLS 1.2 and 1.3 by the ring provider");
    let builder = roots.install(builder);
    Arc::new(match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified()))),
        None => builder.with_no_client_auth(),
    })
}

/// Sets up TLS with whoever has a certificate for `name`, a host name or an IP address, an IPv6 address with or without its
/// brackets, in what is left of the time.
pub(super) fn handshake(
    config: &Arc<ClientConfig>,
    name: &str,
    transport: Box<dyn Transport>,
    details: &ConnectionDetails<'_>,
) -> Result<TlsTransport, TlsFailure> {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(name.to_owned()).map_err(|_| {
        let text = format!("`{name}` is no host name and no IP address");
        TlsFailure::Protocol(rustls::Error::General(text))
    })?;
    let mut connection = ClientConnection::new(Arc::clone(config), name).map_err(TlsFailure::Protocol)?;
    let mut socket = TransportAdapter::new(transport, Arc::clone(&details.current_time));
    socket.set_timeout(remaining(details));
    while connection.is_handshaking() {
        let done = connection.complete_io(&mut socket);
        done.map_err(|error| handshake_error(last_word(&mut connection, &mut socket, error)))?;
    }
    Ok(TlsTransport {
        identified: config.client_auth_cert_resolver.has_certs(),
        answered: false,
        buffers: LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size()),
        stream: StreamOwned::new(connection, socket),
    })
}

/// rustls wraps its own errors into I/O errors, ureq its time-outs.
fn handshake_error(error: io::Error) -> TlsFailure {
    if timed_out(&error) {
        return TlsFailure::TimedOut;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(protocol) => TlsFailure::Protocol(protocol.clone()),
        None => TlsFailure::Io(error),
    }
}

/// Why nothing more can be sent: the server's last word, if it has left one. It may refuse a client's certificate while the
/// client is still sending; with TLS 1.3 that is after the handshake, as far as the client knows.
fn last_word(connection: &mut ClientConnection, socket: &mut TransportAdapter, error: io::Error) -> io::Error {
    let cut_off = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
    if !cut_off || connection.read_tls(socket).is_err() {
        return error;
    }
    match connection.process_new_packets() {
        Ok(_) => error,
        Err(protocol) => io::Error::other(protocol),
    }
}

pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    /// Whether the client has a certificate to show.
    identified: bool,
    /// Whether the server has sent anything.
    answered: bool,
}

impl TlsTransport {
    /// With TLS 1.3 a server refuses the client's certificate, or its absence, when the client may have sent its first request. It
    /// has read nothing of that: its handshake is not finished. Whatever comes later, or is about something else, tells nothing of
    /// what became of the request.
    fn broke(&self, error: io::Error) -> ureq::Error {
        let unfinished = !self.answered && self.stream.conn.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(protocol @ rustls::Error::AlertReceived(alert)) if unfinished && self.is_about_the_client(*alert) => {
                ConnectFailure::Tls(TlsFailure::Protocol(protocol.clone())).into()
            }
            Some(_) | None => error.into(),
        }
    }

    fn is_about_the_client(&self, alert: AlertDescription) -> bool {
        alert == AlertDescription::CertificateRequired || (self.identified && about_the_client(alert))
    }
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
        let sent = self.stream.write_all(&self.buffers.output()[..amount]);
        let sent = sent.and_then(|()| self.stream.flush());
        sent.map_err(|error| {
            let error = last_word(&mut self.stream.conn, &mut self.stream.sock, error);
            self.broke(error)
        })
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = match self.stream.read(input) {
            Ok(amount) => amount,
            Err(error) => return Err(self.broke(error)),
        };
        self.buffers.input_appended(amount);
        self.answered |= amount > 0;
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
