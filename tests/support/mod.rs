//! Stand-ins for AWS and Kubernetes over real TCP and TLS, and what drives the program against them.

// Each test target uses its own part of this.
#![allow(dead_code)]

pub mod aws;
pub mod kube;
pub mod script;
pub mod server;
pub mod tls;
