//! What `ecr-update` writes, used by a real client: skopeo, at a small registry that lets in the login of moto and no other.
//!
//! The registry has the name of ECR's. skopeo gets there by a proxy that knows where it is.

mod registry;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_iam_credential_rotate::ecr_update::docker_config::{Entry, Form, helper_before, login_to, merge};
use aws_iam_credential_rotate::sensitive::Sensitive;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::registry::{REPOSITORY, Registry, TAG};
use crate::moto::server::Moto;
use crate::support::program::{Program, Scratch, World};
use crate::support::proxy::{Kind, Setup, StandInProxy};
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::tools::{kubectl, output, program, refusal, required, run, value_by_kubectl};

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// A moto, a world whose Secret `s` has a key of moto's, and a registry for the login that moto gives for it.
struct Shop {
    moto: Moto,
    world: World,
    admin: String,
    /// Base64 of `AWS:<password>`, as the AWS CLI is told it.
    authorization: String,
    password: String,
    digest: String,
    registry: Server,
    proxy: StandInProxy,
    certificates: Scratch,
}

impl Shop {
    fn open() -> Shop {
        let (moto, [key]) = Moto::with_users([("ci", &["ecr-policy"])]);
        let world = World::new();
        world.add_key_secret("s", &key.id, &key.secret);
        let told = moto.aws(&key, &["ecr", "get-authorization-token", "--region", "eu-west-1"]);
        let told = &told["authorizationData"][0];
        assert_eq!(told["proxyEndpoint"], format!("https://{HOST}"));
        let authorization = told["authorizationToken"].as_str().expect("a token").to_owned();
        let login = String::from_utf8(STANDARD.decode(&authorization).expect("base64")).expect("text");
        let (user, password) = login.split_once(':').expect("user and password");
        assert_eq!(user, "AWS");

        let registry = Registry::new(user, password);
        let digest = registry.digest();
        let authority = Authority::new("registry");
        let certificates = Scratch::new();
        certificates.file("ca.crt", authority.pem());
        let registry = Server::start("127.0.0.1", Arc::new(registry), Some(authority.server(&[HOST])));
        let proxy = StandInProxy::start(Setup {
            routes: BTreeMap::from([(format!("{HOST}:443"), ([127, 0, 0, 1], registry.port()).into())]),
            ..Setup::new(Kind::Http)
        });
        Shop {
            moto,
            admin: world.cluster.token_for_admin(),
            world,
            authorization,
            password: password.to_owned(),
            digest,
            registry,
            proxy,
            certificates,
        }
    }

    /// Adds an image-pull Secret with this value, `HOST` standing for the registry.
    fn add(&self, name: &str, config: &str) {
        self.world
            .add_pull_secret(name, "s", "eu-west-1", &config.replace("HOST", HOST));
    }

    fn refresh(&self, secrets: usize) {
        let program = program(&self.world)
            .arg("ecr-update")
            .env("AWS_ENDPOINT_URL", &self.moto.url);
        let run = run(&self.world, program);
        let log = run.log(&self.world);
        let counted = format!("namespace t: {secrets} refreshed, 0 failed");
        assert!(log.last().is_some_and(|line| line.ends_with(&counted)), "{log:?}");
        assert_eq!(run.code, Some(0));
    }

    fn config(&self, secret: &str) -> String {
        value_by_kubectl(&self.world, &self.admin, secret, ".dockerconfigjson")
    }

    /// skopeo, which finds the registry, and no configuration but in this folder.
    fn skopeo(&self, home: &Scratch, command: &[&str]) -> Program {
        let home = home.path().display().to_string();
        let certificates = self.certificates.path().display().to_string();
        Program::new(required("SKOPEO"))
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", &home)
            .env("HTTPS_PROXY", format!("http://{}", self.proxy.address()))
            // A helper is looked for there: nowhere.
            .env("PATH", &home)
            .args(command)
            .args(&["--cert-dir", &certificates])
    }

    /// `skopeo inspect` with this configuration: the manifest, the image's configuration and the tags are fetched.
    fn inspect(&self, home: &Scratch, authfile: Option<&str>) -> Program {
        let image = format!("docker://{HOST}/{REPOSITORY}:{TAG}");
        let inspect = self.skopeo(home, &["inspect", "--retry-times", "0", &image]);
        match authfile {
            Some(config) => inspect.args(&["--authfile", &home.file("auth.json", config).display().to_string()]),
            None => inspect,
        }
    }

    fn assert_accepted(&self, name: &str, inspect: Program) {
        let image: Value = serde_json::from_str(&output(inspect)).expect("JSON");
        assert_eq!(
            (&image["Name"], &image["Digest"], &image["RepoTags"]),
            (
                &json!(format!("{HOST}/{REPOSITORY}")),
                &json!(self.digest),
                &json!([TAG])
            ),
            "{name}"
        );
        let asked = self.registry.recorded();
        assert!(asked.iter().any(|request| request.status == Some(200)), "{name}");
        self.registry.forget();
    }

    fn assert_refused(&self, name: &str, inspect: Program) {
        let said = refusal(inspect);
        assert!(
            said.contains("unauthorized") || said.contains("authentication required"),
            "{name}: {said}"
        );
        let asked = self.registry.recorded();
        assert!(
            !asked.is_empty() && asked.iter().all(|request| request.status == Some(401)),
            "{name}"
        );
        self.registry.forget();
    }
}

/// What people have in their image-pull Secrets, each with an old login to the registry, or with none.
const STARTS: &[(&str, &str)] = &[
    ("nothing", "{}"),
    (
        "other-registries",
        r#"{"auths":{"ghcr.io":{"username":"u","password":"p"},"HOST/":{"auth":"QVdTOm9sZA=="}}}"#,
    ),
    (
        "old-login",
        r#"{"auths":{"HOST":{"auth":"QVdTOm9sZA==","email":"none"}}}"#,
    ),
    (
        "password-only",
        r#"{"auths":{"HOST":{"username":"AWS","password":"old"}}}"#,
    ),
    (
        "older-tool",
        r#"{"auths":{"https://HOST":{"username":"AWS","password":"old","auth":"QVdTOm9sZA=="}}}"#,
    ),
    (
        "identity-token",
        r#"{"auths":{"HOST":{"auth":"QVdTOm9sZA==","identitytoken":"old"}}}"#,
    ),
    (
        "twice",
        r#"{"auths":{"HOST":{"auth":"QVdTOm9sZA=="},"HOST":{"auth":"QVdTOm9sZGVy"}}}"#,
    ),
    (
        "two-auths",
        r#"{"auths":{"HOST":{"auth":"QVdTOm9sZA=="}},"auths":{"a":{"auth":"eDp5"}}}"#,
    ),
    ("other-letters", r#"{"AUTHS":{"HOST":{"Auth":"QVdTOm9sZA=="}}}"#),
    (
        "letters-behind",
        r#"{"auths":{"HOST":{"auth":"QVdTOm9sZA==","AUTH":"QVdTOm9sZA=="}},"Auths":{"HOST":{"auth":"QVdTOm9sZA=="}}}"#,
    ),
    (
        "escapes",
        r#"{"\u0061uths":{"HO\u0053T":{"\u0061uth":"QVdTOm9sZA=="},"\ud800":{}}}"#,
    ),
    (
        "indented",
        "{\n  \"auths\": {\n    \"HOST\": {\n      \"auth\": \"QVdTOm9sZA==\"\n    }\n  }\n}\n",
    ),
    (
        "helpers-of-others",
        r#"{"credHelpers":{"gcr.io":"gcloud"},"credsStore":"desktop"}"#,
    ),
];

#[test]
fn skopeo_logs_in_with_what_is_written_whatever_was_there() {
    let shop = Shop::open();
    for (name, config) in STARTS {
        let config = config.replace("HO\\u0053T", &HOST.replace("amazonaws", "am\\u0061zonaws"));
        shop.add(name, &config);
        let home = Scratch::new();
        shop.assert_refused(name, shop.inspect(&home, Some(&config.replace("HOST", HOST))));
    }
    shop.refresh(STARTS.len());
    for (name, _) in STARTS {
        let home = Scratch::new();
        let config = shop.config(name);
        shop.assert_accepted(name, shop.inspect(&home, Some(&config)));
        let tags = shop.skopeo(&home, &["list-tags", &format!("docker://{HOST}/{REPOSITORY}")]);
        let tags = output(tags.args(&["--authfile", &home.path().join("auth.json").display().to_string()]));
        assert_eq!(
            serde_json::from_str::<Value>(&tags).unwrap()["Tags"],
            json!([TAG]),
            "{name}"
        );
        shop.registry.forget();

        // Only with that very password, and not without a login.
        let wrong = STANDARD.encode(format!("AWS:{}x", shop.password));
        shop.assert_refused(
            name,
            shop.inspect(&home, Some(&config.replace(&shop.authorization, &wrong))),
        );
        let none = Scratch::new();
        shop.assert_refused(name, shop.inspect(&none, None));
    }
}

#[test]
fn the_older_form_is_read_from_where_it_was_at_home() {
    let shop = Shop::open();
    let entry = Entry {
        host: HOST.into(),
        authorization: Sensitive::new(shop.authorization.clone()),
    };
    for start in [
        "",
        r#"{"ghcr.io":{"auth":"eDp5","email":"x"}}"#,
        r#"{"https://HOST/v1/":{"auth":"QVdTOm9sZA=="},"HOST":{"auth":"QVdTOm9sZA=="}}"#,
    ] {
        let start = start.replace("HOST", HOST);
        let home = Scratch::new();
        if !start.is_empty() {
            home.file(".dockercfg", &start);
            shop.assert_refused(&start, shop.inspect(&home, None));
        }
        let written = merge(Form::Legacy, Some(start.as_bytes()), std::slice::from_ref(&entry)).unwrap();
        home.file(".dockercfg", written.expose());
        shop.assert_accepted(&start, shop.inspect(&home, None));
    }
}

#[test]
fn what_kubectl_makes_and_what_is_written_here_is_one_login() {
    let shop = Shop::open();
    let create = |name: &str, password: &str| {
        let secret = ["create", "secret", "docker-registry", name, "--docker-server", HOST];
        let login = ["--docker-username", "AWS", "--docker-password", password];
        let made = output(kubectl(&shop.world, &shop.admin).args(&secret).args(&login));
        assert_eq!(made, format!("secret/{name} created\n"));
    };
    create("by-kubectl", &shop.password);
    shop.add("ours", "{}");
    // One that kubectl made with a login that has ended, for `ecr-update` from now on.
    create("old", "old");
    for words in [
        ["label", "aws-ecr-updater=true"].as_slice(),
        &[
            "annotate",
            "aws-ecr-updater/secret=s",
            "aws-ecr-updater/region=eu-west-1",
        ],
    ] {
        let (verb, marks) = words.split_first().unwrap();
        output(
            kubectl(&shop.world, &shop.admin)
                .args(&[verb, "secret", "old"])
                .args(marks),
        );
    }
    let home = Scratch::new();
    shop.assert_refused("old", shop.inspect(&home, Some(&shop.config("old"))));
    shop.refresh(2);
    for name in ["by-kubectl", "ours", "old"] {
        let config = shop.config(name);
        shop.assert_accepted(name, shop.inspect(&home, Some(&config)));
        let login = login_to(Form::Wrapped, config.as_bytes(), HOST);
        assert!(
            login.is_some_and(|login| *login.expose() == shop.authorization),
            "{name}: another login"
        );
        let user = [
            "login",
            "--get-login",
            "--authfile",
            &home.path().join("auth.json").display().to_string(),
            HOST,
        ];
        assert_eq!(output(shop.skopeo(&home, &user)), "AWS\n", "{name}");
    }
    // User and password are refreshed as well: it is what kubectl would have made with the new login.
    assert!(shop.config("old") == shop.config("by-kubectl"), "the values differ");
}

/// What [`helper_before`] says is so.
#[test]
fn a_helper_for_the_registry_is_asked_in_place_of_the_login_and_one_for_all_is_not() {
    let shop = Shop::open();
    let of_the_host = format!(r#"{{"credHelpers":{{"{HOST}":"ecr-login"}}}}"#);
    shop.add("helper", &of_the_host);
    shop.add("store", r#"{"credsStore":"pass"}"#);
    shop.refresh(2);
    let home = Scratch::new();
    let config = shop.config("helper");
    assert!(config.starts_with(of_the_host.trim_end_matches('}')));
    let said = refusal(shop.inspect(&home, Some(&config)));
    assert!(said.contains("docker-credential-ecr-login"), "{said}");
    let told = helper_before(Form::Wrapped, config.as_bytes(), HOST);
    assert!(told.is_some_and(|told| told.contains("`docker`, `podman` and `skopeo` ask it")));
    let config = shop.config("store");
    shop.assert_accepted("store", shop.inspect(&home, Some(&config)));
    let told = helper_before(Form::Wrapped, config.as_bytes(), HOST);
    assert!(told.is_some_and(|told| told.contains("`podman` and `skopeo` do not")));
}
