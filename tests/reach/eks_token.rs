//! The token for an EKS cluster, from what a kubeconfig's entry says. That its bytes are the AWS CLI's is shown in
//! `tests/real_parts/identity/eks.rs`.

use std::sync::Arc;
use std::time::Duration;

use aws_iam_credential_rotate::eks_token::token;
use aws_iam_credential_rotate::http::Limits;
use aws_iam_credential_rotate::kube::EksToken;
use aws_iam_credential_rotate::settings::Environment;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use super::ambient::{ROLE, keys};
use super::kubeconfig::{by_config, config};
use crate::support::eks::signer;
use crate::support::program::{NAMESPACE, VERBS, World};
use crate::support::server::form_pairs;

const LIMITS: Limits = Limits {
    time: Duration::from_secs(30),
    body: 1024 * 1024,
};

/// A world with a role and a profile `ci`, and the environment of a process there.
fn world() -> (World, Environment) {
    let world = World::new();
    world.cloud.add_role("r");
    world.files.file("credentials", format!("[ci]\n{}", keys(&world)));
    let environment = Environment::from([
        ("AWS_ENDPOINT_URL", world.aws.url()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]);
    (world, environment)
}

fn plain() -> EksToken {
    EksToken {
        cluster: "prod".into(),
        region: None,
        role_arn: None,
        profile: None,
        environment: Vec::new(),
    }
}

/// The query of the URL in the token that this request gives, or why there is none.
fn query(environment: &Environment, request: &EksToken) -> Result<Vec<(String, String)>, String> {
    let token = token(environment, LIMITS, request, OffsetDateTime::now_utc())?.token;
    let url = URL_SAFE_NO_PAD
        .decode(token.expose().strip_prefix("k8s-aws-v1.").unwrap())
        .unwrap();
    let url = String::from_utf8(url).unwrap();
    Ok(form_pairs(url.split_once("/?").unwrap().1))
}

fn value<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

#[test]
fn the_entry_s_variables_and_arguments_say_who_and_where() {
    let (world, environment) = world();
    let more = [
        ("AWS_PROFILE".to_owned(), "ci".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), world.file("credentials")),
        ("AWS_REGION".to_owned(), "eu-west-1".to_owned()),
        ("AWS_STS_REGIONAL_ENDPOINTS".to_owned(), "legacy".to_owned()),
    ];
    let by_variables = EksToken {
        environment: more.into(),
        ..plain()
    };
    let made = query(&environment, &by_variables).unwrap();
    let scope = |made: &[(String, String)]| {
        let credential = value(made, "X-Amz-Credential").unwrap().to_owned();
        let (id, scope) = credential.split_once('/').unwrap();
        (id.to_owned(), scope.split_once('/').unwrap().1.to_owned())
    };
    assert_eq!(
        scope(&made),
        (world.key.id.clone(), "eu-west-1/sts/aws4_request".into())
    );
    assert_eq!(value(&made, "X-Amz-SignedHeaders"), Some("host;x-k8s-aws-id"));
    assert_eq!(value(&made, "X-Amz-Expires"), Some("60"));
    assert_eq!(value(&made, "X-Amz-Security-Token"), None);
    assert_eq!(world.aws.operations(), Vec::<String>::new());

    let by_arguments = EksToken {
        region: Some("us-west-2".into()),
        role_arn: Some(ROLE.into()),
        profile: Some("ci".into()),
        ..by_variables
    };
    let made = query(&environment, &by_arguments).unwrap();
    let (id, scope) = scope(&made);
    assert_eq!(
        world.cloud.arn_of(&id),
        "arn:aws:sts::123456789012:assumed-role/r/EKSGetTokenAuth"
    );
    assert_eq!(scope, "us-west-2/sts/aws4_request");
    assert!(value(&made, "X-Amz-Security-Token").is_some());
}

/// The whole way: no plugin on this machine, a kubeconfig as `aws eks update-kubeconfig` writes it, and a cluster that knows its
/// users by their ARNs.
#[test]
fn a_rotation_on_a_cluster_of_eks_needs_no_aws_cli() {
    let world = World::with_key_secret();
    world.cloud.add_role("r");
    world.cloud.add_user("operator");
    let operator = world.cloud.add_key("operator");
    let (cloud, sts) = (Arc::clone(&world.cloud), world.aws.url());
    world
        .cluster
        .ask(Box::new(move |token| signer(&cloud, Some(&sts), "prod", token)));
    for (more, who) in [
        ("", "arn:aws:iam::123456789012:user/operator"),
        (
            ", --role-arn, 'arn:aws:iam::123456789012:role/r'",
            "arn:aws:sts::123456789012:assumed-role/r/EKSGetTokenAuth",
        ),
    ] {
        world.cluster.grant(who, &[(NAMESPACE, VERBS)]);
        world.cluster.forget_asked();
        let user = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: aws, interactiveMode: Never, \
             args: [--region, eu-west-1, eks, get-token, --cluster-name, prod, --output, json{more}]}}"
        );
        let program = by_config(&world, &config(&world.kube.url(), &user), &["rotate"]);
        let program = program
            .env("PATH", "/nonexistent")
            .env("AWS_ACCESS_KEY_ID", &operator.id)
            .env("AWS_SECRET_ACCESS_KEY", &operator.secret);
        let run = world.check(program);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let asked = world.cluster.asked();
        assert!(
            !asked.is_empty() && asked.iter().all(|asked| asked.user == who),
            "{asked:?}"
        );
    }
    assert_eq!(world.cloud.create_count("ci"), 2);
}

#[test]
fn what_is_missing_is_named() {
    let (_world, environment) = world();
    assert_eq!(
        query(&environment, &plain()),
        Err(
            "the token for EKS cluster `prod` needs a region: add `--region` to the kubeconfig's arguments, or set `AWS_REGION`"
                .into()
        )
    );
    let here = EksToken {
        region: Some("here".into()),
        ..plain()
    };
    assert_eq!(
        query(&environment, &here),
        Err("`--region`: `here` is no AWS region; expected a name such as `us-east-1` or `cn-north-1`".into())
    );
    let unknown = EksToken {
        profile: Some("x".into()),
        ..plain()
    };
    assert_eq!(
        query(&environment, &unknown),
        Err(
            "the kubeconfig names the AWS profile `x`, and there is no such profile (no `config` or `credentials` file is there)"
                .into()
        )
    );
    let nobody = EksToken {
        region: Some("eu-west-1".into()),
        ..plain()
    };
    let why = query(&environment, &nobody).unwrap_err();
    assert!(why.starts_with("there are no AWS credentials: "), "{why}");
}
