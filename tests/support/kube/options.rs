//! The query of a request.

use super::refusal;
use super::selector::{FieldSelector, LabelSelector};
use super::status::Cause;
use crate::support::server::{Reply, Request};

/// What this stand-in knows. Anything else is a bug of the client, or something the stand-in must first learn.
const KNOWN: [&str; 16] = [
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "watch",
    "timeoutSeconds",
    "allowWatchBookmarks",
    "fieldManager",
    "fieldValidation",
    "dryRun",
    "pretty",
    "force",
    "propagationPolicy",
    // Of discovery.
    "timeout",
];

#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) label_selector: LabelSelector,
    pub(super) field_selector: FieldSelector,
    pub(super) limit: u64,
    pub(super) continue_token: String,
    /// `None` when it is not given; `Some(0)` is "any".
    pub(super) resource_version: Option<u64>,
    pub(super) resource_version_match: String,
    pub(super) watch: bool,
    pub(super) allow_watch_bookmarks: bool,
    pub(super) field_manager: String,
    pub(super) field_validation: FieldValidation,
    pub(super) dry_run: bool,
}

/// What becomes of fields that a Secret does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The first parameter that is not known.
pub(super) fn unknown_parameter(request: &Request) -> Option<String> {
    request
        .query()
        .into_iter()
        .map(|(name, _)| name)
        .find(|name| !KNOWN.contains(&name.as_str()))
}

impl Options {
    pub(super) fn parse(request: &Request) -> Result<Options, Reply> {
        let mut options = Options::default();
        for (name, value) in request.query() {
            match name.as_str() {
                "labelSelector" => {
                    options.label_selector = LabelSelector::parse(&value).map_err(refusal::bad_request)?
                }
                "fieldSelector" => {
                    options.field_selector = FieldSelector::parse(&value).map_err(refusal::bad_request)?
                }
                "limit" => options.limit = number(&value)?,
                "continue" => options.continue_token = value,
                "resourceVersion" if value.is_empty() => {}
                "resourceVersion" => options.resource_version = Some(resource_version(&value)?),
                "resourceVersionMatch" => options.resource_version_match = value,
                "watch" => options.watch = boolean(&value),
                "allowWatchBookmarks" => options.allow_watch_bookmarks = boolean(&value),
                "fieldManager" => options.field_manager = value,
                "fieldValidation" => options.field_validation = field_validation(&value)?,
                "dryRun" => options.dry_run = dry_run(&value)?,
                _ => {}
            }
        }
        options.check_list()?;
        Ok(options)
    }

    /// Whether only some objects are asked for.
    pub(super) fn selects(&self) -> bool {
        !self.label_selector.is_empty() || !self.field_selector.is_empty()
    }

    /// `ValidateListOptions`.
    fn check_list(&self) -> Result<(), Reply> {
        let refused = |why: &str| {
            Err(refusal::invalid_options(
                "ListOptions",
                Cause::forbidden("resourceVersionMatch", why),
            ))
        };
        match self.resource_version_match.as_str() {
            "" => Ok(()),
            _ if self.watch => refused("resourceVersionMatch is forbidden for watch"),
            _ if self.resource_version.is_none() => {
                refused("resourceVersionMatch is forbidden unless resourceVersion is provided")
            }
            _ if !self.continue_token.is_empty() => refused("resourceVersionMatch is forbidden with continue"),
            "Exact" if self.resource_version == Some(0) => {
                refused("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
            }
            "Exact" | "NotOlderThan" => Ok(()),
            other => {
                let cause = Cause::unsupported("resourceVersionMatch", other, "\"Exact\", \"NotOlderThan\", \"\"");
                Err(refusal::invalid_options("ListOptions", cause))
            }
        }
    }
}

fn number(text: &str) -> Result<u64, Reply> {
    let refused = || refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    if text.is_empty() {
        Ok(0)
    } else {
        text.parse().map_err(|_| refused())
    }
}

fn resource_version(text: &str) -> Result<u64, Reply> {
    let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
    text.parse()
        .map_err(|_| refusal::bad_request(format!("resourceVersion: Invalid value: {text:?}: {why}")))
}

/// In Go's conversion everything but `false` and `0` is true, the empty text too.
fn boolean(text: &str) -> bool {
    !matches!(text.to_ascii_lowercase().as_str(), "false" | "0")
}

fn field_validation(text: &str) -> Result<FieldValidation, Reply> {
    match text {
        "" | "Warn" => Ok(FieldValidation::Warn),
        "Ignore" => Ok(FieldValidation::Ignore),
        "Strict" => Ok(FieldValidation::Strict),
        other => {
            let cause = Cause::unsupported("fieldValidation", other, "\"\", \"Ignore\", \"Strict\", \"Warn\"");
            Err(refusal::invalid_options("CreateOptions", cause))
        }
    }
}

fn dry_run(text: &str) -> Result<bool, Reply> {
    match text {
        "" => Ok(false),
        "All" => Ok(true),
        other => Err(refusal::invalid_options(
            "CreateOptions",
            Cause::unsupported("dryRun", other, "\"All\""),
        )),
    }
}
