//! What proves that a slot is what it is taken for.

use std::sync::Arc;

use super::StateCode;
use crate::Vm;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::{NIL, TermReader, boxed, cons, is_atom, small};

/// More elements than records of behaviours have.
const RECORD_MAX: u64 = 64;
/// Subtag of a tuple's header, which no release has changed (`erl_term.h`).
const TUPLE: u64 = 0;

/// A process and what its slots are held against.
pub(super) struct Evidence<'e, 'a, M: Memory> {
    pub(super) reader: &'e TermReader<'a, M>,
    pub(super) vm: &'e Vm<M>,
    pub(super) code: &'e StateCode,
    pub(super) process: &'e ProcessBlock<'e>,
    /// The process's registered name.
    pub(super) name: Option<Arc<str>>,
}

impl<M: Memory> Evidence<'_, '_, M> {
    /// The text of an atom.
    pub(super) fn atom(&self, term: u64) -> Option<Arc<str>> {
        is_atom(term).then(|| self.vm.atom(term)).flatten()
    }

    pub(super) fn is_atom(&self, term: u64, text: &str) -> bool {
        self.atom(term).as_deref() == Some(text)
    }

    /// Whether this is whom a behaviour takes for the parent of this process: who has spawned it,
    /// or itself if nobody is linked to it (`gen:init_it/6`).
    fn is_parent(&self, term: u64) -> bool {
        term == self.process.parent() || term == self.process.id()
    }

    /// Whether a behaviour calls this process so: by its registered name, or by its pid where it
    /// has none (`gen:name/1`). Names in other registries are any terms.
    fn is_own_name(&self, term: u64) -> bool {
        let registered = self.name.as_deref();
        term == self.process.id() || registered.is_some_and(|name| self.is_atom(term, name))
    }

    /// Whether two slots are parent and name of this process. An adopted one has another parent,
    /// one of another registry another name: so one of them has to be the process's own, and
    /// the parent a pid.
    pub(super) fn is_family(&self, parent: u64, name: u64) -> bool {
        let is_pid = self.vm.pids.numbers(parent).is_some() || boxed(parent).is_some();
        is_pid && (self.is_parent(parent) || self.is_own_name(name))
    }

    /// A module that is loaded; since OTP 26 it may be in a record with functions of it.
    pub(super) fn module(&self, term: u64) -> Option<Arc<str>> {
        let cached = self.record(term, "callback_cache");
        let name = match cached.as_deref() {
            Some([_, module, ..]) => self.atom(*module)?,
            _ => self.atom(term)?,
        };
        self.code.has_module(&name).then_some(name)
    }

    /// What `sys` keeps for debugging: a list, mostly empty.
    pub(super) fn is_debug(&self, term: u64) -> bool {
        term == NIL || cons(term).is_some()
    }

    /// A time to wait.
    pub(super) fn is_time(&self, term: u64) -> bool {
        small(term).is_some_and(|time| time >= 0) || self.is_atom(term, "infinity")
    }

    /// The elements of a tuple, its first one included.
    pub(super) fn tuple(&self, term: u64) -> Option<Vec<u64>> {
        self.elements(term, RECORD_MAX)
    }

    /// The elements of a tuple that has no more than so many.
    pub(super) fn elements(&self, term: u64, most: u64) -> Option<Vec<u64>> {
        let address = boxed(term)?;
        let header = self.reader.word(address).ok()?;
        let arity = header >> 6;
        let is_tuple = header & 0x3f == TUPLE && (1..=most).contains(&arity);
        let first = address.wrapping_add(8);
        is_tuple.then(|| self.reader.words(first, arity as usize).ok())?
    }

    /// The elements of a record, its name included.
    pub(super) fn record(&self, term: u64, name: &str) -> Option<Vec<u64>> {
        let elements = self.tuple(term)?;
        let first = elements.first()?;
        self.is_atom(*first, name).then_some(elements)
    }

    /// The elements of a list that has no more than so many, and ends as it should.
    pub(super) fn list(&self, term: u64, most: usize) -> Option<Vec<u64>> {
        let mut items = Vec::new();
        let mut term = term;
        while let Some(address) = cons(term) {
            if items.len() == most {
                return None;
            }
            let (head, tail) = self.reader.cell(address).ok()?;
            items.push(head);
            term = tail;
        }
        (term == NIL).then_some(items)
    }
}
