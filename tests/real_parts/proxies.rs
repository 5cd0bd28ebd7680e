//! `NO_PROXY` as the real curl reads it, and as this program does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use aws_iam_credential_rotate::http::NoProxy;

use crate::support::program::Program;
use crate::support::proxy::{Kind, Setup, StandInProxy};
use crate::tools::required;

/// Where this program decides otherwise than curl, and why.
type Differs = Option<&'static str>;

const PORTS: Differs = Some("curl has no ports in the list; Go and the tools written in it have");
const BRACKETS: Differs = Some("curl takes no brackets in the list; Go does, and a URL has them");
const STAR: Differs = Some("curl takes `*` only alone; Go also among others");
const ALL_OF_THEM: Differs = Some("curl takes `/0` for the address itself; Go for every address");
const NO_NUMBER: Differs =
    Some("curl takes a prefix that is no number for none at all; here such an entry means nothing");

const BELOW_AN_ADDRESS: Differs =
    Some("curl compares an entry with a name letter by letter; nothing is below an address");
const IPV6: Differs = Some("curl 7.88.1 compares IPv6 addresses letter by letter; its manual promises networks");

/// The list, a host, a port, whether this program goes there directly, and whether curl does otherwise.
const ROWS: &[(&str, &str, u16, bool, Differs)] = &[
    ("unrelated.test", "example.com", 80, false, None),
    ("*", "example.com", 80, true, None),
    ("*", "10.0.0.1", 80, true, None),
    ("*", "[::1]", 80, true, None),
    ("unrelated.test,*", "example.com", 80, true, STAR),
    ("example.com", "example.com", 80, true, None),
    ("example.com", "example.com", 8080, true, None),
    ("example.com", "sub.example.com", 80, true, None),
    ("example.com", "a.b.example.com", 80, true, None),
    ("example.com", "notexample.com", 80, false, None),
    ("example.com", "example.com.org", 80, false, None),
    ("sub.example.com", "example.com", 80, false, None),
    (".example.com", "example.com", 80, true, None),
    (".example.com", "sub.example.com", 80, true, None),
    (".example.com", "notexample.com", 80, false, None),
    ("..example.com", "example.com", 80, false, None),
    ("..example.com", "sub.example.com", 80, false, None),
    ("*.example.com", "sub.example.com", 80, false, None),
    ("Example.COM", "example.com", 80, true, None),
    ("example.com", "EXAMPLE.com", 80, true, None),
    ("example.com.", "example.com", 80, true, None),
    ("example.com", "example.com.", 80, true, None),
    ("example.com.", "sub.example.com.", 80, true, None),
    ("example.com..", "example.com", 80, false, None),
    (".", "example.com", 80, false, None),
    ("com", "example.com", 80, true, None),
    ("a.test,example.com", "example.com", 80, true, None),
    (" a.test , example.com ", "example.com", 80, true, None),
    ("a.test example.com", "example.com", 80, true, None),
    ("a.test\texample.com", "example.com", 80, true, None),
    (",,example.com,,", "example.com", 80, true, None),
    (",,example.com,,", "a.test", 80, false, None),
    ("example.com:80", "example.com", 80, true, PORTS),
    ("example.com:8080", "example.com", 80, false, None),
    ("10.0.0.1:80", "10.0.0.1", 80, true, PORTS),
    ("[::1]:80", "[::1]", 80, true, PORTS),
    ("10.0.0.1", "10.0.0.1", 80, true, None),
    ("10.0.0.1", "10.0.0.10", 80, false, None),
    ("0.0.1", "10.0.0.1", 80, false, None),
    ("10.0.0.1", "x.10.0.0.1", 80, false, BELOW_AN_ADDRESS),
    ("::1", "[::1]", 80, true, None),
    ("[::1]", "[::1]", 80, true, BRACKETS),
    ("0:0:0:0:0:0:0:1", "[::1]", 80, true, IPV6),
    ("2001:DB8::a", "[2001:db8::A]", 80, true, None),
    ("::1", "[::2]", 80, false, None),
    ("10.0.0.0/8", "10.255.0.1", 80, true, None),
    ("10.0.0.0/8", "11.0.0.1", 80, false, None),
    ("10.1.2.3/8", "10.255.0.1", 80, true, None),
    ("192.168.0.0/23", "192.168.1.255", 80, true, None),
    ("192.168.0.0/23", "192.168.2.0", 80, false, None),
    ("10.0.0.1/32", "10.0.0.1", 80, true, None),
    ("10.0.0.1/32", "10.0.0.0", 80, false, None),
    ("0.0.0.0/0", "203.0.113.9", 80, true, ALL_OF_THEM),
    ("10.0.0.0/33", "10.0.0.0", 80, false, None),
    ("10.0.0.0/", "10.0.0.0", 80, false, NO_NUMBER),
    ("10.0.0.0/8", "10.example.com", 80, false, None),
    ("fd00::/8", "[fd12:3456::1]", 80, true, IPV6),
    ("fd00::/8", "[fe80::1]", 80, false, None),
    ("2001:db8::/33", "[2001:db8:7fff::1]", 80, true, IPV6),
    ("2001:db8::/33", "[2001:db8:8000::1]", 80, false, None),
    ("::1/128", "[::1]", 80, true, IPV6),
    ("fd00::/129", "[fd00::]", 80, false, None),
    ("10.0.0.0/8,example.com fd00::/8", "[fd00::9]", 80, true, IPV6),
];

/// A server that says `204` to everybody, and how often it has.
fn direct() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
    });
    (address, asked)
}

/// Whether curl goes there directly. Whatever the host, a direct connection ends at our own server.
fn curl_goes_directly(list: &str, host: &str, port: u16, lower_case: bool) -> bool {
    let (address, directly) = direct();
    let proxy = StandInProxy::start(Setup {
        routes: BTreeMap::new(),
        ..Setup::new(Kind::Http)
    });
    // The proxy has no route, so that curl fails where it asks the proxy.
    drop(
        Program::new(required("CURL"))
            .env("http_proxy", format!("http://{}", proxy.address()))
            .env(if lower_case { "no_proxy" } else { "NO_PROXY" }, list)
            .args(&[
                "--disable",
                "--silent",
                "--globoff",
                "--connect-to",
                &format!("::{address}"),
            ])
            .arg(format!("http://{host}:{port}/"))
            .run(),
    );
    let ways = (directly.load(Ordering::SeqCst), proxy.asked().len());
    match ways {
        (1, 0) => true,
        (0, 1) => false,
        (_, _) => panic!("{list} {host}: directly and by the proxy: {ways:?}"),
    }
}

#[test]
fn no_proxy_is_read_as_curl_reads_it() {
    let mut wrong = Vec::new();
    for &(list, host, port, direct, differs) in ROWS {
        let ours = NoProxy::parse(list).excepts(host, port);
        let curls = curl_goes_directly(list, host, port, false);
        if (ours, curls) != (direct, direct != differs.is_some()) {
            wrong.push(format!(
                "`{list}` {host}:{port}: ours {ours}, curl {curls}, expected {direct}, {differs:?}"
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        curl_goes_directly("example.com", "example.com", 80, true),
        "in lower case"
    );
}
