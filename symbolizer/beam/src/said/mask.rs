//! Walks a term and masks what must not be told of it.

use std::borrow::Cow;

use super::Redaction;
use crate::term::{Bits, Elements, Fun, List, Map, Term};

/// A longer text is more than a name.
const NAME_MAX: usize = 40;
/// How deep a key is looked into that is no text itself.
const KEY_DEPTH: usize = 3;

/// What a term is to what stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Nothing.
    None,
    /// It was not copied: it may be any.
    Unseen,
    /// The name of a secret.
    Secret,
}

/// Masks, and counts what it has masked.
pub(super) struct Masker<'r> {
    redaction: &'r Redaction,
    pub(super) masked: u32,
}

impl<'r> Masker<'r> {
    pub(super) fn new(redaction: &'r Redaction) -> Masker<'r> {
        Masker {
            redaction,
            masked: 0,
        }
    }

    pub(super) fn hide(&mut self, term: &mut Term) {
        if *term != Term::Masked {
            *term = Term::Masked;
            self.masked = self.masked.saturating_add(1);
        }
    }

    /// Leaves the kind and the size of what has elements, and nothing else.
    pub(super) fn outline(&mut self, term: &mut Term) {
        match term {
            Term::Tuple(elements) if !elements.items.is_empty() => {
                elements.items.iter_mut().for_each(|item| self.hide(item));
            }
            Term::List(list) if !list.items.is_empty() => {
                let tail = list.tail.as_deref_mut().filter(|tail| **tail != Term::Cut);
                let all = list.items.iter_mut().chain(tail);
                all.for_each(|item| self.hide(item));
            }
            Term::Map(map) if !map.pairs.is_empty() => {
                for (key, value) in &mut map.pairs {
                    self.hide(value);
                    *key = Term::Masked;
                }
            }
            Term::Record(record) => {
                for (_, value) in &mut record.fields {
                    self.hide(value);
                }
            }
            Term::Cut => {}
            other => self.hide(other),
        }
    }

    pub(super) fn term(&mut self, term: &mut Term) {
        if let Some(text) = text(term) {
            let is_more = !matches!(term, Term::Atom(_)) && !is_name(&text);
            let is_named = is_more && (self.redaction.names_secret(&text) || is_secret(&text));
            if is_named || self.redaction.is_value(&text, is_cut(term)) {
                self.hide(term);
            }
            return;
        }
        match term {
            Term::Tuple(elements) => self.tuple(elements),
            Term::List(list) => self.list(list),
            Term::Map(map) => self.map(map),
            Term::Record(record) => {
                for (name, value) in &mut record.fields {
                    match self.redaction.names_secret(name) {
                        true => self.hide(value),
                        false => self.term(value),
                    }
                }
            }
            // What a fun holds has no names, and a secret is often held so on purpose. Text tells
            // none of it, so it does not count.
            Term::Fun(Fun::Local(fun)) => fun.environment.items.fill(Term::Masked),
            _ => {}
        }
    }

    /// All that stands behind a name in a tuple goes by it; and what its fields are called may be known.
    fn tuple(&mut self, elements: &mut Elements) {
        for field in self.redaction.secret_fields(elements) {
            if let Some(item) = elements.items.get_mut(field) {
                self.hide(item);
            }
        }
        let is_pair = elements.items.len() + elements.missing == 2;
        let mut before = Key::None;
        for item in &mut elements.items {
            let key = self.key(item, if is_pair { KEY_DEPTH } else { 0 });
            match before {
                Key::Secret => {
                    self.hide(item);
                    continue;
                }
                Key::Unseen if is_pair || is_text(item) => self.hide(item),
                Key::Unseen | Key::None => self.term(item),
            }
            before = key;
        }
    }

    /// All that stands behind a name in a list goes by it: it may be one text in pieces, or in
    /// characters.
    fn list(&mut self, list: &mut List) {
        let mut before = Key::None;
        for item in list.items.iter_mut().chain(list.tail.as_deref_mut()) {
            if before == Key::Secret {
                self.hide(item);
                continue;
            }
            let key = self.key(item, 0);
            match before == Key::Unseen && is_text(item) {
                true => self.hide(item),
                false => self.term(item),
            }
            before = key;
        }
    }

    fn map(&mut self, map: &mut Map) {
        for (key, value) in &mut map.pairs {
            match self.key(key, KEY_DEPTH) {
                Key::None => self.term(value),
                Key::Unseen | Key::Secret => self.hide(value),
            }
            self.term(key);
        }
    }

    /// What a term is to what it names. One that is no text is looked into so deep.
    fn key(&self, term: &Term, depth: usize) -> Key {
        if let Some(text) = text(term) {
            return match self.redaction.names_secret(&text) {
                true => Key::Secret,
                false if is_cut(term) => Key::Unseen,
                false => Key::None,
            };
        }
        let Some(depth) = depth.checked_sub(1) else {
            return match term {
                Term::Cut => Key::Unseen,
                _ => Key::None,
            };
        };
        let mut held = Key::None;
        let parts: &[Term] = match term {
            Term::Cut => return Key::Unseen,
            Term::Tuple(elements) => &elements.items,
            Term::List(list) => &list.items,
            _ => return held,
        };
        for part in parts {
            match self.key(part, depth) {
                Key::Secret => return Key::Secret,
                Key::Unseen => held = Key::Unseen,
                Key::None => {}
            }
        }
        held
    }
}

/// The text that an atom, a binary or a list of characters is, as far as it was copied.
fn text(term: &Term) -> Option<Cow<'_, str>> {
    match term {
        Term::Atom(name) => Some(Cow::Borrowed(name)),
        Term::Bits(Bits { bytes, .. }) => Some(String::from_utf8_lossy(bytes)),
        Term::List(list) if !list.items.is_empty() => {
            let is_open = list.tail.as_deref().is_none_or(|tail| *tail == Term::Cut);
            let char_of = |item: &Term| match item {
                Term::Integer(value) => char::from_u32(u32::try_from(*value).ok()?),
                _ => None,
            };
            let text: Option<String> = list.items.iter().map(char_of).collect();
            text.filter(|_| is_open).map(Cow::Owned)
        }
        _ => None,
    }
}

/// Whether a term is a text and no atom.
pub(super) fn is_text(term: &Term) -> bool {
    !matches!(term, Term::Atom(_)) && text(term).is_some()
}

/// Whether there is more of a text than was copied.
fn is_cut(term: &Term) -> bool {
    match term {
        Term::Bits(bits) => !bits.is_whole(),
        Term::List(list) => list.tail.is_some(),
        _ => false,
    }
}

/// Whether a text shows by itself that it has a secret in it: a URL with a user's password (RFC
/// 3986, 3.2.1), as far as it was copied, or a token with a signature (RFC 7519: `{"` in Base64).
fn is_secret(text: &str) -> bool {
    let authorities = text.split("://").skip(1);
    let has_password = authorities.into_iter().any(|rest| {
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#');
        let authority = rest.split(ends).next().unwrap_or_default();
        let last = authority.rsplit_once(':').map_or("", |(_, last)| last);
        // A colon is before a port or in an address of IPv6.
        authority.contains('@')
            || !authority.starts_with('[') && last.chars().any(|c| !c.is_ascii_digit())
    });
    has_password || text.split(|c: char| !c.is_ascii_graphic()).any(is_token)
}

fn is_token(word: &str) -> bool {
    let start = word.find("eyJ").and_then(|at| word.get(at..));
    start.is_some_and(|token| token.contains('.') || token.len() > NAME_MAX)
}

/// Whether a text is a name and no more.
fn is_name(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-');
    text.len() <= NAME_MAX && text.chars().all(is_of_name)
}
