//! Two VMs that do the same on the same CPUs, of which one is watched.
//!
//! A CPU that is shared with others is now faster, now slower, by more than what a profiler costs. The
//! kernel gives both VMs the CPU in turns of a few milliseconds: when it is slower, it is so for both.

use anyhow::Result;

use super::Bench;
use super::vm::{Load, Vm, Works, Yardstick};

/// The VM that is watched, and the one that is not.
pub(super) struct Twins {
    watched: Vm,
    other: Vm,
}

impl Twins {
    /// Starts both. With one scheduler each, they share one CPU.
    pub(super) fn start(bench: &Bench, load: Load) -> Result<Twins> {
        let load = Load {
            is_on_one_cpu: load.schedulers == 1,
            ..load
        };
        Ok(Twins {
            watched: bench.vm(load)?,
            other: bench.vm(load)?,
        })
    }
}

impl Works for Twins {
    fn pid(&self) -> u32 {
        self.watched.pid()
    }

    fn units(&mut self) -> Result<u64> {
        self.watched.units()
    }

    fn yardstick(&mut self, _units: u64) -> Result<Yardstick> {
        let other = self.other.mark()?;
        Ok(Yardstick {
            units: other.units,
            cpu_ns: other.cpu_ns,
        })
    }

    fn tell(&mut self, what: &str) -> Result<String> {
        self.watched.tell(what)
    }
}
