//! Which files are looked at, and what is in them.

use std::fs;
use std::io::ErrorKind;
use std::path::{self, Path, PathBuf};

use super::Error;
use super::file::{self, Config};

/// Larger than any kubeconfig, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Where a kubeconfig may be. The first of them that is named is the one that counts.
#[derive(Debug)]
pub struct Sources<'s> {
    /// `--kubeconfig`
    pub named: Option<&'s Path>,
    /// `KUBECONFIG`, files with `:` between them.
    pub variable: Option<&'s str>,
    /// `HOME`, in which `.kube/config` is the usual place.
    pub home: Option<&'s str>,
}

impl Sources<'_> {
    /// What the files say together. `None` when there is nothing in them, or none is there.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is no kubeconfig. One that is not there is none, but for the one that `--kubeconfig`
    /// names.
    pub fn load(&self) -> Result<Option<Config>, Error> {
        let mut config = Config::default();
        let mut missing = Vec::new();
        let mut read = 0;
        let (named_by, files) = self.files();
        for path in files {
            match load(&path) {
                Ok(one) => {
                    config = config.or(one?);
                    read += 1;
                }
                Err(error) if error.kind() == ErrorKind::NotFound && self.named.is_none() => missing.push(path),
                Err(error) => {
                    return Err(Error::Unreadable {
                        named_by,
                        path,
                        why: error.to_string(),
                    });
                }
            }
        }
        if read == 0 && self.named.is_none() && self.variable.is_some() && !missing.is_empty() {
            let missing: Vec<String> = missing.iter().map(|path| format!("`{}`", path.display())).collect();
            log::warn!("`KUBECONFIG` names no file that is there: {}", missing.join(", "));
        }
        Ok(Some(config).filter(|config| !config.is_empty()))
    }

    /// What names the files, and the files.
    fn files(&self) -> (&'static str, Vec<PathBuf>) {
        match (self.named, self.variable, self.home) {
            (Some(path), _, _) => ("`--kubeconfig`", vec![path.to_owned()]),
            (None, Some(list), _) => {
                let mut files: Vec<PathBuf> = Vec::new();
                for file in list.split(':').filter(|file| !file.is_empty()).map(PathBuf::from) {
                    if !files.contains(&file) {
                        files.push(file);
                    }
                }
                ("`KUBECONFIG`", files)
            }
            (None, None, Some(home)) => ("`HOME`", vec![Path::new(home).join(".kube/config")]),
            (None, None, None) => ("", Vec::new()),
        }
    }

    /// That nothing was found, for a message.
    pub fn nothing(&self) -> String {
        match (self.named, self.variable, self.home) {
            (Some(path), _, _) => format!("the kubeconfig `{}` is empty", path.display()),
            (None, Some(list), _) => format!(
                "the kubeconfigs of `KUBECONFIG`, `{}`, are empty or not there",
                crate::error::one_line(list)
            ),
            (None, None, Some(home)) => {
                let usual = Path::new(home).join(".kube/config");
                format!("`KUBECONFIG` is not set, `{}` is empty or not there", usual.display())
            }
            (None, None, None) => "`KUBECONFIG` and `HOME` are not set".into(),
        }
    }
}

/// The outer error is the file's, the inner one that of its content.
fn load(path: &Path) -> Result<Result<Config, Error>, std::io::Error> {
    let invalid = |why: &str| Error::Invalid {
        path: path.to_owned(),
        why: file::Error(why.to_owned()),
    };
    if fs::metadata(path)?.len() > LARGEST {
        return Ok(Err(invalid("it is larger than 16 MiB; a kubeconfig is not")));
    }
    let bytes = crate::sensitive::Sensitive::new(fs::read(path)?);
    let directory = path::absolute(path)?;
    let directory = directory.parent().unwrap_or(Path::new("/"));
    Ok(match std::str::from_utf8(bytes.expose()) {
        Err(_) => Err(invalid("it is no UTF-8")),
        Ok(text) => Config::parse(text, directory).map_err(|why| Error::Invalid {
            path: path.to_owned(),
            why,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_counts_before_the_variable_and_the_variable_before_the_home() {
        let files = |named: Option<&str>, variable, home| {
            let sources = Sources {
                named: named.map(Path::new),
                variable,
                home,
            };
            let files = sources.files().1;
            files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(files(Some("x"), Some("a:b"), Some("/h")), ["x"]);
        assert_eq!(files(None, Some("a::b:a"), Some("/h")), ["a", "b"]);
        assert_eq!(files(None, None, Some("/h")), ["/h/.kube/config"]);
        assert_eq!(files(None, None, None), [""; 0]);
    }
}
