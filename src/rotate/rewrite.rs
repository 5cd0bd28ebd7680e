//! Every value of a Secret that speaks of the old pair is made to speak of the new one, whatever its name or format.
//!
//! The old secret is found as it is, as JSON may write it (`\/`, `\u002b`) and as a URL may (`%2F`), and is replaced in
//! the same manner of writing. The old id is found wherever its characters stand: what is before and behind may be an
//! escape (`\n`, `%3A`), so there is no telling a word's edge, and twenty such characters do not come together by chance.

use std::collections::BTreeMap;

use crate::aws::{AccessKeyId, KeyPair};
use crate::sensitive::Sensitive;

/// The values that change, and what they become.
pub(super) fn rewritten(
    data: &BTreeMap<String, Sensitive<Vec<u8>>>,
    old: &KeyPair,
    new: &KeyPair,
) -> BTreeMap<String, Sensitive<Vec<u8>>> {
    data.iter()
        .filter_map(|(name, value)| {
            let with_id = replace_id(value.expose(), old.id.as_str().as_bytes(), new.id.as_str().as_bytes());
            let with_id = Sensitive::new(with_id);
            let with_both = replace_secret(with_id.expose(), old.secret.expose().as_bytes(), new.secret.expose());
            let with_both = Sensitive::new(with_both);
            (with_both.expose() != value.expose()).then(|| (name.clone(), with_both))
        })
        .collect()
}

/// Whether a value of the Secret speaks of this key.
pub(super) fn mentions(data: &BTreeMap<String, Sensitive<Vec<u8>>>, id: &AccessKeyId) -> bool {
    let id = id.as_str().as_bytes();
    data.values()
        .any(|value| value.expose().windows(id.len()).any(|at| at == id))
}

fn replace_id(value: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        if value[at..].starts_with(old) {
            result.extend_from_slice(new);
            at += old.len();
        } else {
            result.push(value[at]);
            at += 1;
        }
    }
    result
}

/// How a character that needs no escape was written all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Plain,
    /// `\/`
    Backslash,
    /// `\u002f`
    Unicode,
    /// `%2F`
    Percent,
}

fn replace_secret(value: &[u8], old: &[u8], new: &str) -> Vec<u8> {
    // Room for every escape, so that no copy is left behind by growing.
    let mut result = Vec::with_capacity(value.len() + 6 * new.len());
    let mut at = 0;
    while at < value.len() {
        match match_secret(&value[at..], old) {
            Some((length, writing)) => {
                write_secret(&mut result, new, writing);
                at += length;
            }
            None => {
                result.push(value[at]);
                at += 1;
            }
        }
    }
    result
}

/// The length of the secret at the start of `text`, and the escapes it was written with.
fn match_secret(text: &[u8], secret: &[u8]) -> Option<(usize, Writing)> {
    let mut at = 0;
    let mut writing = Writing::Plain;
    for &wanted in secret {
        let rest = &text[at..];
        let (length, this) = if rest.first() == Some(&wanted) {
            (1, Writing::Plain)
        } else if wanted == b'/' && rest.starts_with(b"\\/") {
            (2, Writing::Backslash)
        } else if rest.starts_with(b"\\u00") && hex(rest.get(4..6)?) == Some(wanted) {
            (6, Writing::Unicode)
        } else if rest.starts_with(b"%") && hex(rest.get(1..3)?) == Some(wanted) {
            (3, Writing::Percent)
        } else {
            return None;
        };
        if this != Writing::Plain {
            writing = this;
        }
        at += length;
    }
    (at > 0).then_some((at, writing))
}

fn hex(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn write_secret(result: &mut Vec<u8>, secret: &str, writing: Writing) {
    for byte in secret.bytes() {
        match writing {
            Writing::Backslash if byte == b'/' => result.extend_from_slice(b"\\/"),
            Writing::Unicode if !byte.is_ascii_alphanumeric() => {
                result.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            }
            Writing::Percent if !byte.is_ascii_alphanumeric() => {
                result.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            Writing::Plain | Writing::Backslash | Writing::Unicode | Writing::Percent => result.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalr/XUtnFEMI+K7MDENGbPxRfiCYEXAMPLEKEY");
    const NEW: (&str, &str) = ("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk+h3yCo8nvbEXAMPLEKEY");

    fn pair((id, secret): (&str, &str)) -> KeyPair {
        KeyPair {
            id: AccessKeyId::parse(id).unwrap(),
            secret: Sensitive::new(secret.to_owned()),
        }
    }

    fn rewrite(value: &[u8]) -> Option<Vec<u8>> {
        let data = BTreeMap::from([("x".to_owned(), Sensitive::new(value.to_vec()))]);
        rewritten(&data, &pair(OLD), &pair(NEW))
            .remove("x")
            .map(|value| value.expose().clone())
    }

    fn text(value: &str) -> String {
        String::from_utf8(rewrite(value.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn white_space_around_a_value_stays() {
        assert_eq!(text(" AKIAIOSFODNN7EXAMPLE\n"), " AKIAI44QH8DHBEXAMPLE\n");
    }

    #[test]
    fn a_profile_file_is_rewritten_whole() {
        let file = |(id, secret)| {
            format!(
                "[default]\naws_access_key_id = {id}\naws_secret_access_key={secret}\n[other]\naws_access_key_id=AKIA0\n"
            )
        };
        assert_eq!(text(&file(OLD)), file(NEW));
    }

    #[test]
    fn json_keeps_its_way_of_escaping() {
        let slash = r#"{"s":"wJalr\/XUtnFEMI+K7MDENGbPxRfiCYEXAMPLEKEY"}"#;
        assert_eq!(text(slash), r#"{"s":"je7MtGbClwBF\/2Zp9Utk+h3yCo8nvbEXAMPLEKEY"}"#);
        let unicode = r#"{"s":"wJalr/XUtnFEMI\u002BK7MDENGbPxRfiCYEXAMPLEKEY"}"#;
        assert_eq!(
            text(unicode),
            r#"{"s":"je7MtGbClwBF\u002f2Zp9Utk\u002bh3yCo8nvbEXAMPLEKEY"}"#
        );
    }

    #[test]
    fn a_url_keeps_its_way_of_escaping() {
        let url = "sqs://AKIAIOSFODNN7EXAMPLE:wJalr%2fXUtnFEMI%2BK7MDENGbPxRfiCYEXAMPLEKEY@";
        assert_eq!(
            text(url),
            "sqs://AKIAI44QH8DHBEXAMPLE:je7MtGbClwBF%2F2Zp9Utk%2Bh3yCo8nvbEXAMPLEKEY@"
        );
    }

    #[test]
    fn an_id_behind_an_escape_is_found() {
        for before in ["", "x\\n", "sqs%3A%2F%2F", "\\u0026", "key=", "\u{e4}"] {
            for after in ["", "\\n", "%3A", "\\u0026", ";"] {
                let around = |id: &str| format!("{before}{id}{after}");
                assert_eq!(text(&around(OLD.0)), around(NEW.0));
                let data = BTreeMap::from([("x".to_owned(), Sensitive::new(around(OLD.0).into_bytes()))]);
                assert!(mentions(&data, &pair(OLD).id) && !mentions(&data, &pair(NEW).id));
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let mut value = vec![0xff, 0xfe, 0];
        value.extend_from_slice(OLD.1.as_bytes());
        value.push(0xff);
        let mut expected = vec![0xff, 0xfe, 0];
        expected.extend_from_slice(NEW.1.as_bytes());
        expected.push(0xff);
        assert_eq!(rewrite(&value), Some(expected));
    }

    /// Every secret, written in every way, at every place of a value: found, replaced, and the rest untouched.
    #[test]
    fn property_whatever_is_written_is_found() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: usize| crate::xorshift::below(&mut seed, below as u64) as usize;
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for _ in 0..2000 {
            let secret = |random: &mut dyn FnMut(usize) -> usize| -> String {
                (0..40).map(|_| char::from(ALPHABET[random(ALPHABET.len())])).collect()
            };
            let (old, new) = (secret(&mut random), secret(&mut random));
            let writing = [Writing::Plain, Writing::Backslash, Writing::Unicode, Writing::Percent][random(4)];
            let filler = |random: &mut dyn FnMut(usize) -> usize| -> Vec<u8> {
                (0..random(20)).map(|_| b"{\"\\ =:%u\n"[random(9)]).collect()
            };
            let (before, after) = (filler(&mut random), filler(&mut random));
            let around = |secret: &str| {
                let mut value = before.clone();
                write_secret(&mut value, secret, writing);
                value.extend_from_slice(&after);
                value
            };
            // A secret without the characters that this way escapes leaves no trace of it.
            let traced = old.bytes().any(|b| {
                if writing == Writing::Backslash {
                    b == b'/'
                } else {
                    b"+/".contains(&b)
                }
            });
            if writing == Writing::Plain || traced {
                assert_eq!(replace_secret(&around(&old), old.as_bytes(), &new), around(&new));
            }
        }
    }
}
