//! Calls a plugin and waits for what it issues.

use std::io::{self, ErrorKind, IsTerminal, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::{Cluster, EksToken, Error, Interactive, Issued, NativeToken, Plugin, Problem, eks, info, reply};
use crate::error::one_line;
use crate::sensitive::Sensitive;

/// How long a plugin may take that asks nobody. The lock of a rotation would not wait longer.
const LIMIT: Duration = Duration::from_secs(60);

/// How much of what a plugin prints is read, in bytes. A credential with a chain of certificates has some ten thousand.
const LARGEST: usize = 1024 * 1024;

/// A plugin may leave something running that holds on to its output; that is not waited for any longer.
const LINGER: Duration = Duration::from_secs(1);

/// How often it is looked whether a plugin has ended.
const POLL: Duration = Duration::from_millis(5);

/// What `plugin` issues for `cluster`. Where the program is missing and its tokens can be made without it, `native` makes
/// one.
///
/// # Errors
///
/// When nothing was issued that can be used.
pub(in crate::kube) fn issue(plugin: &Plugin, cluster: &Cluster, native: &NativeToken) -> Result<Issued, Error> {
    let error = |problem| Error {
        command: plugin.command.clone(),
        problem,
    };
    let terminal = io::stdin().is_terminal();
    let interactive = match plugin.interactive {
        Interactive::Never => false,
        Interactive::IfAvailable => terminal,
        Interactive::Always if terminal => true,
        Interactive::Always => return Err(error(Problem::NoTerminal)),
    };
    let info = info::exec_info(
        plugin.version,
        interactive,
        plugin.provide_cluster_info.then_some(cluster),
    );
    let mut command = Command::new(&plugin.command);
    command
        .args(&plugin.arguments)
        .envs(plugin.environment.iter().map(|(name, value)| (name, value.expose())))
        .env("KUBERNETES_EXEC_INFO", info.expose())
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(failure) if failure.kind() == ErrorKind::NotFound => {
            return match eks::recognise(plugin) {
                Some(wanted) => issue_natively(wanted, native).map_err(|why| error(Problem::Native(why))),
                None => Err(error(Problem::NotFound {
                    hint: plugin.install_hint.as_deref().map(one_line),
                })),
            };
        }
        Err(failure) => return Err(error(Problem::NotStarted(failure.to_string()))),
    };
    log::debug!("calling the exec plugin `{}`", plugin.command.display());
    let stdout = wait(child, interactive, &plugin.command.display().to_string()).map_err(error)?;
    reply::parse(stdout.expose(), plugin.version).map_err(|why| error(Problem::Answer(why)))
}

fn issue_natively(wanted: Result<EksToken, String>, native: &NativeToken) -> Result<Issued, String> {
    let wanted = wanted?;
    log::debug!("making a token for the EKS cluster `{}`", one_line(&wanted.cluster));
    let issued = native(&wanted)?;
    Ok(Issued {
        token: Some(issued.token),
        identity: None,
        expires_at: Some(issued.expires_at),
    })
}

enum Said {
    Output(Sensitive<Vec<u8>>),
    Error(Vec<u8>),
}

/// Waits for the end of `child`; what it printed.
fn wait(mut child: Child, interactive: bool, name: &str) -> Result<Sensitive<Vec<u8>>, Problem> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        forward(stdout, sender.clone(), |bytes| Said::Output(Sensitive::new(bytes)));
    }
    if let Some(stderr) = child.stderr.take() {
        forward(stderr, sender, Said::Error);
    }
    let started = Instant::now();
    let mut printed = Vec::new();
    let mut said = Lines::default();
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        let open = match receiver.recv_timeout(POLL) {
            Ok(Said::Output(bytes)) => {
                printed.extend_from_slice(bytes.expose());
                true
            }
            Ok(Said::Error(bytes)) => {
                // A person that is to answer must see what is asked.
                said.add(&bytes, |line| {
                    if interactive {
                        log::info!("{name}: {line}");
                    }
                });
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(POLL);
                false
            }
        };
        let problem = if printed.len() > LARGEST {
            Some(Problem::TooMuch { limit: LARGEST })
        } else if !interactive && ended.is_none() && started.elapsed() > LIMIT {
            Some(Problem::TimedOut {
                limit: LIMIT,
                said: said.last(),
            })
        } else {
            None
        };
        if let Some(problem) = problem {
            let _ = child.kill();
            let _ = child.wait();
            drop(Sensitive::new(printed));
            return Err(problem);
        }
        if ended.is_none() {
            let status = child
                .try_wait()
                .map_err(|error| Problem::NotStarted(error.to_string()))?;
            ended = status.map(|status| (status, Instant::now()));
        }
        match ended {
            Some((status, at)) if !open || at.elapsed() > LINGER => {
                let printed = Sensitive::new(printed);
                if status.success() {
                    return Ok(printed);
                }
                return Err(Problem::Failed {
                    how: how(status),
                    said: said.last(),
                });
            }
            Some(_) | None => {}
        }
    }
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        // It says which.
        None => status.to_string(),
    }
}

fn forward(mut from: impl Read + Send + 'static, to: Sender<Said>, wrap: impl Fn(Vec<u8>) -> Said + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 || to.send(wrap(buffer[..read].to_vec())).is_err() {
                break;
            }
        }
        zeroize::Zeroize::zeroize(&mut buffer);
    });
}

/// Lines that somebody else's program says, of which the last is kept.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    last: Option<String>,
}

/// A line that is longer is cut.
const LONGEST_LINE: usize = 4096;

impl Lines {
    fn add(&mut self, bytes: &[u8], mut see: impl FnMut(&str)) {
        for &byte in bytes {
            if byte == b'\n' {
                if let Some(line) = readable(&self.begun) {
                    see(&line);
                    self.last = Some(line);
                }
                self.begun.clear();
            } else if self.begun.len() < LONGEST_LINE {
                self.begun.push(byte);
            }
        }
    }

    fn last(&self) -> Option<String> {
        readable(&self.begun).or_else(|| self.last.clone())
    }
}

fn readable(line: &[u8]) -> Option<String> {
    let line = one_line(String::from_utf8_lossy(line).trim());
    Some(line).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_the_last_is_kept() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for part in ["Traceback:\n  fi", "le x\n", "\n", "Error: no\n\n"] {
            lines.add(part.as_bytes(), |line| seen.push(line.to_owned()));
        }
        assert_eq!(seen, ["Traceback:", "file x", "Error: no"]);
        assert_eq!(lines.last().as_deref(), Some("Error: no"));
        lines.add(b"unfinished", |_| {});
        assert_eq!(lines.last().as_deref(), Some("unfinished"));
    }
}
