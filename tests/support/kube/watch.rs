//! Watches: all events so far, then the end. A real watch stays open; a client must bear its end at any time.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::list::prefix;
use super::object::Secret;
use super::options::Options;
use super::store::Store;
use super::{refusal, status};
use crate::support::server::Reply;

pub(super) fn watch(store: &Store, namespace: Option<&str>, options: &Options) -> Reply {
    let prefix = prefix(namespace);
    let selected = |secret: &Secret| {
        options.label_selector.matches(&secret.metadata.labels) && options.field_selector.matches(secret)
    };
    let mut events = Vec::new();
    match options.resource_version {
        // From now on, which begins with what there is.
        None | Some(0) => {
            let now = store.at(store.revision, &prefix).filter(|(_, secret)| selected(secret));
            events.extend(now.map(|(_, secret)| event("ADDED", &secret.typed())));
        }
        Some(asked) if asked < store.compacted => {
            events.push(event("ERROR", &refusal::watch_expired(asked, store.compacted)));
            return reply(&events);
        }
        Some(asked) => {
            for (before, after) in store.changes(asked, &prefix) {
                let before: Option<Arc<Secret>> = before.map(|before| before.secret).filter(|secret| selected(secret));
                let matches = !after.deleted && selected(&after.secret);
                let kind = match (&before, matches) {
                    (None, true) => "ADDED",
                    (Some(_), true) => "MODIFIED",
                    // Deleted, or no longer selected.
                    (Some(_), false) => "DELETED",
                    (None, false) => continue,
                };
                events.push(event(kind, &after.secret.typed()));
            }
        }
    }
    if options.allow_watch_bookmarks {
        let metadata = json!({ "resourceVersion": store.revision.to_string() });
        events.push(event(
            "BOOKMARK",
            &json!({ "kind": "Secret", "apiVersion": "v1", "metadata": metadata }),
        ));
    }
    reply(&events)
}

fn event(kind: &'static str, object: &impl Serialize) -> Value {
    json!({ "type": kind, "object": object })
}

/// One event on each line.
fn reply(events: &[Value]) -> Reply {
    let mut reply = status::json(200, &Value::Null);
    reply.body = events
        .iter()
        .flat_map(|event| format!("{event}\n").into_bytes())
        .collect();
    reply
}
