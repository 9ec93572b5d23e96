//! One process: what its struct says, and what hangs on it.

use super::native::Native;
use super::{ProcessSnapshot, SnapshotOptions, dictionary, mailbox, messages, relations, stack};

use crate::Vm;
use crate::code::CodeMap;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::TermReader;

/// `F_TRAP_EXIT` among the process's own flags: `erl_process.h`, the same in OTP 25 to 29.
const TRAP_EXIT: u64 = 1 << 22;

/// What was read of a process before it is put together.
pub(super) struct Parts<'p> {
    /// Where the struct lies.
    pub(super) address: u64,
    pub(super) block: &'p [u8],
    pub(super) stack: Option<&'p [u8]>,
    /// The native function that it is in.
    pub(super) native: Option<&'p Native>,
    pub(super) relations: Option<relations::Read>,
}

/// A process, and the addresses of the code that its frames are on.
pub(super) struct Read {
    /// Where the struct lies.
    pub(super) address: u64,
    /// Its pid, as a term.
    pub(super) id: u64,
    pub(super) process: ProcessSnapshot,
    /// Where in the code it resumes.
    pub(super) resumes: u64,
    pub(super) addresses: Vec<u64>,
    /// Where its name was read, and what was there.
    pub(super) registration: Option<Registration>,
    /// Shared counters of its monitors, and what they were.
    pub(super) counters: Vec<(u64, u32)>,
}

pub(super) fn read<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    code: &mut CodeMap,
    parts: Parts<'_>,
    options: SnapshotOptions,
) -> Option<Read> {
    let process = ProcessBlock::new(parts.block, &vm.layout);
    let fields = &vm.layout.process;
    let failed_before = vm.memory.failed_reads();
    let pid = vm.pids.print(process.id())?;
    let words_between = |from: u64, to: u64| to.saturating_sub(from) / 8;
    let heap_words = process.word(fields.heap_words);
    let old_words = words_between(process.word(fields.old_heap), process.word(fields.old_hend));
    let sensitive = process.is_sensitive();
    // One that has come back meanwhile is not in there.
    let native = parts
        .native
        .filter(|native| process.state().status() == "running" && native.still_runs(vm))
        .map(|native| &native.mfa);
    let walked = stack::walk(
        vm,
        code,
        &process,
        parts.stack,
        options.frames,
        (parts.address, native),
    );
    let show = options.show.filter(|_| !sensitive);
    let first = show.map_or(0, |show| show.first);
    let mailbox = mailbox::read(reader, vm, &process, options.messages, first);
    let wants = options.dictionary;
    let spawned_as = vm.mfa(process.initial());
    let told_of = (sensitive, spawned_as.as_ref());
    let dictionary = dictionary::read(reader, vm, &process, wants, told_of);
    let settled = |mailbox: &mailbox::Mailbox| mailbox.settled && !mailbox.cut;
    let settled = mailbox.as_ref().is_some_and(settled);
    let mut whole = walked.whole && dictionary.is_ok() && settled;
    let dictionary = dictionary.unwrap_or_default();
    let messages = show.zip(mailbox.as_ref()).map(|(show, mailbox)| {
        let (messages, all) = messages::read(reader, &mailbox.first, show, vm.redaction.as_ref());
        whole &= all;
        messages
    });
    let (relations, relation_bytes, counters) = match parts.relations {
        None => (None, None, Vec::new()),
        Some(read) => {
            whole &= read.whole;
            let known = read.whole && !read.relations.cut;
            (
                Some(read.relations),
                known.then_some(read.bytes),
                read.counters,
            )
        }
    };
    let mailbox_words = mailbox.as_ref().map_or(0, |mailbox| mailbox.heap_words);
    let mailbox_bytes = mailbox.as_ref().and_then(|mailbox| mailbox.bytes);
    let memory = own_bytes(reader, vm, &process, parts.address)
        .zip(relation_bytes)
        .zip(mailbox_bytes)
        .map(|((own, relations), mailbox)| {
            [own, relations, mailbox, dictionary.bytes]
                .into_iter()
                .fold(0, u64::saturating_add)
        });
    // One that is another's by now was its own a moment ago.
    let registration = registration(vm, &process, parts.address).unwrap_or_else(|Replaced| {
        whole = false;
        None
    });
    let snapshot = ProcessSnapshot {
        name: registration.and_then(|of| Some(vm.atom(of.name)?.to_string())),
        initial_call: dictionary.initial_call.or_else(|| spawned_as.clone()),
        spawned_as,
        label: dictionary.label,
        current_function: walked.current,
        status: process.state().status(),
        mailbox: mailbox.as_ref().map(|mailbox| mailbox.messages),
        mailbox_cut: mailbox.as_ref().is_some_and(|mailbox| mailbox.cut),
        messages,
        message_queue_data: mailbox::data(vm, &process),
        reductions: process.word(fields.reds),
        heap_words,
        total_heap_words: heap_words
            .saturating_add(old_words)
            .saturating_add(process.word(fields.fragment_words))
            .saturating_add(mailbox_words),
        stack_words: words_between(process.stop(), process.hend()),
        min_heap_words: process.word(fields.min_heap_words),
        fullsweep_after: process.word(fields.fullsweep_after) as u16,
        memory_bytes: memory,
        parent: pid_of(reader, vm, process.parent()),
        group_leader: pid_of(reader, vm, process.word(fields.group_leader)),
        relations,
        dictionary_keys: wants.then_some(dictionary.keys),
        dictionary_cut: dictionary.cut,
        trap_exit: process.word(fields.flags) & TRAP_EXIT != 0,
        sensitive,
        stack: walked.frames,
        stack_cut: walked.cut,
        consistent: whole && vm.memory.failed_reads() == failed_before,
        pid,
    };
    Some(Read {
        address: parts.address,
        id: process.id(),
        process: snapshot,
        resumes: process.i(),
        addresses: walked.addresses,
        registration,
        counters,
    })
}

/// A registration that is no longer this process's.
struct Replaced;

/// A registered name: where its `RegProc` lies, and the atom. One that was given up may be another's by now, and
/// says whose it is.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Registration {
    at: u64,
    process: u64,
    name: u64,
}

impl Registration {
    fn read<M: Memory>(vm: &Vm<M>, at: u64) -> Option<Self> {
        let layout = &vm.layout.reg_proc;
        let first = layout.name.min(layout.process);
        let count = layout.name.abs_diff(layout.process) as usize / 8 + 1;
        // Both at once, as they belong together.
        let words = vm.memory.words(at.wrapping_add(u64::from(first)), count);
        let words = words.ok()?;
        let word = |field: u32| words.get((field - first) as usize / 8).copied();
        Some(Self {
            at,
            process: word(layout.process)?,
            name: word(layout.name)?,
        })
    }

    /// Whether it is what it was, when the process has pointed at it in between. `reg_alloc` in `register.c` sets
    /// the name before the process, so a copy may have one of the next owner and the other of the one before: but
    /// only while the one before has none.
    pub(super) fn is_same<M: Memory>(&self, vm: &Vm<M>) -> bool {
        Self::read(vm, self.at).as_ref() == Some(self)
    }
}

/// The registration of a process, given the address of its struct.
fn registration<M: Memory>(
    vm: &Vm<M>,
    process: &ProcessBlock<'_>,
    address: u64,
) -> Result<Option<Registration>, Replaced> {
    match process.word(vm.layout.process.reg) {
        0 => Ok(None),
        at => Registration::read(vm, at)
            .filter(|registration| registration.process == address)
            .map(Some)
            .ok_or(Replaced),
    }
}

/// A pid, of another node for those that a remote shell or call has started.
fn pid_of<M: Memory>(reader: &TermReader<'_, M>, vm: &Vm<M>, term: u64) -> Option<String> {
    vm.pids.print(term).or_else(|| {
        let term = reader.decode(term, crate::term::Limits::default()).ok()?;
        let text = term.to_string();
        // `undefined` for one that nobody has spawned.
        text.starts_with('<').then_some(text)
    })
}

/// What `erts_process_memory` in `erl_process_dump.c` counts for a process but for its links,
/// monitors, messages and dictionary. `None` when something cannot be read.
fn own_bytes<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    process: &ProcessBlock<'_>,
    address: u64,
) -> Option<u64> {
    let fields = &vm.layout.process;
    let between = |from: u64, to: u64| to.saturating_sub(from);
    let words = process
        .word(fields.heap_words)
        .saturating_add(process.word(fields.fragment_words));
    let mut bytes = words
        .saturating_mul(8)
        .saturating_add(u64::from(fields.size));
    if process.word(fields.abandoned_heap) != 0 {
        bytes = bytes.saturating_add(between(process.heap(), process.hend()));
    }
    let old = (process.word(fields.old_heap), process.word(fields.old_hend));
    if old.0 != 0 && old.1 != 0 {
        bytes = bytes.saturating_add(between(old.0, old.1));
    }
    let arguments = process.word(fields.arguments);
    if arguments != address.wrapping_add(u64::from(fields.own_arguments)) {
        bytes = bytes.saturating_add(8 * (process.word(fields.arity) & 0xff));
    }
    let specific = process.word(fields.specific);
    if specific != 0 {
        let layout = &vm.layout.specific;
        bytes = bytes.saturating_add(u64::from(layout.size));
        let calls = specific.wrapping_add(u64::from(layout.saved_calls));
        let calls = reader.word(calls).ok()?;
        if calls != 0 {
            let length = calls.wrapping_add(u64::from(layout.saved_calls_length));
            let more = u64::from(reader.half(length).ok()?).saturating_sub(1);
            bytes = bytes.saturating_add(u64::from(layout.saved_calls_size) + 8 * more);
        }
    }
    Some(bytes)
}
