//! The way through a proxy: a tunnel by `CONNECT` or SOCKS, or requests that the proxy passes on.

use std::io::{self, Read, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, Transport, TransportAdapter};

use super::USER_AGENT;
use super::connect::{ConnectFailure, remaining};
use super::failure::Phase;
use super::forward::Forward;
use super::proxy::{Hop, Proxy, host_and_port};
use super::proxy_address::{Login, ProxyScheme};
use super::proxy_failure::ProxyProblem;
use super::socks::{self, Stopped};
use super::tls::{self, TlsFailure};
use crate::sensitive::Sensitive;

/// The longest head of a proxy's answer that is read, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

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
                connect_through(&mut socket, &format!("{host}:{port}"), login)
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

/// The value of `Proxy-Authorization` (RFC 7617).
fn basic(login: &Login) -> Sensitive<String> {
    let pair = Sensitive::new(format!("{}:{}", login.user.expose(), login.password.expose()));
    let encoded = Sensitive::new(STANDARD.encode(pair.expose()));
    Sensitive::new(format!("Basic {}", encoded.expose()))
}

/// Has an HTTP proxy connect to a server (RFC 9110, section 9.3.6).
fn connect_through(stream: &mut (impl Read + Write), target: &str, login: Option<&Login>) -> Result<(), Stopped> {
    let authorization = match login {
        Some(login) => Sensitive::new(format!("Proxy-Authorization: {}\r\n", basic(login).expose())),
        None => Sensitive::new(String::new()),
    };
    let request = Sensitive::new(format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n{}\r\n",
        authorization.expose()
    ));
    stream.write_all(request.expose().as_bytes())?;
    match final_status(stream)? {
        200..=299 => Ok(()),
        407 => Err(ProxyProblem::Login.into()),
        status => Err(ProxyProblem::Status(status).into()),
    }
}

/// The status of the first answer that is no interim one.
fn final_status(stream: &mut impl Read) -> Result<u16, Stopped> {
    let mut left = HEAD_LIMIT;
    loop {
        let status = status(stream, &mut left)?;
        if status >= 200 {
            return Ok(status);
        }
    }
}

/// Reads the head of an answer, byte by byte: what follows is the server's.
fn status(stream: &mut impl Read, left: &mut usize) -> Result<u16, Stopped> {
    const START: &[u8] = b"HTTP/1.";
    let mut head: Vec<u8> = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
        *left -= 1;
        // Whoever speaks otherwise may wait for us now: no more is read than shows it.
        let speaks_http = head.iter().zip(START).all(|(is, should)| is == should);
        if !speaks_http || *left == 0 {
            return Err(ProxyProblem::NoProxy.into());
        }
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let code = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.split_ascii_whitespace().nth(1));
    code.filter(|code| code.len() == 3)
        .and_then(|code| code.parse().ok())
        .filter(|code| (100..600).contains(code))
        .ok_or(ProxyProblem::NoProxy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status, or why there is none, and what is left to read.
    fn read(answer: &str) -> (String, String) {
        let mut stream = answer.as_bytes();
        let status = match final_status(&mut stream) {
            Ok(status) => status.to_string(),
            Err(Stopped::By(problem)) => format!("{problem:?}"),
            Err(Stopped::Io(error)) => error.kind().to_string(),
        };
        (status, String::from_utf8_lossy(stream).into_owned())
    }

    #[test]
    fn the_answer_to_connect() {
        for (answer, status, rest) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n\x16\x03", "200", "\x16\x03"),
            ("HTTP/1.0 200\r\nVia: x\r\n\r\n", "200", ""),
            ("HTTP/1.1 200 OK\nVia: x\n\nrest", "200", "rest"),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\nx", "204", "x"),
            ("HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nno!", "407", "no!"),
            ("HTTP/1.1 20 OK\r\n\r\n", "NoProxy", ""),
            ("HTTP/1.1 999 OK\r\n\r\n", "NoProxy", ""),
            ("HTTP/1.1\r\n\r\n", "NoProxy", ""),
            ("HTTP/2 200\r\n\r\n", "NoProxy", " 200\r\n\r\n"),
            ("SSH-2.0-OpenSSH\r\n", "NoProxy", "SH-2.0-OpenSSH\r\n"),
            ("\x15\x03\x01", "NoProxy", "\x03\x01"),
            ("HTTP/1.1 200 OK\r\n", "unexpected end of file", ""),
            ("", "unexpected end of file", ""),
        ] {
            assert_eq!(read(answer), (status.to_owned(), rest.to_owned()), "{answer:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_LIMIT));
        assert_eq!(read(&endless).0, "NoProxy");
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(HEAD_LIMIT);
        assert_eq!(read(&interim).0, "NoProxy");
    }
}
