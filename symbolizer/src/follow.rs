//! Following the target's code: what is loaded and unloaded while samples are named.

use escope_beam::BeamError;
use escope_beam::code::{CodeMap, ModuleCode, read_module};
use escope_beam::memory::Memory;
use escope_beam::names::follow_jitdump;
use escope_model::CodeRegistered;

use crate::symbolizer::Symbolizer;

/// A change of the target's Erlang code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChange {
    /// When, on `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// Loaded, or else unloaded.
    pub loaded: bool,
    /// The module's name; `None` when it could not be read in time.
    pub module: Option<String>,
    /// How many functions it has.
    pub functions: u32,
    /// First address.
    pub start: u64,
    /// Size in bytes.
    pub bytes: u64,
}

impl<M: Memory> Symbolizer<M> {
    /// Reads the VM's list of code; what is known already stays. `false` when the VM has
    /// changed the list all the time, so that code may be missing.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn read_code(&mut self) -> Result<bool, BeamError> {
        self.vm.read_code(&mut self.code)
    }

    /// Reads the list anew, because changes of code after `since_ns` were not all seen. Between
    /// then and now, code that changed has no name. `now` tells `CLOCK_MONOTONIC`. Returns how
    /// many pieces changed; `None` when the VM has changed the list all the time, which is worth
    /// another try.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn read_code_anew(
        &mut self,
        since_ns: u64,
        now: impl Fn() -> u64,
    ) -> Result<Option<usize>, BeamError> {
        if self.follow_dump() {
            return Ok(Some(0));
        }
        let begun_ns = now();
        let mut fresh = CodeMap::new();
        let (_, whole) = self.vm.list_code(&mut fresh)?;
        if !whole {
            return Ok(None);
        }
        let memory = &self.vm.memory;
        let read = |blob, bytes| read_module(memory, blob, bytes);
        let changed = self.code.replace(fresh, since_ns, begun_ns, now, read);
        Ok(Some(changed))
    }

    /// Follows code by the jitdump of a VM that writes one, for a VM whose changes are not
    /// announced: it has the time of each. Whether there is one.
    pub fn read_dump(&mut self) -> bool {
        self.dump = follow_jitdump(self.vm.pid).ok().flatten();
        self.follow_dump()
    }

    /// Takes over what was loaded since the last time; `false` where no dump can be followed.
    fn follow_dump(&mut self) -> bool {
        let Some(dump) = &mut self.dump else {
            return false;
        };
        let Ok(pieces) = dump.poll() else {
            self.dump = None;
            return false;
        };
        for piece in pieces {
            self.code.register_known(piece.at_ns, piece.module);
        }
        true
    }

    /// Reads the names of all code now, for a VM whose changes are not announced.
    pub fn read_all_names(&mut self) {
        let memory = &self.vm.memory;
        self.code
            .read_all(|blob, bytes| read_module(memory, blob, bytes));
    }

    /// The target is gone, and what code it ran after a time will never be known.
    pub fn end_code(&mut self, since_ns: u64) {
        self.code.end(since_ns);
    }

    /// Reads what the VM says of code that it has registered. The VM may free that as soon as it
    /// has unregistered the code: see [`Self::code_registered`].
    #[must_use]
    pub fn read_registered(&self, event: &CodeRegistered) -> Option<ModuleCode> {
        (event.action != 2)
            .then(|| read_module(&self.vm.memory, event.blob, event.blob_bytes))
            .flatten()
            .filter(|module| module.base == event.code_start)
    }

    /// Code will be registered or unregistered in a later event: what is there now and was not
    /// read yet must not be read any more.
    pub fn code_doubted(&mut self, event: &CodeRegistered) {
        self.code.doubt(event.code_start, event.code_bytes);
    }

    /// The VM registered or unregistered code; `module` is what was read of it and can be
    /// trusted.
    pub fn code_registered(
        &mut self,
        event: &CodeRegistered,
        module: Option<ModuleCode>,
    ) -> Option<CodeChange> {
        if event.code_start == 0 {
            return None;
        }
        let loaded = event.action != 2;
        let change = CodeChange {
            monotonic_ns: event.monotonic_ns,
            loaded,
            module: module.as_ref().map(|module| module.name.to_string()),
            functions: module.as_ref().map_or(0, |module| {
                module
                    .functions
                    .iter()
                    .filter(|f| f.arity.is_some())
                    .count() as u32
            }),
            start: event.code_start,
            bytes: u64::from(event.code_bytes),
        };
        if loaded {
            self.code.register(
                event.code_start,
                event.code_bytes,
                event.monotonic_ns,
                (event.blob, event.blob_bytes),
                module,
            );
        } else {
            self.code.unregister(event.code_start, event.monotonic_ns);
        }
        Some(change)
    }
}
