//! Profiles that take a role with what another source gives, one after the other.

use super::own::{has_keys, is_role, own_credentials, set_in};
use super::{Kind, Plan, Source};
use crate::aws::ambient::error::Error;
use crate::aws::ambient::profiles::Profile;
use crate::aws::assume_role::Role;
use crate::error::one_line;

impl Plan<'_> {
    /// A profile that takes a role with what another source gives. `visited`: the profiles on the way to it, and itself.
    pub(super) fn role(&self, profile: &Profile<'_>, visited: &mut Vec<String>) -> Result<Source, Error> {
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
