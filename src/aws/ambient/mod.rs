//! Credentials that this machine has of itself: the sources that the AWS SDKs know, in their order.
//!
//! ```text
//! variables, files ── plan (pure: which source counts) ── asked once, and again before it ends ── credentials
//! ```
//!
//! A source that is there but broken is an error: to go on to the next one would sign as somebody else.

mod container;
mod environment;
mod error;
mod files;
mod ini;
mod issued;
mod metadata;
mod plan;
mod process;
mod profiles;
mod variables;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use self::error::Error;
pub use self::files::{Places, profiles};
pub use self::plan::Chosen;
use self::plan::{Kind, Plan, Source};
pub use self::profiles::{Profile, Profiles};
pub use self::variables::{NAMES, Variables};
use super::assume_role::{Role, assume_role, assume_role_with_web_identity};
use super::{Client, Credentials, Region};
use crate::error::one_line;
use crate::http::Connection;
use crate::sensitive::Sensitive;

/// Credentials are got again when they last no longer than this.
const MARGIN: time::Duration = time::Duration::minutes(5);

/// All that says which credentials this machine has.
#[derive(Debug)]
pub struct Sources {
    /// By variables.
    pub variables: Variables,
    /// By files.
    pub profiles: Profiles,
    /// Which of the profiles.
    pub chosen: Chosen,
    /// The way to a container's endpoint that has TLS; never by a proxy.
    pub connection: Connection,
    /// Where STS is asked for a role; where the credentials are first needed when `None`.
    pub region: Option<Region>,
    /// A role that is taken with whatever is found.
    pub role: Option<Role>,
}

/// Credentials, and where they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What signs.
    pub credentials: Credentials,
    /// Such as ``profile `ci` ``.
    pub origin: String,
}

/// The sources, and what they gave. Threads may share it.
#[derive(Debug)]
pub struct Chain {
    sources: Sources,
    /// By the region whose STS was asked, where one was: that a role cannot be had in one says nothing of another.
    held: Mutex<BTreeMap<Option<Region>, Result<Found, Error>>>,
}

impl Chain {
    /// Nothing is asked before it is needed.
    pub fn new(sources: Sources) -> Chain {
        Chain {
            sources,
            held: Mutex::default(),
        }
    }

    /// This machine's credentials; asked for once, and again before they end. A failure stays for the whole run.
    ///
    /// # Errors
    ///
    /// When there are none, or the source that counts is broken.
    pub fn credentials(&self, client: &Client, region: &Region, now: OffsetDateTime) -> Result<Found, Error> {
        // Nothing panics while it is held; if it did, what is held would still be whole.
        let mut held = self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let region = self.sources.region.as_ref().unwrap_or(region);
        let source = self.plan().source();
        let asked = self.asks_sts(&source).then(|| region.clone());
        let last = match held.get(&asked) {
            None => None,
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(found)) if left(found, now).is_none_or(|left| left > MARGIN) => return Ok(found.clone()),
            Some(Ok(found)) => Some(found.clone()),
        };
        let found = match (self.ask(source, client, region, now), last) {
            (Err(error), Some(last)) if left(&last, now).is_some_and(|left| left.is_positive()) => {
                log::warn!("{error}; going on with those that are about to end");
                Ok(last)
            }
            (found, _) => found,
        };
        held.insert(asked, found.clone());
        found
    }

    fn plan(&self) -> Plan<'_> {
        let Sources {
            variables,
            profiles,
            chosen,
            ..
        } = &self.sources;
        Plan {
            variables,
            profiles,
            chosen,
        }
    }

    fn asks_sts(&self, source: &Result<Option<Source>, Error>) -> bool {
        let by_role = |source: &Source| matches!(source.kind, Kind::WebIdentity { .. } | Kind::Role { .. });
        self.sources.role.is_some() || matches!(source, Ok(Some(source)) if by_role(source))
    }

    fn ask(
        &self,
        source: Result<Option<Source>, Error>,
        client: &Client,
        region: &Region,
        now: OffsetDateTime,
    ) -> Result<Found, Error> {
        let plan = self.plan();
        let source = source?.ok_or_else(|| Error::Nowhere {
            looked: format!("{}, and `AWS_EC2_METADATA_DISABLED` is set", plan.looked()),
        })?;
        let asker = Asker {
            connection: &self.sources.connection,
            client,
            region,
            now,
            looked: &|| plan.looked(),
        };
        let found = asker.ask(&source)?;
        match &self.sources.role {
            None => Ok(found),
            Some(role) => asker.role(&found.origin, &found.credentials, role),
        }
    }
}

/// How long they are good for, where that is known.
fn left(found: &Found, now: OffsetDateTime) -> Option<time::Duration> {
    found.credentials.expires_at.map(|end| end - now)
}

struct Asker<'a> {
    connection: &'a Connection,
    client: &'a Client,
    region: &'a Region,
    now: OffsetDateTime,
    looked: &'a dyn Fn() -> String,
}

impl Asker<'_> {
    fn ask(&self, source: &Source) -> Result<Found, Error> {
        let Source { origin, kind } = source;
        let broken = |why: String| Error::broken(origin, why);
        let found = |credentials| Found {
            credentials,
            origin: origin.clone(),
        };
        match kind {
            Kind::Known(credentials) => self.lasting(found(credentials.clone())),
            Kind::Process(command) => self.lasting(found(process::credentials(command).map_err(broken)?)),
            Kind::Container(endpoint) => self.lasting(found(
                container::credentials(endpoint, self.connection).map_err(broken)?,
            )),
            Kind::WebIdentity { token_file, role } => self.web_identity(origin, token_file, role).map(found),
            Kind::Role { role, from } => {
                let from = self.ask(from)?;
                self.role(origin, &from.credentials, role)
            }
            Kind::Metadata(address) => match metadata::credentials(address).map_err(broken)? {
                metadata::Answer::Session(role, session) => self.lasting(Found {
                    credentials: session,
                    origin: format!("the instance's role `{role}`"),
                }),
                metadata::Answer::Absent(tried) => Err(Error::Nowhere {
                    looked: format!("{}, and {origin} gives none ({tried})", (self.looked)()),
                }),
            },
        }
    }

    /// Refuses what has ended. What STS has just made has not, whatever this machine's clock shows.
    fn lasting(&self, found: Found) -> Result<Found, Error> {
        match found.credentials.expires_at {
            Some(end) if end <= self.now => Err(Error::broken(
                &found.origin,
                format!(
                    "they ended at {}, by this machine's clock",
                    end.format(&Rfc3339).unwrap_or_default()
                ),
            )),
            Some(_) | None => Ok(found),
        }
    }

    fn web_identity(&self, origin: &str, token_file: &str, role: &Role) -> Result<Credentials, Error> {
        let token = files::read(Path::new(token_file))
            .map_err(|why| Error::broken(origin, format!("the web identity token: {why}")))?;
        let token = Sensitive::new(token.expose().trim().to_owned());
        assume_role_with_web_identity(self.client, self.region, &token, role)
            .map_err(|error| Error::broken(origin, format!("role `{}`: {error}", one_line(&role.arn))))
    }

    fn role(&self, origin: &str, credentials: &Credentials, role: &Role) -> Result<Found, Error> {
        let session = assume_role(self.client, self.region, credentials, role)
            .map_err(|error| Error::broken(origin, format!("role `{}`: {error}", one_line(&role.arn))))?;
        Ok(Found {
            credentials: session,
            origin: origin.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_may_share_a_chain() {
        fn shared<T: Send + Sync>() {}
        shared::<Chain>();
    }
}
