//! What a Secret asks for, by its type and its annotations.

use std::time::Duration;

use super::docker_config::Form;
use super::fields::Fields;
use super::patterns::Patterns;
use super::{Settings, annotations};
use crate::aws::Region;
use crate::aws::assume_role::{Role, is_external_id, is_role_arn};
use crate::aws::registry::{Realm, Registry};
use crate::cli;
use crate::error::one_line;
use crate::key_secret;
use crate::kube::{Key, Secret};

/// What a Secret asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The Secret with the key pair; `None`: the credentials of this machine.
    pub(super) source: Option<Key>,
    /// What is assumed with them.
    pub(super) role: Option<Role>,
    /// Where the registry of the credentials' own account is wanted.
    pub(super) realms: Vec<Realm>,
    /// Registries beside it.
    pub(super) registries: Vec<Registry>,
    /// The Docker configuration to write.
    pub(super) config: Option<Form>,
    /// The plain fields to write.
    pub(super) fields: Option<Fields>,
    /// The namespaces that are to have copies.
    pub(super) namespaces: Option<Patterns>,
    /// How much of the logins' life is left when they are replaced; `None`: they always are.
    pub(super) renew_within: Option<Duration>,
}

impl Wanted {
    /// Reads a Secret's type and annotations.
    ///
    /// # Errors
    ///
    /// What cannot be meant is named, with what was expected.
    pub(super) fn of(secret: &Secret, settings: &Settings) -> Result<Wanted, String> {
        // Nobody can mean that: it would be refreshed with an identity that it does not name.
        if let Some(original) = secret.annotation(annotations::COPY_OF) {
            return Err(format!(
                "is a copy of {}: take the label `{}` off it",
                one_line(original),
                annotations::LABEL
            ));
        }
        let source = source(secret)?;
        let role = role(secret)?;
        let registries = items(secret, annotations::REGISTRIES, "the host of a registry", |text| {
            Registry::parse(text).map_err(|error| error.to_string())
        })?;
        let has_fields = set(secret, annotations::FIELDS).is_some();
        // There is room for one login: the registry that is named, and not the run's region.
        let default = settings
            .region
            .as_ref()
            .filter(|_| registries.is_empty() || !has_fields);
        let realms = realms(secret, default, !registries.is_empty())?;
        let fields = match set(secret, annotations::FIELDS) {
            None => None,
            Some(text) => {
                let asked = realms.len() + registries.len();
                if asked != 1 {
                    return Err(format!(
                        "annotation `{}` has room for one login, and {asked} registries are asked for; name one region or one \
                         registry",
                        annotations::FIELDS
                    ));
                }
                let fields =
                    Fields::parse(text).map_err(|error| format!("annotation `{}`: {error}", annotations::FIELDS))?;
                spares_the_pair(secret, &fields)?;
                Some(fields)
            }
        };
        let renew_within = match set(secret, annotations::RENEW_WITHIN) {
            None => settings.renew_within,
            Some(text) => Some(cli::renew_within(text).map_err(|expected| {
                let text = one_line(text);
                format!("annotation `{}` is `{text}`; {expected}", annotations::RENEW_WITHIN)
            })?),
        };
        Ok(Wanted {
            source,
            role,
            realms,
            registries,
            config: config(secret.secret_type(), fields.is_some())?,
            fields,
            namespaces: namespaces(secret)?,
            renew_within,
        })
    }

    /// The realms that a login is needed for, each once.
    pub(super) fn needed(&self) -> Vec<&Realm> {
        let mut needed: Vec<&Realm> = Vec::new();
        for realm in self.realms.iter().chain(self.registries.iter().map(Registry::realm)) {
            if !needed.contains(&realm) {
                needed.push(realm);
            }
        }
        needed
    }
}

/// A Secret may hold a key pair, too, under data keys that its annotations name.
fn spares_the_pair(secret: &Secret, fields: &Fields) -> Result<(), String> {
    for named in [key_secret::ACCESS_KEY_ID_FIELD, key_secret::SECRET_ACCESS_KEY_FIELD] {
        if fields.data_keys().any(|key| set(secret, named) == Some(key)) {
            return Err(format!(
                "annotation `{}` names the data key that `{named}` names; a login is not written over a key pair: name another",
                annotations::FIELDS
            ));
        }
    }
    Ok(())
}

/// An annotation that says something.
fn set<'s>(secret: &'s Secret, name: &str) -> Option<&'s str> {
    secret.annotation(name).map(str::trim).filter(|text| !text.is_empty())
}

/// The items of a list with commas, each once.
fn items<T: PartialEq>(
    secret: &Secret,
    name: &str,
    what: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut items = Vec::new();
    for text in set(secret, name).into_iter().flat_map(|text| text.split(',')) {
        let text = text.trim();
        if text.is_empty() {
            return Err(format!(
                "annotation `{name}` has a comma without {what} beside it; expected them with one comma in between"
            ));
        }
        let item = parse(text).map_err(|error| format!("annotation `{name}`: {error}"))?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

/// The Secret with the key pair. An annotation that is there but empty is a mistake: it does not mean this machine's own
/// credentials.
pub(super) fn source(secret: &Secret) -> Result<Option<Key>, String> {
    let name = annotations::SOURCE;
    let Some(text) = secret.annotation(name).map(str::trim) else {
        return Ok(None);
    };
    if text.is_empty() {
        return Err(format!(
            "annotation `{name}` is empty; it names the Secret with the key pair; remove it to use the credentials of this machine"
        ));
    }
    let key = match text.split_once('/') {
        None => Key::in_namespace_of(&secret.key, text).map_err(|error| error.to_string()),
        // It is shown whole or not at all: a secret that is there by mistake is known as one by its length.
        Some((namespace, name)) => Key::parse(namespace, name).ok_or_else(|| {
            format!(
                "`{}` names no Secret; expected `name` or `namespace/name`, in lower-case letters, digits, `-` and `.`",
                one_line(text)
            )
        }),
    };
    key.map(Some).map_err(|error| format!("annotation `{name}`: {error}"))
}

fn role(secret: &Secret) -> Result<Option<Role>, String> {
    let external_id = set(secret, annotations::EXTERNAL_ID);
    let Some(arn) = set(secret, annotations::ROLE_ARN) else {
        return match external_id {
            None => Ok(None),
            Some(_) => Err(format!(
                "annotation `{}` says nothing without `{}`; add the role, or remove it",
                annotations::EXTERNAL_ID,
                annotations::ROLE_ARN
            )),
        };
    };
    if !is_role_arn(arn) {
        return Err(format!(
            "annotation `{}` is `{}`; expected the ARN of a role, such as `arn:aws:iam::123456789012:role/pull`",
            annotations::ROLE_ARN,
            one_line(arn)
        ));
    }
    // Whoever made it up may take it for a secret.
    if !external_id.is_none_or(is_external_id) {
        return Err(format!(
            "annotation `{}` is no external id; expected 2 to 1224 letters, digits and `_+=,.@:/-`",
            annotations::EXTERNAL_ID
        ));
    }
    Ok(Some(Role {
        external_id: external_id.map(str::to_owned),
        ..Role::of(arn)
    }))
}

/// Where the account's own registry is wanted: where the annotation says, else in the run's region. Where further registries
/// are named and neither says a region, only those are wanted.
fn realms(secret: &Secret, default: Option<&Region>, further: bool) -> Result<Vec<Realm>, String> {
    let named = items(secret, annotations::REGION, "a region", |text| {
        Realm::parse(text).map_err(|error| error.to_string())
    })?;
    match (named.is_empty(), default) {
        (false, _) => Ok(named),
        (true, Some(default)) => Ok(vec![Realm::Private(default.clone())]),
        (true, None) if further => Ok(Vec::new()),
        (true, None) => Err(format!(
            "annotation `{}` is missing or empty; it names the registry's region, such as `eu-west-1`, as `AWS_REGION` may",
            annotations::REGION
        )),
    }
}

/// An annotation that is there but empty is a mistake: it does not mean that the copies there are may go.
fn namespaces(secret: &Secret) -> Result<Option<Patterns>, String> {
    let name = annotations::NAMESPACES;
    let patterns = secret.annotation(name).map(Patterns::parse).transpose();
    patterns.map_err(|error| format!("annotation `{name}`: {error}"))
}

fn config(secret_type: &str, has_fields: bool) -> Result<Option<Form>, String> {
    match secret_type {
        "kubernetes.io/dockerconfigjson" => Ok(Some(Form::Wrapped)),
        "kubernetes.io/dockercfg" => Ok(Some(Form::Legacy)),
        _ if has_fields => Ok(None),
        "Opaque" => Ok(Some(Form::Wrapped)),
        other => Err(format!(
            "the Secret's type is `{}`; expected `kubernetes.io/dockerconfigjson`, or annotation `{}` for plain fields",
            one_line(other),
            annotations::FIELDS
        )),
    }
}
