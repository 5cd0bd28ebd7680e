//! What must not be seen, in the forms that it could be seen in.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::program::{Run, World};

const TOKEN: &str = "the token";

/// A secret, and all that would give it away.
pub struct Planted {
    /// What it is; a failing test says this and not the secret.
    pub what: String,
    forms: Vec<String>,
}

impl Planted {
    pub fn new(what: impl Into<String>, secret: &str) -> Planted {
        let mut forms = vec![
            secret.to_owned(),
            hex(secret.as_bytes(), false),
            hex(secret.as_bytes(), true),
        ];
        // What stands in front of it moves its place among the bytes of base64: there are three ways that it can look,
        // apart from the characters at both ends, which its neighbours have a part in.
        for shift in 0..3 {
            let text = STANDARD.encode([&b"???"[..shift], secret.as_bytes()].concat());
            let (front, back) = (if shift == 0 { 0 } else { shift + 1 }, (shift + secret.len()) % 3);
            let end = text.trim_end_matches('=').len() - usize::from(back != 0);
            let inner = text[front..end].to_owned();
            forms.push(inner.replace('+', "-").replace('/', "_"));
            forms.push(inner);
        }
        for upper in [false, true] {
            forms.push(escaped(secret, "%", upper));
        }
        for (slash, plus) in [
            ("\\/", "+"),
            ("/", "\\u002b"),
            ("\\/", "\\u002b"),
            ("/", "\\u002B"),
            ("\\/", "\\u002B"),
            ("\\u002f", "\\u002b"),
        ] {
            forms.push(secret.replace('/', slash).replace('+', plus));
        }
        Planted {
            what: what.into(),
            forms,
        }
    }
}

/// So much of a secret in a row counts as a leak, wherever in it it begins, give or take [`STEP`].
const RUN: usize = 16;
const STEP: usize = 8;

/// Looks for many secrets in much text at once: for their parts of [`RUN`] bytes.
pub struct Finder<'a> {
    parts: HashMap<[u8; RUN], &'a Planted, BuildHasherDefault<Quick>>,
    /// Whether any part begins like that: a hash table alone, asked at each byte, takes most of a test's time.
    begins: Vec<bool>,
}

impl<'a> Finder<'a> {
    pub fn new(planted: impl IntoIterator<Item = &'a Planted>) -> Finder<'a> {
        let mut parts = HashMap::default();
        for planted in planted {
            for form in &planted.forms {
                assert!(
                    form.len() >= RUN,
                    "{} is too short to be told from other text",
                    planted.what
                );
                let starts = (0..=form.len() - RUN).step_by(STEP).chain([form.len() - RUN]);
                parts.extend(starts.map(|at| (part(&form.as_bytes()[at..]), planted)));
            }
        }
        let mut begins = vec![false; 1 << 16];
        for part in parts.keys() {
            begins[beginning(part)] = true;
        }
        Finder { parts, begins }
    }

    /// What `text` gives away.
    pub fn first_in(&self, text: &str) -> Option<&'a str> {
        let look = |window: &[u8]| self.begins[beginning(window)].then(|| self.parts.get(window)).flatten();
        let found = text.as_bytes().windows(RUN).find_map(look);
        found.map(|planted| planted.what.as_str())
    }
}

/// Hashes parts of text that nobody has chosen to have the same hash, in a tenth of the time that the standard's takes.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.chunks_exact(8) {
            let eight = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
            self.0 = (self.0.rotate_left(5) ^ eight).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length of a part, which all have.
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// The first four bytes, as one of so many numbers as there are of 16 bits.
fn beginning(bytes: &[u8]) -> usize {
    let four = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    (four.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

fn part(bytes: &[u8]) -> [u8; RUN] {
    bytes[..RUN].try_into().expect("as many bytes as that")
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let digits = bytes.iter().map(|byte| {
        if upper {
            format!("{byte:02X}")
        } else {
            format!("{byte:02x}")
        }
    });
    digits.collect()
}

/// As URLs have it: all but letters, digits and a few marks by their hexadecimal digits.
fn escaped(text: &str, mark: &str, upper: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    text.chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else {
                format!("{mark}{}", hex(c.to_string().as_bytes(), upper))
            }
        })
        .collect()
}

impl World {
    /// All that is secret in this world: what AWS has made, the token file's content, and what `more` names.
    pub fn planted(&self) -> Vec<Planted> {
        let token = std::fs::read_to_string(self.file("token")).unwrap_or_default();
        let token = token.trim();
        let mut planted: Vec<Planted> = self
            .cloud
            .secrets()
            .iter()
            .filter(|secret| !secret.is_empty())
            .map(|secret| Planted::new("a secret of AWS", secret))
            .collect();
        // Something shorter is no token and might stand in any text.
        if token.len() > 16 {
            planted.push(Planted::new(TOKEN, token));
        }
        planted
    }

    /// Fails when something secret was printed, stands in an annotation, or was sent where it does not belong.
    pub fn assert_no_leak(&self, run: &Run, planted: &[Planted]) {
        assert_eq!(self.leak(run, planted), None);
    }

    /// The first thing secret that was printed, stands in an annotation, or was sent where it does not belong, by what it
    /// is and where: a failing test must not show it either.
    pub fn leak(&self, run: &Run, planted: &[Planted]) -> Option<String> {
        let all = Finder::new(planted);
        let found = |finder: &Finder<'_>, text: &str, place: &str| {
            let what = finder.first_in(text)?;
            Some(format!("{what} is in {place}"))
        };
        let printed = found(&all, &run.stdout, "stdout").or_else(|| found(&all, &run.stderr, "stderr"));
        if printed.is_some() {
            return printed;
        }
        for record in self.aws.recorded() {
            let request = &record.request;
            // Two kinds of tokens are made to be sent, in one place each.
            let headers: Vec<_> = request
                .headers
                .iter()
                .filter(|(n, _)| n != "x-amz-security-token")
                .collect();
            let body = match record.operation.as_str() {
                "AssumeRoleWithWebIdentity" => "".into(),
                _ => String::from_utf8_lossy(&request.body),
            };
            let text = format!("{} {} {headers:?} {body}", request.path, request.raw_query);
            let sent = found(&all, &text, &format!("{} to AWS", record.operation));
            if sent.is_some() {
                return sent;
            }
        }
        let token = Finder::new(planted.iter().filter(|secret| secret.what == TOKEN));
        let mut first = BTreeMap::new();
        for record in self.kube.recorded() {
            let request = &record.request;
            // The token's place.
            let headers: Vec<_> = request
                .headers
                .iter()
                .filter(|(name, _)| name != "authorization")
                .collect();
            let text = format!("{} {} {headers:?}", request.path, request.raw_query);
            let body = String::from_utf8_lossy(&request.body);
            let sent = found(&all, &text, &record.operation).or_else(|| found(&token, &body, &record.operation));
            let written = || {
                let mut written = self.written(&record.operation, &request.body, &mut first).into_iter();
                written.find_map(|(name, value)| found(&all, &value, &format!("annotation `{name}`")))
            };
            let leak = sent.or_else(written);
            if leak.is_some() {
                return leak;
            }
        }
        None
    }

    /// The program's own annotations in a write; what stood there when the test made the Secret is not the program's.
    fn written(&self, operation: &str, body: &[u8], first: &mut BTreeMap<String, Value>) -> Vec<(String, String)> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = operation.rsplit('/').next().unwrap_or_default();
        let namespace = body["metadata"]["namespace"].as_str().unwrap_or_default();
        let first = first.entry(format!("{namespace}/{name}")).or_insert_with(|| {
            self.cluster
                .writes(namespace, name)
                .into_iter()
                .next()
                .unwrap_or_default()
        });
        let annotations = body["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let own = |name: &str| name.starts_with("aws-rotate-key/") || name.starts_with("aws-ecr-updater/");
        annotations
            .into_iter()
            .filter(|(name, value)| own(name) && first["metadata"]["annotations"][name] != *value)
            .map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()))
            .collect()
    }
}

#[test]
fn every_form_is_found() {
    let secret = "abc/def+ghiJKLMNOPQRSTUVWXYZ0123456789+/";
    let planted = Planted::new("it", secret);
    let finder = Finder::new([&planted]);
    let found = |text: &str| finder.first_in(text) == Some("it");
    for front in ["", "a", "ab", "abc", "AWS:"] {
        for back in ["", "z", "zz"] {
            let text = format!("{front}{secret}{back}");
            assert!(found(&text));
            assert!(found(&STANDARD.encode(&text)), "{front} {back}");
            assert!(found(&escaped(&text, "%", true)) && found(&escaped(&text, "%", false)));
            assert!(found(&hex(text.as_bytes(), false)) && found(&hex(text.as_bytes(), true)));
            assert!(found(&text.replace('/', "\\/").replace('+', "\\u002b")));
        }
    }
    // Parts of it are enough.
    assert!(found(&secret[..20]) && found(&secret[9..32]) && found(&secret[20..]));
    assert!(!found("abc/def") && !found(&STANDARD.encode("something else altogether, which is longer")));
}
