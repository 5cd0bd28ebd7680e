//! The partitions of AWS, from botocore's `partitions.json` and the endpoint rules of IAM, STS and ECR.

/// A part of AWS that shares no accounts with the others.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition {
    /// As ARNs name it.
    pub(super) name: &'static str,
    /// How its regions' names begin: one word of three, or two of four.
    pub(super) prefixes: &'static [&'static str],
    pub(super) iam: Iam,
    pub(super) suffix: &'static str,
    /// Of hosts that have IPv6 addresses, too.
    pub(super) dual_stack_suffix: &'static str,
}

/// The partition's one IAM. Its names follow no rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Iam {
    /// The region that signatures name.
    pub(super) region: &'static str,
    pub(super) plain: &'static str,
    pub(super) fips: &'static str,
    pub(super) dual_stack: &'static str,
    pub(super) both: &'static str,
}

pub(super) const PARTITIONS: &[Partition] = &[
    Partition {
        name: "aws",
        prefixes: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
        iam: Iam {
            region: "us-east-1",
            plain: "iam.amazonaws.com",
            fips: "iam-fips.amazonaws.com",
            dual_stack: "iam.global.api.aws",
            both: "iam-fips.global.api.aws",
        },
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
    },
    Partition {
        name: "aws-cn",
        prefixes: &["cn"],
        iam: Iam {
            region: "cn-north-1",
            plain: "iam.cn-north-1.amazonaws.com.cn",
            fips: "iam-fips.amazonaws.com.cn",
            dual_stack: "iam.global.api.amazonwebservices.com.cn",
            both: "iam-fips.api.amazonwebservices.com.cn",
        },
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
    },
    Partition {
        name: "aws-us-gov",
        prefixes: &["us-gov"],
        // All of its hosts are FIPS hosts.
        iam: Iam {
            region: "us-gov-west-1",
            plain: "iam.us-gov.amazonaws.com",
            fips: "iam.us-gov.amazonaws.com",
            dual_stack: "iam.us-gov.api.aws",
            both: "iam.us-gov.api.aws",
        },
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
    },
    Partition {
        name: "aws-iso",
        prefixes: &["us-iso"],
        iam: Iam {
            region: "us-iso-east-1",
            plain: "iam.us-iso-east-1.c2s.ic.gov",
            fips: "iam-fips.us-iso-east-1.c2s.ic.gov",
            dual_stack: "iam.api.aws.ic.gov",
            both: "iam-fips.api.aws.ic.gov",
        },
        suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
    },
    Partition {
        name: "aws-iso-b",
        prefixes: &["us-isob"],
        iam: Iam {
            region: "us-isob-east-1",
            plain: "iam.us-isob-east-1.sc2s.sgov.gov",
            fips: "iam-fips.us-isob-east-1.sc2s.sgov.gov",
            dual_stack: "iam.api.aws.scloud",
            both: "iam-fips.api.aws.scloud",
        },
        suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
    },
    Partition {
        name: "aws-iso-e",
        prefixes: &["eu-isoe"],
        iam: Iam {
            region: "eu-isoe-west-1",
            plain: "iam.eu-isoe-west-1.cloud.adc-e.uk",
            fips: "iam-fips.cloud.adc-e.uk",
            dual_stack: "iam.api.cloud-aws.adc-e.uk",
            both: "iam-fips.api.cloud-aws.adc-e.uk",
        },
        suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        name: "aws-iso-f",
        prefixes: &["us-isof"],
        iam: Iam {
            region: "us-isof-south-1",
            plain: "iam.us-isof-south-1.csp.hci.ic.gov",
            fips: "iam-fips.csp.hci.ic.gov",
            dual_stack: "iam.api.aws.hci.ic.gov",
            both: "iam-fips.api.aws.hci.ic.gov",
        },
        suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
    },
    Partition {
        name: "aws-eusc",
        prefixes: &["eusc-de"],
        iam: Iam {
            region: "eusc-de-east-1",
            plain: "iam.eusc-de-east-1.amazonaws.eu",
            fips: "iam-fips.amazonaws.eu",
            dual_stack: "iam.global.api.amazonwebservices.eu",
            both: "iam-fips.api.amazonwebservices.eu",
        },
        suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
    },
];
