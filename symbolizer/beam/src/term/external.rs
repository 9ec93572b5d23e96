//! Terms in the external term format, as `term_to_binary/1` writes it: what `binary_to_term/1` of the
//! same VM makes of the bytes is equal to the original by `=:=`.
//!
//! ```text
//! 131 | tag | data of the tag, numbers with the highest byte first
//! ```
//!
//! Tags and their data: `erts/doc/guides/erl_ext_dist.md` of OTP 27 (chapter "External Term Format"
//! of ERTS in OTP 25; `RECORD_EXT` in that of OTP 29). Identities of the VM's own processes, ports and
//! references are written with its node's name and creation (`enc_pid` and `dec_get_node` in
//! `erts/emulator/beam/external.c`): bytes that were written before a node got its name are of another
//! node afterwards.
//!
//! What is not whole has no such form. Where it has to be kept all the same, atoms stand for what is
//! missing ([`Term::to_external_with_holes`]); [`Term::from_external`] reads both. The size of the bytes
//! is bounded by that of the tree.

mod read;

pub use read::NotExternal;

use super::{BigInteger, Bits, Elements, Fun, List, LocalFun, Map, Node, Pid, Port, Record};
use super::{Reference, Term};

pub(super) const VERSION: u8 = 131;
pub(super) const NEW_FLOAT: u8 = b'F';
pub(super) const RECORD: u8 = b'C';
pub(super) const BIT_BINARY: u8 = b'M';
pub(super) const NEW_PID: u8 = b'X';
pub(super) const NEW_PORT: u8 = b'Y';
pub(super) const NEWER_REFERENCE: u8 = b'Z';
pub(super) const SMALL_INTEGER: u8 = b'a';
pub(super) const INTEGER: u8 = b'b';
pub(super) const SMALL_TUPLE: u8 = b'h';
pub(super) const LARGE_TUPLE: u8 = b'i';
pub(super) const NIL: u8 = b'j';
pub(super) const LIST: u8 = b'l';
pub(super) const BINARY: u8 = b'm';
pub(super) const SMALL_BIG: u8 = b'n';
pub(super) const LARGE_BIG: u8 = b'o';
pub(super) const NEW_FUN: u8 = b'p';
pub(super) const EXPORT: u8 = b'q';
pub(super) const MAP: u8 = b't';
pub(super) const ATOM_UTF8: u8 = b'v';
pub(super) const SMALL_ATOM_UTF8: u8 = b'w';
pub(super) const V4_PORT: u8 = b'x';
/// Ports up to this one have the older tag, which every release reads.
const PORT_MAX: u64 = (1 << 28) - 1;

/// What stands for a part that is missing, and for one that must not be told: no program has such atoms.
pub(super) const CUT: &str = "...";
pub(super) const MASKED: &str = "***";

/// Why a term has no external form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalError {
    /// Limits cut it, or a part of it was not copied.
    #[error("the term is not whole: the limits cut it; read it with larger ones")]
    Cut,
    /// Something in it must not be told.
    #[error("the term is not whole: a part of it is masked; allow it to be told")]
    Masked,
    /// It names a process, port, reference or fun of the VM's own, and the node is not known.
    #[error("the VM's node is not known, which its pids, ports, references and funs name")]
    NoNode,
    /// It names a port of the VM's own, and how ports are numbered is not known.
    #[error("the number of a port is not known: the VM's table of ports was not found")]
    NoPort,
    /// A number or length does not fit into its field.
    #[error("the term has a part that is too large for the external term format")]
    TooLarge,
}

impl Term {
    /// The external term format of a whole term; `node` is the VM's own
    /// ([`super::TermReader::this_node`]).
    ///
    /// # Errors
    /// When it is not whole, or names something of the VM's own that cannot be told.
    pub fn to_external(&self, node: Option<&Node>) -> Result<Vec<u8>, ExternalError> {
        self.write_external(node, false)
    }

    /// The same of a term that need not be whole: the atom `'...'` stands for what is missing, `'***'`
    /// for what must not be told.
    ///
    /// # Errors
    /// When it names something of the VM's own that cannot be told.
    pub fn to_external_with_holes(&self, node: Option<&Node>) -> Result<Vec<u8>, ExternalError> {
        self.write_external(node, true)
    }

    fn write_external(&self, node: Option<&Node>, holes: bool) -> Result<Vec<u8>, ExternalError> {
        let mut writer = Writer {
            out: vec![VERSION],
            node,
            holes,
        };
        writer.term(self)?;
        Ok(writer.out)
    }
}

/// A length that has 32 bits.
fn length(length: usize) -> Result<[u8; 4], ExternalError> {
    u32::try_from(length)
        .map(u32::to_be_bytes)
        .map_err(|_| ExternalError::TooLarge)
}

struct Writer<'n> {
    out: Vec<u8>,
    node: Option<&'n Node>,
    /// Whether what is missing is written too.
    holes: bool,
}

impl Writer<'_> {
    fn term(&mut self, term: &Term) -> Result<(), ExternalError> {
        match term {
            Term::Integer(value) => self.integer(*value),
            Term::BigInteger(big) => self.big_integer(big)?,
            Term::Float(bits) => {
                self.out.push(NEW_FLOAT);
                self.out.extend(bits.to_be_bytes());
            }
            Term::Atom(name) => self.atom(name)?,
            Term::Pid(pid) => self.pid(pid)?,
            Term::Port(port) => self.port(port)?,
            Term::Reference(reference) => self.reference(reference)?,
            Term::Tuple(elements) => self.tuple(elements)?,
            Term::List(list) => self.list(list)?,
            Term::Map(map) => self.map(map)?,
            Term::Record(record) => self.record(record)?,
            Term::Bits(bits) => self.bits(bits)?,
            Term::Fun(Fun::External {
                module,
                function,
                arity,
            }) => {
                self.out.push(EXPORT);
                self.atom(module)?;
                self.atom(function)?;
                self.out.extend([SMALL_INTEGER, *arity]);
            }
            Term::Fun(Fun::Local(fun)) => self.local_fun(fun)?,
            Term::Cut => self.hole(CUT, ExternalError::Cut)?,
            Term::Masked => self.hole(MASKED, ExternalError::Masked)?,
        }
        Ok(())
    }

    fn hole(&mut self, name: &str, error: ExternalError) -> Result<(), ExternalError> {
        match self.holes {
            true => self.atom(name),
            false => Err(error),
        }
    }

    /// How many items to write of so many, and one for those that are missing.
    fn count(&self, items: usize, missing: usize) -> Result<usize, ExternalError> {
        match (missing, self.holes) {
            (0, _) => Ok(items),
            (_, true) => Ok(items + 1),
            (_, false) => Err(ExternalError::Cut),
        }
    }

    fn terms(&mut self, terms: &[Term]) -> Result<(), ExternalError> {
        terms.iter().try_for_each(|term| self.term(term))
    }

    fn integer(&mut self, value: i64) {
        if let Ok(value) = u8::try_from(value) {
            self.out.extend([SMALL_INTEGER, value]);
        } else if let Ok(value) = i32::try_from(value) {
            self.out.push(INTEGER);
            self.out.extend(value.to_be_bytes());
        } else {
            let bytes = value.unsigned_abs().to_le_bytes();
            // Eight bytes are a small one.
            let _ = self.big(value < 0, &bytes);
        }
    }

    fn big_integer(&mut self, big: &BigInteger) -> Result<(), ExternalError> {
        if big.digits.len() < big.length {
            return self.hole(CUT, ExternalError::Cut);
        }
        let bytes: Vec<u8> = big
            .digits
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        self.big(big.negative, &bytes)
    }

    /// An absolute value, its lowest byte first.
    fn big(&mut self, negative: bool, bytes: &[u8]) -> Result<(), ExternalError> {
        let used = bytes.iter().rposition(|byte| *byte != 0);
        let bytes = bytes
            .get(..used.map_or(0, |last| last + 1))
            .unwrap_or(bytes);
        match u8::try_from(bytes.len()) {
            Ok(count) => self.out.extend([SMALL_BIG, count]),
            Err(_) => {
                self.out.push(LARGE_BIG);
                self.out.extend(length(bytes.len())?);
            }
        }
        self.out.push(u8::from(negative));
        self.out.extend(bytes);
        Ok(())
    }

    fn atom(&mut self, name: &str) -> Result<(), ExternalError> {
        if let Ok(count) = u8::try_from(name.len()) {
            self.out.extend([SMALL_ATOM_UTF8, count]);
        } else {
            let count = u16::try_from(name.len()).map_err(|_| ExternalError::TooLarge)?;
            self.out.push(ATOM_UTF8);
            self.out.extend(count.to_be_bytes());
        }
        self.out.extend(name.as_bytes());
        Ok(())
    }

    /// The name of a node; its creation comes last in most of what names it.
    fn node(&mut self, other: Option<&Node>) -> Result<u32, ExternalError> {
        let node = other.or(self.node).ok_or(ExternalError::NoNode)?;
        self.atom(&node.name)?;
        Ok(node.creation)
    }

    fn pid(&mut self, pid: &Pid) -> Result<(), ExternalError> {
        self.out.push(NEW_PID);
        let creation = self.node(pid.node.as_deref())?;
        for number in [pid.number, pid.serial] {
            let number = u32::try_from(number).map_err(|_| ExternalError::TooLarge)?;
            self.out.extend(number.to_be_bytes());
        }
        self.out.extend(creation.to_be_bytes());
        Ok(())
    }

    fn port(&mut self, port: &Port) -> Result<(), ExternalError> {
        let number = port.number.ok_or(ExternalError::NoPort)?;
        let small = u32::try_from(number).ok().filter(|_| number <= PORT_MAX);
        self.out
            .push(if small.is_some() { NEW_PORT } else { V4_PORT });
        let creation = self.node(port.node.as_deref())?;
        match small {
            Some(number) => self.out.extend(number.to_be_bytes()),
            None => self.out.extend(number.to_be_bytes()),
        }
        self.out.extend(creation.to_be_bytes());
        Ok(())
    }

    /// As many numbers as are printed: OTP 25 finds out by itself which process a reference of its own
    /// belongs to, and takes no other form of it.
    fn reference(&mut self, reference: &Reference) -> Result<(), ExternalError> {
        self.out.push(NEWER_REFERENCE);
        let numbers = reference.shown();
        let count = u16::try_from(numbers.len()).map_err(|_| ExternalError::TooLarge)?;
        self.out.extend(count.to_be_bytes());
        let creation = self.node(reference.node.as_deref())?;
        self.out.extend(creation.to_be_bytes());
        for number in numbers {
            self.out.extend(number.to_be_bytes());
        }
        Ok(())
    }

    fn tuple(&mut self, elements: &Elements) -> Result<(), ExternalError> {
        let count = self.count(elements.items.len(), elements.missing)?;
        match u8::try_from(count) {
            Ok(arity) => self.out.extend([SMALL_TUPLE, arity]),
            Err(_) => {
                self.out.push(LARGE_TUPLE);
                self.out.extend(length(count)?);
            }
        }
        self.elements(elements)
    }

    fn elements(&mut self, elements: &Elements) -> Result<(), ExternalError> {
        self.terms(&elements.items)?;
        match elements.missing {
            0 => Ok(()),
            _ => self.hole(CUT, ExternalError::Cut),
        }
    }

    fn list(&mut self, list: &List) -> Result<(), ExternalError> {
        if !list.items.is_empty() {
            self.out.push(LIST);
            self.out.extend(length(list.items.len())?);
            self.terms(&list.items)?;
        }
        match &list.tail {
            None => self.out.push(NIL),
            Some(tail) => self.term(tail)?,
        }
        Ok(())
    }

    fn map(&mut self, map: &Map) -> Result<(), ExternalError> {
        let count = self.count(map.pairs.len(), map.missing)?;
        self.out.push(MAP);
        self.out.extend(length(count)?);
        for (key, value) in &map.pairs {
            self.term(key)?;
            self.term(value)?;
        }
        if map.missing > 0 {
            self.terms(&[Term::Cut, Term::Cut])?;
        }
        Ok(())
    }

    /// Number of fields, a flag for who may use it, module, name, names of all fields in the order of
    /// the definition, then their values. Only OTP 29 and later read it.
    fn record(&mut self, record: &Record) -> Result<(), ExternalError> {
        let count = self.count(record.fields.len(), record.missing)?;
        self.out.push(RECORD);
        self.out.extend(length(count)?);
        self.out.push(u8::from(record.exported));
        self.atom(&record.module)?;
        self.atom(&record.name)?;
        for (name, _) in &record.fields {
            self.atom(name)?;
        }
        if record.missing > 0 {
            self.hole(CUT, ExternalError::Cut)?;
        }
        let mut values = record.fields.iter().map(|(_, value)| value);
        values.try_for_each(|value| self.term(value))?;
        match record.missing {
            0 => Ok(()),
            _ => self.hole(CUT, ExternalError::Cut),
        }
    }

    fn bits(&mut self, bits: &Bits) -> Result<(), ExternalError> {
        let count = usize::try_from(bits.bits.div_ceil(8)).map_err(|_| ExternalError::TooLarge)?;
        let Some(bytes) = bits.bytes.get(..count) else {
            return self.hole(CUT, ExternalError::Cut);
        };
        let in_last = (bits.bits % 8) as u8;
        if in_last == 0 {
            self.out.push(BINARY);
            self.out.extend(length(count)?);
        } else {
            self.out.push(BIT_BINARY);
            self.out.extend(length(count)?);
            self.out.push(in_last);
        }
        self.out.extend(bytes);
        Ok(())
    }

    /// Size, counting itself; arity; MD5; index; size of the environment; module, old index, old
    /// hash, creator, environment. Which fun it is follows from module, index, and both hashes.
    fn local_fun(&mut self, fun: &LocalFun) -> Result<(), ExternalError> {
        let count = self.count(fun.environment.items.len(), fun.environment.missing)?;
        self.out.push(NEW_FUN);
        let start = self.out.len();
        self.out.extend([0; 4]);
        self.out.push(fun.arity);
        self.out.extend(fun.uniq);
        self.out.extend(fun.index.to_be_bytes());
        self.out.extend(length(count)?);
        self.atom(&fun.module)?;
        self.integer(i64::from(fun.old_index as i32));
        self.integer(i64::from(fun.old_uniq as i32));
        match &fun.creator {
            Some(creator) => self.term(creator)?,
            // Where the VM does not remember, no one looks at it.
            None => self.pid(&Pid {
                node: None,
                number: 0,
                serial: 0,
            })?,
        }
        self.elements(&fun.environment)?;
        let size = length(self.out.len() - start)?;
        if let Some(place) = self.out.get_mut(start..start + 4) {
            place.copy_from_slice(&size);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
