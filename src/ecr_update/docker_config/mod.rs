//! The merge of logins into a Docker configuration: what is not of the wanted registries stays as it was written, byte for
//! byte and in its order.
//!
//! Which members of an entry count differs by reader. The kubelet, `docker` and `podman` take `auth` before `username` and
//! `password`; go-containerregistry takes these two first; `docker` and `podman` take an `identitytoken`, and `docker` a
//! `registrytoken`, before all of them. So an entry that is written says one thing only: `auth` is set, `username` and
//! `password` follow where they are there, the two tokens leave.

mod json;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::json::{Edited, Member, decoded, members, quoted};
use crate::sensitive::Sensitive;

/// The most bytes that the data of a Secret may have: `MaxSecretSize` of Kubernetes' API.
const MOST_BYTES: usize = 1024 * 1024;

/// A registry and the login to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The registry's host, as it is in the names of images.
    pub host: String,
    /// Base64 of `AWS:<password>`, as `auth` in a Docker configuration holds it.
    pub authorization: Sensitive<String>,
}

impl Entry {
    /// User and password; `None` when the authorization is not base64 of `user:password`.
    pub(super) fn user_and_password(&self) -> Option<(Sensitive<String>, Sensitive<String>)> {
        let pair = Sensitive::new(STANDARD.decode(self.authorization.expose()).ok()?);
        let (user, password) = std::str::from_utf8(pair.expose()).ok()?.split_once(':')?;
        Some((Sensitive::new(user.into()), Sensitive::new(password.into())))
    }
}

/// How the registries are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{"auths":{"<host>":{…}}}`, in Secrets of type `kubernetes.io/dockerconfigjson`.
    Wrapped,
    /// `{"<host>":{…}}`, in Secrets of type `kubernetes.io/dockercfg`.
    Legacy,
}

impl Form {
    /// The key in a Secret's data that has a configuration of this form.
    pub const fn data_key(self) -> &'static str {
        match self {
            Form::Wrapped => ".dockerconfigjson",
            Form::Legacy => ".dockercfg",
        }
    }
}

/// Why a value was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadConfig {
    /// It is JSON only up to this line and column; or it is something else than an object.
    NotAnObject(Form, Option<(usize, usize)>),
    /// Its `auths` is something else than an object.
    AuthsNotAnObject,
    /// With the logins it would have this many bytes, more than a Secret may.
    TooLarge(Form, usize),
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadConfig::NotAnObject(form, at) => {
                write!(f, "the value of `{}` is no JSON object", form.data_key())?;
                if let Some((line, column)) = at {
                    write!(f, " (line {line}, column {column})")?;
                }
            }
            BadConfig::AuthsNotAnObject => {
                f.write_str("`auths` in the value of `.dockerconfigjson` is no JSON object")?
            }
            BadConfig::TooLarge(form, size) => {
                return write!(
                    f,
                    "the value of `{}` would have {size} bytes with the new logins, and a Secret may have {MOST_BYTES}; it is \
                     left as it is: take registries out of it",
                    form.data_key()
                );
            }
        }
        f.write_str("; it is left as it is: mend it, or set it to `{}`")
    }
}

/// The configuration `current` with these logins in it. A missing, empty or `{}` value is a start. Where two entries are of
/// one host, the first counts.
///
/// Every entry of a host is given its login, also one in another spelling (`https://host`, `host:443`, `host/v2/`) and
/// each of several: readers differ in which they take, and one that takes another would be refused with the old login.
/// Helpers (`credHelpers`, `credsStore`) stay as they are, see [`helper_before`].
///
/// # Errors
///
/// When `current` is not understood, or there is no room for more.
pub fn merge(form: Form, current: Option<&[u8]>, entries: &[Entry]) -> Result<Sensitive<Vec<u8>>, BadConfig> {
    let current = current.unwrap_or_default();
    let text = match current.trim_ascii() {
        [] => "{}",
        _ => std::str::from_utf8(current).map_err(|error| {
            let before = &current[..error.valid_up_to()];
            let line = before.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
            let lines = before.iter().filter(|&&byte| byte == b'\n').count();
            BadConfig::NotAnObject(form, Some((lines + 1, line.len() + 1)))
        })?,
    };
    let config = members(text).map_err(|error| {
        let somewhere = error.is_syntax() || error.is_eof();
        BadConfig::NotAnObject(form, somewhere.then(|| (error.line(), error.column())))
    })?;
    let mut edited = Edited::new(text);
    match form {
        Form::Legacy => refresh(&mut edited, text, &config, entries, true),
        Form::Wrapped => {
            // The last of that name is the one that all readers see, and to which hosts are added. Go's readers see the
            // hosts of all, and take `Auths` for it too.
            let last = config
                .iter()
                .rposition(|member| member.name().as_deref() == Some(AUTHS));
            for (at, member) in config.iter().enumerate().filter(|(_, member)| member.is(AUTHS)) {
                let last = last == Some(at);
                if member.value != "null" {
                    let auths = members(member.value).map_err(|_| BadConfig::AuthsNotAnObject)?;
                    refresh(&mut edited, member.value, &auths, entries, last);
                } else if last {
                    edited.replace(member.value, in_braces(&fresh(entries)));
                }
            }
            if last.is_none() {
                let auths = ["\"auths\":", in_braces(&fresh(entries)).expose()].concat();
                edited.append(text, &config, &Sensitive::new(auths));
            }
        }
    }
    match edited.len() {
        size if size > MOST_BYTES => Err(BadConfig::TooLarge(form, size)),
        _ => Ok(edited.into_bytes()),
    }
}

const AUTHS: &str = "auths";

/// Gives every entry of these hosts in `object`, which has these `members`, its login; and adds those that are not there.
fn refresh<'a>(edited: &mut Edited<'a>, object: &'a str, members: &[Member<'a>], entries: &[Entry], add: bool) {
    let mut missing: Vec<&Entry> = entries.iter().collect();
    for member in members {
        let Some(name) = member.name() else { continue };
        let host = host_of(&name);
        let entry = entries
            .iter()
            .find(|entry| host.eq_ignore_ascii_case(host_of(&entry.host)));
        if let Some(entry) = entry {
            edited.replace(member.value, with_login(member.value, entry));
            missing.retain(|entry| entry.host != *name);
        }
    }
    if add && !missing.is_empty() {
        edited.append(object, members, &fresh(missing));
    }
}

/// The host that a key of `auths` means: it may be written with a scheme, with the port of HTTPS, or with the version of
/// the API as its path. The kubelet, `docker` and `podman` take these for the host alone; any other path is a part of the
/// registry, with a login of its own.
fn host_of(name: &str) -> &str {
    let name = match name.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) | None => name,
    };
    let name = name.trim_end_matches('/');
    let name = name
        .strip_suffix("/v1")
        .or_else(|| name.strip_suffix("/v2"))
        .unwrap_or(name);
    name.strip_suffix(":443").unwrap_or(name)
}

/// Entries as members of an object without any.
fn fresh<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Sensitive<String> {
    let mut hosts: Vec<&str> = Vec::new();
    let mut text = Sensitive::new(String::new());
    for entry in entries {
        if hosts.contains(&entry.host.as_str()) {
            continue;
        }
        hosts.push(&entry.host);
        let comma = if text.expose().is_empty() { "" } else { "," };
        let (host, login) = (quoted(&entry.host), with_login("null", entry));
        text = Sensitive::new([text.expose(), comma, host.expose(), ":", login.expose()].concat());
    }
    text
}

fn in_braces(members: &Sensitive<String>) -> Sensitive<String> {
    Sensitive::new(["{", members.expose(), "}"].concat())
}

/// The entry of a registry with the login in it and nothing that contradicts it; what else it has, such as `email`, stays.
/// One that is no object is none.
fn with_login(old: &str, entry: &Entry) -> Sensitive<String> {
    let auth = quoted(entry.authorization.expose());
    let pair = entry.user_and_password();
    let mut parts: Vec<Sensitive<String>> = Vec::new();
    let mut has_auth = false;
    for member in members(old).unwrap_or_default() {
        let name = member.name().unwrap_or_default().to_ascii_lowercase();
        parts.push(Sensitive::new(match (name.as_str(), &pair) {
            ("identitytoken" | "registrytoken", _) => continue,
            ("auth", _) => member.with(auth.expose()),
            ("username", Some((user, _))) => member.with(quoted(user.expose()).expose()),
            ("password", Some((_, password))) => member.with(quoted(password.expose()).expose()),
            _ => member.with(member.value),
        }));
        has_auth |= member.name().as_deref() == Some("auth");
    }
    if !has_auth {
        parts.push(Sensitive::new(["\"auth\":", auth.expose()].concat()));
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.expose().as_str()).collect();
    in_braces(&Sensitive::new(parts.join(",")))
}

/// The login that a client would use for exactly this host: the `auth` of its entry, or of the last of several. `None`
/// also when `current` is not understood, and where a token in the entry would be used in its place.
pub fn login_to(form: Form, current: &[u8], host: &str) -> Option<Sensitive<String>> {
    let config = members(std::str::from_utf8(current).ok()?).ok()?;
    let entry = match form {
        Form::Legacy => value_of(&config, host)?,
        Form::Wrapped => config
            .iter()
            .rev()
            .filter(|member| member.is(AUTHS))
            .find_map(|auths| {
                let auths = members(auths.value).ok()?;
                value_of(&auths, host)
            })?,
    };
    let entry = members(entry).ok()?;
    if entry.iter().any(|m| m.is("identitytoken") || m.is("registrytoken")) {
        return None;
    }
    let auth = entry.iter().rfind(|member| member.is("auth"))?;
    Some(Sensitive::new(decoded(auth.value)?.into_owned()))
}

/// The value of the last member of exactly that name: the one that readers see.
fn value_of<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    let found = members.iter().rfind(|member| member.name().as_deref() == Some(name))?;
    Some(found.value)
}

/// What in the configuration has some clients ask a program on their machine for the login to this host, whatever `auths`
/// says, and which clients they are; the kubelet asks none. A helper cannot be given a login from here, and taking it out
/// might break what somebody has set up on purpose: so it is theirs to be told.
pub fn helper_before(form: Form, current: &[u8], host: &str) -> Option<&'static str> {
    if form == Form::Legacy {
        return None;
    }
    let config = members(std::str::from_utf8(current).ok()?).ok()?;
    let helpers = value_of(&config, "credHelpers").and_then(|helpers| members(helpers).ok());
    let names_one = |value: &str| decoded(value).is_some_and(|helper| !helper.is_empty());
    match helpers.as_deref().and_then(|helpers| value_of(helpers, host)) {
        // As `docker` has it, an empty name here also keeps `credsStore` from being asked.
        Some(helper) => names_one(helper).then_some(
            "`credHelpers` names a helper for this registry: `docker`, `podman` and `skopeo` ask it, and not the login in \
             `auths`; the kubelet does not",
        ),
        None => value_of(&config, "credsStore").filter(|store| names_one(store)).map(|_| {
            "`credsStore` names a helper for all registries: `docker` asks it, and not the login in `auths`; the kubelet, \
             `podman` and `skopeo` do not"
        }),
    }
}
