//! What a Secret asks for and what it holds, read without the program's own code.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::world::registry;
use crate::support::aws::Cloud;

pub(super) const EXPIRES_AT: &str = "aws-ecr-updater/expires-at";
pub(super) const LOGINS: &str = "aws-ecr-updater/logins";

/// A login that AWS has issued.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Login {
    /// How many it has issued before.
    pub(super) number: usize,
    /// In seconds since the epoch.
    pub(super) ends: i64,
}

/// What a Secret asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What the ARN of the signing identity holds.
    signer: String,
    pub(super) hosts: Vec<String>,
    /// The data key of a Docker configuration, and whether the entries are members of its `auths`.
    pub(super) config: Option<(&'static str, bool)>,
    /// The data keys of user name, password and registry.
    pub(super) fields: Option<[String; 3]>,
}

/// Names and what is under them.
type Pairs = Vec<(String, String)>;

impl Wanted {
    /// `None` where the Secret is not to be refreshed.
    pub(super) fn of(secret: &Secret<'_>) -> Option<Wanted> {
        if secret.0["metadata"]["labels"]["aws-ecr-updater"] != "true" || secret.0["metadata"]["namespace"] != "t" {
            return None;
        }
        let role = secret.annotation("role-arn").and_then(|arn| arn.split_once(":role/"));
        let signer = match (role, secret.annotation("secret")) {
            (Some((_, role)), _) => format!(":assumed-role/{role}/"),
            (None, Some("s" | "t/s")) => ":user/ci".into(),
            (None, Some("s2")) => ":user/second".into(),
            (None, other) => panic!("no source `{other:?}`"),
        };
        let regions = secret.annotation("region").into_iter().flat_map(|text| text.split(','));
        let further = secret
            .annotation("registries")
            .into_iter()
            .flat_map(|text| text.split(','));
        let fields = secret.annotation("fields").map(|text| {
            ["username=", "password=", "url="].map(|name| {
                let field = text.split(',').find_map(|field| field.strip_prefix(name));
                field.expect("all three fields").to_owned()
            })
        });
        Some(Wanted {
            signer,
            hosts: regions.map(registry).chain(further.map(str::to_owned)).collect(),
            config: match secret.0["type"].as_str() {
                Some("kubernetes.io/dockerconfigjson") => Some((".dockerconfigjson", true)),
                Some("kubernetes.io/dockercfg") => Some((".dockercfg", false)),
                _ => None,
            },
            fields,
        })
    }

    /// The data keys that are written.
    pub(super) fn data_keys(&self) -> impl Iterator<Item = &str> {
        let config = self.config.iter().map(|(key, _)| *key);
        config.chain(self.fields.iter().flatten().map(String::as_str))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host_of(name) == host)
    }

    /// The login that this `auth` is, if it is one to this host that AWS has issued to the right signer.
    pub(super) fn login(&self, cloud: &Cloud, host: &str, auth: &str) -> Option<Login> {
        let plain = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
        let password = plain.strip_prefix("AWS:")?;
        let issued = cloud.tokens_issued();
        let number = issued.iter().position(|token| token.password == password)?;
        let token = &issued[number];
        let region = host_of(host).split('.').nth(3)?;
        let is_right = token.region == region && cloud.arn_of(&token.key_id).contains(&self.signer);
        // ECR's passwords say themselves until when they are good.
        let inner: Value = serde_json::from_slice(&STANDARD.decode(password).ok()?).ok()?;
        let ends = inner["expiration"].as_i64()?;
        is_right.then_some(Login { number, ends })
    }

    /// Every login that a Secret holds, one at least for each host, or what is missing.
    pub(super) fn logins(&self, cloud: &Cloud, secret: &Secret<'_>) -> Result<Vec<Login>, String> {
        let mut logins = Vec::new();
        let none = |host: &str| format!("there is no login to {host}, or none that AWS has issued for this");
        for host in self.hosts.iter().filter(|_| self.config.is_some()) {
            let entries = secret
                .entries(self)
                .into_iter()
                .filter(|(name, _)| host_of(name) == host);
            let of_host: Option<Vec<Login>> = entries
                .map(|(name, entry)| self.login(cloud, &name, &auth(&entry)))
                .collect();
            let of_host = of_host.filter(|logins| !logins.is_empty());
            logins.extend(of_host.ok_or_else(|| none(host))?);
        }
        if let Some([user, password, url]) = &self.fields {
            let of_fields = STANDARD.encode(format!("{}:{}", secret.data(user), secret.data(password)));
            let host = secret.data(url);
            let login = self.login(cloud, &host, &of_fields);
            logins.push(login.filter(|_| self.has(&host)).ok_or_else(|| none(&host))?);
        }
        Ok(logins)
    }
}

/// A Secret as it is stored.
pub(super) struct Secret<'s>(pub(super) &'s Value);

impl Secret<'_> {
    fn annotation(&self, name: &str) -> Option<&str> {
        self.0["metadata"]["annotations"][format!("aws-ecr-updater/{name}")].as_str()
    }

    /// The end that the annotation tells.
    pub(super) fn ends(&self) -> Option<i64> {
        let text = self.annotation("expires-at")?;
        Some(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp())
    }

    /// A data value; what is no text or not there is empty.
    pub(super) fn data(&self, key: &str) -> String {
        let value = STANDARD.decode(self.0["data"][key].as_str().unwrap_or_default());
        String::from_utf8(value.unwrap_or_default()).unwrap_or_default()
    }

    /// The entries for registries that logins are wanted to, as they are written, in any spelling.
    pub(super) fn entries(&self, wanted: &Wanted) -> Vec<(String, String)> {
        let mut entries = self.split(wanted).1;
        entries.retain(|(name, _)| wanted.has(name));
        entries
    }

    /// What else a configuration has, as it is written and in its order.
    pub(super) fn others(&self, wanted: &Wanted) -> [Vec<(String, String)>; 2] {
        let (rest, mut entries) = self.split(wanted);
        entries.retain(|(name, _)| !wanted.has(name));
        [rest, entries]
    }

    /// The members of the configuration beside the entries, and the entries.
    fn split(&self, wanted: &Wanted) -> (Pairs, Pairs) {
        match wanted.config {
            None => (Vec::new(), Vec::new()),
            Some((key, false)) => (Vec::new(), members(&self.data(key))),
            Some((key, true)) => {
                let all = members(&self.data(key));
                let (auths, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| name == "auths");
                (rest, auths.iter().flat_map(|(_, text)| members(text)).collect())
            }
        }
    }
}

/// The `auth` of an entry.
pub(super) fn auth(entry: &str) -> String {
    let entry: Value = serde_json::from_str(entry).unwrap_or_default();
    entry["auth"].as_str().unwrap_or_default().to_owned()
}

/// The members of a JSON object in their order, their values as they are written. What is no object has one member, itself.
pub(super) fn members(text: &str) -> Vec<(String, String)> {
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
    let members = json.deserialize_map(Members);
    let members = members.and_then(|members| json.end().map(|()| members));
    members.unwrap_or_else(|_| vec![(String::new(), text.to_owned())])
}

fn host_of(name: &str) -> &str {
    let name = name.strip_prefix("https://").unwrap_or(name);
    name.split_once('/').map_or(name, |(host, _)| host)
}
