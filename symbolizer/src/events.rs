//! Names for what events are about: processes by their pids, places by their addresses.

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::state::StateCode;
use escope_model::{FrameId, Mfa, ProcId};

use crate::identity::Told;
use crate::stitch::{Kind, Step};
use crate::symbolizer::Symbolizer;

impl<M: Memory> Symbolizer<M> {
    /// The process with a pid, as a term; `None` for what is no pid. `address` is that of its
    /// struct, 0 where it is not known.
    pub fn process(&mut self, pid: u64, address: u64) -> Option<ProcId> {
        self.processes.find(&self.vm, pid, address)
    }

    /// A process that runs for the first time. `parent` is a term, `call` module, function, arity as terms and a number.
    pub fn born(&mut self, pid: u64, address: u64, parent: u64, call: [u64; 3]) -> Option<ProcId> {
        let proc = self.processes.find(&self.vm, pid, address)?;
        let told = Told {
            initial_call: self.vm.mfa(call),
            parent: self.vm.pids.print(parent),
            ..Told::default()
        };
        self.processes.describe(proc, told);
        Some(proc)
    }

    /// The process with a pid, as a term, and an address, if it has been met with both. What lies
    /// at the address of a process that has ended may look like another one.
    pub fn met(&self, pid: u64, address: u64) -> Option<ProcId> {
        self.processes.met(pid, address)
    }

    /// The process whose struct is at an address now, if it has been met there.
    pub fn process_at(&self, address: u64) -> Option<ProcId> {
        let id = address.wrapping_add(u64::from(self.vm.layout.process.id));
        let pid = self.vm.memory.u64(id).ok()?;
        self.processes.met(pid, address)
    }

    /// A process, by its pid as a term, has ended, and nothing will be asked of it again.
    pub fn forget(&mut self, pid: u64) {
        self.processes.forget(pid);
    }

    /// Fills in what is not known yet of a process.
    pub fn describe(&mut self, proc: ProcId, told: Told) {
        self.processes.describe(proc, told);
    }

    /// What a process is registered as.
    pub fn name(&self, proc: ProcId) -> Option<&str> {
        self.processes.name(proc)
    }

    /// The module that a process was spawned for, if it is known: of one that `proc_lib` has spawned it may
    /// not be yet.
    pub fn module(&self, proc: ProcId) -> Option<&str> {
        self.processes.module(proc)
    }

    /// Whether a module is loaded, as far as names were read.
    pub fn has_module(&self, name: &str) -> bool {
        self.code.modules().any(|module| *module.name == *name)
    }

    /// Hands out the VM and its code, as it is followed, for reading states.
    pub fn with_code<R>(&mut self, run: impl FnOnce(&Vm<M>, &mut StateCode) -> R) -> R {
        let mut code = StateCode::at(std::mem::take(&mut self.code), u64::MAX);
        let result = run(&self.vm, &mut code);
        self.code = code.into_map();
        result
    }

    /// Where in the code an address was at a time. `sound` is that of [`Self::sample`].
    pub fn place(&mut self, address: u64, at_ns: u64, sound: &dyn Fn() -> bool) -> FrameId {
        self.follow_code();
        let cached = at_ns >= self.code.changed_ns();
        let step = Step::new(Kind::Resume, address);
        self.frame(step, at_ns, None, cached, sound)
    }

    /// Where in the code a call returns to, by its return address. `sound` is that of
    /// [`Self::sample`].
    pub fn caller(&mut self, address: u64, at_ns: u64, sound: &dyn Fn() -> bool) -> FrameId {
        self.follow_code();
        let cached = at_ns >= self.code.changed_ns();
        let step = Step::new(Kind::JitReturn, address);
        self.frame(step, at_ns, None, cached, sound)
    }

    /// A BIF or NIF, as samples have it too.
    pub fn native_function(&mut self, mfa: &Mfa, is_nif: bool) -> FrameId {
        let kind = if is_nif { Kind::Nif } else { Kind::Bif };
        self.frame(Step::new(kind, 0), 0, Some(mfa), false, &|| true)
    }
}
