//! The variables that say where credentials are.

use std::collections::BTreeMap;
use std::fmt;

use crate::sensitive::Sensitive;

/// The variables that the sources of credentials read.
pub const NAMES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
];

/// Those of [`NAMES`] that are set to something. Some are secrets.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<&'static str, Sensitive<String>>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    /// Takes those that `set` knows.
    pub fn from<'e>(set: impl Fn(&str) -> Option<&'e str>) -> Variables {
        let mut variables = BTreeMap::new();
        for &name in NAMES {
            if let Some(value) = set(name) {
                variables.insert(name, Sensitive::new(value.to_owned()));
            }
        }
        Variables(variables)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose().as_str())
    }
}
