//! YAML, as kubectl reads it: one document of plain values, with the words of YAML 1.1 (`yes` is a boolean), into JSON.
//!
//! kubectl turns a kubeconfig into JSON first (`sigs.k8s.io/yaml`) and reads its fields from that. Doing the same keeps the
//! small things the same: a number is no text, the last of two equal keys counts, a second document does not.

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::scalar::meaning;
use crate::error::one_line;

/// How deep lists and maps may lie in each other. A kubeconfig needs about ten levels.
const DEEPEST: usize = 64;

/// How many values, and bytes of text in them, a document may come to with all aliases resolved. A kubeconfig of a thousand
/// clusters has about 10 MB.
const LARGEST: usize = 32 * 1024 * 1024;

/// Text that is no YAML, or more of it than is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// It breaks YAML's own rules.
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// Lists and maps lie too deep in each other.
    TooDeep,
    /// With its aliases resolved it would be too large.
    TooLarge,
    /// It uses something of YAML that no kubeconfig needs.
    Unsupported {
        /// Counted from 1.
        line: usize,
        /// What it is.
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax { line, why } => write!(f, "it is no YAML: line {line}: {why}"),
            Error::TooDeep => write!(f, "it has more than {DEEPEST} levels of lists and maps"),
            Error::TooLarge => write!(f, "with its aliases resolved it is larger than {} MiB", LARGEST >> 20),
            Error::Unsupported { line, what } => write!(f, "line {line}: {what} is not understood"),
        }
    }
}

/// The first document in `text`; `Null` when there is none.
///
/// # Errors
///
/// What is no YAML, and what would take too much memory.
pub(crate) fn parse(text: &str) -> Result<Value, Error> {
    // JSON is YAML but for small things, tabs for one.
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    let mut reader = Reader {
        open: Vec::new(),
        anchors: HashMap::new(),
        size: 0,
        kept: 0,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Error::Syntax {
            line: error.marker().line(),
            why: one_line(error.info()),
        })?;
        if let Some(document) = reader.take(event, &span.start)? {
            return Ok(document);
        }
    }
    Ok(Value::Null)
}

struct Reader {
    /// The lists and maps that are not complete yet, the outermost first.
    open: Vec<Open>,
    /// What an anchor stands for, and its size.
    anchors: HashMap<usize, (Value, usize)>,
    /// So far, aliases resolved.
    size: usize,
    /// What the anchors stand for, together: one that holds others holds what they hold once more.
    kept: usize,
}

struct Open {
    anchor: usize,
    /// The size before it began.
    size: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Map {
        entries: Map<String, Value>,
        /// Of the entry whose value comes next.
        key: Option<Key>,
    },
}

enum Key {
    Named(String),
    Merge,
}

impl Reader {
    /// The document, when this event completes it.
    fn take(&mut self, event: Event<'_>, at: &Marker) -> Result<Option<Value>, Error> {
        let unsupported = |what| Error::Unsupported { line: at.line(), what };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(None)
            }
            Event::Alias(anchor) => {
                let (value, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| unsupported("an alias inside what it names"))?;
                self.grow(size)?;
                self.add(value, at)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.grow(1 + text.len())?;
                let tag = tag.as_deref();
                if is_core(tag, "binary") {
                    return Err(unsupported("the tag `!!binary`"));
                }
                if style == ScalarStyle::Plain && text == "<<" && tag.is_none() && self.expects_key() {
                    self.set_key(Key::Merge);
                    return Ok(None);
                }
                let plain = style == ScalarStyle::Plain && !is_core(tag, "str");
                let value = if plain {
                    meaning(&text)
                } else {
                    Value::String(text.into_owned())
                };
                self.remember(anchor, &value, 0)?;
                self.add(value, at)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, Content::List(Vec::new()), at),
            Event::MappingStart(anchor, _) => {
                let content = Content::Map {
                    entries: Map::new(),
                    key: None,
                };
                self.begin(anchor, content, at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let value = match open.content {
                    Content::List(list) => Value::Array(list),
                    Content::Map { entries, .. } => Value::Object(entries),
                };
                self.remember(open.anchor, &value, open.size)?;
                self.add(value, at)
            }
        }
    }

    fn begin(&mut self, anchor: usize, content: Content, at: &Marker) -> Result<Option<Value>, Error> {
        if self.expects_key() {
            return Err(Error::Unsupported {
                line: at.line(),
                what: "a key that is a list or a map",
            });
        }
        if self.open.len() == DEEPEST {
            return Err(Error::TooDeep);
        }
        let size = self.size;
        self.grow(1)?;
        self.open.push(Open { anchor, size, content });
        Ok(None)
    }

    fn grow(&mut self, by: usize) -> Result<(), Error> {
        self.size = self.size.saturating_add(by);
        if self.size > LARGEST {
            Err(Error::TooLarge)
        } else {
            Ok(())
        }
    }

    /// `before` is the size before the value began; a scalar's is all of its own.
    fn remember(&mut self, anchor: usize, value: &Value, before: usize) -> Result<(), Error> {
        if anchor > 0 {
            let size = match value {
                Value::Array(_) | Value::Object(_) => self.size - before,
                Value::String(text) => 1 + text.len(),
                Value::Null | Value::Bool(_) | Value::Number(_) => 1,
            };
            self.kept = self.kept.saturating_add(size);
            if self.kept > LARGEST {
                return Err(Error::TooLarge);
            }
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last().map(|open| &open.content),
            Some(Content::Map { key: None, .. })
        )
    }

    fn set_key(&mut self, new: Key) {
        if let Some(Open {
            content: Content::Map { key, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(new);
        }
    }

    fn add(&mut self, value: Value, at: &Marker) -> Result<Option<Value>, Error> {
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(value));
        };
        match &mut open.content {
            Content::List(list) => list.push(value),
            Content::Map { entries, key } => match key.take() {
                None => {
                    *key = Some(Key::Named(name(value).ok_or(Error::Unsupported {
                        line: at.line(),
                        what: "a key that is a list or a map",
                    })?));
                }
                Some(Key::Merge) => merge(entries, value).ok_or(Error::Unsupported {
                    line: at.line(),
                    what: "`<<` with what is no map",
                })?,
                Some(Key::Named(name)) => {
                    entries.insert(name, value);
                }
            },
        }
        Ok(None)
    }
}

fn is_core(tag: Option<&Tag>, suffix: &str) -> bool {
    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == suffix)
}

/// JSON's keys are texts.
fn name(key: Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text),
        Value::Null => Some("null".into()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Brings in what `<<` names, of several maps the first one last: as for kubectl, what comes later in the file counts.
fn merge(entries: &mut Map<String, Value>, value: Value) -> Option<()> {
    let maps = match value {
        Value::Array(maps) => maps,
        map => vec![map],
    };
    for map in maps.into_iter().rev() {
        let Value::Object(map) = map else { return None };
        entries.extend(map);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_becomes_json() {
        let text = "# a comment\nkind: Config\nlist:\n- a: 'x'\n  b: \"y\\n\"\n- [1, -2, 0x10, 010, 1.5, 1_000]\nblock: |\n  one\n  two\nempty:\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({
                "kind": "Config",
                "list": [{"a": "x", "b": "y\n"}, [1, -2, 16, 8, 1.5, 1000]],
                "block": "one\ntwo\n",
                "empty": null,
            })
        );
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("# nothing\n").unwrap(), Value::Null);
        assert_eq!(parse("{\"a\": [true, \"b\"]}").unwrap(), json!({"a": [true, "b"]}));
    }

    #[test]
    fn quotes_and_tags_make_texts() {
        let text = "['yes', \"1\", !!str 12, !!str yes, '', !other x, yes]";
        assert_eq!(parse(text).unwrap(), json!(["yes", "1", "12", "yes", "", "x", true]));
        assert_eq!(
            parse("a: 1\nb: !!binary YQ==\n").unwrap_err().to_string(),
            "line 2: the tag `!!binary` is not understood"
        );
    }

    #[test]
    fn of_equal_keys_the_last_counts_and_of_documents_the_first() {
        assert_eq!(parse("a: 1\na: 2\n---\na: 3\n").unwrap(), json!({"a": 2}));
        assert_eq!(parse("1: a\ntrue: b\n").unwrap(), json!({"1": "a", "true": "b"}));
    }

    #[test]
    fn aliases_and_merges() {
        let text = "base: &base {a: 1, b: 2}\nmore:\n  <<: *base\n  b: 3\nagain: *base\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({"base": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}, "again": {"a": 1, "b": 2}})
        );
        // As kubectl: what is brought in counts before what stands above it.
        assert_eq!(
            parse("- &b {a: 1}\n- &c {a: 2, d: 4}\n- {a: own, <<: [*b, *c], e: 5}\n").unwrap()[2],
            json!({"a": 1, "d": 4, "e": 5})
        );
        assert_eq!(
            parse("a: &a [*a]").unwrap_err().to_string(),
            "line 1: an alias inside what it names is not understood"
        );
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        let mut bomb = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n".to_owned();
        for level in 1..10 {
            let below = level - 1;
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 9].join(","));
        }
        assert_eq!(parse(&bomb), Err(Error::TooLarge));
        assert_eq!(parse(&"- ".repeat(100_000)), Err(Error::TooDeep));
        // Each anchor keeps what lies below it once more.
        let mut nested = "[".to_owned() + &"1,".repeat(400_000) + "1]";
        for level in 0..50 {
            nested = format!("&a{level} [{nested}]");
        }
        assert_eq!(parse(&nested), Err(Error::TooLarge));
        // The parser has a limit of its own for these.
        assert!(parse(&"[".repeat(100_000)).is_err());
        let deep = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        assert!(parse(&deep).is_ok());
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        for (text, line) in [
            ("a: [1\nb: 2\n", 2),
            ("a: b: c\n", 1),
            ("a: 'x\n", 1),
            ("a:\n\t- b\n", 2),
            ("a: *b\n", 1),
        ] {
            match parse(text) {
                Err(Error::Syntax { line: found, .. }) => assert_eq!(found, line, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}
