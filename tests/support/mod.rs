//! Stand-ins for AWS and Kubernetes over real TCP and TLS, and what drives the program against them.

// Each test target uses its own part of this, and none is a library.
#![allow(dead_code, unreachable_pub)]

pub mod aws;
pub mod cases;
pub mod dice;
pub mod eks;
pub mod kube;
pub mod leaks;
pub mod moments;
pub mod program;
pub mod proxy;
pub mod script;
pub mod server;
pub mod story;
pub mod tls;
