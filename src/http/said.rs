//! For tests: the other side of a negotiation, which has said all it will say.

use std::io::{self, Read, Write};

use super::proxy_failure::Stopped;

/// What it says, and what it was sent.
pub(super) struct Said {
    answers: io::Cursor<Vec<u8>>,
    pub(super) sent: Vec<u8>,
}

impl Said {
    pub(super) fn new(answers: &[u8]) -> Said {
        Said {
            answers: io::Cursor::new(answers.to_vec()),
            sent: Vec::new(),
        }
    }

    pub(super) fn unread(&self) -> &[u8] {
        // A cursor over bytes in memory is never beyond their end.
        &self.answers.get_ref()[self.answers.position() as usize..]
    }
}

/// How a negotiation ended, in one word.
pub(super) fn end(result: Result<(), Stopped>) -> String {
    match result {
        Ok(()) => "connected".into(),
        Err(Stopped::By(problem)) => format!("{problem:?}"),
        Err(Stopped::Io(error)) => error.kind().to_string(),
    }
}

impl Read for Said {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.answers.read(buffer)
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
