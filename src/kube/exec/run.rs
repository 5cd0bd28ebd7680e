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
                    // Hints are written in several lines, and the address is in the last.
                    hint: plugin.install_hint.as_deref().map(|hint| {
                        let words: Vec<&str> = hint.split_whitespace().collect();
                        one_line(&words.join(" "))
                    }),
                })),
            };
        }
        Err(failure) => return Err(error(Problem::NotStarted(failure.to_string()))),
    };
    log::debug!("calling the exec plugin `{}`", plugin.command.display());
    let limit = (!interactive).then_some(LIMIT);
    let stdout = wait(child, limit, |line| {
        // A person that is to answer must see what is asked.
        if interactive {
            log::warn!("{} says: {line}", plugin.command.display());
        }
    });
    let stdout = stdout.map_err(error)?;
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

/// Waits for the end of `child`, within `limit`; what it printed. `see` is shown each line that it says beside that.
fn wait(mut child: Child, limit: Option<Duration>, mut see: impl FnMut(&str)) -> Result<Sensitive<Vec<u8>>, Problem> {
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
                said.add(&bytes, &mut see);
                true
            }
            Err(RecvTimeoutError::Timeout) => {
                // Nobody ends the line that asks for something.
                if limit.is_none() {
                    said.end_line(&mut see);
                }
                true
            }
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(POLL);
                false
            }
        };
        let out_of_time = limit.filter(|limit| ended.is_none() && started.elapsed() > *limit);
        let problem = match out_of_time {
            _ if printed.len() > LARGEST => Some(Problem::TooMuch { limit: LARGEST }),
            Some(limit) => Some(Problem::TimedOut {
                limit,
                said: said.last(),
            }),
            None => None,
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
                said.end_line(&mut see);
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
                self.end_line(&mut see);
            } else if self.begun.len() < LONGEST_LINE {
                self.begun.push(byte);
            }
        }
    }

    fn end_line(&mut self, see: &mut impl FnMut(&str)) {
        if let Some(line) = readable(&self.begun) {
            see(&line);
            self.last = Some(line);
        }
        self.begun.clear();
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
    use std::path::PathBuf;

    use super::*;
    use crate::kube::exec::{IssuedToken, Version};

    fn shell(script: &str) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn what_is_printed_is_read_to_its_end() {
        let printed = wait(shell("printf one; echo said >&2; exec >&-; sleep 0.1"), None, |line| {
            assert_eq!(line, "said")
        });
        assert!(printed.unwrap().expose() == b"one");
    }

    #[test]
    fn a_question_is_seen_before_it_is_answered() {
        let folder = std::env::temp_dir().join(format!("question-{}", std::process::id()));
        let script = format!(
            "printf 'code: ' >&2; while [ ! -e '{0}' ]; do sleep 0.01; done; rm '{0}'",
            folder.display()
        );
        let answer = |line: &str| {
            assert_eq!(line, "code:");
            std::fs::write(&folder, "").unwrap();
        };
        assert!(wait(shell(&script), None, answer).is_ok());
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let limit = Duration::from_millis(100);
        let problem = wait(shell("echo waiting for you >&2; sleep 1000"), Some(limit), |_| {}).unwrap_err();
        let said = Some("waiting for you".to_owned());
        assert_eq!(problem, Problem::TimedOut { limit, said });
    }

    #[test]
    fn one_that_prints_without_end_is_ended() {
        let problem = wait(shell("exec yes"), None, |_| {}).unwrap_err();
        assert_eq!(problem, Problem::TooMuch { limit: LARGEST });
    }

    #[test]
    fn what_one_leaves_running_is_not_waited_for() {
        let printed = wait(shell("sleep 1000 & echo $!"), None, |_| {}).unwrap();
        let id = String::from_utf8(printed.expose().clone()).unwrap();
        let ended = Command::new("/bin/sh")
            .args(["-c", &format!("kill {id}")])
            .status()
            .unwrap();
        assert!(ended.success(), "it had ended by itself");
    }

    /// What is issued when the program of an entry for EKS is missing.
    fn without_program(arguments: &[&str], native: &NativeToken) -> Result<Issued, String> {
        let plugin = Plugin {
            command: PathBuf::from("/nonexistent/aws"),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: vec![("AWS_PROFILE".into(), Sensitive::new("p".into()))],
            version: Version::V1Beta1,
            provide_cluster_info: false,
            interactive: Interactive::Never,
            install_hint: Some("install it".into()),
        };
        issue(&plugin, &Cluster::default(), native).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_for_eks_needs_no_program() {
        let expires_at = time::OffsetDateTime::UNIX_EPOCH;
        let native = move |wanted: &EksToken| {
            assert_eq!(
                (wanted.cluster.as_str(), wanted.region.as_deref()),
                ("c", Some("eu-west-1"))
            );
            assert_eq!(wanted.environment, [("AWS_PROFILE".to_owned(), "p".to_owned())]);
            let token = Sensitive::new("k8s-aws-v1.x".to_owned());
            Ok(IssuedToken { token, expires_at })
        };
        let issued = without_program(
            &["eks", "get-token", "--cluster-name", "c", "--region", "eu-west-1"],
            &native,
        )
        .unwrap();
        assert_eq!(issued.token, Some(Sensitive::new("k8s-aws-v1.x".to_owned())));
        assert_eq!(issued.expires_at, Some(expires_at));
    }

    #[test]
    fn a_token_for_eks_that_cannot_be_made_says_why() {
        assert_eq!(
            without_program(&["eks", "get-token", "--cluster-name", "c"], &|_| Err(
                "no credentials".into()
            ))
            .unwrap_err(),
            "no token for EKS could be made in place of `/nonexistent/aws`, which is not installed: no credentials"
        );
        assert_eq!(
            without_program(&["sts", "get-caller-identity"], &|_| panic!("not asked for")).unwrap_err(),
            "the exec plugin `/nonexistent/aws` is not there: install it"
        );
    }

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
