//! What of a message, a state or an argument must not be told.
//!
//! Values that go by the name of a secret: a name is a key of a map, the field of a record, the first
//! element of a pair, or any text or atom that stands before something in a tuple or list. What is masked
//! rather too much is visible as such; what is masked too little is on a disk. So a name need only contain
//! one of those that are looked for, in any case and with any signs between its letters; a text with more
//! than a name in it, as of a header or a query, is masked whole; and where a name was not copied,
//! nothing is told of what it names.
//!
//! The values that a fun holds have no names, and all of them are masked.
//! A record that is a tuple has no names of its fields in it. They are known where the file of the module
//! has debug information ([`Redaction::learn`]), or where its user says which element is a secret.

use std::sync::{Arc, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

use super::mask::Masker;
use super::records::Records;
use super::rules::{BadPattern, FieldRule, Rules};
use crate::BeamError;
use crate::code::{CodeMap, read_module};
use crate::memory::Memory;
use crate::term::{Elements, Term};
use crate::vm::Vm;

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
/// Room for the program of a pattern, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// What must not be told.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    names: Vec<Regex>,
    values: Vec<Regex>,
    pub(super) fields: Vec<FieldRule>,
    modules: Vec<String>,
    /// Shared by all that were made of one: what one has learned the others know.
    pub(super) records: Arc<Mutex<Records>>,
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
        let names = patterns.iter().map(|name| name.as_ref().to_owned());
        Redaction::of(&Rules {
            names: names.collect(),
            ..Rules::default()
        })
    }

    /// The same by all rules that there are.
    ///
    /// # Errors
    /// When a pattern is no regular expression, or is too large.
    pub fn of(rules: &Rules) -> Result<Redaction, BadPattern> {
        let compile = |patterns: &[String], any_case: bool| {
            let patterns = patterns.iter();
            patterns
                .map(|pattern| compiled(pattern, any_case))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Redaction {
            names: compile(&rules.names, true)?,
            values: compile(&rules.values, false)?,
            fields: rules.fields.clone(),
            modules: rules.modules.clone(),
            records: Arc::default(),
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
            || self.names.iter().any(|pattern| pattern.is_match(text))
    }

    /// Whether there are words that must not be told, whatever their names.
    #[must_use]
    pub fn hides_words(&self) -> bool {
        !self.values.is_empty()
    }

    /// Whether a word, as an atom, must not be told, whatever its name.
    #[must_use]
    pub fn hides_word(&self, text: &str) -> bool {
        self.is_value(text, false)
    }

    /// The same of any text. Of one that is cut nobody knows.
    pub(super) fn is_value(&self, text: &str, is_cut: bool) -> bool {
        !self.values.is_empty()
            && (is_cut || self.values.iter().any(|pattern| pattern.is_match(text)))
    }

    /// Whether there are modules of which nothing but shapes is told.
    #[must_use]
    pub fn hides_modules(&self) -> bool {
        !self.modules.is_empty()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn hides(&self, module: &str) -> bool {
        self.modules.iter().any(|hidden| hidden == module)
    }

    /// Those of them that a VM has not loaded.
    ///
    /// # Errors
    /// When its list of code cannot be read.
    pub fn absent_modules<M: Memory>(&self, vm: &Vm<M>) -> Result<Vec<&str>, BeamError> {
        let mut code = CodeMap::new();
        if self.hides_modules() {
            vm.list_code(&mut code)?;
            code.read_all(|blob, bytes| read_module(&vm.memory, blob, bytes));
        }
        let is_absent = |name: &&str| !code.modules().any(|module| *module.name == **name);
        let names = self.modules.iter().map(String::as_str);
        Ok(names.filter(is_absent).collect())
    }

    /// Whether it may be one of them: of one that is not known nobody knows.
    #[must_use]
    pub fn may_hide(&self, module: Option<&str>) -> bool {
        self.hides_modules() && module.is_none_or(|module| self.hides(module))
    }

    /// Reads, once for each module, what the fields of its records are called, out of the file that a VM
    /// has loaded it from. What that does not say stays unknown.
    pub fn learn<M: Memory>(&self, vm: &Vm<M>, module: &str) {
        self.learn_from(module, || vm.files.read(module));
    }

    /// The same, given how its file is read.
    pub(crate) fn learn_from(&self, module: &str, read: impl FnOnce() -> Option<Vec<u8>>) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.has_tried(module) {
            return;
        }
        if let Some(file) = read() {
            records.add(&file, |field| self.names_secret(field));
        }
    }

    /// The places of secrets in a tuple, from 0.
    pub(super) fn secret_fields(&self, elements: &Elements) -> Vec<usize> {
        let Some(Term::Atom(tag)) = elements.items.first() else {
            return Vec::new();
        };
        self.fields_of(tag, elements.items.len().saturating_add(elements.missing))
    }

    fn fields_of(&self, tag: &str, size: usize) -> Vec<usize> {
        let given = self.fields.iter().filter_map(|rule| rule.place(tag, size));
        let mut places: Vec<usize> = given.collect();
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        places.extend_from_slice(records.secrets(tag, size).unwrap_or_default());
        places
    }

    /// Whether an element of a tuple, from 0, is a secret by the tuple's name and its size.
    #[must_use]
    pub fn is_secret_field(&self, (tag, size): (&str, usize), place: usize) -> bool {
        self.fields_of(tag, size).contains(&place)
    }

    /// Masks what must not be told, and counts it.
    pub fn mask(&self, term: &mut Term) -> u32 {
        let mut masker = Masker::new(self);
        masker.term(term);
        masker.masked
    }

    /// Masks all that a term tells but its kind and its size, and counts that.
    pub fn outline(&self, term: &mut Term) -> u32 {
        let mut masker = Masker::new(self);
        masker.outline(term);
        masker.masked
    }

    /// The same of what these modules have: by the name of its secrets, or all of it.
    pub fn mask_of<'m>(&self, modules: impl IntoIterator<Item = &'m str>, term: &mut Term) -> u32 {
        match modules.into_iter().any(|module| self.hides(module)) {
            true => self.outline(term),
            false => self.mask(term),
        }
    }

    /// The same of the arguments of a function of a module. What stands behind the name of a secret goes by
    /// it, as in a tuple; and all do that go to a function with such a name.
    pub fn mask_arguments(
        &self,
        (module, function): (&str, &str),
        arguments: &mut Vec<Term>,
    ) -> u32 {
        if self.hides(module) {
            let masked = arguments.iter_mut().map(|argument| self.outline(argument));
            return masked.fold(0, u32::saturating_add);
        }
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

fn compiled(pattern: &str, any_case: bool) -> Result<Regex, BadPattern> {
    let mut builder = RegexBuilder::new(pattern);
    let built = builder
        .case_insensitive(any_case)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build();
    built.map_err(|why| BadPattern {
        pattern: pattern.to_owned(),
        why: match why {
            regex::Error::Syntax(_) => "its syntax is wrong".to_owned(),
            other => other.to_string(),
        },
    })
}
