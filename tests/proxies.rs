//! The way to AWS through a proxy, as the variables name it; the API server is reached directly all the same.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::support::program::{NAMESPACE, Program, World, under_test};
use crate::support::proxy::{Conduct, Kind, Setup, StandInProxy};
use crate::support::tls::Authority;

/// AWS's own names, which no test may reach.
const IAM: &str = "iam.amazonaws.com:443";
const STS: &str = "sts.us-east-1.amazonaws.com:443";
const ECR: &str = "api.ecr.eu-west-1.amazonaws.com:443";

const LOGIN: (&str, &str) = ("somebody", "p@ss:w%rd/");
/// As it stands in a URL.
const LOGIN_IN_URL: &str = "somebody:p%40ss%3Aw%25rd%2F@";

/// A world whose AWS has certificates for AWS's own names, by an authority in `bundle.pem` that the proxies have, too.
struct Behind {
    world: World,
    authority: Authority,
}

impl Behind {
    fn new() -> Behind {
        let mut world = World::with_key_secret();
        world.add_pull_secret("pull", "s", "eu-west-1", "{}");
        let authority = Authority::new("proxies");
        let names = [IAM, STS, ECR].map(|name| name.trim_end_matches(":443"));
        world.aws = world.cloud.start_tls(authority.server(&names));
        world.files.file("bundle.pem", authority.pem());
        Behind { world, authority }
    }

    fn proxy(&self, kind: Kind) -> Setup {
        let mut setup = Setup::new(kind);
        let aws = SocketAddr::from(([127, 0, 0, 1], self.world.aws.port()));
        setup.routes = [IAM, STS, ECR].into_iter().map(|name| (name.to_owned(), aws)).collect();
        setup
    }

    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        Some(self.authority.server(&["127.0.0.1"]))
    }

    /// The program with AWS at its own addresses.
    fn program(&self, job: &str) -> Program {
        let world = &self.world;
        Program::new(under_test())
            .args(&[job, "--server", &world.kube.url(), "--token-file", &world.file("token")])
            .args(&["--certificate-authority", &world.file("ca.crt")])
            .env("NAMESPACE", NAMESPACE)
            .env("AWS_CA_BUNDLE", world.file("bundle.pem"))
    }

    /// Runs to an end at which all is done. The proxy, and nothing else, has seen these servers asked for; the API server was
    /// reached directly.
    #[track_caller]
    fn works(&self, program: Program, proxy: &StandInProxy, asked: &[String]) {
        self.world.aws.forget();
        self.world.kube.forget();
        let run = self.world.check(program);
        assert_eq!(run.code, Some(0), "{:?}", run.log(&self.world));
        let mut seen = proxy.asked();
        // How often depends on how connections are shared.
        seen.sort();
        seen.dedup();
        assert_eq!(seen, asked);
        assert!(!self.world.aws.operations().is_empty());
        assert!(!self.world.kube.operations().is_empty());
    }
}

/// Both jobs through a proxy of this kind.
#[track_caller]
fn both_jobs(kind: Kind, tls: bool, login: bool, scheme: &str) {
    for job in ["rotate", "ecr-update"] {
        let behind = Behind::new();
        let mut setup = behind.proxy(kind);
        setup.tls = if tls { behind.tls() } else { None };
        setup.login = login.then_some(LOGIN);
        let proxy = StandInProxy::start(setup);
        let at = if login { LOGIN_IN_URL } else { "" };
        let program = behind
            .program(job)
            .env("HTTPS_PROXY", format!("{scheme}://{at}{}", proxy.address()));
        let program = program.env("RUST_LOG", "debug");
        let word = if kind == Kind::Socks { "SOCKS" } else { "CONNECT" };
        let (user, password) = LOGIN;
        let by = if login {
            format!(" as {user}:{password}")
        } else {
            String::new()
        };
        let servers: &[&str] = if job == "rotate" { &[IAM, STS] } else { &[ECR] };
        let asked: Vec<String> = servers.iter().map(|server| format!("{word} {server}{by}")).collect();
        behind.works(program, &proxy, &asked);
        if job == "rotate" {
            behind.world.assert_rotated();
        }
    }
}

#[test]
fn through_an_http_proxy() {
    both_jobs(Kind::Http, false, false, "http");
}

#[test]
fn through_an_http_proxy_with_a_login() {
    both_jobs(Kind::Http, false, true, "http");
}

#[test]
fn through_an_https_proxy() {
    both_jobs(Kind::Http, true, false, "https");
}

#[test]
fn through_an_https_proxy_with_a_login() {
    both_jobs(Kind::Http, true, true, "HTTPS");
}

#[test]
fn through_a_socks_proxy() {
    both_jobs(Kind::Socks, false, false, "socks5");
    both_jobs(Kind::Socks, false, false, "socks5h");
}

#[test]
fn through_a_socks_proxy_with_a_login() {
    both_jobs(Kind::Socks, false, true, "socks5h");
}

/// A plain `http` endpoint: requests are passed on, each over a connection of its own.
#[test]
fn a_plain_endpoint_through_a_proxy() {
    for (kind, tls, login) in [
        (Kind::Http, false, false),
        (Kind::Http, false, true),
        (Kind::Http, true, true),
        (Kind::Socks, false, false),
    ] {
        let world = World::with_key_secret();
        let authority = Authority::new("proxies");
        world.files.file("bundle.pem", authority.pem());
        let mut setup = Setup::new(kind);
        setup.tls = tls.then(|| authority.server(&["127.0.0.1"]));
        setup.login = login.then_some(LOGIN);
        let aws = SocketAddr::from(([127, 0, 0, 1], world.aws.port()));
        setup.routes.insert("aws.test:8080".into(), aws);
        let proxy = StandInProxy::start(setup);
        let scheme = match (kind, tls) {
            (Kind::Socks, _) => "socks5",
            (Kind::Http, true) => "https",
            (Kind::Http, false) => "http",
        };
        let at = if login { LOGIN_IN_URL } else { "" };
        let program = world
            .program(under_test())
            .arg("rotate")
            .env("AWS_ENDPOINT_URL", "http://aws.test:8080")
            .env("AWS_CA_BUNDLE", world.file("bundle.pem"))
            .env("http_proxy", format!("{scheme}://{at}{}", proxy.address()));

        let run = world.check(program);

        assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
        world.assert_rotated();
        let operations = world.aws.operations().len();
        if kind == Kind::Http {
            let by = if login {
                format!(" as {}:{}", LOGIN.0, LOGIN.1)
            } else {
                String::new()
            };
            assert_eq!(
                proxy.asked(),
                vec![format!("POST http://aws.test:8080/{by}"); operations]
            );
        } else {
            assert!(
                proxy.asked().iter().all(|asked| asked == "SOCKS aws.test:8080"),
                "{:?}",
                proxy.asked()
            );
        }
        let others = world
            .aws
            .recorded()
            .iter()
            .any(|seen| seen.request.header("proxy-authorization").is_some());
        assert!(!others, "the server was sent the proxy's login");
    }
}

/// An IPv6 address, and one of the machine itself: curl excepts neither unless told to.
#[test]
fn an_address_through_a_proxy() {
    for kind in [Kind::Http, Kind::Socks] {
        let mut world = World::with_key_secret();
        let authority = Authority::new("proxies");
        world.files.file("bundle.pem", authority.pem());
        world.aws = world.cloud.start_tls(authority.server(&["::1"]));
        let mut setup = Setup::new(kind);
        let aws = SocketAddr::from(([127, 0, 0, 1], world.aws.port()));
        setup.routes.insert("[::1]:8443".into(), aws);
        let proxy = StandInProxy::start(setup);
        let scheme = if kind == Kind::Socks { "socks5" } else { "http" };
        let program = world
            .program(under_test())
            .arg("rotate")
            .env("AWS_ENDPOINT_URL", "https://[::1]:8443")
            .env("AWS_CA_BUNDLE", world.file("bundle.pem"))
            .env("https_proxy", format!("{scheme}://{}", proxy.address()));
        let run = world.check(program.clone());
        assert_eq!(run.code, Some(0), "{:?}", run.log(&world));
        world.assert_rotated();
        let word = if kind == Kind::Socks { "SOCKS" } else { "CONNECT" };
        assert!(
            proxy.asked().iter().all(|asked| *asked == format!("{word} [::1]:8443")),
            "{:?}",
            proxy.asked()
        );
    }
}

/// What the variables leave out is reached directly: the proxy is asked for nothing.
#[test]
fn what_is_excepted_is_reached_directly() {
    for (name, value, except) in [
        ("HTTP_PROXY", true, Some("127.0.0.1")),
        ("HTTP_PROXY", true, Some("10.0.0.0/8 127.0.0.0/8")),
        ("http_proxy", true, Some("*")),
        // The endpoint is `http`.
        ("HTTPS_PROXY", true, None),
        // Empty is as good as not set.
        ("HTTP_PROXY", false, None),
        // Not read.
        ("ALL_PROXY", true, None),
        ("all_proxy", true, None),
    ] {
        let world = World::with_key_secret();
        let proxy = StandInProxy::start(Setup::new(Kind::Http));
        let value = if value { proxy.address() } else { String::new() };
        let mut program = world.program(under_test()).arg("rotate").env(name, value);
        if let Some(except) = except {
            program = program.env("NO_PROXY", except);
        }
        let run = world.check(program);
        assert_eq!(run.code, Some(0), "{name} {except:?}: {:?}", run.log(&world));
        world.assert_rotated();
        assert_eq!(proxy.asked(), Vec::<String>::new(), "{name} {except:?}");
    }
}

fn says(text: &str) -> Conduct {
    Conduct::Says(text.as_bytes().to_vec())
}

/// What passes is tried again, what does not is not, and nothing was sent to AWS. The words are in `bad_input::causes`.
#[test]
fn a_proxy_that_fails_is_asked_again_where_that_can_help() {
    for (kind, conduct, times) in [
        (
            Kind::Http,
            says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
            1,
        ),
        (
            Kind::Http,
            says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
            1,
        ),
        (Kind::Http, says("HTTP/1.1 502 Bad Gateway\r\n\r\n"), 5),
        (Kind::Http, says("220 mail.example ESMTP\r\n"), 1),
        (Kind::Http, Conduct::Closes, 5),
        (Kind::Socks, says("HTTP/1.1 400 Bad Request\r\n\r\n"), 1),
        (Kind::Socks, Conduct::Replies(2), 1),
        (Kind::Socks, Conduct::Replies(5), 5),
    ] {
        let behind = Behind::new();
        let mut setup = behind.proxy(kind);
        setup.conduct = conduct;
        let proxy = StandInProxy::start(setup);
        let scheme = if kind == Kind::Socks { "socks5" } else { "http" };
        let program = behind
            .program("rotate")
            .env("HTTPS_PROXY", format!("{scheme}://{}", proxy.address()));
        let run = behind.world.check(program);
        let log = run.log(&behind.world);
        assert!(log[0].ends_with("; nothing was done"), "{log:?}");
        assert_eq!(run.code, Some(1));
        behind.world.assert_as_before();
        assert_eq!(behind.world.aws.operations(), Vec::<String>::new());
        assert_eq!(proxy.asked().len(), times, "{log:?}");
    }
}

#[test]
fn a_login_is_never_shown() {
    for (kind, scheme) in [
        (Kind::Http, "http"),
        (Kind::Http, "socks5"),
        (Kind::Socks, "socks5"),
        (Kind::Socks, "http"),
    ] {
        for variable in ["HTTPS_PROXY", "http_proxy"] {
            let behind = Behind::new();
            let mut setup = behind.proxy(kind);
            setup.login = Some(LOGIN);
            let proxy = StandInProxy::start(setup);
            let mut program = behind
                .program("rotate")
                .arg("--request-timeout=3s")
                .env(variable, format!("{scheme}://somebody:hunter2@{}", proxy.address()))
                .env("RUST_LOG", "trace");
            if variable == "http_proxy" {
                program = program.env("AWS_ENDPOINT_URL", "http://aws.test");
            }
            let run = behind.world.check(program);
            // Neither in clear nor as it is sent.
            for part in ["somebody", "hunter2", "c29tZWJvZHk6aHVudGVyMg"] {
                assert!(!run.stderr.contains(part), "the login was printed");
            }
            assert_eq!(run.code, Some(1));
        }
    }
}

#[test]
fn a_variable_that_names_no_proxy_is_refused() {
    for (name, value, why) in [
        (
            "HTTPS_PROXY",
            "socks4://p:1",
            "its scheme is `socks4`; expected `http`, `https`, `socks5` or `socks5h`",
        ),
        (
            "http_proxy",
            "http://p:port",
            "it is no URL of a host; expected `http://host:port`",
        ),
        (
            "https_proxy",
            "somebody:hunter2@",
            "it is no URL of a host; expected `http://host:port`",
        ),
        (
            "HTTP_PROXY",
            "http://somebody:hunter2%@p",
            "its user name or password has a `%` that begins no percent-encoding, or a control character; write `%` as `%25`",
        ),
    ] {
        let world = World::with_key_secret();
        let run = world.check(world.program(under_test()).arg("rotate").env(name, value));
        assert_eq!(run.log(&world), [format!("ERROR `{name}` names no proxy: {why}")]);
        assert_eq!(run.code, Some(2));
        assert_eq!(world.kube.operations(), Vec::<String>::new());
    }
}
