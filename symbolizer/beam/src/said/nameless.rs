//! Records whose fields have no names here: what of them is a secret nobody can tell.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Redaction;
use super::mask::is_text;
use crate::term::{Elements, Fun, Term};

/// Names that are told of one term.
const NAMES_MAX: usize = 16;
/// A tuple within a term that has a tag and one element more is a pair, whose tag names it.
const RECORD_MIN: usize = 3;

impl Redaction {
    /// The names of tuples that look like records whose fields have no names here, and of which no rule says
    /// anything: of the term itself, and of those within it that have a text in them.
    #[must_use]
    pub fn nameless(&self, term: &Term) -> Vec<String> {
        let mut names = BTreeSet::new();
        let mut left = vec![term];
        while let Some(inner) = left.pop() {
            if names.len() >= NAMES_MAX {
                break;
            }
            if let Term::Tuple(elements) = inner {
                let is_whole = std::ptr::eq(inner, term);
                names.extend(self.nameless_tuple(elements, is_whole));
            }
            left.extend(children(inner));
        }
        names.into_iter().collect()
    }

    fn nameless_tuple(&self, elements: &Elements, is_whole: bool) -> Option<String> {
        let (Term::Atom(tag), fields) = elements.items.split_first()? else {
            return None;
        };
        let size = elements.items.len().saturating_add(elements.missing);
        let is_open = match is_whole {
            true => fields.iter().any(|field| !matches!(field, Term::Masked)),
            false => size >= RECORD_MIN && fields.iter().any(is_text),
        };
        let has_rule = self.fields.iter().any(|rule| rule.is_of(tag, size));
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        (is_open && !has_rule && records.secrets(tag, size).is_none()).then(|| tag.to_string())
    }
}

/// The terms within a term.
fn children(term: &Term) -> Vec<&Term> {
    match term {
        Term::Tuple(elements) => elements.items.iter().collect(),
        Term::List(list) => list.items.iter().chain(list.tail.as_deref()).collect(),
        Term::Map(map) => {
            let pairs = map.pairs.iter();
            pairs.flat_map(|(key, value)| [key, value]).collect()
        }
        // Its fields have names.
        Term::Record(record) => record.fields.iter().map(|(_, value)| value).collect(),
        Term::Fun(Fun::Local(fun)) => fun.environment.items.iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule_tests::{atom, binary, chars, list, map, tuple};
    use super::{NAMES_MAX, Redaction};
    use crate::term::Term;

    fn names(term: &Term) -> Vec<String> {
        Redaction::default().nameless(term)
    }

    #[test]
    fn a_record_within_a_state_is_told_if_it_has_a_text() {
        let conn = |password| tuple(vec![atom("conn"), Term::Integer(5432), password]);
        let state = |conn| map(atom("conn"), list(vec![Term::Integer(1), conn]));
        assert_eq!(names(&state(conn(chars("hunter2")))), ["conn"]);
        assert_eq!(names(&state(conn(binary("hunter2")))), ["conn"]);
        assert!(names(&state(conn(Term::Masked))).is_empty());
        assert!(names(&state(conn(atom("none")))).is_empty());
        // What stands in a pair has a name, its tag.
        assert!(names(&state(tuple(vec![atom("host"), chars("db-1")]))).is_empty());
        // A state that is one is told whatever it has.
        assert_eq!(names(&conn(Term::Integer(1))), ["conn"]);
    }

    #[test]
    fn no_more_are_told_than_people_read() {
        let many = (0..100).map(|n| tuple(vec![atom(&format!("r{n}")), chars("a"), chars("b")]));
        assert_eq!(names(&list(many.collect())).len(), NAMES_MAX);
    }
}
