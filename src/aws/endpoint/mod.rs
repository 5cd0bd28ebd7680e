//! Where a service of a region is found: partitions, hosts, overrides. The facts are those of botocore's endpoint rules.

mod partition;

use std::fmt;

use self::partition::{PARTITIONS, Partition};

/// A region's name, known to lie in a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region {
    name: String,
    partition: &'static Partition,
}

/// A text that names no region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRegion(String);

impl fmt::Display for NoRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no AWS region; expected a name such as `us-east-1` or `cn-north-1`",
            self.0
        )
    }
}

impl Region {
    /// Reads a region's name.
    ///
    /// # Errors
    ///
    /// When it fits no partition's form of region names.
    pub fn parse(text: &str) -> Result<Region, NoRegion> {
        let text = text.trim();
        let no_region = || NoRegion(crate::error::one_line(text));
        let words: Vec<&str> = text.split('-').collect();
        let [first, .., last] = words.as_slice() else {
            return Err(no_region());
        };
        let is_word = |w: &&str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let is_number = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
        if words.len() < 3 || !is_number || !words.iter().all(is_word) {
            return Err(no_region());
        }
        let two = format!("{first}-{}", words[1]);
        let named_by_two = |p: &&Partition| words.len() == 4 && p.prefixes.contains(&two.as_str());
        let named_by_one = |p: &&Partition| words.len() == 3 && p.prefixes.contains(first);
        let partition = PARTITIONS
            .iter()
            .find(|p| named_by_two(p) || named_by_one(p))
            .ok_or_else(no_region)?;
        Ok(Region {
            name: text.to_owned(),
            partition,
        })
    }

    /// The name, `eu-west-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The partition's name, as ARNs have it: `aws-cn`.
    pub fn partition(&self) -> &'static str {
        self.partition.name
    }

    /// How the names of its hosts end, `amazonaws.com`.
    pub(super) fn suffix(&self) -> &'static str {
        self.partition.suffix
    }

    /// How the names of its registries' dual-stack hosts end: as those of its services do, with `on` for `api`.
    pub(super) fn dual_stack_registry_suffix(&self) -> String {
        self.partition.dual_stack_suffix.replacen("api", "on", 1)
    }

    /// The region of ECR Public.
    pub(super) fn of_ecr_public() -> Region {
        Region {
            name: "us-east-1".into(),
            partition: &PARTITIONS[0],
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The services that this program calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Identity and Access Management.
    Iam,
    /// Security Token Service.
    Sts,
    /// Elastic Container Registry.
    Ecr,
    /// Its public gallery.
    EcrPublic,
}

impl Service {
    /// The name in the credential scope of a signature.
    pub fn signing_name(self) -> &'static str {
        match self {
            Service::Iam => "iam",
            Service::Sts => "sts",
            Service::Ecr => "ecr",
            Service::EcrPublic => "ecr-public",
        }
    }

    /// The name in a policy: `iam:CreateAccessKey`.
    pub(super) fn action(self, operation: &str) -> String {
        format!("{}:{operation}", self.signing_name())
    }
}

/// Which of a service's hosts: `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// One with cryptography validated by FIPS 140.
    pub fips: bool,
    /// One with IPv6 addresses beside the others.
    pub dual_stack: bool,
}

/// Where services are: the hosts that AWS has, or others set by hand. `AWS_STS_REGIONAL_ENDPOINTS` is not heeded: STS is always
/// asked in the region, as every current SDK does.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// IAM's, set by hand; a URL, as the others.
    pub iam: Option<String>,
    /// STS's.
    pub sts: Option<String>,
    /// ECR's.
    pub ecr: Option<String>,
    /// ECR Public's.
    pub ecr_public: Option<String>,
    /// Which hosts of AWS, where none is set by hand.
    pub variant: Variant,
}

/// Where one service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// With a slash at its end.
    pub url: String,
    /// The region that a signature names: IAM's is one for the whole partition.
    pub signing_region: String,
}

impl Endpoints {
    /// Where to find `service` for `region`, by the endpoint rules that botocore ships.
    pub fn place(&self, service: Service, region: &Region) -> Place {
        let own = match service {
            Service::Iam => &self.iam,
            Service::Sts => &self.sts,
            Service::Ecr => &self.ecr,
            Service::EcrPublic => &self.ecr_public,
        };
        let signing_region = match service {
            Service::Iam => region.partition.iam.region,
            Service::Sts | Service::Ecr | Service::EcrPublic => &region.name,
        };
        Place {
            url: match own {
                Some(url) => format!("{}/", url.trim_end_matches('/')),
                None => format!("https://{}/", host(service, region, self.variant)),
            },
            signing_region: signing_region.to_owned(),
        }
    }
}

fn host(service: Service, region: &Region, variant: Variant) -> String {
    let Region { name, partition } = region;
    let Variant { fips, dual_stack } = variant;
    let fips_host = if fips { "-fips" } else { "" };
    let suffix = if dual_stack {
        partition.dual_stack_suffix
    } else {
        partition.suffix
    };
    match service {
        Service::Iam => match (fips, dual_stack) {
            (false, false) => partition.iam.plain,
            (true, false) => partition.iam.fips,
            (false, true) => partition.iam.dual_stack,
            (true, true) => partition.iam.both,
        }
        .to_owned(),
        // In us-gov the plain host is the FIPS host.
        Service::Sts if partition.name == "aws-us-gov" && !dual_stack => format!("sts.{name}.{suffix}"),
        Service::Sts => format!("sts{fips_host}.{name}.{suffix}"),
        Service::Ecr if dual_stack => format!("ecr{fips_host}.{name}.{suffix}"),
        Service::Ecr => format!("api.ecr{fips_host}.{name}.{suffix}"),
        Service::EcrPublic if dual_stack && !fips && partition.name == "aws" => format!("ecr-public.{name}.{suffix}"),
        Service::EcrPublic => format!("api.ecr-public{fips_host}.{name}.{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the facts about AWS: region, IAM host, IAM signing region, suffix.
    const TABLE: &[(&str, &str, &str, &str)] = &[
        ("eu-west-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("us-east-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("ap-southeast-2", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("sa-east-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("ca-central-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("me-south-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("af-south-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("il-central-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        ("mx-central-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        (
            "cn-northwest-1",
            "iam.cn-north-1.amazonaws.com.cn",
            "cn-north-1",
            "amazonaws.com.cn",
        ),
        (
            "us-gov-east-1",
            "iam.us-gov.amazonaws.com",
            "us-gov-west-1",
            "amazonaws.com",
        ),
        (
            "us-iso-west-1",
            "iam.us-iso-east-1.c2s.ic.gov",
            "us-iso-east-1",
            "c2s.ic.gov",
        ),
        (
            "us-isob-east-1",
            "iam.us-isob-east-1.sc2s.sgov.gov",
            "us-isob-east-1",
            "sc2s.sgov.gov",
        ),
        (
            "eu-isoe-west-1",
            "iam.eu-isoe-west-1.cloud.adc-e.uk",
            "eu-isoe-west-1",
            "cloud.adc-e.uk",
        ),
        (
            "us-isof-south-1",
            "iam.us-isof-south-1.csp.hci.ic.gov",
            "us-isof-south-1",
            "csp.hci.ic.gov",
        ),
        (
            "eusc-de-east-1",
            "iam.eusc-de-east-1.amazonaws.eu",
            "eusc-de-east-1",
            "amazonaws.eu",
        ),
        // Regions that are not there yet.
        ("eu-central-9", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
        (
            "eusc-de-west-2",
            "iam.eusc-de-east-1.amazonaws.eu",
            "eusc-de-east-1",
            "amazonaws.eu",
        ),
    ];

    #[test]
    fn every_partition_has_its_hosts() {
        for &(region, iam_host, iam_region, suffix) in TABLE {
            let parsed = Region::parse(region).unwrap();
            let place = |service| {
                let Place { url, signing_region } = Endpoints::default().place(service, &parsed);
                (url, signing_region)
            };
            let signed = |host: String, region: &str| (format!("https://{host}/"), region.to_owned());
            assert_eq!(place(Service::Iam), signed(iam_host.into(), iam_region));
            assert_eq!(place(Service::Sts), signed(format!("sts.{region}.{suffix}"), region));
            assert_eq!(
                place(Service::Ecr),
                signed(format!("api.ecr.{region}.{suffix}"), region)
            );
        }
    }

    #[test]
    fn fips_and_dual_stack_have_hosts_of_their_own() {
        let host = |service, region, fips, dual_stack| {
            host(service, &Region::parse(region).unwrap(), Variant { fips, dual_stack })
        };
        assert_eq!(host(Service::Iam, "us-west-2", true, false), "iam-fips.amazonaws.com");
        assert_eq!(host(Service::Iam, "us-west-2", false, true), "iam.global.api.aws");
        assert_eq!(
            host(Service::Ecr, "us-west-2", true, false),
            "api.ecr-fips.us-west-2.amazonaws.com"
        );
        assert_eq!(host(Service::Ecr, "us-west-2", false, true), "ecr.us-west-2.api.aws");
        assert_eq!(
            host(Service::Sts, "us-gov-west-1", true, false),
            "sts.us-gov-west-1.amazonaws.com"
        );
        assert_eq!(
            host(Service::Sts, "us-west-2", true, true),
            "sts-fips.us-west-2.api.aws"
        );
    }

    #[test]
    fn what_is_no_region_is_refused() {
        for bad in [
            "",
            "us",
            "us-east",
            "us-east-",
            "us-east-1a",
            "xx-east-1",
            "us-gov-1-",
            "US-EAST-1",
            "us-east-1.evil/",
        ] {
            assert_eq!(Region::parse(bad), Err(NoRegion(bad.into())), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_of_its_own_comes_first() {
        let endpoints = Endpoints {
            iam: Some("http://127.0.0.1:1/".into()),
            sts: Some("http://[::1]:2".into()),
            ..Endpoints::default()
        };
        let url = |service| endpoints.place(service, &Region::parse("eu-west-1").unwrap()).url;
        assert_eq!(url(Service::Iam), "http://127.0.0.1:1/");
        assert_eq!(url(Service::Sts), "http://[::1]:2/");
        assert_eq!(url(Service::Ecr), "https://api.ecr.eu-west-1.amazonaws.com/");
    }
}
