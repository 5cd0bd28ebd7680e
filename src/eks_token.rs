//! A token for an EKS cluster, as a kubeconfig's entry for `aws eks get-token` or `aws-iam-authenticator token` asks for it, without
//! either program: the entry's variables on top of this process's, then the credentials that they lead to.

use time::OffsetDateTime;

use crate::aws::ambient::{Chain, Sources};
use crate::aws::assume_role::Role;
use crate::aws::{Client, Region, eks};
use crate::error::one_line;
use crate::http::{self, Limits};
use crate::kube::{EksToken, IssuedToken};
use crate::settings::{Aws, Environment, variables};

/// As the AWS CLI calls the session of `--role-arn`. The cluster may map it to a name, so it is the same here.
const SESSION_NAME: &str = "EKSGetTokenAuth";

/// The token, good for 14 minutes.
///
/// # Errors
///
/// Says what is missing or broken.
pub fn token(
    environment: &Environment,
    limits: Limits,
    wanted: &EksToken,
    now: OffsetDateTime,
) -> Result<IssuedToken, String> {
    let mut environment = environment.clone();
    for (name, value) in &wanted.environment {
        if let Some(known) = variables().find(|known| known == name) {
            environment.insert(known, value.clone());
        }
    }
    let role = wanted.role_arn.as_deref().map(|arn| Role {
        session_name: Some(SESSION_NAME.into()),
        ..Role::of(arn)
    });
    let aws = Aws::resolve(&environment, wanted.profile.as_deref(), role).map_err(|error| error.to_string())?;
    let region = match &wanted.region {
        Some(text) => Some(Region::parse(text).map_err(|error| format!("`--region`: {error}"))?),
        None => aws.region,
    };
    let region = region.ok_or_else(|| {
        format!(
            "the token for EKS cluster `{}` needs a region: add `--region` to the kubeconfig's arguments, or set `AWS_REGION`",
            one_line(&wanted.cluster)
        )
    })?;
    let client = Client::new(http::Client::new(&aws.connection, limits), aws.endpoints.clone());
    // As for the AWS CLI, the region that the arguments name counts for the role's session, too.
    let sources = Sources {
        region: Some(region.clone()),
        ..aws.sources
    };
    let found = Chain::new(sources)
        .credentials(&client, &region, now)
        .map_err(|error| error.to_string())?;
    let ahead = client.ahead();
    let token = eks::token(
        &found.credentials,
        &aws.endpoints,
        &region,
        &wanted.cluster,
        now + ahead,
    );
    let eks::Token { token, expires_at } =
        token.map_err(|why| format!("the token for EKS cluster `{}`: {why}", one_line(&wanted.cluster)))?;
    Ok(IssuedToken {
        token,
        expires_at: expires_at - ahead,
    })
}
