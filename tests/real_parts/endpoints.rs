//! Endpoints: for every region that botocore's data lists, in every variant, its rules and this program name the same host and
//! sign for the same region.

use std::path::Path;

use aws_iam_credential_rotate::aws::endpoint::Variant;
use aws_iam_credential_rotate::aws::{Endpoints, Region, Service};
use serde_json::Value;

use crate::support::program::Program;
use crate::tools::{output, required};

const SERVICES: [Service; 4] = [Service::Iam, Service::Sts, Service::Ecr, Service::EcrPublic];

/// What botocore says: one line for each service, region and variant.
fn by_botocore() -> Vec<Value> {
    let python = required("AWS_CLI").with_file_name("python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_parts/endpoints.py");
    let printed = output(Program::new(python).arg(script.display().to_string()));
    printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn every_region_of_botocore_has_the_same_hosts_here() {
    let lines = by_botocore();
    let mut served = 0;
    let mut refused = Vec::new();
    for line in &lines {
        let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("{line}"));
        let service = SERVICES
            .into_iter()
            .find(|service| service.signing_name() == text("service"))
            .unwrap();
        let region = match Region::parse(text("region")) {
            Ok(region) => region,
            Err(_) => {
                refused.push(text("region").to_owned());
                continue;
            }
        };
        let endpoints = Endpoints {
            variant: Variant {
                fips: line["fips"] == true,
                dual_stack: line["dual_stack"] == true,
            },
            ..Endpoints::default()
        };
        let place = endpoints.place(service, &region);
        assert_eq!(place.url, format!("{}/", text("url")), "{line}");
        assert_eq!(place.signing_region, text("signing_region"), "{line}");
        assert_eq!(service.signing_name(), text("signing_name"), "{line}");
        served += 1;
    }
    // `aws-global` and its like are names that SDKs use for "no region": no Secret is in one, and ECR has no host there.
    refused.sort();
    refused.dedup();
    assert!(refused.iter().all(|region| region.ends_with("-global")), "{refused:?}");
    assert_eq!(served, 4 * SERVICES.len() * (regions(&lines) - refused.len()));
}

fn regions(lines: &[Value]) -> usize {
    let mut regions: Vec<&str> = lines.iter().filter_map(|line| line["region"].as_str()).collect();
    regions.sort_unstable();
    regions.dedup();
    assert!(regions.len() > 40, "{regions:?}");
    regions.len()
}
