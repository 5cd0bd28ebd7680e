//! Stand-ins for the endpoints that give a machine credentials: a container's (ECS, EKS Pod Identity), and an instance's, in
//! version 2 alone.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::super::server::{Reply, Request, Server, Service};
use super::Cloud;

const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Hands out sessions of one role.
pub struct Metadata {
    cloud: Arc<Cloud>,
    role: String,
    seconds: i64,
    /// What opens the container's endpoint, and the tokens of the instance that were given out.
    tokens: Mutex<Vec<String>>,
}

impl Metadata {
    /// Sessions of that role, each for so many seconds. A container's endpoint is opened by `token`.
    pub fn new(cloud: &Arc<Cloud>, role: &str, seconds: i64, token: &str) -> Arc<Metadata> {
        Arc::new(Metadata {
            cloud: Arc::clone(cloud),
            role: role.to_owned(),
            seconds,
            tokens: Mutex::new(vec![token.to_owned()]),
        })
    }

    pub fn start(self: &Arc<Self>) -> Server {
        Server::start("127.0.0.1", Arc::<Metadata>::clone(self), None)
    }

    fn session(&self) -> Reply {
        let session = self.cloud.add_session(&self.role, "metadata", self.seconds);
        let body = json!({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
            "AccessKeyId": session.key.id, "SecretAccessKey": session.key.secret,
            "Token": session.token, "Expiration": session.ends,
        });
        Reply::new(200, "application/json", body.to_string())
    }

    fn opened_by(&self, header: Option<&str>) -> bool {
        let tokens = self.tokens.lock().unwrap();
        header.is_some_and(|header| tokens.iter().any(|token| token == header))
    }
}

impl Service for Metadata {
    fn operation(&self, request: &Request) -> String {
        format!("{} {}", request.method, request.path)
    }

    fn answer(&self, request: &Request) -> Reply {
        let text = |status, body: &str| Reply::new(status, "text/plain", body);
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/creds") if self.opened_by(request.header("authorization")) => self.session(),
            ("GET", "/creds") => text(401, "unauthorized"),
            ("PUT", TOKEN) => match request
                .header("x-aws-ec2-metadata-token-ttl-seconds")
                .map(str::parse::<u32>)
            {
                Some(Ok(1..=21_600)) if request.body.is_empty() => {
                    let token = self.cloud.opaque_token();
                    self.tokens.lock().unwrap().push(token.clone());
                    text(200, &token)
                }
                Some(_) | None => text(400, "bad request"),
            },
            ("GET", path) if path.starts_with(ROLES) => {
                if !self.opened_by(request.header("x-aws-ec2-metadata-token")) {
                    return text(401, "unauthorized");
                }
                match &path[ROLES.len()..] {
                    "" => text(200, &self.role),
                    role if role == self.role => self.session(),
                    _ => text(404, "not found"),
                }
            }
            _ => text(404, "not found"),
        }
    }

    fn now(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        i64::try_from(since.as_secs()).expect("a clock before the end of time")
    }
}
