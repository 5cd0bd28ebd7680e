//! The HTTP layer by itself, where no option of the program reaches yet: client certificates, names of servers that are not
//! the URL's, servers that are not checked, one proxy for all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_iam_credential_rotate::http::{
    Client, Connection, Delivery, Failure, Identity, Limits, Method, Proxy, ProxyAddress, Reply, Request, Roots,
    certificates_from_pem,
};
use aws_iam_credential_rotate::sensitive::Sensitive;

use crate::support::aws::Cloud;
use crate::support::proxy::{Kind, Setup, StandInProxy};
use crate::support::server::Server;
use crate::support::tls::Authority;

/// Keys of nobody, by `openssl genrsa` and `openssl ecparam -genkey`, each in two forms: an older one, and PKCS#8.
const KEYS: &[(&str, &str, &str)] = &[
    (
        "PKCS#1, RSA",
        include_str!("support/keys/rsa.pkcs1.pem"),
        include_str!("support/keys/rsa.pkcs8.pem"),
    ),
    (
        "SEC1, P-256",
        include_str!("support/keys/p256.sec1.pem"),
        include_str!("support/keys/p256.pkcs8.pem"),
    ),
    (
        "SEC1, P-384",
        include_str!("support/keys/p384.sec1.pem"),
        include_str!("support/keys/p384.pkcs8.pem"),
    ),
];

const P256: &str = KEYS[1].2;

/// A connection that trusts this authority alone.
fn trusting(authority: &Authority) -> Connection {
    let roots = certificates_from_pem(authority.pem().as_bytes()).unwrap();
    Connection::trusting(Roots::Only(roots))
}

fn get(connection: &Connection, url: &str) -> Result<Reply, Failure> {
    let limits = Limits {
        time: Duration::from_secs(30),
        body: 1024 * 1024,
    };
    let request = Request {
        method: Method::Get,
        url: format!("{url}/"),
        headers: Vec::new(),
        body: Sensitive::new(Vec::new()),
    };
    Client::new(connection, limits).send(&request)
}

/// AWS answers whatever it is asked.
#[track_caller]
fn answers(connection: &Connection, url: &str) {
    if let Err(failure) = get(connection, url) {
        panic!("{failure}");
    }
}

/// No answer comes, for this reason, and the request was not sent.
#[track_caller]
fn fails(connection: &Connection, url: &str, why: &str) {
    let failure = get(connection, url).expect_err("an answer");
    assert_eq!(failure.to_string(), why);
    assert_eq!(failure.delivery, Delivery::NotSent);
}

fn server(config: Arc<rustls::ServerConfig>) -> Server {
    Cloud::new().start_tls(config)
}

#[test]
fn a_client_certificate_is_shown_whatever_the_form_of_its_key() {
    let authority = Authority::new("cluster");
    let configs = [
        authority.server_for(&["127.0.0.1"], &authority),
        authority.server_of_tls12_for(&["127.0.0.1"], &authority),
    ];
    for config in configs {
        let server = server(config);
        for (form, older, pkcs8) in KEYS {
            for key in [older, pkcs8] {
                let certificate = authority.client(pkcs8);
                let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes());
                let identity = identity.unwrap_or_else(|error| panic!("{form}: {error}"));
                let connection = Connection {
                    identity: Some(identity),
                    ..trusting(&authority)
                };
                answers(&connection, &server.url());
            }
        }
    }
}

#[test]
fn a_client_key_that_cannot_be_used_is_told() {
    let certificate = Authority::new("cluster").client(P256);
    let encrypted = "the client key: it is encrypted, and nobody is here to type its password; store it decrypted, by `openssl \
                     pkey -in KEY -out KEY`";
    let no_key = "the client key: it holds no private key that can be read; expected PEM, `-----BEGIN PRIVATE KEY-----` \
                  (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC1), not encrypted";
    let anothers =
        "the client key: it is not the key of the client certificate; give the pair that was issued together";
    let damaged = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n";
    for (certificate, key, why) in [
        (
            &*certificate,
            include_str!("support/keys/p256.encrypted.pem"),
            encrypted,
        ),
        (&certificate, include_str!("support/keys/rsa.encrypted.pem"), encrypted),
        (&certificate, "", no_key),
        (&certificate, &certificate, no_key),
        (&certificate, KEYS[0].1, anothers),
        (&certificate, KEYS[2].1, anothers),
        (
            &certificate,
            damaged,
            "the client key: it cannot be used (failed to parse private key as RSA, ECDSA, or EdDSA); expected an RSA key of \
             2048 bits or more, an ECDSA key on P-256 or P-384, or an Ed25519 key",
        ),
        (
            P256,
            P256,
            "the client certificate: it holds no certificate; expected PEM, `-----BEGIN CERTIFICATE-----`",
        ),
    ] {
        let error = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect_err("no pair");
        assert_eq!(error.to_string(), why);
    }
    let identity = Identity::from_pem(certificate.as_bytes(), P256.as_bytes()).unwrap();
    assert_eq!(format!("{identity:?}"), "Identity([redacted])");
}

#[test]
fn a_server_that_demands_a_client_certificate_says_so() {
    let (authority, strangers) = (Authority::new("cluster"), Authority::new("strangers"));
    let stranger = Connection {
        identity: Some(Identity::from_pem(strangers.client(P256).as_bytes(), P256.as_bytes()).unwrap()),
        ..trusting(&authority)
    };
    for config in [
        authority.server_for(&["127.0.0.1"], &authority),
        authority.server_of_tls12_for(&["127.0.0.1"], &authority),
    ] {
        let server = server(config);
        fails(
            &trusting(&authority),
            &server.url(),
            "TLS: the server demands a client certificate, and was sent none",
        );
        fails(
            &stranger,
            &server.url(),
            "TLS: the server does not accept the client certificate (UnknownCA)",
        );
        let advice = get(&stranger, &server.url()).unwrap_err().advice();
        assert_eq!(
            advice.as_deref(),
            Some("see that it has not expired, and that the server trusts its authority")
        );
        assert_eq!(server.operations(), Vec::<String>::new());
    }
}

#[test]
fn a_certificate_may_be_for_another_name_than_the_urls() {
    let authority = Authority::new("cluster");
    let server = server(authority.server(&["kubernetes.default.svc", "10.96.0.1", "::1"]));
    let only = "only for kubernetes.default.svc, 10.96.0.1, ::1";
    let named = |name: &str| Connection {
        server_name: Some(name.to_owned()),
        ..trusting(&authority)
    };
    for name in [
        "kubernetes.default.svc",
        "KUBERNETES.default.svc",
        "10.96.0.1",
        "::1",
        "[::1]",
    ] {
        answers(&named(name), &server.url());
    }
    let why = |name: &str| format!("TLS: the server's certificate is not for {name}, {only}");
    fails(&trusting(&authority), &server.url(), &why("127.0.0.1"));
    fails(&named("kubernetes"), &server.url(), &why("kubernetes"));
    fails(
        &named("two words"),
        &server.url(),
        "TLS: `two words` is no host name and no IP address",
    );
}

#[test]
fn anybody_is_anybody() {
    let anybody = Connection::trusting(Roots::Anybody);
    let authority = Authority::new("unknown");
    for config in [
        authority.server(&["127.0.0.1"]),
        authority.server(&["another.name"]),
        authority.server_in(&["127.0.0.1"], (2019, 2020)),
    ] {
        answers(&anybody, &server(config).url());
    }
    // Trust is not taken for a client certificate.
    let demanding = server(authority.server_for(&["127.0.0.1"], &authority));
    fails(
        &anybody,
        &demanding.url(),
        "TLS: the server demands a client certificate, and was sent none",
    );
    let identity = Identity::from_pem(authority.client(P256).as_bytes(), P256.as_bytes()).unwrap();
    let shown = Connection {
        identity: Some(identity),
        ..anybody
    };
    answers(&shown, &demanding.url());
}

/// One proxy for all: the server's name and the client's certificate are for the server, not for the proxy.
#[test]
fn a_client_certificate_is_shown_through_a_proxy() {
    let (authority, proxies) = (Authority::new("cluster"), Authority::new("proxies"));
    let demanding = server(authority.server_for(&["kubernetes"], &authority));
    let identity = Identity::from_pem(authority.client(P256).as_bytes(), P256.as_bytes()).unwrap();
    let roots = [authority.pem(), proxies.pem()].concat();
    for (kind, tls, scheme) in [
        (Kind::Http, false, "http"),
        (Kind::Http, true, "https"),
        (Kind::Socks, false, "socks5"),
    ] {
        let mut setup = Setup::new(kind);
        // It would end the connection if it were shown a certificate that it cannot check.
        setup.tls = tls.then(|| proxies.server(&["127.0.0.1"]));
        let to = SocketAddr::from(([127, 0, 0, 1], demanding.port()));
        setup.routes.insert("api.test:6443".into(), to);
        let proxy = StandInProxy::start(setup);
        let connection = Connection {
            roots: Roots::Only(certificates_from_pem(roots.as_bytes()).unwrap()),
            server_name: Some("kubernetes".into()),
            identity: Some(identity.clone()),
            proxy: Proxy::One(ProxyAddress::parse(&format!("{scheme}://{}", proxy.address())).unwrap()),
        };
        answers(&connection, "https://api.test:6443");
        let word = if kind == Kind::Socks { "SOCKS" } else { "CONNECT" };
        assert_eq!(proxy.asked(), [format!("{word} api.test:6443")]);
        // Loopback is no exception.
        fails(
            &connection,
            "https://127.0.0.1:1",
            &match kind {
                Kind::Http => format!(
                    "the proxy {scheme}://{} refuses to connect: status 502, bad gateway",
                    proxy.address()
                ),
                Kind::Socks => format!(
                    "the proxy {scheme}://{} refuses to connect: SOCKS reply 4, host unreachable",
                    proxy.address()
                ),
            },
        );
        let anybody = Connection {
            roots: Roots::Anybody,
            ..connection
        };
        answers(&anybody, "https://api.test:6443");
    }
}
