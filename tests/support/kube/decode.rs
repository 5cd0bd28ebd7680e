//! From a request's body to a Secret, with the API server's words for what it cannot take.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::go;
use super::object::{Bytes, ManagedFields, Metadata, Secret};
use super::refusal;
use crate::support::server::Reply;

/// A Secret as a client wrote it. What the server must fill in is empty.
pub(super) struct Decoded {
    pub(super) secret: Secret,
    /// Names of fields that a Secret does not have, such as `metadata.foo`.
    pub(super) unknown: Vec<String>,
}

/// Decodes a body of JSON.
pub(super) fn secret_from_json(body: &[u8]) -> Result<Decoded, Reply> {
    if let Some(error) = go::json_syntax_error(body) {
        return Err(unrecognized(
            body,
            &format!("couldn't get version/kind; json parse error: {error}"),
        ));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| unrecognized(body, &format!("couldn't get version/kind; json parse error: {error}")))?;
    secret_from_value(&value)
}

/// Decodes a Secret, for example one to which a patch was applied.
pub(super) fn secret_from_value(value: &Value) -> Result<Decoded, Reply> {
    let mut decoder = Decoder { unknown: Vec::new() };
    let secret = decoder.secret(value)?;
    Ok(Decoded {
        secret,
        unknown: decoder.unknown,
    })
}

/// Decodes the metadata of an object.
pub(super) fn metadata_from_value(value: &Value) -> Result<Metadata, Reply> {
    Decoder { unknown: Vec::new() }.metadata(value)
}

fn unrecognized(body: &[u8], why: &str) -> Reply {
    const MOST: usize = 30;
    let shown = &body[..body.len().min(MOST)];
    let shown = match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(shown).into_owned(),
        Some(_) => shown.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let more = if body.len() > MOST { " ..." } else { "" };
    refusal::bad_request(format!(
        "the object provided is unrecognized (must be of type Secret): {why} ({shown}{more})"
    ))
}

/// 400: it is JSON, but not a Secret.
pub(super) fn cannot_be_handled(why: &str) -> Reply {
    refusal::bad_request(format!("Secret in version \"v1\" cannot be handled as a Secret: {why}"))
}

fn wrong_kind(value: &Value, field: &str, wanted: &str) -> Reply {
    let found = go::json_kind(value);
    cannot_be_handled(&format!(
        "json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    ))
}

struct Decoder {
    unknown: Vec<String>,
}

impl Decoder {
    fn secret(&mut self, value: &Value) -> Result<Secret, Reply> {
        let none = Map::new();
        let fields = object(value, "Secret", "v1.Secret", &none)?;
        let kind = string(fields.get("kind"), "Secret.kind")?;
        let version = string(fields.get("apiVersion"), "Secret.apiVersion")?;
        // The path says what is meant, so a body may leave both out.
        if !version.is_empty() && version != "v1" {
            return Err(refusal::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version (v1)"
            )));
        }
        if !kind.is_empty() && kind != "Secret" {
            return Err(refusal::bad_request(format!(
                "{kind} in version \"v1\" cannot be handled as a Secret: converting (v1.{kind}) to (core.Secret): \
                 unknown conversion"
            )));
        }
        let known = [
            "kind",
            "apiVersion",
            "metadata",
            "immutable",
            "data",
            "stringData",
            "type",
        ];
        self.note_unknown(fields, "", &known);
        let mut data = BTreeMap::new();
        for (key, value) in entries(fields.get("data"), "Secret.data", "map[string][]uint8")? {
            let bytes = match value {
                Value::Null => Vec::new(),
                Value::String(text) => go::decode_base64(text).map_err(|error| cannot_be_handled(&error))?,
                other => return Err(wrong_kind(other, "Secret.data", "[]uint8")),
            };
            data.insert(key.clone(), Bytes(bytes));
        }
        for (key, text) in strings(fields.get("stringData"), "Secret.stringData")? {
            data.insert(key, Bytes(text.into_bytes()));
        }
        let immutable = match fields.get("immutable") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(immutable)) => Some(*immutable),
            Some(other) => return Err(wrong_kind(other, "Secret.immutable", "bool")),
        };
        let kind = string(fields.get("type"), "Secret.type")?;
        let kind = if kind.is_empty() { "Opaque".to_owned() } else { kind };
        let metadata = fields.get("metadata").unwrap_or(&Value::Null);
        Ok(Secret {
            metadata: self.metadata(metadata)?,
            immutable,
            data,
            kind,
        })
    }

    fn metadata(&mut self, value: &Value) -> Result<Metadata, Reply> {
        let none = Map::new();
        let fields = object(value, "Secret.metadata", "v1.ObjectMeta", &none)?;
        let known = [
            "name",
            "generateName",
            "namespace",
            "selfLink",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "labels",
            "annotations",
            "ownerReferences",
            "finalizers",
            "managedFields",
        ];
        self.note_unknown(fields, "metadata.", &known);
        let text = |name: &str| string(fields.get(name), &format!("ObjectMeta.metadata.{name}"));
        let list = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items.clone()),
            Some(other) => Err(wrong_kind(other, &format!("ObjectMeta.metadata.{name}"), "[]v1.Object")),
        };
        let mut managed_fields = Vec::new();
        for entry in list("managedFields")? {
            let text = |name: &str| {
                string(
                    entry.get(name),
                    &format!("ManagedFieldsEntry.metadata.managedFields.{name}"),
                )
            };
            managed_fields.push(ManagedFields {
                manager: text("manager")?,
                operation: text("operation")?,
                api_version: text("apiVersion")?,
                time: text("time")?,
                fields_type: text("fieldsType")?,
                fields_v1: entry.get("fieldsV1").cloned().unwrap_or_default(),
            });
        }
        Ok(Metadata {
            name: text("name")?,
            namespace: text("namespace")?,
            uid: text("uid")?,
            resource_version: text("resourceVersion")?,
            creation_timestamp: text("creationTimestamp")?,
            labels: strings(fields.get("labels"), "ObjectMeta.metadata.labels")?,
            annotations: strings(fields.get("annotations"), "ObjectMeta.metadata.annotations")?,
            owner_references: list("ownerReferences")?,
            finalizers: list("finalizers")?,
            managed_fields,
        })
    }

    fn note_unknown(&mut self, fields: &Map<String, Value>, prefix: &str, known: &[&str]) {
        let unknown = fields.keys().filter(|name| !known.contains(&name.as_str()));
        self.unknown.extend(unknown.map(|name| format!("{prefix}{name}")));
    }
}

/// An object's fields; `null` is an empty one.
fn object<'a>(
    value: &'a Value,
    field: &str,
    wanted: &str,
    none: &'a Map<String, Value>,
) -> Result<&'a Map<String, Value>, Reply> {
    match value {
        Value::Null => Ok(none),
        Value::Object(fields) => Ok(fields),
        other => Err(wrong_kind(other, field, wanted)),
    }
}

fn string(value: Option<&Value>, field: &str) -> Result<String, Reply> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(wrong_kind(other, field, "string")),
    }
}

fn entries<'a>(value: Option<&'a Value>, field: &str, wanted: &str) -> Result<Vec<(&'a String, &'a Value)>, Reply> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(fields)) => Ok(fields.iter().collect()),
        Some(other) => Err(wrong_kind(other, field, wanted)),
    }
}

fn strings(value: Option<&Value>, field: &str) -> Result<BTreeMap<String, String>, Reply> {
    entries(value, field, "map[string]string")?
        .into_iter()
        .map(|(key, value)| Ok((key.clone(), string(Some(value), field)?)))
        .collect()
}
