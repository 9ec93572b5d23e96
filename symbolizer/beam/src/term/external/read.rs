//! Terms from the external term format, as a VM sends them to other nodes.
//!
//! What the bytes say of lengths is believed as far as there are bytes. Limits cut the tree as they
//! do one that is read from memory: what is beyond them is passed over, without a stack and without
//! memory of its own, so that what stands behind a term is found however little of it was kept.
//!
//! Not read: compressed terms and the atom cache, which a VM sends only to those who have said that
//! they know them; and forms that no release since OTP 25 writes.

use std::sync::Arc;

use super::{
    ATOM_UTF8, BINARY, BIT_BINARY, EXPORT, INTEGER, LARGE_BIG, LARGE_TUPLE, LIST, MAP, NEW_FLOAT,
    NEW_FUN, NEW_PID, NEW_PORT, NEWER_REFERENCE, NIL, RECORD, SMALL_ATOM_UTF8, SMALL_BIG,
    SMALL_INTEGER, SMALL_TUPLE, V4_PORT, VERSION,
};
use crate::term::{
    BigInteger, Bits, Elements, Fun, Limits, List, LocalFun, Map, Node, Pid, Port, Record,
    Reference, Term,
};

/// `ATOM_EXT`, of Latin-1: `term_to_binary/2` wrote atoms so up to OTP 25, as in files of modules.
const ATOM_LATIN1: u8 = b'd';
/// `STRING_EXT`: a list of bytes.
const STRING: u8 = b'k';
/// Terms within each other, whatever the limits say.
const DEPTH_MAX: usize = 200;
/// Items for which memory is set apart before they are read.
const ROOM_MAX: usize = 1024;
/// Numbers of a reference: five since OTP 25.
const REFERENCE_MAX: usize = 16;
/// Integers of the size of a word without its tag: `IS_SSMALL` in `erl_term.h`.
const SMALL: std::ops::RangeInclusive<i64> = -(1 << 59)..=(1 << 59) - 1;
/// How identities of other nodes are numbered is up to each VM, and not in the bytes.
const OTHER_NODE: u64 = 1;

/// Bytes that are no term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no term in the external format: {what}, {left} bytes before the end")]
pub struct NotExternal {
    /// What was met.
    what: &'static str,
    /// Where.
    left: usize,
}

impl NotExternal {
    /// Where a term should have ended.
    pub(crate) fn more(rest: &[u8]) -> NotExternal {
        NotExternal {
            what: "more than a term",
            left: rest.len(),
        }
    }
}

impl Term {
    /// The term at the start of `bytes`, with its version, and what stands behind it. Identities of
    /// `node` become the VM's own.
    ///
    /// # Errors
    /// When the bytes are no term, or not all of one.
    pub fn from_external<'b>(
        bytes: &'b [u8],
        node: Option<&Node>,
        limits: &Limits,
    ) -> Result<(Term, &'b [u8]), NotExternal> {
        let mut reader = Reader {
            bytes,
            node,
            nodes: limits.nodes,
            room: limits.bytes,
        };
        if reader.byte()? != VERSION {
            return Err(reader.wrong("another version"));
        }
        let term = reader.term(limits.depth.min(DEPTH_MAX))?;
        Ok((term, reader.bytes))
    }
}

struct Reader<'b, 'n> {
    bytes: &'b [u8],
    node: Option<&'n Node>,
    /// Terms that may still be kept.
    nodes: usize,
    /// Bytes of binaries and large integers that may.
    room: usize,
}

impl<'b> Reader<'b, '_> {
    fn wrong(&self, what: &'static str) -> NotExternal {
        NotExternal {
            what,
            left: self.bytes.len(),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], NotExternal> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or_else(|| self.wrong("it ends too soon"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotExternal> {
        let taken = self.take(N)?;
        taken
            .first_chunk::<N>()
            .copied()
            .ok_or_else(|| self.wrong("it ends too soon"))
    }

    fn byte(&mut self) -> Result<u8, NotExternal> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn half(&mut self) -> Result<usize, NotExternal> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    fn word(&mut self) -> Result<u32, NotExternal> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn size(&mut self) -> Result<usize, NotExternal> {
        Ok(self.word()? as usize)
    }

    /// Takes from what may be kept; `false` when nothing more may.
    fn may_keep(&mut self) -> bool {
        let may = self.nodes > 0;
        self.nodes = self.nodes.saturating_sub(1);
        may
    }

    fn term(&mut self, depth: usize) -> Result<Term, NotExternal> {
        if !self.may_keep() {
            self.pass(1)?;
            return Ok(Term::Cut);
        }
        let start = self.bytes;
        let tag = self.byte()?;
        let Some(within) = depth.checked_sub(1) else {
            if is_compound(tag) {
                self.bytes = start;
                self.pass(1)?;
                return Ok(Term::Cut);
            }
            return self.known(tag, 0);
        };
        self.known(tag, within)
    }

    fn known(&mut self, tag: u8, depth: usize) -> Result<Term, NotExternal> {
        Ok(match tag {
            SMALL_INTEGER => Term::Integer(i64::from(self.byte()?)),
            INTEGER => Term::Integer(i64::from(i32::from_be_bytes(self.array()?))),
            SMALL_BIG => {
                let count = usize::from(self.byte()?);
                self.big(count)?
            }
            LARGE_BIG => {
                let count = self.size()?;
                self.big(count)?
            }
            NEW_FLOAT => Term::Float(u64::from_be_bytes(self.array()?)),
            ATOM_UTF8 | SMALL_ATOM_UTF8 | ATOM_LATIN1 => Term::Atom(self.atom_of(tag)?),
            NEW_PID => Term::Pid(self.pid()?),
            NEW_PORT | V4_PORT => self.port(tag)?,
            NEWER_REFERENCE => self.reference()?,
            SMALL_TUPLE => {
                let arity = usize::from(self.byte()?);
                Term::Tuple(self.elements(arity, depth)?)
            }
            LARGE_TUPLE => {
                let arity = self.size()?;
                Term::Tuple(self.elements(arity, depth)?)
            }
            NIL => Term::List(List::default()),
            STRING => self.string()?,
            LIST => self.list(depth)?,
            MAP => self.map(depth)?,
            RECORD => self.record(depth)?,
            BINARY => {
                let count = self.size()?;
                self.bits(count, 8)?
            }
            BIT_BINARY => {
                let count = self.size()?;
                let in_last = self.byte()?;
                self.bits(count, in_last)?
            }
            EXPORT => Term::Fun(Fun::External {
                module: self.atom()?,
                function: self.atom()?,
                arity: match self.array()? {
                    [SMALL_INTEGER, arity] => arity,
                    _ => return Err(self.wrong("a fun without arity")),
                },
            }),
            NEW_FUN => self.fun(depth)?,
            _ => return Err(self.wrong("an unknown tag")),
        })
    }

    fn atom(&mut self) -> Result<Arc<str>, NotExternal> {
        let tag = self.byte()?;
        self.atom_of(tag)
    }

    fn atom_of(&mut self, tag: u8) -> Result<Arc<str>, NotExternal> {
        let count = match tag {
            SMALL_ATOM_UTF8 => usize::from(self.byte()?),
            ATOM_UTF8 | ATOM_LATIN1 => self.half()?,
            _ => return Err(self.wrong("no atom where one must be")),
        };
        let name = self.take(count)?;
        if tag == ATOM_LATIN1 {
            let name: String = name.iter().copied().map(char::from).collect();
            return Ok(name.into());
        }
        let name = std::str::from_utf8(name).map_err(|_| self.wrong("an atom that is no text"))?;
        Ok(name.into())
    }

    /// An absolute value, its lowest byte first.
    fn big(&mut self, count: usize) -> Result<Term, NotExternal> {
        let negative = self.byte()? != 0;
        let bytes = self.take(count)?;
        let length = count.div_ceil(8);
        if count > self.room {
            return Ok(Term::BigInteger(BigInteger {
                negative,
                digits: Vec::new(),
                length,
            }));
        }
        self.room -= count;
        let digits: Vec<u64> = bytes
            .chunks(8)
            .map(|chunk| {
                let low_last = chunk.iter().rev();
                low_last.fold(0, |digit, byte| digit << 8 | u64::from(*byte))
            })
            .collect();
        let value = match digits.as_slice() {
            [] => Some(0),
            [digit] => i64::try_from(*digit).ok(),
            _ => None,
        };
        let value = value.map(|value| if negative { -value } else { value });
        Ok(match value.filter(|value| SMALL.contains(value)) {
            Some(value) => Term::Integer(value),
            None => Term::BigInteger(BigInteger {
                negative,
                digits,
                length,
            }),
        })
    }

    /// The node of an identity, by name and creation; `None` for the VM's own.
    fn node(&self, name: Arc<str>, creation: u32) -> Option<Arc<Node>> {
        let is_own = |node: &&Node| node.name == name && node.creation == creation;
        match self.node.filter(is_own) {
            Some(_) => None,
            None => Some(Arc::new(Node {
                name,
                creation,
                channel: OTHER_NODE,
            })),
        }
    }

    fn pid(&mut self) -> Result<Pid, NotExternal> {
        let name = self.atom()?;
        let (number, serial) = (u64::from(self.word()?), u64::from(self.word()?));
        let creation = self.word()?;
        Ok(Pid {
            node: self.node(name, creation),
            number,
            serial,
        })
    }

    fn port(&mut self, tag: u8) -> Result<Term, NotExternal> {
        let name = self.atom()?;
        let number = match tag {
            V4_PORT => u64::from_be_bytes(self.array()?),
            _ => u64::from(self.word()?),
        };
        let creation = self.word()?;
        Ok(Term::Port(Port {
            node: self.node(name, creation),
            number: Some(number),
        }))
    }

    fn reference(&mut self) -> Result<Term, NotExternal> {
        let count = self.half()?;
        if count > REFERENCE_MAX {
            return Err(self.wrong("a reference of too many numbers"));
        }
        let name = self.atom()?;
        let creation = self.word()?;
        let numbers = (0..count)
            .map(|_| self.word())
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Term::Reference(Reference {
            node: self.node(name, creation),
            printed: numbers.len(),
            numbers,
        }))
    }

    /// How much memory is set apart at once for what is said to come: the same may be said at each level.
    fn room_for(&self, count: usize) -> usize {
        count.min(self.nodes).min(self.bytes.len()).min(ROOM_MAX)
    }

    /// Items as far as they may be kept, and how many were passed over.
    fn elements(&mut self, count: usize, depth: usize) -> Result<Elements, NotExternal> {
        let mut items = Vec::with_capacity(self.room_for(count));
        while items.len() < count {
            if self.nodes == 0 {
                let missing = count - items.len();
                self.pass(missing as u64)?;
                return Ok(Elements { items, missing });
            }
            items.push(self.term(depth)?);
        }
        Ok(Elements { items, missing: 0 })
    }

    /// Each byte is an element.
    fn string(&mut self) -> Result<Term, NotExternal> {
        let count = self.half()?;
        let bytes = self.take(count)?;
        let kept = count.min(self.nodes);
        self.nodes -= kept;
        let items = bytes.iter().take(kept);
        Ok(Term::List(List {
            items: items.map(|byte| Term::Integer(i64::from(*byte))).collect(),
            tail: (kept < count).then(|| Box::new(Term::Cut)),
        }))
    }

    fn list(&mut self, depth: usize) -> Result<Term, NotExternal> {
        let count = self.size()?;
        let Elements { items, missing } = self.elements(count, depth)?;
        if missing > 0 {
            self.pass(1)?;
            return Ok(Term::List(List {
                items,
                tail: Some(Box::new(Term::Cut)),
            }));
        }
        let tail = match self.bytes.split_first() {
            Some((&NIL, rest)) => {
                self.bytes = rest;
                None
            }
            _ => Some(Box::new(self.term(depth)?)),
        };
        Ok(Term::List(List { items, tail }))
    }

    fn map(&mut self, depth: usize) -> Result<Term, NotExternal> {
        let count = self.size()?;
        let room = self.room_for(count);
        let mut map = Map {
            pairs: Vec::with_capacity(room),
            missing: 0,
        };
        while map.pairs.len() < count {
            if self.nodes < 2 {
                map.missing = count - map.pairs.len();
                self.pass((map.missing as u64).saturating_mul(2))?;
                break;
            }
            map.pairs.push((self.term(depth)?, self.term(depth)?));
        }
        Ok(Term::Map(map))
    }

    fn record(&mut self, depth: usize) -> Result<Term, NotExternal> {
        let count = self.size()?;
        let exported = self.byte()? != 0;
        let (module, name) = (self.atom()?, self.atom()?);
        let kept = count.min(self.nodes / 2).min(self.bytes.len());
        let mut names = Vec::with_capacity(self.room_for(kept));
        for _ in 0..kept {
            self.nodes = self.nodes.saturating_sub(1);
            names.push(self.atom()?);
        }
        self.pass((count - kept) as u64)?;
        let mut fields = Vec::with_capacity(self.room_for(kept));
        for name in names {
            fields.push((name, self.term(depth)?));
        }
        self.pass((count - kept) as u64)?;
        Ok(Term::Record(Record {
            module,
            name,
            exported,
            fields,
            missing: count - kept,
        }))
    }

    fn bits(&mut self, count: usize, in_last: u8) -> Result<Term, NotExternal> {
        if !(1..=8).contains(&in_last) {
            return Err(self.wrong("a bitstring of an impossible size"));
        }
        let bytes = self.take(count)?;
        let unused = u64::from(8 - in_last);
        let mut kept = bytes.get(..count.min(self.room)).unwrap_or(bytes).to_vec();
        self.room -= kept.len();
        let is_whole = kept.len() == count;
        if let Some(last) = kept.last_mut().filter(|_| is_whole) {
            *last &= 0xffu8.checked_shl(unused as u32).unwrap_or(0);
        }
        Ok(Term::Bits(Bits {
            bytes: kept,
            bits: (count as u64 * 8).saturating_sub(unused),
        }))
    }

    fn fun(&mut self, depth: usize) -> Result<Term, NotExternal> {
        let _size = self.word()?;
        let arity = self.byte()?;
        let uniq = self.array()?;
        let index = self.word()?;
        let free = self.size()?;
        let module = self.atom()?;
        let (old_index, old_uniq) = (self.integer()?, self.integer()?);
        let creator = self.term(depth)?;
        let environment = self.elements(free, depth)?;
        Ok(Term::Fun(Fun::Local(Box::new(LocalFun {
            module,
            arity,
            index,
            uniq,
            old_index: old_index as u32,
            old_uniq: old_uniq as u32,
            environment,
            creator: Some(creator),
        }))))
    }

    /// An integer of 32 bits, signed or not.
    fn integer(&mut self) -> Result<i64, NotExternal> {
        // Nothing else: a fun within would be read without a look at how deep that is.
        match self.byte()? {
            tag @ (SMALL_INTEGER | INTEGER) => match self.known(tag, 0)? {
                Term::Integer(value) => Ok(value),
                _ => Err(self.wrong("no integer where one must be")),
            },
            _ => Err(self.wrong("no integer where one must be")),
        }
    }

    /// Passes over terms. Each takes a byte at least, so it ends with the bytes.
    fn pass(&mut self, terms: u64) -> Result<(), NotExternal> {
        let mut left = terms;
        while left > 0 {
            left -= 1;
            let within = self.pass_one()?;
            left = left.saturating_add(within);
        }
        Ok(())
    }

    /// Passes over a tag and its data; how many terms are behind them that belong to it.
    fn pass_one(&mut self) -> Result<u64, NotExternal> {
        let tag = self.byte()?;
        let (bytes, terms) = match tag {
            SMALL_INTEGER => (1, 0),
            INTEGER => (4, 0),
            NEW_FLOAT => (8, 0),
            SMALL_ATOM_UTF8 => (usize::from(self.byte()?), 0),
            ATOM_UTF8 | ATOM_LATIN1 | STRING => (self.half()?, 0),
            SMALL_BIG => (usize::from(self.byte()?) + 1, 0),
            LARGE_BIG => (self.size()?.saturating_add(1), 0),
            BINARY => (self.size()?, 0),
            BIT_BINARY => (self.size()?.saturating_add(1), 0),
            NIL => (0, 0),
            SMALL_TUPLE => {
                let arity = self.byte()?;
                (0, u64::from(arity))
            }
            LARGE_TUPLE => (0, u64::from(self.word()?)),
            LIST => (0, u64::from(self.word()?) + 1),
            MAP => (0, u64::from(self.word()?) * 2),
            EXPORT => (0, 3),
            NEW_PID => return self.identity(12),
            NEW_PORT => return self.identity(8),
            V4_PORT => return self.identity(12),
            NEWER_REFERENCE => {
                let count = self.half()?;
                return self.identity(count.saturating_mul(4).saturating_add(4));
            }
            RECORD => {
                let count = u64::from(self.word()?);
                (1, count * 2 + 2)
            }
            NEW_FUN => {
                self.take(4 + 1 + 16 + 4)?;
                let free = u64::from(self.word()?);
                (0, free + 4)
            }
            _ => return Err(self.wrong("an unknown tag")),
        };
        self.take(bytes)?;
        Ok(terms)
    }

    /// The name of a node, and so many bytes behind it.
    fn identity(&mut self, bytes: usize) -> Result<u64, NotExternal> {
        self.atom()?;
        self.take(bytes)?;
        Ok(0)
    }
}

/// Whether a term holds others.
fn is_compound(tag: u8) -> bool {
    matches!(
        tag,
        SMALL_TUPLE | LARGE_TUPLE | LIST | STRING | MAP | RECORD | NEW_FUN
    )
}

#[cfg(test)]
mod tests;
