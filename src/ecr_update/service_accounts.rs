//! Service accounts whose pods are to pull images with a Secret: its name in their `imagePullSecrets`, once.
//!
//! A name is added and never taken away, also when the annotation is: nothing tells who put it there, and the pods that are
//! made next may rely on it. A name without its Secret does no harm; the kubelet passes it over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::annotations::SERVICE_ACCOUNTS;
use crate::error::{Fault, one_line};
use crate::kube::key::is_name;
use crate::kube::{self, Key, ServiceAccount};
use crate::retry::Asking;

/// How often an account is written before others who write it too are given up on.
const MOST_WRITES: u32 = 3;

/// The service accounts that a Secret names, in its order, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts(Vec<String>);

/// A text that does not name service accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadAccounts {
    /// There is nothing before, between or behind the commas.
    NothingBesideComma,
    /// This cannot be a name.
    NoName(String),
    /// This name comes more than once.
    Twice(String),
}

impl Accounts {
    /// Takes names separated by commas, with white space around them or not. A text without any is none.
    ///
    /// # Errors
    ///
    /// When a name is missing beside a comma or cannot be one, and when one comes twice.
    pub fn parse(text: &str) -> Result<Accounts, BadAccounts> {
        let mut names: Vec<String> = Vec::new();
        if text.trim().is_empty() {
            return Ok(Accounts(names));
        }
        for name in text.split(',').map(str::trim) {
            if name.is_empty() {
                return Err(BadAccounts::NothingBesideComma);
            }
            if !is_name(name) {
                return Err(BadAccounts::NoName(one_line(name)));
            }
            if names.iter().any(|known| known == name) {
                return Err(BadAccounts::Twice(name.to_owned()));
            }
            names.push(name.to_owned());
        }
        Ok(Accounts(names))
    }
}

impl fmt::Display for BadAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadAccounts::NothingBesideComma => f.write_str(
                "a name is missing beside a comma; expected names of service accounts, such as `default,builder`",
            ),
            BadAccounts::NoName(text) => write!(
                f,
                "`{text}` is no name of a service account; expected at most 253 lower-case letters, digits, `-` and `.`, \
                 beginning and ending with a letter or digit"
            ),
            BadAccounts::Twice(name) => write!(f, "`{name}` comes twice; name each service account once"),
        }
    }
}

/// What became of the accounts of one Secret. What went wrong has been logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// These have it now and had not.
    pub added: Vec<Key>,
    /// So many could not be seen to.
    pub failed: usize,
}

impl fmt::Display for Added {
    /// Whom it was added to, for the line on the Secret; nothing where that is nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, account) in self.added.iter().enumerate() {
            let before = match at {
                0 => "; added to `imagePullSecrets` of service account ",
                _ => ", ",
            };
            write!(f, "{before}{account}")?;
        }
        Ok(())
    }
}

/// The accounts that were looked at in this run. Threads may share it; each account is one thread's at a time, so that they do
/// not wear out one another's attempts.
#[derive(Debug, Default)]
pub struct ServiceAccounts {
    known: Mutex<BTreeMap<Key, Arc<Mutex<Option<Seen>>>>>,
}

#[derive(Clone, Debug)]
enum Seen {
    There(ServiceAccount),
    Missing,
    /// It is not asked for again.
    Failed(Failure),
}

#[derive(Clone, Debug)]
struct Failure {
    text: String,
    /// A Role lacks a right.
    denied: bool,
}

enum Outcome {
    Had,
    Added,
    Missing,
}

impl ServiceAccounts {
    /// Adds the Secret `original` to the `imagePullSecrets` of these accounts of its namespace that do not have it, and its
    /// copies to those of theirs. To be called when they are there and hold a login, never before: a pod would be told to pull
    /// with nothing. An account that is missing beside the original is worth a warning; beside a copy it is not, for not
    /// every namespace has every account.
    pub fn add(&self, kube: &kube::Client, original: &Key, copies: &[kube::Namespace], accounts: &Accounts) -> Added {
        let mut result = Added::default();
        let mut denied: Vec<Failure> = Vec::new();
        let own = std::iter::once((original.namespace.clone(), true));
        for (namespace, is_own) in own.chain(copies.iter().map(|copy| (copy.to_string(), false))) {
            for name in &accounts.0 {
                let account = Key {
                    namespace: namespace.clone(),
                    name: name.clone(),
                };
                match self.see_to(kube, &account, &original.name) {
                    Ok(Outcome::Had) => log::debug!("{original}: service account {account} pulls with it already"),
                    Ok(Outcome::Added) => result.added.push(account),
                    Ok(Outcome::Missing) if is_own => log::warn!(
                        "{original}: annotation `{SERVICE_ACCOUNTS}` names service account {account}, which is not there; make it, \
                         or correct the name"
                    ),
                    Ok(Outcome::Missing) => log::debug!("{original}: there is no service account {account}"),
                    Err(failure) => {
                        result.failed += 1;
                        if failure.denied {
                            denied.push(failure);
                        } else {
                            log::error!("{original}: annotation `{SERVICE_ACCOUNTS}`: {}", failure.text);
                        }
                    }
                }
            }
        }
        // What is to be granted is the same for all of them, most often.
        if let Some(first) = denied.first() {
            let more = match denied.len() - 1 {
                0 => String::new(),
                1 => "; the same for 1 more service account".to_owned(),
                more => format!("; the same for {more} more service accounts"),
            };
            log::error!("{original}: annotation `{SERVICE_ACCOUNTS}`: {}{more}", first.text);
        }
        result
    }

    fn see_to(&self, kube: &kube::Client, account: &Key, secret: &str) -> Result<Outcome, Failure> {
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(account.clone()).or_default())
        };
        // A thread that panicked has left what it had read.
        let mut seen = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let current = match &*seen {
            Some(Seen::Missing) => return Ok(Outcome::Missing),
            Some(Seen::Failed(failure)) => return Err(failure.clone()),
            Some(Seen::There(current)) => Some(current.clone()),
            None => None,
        };
        let (now, outcome) = pull_with(kube, account, secret, current);
        *seen = now;
        outcome
    }
}

/// Reads the account, unless this run has, and writes it if it lacks the Secret; again on a fresh copy where somebody else was
/// faster or the answer was lost. Tells how the account is now, if that is known, and what became of it.
fn pull_with(
    kube: &kube::Client,
    account: &Key,
    secret: &str,
    mut current: Option<ServiceAccount>,
) -> (Option<Seen>, Result<Outcome, Failure>) {
    let mut refused = None;
    let mut writes = 0;
    loop {
        let read = match current.take() {
            Some(known) => Ok(known),
            None => kube.get_service_account(account, Asking::Patiently),
        };
        let mut it = match read {
            Ok(it) => it,
            Err(error) => return without(&error),
        };
        if it.pulls_with(secret) {
            // What an earlier write, thought lost, has stored.
            let outcome = if writes > 0 { Outcome::Added } else { Outcome::Had };
            return (Some(Seen::There(it)), Ok(outcome));
        }
        if writes == MOST_WRITES
            && let Some(failure) = refused
        {
            return (Some(Seen::There(it)), Err(failure));
        }
        it.pull_with(secret);
        writes += 1;
        let error = match kube.update_service_account(&it, Asking::Patiently) {
            Ok(stored) if stored.pulls_with(secret) => return (Some(Seen::There(stored)), Ok(Outcome::Added)),
            Ok(stored) => {
                let text = format!(
                    "service account {account} was not stored as it was sent, perhaps changed by an admission webhook"
                );
                return (Some(Seen::There(stored)), Err(Failure { text, denied: false }));
            }
            Err(error) => error,
        };
        if !matches!(error.fault(), Fault::Conflict | Fault::OutcomeUnknown) {
            return without(&error);
        }
        log::debug!("{error}; reading it again");
        refused = Some(Failure::of(&error));
    }
}

/// An account that could not be read or written: it is not asked for again in this run.
fn without(error: &kube::Error) -> (Option<Seen>, Result<Outcome, Failure>) {
    if error.fault() == Fault::NotFound {
        return (Some(Seen::Missing), Ok(Outcome::Missing));
    }
    let failure = Failure::of(error);
    (Some(Seen::Failed(failure.clone())), Err(failure))
}

impl Failure {
    fn of(error: &kube::Error) -> Failure {
        Failure {
            text: error.to_string(),
            denied: error.is_denied_by_rbac(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_separated_by_commas() {
        let names = |text: &str| Accounts::parse(text).unwrap().0;
        assert_eq!(names("default"), ["default"]);
        assert_eq!(names(" default ,ci.bot-2\n"), ["default", "ci.bot-2"]);
        assert_eq!(names("b,a"), ["b", "a"]);
        assert_eq!(names(""), [""; 0]);
        assert_eq!(names(" \n"), [""; 0]);
    }

    #[test]
    fn what_names_no_accounts_says_why() {
        let said = |text: &str| Accounts::parse(text).unwrap_err().to_string();
        let missing = "a name is missing beside a comma; expected names of service accounts, such as `default,builder`";
        let no_name = |name: &str| {
            format!(
                "`{name}` is no name of a service account; expected at most 253 lower-case letters, digits, `-` and `.`, \
                 beginning and ending with a letter or digit"
            )
        };
        for text in [",", "default,", ",default", "default,,builder", "default, ,builder"] {
            assert_eq!(said(text), missing, "{text}");
        }
        for name in [
            "Default",
            "a/b",
            "../secrets/x",
            "-a",
            "a.",
            "a..b",
            "a b",
            "a?x=1",
            "a%2fb",
        ] {
            assert_eq!(said(&format!("default,{name}")), no_name(name));
        }
        assert_eq!(said(&"x".repeat(254)), no_name(&"x".repeat(254)));
        assert_eq!(said("a\nb"), no_name(&one_line("a\nb")));
        assert_eq!(
            said("default,builder, default"),
            "`default` comes twice; name each service account once"
        );
    }
}
