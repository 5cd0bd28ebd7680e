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

/// Somebody else's words, fit for one log line: the first line of them, at most 300 characters, nothing that a terminal would
/// obey, and nothing that may be a secret. AWS repeats what it was sent in some answers, behind the first line; a proxy may
/// quote a header, and people put things into the wrong field.
pub fn one_line(text: &str) -> String {
    let line: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let line = without_secrets(&line);
    let mut shown: String = line.chars().take(300).collect();
    if line.chars().count() > 300 {
        shown.push('…');
    }
    shown
}

/// The shortest text that is taken for a secret. An access key id has 20 characters, a secret access key 40.
const SHORTEST_SECRET: usize = 20;

/// What stands in place of a secret.
const STRUCK_OUT: &str = "[…]";

/// Long words that no person would make up are struck out: those with capitals, small letters and digits, as every secret
/// access key, token, password of ECR and base64 of them has, and long hexadecimal numbers. `-`, `.` and `:` end a word, so that
/// the names of things and ARNs stay.
fn without_secrets(line: &str) -> String {
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || "+/=%\\_~".contains(c);
    let mut result = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c| !of_a_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        result.push_str(if may_be_secret(word) { STRUCK_OUT } else { word });
        let other = behind.find(of_a_word).unwrap_or(behind.len());
        result.push_str(&behind[..other]);
        rest = &behind[other..];
    }
    result
}

fn may_be_secret(word: &str) -> bool {
    let count = |is: fn(&u8) -> bool| word.bytes().filter(is).count();
    let (capitals, small) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    // One secret in a thousand has no digit. Names like `UnrecognizedClientException` have few capitals.
    let mixed = capitals > 0 && small > 0 && (count(u8::is_ascii_digit) > 0 || 2 * capitals >= small);
    let hexadecimal = word.len() >= 2 * SHORTEST_SECRET && word.bytes().all(|b| b.is_ascii_hexdigit());
    word.len() >= SHORTEST_SECRET && (mixed || hexadecimal)
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

    #[test]
    fn one_line_holds_no_secret() {
        for secret in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMI\\/K7MDENG\\u002fbPxRfiCYEXAMPLEKEY",
            "d0phbHJYVXRuRkVNSS9LN01ERU5HL2JQeFJmaUNZRVhBTVBMRUtFWQ==",
            "774a616c725855746e46454d492f4b374d44454e47",
            "wJalrXUtnFEMIKnMDENGbPxRfiCYEXAMPLEKEYab",
        ] {
            let shown = one_line(&format!("refused \"{secret}\": no"));
            assert_eq!(shown, "refused \"[…]\": no");
        }
        let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW0ifQ1.c2lnbmF0dXJlLXNpZ25hdHVyZQ1";
        assert_eq!(one_line(token), "[…].[…].[…]");
    }

    #[test]
    fn one_line_keeps_what_people_have_to_read() {
        for plain in [
            "User: arn:aws:iam::123456789012:user/team/ci is not authorized to perform: iam:CreateAccessKey on resource: user ci",
            "secrets \"aws-iam-user-credentials-7d9f8c6b5\" is forbidden: User \"system:serviceaccount:t:rotate\" cannot get",
            "key AKIAIOSFODNN7EXAMPLE at /api/v1/namespaces/team-a/secrets/aws-iam-user-credentials",
            "UnrecognizedClientException for AmazonContainerRegistryGetAuthorizationToken",
            "Precondition failed: UID in precondition: 9b291a4d-5951-4417-89b4-6ddc3ddddc32",
        ] {
            assert_eq!(one_line(plain), plain);
        }
    }
}
