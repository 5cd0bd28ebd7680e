//! The clusters and users of the rows, and how a row is tried on both programs.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::kube::Asked;
use crate::support::program::{Program, Scratch, World};
use crate::support::proxy::{Kind, Setup, StandInProxy};
use crate::support::server::Server;
use crate::support::tls::{Authority, EC_PKCS8, EC_SEC1, RSA_PKCS1, RSA_PKCS8};
use crate::tools::required;

/// What comes of a row.
pub(super) enum Expected {
    /// Both are let in; the stand-in saw `user[groups] path`.
    Seen(&'static str),
    /// Both refuse; this program says this.
    Refused(&'static str),
    /// kubectl is let in, this program refuses: what it says, and why that is meant.
    Stricter(&'static str, &'static str),
}

/// Files, arguments and variables. In all of them `SERVER` and the like stand for what [`Desk::filled`] puts there.
pub(super) struct Row {
    name: &'static str,
    expected: Expected,
    files: Vec<(String, String)>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Row {
    pub(super) fn new(name: &'static str, expected: Expected) -> Row {
        Row {
            name,
            expected,
            files: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    pub(super) fn file(mut self, name: &str, content: impl Into<String>) -> Row {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    pub(super) fn args(mut self, arguments: &[&str]) -> Row {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Row {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

pub(super) struct Desk {
    world: World,
    by_name: Server,
    ipv6: Server,
    prefixed: Server,
    plain: Server,
    /// They lead to `kubernetes.example:443`, which is nowhere else.
    proxies: [StandInProxy; 4],
    values: Vec<(&'static str, String)>,
}

const VERBS: &[&str] = &["get", "list"];

impl Desk {
    pub(super) fn new() -> Desk {
        let world = World::new();
        let cluster = &world.cluster;
        let authority = Authority::new("clusters");
        let by_name = cluster.start("127.0.0.1", authority.server_with_clients(&["kubernetes.example"]));
        let ipv6 = cluster.start("::1", authority.server_with_clients(&["::1"]));
        let prefixed = cluster.start_under(
            "/k8s/clusters/c-1",
            "127.0.0.1",
            authority.server_with_clients(&["127.0.0.1"]),
        );
        let rules: &[(&str, &[&str])] = &[("t", VERBS), ("default", VERBS)];
        let plain = cluster.start_plain("127.0.0.1", cluster.token("proxy", rules));
        let mut world = world;
        world.kube = world
            .cluster
            .start("127.0.0.1", authority.server_with_clients(&["127.0.0.1"]));
        let cluster = &world.cluster;
        for subject in ["certified", "team", "jane", "bob"] {
            cluster.grant(subject, rules);
        }
        cluster.grant("admins", &[("t", VERBS), ("*", &["impersonate"])]);
        cluster.set_password("bob", "a pass:word");
        let ec = authority.client_named("certified", "team", EC_PKCS8);
        let rsa = authority.client_named("certified", "team", RSA_PKCS8);
        let admin = authority.client_named("root", "admins", EC_PKCS8);
        let stranger = Authority::new("another").client_named("certified", "team", EC_PKCS8);
        let proxy = |kind, tls, login| {
            let mut setup = Setup::new(kind);
            let address = SocketAddr::from(([127, 0, 0, 1], by_name.port()));
            setup.routes.insert("kubernetes.example:443".into(), address);
            (setup.tls, setup.login) = (tls, login);
            StandInProxy::start(setup)
        };
        let proxies = [
            proxy(Kind::Http, None, None),
            proxy(Kind::Http, None, Some(("somebody", "p@ss"))),
            proxy(Kind::Http, Some(authority.server(&["127.0.0.1"])), None),
            proxy(Kind::Socks, None, None),
        ];
        let encode = |text: &str| STANDARD.encode(text);
        let values = vec![
            ("PROXY-HTTP", format!("http://{}", proxies[0].address())),
            (
                "PROXY-LOGIN",
                format!("http://somebody:p%40ss@{}", proxies[1].address()),
            ),
            ("PROXY-AT", proxies[1].address()),
            ("PROXY-TLS", format!("https://{}", proxies[2].address())),
            ("PROXY-SOCKS", format!("socks5://{}", proxies[3].address())),
            ("SERVER6", ipv6.url()),
            ("SERVER-BY-NAME", by_name.url()),
            ("SERVER-PREFIXED", format!("{}/k8s/clusters/c-1", prefixed.url())),
            ("SERVER-PLAIN", plain.url()),
            ("SERVER", world.kube.url()),
            ("TOKEN", cluster.token("holder", rules)),
            (
                "POWER",
                cluster.token("power", &[("t", VERBS), ("*", &["impersonate"])]),
            ),
            ("CA-DATA", encode(authority.pem())),
            ("CA-PEM", authority.pem().to_owned()),
            ("RSA-CERT-DATA", encode(&rsa)),
            ("CERT-DATA", encode(&ec)),
            ("CERT-PEM", ec),
            ("RSA-CERT-PEM", rsa),
            ("ADMIN-DATA", encode(&admin)),
            ("STRANGER-DATA", encode(&stranger)),
            ("RSA-PKCS1-DATA", encode(RSA_PKCS1)),
            ("RSA-PKCS8-DATA", encode(RSA_PKCS8)),
            ("SEC1-DATA", encode(EC_SEC1)),
            ("KEY-DATA", encode(EC_PKCS8)),
            ("KEY-PEM", EC_PKCS8.to_owned()),
            // As text in a JSON string.
            ("KEY-JSON", EC_PKCS8.replace('\n', "\\n")),
        ];
        Desk {
            world,
            by_name,
            ipv6,
            prefixed,
            plain,
            proxies,
            values,
        }
    }

    fn filled(&self, text: &str, files: &Path) -> String {
        let mut text = text.replace("FILES", &files.display().to_string());
        let mut values: Vec<_> = self.values.iter().collect();
        // A name may be part of a longer one.
        values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, value) in values {
            text = text.replace(name, value);
        }
        text
    }

    /// Tries a row; what is not as expected.
    pub(super) fn compare(&self, row: &Row) -> Result<(), String> {
        let files = Scratch::new();
        files.file("ca.crt", self.filled("CA-PEM", files.path()));
        for (name, content) in &row.files {
            let content = self.filled(content, files.path());
            let path = files.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let executable = content.starts_with("#!");
            fs::write(&path, content).unwrap();
            if executable {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let (kubectl, seen_of_kubectl) = self.try_on(
            row,
            &files,
            Program::new(required("KUBECTL")).args(&["get", "secrets", "-l", "aws-rotate-key=true", "-o", "name"]),
            "kubectl",
        );
        let own = Program::new(required("PROGRAM_UNDER_TEST"))
            .arg("rotate")
            .env("AWS_ENDPOINT_URL", self.world.aws.url());
        let (own, seen) = self.try_on(row, &files, own, "own");
        let said: Vec<String> = own.stderr.lines().map(|line| self.named(line, files.path())).collect();
        let error = |what: &str| {
            Err(format!(
                "--- {}: {what}\n  kubectl: {:?} {seen_of_kubectl:?}\n    {}\n  own: {:?} {seen:?}\n    {}",
                row.name,
                kubectl.code,
                kubectl.stderr.trim().replace('\n', "\n    "),
                own.code,
                said.join("\n    ")
            ))
        };
        for secret in ["TOKEN", "POWER"] {
            let secret = self.filled(secret, files.path());
            assert!(
                !own.stderr.contains(&secret) && own.stdout.is_empty(),
                "{}: a token was printed",
                row.name
            );
        }
        // A file of one is the other's too: each wrote what its plugin was told.
        let told = |who: &str| {
            let text = fs::read_to_string(files.path().join(format!("told-{who}"))).ok()?;
            let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
            let mut told: Vec<serde_json::Value> = lines.collect();
            // kubectl calls one that fails again and again.
            told.dedup();
            Some(told)
        };
        if told("own") != told("kubectl") && !matches!(row.expected, Expected::Stricter(..)) {
            return error(&format!(
                "the plugin was told {:?} and {:?}",
                told("kubectl"),
                told("own")
            ));
        }
        let refuses = |code: Option<i32>| code != Some(0);
        match row.expected {
            Expected::Seen(expected) => {
                let as_expected = seen.last().map(String::as_str) == Some(expected) && seen_of_kubectl == seen;
                match (kubectl.code, own.code) {
                    (Some(0), Some(0)) if as_expected => Ok(()),
                    _ => error(&format!("expected both to be seen as {expected}")),
                }
            }
            Expected::Refused(expected) => {
                if refuses(kubectl.code) && refuses(own.code) && said.last().map(String::as_str) == Some(expected) {
                    Ok(())
                } else {
                    error(&format!("expected both to refuse, and\n    {expected}"))
                }
            }
            Expected::Stricter(expected, why) => {
                if kubectl.code == Some(0) && refuses(own.code) && said.last().map(String::as_str) == Some(expected) {
                    Ok(())
                } else {
                    error(&format!(
                        "expected only this program to refuse ({why}), and\n    {expected}"
                    ))
                }
            }
        }
    }

    fn try_on(
        &self,
        row: &Row,
        files: &Scratch,
        program: Program,
        who: &str,
    ) -> (crate::support::program::Run, Vec<String>) {
        self.world.cluster.forget_asked();
        let through_proxies = || self.proxies.iter().map(|proxy| proxy.asked().len()).collect::<Vec<_>>();
        let before = through_proxies();
        let home = files.path().join("home");
        let mut program = program
            .env("HOME", home.display().to_string())
            .env("PATH", "/usr/bin:/bin")
            .env("WHO", who);
        for argument in &row.arguments {
            program = program.arg(self.filled(argument, files.path()));
        }
        for (name, value) in &row.environment {
            program = program.env(name, self.filled(value, files.path()));
        }
        let run = program.run();
        let mut seen: Vec<String> = self.world.cluster.asked().iter().map(shown).collect();
        let after = through_proxies();
        let used = (0..after.len()).filter(|&at| after[at] > before[at]);
        seen.splice(..0, used.map(|at| format!("proxy {at}")));
        (run, seen)
    }

    /// Without what differs from run to run: times, folder, addresses.
    fn named(&self, line: &str, files: &Path) -> String {
        let line = line.split_once(' ').map_or(line, |(_, rest)| rest);
        let mut line = line.replace(&files.display().to_string(), "FILES");
        let servers = [
            (&self.by_name, "SERVER-BY-NAME"),
            (&self.ipv6, "SERVER6"),
            (&self.prefixed, "SERVER-PREFIXED"),
            (&self.plain, "SERVER-PLAIN"),
            (&self.world.kube, "SERVER"),
        ];
        line = line.replace(&self.proxies[1].address(), "PROXY-AT");
        for (server, name) in servers {
            line = line.replace(&server.url(), name);
        }
        line
    }
}

/// `user[groups]#uid{extra} path`, without what is not there.
fn shown(asked: &Asked) -> String {
    let mut text = asked.user.clone();
    if !asked.groups.is_empty() {
        text += &format!("[{}]", asked.groups.join(","));
    }
    if !asked.uid.is_empty() {
        text += &format!("#{}", asked.uid);
    }
    // client-go sends them in no certain order.
    let mut extra: Vec<_> = asked.extra.iter().collect();
    extra.sort_by_key(|(name, _)| name);
    for (name, value) in extra {
        text += &format!("{{{name}={value}}}");
    }
    format!("{text} {}", asked.what)
}
