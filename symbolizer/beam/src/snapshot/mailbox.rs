//! How many messages wait, where, and what they take.
//!
//! A process has three queues (`erl_message.h`): the inner one, which `receive` looks at, the
//! middle one of signals that were fetched, and the in-queue, which senders append to; senders
//! that are many have buffers of it, each with a list of its own. In all but the inner one other
//! signals lie between the messages, told apart by their tag. `process_info/2` has the process
//! fetch everything before it counts, so all of them count here.

use crate::Vm;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::{TermError, TermReader};

/// `FS_OFF_HEAP_MSGQ` and `FS_ON_HEAP_MSGQ`: what messages have brought counts as heap.
const OFF_HEAP: u64 = 1;
const ON_HEAP: u64 = 1 << 1;
/// `ERTS_MSG_COMBINED_HFRAG`.
const COMBINED: u64 = 1;
/// `ERTS_SIG_Q_OP_RECV_MARK`, in the low byte of what a signal's tag has as its arity.
const RECEIVE_MARK: u64 = 16;
/// More fragments than a message is sent in.
const FRAGMENTS_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Mailbox {
    /// Messages in all queues.
    pub(super) messages: u64,
    /// Words that they have brought, where those count as heap.
    pub(super) heap_words: u64,
    /// All that they take; `None` where a message is not decoded yet, so that its size is not
    /// known.
    pub(super) bytes: Option<u64>,
    /// Nothing was in the buffers of senders, which are read one after the other.
    pub(super) settled: bool,
    /// There are more than were counted.
    pub(super) cut: bool,
    /// The first messages, oldest first; 0 for one that is not decoded yet.
    pub(super) first: Vec<u64>,
}

/// `on_heap` or `off_heap`, as `process_info(Pid, message_queue_data)` has it.
pub(super) fn data<M: Memory>(vm: &Vm<M>, process: &ProcessBlock<'_>) -> Option<&'static str> {
    match process.word(vm.layout.process.queue_flags) & (OFF_HEAP | ON_HEAP) {
        OFF_HEAP => Some("off_heap"),
        ON_HEAP => Some("on_heap"),
        _ => None,
    }
}

/// Counts up to a limit and takes the first `shown` messages; `None` when a list leads nowhere.
pub(super) fn read<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    process: &ProcessBlock<'_>,
    limit: u64,
    shown: usize,
) -> Option<Mailbox> {
    let fields = &vm.layout.process;
    let mut queues = vec![
        process.word(fields.inner_queue),
        process.word(fields.middle_queue),
        process.word(fields.in_queue),
    ];
    let buffers = buffers(reader, vm, process.word(fields.in_queue_buffers)).ok()?;
    let settled = buffers.is_empty();
    queues.extend(buffers);
    let mut counter = Counter {
        reader,
        vm,
        links: 0,
        fragments: 0,
        limit,
        shown,
        mailbox: Mailbox {
            bytes: Some(0),
            settled,
            ..Mailbox::default()
        },
    };
    let mut cut = false;
    for queue in queues {
        if counter.queue(queue).ok()?.is_none() {
            cut = true;
            break;
        }
    }
    let mut mailbox = counter.mailbox;
    mailbox.cut = cut;
    if cut {
        mailbox.bytes = None;
    }
    if process.word(fields.queue_flags) & ON_HEAP == 0 {
        mailbox.heap_words = 0;
    }
    Some(mailbox)
}

/// First signals in the buffers of the in-queue that are not empty.
fn buffers<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    buffers: u64,
) -> Result<Vec<u64>, TermError> {
    if buffers == 0 {
        return Ok(Vec::new());
    }
    let layout = &vm.layout.queue_buffers;
    let nonempty = reader.word(buffers.wrapping_add(u64::from(layout.nonempty)))?;
    (0..layout.slots.min(64))
        .filter(|slot| nonempty & 1 << slot != 0)
        .map(|slot| {
            let at = u64::from(slot) * u64::from(layout.stride) + u64::from(layout.first);
            reader.word(buffers.wrapping_add(at))
        })
        .collect()
}

struct Counter<'c, 'a, M: Memory> {
    reader: &'c TermReader<'a, M>,
    vm: &'c Vm<M>,
    links: u64,
    limit: u64,
    /// Fragments that were followed, of all messages.
    fragments: u64,
    shown: usize,
    mailbox: Mailbox,
}

impl<M: Memory> Counter<'_, '_, M> {
    /// Counts a queue; `None` beyond the limit.
    fn queue(&mut self, first: u64) -> Result<Option<()>, TermError> {
        let layout = &self.vm.layout.message;
        let words = layout.term as usize / 8 + 1;
        let mut address = first;
        while address != 0 {
            let message = self.reader.words(address, words)?;
            let field = |at: u32| message.get(at as usize / 8).copied().unwrap_or(0);
            let (term, attached) = (field(layout.term), field(layout.attached));
            if is_message(term) {
                self.message(address, term, attached)?;
            } else if term >> 6 & 0xff == RECEIVE_MARK {
                self.add(u64::from(layout.marker_size));
            }
            address = field(layout.next);
            self.links += 1;
            if self.links > self.limit {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    fn add(&mut self, bytes: u64) {
        let sum = self.mailbox.bytes.map(|sum| sum.saturating_add(bytes));
        self.mailbox.bytes = sum;
    }

    fn message(&mut self, address: u64, term: u64, attached: u64) -> Result<(), TermError> {
        let layout = &self.vm.layout.message;
        self.mailbox.messages += 1;
        if self.mailbox.first.len() < self.shown {
            self.mailbox.first.push(term);
        }
        let fragment = match attached {
            COMBINED => address.wrapping_add(u64::from(layout.fragment)),
            attached => attached,
        };
        let words = self.fragments(fragment)?;
        self.mailbox.heap_words = self.mailbox.heap_words.saturating_add(words);
        self.add(u64::from(layout.size).saturating_add(words.saturating_mul(8)));
        if term == 0 {
            // What it will take is known when it is decoded.
            self.mailbox.bytes = None;
        }
        Ok(())
    }

    /// Words used in a chain of fragments: `erts_used_frag_sz`.
    fn fragments(&mut self, first: u64) -> Result<u64, TermError> {
        let layout = &self.vm.layout.message;
        let mut fragment = first;
        let mut words = 0u64;
        for _ in 0..FRAGMENTS_MAX {
            if fragment == 0 {
                return Ok(words);
            }
            // A message has one as a rule. Chains that lead round in circles in a queue that does
            // too would take the product of both limits.
            self.fragments += 1;
            if self.fragments > self.limit.saturating_mul(2) {
                break;
            }
            let used = fragment.wrapping_add(u64::from(layout.fragment_used));
            words = words.saturating_add(self.reader.word(used)?);
            let next = fragment.wrapping_add(u64::from(layout.fragment_next));
            fragment = self.reader.word(next)?;
        }
        // There may be more: what is counted is too little.
        self.mailbox.settled = false;
        self.mailbox.bytes = None;
        Ok(words)
    }
}

/// The tag of other signals is a header word (`ERTS_SIG_IS_NON_MSG` in
/// `erl_proc_sig_queue.h`), which no term is. A message that is not decoded yet has no term.
fn is_message(term: u64) -> bool {
    term == 0 || term & 3 != 0
}
