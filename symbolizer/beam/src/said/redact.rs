//! What of a message must not be told: values that go by the name of a secret.
//!
//! A name is a key of a map, the field of a native record, the first element of a pair, or any
//! text or atom that stands before something in a tuple or list. What is masked rather too much is
//! visible as such; what is masked too little is on a disk. So a name need only contain one of
//! those that are looked for, in any case and with any signs between its letters; a text with more
//! than a name in it, as of a header or a query, is masked whole; and where a name was not copied,
//! nothing is told of what it names.
//!
//! The values that a fun holds have no names, and all of them are masked.
//! Fields of a record that is a tuple have no names in it: those cannot be told from others.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use crate::term::{Bits, Elements, Fun, List, Map, Term};

/// Names of secrets: small letters, without signs.
const NAMES: [&str; 15] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "credential",
    "bearer",
    "jwt",
    "sessionid",
    "accesskey",
    "token",
    "secret",
    "authorization",
    "cookie",
    "apikey",
    "privatekey",
];
/// A longer text is more than a name.
const NAME_MAX: usize = 40;
/// Room for the program of a pattern, in bytes.
const PATTERN_BYTES: usize = 1 << 20;
/// How deep a key is looked into that is no text itself.
const KEY_DEPTH: usize = 3;

/// Which names are of secrets.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    patterns: Vec<Regex>,
}

/// A pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no regular expression: {why}")]
pub struct BadPattern {
    pattern: String,
    why: String,
}

impl Redaction {
    /// The names that are always of secrets (`password`, `passwd`, `pwd`, `passphrase`,
    /// `credential`, `bearer`, `jwt`, `session_id`, `access_key`, `token`, `secret`,
    /// `authorization`, `cookie`, `api_key`, `private_key`), and those in which one of these regular
    /// expressions matches, in any case of letters.
    ///
    /// # Errors
    /// When one is none, or is too large.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Redaction, BadPattern> {
        let compiled = patterns.iter().map(|pattern| {
            let mut builder = RegexBuilder::new(pattern.as_ref());
            let built = builder
                .case_insensitive(true)
                .size_limit(PATTERN_BYTES)
                .dfa_size_limit(PATTERN_BYTES)
                .build();
            built.map_err(|why| BadPattern {
                pattern: pattern.as_ref().to_owned(),
                why: match why {
                    regex::Error::Syntax(_) => "its syntax is wrong".to_owned(),
                    other => other.to_string(),
                },
            })
        });
        Ok(Redaction {
            patterns: compiled.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a text names a secret, or has such a name in it.
    #[must_use]
    pub fn names_secret(&self, text: &str) -> bool {
        let letters: String = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        NAMES.iter().any(|name| letters.contains(name))
            || self.patterns.iter().any(|pattern| pattern.is_match(text))
    }

    /// Masks what must not be told, and counts it.
    pub fn mask(&self, term: &mut Term) -> u32 {
        let mut masker = Masker {
            redaction: self,
            masked: 0,
        };
        masker.term(term);
        masker.masked
    }

    /// The same of the arguments of a function. What stands behind the name of a secret goes by it, as in a
    /// tuple; and all do that go to a function with such a name.
    pub fn mask_arguments(&self, function: &str, arguments: &mut Vec<Term>) -> u32 {
        if self.names_secret(function) {
            arguments.fill(Term::Masked);
            return arguments.len() as u32;
        }
        let items = std::mem::take(arguments);
        let mut tuple = Term::Tuple(Elements { items, missing: 0 });
        let masked = self.mask(&mut tuple);
        if let Term::Tuple(elements) = tuple {
            *arguments = elements.items;
        }
        masked
    }
}

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

struct Masker<'r> {
    redaction: &'r Redaction,
    masked: u32,
}

impl Masker<'_> {
    fn hide(&mut self, term: &mut Term) {
        if *term != Term::Masked {
            *term = Term::Masked;
            self.masked = self.masked.saturating_add(1);
        }
    }

    fn term(&mut self, term: &mut Term) {
        if let Some(text) = text(term) {
            let is_more = !matches!(term, Term::Atom(_)) && !is_name(&text);
            if is_more && (self.redaction.names_secret(&text) || is_secret(&text)) {
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

    /// All that stands behind a name in a tuple goes by it.
    fn tuple(&mut self, elements: &mut Elements) {
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
fn is_text(term: &Term) -> bool {
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
