//! Where the emulator's C code can be probed: which instruction, and where the words that a
//! probe is for are when it is hit.
//!
//! A probe is a uprobe, set by the kernel when it is asked to, and only ever on an instruction
//! that it emulates (`site.rs`). Nothing is put on the way back of a function: a return probe
//! replaces the return address that the profiler reads.

mod functions;
mod site;
mod state;
mod wanted;

use crate::BeamError;
use crate::Vm;
use crate::layout::Text;
use crate::memory::{LiveMemory, Memory, Source};
use crate::target::{Elf, proc_path, read_executable_mappings};
use crate::vm::load_bias;

use functions::{Function, Functions};
pub use site::{Emulated, Place};
pub use wanted::{PROBES, Probe, What};

/// A word that a probe is for, and where it is when the probe is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// Which word.
    pub what: What,
    /// Where it is.
    pub place: Place,
}

/// Where a probe can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// What it tells.
    pub probe: Probe,
    /// Where in the executable's file.
    pub file_offset: u64,
    /// Where in the running VM.
    pub address: u64,
    /// The function.
    pub function: String,
    /// How far the site is from the function's entry.
    pub offset: u64,
    /// What the instruction is.
    pub instruction: Emulated,
    /// The words that are at hand, in the order of [`Probe::words`].
    pub values: Vec<Value>,
    /// How the function was found.
    pub found_by: String,
}

impl Site {
    /// Where a word is.
    #[must_use]
    pub fn place(&self, what: What) -> Option<Place> {
        let value = self.values.iter().find(|value| value.what == what)?;
        Some(value.place)
    }
}

/// A probe that cannot be set, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What it would tell.
    pub probe: Probe,
    /// Why there is none.
    pub why: String,
}

impl site::Bytes for Text {
    fn bytes_at(&self, address: u64) -> &[u8] {
        self.at(address)
    }
}

impl<M: Memory> Vm<M> {
    /// Finds where each probe can be set. `code` is the emulator's code, with addresses as in the
    /// VM, and `bias` what they have more than in its file.
    pub(crate) fn find_probes(
        &self,
        elf: &Elf,
        code: &Text,
        bias: u64,
    ) -> Vec<Result<Site, Missing>> {
        let functions = Functions::new(self, elf, code, bias);
        let site = |&probe: &Probe| {
            let function = functions.find(probe)?;
            self.site(probe, function, elf, code, bias)
        };
        PROBES
            .iter()
            .map(|probe| site(probe).map_err(|why| Missing { probe: *probe, why }))
            .collect()
    }

    fn site(
        &self,
        probe: Probe,
        function: Function,
        elf: &Elf,
        code: &Text,
        bias: u64,
    ) -> Result<Site, String> {
        let words = probe.words();
        let wants: Vec<_> = words.iter().map(|word| word.want(&self.layout)).collect();
        let range = function.start..code.end_of(function.start);
        let spot = site::find(code, range, &wants);
        let spot = spot.map_err(|why| format!("{}: {why}", function.name))?;
        let file_offset = elf.file_offset(spot.address.wrapping_sub(bias));
        let file_offset =
            file_offset.ok_or_else(|| format!("{} is not in the file", function.name))?;
        let values = words.iter().zip(&spot.places).filter_map(|(word, place)| {
            let (what, place) = (word.what, (*place)?);
            Some(Value { what, place })
        });
        Ok(Site {
            probe,
            file_offset,
            address: spot.address,
            offset: spot.address.wrapping_sub(function.start),
            function: function.name,
            instruction: spot.instruction,
            values: values.collect(),
            found_by: function.found_by,
        })
    }
}

/// Finds where each probe can be set in a VM that runs.
///
/// The code is read from the executable's file: in memory there may be breakpoints of others.
///
/// # Errors
/// When the executable or its mappings cannot be read.
pub fn find_probes(vm: &Vm<LiveMemory>) -> Result<Vec<Result<Site, Missing>>, BeamError> {
    let exe = proc_path(vm.pid, "exe");
    let elf = Elf::open(&exe)?;
    let mappings = read_executable_mappings(vm.pid)?;
    let bias = load_bias(vm.pid, &vm.exe, &elf, &mappings)?;
    let unreadable = |error: std::io::Error| BeamError::BadFile {
        path: exe.clone(),
        what: error.to_string(),
    };
    let file = Source::open(&exe).map_err(unreadable)?;
    let code = Text::of_file(&file, &elf, bias);
    Ok(vm.find_probes(&elf, &code, bias))
}

#[cfg(test)]
mod tier2;
