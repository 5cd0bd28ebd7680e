//! Waits for a plugin, and reads what it prints.

use std::io::Read;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::Problem;
use crate::error::one_line;
use crate::sensitive::Sensitive;

/// How much of what a plugin prints is read, in bytes. A credential with a chain of certificates has some ten thousand.
const LARGEST: usize = 1024 * 1024;

/// A plugin may leave something running that holds on to its output; that is not waited for any longer.
const LINGER: Duration = Duration::from_secs(1);

/// How often it is looked whether a plugin has ended.
const POLL: Duration = Duration::from_millis(5);

enum Said {
    Output(Sensitive<Vec<u8>>),
    Error(Vec<u8>),
}

/// Waits for the end of `child`, within `limit`; what it printed. `see` is shown each line that it says beside that.
pub(super) fn wait(
    mut child: Child,
    limit: Option<Duration>,
    mut see: impl FnMut(&str),
) -> Result<Sensitive<Vec<u8>>, Problem> {
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
    use std::process::{Command, Stdio};

    use super::*;

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
