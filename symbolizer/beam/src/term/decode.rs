//! A word and what hangs on it, as a tree.

use super::reader::TermReader;
use super::{
    BigInteger, Elements, Fun, Limits, List, LocalFun, NIL, Pid, Port, Record, Term, TermError,
    boxed, cons, is_atom, small,
};
use crate::layout::{FunLayout, RecordLayout};
use crate::memory::Memory;

/// `MAX_ARITYVAL`; more is garbage. Large integers are bounded by the VM below that.
pub(super) const ARITY_MAX: u64 = (1 << 24) - 1;

/// A subtag, from a header.
pub(super) fn subtag(header: u64) -> u32 {
    (header >> 2) as u32 & 0xf
}

/// How many words follow a header.
pub(super) fn arity(header: u64) -> u64 {
    header >> 6
}

pub(super) struct Decoder<'r, 'a, M: Memory> {
    pub(super) reader: &'r TermReader<'a, M>,
    nodes: usize,
    pub(super) bytes: usize,
}

impl<'r, 'a, M: Memory> Decoder<'r, 'a, M> {
    pub(super) fn new(reader: &'r TermReader<'a, M>, limits: Limits) -> Decoder<'r, 'a, M> {
        Decoder {
            reader,
            nodes: limits.nodes,
            bytes: limits.bytes,
        }
    }

    /// Whether one more term may be read.
    pub(super) fn take(&mut self) -> bool {
        let left = self.nodes.checked_sub(1);
        self.nodes = left.unwrap_or(0);
        left.is_some()
    }

    /// How many of so many terms may be read.
    pub(super) fn allowed(&self, wanted: usize) -> usize {
        wanted.min(self.nodes)
    }

    pub(super) fn term(&mut self, term: u64, depth: usize) -> Result<Term, TermError> {
        if !self.take() {
            return Ok(Term::Cut);
        }
        match self.whole(term, depth) {
            Err(error) if self.reader.is_elsewhere(error) => Ok(Term::Cut),
            read => read,
        }
    }

    fn whole(&mut self, term: u64, depth: usize) -> Result<Term, TermError> {
        if term == NIL {
            return Ok(Term::List(List::default()));
        }
        if let Some(value) = small(term) {
            return Ok(Term::Integer(value));
        }
        if is_atom(term) {
            return self.reader.atom(term).map(Term::Atom);
        }
        if let Some((number, serial)) = self.reader.vm.pids.numbers(term) {
            let node = None;
            return Ok(Term::Pid(Pid {
                node,
                number,
                serial,
            }));
        }
        if term & 0xf == 7 {
            let number = self.reader.port(term);
            return Ok(Term::Port(Port { node: None, number }));
        }
        if cons(term).is_some() {
            return self.list(term, depth);
        }
        let address = boxed(term).ok_or(TermError::Changed { address: term })?;
        self.boxed(address, depth)
    }

    fn boxed(&mut self, address: u64, depth: usize) -> Result<Term, TermError> {
        let header = self.reader.word(address)?;
        let changed = TermError::Changed { address };
        if header & 3 != 0 {
            return Err(changed);
        }
        let layout = &self.reader.vm.layout.term;
        let tag = subtag(header);
        match tag {
            _ if tag == layout.tuple => self.tuple(address, arity(header), depth),
            _ if tag == layout.map => self.map(address, header, depth),
            _ if tag == layout.positive || tag == layout.negative => {
                self.big(address, arity(header), tag == layout.negative)
            }
            _ if tag == layout.float => self.reader.word(address.wrapping_add(8)).map(Term::Float),
            _ if tag == layout.fun => self.fun(address, header, depth),
            _ if tag == layout.reference => self.reader.reference(address, arity(header)),
            _ if tag == layout.external_pid => self.reader.external_pid(address),
            _ if tag == layout.external_port => self.reader.external_port(address),
            _ if tag == layout.external_reference => {
                self.reader.external_reference(address, arity(header))
            }
            _ => match &layout.record {
                Some(record) if tag == record.subtag => {
                    self.record(record, address, arity(header), depth)
                }
                _ => self.bits(address, header),
            },
        }
    }

    fn list(&mut self, first: u64, depth: usize) -> Result<Term, TermError> {
        if depth == 0 {
            return Ok(Term::Cut);
        }
        let mut list = List::default();
        let mut term = first;
        while let Some(address) = cons(term) {
            if self.nodes == 0 {
                list.tail = Some(Box::new(Term::Cut));
                return Ok(Term::List(list));
            }
            let (head, tail) = match self.reader.cell(address) {
                Err(error) if self.reader.is_elsewhere(error) && !list.items.is_empty() => {
                    list.tail = Some(Box::new(Term::Cut));
                    return Ok(Term::List(list));
                }
                cell => cell?,
            };
            list.items.push(self.term(head, depth.saturating_sub(1))?);
            term = tail;
        }
        if term != NIL {
            list.tail = Some(Box::new(self.term(term, depth.saturating_sub(1))?));
        }
        Ok(Term::List(list))
    }

    fn tuple(&mut self, address: u64, arity: u64, depth: usize) -> Result<Term, TermError> {
        if arity > ARITY_MAX {
            return Err(TermError::Changed { address });
        }
        if depth == 0 && arity > 0 {
            return Ok(Term::Cut);
        }
        self.elements(address.wrapping_add(8), arity as usize, depth)
            .map(Term::Tuple)
    }

    /// Terms that lie in a row.
    pub(super) fn elements(
        &mut self,
        address: u64,
        count: usize,
        depth: usize,
    ) -> Result<Elements, TermError> {
        let there = self.reader.there(address, self.allowed(count) * 8) / 8;
        let words = self.reader.words(address, there)?;
        let mut items = Vec::with_capacity(words.len());
        for word in words {
            if self.nodes == 0 {
                break;
            }
            items.push(self.term(word, depth.saturating_sub(1))?);
        }
        let missing = count - items.len();
        Ok(Elements { items, missing })
    }

    fn big(&mut self, address: u64, length: u64, negative: bool) -> Result<Term, TermError> {
        if length == 0 || length > ARITY_MAX {
            return Err(TermError::Changed { address });
        }
        let length = length as usize;
        let digits = if length * 8 <= self.bytes {
            self.bytes -= length * 8;
            self.reader.words(address.wrapping_add(8), length)?
        } else {
            Vec::new()
        };
        Ok(Term::BigInteger(BigInteger {
            negative,
            digits,
            length,
        }))
    }

    fn record(
        &mut self,
        layout: &RecordLayout,
        address: u64,
        arity: u64,
        depth: usize,
    ) -> Result<Term, TermError> {
        let changed = TermError::Changed { address };
        let fields = arity.checked_sub(1).filter(|fields| *fields < ARITY_MAX);
        let count = fields.ok_or(changed)? as usize;
        let reader = self.reader;
        let at = |base: u64, offset: u32| base.wrapping_add(u64::from(offset));
        let definition = boxed(reader.word(at(address, layout.definition))?).ok_or(changed)?;
        let module = reader.atom(reader.word(at(definition, layout.module))?)?;
        let name = reader.atom(reader.word(at(definition, layout.name))?)?;
        let exported = match &*reader.atom(reader.word(at(definition, layout.exported))?)? {
            "true" => true,
            "false" => false,
            _ => return Err(changed),
        };
        let read = if depth == 0 { 0 } else { self.allowed(count) };
        // Values are sorted by key; the order of the definition is a tuple of places.
        let order = boxed(reader.word(at(definition, layout.order))?).ok_or(changed)?;
        let order = reader.words(order.wrapping_add(8), read)?;
        let mut fields = Vec::with_capacity(read);
        for place in order {
            if self.nodes == 0 {
                break;
            }
            let place = small(place).and_then(|place| u64::try_from(place).ok());
            let place = place.filter(|place| *place < count as u64).ok_or(changed)?;
            let key = reader.word(at(definition, layout.keys).wrapping_add(8 * place))?;
            let value = reader.word(at(address, layout.values).wrapping_add(8 * place))?;
            fields.push((
                reader.atom(key)?,
                self.term(value, depth.saturating_sub(1))?,
            ));
        }
        Ok(Term::Record(Record {
            module,
            name,
            exported,
            missing: count - fields.len(),
            fields,
        }))
    }

    fn fun(&mut self, address: u64, header: u64, depth: usize) -> Result<Term, TermError> {
        let reader = self.reader;
        let layout = &reader.vm.layout.fun;
        let head = fun_head(reader, layout, address, header)?;
        let entry = reader.word(address.wrapping_add(u64::from(layout.entry)))?;
        let changed = TermError::Changed { address };
        if head.external {
            let mfa = reader.words(entry.wrapping_add(u64::from(layout.export_mfa)), 3)?;
            return Ok(Term::Fun(Fun::External {
                module: reader.atom(mfa[0])?,
                function: reader.atom(mfa[1])?,
                arity: u8::try_from(mfa[2]).map_err(|_| changed)?,
            }));
        }
        let at = |offset: u32| entry.wrapping_add(u64::from(offset));
        let mut uniq = [0; 16];
        reader.read(at(layout.uniq), &mut uniq)?;
        let environment = address.wrapping_add(u64::from(layout.environment));
        let fun = LocalFun {
            module: reader.atom(reader.word(at(layout.module))?)?,
            arity: head.arity,
            index: reader.half(at(layout.index))?,
            uniq,
            old_index: reader.half(at(layout.old_index))?,
            old_uniq: reader.half(at(layout.old_uniq))?,
            creator: match head.creator {
                Some(creator) => Some(self.creator(creator)?),
                None => None,
            },
            environment: if depth == 0 {
                Elements {
                    items: Vec::new(),
                    missing: head.free,
                }
            } else {
                self.elements(environment, head.free, depth)?
            },
        };
        Ok(Term::Fun(Fun::Local(Box::new(fun))))
    }

    /// The process that made a fun: of this node or of another one, nothing that holds terms.
    fn creator(&mut self, creator: u64) -> Result<Term, TermError> {
        let is_pid = match boxed(creator) {
            Some(address) => {
                let header = self.reader.word(address)?;
                let pid = self.reader.vm.layout.term.external_pid;
                header & 3 == 0 && subtag(header) == pid
            }
            None => self.reader.vm.pids.numbers(creator).is_some(),
        };
        if !is_pid {
            return Err(TermError::Changed { address: creator });
        }
        self.term(creator, 0)
    }
}

/// What a fun says of itself.
pub(super) struct FunHead {
    pub(super) arity: u8,
    free: usize,
    external: bool,
    creator: Option<u64>,
}

pub(super) fn fun_head<M: Memory>(
    reader: &TermReader<'_, M>,
    layout: &FunLayout,
    address: u64,
    header: u64,
) -> Result<FunHead, TermError> {
    let at = |offset: u32| address.wrapping_add(u64::from(offset));
    if let Some(stored) = &layout.stored {
        let creator = reader.word(at(stored.creator))?;
        let external = is_atom(creator);
        return Ok(FunHead {
            arity: reader.byte(at(stored.arity))?,
            free: usize::from(reader.byte(at(stored.free))?),
            external,
            creator: (!external).then_some(creator),
        });
    }
    let shifted = |shift: u32| header.checked_shr(shift).unwrap_or(0) as u8;
    let header = layout.header.as_ref();
    let header = header.ok_or(TermError::Changed { address })?;
    let free = usize::from(shifted(header.free_shift));
    let (external, free) = match header.external_shift {
        // The environment ends in a reference to the entry, which is counted.
        0 => (free == 0, free.saturating_sub(1)),
        shift => (shifted(shift) != 0, free),
    };
    Ok(FunHead {
        arity: shifted(header.arity_shift),
        free,
        external,
        creator: None,
    })
}
