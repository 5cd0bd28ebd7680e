//! What requests to the API server show, kept fresh: token files are read again, plugins called again.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::{Duration, OffsetDateTime};

use super::access::Credential;
use super::exec::{self, Issued, NativeToken};
use crate::error::Fault;
use crate::http::{self, Connection, Limits};
use crate::sensitive::Sensitive;

/// A plugin that has failed is not called again so soon: each of many requests would wait for it in its turn.
const AFTER_FAILURE: std::time::Duration = std::time::Duration::from_secs(60);

/// What ends sooner than this could end on the way.
const FRESH: Duration = Duration::seconds(10);

/// There is nothing to show.
#[derive(Debug)]
pub enum Error {
    /// No token in a file.
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why there is none.
        why: String,
    },
    /// A plugin issued nothing.
    Exec(exec::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TokenFile { path, why } => write!(f, "no bearer token in `{}`: {why}", path.display()),
            Error::Exec(error) => write!(f, "{error}"),
        }
    }
}

impl Error {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Error::TokenFile { .. } => Fault::Configuration,
            // It worked yesterday, most often: a login that ended, no way to whoever it asks.
            Error::Exec(_) => Fault::Credentials,
        }
    }
}

/// What one request shows, and the client that sends it.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) http: Arc<http::Client>,
    /// The header `Authorization`.
    pub(super) authorization: Option<Sensitive<String>>,
    /// Which of a plugin's issues this is.
    issue: u64,
}

/// The credentials of a run. Threads may share it: a plugin is called by one of them, and the others wait for it.
pub(super) struct Session {
    connection: Connection,
    limits: Limits,
    credential: Credential,
    native: Box<NativeToken>,
    http: Arc<http::Client>,
    issues: Mutex<Issues>,
}

/// What the plugin came to.
#[derive(Default)]
struct Issues {
    /// What it issued last, and until when that is good.
    last: Option<(Shown, Option<OffsetDateTime>)>,
    /// How it failed, when that was the last time.
    failed: Option<(exec::Error, Instant)>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.credential)
    }
}

impl Session {
    pub(super) fn new(
        connection: Connection,
        limits: Limits,
        credential: Credential,
        native: Box<NativeToken>,
    ) -> Session {
        let http = Arc::new(http::Client::new(&connection, limits));
        Session {
            connection,
            limits,
            credential,
            native,
            http,
            issues: Mutex::default(),
        }
    }

    /// What the next request shows.
    ///
    /// # Errors
    ///
    /// When the file has no token, or the plugin issues nothing.
    pub(super) fn show(&self) -> Result<Shown, Error> {
        match &self.credential {
            Credential::None => Ok(self.shown(None)),
            Credential::Token(token) => Ok(self.shown(Some(bearer(token.expose())))),
            Credential::TokenFile { path, otherwise } => {
                let token = read_token(path);
                // As client-go, where both are named.
                match (token, otherwise) {
                    (Err(_), Some(token)) => Ok(self.shown(Some(bearer(token.expose())))),
                    (token, _) => Ok(self.shown(Some(bearer(token?.expose())))),
                }
            }
            Credential::Basic { username, password } => {
                let pair = Sensitive::new(format!("{username}:{}", password.expose()));
                let header = format!("Basic {}", STANDARD.encode(pair.expose()));
                Ok(self.shown(Some(Sensitive::new(header))))
            }
            Credential::Exec { plugin, cluster } => {
                let mut issues = self.issues();
                match &issues.last {
                    Some((shown, expires_at)) if is_fresh(*expires_at, OffsetDateTime::now_utc()) => Ok(shown.clone()),
                    _ => self.issue(&mut issues, plugin, cluster),
                }
            }
        }
    }

    /// What to show in place of what was refused with 401; `None` when there is nothing else to show.
    ///
    /// # Errors
    ///
    /// As for [`Session::show`].
    pub(super) fn renew(&self, refused: &Shown) -> Result<Option<Shown>, Error> {
        match &self.credential {
            Credential::None | Credential::Token(_) | Credential::Basic { .. } => Ok(None),
            // The kubelet may have replaced it in between.
            Credential::TokenFile { .. } => {
                let shown = self.show()?;
                Ok(Some(shown).filter(|shown| shown.authorization != refused.authorization))
            }
            Credential::Exec { plugin, cluster } => {
                let mut issues = self.issues();
                match &issues.last {
                    // Another thread was faster.
                    Some((shown, _)) if shown.issue != refused.issue => Ok(Some(shown.clone())),
                    _ => self.issue(&mut issues, plugin, cluster).map(Some),
                }
            }
        }
    }

    /// What is said, and advised, when the server answers with 401.
    pub(super) fn not_accepted(&self) -> &'static str {
        match (&self.credential, &self.connection.identity) {
            (Credential::Token(_) | Credential::TokenFile { .. }, _) => {
                "the token is not accepted: expired, or of another cluster; get a new one"
            }
            (Credential::Basic { .. }, _) => {
                "the user name or the password is not accepted; correct them in the kubeconfig"
            }
            (Credential::Exec { .. }, _) => {
                "what the exec plugin issued is not accepted, not even what it issued anew; see that it is for this cluster"
            }
            (Credential::None, Some(_)) => {
                "the client certificate is not accepted: expired, or of another cluster; get a new one"
            }
            (Credential::None, None) => {
                "the server wants credentials; name a user that has some in the kubeconfig's context"
            }
        }
    }

    fn issues(&self) -> MutexGuard<'_, Issues> {
        // Whoever panicked had not put anything half into it.
        self.issues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self, issues: &mut Issues, plugin: &exec::Plugin, cluster: &exec::Cluster) -> Result<Shown, Error> {
        if let Some((error, at)) = &issues.failed
            && at.elapsed() < AFTER_FAILURE
        {
            return Err(Error::Exec(error.clone()));
        }
        let count = issues.last.as_ref().map_or(0, |(shown, _)| shown.issue);
        let issued = exec::issue(plugin, cluster, &*self.native);
        issues.failed = issued.as_ref().err().map(|error| (error.clone(), Instant::now()));
        let Issued {
            token,
            identity,
            expires_at,
        } = issued.map_err(Error::Exec)?;
        let http = match identity {
            None => Arc::clone(&self.http),
            Some(identity) => {
                let connection = Connection {
                    identity: Some(identity),
                    ..self.connection.clone()
                };
                Arc::new(http::Client::new(&connection, self.limits))
            }
        };
        let shown = Shown {
            http,
            authorization: token.map(|token| bearer(token.expose())),
            issue: count + 1,
        };
        issues.last = Some((shown.clone(), expires_at));
        Ok(shown)
    }

    fn shown(&self, authorization: Option<Sensitive<String>>) -> Shown {
        Shown {
            http: Arc::clone(&self.http),
            authorization,
            issue: 0,
        }
    }
}

fn is_fresh(expires_at: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    expires_at.is_none_or(|expires_at| now + FRESH < expires_at)
}

fn bearer(token: &str) -> Sensitive<String> {
    Sensitive::new(format!("Bearer {token}"))
}

/// The file is read anew for every request: the kubelet replaces it while we run.
fn read_token(path: &Path) -> Result<Sensitive<String>, Error> {
    let error = |why: String| Error::TokenFile {
        path: path.to_owned(),
        why,
    };
    let text = fs::read_to_string(path).map(Sensitive::new);
    let text = text.map_err(|failure| error(failure.to_string()))?;
    let token = text.expose().trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(error("it is empty, or no token".into()));
    }
    Ok(Sensitive::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_in_a_moment_is_not_fresh() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(is_fresh(None, now));
        assert!(is_fresh(Some(now + Duration::seconds(11)), now));
        assert!(!is_fresh(Some(now + Duration::seconds(10)), now));
        assert!(!is_fresh(Some(now - Duration::seconds(1)), now));
    }
}
