//! A stand-in for the part of AWS that the program talks to: IAM access keys, STS identities and sessions, ECR logins, and the
//! metadata endpoints of containers and instances.
//!
//! It is stricter than AWS where that finds mistakes (unknown parameters, unsigned `x-amz-*` headers) and otherwise meant
//! to answer to the letter: the same codes, statuses, texts and XML or JSON forms. Signatures are checked by code of its
//! own, so that a mistake in the signer's library does not hide in the checker.
//!
//! One endpoint serves all three services, as with `AWS_ENDPOINT_URL`:
//!
//! ```text
//! request ─ query (XML) ─┬─ iam ─┐
//!                        └─ sts ─┼─ account (users, keys, what is known where) ─ cloud (switches and inspection)
//!           ecr (JSON) ──────────┘
//!           both: sigv4, then the key, then the parameters, then the policy
//! ```

mod account;
mod action;
mod authenticate;
mod cloud;
mod ecr;
mod iam;
mod metadata;
mod partition;
mod propagation;
mod query;
mod random;
mod reply;
mod sigv4;
mod sts;

// Each test target uses its own part of this.
#[allow(unused_imports)]
pub use account::{AccessKey, Change, IssuedToken, Key, Session, Status};
pub use cloud::Cloud;
#[allow(unused_imports)]
pub use metadata::Metadata;
#[allow(unused_imports)]
pub use partition::Partition;
#[allow(unused_imports)]
pub use reply::{
    error_json, error_xml, html_page, request_expired_xml, server_exception_json, service_failure_xml,
    service_unavailable_xml, throttling_json, throttling_xml,
};
