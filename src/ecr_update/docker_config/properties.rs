//! Whatever a Docker configuration holds: merged into it, what is not of the wanted registries is the same text in the same
//! order, and the logins are there.
//!
//! What is expected is read by a parser of the tests' own, which shares nothing with the one that is tested.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::tests::{FIPS, HOST, entries};
use super::*;
use crate::xorshift;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        xorshift::below(&mut self.0, limit as u64) as usize
    }

    fn one_of(&mut self, choices: &[&str]) -> String {
        choices[self.below(choices.len())].to_owned()
    }

    fn space(&mut self) -> String {
        self.one_of(&["", "", "", "", " ", "\n\t", "\r\n  "])
    }

    /// A string in quotes, some of its characters written with an escape.
    fn written(&mut self, plain: &str) -> String {
        let rarely = if self.below(4) == 0 { 8 } else { 10_000 };
        let written: String = plain
            .chars()
            .map(|c| match self.below(rarely) {
                0 if (c as u32) < 0x1_0000 => format!("\\u{:04x}", c as u32),
                1 if c == '/' => "\\/".into(),
                _ => c.to_string(),
            })
            .collect();
        format!("\"{written}\"")
    }

    fn string(&mut self) -> String {
        let length = self.below(6);
        let parts = [
            "a",
            "Z",
            "0",
            " ",
            "ä",
            "🔑",
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\u0000",
            "\\uD83D\\uDD11",
            "\\ud800",
            "\\udfff",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "auth",
        ];
        let text: String = (0..length).map(|_| self.one_of(&parts)).collect();
        format!("\"{text}\"")
    }

    fn value(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 6 }) {
            0 => self.one_of(&["null", "true", "false"]),
            1 => self.one_of(&["0", "-0", "1.50e3", "1e400", "-1E-400", "18446744073709551616", "0.10"]),
            2 => self.string(),
            3 => {
                let count = self.below(4);
                let items: Vec<String> = (0..count).map(|_| self.spaced(depth - 1)).collect();
                format!("[{}{}]", self.space(), items.join(","))
            }
            _ => {
                let count = self.below(4);
                let members = (0..count).map(|_| (self.string(), self.value(depth - 1))).collect();
                self.object(members)
            }
        }
    }

    fn spaced(&mut self, depth: usize) -> String {
        [self.space(), self.value(depth), self.space()].concat()
    }

    fn object(&mut self, members: Vec<(String, String)>) -> String {
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| {
                let spaces: [String; 4] = std::array::from_fn(|_| self.space());
                let [a, b, c, d] = spaces;
                [a, name, b, ":".into(), c, value, d].concat()
            })
            .collect();
        format!("{{{}{}}}", self.space(), members.join(","))
    }

    fn entry(&mut self) -> String {
        if self.below(8) == 0 {
            return self.value(2);
        }
        let count = self.below(5);
        let names = [
            "auth",
            "auth",
            "username",
            "password",
            "email",
            "identitytoken",
            "registrytoken",
            "Auth",
            "n",
        ];
        let members = (0..count)
            .map(|_| {
                let name = self.one_of(&names);
                (
                    self.written(&name),
                    if self.below(3) == 0 {
                        self.value(2)
                    } else {
                        self.string()
                    },
                )
            })
            .collect();
        self.object(members)
    }

    fn registries(&mut self) -> String {
        let count = self.below(6);
        let hosts = [
            HOST,
            HOST,
            FIPS,
            "ghcr.io",
            "quay.io",
            "index.docker.io/v1",
            "auths",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
        ];
        let members = (0..count)
            .map(|_| {
                let mut host = self.one_of(&hosts);
                if self.below(6) == 0 {
                    host = host.to_ascii_uppercase();
                }
                let scheme = self.one_of(&["", "", "", "https://", "http://", "HTTPS://"]);
                let behind = self.one_of(&[
                    "", "", "", "/", "/v2/", "/v1", ":443", ":443/v1/", "/team", ":5000", "/v2/team",
                ]);
                let name = if self.below(8) == 0 {
                    self.string()
                } else {
                    self.written(&[scheme, host, behind].concat())
                };
                (name, self.entry())
            })
            .collect();
        self.object(members)
    }

    fn config(&mut self, form: Form) -> String {
        if self.below(50) == 0 {
            return self.space();
        }
        let config = match form {
            Form::Legacy => self.registries(),
            Form::Wrapped => {
                let count = self.below(6);
                let members = (0..count)
                    .map(|_| match self.below(8) {
                        0..=2 => {
                            let name = self.one_of(&["auths", "auths", "auths", "Auths", "AUTHS"]);
                            (self.written(&name), self.registries())
                        }
                        3 => (self.one_of(&["\"Auths\"", "\"auths\""]), self.one_of(&["null", "{}"])),
                        4 => (self.written("credHelpers"), self.registries()),
                        5 => (self.written("credsStore"), self.string()),
                        _ => (self.string(), self.value(3)),
                    })
                    .collect();
                self.object(members)
            }
        };
        [self.space(), config, self.space()].concat()
    }
}

/// The members of an object, names and values as they were written: by counting brackets and quotes alone.
fn taken_apart(text: &str) -> Vec<(String, String)> {
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .expect("an object");
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut parts = vec![String::new()];
    for c in inner.chars() {
        let outside = depth == 0 && !quoted;
        if quoted {
            (quoted, escaped) = (escaped || c != '"', !escaped && c == '\\');
        } else {
            match c {
                '"' => quoted = true,
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
        }
        match c {
            ',' | ':' if outside => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(c),
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| part.trim().to_owned()).collect();
    match &parts[..] {
        [empty] if empty.is_empty() => Vec::new(),
        parts => parts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
    }
}

/// The name without quotes and escapes, as far as names have them here; what cannot be told is left as it was written.
fn plain(name: &str) -> String {
    serde_json::from_str(name).unwrap_or_else(|_| name.to_owned())
}

/// The wanted registries in all the spellings that mean them, in small letters: a list, not what is tested.
static SPELLINGS: LazyLock<BTreeMap<String, &str>> = LazyLock::new(|| {
    let mut spellings = BTreeMap::new();
    for host in [HOST, FIPS] {
        for scheme in ["", "https://", "http://"] {
            for port in ["", ":443"] {
                for path in ["", "/", "/v1", "/v1/", "/v2", "/v2/"] {
                    spellings.insert([scheme, host, port, path].concat(), host);
                }
            }
        }
    }
    spellings
});

/// Which of the wanted registries it is, if any.
fn wanted(name: &str) -> Option<&'static str> {
    SPELLINGS.get(&plain(name).to_lowercase()).copied()
}

fn authorization(host: &str) -> String {
    let entry = entries().into_iter().find(|entry| entry.host == host).unwrap();
    quoted(entry.authorization.expose()).expose().clone()
}

/// What must hold of the registries before and after. `whole`: the wanted ones must all be there.
fn check_registries(before: &str, after: &str, whole: bool) {
    let (before, after) = (taken_apart(before), taken_apart(after));
    let foreign = |members: &[(String, String)]| -> Vec<(String, String)> {
        members
            .iter()
            .filter(|(name, _)| wanted(name).is_none())
            .cloned()
            .collect()
    };
    assert_eq!(foreign(&before), foreign(&after));
    let names =
        |members: &[(String, String)]| -> Vec<String> { members.iter().map(|(name, _)| name.clone()).collect() };
    let (old, new) = (names(&before), names(&after));
    assert_eq!(new[..old.len()], old);
    // What was added is what was not there by exactly that name.
    let missing = [HOST, FIPS]
        .into_iter()
        .filter(|host| whole && !old.iter().any(|name| plain(name) == *host));
    assert_eq!(
        new[old.len()..],
        missing.map(|host| format!("{host:?}")).collect::<Vec<_>>()
    );
    for (at, (name, value)) in after.iter().enumerate() {
        let Some(host) = wanted(name) else { continue };
        let entry = taken_apart(value);
        let known = |name: &str| plain(name).to_lowercase();
        let auths: Vec<_> = entry.iter().filter(|(name, _)| known(name) == "auth").collect();
        assert!(auths.iter().any(|(name, _)| plain(name) == "auth"));
        assert!(auths.iter().all(|(_, value)| *value == authorization(host)));
        let password = if host == HOST { "\"new\"" } else { "\"fips\"" };
        for (name, value) in &entry {
            match known(name).as_str() {
                "username" => assert_eq!(value, "\"AWS\""),
                "password" => assert_eq!(value, password),
                "identitytoken" | "registrytoken" => panic!("a token stayed"),
                _ => {}
            }
        }
        // What else the entry had is still there, in its order.
        let ours = ["auth", "username", "password", "identitytoken", "registrytoken"];
        let others = |entry: Vec<(String, String)>| -> Vec<(String, String)> {
            entry
                .into_iter()
                .filter(|(name, _)| !ours.contains(&known(name).as_str()))
                .collect()
        };
        let had = before.get(at).filter(|(_, value)| value.starts_with('{'));
        let had = had.map(|(_, value)| others(taken_apart(value))).unwrap_or_default();
        assert_eq!(others(entry), had);
    }
}

fn check(form: Form, before: &str, after: &str) {
    let start = if before.trim().is_empty() { "{}" } else { before };
    // What stands around the object is not touched either.
    let around = |text: &str| -> (usize, usize) { (text.find('{').unwrap(), text.len() - text.rfind('}').unwrap()) };
    assert_eq!(around(start), around(after));
    if form == Form::Legacy {
        return check_registries(start, after, true);
    }
    let (old, new) = (taken_apart(start), taken_apart(after));
    let last = old.iter().rposition(|(name, _)| plain(name) == "auths");
    assert_eq!(new.len(), old.len() + usize::from(last.is_none()));
    for (at, ((old_name, old), (new_name, new))) in old.iter().zip(&new).enumerate() {
        assert_eq!(old_name, new_name);
        let here = last == Some(at);
        match plain(old_name).to_lowercase().as_str() {
            "auths" if old != "null" => check_registries(old, new, here),
            "auths" if here => check_registries("{}", new, true),
            _ => assert_eq!(old, new),
        }
    }
    if last.is_none() {
        let (name, added) = new.last().unwrap();
        assert_eq!(name, "\"auths\"");
        check_registries("{}", added, true);
    }
}

/// How many documents are made of each form.
const DOCUMENTS: usize = 4_000;

#[test]
fn property_only_the_wanted_registries_change_and_twice_is_once() {
    for form in [Form::Wrapped, Form::Legacy] {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut with_the_host = 0;
        for _ in 0..DOCUMENTS {
            let before = random.config(form);
            let after =
                merge(form, Some(before.as_bytes()), &entries()).unwrap_or_else(|error| panic!("{error}: {before}"));
            let twice = merge(form, Some(after.expose()), &entries()).unwrap();
            let after = String::from_utf8(after.expose().clone()).unwrap();
            assert!(twice.expose() == after.as_bytes(), "{before}\n{after}");
            let checked = std::panic::catch_unwind(|| check(form, &before, &after));
            assert!(checked.is_ok(), "{before}\n{after}");
            for entry in entries() {
                let login = login_to(form, after.as_bytes(), &entry.host);
                assert!(login.as_ref() == Some(&entry.authorization), "{before}\n{after}");
            }
            with_the_host += usize::from(before.contains(HOST));
        }
        // The generator makes what it is there for.
        assert!(with_the_host > DOCUMENTS / 4, "{with_the_host}");
    }
}

/// Whatever becomes of a byte: it is refused, or what was there is still there.
#[test]
fn property_a_broken_document_is_refused_or_kept() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..DOCUMENTS {
        let mut bytes = random.config(Form::Wrapped).into_bytes();
        if bytes.is_empty() {
            continue;
        }
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes.truncate(at),
            1 => drop(bytes.remove(at)),
            _ => bytes[at] = b"\0\n \"\\,:{}[]-+.019AZaz\x7f\x80\xff"[random.below(24)],
        }
        if let Ok(after) = merge(Form::Wrapped, Some(&bytes), &entries()) {
            let before = String::from_utf8(bytes).unwrap();
            let after = String::from_utf8(after.expose().clone()).unwrap();
            let checked = std::panic::catch_unwind(|| check(Form::Wrapped, &before, &after));
            assert!(checked.is_ok(), "{before}\n{after}");
        }
    }
}
