//! Rotates the IAM access keys held in Kubernetes Secrets and refreshes ECR image-pull logins.
pub mod aws;
pub mod error;
pub mod http;
pub mod kube;
pub mod retry;
pub mod sensitive;
