//! The credentials endpoint of a container: ECS tasks and EKS Pod Identity.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::issued::{self, Form};
use super::variables::Variables;
use crate::aws::Credentials;
use crate::error::one_line;
use crate::http::{self, Connection, Limits, Method};
use crate::sensitive::Sensitive;

/// Where ECS has it.
const ECS: &str = "http://169.254.170.2";

/// Where it may be without TLS, besides this machine itself: ECS, EKS Pod Identity in both families.
const HOSTS: &[&str] = &["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"];

const LIMITS: Limits = Limits {
    time: Duration::from_secs(2),
    body: 64 * 1024,
};

/// An agent on the same node may begin a little later than the pod. No other machine is burdened by this, so that it is not of
/// the run's budget for repeats.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Where to ask, and by which right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    url: String,
    authorization: Authorization,
}

impl Endpoint {
    /// Without the path: in an ECS task, who knows it gets the credentials.
    pub(super) fn address(&self) -> &str {
        let start = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url[start..]
            .find(['/', '?'])
            .map_or(self.url.len(), |at| start + at);
        &self.url[..end]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Authorization {
    None,
    Token(Sensitive<String>),
    /// Read again for every request, for it is replaced.
    File(String),
}

/// The endpoint that the variables name, if they do.
///
/// # Errors
///
/// When it is not one that a token may be sent to.
pub(super) fn endpoint(variables: &Variables) -> Result<Option<Endpoint>, String> {
    let url = match (
        variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ) {
        (Some(path), _) if path.starts_with('/') => format!("{ECS}{path}"),
        (Some(path), _) => {
            return Err(format!(
                "`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` is `{}`; expected a path that begins with `/`",
                one_line(path)
            ));
        }
        (None, Some(url)) => allowed(url)?.to_owned(),
        (None, None) => return Ok(None),
    };
    let authorization = match (
        variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    ) {
        (Some(file), _) => Authorization::File(file.to_owned()),
        (None, Some(token)) => Authorization::Token(Sensitive::new(token.to_owned())),
        (None, None) => Authorization::None,
    };
    Ok(Some(Endpoint { url, authorization }))
}

fn allowed(url: &str) -> Result<&str, String> {
    const NAME: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let base = url.split('?').next().unwrap_or(url);
    let host = http::base_url(base).and_then(|base| {
        let (scheme, rest) = base.split_once("://")?;
        let authority = rest.split('/').next()?;
        let host = match authority.strip_prefix('[') {
            Some(address) => address.split(']').next()?,
            None => authority.split(':').next()?,
        };
        Some((scheme == "https", host.to_owned()))
    });
    let Some((secure, host)) = host else {
        return Err(format!("`{NAME}` is no URL; expected `http://host:port/path`"));
    };
    let loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if secure || loopback || HOSTS.contains(&host.as_str()) {
        Ok(url)
    } else {
        Err(format!(
            "`{NAME}` names the host `{}` without TLS; expected `https`, or one of {} or a loopback address",
            one_line(&host),
            HOSTS.join(", ")
        ))
    }
}

/// Asks it.
///
/// # Errors
///
/// Says what went wrong.
pub(super) fn credentials(endpoint: &Endpoint, connection: &Connection) -> Result<Credentials, String> {
    let client = http::Client::new(connection, LIMITS);
    let mut headers = vec![("accept", Sensitive::new("application/json".to_owned()))];
    let token = match &endpoint.authorization {
        Authorization::None => None,
        Authorization::Token(token) => Some(token.clone()),
        Authorization::File(path) => Some(token_in(Path::new(path))?),
    };
    headers.extend(token.map(|token| ("authorization", token)));
    let request = http::Request {
        method: Method::Get,
        url: endpoint.url.clone(),
        headers,
        body: Sensitive::new(Vec::new()),
    };
    let mut attempt = 1;
    let reply = loop {
        // In ECS whoever knows the path has the credentials.
        match client.send_unlogged(&request) {
            Ok(reply) if attempt < ATTEMPTS && (reply.status == 429 || reply.status >= 500) => {
                std::thread::sleep(PAUSE)
            }
            Ok(reply) => break reply,
            Err(failure) if attempt < ATTEMPTS && failure.passes() => std::thread::sleep(PAUSE),
            Err(failure) => return Err(failure.to_string()),
        }
        attempt += 1;
    };
    match reply.status {
        200 => issued::parse(Form::Metadata, reply.body.expose()),
        status @ (401 | 403) => Err(format!(
            "it answers status {status}; see that `AWS_CONTAINER_AUTHORIZATION_TOKEN` or `…_TOKEN_FILE` is right"
        )),
        _ => Err(reply.unexpected("JSON with credentials")),
    }
}

fn token_in(path: &Path) -> Result<Sensitive<String>, String> {
    let name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    let token = super::files::read(path).map_err(|error| format!("`{name}`: {error}"))?;
    let token = Sensitive::new(token.expose().trim_end_matches(['\r', '\n']).to_owned());
    if token.expose().is_empty() || token.expose().contains(char::is_control) {
        return Err(format!("`{name}`: `{}` is empty or holds no token", path.display()));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_the_machine_itself_to_aws_or_over_tls() {
        for good in [
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://localhost:8080/x?y=1",
            "http://127.0.0.9/",
            "http://[::1]:80/",
            "https://example.com/creds",
        ] {
            assert_eq!(allowed(good), Ok(good));
        }
        for bad in [
            "http://169.254.169.254/",
            "http://example.com/",
            "http://localhost.example.com/",
            "http://127.0.0.1@example.com/",
            "ftp://127.0.0.1/",
            "nothing",
        ] {
            assert!(allowed(bad).is_err(), "{bad}");
        }
    }
}
