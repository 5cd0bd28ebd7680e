//! A small blocking HTTP/1.1 server for the stand-ins: real TCP, real TLS, one thread for each connection.
//!
//! It knows nothing of AWS or Kubernetes. A [`Service`] names each request (its *operation*) and answers it; the server
//! records every request and lets a [`Script`] step in before or after the effect.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::script::{Fault, Script, Stop};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// What stands behind the `?`, still percent-encoded; empty when there is none.
    pub raw_query: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The certificate, DER, that the client showed.
    pub client: Option<Vec<u8>>,
}

impl Request {
    /// The value of the first header of that name (given in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The query's names and values, percent-decoded, in order.
    pub fn query(&self) -> Vec<(String, String)> {
        form_pairs(&self.raw_query)
    }
}

/// `a=b&c=d`, percent-decoded.
pub fn form_pairs(form: &str) -> Vec<(String, String)> {
    form.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                percent_decode(&name.replace('+', " ")),
                percent_decode(&value.replace('+', " ")),
            )
        })
        .collect()
}

/// Percent-decoding; a stray `%` is kept as it is.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// An answer. `Content-Length` and `Date` are added by the server unless they are given.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: vec![("Content-Type".into(), content_type.into())],
            body: body.into(),
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What a stand-in does with requests.
pub trait Service: Send + Sync + 'static {
    /// The name that recordings and scripts know this request by, for example `CreateAccessKey` or
    /// `PUT /api/v1/namespaces/t/secrets/s1`.
    fn operation(&self, request: &Request) -> String;

    /// Carries the request out and answers it.
    fn answer(&self, request: &Request) -> Reply;

    /// The service's clock, for the `Date` header, seconds since the epoch.
    fn now(&self) -> i64;
}

/// What stands between a request and its effect: it calls the effect once, and looks at the world before and after it.
pub type Witness = dyn Fn(&str, &dyn Fn() -> Reply) -> Reply + Send + Sync;

/// One request as recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub operation: String,
    pub request: Request,
    /// The status answered; `None` when no answer was sent.
    pub status: Option<u16>,
}

struct Shared {
    service: Arc<dyn Service>,
    tls: Option<Arc<rustls::ServerConfig>>,
    script: Script,
    recorded: Mutex<Vec<Recorded>>,
    witness: Mutex<Option<Arc<Witness>>>,
    stop: Stop,
    stopped: AtomicBool,
}

/// A running server; it stops when dropped.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Server {
    /// Listens on a free port of `host` (`127.0.0.1` or `::1`).
    pub fn start(host: &str, service: Arc<dyn Service>, tls: Option<Arc<rustls::ServerConfig>>) -> Server {
        let listener = TcpListener::bind((host, 0)).expect("a free loopback port");
        let address = listener.local_addr().expect("the address of a bound socket");
        let shared = Arc::new(Shared {
            service,
            tls,
            script: Script::default(),
            recorded: Mutex::default(),
            witness: Mutex::default(),
            stop: Stop::default(),
            stopped: AtomicBool::new(false),
        });
        let acceptor = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if acceptor.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&acceptor);
                thread::spawn(move || shared.connection(stream));
            }
        });
        Server { shared, address }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:1234`, or `https://…` with TLS; an IPv6 address in brackets.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The faults to come.
    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// From now on every request takes its effect in the hands of `witness`.
    pub fn watch(&self, witness: Arc<Witness>) {
        *self.shared.witness.lock().unwrap() = Some(witness);
    }

    /// All requests so far, in order of arrival.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.recorded.lock().unwrap().clone()
    }

    /// The operations so far, in order of arrival.
    pub fn operations(&self) -> Vec<String> {
        self.recorded().into_iter().map(|r| r.operation).collect()
    }

    /// Forgets what was recorded.
    pub fn forget(&self) {
        self.shared.recorded.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.stop.now();
        // Wakes the acceptor, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Shared {
    fn connection(&self, tcp: TcpStream) {
        let _ = tcp.set_nodelay(true);
        let Ok(raw) = tcp.try_clone() else { return };
        let mut client = None;
        let mut stream: BufReader<Box<dyn Stream>> = match &self.tls {
            None => BufReader::new(Box::new(tcp)),
            Some(config) => {
                let Ok(connection) = rustls::ServerConnection::new(Arc::clone(config)) else {
                    return;
                };
                let mut stream = rustls::StreamOwned::new(connection, tcp);
                while stream.conn.is_handshaking() {
                    if stream.conn.complete_io(&mut stream.sock).is_err() {
                        return;
                    }
                }
                let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
                client = shown.map(|certificate| certificate.to_vec());
                BufReader::new(Box::new(stream))
            }
        };
        // An error on a connection, a client that went away for one, ends that connection and nothing else.
        while let Ok(true) = self.exchange(&mut stream, client.as_deref()) {}
        let _ = raw.shutdown(Shutdown::Both);
    }

    /// One request and its answer. `false`: the connection is over.
    fn exchange(&self, stream: &mut BufReader<Box<dyn Stream>>, client: Option<&[u8]>) -> io::Result<bool> {
        let Some(mut request) = read_request(stream)? else {
            return Ok(false);
        };
        request.client = client.map(<[u8]>::to_vec);
        let operation = self.service.operation(&request);
        let index = {
            let mut recorded = self.recorded.lock().unwrap();
            recorded.push(Recorded {
                operation: operation.clone(),
                request: request.clone(),
                status: None,
            });
            recorded.len() - 1
        };
        let fault = self.script.fault_for(&operation, &request);
        match &fault {
            Some(Fault::DropBefore) => return Ok(false),
            Some(Fault::CallInstead(hook)) => {
                hook();
                return Ok(false);
            }
            Some(Fault::HangBefore) => {
                self.stop.wait();
                return Ok(false);
            }
            Some(Fault::Delay(time)) => thread::sleep(*time),
            Some(Fault::CallBefore(hook)) => hook(),
            _ => {}
        }
        let reply = match fault {
            Some(Fault::ReplyInstead(reply)) => reply,
            fault => {
                let effect = || self.service.answer(&request);
                let witness = self.witness.lock().unwrap().clone();
                let reply = match witness {
                    Some(witness) => witness(&operation, &effect),
                    None => effect(),
                };
                match fault {
                    Some(Fault::DropAfter) => return Ok(false),
                    Some(Fault::HangAfter) => {
                        self.stop.wait();
                        return Ok(false);
                    }
                    Some(Fault::CutAnswer) => {
                        let bytes = self.encode(&reply);
                        stream.get_mut().write_all(&bytes[..bytes.len() / 2])?;
                        stream.get_mut().flush()?;
                        return Ok(false);
                    }
                    Some(Fault::ReplyAfter(other)) => other,
                    Some(Fault::CallAfter(hook)) => {
                        hook();
                        reply
                    }
                    _ => reply,
                }
            }
        };
        if let Some(record) = self.recorded.lock().unwrap().get_mut(index) {
            record.status = Some(reply.status);
        }
        stream.get_mut().write_all(&self.encode(&reply))?;
        stream.get_mut().flush()?;
        let closes = |headers: &[(String, String)]| {
            headers
                .iter()
                .any(|(n, v)| n.eq_ignore_ascii_case("connection") && v.eq_ignore_ascii_case("close"))
        };
        Ok(!closes(&request.headers) && !closes(&reply.headers))
    }

    fn encode(&self, reply: &Reply) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
        let given = |name: &str| reply.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        for (name, value) in &reply.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !given("date") {
            head += &format!("Date: {}\r\n", http_date(self.service.now()));
        }
        if !given("content-length") && !given("transfer-encoding") {
            head += &format!("Content-Length: {}\r\n", reply.body.len());
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&reply.body);
        bytes
    }
}

fn read_request(stream: &mut BufReader<Box<dyn Stream>>) -> io::Result<Option<Request>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(bad("no request line"));
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(bad("end of stream among the headers"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    if header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) {
        stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        stream.get_mut().flush()?;
    }
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size)?;
            let size = size.trim().split(';').next().unwrap_or_default().to_owned();
            let size = u64::from_str_radix(&size, 16).map_err(|_| bad("a chunk without a size"))?;
            stream.by_ref().take(size).read_to_end(&mut body)?;
            let mut end = String::new();
            stream.read_line(&mut end)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = header("content-length") {
        let length = length.parse().map_err(|_| bad("a Content-Length that is no number"))?;
        stream.by_ref().take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Err(bad("a body shorter than its Content-Length"));
        }
    }
    let (path, raw_query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (target, String::new()),
    };
    Ok(Some(Request {
        method,
        path,
        raw_query,
        headers,
        body,
        client: None,
    }))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// `Mon, 23 Nov 2026 04:45:54 GMT` (RFC 9110, section 5.6.7).
fn http_date(epoch_seconds: i64) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    time::OffsetDateTime::from_unix_timestamp(epoch_seconds)
        .ok()
        .and_then(|at| at.format(format).ok())
        .expect("a date between the years 0 and 9999")
}
