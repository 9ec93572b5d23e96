//! The shape of a term: its structure, without what is in it.
//!
//! Atoms show where they are tags: alone, and as the first element of a tuple. Everything else
//! is its type, with its size. No binary, number or string is read from the target for it.

use std::fmt::Write;

use super::decode::{ARITY_MAX, arity, fun_head, subtag};
use super::reader::TermReader;
use super::text::atom_text;
use super::{NIL, TermError, boxed, cons, is_atom, small};
use crate::memory::Memory;

/// Tuples within each other that are shown.
const DEPTH: usize = 4;
/// Elements of a tuple that are shown.
const ELEMENTS_MAX: usize = 12;
/// Elements of a list that are counted.
const LENGTH_MAX: usize = 100_000;
/// Terms that are looked at, and elements of lists that are counted, altogether: a tuple may
/// hold the same list at each of its places.
const STEPS_MAX: usize = LENGTH_MAX + 20_000;

impl<M: Memory> TermReader<'_, M> {
    /// The shape of a term, such as `{'$gen_call',{pid,[alias|reference]},{get,binary(16)}}`.
    ///
    /// # Errors
    /// When something that has to be looked at is no term, or cannot be read.
    pub fn shape(&self, term: u64) -> Result<String, TermError> {
        let mut out = String::new();
        if is_atom(term) {
            out.push_str(&atom_text(&self.atom(term)?));
        } else {
            let mut shaper = Shaper {
                reader: self,
                steps: STEPS_MAX,
                out,
            };
            shaper.term(term, DEPTH)?;
            out = shaper.out;
        }
        Ok(out)
    }
}

struct Shaper<'r, 'a, M: Memory> {
    reader: &'r TermReader<'a, M>,
    /// How many more may be taken.
    steps: usize,
    out: String,
}

impl<M: Memory> Shaper<'_, '_, M> {
    /// Whether one more step may be taken.
    fn take(&mut self) -> bool {
        let left = self.steps.checked_sub(1);
        self.steps = left.unwrap_or(0);
        left.is_some()
    }

    fn term(&mut self, term: u64, depth: usize) -> Result<(), TermError> {
        if !self.take() {
            self.out.push_str("...");
            return Ok(());
        }
        let word = match () {
            () if term == NIL => "list(0)",
            () if is_atom(term) => "atom",
            () if small(term).is_some() => "integer",
            () if term & 0xf == 3 => "pid",
            () if term & 0xf == 7 => "port",
            () if cons(term).is_some() => return self.list(term),
            () => {
                let address = boxed(term).ok_or(TermError::Changed { address: term })?;
                return self.boxed(address, depth);
            }
        };
        self.out.push_str(word);
        Ok(())
    }

    fn boxed(&mut self, address: u64, depth: usize) -> Result<(), TermError> {
        let header = self.reader.word(address)?;
        if header & 3 != 0 {
            return Err(TermError::Changed { address });
        }
        let layout = &self.reader.vm.layout.term;
        let tag = subtag(header);
        let record = layout.record.as_ref().map(|record| record.subtag);
        match tag {
            _ if tag == layout.tuple => {
                return self.tuple(address, arity(header), depth);
            }
            _ if tag == layout.map => {
                let size = self.reader.word(address.wrapping_add(8))?;
                let _ = write!(self.out, "map({size})");
            }
            _ if tag == layout.positive || tag == layout.negative => self.out.push_str("integer"),
            _ if tag == layout.float => self.out.push_str("float"),
            _ if tag == layout.fun => {
                let head = fun_head(self.reader, &self.reader.vm.layout.fun, address, header)?;
                let _ = write!(self.out, "fun({})", head.arity);
            }
            _ if tag == layout.reference || tag == layout.external_reference => {
                self.out.push_str("reference");
            }
            _ if tag == layout.external_pid => self.out.push_str("pid"),
            _ if tag == layout.external_port => self.out.push_str("port"),
            _ if Some(tag) == record => {
                let _ = write!(self.out, "record({})", arity(header).saturating_sub(1));
            }
            _ => {
                let bits = self.reader.bits_at(address, header)?.bits;
                let _ = match bits % 8 {
                    0 => write!(self.out, "binary({})", bits / 8),
                    _ => write!(self.out, "bitstring({bits})"),
                };
            }
        }
        Ok(())
    }

    fn tuple(&mut self, address: u64, arity: u64, depth: usize) -> Result<(), TermError> {
        if arity > ARITY_MAX {
            return Err(TermError::Changed { address });
        }
        if depth == 0 {
            let _ = write!(self.out, "tuple({arity})");
            return Ok(());
        }
        let shown = (arity as usize).min(ELEMENTS_MAX);
        self.out.push('{');
        let words = self.reader.words(address.wrapping_add(8), shown)?;
        for (index, word) in words.into_iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            if index == 0 && is_atom(word) {
                self.out.push_str(&atom_text(&self.reader.atom(word)?));
            } else {
                self.term(word, depth.saturating_sub(1))?;
            }
        }
        if arity as usize > shown {
            let _ = write!(self.out, ",and {} more", arity as usize - shown);
        }
        self.out.push('}');
        Ok(())
    }

    fn list(&mut self, first: u64) -> Result<(), TermError> {
        let mut length = 0;
        let mut term = first;
        while let Some(address) = cons(term) {
            if length == LENGTH_MAX || !self.take() {
                let _ = write!(self.out, "list(over {length})");
                return Ok(());
            }
            let (head, tail) = self.reader.cell(address)?;
            // The tag of a call that its caller's alias answers: `gen:call/4`.
            if length == 0 && boxed(tail).is_some() && is_atom(head) {
                let name = self.reader.atom(head)?;
                let name = if &*name == "alias" { "alias" } else { "atom" };
                let _ = write!(self.out, "[{name}|");
                self.term(tail, 0)?;
                self.out.push(']');
                return Ok(());
            }
            length += 1;
            term = tail;
        }
        let _ = match term {
            NIL => write!(self.out, "list({length})"),
            _ => write!(self.out, "improper_list({length})"),
        };
        Ok(())
    }
}
