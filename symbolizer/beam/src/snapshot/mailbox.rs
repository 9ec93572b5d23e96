//! How many messages wait, and how much heap they have brought.
//!
//! A process has three queues (`erl_message.h`): the inner one, which `receive` looks at, the
//! middle one of signals that were fetched, and the in-queue, which senders append to. In the
//! last two other signals lie between the messages, told apart by their tag.

use crate::Vm;
use crate::memory::Memory;
use crate::process::ProcessBlock;

/// `FS_ON_HEAP_MSGQ`: what messages have brought counts as the process's heap.
const ON_HEAP: u64 = 1 << 1;
/// `ERTS_MSG_COMBINED_HFRAG`.
const COMBINED: u64 = 1;
/// More fragments than a message is sent in.
const FRAGMENTS_MAX: usize = 1024;

pub(super) struct Mailbox {
    /// Messages in all queues.
    pub(super) messages: u64,
    /// Words of those in the inner queue, where they count as heap.
    pub(super) heap_words: u64,
}

/// Counts up to a limit; `None` beyond it, or when a list leads nowhere.
pub(super) fn read<M: Memory>(
    vm: &Vm<M>,
    process: &ProcessBlock<'_>,
    limit: u64,
) -> Option<Mailbox> {
    let (fields, layout) = (&vm.layout.process, &vm.layout.message);
    let on_heap = process.word(fields.queue_flags) & ON_HEAP != 0;
    let words = layout.term as usize / 8 + 1;
    let mut mailbox = Mailbox {
        messages: 0,
        heap_words: 0,
    };
    let mut links = 0;
    for queue in [fields.inner_queue, fields.middle_queue, fields.in_queue] {
        let mut address = process.word(queue);
        while address != 0 {
            let message = vm.memory.words(address, words).ok()?;
            let field = |at: u32| message.get(at as usize / 8).copied().unwrap_or(0);
            if is_message(field(layout.term)) {
                mailbox.messages += 1;
                let fragment = match field(layout.attached) {
                    COMBINED => address.wrapping_add(u64::from(layout.fragment)),
                    attached => attached,
                };
                if on_heap && queue == fields.inner_queue {
                    mailbox.heap_words += fragments(vm, fragment)?;
                }
            }
            address = field(layout.next);
            links += 1;
            if links > limit {
                return None;
            }
        }
    }
    Some(mailbox)
}

/// Words used in a chain of fragments: `erts_used_frag_sz`.
fn fragments<M: Memory>(vm: &Vm<M>, first: u64) -> Option<u64> {
    let layout = &vm.layout.message;
    let mut fragment = first;
    let mut words = 0u64;
    for _ in 0..FRAGMENTS_MAX {
        if fragment == 0 {
            break;
        }
        let used = fragment.wrapping_add(u64::from(layout.fragment_used));
        words = words.saturating_add(vm.memory.u64(used).ok()?);
        let next = fragment.wrapping_add(u64::from(layout.fragment_next));
        fragment = vm.memory.u64(next).ok()?;
    }
    Some(words)
}

/// The tag of other signals is a header word (`ERTS_SIG_IS_NON_MSG` in
/// `erl_proc_sig_queue.h`), which no term is. A message that is not decoded yet has no term.
fn is_message(term: u64) -> bool {
    term == 0 || term & 3 != 0
}
