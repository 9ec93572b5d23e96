//! Erlang terms: a decoder for every kind into an owned tree, and the text that Erlang prints.
//!
//! Tags of words (`erts/emulator/beam/erl_term.h`) are the same in OTP 25 to 29; what is boxed is
//! laid out as the release's table says. The tree is exact where it is whole, and says where it
//! is not: limits cut it, visibly, and a term that moved while it was read is an error.

mod atoms;
mod bits;
#[cfg(test)]
mod dag;
mod decode;
mod diff;
mod elixir;
mod external;
#[cfg(test)]
pub(crate) mod hostile;
mod identity;
mod json;
mod map;
mod number;
mod pairs;
mod pid;
mod reader;
mod recorded;
mod shallow;
mod shape;
mod source;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

pub use atoms::AtomTable;
pub use diff::{Change, Difference, Step, What};
pub use external::{ExternalError, NotExternal};
pub use pid::{PidPrinter, PortPrinter};
pub(crate) use reader::{Beyond, Ports};
pub use reader::{TermReader, Touched};
pub use recorded::Holes;
pub use shallow::shallow;
pub use text::atom_text;

/// Whether a term is an atom.
pub(crate) fn is_atom(term: u64) -> bool {
    term & 0x3f == 0x0b
}

/// The value of a small integer.
pub(crate) fn small(term: u64) -> Option<i64> {
    (term & 0xf == 0xf).then_some(term as i64 >> 4)
}

/// The empty list.
pub(crate) const NIL: u64 = 0x3b;

/// The address in a boxed term.
pub(crate) fn boxed(term: u64) -> Option<u64> {
    (term & 3 == 2).then_some(term & !7)
}

/// The address in the term of a list with elements.
pub(crate) fn cons(term: u64) -> Option<u64> {
    (term & 3 == 1).then_some(term & !7)
}

/// How much of a term is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tuples, lists, maps and funs within each other; more than 200 are as 200.
    pub depth: usize,
    /// Terms altogether, and nodes of large maps.
    pub nodes: usize,
    /// Bytes of binaries and large integers altogether.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 32,
            nodes: 10_000,
            bytes: 64 << 10,
        }
    }
}

/// Why a term could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// It is no term, or no longer: its process ran, and moved or freed it.
    #[error("changed while read, at {address:#x}: try again, or when its process waits")]
    Changed {
        /// Where, or the word itself.
        address: u64,
    },
    /// Its memory is not there.
    #[error("cannot be read at {address:#x}: it was freed meanwhile; try again")]
    Unreadable {
        /// Where.
        address: u64,
    },
}

/// A term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// An integer of at most 60 bits.
    Integer(i64),
    /// A larger one.
    BigInteger(BigInteger),
    /// The bits of a float.
    Float(u64),
    /// An atom.
    Atom(Arc<str>),
    /// A process.
    Pid(Pid),
    /// A port.
    Port(Port),
    /// A reference.
    Reference(Reference),
    /// A tuple.
    Tuple(Elements),
    /// A list; the empty one has no items.
    List(List),
    /// A map, in the VM's own order.
    Map(Map),
    /// A native record.
    Record(Record),
    /// A binary or another bitstring.
    Bits(Bits),
    /// A function.
    Fun(Fun),
    /// A term that the limits did not allow to read, or that was not copied.
    Cut,
    /// A term that must not be told.
    Masked,
}

/// An integer of any size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BigInteger {
    /// Below zero.
    pub negative: bool,
    /// Its absolute value, least significant first. Empty where the limits did not allow it.
    pub digits: Vec<u64>,
    /// How many digits it has.
    pub length: usize,
}

/// Items, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Elements {
    /// Those that were read.
    pub items: Vec<Term>,
    /// How many were not.
    pub missing: usize,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct List {
    /// Its elements.
    pub items: Vec<Term>,
    /// What it ends in, if that is not the empty list; [`Term::Cut`] where there is more.
    pub tail: Option<Box<Term>>,
}

/// A map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Map {
    /// Keys and values that were read.
    pub pairs: Vec<(Term, Term)>,
    /// How many pairs were not.
    pub missing: usize,
}

/// A native record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// The module that defines it.
    pub module: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Whether other modules may use it.
    pub exported: bool,
    /// Names and values of the fields that were read, in the order of the definition.
    pub fields: Vec<(Arc<str>, Term)>,
    /// How many were not.
    pub missing: usize,
}

/// A bitstring.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bits {
    /// The bytes that were read; unused bits of the last one are zero.
    pub bytes: Vec<u8>,
    /// How many bits it has. More than `bytes` holds where it was cut.
    pub bits: u64,
}

impl Bits {
    /// Whether all of it was read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bytes.len() as u64 >= self.bits.div_ceil(8)
    }
}

/// Another node, as identities name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// Which of the nodes that had this name.
    pub creation: u32,
    /// The first number when an identity of it is printed: 0 for the VM's own name.
    pub channel: u64,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pid {
    /// Its node; `None` for the VM's own.
    pub node: Option<Arc<Node>>,
    /// The second number that is printed.
    pub number: u64,
    /// The third.
    pub serial: u64,
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Port {
    /// Its node; `None` for the VM's own.
    pub node: Option<Arc<Node>>,
    /// The second number that is printed; `None` where the VM's table of ports was not found.
    pub number: Option<u64>,
}

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Its node; `None` for the VM's own.
    pub node: Option<Arc<Node>>,
    /// Its numbers; the last is printed first. Those after the third, in one of the VM's own, say
    /// which process it belongs to.
    pub numbers: Vec<u32>,
    /// How many of them are printed, the first ones: OTP 25 leaves the process out.
    pub printed: usize,
}

impl Reference {
    /// The numbers that are printed, the last one first.
    pub(crate) fn shown(&self) -> &[u32] {
        self.numbers.get(..self.printed).unwrap_or(&self.numbers)
    }
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fun {
    /// `fun Module:Function/Arity`.
    External {
        /// Module.
        module: Arc<str>,
        /// Function.
        function: Arc<str>,
        /// Arity.
        arity: u8,
    },
    /// One that a function of a module made.
    Local(Box<LocalFun>),
}

/// A function that another one made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocalFun {
    /// Its module.
    pub module: Arc<str>,
    /// Its arity, without the environment.
    pub arity: u8,
    /// Its place among the module's.
    pub index: u32,
    /// MD5 of the module's code.
    pub uniq: [u8; 16],
    /// The place that is printed.
    pub old_index: u32,
    /// The hash that is printed.
    pub old_uniq: u32,
    /// Values of its free variables.
    pub environment: Elements,
    /// Who made it, where the VM remembers.
    pub creator: Option<Term>,
}
