//! Who ran when the VM died or was stopped, and where: a process that runs has its place in the
//! registers of a thread, and what its struct says is of when it was last scheduled out.

use std::collections::BTreeMap;

use escope_model::SchedulerKind;
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, fragment};
use crate::memory::Memory;
use crate::scheduler::Scheduler;
use crate::stack::CallSite;
use crate::target::CoreThread;
use crate::{BeamError, Vm};

/// Where processes were that ran, by the address of their struct.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran(BTreeMap<u64, Place>);

/// Where a process was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// Its stack pointer.
    stop: u64,
    /// The instruction it was at.
    i: u64,
}

/// Whom threads may run: read before a VM is stopped, so that less is left to do then.
#[derive(Debug, Clone)]
pub struct Runners {
    schedulers: Vec<Scheduler>,
    /// The loop that takes the next process: between two runs a process is where its struct says.
    main: std::ops::Range<u64>,
}

impl Ran {
    /// One process that ran, at this stack pointer and instruction.
    #[cfg(test)]
    pub(crate) fn at(process: u64, stop: u64, i: u64) -> Ran {
        Ran(BTreeMap::from([(process, Place { stop, i })]))
    }

    /// Whether it is known where a process was that ran.
    pub(crate) fn knows(&self, process: u64) -> bool {
        self.0.contains_key(&process)
    }

    /// Puts into the copy of a process's struct where it was.
    pub(crate) fn correct(&self, process: u64, copy: &mut [u8], layout: &Layout) {
        let Some(place) = self.0.get(&process) else {
            return;
        };
        let fields = [
            (layout.process.stop, place.stop),
            (layout.process.i, place.i),
        ];
        for (at, value) in fields {
            let field = copy.get_mut(at as usize..);
            if let Some(field) = field.and_then(|field| field.first_chunk_mut()) {
                *field = value.to_le_bytes();
            }
        }
    }
}

impl<M: Memory> Vm<M> {
    /// Who may run.
    ///
    /// # Errors
    /// When the schedulers cannot be read.
    pub fn runners(&self) -> Result<Runners, BeamError> {
        let main = fragment(&self.memory, self.globals.jit_descriptor, "process_main");
        Ok(Runners {
            schedulers: self.schedulers()?,
            main: main.map_or(0..0, |(start, code)| {
                start..start.saturating_add(code.len() as u64)
            }),
        })
    }

    /// Finds who ran on which thread of a VM that has died.
    pub(crate) fn find_running(&mut self, threads: &[CoreThread]) -> Result<(), BeamError> {
        let runners = self.runners()?;
        self.ran = self.running_on(&runners, threads);
        Ok(())
    }

    /// Who runs on which thread, of a VM whose threads stand still. Those that are not found are where
    /// their struct says, or nobody knows where they are.
    #[must_use]
    pub fn running_on(&self, runners: &Runners, threads: &[CoreThread]) -> Ran {
        let places = runners.schedulers.iter().filter_map(|scheduler| {
            let on = |thread: &&CoreThread| thread.fs_base == scheduler.thread;
            let thread = threads.iter().find(on)?;
            self.place(scheduler, thread, &runners.main)
        });
        Ran(places.collect())
    }

    fn place(
        &self,
        scheduler: &Scheduler,
        thread: &CoreThread,
        main: &std::ops::Range<u64>,
    ) -> Option<(u64, Place)> {
        let word = |base: u64, at: u32| self.memory.u64(base.wrapping_add(u64::from(at))).ok();
        let fields = &self.layout.process;
        let process = word(scheduler.data, self.layout.scheduler.process)?;
        if process == 0 || scheduler.id.kind != SchedulerKind::Normal {
            return None;
        }
        let place = if self.jit.contains(thread.ip) {
            Place {
                stop: thread.sp,
                i: thread.ip,
            }
        } else {
            // The call into C has left its return address below the register block.
            let registers = word(scheduler.data, self.layout.scheduler.registers)?;
            let returns_to = self.memory.u64(registers.wrapping_sub(8)).ok()?;
            let stored = self.call_site(returns_to) == CallSite::Stored;
            if !stored || !self.jit.contains(returns_to) {
                return None;
            }
            Place {
                stop: word(process, fields.stop)?,
                i: returns_to.wrapping_sub(1),
            }
        };
        let stack = word(process, fields.heap)?..=word(process, fields.hend)?;
        let runs = stack.contains(&place.stop) && !main.contains(&place.i);
        runs.then_some((process, place))
    }
}
