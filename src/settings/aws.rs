//! Where AWS is and who this machine is there, as the environment and the AWS files say it.

use std::path::Path;

use super::{Environment, Error, Set, certificates, configuration, no_url};
use crate::aws::ambient::{self, Chosen, Places, Profile, Profiles, Sources, Variables};
use crate::aws::assume_role::Role;
use crate::aws::endpoint::Variant;
use crate::aws::{Endpoints, Region};
use crate::error::one_line;
use crate::http::{Connection, Proxy, ProxyVariables, Roots, base_url};

/// The way to AWS.
#[derive(Debug)]
pub struct Aws {
    /// Where its services are.
    pub endpoints: Endpoints,
    /// How to get there.
    pub connection: Connection,
    /// The region where nothing else names one.
    pub region: Option<Region>,
    /// Where credentials of this machine come from.
    pub sources: Sources,
}

impl Aws {
    /// What the environment says, and the files that it names. For the token of an EKS cluster, `profile` is one that an argument
    /// names, and `role` one that is taken with what is found.
    ///
    /// # Errors
    ///
    /// What cannot be meant is named, with what was expected. A file that is there but broken is an error.
    pub fn resolve(environment: &Environment, profile: Option<&str>, role: Option<Role>) -> Result<Aws, Error> {
        let set = super::set_in(environment);
        let places = Places {
            config: set("AWS_CONFIG_FILE"),
            credentials: set("AWS_SHARED_CREDENTIALS_FILE"),
            home: set("HOME"),
        };
        let profiles = ambient::profiles(&places).map_err(configuration)?;
        let chosen = chosen(&set, profile);
        let settings = ProfileSettings {
            profile: known(&profiles, &set, &chosen)?,
            set: &set,
        };
        let region = settings.region()?;
        let endpoints = settings.endpoints(&profiles)?;
        let connection = settings.connection()?;
        drop(settings);
        Ok(Aws {
            endpoints,
            sources: Sources {
                variables: Variables::from(&set),
                profiles,
                chosen,
                connection: Connection::trusting(connection.roots.clone()),
                region: region.clone(),
                role,
            },
            connection,
            region,
        })
    }
}

/// `AWS_DEFAULT_PROFILE` comes before `AWS_PROFILE`, as it does for the AWS CLI.
fn chosen(set: &Set<'_>, argument: Option<&str>) -> Chosen {
    match (argument, set("AWS_DEFAULT_PROFILE").or_else(|| set("AWS_PROFILE"))) {
        (Some(name), _) => Chosen::Argument(name.to_owned()),
        (None, Some(name)) => Chosen::Variable(name.to_owned()),
        (None, None) => Chosen::Default,
    }
}

/// The profile, which must be there when it is named.
fn known<'p>(profiles: &'p Profiles, set: &Set<'_>, chosen: &Chosen) -> Result<Option<Profile<'p>>, Error> {
    let profile = profiles.profile(chosen.name());
    let named_by = match chosen {
        Chosen::Default => return Ok(profile),
        Chosen::Variable(_) if set("AWS_DEFAULT_PROFILE").is_some() => "`AWS_DEFAULT_PROFILE` is",
        Chosen::Variable(_) => "`AWS_PROFILE` is",
        Chosen::Argument(_) => "the kubeconfig names the AWS profile",
    };
    profile.map(Some).ok_or_else(|| {
        let name = one_line(chosen.name());
        configuration(format!(
            "{named_by} `{name}`, and there is no such profile ({})",
            profiles.files()
        ))
    })
}

/// What a variable says, else the profile.
struct ProfileSettings<'p, 'e> {
    profile: Option<Profile<'p>>,
    set: &'p Set<'e>,
}

impl ProfileSettings<'_, '_> {
    /// A value that is set, and what sets it.
    fn value(&self, variables: &[&str], option: &str) -> Option<(String, &str)> {
        let by_variable = variables
            .iter()
            .find_map(|name| Some((format!("`{name}`"), (self.set)(name)?)));
        by_variable.or_else(|| {
            let profile = self.profile.as_ref()?;
            let text = profile.text(option).filter(|text| !text.is_empty())?;
            Some((format!("`{option}` of {profile}"), text))
        })
    }

    fn region(&self) -> Result<Option<Region>, Error> {
        self.value(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region")
            .map(|(setting, text)| Region::parse(text).map_err(|error| configuration(format!("{setting}: {error}"))))
            .transpose()
    }

    fn flag(&self, variable: &str, option: &str) -> Result<Option<String>, Error> {
        match self.value(&[variable], option) {
            None => Ok(None),
            Some((setting, text)) if text.eq_ignore_ascii_case("true") => Ok(Some(setting)),
            Some((_, text)) if text.eq_ignore_ascii_case("false") => Ok(None),
            Some((setting, text)) => Err(configuration(format!(
                "{setting} is `{}`; expected `true` or `false`",
                one_line(text)
            ))),
        }
    }

    fn endpoints(&self, profiles: &Profiles) -> Result<Endpoints, Error> {
        let ignored = self.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")?;
        let fips = self.flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?;
        let dual_stack = self.flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")?;
        let variant = fips.as_ref().or(dual_stack.as_ref());
        let endpoint = |service: &str| match ignored {
            Some(_) => Ok(None),
            None => self.endpoint(profiles, service, variant),
        };
        Ok(Endpoints {
            iam: endpoint("iam")?,
            sts: endpoint("sts")?,
            ecr: endpoint("ecr")?,
            ecr_public: endpoint("ecr_public")?,
            variant: Variant {
                fips: fips.is_some(),
                dual_stack: dual_stack.is_some(),
            },
        })
    }

    /// A service's endpoint set by hand. Nobody knows whether it is the variant that is asked for.
    fn endpoint(&self, profiles: &Profiles, service: &str, variant: Option<&String>) -> Result<Option<String>, Error> {
        let own = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase());
        let by_variable = [own.as_str(), "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| Some((name.to_owned(), (self.set)(name)?.to_owned())));
        let by_profile = || {
            let Some(profile) = &self.profile else {
                return Ok(None);
            };
            let url = profiles.endpoint_url(profile, service).map_err(configuration)?;
            Ok(url.map(|url| (format!("endpoint_url of {profile}").replace('`', ""), url)))
        };
        let Some((setting, url)) = by_variable.map_or_else(by_profile, |found| Ok(Some(found)))? else {
            return Ok(None);
        };
        if let Some(variant) = variant {
            return Err(configuration(format!(
                "{variant} and `{setting}` contradict each other: an endpoint set by hand has no other hosts; unset one of them"
            )));
        }
        base_url(&url)
            .map(Some)
            .ok_or_else(|| configuration(no_url(&setting, &url, "https://host:port")))
    }

    fn connection(&self) -> Result<Connection, Error> {
        let own = match self.value(&["AWS_CA_BUNDLE"], "ca_bundle") {
            None => Vec::new(),
            Some((setting, path)) => certificates(&setting, Path::new(path))?,
        };
        let variables = ProxyVariables::read(self.set);
        let variables =
            variables.map_err(|(name, error)| configuration(format!("`{name}` names no proxy: {error}")))?;
        Ok(Connection {
            proxy: Proxy::ByVariables(variables),
            ..Connection::trusting(Roots::PublicAnd(own))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Service;

    fn resolve(variables: &[(&'static str, &str)]) -> Result<Aws, Error> {
        let environment = variables
            .iter()
            .map(|&(name, value)| (name, value.to_owned()))
            .collect();
        Aws::resolve(&environment, None, None)
    }

    #[test]
    fn the_region_is_that_of_the_sdks_then_that_of_the_cli() {
        let region = |variables| resolve(variables).unwrap().region.map(|region| region.to_string());
        let both = [("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "us-west-2")];
        assert_eq!(region(&both).as_deref(), Some("us-west-2"));
        assert_eq!(region(&both[..1]).as_deref(), Some("eu-west-1"));
        assert_eq!(region(&[]), None);
    }

    #[test]
    fn a_service_s_own_endpoint_comes_before_that_for_all_unless_both_are_ignored() {
        let variables = [
            ("AWS_ENDPOINT_URL", "http://all/"),
            ("AWS_ENDPOINT_URL_ECR_PUBLIC", "http://public"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE"),
        ];
        let url = |variables, service| {
            let region = Region::parse("us-east-1").unwrap();
            resolve(variables).unwrap().endpoints.place(service, &region).url
        };
        assert_eq!(url(&variables[..2], Service::Ecr), "http://all/");
        assert_eq!(url(&variables[..2], Service::EcrPublic), "http://public/");
        assert_eq!(
            url(&variables, Service::EcrPublic),
            "https://api.ecr-public.us-east-1.amazonaws.com/"
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (variables, says) in [
            (
                &[("AWS_USE_FIPS_ENDPOINT", "1")][..],
                "`AWS_USE_FIPS_ENDPOINT` is `1`; expected `true` or `false`",
            ),
            (
                &[
                    ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
                    ("AWS_ENDPOINT_URL_IAM", "http://h"),
                ],
                "`AWS_USE_DUALSTACK_ENDPOINT` and `AWS_ENDPOINT_URL_IAM` contradict each other: an endpoint set by hand has no other \
                 hosts; unset one of them",
            ),
            (
                &[("AWS_PROFILE", "x")],
                "`AWS_PROFILE` is `x`, and there is no such profile (no `config` or `credentials` file is there)",
            ),
        ] {
            assert_eq!(resolve(variables).unwrap_err().to_string(), says);
        }
    }
}
