//! A token for an EKS cluster: byte for byte the one that `aws eks get-token` makes at the same second.

use aws_iam_credential_rotate::aws::endpoint::Variant;
use aws_iam_credential_rotate::aws::{AccessKeyId, Credentials, Endpoints, KeyPair, Region, eks};
use aws_iam_credential_rotate::sensitive::Sensitive;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::support::program::Program;
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
