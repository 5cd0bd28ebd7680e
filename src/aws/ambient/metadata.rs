//! The instance metadata service of EC2, version 2 alone: version 1 answers whoever can make this machine send a request.

use std::time::Duration;

use super::issued::{self, Form};
use crate::aws::Credentials;
use crate::error::one_line;
use crate::http::{self, Connection, Delivery, Limits, Method, Reply, Roots};
use crate::sensitive::Sensitive;

/// Where it is, on every instance.
pub(super) const ADDRESS: &str = "http://169.254.169.254";

/// As short as the AWS CLI has it: where there is no such service, nothing answers.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(1),
    body: 64 * 1024,
};

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// What the service gives.
pub(super) enum Answer {
    /// The role's name and its session.
    Session(String, Credentials),
    /// There is no such service here; says what was tried.
    Absent(String),
}

/// Asks the service at `base`.
///
/// # Errors
///
/// When it is there and gives no credentials.
pub(super) fn credentials(base: &str) -> Result<Answer, String> {
    let client = http::Client::new(&Connection::trusting(Roots::Only(Vec::new())), LIMITS);
    let send = |method, path: &str, header: (&'static str, Sensitive<String>)| {
        client.send(&http::Request {
            method,
            url: format!("{}{path}", base.trim_end_matches('/')),
            headers: vec![header],
            body: Sensitive::new(Vec::new()),
        })
    };
    // Long enough for the two requests to come.
    let lifetime = ("x-aws-ec2-metadata-token-ttl-seconds", Sensitive::new("60".to_owned()));
    let token = match send(Method::Put, "/latest/api/token", lifetime) {
        Ok(reply) if reply.status == 200 => text(&reply, "a token")?,
        // EC2's own words for a service that is turned off for this instance.
        Ok(reply) if reply.status == 403 => return Ok(Answer::Absent("status 403: it is turned off".into())),
        Ok(reply) => return Err(reply.unexpected("a token of IMDSv2")),
        // Where packets may make fewer hops than there are to a pod, the answer never comes: that cannot be told apart.
        Err(failure) => match failure.delivery {
            Delivery::NotSent | Delivery::Unknown => return Ok(Answer::Absent(failure.to_string())),
        },
    };
    let get = |path: &str| {
        let header = ("x-aws-ec2-metadata-token", token.clone());
        send(Method::Get, path, header).map_err(|failure| failure.to_string())
    };
    let roles = get(ROLES)?;
    let role = match roles.status {
        200 => text(&roles, "the name of a role")?.expose().clone(),
        404 => return Err("the instance has no role; give it an instance profile".into()),
        _ => return Err(roles.unexpected("the name of the instance's role")),
    };
    let role = role.lines().next().unwrap_or_default().trim().to_owned();
    let reply = get(&format!("{ROLES}{}", http::percent_encode(&role)))?;
    if reply.status != 200 {
        return Err(reply.unexpected("JSON with credentials"));
    }
    let session = issued::parse(Form::Metadata, reply.body.expose())?;
    Ok(Answer::Session(one_line(&role), session))
}

fn text(reply: &Reply, what: &str) -> Result<Sensitive<String>, String> {
    match std::str::from_utf8(reply.body.expose()).map(str::trim) {
        Ok(text) if !text.is_empty() && !text.chars().any(|c| c.is_control() && c != '\n') => {
            Ok(Sensitive::new(text.to_owned()))
        }
        Ok(_) | Err(_) => Err(reply.unexpected(what)),
    }
}
