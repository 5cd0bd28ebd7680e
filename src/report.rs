//! What is counted for the closing line, and the exit code that follows from it.

use std::fmt;

use crate::kube::Scope;

/// How many Secrets there were and what became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    job: &'static str,
    label: &'static str,
    done_word: &'static str,
    scope: Scope,
    found: usize,
    done: usize,
    settled: usize,
    untouched: usize,
    failed: usize,
}

impl Tally {
    /// A tally for a job that looks for Secrets with `label`; `done_word` is what it calls a success.
    pub fn new(job: &'static str, label: &'static str, done_word: &'static str, scope: &Scope, found: usize) -> Tally {
        Tally {
            job,
            label,
            done_word,
            scope: scope.clone(),
            found,
            done: 0,
            settled: 0,
            untouched: 0,
            failed: 0,
        }
    }

    /// So many Secrets are as they should be.
    pub fn done(&mut self, count: usize) {
        self.done += count;
    }

    /// With so many Secrets, what was left over from before was put in order.
    pub fn settled(&mut self, count: usize) {
        self.settled += count;
    }

    /// So many Secrets are as they were, and that is well.
    pub fn untouched(&mut self, count: usize) {
        self.untouched += count;
    }

    /// So many Secrets are not.
    pub fn failed(&mut self, count: usize) {
        self.failed += count;
    }

    /// 0 when all is well, 1 when at least one Secret failed.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.failed > 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = if self.found == 1 { "Secret" } else { "Secrets" };
        write!(
            f,
            "{}: {} {secrets} with label {}=true in {}",
            self.job, self.found, self.label, self.scope
        )?;
        if self.found == 0 {
            return f.write_str("; nothing to do");
        }
        write!(f, ": {} {}", self.done, self.done_word)?;
        if self.settled > 0 {
            write!(f, ", {} put in order", self.settled)?;
        }
        if self.untouched > 0 {
            write!(f, ", {} left as they were", self.untouched)?;
        }
        write!(f, ", {} failed", self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line() {
        let mut tally = Tally::new("rotate", "aws-rotate-key", "rotated", &Scope::All, 3);
        assert_eq!(tally.exit_code(), 0);
        tally.done(2);
        tally.failed(1);
        assert_eq!(
            tally.to_string(),
            "rotate: 3 Secrets with label aws-rotate-key=true in all namespaces: 2 rotated, 1 failed"
        );
        assert_eq!(tally.exit_code(), 1);
        tally.untouched(1);
        assert_eq!(
            tally.to_string(),
            "rotate: 3 Secrets with label aws-rotate-key=true in all namespaces: 2 rotated, 1 left as they were, 1 failed"
        );
        let none = Tally::new("rotate", "aws-rotate-key", "rotated", &Scope::All, 0);
        assert_eq!(
            none.to_string(),
            "rotate: 0 Secrets with label aws-rotate-key=true in all namespaces; nothing to do"
        );
    }
}
