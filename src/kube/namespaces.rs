//! The requests for namespaces.

use serde_json::Value;

use super::status::Error;
use super::what::{Resource, Verb, What};
use super::{Client, Namespace, member};
use crate::retry::Asking;

/// A namespace as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceState {
    /// Its name.
    pub name: Namespace,
    /// Whether it is being deleted: nothing can be made in it.
    pub terminating: bool,
}

impl Client {
    /// All namespaces of the cluster, in order of their names.
    ///
    /// # Errors
    ///
    /// As for every request.
    pub fn list_namespaces(&self, asking: Asking) -> Result<Vec<NamespaceState>, Error> {
        let what = What {
            verb: Verb::List,
            resource: Resource::Namespaces,
            target: "namespaces".to_owned(),
        };
        let mut found: Vec<NamespaceState> = self.list(&what, "/api/v1/namespaces", "", asking, |items| {
            items.iter().map(state).collect()
        })?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

fn state(object: &Value) -> Option<NamespaceState> {
    let name = member(object, &["metadata", "name"])?.as_str()?;
    let phase = member(object, &["status", "phase"]).and_then(Value::as_str);
    let deleted = member(object, &["metadata", "deletionTimestamp"]).is_some_and(|time| !time.is_null());
    Some(NamespaceState {
        name: Namespace::parse(name).ok()?,
        terminating: deleted || phase == Some("Terminating"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_that_is_being_deleted() {
        for (object, terminating) in [
            (json!({"metadata": {"name": "a"}, "status": {"phase": "Active"}}), false),
            (json!({"metadata": {"name": "a", "deletionTimestamp": null}}), false),
            (
                json!({"metadata": {"name": "a"}, "status": {"phase": "Terminating"}}),
                true,
            ),
            (
                json!({"metadata": {"name": "a", "deletionTimestamp": "2026-11-25T04:00:00Z"}, "status": {"phase": "Active"}}),
                true,
            ),
        ] {
            let name = Namespace::parse("a").unwrap();
            assert_eq!(state(&object), Some(NamespaceState { name, terminating }), "{object}");
        }
        assert_eq!(state(&json!({"metadata": {"name": "../a"}})), None);
        assert_eq!(state(&json!({"metadata": {}})), None);
    }
}
