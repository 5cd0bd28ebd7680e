//! POST, PUT, PATCH and DELETE of Secrets.

use std::sync::Arc;

use serde_json::Value;

use super::decode::{self, Decoded};
use super::object::{Metadata, Secret};
use super::options::{FieldValidation, Options};
use super::patch::{self, Strategy};
use super::route::{Form, media_type};
use super::store::Store;
use super::{format_time, go, list, protobuf, random_uid, refusal, status, validate};
use super::{managed, namespace};
use crate::support::server::{Reply, Request};

const MAX_BODY: usize = 3 * 1024 * 1024;

/// One writing request on the Secrets of a namespace.
pub(super) struct Write<'a> {
    pub(super) store: &'a mut Store,
    pub(super) namespace: &'a str,
    pub(super) request: &'a Request,
    pub(super) options: &'a Options,
    pub(super) form: Form,
    pub(super) now: i64,
}

impl Write<'_> {
    pub(super) fn create(self) -> Result<Reply, Reply> {
        let Decoded { mut secret, unknown } = self.body_as_secret()?;
        check_namespace(&secret.metadata, self.namespace)?;
        namespace::admit(self.store, self.namespace, &secret.metadata.name)?;
        secret.metadata.namespace = self.namespace.to_owned();
        secret.metadata.uid = random_uid();
        secret.metadata.creation_timestamp = format_time(self.now);
        let causes = validate::secret(&secret);
        if !causes.is_empty() {
            return Err(refusal::invalid_secret(&secret.metadata.name, causes));
        }
        if !secret.metadata.resource_version.is_empty() {
            return Err(status::status_reply(
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if self.store.get(self.namespace, &secret.metadata.name).is_some() {
            return Err(refusal::already_exists(&secret.metadata.name));
        }
        secret.metadata.managed_fields =
            managed::after_write(&[], None, &secret, &self.manager(), &format_time(self.now));
        let stored = if self.options.dry_run {
            Arc::new(secret)
        } else {
            self.store.put(secret)
        };
        Ok(self.with_warnings(list::one(&stored, 201, self.form, self.now), &unknown))
    }

    pub(super) fn update(self, name: &str) -> Result<Reply, Reply> {
        let Decoded { secret, unknown } = self.body_as_secret()?;
        check_place(&secret.metadata, self.namespace, name)?;
        let old = self.store.get(self.namespace, name);
        let (wanted, actual) = (&secret.metadata.uid, old.as_ref().map_or("", |old| &old.metadata.uid));
        if !wanted.is_empty() && wanted != actual {
            return Err(refusal::precondition_failed(
                "secrets",
                self.namespace,
                name,
                "UID",
                wanted,
                actual,
            ));
        }
        let old = old.ok_or_else(|| refusal::not_found("secrets", name))?;
        self.replace(&old, secret, &unknown)
    }

    pub(super) fn patch(self, name: &str) -> Result<Reply, Reply> {
        let strategy = Strategy::from_media_type(&media_type(self.request))
            .ok_or_else(|| refusal::unsupported_media_type(patch::ACCEPTED))?;
        let body = self.body()?;
        if let Some(error) = go::json_syntax_error(body) {
            return Err(refusal::bad_request(format!("error decoding patch: {error}")));
        }
        let patch: Value = serde_json::from_slice(body)
            .map_err(|error| refusal::bad_request(format!("error decoding patch: {error}")))?;
        let old = self
            .store
            .get(self.namespace, name)
            .ok_or_else(|| refusal::not_found("secrets", name))?;
        let mut patched = old.to_value();
        strategy.apply(&mut patched, &patch);
        let Decoded { secret, unknown } = self.checked(decode::secret_from_value(&patched)?)?;
        check_place(&secret.metadata, self.namespace, name)?;
        self.replace(&old, secret, &unknown)
    }

    pub(super) fn delete(self, name: &str) -> Result<Reply, Reply> {
        let body = self.body()?;
        let wanted: Value = match body {
            [] => Value::Null,
            body => serde_json::from_slice(body)
                .map_err(|_| refusal::bad_request("couldn't get version/kind; json parse error"))?,
        };
        let old = self
            .store
            .get(self.namespace, name)
            .ok_or_else(|| refusal::not_found("secrets", name))?;
        let precondition = |field: &str| wanted["preconditions"][field].as_str().unwrap_or_default();
        let (uid, resource_version) = (precondition("uid"), precondition("resourceVersion"));
        if !uid.is_empty() && uid != old.metadata.uid {
            return Err(refusal::precondition_failed(
                "secrets",
                self.namespace,
                name,
                "UID",
                uid,
                &old.metadata.uid,
            ));
        }
        if !resource_version.is_empty() && resource_version != old.metadata.resource_version {
            return Err(refusal::modified("secrets", name));
        }
        if !self.options.dry_run && wanted["dryRun"].is_null() {
            self.store.delete(&old);
        }
        Ok(refusal::deleted(name, &old.metadata.uid))
    }

    /// Puts `new` in the place of `old`, if it still is what the client thinks it is and if it is valid.
    fn replace(self, old: &Arc<Secret>, mut new: Secret, unknown: &[String]) -> Result<Reply, Reply> {
        let name = &old.metadata.name;
        fill(&mut new.metadata, &old.metadata, "secrets")?;
        let causes = validate::change(old, &new);
        if !causes.is_empty() {
            return Err(refusal::invalid_secret(name, causes));
        }
        // What changes nothing is not written.
        if new == **old {
            return Ok(self.with_warnings(list::one(old, 200, self.form, self.now), unknown));
        }
        new.metadata.managed_fields = managed::after_write(
            &new.metadata.managed_fields,
            Some(old),
            &new,
            &self.manager(),
            &format_time(self.now),
        );
        let stored = if self.options.dry_run {
            Arc::new(new)
        } else {
            self.store.put(new)
        };
        Ok(self.with_warnings(list::one(&stored, 200, self.form, self.now), unknown))
    }

    fn body(&self) -> Result<&[u8], Reply> {
        match self.request.body.len() {
            ..=MAX_BODY => Ok(&self.request.body),
            _ => Err(refusal::too_large(MAX_BODY)),
        }
    }

    fn body_as_secret(&self) -> Result<Decoded, Reply> {
        let body = match media_type(self.request).as_str() {
            "application/json" => decode::secret_from_json(self.body()?)?,
            "application/vnd.kubernetes.protobuf" => {
                let value = protobuf::secret_to_json(self.body()?)
                    .ok_or_else(|| decode::cannot_be_handled("proto: cannot parse the message"))?;
                decode::secret_from_value(&value)?
            }
            _ => {
                let accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
                return Err(refusal::unsupported_media_type(accepted));
            }
        };
        self.checked(body)
    }

    /// Refuses unknown fields where the client asked for that.
    fn checked(&self, decoded: Decoded) -> Result<Decoded, Reply> {
        if self.options.field_validation != FieldValidation::Strict || decoded.unknown.is_empty() {
            return Ok(decoded);
        }
        let fields: Vec<String> = decoded
            .unknown
            .iter()
            .map(|field| format!("unknown field {field:?}"))
            .collect();
        Err(decode::cannot_be_handled(&format!(
            "strict decoding error: {}",
            fields.join(", ")
        )))
    }

    /// Who `managedFields` says it was.
    fn manager(&self) -> String {
        if !self.options.field_manager.is_empty() {
            return self.options.field_manager.clone();
        }
        let agent = self.request.header("user-agent").unwrap_or("unknown");
        agent.split('/').next().unwrap_or_default().chars().take(128).collect()
    }

    fn with_warnings(&self, mut reply: Reply, unknown: &[String]) -> Reply {
        if self.options.field_validation == FieldValidation::Warn {
            for field in unknown {
                reply = reply.header("Warning", format!("299 - {:?}", format!("unknown field {field:?}")));
            }
        }
        reply
    }
}

/// Refuses an object that says it is in another place than the one on the URL.
pub(super) fn check_place(metadata: &Metadata, namespace: &str, on_url: &str) -> Result<(), Reply> {
    check_namespace(metadata, namespace)?;
    match metadata.name.as_str() {
        "" => Err(refusal::bad_request(format!(
            "the name of the object ({on_url} based on URL) was undeterminable: name must be provided"
        ))),
        name if name != on_url => Err(refusal::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({on_url})"
        ))),
        _ => Ok(()),
    }
}

fn check_namespace(metadata: &Metadata, on_url: &str) -> Result<(), Reply> {
    if metadata.namespace.is_empty() || metadata.namespace == on_url {
        return Ok(());
    }
    Err(refusal::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    ))
}

/// Takes from `old` what an update may leave out. One that names another version than the stored one is refused; without a
/// resourceVersion it is unconditional.
pub(super) fn fill(new: &mut Metadata, old: &Metadata, resource: &str) -> Result<(), Reply> {
    let expected = &new.resource_version;
    if !expected.is_empty() && expected != "0" && *expected != old.resource_version {
        return Err(refusal::modified(resource, &old.name));
    }
    new.namespace.clone_from(&old.namespace);
    new.resource_version.clone_from(&old.resource_version);
    if new.uid.is_empty() {
        new.uid.clone_from(&old.uid);
    }
    if new.creation_timestamp.is_empty() {
        new.creation_timestamp.clone_from(&old.creation_timestamp);
    }
    if new.managed_fields.is_empty() {
        new.managed_fields.clone_from(&old.managed_fields);
    }
    Ok(())
}
