//! Where a service of a region is found: partitions, hosts, overrides. The facts are those of botocore's endpoint rules.

use std::fmt;

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

    /// The region that a signature for this service names: IAM's is one for the whole partition.
    pub(super) fn signing_region(&self, service: Service) -> &str {
        match service {
            Service::Iam => self.partition.iam_region,
            Service::Sts | Service::Ecr => &self.name,
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
}

impl Service {
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Service::Iam => "iam",
            Service::Sts => "sts",
            Service::Ecr => "ecr",
        }
    }

    /// The name in a policy: `iam:CreateAccessKey`.
    pub(super) fn action(self, operation: &str) -> String {
        format!("{}:{operation}", self.signing_name())
    }
}

/// A part of AWS that shares no accounts with the others.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Partition {
    /// How its regions' names begin: one word of three, or two of four.
    prefixes: &'static [&'static str],
    iam_host: &'static str,
    iam_region: &'static str,
    suffix: &'static str,
}

const PARTITIONS: &[Partition] = &[
    Partition {
        prefixes: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
        iam_host: "iam.amazonaws.com",
        iam_region: "us-east-1",
        suffix: "amazonaws.com",
    },
    Partition {
        prefixes: &["cn"],
        iam_host: "iam.cn-north-1.amazonaws.com.cn",
        iam_region: "cn-north-1",
        suffix: "amazonaws.com.cn",
    },
    Partition {
        prefixes: &["us-gov"],
        iam_host: "iam.us-gov.amazonaws.com",
        iam_region: "us-gov-west-1",
        suffix: "amazonaws.com",
    },
    Partition {
        prefixes: &["us-iso"],
        iam_host: "iam.us-iso-east-1.c2s.ic.gov",
        iam_region: "us-iso-east-1",
        suffix: "c2s.ic.gov",
    },
    Partition {
        prefixes: &["us-isob"],
        iam_host: "iam.us-isob-east-1.sc2s.sgov.gov",
        iam_region: "us-isob-east-1",
        suffix: "sc2s.sgov.gov",
    },
    Partition {
        prefixes: &["eu-isoe"],
        iam_host: "iam.eu-isoe-west-1.cloud.adc-e.uk",
        iam_region: "eu-isoe-west-1",
        suffix: "cloud.adc-e.uk",
    },
    Partition {
        prefixes: &["us-isof"],
        iam_host: "iam.us-isof-south-1.csp.hci.ic.gov",
        iam_region: "us-isof-south-1",
        suffix: "csp.hci.ic.gov",
    },
    Partition {
        prefixes: &["eusc-de"],
        iam_host: "iam.eusc-de-east-1.amazonaws.eu",
        iam_region: "eusc-de-east-1",
        suffix: "amazonaws.eu",
    },
];

/// Endpoints set by hand, as every AWS SDK knows them.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL`: for all services that have none of their own.
    pub all: Option<String>,
    /// `AWS_ENDPOINT_URL_IAM`.
    pub iam: Option<String>,
    /// `AWS_ENDPOINT_URL_STS`.
    pub sts: Option<String>,
    /// `AWS_ENDPOINT_URL_ECR`.
    pub ecr: Option<String>,
}

impl Endpoints {
    pub(super) fn url(&self, service: Service, region: &Region) -> String {
        let own = match service {
            Service::Iam => &self.iam,
            Service::Sts => &self.sts,
            Service::Ecr => &self.ecr,
        };
        if let Some(url) = own.as_ref().or(self.all.as_ref()) {
            return format!("{}/", url.trim_end_matches('/'));
        }
        let Region { name, partition } = region;
        match service {
            Service::Iam => format!("https://{}/", partition.iam_host),
            Service::Sts => format!("https://sts.{name}.{}/", partition.suffix),
            Service::Ecr => format!("https://api.ecr.{name}.{}/", partition.suffix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_hosts() {
        for (region, iam_host, iam_region, suffix) in [
            ("eu-west-1", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
            ("ap-southeast-2", "iam.amazonaws.com", "us-east-1", "amazonaws.com"),
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
        ] {
            let parsed = Region::parse(region).unwrap();
            let endpoints = Endpoints::default();
            assert_eq!(endpoints.url(Service::Iam, &parsed), format!("https://{iam_host}/"));
            assert_eq!(parsed.signing_region(Service::Iam), iam_region);
            assert_eq!(
                endpoints.url(Service::Sts, &parsed),
                format!("https://sts.{region}.{suffix}/")
            );
            assert_eq!(
                endpoints.url(Service::Ecr, &parsed),
                format!("https://api.ecr.{region}.{suffix}/")
            );
            assert_eq!(parsed.signing_region(Service::Ecr), region);
        }
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
        let all = Some("http://127.0.0.1:1/".to_owned());
        let endpoints = Endpoints {
            all,
            sts: Some("http://[::1]:2".into()),
            ..Endpoints::default()
        };
        let region = Region::parse("eu-west-1").unwrap();
        assert_eq!(endpoints.url(Service::Iam, &region), "http://127.0.0.1:1/");
        assert_eq!(endpoints.url(Service::Sts, &region), "http://[::1]:2/");
    }
}
