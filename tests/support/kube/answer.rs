//! From a request to the part that answers it.

use super::options::{self, Options};
use super::route::{self, Form, Resource};
use super::write::Write;
use super::{Asked, State, discovery, list, namespace, refusal, service_account, watch};
use crate::support::server::{Reply, Request};

impl State {
    /// In the real server's order: who is it, may they, is it understood, then what is asked for.
    pub(super) fn answer(&mut self, request: &Request) -> Result<Reply, Reply> {
        if let Some(name) = options::unknown_parameter(request) {
            self.violations.push(format!(
                "unknown parameter `{name}`: {} {}?{}",
                request.method, request.path, request.raw_query
            ));
            return Err(refusal::bad_request(format!("unknown query parameter {name:?}")));
        }
        let identity = self.known.authenticate(request)?;
        let Some(resource) = Resource::from_path(&request.path) else {
            identity.authorize_path(&request.method, &request.path)?;
            return Ok(discovery::answer(request));
        };
        if resource.is_secrets() {
            self.asked.push(Asked {
                user: identity.user.clone(),
                uid: identity.uid.clone(),
                groups: identity.groups.clone(),
                extra: identity.extra.clone(),
                what: format!("{} {}", request.method, request.path),
            });
        }
        let options = Options::parse(request);
        let unread = Options::default();
        identity.authorize(&request.method, &resource, options.as_ref().unwrap_or(&unread))?;
        if resource.is_plain("namespaces") && request.method == "GET" {
            let (form, options, now) = (route::negotiate(request)?, options?, self.now());
            return match resource.name.as_deref() {
                Some(name) => namespace::get(&self.store, name, form, now),
                None => namespace::list(&self.store, &options, form, now),
            };
        }
        if resource.is_plain("serviceaccounts") {
            let (options, now) = (options?, self.now());
            return service_account::answer(&mut self.store, request, &resource, &options, now);
        }
        if !resource.is_secrets() {
            return Err(discovery::page_not_found());
        }
        let form = route::negotiate(request)?;
        self.secrets(request, &resource, &options?, form)
    }

    fn secrets(
        &mut self,
        request: &Request,
        resource: &Resource,
        options: &Options,
        form: Form,
    ) -> Result<Reply, Reply> {
        let now = self.now();
        let store = &mut self.store;
        let namespace = resource.namespace.as_deref();
        match (request.method.as_str(), namespace, resource.name.as_deref()) {
            ("GET", _, None) if options.watch => Ok(watch::watch(store, namespace, options)),
            ("GET", _, None) => list::list(store, namespace, options, form, now),
            ("GET", Some(namespace), Some(name)) => list::get(store, namespace, name, options, form, now),
            (method, Some(namespace), name) => {
                let write = Write {
                    store,
                    namespace,
                    request,
                    options,
                    form,
                    now,
                };
                match (method, name) {
                    ("POST", None) => write.create(),
                    ("PUT", Some(name)) => write.update(name),
                    ("PATCH", Some(name)) => write.patch(name),
                    ("DELETE", Some(name)) => write.delete(name),
                    _ => Err(refusal::method_not_allowed()),
                }
            }
            _ => Err(refusal::method_not_allowed()),
        }
    }
}
