//! The merge of a login into a Docker configuration: what is not this registry's stays as it was written, byte for byte
//! and in its order.
//!
//! The value is taken apart only as far as needed: members stay raw text. A map type would lose duplicates, order and
//! the way that numbers are written.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::aws::ecr::Login;
use crate::sensitive::Sensitive;

/// A value that must not be overwritten, because it is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadConfig {
    /// It is not JSON, or no JSON object.
    NotAnObject,
    /// Its `auths` is something else than an object.
    AuthsNotAnObject,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadConfig::NotAnObject => "the value of `.dockerconfigjson` is no JSON object",
            BadConfig::AuthsNotAnObject => "`auths` in the value of `.dockerconfigjson` is no JSON object",
        })?;
        f.write_str("; it is left as it is: mend it, or set it to `{}`")
    }
}

/// The configuration `current` with this login in it. A missing, empty or `{}` value is a start.
///
/// An entry for the same host in another spelling (`https://host`, `host/v2/`) is given the login too: a client that
/// reads it would else be refused with the old one.
///
/// # Errors
///
/// When `current` is not understood.
pub fn merge(current: Option<&[u8]>, login: &Login) -> Result<Sensitive<Vec<u8>>, BadConfig> {
    let current = current.unwrap_or_default().trim_ascii();
    let mut config = match current {
        [] => Object::default(),
        text => object(text).ok_or(BadConfig::NotAnObject)?,
    };
    let mut auths = match config.get("auths").map(RawValue::get) {
        None | Some("null") => Object::default(),
        Some(text) => object(text.as_bytes()).ok_or(BadConfig::AuthsNotAnObject)?,
    };
    for (name, value) in &mut auths.0 {
        if is_host(name, &login.registry) {
            *value = raw(&with_login(value, login));
        }
    }
    if auths.get(&login.registry).is_none() {
        auths.set(&login.registry, raw(&with_login(RawValue::NULL, login)));
    }
    config.set("auths", raw(&auths));
    Ok(Sensitive::new(raw(&config).get().as_bytes().to_vec()))
}

/// Whether a key of `auths` means this host: the host alone, or with a scheme, or with an API version as its path.
fn is_host(name: &str, host: &str) -> bool {
    let name = name
        .strip_prefix("https://")
        .or_else(|| name.strip_prefix("http://"))
        .unwrap_or(name);
    let name = name.trim_end_matches('/');
    let name = name
        .strip_suffix("/v1")
        .or_else(|| name.strip_suffix("/v2"))
        .unwrap_or(name);
    name.eq_ignore_ascii_case(host)
}

/// The entry with `auth` set, and with `username` and `password` where it had them: clients differ in which they prefer.
fn with_login(entry: &RawValue, login: &Login) -> Object {
    let mut entry = object(entry.get().as_bytes()).unwrap_or_default();
    let pair = STANDARD.decode(login.authorization.expose()).map(Sensitive::new).ok();
    let pair = pair
        .as_ref()
        .and_then(|pair| std::str::from_utf8(pair.expose()).ok()?.split_once(':'));
    if let Some((username, password)) = pair {
        for (name, value) in [("username", username), ("password", password)] {
            if entry.get(name).is_some() {
                entry.set(name, raw(value));
            }
        }
    }
    entry.set("auth", raw(login.authorization.expose()));
    entry
}

/// A JSON object whose members are kept as they were written.
#[derive(Default)]
struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// The last one of that name: the one that readers see.
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rfind(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().rfind(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

fn object(text: &[u8]) -> Option<Object> {
    serde_json::from_slice(text).ok()
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    // Strings, and objects with string keys of valid raw values: there is nothing in them that JSON cannot say.
    to_raw_value(value).expect("a JSON value")
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    fn login() -> Login {
        Login {
            registry: HOST.into(),
            authorization: Sensitive::new("QVdTOm5ldw==".into()),
            expires_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn merged(current: &str) -> String {
        let value = merge(Some(current.as_bytes()), &login()).unwrap();
        String::from_utf8(value.expose().clone()).unwrap()
    }

    fn with_host(template: &str) -> String {
        template.replace("HOST", HOST)
    }

    #[test]
    fn a_start() {
        let fresh = with_host(r#"{"auths":{"HOST":{"auth":"QVdTOm5ldw=="}}}"#);
        for start in ["", " \n", "{}", r#"{"auths":{}}"#, r#"{"auths":null}"#] {
            assert_eq!(merged(start), fresh, "{start}");
        }
        assert_eq!(merge(None, &login()).unwrap().expose(), fresh.as_bytes());
    }

    #[test]
    fn other_registries_and_unknown_fields_stay_as_written() {
        let current = with_host(
            r#"{"credsStore":"x","n":1.50e3,"auths":{"ghcr.io":{"username":"u","password":"p\u00e4"},"HOST":{"auth":"b2xk","email":"e"},"quay.io":{ "identitytoken" : "t" }},"HttpHeaders":{"b":1,"a":2,"b":3}}"#,
        );
        assert_eq!(merged(&current), current.replace("b2xk", "QVdTOm5ldw=="));
    }

    #[test]
    fn twice_is_once() {
        let current = r#"{"auths":{"ghcr.io":{"auth":"eDp5"}},"z":[1, 2]}"#;
        let once = merged(current);
        assert_eq!(merged(&once), once);
    }

    #[test]
    fn the_older_tool_wrote_the_host_as_a_url() {
        let current = with_host(
            r#"{"auths":{"https://HOST":{"username":"AWS","password":"old","email":"e","auth":"b2xk"},"HOST/team":{"auth":"eA=="}}}"#,
        );
        let expected = with_host(
            r#"{"auths":{"https://HOST":{"username":"AWS","password":"new","email":"e","auth":"QVdTOm5ldw=="},"HOST/team":{"auth":"eA=="},"HOST":{"auth":"QVdTOm5ldw=="}}}"#,
        );
        assert_eq!(merged(&current), expected);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (bad, why) in [
            ("[]", BadConfig::NotAnObject),
            ("{", BadConfig::NotAnObject),
            ("null", BadConfig::NotAnObject),
            ("\u{feff}{}", BadConfig::NotAnObject),
            (r#"{"auths":[]}"#, BadConfig::AuthsNotAnObject),
            (r#"{"auths":"x"}"#, BadConfig::AuthsNotAnObject),
        ] {
            assert_eq!(merge(Some(bad.as_bytes()), &login()).unwrap_err(), why, "{bad}");
        }
    }
}
