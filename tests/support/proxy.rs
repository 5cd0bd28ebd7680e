//! A stand-in proxy over real TCP and TLS: `CONNECT`, requests that are passed on, or SOCKS 5. It reaches what it has a route
//! for, under whatever name, and notes what it was asked for.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::script::Stop;

/// What it speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    Socks,
}

/// How it behaves once it has been asked.
#[derive(Clone)]
pub enum Conduct {
    /// As a proxy should.
    Serves,
    /// These bytes are the answer, and the connection is closed.
    Says(Vec<u8>),
    /// SOCKS: this reply to the request.
    Replies(u8),
    /// Nothing is said until it stops.
    Hangs,
    /// The connection is closed without a word.
    Closes,
}

/// How a proxy is set up.
pub struct Setup {
    pub kind: Kind,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The user name and the password that are wanted.
    pub login: Option<(&'static str, &'static str)>,
    pub conduct: Conduct,
    /// `host:port`, as it is asked for, and what is reached. Nothing else is.
    pub routes: BTreeMap<String, SocketAddr>,
}

impl Setup {
    pub fn new(kind: Kind) -> Setup {
        Setup {
            kind,
            tls: None,
            login: None,
            conduct: Conduct::Serves,
            routes: BTreeMap::new(),
        }
    }
}

struct Shared {
    setup: Setup,
    asked: Mutex<Vec<String>>,
    stop: Stop,
    stopped: AtomicBool,
}

/// A running proxy; it stops when dropped.
pub struct StandInProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl StandInProxy {
    pub fn start(setup: Setup) -> StandInProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("the address of a bound socket");
        let shared = Arc::new(Shared {
            setup,
            asked: Mutex::default(),
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
                // An error on a connection ends that connection and nothing else.
                thread::spawn(move || drop(shared.connection(stream)));
            }
        });
        StandInProxy { shared, address }
    }

    /// `127.0.0.1:1234`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What it was asked for so far, in order: `CONNECT host:443`, `POST http://host/`, `SOCKS host:443`, with
    /// ` as user:password` where that was sent. What was refused is here as well.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for StandInProxy {
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
    fn connection(&self, tcp: TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let raw = tcp.try_clone()?;
        let mut client: Box<dyn Stream> = match &self.setup.tls {
            None => Box::new(tcp),
            Some(config) => {
                let connection = rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Box::new(rustls::StreamOwned::new(connection, tcp))
            }
        };
        let server = match self.setup.kind {
            Kind::Http => self.http(&mut client)?,
            Kind::Socks => self.socks(&mut client)?,
        };
        if let Some(server) = server {
            relay(&mut client, &raw, server);
        }
        let _ = client.flush();
        let _ = raw.shutdown(Shutdown::Both);
        Ok(())
    }

    /// Whether the answer is still to be given.
    fn conduct(&self, client: &mut Box<dyn Stream>) -> io::Result<bool> {
        match &self.setup.conduct {
            Conduct::Serves | Conduct::Replies(_) => return Ok(true),
            Conduct::Says(bytes) => client.write_all(bytes)?,
            Conduct::Hangs => self.stop.wait(),
            Conduct::Closes => {}
        }
        Ok(false)
    }

    fn note(&self, what: String, login: Option<&str>) {
        let login = login.map(|login| format!(" as {login}")).unwrap_or_default();
        self.asked.lock().unwrap().push(what + &login);
    }

    fn wants(&self, login: Option<&str>) -> bool {
        let wanted = self.setup.login.map(|(user, password)| format!("{user}:{password}"));
        wanted.is_some_and(|wanted| login != Some(&wanted))
    }

    fn http(&self, client: &mut Box<dyn Stream>) -> io::Result<Option<TcpStream>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend_from_slice(&read::<1>(client)?);
        }
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let words: Vec<&str> = line.split(' ').collect();
        let [method, target, "HTTP/1.1"] = words[..] else {
            panic!("no request line: {line}");
        };
        let is_login = |line: &&str| line.to_ascii_lowercase().starts_with("proxy-authorization:");
        let login = head.split("\r\n").find(is_login).map(|line| {
            let basic = line.split_once(": Basic ").expect("Basic").1;
            String::from_utf8(STANDARD.decode(basic).expect("base64")).expect("text")
        });
        self.note(format!("{method} {target}"), login.as_deref());
        if !self.conduct(client)? {
            return Ok(None);
        }
        if self.wants(login.as_deref()) {
            client.write_all(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
                  Content-Length: 0\r\n\r\n",
            )?;
            return Ok(None);
        }
        let to = match method {
            "CONNECT" => target,
            _ => {
                let rest = target.strip_prefix("http://").expect("the whole URL");
                rest.split('/').next().unwrap_or_default()
            }
        };
        let Some(mut server) = self.reach(to) else {
            client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(None);
        };
        if method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 stand-in\r\n\r\n")?;
        } else {
            // As a proxy must: the path alone, and nothing that was for the proxy.
            let path = &target[7 + to.len()..];
            let others: Vec<&str> = lines.filter(|line| !is_login(line)).collect();
            server.write_all(format!("{method} {path} HTTP/1.1\r\n{}", others.join("\r\n")).as_bytes())?;
        }
        Ok(Some(server))
    }

    fn socks(&self, client: &mut Box<dyn Stream>) -> io::Result<Option<TcpStream>> {
        let [version, count] = read(client)?;
        assert_eq!(version, 5);
        let mut methods = vec![0; usize::from(count)];
        client.read_exact(&mut methods)?;
        if !matches!(self.setup.conduct, Conduct::Replies(_)) && !self.conduct(client)? {
            self.note("SOCKS".into(), None);
            return Ok(None);
        }
        let mut login = None;
        if self.setup.login.is_some() {
            if !methods.contains(&2) {
                self.note("SOCKS".into(), None);
                client.write_all(&[5, 0xff])?;
                return Ok(None);
            }
            client.write_all(&[5, 2])?;
            assert_eq!(read(client)?, [1]);
            let mut part = || {
                let [length] = read(client)?;
                let mut text = vec![0; usize::from(length)];
                client.read_exact(&mut text)?;
                String::from_utf8(text).map_err(io::Error::other)
            };
            login = Some(format!("{}:{}", part()?, part()?));
            let refused = self.wants(login.as_deref());
            client.write_all(&[1, u8::from(refused)])?;
            if refused {
                self.note("SOCKS".into(), login.as_deref());
                return Ok(None);
            }
        } else {
            client.write_all(&[5, 0])?;
        }
        let [5, 1, 0, kind] = read(client)? else {
            panic!("no CONNECT of SOCKS 5");
        };
        let host = match kind {
            1 => std::net::Ipv4Addr::from(read::<4>(client)?).to_string(),
            4 => format!("[{}]", std::net::Ipv6Addr::from(read::<16>(client)?)),
            _ => {
                let [length] = read(client)?;
                let mut name = vec![0; usize::from(length)];
                client.read_exact(&mut name)?;
                String::from_utf8(name).map_err(io::Error::other)?
            }
        };
        let to = format!("{host}:{}", u16::from_be_bytes(read(client)?));
        self.note(format!("SOCKS {to}"), login.as_deref());
        let server = self.reach(&to);
        let code = match (&self.setup.conduct, &server) {
            (Conduct::Replies(code), _) => *code,
            (_, Some(_)) => 0,
            (_, None) => 4,
        };
        // Some proxies tell the address that they connect from by a name.
        client.write_all(&[5, code, 0, 3, 2, b'm', b'e', 0, 80])?;
        Ok(server.filter(|_| code == 0))
    }

    fn reach(&self, to: &str) -> Option<TcpStream> {
        let server = TcpStream::connect(self.setup.routes.get(to)?).ok()?;
        server.set_nodelay(true).ok()?;
        Some(server)
    }
}

fn read<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Passes bytes both ways until one side ends. One thread, for a TLS stream cannot be cloned: each side is listened to in turn.
fn relay(client: &mut Box<dyn Stream>, raw: &TcpStream, mut server: TcpStream) {
    let turn = Some(Duration::from_millis(2));
    if raw.set_read_timeout(turn).is_err() || server.set_read_timeout(turn).is_err() {
        return;
    }
    while pass(client, &mut server) && pass(&mut server, client) {}
}

/// Passes on what there is. `false`: the side that speaks has ended, or the other one does not take it.
fn pass(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut bytes = [0; 16 * 1024];
    match from.read(&mut bytes) {
        Ok(0) => false,
        Ok(count) => to.write_all(&bytes[..count]).and_then(|()| to.flush()).is_ok(),
        Err(error) => matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        ),
    }
}
