//! Tokens for EKS clusters where the program that should make them is not installed: what `kube` asks for, by what `aws` has.

use time::OffsetDateTime;

use crate::aws::{self, ambient, eks};
use crate::error::one_line;
use crate::http::{self, Limits};
use crate::kube::{EksToken, IssuedToken};
use crate::settings::{Aws, Environment, VARIABLES};

/// Makes the token that `wanted` asks for, by the credentials of this machine. STS is asked only where they are a role's.
///
/// # Errors
///
/// When there are no credentials, or no region is named.
pub fn issue(wanted: &EksToken, environment: &Environment, limits: Limits) -> Result<IssuedToken, String> {
    let mut environment = environment.clone();
    for name in VARIABLES {
        if let Some((_, value)) = wanted.environment.iter().rfind(|(own, _)| own == name) {
            environment.insert(name, value.clone());
        }
    }
    let settings = Aws::resolve(&environment, wanted.profile.as_deref(), wanted.role_arn.as_deref());
    let Aws {
        endpoints,
        connection,
        region,
        sources,
    } = settings.map_err(|error| error.to_string())?;
    let region = match &wanted.region {
        Some(text) => aws::Region::parse(text).map_err(|error| format!("`--region`: {error}"))?,
        None => region.ok_or_else(|| {
            format!(
                "nothing names the region of the EKS cluster `{}`; add `--region` to the kubeconfig's arguments, or set `AWS_REGION`",
                one_line(&wanted.cluster)
            )
        })?,
    };
    let client = aws::Client::new(http::Client::new(&connection, limits), endpoints.clone());
    let now = OffsetDateTime::now_utc();
    let found = ambient::Chain::new(sources).credentials(&client, &region, now);
    let found = found.map_err(|error| error.to_string())?;
    log::debug!(
        "a token for the EKS cluster `{}` by credentials from {}",
        one_line(&wanted.cluster),
        found.origin
    );
    let token = eks::token(&found.credentials, &endpoints, &region, &wanted.cluster, now)?;
    Ok(IssuedToken {
        token: token.token,
        expires_at: token.expires_at,
    })
}
