//! Where the emulator's C code can be probed: which instruction, and where the words that a
//! probe is for are when it is hit.
//!
//! A probe is a uprobe, set by the kernel when it is asked to, and only ever on an instruction
//! that it emulates (`site.rs`). Nothing is put on the way back of a function: a return probe
//! replaces the return address that the profiler reads.

mod begin;
mod by_code;
mod calls;
mod collection;
mod collectors;
mod dist;
mod execute;
mod functions;
mod jit;
mod loading;
mod names;
mod native;
mod port;
mod site;
mod state;
mod wanted;

use crate::BeamError;
use crate::Vm;
use crate::layout::Text;
use crate::memory::{LiveMemory, Memory, Source};
use crate::target::{Elf, proc_path, read_executable_mappings};
use crate::vm::load_bias;

use collection::Edge;
use functions::{Function, Functions};
pub use native::{NativeFunction, NativeKind, NativeName, NoNative, find_natives};
use site::Spot;
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
    /// Finds where each probe can be set.
    fn find_probes(&self, target: &Target) -> Vec<Result<Site, Missing>> {
        let functions = Functions::new(self, target);
        let site = |probe: Probe| {
            let mut why = String::new();
            for function in functions.find(probe)? {
                match self.site(probe, &function, target) {
                    Ok(site) => return Ok(site),
                    Err(reason) if why.is_empty() => why = reason,
                    Err(_) => {}
                }
            }
            Err(why)
        };
        let probes = PROBES.iter();
        probes
            .map(|&probe| site(probe).map_err(|why| Missing { probe, why }))
            .collect()
    }

    fn site(&self, probe: Probe, function: &Function, target: &Target) -> Result<Site, String> {
        let spot = self.spot(probe, function, &target.code);
        let spot = spot.map_err(|why| format!("{}: {why}", function.name))?;
        let file_offset = target
            .elf
            .file_offset(spot.address.wrapping_sub(target.bias));
        let file_offset =
            file_offset.ok_or_else(|| format!("{} is not in the file", function.name))?;
        let values = probe.words().iter().zip(&spot.places);
        let values = values.filter_map(|(word, place)| {
            let (what, place) = (word.what, (*place)?);
            Some(Value { what, place })
        });
        Ok(Site {
            probe,
            file_offset,
            address: spot.address,
            offset: spot.address.wrapping_sub(function.start),
            function: function.name.clone(),
            instruction: spot.instruction,
            values: values.collect(),
            found_by: function.found_by.clone(),
        })
    }

    fn spot(&self, probe: Probe, function: &Function, code: &Text) -> Result<Spot, &'static str> {
        let range = function.start..code.end_of(function.start);
        let wants = match probe {
            Probe::LoadModule => {
                let (_, at) = loading::looks_up(code, &range).ok_or("it looks up no module")?;
                probe.wants_inside(&self.layout, at)
            }
            _ => probe.wants(&self.layout),
        };
        let edge = match probe {
            Probe::CollectBegin | Probe::HibernateBegin => Edge::Begin,
            Probe::CollectEnd | Probe::HibernateEnd => Edge::End,
            Probe::OpenPort => return port::find(code, range),
            Probe::Register => {
                return names::find_given(code, range, self.layout.reg_proc.process);
            }
            Probe::Unregister => return names::find_taken(code, range),
            Probe::DistSend => return dist::find_sent(code, range, self.layout.dist.as_ref()),
            Probe::DistSuspend => {
                return dist::find_suspended(code, range, self.layout.dist.as_ref());
            }
            Probe::DistReceive => return dist::find_received(code, range),
            _ => return site::find(code, range, &wants),
        };
        let want = wants.first().ok_or("nothing is wanted of it")?;
        collection::find(code, range, self.layout.process.state, edge, *want)
    }
}

/// The emulator of a VM.
struct Target {
    elf: Elf,
    /// Its code, with addresses as in the VM.
    code: Text,
    /// What those have more than the ones in the file.
    bias: u64,
}

impl Target {
    /// The code is read from the executable's file: in memory there may be breakpoints of others.
    fn open(vm: &Vm<LiveMemory>) -> Result<Target, BeamError> {
        let exe = proc_path(vm.pid, "exe");
        let elf = Elf::open(&exe)?;
        let mappings = read_executable_mappings(vm.pid)?;
        let bias = load_bias(vm.pid, &vm.exe, &elf, &mappings)?;
        let file = Source::open(&exe).map_err(|error| BeamError::BadFile {
            path: exe,
            what: error.to_string(),
        })?;
        Ok(Target {
            code: Text::of_file(&file, &elf, bias),
            elf,
            bias,
        })
    }
}

/// Finds where each probe can be set in a VM that runs.
///
/// # Errors
/// When the executable or its mappings cannot be read.
pub fn find_probes(vm: &Vm<LiveMemory>) -> Result<Vec<Result<Site, Missing>>, BeamError> {
    Ok(vm.find_probes(&Target::open(vm)?))
}

#[cfg(test)]
mod tier2;
