//! The `Table` form of objects, from which kubectl prints its columns.

use serde::Serialize;
use serde_json::{Value, json};

use super::list::ListMetadata;
use super::object::Secret;
use super::parse_time;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMetadata,
    column_definitions: Vec<Value>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    cells: Vec<Value>,
    object: PartialObject,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartialObject {
    kind: &'static str,
    api_version: &'static str,
    metadata: Value,
}

/// A row's cells, and the metadata of what it shows.
pub(super) type Cells = (Vec<Value>, Value);

impl Table {
    /// A table with columns of a name, a format and a description each.
    pub(super) fn new(metadata: ListMetadata, columns: &[(&str, &str, &str)], rows: Vec<Cells>) -> Table {
        let column = |name: &str, format: &str, description: &str| json!({ "name": name, "type": "string", "format": format, "description": description, "priority": 0 });
        let columns = columns.iter();
        let column_definitions = columns
            .map(|(name, format, description)| column(name, format, description))
            .collect();
        let rows = rows.into_iter().map(|(cells, metadata)| Row {
            cells,
            object: PartialObject {
                kind: "PartialObjectMetadata",
                api_version: "meta.k8s.io/v1",
                metadata,
            },
        });
        let rows = rows.collect();
        Table {
            kind: "Table",
            api_version: "meta.k8s.io/v1",
            metadata,
            column_definitions,
            rows,
        }
    }
}

pub(super) fn of_secrets(metadata: ListMetadata, secrets: &[&Secret], now: i64) -> Table {
    let columns = [
        ("Name", "name", "Name must be unique within a namespace."),
        ("Type", "", "Used to facilitate programmatic handling of secret data."),
        ("Data", "", "Data contains the secret data."),
        ("Age", "", "The time when this object was created."),
    ];
    let rows = secrets.iter().map(|secret| {
        let metadata = &secret.metadata;
        let age = age_since(&metadata.creation_timestamp, now);
        let cells = vec![
            json!(metadata.name),
            json!(secret.kind),
            json!(secret.data.len()),
            json!(age),
        ];
        (cells, json!(metadata))
    });
    Table::new(metadata, &columns, rows.collect())
}

/// How old something is that was made then.
pub(super) fn age_since(creation_timestamp: &str, now: i64) -> String {
    age(now - parse_time(creation_timestamp).unwrap_or(now))
}

/// `duration.HumanDuration`, without its years.
fn age(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |whole: i64, unit: char, rest: i64, small: char| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit}{rest}{small}"),
    };
    match seconds {
        ..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, 'd', hours % 24, 'h'),
        _ => format!("{days}d"),
    }
}
