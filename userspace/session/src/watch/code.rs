//! What code is where while calls are watched: the VM's announcements, as for a recording, but
//! that each change is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use escope_beam::Vm;
use escope_beam::code::{CodeMap, Located, ModuleCode, read_module};
use escope_capture::{Batch, Capture, ClockChoice, CodeFollowing};
use escope_model::CodeRegistered;

use crate::SessionError;
use crate::cost::monotonic_ns;
use crate::setup::{Sampling, capture_options};

/// How many records are taken out of the ring at once.
const FETCH_MAX: usize = 4096;
/// Announcements of which what they announce was read are looked for so many times.
const LOOKS_MAX: usize = 8;
/// How often a list is read that is not announced.
const POLL_EVERY: Duration = Duration::from_secs(1);
const RING_BYTES: u32 = 512 * 1024;

/// A change of the target's code.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Code was announced, which runs from then on at the earliest; with its description, where
    /// that could be read in time.
    Loaded {
        at_ns: u64,
        start: u64,
        bytes: u32,
        module: Option<Arc<ModuleCode>>,
    },
    /// It is gone.
    Unloaded { at_ns: u64, start: u64 },
    /// Changes since a time were not all seen.
    Unseen { since_ns: u64 },
}

/// The target's code over time.
pub(super) struct Code {
    capture: Capture,
    map: CodeMap,
    batch: Batch,
    /// Announcements that came out of the ring.
    records: u64,
    /// Lost announcements that were seen.
    lost: u64,
    /// Until when all announcements were there.
    sound_until_ns: u64,
    read_next: Instant,
}

impl Code {
    /// Follows a VM's code, and reads what is there.
    pub(super) fn follow(vm: &mut Vm) -> Result<Code, SessionError> {
        // As for a recording: what the verifier takes for dead code would be another program.
        let capture = Capture::load(&capture_options(
            vm,
            Sampling {
                frequency_hz: 0,
                clock: ClockChoice::CpuClock,
                erlang_bytes: 64 * 1024,
                native_bytes: 64 * 1024,
                ring_bytes: RING_BYTES,
            },
        )?)?;
        let mut map = CodeMap::new();
        // Read after the probe is in place: nothing falls between.
        let sound_until_ns = monotonic_ns();
        vm.read_code(&mut map)?;
        Ok(Code {
            capture,
            map,
            batch: Batch::default(),
            records: 0,
            lost: 0,
            sound_until_ns,
            read_next: Instant::now() + POLL_EVERY,
        })
    }

    /// Reads all names that there are.
    pub(super) fn read_all(&mut self, vm: &Vm) {
        self.map
            .read_all(|blob, bytes| read_module(&vm.memory, blob, bytes));
    }

    /// The code itself.
    pub(super) fn map(&mut self) -> &mut CodeMap {
        &mut self.map
    }

    /// Why changes are not announced, if they are not.
    pub(super) fn polls(&self) -> Option<&str> {
        match self.capture.code_following() {
            CodeFollowing::Exact => None,
            CodeFollowing::Polling(why) => Some(why),
        }
    }

    /// Takes over what has changed since the last call.
    pub(super) fn take(&mut self, vm: &Vm) -> Result<Vec<Change>, SessionError> {
        let begun_ns = monotonic_ns();
        let announced = self.announced(vm)?;
        let mut changes = Vec::new();
        for (event, module) in announced {
            self.records += 1;
            self.sound_until_ns = self.sound_until_ns.max(event.monotonic_ns);
            changes.extend(self.apply(&event, module));
        }
        let lost = self.capture.code_doubts();
        let is_due = self.polls().is_some() && Instant::now() >= self.read_next;
        if lost != self.lost || is_due {
            let since_ns = self.sound_until_ns;
            if self.read_anew(vm, since_ns)? {
                self.lost = lost;
                self.sound_until_ns = begun_ns;
                changes.push(Change::Unseen { since_ns });
            }
            self.read_next = Instant::now() + POLL_EVERY;
        }
        Ok(changes)
    }

    /// Announcements in their order, with what was read of each and can be believed: that of
    /// which no later one says that its memory has changed hands.
    fn announced(
        &mut self,
        vm: &Vm,
    ) -> Result<Vec<(CodeRegistered, Option<ModuleCode>)>, SessionError> {
        let mut announced: Vec<(CodeRegistered, Option<ModuleCode>)> = Vec::new();
        for _ in 0..LOOKS_MAX {
            let known = announced.len();
            self.capture.fetch(FETCH_MAX, &mut self.batch)?;
            for (_, event) in self.batch.code_from(0) {
                for (earlier, module) in &mut announced {
                    if earlier.blob == event.blob || earlier.entry == event.entry {
                        *module = None;
                    }
                }
                announced.push((event, None));
            }
            self.batch.clear();
            if announced.len() == known {
                break;
            }
            for at in known..announced.len() {
                let (now, later) = announced.split_at_mut(at + 1);
                let Some((event, module)) = now.last_mut() else {
                    continue;
                };
                let same = |(other, _): &(CodeRegistered, _)| {
                    other.blob == event.blob || other.entry == event.entry
                };
                if event.action != 2 && !later.iter().any(same) {
                    *module = read_module(&vm.memory, event.blob, event.blob_bytes)
                        .filter(|module| module.base == event.code_start);
                }
            }
        }
        Ok(announced)
    }

    fn apply(&mut self, event: &CodeRegistered, module: Option<ModuleCode>) -> Option<Change> {
        let (start, at_ns) = (event.code_start, event.monotonic_ns);
        if start == 0 {
            return None;
        }
        self.map.doubt(start, event.code_bytes);
        if event.action == 2 {
            self.map.unregister(start, at_ns);
            return Some(Change::Unloaded { at_ns, start });
        }
        let blob = (event.blob, event.blob_bytes);
        let told = module.clone().map(Arc::new);
        self.map
            .register(start, event.code_bytes, at_ns, blob, module);
        Some(Change::Loaded {
            at_ns,
            start,
            bytes: event.code_bytes,
            module: told,
        })
    }

    /// `false` when the VM has changed its list all the time.
    fn read_anew(&mut self, vm: &Vm, since_ns: u64) -> Result<bool, SessionError> {
        let begun_ns = monotonic_ns();
        let mut fresh = CodeMap::new();
        let (_, whole) = vm.list_code(&mut fresh)?;
        if whole {
            let read = |blob, bytes| read_module(&vm.memory, blob, bytes);
            self.map
                .replace(fresh, since_ns, begun_ns, monotonic_ns, read);
        }
        Ok(whole)
    }

    /// Grows with every change.
    pub(super) fn epoch(&self) -> u32 {
        self.map.epoch()
    }

    /// When code last changed.
    pub(super) fn changed_ns(&self) -> u64 {
        self.map.changed_ns()
    }

    /// What is at an address at a time.
    pub(super) fn locate(&mut self, vm: &Vm, address: u64, at_ns: u64) -> Option<Located> {
        let exact = self.polls().is_none();
        let (capture, records) = (&self.capture, self.records);
        self.map.locate(
            address,
            at_ns,
            |blob, bytes| read_module(&vm.memory, blob, bytes),
            || !exact || capture.code_records() == records,
        )
    }
}
