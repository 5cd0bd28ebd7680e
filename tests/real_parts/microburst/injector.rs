//! A running microburst, which stands between the program and moto and does to some requests what its rules say; and the few
//! words of HTTP that it and moto are asked with.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::program::Scratch;
use crate::tools::required;

/// Starting it takes a second or two. It is no measure of speed.
const NEVER_STARTS: Duration = Duration::from_secs(120);

/// A running microburst, ended when dropped.
pub(super) struct Injector {
    child: Child,
    address: String,
    _home: Scratch,
}

impl Drop for Injector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Injector {
    /// Starts it before the server at this address, without any rule.
    pub(super) fn before(server: &str) -> Injector {
        let home = Scratch::new();
        // It takes no port 0. Whoever takes the port meanwhile has another upstream, which is found out below.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free loopback port").port();
        let upstream = &with_host(format!("127.0.0.1:{port}"), server.to_owned());
        let child = Command::new(required("MICROBURST"))
            .args([
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--upstream",
                upstream,
            ])
            .env_clear()
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("microburst is a program");
        let mut injector = Injector {
            child,
            address: format!("127.0.0.1:{port}"),
            _home: home,
        };
        let start = Instant::now();
        while TcpStream::connect(&injector.address).is_err() {
            let ended = injector.child.try_wait().expect("a child of ours");
            assert!(
                ended.is_none() && start.elapsed() < NEVER_STARTS,
                "microburst does not start"
            );
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(injector.control("GET", "health", &Value::Null)["upstream"], *upstream);
        injector
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it does this and nothing else.
    pub(super) fn set_rules(&self, rules: &Value) {
        let set = self.control("POST", "rules", rules);
        assert_eq!(
            set.as_array().map(Vec::len),
            rules.as_array().map(Vec::len),
            "microburst did not take the rules: {set}"
        );
    }

    /// How many requests there were, and how many of them each rule was applied to, by what it does.
    pub(super) fn counts(&self) -> (u64, Vec<(String, u64)>) {
        let total = self.control("GET", "stats", &Value::Null)["requests"]["total"].clone();
        let rules = self.control("GET", "rules", &Value::Null);
        let count = |rule: &Value| {
            let kinds = ["error", "reset", "latency", "response"];
            let kind = kinds
                .into_iter()
                .find(|kind| rule.get(*kind).is_some())
                .expect("a kind");
            let name = rule["error"]["code"].as_str().unwrap_or(kind).to_owned();
            (name, rule["fired_count"].as_u64().expect("a count"))
        };
        (
            total.as_u64().expect("a count"),
            rules.as_array().expect("rules").iter().map(count).collect(),
        )
    }

    fn control(&self, method: &str, what: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let json = "Content-Type: application/json\r\n";
        let answer = request(&self.address, method, &format!("/_microburst/{what}"), json, &body);
        serde_json::from_str(&answer).expect("JSON")
    }
}

/// The URL of a relay to the server at this address, which says `host` in the `Host` header of each request. The client has
/// signed the name that microburst has, and microburst puts its upstream's there.
fn with_host(host: String, server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    let url = format!(
        "http://{}",
        listener.local_addr().expect("the address of a bound socket")
    );
    // It ends with the test's process.
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, host, server) = (client.expect("a connection"), host.clone(), server.clone());
            thread::spawn(move || relay(&client, &server, &host));
        }
    });
    url
}

/// Requests go one way, answers the other; whoever closes the connection closes both.
fn relay(client: &TcpStream, server: &str, host: &str) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let passed_on = pass_on(BufReader::new(client), &server, host);
    let _ = server.shutdown(Shutdown::Both);
    passed_on
}

fn pass_on(mut client: BufReader<&TcpStream>, mut server: &TcpStream, host: &str) -> io::Result<()> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if client.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "host" => line = format!("Host: {host}\r\n"),
            "content-length" => length = value.trim().parse().expect("a length"),
            "transfer-encoding" => panic!("microburst sends what it has read, and that has a length"),
            _ => {}
        }
        head += &line;
        if line == "\r\n" {
            let mut body = vec![0; length];
            client.read_exact(&mut body)?;
            server.write_all(&[head.as_bytes(), &body].concat())?;
            (head, length) = (String::new(), 0);
        }
    }
}

/// The body of the answer to this request, which must be one of success. `headers` are whole lines.
pub(super) fn request(address: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a server that listens");
    // HTTP/1.0: the answer ends with the connection and is never in chunks.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("a server that reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a server that answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer in HTTP");
    let status = head.split(' ').nth(1).unwrap_or_default();
    assert_eq!(status, "200", "{method} {path}");
    body.to_owned()
}
