//! Who asks (client certificate, bearer token, password, impersonation) and whether they may (RBAC on Secrets).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::options::Options;
use super::route::Resource;
use super::{random_uid, refusal, subject};
use crate::support::server::{Reply, Request, percent_decode};

#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) user: String,
    pub(super) uid: String,
    pub(super) groups: Vec<String>,
    /// Names and values, in the order they came.
    pub(super) extra: Vec<(String, String)>,
    rights: Rights,
}

#[derive(Clone, Debug)]
enum Rights {
    /// `system:masters`.
    All,
    /// A namespace (or `*` for a ClusterRoleBinding) and the verbs allowed on Secrets there, or `list namespaces`. `impersonate` for `*` allows
    /// to act as anybody.
    OnSecrets(Vec<(String, Vec<String>)>),
}

/// Tells whose a token is, as a webhook does.
pub type Authenticator = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Who is known, and by what.
#[derive(Default)]
pub(super) struct Known {
    tokens: BTreeMap<String, Identity>,
    /// Asked about tokens that are not known.
    authenticator: Option<Box<Authenticator>>,
    /// By user name. No API server has had this since 1.19, but proxies before one do.
    passwords: BTreeMap<String, String>,
    /// What users and groups may that come without a token of their own: by certificate, by password, by impersonation.
    rights: BTreeMap<String, Vec<(String, Vec<String>)>>,
}

fn owned(rules: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let rules = rules.iter().map(|(namespace, verbs)| {
        (
            (*namespace).to_owned(),
            verbs.iter().map(|&verb| verb.to_owned()).collect(),
        )
    });
    rules.collect()
}

impl Known {
    pub(super) fn issue(&mut self, user: &str, rules: &[(&str, &[&str])]) -> String {
        self.add(user, Rights::OnSecrets(owned(rules)))
    }

    pub(super) fn issue_for_admin(&mut self) -> String {
        self.add("kubernetes-admin", Rights::All)
    }

    pub(super) fn grant(&mut self, subject: &str, rules: &[(&str, &[&str])]) {
        self.rights.insert(subject.to_owned(), owned(rules));
    }

    pub(super) fn ask(&mut self, authenticator: Box<Authenticator>) {
        self.authenticator = Some(authenticator);
    }

    pub(super) fn set_password(&mut self, user: &str, password: &str) {
        self.passwords.insert(user.to_owned(), password.to_owned());
    }

    /// A token looks like the JSON web tokens of service accounts.
    fn add(&mut self, user: &str, rights: Rights) -> String {
        let claims = format!("{{\"sub\":{user:?}}}");
        let [head, claims, signature] =
            ["{\"alg\":\"RS256\"}", &claims, &random_uid()].map(|part| URL_SAFE_NO_PAD.encode(part));
        let token = format!("{head}.{claims}.{signature}");
        let identity = Identity {
            rights,
            ..self.without_token(user.to_owned(), Vec::new())
        };
        self.tokens.insert(token.clone(), identity);
        token
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    fn without_token(&self, user: String, groups: Vec<String>) -> Identity {
        let subjects = [&user].into_iter().chain(&groups);
        let rules = subjects
            .filter_map(|subject| self.rights.get(subject))
            .flatten()
            .cloned();
        Identity {
            rights: Rights::OnSecrets(rules.collect()),
            user,
            uid: String::new(),
            groups,
            extra: Vec::new(),
        }
    }

    /// In the real server's order: the client certificate, then what stands in the header. Without credentials a request is
    /// anonymous; with some that are not valid it is refused. Then as whom it is to act.
    pub(super) fn authenticate(&self, request: &Request) -> Result<Identity, Reply> {
        let sender = match request.client.as_deref().and_then(subject::of) {
            Some((user, groups)) => self.without_token(user, groups),
            None => self.by_header(request)?,
        };
        self.impersonated(sender, request)
    }

    fn by_header(&self, request: &Request) -> Result<Identity, Reply> {
        let mut words = request.header("authorization").unwrap_or_default().splitn(2, ' ');
        let scheme = words.next().unwrap_or_default().to_ascii_lowercase();
        let credentials = words.next().unwrap_or_default().trim();
        match scheme.as_str() {
            "bearer" if !credentials.is_empty() => {
                let asked = || Some(self.without_token(self.authenticator.as_ref()?(credentials)?, Vec::new()));
                let known = self.tokens.get(credentials).cloned();
                known.or_else(asked).ok_or_else(refusal::unauthorized)
            }
            "basic" => {
                let pair = STANDARD
                    .decode(credentials)
                    .ok()
                    .and_then(|pair| String::from_utf8(pair).ok());
                let pair = pair.ok_or_else(refusal::unauthorized)?;
                let (user, password) = pair.split_once(':').ok_or_else(refusal::unauthorized)?;
                if self.passwords.get(user).is_some_and(|right| right == password) {
                    Ok(self.without_token(user.to_owned(), Vec::new()))
                } else {
                    Err(refusal::unauthorized())
                }
            }
            _ => Ok(self.without_token("system:anonymous".into(), Vec::new())),
        }
    }

    fn impersonated(&self, sender: Identity, request: &Request) -> Result<Identity, Reply> {
        let all = |name: &str| {
            let headers = request.headers.iter().filter(|(n, _)| n == name);
            headers.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let prefix = "impersonate-extra-";
        let extra = request.headers.iter().filter_map(|(name, value)| {
            let name = percent_decode(name.strip_prefix(prefix)?);
            Some((name, value.clone()))
        });
        let (groups, extra) = (all("impersonate-group"), extra.collect::<Vec<_>>());
        let uid = request.header("impersonate-uid").unwrap_or_default().to_owned();
        let Some(user) = request.header("impersonate-user") else {
            if groups.is_empty() && extra.is_empty() && uid.is_empty() {
                return Ok(sender);
            }
            return Err(refusal::bad_request(
                "requested impersonation without impersonating a user",
            ));
        };
        let may = match &sender.rights {
            Rights::All => true,
            Rights::OnSecrets(rules) => {
                let mut everywhere = rules.iter().filter(|(namespace, _)| namespace == "*");
                everywhere.any(|(_, verbs)| verbs.iter().any(|verb| verb == "impersonate"))
            }
        };
        if !may {
            let why = format!(
                "User {:?} cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
                sender.user
            );
            return Err(refusal::forbidden("users", "", Some(user), &why));
        }
        Ok(Identity {
            uid,
            extra,
            ..self.without_token(user.to_owned(), groups)
        })
    }
}

impl Identity {
    /// Refuses what RBAC does not allow on a resource.
    pub(super) fn authorize(&self, method: &str, resource: &Resource, options: &Options) -> Result<(), Reply> {
        let verb = verb(method, resource, options);
        let namespace = resource.namespace.as_deref();
        let allowed = match &self.rights {
            Rights::All => true,
            Rights::OnSecrets(rules) => rules.iter().any(|(where_to, verbs)| {
                (where_to == "*" || Some(where_to.as_str()) == namespace)
                    && verbs.iter().any(|allowed| match allowed.split_once(' ') {
                        None => resource.is_secrets() && (allowed == verb || allowed == "*"),
                        Some((allowed, kind)) => resource.is_plain(kind) && allowed == verb,
                    })
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
