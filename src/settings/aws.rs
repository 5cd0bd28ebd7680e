//! Where AWS is, as the environment says it.

use std::path::Path;

use super::{Error, Set, certificates, configuration, no_url};
use crate::aws::{Endpoints, Region};
use crate::http::{Connection, Proxy, ProxyVariables, Roots, base_url};

/// The region where an annotation names none.
pub(super) fn region(set: &Set<'_>) -> Result<Option<Region>, Error> {
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| Some((name, set(name)?)));
    region
        .map(|(name, text)| Region::parse(text).map_err(|error| configuration(format!("`{name}`: {error}"))))
        .transpose()
}

pub(super) fn endpoints(set: &Set<'_>) -> Result<Endpoints, Error> {
    let endpoint = |name: &'static str| {
        let checked = |url| base_url(url).ok_or_else(|| configuration(no_url(name, url, "https://host:port")));
        set(name).map(checked).transpose()
    };
    Ok(Endpoints {
        all: endpoint("AWS_ENDPOINT_URL")?,
        iam: endpoint("AWS_ENDPOINT_URL_IAM")?,
        sts: endpoint("AWS_ENDPOINT_URL_STS")?,
        ecr: endpoint("AWS_ENDPOINT_URL_ECR")?,
    })
}

pub(super) fn connection(set: &Set<'_>) -> Result<Connection, Error> {
    let own = match set("AWS_CA_BUNDLE") {
        None => Vec::new(),
        Some(path) => certificates("`AWS_CA_BUNDLE`", Path::new(path))?,
    };
    let variables = ProxyVariables::read(set);
    let variables = variables.map_err(|(name, error)| configuration(format!("`{name}` names no proxy: {error}")))?;
    Ok(Connection {
        proxy: Proxy::ByVariables(variables),
        ..Connection::trusting(Roots::PublicAnd(own))
    })
}
