//! Service accounts whose pods are to pull images with a Secret: its name in their `imagePullSecrets`, once.
//!
//! A name is added and never taken away, also when the annotation is: nothing tells who put it there, and the pods that are
//! made next may rely on it. A name without its Secret does no harm; the kubelet passes it over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Fault, one_line};
use crate::kube::secret::is_name;
use crate::kube::{self, Key, ServiceAccount};
use crate::retry::Asking;

/// The annotation that names the service accounts, separated by commas.
pub const SERVICE_ACCOUNTS: &str = "aws-ecr-updater/service-accounts";

/// How often an account is written before others who write it too are given up on.
const MOST_WRITES: u32 = 3;

/// The service accounts that a Secret names, in its order: at least one, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts(Vec<String>);

/// A text that does not name service accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadAccounts {
    /// There is nothing in it.
    Empty,
    /// There is nothing before, between or behind the commas.
    NothingBesideComma,
    /// This cannot be a name.
    NoName(String),
    /// This name comes more than once.
    Twice(String),
}

impl Accounts {
    /// Takes names separated by commas, with white space around them or not.
    ///
    /// # Errors
    ///
    /// When there is none, when one is missing beside a comma or cannot be one, and when one comes twice.
    pub fn parse(text: &str) -> Result<Accounts, BadAccounts> {
        if text.trim().is_empty() {
            return Err(BadAccounts::Empty);
        }
        let mut names: Vec<String> = Vec::new();
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
            BadAccounts::Empty => f.write_str(
                "it is empty; it names service accounts, separated by commas; remove it to add the Secret to none",
            ),
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

/// Where a Secret is that accounts are to pull with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where somebody wrote the annotation: an account that is missing is worth a warning.
    Original,
    /// Where a copy of it is: not every namespace has every account.
    Copy,
}

/// The accounts that were looked at in this run. Threads may share it.
#[derive(Debug, Default)]
pub struct ServiceAccounts {
    seen: Mutex<BTreeMap<Key, Seen>>,
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
    /// Adds `secret` to the `imagePullSecrets` of these accounts of its namespace that do not have it, and says so in the log.
    /// To be called when the Secret is there and holds a login, never before: a pod would be told to pull with nothing.
    ///
    /// # Errors
    ///
    /// One text for all accounts that could not be seen to; the others have been.
    pub fn add(&self, kube: &kube::Client, secret: &Key, accounts: &Accounts, place: Place) -> Result<(), String> {
        let mut failures: Vec<Failure> = Vec::new();
        for name in &accounts.0 {
            let account = Key {
                namespace: secret.namespace.clone(),
                name: name.clone(),
            };
            match self.see_to(kube, &account, &secret.name) {
                Ok(Outcome::Had) => log::debug!("{secret}: service account {account} pulls with it already"),
                Ok(Outcome::Added) => log::info!(
                    "{secret}: added to `imagePullSecrets` of service account {account}; pods made from now on pull with it"
                ),
                Ok(Outcome::Missing) => match place {
                    Place::Original => log::warn!(
                        "{secret}: annotation `{SERVICE_ACCOUNTS}` names service account {account}, which is not there; make it, \
                         or correct the name"
                    ),
                    Place::Copy => log::debug!("{secret}: there is no service account {account}"),
                },
                // What is to be granted is the same for all of them.
                Err(failure) => match failures.iter_mut().find(|known| known.denied && failure.denied) {
                    Some(known) => known.text += &format!("; so for service account {account}"),
                    None => failures.push(failure),
                },
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        let texts: Vec<_> = failures.into_iter().map(|failure| failure.text).collect();
        Err(format!("annotation `{SERVICE_ACCOUNTS}`: {}", texts.join("; ")))
    }

    /// Reads the account, unless this run has, and writes it if it lacks the Secret; again on a fresh copy where somebody else
    /// was faster or the answer was lost.
    fn see_to(&self, kube: &kube::Client, account: &Key, secret: &str) -> Result<Outcome, Failure> {
        let known = self.seen().get(account).cloned();
        let mut current = match known {
            Some(Seen::There(known)) => Some(known),
            Some(Seen::Missing) => return Ok(Outcome::Missing),
            Some(Seen::Failed(failure)) => return Err(failure),
            None => None,
        };
        let mut refused = None;
        let mut writes = 0;
        loop {
            let read = match current.take() {
                Some(known) => Ok(known),
                None => kube.get_service_account(account, Asking::Patiently),
            };
            let mut it = match read {
                Ok(it) => it,
                Err(error) => return self.without(account, &error),
            };
            if it.pulls_with(secret) {
                self.remember(Seen::There(it), account);
                // What an earlier write, thought lost, has stored.
                return Ok(if writes > 0 { Outcome::Added } else { Outcome::Had });
            }
            if let Some(failure) = refused.filter(|_| writes == MOST_WRITES) {
                return Err(failure);
            }
            it.pull_with(secret);
            writes += 1;
            let error = match kube.update_service_account(&it, Asking::Patiently) {
                Ok(stored) if stored.pulls_with(secret) => {
                    self.remember(Seen::There(stored), account);
                    return Ok(Outcome::Added);
                }
                Ok(_) => {
                    let text = format!(
                        "service account {account} was not stored as it was sent, perhaps changed by an admission webhook"
                    );
                    return Err(Failure { text, denied: false });
                }
                Err(error) => error,
            };
            if !matches!(error.fault(), Fault::Conflict | Fault::OutcomeUnknown) {
                return self.without(account, &error);
            }
            log::debug!("{error}; reading it again");
            refused = Some(Failure::of(&error));
        }
    }

    /// An account that could not be read or written: it is not asked for again in this run.
    fn without(&self, account: &Key, error: &kube::Error) -> Result<Outcome, Failure> {
        if error.fault() == Fault::NotFound {
            self.remember(Seen::Missing, account);
            return Ok(Outcome::Missing);
        }
        let failure = Failure::of(error);
        self.remember(Seen::Failed(failure.clone()), account);
        Err(failure)
    }

    fn remember(&self, seen: Seen, account: &Key) {
        self.seen().insert(account.clone(), seen);
    }

    /// A thread that panicked has left nothing half done.
    fn seen(&self) -> MutexGuard<'_, BTreeMap<Key, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    }

    #[test]
    fn what_names_no_accounts_says_why() {
        let said = |text: &str| Accounts::parse(text).unwrap_err().to_string();
        let empty = "it is empty; it names service accounts, separated by commas; remove it to add the Secret to none";
        let missing = "a name is missing beside a comma; expected names of service accounts, such as `default,builder`";
        let no_name = |name: &str| {
            format!(
                "`{name}` is no name of a service account; expected at most 253 lower-case letters, digits, `-` and `.`, \
                 beginning and ending with a letter or digit"
            )
        };
        assert_eq!(said(""), empty);
        assert_eq!(said(" \n"), empty);
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
