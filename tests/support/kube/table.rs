//! The `Table` form of Secrets, from which kubectl prints its columns.

use serde::Serialize;
use serde_json::{Value, json};

use super::list::ListMetadata;
use super::object::{Metadata, Secret};
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
    cells: (String, String, usize, String),
    object: PartialObject,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartialObject {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata,
}

impl Table {
    pub(super) fn new(metadata: ListMetadata, secrets: &[&Secret], now: i64) -> Table {
        let column = |name: &str, format: &str, description: &str| json!({ "name": name, "type": "string", "format": format, "description": description, "priority": 0 });
        let column_definitions = vec![
            column("Name", "name", "Name must be unique within a namespace."),
            column("Type", "", "Used to facilitate programmatic handling of secret data."),
            column("Data", "", "Data contains the secret data."),
            column("Age", "", "The time when this object was created."),
        ];
        let rows = secrets.iter().map(|secret| {
            let made = parse_time(&secret.metadata.creation_timestamp).unwrap_or(now);
            let metadata = secret.metadata.clone();
            Row {
                cells: (
                    metadata.name.clone(),
                    secret.kind.clone(),
                    secret.data.len(),
                    age(now - made),
                ),
                object: PartialObject {
                    kind: "PartialObjectMetadata",
                    api_version: "meta.k8s.io/v1",
                    metadata,
                },
            }
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
