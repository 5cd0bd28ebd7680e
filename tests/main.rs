//! The program, driven over real TCP and TLS against stand-ins that behave like the real services.

mod all;
mod bad_input;
mod ecr_update;
mod http_client;
mod process;
mod proxies;
mod reach;
mod readme;
mod rotate;
mod samples;
mod signals;
mod support;
