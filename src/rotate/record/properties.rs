//! Any record comes back as it was written, and any damage to it is noticed.

use serde_json::json;

use super::tests::{A_HISTORY, A_JOURNAL, UID, id, why};
use super::*;
use crate::aws::AccessKeyId;
use crate::holder::Holder;
use crate::xorshift;

struct Random(u64);

impl Random {
    fn new() -> Random {
        Random(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        xorshift::below(&mut self.0, limit)
    }

    fn several<T, C: FromIterator<T>>(&mut self, mut one: impl FnMut(&mut Random) -> T) -> C {
        (0..self.below(4)).map(|_| one(self)).collect()
    }

    fn perhaps<T>(&mut self, one: impl FnOnce(&mut Random) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| one(self))
    }

    fn time(&mut self) -> i64 {
        self.below(253_402_300_800).cast_signed()
    }

    fn text(&mut self, alphabet: &str, length: u64) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        let one = |_| alphabet[self.below(alphabet.len() as u64) as usize];
        (0..length).map(one).collect()
    }

    fn any_text(&mut self) -> String {
        let length = self.below(12);
        self.text("abz09-.:/ \"\\{}[],\n\u{7f}\u{e4}\u{1f511}", length)
    }

    fn key(&mut self) -> AccessKeyId {
        let length = 16 + self.below(6);
        id(&self.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length))
    }

    fn window(&mut self) -> Window {
        let (one, other) = (self.time(), self.time());
        Window {
            from: one.min(other),
            to: one.max(other),
        }
    }

    fn journal(&mut self) -> Journal {
        let Window {
            from: begun,
            to: renewed,
        } = self.window();
        let holder = json!({
            "pod": self.perhaps(Random::any_text), "host": self.any_text(), "boot": self.any_text(),
            "pids": self.any_text(), "pid": self.below(1 << 32), "started": self.below(u64::MAX),
        });
        let holder: Holder = serde_json::from_value(holder).unwrap();
        Journal {
            uid: self.any_text(),
            user: format!("AIDA{}", self.text("ABC234", 17)),
            run: self.text("0123456789abcdef", 16),
            holder,
            begun,
            renewed,
            group: self.several(|random| format!("{}/{}", random.text("ab-", 4), random.text("a.0", 5))),
            known: self.several(Random::key),
            windows: self.several(Random::window),
            made: self.several(Random::key),
            released: self.below(2) == 0,
        }
    }

    fn history(&mut self) -> History {
        let entry = |random: &mut Random| Entry {
            what: [What::Replaced, What::Orphan][random.below(2) as usize],
            until: random.perhaps(Random::time),
            deactivated: random.below(2) == 0,
        };
        History {
            uid: self.any_text(),
            current: self.perhaps(Random::key),
            since: self.perhaps(Random::time),
            keys: self.several(|random| (random.key(), entry(random))),
        }
    }
}

#[test]
fn property_what_is_written_is_read_again() {
    let mut random = Random::new();
    for _ in 0..2000 {
        let written = random.journal();
        let text = written.to_text();
        let uid = written.uid.clone();
        assert_eq!(journal(Some(&text), &format!("{uid}x")), Read::Void, "{text}");
        assert_eq!(journal(Some(&text), &uid), Read::Valid(written), "{text}");
        let written = random.history();
        let text = written.to_text();
        let uid = written.uid.clone();
        assert_eq!(history(Some(&text), &format!("{uid}x")), Read::Void, "{text}");
        assert_eq!(history(Some(&text), &uid), Read::Valid(written), "{text}");
    }
}

#[test]
fn property_what_was_cut_off_is_not_read() {
    let mut random = Random::new();
    for _ in 0..20 {
        let (a_journal, a_history) = (random.journal(), random.history());
        let texts = [
            (a_journal.to_text(), &a_journal.uid),
            (a_history.to_text(), &a_history.uid),
        ];
        for (text, uid) in texts {
            for (end, _) in text.char_indices() {
                let cut = Some(&text[..end]);
                assert_eq!(why(journal(cut, uid)), "it is cut off or no JSON of this kind");
                assert_eq!(why(history(cut, uid)), "it is cut off or no JSON of this kind");
            }
        }
    }
}

/// Whatever a byte becomes: a record that is read at all is this Secret's, and comes back as it was read.
#[test]
fn property_a_changed_byte_makes_no_other_secrets_record() {
    for text in [A_JOURNAL, A_HISTORY] {
        for at in 0..text.len() {
            for &byte in b"\0\n \"\\,:{}[]-+.019AZafz\x7f" {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                let changed = String::from_utf8(changed).unwrap();
                if let Read::Valid(found) = journal(Some(&changed), UID) {
                    assert_eq!(found.uid, UID);
                    assert_eq!(journal(Some(&found.to_text()), UID), Read::Valid(found));
                }
                if let Read::Valid(found) = history(Some(&changed), UID) {
                    assert_eq!(found.uid, UID);
                    assert_eq!(history(Some(&found.to_text()), UID), Read::Valid(found));
                }
            }
        }
    }
}
