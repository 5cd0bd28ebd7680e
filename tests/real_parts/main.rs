//! The program, and the stand-ins that the other tests rely on, against real parts: moto for AWS, kubectl, the AWS CLI, curl,
//! skopeo, the image.
//!
//! Where they are is said by variables, which must all be set; `.ci/run` does it. Nothing is skipped.

#[path = "../support/mod.rs"]
mod support;

mod endpoints;
mod identity;
mod in_cluster;
mod jobs;
mod kubeconfig;
mod kubectl;
mod microburst;
mod moto;
mod page;
mod proxies;
mod sandbox;
mod skopeo;
mod tools;
