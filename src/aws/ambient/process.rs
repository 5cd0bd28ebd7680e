//! `credential_process`: a program of the user's that prints credentials.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::issued::{self, Form};
use crate::aws::Credentials;
use crate::error::one_line;
use crate::sensitive::Sensitive;

/// One that takes longer hangs: it waits for somebody who is not there.
const LONGEST: Duration = Duration::from_secs(60);

/// More than any program has to say.
const MOST_OUTPUT: u64 = 1024 * 1024;

/// Runs it, without a shell. Nothing of what it prints to stdout is ever told.
///
/// # Errors
///
/// Says what went wrong; of what the program says on stderr the first line.
pub(super) fn credentials(command: &[String]) -> Result<Credentials, String> {
    within(LONGEST, command)
}

fn within(longest: Duration, command: &[String]) -> Result<Credentials, String> {
    let (program, arguments) = command.split_first().ok_or("`credential_process` is empty")?;
    let name = one_line(program);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{name}` cannot be run: {error}"))?;
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < longest => thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{name}` did not end within {} s", longest.as_secs_f64()));
            }
            Err(error) => return Err(format!("`{name}`: {error}")),
        }
    };
    // What it printed may be held open by children of its own, which outlive it.
    let output = |reader: Receiver<Vec<u8>>| {
        let left = longest.saturating_sub(start.elapsed());
        reader.recv_timeout(left).unwrap_or_default()
    };
    if !status.success() {
        let said = output(stderr);
        let said = String::from_utf8_lossy(&said);
        let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(format!("`{name}` failed ({status}): {}", one_line(said.trim())));
    }
    let printed = Sensitive::new(output(stdout));
    issued::parse(Form::Process, printed.expose()).map_err(|why| format!("`{name}`: {why}"))
}

/// Reads to the end in a thread of its own, so that neither output waits for the other.
fn reader(from: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(from) = from {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.take(MOST_OUTPUT).read_to_end(&mut bytes);
            // Nobody waits for it any more when this fails.
            let _ = sender.send(bytes);
        });
    }
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_end_is_ended() {
        let command = ["/bin/sleep", "600"].map(str::to_owned);
        assert_eq!(
            within(Duration::from_millis(200), &command),
            Err("`/bin/sleep` did not end within 0.2 s".into())
        );
    }

    #[test]
    fn one_that_leaves_a_child_with_its_output_is_not_waited_for() {
        let command = ["/bin/sh", "-c", "sleep 30 & exit 1"].map(str::to_owned);
        assert_eq!(
            within(Duration::from_secs(1), &command),
            Err("`/bin/sh` failed (exit status: 1): nothing".into())
        );
    }
}
