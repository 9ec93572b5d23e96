//! Reads what terms are made of. Terms that were built together lie together, so memory is
//! fetched in blocks that are kept until [`TermReader::forget`].

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use super::decode::Decoder;
use super::pid::PortPrinter;
use super::{Limits, Node, Term, TermError};
use crate::Vm;
use crate::memory::Memory;

/// Fetched at a time; part of a page, so that it can be read whole or not at all.
const BLOCK: u64 = 512;
/// Blocks that are kept at most.
const BLOCKS_MAX: usize = 1 << 14;
/// Terms within each other, whatever the limits allow: decoding, printing and dropping go down
/// the stack of a thread.
pub(super) const DEPTH_MAX: usize = 200;

type Block = Box<[u8; BLOCK as usize]>;

/// How ports are numbered: looked for once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ports(Arc<OnceLock<Option<PortPrinter>>>);

/// What is read where nothing was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// Nothing.
    Nothing,
    /// The VM's memory, which may have changed since. Whether also what a process shares with others and
    /// gives up when it likes: binaries that lie outside of its heap.
    Vm { off_heap: bool },
}

/// What was read of the VM's memory for want of a copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// What all processes share and none changes: literals, functions, nodes. Their memory is used
    /// again only after no process has them any more.
    pub shared: bool,
    /// Binaries that lie outside of heaps. Their memory may be used again as soon as the process that
    /// has them has run.
    pub off_heap: bool,
}

/// Pieces of memory, by address, that are read instead of the VM's.
#[derive(Debug, Clone, Copy)]
struct Copied<'a> {
    pieces: &'a [(u64, &'a [u8])],
    beyond: Beyond,
}

/// Decodes the terms of a VM.
pub struct TermReader<'a, M: Memory> {
    pub(super) vm: &'a Vm<M>,
    blocks: RefCell<FxHashMap<u64, Option<Block>>>,
    pub(super) nodes: RefCell<FxHashMap<u64, Arc<Node>>>,
    ports: Ports,
    copied: Option<Copied<'a>>,
    touched: Cell<Touched>,
    this_dist: OnceCell<Option<u64>>,
}

impl<'a, M: Memory> TermReader<'a, M> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(vm: &'a Vm<M>) -> TermReader<'a, M> {
        TermReader {
            vm,
            blocks: RefCell::default(),
            nodes: RefCell::default(),
            ports: Ports::default(),
            copied: None,
            touched: Cell::default(),
            this_dist: OnceCell::new(),
        }
    }

    /// Reads terms in pieces that were copied before. Of the VM's memory what never changes is read:
    /// names of atoms, how ports are numbered; and what `beyond` allows. What lies in no piece, and
    /// must not or cannot be read, is [`Term::Cut`].
    pub(crate) fn of_copy(
        vm: &'a Vm<M>,
        pieces: &'a [(u64, &'a [u8])],
        ports: &Ports,
        beyond: Beyond,
    ) -> TermReader<'a, M> {
        TermReader {
            ports: ports.clone(),
            copied: Some(Copied { pieces, beyond }),
            ..TermReader::new(vm)
        }
    }

    /// What was read of the VM's memory because it lies in no piece.
    pub(crate) fn touched(&self) -> Touched {
        self.touched.get()
    }

    /// Whether what a term at an address refers to, which lies outside of any heap, may be read. What a
    /// literal refers to stays as long as the literal.
    pub(super) fn may_leave_heap(&self, term: u64, to: u64) -> bool {
        let Some(Copied {
            beyond: Beyond::Vm { off_heap },
            ..
        }) = self.copied
        else {
            return true;
        };
        if self.copied_from(to).is_some() || self.copied_from(term).is_none() {
            return true;
        }
        self.touched.set(Touched {
            off_heap,
            ..self.touched.get()
        });
        off_heap
    }

    /// An error that only says that something was not copied: of memory that goes on it would say
    /// that something was freed.
    pub(super) fn is_elsewhere(&self, error: TermError) -> bool {
        self.copied.is_some() && matches!(error, TermError::Unreadable { .. })
    }

    /// Bytes from an address on that were copied; `None` where none was.
    fn copied_from(&self, address: u64) -> Option<&'a [u8]> {
        self.copied?.pieces.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(at..).filter(|bytes| !bytes.is_empty())
        })
    }

    /// How many of so many bytes from an address on can be read: all, unless this is a copy.
    pub(super) fn there(&self, address: u64, wanted: usize) -> usize {
        let Some(copied) = self.copied else {
            return wanted;
        };
        match (self.copied_from(address), copied.beyond) {
            (Some(bytes), _) => wanted.min(bytes.len()),
            (None, Beyond::Nothing) => 0,
            (None, Beyond::Vm { .. }) => wanted,
        }
    }

    /// Decodes a term as far as the limits allow, and no deeper than is safe on the stack of a
    /// thread.
    ///
    /// # Errors
    /// When something in it is no term, or cannot be read.
    pub fn decode(&self, term: u64, limits: Limits) -> Result<Term, TermError> {
        Decoder::new(self, limits).term(term, limits.depth.min(DEPTH_MAX))
    }

    /// Forgets the memory that was fetched: what is read next is read anew.
    pub fn forget(&self) {
        self.blocks.borrow_mut().clear();
        self.nodes.borrow_mut().clear();
    }

    /// Fetches the memory around many addresses at once.
    pub fn prefetch(&self, addresses: impl Iterator<Item = u64>) {
        // Where they come from may itself be read through the blocks.
        let mut wanted: Vec<u64> = addresses
            .map(|address| address & !(BLOCK - 1))
            .filter(|start| *start != 0)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut blocks = self.blocks.borrow_mut();
        wanted.retain(|start| !blocks.contains_key(start));
        wanted.truncate(BLOCKS_MAX.saturating_sub(blocks.len()));
        let mut fetched: Vec<Block> = wanted
            .iter()
            .map(|_| Box::new([0; BLOCK as usize]))
            .collect();
        let mut requests: Vec<(u64, &mut [u8])> = wanted
            .iter()
            .zip(&mut fetched)
            .map(|(&start, block)| (start, block.as_mut_slice()))
            .collect();
        let read = self.vm.memory.read_many(&mut requests);
        for ((start, block), read) in wanted.into_iter().zip(fetched).zip(read) {
            blocks.insert(start, read.then_some(block));
        }
    }

    /// Fills a buffer from the blocks, or from memory where it is large or no block is there.
    pub(crate) fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), TermError> {
        if let Some(copied) = self.copied
            && !buffer.is_empty()
        {
            let bytes = self.copied_from(address);
            if let Some(bytes) = bytes.and_then(|bytes| bytes.get(..buffer.len())) {
                buffer.copy_from_slice(bytes);
                return Ok(());
            }
            // A part of it was copied: the rest is of another time.
            if bytes.is_some() || copied.beyond == Beyond::Nothing {
                return Err(TermError::Unreadable { address });
            }
            self.touched.set(Touched {
                shared: true,
                ..self.touched.get()
            });
        }
        let direct = |buffer: &mut [u8]| {
            self.vm
                .memory
                .read(address, buffer)
                .map_err(|_| TermError::Unreadable { address })
        };
        if buffer.len() as u64 > 4 * BLOCK {
            return direct(buffer);
        }
        let mut at = address;
        let mut filled = 0;
        while filled < buffer.len() {
            let offset = (at & (BLOCK - 1)) as usize;
            let count = (BLOCK as usize - offset).min(buffer.len() - filled);
            let Some(target) = buffer.get_mut(filled..filled + count) else {
                break;
            };
            if !self.copy_from_block(at & !(BLOCK - 1), offset, target) {
                return direct(buffer);
            }
            filled += count;
            at = at.wrapping_add(count as u64);
        }
        Ok(())
    }

    fn copy_from_block(&self, start: u64, offset: usize, target: &mut [u8]) -> bool {
        let mut blocks = self.blocks.borrow_mut();
        if blocks.len() >= BLOCKS_MAX {
            blocks.clear();
        }
        let block = blocks.entry(start).or_insert_with(|| {
            let mut block: Block = Box::new([0; BLOCK as usize]);
            let read = self.vm.memory.read(start, block.as_mut_slice());
            read.is_ok().then_some(block)
        });
        let source = block
            .as_ref()
            .and_then(|block| block.get(offset..offset + target.len()));
        match source {
            Some(source) => {
                target.copy_from_slice(source);
                true
            }
            None => false,
        }
    }

    pub(crate) fn word(&self, address: u64) -> Result<u64, TermError> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(crate) fn half(&self, address: u64) -> Result<u32, TermError> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(crate) fn byte(&self, address: u64) -> Result<u8, TermError> {
        let mut byte = [0];
        self.read(address, &mut byte)?;
        Ok(byte[0])
    }

    /// Words; the caller bounds the count.
    pub(crate) fn words(&self, address: u64, count: usize) -> Result<Vec<u64>, TermError> {
        let mut bytes = vec![0; count * 8];
        self.read(address, &mut bytes)?;
        let words = bytes.as_chunks::<8>().0.iter();
        Ok(words.map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// Head and tail of a list's cell.
    pub(crate) fn cell(&self, address: u64) -> Result<(u64, u64), TermError> {
        let mut bytes = [0; 16];
        self.read(address, &mut bytes)?;
        let cell = u128::from_le_bytes(bytes);
        Ok((cell as u64, (cell >> 64) as u64))
    }

    pub(crate) fn atom(&self, term: u64) -> Result<Arc<str>, TermError> {
        let why = match self.copied {
            None => TermError::Changed { address: term },
            // The VM has ended.
            Some(_) => TermError::Unreadable { address: term },
        };
        self.vm.atom(term).ok_or(why)
    }

    /// The number of a port of the VM's own.
    pub(super) fn port(&self, term: u64) -> Option<u64> {
        let read = || {
            let vm = self.vm;
            PortPrinter::read(&vm.memory, vm.globals.process_table, &vm.layout)
        };
        self.ports.0.get_or_init(read).as_ref()?.number(term)
    }

    /// What the VM knows of its own node's connection; identities of other nodes that have it
    /// are of an earlier node of the same name.
    pub(super) fn this_dist(&self) -> Option<u64> {
        *self.this_dist.get_or_init(|| {
            let memory = &self.vm.memory;
            let node = memory.u64(self.vm.globals.this_node?).ok()?;
            let at = node.wrapping_add(u64::from(self.vm.layout.node.dist_entry));
            memory.u64(at).ok()
        })
    }
}
