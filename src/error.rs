//! Errors by fault: who is to blame decides what happens next. One table maps each to retry and exit code.

/// Who or what is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The command line.
    Usage,
    /// A setting, a file or the environment.
    Configuration,
    /// What a Secret or an annotation says.
    Data,
    /// The key, token or secret is not accepted.
    Credentials,
    /// A permission is missing.
    AccessDenied,
    /// The thing is not there.
    NotFound,
    /// Somebody else changed the thing meanwhile.
    Conflict,
    /// The other side refuses for another reason.
    Refused,
    /// Too many requests.
    Throttled,
    /// The other side failed, or does not speak the protocol.
    RemoteFault,
    /// No connection, or a broken one.
    Network,
    /// A request that must not be repeated got no answer.
    OutcomeUnknown,
    /// A bug in this program.
    Internal,
}

impl Fault {
    /// Whether the same request may succeed a moment later.
    pub fn passes(self) -> bool {
        self.reaction().0
    }

    /// The program's exit code when this ends the run.
    pub fn exit_code(self) -> u8 {
        self.reaction().1
    }

    fn reaction(self) -> (bool, u8) {
        match self {
            Fault::Usage => (false, 2),
            Fault::Configuration => (false, 2),
            Fault::Data => (false, 1),
            Fault::Credentials => (false, 1),
            Fault::AccessDenied => (false, 1),
            Fault::NotFound => (false, 1),
            Fault::Conflict => (false, 1),
            Fault::Refused => (false, 1),
            Fault::Throttled => (true, 1),
            Fault::RemoteFault => (true, 1),
            Fault::Network => (true, 1),
            Fault::OutcomeUnknown => (false, 1),
            Fault::Internal => (false, 1),
        }
    }
}

/// A remote side's own words, fit for one log line: the first line of them, at most 300 characters, nothing that a
/// terminal would obey. AWS repeats what it was sent in some answers, behind the first line.
pub fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
    if line.chars().count() > 300 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("refused\nThe Canonical String was AWS4..."), "refused");
        assert_eq!(one_line("a\u{1b}[31mb"), "a[31mb");
        assert_eq!(one_line(&"x".repeat(400)).chars().count(), 301);
    }
}
