//! IAM: the access keys of the user whose key signs. No call names a user, so none can reach another's keys.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{AccessKeyId, Call, Cause, Client, Error, FORM, KeyPair, Region, Safety, Service, query, refusal, xml};
use crate::error::one_line;
use crate::http::Reply;
use crate::retry::Asking;
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

impl KeyStatus {
    /// As the API calls it.
    fn name(self) -> &'static str {
        match self {
            KeyStatus::Active => "Active",
            KeyStatus::Inactive => "Inactive",
        }
    }
}

/// The keys of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// All of them.
    pub keys: Vec<AccessKey>,
    /// When AWS answered, by its own clock, in whole seconds: the same clock that dates the keys. Of a list in several
    /// pages, when it answered with the first. `None` when it did not say.
    pub date: Option<OffsetDateTime>,
}

/// Where and when a key was last used, as far as AWS has noticed; that takes it some hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUsed {
    /// When, by AWS's clock; `None` when never since AWS began to keep track.
    pub date: Option<OffsetDateTime>,
    /// The service's name, `s3`, or `N/A`.
    pub service: String,
    /// The region's name, or `N/A`.
    pub region: String,
}

/// ListAccessKeys: all keys of the user that `keys` belongs to.
///
/// # Errors
///
/// As for every call.
pub fn list_access_keys(client: &Client, region: &Region, keys: &KeyPair, asking: Asking) -> Result<Listing, Error> {
    let mut listing: Option<Listing> = None;
    let mut marker: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let parameters: Vec<(&str, &str)> = marker.iter().map(|marker| ("Marker", marker.as_str())).collect();
        let call = call(region, "ListAccessKeys", &parameters, Safety::Repeatable(asking));
        let reply = client.call(&call, keys)?;
        let (page, next) = parse_list(reply.body.expose()).ok_or_else(|| unreadable(client, &call, keys, &reply))?;
        let mut listed = listing.unwrap_or_else(|| Listing {
            keys: Vec::new(),
            date: reply.date(),
        });
        listed.keys.extend(page);
        if next.is_none() {
            return Ok(listed);
        }
        listing = Some(listed);
        marker = next;
    }
    let call = call(region, "ListAccessKeys", &[], Safety::Repeatable(asking));
    Err(client.error(
        &call,
        keys,
        Cause::Unreadable {
            status: 200,
            what: format!("the list has more than {MOST_PAGES} pages"),
        },
    ))
}

/// CreateAccessKey: a second key for the user that `keys` belongs to. One request is sent, and no second one for whatever
/// reason: no throttling and no wrong clock. It does not leave this machine later than `within` from now.
///
/// # Errors
///
/// [`Fault::OutcomeUnknown`](crate::error::Fault::OutcomeUnknown) when a key may have been made; so it is when there is no
/// whole answer `within` that time.
pub fn create_access_key(client: &Client, region: &Region, keys: &KeyPair, within: Duration) -> Result<KeyPair, Error> {
    let call = call(region, "CreateAccessKey", &[], Safety::Once(within));
    let reply = client.call(&call, keys)?;
    parse_create(reply.body.expose()).ok_or_else(|| unreadable(client, &call, keys, &reply))
}

/// UpdateAccessKey: makes one of the keys of the user that `keys` belongs to work, or not. Repeating it does no harm.
///
/// # Errors
///
/// As for every call; a key that is not there is one.
pub fn update_access_key(
    client: &Client,
    region: &Region,
    keys: &KeyPair,
    id: &AccessKeyId,
    status: KeyStatus,
    asking: Asking,
) -> Result<(), Error> {
    let parameters = [("AccessKeyId", id.as_str()), ("Status", status.name())];
    let call = call(region, "UpdateAccessKey", &parameters, Safety::Repeatable(asking));
    acknowledged(client, &call, keys, "UpdateAccessKeyResponse")
}

/// DeleteAccessKey: one of the keys of the user that `keys` belongs to. Repeating it does no harm.
///
/// # Errors
///
/// As for every call; a key that is not there is one.
pub fn delete_access_key(
    client: &Client,
    region: &Region,
    keys: &KeyPair,
    id: &AccessKeyId,
    asking: Asking,
) -> Result<(), Error> {
    let parameters = [("AccessKeyId", id.as_str())];
    let call = call(region, "DeleteAccessKey", &parameters, Safety::Repeatable(asking));
    acknowledged(client, &call, keys, "DeleteAccessKeyResponse")
}

/// GetAccessKeyLastUsed: when one of the keys of the user that `keys` belongs to was last used. It is asked once: the
/// answer is for a report, and a user that may not ask, or a moment that is not right, costs that report one detail.
///
/// # Errors
///
/// As for every call.
pub fn get_access_key_last_used(
    client: &Client,
    region: &Region,
    keys: &KeyPair,
    id: &AccessKeyId,
) -> Result<LastUsed, Error> {
    let parameters = [("AccessKeyId", id.as_str())];
    let call = call(
        region,
        "GetAccessKeyLastUsed",
        &parameters,
        Safety::Repeatable(Asking::Once),
    );
    let reply = client.call(&call, keys)?;
    parse_last_used(reply.body.expose()).ok_or_else(|| unreadable(client, &call, keys, &reply))
}

/// A call whose answer says no more than that it was carried out.
fn acknowledged(client: &Client, call: &Call<'_>, keys: &KeyPair, root: &str) -> Result<(), Error> {
    let reply = client.call(call, keys)?;
    match xml::parse(reply.body.expose()) {
        Ok(answer) if answer.is(root) => Ok(()),
        Ok(_) | Err(_) => Err(unreadable(client, call, keys, &reply)),
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

fn parse_last_used(body: &[u8]) -> Option<LastUsed> {
    let root = xml::parse(body).ok()?;
    let used = root.child("GetAccessKeyLastUsedResult")?.child("AccessKeyLastUsed")?;
    let date = match used.text_of("LastUsedDate") {
        Some(date) => Some(OffsetDateTime::parse(date, &Rfc3339).ok()?),
        None => None,
    };
    Some(LastUsed {
        date,
        service: one_line(used.text_of("ServiceName")?),
        region: one_line(used.text_of("Region")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_use_of_a_key() {
        let answer = |fields: &str| {
            let body = format!(
                "<GetAccessKeyLastUsedResponse xmlns='https://iam.amazonaws.com/doc/2010-05-08/'>\
                 <GetAccessKeyLastUsedResult><UserName>ci</UserName><AccessKeyLastUsed>{fields}</AccessKeyLastUsed>\
                 </GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>"
            );
            parse_last_used(body.as_bytes())
        };
        let place =
            |service: &str, region: &str| format!("<ServiceName>{service}</ServiceName><Region>{region}</Region>");
        let date = "<LastUsedDate>2026-11-23T04:45:54Z</LastUsedDate>";
        let used = answer(&(date.to_owned() + &place("s3", "eu-west-1"))).unwrap();
        assert_eq!(used.date.unwrap().unix_timestamp(), 1_795_409_154);
        assert_eq!((used.service.as_str(), used.region.as_str()), ("s3", "eu-west-1"));
        let never = answer(&place("N/A", "N/A")).unwrap();
        assert_eq!(
            (never.date, never.service.as_str(), never.region.as_str()),
            (None, "N/A", "N/A")
        );
        assert_eq!(answer(date), None, "no service and no region");
        let bad_date = "<LastUsedDate>yesterday</LastUsedDate>".to_owned();
        assert_eq!(answer(&(bad_date + &place("s3", "eu-west-1"))), None);
        assert_eq!(parse_last_used(b"<GetAccessKeyLastUsedResponse/>"), None);
    }

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
