//! A Secret as the API server keeps it. Fields stand in the order in which it writes them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Secret {
    pub(super) metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) immutable: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) data: BTreeMap<String, Bytes>,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A value of `data`, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) resource_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) creation_timestamp: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Kept as they are; nothing here acts on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) owner_references: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) finalizers: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) managed_fields: Vec<ManagedFields>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedFields {
    pub(super) manager: String,
    pub(super) operation: String,
    pub(super) api_version: String,
    pub(super) time: String,
    pub(super) fields_type: String,
    pub(super) fields_v1: Value,
}

/// A Secret outside a list, where it says what it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Typed<'a> {
    kind: &'static str,
    api_version: &'static str,
    #[serde(flatten)]
    secret: &'a Secret,
}

impl Secret {
    pub(super) fn typed(&self) -> Typed<'_> {
        Typed {
            kind: "Secret",
            api_version: "v1",
            secret: self,
        }
    }

    /// The Secret as JSON, with `kind` and `apiVersion`.
    pub(super) fn to_value(&self) -> Value {
        serde_json::to_value(self.typed()).expect("a Secret of strings")
    }
}
