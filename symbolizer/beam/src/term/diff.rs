//! What differs between two terms, by places: what a state was and what it is now.
//!
//! Tuples of one size, maps, lists, environments of one fun and native records of one definition are
//! looked into; everything else differs as a whole. Of lists, what they have in common at both ends
//! is left aside, so that one that has grown at its head has items added, and not all of them
//! changed. What was not read on either side is never told as a difference: [`Difference::whole`]
//! says whether there was such. Work is bounded by the depth of the trees times their size.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::text::atom_text;
use super::{BigInteger, Bits, Elements, Fun, List, LocalFun, Map, Record, Term};

/// A step from a term to one within it. Places are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'t> {
    /// An element of a tuple.
    Element(usize),
    /// An item of a list.
    Item(usize),
    /// What an improper list ends in.
    Tail,
    /// The value of a key of a map.
    Key(&'t Term),
    /// The value of a field of a native record.
    Field(&'t Arc<str>),
    /// The value of a free variable of a fun.
    Variable(usize),
}

/// What happened at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'t> {
    /// It is new. Its place in a list is that in the new one.
    Added(&'t Term),
    /// It is gone. Its place in a list is that in the old one, as of what was replaced.
    Removed(&'t Term),
    /// It was this and is that.
    Replaced(&'t Term, &'t Term),
}

/// A difference at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'t> {
    /// The way from the whole term.
    pub path: Vec<Step<'t>>,
    /// What happened.
    pub what: What<'t>,
}

/// What differs between two terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<'t> {
    /// In the order of the old term; what is new in a map comes last.
    pub changes: Vec<Change<'t>>,
    /// There are more than were wanted.
    pub more: bool,
    /// Both terms were read as a whole: nothing else differs.
    pub whole: bool,
}

impl Term {
    /// What differs between this term and a newer one, up to so many changes.
    #[must_use]
    pub fn diff<'t>(&'t self, new: &'t Term, limit: usize) -> Difference<'t> {
        let mut search = Search {
            path: Vec::new(),
            limit,
            found: Difference {
                changes: Vec::new(),
                more: false,
                whole: self.is_whole() && new.is_whole(),
            },
        };
        search.terms(self, new);
        search.found
    }

    /// Whether all of it was read and may be told.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let whole = |elements: &Elements| {
            elements.missing == 0 && elements.items.iter().all(Term::is_whole)
        };
        match self {
            Term::Cut | Term::Masked => false,
            Term::BigInteger(big) => big.digits.len() >= big.length,
            Term::Bits(bits) => bits.is_whole(),
            Term::Tuple(elements) => whole(elements),
            Term::List(List { items, tail }) => {
                items.iter().all(Term::is_whole) && tail.as_deref().is_none_or(Term::is_whole)
            }
            Term::Map(map) => {
                let pair = |(key, value): &(Term, Term)| key.is_whole() && value.is_whole();
                map.missing == 0 && map.pairs.iter().all(pair)
            }
            Term::Record(record) => {
                record.missing == 0 && record.fields.iter().all(|(_, value)| value.is_whole())
            }
            Term::Fun(Fun::Local(fun)) => whole(&fun.environment),
            _ => true,
        }
    }
}

impl Difference<'_> {
    /// One line for each change, such as `~ {2}#{count}: 1 -> 2`: `+` is new, `-` is gone. Terms
    /// have at most `limit` characters, by `show`.
    #[must_use]
    pub fn text(&self, limit: usize, show: fn(&Term, usize) -> String) -> String {
        let mut out = String::new();
        for change in &self.changes {
            let path = Path(&change.path, limit, show);
            // Writing to a string cannot fail.
            let _ = match change.what {
                What::Added(new) => writeln!(out, "+ {path}: {}", show(new, limit)),
                What::Removed(old) => writeln!(out, "- {path}: {}", show(old, limit)),
                What::Replaced(old, new) => {
                    let (old, new) = (show(old, limit), show(new, limit));
                    writeln!(out, "~ {path}: {old} -> {new}")
                }
            };
        }
        if self.more {
            out.push_str("... there are more changes\n");
        }
        if !self.whole {
            out.push_str("? parts were not read: they may differ too\n");
        }
        out
    }
}

struct Path<'p>(&'p [Step<'p>], usize, fn(&Term, usize) -> String);

impl Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Path(steps, limit, show) = self;
        if steps.is_empty() {
            return out.write_char('.');
        }
        for step in *steps {
            match step {
                Step::Element(place) => write!(out, "{{{place}}}")?,
                Step::Item(place) => write!(out, "[{place}]")?,
                Step::Tail => out.write_char('|')?,
                Step::Key(key) => write!(out, "#{{{}}}", show(key, *limit))?,
                Step::Field(name) => write!(out, "#{}", atom_text(name))?,
                Step::Variable(place) => write!(out, "fun({place})")?,
            }
        }
        Ok(())
    }
}

struct Search<'t> {
    path: Vec<Step<'t>>,
    limit: usize,
    found: Difference<'t>,
}

impl<'t> Search<'t> {
    fn tell(&mut self, what: What<'t>) {
        if self.found.changes.len() >= self.limit {
            self.found.more = true;
            return;
        }
        let path = self.path.clone();
        self.found.changes.push(Change { path, what });
    }

    fn tell_at(&mut self, step: Step<'t>, what: What<'t>) {
        self.path.push(step);
        self.tell(what);
        self.path.pop();
    }

    fn terms_at(&mut self, step: Step<'t>, old: &'t Term, new: &'t Term) {
        self.path.push(step);
        self.terms(old, new);
        self.path.pop();
    }

    fn terms(&mut self, old: &'t Term, new: &'t Term) {
        if self.found.more || is_unknown(old) || is_unknown(new) || old == new {
            return;
        }
        match (old, new) {
            (Term::Tuple(a), Term::Tuple(b)) if size(a) == size(b) => {
                self.elements(a, b, Step::Element);
            }
            (Term::List(a), Term::List(b)) => self.lists(old, new, (a, b)),
            (Term::Map(a), Term::Map(b)) => self.maps(a, b),
            (Term::Record(a), Term::Record(b)) if is_same_definition(a, b) => {
                for ((name, a), (_, b)) in a.fields.iter().zip(&b.fields) {
                    self.terms_at(Step::Field(name), a, b);
                }
            }
            (Term::Fun(Fun::Local(a)), Term::Fun(Fun::Local(b))) if is_same_fun(a, b) => {
                self.elements(&a.environment, &b.environment, Step::Variable);
            }
            (Term::Bits(a), Term::Bits(b)) if may_be_same_bits(a, b) => {}
            (Term::BigInteger(a), Term::BigInteger(b)) if may_be_same_integer(a, b) => {}
            _ => self.tell(What::Replaced(old, new)),
        }
    }

    fn elements(&mut self, old: &'t Elements, new: &'t Elements, step: fn(usize) -> Step<'t>) {
        for (index, (old, new)) in old.items.iter().zip(&new.items).enumerate() {
            self.terms_at(step(index + 1), old, new);
        }
    }

    fn lists(&mut self, old_term: &'t Term, new_term: &'t Term, lists: (&'t List, &'t List)) {
        let (old, new) = lists;
        if old.items.is_empty() || new.items.is_empty() {
            // Of the empty list there is nothing to look into.
            return self.tell(What::Replaced(old_term, new_term));
        }
        let (a, b) = (&old.items[..], &new.items[..]);
        let same = |(a, b): &(&Term, &Term)| a == b;
        let head = a.iter().zip(b).take_while(same).count();
        let (a, b) = (&a[head..], &b[head..]);
        let is_open = |list: &List| list.tail.as_deref().is_some_and(is_unknown);
        if is_open(old) || is_open(new) {
            // Where one of them ends is not known.
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                self.terms_at(Step::Item(head + index + 1), a, b);
            }
            return;
        }
        let tail = a.iter().rev().zip(b.iter().rev()).take_while(same).count();
        let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
        let both = a.len().min(b.len());
        for (index, (a, b)) in a.iter().zip(b).enumerate() {
            self.terms_at(Step::Item(head + index + 1), a, b);
        }
        for (index, gone) in a.iter().enumerate().skip(both) {
            self.tell_at(Step::Item(head + index + 1), What::Removed(gone));
        }
        for (index, came) in b.iter().enumerate().skip(both) {
            self.tell_at(Step::Item(head + index + 1), What::Added(came));
        }
        match (old.tail.as_deref(), new.tail.as_deref()) {
            (Some(old), Some(new)) => self.terms_at(Step::Tail, old, new),
            (Some(old), None) => self.tell_at(Step::Tail, What::Removed(old)),
            (None, Some(new)) => self.tell_at(Step::Tail, What::Added(new)),
            (None, None) => {}
        }
    }

    fn maps(&mut self, old: &'t Map, new: &'t Map) {
        let index = |map: &'t Map| -> FxHashMap<&'t Term, &'t Term> {
            let known = map.pairs.iter().filter(|(key, _)| key.is_whole());
            known.map(|(key, value)| (key, value)).collect()
        };
        let (in_old, in_new) = (index(old), index(new));
        // A key that was not read as a whole may be any that the other one lacks.
        let is_all = |map: &Map, known: usize| map.missing == 0 && known == map.pairs.len();
        let old_is_all = is_all(old, in_old.len());
        let new_is_all = is_all(new, in_new.len());
        for (key, value) in old.pairs.iter().filter(|(key, _)| key.is_whole()) {
            match in_new.get(key) {
                Some(new) => self.terms_at(Step::Key(key), value, new),
                None if new_is_all => self.tell_at(Step::Key(key), What::Removed(value)),
                None => {}
            }
        }
        for (key, value) in new.pairs.iter().filter(|(key, _)| key.is_whole()) {
            if old_is_all && !in_old.contains_key(key) {
                self.tell_at(Step::Key(key), What::Added(value));
            }
        }
    }
}

fn is_unknown(term: &Term) -> bool {
    matches!(term, Term::Cut | Term::Masked)
}

fn size(elements: &Elements) -> usize {
    elements.items.len().saturating_add(elements.missing)
}

fn is_same_definition(a: &Record, b: &Record) -> bool {
    let size = |record: &Record| record.fields.len().saturating_add(record.missing);
    let mut names = a.fields.iter().zip(&b.fields);
    (&a.module, &a.name, size(a)) == (&b.module, &b.name, size(b))
        && names.all(|((a, _), (b, _))| a == b)
}

fn is_same_fun(a: &LocalFun, b: &LocalFun) -> bool {
    let known = |fun: &LocalFun| (fun.index, fun.uniq, fun.old_index, fun.old_uniq, fun.arity);
    a.module == b.module
        && known(a) == known(b)
        && a.creator == b.creator
        && size(&a.environment) == size(&b.environment)
}

/// Whether two that differ, as far as they were read, do so only because one was cut.
fn may_be_same_bits(a: &Bits, b: &Bits) -> bool {
    let common = a.bytes.len().min(b.bytes.len());
    a.bits == b.bits && !(a.is_whole() && b.is_whole()) && a.bytes[..common] == b.bytes[..common]
}

fn may_be_same_integer(a: &BigInteger, b: &BigInteger) -> bool {
    let is_cut = |big: &BigInteger| big.digits.len() < big.length;
    (a.negative, a.length) == (b.negative, b.length) && (is_cut(a) || is_cut(b))
}

#[cfg(test)]
mod tests;
