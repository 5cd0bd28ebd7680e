//! Who else writes a Secret, as far as the Secret itself shows it: the API server's managed fields, and the marks of GitOps
//! tools. For messages alone; nothing is decided by it.

use std::cmp::Reverse;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Secret;
use super::member;
use crate::error::one_line;

/// Somebody who wrote a Secret's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The field manager, `kubectl-client-side-apply`: the name that the program gives itself.
    pub manager: String,
    /// `Apply` for server-side apply, `Update` for everything else.
    pub operation: String,
    /// When it last changed what it manages of this Secret, by the API server's clock.
    pub time: Option<OffsetDateTime>,
}

/// A tool that applies a Secret from somewhere else, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The tool's name, `Argo CD`.
    pub tool: &'static str,
    /// What shows it: annotation `argocd.argoproj.io/tracking-id`, in these words.
    pub shown_by: String,
}

/// Where a mark stands, in the object's metadata.
#[derive(Clone, Copy, Debug)]
enum Place {
    Label,
    Annotation,
}

impl Place {
    fn field(self) -> &'static str {
        match self {
            Place::Label => "labels",
            Place::Annotation => "annotations",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Place::Label => "label",
            Place::Annotation => "annotation",
        }
    }
}

/// Tool, place, name, and the value where the name alone says nothing. Argo CD and Flux come first: what they apply may
/// have been made by Helm.
const MARKS: &[(&str, Place, &str, Option<&str>)] = &[
    ("Argo CD", Place::Annotation, "argocd.argoproj.io/tracking-id", None),
    ("Argo CD", Place::Label, "argocd.argoproj.io/instance", None),
    ("Argo CD", Place::Annotation, "argocd.argoproj.io/instance", None),
    ("Flux", Place::Label, "kustomize.toolkit.fluxcd.io/name", None),
    ("Flux", Place::Label, "helm.toolkit.fluxcd.io/name", None),
    ("Helm", Place::Label, "app.kubernetes.io/managed-by", Some("Helm")),
    ("Helm", Place::Annotation, "meta.helm.sh/release-name", None),
];

impl Secret {
    /// The tool that this Secret belongs to, by its marks.
    pub fn ownership_mark(&self) -> Option<Mark> {
        MARKS.iter().find_map(|&(tool, place, name, wanted)| {
            let value = member(self.object(), &["metadata", place.field(), name])?.as_str()?;
            if wanted.is_some_and(|wanted| wanted != value) {
                return None;
            }
            let value = wanted.map(|value| format!(": {value}")).unwrap_or_default();
            Some(Mark {
                tool,
                shown_by: format!("{} `{name}{value}`", place.noun()),
            })
        })
    }

    /// Who last wrote one of the data keys `names`, the newest first; who is not dated comes last. Where nobody is named for
    /// these keys: who is named for the data as a whole. Managed fields that are not understood name nobody.
    pub fn last_writers_of_data(&self, names: &[&str]) -> Vec<Writer> {
        let entries = member(self.object(), &["metadata", "managedFields"]).and_then(Value::as_array);
        let entries: Vec<&Value> = entries.into_iter().flatten().collect();
        let named = |claims: &dyn Fn(&Value) -> bool| -> Vec<Writer> {
            let claiming = entries.iter().filter(|entry| {
                let fields = |name| member(entry, &["fieldsV1", name]);
                [fields("f:data"), fields("f:stringData")]
                    .into_iter()
                    .flatten()
                    .any(claims)
            });
            claiming.filter_map(|entry| writer(entry)).collect()
        };
        let mut writers = named(&|data| names.iter().any(|name| data.get(format!("f:{name}")).is_some()));
        if writers.is_empty() {
            // Whoever made the map keeps the `.` when others have replaced every value in it.
            writers = named(&|data| {
                data.as_object()
                    .is_some_and(|map| map.is_empty() || map.contains_key("."))
            });
        }
        writers.sort_by_key(|writer| Reverse(writer.time));
        writers
    }
}

fn writer(entry: &Value) -> Option<Writer> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    Some(Writer {
        manager: one_line(text("manager")?),
        operation: one_line(text("operation")?),
        time: text("time").and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(metadata: Value) -> Secret {
        let mut object =
            json!({"kind": "Secret", "metadata": {"name": "s", "namespace": "t", "uid": "u", "resourceVersion": "7"}});
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .extend(metadata.as_object().unwrap().clone());
        super::super::secret::parse(object.to_string().as_bytes()).unwrap()
    }

    fn entry(manager: &str, time: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": fields})
    }

    fn managers(fields: Value) -> Vec<String> {
        let writers =
            secret(json!({"managedFields": fields})).last_writers_of_data(&["access_key_id", "secret_access_key"]);
        writers.into_iter().map(|writer| writer.manager).collect()
    }

    #[test]
    fn the_writers_of_the_pair_are_named_the_newest_first() {
        let fields = json!([
            entry(
                "first",
                "2026-11-23T04:46:04Z",
                json!({"f:data": {".": {}, "f:access_key_id": {}}})
            ),
            entry(
                "labels",
                "2026-11-26T04:46:04Z",
                json!({"f:metadata": {"f:labels": {"f:x": {}}}})
            ),
            entry(
                "other",
                "2026-11-25T04:46:04Z",
                json!({"f:data": {".": {}, "f:password": {}}})
            ),
            entry("whole", "2026-11-25T04:46:04Z", json!({"f:data": {}})),
            entry("undated", "soon", json!({"f:data": {"f:access_key_id": {}}})),
            entry(
                "last",
                "2026-11-24T04:46:04Z",
                json!({"f:stringData": {"f:secret_access_key": {}}})
            ),
        ]);
        assert_eq!(managers(fields), ["last", "first", "undated"]);
    }

    #[test]
    fn where_nobody_wrote_the_pair_whoever_wrote_the_data_is_named() {
        let fields = json!([
            entry(
                "made",
                "2026-11-23T04:46:04Z",
                json!({"f:data": {".": {}, "f:password": {}}})
            ),
            entry("emptied", "2026-11-24T04:46:04Z", json!({"f:data": {}})),
            entry(
                "password",
                "2026-11-25T04:46:04Z",
                json!({"f:data": {"f:password": {}}})
            ),
        ]);
        assert_eq!(managers(fields), ["emptied", "made"]);
    }

    #[test]
    fn a_writer_is_shown_in_one_line() {
        let fields = json!([entry(
            "a\nb",
            "2026-11-23T04:46:04.5+01:00",
            json!({"f:data": {"f:k": {}}})
        )]);
        let writers = secret(json!({"managedFields": fields})).last_writers_of_data(&["k"]);
        assert_eq!(
            (writers[0].manager.as_str(), writers[0].operation.as_str()),
            ("a", "Update")
        );
        assert_eq!(writers[0].time.unwrap().unix_timestamp(), 1_795_405_564);
    }

    #[test]
    fn managed_fields_that_are_not_understood_name_nobody() {
        for fields in [
            json!(null),
            json!({}),
            json!("x"),
            json!([]),
            json!([null, 1, "x", {}, {"fieldsV1": 1}]),
            json!([{"manager": "m", "operation": "Update", "fieldsV1": {"f:data": null}}]),
            json!([{"manager": 1, "operation": "Update", "fieldsV1": {"f:data": {"f:access_key_id": {}}}}]),
            json!([{"manager": "m", "fieldsV1": {"f:data": {"f:access_key_id": {}}}}]),
        ] {
            assert_eq!(managers(fields.clone()), Vec::<String>::new(), "{fields}");
        }
        assert_eq!(secret(json!({})).last_writers_of_data(&["access_key_id"]), []);
    }

    #[test]
    fn gitops_tools_are_known_by_their_marks() {
        let mark = |metadata| secret(metadata).ownership_mark().map(|mark| (mark.tool, mark.shown_by));
        for (metadata, tool, shown_by) in [
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "app:/Secret:t/s"}}),
                "Argo CD",
                "annotation `argocd.argoproj.io/tracking-id`",
            ),
            (
                json!({"labels": {"argocd.argoproj.io/instance": "app", "app.kubernetes.io/managed-by": "Helm"}}),
                "Argo CD",
                "label `argocd.argoproj.io/instance`",
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/instance": "app"}}),
                "Argo CD",
                "annotation `argocd.argoproj.io/instance`",
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
                "Flux",
                "label `kustomize.toolkit.fluxcd.io/name`",
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "app", "app.kubernetes.io/managed-by": "Helm"}}),
                "Flux",
                "label `helm.toolkit.fluxcd.io/name`",
            ),
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
                "Helm",
                "label `app.kubernetes.io/managed-by: Helm`",
            ),
            (
                json!({"annotations": {"meta.helm.sh/release-name": "app"}}),
                "Helm",
                "annotation `meta.helm.sh/release-name`",
            ),
        ] {
            assert_eq!(mark(metadata), Some((tool, shown_by.to_owned())));
        }
        for nobodys in [
            json!({}),
            json!({"labels": {"app.kubernetes.io/managed-by": "kustomize"}}),
            json!({"labels": null}),
        ] {
            assert_eq!(mark(nobodys), None);
        }
    }
}
