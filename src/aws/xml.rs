//! Just enough XML for the Query protocol's replies: elements, their text, no attributes.

use std::fmt;

use quick_xml::Reader;
use quick_xml::events::Event;
use zeroize::Zeroize;

/// No AWS reply nests deeper than half of this.
const DEEPEST: usize = 16;

/// An element, its text and the elements in it.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl fmt::Debug for Element {
    /// Without the text: it may be a secret access key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{:?}", self.name, self.children)
    }
}

impl Drop for Element {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

/// Not XML, cut off, or nested too deeply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotXml;

impl Element {
    fn named(name: String) -> Element {
        Element {
            name,
            text: String::new(),
            children: Vec::new(),
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All elements at the end of a path of names; each step takes every child of that name.
    pub(super) fn all<'a>(&'a self, path: &[&str]) -> Vec<&'a Element> {
        path.iter().fold(vec![self], |found, name| {
            found
                .into_iter()
                .flat_map(|e| &e.children)
                .filter(|child| child.name == *name)
                .collect()
        })
    }

    /// The text of a child, without white space around it.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
}

/// The root element of a document.
pub(super) fn parse(document: &[u8]) -> Result<Element, NotXml> {
    let document = std::str::from_utf8(document).map_err(|_| NotXml)?;
    let mut reader = Reader::from_str(document);
    let mut open: Vec<Element> = vec![Element::default()];
    let name = |name: quick_xml::name::QName<'_>| String::from_utf8_lossy(name.local_name().as_ref()).into_owned();
    loop {
        match reader.read_event().map_err(|_| NotXml)? {
            Event::Start(tag) => {
                if open.len() > DEEPEST {
                    return Err(NotXml);
                }
                open.push(Element::named(name(tag.name())));
            }
            Event::Empty(tag) => {
                let parent = open.last_mut().ok_or(NotXml)?;
                parent.children.push(Element::named(name(tag.name())));
            }
            // The reader has already checked that the names match.
            Event::End(_) => {
                let done = open.pop().ok_or(NotXml)?;
                open.last_mut().ok_or(NotXml)?.children.push(done);
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|_| NotXml)?;
                open.last_mut().ok_or(NotXml)?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|_| NotXml)?;
                let text = quick_xml::escape::unescape(&format!("&{name};"))
                    .map_err(|_| NotXml)?
                    .into_owned();
                open.last_mut().ok_or(NotXml)?.text.push_str(&text);
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|_| NotXml)?;
                open.last_mut().ok_or(NotXml)?.text.push_str(&text);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    // What is left must be the document alone, with its one root.
    let (Some(mut document), true) = (open.pop(), open.is_empty()) else {
        return Err(NotXml);
    };
    match document.children.pop() {
        Some(root) if document.children.is_empty() => Ok(root),
        _ => Err(NotXml),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_text_and_entities() {
        let root =
            parse(b"<?xml version='1.0'?><a xmlns='u'> <b><c>1 &lt;&#65;</c></b><b><c>2</c><d/></b></a>").unwrap();
        let texts: Vec<_> = root.all(&["b"]).iter().map(|b| b.text_of("c").unwrap()).collect();
        assert_eq!(texts, ["1 <A", "2"]);
        assert_eq!(root.all(&["b", "d"]).len(), 1);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let deep = "<a>".repeat(40) + &"</a>".repeat(40);
        for bad in [
            "",
            "{}",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a>&nope;</a>",
            "text",
            deep.as_str(),
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(NotXml), "{bad}");
        }
    }
}
