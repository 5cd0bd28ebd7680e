//! The job `ecr-update`: a fresh ECR login for every image-pull Secret, one AWS call for each pair of credential and
//! region.

pub mod docker_config;

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::aws::ecr::{self, Login};
use crate::aws::{self, AccessKeyId, KeyPair, Meaning, Region, ambient};
use crate::error::Fault;
use crate::interrupt::Interrupt;
use crate::key_secret;
use crate::kube::{self, Key, Scope, Secret};
use crate::report::Tally;
use crate::retry::Asking;

/// The label of a Secret to refresh.
pub const LABEL: &str = "aws-ecr-updater";
/// The annotation that names the Secret with the key pair, in the same namespace. Without it the credentials are those that
/// this machine has.
pub const SOURCE: &str = "aws-ecr-updater/secret";
/// The annotation that names the registry's region.
pub const REGION: &str = "aws-ecr-updater/region";
/// The annotation that says when the login ends, in RFC 3339.
pub const EXPIRES_AT: &str = "aws-ecr-updater/expires-at";

/// The data key of the Docker configuration.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// How often a Secret is written before others who write it too are given up on.
const MOST_WRITES: u32 = 3;

/// What `ecr-update` is run with.
#[derive(Debug)]
pub struct Settings {
    /// The namespaces to look at.
    pub scope: Scope,
    /// The region for Secrets that name none.
    pub region: Option<Region>,
    /// How much of a login's life is left when it is replaced, where its Secret says nothing else; `None`: all are replaced.
    pub renew_within: Option<Duration>,
    /// Whether copies that are not wanted any more are deleted.
    pub prune: bool,
}

/// STAND-IN
pub struct Updater {
    kube: std::sync::Arc<kube::Client>,
    aws: std::sync::Arc<aws::Client>,
    ambient: ambient::Chain,
    settings: Settings,
    interrupt: Interrupt,
    done: std::sync::Mutex<std::collections::BTreeSet<Key>>,
}
#[derive(Debug)]
pub enum Follow {
    Done,
    Later(String),
    Failed(String),
}
impl Updater {
    pub fn new(
        kube: std::sync::Arc<kube::Client>,
        aws: std::sync::Arc<aws::Client>,
        ambient: ambient::Chain,
        settings: Settings,
        interrupt: Interrupt,
    ) -> Updater {
        Updater {
            kube,
            aws,
            ambient,
            settings,
            interrupt,
            done: Default::default(),
        }
    }
    fn logins(&self) -> Logins<'_> {
        Logins {
            kube: &self.kube,
            aws: &self.aws,
            ambient: &self.ambient,
            sources: BTreeMap::new(),
            logins: BTreeMap::new(),
            ambient_logins: BTreeMap::new(),
        }
    }
    pub fn follow(&self, sources: &[Key]) -> Follow {
        let secrets = match self.kube.list_secrets(&self.settings.scope, LABEL, Asking::Patiently) {
            Ok(secrets) => secrets,
            Err(error) => return Follow::Failed(error.to_string()),
        };
        let mut logins = self.logins();
        for secret in secrets {
            let name = secret.key.clone();
            if !matches!(source(&secret), Ok(Some(key)) if sources.contains(&key)) {
                continue;
            }
            match refresh(&mut logins, &self.settings, secret) {
                Ok(line) => {
                    log::info!("{name}: {line}");
                    self.done.lock().unwrap().insert(name);
                }
                Err(why) if why.contains("UnrecognizedClient") => return Follow::Later(format!("{name}: {why}")),
                Err(why) => return Follow::Failed(format!("{name}: {why}")),
            }
        }
        Follow::Done
    }
    pub fn run(&self) -> Result<Tally, kube::Error> {
        let secrets = self.kube.list_secrets(&self.settings.scope, LABEL, Asking::Patiently)?;
        let mut tally = Tally::new("ecr-update", LABEL, "refreshed", &self.settings.scope, secrets.len());
        let mut logins = self.logins();
        for secret in secrets {
            let name = secret.key.clone();
            if self.done.lock().unwrap().contains(&name) {
                tally.done(1);
                continue;
            }
            if self.interrupt.is_set() {
                log::error!("{name}: stopped by a signal; nothing was done; run again");
                tally.failed(1);
                continue;
            }
            match refresh(&mut logins, &self.settings, secret) {
                Ok(line) => {
                    log::info!("{name}: {line}");
                    tally.done(1);
                }
                Err(why) => {
                    log::error!("{name}: {why}");
                    tally.failed(1);
                }
            }
        }
        Ok(tally)
    }
}

fn refresh(logins: &mut Logins<'_>, settings: &Settings, secret: Secret) -> Result<String, String> {
    if secret.is_immutable() {
        return Err("the Secret is immutable; replace it by one without `immutable: true`".into());
    }
    if !matches!(secret.secret_type(), "kubernetes.io/dockerconfigjson" | "Opaque") {
        return Err(format!(
            "the Secret's type is `{}`; expected `kubernetes.io/dockerconfigjson`",
            crate::error::one_line(secret.secret_type())
        ));
    }
    let source = source(&secret)?;
    let region = region(&secret, settings.region.as_ref())?;
    let (key, login) = match &source {
        Some(source) => logins.get(source, &region).map(|(id, login)| (id.to_string(), login)),
        None => logins.ambient(&region),
    }?;
    let expires_at = login
        .expires_at
        .format(&Rfc3339)
        .map_err(|error| format!("`expiresAt` is no time: {error}"))?;
    store(logins.kube, secret, &login, &expires_at)?;
    Ok(format!(
        "login to {} with key {key} is valid until {expires_at}",
        login.registry
    ))
}

/// The Secret with the key pair. An annotation that is there but empty is a mistake: it does not mean this machine's own
/// credentials.
fn source(secret: &Secret) -> Result<Option<Key>, String> {
    let Some(name) = secret.annotation(SOURCE).map(str::trim) else {
        return Ok(None);
    };
    if name.is_empty() {
        return Err(format!(
            "annotation `{SOURCE}` is empty; it names the Secret with the key pair, in the same namespace; remove it to use the \
             credentials of this machine"
        ));
    }
    Key::in_namespace_of(&secret.key, name)
        .map(Some)
        .map_err(|error| format!("annotation `{SOURCE}`: {error}"))
}

fn region(secret: &Secret, default: Option<&Region>) -> Result<Region, String> {
    match (
        secret.annotation(REGION).map(str::trim).filter(|text| !text.is_empty()),
        default,
    ) {
        (Some(text), _) => Region::parse(text).map_err(|error| format!("annotation `{REGION}`: {error}")),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!(
            "annotation `{REGION}` is missing or empty; it names the registry's region, such as `eu-west-1`, as `AWS_REGION` may"
        )),
    }
}

/// Merges the login and writes it, again on a fresh copy where somebody else was faster. The value is made anew from what
/// the Secret then holds, so nothing of theirs is lost.
fn store(kube: &kube::Client, mut secret: Secret, login: &Login, expires_at: &str) -> Result<(), String> {
    let mut writes = 0;
    loop {
        let current = secret.data(DOCKER_CONFIG);
        let merged = docker_config::merge(current.as_ref().map(|value| value.expose().as_slice()), login);
        let merged = merged.map_err(|error| error.to_string())?;
        // What an earlier write, thought lost, has stored.
        let stored = current.as_ref() == Some(&merged) && secret.annotation(EXPIRES_AT) == Some(expires_at);
        if writes > 0 && stored {
            return Ok(());
        }
        secret.set_data(DOCKER_CONFIG, merged.expose());
        secret.set_annotation(EXPIRES_AT, expires_at);
        writes += 1;
        let error = match kube.update_secret(&secret, Asking::Patiently) {
            Ok(stored) if stored.data(DOCKER_CONFIG).as_ref() == Some(&merged) => return Ok(()),
            Ok(_) => {
                return Err("the login was not stored as it was sent, perhaps changed by an admission webhook".into());
            }
            Err(error) => error,
        };
        let again = matches!(error.fault(), Fault::Conflict | Fault::OutcomeUnknown);
        if !again || writes == MOST_WRITES {
            return Err(error.to_string());
        }
        log::debug!("{}: {error}; reading it again", secret.key);
        let uid = secret.uid.clone();
        secret = kube
            .get_secret(&secret.key, Asking::Patiently)
            .map_err(|error| error.to_string())?;
        if secret.uid != uid || !secret.has_label(LABEL) {
            return Err(format!(
                "{} was replaced or lost its label meanwhile; nothing was written to it",
                secret.key
            ));
        }
    }
}

/// The key pairs read and the logins received so far.
struct Logins<'a> {
    kube: &'a kube::Client,
    aws: &'a aws::Client,
    ambient: &'a ambient::Chain,
    sources: BTreeMap<Key, Result<KeyPair, String>>,
    logins: BTreeMap<(KeyPair, Region), Result<Login, String>>,
    /// By the credentials of this machine; with how they are called.
    ambient_logins: BTreeMap<Region, Result<(String, Login), String>>,
}

impl Logins<'_> {
    /// A login by the pair in `source`, and the key's id.
    fn get(&mut self, source: &Key, region: &Region) -> Result<(AccessKeyId, Login), String> {
        let pair = match self.sources.get(source) {
            Some(known) => known.clone(),
            None => self.read(source),
        }?;
        if let Some(known) = self.logins.get(&(pair.clone(), region.clone())) {
            return known.clone().map(|login| (pair.id, login));
        }
        let (pair, login) = match ecr::get_authorization_token(self.aws, region, &pair) {
            // A key that is unknown may have been replaced since its Secret was read; look once.
            Err(error) if error.meaning() == Some(Meaning::UnknownKey) => match self.read(source) {
                Ok(fresh) if fresh != pair => {
                    let login = ecr::get_authorization_token(self.aws, region, &fresh);
                    (fresh, login)
                }
                Ok(_) | Err(_) => (pair, Err(error)),
            },
            login => (pair, login),
        };
        let login = login.map_err(|error| format!("{error} (the key is from Secret {source})"));
        self.logins.insert((pair.clone(), region.clone()), login.clone());
        login.map(|login| (pair.id, login))
    }

    /// A login by the credentials of this machine, and how they are called.
    fn ambient(&mut self, region: &Region) -> Result<(String, Login), String> {
        if let Some(known) = self.ambient_logins.get(region) {
            return known.clone();
        }
        let found = self.ambient.credentials(self.aws, region, OffsetDateTime::now_utc());
        let login = found
            .map_err(|error| format!("annotation `{SOURCE}` is missing, and {error}"))
            .and_then(|found| {
                let login = ecr::get_authorization_token_as(self.aws, region, &found.credentials);
                let key = format!("{} of {}", found.credentials.pair.id, found.origin);
                login
                    .map(|login| (key, login))
                    .map_err(|error| format!("{error} (the key is from {})", found.origin))
            });
        self.ambient_logins.insert(region.clone(), login.clone());
        login
    }

    fn read(&mut self, source: &Key) -> Result<KeyPair, String> {
        let read = self.kube.get_secret(source, Asking::Patiently);
        let read = read.map_err(|error| match error.fault() {
            Fault::NotFound => {
                format!("annotation `{SOURCE}` names Secret {source}, which is not there; make it, or correct the name")
            }
            _ => error.to_string(),
        });
        let pair = read.and_then(|secret| {
            key_secret::pair(&secret).map_err(|error| format!("annotation `{SOURCE}` names Secret {source}: {error}"))
        });
        self.sources.insert(source.clone(), pair.clone());
        pair
    }
}
