//! The format of the AWS `config` and `credentials` files: INI with quirks.
//!
//! It is what botocore's configloader takes, and it takes what Python's configparser takes: `=` or `:`, names of options in
//! any case, lines that are indented more than their option continue its value, and a value that is empty but for such lines is
//! a block of options of its own. As the AWS SDKs' reference guide has it, ` #` and ` ;` begin a comment within a line, too.

use std::collections::BTreeMap;
use std::fmt;

use crate::sensitive::Sensitive;

/// What stands under one `[name]`.
pub(super) type Section = BTreeMap<String, Value>;

/// The value of an option. It may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// In one line or several.
    Text(Sensitive<String>),
    /// Options of its own, such as those under `s3 =`.
    Block(BTreeMap<String, Sensitive<String>>),
}

/// A line that is none of the format's. What stands in it is not told: it may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Error {
    line: usize,
    what: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} {}", self.line, self.what)
    }
}

/// An option whose lines are still being read.
struct Open {
    name: String,
    line: usize,
    lines: Vec<Sensitive<String>>,
}

/// All sections by their names.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Section>, Error> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut section: Option<String> = None;
    let mut open: Option<Open> = None;
    let mut indent = 0;
    for (index, line) in text.lines().enumerate() {
        let error = |what| Error { line: index + 1, what };
        // A program may be called with `#` or `;`; to leave off what follows would call it with less.
        let content = match line.trim() {
            line if line.starts_with("credential_process") => line,
            _ => without_comment(line).trim(),
        };
        if content.is_empty() {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        if let Some(open) = open.as_mut().filter(|_| depth > indent) {
            open.lines.push(Sensitive::new(content.to_owned()));
            continue;
        }
        indent = depth;
        close(open.take(), section.as_ref(), &mut sections)?;
        if let Some(rest) = content.strip_prefix('[') {
            let (name, _) = rest.rsplit_once(']').ok_or_else(|| error("has a `[` without a `]`"))?;
            if name.is_empty() {
                return Err(error("has no name in its `[]`"));
            }
            if sections.insert(name.to_owned(), Section::new()).is_some() {
                return Err(error("begins a section that there is already"));
            }
            section = Some(name.to_owned());
            continue;
        }
        if section.is_none() {
            return Err(error("stands before the first `[section]`"));
        }
        let (name, value) = content
            .split_once(['=', ':'])
            .filter(|(name, _)| !name.trim().is_empty())
            .ok_or_else(|| error("is neither `[section]` nor `name = value`"))?;
        open = Some(Open {
            name: name.trim().to_lowercase(),
            line: index + 1,
            lines: vec![Sensitive::new(value.trim().to_owned())],
        });
    }
    close(open.take(), section.as_ref(), &mut sections)?;
    Ok(sections)
}

fn close(open: Option<Open>, section: Option<&String>, sections: &mut BTreeMap<String, Section>) -> Result<(), Error> {
    let (Some(Open { name, line, lines }), Some(section)) = (open, section.and_then(|name| sections.get_mut(name)))
    else {
        return Ok(());
    };
    let value = match lines.split_first() {
        Some((first, rest)) if first.expose().is_empty() && !rest.is_empty() => block(line, rest)?,
        Some(_) | None => {
            let lines: Vec<&str> = lines.iter().map(|line| line.expose().as_str()).collect();
            Value::Text(Sensitive::new(lines.join("\n")))
        }
    };
    match section.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(Error {
            line,
            what: "sets an option that its section sets already",
        }),
    }
}

fn block(line: usize, lines: &[Sensitive<String>]) -> Result<Value, Error> {
    let mut options = BTreeMap::new();
    for text in lines {
        let (name, value) = text.expose().split_once('=').ok_or(Error {
            line,
            what: "begins a block with a line that is not `name = value`",
        })?;
        options.insert(name.trim().to_owned(), Sensitive::new(value.trim().to_owned()));
    }
    Ok(Value::Block(options))
}

/// The line without a comment at its start or behind white space.
fn without_comment(line: &str) -> &str {
    let begins = |(at, c): &(usize, char)| {
        matches!(c, '#' | ';') && line[..*at].chars().next_back().is_none_or(char::is_whitespace)
    };
    line.char_indices().find(begins).map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(Sensitive::new(value.into()))
    }

    #[test]
    fn sections_options_comments_and_blocks() {
        let parsed = parse(
            "# at the start\n[default]\nRegion = eu-west-1 ; behind white space\nsecret=a#b;c==\nempty =\ncolon: d\n\n\
             [profile x] # more\n  s3 =\n    max = 10\n    ; none\n    addressing_style = path\n  output = json\n  \
             long = one\n     two\n",
        )
        .unwrap();
        let default = &parsed["default"];
        assert!(default["region"] == text("eu-west-1"));
        assert!(default["secret"] == text("a#b;c=="));
        assert!(default["empty"] == text(""));
        assert!(default["colon"] == text("d"));
        let profile = &parsed["profile x"];
        let Value::Block(s3) = &profile["s3"] else {
            panic!("s3 is no block");
        };
        assert_eq!(s3["addressing_style"].expose(), "path");
        assert_eq!(s3.len(), 2);
        assert!(profile["output"] == text("json"));
        assert!(profile["long"] == text("one\ntwo"));
    }

    #[test]
    fn what_is_no_such_file_is_told_by_its_line() {
        for (bad, says) in [
            ("a = b", "line 1 stands before the first `[section]`"),
            ("[a", "line 1 has a `[` without a `]`"),
            ("[]", "line 1 has no name in its `[]`"),
            ("[a]\nb", "line 2 is neither `[section]` nor `name = value`"),
            ("[a]\n= b", "line 2 is neither `[section]` nor `name = value`"),
            ("[a]\n[a]", "line 2 begins a section that there is already"),
            ("[a]\nb=1\nB=2", "line 3 sets an option that its section sets already"),
            (
                "[a]\nb =\n  c\n",
                "line 2 begins a block with a line that is not `name = value`",
            ),
        ] {
            assert_eq!(parse(bad).unwrap_err().to_string(), says, "{bad}");
        }
    }
}
