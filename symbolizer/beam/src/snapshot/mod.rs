//! The process table, read from outside while the VM runs.
//!
//! A `Process` is copied twice, with everything that hangs on it read in between. What was not
//! running either time and has not changed is consistent: reductions are counted whenever a
//! process is scheduled out, so one that ran in between has other ones.

mod mailbox;
mod stack;

use escope_model::Mfa;

use crate::code::CodeMap;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::{BeamError, Vm};

pub use stack::StackFrame;

/// More slots than a process table can have: `ERTS_MAX_PROCESSES`.
const SLOTS_MAX: usize = 1 << 27;
/// Slots and processes that are read at a time.
const CHUNK: usize = 512;

/// One process at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSnapshot {
    /// As the VM prints it.
    pub pid: String,
    /// Registered name.
    pub name: Option<String>,
    /// What it was spawned with: `proc_lib:init_p/5` for those of `proc_lib`.
    pub spawned_as: Option<Mfa>,
    /// For those of `proc_lib` the real one, from `$initial_call`.
    pub initial_call: Option<Mfa>,
    /// The function that it is in or resumes in.
    pub current_function: Option<Mfa>,
    /// As `process_info(Pid, status)` puts it.
    pub status: &'static str,
    /// Messages in its mailbox; `None` where there are more than can be counted or the list was
    /// changing.
    pub mailbox: Option<u64>,
    /// Since it was spawned, as of when it was last scheduled out.
    pub reductions: u64,
    /// Young heap with stack, in words.
    pub heap_words: u64,
    /// Young and old heap, fragments and what messages have brought, in words.
    pub total_heap_words: u64,
    /// Stack, in words.
    pub stack_words: u64,
    /// The process that spawned it.
    pub parent: Option<String>,
    /// Group leader.
    pub group_leader: Option<String>,
    /// Leaf first; of a deep one the first frames. Empty for a process that hibernates.
    pub stack: Vec<StackFrame>,
    /// Whether there are more frames.
    pub stack_cut: bool,
    /// Whether all of this was so at one instant.
    pub consistent: bool,
}

/// What to read of each process.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotOptions {
    /// Frames of a stack.
    pub frames: usize,
    /// Messages that are counted.
    pub messages: u64,
}

impl Default for SnapshotOptions {
    fn default() -> SnapshotOptions {
        SnapshotOptions {
            frames: 64,
            messages: 100_000,
        }
    }
}

/// Reads every process.
///
/// # Errors
/// When the process table cannot be read.
pub fn snapshot<M: Memory>(
    vm: &Vm<M>,
    code: &mut CodeMap,
    options: SnapshotOptions,
) -> Result<Vec<ProcessSnapshot>, BeamError> {
    let mut processes = Vec::new();
    for pointers in table(vm)?.chunks(CHUNK) {
        let before = blocks(vm, pointers);
        let stacks = stack::copy(vm, &before);
        let mut read: Vec<Option<ProcessSnapshot>> = before
            .iter()
            .zip(&stacks)
            .map(|(block, stack)| one(vm, code, block.as_deref()?, stack.as_deref(), options))
            .collect();
        let after = blocks(vm, pointers);
        for ((process, before), after) in read.iter_mut().zip(&before).zip(&after) {
            if let Some(process) = process {
                let unchanged = match (before, after) {
                    (Some(before), Some(after)) => is_unchanged(before, after, &vm.layout),
                    _ => false,
                };
                process.consistent &= unchanged;
            }
        }
        processes.extend(read.into_iter().flatten());
    }
    Ok(processes)
}

/// Addresses of the processes that are in the table.
fn table<M: Memory>(vm: &Vm<M>) -> Result<Vec<u64>, BeamError> {
    let layout = &vm.layout.process_table;
    let read_only = vm.globals.process_table + u64::from(layout.read_only);
    let slots = vm.memory.u64(read_only)?;
    let max = vm.memory.u32(read_only + u64::from(layout.max))? as usize;
    let invalid = vm.memory.u64(read_only + u64::from(layout.invalid))?;
    let max = max.min(SLOTS_MAX);
    let mut processes = Vec::new();
    for first in (0..max).step_by(CHUNK) {
        let words = vm
            .memory
            .words(slots.wrapping_add(8 * first as u64), CHUNK.min(max - first))?;
        processes.extend(
            words
                .into_iter()
                .filter(|&slot| slot != 0 && slot != invalid),
        );
    }
    Ok(processes)
}

fn blocks<M: Memory>(vm: &Vm<M>, pointers: &[u64]) -> Vec<Option<Vec<u8>>> {
    let bytes = vm.layout.process.size as usize;
    let mut blocks = vec![vec![0; bytes]; pointers.len()];
    let mut requests: Vec<(u64, &mut [u8])> = pointers
        .iter()
        .zip(&mut blocks)
        .map(|(&address, block)| (address, block.as_mut_slice()))
        .collect();
    let read = vm.memory.read_many(&mut requests);
    blocks
        .into_iter()
        .zip(read)
        .map(|(block, read)| read.then_some(block))
        .collect()
}

/// Whether a process did not run between two copies of it.
fn is_unchanged(before: &[u8], after: &[u8], layout: &Layout) -> bool {
    let (before, after) = (
        ProcessBlock::new(before, layout),
        ProcessBlock::new(after, layout),
    );
    let fields = &layout.process;
    let rests = |block: &ProcessBlock<'_>| {
        matches!(block.state().status(), "waiting" | "runnable" | "suspended")
    };
    let same = [
        fields.id,
        fields.reds,
        fields.i,
        fields.htop,
        fields.stop,
        fields.heap,
        fields.hend,
        fields.inner_queue,
        fields.middle_queue,
        fields.in_queue,
    ]
    .into_iter()
    .all(|field| before.word(field) == after.word(field));
    same && rests(&before) && rests(&after) && before.state().0 == after.state().0
}

fn one<M: Memory>(
    vm: &Vm<M>,
    code: &mut CodeMap,
    block: &[u8],
    stack: Option<&[u8]>,
    options: SnapshotOptions,
) -> Option<ProcessSnapshot> {
    let process = ProcessBlock::new(block, &vm.layout);
    let fields = &vm.layout.process;
    let pid = vm.pids.print(process.id())?;
    let words_between = |from: u64, to: u64| to.saturating_sub(from) / 8;
    let heap_words = process.word(fields.heap_words);
    let old_words = words_between(process.word(fields.old_heap), process.word(fields.old_hend));
    let walked = stack::walk(vm, code, &process, stack, options.frames);
    let mailbox = mailbox::read(vm, &process, options.messages);
    let spawned_as = vm.mfa(process.initial());
    Some(ProcessSnapshot {
        name: name(vm, &process),
        initial_call: initial_call(vm, &process).or_else(|| spawned_as.clone()),
        spawned_as,
        current_function: walked.current,
        status: process.state().status(),
        mailbox: mailbox.as_ref().map(|mailbox| mailbox.messages),
        reductions: u64::from(process.word(fields.reds) as u32),
        heap_words,
        total_heap_words: heap_words
            .saturating_add(old_words)
            .saturating_add(process.word(fields.fragment_words))
            .saturating_add(mailbox.map_or(0, |mailbox| mailbox.heap_words)),
        stack_words: words_between(process.stop(), process.hend()),
        parent: vm.pids.print(process.parent()),
        group_leader: vm.pids.print(process.word(fields.group_leader)),
        stack: walked.frames,
        stack_cut: walked.cut,
        consistent: walked.whole,
        pid,
    })
}

fn name<M: Memory>(vm: &Vm<M>, process: &ProcessBlock<'_>) -> Option<String> {
    let registration = process.word(vm.layout.process.reg);
    if registration == 0 {
        return None;
    }
    let at = registration.wrapping_add(u64::from(vm.layout.reg_proc.name));
    Some(vm.atom(vm.memory.u64(at).ok()?)?.to_string())
}

/// `$initial_call` of the process dictionary: slots hold a pair, or a list of those that share
/// the slot (`erl_process_dict.c`).
fn initial_call<M: Memory>(vm: &Vm<M>, process: &ProcessBlock<'_>) -> Option<Mfa> {
    const SLOTS_MAX: u32 = 4096;
    const BUCKET_MAX: usize = 64;
    let dictionary = process.word(vm.layout.process.dictionary);
    if dictionary == 0 {
        return None;
    }
    let layout = &vm.layout.dictionary;
    let size = vm
        .memory
        .u32(dictionary.wrapping_add(u64::from(layout.size)))
        .ok()?;
    let data = dictionary.wrapping_add(u64::from(layout.data));
    let slots = vm.memory.words(data, size.min(SLOTS_MAX) as usize).ok()?;
    let pair = |term: u64| -> Option<Mfa> {
        let pair = vm.memory.words(boxed(term)?, 3).ok()?;
        if vm.atom(pair[1]).as_deref() != Some("$initial_call") {
            return None;
        }
        let call = vm.memory.words(boxed(pair[2])?, 4).ok()?;
        vm.mfa_of_terms([call[1], call[2], call[3]])
    };
    slots.into_iter().find_map(|slot| {
        let mut term = slot;
        for _ in 0..BUCKET_MAX {
            if term & 3 != 1 {
                break;
            }
            let cell = vm.memory.words(term - 1, 2).ok()?;
            if let Some(found) = pair(cell[0]) {
                return Some(found);
            }
            term = cell[1];
        }
        pair(term)
    })
}

/// The address in a boxed term.
fn boxed(term: u64) -> Option<u64> {
    (term & 3 == 2).then_some(term & !3)
}
