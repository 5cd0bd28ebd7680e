//! A token for an EKS cluster: a presigned STS URL that the cluster asks for the caller's identity. The form is that of
//! `aws eks get-token` and aws-iam-authenticator.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use super::credentials::{Credentials, Signer};
use super::endpoint::{Endpoints, Region, Service};
use super::signature;
use crate::sensitive::Sensitive;

/// How long the URL may be used; the cluster keeps the answer for longer than that.
const URL_LIFETIME: Duration = Duration::from_secs(60);
/// A minute less than the cluster takes the token for.
const TOKEN_LIFETIME: time::Duration = time::Duration::minutes(14);
/// Binds the token to one cluster.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";

/// A bearer token for one cluster's API server.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub token: Sensitive<String>,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// A token for the cluster of that name (or id), as whoever `credentials` belong to. Nothing is sent.
///
/// # Errors
///
/// When the URL cannot be signed.
pub fn token(
    credentials: &Credentials,
    endpoints: &Endpoints,
    region: &Region,
    cluster: &str,
    now: OffsetDateTime,
) -> Result<Token, String> {
    let url = signature::presigned(
        Service::Sts,
        &endpoints.place(Service::Sts, region),
        "Action=GetCallerIdentity&Version=2011-06-15",
        &[(CLUSTER_HEADER, cluster)],
        Signer::Ambient(credentials),
        (now.into(), URL_LIFETIME),
    )?;
    Ok(Token {
        token: Sensitive::new(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url.expose()))),
        expires_at: now + TOKEN_LIFETIME,
    })
}
