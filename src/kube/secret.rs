//! The Secret object: read as a whole, changed in place, written back whole, so that no field is lost.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::Zeroize;

use super::{Key, Namespace, member};
use crate::sensitive::Sensitive;

/// A Secret as the API server last showed it, with the changes made since.
#[derive(Clone)]
pub struct Secret {
    /// Which one.
    pub key: Key,
    /// Its identity; another Secret of the same name has another one.
    pub uid: String,
    object: Value,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.key)
    }
}

/// A Secret that is to be made.
#[derive(Clone, Debug)]
pub struct NewSecret(Secret);

impl Drop for Secret {
    /// Wipes the data. The copies that the JSON parser made on its way here are beyond reach.
    fn drop(&mut self) {
        wipe(self.object.get_mut("data"));
    }
}

fn wipe(data: Option<&mut Value>) {
    let data = data.and_then(Value::as_object_mut);
    for value in data.into_iter().flat_map(Map::values_mut) {
        if let Value::String(text) = value {
            text.zeroize();
        }
    }
}

pub(super) fn parse(body: &[u8]) -> Option<Secret> {
    let object: Value = serde_json::from_slice(body).ok()?;
    if object.get("kind")?.as_str()? != "Secret" {
        None
    } else {
        from_object(object)
    }
}

/// The Secrets of a list.
pub(super) fn from_items(items: Vec<Value>) -> Option<Vec<Secret>> {
    items.into_iter().map(from_object).collect()
}

/// Which object this is, and its uid, if it can be written back: it says which version it is of. (A write without that would
/// overwrite whatever is there.)
pub(super) fn identity(object: &Value) -> Option<(Key, String)> {
    let text = |name: &str| {
        member(object, &["metadata", name])?
            .as_str()
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    text("resourceVersion")?;
    let key = Key {
        namespace: text("namespace")?,
        name: text("name")?,
    };
    Some((key, text("uid")?))
}

fn from_object(mut object: Value) -> Option<Secret> {
    let (key, uid) = identity(&object)?;
    // Items of a list carry neither.
    let fields = object.as_object_mut()?;
    fields.insert("kind".into(), "Secret".into());
    fields.insert("apiVersion".into(), "v1".into());
    Some(Secret { key, uid, object })
}

impl Secret {
    /// The object as it would be written.
    pub(super) fn object(&self) -> &Value {
        &self.object
    }

    /// The version that it was read at; a write names it and is refused when it is no longer the newest.
    pub fn resource_version(&self) -> &str {
        member(&self.object, &["metadata", "resourceVersion"])
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        member(&self.object, &["metadata", "annotations", name])?.as_str()
    }

    /// The names of its annotations.
    pub fn annotation_names(&self) -> impl Iterator<Item = &str> {
        let annotations = member(&self.object, &["metadata", "annotations"]).and_then(Value::as_object);
        annotations.into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// Whether nothing was changed that would be written.
    pub fn is_like(&self, other: &Secret) -> bool {
        self.object == other.object
    }

    /// Whether a label is set to `true`.
    pub fn has_label(&self, name: &str) -> bool {
        member(&self.object, &["metadata", "labels", name]).and_then(Value::as_str) == Some("true")
    }

    /// Whether no write can change it any more.
    pub fn is_immutable(&self) -> bool {
        self.object.get("immutable").and_then(Value::as_bool) == Some(true)
    }

    /// Its type, `Opaque` for one.
    pub fn secret_type(&self) -> &str {
        self.object.get("type").and_then(Value::as_str).unwrap_or("Opaque")
    }

    /// The value under a data key, decoded. What the API server let in as base64 always decodes; what does not counts as
    /// missing.
    pub fn data(&self, name: &str) -> Option<Sensitive<Vec<u8>>> {
        decode(member(&self.object, &["data", name])?)
    }

    /// All values, decoded.
    pub fn all_data(&self) -> BTreeMap<String, Sensitive<Vec<u8>>> {
        let data = self.object.get("data").and_then(Value::as_object);
        data.into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), decode(value)?)))
            .collect()
    }

    /// Sets the value under a data key.
    pub fn set_data(&mut self, name: &str, value: &[u8]) {
        if let Some(data) = object_at(&mut self.object, "data") {
            let old = data.insert(name.to_owned(), Value::String(STANDARD.encode(value)));
            if let Some(Value::String(mut old)) = old {
                old.zeroize();
            }
        }
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, name: &str, value: &str) {
        let metadata = object_at(&mut self.object, "metadata");
        let annotations = metadata.map(|m| m.entry("annotations").or_insert(Value::Null));
        if let Some(annotations) = annotations {
            if annotations.is_null() {
                *annotations = Value::Object(Map::new());
            }
            if let Value::Object(annotations) = annotations {
                annotations.insert(name.to_owned(), Value::String(value.to_owned()));
            }
        }
    }

    /// Whether the values under all data keys are the same. They are compared in base64, which the API server writes in one way
    /// only.
    pub fn has_data_of(&self, other: &Secret) -> bool {
        self.raw_data() == other.raw_data()
    }

    fn raw_data(&self) -> Option<&Map<String, Value>> {
        let data = self.object.get("data").and_then(Value::as_object);
        data.filter(|data| !data.is_empty())
    }

    /// Puts the data of another Secret, all of it, in the place of its own.
    pub fn take_data_of(&mut self, other: &Secret) {
        wipe(self.object.get_mut("data"));
        let data = other.object.get("data").cloned().unwrap_or(Value::Null);
        if let Some(object) = self.object.as_object_mut() {
            object.insert("data".into(), data);
        }
    }

    /// Takes an annotation away, if it is there.
    pub fn remove_annotation(&mut self, name: &str) {
        let annotations = self.object.pointer_mut("/metadata/annotations");
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.remove(name);
        }
    }
}

impl NewSecret {
    /// One with the name, the type and the data of `original`, in another namespace, with one label, set to `true`, and no
    /// annotation.
    pub fn like(original: &Secret, namespace: &Namespace, label: &str) -> NewSecret {
        let key = Key {
            namespace: namespace.to_string(),
            name: original.key.name.clone(),
        };
        let object = serde_json::json!({
            "kind": "Secret",
            "apiVersion": "v1",
            "metadata": {"name": key.name, "namespace": key.namespace, "labels": {label: "true"}},
            "type": original.secret_type(),
        });
        let mut secret = Secret {
            key,
            uid: String::new(),
            object,
        };
        secret.take_data_of(original);
        NewSecret(secret)
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, name: &str, value: &str) {
        self.0.set_annotation(name, value);
    }

    /// The object as it would be sent.
    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }
}

/// The object under `name`, made where there is none or `null`.
fn object_at<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    let slot = object.as_object_mut()?.entry(name).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

fn decode(value: &Value) -> Option<Sensitive<Vec<u8>>> {
    STANDARD.decode(value.as_str()?).ok().map(Sensitive::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"metadata":{"name":"s","namespace":"t","uid":"u","resourceVersion":"7"},"data":{"a":"Yg=="},"odd":{"x":1}}"#;

    #[test]
    fn a_change_keeps_every_other_field() {
        let mut secret = from_object(serde_json::from_str(ITEM).unwrap()).unwrap();
        secret.set_data("a", b"c");
        secret.set_data("new", b"");
        secret.set_annotation("x/y", "z");
        let expected: Value = serde_json::from_str(
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","namespace":"t","uid":"u",
            "resourceVersion":"7","annotations":{"x/y":"z"}},"data":{"a":"Yw==","new":""},"odd":{"x":1}}"#,
        )
        .unwrap();
        assert_eq!(secret.object(), &expected);
    }

    #[test]
    fn an_annotation_is_taken_away_and_no_other() {
        let mut secret = from_object(serde_json::from_str(ITEM).unwrap()).unwrap();
        secret.remove_annotation("x");
        assert_eq!(secret.object().pointer("/metadata/annotations"), None);
        secret.set_annotation("x", "1");
        secret.set_annotation("y", "2");
        secret.remove_annotation("x");
        assert_eq!((secret.annotation("x"), secret.annotation("y")), (None, Some("2")));
    }

    #[test]
    fn a_secret_without_data_gets_some() {
        let mut secret = from_object(serde_json::from_str(&ITEM.replace(r#"{"a":"Yg=="}"#, "null")).unwrap()).unwrap();
        assert!(secret.all_data().is_empty());
        secret.set_data("a", b"b");
        assert_eq!(secret.data("a").unwrap().expose(), b"b");
    }

    #[test]
    fn a_new_secret_has_the_data_of_another_and_nothing_else() {
        let original = from_object(serde_json::from_str(ITEM).unwrap()).unwrap();
        let mut new = NewSecret::like(&original, &Namespace::parse("u").unwrap(), "x/copy");
        new.set_annotation("x/of", "t/s");
        let expected = serde_json::json!({
            "kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": {"a": "Yg=="},
            "metadata": {"name": "s", "namespace": "u", "labels": {"x/copy": "true"}, "annotations": {"x/of": "t/s"}},
        });
        assert_eq!(new.secret().object(), &expected);
        assert!(new.secret().has_data_of(&original));
    }

    #[test]
    fn the_data_of_another_replaces_all() {
        let original = from_object(serde_json::from_str(ITEM).unwrap()).unwrap();
        let mut copy = original.clone();
        copy.set_data("b", b"more");
        assert!(!copy.has_data_of(&original) && !original.has_data_of(&copy));
        copy.take_data_of(&original);
        assert!(copy.has_data_of(&original));
        assert_eq!(copy.object(), original.object());
        let empty = from_object(serde_json::from_str(&ITEM.replace(r#"{"a":"Yg=="}"#, "{}")).unwrap()).unwrap();
        let none = from_object(serde_json::from_str(&ITEM.replace(r#"{"a":"Yg=="}"#, "null")).unwrap()).unwrap();
        assert!(empty.has_data_of(&none) && !empty.has_data_of(&original));
    }

    #[test]
    fn a_secret_without_a_version_is_refused() {
        let item = |text: &str| vec![serde_json::from_str(text).unwrap()];
        assert!(from_items(item(ITEM)).is_some());
        assert!(from_items(item(&ITEM.replace(r#","resourceVersion":"7""#, ""))).is_none());
        assert!(from_items(item(&ITEM.replace(r#""7""#, r#""""#))).is_none());
    }
}
