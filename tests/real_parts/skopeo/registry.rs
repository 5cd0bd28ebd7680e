//! A small registry: one image, for who has the one login.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::support::server::{Reply, Request, Service};

/// The image's repository and tag.
pub(super) const REPOSITORY: &str = "team/app";
pub(super) const TAG: &str = "1.0";

/// What it asks of those who come without a login, as ECR does.
const CHALLENGE: &str = "Basic realm=\"https://registry/\",service=\"ecr.amazonaws.com\"";

pub(super) struct Registry {
    /// The value of the header `Authorization` that is let in.
    authorization: String,
    manifest: String,
    config: String,
}

impl Registry {
    /// For this user and this password.
    pub(super) fn new(user: &str, password: &str) -> Registry {
        let layer = digest_of(b"a layer that nobody asks for");
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2026-11-23T04:45:54Z",
            "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer]},
        })
        .to_string();
        let media_type = |kind: &str| format!("application/vnd.docker.{kind}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type("distribution.manifest.v2+json"),
            "config": {
                "mediaType": media_type("container.image.v1+json"), "size": config.len(), "digest": digest_of(config.as_bytes()),
            },
            "layers": [{"mediaType": media_type("image.rootfs.diff.tar.gzip"), "size": 28, "digest": layer}],
        });
        Registry {
            authorization: format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            manifest: manifest.to_string(),
            config,
        }
    }

    /// The digest of the image's manifest.
    pub(super) fn digest(&self) -> String {
        digest_of(self.manifest.as_bytes())
    }
}

fn digest_of(bytes: &[u8]) -> String {
    let hex = digest(&SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("sha256:{hex}")
}

impl Service for Registry {
    fn operation(&self, request: &Request) -> String {
        format!("{} {}", request.method, request.path)
    }

    fn answer(&self, request: &Request) -> Reply {
        let json = "application/json";
        if request.header("authorization") != Some(&self.authorization) {
            let body =
                json!({"errors": [{"code": "UNAUTHORIZED", "message": "the login is not accepted"}]}).to_string();
            return Reply::new(401, json, body).header("WWW-Authenticate", CHALLENGE);
        }
        let path = request.path.strip_prefix("/v2/").unwrap_or_default();
        let rest = path.strip_prefix(REPOSITORY).unwrap_or_default();
        let config = format!("/blobs/{}", digest_of(self.config.as_bytes()));
        let reply = match (request.method.as_str(), path, rest) {
            ("GET", "", _) => Reply::new(200, json, "{}"),
            ("GET", _, "/tags/list") => Reply::new(200, json, json!({"name": REPOSITORY, "tags": [TAG]}).to_string()),
            ("GET", _, blob) if blob == config => Reply::new(200, "application/octet-stream", self.config.clone()),
            ("GET", _, manifest) if manifest == format!("/manifests/{TAG}") => {
                let kind = "application/vnd.docker.distribution.manifest.v2+json";
                Reply::new(200, kind, self.manifest.clone()).header("Docker-Content-Digest", self.digest())
            }
            _ => Reply::new(404, json, r#"{"errors":[{"code":"NOT_FOUND"}]}"#),
        };
        reply.header("Docker-Distribution-Api-Version", "registry/2.0")
    }

    fn now(&self) -> i64 {
        time::OffsetDateTime::now_utc().unix_timestamp()
    }
}
