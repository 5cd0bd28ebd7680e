//! The files that credentials are in.

use std::io;
use std::path::{Path, PathBuf};

use super::profiles::Profiles;
use crate::sensitive::Sensitive;

/// A file that should be there.
///
/// # Errors
///
/// Names the file.
pub(super) fn read(path: &Path) -> Result<Sensitive<String>, String> {
    std::fs::read_to_string(path)
        .map(Sensitive::new)
        .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
}

/// Where the `config` and `credentials` files are, as variables say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places<'e> {
    /// `AWS_CONFIG_FILE`.
    pub config: Option<&'e str>,
    /// `AWS_SHARED_CREDENTIALS_FILE`.
    pub credentials: Option<&'e str>,
    /// `HOME`, for files that no variable names: `~/.aws/config` and `~/.aws/credentials`.
    pub home: Option<&'e str>,
}

/// The profiles of this machine. A file in the home folder may be missing; one that is named may not.
///
/// # Errors
///
/// Names the variable, the file and what is wrong with it.
pub fn profiles(places: &Places<'_>) -> Result<Profiles, String> {
    let config = file(places, "AWS_CONFIG_FILE", places.config, "config")?;
    let credentials = file(places, "AWS_SHARED_CREDENTIALS_FILE", places.credentials, "credentials")?;
    Profiles::parse(
        config.as_ref().map(|(name, text)| (name.as_str(), text)),
        credentials.as_ref().map(|(name, text)| (name.as_str(), text)),
    )
    .map_err(|error| error.to_string())
}

type Read = Option<(String, Sensitive<String>)>;

fn file(places: &Places<'_>, variable: &str, named: Option<&str>, name: &str) -> Result<Read, String> {
    let home = places.home.map(Path::new);
    let path = match (named, home) {
        (Some(path), Some(home)) if path.starts_with("~/") => home.join(&path[2..]),
        (Some(path), _) => PathBuf::from(path),
        (None, Some(home)) => home.join(".aws").join(name),
        (None, None) => return Ok(None),
    };
    // A home that this user may not look into counts as one without the file: images often name one.
    let hidden = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
        )
    };
    match std::fs::metadata(&path) {
        Err(error) if named.is_none() && hidden(&error) => return Ok(None),
        Ok(_) | Err(_) => {}
    }
    let text = read(&path).map_err(|error| match named {
        Some(_) => format!("`{variable}`: {error}"),
        None => error,
    })?;
    Ok(Some((path.display().to_string(), text)))
}
