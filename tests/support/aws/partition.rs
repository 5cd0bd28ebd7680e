//! Partitions: each has its own IAM, its own regions and its own host names.

/// A world of AWS with IAM data of its own. A key is known in one of them and does not say in which.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    pub name: &'static str,
    /// The one region that requests to IAM are signed for.
    pub iam_region: &'static str,
    /// What host names end with.
    pub suffix: &'static str,
    /// Where STS and ECR are, unless a test says otherwise; not all of them.
    pub regions: &'static [&'static str],
}

impl Partition {
    pub const AWS: Partition = Partition {
        name: "aws",
        iam_region: "us-east-1",
        suffix: "amazonaws.com",
        regions: &[
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
            "ca-central-1",
            "sa-east-1",
            "eu-central-1",
            "eu-central-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "eu-north-1",
            "eu-south-1",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-south-1",
            "af-south-1",
            "il-central-1",
        ],
    };
    pub const AWS_CN: Partition = Partition {
        name: "aws-cn",
        iam_region: "cn-north-1",
        suffix: "amazonaws.com.cn",
        regions: &["cn-north-1", "cn-northwest-1"],
    };
}
