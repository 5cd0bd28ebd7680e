//! The profiles of the `config` and `credentials` files, put together as the AWS CLI does it.

use std::collections::BTreeMap;
use std::fmt;

use super::ini::{self, Section, Value};
use crate::error::one_line;
use crate::sensitive::Sensitive;

/// All profiles of this machine.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    config: BTreeMap<String, Section>,
    credentials: BTreeMap<String, Section>,
    services: BTreeMap<String, Section>,
    files: Vec<String>,
}

/// A file that is not in the format.
#[derive(Debug, PartialEq, Eq)]
pub struct NotIni {
    file: String,
    error: ini::Error,
}

impl fmt::Display for NotIni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.file, self.error)
    }
}

/// A file's name and content.
pub(super) type File<'a> = (&'a str, &'a Sensitive<String>);

impl Profiles {
    /// Reads the files that there are.
    ///
    /// # Errors
    ///
    /// When one is not in the format.
    pub fn parse(config: Option<File<'_>>, credentials: Option<File<'_>>) -> Result<Profiles, NotIni> {
        let mut profiles = Profiles::default();
        for (name, section) in profiles.read(config)? {
            match words(&name).as_slice() {
                [only] if only == "default" => {
                    // `[profile default]` comes first where both are there.
                    profiles.config.entry("default".into()).or_insert(section);
                }
                [kind, name] if kind == "profile" => {
                    profiles.config.insert(name.clone(), section);
                }
                [kind, name] if kind == "services" => {
                    profiles.services.insert(name.clone(), section);
                }
                _ => {}
            }
        }
        profiles.credentials = profiles.read(credentials)?;
        Ok(profiles)
    }

    fn read(&mut self, file: Option<File<'_>>) -> Result<BTreeMap<String, Section>, NotIni> {
        let Some((name, text)) = file else {
            return Ok(BTreeMap::new());
        };
        self.files.push(name.to_owned());
        ini::parse(text.expose()).map_err(|error| NotIni {
            file: name.to_owned(),
            error,
        })
    }

    /// The names of the files that there are, for messages.
    pub fn files(&self) -> String {
        match self.files.as_slice() {
            [] => "no `config` or `credentials` file is there".into(),
            files => format!("looked into `{}`", files.join("` and `")),
        }
    }

    /// The profile of that name.
    pub fn profile(&self, name: &str) -> Option<Profile<'_>> {
        let (config, credentials) = (self.config.get(name), self.credentials.get(name));
        let known = config.is_some() || credentials.is_some();
        known.then(|| Profile {
            name: name.to_owned(),
            config,
            credentials,
        })
    }

    /// The endpoint that a profile sets for a service (`iam`, `ecr_public`), by its `services` section or for all.
    ///
    /// # Errors
    ///
    /// When it names a `services` section that is not there.
    pub fn endpoint_url(&self, profile: &Profile<'_>, service: &str) -> Result<Option<String>, String> {
        let own = match profile.text("services") {
            None => None,
            Some(section) => {
                let section = self
                    .services
                    .get(section)
                    .ok_or_else(|| format!("{profile} names `[services {}]`, which is not there", one_line(section)))?;
                match section.get(service) {
                    Some(Value::Block(options)) => options.get("endpoint_url").map(|url| url.expose().clone()),
                    Some(Value::Text(_)) | None => None,
                }
            }
        };
        let set = own.or_else(|| profile.text("endpoint_url").map(str::to_owned));
        Ok(set.filter(|url| !url.is_empty()))
    }
}

/// One profile. What the `credentials` file says comes before what `config` says.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    /// Its name.
    pub name: String,
    pub(super) config: Option<&'a Section>,
    pub(super) credentials: Option<&'a Section>,
}

impl fmt::Display for Profile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile `{}`", one_line(&self.name))
    }
}

impl<'a> Profile<'a> {
    /// The value of an option that is set, perhaps to nothing.
    pub fn text(&self, option: &str) -> Option<&'a str> {
        [self.credentials, self.config]
            .into_iter()
            .flatten()
            .find_map(|section| text(section, option))
    }
}

pub(super) fn text<'a>(section: &'a Section, option: &str) -> Option<&'a str> {
    match section.get(option)? {
        Value::Text(text) => Some(text.expose()),
        Value::Block(_) => None,
    }
}

/// The words of a section's name; a name of two words is quoted. One that is not closed makes it no name.
fn words(name: &str) -> Vec<String> {
    super::words::split(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        let (config, credentials) = (Sensitive::new(config.into()), Sensitive::new(credentials.into()));
        Profiles::parse(Some(("config", &config)), Some(("credentials", &credentials))).unwrap()
    }

    #[test]
    fn sections_have_other_names_in_the_two_files() {
        let profiles = profiles(
            "[default]\nregion=a\n[profile x]\nregion=b\n[y]\nregion=c\n[profile \"of two\"]\nregion=d\n",
            "[z]\na=1\n[profile w]\na=1\n",
        );
        let region = |name: &str| profiles.profile(name).and_then(|p| p.text("region").map(str::to_owned));
        assert_eq!(region("default").as_deref(), Some("a"));
        assert_eq!(region("x").as_deref(), Some("b"));
        assert_eq!(region("of two").as_deref(), Some("d"));
        assert!(profiles.profile("y").is_none());
        assert!(profiles.profile("z").is_some());
        assert!(profiles.profile("w").is_none());
    }

    #[test]
    fn the_credentials_file_comes_first_and_profile_default_before_default() {
        let profiles = profiles(
            "[profile default]\nregion=a\n[default]\nregion=b\noutput=json\n",
            "[default]\nregion=c\n",
        );
        let default = profiles.profile("default").unwrap();
        assert_eq!(default.text("region"), Some("c"));
        assert_eq!(default.text("output"), None);
    }

    #[test]
    fn endpoints_by_service_and_for_all() {
        let profiles = profiles(
            "[default]\nservices=here\nendpoint_url=http://all\n[services here]\necr =\n  endpoint_url = http://ecr\n\
             [profile x]\nservices=nowhere\n",
            "",
        );
        let default = profiles.profile("default").unwrap();
        let url = |service| profiles.endpoint_url(&default, service).unwrap();
        assert_eq!(url("ecr").as_deref(), Some("http://ecr"));
        assert_eq!(url("iam").as_deref(), Some("http://all"));
        assert_eq!(
            profiles.endpoint_url(&profiles.profile("x").unwrap(), "ecr"),
            Err("profile `x` names `[services nowhere]`, which is not there".into())
        );
    }
}
