//! Which source of credentials counts, without asking any.
//!
//! The order is botocore's, and so the AWS CLI's: environment; a profile with `role_arn`; web identity, by variables or by the
//! profile; keys in the `credentials` file; `credential_process`; keys in `config`; container; instance. The SDKs for Go, Rust
//! and Java ask for web identity by variables before they look at the profile; that differs only where somebody has set
//! both, and there the tool that people try things out with decides.

use super::container::{self, Endpoint};
use super::error::Error;
use super::ini::Section;
use super::profiles::{Profile, Profiles, text};
use super::variables::Variables;
use super::{environment, metadata, words};
use crate::aws::assume_role::Role;
use crate::aws::{AccessKeyId, Credentials, KeyPair};
use crate::error::one_line;
use crate::http;
use crate::sensitive::Sensitive;

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
        let profile = self.chosen.name();
        let in_files = match self.profiles.profile(profile) {
            Some(profile) => format!("{profile} has no credentials ({})", self.profiles.files()),
            None => format!("no profile `{}` ({})", one_line(profile), self.profiles.files()),
        };
        format!(
            "`AWS_ACCESS_KEY_ID` is not set, {in_files}, `AWS_WEB_IDENTITY_TOKEN_FILE` is not set, \
             `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` and `AWS_CONTAINER_CREDENTIALS_FULL_URI` are not set"
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
            origin: format!("{origin} `{}`", endpoint.url),
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

    /// A profile that takes a role with what another source gives. `visited`: the profiles on the way to it, and itself.
    fn role(&self, profile: &Profile<'_>, visited: &mut Vec<String>) -> Result<Source, Error> {
        let broken = |why: String| Error::broken(profile, why);
        if profile.text("mfa_serial").is_some() {
            return Err(broken(
                "`mfa_serial` asks for a code that nobody is here to type; use a role without it".into(),
            ));
        }
        let from = match (set_in(profile, "source_profile"), set_in(profile, "credential_source")) {
            (Some(_), Some(_)) => {
                return Err(broken(
                    "it has both `source_profile` and `credential_source`; remove one of them".into(),
                ));
            }
            (None, None) => {
                return Err(broken(
                    "it has `role_arn` and says not with whose credentials; add `source_profile` or `credential_source`"
                        .into(),
                ));
            }
            (Some(name), None) => self.source_profile(profile, name, visited)?,
            (None, Some(name)) => self.named_source(profile, name)?,
        };
        let role = Role {
            arn: set_in(profile, "role_arn")
                .ok_or_else(|| broken("`role_arn` is empty".into()))?
                .to_owned(),
            session_name: set_in(profile, "role_session_name").map(str::to_owned),
            external_id: set_in(profile, "external_id").map(str::to_owned),
            duration_seconds: set_in(profile, "duration_seconds")
                .map(str::parse)
                .transpose()
                .map_err(|_| broken("`duration_seconds` is no whole number".into()))?,
        };
        Ok(Source {
            origin: profile.to_string(),
            kind: Kind::Role {
                role,
                from: Box::new(from),
            },
        })
    }

    fn source_profile(&self, profile: &Profile<'_>, name: &str, visited: &mut Vec<String>) -> Result<Source, Error> {
        let source = self.profiles.profile(name).ok_or_else(|| {
            Error::broken(
                profile,
                format!("`source_profile` is `{}`, and there is no such profile", one_line(name)),
            )
        })?;
        let itself = name == profile.name;
        if visited.iter().any(|visited| visited == name) && !(itself && has_keys(&source)) {
            visited.push(name.to_owned());
            let names: Vec<String> = visited.iter().map(|name| format!("`{}`", one_line(name))).collect();
            return Err(Error::broken(
                profile,
                format!(
                    "`source_profile` leads back to where it began: {}; one of them needs keys",
                    names.join(", then ")
                ),
            ));
        }
        visited.push(name.to_owned());
        if !has_keys(&source) && is_role(&source) {
            return self.role(&source, visited);
        }
        if let Some(found) = self.web_identity(Some(&source), false)? {
            return Ok(found);
        }
        own_credentials(&source)?.ok_or_else(|| {
            Error::broken(
                profile,
                format!("`source_profile` is `{}`, which has no credentials", one_line(name)),
            )
        })
    }

    fn named_source(&self, profile: &Profile<'_>, name: &str) -> Result<Source, Error> {
        let source = match name {
            "Environment" => self.environment()?,
            "EcsContainer" => self.container()?,
            "Ec2InstanceMetadata" => self.metadata()?,
            other => {
                let other = one_line(other);
                return Err(Error::broken(
                    profile,
                    format!(
                        "`credential_source` is `{other}`; expected `Environment`, `EcsContainer` or `Ec2InstanceMetadata`"
                    ),
                ));
            }
        };
        source.ok_or_else(|| {
            Error::broken(
                profile,
                format!("`credential_source` is `{name}`, and there are no credentials"),
            )
        })
    }
}

/// The value of an option that is set to something.
fn set_in<'a>(profile: &Profile<'a>, option: &str) -> Option<&'a str> {
    profile.text(option).filter(|text| !text.is_empty())
}

/// A profile with a web identity is none, whatever `role_arn` says.
fn is_role(profile: &Profile<'_>) -> bool {
    profile.text("role_arn").is_some() && profile.text("web_identity_token_file").is_none()
}

fn has_keys(profile: &Profile<'_>) -> bool {
    ["aws_access_key_id", "aws_secret_access_key"]
        .iter()
        .any(|option| profile.text(option).is_some())
}

/// What a profile has without any role.
fn own_credentials(profile: &Profile<'_>) -> Result<Option<Source>, Error> {
    let source = |kind| Source {
        origin: profile.to_string(),
        kind,
    };
    if let Some(option) = profile.option_beginning("sso_") {
        return Err(Error::broken(
            profile,
            format!(
                "it signs in by IAM Identity Center (`{option}`), which this program does not do; let `credential_process = aws \
                 configure export-credentials --profile NAME` do it in a profile of its own"
            ),
        ));
    }
    if let Some(keys) = keys_in(profile, profile.credentials)? {
        return Ok(Some(source(Kind::Known(keys))));
    }
    if let Some(command) = profile.text("credential_process") {
        let command = words::split(command).ok_or_else(|| {
            Error::broken(
                profile,
                "`credential_process` has a quote that is not closed, or ends in a backslash",
            )
        })?;
        return Ok(Some(source(Kind::Process(command))));
    }
    Ok(keys_in(profile, profile.config)?.map(|keys| source(Kind::Known(keys))))
}

/// The keys in one of the two files; id and secret must be in the same.
fn keys_in(profile: &Profile<'_>, section: Option<&Section>) -> Result<Option<Credentials>, Error> {
    let Some((section, id)) = section.and_then(|section| Some((section, text(section, "aws_access_key_id")?))) else {
        return Ok(None);
    };
    let broken = |why: &str| Error::broken(profile, why);
    let secret = text(section, "aws_secret_access_key")
        .filter(|secret| !secret.is_empty())
        .ok_or_else(|| broken("it has `aws_access_key_id` and no `aws_secret_access_key` in the same file"))?;
    let id = AccessKeyId::parse(id).map_err(|_| {
        broken("`aws_access_key_id` is no access key id; expected 16 to 128 capital letters and digits")
    })?;
    Ok(Some(Credentials {
        pair: KeyPair {
            id,
            secret: Sensitive::new(secret.to_owned()),
        },
        session_token: text(section, "aws_session_token")
            .filter(|token| !token.is_empty())
            .map(|token| Sensitive::new(token.to_owned())),
        expires_at: None,
    }))
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
