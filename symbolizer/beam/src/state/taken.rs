//! The memory of a process that rests, read at one go while its VM goes on: what is too much for the
//! kernel half to copy. Whether it rested until then is for the caller to know
//! ([`super::CopyReader::rests_since`]).

use crate::Vm;
use crate::memory::Memory;
use crate::process::ProcessBlock;

/// Fragments that are read of each of the two lists that a process has.
const FRAGMENTS_MAX: usize = 64;
/// ERTS_MSG_COMBINED_HFRAG in erl_message.h: the fragment lies within the message.
const WITHIN: u64 = 1;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenCopy {
    /// By address, the longest first.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// Whether that is all that it has.
    pub is_all: bool,
}

impl TakenCopy {
    /// Reads the heaps, the stack and the fragments of a process, given its struct; `None` where it has more
    /// than `bytes_max`, or it cannot be read, as one that has run since.
    #[must_use]
    pub fn take<M: Memory>(vm: &Vm<M>, process: &[u8], bytes_max: usize) -> Option<TakenCopy> {
        let block = ProcessBlock::new(process, &vm.layout);
        let fields = &vm.layout.process;
        let mut spans = Spans {
            spans: Vec::new(),
            room: bytes_max as u64,
        };
        spans.add(block.heap(), block.word(fields.htop))?;
        spans.add(block.stop(), block.hend())?;
        let old = block.word(fields.old_heap);
        if old != 0 {
            // `old_hend`, `old_htop` and `old_heap` lie in this order (erl_process.h).
            spans.add(old, block.word(fields.old_hend + 8))?;
        }
        let is_all = fragments(vm, &block, &mut spans)?;
        let mut pieces: Vec<(u64, Vec<u8>)> = (spans.spans.iter())
            .map(|(start, bytes)| (*start, vec![0; *bytes]))
            .collect();
        let mut requests: Vec<(u64, &mut [u8])> = (pieces.iter_mut())
            .map(|(start, bytes)| (*start, bytes.as_mut_slice()))
            .collect();
        let read = vm.memory.read_many(&mut requests);
        if read.iter().any(|read| !read) {
            return None;
        }
        pieces.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.len()));
        Some(TakenCopy { pieces, is_all })
    }

    /// The pieces as they are looked for.
    #[must_use]
    pub fn pieces(&self) -> Vec<(u64, &[u8])> {
        let pieces = self.pieces.iter();
        pieces.map(|(start, bytes)| (*start, &**bytes)).collect()
    }
}

/// Where there is something, and how much more there may be.
struct Spans {
    spans: Vec<(u64, usize)>,
    room: u64,
}

impl Spans {
    fn add(&mut self, start: u64, end: u64) -> Option<()> {
        let bytes = end.checked_sub(start)?;
        self.room = self.room.checked_sub(bytes)?;
        if bytes > 0 {
            self.spans.push((start, bytes as usize));
        }
        Some(())
    }
}

/// What lies in no heap until it is collected: what functions in C have made, and messages that were
/// received (`erts_save_message_in_proc` in erl_message.c). Whether that is all.
fn fragments<M: Memory>(vm: &Vm<M>, block: &ProcessBlock<'_>, spans: &mut Spans) -> Option<bool> {
    let (fields, layout) = (&vm.layout.process, &vm.layout.message);
    let word = |base: u64, at: u32| vm.memory.u64(base.wrapping_add(u64::from(at))).ok();
    // mbuf, live_hf_end, msg_frag, mbuf_sz.
    let first = fields.fragment_words.checked_sub(24)?;
    let (mut fragment, mut message) = (block.word(first), block.word(first + 16));
    let mut add = |fragment: u64| {
        let start = fragment.wrapping_add(u64::from(layout.fragment_memory));
        let words = word(fragment, layout.fragment_used)?;
        spans.add(start, start.checked_add(words.checked_mul(8)?)?)?;
        word(fragment, layout.fragment_next)
    };
    let mut is_all = true;
    for _ in 0..FRAGMENTS_MAX {
        if fragment == 0 {
            break;
        }
        fragment = add(fragment)?;
    }
    for _ in 0..FRAGMENTS_MAX {
        if message == 0 {
            break;
        }
        let attached = match word(message, layout.attached)? {
            WITHIN => message.wrapping_add(u64::from(layout.fragment)),
            attached => attached,
        };
        if attached != 0 {
            // Of a chain that belongs to a message only the first.
            is_all &= add(attached)? == 0;
        }
        message = word(message, layout.next)?;
    }
    Some(is_all && fragment == 0 && message == 0)
}
