//! Lists, page by page.

use serde_json::Value;

use super::status::{self, Cause, Error};
use super::what::What;
use super::{Client, member};
use crate::http;
use crate::retry::Asking;

/// How many objects one page of a list holds; kubectl's own number.
const PAGE: usize = 500;

/// A list whose continue tokens keep expiring is asked for whole after this many times.
const MOST_RESTARTS: usize = 2;

/// More than this, a million objects, are a server that goes round in circles.
const MOST_PAGES: usize = 2000;

/// What comes of a page.
enum Page {
    /// These objects are next.
    Items(Vec<Value>),
    /// The list begins anew: what came so far does not count.
    Anew,
}

impl Client {
    /// What `read` makes of the list at `path`, with the rest of its query in `selector`, page by page, in the server's order;
    /// `None` where it does not understand a page. The request for each page is asked as `asking` says.
    pub(super) fn list<T>(
        &self,
        what: &What,
        path: &str,
        selector: &str,
        asking: Asking,
        read: impl Fn(Vec<Value>) -> Option<Vec<T>>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.pages(what, path, selector, asking, &mut |page| match page {
            Page::Anew => {
                found.clear();
                true
            }
            Page::Items(items) => read(items).map(|more| found.extend(more)).is_some(),
        })?;
        Ok(found)
    }

    /// Gives each page to `take`, which says whether it understood it. Apart from [`Client::list`], so that the program has it
    /// once for all kinds.
    fn pages(
        &self,
        what: &What,
        path: &str,
        selector: &str,
        asking: Asking,
        take: &mut dyn FnMut(Page) -> bool,
    ) -> Result<(), Error> {
        let kind = what.resource.list_kind();
        let mut restarts = 0;
        let mut pages = 0;
        let mut next: Option<String> = None;
        loop {
            let mut query = selector.to_owned();
            let mut add = |parameter: String| {
                if !query.is_empty() {
                    query.push('&');
                }
                query += &parameter;
            };
            if restarts <= MOST_RESTARTS {
                add(format!("limit={PAGE}"));
            }
            if let Some(token) = &next {
                add(format!("continue={}", http::percent_encode(token)));
            }
            let reply = match self.get(&format!("{path}?{query}"), asking) {
                Ok(reply) => reply,
                // The pages so far show a state that is gone; a list from two states could lack what both hold.
                Err(cause) if cause.is_expired() && next.is_some() => {
                    restarts += 1;
                    take(Page::Anew);
                    next = None;
                    continue;
                }
                Err(cause) => return Err(self.error(what, cause)),
            };
            let page = parse(reply.body.expose(), kind);
            let Some(behind) = page.and_then(|(items, behind)| take(Page::Items(items)).then_some(behind)) else {
                return Err(self.error(what, status::unexpected(&reply, &format!("a {kind}"))));
            };
            pages += 1;
            next = behind;
            if next.is_none() {
                return Ok(());
            }
            if pages == MOST_PAGES {
                let why = format!("the list has more than {MOST_PAGES} pages");
                return Err(self.error(what, Cause::Unreadable { status: 200, what: why }));
            }
        }
    }
}

/// The objects of a page, and the token for the next one.
pub(super) fn parse(body: &[u8], kind: &str) -> Option<(Vec<Value>, Option<String>)> {
    let mut list: Value = serde_json::from_slice(body).ok()?;
    if list.get("kind")?.as_str()? != kind {
        return None;
    }
    let next = member(&list, &["metadata", "continue"]).and_then(Value::as_str);
    let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
    match list.get_mut("items")?.take() {
        Value::Array(items) => Some((items, next)),
        // A nil slice of Go's, which some aggregated servers send for an empty list.
        Value::Null => Some((Vec::new(), next)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_the_kind_is_refused() {
        let list = |items: &str, metadata: &str| {
            let body = format!(r#"{{"kind":"SecretList","metadata":{{{metadata}}},"items":{items}}}"#);
            parse(body.as_bytes(), "SecretList")
        };
        assert_eq!(list("[]", ""), Some((Vec::new(), None)));
        assert_eq!(list("null", r#""continue":"""#), Some((Vec::new(), None)));
        let (items, next) = list("[1]", r#""continue":"abc""#).unwrap();
        assert_eq!((items.len(), next.as_deref()), (1, Some("abc")));
        assert_eq!(list("{}", ""), None);
        assert_eq!(parse(b"<html>", "SecretList"), None);
        assert_eq!(parse(br#"{"kind":"NamespaceList","items":[]}"#, "SecretList"), None);
    }
}
