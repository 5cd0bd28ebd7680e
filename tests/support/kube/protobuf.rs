//! Secrets in protobuf, which is how `kubectl create secret` sends them: enough to read one, in the field numbers of
//! `k8s.io/api/core/v1/generated.proto`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// What stands before every protobuf body of Kubernetes.
const MAGIC: &[u8] = b"k8s\0";

/// The Secret in a body as the JSON that means the same; `None` when the body cannot be read.
pub(super) fn secret_to_json(body: &[u8]) -> Option<Value> {
    // runtime.Unknown: the type in 1, the object's bytes in 2.
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let mut secret = Map::new();
    for (number, bytes) in fields(bytes_of(&envelope, 1)?)? {
        let name = if number == 1 { "apiVersion" } else { "kind" };
        secret.insert(name.into(), text(bytes.bytes()?)?);
    }
    for (number, field) in fields(bytes_of(&envelope, 2)?)? {
        match number {
            1 => drop(secret.insert("metadata".into(), metadata(field.bytes()?)?)),
            2 => entry(&mut secret, "data", field.bytes()?, |bytes| {
                Some(STANDARD.encode(bytes).into())
            })?,
            3 => drop(secret.insert("type".into(), text(field.bytes()?)?)),
            4 => entry(&mut secret, "stringData", field.bytes()?, text)?,
            5 => drop(secret.insert("immutable".into(), (field.number()? != 0).into())),
            _ => return None,
        }
    }
    Some(Value::Object(secret))
}

/// All texts at the end of a path of field numbers in a body's object.
pub fn texts_at(body: &[u8], path: &[u64]) -> Option<Vec<String>> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let mut found = vec![bytes_of(&envelope, 2)?];
    for step in path {
        let mut deeper = Vec::new();
        for message in found {
            for (number, field) in fields(message)? {
                if number == *step {
                    deeper.push(field.bytes()?);
                }
            }
        }
        found = deeper;
    }
    found
        .into_iter()
        .map(|bytes| String::from_utf8(bytes.to_vec()).ok())
        .collect()
}

fn metadata(message: &[u8]) -> Option<Value> {
    let mut metadata = Map::new();
    for (number, field) in fields(message)? {
        let name = match number {
            1 => "name",
            3 => "namespace",
            5 => "uid",
            6 => "resourceVersion",
            11 => {
                entry(&mut metadata, "labels", field.bytes()?, text)?;
                continue;
            }
            12 => {
                entry(&mut metadata, "annotations", field.bytes()?, text)?;
                continue;
            }
            // What a client need not send: generateName, selfLink, generation, timestamps.
            _ => continue,
        };
        metadata.insert(name.into(), text(field.bytes()?)?);
    }
    Some(Value::Object(metadata))
}

/// One entry of a map: the key in 1, the value in 2.
fn entry(
    object: &mut Map<String, Value>,
    map: &str,
    message: &[u8],
    value: impl Fn(&[u8]) -> Option<Value>,
) -> Option<()> {
    let message = fields(message)?;
    let key = text(bytes_of(&message, 1).unwrap_or_default())?;
    let value = value(bytes_of(&message, 2).unwrap_or_default())?;
    object.entry(map).or_insert_with(|| Value::Object(Map::new()))[key.as_str()?] = value;
    Some(())
}

fn text(bytes: &[u8]) -> Option<Value> {
    Some(std::str::from_utf8(bytes).ok()?.into())
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Field::Bytes(bytes) => Some(bytes),
            Field::Number(_) => None,
        }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Field::Number(number) => Some(*number),
            Field::Bytes(_) => None,
        }
    }
}

fn bytes_of<'a>(fields: &[(u64, Field<'a>)], wanted: u64) -> Option<&'a [u8]> {
    fields.iter().find(|(number, _)| *number == wanted)?.1.bytes()
}

/// A message's fields with their numbers. Kubernetes uses varints and bytes only.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        fields.push((tag >> 3, field));
    }
    Some(fields)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
