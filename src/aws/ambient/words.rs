//! A command line or a section's name taken apart into words, as a POSIX shell does it and Python's shlex, without running
//! anything. `credential_process` is never given to a shell.

/// The words of a line; `None` when a quote is not closed or a backslash stands at the end.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '"' => break,
                        // Within quotes it escapes itself and the quote, and stays before all else.
                        '\\' => match rest.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        for (line, words) in [
            ("", &[] as &[&str]),
            ("  a  b\t", &["a", "b"]),
            (
                "/opt/a\\ b --x='c d' \"e \\\" \\\\ \\n $F\"",
                &["/opt/a b", "--x=c d", "e \" \\ \\n $F"],
            ),
            ("'' \"\"", &["", ""]),
            ("a'b'\"c\"d", &["abcd"]),
            ("a | b > c", &["a", "|", "b", ">", "c"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for open in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(open), None, "{open}");
        }
    }
}
