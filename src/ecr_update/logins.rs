//! The logins received so far: one request to AWS for each pair of credentials and realm, whoever asks, and however many threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::annotations::SOURCE;
use super::wanted::Wanted;
use crate::aws::assume_role::{Role, assume_role};
use crate::aws::ecr::{Login, get_authorization_token};
use crate::aws::registry::Realm;
use crate::aws::{self, AccessKeyId, Credentials, KeyPair, Meaning, Region, ambient};
use crate::clock::boot_time;
use crate::error::Fault;
use crate::key_secret;
use crate::kube::{self, Key};
use crate::retry::Asking;

/// What signs the requests for a login.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    base: Base,
    role: Option<Role>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    Pair(KeyPair),
    /// The credentials of this machine.
    Ambient,
}

/// Why there is no login.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// What was tried, what came back, what to do.
    pub(super) why: String,
    /// Whether the key is so new that it may not be known there yet.
    pub(super) may_pass: bool,
    unknown_key: bool,
}

impl Refused {
    fn lasting(why: String) -> Refused {
        Refused {
            why,
            may_pass: false,
            unknown_key: false,
        }
    }

    fn by(error: &aws::Error, why: String) -> Refused {
        Refused {
            why,
            may_pass: false,
            unknown_key: error.meaning() == Some(Meaning::UnknownKey),
        }
    }
}

/// The logins that a Secret is to hold.
#[derive(Debug)]
pub(super) struct Given {
    /// What came of each realm.
    pub(super) logins: Vec<(Realm, Result<Signed, Refused>)>,
}

/// A login, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) login: Login,
    pub(super) by: By,
}

/// Whose a login is.
#[derive(Clone, Debug)]
pub(super) struct By {
    /// As the log tells it: `key AKIAIOSFODNN7EXAMPLE`.
    pub(super) told: String,
    /// The key, where it is a user's; that of a session is another one in every run.
    pub(super) key: Option<AccessKeyId>,
}

impl By {
    fn pair(pair: &KeyPair) -> By {
        By {
            told: format!("key {}", pair.id),
            key: Some(pair.id.clone()),
        }
    }

    fn machine(found: &ambient::Found) -> By {
        let Credentials {
            pair, session_token, ..
        } = &found.credentials;
        By {
            told: format!("key {} of {}", pair.id, found.origin),
            key: session_token.is_none().then(|| pair.id.clone()),
        }
    }
}

/// A key pair as its Secret held it.
#[derive(Clone, Debug)]
struct Source {
    pair: KeyPair,
    rotated_at: Option<OffsetDateTime>,
    /// Whether it was read again since AWS did not know the key.
    read_again: bool,
}

/// The key pairs read and the logins received so far.
#[derive(Debug)]
pub(super) struct Logins {
    kube: Arc<kube::Client>,
    aws: Arc<aws::Client>,
    ambient: ambient::Chain,
    /// How long after a rotation a refusal may pass.
    propagation_timeout: Duration,
    sources: Memo<Key, Result<Source, String>>,
    sessions: Memo<(Who, Region), Result<(Credentials, By), Refused>>,
    logins: Memo<(Who, Realm), Result<Signed, Refused>>,
}

impl Logins {
    pub(super) fn new(
        kube: Arc<kube::Client>,
        aws: Arc<aws::Client>,
        ambient: ambient::Chain,
        propagation_timeout: Duration,
    ) -> Logins {
        Logins {
            kube,
            aws,
            ambient,
            propagation_timeout,
            sources: Memo::new(),
            sessions: Memo::new(),
            logins: Memo::new(),
        }
    }

    /// The id of the key that would sign, where it is a user's; that of a session is another one in every run.
    pub(super) fn key_id(&self, wanted: &Wanted) -> Result<Option<AccessKeyId>, String> {
        match (&wanted.source, wanted.needed().first()) {
            (Some(source), _) => self.source(source).map(|source| Some(source.pair.id)),
            (None, Some(realm)) => {
                let found = self.ambient(&realm.region()).map_err(|refused| refused.why)?;
                Ok(By::machine(&found).key)
            }
            (None, None) => Ok(None),
        }
    }

    /// What is wanted, each login asked for once. A key that AWS does not know may have been replaced since its Secret was read:
    /// it is read again, once.
    pub(super) fn get(&self, wanted: &Wanted) -> Result<Given, String> {
        let Some(key) = &wanted.source else {
            return Ok(self.ask(wanted, Base::Ambient));
        };
        let source = self.source(key)?;
        let given = self.ask(wanted, Base::Pair(source.pair.clone()));
        let unknown = |given: &Given| {
            let mut refusals = given.logins.iter().filter_map(|(_, login)| login.as_ref().err());
            refusals.any(|refused| refused.unknown_key)
        };
        if !unknown(&given) {
            return Ok(given);
        }
        let (source, mut given) = match source.read_again {
            true => (source, given),
            false => {
                let fresh = self.read(key).map(|read| Source {
                    read_again: true,
                    ..read
                });
                self.sources.set(key, fresh.clone());
                match fresh {
                    Ok(fresh) if fresh.pair != source.pair => {
                        let given = self.ask(wanted, Base::Pair(fresh.pair.clone()));
                        (fresh, given)
                    }
                    Ok(fresh) => (fresh, given),
                    Err(_) => (source, given),
                }
            }
        };
        if unknown(&given) && self.is_new(&source) {
            for refused in given.logins.iter_mut().filter_map(|(_, login)| login.as_mut().err()) {
                refused.may_pass = refused.unknown_key;
            }
        }
        Ok(given)
    }

    /// Forgets what these Secrets held: keys may have been replaced.
    pub(super) fn forget_sources(&self, is_meant: impl Fn(&Key) -> bool) {
        self.sources.forget(is_meant);
    }

    /// Forgets where the keys in these Secrets were not known: they may be by now.
    pub(super) fn forget_refusals(&self, sources: &[Key]) {
        let pairs: Vec<KeyPair> = sources
            .iter()
            .filter_map(|source| Some(self.source(source).ok()?.pair))
            .collect();
        let of_them = |who: &Who, refused: &Refused| {
            refused.unknown_key && matches!(&who.base, Base::Pair(pair) if pairs.contains(pair))
        };
        self.sessions.forget_errors(|(who, _), refused| of_them(who, refused));
        self.logins.forget_errors(|(who, _), refused| of_them(who, refused));
    }

    /// Whether the key was put into its Secret so short a time ago that not every region may know it. By the API server's clock,
    /// as the annotation is.
    fn is_new(&self, source: &Source) -> bool {
        let now = self.kube.server_time().map(|time| time.at(boot_time()));
        match (source.rotated_at, now) {
            // A time in the future is wrong, and nobody waits for it.
            (Some(at), Some(now)) => (now - at).unsigned_abs() < self.propagation_timeout,
            (None, _) | (_, None) => false,
        }
    }

    fn ask(&self, wanted: &Wanted, base: Base) -> Given {
        let who = Who {
            base,
            role: wanted.role.clone(),
        };
        let needed = wanted.needed();
        let ask = |realm: &Realm| {
            let at = (who.clone(), realm.clone());
            let login = self.logins.get(&at, || self.login(&who, realm));
            let from = match &wanted.source {
                Some(source) => format!(" (the key is from Secret {source})"),
                None => String::new(),
            };
            login.map_err(|refused| Refused {
                why: refused.why + &from,
                ..refused
            })
        };
        let logins = needed.iter().map(|realm| ((*realm).clone(), ask(realm))).collect();
        Given { logins }
    }

    fn login(&self, who: &Who, realm: &Realm) -> Result<Signed, Refused> {
        let signed = |login, by| Signed { login, by };
        let refused = |error: aws::Error, from: &str| Refused::by(&error, format!("{error}{from}"));
        let aws = &*self.aws;
        match (&who.base, &who.role) {
            (Base::Pair(pair), None) => get_authorization_token(aws, realm, pair)
                .map(|login| signed(login, By::pair(pair)))
                .map_err(|error| refused(error, "")),
            (Base::Ambient, None) => {
                let found = self.ambient(&realm.region())?;
                let login = get_authorization_token(aws, realm, &found.credentials);
                login
                    .map(|login| signed(login, By::machine(&found)))
                    .map_err(|error| refused(error, &format!(" (the key is from {})", found.origin)))
            }
            (_, Some(role)) => {
                // Of the realm's own region: another one that fails, or is not enabled, is no concern of it.
                let sts = realm.region();
                let session = self
                    .sessions
                    .get(&(who.clone(), sts.clone()), || self.session(who, role, &sts));
                let (credentials, by) = session?;
                let login = get_authorization_token(aws, realm, &credentials);
                login
                    .map(|login| signed(login, by))
                    .map_err(|error| refused(error, &format!(" (as role `{}`)", role.arn)))
            }
        }
    }

    fn session(&self, who: &Who, role: &Role, sts: &Region) -> Result<(Credentials, By), Refused> {
        let (session, by) = match &who.base {
            Base::Pair(pair) => (assume_role(&self.aws, sts, pair, role), By::pair(pair)),
            Base::Ambient => {
                let found = self.ambient(sts)?;
                (
                    assume_role(&self.aws, sts, &found.credentials, role),
                    By::machine(&found),
                )
            }
        };
        session
            .map(|session| {
                let told = format!("{} as role `{}`", by.told, role.arn);
                (session, By { told, ..by })
            })
            .map_err(|error| Refused::by(&error, format!("role `{}`: {error}", role.arn)))
    }

    /// The credentials of this machine.
    fn ambient(&self, region: &Region) -> Result<ambient::Found, Refused> {
        let found = self.ambient.credentials(&self.aws, region, OffsetDateTime::now_utc());
        found.map_err(|error| Refused::lasting(format!("annotation `{SOURCE}` is missing, and {error}")))
    }

    fn source(&self, key: &Key) -> Result<Source, String> {
        self.sources.get(key, || self.read(key))
    }

    fn read(&self, key: &Key) -> Result<Source, String> {
        let named = format!("annotation `{SOURCE}` names Secret {key}");
        let secret = self
            .kube
            .get_secret(key, Asking::Patiently)
            .map_err(|error| match error.fault() {
                Fault::NotFound => format!("{named}, which is not there; make it, or correct the name"),
                Fault::AccessDenied => format!("{named}, which may not be read: {error}"),
                _ => error.to_string(),
            })?;
        let pair = key_secret::pair(&secret).map_err(|error| format!("{named}: {error}"))?;
        Ok(Source {
            pair,
            rotated_at: key_secret::rotated_at(&secret),
            read_again: false,
        })
    }
}

/// What was found out once. Whoever asks for the same meanwhile waits for it.
#[derive(Debug)]
struct Memo<K, V>(Mutex<BTreeMap<K, Slot<V>>>);

type Slot<V> = Arc<Mutex<Option<V>>>;

impl<K: Ord + Clone, V: Clone> Memo<K, V> {
    fn new() -> Memo<K, V> {
        Memo(Mutex::new(BTreeMap::new()))
    }

    fn get(&self, key: &K, find_out: impl FnOnce() -> V) -> V {
        let slot = Arc::clone(lock(&self.0).entry(key.clone()).or_default());
        lock(&slot).get_or_insert_with(find_out).clone()
    }

    fn set(&self, key: &K, value: V) {
        lock(&self.0).insert(key.clone(), Arc::new(Mutex::new(Some(value))));
    }

    fn forget(&self, is_out_of_date: impl Fn(&K) -> bool) {
        lock(&self.0).retain(|key, _| !is_out_of_date(key));
    }
}

impl<K: Ord, V, E> Memo<K, Result<V, E>> {
    fn forget_errors(&self, is_meant: impl Fn(&K, &E) -> bool) {
        lock(&self.0).retain(|key, slot| match slot.try_lock().as_deref() {
            Ok(Some(Err(error))) => !is_meant(key, error),
            // One that is being found out at the moment is no error yet.
            Ok(Some(Ok(_)) | None) | Err(_) => true,
        });
    }
}

/// Nothing panics while one is held; if it did, what is held would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
