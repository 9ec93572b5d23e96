//! The state of a process whose memory was copied as it came to rest.
//!
//! A process that calls `erts_schedule` to wait has stored the tops of its heap and stack, has the bit
//! that it runs, and will not touch its heap again before it is scheduled in. What was copied there is
//! read as if the VM stood still. Of the VM's memory, which goes on, only what no process changes is
//! read: literals, functions, names. Binaries outside of the heap are not copied: they are read where
//! the process has not run since, which [`CopyReader::rests_since`] says, before and after.

use super::rest::{Sight, look_at};
use super::{Reading, StateCode, StateOptions};
use crate::Vm;
use crate::memory::Memory;
use crate::process::{ProcessBlock, ProcessState as Flags};
use crate::term::{Beyond, Ports, TermReader, Touched};

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
