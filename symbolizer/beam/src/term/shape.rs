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
            self.shape_in(term, DEPTH, &mut out)?;
        }
        Ok(out)
    }

    fn shape_in(&self, term: u64, depth: usize, out: &mut String) -> Result<(), TermError> {
        let word = match () {
            () if term == NIL => "list(0)",
            () if is_atom(term) => "atom",
            () if small(term).is_some() => "integer",
            () if term & 0xf == 3 => "pid",
            () if term & 0xf == 7 => "port",
            () if cons(term).is_some() => return self.list_shape(term, out),
            () => {
                let address = boxed(term).ok_or(TermError::Changed { address: term })?;
                return self.boxed_shape(address, depth, out);
            }
        };
        out.push_str(word);
        Ok(())
    }

    fn boxed_shape(&self, address: u64, depth: usize, out: &mut String) -> Result<(), TermError> {
        let header = self.word(address)?;
        if header & 3 != 0 {
            return Err(TermError::Changed { address });
        }
        let layout = &self.vm.layout.term;
        let tag = subtag(header);
        let record = layout.record.as_ref().map(|record| record.subtag);
        match tag {
            _ if tag == layout.tuple => {
                return self.tuple_shape(address, arity(header), depth, out);
            }
            _ if tag == layout.map => {
                let size = self.word(address.wrapping_add(8))?;
                let _ = write!(out, "map({size})");
            }
            _ if tag == layout.positive || tag == layout.negative => out.push_str("integer"),
            _ if tag == layout.float => out.push_str("float"),
            _ if tag == layout.fun => {
                let head = fun_head(self, &self.vm.layout.fun, address, header)?;
                let _ = write!(out, "fun({})", head.arity);
            }
            _ if tag == layout.reference || tag == layout.external_reference => {
                out.push_str("reference");
            }
            _ if tag == layout.external_pid => out.push_str("pid"),
            _ if tag == layout.external_port => out.push_str("port"),
            _ if Some(tag) == record => {
                let _ = write!(out, "record({})", arity(header).saturating_sub(1));
            }
            _ => {
                let bits = self.bits_at(address, header)?.bits;
                let _ = match bits % 8 {
                    0 => write!(out, "binary({})", bits / 8),
                    _ => write!(out, "bitstring({bits})"),
                };
            }
        }
        Ok(())
    }

    fn tuple_shape(
        &self,
        address: u64,
        arity: u64,
        depth: usize,
        out: &mut String,
    ) -> Result<(), TermError> {
        if arity > ARITY_MAX {
            return Err(TermError::Changed { address });
        }
        if depth == 0 {
            let _ = write!(out, "tuple({arity})");
            return Ok(());
        }
        let shown = (arity as usize).min(ELEMENTS_MAX);
        out.push('{');
        for (index, word) in self
            .words(address.wrapping_add(8), shown)?
            .into_iter()
            .enumerate()
        {
            if index > 0 {
                out.push(',');
            }
            if index == 0 && is_atom(word) {
                out.push_str(&atom_text(&self.atom(word)?));
            } else {
                self.shape_in(word, depth - 1, out)?;
            }
        }
        if arity as usize > shown {
            let _ = write!(out, ",and {} more", arity as usize - shown);
        }
        out.push('}');
        Ok(())
    }

    fn list_shape(&self, first: u64, out: &mut String) -> Result<(), TermError> {
        let mut length = 0;
        let mut term = first;
        while let Some(address) = cons(term) {
            if length == LENGTH_MAX {
                let _ = write!(out, "list(over {LENGTH_MAX})");
                return Ok(());
            }
            let (head, tail) = self.cell(address)?;
            // The tag of a call that its caller's alias answers: `gen:call/4`.
            if length == 0 && boxed(tail).is_some() && is_atom(head) {
                let name = self.atom(head)?;
                let name = if &*name == "alias" { "alias" } else { "atom" };
                let _ = write!(out, "[{name}|");
                self.shape_in(tail, 0, out)?;
                out.push(']');
                return Ok(());
            }
            length += 1;
            term = tail;
        }
        let _ = match term {
            NIL => write!(out, "list({length})"),
            _ => write!(out, "improper_list({length})"),
        };
        Ok(())
    }
}
