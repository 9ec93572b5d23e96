//! The whole way of one sample.

use escope_beam::code::{CodeMap, DumpFollower};
use escope_beam::memory::Memory;
use escope_beam::{ExecutableMapping, ProcessBlock, Vm};
use escope_model::{
    Frame, FrameId, FrameKind, Mfa, RawSample, Sample, SchedulerId, SchedulerKind, StackId,
};
use rustc_hash::FxHashMap;

use crate::activity::{Calls, Evidence, calls, classify, collects_garbage};
use crate::fingerprint::Fingerprints;
use crate::identity::Processes;
use crate::intern::{Interner, NewEntries};
use crate::kernel::KernelNames;
use crate::native::NativeMap;
use crate::resolve::Sources;
use crate::statistics::Statistics;
use crate::stitch::{Kind, Step, Stitcher};

/// Joined stacks that the cache may hold, some 50 bytes each. Beyond, it starts afresh.
const STACKS_MAX: usize = 1 << 18;
/// Leaf addresses that the cache may hold.
const LEAVES_MAX: usize = 1 << 18;

/// What a joined stack means, apart from the process.
#[derive(Clone, Copy)]
struct Known {
    stack: StackId,
    bif: bool,
    gc: bool,
}

/// What a frame says of the stack that it is in. Kept apart from the frame itself: a deep
/// stack that is new asks it of each frame.
#[derive(Clone, Copy, Default)]
struct Role {
    bif: bool,
    gc: bool,
    follows_bif: bool,
}

impl Role {
    fn of(frame: &Frame) -> Role {
        Role {
            bif: frame.kind == FrameKind::Bif,
            gc: collects_garbage(frame.kind, &frame.function),
            // What the fragment itself calls after a BIF has returned.
            follows_bif: frame.kind == FrameKind::Native
                && frame.function.starts_with("erts_gc_after_bif_call"),
        }
    }
}

/// Names samples of one VM.
pub struct Symbolizer<M: Memory> {
    pub(crate) vm: Vm<M>,
    pub(crate) code: CodeMap,
    pub(crate) dump: Option<DumpFollower>,
    native: NativeMap,
    kernel: KernelNames,
    stitcher: Stitcher,
    interner: Interner,
    /// By frame id.
    roles: Vec<Role>,
    pub(crate) processes: Processes,
    statistics: Statistics,
    stacks: FxHashMap<u128, Known>,
    fingerprints: Fingerprints,
    leaves: FxHashMap<Step, FrameId>,
    fragments: FxHashMap<Step, Calls>,
    epoch: u32,
    frames: Vec<FrameId>,
}

impl<M: Memory> Symbolizer<M> {
    /// `origin_ns` of [`Self::sample`] is up to the caller; nothing is read yet.
    #[must_use]
    pub fn new(vm: Vm<M>) -> Symbolizer<M> {
        let native = NativeMap::new(vm.pid);
        Symbolizer {
            vm,
            code: CodeMap::new(),
            dump: None,
            native,
            kernel: KernelNames::new(),
            stitcher: Stitcher::default(),
            interner: Interner::default(),
            roles: Vec::new(),
            processes: Processes::default(),
            statistics: Statistics::default(),
            stacks: FxHashMap::default(),
            fingerprints: Fingerprints::default(),
            leaves: FxHashMap::default(),
            fragments: FxHashMap::default(),
            epoch: 0,
            frames: Vec::new(),
        }
    }

    /// The VM.
    #[must_use]
    pub fn vm(&self) -> &Vm<M> {
        &self.vm
    }

    /// The VM, to refresh what is known of it.
    pub fn vm_mut(&mut self) -> &mut Vm<M> {
        &mut self.vm
    }

    /// Takes over what native code is mapped.
    pub fn update_mappings(&mut self, mappings: Vec<ExecutableMapping>) {
        self.native.update(mappings, &self.vm.memory);
        self.leaves.clear();
        self.stacks.clear();
    }

    /// Whether an address is native or JIT code that is known: if not, the target has mapped
    /// more since.
    #[must_use]
    pub fn knows(&self, address: u64) -> bool {
        self.vm.jit.contains(address) || self.native.covers(address)
    }

    /// What has been seen so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// How many distinct frames, stacks and processes there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let (frames, stacks) = self.interner.counts();
        (frames, stacks, self.processes.len())
    }

    /// Takes what is new since the last call.
    pub fn take_new(&mut self, into: &mut NewEntries) {
        self.interner.take_new(into);
        self.processes.take_changed(&mut into.processes);
    }

    /// Names a sample. `origin_ns` is the recording's start on `CLOCK_MONOTONIC`. `sound` says
    /// whether all that the VM has announced of its code is known here: only then can what it
    /// says of a piece be believed.
    pub fn sample(
        &mut self,
        raw: &RawSample<'_>,
        origin_ns: u64,
        sound: &dyn Fn() -> bool,
    ) -> Sample {
        self.follow_code();
        let process = raw.scheduler.map_or(0, |scheduler| scheduler.process);
        let calls = self.calls(raw);
        let current = match calls {
            Calls::Nif | Calls::Bif => self.vm.mfa(raw.current_call),
            _ => None,
        };
        let joined = self.stitcher.join(&self.vm, &mut self.native, raw, calls);
        let known = self.resolve(raw.monotonic_ns, current.as_ref(), sound);
        let proc = self.processes.identify(&self.vm, raw, process);
        let block = proc.map(|_| ProcessBlock::new(raw.process, &self.vm.layout));
        let evidence = Evidence {
            in_jit: joined.in_jit,
            called_nif: calls == Calls::Nif,
            bif: known.bif,
            gc: known.gc,
        };
        let activity = classify(raw, block.as_ref(), evidence);
        let counts = &mut self.statistics;
        counts.count(raw, &joined, activity, proc.is_some());
        Sample {
            ts_ns: raw.monotonic_ns.saturating_sub(origin_ns) as i64,
            cpu: raw.cpu,
            tid: raw.tid,
            scheduler: raw.scheduler.map(|scheduler| SchedulerId {
                kind: match scheduler.kind {
                    1 => SchedulerKind::DirtyCpu,
                    2 => SchedulerKind::DirtyIo,
                    _ => SchedulerKind::Normal,
                },
                number: scheduler.number as u16,
            }),
            proc,
            stack: known.stack,
            activity,
            weight_ns: raw.weight_ns,
            truncated: joined.truncated,
        }
    }

    /// Forgets names that a change of code may have made wrong.
    pub(crate) fn follow_code(&mut self) {
        if self.epoch != self.code.epoch() {
            self.epoch = self.code.epoch();
            self.stacks.clear();
            self.leaves.clear();
            self.fragments.clear();
            self.stitcher.forget_sites();
        }
    }

    /// What JIT code called, for a thread in C code: by the fragment that it will return to.
    /// A dirty scheduler has no JIT code and runs what `Process.current` names.
    fn calls(&mut self, raw: &RawSample<'_>) -> Calls {
        let Some(scheduler) = raw.scheduler else {
            return Calls::Other;
        };
        if scheduler.process == 0 {
            return Calls::Other;
        }
        let in_jit = self.vm.jit.contains(raw.regs.ip);
        if in_jit {
            // Only one fragment matters while it runs itself.
            let here = Step::new(Kind::JitLeaf, raw.regs.ip);
            return match self.vm.fragments.contains(&raw.regs.ip) {
                true if self.fragment(here, raw.monotonic_ns) == Calls::Schedule => Calls::Schedule,
                _ => Calls::Other,
            };
        }
        if scheduler.kind != 0 {
            let collecting = ProcessBlock::new(raw.process, &self.vm.layout)
                .state()
                .collecting();
            let named = !collecting && self.vm.mfa(raw.current_call).is_some();
            return if named { Calls::Nif } else { Calls::Other };
        }
        let step = Step::new(Kind::JitReturn, scheduler.jit_return);
        self.fragment(step, raw.monotonic_ns)
    }

    /// What the fragment at a step calls.
    fn fragment(&mut self, step: Step, at_ns: u64) -> Calls {
        if let Some(known) = self.fragments.get(&step) {
            return *known;
        }
        let frame = self.sources(&|| true).frame(step, at_ns, None);
        let calls = match frame.kind {
            FrameKind::Helper => calls(&frame.function),
            _ => Calls::Other,
        };
        self.fragments.insert(step, calls);
        calls
    }

    fn sources<'a>(&'a mut self, sound: &'a dyn Fn() -> bool) -> Sources<'a, M> {
        Sources {
            sound,
            vm: &self.vm,
            code: &mut self.code,
            native: &self.native,
            kernel: &mut self.kernel,
        }
    }

    /// The stack that the stitcher's steps stand for.
    fn resolve(&mut self, at_ns: u64, current: Option<&Mfa>, sound: &dyn Fn() -> bool) -> Known {
        // Samples from before a change of code must not see or fill the caches.
        let cached = at_ns >= self.code.changed_ns();
        // The program counter differs with almost every sample, its function and line do
        // not: naming it first makes equal stacks equal.
        let mut steps = std::mem::take(&mut self.stitcher.steps);
        for step in &mut steps {
            let leaf = matches!(step.kind(), Kind::Kernel | Kind::NativeLeaf | Kind::JitLeaf);
            if leaf || matches!(step.kind(), Kind::Nif | Kind::Bif) {
                let frame = self.frame(*step, at_ns, current, cached && leaf, sound);
                *step = Step::new(Kind::Frame, u64::from(frame.0));
            }
        }
        let print = self.fingerprints.of(&steps);
        let known = match self.stacks.get(&print) {
            Some(known) if cached => *known,
            _ => self.resolve_steps(&steps, print, at_ns, cached, sound),
        };
        self.stitcher.steps = steps;
        known
    }

    fn resolve_steps(
        &mut self,
        steps: &[Step],
        print: u128,
        at_ns: u64,
        cached: bool,
        sound: &dyn Fn() -> bool,
    ) -> Known {
        let unnamed = self.statistics.unnamed_erlang_frames;
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        let mut last: Option<(FrameId, Role)> = None;
        let (mut bif, mut gc) = (false, false);
        for &step in steps {
            let frame = match step.kind() {
                Kind::Frame => FrameId(step.address() as u32),
                _ => self.frame(step, at_ns, None, cached, sound),
            };
            let role = self.roles.get(frame.index()).copied().unwrap_or_default();
            // The C function of a BIF and the BIF as its caller knows it are one frame; and
            // what runs after a BIF has returned is not in it.
            let known =
                role.bif && last.is_some_and(|(last, before)| last == frame || before.follows_bif);
            if !known {
                frames.push(frame);
                last = Some((frame, role));
                bif |= role.bif;
                gc |= role.gc;
            }
        }
        let known = Known {
            stack: self.interner.stack(&frames),
            bif,
            gc,
        };
        self.frames = frames;
        // A name that could not be had now may be had later.
        if cached && unnamed == self.statistics.unnamed_erlang_frames {
            if self.stacks.len() >= STACKS_MAX {
                self.stacks.clear();
            }
            self.stacks.insert(print, known);
        }
        known
    }

    pub(crate) fn frame(
        &mut self,
        step: Step,
        at_ns: u64,
        current: Option<&Mfa>,
        cached: bool,
        sound: &dyn Fn() -> bool,
    ) -> FrameId {
        if cached && let Some(id) = self.leaves.get(&step) {
            return *id;
        }
        let frame = self.sources(sound).frame(step, at_ns, current);
        let unnamed = frame.kind == FrameKind::Marker
            && matches!(step.kind(), Kind::JitLeaf | Kind::JitReturn);
        self.statistics.unnamed_erlang_frames += u64::from(unnamed);
        let role = Role::of(&frame);
        let id = self.interner.frame(frame);
        if id.index() == self.roles.len() {
            self.roles.push(role);
        }
        if cached && !unnamed {
            if self.leaves.len() >= LEAVES_MAX {
                self.leaves.clear();
            }
            self.leaves.insert(step, id);
        }
        id
    }
}
