//! GET of Secrets: one, a list, pages of a list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::go;
use super::object::Secret;
use super::options::Options;
use super::route::Form;
use super::store::Store;
use super::{refusal, status, table};
use crate::support::server::Reply;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretList<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMetadata,
    items: Vec<&'a Secret>,
}

#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMetadata {
    pub(super) resource_version: String,
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    continue_token: String,
    /// Only without a selector: with one the server does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_item_count: Option<usize>,
}

impl ListMetadata {
    /// A page that ends with the key `last`, without its prefix, and has `remaining` keys behind it. There is a next page when
    /// there are more keys, matching or not: the page with the last match may have one.
    fn of_page(revision: u64, last: &str, remaining: usize, options: &Options) -> ListMetadata {
        let continue_token = match remaining {
            0 => String::new(),
            _ => encode(revision as i64, &format!("/{last}\0")),
        };
        ListMetadata {
            resource_version: revision.to_string(),
            continue_token,
            remaining_item_count: (remaining > 0 && !options.selects()).then_some(remaining),
        }
    }
}

pub(super) fn get(
    store: &Store,
    namespace: &str,
    name: &str,
    options: &Options,
    form: Form,
    now: i64,
) -> Result<Reply, Reply> {
    not_from_the_future(store, options)?;
    let secret = store
        .get(namespace, name)
        .ok_or_else(|| refusal::not_found("secrets", name))?;
    Ok(one(&secret, 200, form, now))
}

/// A single Secret as the answer.
pub(super) fn one(secret: &Secret, code: u16, form: Form, now: i64) -> Reply {
    match form {
        Form::Json => status::json(code, &secret.typed()),
        Form::Table => {
            let resource_version = secret.metadata.resource_version.clone();
            let metadata = ListMetadata {
                resource_version,
                ..ListMetadata::default()
            };
            status::json(code, &table::of_secrets(metadata, &[secret], now))
        }
    }
}

/// All Secrets of a namespace, or of all namespaces.
pub(super) fn list(
    store: &Store,
    namespace: Option<&str>,
    options: &Options,
    form: Form,
    now: i64,
) -> Result<Reply, Reply> {
    let prefix = prefix(namespace);
    let start = start(store, &prefix, options)?;
    let all = store.at(start.revision, &prefix).map(|(at, secret)| (at, &**secret));
    let wanted = |secret: &Secret| {
        options.label_selector.matches(&secret.metadata.labels) && options.field_selector.matches(secret)
    };
    let (metadata, items) = page(&start, &prefix, options, all, wanted);
    Ok(match form {
        Form::Json => status::json(
            200,
            &SecretList {
                kind: "SecretList",
                api_version: "v1",
                metadata,
                items,
            },
        ),
        Form::Table => status::json(200, &table::of_secrets(metadata, &items, now)),
    })
}

/// The wanted ones of a page, out of `all` that lie under `prefix`, by their keys and in order.
pub(super) fn page<'a, T>(
    start: &Start,
    prefix: &str,
    options: &Options,
    all: impl Iterator<Item = (&'a str, &'a T)>,
    wanted: impl Fn(&T) -> bool,
) -> (ListMetadata, Vec<&'a T>) {
    let mut items = Vec::new();
    let mut last = "";
    let mut remaining = 0;
    for (at, item) in all.filter(|(at, _)| *at >= start.key.as_str()) {
        if start.limit.is_some_and(|limit| items.len() >= limit) {
            remaining += 1;
            continue;
        }
        last = at;
        if wanted(item) {
            items.push(item);
        }
    }
    let last = last.get(prefix.len()..).unwrap_or_default();
    (ListMetadata::of_page(start.revision, last, remaining, options), items)
}

/// The keys of a namespace, or all.
pub(super) fn prefix(namespace: Option<&str>) -> String {
    namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default()
}

/// Where a page begins.
pub(super) struct Start {
    pub(super) revision: u64,
    pub(super) key: String,
    pub(super) limit: Option<usize>,
}

pub(super) fn start(store: &Store, prefix: &str, options: &Options) -> Result<Start, Reply> {
    let limit = (options.limit > 0).then_some(options.limit as usize);
    let from = |revision| Start {
        revision,
        key: prefix.to_owned(),
        limit,
    };
    if options.continue_token.is_empty() {
        not_from_the_future(store, options)?;
        let exact =
            options.resource_version_match == "Exact" || (options.resource_version_match.is_empty() && limit.is_some());
        return match options.resource_version {
            // From the cache, where the limit is ignored.
            Some(0) => Ok(Start {
                limit: None,
                ..from(store.revision)
            }),
            Some(revision) if exact && revision < store.compacted => Err(status::status_reply(
                410,
                "Expired",
                "The resourceVersion for the provided list is too old.",
            )),
            Some(revision) if exact => Ok(from(revision)),
            _ => Ok(from(store.revision)),
        };
    }
    if options.resource_version.is_some_and(|version| version != 0) {
        return Err(refusal::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let (revision, start) = decode(&options.continue_token)
        .map_err(|why| refusal::bad_request(format!("invalid continue token: continue key is not valid: {why}")))?;
    let key = format!("{prefix}{start}");
    match revision {
        // What a client gets that goes on in spite of 410.
        ..0 => Ok(Start {
            key,
            ..from(store.revision)
        }),
        revision if (revision as u64) < store.compacted => Err(refusal::expired_continue(encode(-1, &start))),
        revision => Ok(Start {
            key,
            ..from(revision as u64)
        }),
    }
}

fn not_from_the_future(store: &Store, options: &Options) -> Result<(), Reply> {
    match options.resource_version {
        Some(asked) if asked > store.revision => Err(refusal::too_large_resource_version(asked, store.revision)),
        _ => Ok(()),
    }
}

#[derive(Serialize, Deserialize)]
struct ContinueToken {
    v: String,
    rv: i64,
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// `start` is the key behind the last one looked at, without the prefix.
fn encode(revision: i64, start: &str) -> String {
    let token = ContinueToken {
        v: TOKEN_VERSION.into(),
        rv: revision,
        start: start.into(),
    };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).expect("strings and a number"))
}

/// The revision and the start, without the slash that may lead it.
fn decode(token: &str) -> Result<(i64, String), String> {
    let json = go::decode_raw_url_base64(token)?;
    if let Some(error) = go::json_syntax_error(&json) {
        return Err(error);
    }
    let token: ContinueToken = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    if token.v != TOKEN_VERSION {
        return Err(format!("server does not recognize this encoded version {:?}", token.v));
    }
    if token.rv == 0 {
        return Err(format!(
            "incorrect encoded start resourceVersion (version {TOKEN_VERSION})"
        ));
    }
    if token.start.is_empty() {
        return Err(format!("encoded start key empty (version {TOKEN_VERSION})"));
    }
    let start = token.start.strip_prefix('/').unwrap_or(&token.start);
    if start.split('/').any(|step| matches!(step, "" | "." | "..")) {
        return Err(token.start);
    }
    Ok((token.rv, start.to_owned()))
}
