//! The state of a process whose memory was copied as it came to rest.
//!
//! A process that calls `erts_schedule` to wait has stored the tops of its heap and stack, has the bit
//! that it runs, and will not touch its heap again before it is scheduled in. What was copied there is
//! read as if the VM stood still. Of the VM's memory, which goes on, only what no process changes is
//! read: literals, functions, names. Binaries outside of the heap are not copied: they are read where
//! the process has not run since, which [`CopyReader::rests_since`] says, before and after.

use std::sync::Arc;

use escope_model::Mfa;

use super::rest::{Sight, look_at};
use super::{Part, Reading, StateCode, StateOptions, frames};
use crate::Vm;
use crate::memory::Memory;
use crate::process::{ProcessBlock, ProcessState as Flags};
use crate::said::is_whole;
use crate::term::{Beyond, Ports, Term, TermReader, Touched};

/// What was copied of a process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessCopy<'a> {
    /// The address of its struct.
    pub address: u64,
    /// Its pid, as a term.
    pub pid: u64,
    /// Its struct.
    pub process: &'a [u8],
    /// Its heaps, its stack and its fragments, by address.
    pub pieces: &'a [(u64, &'a [u8])],
    /// What it had used in all when it had stopped.
    pub reductions: u64,
}

/// Where a process was that ran when it was copied: its struct knows only where it began to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RanAt {
    /// Its stack pointer.
    pub stop: u64,
    /// The top of its heap.
    pub htop: u64,
    /// The instruction.
    pub i: u64,
}

/// A function that had not returned: which, with file and line; none for code without a name.
pub type StackPlace = Option<(Mfa, Option<(Arc<str>, u32)>)>;

/// What a process had as it called a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledWith {
    /// The arguments, masked.
    pub arguments: Vec<Part>,
    /// How many values in them are masked.
    pub masked: u32,
    /// Its stack, the function first; empty where it cannot be read.
    pub stack: Vec<StackPlace>,
    /// After so many of these some are missing.
    pub gap: Option<usize>,
    /// Its state, if it is a behaviour's: as of before the callback that it is in.
    pub state: Reading,
}

/// Reads states out of copies.
#[derive(Debug)]
pub struct CopyReader {
    options: StateOptions,
    ports: Ports,
}

impl CopyReader {
    /// One that reads and masks as these say.
    #[must_use]
    pub fn new(options: StateOptions) -> CopyReader {
        CopyReader {
            options,
            ports: Ports::default(),
        }
    }

    /// What is read, and what is not told.
    #[must_use]
    pub fn options(&self) -> &StateOptions {
        &self.options
    }

    /// The state of a process that is registered under a name, if it is, and what of the VM's memory it
    /// depends on. `off_heap` allows to read binaries that were not copied.
    pub fn read<M: Memory>(
        &self,
        vm: &Vm<M>,
        code: &mut StateCode,
        copy: &ProcessCopy<'_>,
        name: Option<&str>,
        off_heap: bool,
    ) -> (Reading, Touched) {
        let block = at_rest(vm, copy.process);
        let mut pieces = copy.pieces.to_vec();
        // Arguments that it resumes with are in the struct.
        pieces.push((copy.address, copy.process));
        let beyond = Beyond::Vm { off_heap };
        let reader = TermReader::of_copy(vm, &pieces, &self.ports, beyond);
        let who = (copy.address, copy.pid, name);
        let how = (&self.options, Sight::Still);
        let reading = match look_at(&reader, vm, (code, block), who, how) {
            Ok(looked) => match looked.state {
                Ok(mut state) => {
                    state.reductions = copy.reductions;
                    Reading::Exact(Box::new(state))
                }
                Err(why) => Reading::Unreadable(why),
            },
            Err(reading) => reading,
        };
        (reading, reader.touched())
    }

    /// What a process had as it called a function, by a copy that was made then. `arguments` are what the
    /// registers had. Binaries outside of its heap are left out: it has gone on.
    ///
    /// `is_all` says that all of its memory was copied; else nothing that lies elsewhere is read.
    pub fn read_call<M: Memory>(
        &self,
        vm: &Vm<M>,
        code: &mut StateCode,
        (copy, is_all): (&ProcessCopy<'_>, bool),
        at: RanAt,
        (name, arguments): (Option<&str>, &[u64]),
    ) -> (CalledWith, Touched) {
        let block = halted(vm, copy.process, at);
        let mut pieces = copy.pieces.to_vec();
        pieces.push((copy.address, copy.process));
        let beyond = match is_all {
            true => Beyond::Vm { off_heap: false },
            false => Beyond::Nothing,
        };
        let reader = TermReader::of_copy(vm, &pieces, &self.ports, beyond);
        let process = ProcessBlock::new(&block, &vm.layout);
        let stack = frames::read(&reader, vm, code, &process, true);
        let (stack, gap) = stack.map(|stack| stack.functions()).unwrap_or_default();
        let function = stack.first().and_then(|function| function.as_ref());
        let function = function.map_or(("", ""), |function| {
            (function.mfa.module.as_str(), function.mfa.function.as_str())
        });
        if let Some(redaction) = &self.options.redaction {
            redaction.learn(vm, function.0);
        }
        let (arguments, masked) = self.arguments(&reader, function, arguments);
        let place = |function: super::Function| (function.mfa, function.location);
        let stack = stack.into_iter().map(|function| function.map(place));
        let who = (copy.address, copy.pid, name);
        let how = (&self.options, Sight::Halted);
        let state = match look_at(&reader, vm, (code, block), who, how) {
            Ok(looked) => match looked.state {
                Ok(state) => Reading::Exact(Box::new(state)),
                Err(why) => Reading::Unreadable(why),
            },
            Err(reading) => reading,
        };
        let called = CalledWith {
            arguments,
            masked,
            stack: stack.collect(),
            gap,
            state,
        };
        (called, reader.touched())
    }

    /// The arguments of a function of a module, masked, and how many values are; none where one cannot be read.
    fn arguments<M: Memory>(
        &self,
        reader: &TermReader<'_, M>,
        function: (&str, &str),
        arguments: &[u64],
    ) -> (Vec<Part>, u32) {
        let arguments = arguments.iter();
        let read = |&term| reader.decode(term, self.options.limits).ok();
        let mut arguments: Vec<Term> = arguments
            .map(read)
            .collect::<Option<_>>()
            .unwrap_or_default();
        let redaction = self.options.redaction.as_ref();
        let masked = redaction.map_or(0, |redaction| {
            redaction.mask_arguments(function, &mut arguments)
        });
        let part = |(term, number): (Term, u32)| Part {
            name: number.to_string(),
            whole: is_whole(&term),
            term,
        };
        (arguments.into_iter().zip(1..).map(part).collect(), masked)
    }

    /// Whether a process has run since it was copied. Its flags are read first, then the struct: see the
    /// module's page.
    #[must_use]
    pub fn rests_since<M: Memory>(vm: &Vm<M>, copy: &ProcessCopy<'_>) -> RestsSince {
        let fields = &vm.layout.process;
        let flags = copy.address.wrapping_add(u64::from(fields.state));
        let Ok(flags) = vm.memory.u32(flags).map(Flags) else {
            return RestsSince::No;
        };
        let mut now = vec![0; fields.size as usize];
        if flags.status() != "waiting" || vm.memory.read(copy.address, &mut now).is_err() {
            return RestsSince::No;
        }
        let (then, now) = (
            ProcessBlock::new(copy.process, &vm.layout),
            ProcessBlock::new(&now, &vm.layout),
        );
        let same = [
            fields.id,
            fields.i,
            fields.htop,
            fields.stop,
            fields.heap,
            fields.hend,
        ];
        let is_same = same
            .iter()
            .all(|&field| now.word(field) == then.word(field));
        match is_same {
            true if now.reductions() == copy.reductions => RestsSince::Yes,
            true => RestsSince::ForAllThatIsSeen,
            false => RestsSince::No,
        }
    }
}

/// Whether a process has run since it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestsSince {
    /// It has, or has signals to handle, or its heap was collected for it.
    No,
    /// It has used reductions, and otherwise is as it was. A scheduler that handles signals for a process
    /// that waits uses some, as when who has called a server takes back its monitor: that changes nothing of
    /// what the process has. A run may leave no other trace; who has seen all runs knows.
    ForAllThatIsSeen,
    /// It has not.
    Yes,
}

/// The struct with the flags that the process has as soon as it rests.
fn at_rest<M: Memory>(vm: &Vm<M>, process: &[u8]) -> Vec<u8> {
    let mut block = process.to_vec();
    let at = vm.layout.process.state as usize;
    let flags = ProcessBlock::new(process, &vm.layout).state().at_rest();
    if let Some(place) = block.get_mut(at..at + 4) {
        place.copy_from_slice(&flags.0.to_le_bytes());
    }
    block
}

/// The struct with the place where the process was.
fn halted<M: Memory>(vm: &Vm<M>, process: &[u8], at: RanAt) -> Vec<u8> {
    let mut block = process.to_vec();
    let fields = &vm.layout.process;
    for (field, value) in [
        (fields.stop, at.stop),
        (fields.htop, at.htop),
        (fields.i, at.i),
    ] {
        let place = block.get_mut(field as usize..);
        if let Some(place) = place.and_then(|place| place.first_chunk_mut()) {
            *place = value.to_le_bytes();
        }
    }
    block
}
