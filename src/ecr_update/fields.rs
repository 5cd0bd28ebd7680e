//! Logins as plain fields, for tools that read no Docker configuration: which data key holds what.

use std::fmt;

use super::docker_config::{Entry, Form};
use crate::error::one_line;
use crate::key_secret;
use crate::kube::key::is_data_key;
use crate::sensitive::Sensitive;

/// A part of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `AWS`.
    Username,
    /// The password.
    Password,
    /// The registry's host, without scheme: as `helm registry login` takes it, and Argo CD for an OCI registry.
    Url,
}

impl Part {
    const ALL: [Part; 3] = [Part::Username, Part::Password, Part::Url];

    fn name(self) -> &'static str {
        match self {
            Part::Username => "username",
            Part::Password => "password",
            Part::Url => "url",
        }
    }
}

/// Which data key of a Secret holds which part of a login. The password has one, no part has two, and no data key holds
/// two parts, or what is no part of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(Vec<(Part, String)>);

/// Data keys and what each is to hold.
pub type Values<'a> = Vec<(&'a str, Sensitive<Vec<u8>>)>;

/// What is wrong with a list of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadFields {
    /// It is empty, or says nothing between two commas.
    Nothing,
    /// What has no `=`.
    NoKey(String),
    /// What is no part of a login.
    NoPart(String),
    /// A part that is named twice.
    Twice(Part),
    /// What cannot be a data key.
    BadKey(Part, String),
    /// The data key of something else.
    Taken(Part, String),
    /// A data key for two parts.
    Shared(String, Part, Part),
    /// No data key is named for the password.
    NoPassword,
    /// The authorization for this host is not base64 of `user:password`.
    NoLogin(String),
}

impl fmt::Display for BadFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadFields::Nothing => {
                f.write_str("a field is empty; expected a list such as `username=user,password=token`")
            }
            BadFields::NoKey(field) => write!(
                f,
                "`{}` names no data key; expected the form `password=token`",
                one_line(field)
            ),
            BadFields::NoPart(name) => write!(
                f,
                "`{}` is no part of a login; expected `username`, `password` or `url`, each with `=` and the data key that is to \
                 hold it",
                one_line(name)
            ),
            BadFields::Twice(part) => write!(f, "`{}` is there twice; name one data key for it", part.name()),
            BadFields::BadKey(part, key) => write!(
                f,
                "the data key for `{}` is `{}`; expected at most 253 letters, digits, `-`, `_` and `.`, and no `..` in front",
                part.name(),
                one_line(key)
            ),
            BadFields::Taken(part, key) => write!(
                f,
                "the data key for `{}` is `{key}`, which holds something else; name another",
                part.name()
            ),
            BadFields::Shared(key, one, other) => write!(
                f,
                "data key `{key}` cannot hold both `{}` and `{}`; name another for one of them",
                one.name(),
                other.name()
            ),
            BadFields::NoPassword => {
                f.write_str("no data key is named for the password; add `password=` and the data key")
            }
            BadFields::NoLogin(host) => write!(f, "the login to {host} is not base64 of `user:password`"),
        }
    }
}

impl Fields {
    /// Reads `username=KEY,password=KEY,url=KEY`: on the left what is written, on the right the data key it is written to.
    /// `password` is needed, the others are not. White space around names does not count.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Fields, BadFields> {
        let mut fields: Vec<(Part, String)> = Vec::new();
        for field in text.split(',').map(str::trim) {
            if field.is_empty() {
                return Err(BadFields::Nothing);
            }
            let (name, key) = field.split_once('=').ok_or_else(|| BadFields::NoKey(field.into()))?;
            let (name, key) = (name.trim(), key.trim());
            let part = Part::ALL.into_iter().find(|part| part.name() == name);
            let part = part.ok_or_else(|| BadFields::NoPart(name.into()))?;
            if fields.iter().any(|(other, _)| *other == part) {
                return Err(BadFields::Twice(part));
            }
            if !is_data_key(key) {
                return Err(BadFields::BadKey(part, key.into()));
            }
            if TAKEN.contains(&key) {
                return Err(BadFields::Taken(part, key.into()));
            }
            if let Some((other, _)) = fields.iter().find(|(_, taken)| taken == key) {
                return Err(BadFields::Shared(key.into(), *other, part));
            }
            fields.push((part, key.into()));
        }
        match fields.iter().any(|(part, _)| *part == Part::Password) {
            true => Ok(Fields(fields)),
            false => Err(BadFields::NoPassword),
        }
    }

    /// The data keys, in the order in which they were named.
    pub fn data_keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, key)| key.as_str())
    }

    /// The parts, by the names that the annotation has for them, and the data key of each.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(part, key)| (part.name(), key.as_str()))
    }

    /// What each data key is to hold, in the order in which they were named.
    ///
    /// # Errors
    ///
    /// When the login has no user and password.
    pub fn values(&self, entry: &Entry) -> Result<Values<'_>, BadFields> {
        let login = entry.user_and_password();
        let (user, password) = login.ok_or_else(|| BadFields::NoLogin(entry.host.clone()))?;
        let value = |part| match part {
            Part::Username => user.expose(),
            Part::Password => password.expose(),
            Part::Url => &entry.host,
        };
        let values = self.0.iter();
        let values = values.map(|(part, key)| (key.as_str(), Sensitive::new(value(*part).clone().into_bytes())));
        Ok(values.collect())
    }
}

/// What a login must never be written over: Docker configurations, and a key pair.
const TAKEN: [&str; 4] = [
    Form::Wrapped.data_key(),
    Form::Legacy.data_key(),
    key_secret::ACCESS_KEY_ID,
    key_secret::SECRET_ACCESS_KEY,
];

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    fn entry(authorization: &str) -> Entry {
        Entry {
            host: HOST.into(),
            authorization: Sensitive::new(authorization.into()),
        }
    }

    fn values(text: &str) -> Vec<(String, String)> {
        let fields = Fields::parse(text).unwrap();
        let values = fields.values(&entry("QVdTOmE6Yg==")).unwrap();
        let keys: Vec<&str> = values.iter().map(|(key, _)| *key).collect();
        assert_eq!(fields.data_keys().collect::<Vec<_>>(), keys);
        let text = |value: &Sensitive<Vec<u8>>| String::from_utf8(value.expose().clone()).unwrap();
        values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), text(value)))
            .collect()
    }

    #[test]
    fn each_data_key_is_given_its_part() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect()
        };
        assert_eq!(
            values("username=username,password=password,url=url"),
            pairs(&[("username", "AWS"), ("password", "a:b"), ("url", HOST)])
        );
        // In any order, with white space, and one data key for what another tool calls by the name of another part.
        assert_eq!(
            values(" url = username , password = .HELM_pass-1 "),
            pairs(&[("username", HOST), (".HELM_pass-1", "a:b")])
        );
        assert_eq!(values("password=token"), pairs(&[("token", "a:b")]));
        assert_eq!(values(&format!("password={}", "k".repeat(253)))[0].0.len(), 253);
        assert_eq!(values("password=.a..")[0].0, ".a..");
    }

    #[test]
    fn what_is_no_list_of_fields_is_named() {
        let long = "k".repeat(254);
        let long = format!("username={long}");
        let shape = "expected at most 253 letters, digits, `-`, `_` and `.`, and no `..` in front";
        let parts = "expected `username`, `password` or `url`, each with `=` and the data key that is to hold it";
        let empty = "a field is empty; expected a list such as `username=user,password=token`";
        for (text, why) in [
            ("", empty.to_owned()),
            (" ", empty.into()),
            ("password=a,", empty.into()),
            ("password=a,,url=b", empty.into()),
            (
                "password",
                "`password` names no data key; expected the form `password=token`".into(),
            ),
            ("user=a", format!("`user` is no part of a login; {parts}")),
            ("Password=a", format!("`Password` is no part of a login; {parts}")),
            ("=a", format!("`` is no part of a login; {parts}")),
            (
                "password=a,url=b,password=c",
                "`password` is there twice; name one data key for it".into(),
            ),
            ("password=", format!("the data key for `password` is ``; {shape}")),
            ("password=a=b", format!("the data key for `password` is `a=b`; {shape}")),
            ("password=a b", format!("the data key for `password` is `a b`; {shape}")),
            ("password=ä", format!("the data key for `password` is `ä`; {shape}")),
            ("url=.", format!("the data key for `url` is `.`; {shape}")),
            ("url=..", format!("the data key for `url` is `..`; {shape}")),
            ("url=..a", format!("the data key for `url` is `..a`; {shape}")),
            (
                &long,
                format!("the data key for `username` is `{}`; {shape}", &long[9..]),
            ),
            (
                "password=.dockerconfigjson",
                "the data key for `password` is `.dockerconfigjson`, which holds something else; name another".into(),
            ),
            (
                "url=.dockercfg",
                "the data key for `url` is `.dockercfg`, which holds something else; name another".into(),
            ),
            (
                "username=access_key_id",
                "the data key for `username` is `access_key_id`, which holds something else; name another".into(),
            ),
            (
                "password=secret_access_key",
                "the data key for `password` is `secret_access_key`, which holds something else; name another".into(),
            ),
            (
                "username=a,password=b,url=a",
                "data key `a` cannot hold both `username` and `url`; name another for one of them".into(),
            ),
            (
                "username=a,url=b",
                "no data key is named for the password; add `password=` and the data key".into(),
            ),
        ] {
            assert_eq!(Fields::parse(text).unwrap_err().to_string(), why, "{text}");
        }
    }

    /// People put things into the wrong place.
    #[test]
    fn a_password_in_the_list_is_not_repeated() {
        let password = "eyJwYXlsb2FkIjoiQUJDREVGR0hJSktMTU5PUCJ9";
        for text in [
            password.to_owned(),
            format!("{password}=a"),
            format!("password={password}=="),
        ] {
            let why = Fields::parse(&text).unwrap_err().to_string();
            assert!(!why.contains("eyJwYXlsb2Fk"), "it is shown");
        }
    }

    #[test]
    fn a_login_without_user_and_password_is_refused() {
        let fields = Fields::parse("password=a").unwrap();
        for authorization in ["", "?", "QVdT", "/zo="] {
            let error = fields.values(&entry(authorization)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the login to {HOST} is not base64 of `user:password`")
            );
        }
    }
}
