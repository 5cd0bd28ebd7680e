//! Why this machine gives no credentials.

use std::fmt;

/// Why there are none. The text names the source and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A source is there, and what it says cannot be used. It is never passed over for the next one.
    Broken {
        /// Such as ``profile `ci` ``.
        source: String,
        /// What is wrong with it.
        why: String,
    },
    /// No source is there.
    Nowhere {
        /// What was found instead, source by source.
        looked: String,
    },
}

impl Error {
    pub(super) fn broken(source: impl fmt::Display, why: impl fmt::Display) -> Error {
        Error::Broken {
            source: source.to_string(),
            why: why.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Broken { source, why } => write!(f, "credentials from {source}: {why}"),
            Error::Nowhere { looked } => write!(f, "there are no AWS credentials: {looked}; set one of these"),
        }
    }
}

impl std::error::Error for Error {}
