//! Which source of credentials counts, without asking any.
//!
//! The order is botocore's, and so the AWS CLI's: environment; a profile with `role_arn`; web identity, by variables or by the
//! profile; keys in the `credentials` file; `credential_process`; keys in `config`; container; instance. The SDKs for Go, Rust
//! and Java ask for web identity by variables before they look at the profile; that differs only where somebody has set
//! both, and there the tool that people try things out with decides.

mod own;
mod roles;

use self::own::{is_role, own_credentials, set_in};
use super::container::{self, Endpoint};
use super::error::Error;
use super::profiles::{Profile, Profiles};
use super::variables::Variables;
use super::{environment, metadata};
use crate::aws::Credentials;
use crate::aws::assume_role::Role;
use crate::error::one_line;
use crate::http;

/// A source of credentials, and how messages call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) origin: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are known.
    Known(Credentials),
    /// A role, for who bears the token in this file.
    WebIdentity { token_file: String, role: Role },
    /// A role, for who has the credentials of another source.
    Role { role: Role, from: Box<Source> },
    /// What a program prints.
    Process(Vec<String>),
    /// What the container's endpoint answers.
    Container(Endpoint),
    /// What the instance's metadata service answers, at this address.
    Metadata(String),
}

/// Which profile counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The one called `default`, if it is there.
    Default,
    /// The one that a variable names; keys in the environment come before it.
    Variable(String),
    /// The one that an argument names; it comes before all that the environment says.
    Argument(String),
}

impl Chosen {
    /// The profile's name.
    pub fn name(&self) -> &str {
        match self {
            Chosen::Default => "default",
            Chosen::Variable(name) | Chosen::Argument(name) => name,
        }
    }
}

/// What the sources say.
pub(super) struct Plan<'a> {
    pub(super) variables: &'a Variables,
    pub(super) profiles: &'a Profiles,
    pub(super) chosen: &'a Chosen,
}

impl Plan<'_> {
    /// The source that counts. `None` when none is there, and the instance must not be asked.
    pub(super) fn source(&self) -> Result<Option<Source>, Error> {
        let by_environment = match self.chosen {
            Chosen::Default | Chosen::Variable(_) => true,
            Chosen::Argument(_) => false,
        };
        if by_environment && let Some(source) = self.environment()? {
            return Ok(Some(source));
        }
        let profile = self.profiles.profile(self.chosen.name());
        if let Some(profile) = &profile
            && is_role(profile)
        {
            return self.role(profile, &mut vec![profile.name.clone()]).map(Some);
        }
        if let Some(source) = self.web_identity(profile.as_ref(), by_environment)? {
            return Ok(Some(source));
        }
        if let Some(profile) = &profile
            && let Some(source) = own_credentials(profile)?
        {
            return Ok(Some(source));
        }
        if let Some(source) = self.container()? {
            return Ok(Some(source));
        }
        self.metadata()
    }

    /// What was looked at when there is no source.
    pub(super) fn looked(&self) -> String {
        let files = self.profiles.files();
        let in_files = match self.profiles.profile(self.chosen.name()) {
            Some(profile) => format!("{profile} has no credentials ({files})"),
            None => format!("no profile `{}` ({files})", one_line(self.chosen.name())),
        };
        let by_variables = match self.chosen {
            Chosen::Argument(_) => in_files,
            Chosen::Default | Chosen::Variable(_) => {
                format!("`AWS_ACCESS_KEY_ID` is not set, {in_files}, `AWS_WEB_IDENTITY_TOKEN_FILE` is not set")
            }
        };
        format!(
            "{by_variables}, `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` and `AWS_CONTAINER_CREDENTIALS_FULL_URI` are not set"
        )
    }

    fn environment(&self) -> Result<Option<Source>, Error> {
        let credentials = environment::credentials(self.variables)?;
        Ok(credentials.map(|credentials| Source {
            origin: environment::ORIGIN.into(),
            kind: Kind::Known(credentials),
        }))
    }

    fn container(&self) -> Result<Option<Source>, Error> {
        let origin = "the container's endpoint";
        let endpoint = container::endpoint(self.variables).map_err(|why| Error::broken(origin, why))?;
        Ok(endpoint.map(|endpoint| Source {
            origin: format!("{origin} at `{}`", endpoint.address()),
            kind: Kind::Container(endpoint),
        }))
    }

    fn metadata(&self) -> Result<Option<Source>, Error> {
        let disabled = self.variables.get("AWS_EC2_METADATA_DISABLED");
        if disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        const NAME: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let origin = "the instance's metadata service";
        let address = match self.variables.get(NAME) {
            None => metadata::ADDRESS.to_owned(),
            Some(text) => http::base_url(text)
                .ok_or_else(|| Error::broken(origin, format!("`{NAME}` is no URL; expected `http://host:port`")))?,
        };
        Ok(Some(Source {
            origin: format!("{origin} at `{address}`"),
            kind: Kind::Metadata(address),
        }))
    }

    /// Each value by a variable, else by the profile.
    fn web_identity(&self, profile: Option<&Profile<'_>>, by_environment: bool) -> Result<Option<Source>, Error> {
        let value = |variable: &str, option: &str| {
            let set = self.variables.get(variable).filter(|_| by_environment);
            set.or_else(|| set_in(profile?, option)).map(str::to_owned)
        };
        let variable = self
            .variables
            .get("AWS_WEB_IDENTITY_TOKEN_FILE")
            .filter(|_| by_environment);
        let Some(token_file) = value("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file") else {
            return Ok(None);
        };
        let origin = match (variable, profile) {
            (None, Some(profile)) => profile.to_string(),
            (Some(_), _) | (None, None) => "`AWS_WEB_IDENTITY_TOKEN_FILE`".into(),
        };
        let arn = value("AWS_ROLE_ARN", "role_arn").ok_or_else(|| {
            Error::broken(
                &origin,
                "a web identity token needs a role; set `AWS_ROLE_ARN`, or `role_arn` in the profile",
            )
        })?;
        let role = Role {
            session_name: value("AWS_ROLE_SESSION_NAME", "role_session_name"),
            ..Role::of(&arn)
        };
        Ok(Some(Source {
            origin,
            kind: Kind::WebIdentity { token_file, role },
        }))
    }
}

#[cfg(test)]
mod tests;
