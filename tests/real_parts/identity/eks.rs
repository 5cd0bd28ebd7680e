//! A token for an EKS cluster: byte for byte the one that `aws eks get-token` makes at the same second.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_iam_credential_rotate::aws::endpoint::Variant;
use aws_iam_credential_rotate::aws::{AccessKeyId, Credentials, Endpoints, KeyPair, Region, eks};
use aws_iam_credential_rotate::sensitive::Sensitive;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::support::eks::signer;
use crate::support::program::{NAMESPACE, Program, VERBS, World};
use crate::tools::{output, required};

const ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE//+/token==";

/// The token of the CLI, its end, and when its URL was signed.
fn by_cli(cli: Program, cluster: &str) -> (String, OffsetDateTime, OffsetDateTime) {
    let printed = output(cli.args(&["eks", "get-token", "--output", "json", "--cluster-name", cluster]));
    let credential: Value = serde_json::from_str(&printed).expect("JSON");
    let text = |name: &str| credential["status"][name].as_str().expect("text").to_owned();
    let token = text("token");
    let url = URL_SAFE_NO_PAD
        .decode(token.strip_prefix("k8s-aws-v1.").unwrap())
        .unwrap();
    let url = String::from_utf8(url).unwrap();
    let (_, date) = url.split_once("X-Amz-Date=").unwrap();
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let at = PrimitiveDateTime::parse(&date[..16], format).unwrap().assume_utc();
    let end = OffsetDateTime::parse(&text("expirationTimestamp"), &Rfc3339).unwrap();
    (token, end, at)
}

#[test]
fn the_token_is_byte_for_byte_that_of_the_cli() {
    for (region, fips, session, cluster) in [
        ("eu-west-1", false, true, "prod"),
        ("us-east-1", false, false, "a-cluster_1"),
        ("cn-north-1", false, true, "prod"),
        ("us-west-2", true, true, "prod"),
    ] {
        let mut cli = Program::new(required("AWS_CLI"))
            .env("HOME", "/nonexistent")
            .env("AWS_ACCESS_KEY_ID", ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_DEFAULT_REGION", region)
            .env("AWS_USE_FIPS_ENDPOINT", fips.to_string());
        if session {
            cli = cli.env("AWS_SESSION_TOKEN", TOKEN);
        }
        let (theirs, end, at) = by_cli(cli, cluster);
        let credentials = Credentials {
            pair: KeyPair {
                id: AccessKeyId::parse(ID).unwrap(),
                secret: Sensitive::new(SECRET.into()),
            },
            session_token: session.then(|| Sensitive::new(TOKEN.into())),
            expires_at: None,
        };
        let endpoints = Endpoints {
            variant: Variant {
                fips,
                dual_stack: false,
            },
            ..Endpoints::default()
        };
        let region = Region::parse(region).unwrap();
        let ours = eks::token(&credentials, &endpoints, &region, cluster, at).unwrap();
        assert_eq!(ours.token.expose(), &theirs, "{region}");
        // Theirs is stamped by a second look at the clock.
        let apart = end - ours.expires_at;
        assert!((0..=60).contains(&apart.whole_seconds()), "{apart}");
    }
}

/// The same kubeconfig: `kubectl` calls the AWS CLI, the program makes the token by itself, and the cluster sees one user.
#[test]
fn kubectl_with_the_cli_and_the_program_without_it_are_the_same_user() {
    let world = World::with_key_secret();
    world.cloud.add_user("operator");
    let operator = world.cloud.add_key("operator");
    let (cloud, sts) = (Arc::clone(&world.cloud), world.aws.url());
    world
        .cluster
        .ask(Box::new(move |token| signer(&cloud, Some(&sts), "prod", token)));
    let who = "arn:aws:iam::123456789012:user/operator";
    world.cluster.grant(who, &[(NAMESPACE, VERBS)]);
    let config = format!(
        "{{current-context: x, contexts: [{{name: x, context: {{cluster: c, user: u, namespace: {NAMESPACE}}}}}],\n\
         clusters: [{{name: c, cluster: {{server: '{}', certificate-authority: ca.crt}}}}],\n\
         users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: aws, interactiveMode: Never,\n\
         args: [eks, get-token, --cluster-name, prod], env: [{{name: AWS_DEFAULT_REGION, value: eu-west-1}}]}}}}}}]}}",
        world.kube.url()
    );
    let config = world.files.file("config", config).display().to_string();
    let told = |program: Program, path: &str| {
        program
            .env("HOME", world.files.path().display().to_string())
            .env("PATH", path)
            .env("KUBECONFIG", &config)
            .env("AWS_ENDPOINT_URL", world.aws.url())
            .env("AWS_ACCESS_KEY_ID", &operator.id)
            .env("AWS_SECRET_ACCESS_KEY", &operator.secret)
    };
    let users = || {
        world
            .cluster
            .asked()
            .into_iter()
            .map(|asked| asked.user)
            .collect::<BTreeSet<_>>()
    };
    let tools = required("AWS_CLI").parent().expect("a folder").display().to_string();
    let secrets = Program::new(required("KUBECTL")).args(&["get", "secrets", "-o", "name"]);
    assert_eq!(output(told(secrets, &format!("{tools}:/usr/bin:/bin"))), "secret/s\n");
    assert_eq!(users(), BTreeSet::from([who.to_owned()]));
    world.cluster.forget_asked();
    let own = Program::new(required("PROGRAM_UNDER_TEST")).arg("rotate");
    let run = world.check(told(own, "/nonexistent"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(users(), BTreeSet::from([who.to_owned()]));
}
