//! Rotates the IAM access keys held in Kubernetes Secrets and refreshes ECR image-pull logins.
//!
//! Data flows one way: `main → rotate / ecr_update → aws / kube → http`. `aws` and `kube` do not know each other, nor do
//! `rotate` and `ecr_update`. Only [`http`] knows the HTTP client, only `main` reads arguments and environment and exits.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod duration;
pub mod ecr_update;
pub mod eks_token;
pub mod error;
pub mod holder;
pub mod http;
pub mod interrupt;
pub mod key_secret;
pub mod kube;
pub mod report;
pub mod retry;
pub mod rotate;
pub mod sensitive;
pub mod settings;
#[cfg(test)]
mod xorshift;
