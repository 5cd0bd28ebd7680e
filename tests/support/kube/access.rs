//! Who asks (bearer tokens) and whether they may (RBAC on Secrets).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::options::Options;
use super::route::Resource;
use super::{random_uid, refusal};
use crate::support::server::{Reply, Request};

#[derive(Clone, Debug)]
pub(super) struct Identity {
    user: String,
    rights: Rights,
}

#[derive(Clone, Debug)]
enum Rights {
    /// `system:masters`.
    All,
    /// A namespace (or `*` for a ClusterRoleBinding) and the verbs allowed on Secrets there.
    OnSecrets(Vec<(String, Vec<String>)>),
}

/// The tokens that are valid now.
#[derive(Default)]
pub(super) struct Tokens(BTreeMap<String, Identity>);

impl Tokens {
    pub(super) fn issue(&mut self, user: &str, rules: &[(&str, &[&str])]) -> String {
        let rules = rules.iter().map(|(namespace, verbs)| {
            (
                (*namespace).to_owned(),
                verbs.iter().map(|&verb| verb.to_owned()).collect(),
            )
        });
        self.add(Identity {
            user: user.to_owned(),
            rights: Rights::OnSecrets(rules.collect()),
        })
    }

    pub(super) fn issue_for_admin(&mut self) -> String {
        self.add(Identity {
            user: "kubernetes-admin".into(),
            rights: Rights::All,
        })
    }

    /// A token looks like the JSON web tokens of service accounts.
    fn add(&mut self, identity: Identity) -> String {
        let claims = format!("{{\"sub\":{:?}}}", identity.user);
        let [head, claims, signature] =
            ["{\"alg\":\"RS256\"}", &claims, &random_uid()].map(|part| URL_SAFE_NO_PAD.encode(part));
        let token = format!("{head}.{claims}.{signature}");
        self.0.insert(token.clone(), identity);
        token
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.0.remove(token);
    }

    /// Without credentials a request is anonymous; with a bearer token that is not valid it is refused.
    pub(super) fn authenticate(&self, request: &Request) -> Result<Identity, Reply> {
        let mut words = request.header("authorization").unwrap_or_default().splitn(2, ' ');
        let scheme = words.next().unwrap_or_default();
        let token = words.next().unwrap_or_default().trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Ok(Identity {
                user: "system:anonymous".into(),
                rights: Rights::OnSecrets(Vec::new()),
            });
        }
        self.0.get(token).cloned().ok_or_else(refusal::unauthorized)
    }
}

impl Identity {
    /// Refuses what RBAC does not allow on a resource.
    pub(super) fn authorize(&self, method: &str, resource: &Resource, options: &Options) -> Result<(), Reply> {
        let verb = verb(method, resource, options);
        let namespace = resource.namespace.as_deref();
        let allowed = match &self.rights {
            Rights::All => true,
            Rights::OnSecrets(_) if !resource.is_secrets() => false,
            Rights::OnSecrets(rules) => rules.iter().any(|(where_to, verbs)| {
                (where_to == "*" || Some(where_to.as_str()) == namespace)
                    && verbs.iter().any(|allowed| allowed == verb || allowed == "*")
            }),
        };
        if allowed {
            return Ok(());
        }
        let scope = match namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let (user, kind, group) = (&self.user, &resource.resource, &resource.group);
        let why = format!("User {user:?} cannot {verb} resource {kind:?} in API group {group:?} {scope}");
        let name = resource.name.as_deref().or_else(|| options.field_selector.name());
        Err(refusal::forbidden(kind, group, name, &why))
    }

    /// Refuses to the anonymous what only `system:discovery` may read.
    pub(super) fn authorize_path(&self, method: &str, path: &str) -> Result<(), Reply> {
        let public = matches!(path, "/version" | "/healthz" | "/livez" | "/readyz");
        if self.user == "system:anonymous" && !public {
            return Err(refusal::forbidden_path(&self.user, &method.to_ascii_lowercase(), path));
        }
        Ok(())
    }
}

fn verb(method: &str, resource: &Resource, options: &Options) -> &'static str {
    let one = resource.name.is_some();
    match method {
        "GET" | "HEAD" if one => "get",
        "GET" | "HEAD" if options.watch => "watch",
        "GET" | "HEAD" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if one => "delete",
        "DELETE" => "deletecollection",
        _ => "",
    }
}
