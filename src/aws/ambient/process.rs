//! `credential_process`: a program of the user's that prints credentials.

use std::io::Read;
use std::process::{Command, Stdio};
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
    let (program, arguments) = command.split_first().ok_or("`credential_process` is empty")?;
    let name = one_line(program);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{name}` cannot be run: {error}"))?;
    let stdout = child.stdout.take().map(|out| thread::spawn(|| read(out)));
    let stderr = child.stderr.take().map(|out| thread::spawn(|| read(out)));
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < LONGEST => thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                // Its output may be held open by children of its own: nobody waits for that.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{name}` did not end within {} s", LONGEST.as_secs()));
            }
            Err(error) => return Err(format!("`{name}`: {error}")),
        }
    };
    let output =
        |reader: Option<thread::JoinHandle<_>>| reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    if !status.success() {
        let said = output(stderr);
        let said = String::from_utf8_lossy(&said);
        let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(format!("`{name}` failed ({status}): {}", one_line(said.trim())));
    }
    let printed = Sensitive::new(output(stdout));
    issued::parse(Form::Process, printed.expose()).map_err(|why| format!("`{name}`: {why}"))
}

fn read(from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.take(MOST_OUTPUT).read_to_end(&mut bytes);
    bytes
}
