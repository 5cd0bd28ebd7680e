//! The program, driven over real TCP and TLS against stand-ins that behave like the real services.

mod ecr_update;
mod rotate;
mod samples;
mod support;
