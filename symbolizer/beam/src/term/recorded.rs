//! Terms as recordings have them: in the external term format, with atoms for what is missing and what
//! was masked ([`Term::to_external_with_holes`]).

use std::sync::Arc;

use super::external::{CUT, MASKED, NotExternal};
use super::{Elements, Fun, Limits, List, Map, Node, Record, Term};

/// All of it: it is there.
const ALL: Limits = Limits {
    depth: usize::MAX,
    nodes: usize::MAX,
    bytes: usize::MAX,
};

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
    /// When they are none, or more than one.
    pub fn from_recorded(
        bytes: &[u8],
        own: Option<&str>,
        holes: Holes,
    ) -> Result<Term, NotExternal> {
        let (mut term, rest) = Term::from_external(bytes, None, &ALL)?;
        if !rest.is_empty() {
            return Err(NotExternal::more(rest));
        }
        Reader { own, holes }.term(&mut term);
        Ok(term)
    }
}

struct Reader<'o> {
    own: Option<&'o str>,
    holes: Holes,
}

impl Reader<'_> {
    /// Terms are no deeper than is safe on a thread's stack: [`Term::from_external`] sees to that.
    fn term(&self, term: &mut Term) {
        match term {
            Term::Atom(name) if self.holes.cut && **name == *CUT => *term = Term::Cut,
            Term::Atom(name) if self.holes.masked && **name == *MASKED => *term = Term::Masked,
            Term::Tuple(elements) => self.elements(elements),
            Term::List(List { items, tail }) => {
                self.all(items);
                if let Some(tail) = tail {
                    self.term(tail);
                }
            }
            Term::Map(map) => self.map(map),
            Term::Record(record) => self.record(record),
            Term::Pid(pid) => self.node(&mut pid.node),
            Term::Port(port) => self.node(&mut port.node),
            Term::Reference(reference) => self.node(&mut reference.node),
            Term::Fun(Fun::Local(fun)) => {
                self.elements(&mut fun.environment);
                let creator = fun.creator.as_mut();
                creator.into_iter().for_each(|creator| self.term(creator));
                // Where the VM does not remember, a process that there never is stands for it.
                fun.creator.take_if(|creator| {
                    matches!(creator, Term::Pid(pid) if pid.number == 0 && pid.serial == 0)
                });
            }
            _ => {}
        }
    }

    fn all(&self, terms: &mut [Term]) {
        terms.iter_mut().for_each(|term| self.term(term));
    }

    fn elements(&self, elements: &mut Elements) {
        self.all(&mut elements.items);
        // One that is missing at the end stands for all that are. What was masked or is too deep is not at
        // the end alone: of those the others of the tuple are there.
        if elements.items.pop_if(|last| *last == Term::Cut).is_some() {
            elements.missing += 1;
        }
    }

    fn map(&self, map: &mut Map) {
        for (key, value) in &mut map.pairs {
            self.term(key);
            self.term(value);
        }
        let is_missing = |pair: &mut (Term, Term)| *pair == (Term::Cut, Term::Cut);
        map.missing += usize::from(map.pairs.pop_if(is_missing).is_some());
    }

    fn record(&self, record: &mut Record) {
        for (_, value) in &mut record.fields {
            self.term(value);
        }
        let is_missing =
            |(name, value): &mut (Arc<str>, Term)| **name == *CUT && *value == Term::Cut;
        record.missing += usize::from(record.fields.pop_if(is_missing).is_some());
    }

    fn node(&self, node: &mut Option<Arc<Node>>) {
        node.take_if(|node| self.own == Some(&*node.name));
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
        Term::from_recorded(&bytes, Some("a@b"), holes).expect("a term")
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
            assert!(Term::from_recorded(&bytes[..length], None, HOLES).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Term::from_recorded(&longer, None, HOLES).is_err());
        for at in 0..bytes.len() {
            for byte in 0..=255 {
                let mut other = bytes.clone();
                other[at] = byte;
                let _ = Term::from_recorded(&other, None, HOLES);
            }
        }
        // Lists within lists, without end.
        let deep = [&[131][..], &[b'l', 0, 0, 0, 1].repeat(100_000)].concat();
        assert!(Term::from_recorded(&deep, None, HOLES).is_err());
    }
}
