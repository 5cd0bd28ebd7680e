//! JSON taken apart no further than needed: the members of an object as the text they were written as, and changes put
//! into that text in place.

use std::borrow::Cow;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sensitive::Sensitive;

/// A member of an object: its name with quotes and escapes, and its value, both as they were written.
pub(super) struct Member<'a> {
    name: &'a str,
    pub(super) value: &'a str,
}

impl Member<'_> {
    /// What the name means; `None` when it is no text at all, such as half a surrogate pair (`"\ud800"`).
    pub(super) fn name(&self) -> Option<Cow<'_, str>> {
        decoded(self.name)
    }

    /// Whether readers take this for the member `name`. Go's, which is to say all that matter here, ignore case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name().is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    /// The member with this value in place of its own.
    pub(super) fn with(&self, value: &str) -> String {
        [self.name, ":", value].concat()
    }
}

/// The members of the object that `text` is, in their order, each as often as it is there.
///
/// A map type would lose duplicates, order and the way that numbers are written. Values are skipped without recursion, so
/// no depth of nesting is too much.
pub(super) fn members(text: &str) -> serde_json::Result<Vec<Member<'_>>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<Member<'de>>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                let (name, value) = (name.get(), value.get());
                members.push(Member { name, value });
            }
            Ok(members)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(Members)?;
    deserializer.end()?;
    Ok(members)
}

/// What a string written in JSON says; `None` when it is no string, or no text.
pub(super) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    match text.strip_prefix('"')?.strip_suffix('"') {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        Some(_) | None => serde_json::from_str(text).ok().map(Cow::Owned),
    }
}

/// `text` as a string in JSON.
pub(super) fn quoted(text: &str) -> Sensitive<String> {
    // There is no text that JSON cannot say.
    Sensitive::new(serde_json::to_string(text).expect("a JSON string"))
}

/// A text and what is to be changed in it, from the front to the back. All that is not changed stays byte for byte.
pub(super) struct Edited<'a> {
    text: &'a str,
    /// Where, how many bytes are replaced, and by what.
    edits: Vec<(usize, usize, Sensitive<String>)>,
}

impl<'a> Edited<'a> {
    pub(super) fn new(text: &'a str) -> Edited<'a> {
        let edits = Vec::new();
        Edited { text, edits }
    }

    /// Puts `new` in place of `old`, a part of the text.
    pub(super) fn replace(&mut self, old: &'a str, new: Sensitive<String>) {
        self.edits.push((self.place(old), old.len(), new));
    }

    /// Adds members, written one behind the other with commas, to the end of `object`, a part of the text that has these
    /// `members`.
    pub(super) fn append(&mut self, object: &'a str, members: &[Member<'a>], new: &Sensitive<String>) {
        let (behind, comma) = match members.last() {
            Some(last) => (self.place(last.value) + last.value.len(), ","),
            // Behind the brace.
            None => (self.place(object) + object.find('{').map_or(0, |brace| brace + 1), ""),
        };
        let new = Sensitive::new([comma, new.expose()].concat());
        self.edits.push((behind, 0, new));
    }

    /// How long the text is with the changes.
    pub(super) fn len(&self) -> usize {
        let added: usize = self.edits.iter().map(|(_, _, new)| new.expose().len()).sum();
        let taken: usize = self.edits.iter().map(|(_, length, _)| length).sum();
        self.text.len() + added - taken
    }

    /// The text with the changes.
    pub(super) fn into_bytes(self) -> Sensitive<Vec<u8>> {
        // All the room at once: what grows leaves copies behind that nobody wipes.
        let mut bytes = Vec::with_capacity(self.len());
        let mut done = 0;
        for (at, length, new) in &self.edits {
            bytes.extend_from_slice(&self.text.as_bytes()[done..*at]);
            bytes.extend_from_slice(new.expose().as_bytes());
            done = at + length;
        }
        bytes.extend_from_slice(&self.text.as_bytes()[done..]);
        Sensitive::new(bytes)
    }

    /// Where in the text `part` of it begins.
    fn place(&self, part: &str) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }
}
