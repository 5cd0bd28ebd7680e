//! What a Secret holds, and what it is given: logins in a Docker configuration or in plain fields, and the annotations that tell of
//! them.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::annotations::{EXPIRES_AT, LOGINS};
use super::docker_config::{self, Entry};
use super::ended::Ended;
use super::logins::{Given, Refused, Signed};
use super::record::{Record, fingerprint};
use super::wanted::Wanted;
use crate::aws::AccessKeyId;
use crate::aws::registry::{Realm, Registry};
use crate::kube::Secret;
use crate::sensitive::Sensitive;

/// What to say of a Secret that holds good logins: whether they last until `least` and are by the key that would sign now. `None`
/// where they are to be replaced.
pub(super) fn good(
    secret: &Secret,
    wanted: &Wanted,
    key: Option<&AccessKeyId>,
    least: OffsetDateTime,
) -> Option<String> {
    let record = Record::parse(secret.annotation(LOGINS)?)?;
    let until = secret.annotation(EXPIRES_AT)?;
    let own = |realm: &Realm| record.own.get(&realm.to_string()).cloned();
    let mut hosts = wanted.realms.iter().map(own).collect::<Option<Vec<String>>>()?;
    hosts.extend(wanted.registries.iter().map(|registry| registry.host().to_owned()));
    let is_good = OffsetDateTime::parse(until, &Rfc3339).ok()? >= least
        && record.key.as_deref() == key.map(AccessKeyId::as_str)
        && record.role.as_deref() == wanted.role.as_ref().map(|role| role.arn.as_str())
        && record.fingerprint == fingerprint(&held(secret, wanted, &hosts)?, until);
    is_good.then(|| {
        format!(
            "{} {} valid until {until}, and left as before",
            logins_to(&hosts),
            is_or_are(&hosts)
        )
    })
}

/// Puts the logins that were received into a Secret, and tells how that ended. Where one was not, what the Secret holds for its
/// registry stays, and so does `expires-at`, which speaks of the first login that ends.
///
/// # Errors
///
/// How it ended, where there is nothing to write.
pub(super) fn fill(secret: &mut Secret, wanted: &Wanted, given: &Given) -> Result<Ended, Ended> {
    let failed = |why: String| Ended::Failed(why);
    let refused: Vec<&Refused> = given
        .logins
        .iter()
        .filter_map(|(_, login)| login.as_ref().err())
        .collect();
    let received: Vec<(&Realm, &Signed)> = given
        .logins
        .iter()
        .filter_map(|(realm, login)| Some((realm, login.as_ref().ok()?)))
        .collect();
    let mut whys: Vec<&str> = refused.iter().map(|refused| refused.why.as_str()).collect();
    whys.dedup();
    let whys = whys.join("; and ");
    if refused.iter().any(|refused| refused.may_pass) {
        return Err(Ended::Later(whys));
    }
    let ends = received.iter().map(|(_, signed)| signed.login.expires_at).min();
    let (Some(ends), Some((_, Signed { by, .. }))) = (ends, received.first()) else {
        return Err(failed(whys));
    };
    let mut own = BTreeMap::new();
    let mut entries = Vec::new();
    for (realm, Signed { login, .. }) in &received {
        let entry = |host: &str| Entry {
            host: host.to_owned(),
            authorization: login.authorization.clone(),
        };
        if wanted.realms.contains(realm) {
            own.insert(realm.to_string(), login.registry.clone());
            entries.push(entry(&login.registry));
        }
        let further = wanted.registries.iter().filter(|registry| registry.realm() == *realm);
        // The account's own registry may be named once more.
        entries.extend(
            further
                .filter(|registry| registry.host() != login.registry)
                .map(|registry| entry(registry.host())),
        );
    }
    write(secret, wanted, &entries).map_err(failed)?;
    let hosts: Vec<String> = entries.into_iter().map(|entry| entry.host).collect();
    let until = ends
        .format(&Rfc3339)
        .map_err(|error| failed(format!("`expiresAt` is no time: {error}")))?;
    let told = format!(
        "{} with {} {} valid until {until}",
        logins_to(&hosts),
        by.told,
        is_or_are(&hosts)
    );
    if !refused.is_empty() {
        secret.remove_annotation(LOGINS);
        return Ok(failed(format!("{told}; but {whys}; what was there for it stays")));
    }
    let key = by.key.as_ref().map(AccessKeyId::to_string);
    let role = wanted.role.as_ref().map(|role| role.arn.clone());
    let record = held(secret, wanted, &hosts).map(|held| Record::new(key, role, own, fingerprint(&held, &until)));
    secret.set_annotation(EXPIRES_AT, &until);
    match record {
        Some(record) => secret.set_annotation(LOGINS, &record.write()),
        None => secret.remove_annotation(LOGINS),
    }
    Ok(Ended::Refreshed(Some(told)))
}

/// What in a Secret's configuration keeps some clients from taking the logins in it, said once for each reason.
pub(super) fn helpers(secret: &Secret, wanted: &Wanted) -> BTreeSet<&'static str> {
    let config = wanted
        .config
        .and_then(|form| Some((form, secret.data(form.data_key())?)));
    let record = secret.annotation(LOGINS).and_then(Record::parse);
    let own = record.iter().flat_map(|record| record.own.values().map(String::as_str));
    let hosts = own.chain(wanted.registries.iter().map(Registry::host));
    let Some((form, config)) = config else {
        return BTreeSet::new();
    };
    hosts
        .filter_map(|host| docker_config::helper_before(form, config.expose(), host))
        .collect()
}

fn write(secret: &mut Secret, wanted: &Wanted, entries: &[Entry]) -> Result<(), String> {
    if let Some(form) = wanted.config {
        let current = secret.data(form.data_key());
        let current = current.as_ref().map(|value| value.expose().as_slice());
        let merged = docker_config::merge(form, current, entries).map_err(|error| error.to_string())?;
        secret.set_data(form.data_key(), merged.expose());
    }
    // There is one: what asks for fields asks for one registry.
    for (fields, entry) in wanted.fields.iter().zip(entries) {
        for (name, value) in fields.values(entry).map_err(|error| error.to_string())? {
            secret.set_data(name, value.expose());
        }
    }
    Ok(())
}

/// The logins that a Secret holds for these hosts, all of them or none, in an order of their own. The hosts count also where
/// plain fields do not say them, and so does which part of a login each field is to hold.
fn held(secret: &Secret, wanted: &Wanted, hosts: &[String]) -> Option<Vec<(String, Sensitive<Vec<u8>>)>> {
    let mut held = Vec::new();
    let config = match wanted.config {
        Some(form) => Some((form, secret.data(form.data_key())?)),
        None => None,
    };
    for host in hosts.iter().collect::<BTreeSet<_>>() {
        let login = match &config {
            Some((form, config)) => docker_config::login_to(*form, config.expose(), host)?.expose().clone(),
            None => String::new(),
        };
        held.push((host.clone(), Sensitive::new(login.into_bytes())));
    }
    for (part, name) in wanted.fields.iter().flat_map(|fields| fields.parts()) {
        held.push((format!("{part}={name}"), secret.data(name)?));
    }
    Some(held)
}

fn logins_to(hosts: &[String]) -> String {
    match hosts {
        [host] => format!("login to {host}"),
        hosts => format!("logins to {}", hosts.join(", ")),
    }
}

fn is_or_are(hosts: &[String]) -> &'static str {
    if hosts.len() == 1 { "is" } else { "are" }
}
