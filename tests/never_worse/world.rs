//! The world: image-pull Secrets of many kinds, some never refreshed and some by an earlier run, and Secrets that are not to
//! be touched.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::program::{NAMESPACE, Program, World, under_test};

pub(super) const EXPIRES_AT: &str = "aws-ecr-updater/expires-at";
pub(super) const LABEL: &str = "aws-ecr-updater";

/// The data key of a Docker configuration.
pub(super) const CONFIG: &str = ".dockerconfigjson";

/// A Secret to refresh, and what is to come into it.
pub(super) struct Pull {
    pub(super) name: &'static str,
    /// The user whose key its source holds.
    pub(super) user: &'static str,
    /// Where logins are wanted to.
    pub(super) regions: &'static [&'static str],
}

/// What every world has.
pub(super) const PULLS: &[Pull] = &[
    Pull {
        name: "fresh",
        user: "ci",
        regions: &["eu-west-1"],
    },
    Pull {
        name: "kept",
        user: "ci",
        regions: &["eu-west-1"],
    },
    Pull {
        name: "other",
        user: "second",
        regions: &["us-west-2"],
    },
];

/// A password of another registry, in plain text.
const PASSWORD: &str = "planted/PASSWORD+of+a+registry/dckr_pat_0123456789abcdef";

pub(super) fn registry(region: &str) -> String {
    format!("123456789012.dkr.ecr.{region}.amazonaws.com")
}

/// A world with [`PULLS`]: `fresh` has no value yet, the others have logins of an earlier run among other registries'.
pub(super) fn world() -> World {
    let world = World::with_key_secret();
    world.cloud.login_step(60);
    world.cloud.hide(PASSWORD);
    world.cloud.add_user("second");
    let second = world.cloud.add_key("second");
    world.add_key_secret("s2", &second.id, &second.secret);
    add_pull(
        &world,
        "fresh",
        ("s", "eu-west-1"),
        "kubernetes.io/dockerconfigjson",
        None,
    );
    let (auth, ends) = login(&world, &world.key.id, "eu-west-1");
    let (host, other_form) = (registry("eu-west-1"), format!("https://{}", registry("eu-west-1")));
    let value = format!(
        r#"{{"credHelpers":{{"gcr.io":"gcloud"}}, "auths":{{"ghcr.io":{{"username":"u","password":"{PASSWORD}"}},
        "{host}":{{"auth":"{auth}"}},"quay.io":{{"identitytoken":"t\u002b1", "n":1.50}},"{other_form}":{{"auth":"{auth}"}}}},"HttpHeaders":{{}},"n":1e2}}"#
    );
    add_pull(
        &world,
        "kept",
        ("s", "eu-west-1"),
        "kubernetes.io/dockerconfigjson",
        Some((value, ends)),
    );
    let (auth, ends) = login(&world, &second.id, "us-west-2");
    let value = format!(
        r#"{{"auths":{{"{}":{{"auth":"{auth}","email":"e@example"}},"z.example":{{"auth":"dTpw"}}}}}}"#,
        registry("us-west-2")
    );
    add_pull(&world, "other", ("s2", "us-west-2"), "Opaque", Some((value, ends)));
    strangers(&world);
    world
}

/// An earlier run's login, as `auth` has it, and its end.
fn login(world: &World, key_id: &str, region: &str) -> (String, i64) {
    let (password, ends) = world.cloud.add_login(key_id, region);
    (STANDARD.encode(format!("AWS:{password}")), ends)
}

fn add_pull(world: &World, name: &str, (source, region): (&str, &str), kind: &str, value: Option<(String, i64)>) {
    let mut secret = json!({
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": {LABEL: "true", "team": "a"},
            "annotations": {"aws-ecr-updater/secret": source, "aws-ecr-updater/region": region, "note": "kept"},
        },
        "type": kind,
        "stringData": {CONFIG: "{}"},
    });
    if let Some((value, ends)) = value {
        let ends = OffsetDateTime::from_unix_timestamp(ends).expect("a time");
        secret["metadata"]["annotations"][EXPIRES_AT] = json!(ends.format(&Rfc3339).expect("a year of four digits"));
        secret["stringData"][CONFIG] = json!(value);
    }
    if kind == "Opaque" {
        secret["stringData"]["note"] = json!("not a login");
    }
    world.cluster.add_secret(secret);
}

/// Secrets that look like those to refresh and are not: without the label, with another value of it, out of scope.
fn strangers(world: &World) {
    let value = json!({"auths": {registry("eu-west-1"): {"auth": STANDARD.encode("AWS:theirs")}}}).to_string();
    for (namespace, name, labels) in [
        (NAMESPACE, "unlabelled", json!({})),
        (NAMESPACE, "off", json!({LABEL: "false"})),
        ("elsewhere", "fresh", json!({LABEL: "true"})),
    ] {
        world.cluster.add_secret(json!({
            "metadata": {
                "name": name, "namespace": namespace, "labels": labels,
                "annotations": {"aws-ecr-updater/secret": "s", "aws-ecr-updater/region": "eu-west-1"},
            },
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {CONFIG: value},
        }));
    }
}

/// `ecr-update` at the most verbose level: [`World::check`] looks for what is secret in all that it prints.
pub(super) fn update(world: &World) -> Program {
    world.program(under_test()).arg("ecr-update").env("RUST_LOG", "trace")
}

/// Every Secret as it is stored, by namespace and name.
pub(super) type Stored = std::collections::BTreeMap<String, Value>;

pub(super) fn stored(cluster: &crate::support::kube::Cluster) -> Stored {
    let names = cluster.names().into_iter();
    let secret = |key: String| {
        let (namespace, name) = key.split_once('/').expect("namespace/name");
        let secret = cluster.secret(namespace, name)?;
        Some((key, secret))
    };
    names.filter_map(secret).collect()
}
