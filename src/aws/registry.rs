//! Registries: their hosts, and which login is for which of them.

use std::fmt;

use super::Region;
use crate::error::one_line;

/// The registries that one login is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Realm {
    /// The private ones of a region.
    Private(Region),
    /// The public gallery, which is one for all regions.
    Public,
}

/// The word for [`Realm::Public`] where a region could stand.
const PUBLIC: &str = "public";

/// The public gallery's host.
pub const PUBLIC_HOST: &str = "public.ecr.aws";
/// The same, with IPv6 addresses beside the others.
const PUBLIC_DUAL_STACK: &str = "ecr-public.aws.com";

/// A text that names no realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRealm(String);

impl fmt::Display for NoRealm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no AWS region; expected a name such as `us-east-1` or `cn-north-1`, or `{PUBLIC}` for ECR Public",
            self.0
        )
    }
}

impl Realm {
    /// Reads a region's name, or `public`.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Realm, NoRealm> {
        if text == PUBLIC {
            Ok(Realm::Public)
        } else {
            Region::parse(text)
                .map(Realm::Private)
                .map_err(|_| NoRealm(one_line(text)))
        }
    }

    /// The region that is asked for the login.
    pub fn region(&self) -> Region {
        match self {
            Realm::Private(region) => region.clone(),
            Realm::Public => Region::of_ecr_public(),
        }
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Realm::Private(region) => f.write_str(region.name()),
            Realm::Public => f.write_str(PUBLIC),
        }
    }
}

/// The host of a registry of AWS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registry {
    host: String,
    realm: Realm,
}

/// A text that is no host of a registry of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRegistry(String);

impl fmt::Display for NoRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no host of an ECR registry; expected `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, with `ecr-fips` for FIPS, or \
             `ACCOUNT.dkr-ecr.REGION.on.aws` for dual-stack, without a scheme, a port or a path",
            self.0
        )
    }
}

impl Registry {
    /// Reads a host, as the ECR user guide gives their forms: `dkr.ecr` and the partition's suffix, or `dkr-ecr` and its suffix
    /// for dual-stack hosts; `-fips` behind `ecr` in either.
    ///
    /// # Errors
    ///
    /// When it has another form, or its region is of another partition than its suffix.
    pub fn parse(text: &str) -> Result<Registry, NoRegistry> {
        let registry = |realm| Registry {
            host: text.to_owned(),
            realm,
        };
        if [PUBLIC_HOST, PUBLIC_DUAL_STACK].contains(&text) {
            return Ok(registry(Realm::Public));
        }
        private_region(text)
            .map(|region| registry(Realm::Private(region)))
            .ok_or_else(|| NoRegistry(one_line(text)))
    }

    /// The host, as a Docker configuration has it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Which login is for it.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }
}

fn private_region(host: &str) -> Option<Region> {
    let (account, rest) = host.split_once('.')?;
    if !is_account(account) {
        return None;
    }
    let plain = ["dkr.ecr.", "dkr.ecr-fips."];
    let dual_stack = ["dkr-ecr.", "dkr-ecr-fips."];
    let behind = |forms: [&str; 2]| {
        let (region, suffix) = forms.iter().find_map(|form| rest.strip_prefix(form))?.split_once('.')?;
        Some((Region::parse(region).ok()?, suffix))
    };
    if let Some((region, suffix)) = behind(plain) {
        return (suffix == region.suffix()).then_some(region);
    }
    let (region, suffix) = behind(dual_stack)?;
    (suffix == region.dual_stack_registry_suffix()).then_some(region)
}

/// Whether a text is the number of an account.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_all_forms_name_their_realm() {
        for (host, realm) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("123456789012.dkr-ecr.us-west-2.on.aws", "us-west-2"),
            ("123456789012.dkr-ecr-fips.us-west-2.on.aws", "us-west-2"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (
                "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "cn-north-1",
            ),
            ("123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
            ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
            ("public.ecr.aws", "public"),
            ("ecr-public.aws.com", "public"),
        ] {
            let registry = Registry::parse(host).unwrap();
            assert_eq!((registry.host(), registry.realm().to_string().as_str()), (host, realm));
        }
    }

    #[test]
    fn what_is_no_host_of_a_registry_is_refused() {
        for bad in [
            "",
            "ghcr.io",
            "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com:443",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "1234567890123.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn",
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.on.aws",
            "123456789012.dkr-ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "123456789012.DKR.ecr.eu-west-1.amazonaws.com",
        ] {
            assert_eq!(Registry::parse(bad), Err(NoRegistry(bad.into())), "{bad}");
        }
    }

    #[test]
    fn a_realm_is_a_region_or_public() {
        assert_eq!(Realm::parse("public"), Ok(Realm::Public));
        assert_eq!(Realm::parse("eu-west-1").unwrap().to_string(), "eu-west-1");
        for bad in ["", "Public", "eu-west", "aws-global"] {
            assert_eq!(Realm::parse(bad), Err(NoRealm(bad.into())), "{bad}");
        }
    }
}
