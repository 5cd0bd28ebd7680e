//! `metadata.managedFields`: who wrote which field last, in the simple way that holds for updates.
//!
//! Whoever changes a field owns it from then on, alone. (Server-side apply, where fields have several owners, is not
//! offered.)

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::object::{ManagedFields, Secret};

type Path = Vec<String>;

/// The entries after `manager` turned `old` (nothing, when it is created) into `new`.
pub(super) fn after_write(
    entries: &[ManagedFields],
    old: Option<&Secret>,
    new: &Secret,
    manager: &str,
    time: &str,
) -> Vec<ManagedFields> {
    let before = old.map(fields_of).unwrap_or_default();
    let after = fields_of(new);
    let changed: BTreeSet<Path> = after
        .iter()
        .filter(|(path, value)| before.get(*path) != Some(value))
        .map(|(path, _)| path.clone())
        .collect();
    let removed: BTreeSet<Path> = before
        .keys()
        .filter(|path| !after.contains_key(*path))
        .cloned()
        .collect();

    let mut own = changed.clone();
    let mut result = Vec::new();
    for entry in entries {
        let mut owned = BTreeSet::new();
        read(&entry.fields_v1, &mut Vec::new(), &mut owned);
        owned.retain(|path| !removed.contains(path));
        if entry.manager == manager && entry.operation == "Update" {
            own.append(&mut owned);
            continue;
        }
        owned.retain(|path| !changed.contains(path));
        if !owned.is_empty() {
            result.push(ManagedFields {
                fields_v1: written(&owned),
                ..entry.clone()
            });
        }
    }
    if !own.is_empty() {
        result.push(ManagedFields {
            manager: manager.to_owned(),
            operation: "Update".into(),
            api_version: "v1".into(),
            time: time.to_owned(),
            fields_type: "FieldsV1".into(),
            fields_v1: written(&own),
        });
    }
    result.sort_by(|a, b| (&a.time, &a.manager).cmp(&(&b.time, &b.manager)));
    result
}

/// The fields that can be owned, with their values; a map counts by itself and by its entries.
fn fields_of(secret: &Secret) -> BTreeMap<Path, String> {
    let mut fields = BTreeMap::new();
    let mut map = |at: &[&str], entries: Vec<(&String, String)>| {
        let at: Path = at.iter().map(|step| format!("f:{step}")).collect();
        for (key, value) in &entries {
            let mut path = at.clone();
            path.push(format!("f:{key}"));
            fields.insert(path, value.clone());
        }
        if !entries.is_empty() {
            fields.insert(at, String::new());
        }
    };
    map(
        &["data"],
        secret.data.iter().map(|(k, v)| (k, format!("{v:?}"))).collect(),
    );
    map(
        &["metadata", "labels"],
        secret.metadata.labels.iter().map(|(k, v)| (k, v.clone())).collect(),
    );
    map(
        &["metadata", "annotations"],
        secret
            .metadata
            .annotations
            .iter()
            .map(|(k, v)| (k, v.clone()))
            .collect(),
    );
    fields.insert(vec!["f:type".into()], secret.kind.clone());
    if let Some(immutable) = secret.immutable {
        fields.insert(vec!["f:immutable".into()], immutable.to_string());
    }
    fields
}

/// Reads a `fieldsV1` tree: a field without entries below it, or with the entry `.`, is owned itself.
fn read(tree: &Value, at: &mut Path, owned: &mut BTreeSet<Path>) {
    let Some(steps) = tree.as_object() else { return };
    for (step, below) in steps {
        if step == "." {
            owned.insert(at.clone());
            continue;
        }
        at.push(step.clone());
        if below.as_object().is_none_or(Map::is_empty) {
            owned.insert(at.clone());
        }
        read(below, at, owned);
        at.pop();
    }
}

fn written(owned: &BTreeSet<Path>) -> Value {
    let mut tree = Value::Object(Map::new());
    for path in owned {
        let mut at = &mut tree;
        let mut above = Path::new();
        for step in path {
            // The set is sorted, so a map that is owned itself has come before its entries.
            if owned.contains(&above) {
                at["."] = Value::Object(Map::new());
            }
            above.push(step.clone());
            let steps = at.as_object_mut().expect("a tree of objects");
            at = steps.entry(step.clone()).or_insert_with(|| Value::Object(Map::new()));
        }
    }
    tree
}
