//! What makes a Secret invalid (422), after `ValidateObjectMeta`, `ValidateSecret` and `ValidateSecretUpdate` of
//! kube-apiserver.

use super::go;
use super::object::Secret;
use super::status::Cause;

const MAX_DATA: usize = 1024 * 1024;
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// What is wrong with a Secret by itself.
pub(super) fn secret(secret: &Secret) -> Vec<Cause> {
    let mut causes = Vec::new();
    metadata(secret, &mut causes);
    for key in secret.data.keys() {
        for why in config_key_errors(key) {
            causes.push(Cause::invalid(format!("data[{key}]"), &format!("{key:?}"), &why));
        }
    }
    if secret.data.values().map(|value| value.0.len()).sum::<usize>() > MAX_DATA {
        causes.push(Cause::too_long("data", MAX_DATA));
    }
    of_its_type(secret, &mut causes);
    causes
}

/// What is wrong with turning `old` into `new`.
pub(super) fn change(old: &Secret, new: &Secret) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut fixed = |field: &str, old: &str, new: &str, shown: String| {
        if old != new {
            causes.push(Cause::invalid(field, &shown, "field is immutable"));
        }
    };
    let (was, is) = (&old.metadata, &new.metadata);
    fixed("metadata.uid", &was.uid, &is.uid, format!("{:?}", is.uid));
    let shown = is.creation_timestamp.replace('T', " ").replace('Z', " +0000 UTC");
    fixed(
        "metadata.creationTimestamp",
        &was.creation_timestamp,
        &is.creation_timestamp,
        shown,
    );
    fixed("type", &old.kind, &new.kind, format!("{:?}", new.kind));
    if old.immutable == Some(true) {
        let why = "field is immutable when `immutable` is set";
        if new.immutable != Some(true) {
            causes.push(Cause::forbidden("immutable", why));
        }
        if new.data != old.data {
            causes.push(Cause::forbidden("data", why));
        }
    }
    causes.extend(secret(new));
    causes
}

fn metadata(secret: &Secret, causes: &mut Vec<Cause>) {
    let metadata = &secret.metadata;
    if metadata.name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        for why in subdomain_errors(&metadata.name) {
            causes.push(Cause::invalid("metadata.name", &format!("{:?}", metadata.name), &why));
        }
    }
    for (key, value) in &metadata.labels {
        for why in qualified_name_errors(key) {
            causes.push(Cause::invalid("metadata.labels", &format!("{key:?}"), &why));
        }
        for why in label_value_errors(value) {
            causes.push(Cause::invalid("metadata.labels", &format!("{value:?}"), &why));
        }
    }
    for key in metadata.annotations.keys() {
        for why in qualified_name_errors(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &format!("{key:?}"), &why));
        }
    }
    if metadata
        .annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum::<usize>()
        > MAX_ANNOTATIONS
    {
        causes.push(Cause::too_long("metadata.annotations", MAX_ANNOTATIONS));
    }
}

/// What a Secret's type asks of its data.
fn of_its_type(secret: &Secret, causes: &mut Vec<Cause>) {
    let lacks = |key: &str| !secret.data.contains_key(key);
    let mut require = |key: &str| causes.push(Cause::required(format!("data[{key}]"), ""));
    match secret.kind.as_str() {
        "kubernetes.io/dockerconfigjson" => docker_config(secret, ".dockerconfigjson", causes),
        "kubernetes.io/dockercfg" => docker_config(secret, ".dockercfg", causes),
        "kubernetes.io/basic-auth" if lacks("username") && lacks("password") => {
            require("username");
            require("password");
        }
        "kubernetes.io/ssh-auth" if secret.data.get("ssh-privatekey").is_none_or(|key| key.0.is_empty()) => {
            require("ssh-privatekey");
        }
        "kubernetes.io/tls" => ["tls.crt", "tls.key"]
            .into_iter()
            .filter(|key| lacks(key))
            .for_each(require),
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            if secret.metadata.annotations.get(name).is_none_or(String::is_empty) {
                causes.push(Cause::required(format!("metadata.annotations[{name}]"), ""));
            }
        }
        _ => {}
    }
}

fn docker_config(secret: &Secret, key: &str, causes: &mut Vec<Cause>) {
    let field = format!("data[{key}]");
    let Some(text) = secret.data.get(key) else {
        causes.push(Cause::required(field, ""));
        return;
    };
    let error =
        go::json_syntax_error(&text.0).or_else(|| match serde_json::from_slice::<serde_json::Value>(&text.0).ok()? {
            serde_json::Value::Object(_) | serde_json::Value::Null => None,
            other => {
                let kind = go::json_kind(&other);
                Some(format!(
                    "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
                ))
            }
        });
    if let Some(error) = error {
        causes.push(Cause::invalid(field, "\"<secret contents redacted>\"", &error));
    }
}

fn config_key_errors(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if key.len() > 253 {
        errors.push("must be no more than 253 bytes".to_owned());
    }
    if key.is_empty()
        || !key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        errors.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
             'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match key {
        "." => errors.push("must not be '.'".to_owned()),
        ".." => errors.push("must not be '..'".to_owned()),
        key if key.starts_with("..") => errors.push("must not start with '..'".to_owned()),
        _ => {}
    }
    errors
}

fn subdomain_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > 253 {
        errors.push("must be no more than 253 bytes".to_owned());
    }
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !name.split('.').all(|label| framed(label, lower, b"-")) {
        errors.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    errors
}

const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// What is wrong with a label's or an annotation's key.
pub(super) fn qualified_name_errors(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let name = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        ["", name] => {
            errors.push("prefix part must be non-empty".to_owned());
            name
        }
        [prefix, name] => {
            errors.extend(
                subdomain_errors(prefix)
                    .into_iter()
                    .map(|why| format!("prefix part {why}")),
            );
            name
        }
        _ => {
            return vec![format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        errors.push("name part must be no more than 63 bytes".to_owned());
    }
    if !framed(name, |byte| byte.is_ascii_alphanumeric(), b"-_.") {
        errors.push(format!("name part {QUALIFIED}"));
    }
    errors
}

/// What is wrong with a label's value.
pub(super) fn label_value_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 63 {
        errors.push("must be no more than 63 bytes".to_owned());
    }
    if !value.is_empty() && !framed(value, |byte| byte.is_ascii_alphanumeric(), b"-_.") {
        errors.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
             for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .to_owned(),
        );
    }
    errors
}

/// Begins and ends with an `outer` byte; in between those of `inner` may stand too.
fn framed(text: &str, outer: impl Fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    outer(first) && outer(last) && bytes.iter().all(|&byte| outer(byte) || inner.contains(&byte))
}
