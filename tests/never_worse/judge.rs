//! Whether a request of the program made a Secret worse.

use serde_json::{Value, json};

use super::value::{EXPIRES_AT, LOGINS, Login, Secret, Wanted, auth, members};
use crate::support::aws::Cloud;

/// What is wrong with what a request made of a Secret. It never says what is in it.
pub(super) fn worse(cloud: &Cloud, before: Option<&Value>, after: Option<&Value>) -> Option<String> {
    let (before, after) = match (before, after) {
        (before, after) if before == after => return None,
        (Some(before), Some(after)) => (before, after),
        (None, _) => return Some("was made".into()),
        (_, None) => return Some("was deleted".into()),
    };
    let told = |what: &str| Some(what.to_owned());
    let Some(wanted) = Wanted::of(&Secret(before)) else {
        return told("was written, and is not to be refreshed");
    };
    if without_ours(before, &wanted) != without_ours(after, &wanted) {
        return told("more was changed than the logins and the annotations of them");
    }
    let (before, after) = (Secret(before), Secret(after));
    if before.others(&wanted) != after.others(&wanted) {
        return told("what is of other registries is not what it was");
    }
    if let Some(what) =
        worse_entry(cloud, &wanted, &before, &after).or_else(|| worse_fields(cloud, &wanted, &before, &after))
    {
        return told(what);
    }
    let least = |logins: Vec<Login>| logins.iter().map(|login| login.ends).min();
    // Where a login could not be had, the annotation speaks of the one before.
    let as_before = before.ends() == after.ends();
    match wanted.logins(cloud, &after).map(least) {
        Ok(least) if after.ends() == least => None,
        Ok(_) | Err(_) if as_before => None,
        Ok(_) => told("the annotation does not say when the first login ends"),
        Err(what) => told(&what),
    }
}

/// An entry is what it was, or has a login in the place of the one before.
fn worse_entry(cloud: &Cloud, wanted: &Wanted, before: &Secret<'_>, after: &Secret<'_>) -> Option<&'static str> {
    let (old, new) = (before.entries(wanted), after.entries(wanted));
    let has = |entries: &[(String, String)], name: &str| entries.iter().any(|(other, _)| other == name);
    if old.iter().any(|(name, _)| !has(&new, name)) {
        return Some("an entry is gone");
    }
    let rest = |entry: &str| {
        let mut rest = members(entry);
        rest.retain(|(name, _)| name != "auth");
        rest
    };
    for (name, entry) in new.iter().filter(|entry| !old.contains(entry)) {
        if wanted.login(cloud, name, &auth(entry)).is_none() {
            return Some("a login is none that AWS has issued for this");
        }
        let was = old.iter().find(|(other, _)| other == name);
        if rest(entry) != was.map(|(_, was)| rest(was)).unwrap_or_default() {
            return Some("more of an entry was changed than its login");
        }
    }
    None
}

/// The fields are what they were, or all are of one login.
fn worse_fields(cloud: &Cloud, wanted: &Wanted, before: &Secret<'_>, after: &Secret<'_>) -> Option<&'static str> {
    let fields = wanted.fields.as_ref()?;
    let as_before = fields.iter().all(|key| before.data(key) == after.data(key));
    let is_whole = || wanted.logins(cloud, after).is_ok();
    (!as_before && !is_whole()).then_some("the fields are not those of one login that AWS has issued for this")
}

/// All that the program has no business to change.
fn without_ours(secret: &Value, wanted: &Wanted) -> Value {
    let mut secret = secret.clone();
    let metadata = secret["metadata"].as_object_mut().expect("metadata");
    metadata.remove("resourceVersion");
    metadata.remove("managedFields");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| name != EXPIRES_AT && name != LOGINS);
    }
    if let Some(data) = secret["data"].as_object_mut() {
        wanted.data_keys().for_each(|key| drop(data.remove(key)));
    }
    if secret["data"] == json!({}) {
        secret["data"].take();
    }
    secret
}
