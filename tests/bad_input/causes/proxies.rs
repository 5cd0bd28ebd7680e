//! There is no way to AWS through a proxy.

use super::{Case, Row, all, https, nobody, silent};
use crate::bad_input::{ecr_world, program};
use crate::support::proxy::{Conduct, Kind, Setup, StandInProxy};
use crate::support::tls::Authority;

#[test]
fn there_is_no_way_through_a_proxy() {
    let before = "ERROR t/pull: GetAuthorizationToken with key KEY at aws.test: ";
    all(PROXIES, before, " (the key is from Secret t/s)");
}

/// AWS through a proxy at this URL.
fn proxy_at(url: &str) -> Case {
    let world = ecr_world();
    let program = program(&world, &["ecr-update"])
        .env("AWS_ENDPOINT_URL", "https://aws.test")
        .env("HTTPS_PROXY", url);
    Case::of(world, program)
}

/// AWS through a proxy of this kind, with this before its address.
fn proxy_by(setup: Setup, before: &str) -> Case {
    let proxy = StandInProxy::start(setup);
    let address = proxy.address();
    let mut case = proxy_at(&format!("{before}{address}"));
    case.program = case.program.arg("--request-timeout=6s");
    case.at(&address, "PROXY", proxy)
}

fn http_proxy(conduct: Conduct, before: &str) -> Case {
    let mut setup = Setup::new(Kind::Http);
    setup.conduct = conduct;
    proxy_by(setup, before)
}

fn says(text: &str) -> Conduct {
    Conduct::Says(text.as_bytes().to_vec())
}

fn socks_proxy(login: Option<(&'static str, &'static str)>, conduct: Conduct, before: &str) -> Case {
    let mut setup = Setup::new(Kind::Socks);
    setup.login = login;
    setup.conduct = conduct;
    proxy_by(setup, before)
}

/// A plain `http` endpoint, for which the proxy passes requests on.
fn passing_on(conduct: Conduct) -> Case {
    let mut case = http_proxy(conduct, "http://");
    let (proxy, _) = case.named[0].clone();
    case.program = case
        .program
        .env("AWS_ENDPOINT_URL", "http://aws.test")
        .env("HTTPS_PROXY", "")
        .env("HTTP_PROXY", proxy);
    case
}

/// Each line begins with `ERROR t/pull: GetAuthorizationToken with key KEY at aws.test: ` and ends with ` (the key is from Secret
/// t/s)`.
const PROXIES: &[Row] = &[
    (
        "name resolution",
        "the host name of the proxy http://no-such-host.invalid:3128 cannot be resolved; see that `HTTPS_PROXY` is \
         right, and that this machine resolves names",
        || proxy_at("http://no-such-host.invalid:3128"),
    ),
    (
        "refused",
        "cannot connect to the proxy http://THERE: connection refused; see that `HTTPS_PROXY` is right and the proxy can \
         be reached from here",
        || nobody(|address| proxy_at(&format!("http://{address}"))),
    ),
    (
        "TLS",
        "TLS to the proxy https://PROXY: the server's certificate is not signed by a trusted authority; name the \
         authority's certificate in `AWS_CA_BUNDLE`",
        || {
            let mut setup = Setup::new(Kind::Http);
            setup.tls = Some(Authority::new("another").server(&["127.0.0.1"]));
            proxy_by(setup, "https://")
        },
    ),
    (
        "time-out of TLS",
        "no TLS connection to the proxy https://THERE within 1 s; see that `HTTPS_PROXY` is right and the proxy can be \
         reached from here",
        || silent(https, proxy_at),
    ),
    (
        "time-out",
        "no way through the proxy http://PROXY within 2 s; see that `HTTPS_PROXY` is right, its scheme and its port too",
        || http_proxy(Conduct::Hangs, "http://"),
    ),
    (
        "403",
        "the proxy http://PROXY refuses to connect: status 403, forbidden; have the server allowed by the proxy, or \
         name it in `NO_PROXY` if it can be reached directly",
        || http_proxy(says("HTTP/1.1 403 Forbidden\r\n\r\n"), "http://"),
    ),
    (
        "407 without a login",
        "the proxy http://PROXY wants a user name and a password; put them into `HTTPS_PROXY`: \
         `scheme://user:password@host:port`",
        || http_proxy(says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "http://"),
    ),
    (
        "407 with a login",
        "the proxy http://PROXY does not accept the user name and the password; correct them in `HTTPS_PROXY`",
        || {
            http_proxy(
                says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
                "http://u:p@",
            )
        },
    ),
    (
        "502",
        "the proxy http://PROXY refuses to connect: status 502, bad gateway; see that the server's address is right, and \
         that the proxy can reach it",
        || http_proxy(Conduct::Serves, "http://"),
    ),
    (
        "none",
        "what answers at http://PROXY does not speak as such a proxy; see that `HTTPS_PROXY` is right, its scheme and its \
         port too",
        || http_proxy(says("SSH-2.0-OpenSSH_9.2\r\n"), "http://"),
    ),
    (
        "SOCKS",
        "the proxy socks5://PROXY refuses to connect: SOCKS reply 4, host unreachable; see that the server's address is \
         right, and that the proxy can reach it",
        || proxy_by(Setup::new(Kind::Socks), "socks5h://"),
    ),
    (
        "401, as tinyproxy has it",
        "the proxy http://PROXY does not accept the user name and the password; correct them in `HTTPS_PROXY`",
        || http_proxy(says("HTTP/1.1 401 Unauthorized\r\n\r\n"), "http://u:p@"),
    ),
    (
        "407 for a login that is not spoken",
        "the proxy http://PROXY wants a login by NTLM, Negotiate, and only Basic is spoken here; have it accept Basic, or use \
         another proxy",
        || {
            let head = "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n";
            http_proxy(says(head), "http://")
        },
    ),
    (
        "405",
        "the proxy http://PROXY refuses to connect: status 405; have the server allowed by the proxy, or name it in `NO_PROXY` \
         if it can be reached directly",
        || http_proxy(says("HTTP/1.1 405 Method Not Allowed\r\n\r\n"), "http://"),
    ),
    (
        "500",
        "the proxy http://PROXY refuses to connect: status 500; see that the server's address is right, and that the proxy can \
         reach it",
        || http_proxy(says("HTTP/1.1 500 Internal Server Error\r\n\r\n"), "http://"),
    ),
    (
        "hangs up",
        "the connection to the proxy http://PROXY broke before there was a way through it: closed by the other side; see that \
         `HTTPS_PROXY` is right, its scheme and its port too",
        || http_proxy(Conduct::Closes, "http://"),
    ),
    (
        "SOCKS: against the rules",
        "the proxy socks5://PROXY refuses to connect: SOCKS reply 2, not allowed by its rules; have the server allowed by the \
         proxy, or name it in `NO_PROXY` if it can be reached directly",
        || socks_proxy(None, Conduct::Replies(2), "socks5://"),
    ),
    (
        "SOCKS: none",
        "what answers at socks5://PROXY does not speak as such a proxy; see that `HTTPS_PROXY` is right, its scheme and its \
         port too",
        || socks_proxy(None, says("HTTP/1.1 400 Bad Request\r\n\r\n"), "socks5://"),
    ),
    (
        "SOCKS: time-out",
        "no way through the proxy socks5://PROXY within 2 s; see that `HTTPS_PROXY` is right, its scheme and its port too",
        || socks_proxy(None, Conduct::Hangs, "socks5://"),
    ),
    (
        "SOCKS: without a login",
        "the proxy socks5://PROXY wants a user name and a password; put them into `HTTPS_PROXY`: \
         `scheme://user:password@host:port`",
        || socks_proxy(Some(("u", "p")), Conduct::Serves, "socks5://"),
    ),
    (
        "SOCKS: with another login",
        "the proxy socks5://PROXY does not accept the user name and the password; correct them in `HTTPS_PROXY`",
        || socks_proxy(Some(("u", "p")), Conduct::Serves, "socks5://u:q@"),
    ),
    (
        "passes requests on, 407",
        "the proxy http://PROXY wants a user name and a password; put them into `HTTP_PROXY`: \
         `scheme://user:password@host:port`",
        || {
            passing_on(says(
                "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            ))
        },
    ),
    (
        "passes requests on, 403: the proxy's own page, or the server's",
        "expected an AWS error, got status 403 with a body of 2 bytes, `text/html`, through the proxy http://PROXY; see that the \
         address is AWS's, and what stands between",
        || {
            let page = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno";
            passing_on(says(page))
        },
    ),
];
