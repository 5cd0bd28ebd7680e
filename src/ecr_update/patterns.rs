//! Which namespaces get copies of a Secret: the patterns of its annotation.

use std::fmt;

use crate::error::one_line;

/// Patterns such as `team-*,!team-x`. A namespace matches if one without `!` does and none with `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patterns {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

/// Why a text is no list of patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadPatterns {
    /// Nothing stands between two commas, behind a `!`, or at all.
    Empty,
    /// There is no pattern without `!`.
    NoneWanted,
    /// No namespace can match this.
    Impossible(String),
}

impl fmt::Display for BadPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadPatterns::Empty => f.write_str("a pattern is empty; expected a list such as `team-*,!team-x`"),
            BadPatterns::NoneWanted => f.write_str(
                "every pattern begins with `!`, so that no namespace matches; expected one without it, such as `*`",
            ),
            BadPatterns::Impossible(pattern) => write!(
                f,
                "no namespace can match `{pattern}`; expected lower-case letters, digits and `-` as names have them, and `*` for \
                 any of these"
            ),
        }
    }
}

impl Patterns {
    /// Reads patterns with commas between them. `*` stands for any number of characters, none too.
    ///
    /// # Errors
    ///
    /// What cannot be meant.
    pub(super) fn parse(text: &str) -> Result<Patterns, BadPatterns> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for item in text.split(',').map(str::trim) {
            let (pattern, list) = match item.strip_prefix('!') {
                Some(pattern) => (pattern, &mut unwanted),
                None => (item, &mut wanted),
            };
            if pattern.is_empty() {
                return Err(BadPatterns::Empty);
            }
            if !is_possible(pattern) {
                return Err(BadPatterns::Impossible(one_line(item)));
            }
            list.push(pattern.to_owned());
        }
        if wanted.is_empty() {
            return Err(BadPatterns::NoneWanted);
        }
        Ok(Patterns { wanted, unwanted })
    }

    /// Whether a namespace of that name is meant.
    pub(super) fn matches(&self, namespace: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, namespace));
        any(&self.wanted) && !any(&self.unwanted)
    }

    /// The patterns without `!` that match none of these namespaces.
    pub(super) fn unmatched(&self, namespaces: &[&str]) -> Vec<&str> {
        let idle = |pattern: &&String| !namespaces.iter().any(|namespace| matches(pattern, namespace));
        self.wanted.iter().filter(idle).map(String::as_str).collect()
    }
}

/// Whether some name of a namespace can match: such names have at most 63 of these characters, and no `-` at their edges.
fn is_possible(pattern: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*');
    let own = pattern.chars().filter(|&c| c != '*').count();
    pattern.chars().all(fits) && own <= 63 && !pattern.starts_with('-') && !pattern.ends_with('-')
}

fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    // What stands between two `*` is looked for from the left, for that leaves the most for what follows.
    let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = name.strip_prefix(start).and_then(|name| name.strip_suffix(end));
    let found = inner.and_then(|inner| {
        between
            .split('*')
            .try_fold(inner, |left, part| Some(left.split_once(part)?.1))
    });
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Patterns {
        Patterns::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_star_is_any_number_of_characters() {
        for (pattern, yes, no) in [
            ("team-a", &["team-a"][..], &["team-b", "team-a1", "a-team-a", ""][..]),
            ("team-*", &["team-a", "team-"], &["team", "my-team-a"]),
            ("*-ci", &["a-ci", "-ci"], &["ci", "a-ci-b"]),
            ("*", &["a", ""], &[]),
            ("**", &["a", ""], &[]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("a*b*c", &["abc", "a1b2c", "abcbc"], &["ac", "acb", "abbd", "cba"]),
            ("*a*b*", &["ab", "xaybz"], &["ba", "a"]),
            ("a*ab*b", &["aabb", "axabyb"], &["aab", "abb"]),
            ("a*bc*bc", &["abcbc", "abc-bc"], &["abc"]),
        ] {
            for name in yes {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
    }

    /// Held to the plain definition, on all short words.
    #[test]
    fn as_the_definition_says() {
        fn defined(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => (0..=name.len()).any(|n| defined(rest, &name[n..])),
                ([a, rest @ ..], [b, others @ ..]) if a == b => defined(rest, others),
                _ => false,
            }
        }
        fn words(letters: &[char], longest: usize) -> Vec<String> {
            let mut all = vec![String::new()];
            for _ in 0..longest {
                let longer = all
                    .iter()
                    .flat_map(|word| letters.iter().map(move |letter| format!("{word}{letter}")));
                all = all.iter().cloned().chain(longer).collect();
                all.sort();
                all.dedup();
            }
            all
        }
        let names = words(&['a', 'b'], 5);
        for pattern in words(&['a', 'b', '*'], 5) {
            for name in &names {
                let expected = defined(pattern.as_bytes(), name.as_bytes());
                assert_eq!(matches(&pattern, name), expected, "{pattern} {name}");
            }
        }
    }

    #[test]
    fn what_is_excluded_does_not_match_in_any_order() {
        for text in ["team-*,!team-x", " !team-x , team-* "] {
            let patterns = parse(text);
            assert!(patterns.matches("team-a") && patterns.matches("team-x1"), "{text}");
            assert!(!patterns.matches("team-x") && !patterns.matches("other"), "{text}");
        }
        let patterns = parse("*,!kube-*,!default");
        assert!(patterns.matches("a") && !patterns.matches("kube-system") && !patterns.matches("default"));
    }

    #[test]
    fn patterns_that_match_nothing() {
        let patterns = parse("taem-*,team-*,!x,gone");
        assert_eq!(patterns.unmatched(&["team-a", "x"]), ["taem-*", "gone"]);
        assert_eq!(parse("*").unmatched(&["a"]), Vec::<&str>::new());
    }

    #[test]
    fn what_cannot_be_meant() {
        for empty in ["", " ", ",", "a,", "a,,b", "!", "a,!"] {
            assert_eq!(Patterns::parse(empty), Err(BadPatterns::Empty), "{empty}");
        }
        assert_eq!(Patterns::parse("!a,!b-*"), Err(BadPatterns::NoneWanted));
        for item in [
            "Team-*", "a b", "a.b", "a/*", "!!a", "team-?", "[ab]", "-a", "a-", "*-", "-*", "ä", "a!",
        ] {
            let expected = BadPatterns::Impossible(item.into());
            assert_eq!(Patterns::parse(item), Err(expected), "{item}");
        }
        let longest = "a".repeat(63);
        assert!(Patterns::parse(&format!("{longest}*")).is_ok());
        assert!(Patterns::parse(&format!("{longest}a*")).is_err());
    }
}
