//! The process table, read from outside while the VM runs.
//!
//! A `Process` is copied twice, with everything that hangs on it read in between. What was not
//! running either time and has not changed is consistent: reductions are counted whenever a
//! process is scheduled out, so one that ran in between has other ones. Its heap, stack,
//! dictionary, links and monitors are changed by nobody but itself: others send it signals, and
//! it handles them while it is running, which costs reductions too. Two things others do touch.
//! They append to its in-queue, of which one end was seen at one instant. And they drop their
//! half of a monitor, of whose memory the process then has a larger share: those counters are
//! read twice as well.

mod dictionary;
mod held;
mod mailbox;
mod messages;
mod native;
mod process;
mod relations;
mod slices;
mod stack;

use std::collections::BTreeMap;

use escope_model::Mfa;

use self::native::Native;
use crate::code::{CodeMap, read_module};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::process::{ProcessBlock, ProcessState};
use crate::term::TermReader;
use crate::{BeamError, Vm};

pub(crate) use dictionary::initial_call;
pub use held::{Held, HeldOptions, Place, held};
pub use messages::{MessageOptions, Messages};
pub use relations::{Monitor, Relations};
pub use slices::{Placed, Slices};
pub use stack::StackFrame;

/// More slots than a process table can have: `ERTS_MAX_PROCESSES`.
const SLOTS_MAX: usize = 1 << 27;
/// Slots and processes that are read at a time.
const CHUNK: usize = 512;
/// How often one that ran meanwhile is read again by itself, and how often that is done in all:
/// a snapshot has to come to an end.
const ATTEMPTS_ALONE: usize = 3;
const READINGS_MORE: usize = 8192;

/// One process at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSnapshot {
    /// As the VM prints it.
    pub pid: String,
    /// Registered name.
    pub name: Option<String>,
    /// What `proc_lib:set_label/1` called it, as Erlang prints the term; masked.
    pub label: Option<String>,
    /// What it was spawned with: `proc_lib:init_p/5` for those of `proc_lib`.
    pub spawned_as: Option<Mfa>,
    /// For those of `proc_lib` the real one, from `$initial_call`.
    pub initial_call: Option<Mfa>,
    /// The function that it is in or resumes in.
    pub current_function: Option<Mfa>,
    /// As `process_info(Pid, status)` puts it.
    pub status: &'static str,
    /// Messages in its mailbox; `None` where the list was changing.
    pub mailbox: Option<u64>,
    /// There are more than were counted: `mailbox` and `total_heap_words` are at least so much.
    pub mailbox_cut: bool,
    /// What the first messages look like; `None` when not asked for, and of a sensitive process.
    pub messages: Option<Vec<Messages>>,
    /// Where messages are kept: `on_heap` or `off_heap`.
    pub message_queue_data: Option<&'static str>,
    /// Since it was spawned, as of when it was last scheduled out.
    pub reductions: u64,
    /// Young heap with stack, in words.
    pub heap_words: u64,
    /// Young and old heap, fragments and what messages have brought, in words.
    pub total_heap_words: u64,
    /// Stack, in words.
    pub stack_words: u64,
    /// What its heap has at least, in words.
    pub min_heap_words: u64,
    /// How many minor collections come before a major one.
    pub fullsweep_after: u16,
    /// All that it takes, as `process_info(Pid, memory)` counts it. `None` when not asked for,
    /// when something could not be counted, and while a message is not decoded yet.
    pub memory_bytes: Option<u64>,
    /// The process that spawned it.
    pub parent: Option<String>,
    /// Group leader.
    pub group_leader: Option<String>,
    /// Links and monitors, in no order; `None` when not asked for.
    pub relations: Option<Relations>,
    /// Keys of its dictionary, as Erlang prints them; `None` when not asked for.
    pub dictionary_keys: Option<Vec<String>>,
    /// Whether it has more of them.
    pub dictionary_cut: bool,
    /// Whether it traps exits.
    pub trap_exit: bool,
    /// Whether it is sensitive: nothing of its dictionary and messages is told.
    pub sensitive: bool,
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
    /// Messages that are shown.
    pub show: Option<MessageOptions>,
    /// Links and monitors that are read; at 0 none are, and what takes memory is not counted.
    pub relations: usize,
    /// Whether the keys of dictionaries are read.
    pub dictionary: bool,
}

impl Default for SnapshotOptions {
    fn default() -> SnapshotOptions {
        SnapshotOptions {
            frames: 64,
            messages: 1_000_000,
            show: None,
            relations: 0,
            dictionary: false,
        }
    }
}

impl SnapshotOptions {
    /// What a process is called and what its status is.
    const NAMES: SnapshotOptions = SnapshotOptions {
        frames: 0,
        messages: 0,
        show: None,
        relations: 0,
        dictionary: false,
    };

    /// Everything that there is.
    #[must_use]
    pub fn all() -> SnapshotOptions {
        SnapshotOptions {
            relations: 100_000,
            dictionary: true,
            ..SnapshotOptions::default()
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
    Ok(snapshot_where(vm, code, options, None)?.0)
}

/// Reads the processes of which `wanted` says so, given what they are called and what their status
/// is: of the others nothing else is read. Also says how many there are in all.
///
/// # Errors
/// When the process table cannot be read.
pub fn snapshot_where<M: Memory>(
    vm: &Vm<M>,
    code: &mut CodeMap,
    options: SnapshotOptions,
    wanted: Option<&dyn Fn(&ProcessSnapshot) -> bool>,
) -> Result<(Vec<ProcessSnapshot>, usize), BeamError> {
    let reader = TermReader::new(vm);
    let mut processes = Vec::new();
    let mut places = Vec::new();
    let native = native::running(vm);
    let mut readings = READINGS_MORE;
    let mut all = 0;
    for pointers in table(vm)?.chunks(CHUNK) {
        let mut pointers = pointers.to_vec();
        if let Some(wanted) = wanted {
            let called = chunk(
                &reader,
                vm,
                code,
                &pointers,
                &native,
                SnapshotOptions::NAMES,
            );
            all += called.len();
            let called = called.into_iter();
            let these = called.filter(|read| wanted(&read.process));
            pointers = these.map(|read| read.address).collect();
        }
        let reads = chunk(&reader, vm, code, &pointers, &native, options);
        if wanted.is_none() {
            all += reads.len();
        }
        for mut read in reads {
            // It ran while many others were read: alone it takes much less time.
            for _ in 0..ATTEMPTS_ALONE {
                if read.process.consistent || !is_at_rest(read.process.status) || readings == 0 {
                    break;
                }
                readings -= 1;
                let again = chunk(&reader, vm, code, &[read.address], &native, options);
                match again.into_iter().next() {
                    Some(again) if again.process.pid == read.process.pid => read = again,
                    _ => break,
                }
            }
            // It may be another one by now than the one that was asked for.
            if wanted.is_none_or(|wanted| wanted(&read.process)) {
                processes.push(read.process);
                places.push(read.addresses);
            }
        }
    }
    forget_replaced(vm, code, &mut processes, &places)?;
    Ok((processes, all))
}

/// Every process with its pid as a term and the address of its struct.
///
/// # Errors
/// When the process table cannot be read.
pub fn placed<M: Memory>(
    vm: &Vm<M>,
    options: SnapshotOptions,
) -> Result<Vec<(u64, u64, ProcessSnapshot)>, BeamError> {
    Ok(placed_at(vm, &table(vm)?, options))
}

/// What every process is called: its pid as a term, the address of its struct, and of the rest
/// name, label, calls, parent, status.
///
/// # Errors
/// When the process table cannot be read.
pub fn called<M: Memory>(vm: &Vm<M>) -> Result<Vec<(u64, u64, ProcessSnapshot)>, BeamError> {
    Ok(called_at(vm, &table(vm)?))
}

/// The same of processes whose structs are at these addresses. What is there now may be others,
/// as their pids tell, or none.
pub fn called_at<M: Memory>(vm: &Vm<M>, addresses: &[u64]) -> Vec<(u64, u64, ProcessSnapshot)> {
    placed_at(vm, addresses, SnapshotOptions::NAMES)
}

fn placed_at<M: Memory>(
    vm: &Vm<M>,
    addresses: &[u64],
    options: SnapshotOptions,
) -> Vec<(u64, u64, ProcessSnapshot)> {
    let reader = TermReader::new(vm);
    let (mut code, native) = (CodeMap::new(), BTreeMap::new());
    let mut all = Vec::new();
    for pointers in addresses.chunks(CHUNK) {
        let reads = chunk(&reader, vm, &mut code, pointers, &native, options);
        let reads = reads.into_iter();
        all.extend(reads.map(|read| (read.id, read.address, read.process)));
    }
    all
}

/// The same of the process whose struct lies at an address; `None` where there is none.
#[must_use]
pub fn called_one<M: Memory>(vm: &Vm<M>, address: u64) -> Option<(u64, ProcessSnapshot)> {
    let reader = TermReader::new(vm);
    let (mut code, native) = (CodeMap::new(), BTreeMap::new());
    let options = SnapshotOptions::NAMES;
    let reads = chunk(&reader, vm, &mut code, &[address], &native, options);
    let read = reads.into_iter().next()?;
    Some((read.id, read.process))
}

/// Reads some processes at once.
fn chunk<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    code: &mut CodeMap,
    pointers: &[u64],
    native: &BTreeMap<u64, Native>,
    options: SnapshotOptions,
) -> Vec<process::Read> {
    let mut before = blocks(vm, pointers);
    for (block, &process) in before.iter_mut().zip(pointers) {
        if let Some(block) = block {
            vm.ran.correct(process, block, &vm.layout);
        }
    }
    reader.forget();
    dictionary::prefetch(reader, vm, &before);
    let stacks = stack::copy(vm, &before);
    let relations: Vec<Option<relations::Read>> = match options.relations {
        0 => before.iter().map(|_| None).collect(),
        limit => {
            let read = relations::read(reader, vm, &before, limit);
            read.into_iter().map(Some).collect()
        }
    };
    let parts = pointers.iter().zip(&before).zip(&stacks).zip(relations);
    let mut reads: Vec<Option<process::Read>> = parts
        .map(|(((&address, block), stack), relations)| {
            let parts = process::Parts {
                address,
                block: block.as_deref()?,
                stack: stack.as_deref(),
                native: native.get(&address),
                relations,
            };
            process::read(reader, vm, code, parts, options)
        })
        .collect();
    let counters = counters_are_same(vm, &reads);
    // Before the rest: one that has run and come to rest again while it is copied has the flags of
    // one that rests behind the reductions of before.
    let flags = flags(vm, pointers);
    let after = blocks(vm, pointers);
    let checks = before.iter().zip(&after).zip(flags).zip(counters);
    for (read, (((before, after), flags), counters)) in reads.iter_mut().zip(checks) {
        if let Some(read) = read {
            let unchanged = match (before, after) {
                (Some(before), Some(after)) => {
                    flags == Some(ProcessBlock::new(after, &vm.layout).state())
                        && is_unchanged(before, after, &vm.layout)
                }
                _ => false,
            };
            // Others may give it a name and take it away while it rests.
            let named = read
                .registration
                .is_none_or(|registration| registration.is_same(vm));
            read.process.consistent &= unchanged && counters && named;
        }
    }
    reads.into_iter().flatten().collect()
}

/// Whether the counters that each process shares with others are what they were.
fn counters_are_same<M: Memory>(vm: &Vm<M>, reads: &[Option<process::Read>]) -> Vec<bool> {
    let counters: Vec<&[(u64, u32)]> = reads
        .iter()
        .map(|read| read.as_ref().map_or(&[][..], |read| &read.counters))
        .collect();
    let count = counters.iter().map(|counters| counters.len()).sum();
    let mut copies = vec![[0u8; 4]; count];
    let mut requests: Vec<(u64, &mut [u8])> = counters
        .iter()
        .flat_map(|counters| counters.iter())
        .zip(&mut copies)
        .map(|(&(address, _), copy)| (address, copy.as_mut_slice()))
        .collect();
    let read = vm.memory.read_many(&mut requests);
    let mut now = copies
        .into_iter()
        .zip(read)
        .map(|(copy, read)| read.then_some(u32::from_le_bytes(copy)));
    counters
        .iter()
        .map(|counters| {
            let mut same = true;
            for (_, was) in *counters {
                same &= now.next().flatten() == Some(*was);
            }
            same
        })
        .collect()
}

/// Takes the names from frames on code that was loaded or purged meanwhile: names are read when
/// they are needed first, so one of them may be of what came after or before.
fn forget_replaced<M: Memory>(
    vm: &Vm<M>,
    code: &CodeMap,
    processes: &mut [ProcessSnapshot],
    places: &[Vec<u64>],
) -> Result<(), BeamError> {
    let mut now = CodeMap::new();
    vm.list_code(&mut now)?;
    let read = |blob, bytes| read_module(&vm.memory, blob, bytes);
    let changed = code.changed_since(&now, read);
    if changed.is_empty() {
        return Ok(());
    }
    for (process, places) in processes.iter_mut().zip(places) {
        for (index, place) in places.iter().enumerate() {
            if !changed.iter().any(|range| range.contains(place)) {
                continue;
            }
            process.consistent = false;
            if let Some(frame) = process.stack.get_mut(index) {
                frame.mfa = None;
                frame.location = None;
            }
            if index == 0 {
                process.current_function = None;
            }
        }
    }
    Ok(())
}

/// How many processes are in the table that cannot be read: of a running VM those that have just
/// ended, of a core those that it lacks.
///
/// # Errors
/// When the process table cannot be read.
pub fn count_unreadable<M: Memory>(vm: &Vm<M>) -> Result<usize, BeamError> {
    let table = table(vm)?;
    let chunks = table.chunks(CHUNK).map(|pointers| {
        let blocks = blocks(vm, pointers);
        blocks.iter().filter(|block| block.is_none()).count()
    });
    Ok(chunks.sum())
}

/// Addresses of the structs of all processes that are there.
///
/// # Errors
/// When the process table cannot be read.
pub fn structs<M: Memory>(vm: &Vm<M>) -> Result<Vec<u64>, BeamError> {
    table(vm)
}

/// Addresses of the processes that are in the table.
fn table<M: Memory>(vm: &Vm<M>) -> Result<Vec<u64>, BeamError> {
    let layout = &vm.layout.process_table;
    let read_only = vm
        .globals
        .process_table
        .wrapping_add(u64::from(layout.read_only));
    let slots = vm.memory.u64(read_only)?;
    let max = vm
        .memory
        .u32(read_only.wrapping_add(u64::from(layout.max)))? as usize;
    let invalid = vm
        .memory
        .u64(read_only.wrapping_add(u64::from(layout.invalid)))?;
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

/// The state flags of processes.
fn flags<M: Memory>(vm: &Vm<M>, pointers: &[u64]) -> Vec<Option<ProcessState>> {
    let at = u64::from(vm.layout.process.state);
    let mut copies = vec![[0u8; 4]; pointers.len()];
    let mut requests: Vec<(u64, &mut [u8])> = pointers
        .iter()
        .zip(&mut copies)
        .map(|(&address, copy)| (address.wrapping_add(at), copy.as_mut_slice()))
        .collect();
    let read = vm.memory.read_many(&mut requests);
    let flags = copies
        .into_iter()
        .map(|copy| ProcessState(u32::from_le_bytes(copy)));
    flags
        .zip(read)
        .map(|(flags, read)| read.then_some(flags))
        .collect()
}

/// Whether all of a process is in its struct: nothing of it in the registers of a thread.
fn is_at_rest(status: &str) -> bool {
    matches!(status, "waiting" | "runnable" | "suspended")
}

/// Whether a process did not run between two copies of it.
pub(crate) fn is_unchanged(before: &[u8], after: &[u8], layout: &Layout) -> bool {
    let (before, after) = (
        ProcessBlock::new(before, layout),
        ProcessBlock::new(after, layout),
    );
    let fields = &layout.process;
    let rests = |block: &ProcessBlock<'_>| is_at_rest(block.state().status());
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
        fields.in_queue_buffers,
        fields.links,
        fields.monitors,
        fields.monitored_by,
        fields.dictionary,
        fields.specific,
        fields.reg,
    ]
    .into_iter()
    .all(|field| before.word(field) == after.word(field));
    same && rests(&before) && rests(&after) && before.state().0 == after.state().0
}
