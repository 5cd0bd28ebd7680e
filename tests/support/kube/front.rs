//! What may stand in front of a cluster: a path, as Rancher has it, and a helper that asks as somebody of its own, as `kubectl
//! proxy` does.

use std::sync::Arc;

use super::{Cluster, discovery};
use crate::support::server::{Reply, Request, Service};

pub(super) struct Front {
    pub(super) cluster: Arc<Cluster>,
    /// `/k8s/clusters/c-1`, or nothing.
    pub(super) prefix: String,
    /// Shown to the cluster for whoever asks.
    pub(super) token: Option<String>,
}

impl Service for Front {
    fn operation(&self, request: &Request) -> String {
        format!("{} {}", request.method, request.path)
    }

    fn answer(&self, request: &Request) -> Reply {
        let Some(path) = request
            .path
            .strip_prefix(&self.prefix)
            .filter(|path| path.starts_with('/'))
        else {
            return discovery::page_not_found();
        };
        let mut request = Request {
            path: path.to_owned(),
            ..request.clone()
        };
        if let Some(token) = &self.token {
            request.headers.retain(|(name, _)| name != "authorization");
            request
                .headers
                .push(("authorization".into(), format!("Bearer {token}")));
        }
        self.cluster.answer(&request)
    }

    fn now(&self) -> i64 {
        Service::now(&*self.cluster)
    }
}
