//! Fields of a kubeconfig, taken out of JSON with the name that an error needs. As in client-go, a field that is not known is
//! passed over, `null` and an empty text count as not there, and a wrong type is an error.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// A field that holds something else than it should. What it holds is not shown: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// `users[0].user.token`, or nothing for the whole file.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.why)
        } else {
            write!(f, "`{}` {}", self.field, self.why)
        }
    }
}

/// A map, and where it stands.
pub(super) struct Fields<'v> {
    map: Option<&'v Map<String, Value>>,
    place: String,
}

impl<'v> Fields<'v> {
    /// The whole file.
    pub(super) fn of_file(value: &'v Value) -> Result<Fields<'v>, FieldError> {
        Fields::of(Some(value), String::new())
    }

    fn of(value: Option<&'v Value>, place: String) -> Result<Fields<'v>, FieldError> {
        let map = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(other) => return Err(wrong_type(place, other, "a map")),
        };
        Ok(Fields { map, place })
    }

    /// The value of a field that holds something.
    pub(super) fn value(&self, name: &str) -> Option<&'v Value> {
        self.map?.get(name).filter(|value| !value.is_null())
    }

    /// The name of a field in full.
    pub(super) fn place(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }

    /// What is wrong with a field of the right type.
    pub(super) fn error(&self, name: &str, why: impl Into<String>) -> FieldError {
        FieldError {
            field: self.place(name),
            why: why.into(),
        }
    }

    pub(super) fn map(&self, name: &str) -> Result<Fields<'v>, FieldError> {
        Fields::of(self.value(name), self.place(name))
    }

    /// The maps in a list, each with its place.
    pub(super) fn maps(&self, name: &str) -> Result<Vec<Fields<'v>>, FieldError> {
        let items = self.list(name)?.iter().enumerate();
        items
            .map(|(at, item)| Fields::of(Some(item), format!("{}[{at}]", self.place(name))))
            .collect()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, FieldError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(other) => Err(wrong_type(self.place(name), other, "a text")),
        }
    }

    /// A path; one that is relative is meant from `directory`.
    pub(super) fn path(&self, name: &str, directory: &Path) -> Result<Option<PathBuf>, FieldError> {
        Ok(self.text(name)?.map(|text| meant_from(directory, &text)))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, FieldError> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong_type(self.place(name), other, "`true` or `false`")),
        }
    }

    /// Bytes, which are written in base64.
    pub(super) fn data(&self, name: &str) -> Result<Option<Vec<u8>>, FieldError> {
        let Some(mut text) = self.text(name)? else {
            return Ok(None);
        };
        // A block of lines is one value.
        text.retain(|c| c != '\n' && c != '\r');
        match STANDARD.decode(text) {
            Ok(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
            Err(_) => Err(self.error(name, "is no base64")),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, FieldError> {
        let items = self.list(name)?.iter().enumerate();
        items
            .map(|(at, item)| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Null => Ok(String::new()),
                other => Err(wrong_type(format!("{}[{at}]", self.place(name)), other, "a text")),
            })
            .collect()
    }

    /// The names in a map, in order.
    pub(super) fn names(&self) -> Vec<&'v str> {
        self.map
            .map(|map| map.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    fn list(&self, name: &str) -> Result<&'v [Value], FieldError> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(wrong_type(self.place(name), other, "a list")),
        }
    }
}

/// A relative path is put behind `directory`, and `..` takes a folder away as it is written, not where a link leads to: so
/// does Go.
pub(super) fn meant_from(directory: &Path, text: &str) -> PathBuf {
    if Path::new(text).is_absolute() {
        return PathBuf::from(text);
    }
    let mut path = PathBuf::new();
    for component in directory.join(text).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => path.push(component),
        }
    }
    path
}

fn wrong_type(field: String, found: &Value, expected: &str) -> FieldError {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "`true` or `false`",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    let why = if field.is_empty() {
        format!("it is {found}; expected {expected}")
    } else {
        format!("is {found}; expected {expected}")
    };
    FieldError { field, why }
}
