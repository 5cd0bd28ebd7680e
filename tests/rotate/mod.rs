//! Stories of `rotate`: the ordinary one request by request, and one for each thing that can go wrong on the way.

mod lost_answers;
mod ordinary;
mod others;

const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";
