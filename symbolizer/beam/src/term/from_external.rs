//! Terms out of the external term format, as [`Term::to_external`] and
//! [`Term::to_external_with_holes`] write it.
//!
//! Pure, and total: any bytes give a term or an error. What no release from 25 on writes is an error.

use std::sync::Arc;

use super::external::{
    ATOM_UTF8, BINARY, BIT_BINARY, CUT, EXPORT, INTEGER, LARGE_BIG, LARGE_TUPLE, LIST, MAP, MASKED,
    NEW_FLOAT, NEW_FUN, NEW_PID, NEW_PORT, NEWER_REFERENCE, NIL, RECORD, SMALL_ATOM_UTF8,
    SMALL_BIG, SMALL_INTEGER, SMALL_TUPLE, V4_PORT, VERSION,
};
use super::reader::DEPTH_MAX;
use super::{
    BigInteger, Bits, Elements, Fun, List, LocalFun, Map, Node, Pid, Port, Record, Reference, Term,
};

/// Smaller ones than an integer of the VM's own are of no boxed kind (`IS_SSMALL` in `sys.h`).
const SMALL_MAX: i64 = (1 << 59) - 1;
/// More terms within each other than are ever written.
const NESTED_MAX: usize = DEPTH_MAX + 8;
/// What identities of other nodes are printed with first: which number the VM had for a node is not in
/// the format.
const CHANNEL: u64 = 1;

/// These bytes are no term, or none that is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no term in the external term format: at byte {at}")]
pub struct NotExternal {
    /// Where.
    pub at: usize,
}

/// Which atoms stand for something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holes {
    /// `'...'` is what is missing.
    pub cut: bool,
    /// `'***'` is what was masked.
    pub masked: bool,
}

impl Term {
    /// The term that bytes stand for. `own` is the name of the node whose identities are printed as its
    /// own.
    ///
    /// # Errors
    /// When they are none.
    pub fn from_external(
        bytes: &[u8],
        own: Option<&str>,
        holes: Holes,
    ) -> Result<Term, NotExternal> {
        let mut parser = Parser {
            bytes,
            at: 0,
            own,
            holes,
        };
        let parsed = parser.whole();
        parsed.ok_or(NotExternal { at: parser.at })
    }
}

struct Parser<'b> {
    bytes: &'b [u8],
    at: usize,
    own: Option<&'b str>,
    holes: Holes,
}

impl<'b> Parser<'b> {
    fn whole(&mut self) -> Option<Term> {
        if self.u8()? != VERSION {
            return None;
        }
        let term = self.term(NESTED_MAX)?;
        (self.at == self.bytes.len()).then_some(term)
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    /// A number of things, each of which takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        let count = self.u32()? as usize;
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    fn term(&mut self, depth: usize) -> Option<Term> {
        let depth = depth.checked_sub(1)?;
        Some(match self.u8()? {
            SMALL_INTEGER => Term::Integer(self.u8()?.into()),
            INTEGER => Term::Integer(i32::from_be_bytes(self.chunk()?).into()),
            SMALL_BIG => {
                let count = self.u8()?.into();
                self.big(count)?
            }
            LARGE_BIG => {
                let count = self.count()?;
                self.big(count)?
            }
            NEW_FLOAT => Term::Float(u64::from_be_bytes(self.chunk()?)),
            tag @ (ATOM_UTF8 | SMALL_ATOM_UTF8) => {
                let name = self.atom_of(tag)?;
                match name {
                    CUT if self.holes.cut => Term::Cut,
                    MASKED if self.holes.masked => Term::Masked,
                    _ => Term::Atom(name.into()),
                }
            }
            NEW_PID => self.pid()?,
            tag @ (NEW_PORT | V4_PORT) => self.port(tag)?,
            NEWER_REFERENCE => self.reference()?,
            SMALL_TUPLE => {
                let count = self.u8()?.into();
                Term::Tuple(self.elements(count, depth)?)
            }
            LARGE_TUPLE => {
                let count = self.count()?;
                Term::Tuple(self.elements(count, depth)?)
            }
            NIL => Term::List(List::default()),
            LIST => self.list(depth)?,
            MAP => self.map(depth)?,
            RECORD => self.record(depth)?,
            BINARY => {
                let count = self.count()?;
                let bytes = self.take(count)?.to_vec();
                Term::Bits(Bits {
                    bits: 8 * count as u64,
                    bytes,
                })
            }
            BIT_BINARY => self.bit_binary()?,
            EXPORT => {
                let (module, function) = (self.atom()?, self.atom()?);
                let arity = (self.u8()? == SMALL_INTEGER).then(|| self.u8())??;
                Term::Fun(Fun::External {
                    module,
                    function,
                    arity,
                })
            }
            NEW_FUN => self.local_fun(depth)?,
            _ => return None,
        })
    }

    fn atom_of(&mut self, tag: u8) -> Option<&'b str> {
        let count = match tag {
            SMALL_ATOM_UTF8 => usize::from(self.u8()?),
            ATOM_UTF8 => usize::from(self.u16()?),
            _ => return None,
        };
        std::str::from_utf8(self.take(count)?).ok()
    }

    fn atom(&mut self) -> Option<Arc<str>> {
        let tag = self.u8()?;
        self.atom_of(tag).map(Arc::from)
    }

    fn big(&mut self, count: usize) -> Option<Term> {
        let negative = self.u8()? != 0;
        let bytes = self.take(count)?;
        let digits: Vec<u64> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_le_bytes(word)
            })
            .collect();
        let value = match digits.as_slice() {
            [] => Some(0),
            &[digit] => i64::try_from(digit).ok(),
            _ => None,
        };
        let value = value.map(|value| if negative { -value } else { value });
        Some(match value {
            Some(value) if (-SMALL_MAX - 1..=SMALL_MAX).contains(&value) => Term::Integer(value),
            _ => Term::BigInteger(BigInteger {
                negative,
                length: digits.len(),
                digits,
            }),
        })
    }

    /// A node's name, before the numbers of what is named; its creation comes last or before them.
    fn named(&self, name: Arc<str>, creation: u32) -> Option<Arc<Node>> {
        let is_own = self.own == Some(&*name);
        (!is_own).then(|| {
            Arc::new(Node {
                name,
                creation,
                channel: CHANNEL,
            })
        })
    }

    fn pid(&mut self) -> Option<Term> {
        let name = self.atom()?;
        let (number, serial, creation) = (self.u32()?, self.u32()?, self.u32()?);
        Some(Term::Pid(Pid {
            node: self.named(name, creation),
            number: number.into(),
            serial: serial.into(),
        }))
    }

    fn port(&mut self, tag: u8) -> Option<Term> {
        let name = self.atom()?;
        let number = match tag {
            V4_PORT => u64::from_be_bytes(self.chunk()?),
            _ => self.u32()?.into(),
        };
        let creation = self.u32()?;
        Some(Term::Port(Port {
            node: self.named(name, creation),
            number: Some(number),
        }))
    }

    fn reference(&mut self) -> Option<Term> {
        let count = usize::from(self.u16()?);
        let name = self.atom()?;
        let creation = self.u32()?;
        let numbers: Option<Vec<u32>> = (0..count).map(|_| self.u32()).collect();
        Some(Term::Reference(Reference {
            node: self.named(name, creation),
            numbers: numbers?,
            printed: count,
        }))
    }

    fn items(&mut self, count: usize, depth: usize) -> Option<Vec<Term>> {
        (0..count).map(|_| self.term(depth)).collect()
    }

    fn elements(&mut self, count: usize, depth: usize) -> Option<Elements> {
        let mut items = self.items(count, depth)?;
        // One that is missing at the end stands for all that are. What was masked or is too deep is
        // not at the end alone: of those the others of the tuple are there.
        let missing = usize::from(items.last() == Some(&Term::Cut));
        items.truncate(items.len() - missing);
        Some(Elements { items, missing })
    }

    fn list(&mut self, depth: usize) -> Option<Term> {
        let count = self.count()?;
        let items = self.items(count, depth)?;
        let tail = match self.term(depth)? {
            Term::List(list) if list.items.is_empty() && list.tail.is_none() => None,
            tail => Some(Box::new(tail)),
        };
        Some(Term::List(List { items, tail }))
    }

    fn map(&mut self, depth: usize) -> Option<Term> {
        let count = self.count()?;
        let pair = |parser: &mut Self| Some((parser.term(depth)?, parser.term(depth)?));
        let mut pairs = (0..count)
            .map(|_| pair(self))
            .collect::<Option<Vec<(Term, Term)>>>()?;
        let missing = usize::from(pairs.last() == Some(&(Term::Cut, Term::Cut)));
        pairs.truncate(pairs.len() - missing);
        Some(Term::Map(Map { pairs, missing }))
    }

    fn record(&mut self, depth: usize) -> Option<Term> {
        let count = self.count()?;
        let exported = self.u8()? != 0;
        let (module, name) = (self.atom()?, self.atom()?);
        let names = (0..count)
            .map(|_| self.atom())
            .collect::<Option<Vec<Arc<str>>>>()?;
        let values = self.items(count, depth)?;
        let mut fields: Vec<(Arc<str>, Term)> = names.into_iter().zip(values).collect();
        let is_missing = |(name, value): &(Arc<str>, Term)| &**name == CUT && *value == Term::Cut;
        let missing = usize::from(fields.last().is_some_and(is_missing));
        fields.truncate(fields.len() - missing);
        Some(Term::Record(Record {
            module,
            name,
            exported,
            fields,
            missing,
        }))
    }

    fn bit_binary(&mut self) -> Option<Term> {
        let count = self.count()?;
        let in_last = self.u8()?;
        if count == 0 || !(1..=8).contains(&in_last) {
            return None;
        }
        let bytes = self.take(count)?.to_vec();
        Some(Term::Bits(Bits {
            bits: 8 * (count as u64 - 1) + u64::from(in_last),
            bytes,
        }))
    }

    fn integer(&mut self) -> Option<i64> {
        match self.term(1)? {
            Term::Integer(value) => Some(value),
            _ => None,
        }
    }

    fn local_fun(&mut self, depth: usize) -> Option<Term> {
        let _size = self.u32()?;
        let arity = self.u8()?;
        let uniq = self.chunk()?;
        let index = self.u32()?;
        let free = self.count()?;
        let module = self.atom()?;
        let old_index = self.integer()? as u32;
        let old_uniq = self.integer()? as u32;
        let creator = self.term(depth)?;
        // Where the VM does not remember, a process that there never is stands for it.
        let nobody = matches!(&creator, Term::Pid(pid) if pid.number == 0 && pid.serial == 0);
        Some(Term::Fun(Fun::Local(Box::new(LocalFun {
            module,
            arity,
            index,
            uniq,
            old_index,
            old_uniq,
            environment: self.elements(free, depth)?,
            creator: (!nobody).then_some(creator),
        }))))
    }
}

#[cfg(test)]
mod tests {
    use super::Holes;
    use crate::term::{Bits, Elements, List, Map, Node, Pid, Term};

    const HOLES: Holes = Holes {
        cut: true,
        masked: true,
    };

    fn node() -> Node {
        Node {
            name: "a@b".into(),
            creation: 7,
            channel: 0,
        }
    }

    fn there_and_back(term: &Term, holes: Holes) -> Term {
        let bytes = term.to_external_with_holes(Some(&node())).expect("a form");
        Term::from_external(&bytes, Some("a@b"), holes).expect("a term")
    }

    fn atom(name: &str) -> Term {
        Term::Atom(name.into())
    }

    #[test]
    fn what_is_written_is_read() {
        let pid = |node| {
            Term::Pid(Pid {
                node,
                number: 80,
                serial: 0,
            })
        };
        let list = Term::List(List {
            items: vec![Term::Integer(-1), Term::Float(1.5f64.to_bits())],
            tail: Some(Box::new(atom("end"))),
        });
        let bits = Term::Bits(Bits {
            bytes: vec![1, 0xe0],
            bits: 11,
        });
        let map = Term::Map(Map {
            pairs: vec![(atom("k"), list), (Term::Integer(1 << 40), bits)],
            missing: 0,
        });
        let items = vec![map, pid(None), Term::List(List::default())];
        let tuple = Term::Tuple(Elements { items, missing: 0 });
        assert_eq!(there_and_back(&tuple, HOLES), tuple);
        let Term::Pid(other) = there_and_back(&pid(None), HOLES) else {
            panic!("no pid");
        };
        assert_eq!(other.node, None);
    }

    #[test]
    fn what_is_missing_stays_missing_and_is_an_atom_to_others() {
        let items = vec![Term::Masked, Term::Integer(1)];
        let tuple = Term::Tuple(Elements { items, missing: 3 });
        let read = there_and_back(&tuple, HOLES);
        assert_eq!(read.text(100), "{***,1,...}");
        assert_eq!(tuple.text(100), "{***,1,...}");
        let others = there_and_back(&tuple, Holes::default());
        assert_eq!(others.text(100), "{'***',1,'...'}");
        let cut = Term::Bits(Bits {
            bytes: vec![1],
            bits: 800,
        });
        assert_eq!(there_and_back(&cut, HOLES), Term::Cut);
    }

    #[test]
    fn any_bytes_are_a_term_or_an_error() {
        let items = vec![atom("a"), Term::Integer(3)];
        let tuple = Term::Tuple(Elements { items, missing: 0 });
        let bytes = tuple.to_external(None).expect("a form");
        for length in 0..bytes.len() {
            assert!(Term::from_external(&bytes[..length], None, HOLES).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Term::from_external(&longer, None, HOLES).is_err());
        for at in 0..bytes.len() {
            for byte in 0..=255 {
                let mut other = bytes.clone();
                other[at] = byte;
                let _ = Term::from_external(&other, None, HOLES);
            }
        }
        // Lists within lists, without end.
        let deep = [&[131][..], &[b'l', 0, 0, 0, 1].repeat(100_000)].concat();
        assert!(Term::from_external(&deep, None, HOLES).is_err());
    }
}
