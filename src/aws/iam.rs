//! IAM: the access keys of the user whose key signs. No call names a user, so none can reach another's keys.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{
    AccessKeyId, Asking, Call, Cause, Client, Error, FORM, KeyPair, Region, Safety, Service, query, refusal, xml,
};
use crate::http::Reply;
use crate::sensitive::Sensitive;

const VERSION: &str = "2010-05-08";

/// A user has two keys; more pages than this are a server gone wrong.
const MOST_PAGES: usize = 20;

/// An access key as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id.
    pub id: AccessKeyId,
    /// Whether it works.
    pub status: KeyStatus,
    /// When it was made, by AWS's clock.
    pub created: OffsetDateTime,
}

/// Whether a key works. `Expired` counts as not active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It works.
    Active,
    /// It does not, but still counts towards the two that a user may have.
    Inactive,
}

/// ListAccessKeys: all keys of the user that `keys` belongs to.
///
/// # Errors
///
/// As for every call; reading is repeated where that can help.
pub fn list_access_keys(
    client: &Client,
    region: &Region,
    keys: &KeyPair,
    asking: Asking,
) -> Result<Vec<AccessKey>, Error> {
    let mut listed = Vec::new();
    let mut marker: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let parameters: Vec<(&str, &str)> = marker.iter().map(|marker| ("Marker", marker.as_str())).collect();
        let call = call(region, "ListAccessKeys", &parameters, asking.safety());
        let reply = client.call(&call, keys)?;
        let (page, next) = parse_list(reply.body.expose()).ok_or_else(|| unreadable(client, &call, keys, &reply))?;
        listed.extend(page);
        match next {
            Some(next) => marker = Some(next),
            None => return Ok(listed),
        }
    }
    let call = call(region, "ListAccessKeys", &[], asking.safety());
    Err(client.error(
        &call,
        keys,
        Cause::Unreadable {
            status: 200,
            what: format!("the list has more than {MOST_PAGES} pages"),
        },
    ))
}

/// CreateAccessKey: a second key for the user that `keys` belongs to. It is sent once.
///
/// # Errors
///
/// [`Fault::OutcomeUnknown`](crate::error::Fault::OutcomeUnknown) when a key may have been made.
pub fn create_access_key(client: &Client, region: &Region, keys: &KeyPair) -> Result<KeyPair, Error> {
    let call = call(region, "CreateAccessKey", &[], Safety::Once);
    let reply = client.call(&call, keys)?;
    parse_create(reply.body.expose()).ok_or_else(|| unreadable(client, &call, keys, &reply))
}

/// DeleteAccessKey: one of the keys of the user that `keys` belongs to. Repeating it does no harm.
///
/// # Errors
///
/// As for every call; a key that is not there is one.
pub fn delete_access_key(client: &Client, region: &Region, keys: &KeyPair, id: &AccessKeyId) -> Result<(), Error> {
    let call = call(
        region,
        "DeleteAccessKey",
        &[("AccessKeyId", id.as_str())],
        Safety::Repeatable,
    );
    let reply = client.call(&call, keys)?;
    match xml::parse(reply.body.expose()) {
        Ok(root) if root.is("DeleteAccessKeyResponse") => Ok(()),
        Ok(_) | Err(_) => Err(unreadable(client, &call, keys, &reply)),
    }
}

fn call<'a>(region: &'a Region, operation: &'static str, parameters: &[(&str, &str)], safety: Safety) -> Call<'a> {
    Call {
        service: Service::Iam,
        region,
        operation,
        content_type: FORM,
        target: None,
        body: query(operation, VERSION, parameters),
        safety,
    }
}

fn unreadable(client: &Client, call: &Call<'_>, keys: &KeyPair, reply: &Reply) -> Error {
    client.error(call, keys, refusal::unexpected(reply, "IAM's XML"))
}

fn parse_list(body: &[u8]) -> Option<(Vec<AccessKey>, Option<String>)> {
    let root = xml::parse(body).ok()?;
    let result = root.child("ListAccessKeysResult")?;
    let keys = result
        .all(&["AccessKeyMetadata", "member"])
        .into_iter()
        .map(parse_key)
        .collect::<Option<Vec<_>>>()?;
    // Without the list there is no telling "none" from "not understood".
    result.child("AccessKeyMetadata")?;
    let next = match result.text_of("IsTruncated") {
        Some("true") => Some(result.text_of("Marker")?.to_owned()),
        _ => None,
    };
    Some((keys, next))
}

fn parse_key(member: &xml::Element) -> Option<AccessKey> {
    Some(AccessKey {
        id: AccessKeyId::parse(member.text_of("AccessKeyId")?).ok()?,
        status: if member.text_of("Status")? == "Active" {
            KeyStatus::Active
        } else {
            KeyStatus::Inactive
        },
        created: OffsetDateTime::parse(member.text_of("CreateDate")?, &Rfc3339).ok()?,
    })
}

fn parse_create(body: &[u8]) -> Option<KeyPair> {
    let root = xml::parse(body).ok()?;
    let key = root.child("CreateAccessKeyResult")?.child("AccessKey")?;
    let id = AccessKeyId::parse(key.text_of("AccessKeyId")?).ok()?;
    let secret = key.text_of("SecretAccessKey").filter(|secret| !secret.is_empty())?;
    Some(KeyPair {
        id,
        secret: Sensitive::new(secret.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_two_pages_and_the_states() {
        let page = |more: &str| {
            format!(
                "<ListAccessKeysResponse xmlns='https://iam.amazonaws.com/doc/2010-05-08/'><ListAccessKeysResult>\
                 <AccessKeyMetadata><member><UserName>ci</UserName><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId>\
                 <Status>Inactive</Status><CreateDate>2026-11-23T04:45:54Z</CreateDate></member></AccessKeyMetadata>\
                 {more}</ListAccessKeysResult></ListAccessKeysResponse>"
            )
        };
        let (keys, next) = parse_list(page("<IsTruncated>true</IsTruncated><Marker>m</Marker>").as_bytes()).unwrap();
        assert_eq!(
            (keys[0].status, keys[0].created.unix_timestamp()),
            (KeyStatus::Inactive, 1_795_409_154)
        );
        assert_eq!(next.as_deref(), Some("m"));
        assert_eq!(
            parse_list(page("<IsTruncated>false</IsTruncated>").as_bytes())
                .unwrap()
                .1,
            None
        );
        assert_eq!(parse_list(page("<IsTruncated>true</IsTruncated>").as_bytes()), None);
    }

    #[test]
    fn a_list_without_its_list_is_not_an_empty_one() {
        let body = b"<ListAccessKeysResponse><ListAccessKeysResult/></ListAccessKeysResponse>";
        assert_eq!(parse_list(body), None);
    }

    #[test]
    fn a_created_key_without_a_secret_is_none() {
        let body = |secret: &str| {
            format!(
                "<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey>\
                 <AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
                 </AccessKey></CreateAccessKeyResult></CreateAccessKeyResponse>"
            )
        };
        assert_eq!(parse_create(body("a/b+c").as_bytes()).unwrap().secret.expose(), "a/b+c");
        assert_eq!(parse_create(body("").as_bytes()), None);
    }
}
