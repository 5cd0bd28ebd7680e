//! Stories of `rotate`: the ordinary one request by request, and one for each thing that can go wrong on the way.

mod broken_current;
mod fields;
mod foreign;
mod grace;
mod groups;
mod listings;
mod lock;
mod lost_answers;
mod members;
mod ordinary;
mod others;
mod records;
mod repeats;
mod stopping;

const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";
