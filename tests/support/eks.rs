//! What an EKS cluster does with a token: it is a presigned URL of STS, and who it says signed it is who asks.

use std::sync::Arc;

use aws_iam_credential_rotate::aws::{AccessKeyId, Credentials, Endpoints, KeyPair, Region, eks};
use aws_iam_credential_rotate::sensitive::Sensitive;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::PrimitiveDateTime;
use time::macros::format_description;

use super::aws::Cloud;
use super::server::form_pairs;

/// The ARN of whoever signed `token` for `cluster`. The token must be, byte for byte, what that key makes at that second: that
/// this is what `aws eks get-token` makes, too, is shown in `tests/real_parts/identity/eks.rs`.
pub fn signer(cloud: &Arc<Cloud>, sts: Option<&str>, cluster: &str, token: &str) -> Option<String> {
    let url = URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.")?).ok()?;
    let url = String::from_utf8(url).ok()?;
    let query = form_pairs(url.split_once('?')?.1);
    let value = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let mut scope = value("X-Amz-Credential")?.split('/');
    let (id, region) = (scope.next()?, scope.nth(1)?);
    let credentials = Credentials {
        pair: KeyPair {
            id: AccessKeyId::parse(id).ok()?,
            secret: Sensitive::new(cloud.secret_of(id)?),
        },
        session_token: value("X-Amz-Security-Token").map(|token| Sensitive::new(token.to_owned())),
        expires_at: None,
    };
    let endpoints = Endpoints {
        sts: sts.map(str::to_owned),
        ..Endpoints::default()
    };
    let date = format_description!("[year][month][day]T[hour][minute][second]Z");
    let at = PrimitiveDateTime::parse(value("X-Amz-Date")?, date).ok()?.assume_utc();
    let made = eks::token(&credentials, &endpoints, &Region::parse(region).ok()?, cluster, at).ok()?;
    (made.token.expose() == token).then(|| cloud.arn_of(id))
}
