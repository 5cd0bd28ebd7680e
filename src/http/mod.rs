//! The one HTTP layer: a status is data, every phase has a limit, nothing is followed, repeated or decompressed.
//!
//! Only this module knows ureq. What it adds to it is what the callers must know and ureq does not tell: whether a request
//! that failed can have reached the other side at all ([`Delivery`]), and in plain words what went wrong.
//!
//! A connection is built by `connect` from parts: names and TCP there, the way through a proxy in `tunnel` (`connect_method`,
//! `socks`, or `forward` for plain `http`), TLS in `tls` with `roots` and `identity`. Which proxy is decided in `proxy`, without
//! I/O. What goes wrong ends in `failure`.

mod connect;
mod connect_method;
mod failure;
mod forward;
mod identity;
mod no_proxy;
mod proxy;
mod proxy_address;
mod proxy_failure;
mod roots;
#[cfg(test)]
mod said;
mod socks;
mod tls;
mod tls_failure;
mod tunnel;
mod url;

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

pub use self::connect::Connection;
use self::connect_method::login_problem;
pub use self::failure::{Delivery, Failure, Phase, Problem};
pub use self::identity::{Identity, IdentityError};
pub use self::no_proxy::NoProxy;
use self::proxy::Hop;
pub use self::proxy::{Proxy, ProxyVariables};
use self::proxy_address::ProxyScheme;
pub use self::proxy_address::{ProxyAddress, ProxyError};
pub use self::proxy_failure::ProxyFailure;
pub use self::roots::{CertificateError, Roots, certificates_from_pem};
pub use self::url::{base_url, percent_encode};
use crate::clock::boot_time;
use crate::error::one_line;
use crate::sensitive::Sensitive;

/// How this program names itself; the Kubernetes API server shows the part before the slash as field manager.
pub const USER_AGENT: &str = concat!("aws-iam-credential-rotate/", env!("CARGO_PKG_VERSION"));

/// The longest reply header that is read, in bytes.
const HEADER_LIMIT: usize = 32 * 1024;

/// Looking up the name may take one part in so many of the time for the whole exchange, and the connection with all that
/// belongs to it, TCP, a proxy and TLS, another.
const SETUP_SHARE: u32 = 3;

/// The methods this program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Calls an AWS operation, or makes a Kubernetes object.
    Post,
    /// Replaces a Kubernetes object.
    Put,
    /// Deletes a Kubernetes object; the body says on what conditions.
    Delete,
}

impl Method {
    /// As it stands in the request line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// A complete request.
pub struct Request {
    /// What is done.
    pub method: Method,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Names in lower case. Values may be secret (`authorization`), so they are never printed.
    pub headers: Vec<(&'static str, Sensitive<String>)>,
    /// Empty for a GET.
    pub body: Sensitive<Vec<u8>>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({} bytes)",
            self.method.name(),
            self.url,
            self.body.expose().len()
        )
    }
}

/// What came back. Any status is an answer.
pub struct Reply {
    /// The HTTP status code.
    pub status: u16,
    headers: ureq::http::HeaderMap,
    /// The body, whole.
    pub body: Sensitive<Vec<u8>>,
    /// The proxy that passed it on, or made it itself.
    proxy: Option<String>,
}

impl Reply {
    /// The value of a header, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What came, in place of what was expected. The body is not repeated: nobody knows what is in it.
    pub fn unexpected(&self, expected: &str) -> String {
        let content_type = match self.header("content-type") {
            Some(content_type) => format!("`{}`", one_line(content_type)),
            None => "of no stated type".into(),
        };
        let (status, length) = (self.status, self.body.expose().len());
        let proxy = match &self.proxy {
            Some(proxy) => format!(", through the proxy {proxy}"),
            None => String::new(),
        };
        format!("expected {expected}, got status {status} with a body of {length} bytes, {content_type}{proxy}")
    }

    /// How long the server asks to wait: so many seconds, or until a time of its own clock, as what stands before a server may
    /// say it.
    pub fn retry_after(&self) -> Option<Duration> {
        pause_asked(self.header("retry-after")?, self.date())
    }

    /// When the server answered, by its own clock (`Date`), in whole seconds.
    pub fn date(&self) -> Option<OffsetDateTime> {
        self.header("date").and_then(http_date)
    }
}

fn pause_asked(retry_after: &str, answered: Option<OffsetDateTime>) -> Option<Duration> {
    let text = retry_after.trim();
    let seconds = text.parse().ok().map(Duration::from_secs);
    // A time that is past asks for no pause.
    seconds.or_else(|| Some((http_date(text)? - answered?).try_into().unwrap_or_default()))
}

fn http_date(text: &str) -> Option<OffsetDateTime> {
    // RFC 9110's fixed form is RFC 2822's but for the name of the zone.
    OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok()
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.expose().len())
    }
}

/// Limits for each request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the whole exchange. Looking up the name may take a third of it at the most, and the connection, with a proxy and
    /// TLS, another.
    pub time: Duration,
    /// The longest body that is read, in bytes.
    pub body: u64,
}

/// A client with its own connections and trust.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    proxy: Proxy,
    limits: Limits,
}

impl Client {
    /// A client that connects as `connection` says and keeps to `limits`.
    pub fn new(connection: &Connection, limits: Limits) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(USER_AGENT)
            .accept("")
            .accept_encoding("")
            .max_response_header_size(HEADER_LIMIT)
            .input_buffer_size(HEADER_LIMIT)
            .output_buffer_size(16 * 1024)
            .build();
        let (connector, resolver) = connect::parts(connection);
        Client {
            agent: ureq::Agent::with_parts(config, connector, resolver),
            proxy: connection.proxy.clone(),
            limits,
        }
    }

    /// Sends a request once and reads the whole answer.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there is no complete answer. It tells whether the request can have been delivered.
    pub fn send(&self, request: &Request) -> Result<Reply, Failure> {
        self.send_within(request, self.limits.time)
    }

    /// As [`Client::send`], with another limit for the whole exchange where that is the shorter one. The time the machine
    /// sleeps counts as far as the request goes: none is finished after its time.
    ///
    /// # Errors
    ///
    /// As for [`Client::send`]; one that says that time ran out names the limit that was in force.
    pub fn send_within(&self, request: &Request, time: Duration) -> Result<Reply, Failure> {
        log::debug!("{request:?}");
        let reply = self.exchange(request, time.min(self.limits.time))?;
        log::debug!("{} {}: {reply:?}", request.method.name(), request.url);
        Ok(reply)
    }

    /// As [`Client::send`], for a request whose URL is a secret: nothing of it is logged.
    ///
    /// # Errors
    ///
    /// As for [`Client::send`].
    pub fn send_unlogged(&self, request: &Request) -> Result<Reply, Failure> {
        self.exchange(request, self.limits.time)
    }

    fn exchange(&self, request: &Request, time: Duration) -> Result<Reply, Failure> {
        let response = self
            .run(request, time)
            .map_err(|error| Failure::from_ureq(error, time))?;
        let (head, body) = response.into_parts();
        if head.status == 407 {
            // A proxy that passes requests on has refused this one; a tunnel's proxy would have done so before.
            if let Some(hop) = self.forwards(&request.url) {
                let challenges = head.headers.get_all("proxy-authenticate");
                let problem = login_problem(challenges.iter().filter_map(|value| value.to_str().ok()));
                return Err(Failure::of_proxy(hop.failure(problem)));
            }
        }
        let mut bytes = Vec::new();
        // One byte more than allowed shows that there is more than allowed.
        let mut reader = body.into_reader().take(self.limits.body + 1);
        let read = reader.read_to_end(&mut bytes);
        let body = Sensitive::new(bytes);
        read.map_err(|error| Failure::from_ureq(ureq::Error::from(error), time))?;
        if body.expose().len() as u64 > self.limits.body {
            let problem = Problem::BodyTooLarge {
                limit: self.limits.body,
            };
            return Err(Failure {
                problem,
                delivery: Delivery::Unknown,
            });
        }
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            proxy: self.forwards(&request.url).map(|hop| hop.address.to_string()),
        })
    }

    /// The proxy that does not see a tunnel but the requests themselves, for a plain `http` URL.
    fn forwards(&self, url: &str) -> Option<Hop<'_>> {
        let url: ureq::http::Uri = url.parse().ok()?;
        let hop = self.proxy.hop(&url)?;
        (url.scheme_str() == Some("http") && hop.address.scheme != ProxyScheme::Socks5).then_some(hop)
    }

    fn run(&self, request: &Request, time: Duration) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut builder = ureq::http::Request::builder()
            .method(request.method.name())
            .uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value.expose());
        }
        match request.method {
            Method::Get => self.run_built(builder.body(())?, time),
            Method::Post | Method::Put | Method::Delete => {
                let mut body = InTime {
                    left: request.body.expose(),
                    until: boot_time() + time,
                };
                let builder = builder.header("content-length", body.left.len());
                self.run_built(builder.body(ureq::SendBody::from_reader(&mut body))?, time)
            }
        }
    }

    fn run_built<B: ureq::AsSendBody>(
        &self,
        request: ureq::http::Request<B>,
        time: Duration,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let setup = Some(time / SETUP_SHARE);
        let request = self
            .agent
            .configure_request(request)
            .timeout_global(Some(time))
            .timeout_resolve(setup)
            .timeout_connect(setup)
            .timeout_send_request(Some(time))
            .timeout_send_body(Some(time))
            .timeout_recv_response(Some(time))
            .timeout_recv_body(Some(time))
            .build();
        self.agent.run(request)
    }
}

/// A body of which nothing leaves after its time. ureq's own clock stands still while the machine sleeps: without this a
/// create could wait for its connection, sleep for an hour, and be sent long after everybody took it for lost.
struct InTime<'a> {
    left: &'a [u8],
    /// By [`boot_time`].
    until: Duration,
}

impl Read for InTime<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if boot_time() > self.until {
            // ureq finds its own error in this one.
            return Err(io::Error::other(ureq::Error::Timeout(ureq::Timeout::Global)));
        }
        self.left.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_date_header_is_read() {
        assert_eq!(
            http_date("Mon, 23 Nov 2026 04:45:54 GMT").unwrap().unix_timestamp(),
            1_795_409_154
        );
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_by_a_date() {
        let answered = http_date("Mon, 23 Nov 2026 04:45:54 GMT");
        let asked = |text| pause_asked(text, answered).map(|pause| pause.as_secs());
        assert_eq!(asked(" 7 "), Some(7));
        assert_eq!(asked("Mon, 23 Nov 2026 04:46:04 GMT"), Some(10));
        assert_eq!(asked("Mon, 23 Nov 2026 04:45:44 GMT"), Some(0));
        assert_eq!(asked("soon"), None);
        assert_eq!(pause_asked("Mon, 23 Nov 2026 04:46:04 GMT", None), None);
    }

    /// A request to a server that takes connections and never answers: how it fails, and what was sent.
    fn unanswered(limit: u64, within: u64) -> (Failure, String) {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let limits = Limits {
            time: Duration::from_millis(limit),
            body: 1,
        };
        let request = Request {
            method: Method::Post,
            url: format!("http://{}/", silent.local_addr().unwrap()),
            headers: Vec::new(),
            body: Sensitive::new(b"body".to_vec()),
        };
        let client = Client::new(&Connection::trusting(Roots::Only(Vec::new())), limits);
        let failure = client.send_within(&request, Duration::from_millis(within)).unwrap_err();
        let mut sent = String::new();
        silent.set_nonblocking(true).unwrap();
        if let Ok((mut connection, _)) = silent.accept() {
            connection.set_nonblocking(false).unwrap();
            connection.read_to_string(&mut sent).unwrap();
        }
        (failure, sent)
    }

    #[test]
    fn the_shorter_limit_is_in_force_and_named() {
        for (limit, within) in [(60_000, 300), (300, 60_000)] {
            let (failure, sent) = unanswered(limit, within);
            assert_eq!(failure.to_string(), "no complete answer within 0.3 s");
            assert_eq!(failure.delivery, Delivery::Unknown);
            // With its length, and not in chunks, which AWS does not take.
            assert!(sent.contains("\r\ncontent-length: 4\r\n"), "{sent}");
            assert!(!sent.contains("transfer-encoding"), "{sent}");
            assert!(sent.ends_with("\r\n\r\nbody"), "{sent}");
        }
    }

    #[test]
    fn without_time_nothing_is_sent() {
        let (failure, sent) = unanswered(60_000, 0);
        assert_eq!(failure.to_string(), "no complete answer within 0 s");
        assert_eq!(sent, "");
    }

    #[test]
    fn no_body_leaves_after_its_time() {
        let body = |until| InTime { left: b"body", until };
        let mut buffer = [0; 8];
        let now = boot_time();
        assert_eq!(body(now + Duration::from_secs(60)).read(&mut buffer).unwrap(), 4);
        let late = body(now - Duration::from_millis(1)).read(&mut buffer).unwrap_err();
        let failure = Failure::from_ureq(ureq::Error::from(late), Duration::from_secs(2));
        assert_eq!(failure.to_string(), "no complete answer within 2 s");
    }

    #[test]
    fn threads_may_share_a_client() {
        fn shared<T: Send + Sync>() {}
        shared::<Client>();
    }
}
