//! Whether a write made a Secret worse, told without the program's own code.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::world::{CONFIG, EXPIRES_AT, LABEL, PULLS, Pull, registry};
use crate::support::aws::Cloud;
use crate::support::program::NAMESPACE;

/// A login in a value: which of those that AWS has issued it is, and when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login {
    pub(super) number: usize,
    pub(super) ends: i64,
}

/// What is wrong with what a request of the program made of a Secret. It never says what is in it.
pub(super) fn worse(cloud: &Cloud, key: &str, before: Option<&Value>, after: Option<&Value>) -> Option<String> {
    let (before, after) = match (before, after) {
        (before, after) if before == after => return None,
        (Some(before), Some(after)) => (before, after),
        (None, _) => return Some(format!("{key} was made")),
        (_, None) => return Some(format!("{key} was deleted")),
    };
    let told = |what: &str| Some(format!("{key}: {what}"));
    let Some(pull) = pull(key) else {
        return told("is nothing to refresh, and was written");
    };
    if before["metadata"]["labels"][LABEL] != "true" {
        return told("has lost its label, and was written");
    }
    if without_ours(before) != without_ours(after) {
        return told("more was changed than the logins and their annotation");
    }
    let (old, new) = (text(before), text(after));
    if others(&old, pull) != others(&new, pull) {
        return told("what is not of ECR is not what it was");
    }
    for (host, entry) in entries(&new, pull) {
        let as_before = entries(&old, pull).contains(&(host.clone(), entry.clone()));
        if !as_before && login(cloud, pull, &host, &entry).is_none() {
            return told("a login is none that AWS has issued for this");
        }
        let rest = |text: &str| {
            members(text)
                .into_iter()
                .filter(|(name, _)| name != "auth")
                .collect::<Vec<_>>()
        };
        let old = entries(&old, pull).into_iter().find(|(name, _)| *name == host);
        if old.is_some_and(|(_, old)| rest(&old) != rest(&entry)) {
            return told("more of an entry was changed than its login");
        }
    }
    match logins(cloud, pull, after) {
        Err(what) => told(&what),
        Ok(logins) if ends(after) != logins.iter().map(|login| login.ends).min() => {
            told("the annotation does not say when the login ends")
        }
        Ok(_) => None,
    }
}

pub(super) fn pull(key: &str) -> Option<&'static Pull> {
    let name = key.strip_prefix(NAMESPACE)?.strip_prefix('/')?;
    PULLS.iter().find(|pull| pull.name == name)
}

/// The logins in a Secret to all that it is wanted for, or what is missing.
pub(super) fn logins(cloud: &Cloud, pull: &Pull, secret: &Value) -> Result<Vec<Login>, String> {
    let entries = entries(&text(secret), pull);
    let mut found = Vec::new();
    for host in pull.regions.iter().map(|region| registry(region)) {
        let of_host = entries.iter().filter(|(name, _)| host_of(name) == host);
        let logins: Option<Vec<Login>> = of_host.map(|(name, entry)| login(cloud, pull, name, entry)).collect();
        match logins {
            Some(logins) if !logins.is_empty() => found.extend(logins),
            Some(_) => return Err(format!("there is no login to {host}")),
            None => return Err(format!("a login to {host} is none that AWS has issued for this")),
        }
    }
    Ok(found)
}

/// The end that the annotation tells.
pub(super) fn ends(secret: &Value) -> Option<i64> {
    let text = secret["metadata"]["annotations"][EXPIRES_AT].as_str()?;
    Some(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp())
}

/// The value that the Docker configuration has.
pub(super) fn text(secret: &Value) -> String {
    let value = STANDARD.decode(secret["data"][CONFIG].as_str().unwrap_or_default());
    String::from_utf8(value.unwrap_or_default()).unwrap_or_default()
}

fn login(cloud: &Cloud, pull: &Pull, name: &str, entry: &str) -> Option<Login> {
    let entry: Value = serde_json::from_str(entry).ok()?;
    let plain = String::from_utf8(STANDARD.decode(entry["auth"].as_str()?).ok()?).ok()?;
    let password = plain.strip_prefix("AWS:")?;
    let issued = cloud.tokens_issued();
    let number = issued.iter().position(|token| token.password == password)?;
    let token = &issued[number];
    let right = registry(&token.region) == host_of(name) && cloud.user_of(&token.key_id)? == pull.user;
    // ECR's passwords say themselves until when they are good.
    let inner: Value = serde_json::from_slice(&STANDARD.decode(password).ok()?).ok()?;
    let ends = inner["expiration"].as_i64()?;
    right.then_some(Login { number, ends })
}

/// All that the program has no business to change.
fn without_ours(secret: &Value) -> Value {
    let mut secret = secret.clone();
    let metadata = secret["metadata"].as_object_mut().expect("metadata");
    metadata.remove("resourceVersion");
    metadata.remove("managedFields");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| name != EXPIRES_AT);
    }
    if let Some(data) = secret["data"].as_object_mut() {
        data.remove(CONFIG);
    }
    secret
}

/// The entries for registries that logins are wanted to, as they are written, in any spelling.
fn entries(config: &str, pull: &Pull) -> Vec<(String, String)> {
    let mut entries = auths(config);
    entries.retain(|(name, _)| is_wanted(name, pull));
    entries
}

/// What else there is, as it is written and in its order.
fn others(config: &str, pull: &Pull) -> [Vec<(String, String)>; 2] {
    let mut rest = members(config);
    rest.retain(|(name, _)| name != "auths");
    let mut auths = auths(config);
    auths.retain(|(name, _)| !is_wanted(name, pull));
    [rest, auths]
}

fn auths(config: &str) -> Vec<(String, String)> {
    let found = members(config).into_iter().find(|(name, _)| name == "auths");
    found.map(|(_, text)| members(&text)).unwrap_or_default()
}

fn is_wanted(name: &str, pull: &Pull) -> bool {
    pull.regions.iter().any(|region| host_of(name) == registry(region))
}

fn host_of(name: &str) -> &str {
    let name = name.strip_prefix("https://").unwrap_or(name);
    name.split_once('/').map_or(name, |(host, _)| host)
}

/// The members of a JSON object in their order, their values as they are written. What is no object has one member, itself.
fn members(text: &str) -> Vec<(String, String)> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                members.push((name, value.get().to_owned()));
            }
            Ok(members)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let members = json
        .deserialize_map(Members)
        .and_then(|members| json.end().map(|()| members));
    members.unwrap_or_else(|_| vec![(String::new(), text.to_owned())])
}
