//! A token for an EKS cluster, as a kubeconfig's entry for `aws eks get-token` or `aws-iam-authenticator token` asks for it, without
//! either program: the entry's variables on top of this process's, then the credentials that they lead to.

use time::OffsetDateTime;

use crate::aws::ambient::Chain;
use crate::aws::assume_role::Role;
use crate::aws::{Client, Region, eks};
use crate::error::one_line;
use crate::http::{self, Limits};
use crate::settings::{Aws, Environment, VARIABLES};

/// As the AWS CLI calls the session of `--role-arn`. The cluster may map it to a name, so it is the same here.
const SESSION_NAME: &str = "EKSGetTokenAuth";

/// What the entry says.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `--cluster-name`, `--cluster-id` or `-i`.
    pub cluster: &'a str,
    /// `--region`.
    pub region: Option<&'a str>,
    /// `--role-arn` or `-r`.
    pub role_arn: Option<&'a str>,
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// `env`. Only the variables that this program knows count.
    pub environment: &'a [(String, String)],
}

/// The token, good for 14 minutes.
///
/// # Errors
///
/// Says what is missing or broken.
pub fn token(
    environment: &Environment,
    limits: Limits,
    request: &Request<'_>,
    now: OffsetDateTime,
) -> Result<eks::Token, String> {
    let mut environment = environment.clone();
    for (name, value) in request.environment {
        if let Some(&known) = VARIABLES.iter().find(|known| *known == name) {
            environment.insert(known, value.clone());
        }
    }
    let role = request.role_arn.map(|arn| Role {
        session_name: Some(SESSION_NAME.into()),
        ..Role::of(arn)
    });
    let aws = Aws::resolve(&environment, request.profile, role).map_err(|error| error.to_string())?;
    let region = match request.region {
        Some(text) => Some(Region::parse(text).map_err(|error| format!("`--region`: {error}"))?),
        None => aws.region,
    };
    let region = region.ok_or_else(|| {
        format!(
            "the token for EKS cluster `{}` needs a region: add `--region` to the kubeconfig's arguments, or set `AWS_REGION`",
            one_line(request.cluster)
        )
    })?;
    let client = Client::new(http::Client::new(&aws.connection, limits), aws.endpoints.clone());
    let found = Chain::new(aws.sources)
        .credentials(&client, &region, now)
        .map_err(|error| error.to_string())?;
    eks::token(&found.credentials, &aws.endpoints, &region, request.cluster, now)
        .map_err(|why| format!("the token for EKS cluster `{}`: {why}", one_line(request.cluster)))
}
