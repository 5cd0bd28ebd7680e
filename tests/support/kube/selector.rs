//! Label selectors and field selectors, with the messages of `k8s.io/apimachinery`'s parsers.

use std::collections::{BTreeMap, BTreeSet};

use super::object::Secret;
use super::validate;

/// Requirements that must all hold; none at all selects everything.
#[derive(Debug, Default)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Debug)]
struct Requirement {
    key: String,
    operator: Operator,
    values: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Exists,
    DoesNotExist,
    In,
    NotIn,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    pub(super) fn parse(text: &str) -> Result<LabelSelector, String> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
        };
        parser.requirements().map(LabelSelector)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            let number = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
            let numbers = (number(value), number(requirement.values.first()));
            match requirement.operator {
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
                Operator::In => listed,
                // Also where there is no such label at all.
                Operator::NotIn => !listed,
                Operator::GreaterThan => matches!(numbers, (Some(value), Some(bound)) if value > bound),
                Operator::LessThan => matches!(numbers, (Some(value), Some(bound)) if value < bound),
            }
        })
    }
}

/// A word or a symbol; the end is the empty string.
type Token = String;

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const SYMBOLS: [&str; 9] = [")", ",", "!", "==", "=", ">", "<", "!=", "("];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_symbol(first) {
            [2, 1]
                .into_iter()
                .find(|&length| rest.get(..length).is_some_and(|symbol| SYMBOLS.contains(&symbol)))
                .ok_or_else(|| format!("error expected: keyword found '{first}'"))?
        } else {
            rest.find(|c: char| is_symbol(c) || c.is_ascii_whitespace())
                .unwrap_or(rest.len())
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn look(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn take(&mut self) -> Token {
        let token = self.look().to_owned();
        self.at += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.look() {
                "" => return Ok(requirements),
                token if token == "!" || is_word(token) => {}
                other => return Err(format!("found '{other}', expected: !, identifier, or 'end of string'")),
            }
            requirements.push(
                self.requirement()
                    .map_err(|error| format!("unable to parse requirement: {error}"))?,
            );
            match self.take().as_str() {
                "" => return Ok(requirements),
                "," => {
                    let next = self.look();
                    if next != "!" && !is_word(next) {
                        return Err(format!("found '{next}', expected: identifier after ','"));
                    }
                }
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut key = self.take();
        let negated = key == "!";
        if negated {
            key = self.take();
        }
        if !is_word(&key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(why) = validate::qualified_name_errors(&key).into_iter().next() {
            return Err(format!("key: Invalid value: {key:?}: {why}"));
        }
        if negated {
            return Ok(Requirement {
                key,
                operator: Operator::DoesNotExist,
                values: BTreeSet::new(),
            });
        }
        if matches!(self.look(), "" | ",") {
            return Ok(Requirement {
                key,
                operator: Operator::Exists,
                values: BTreeSet::new(),
            });
        }
        let word = self.take();
        let (operator, values) = match word.as_str() {
            "in" => (Operator::In, self.values()?),
            "notin" => (Operator::NotIn, self.values()?),
            "=" | "==" => (Operator::In, self.exact_value()?),
            "!=" => (Operator::NotIn, self.exact_value()?),
            ">" => (Operator::GreaterThan, self.exact_value()?),
            "<" => (Operator::LessThan, self.exact_value()?),
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        if values.is_empty() {
            return Err("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".into());
        }
        for (index, value) in values.iter().enumerate() {
            if matches!(operator, Operator::GreaterThan | Operator::LessThan) && value.parse::<i64>().is_err() {
                let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                return Err(format!("values[{index}]: Invalid value: {value:?}: {why}"));
            }
            if let Some(why) = validate::label_value_errors(value).into_iter().next() {
                return Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {why}"));
            }
        }
        Ok(Requirement { key, operator, values })
    }

    /// `(a, b)`. A value may be empty, as in `(a,)`.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.take();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = BTreeSet::new();
        if self.look() == ")" {
            self.at += 1;
            return Ok(values);
        }
        loop {
            match self.look() {
                "," | ")" => drop(values.insert(String::new())),
                word if is_word(word) => drop(values.insert(self.take())),
                other => return Err(format!("found '{other}', expected: ',', or identifier")),
            }
            match self.take().as_str() {
                "," => {}
                ")" => return Ok(values),
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, String> {
        match self.look() {
            "" | "," => Ok(BTreeSet::from([String::new()])),
            word if is_word(word) => Ok(BTreeSet::from([self.take()])),
            other => Err(format!("found '{other}', expected: identifier")),
        }
    }
}

fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(|first| !is_symbol(first))
}

/// Comparisons of `metadata.name`, `metadata.namespace` and `type`, the only fields of a Secret that can be selected.
#[derive(Debug, Default)]
pub(super) struct FieldSelector(Vec<Comparison>);

#[derive(Debug)]
struct Comparison {
    field: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    pub(super) fn parse(text: &str) -> Result<FieldSelector, String> {
        let mut comparisons = Vec::new();
        for term in text.split(',').filter(|term| !term.is_empty()) {
            let found = ["!=", "==", "="]
                .into_iter()
                .find_map(|operator| Some((operator, term.split_once(operator)?)));
            let Some((operator, (field, value))) = found else {
                return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
            };
            if !matches!(field, "metadata.name" | "metadata.namespace" | "type") {
                return Err(format!("field label not supported: {field}"));
            }
            comparisons.push(Comparison {
                field: field.into(),
                equal: operator != "!=",
                value: value.into(),
            });
        }
        Ok(FieldSelector(comparisons))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one name that is asked for. Access control sees a list of one name as a request for that name.
    pub(super) fn name(&self) -> Option<&str> {
        let only = self
            .0
            .iter()
            .find(|comparison| comparison.field == "metadata.name" && comparison.equal)?;
        Some(&only.value)
    }

    pub(super) fn matches(&self, secret: &Secret) -> bool {
        self.0.iter().all(|comparison| {
            let value = match comparison.field.as_str() {
                "metadata.name" => &secret.metadata.name,
                "metadata.namespace" => &secret.metadata.namespace,
                _ => &secret.kind,
            };
            (*value == comparison.value) == comparison.equal
        })
    }
}
