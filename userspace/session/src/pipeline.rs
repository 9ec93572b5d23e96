//! Events in, rows out: the same code for a live capture and for a recorded stream.

use std::mem;

use escope_beam::code::ModuleCode;
use escope_beam::memory::{LiveMemory, Memory};
use escope_beam::{read_executable_mappings, read_threads};
use escope_model::{
    CheckpointRow, CodeRegistered, Collection, DistEvent, Life, Message, ModuleEvent, NativeCall,
    OffCpu, Payload, PortEvent, PortInfo, RawSample, Run, StateRow,
};
use escope_recording::{CodeAction, CodeEvent, Writer};
use escope_symbolizer::{NewEntries, Symbolizer};
use rustc_hash::FxHashSet;

/// The target's mappings are read again at most this often.
const REFRESH_NS: u64 = 20_000_000;

/// Rows are written as soon as they take more than this, whatever the time.
const UNWRITTEN_BYTES_MAX: usize = 24 << 20;
/// What a row of an event takes until it is written, about.
const ROW_BYTES: usize = 112;
/// The same of a process, which has names.
const PROCESS_BYTES: usize = 400;

/// Names events and writes them.
pub(crate) struct Pipeline<M: Memory = LiveMemory> {
    pub(crate) symbolizer: Symbolizer<M>,
    writer: Writer,
    origin_ns: u64,
    new: NewEntries,
    threads: FxHashSet<u32>,
    refreshed_ns: u64,
    samples: u64,
    first_sample_ns: Option<u64>,
    code_unseen: u64,
    /// Since when code that is announced is counted, and how much of it was.
    announced: (Option<u64>, u64),
    sampled_ns: u64,
    /// What takes memory until it is written.
    unwritten_bytes: usize,
}

impl<M: Memory> Pipeline<M> {
    pub(crate) fn new(symbolizer: Symbolizer<M>, writer: Writer, origin_ns: u64) -> Pipeline<M> {
        Pipeline {
            symbolizer,
            writer,
            origin_ns,
            new: NewEntries::default(),
            threads: FxHashSet::default(),
            refreshed_ns: 0,
            samples: 0,
            first_sample_ns: None,
            code_unseen: 0,
            announced: (None, 0),
            sampled_ns: 0,
            unwritten_bytes: 0,
        }
    }

    pub(crate) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    pub(crate) fn into_writer(self) -> Writer {
        self.writer
    }

    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// When the first sample was taken, since the start.
    pub(crate) fn first_sample_ns(&self) -> Option<u64> {
        self.first_sample_ns
    }

    /// Counts code that came or went unannounced.
    pub(crate) fn code_unseen(&mut self, pieces: usize) {
        self.code_unseen += pieces as u64;
    }

    /// How many pieces of code came or went unseen since the last call.
    pub(crate) fn take_code_unseen(&mut self) -> u64 {
        mem::take(&mut self.code_unseen)
    }

    /// Counts anew what code the VM announces, from a `CLOCK_MONOTONIC` time on, or stops to.
    pub(crate) fn count_code(&mut self, since_ns: Option<u64>) {
        self.announced = (since_ns, 0);
    }

    /// How much code was announced since it is counted.
    pub(crate) fn announced(&self) -> u64 {
        self.announced.1
    }

    /// CPU time that the samples stand for.
    pub(crate) fn sampled_ns(&self) -> u64 {
        self.sampled_ns
    }

    /// Adds a run; its process and place may be new.
    pub(crate) fn run(&mut self, run: &Run) {
        self.write_new();
        self.writer.run(run);
    }

    /// Adds a message; its processes may be new.
    pub(crate) fn message(&mut self, message: &Message) {
        self.write_new();
        self.writer.message(message);
    }

    /// Adds what a message said.
    pub(crate) fn payload(&mut self, payload: &Payload) {
        self.unwritten_bytes += ROW_BYTES + payload.text.as_ref().map_or(0, String::len);
        self.writer.payload(payload);
    }

    /// Whether what was added takes so much memory that it should be written now.
    pub(crate) fn is_heavy(&self) -> bool {
        self.unwritten_bytes > UNWRITTEN_BYTES_MAX
    }

    /// All that was added is on the disk.
    pub(crate) fn written(&mut self) {
        self.unwritten_bytes = 0;
    }

    /// Adds a garbage collection; its process may be new.
    pub(crate) fn collection(&mut self, collection: &Collection) {
        self.write_new();
        self.writer.collection(collection);
    }

    /// Adds a time in which a scheduler's thread had no CPU.
    pub(crate) fn off_cpu(&mut self, off_cpu: &OffCpu) {
        self.write_new();
        self.writer.off_cpu(off_cpu);
    }

    /// Adds a call of a BIF or NIF; its process and frames may be new.
    pub(crate) fn native_call(&mut self, call: &NativeCall) {
        self.write_new();
        self.writer.native_call(call);
    }

    /// Adds an event of a process's life; the processes may be new.
    pub(crate) fn life(&mut self, life: &Life) {
        self.write_new();
        self.writer.life(life);
    }

    /// Adds code that was loaded or purged; the process may be new.
    pub(crate) fn module(&mut self, event: &ModuleEvent) {
        self.write_new();
        self.writer.module(event);
    }

    /// Adds a port, or replaces what was known of it; its owner may be new.
    pub(crate) fn port(&mut self, port: &PortInfo) {
        self.write_new();
        self.writer.port(port);
    }

    /// Adds an event of a port that was added; the process may be new.
    pub(crate) fn port_event(&mut self, event: &PortEvent) {
        self.write_new();
        self.writer.port_event(event);
    }

    /// Adds a signal to another node or from one; the process may be new.
    pub(crate) fn dist(&mut self, event: &DistEvent) {
        self.write_new();
        self.writer.dist(event);
    }

    /// Adds what a process was like at a checkpoint; the process and its place may be new.
    pub(crate) fn checkpoint(&mut self, row: &CheckpointRow) {
        self.write_new();
        self.unwritten_bytes += ROW_BYTES;
        self.writer.checkpoint(row);
    }

    /// A `CLOCK_MONOTONIC` time as rows have it.
    pub(crate) fn since_start(&self, monotonic_ns: u64) -> i64 {
        let since_ns = monotonic_ns.saturating_sub(self.origin_ns);
        i64::try_from(since_ns).unwrap_or(i64::MAX)
    }

    /// Adds what a process had when it came to rest; the process may be new.
    pub(crate) fn state(&mut self, state: StateRow) {
        self.write_new();
        self.unwritten_bytes += ROW_BYTES + state.term.as_ref().map_or(0, Vec::len);
        self.writer.state(state);
    }

    fn write_new(&mut self) {
        let mut new = mem::take(&mut self.new);
        self.symbolizer.take_new(&mut new);
        self.unwritten_bytes += ROW_BYTES + new.processes.len() * PROCESS_BYTES;
        for (id, frame) in new.frames.drain(..) {
            self.writer.frame(id, &frame);
        }
        for (id, frames) in new.stacks.drain(..) {
            self.writer.stack(id, &frames);
        }
        for process in new.processes.drain(..) {
            self.writer.process(&process);
        }
        self.new = new;
    }
}

impl Pipeline {
    /// `sound` says whether all that the VM has announced of its code was handed over.
    pub(crate) fn sample(&mut self, raw: &RawSample<'_>, sound: &dyn Fn() -> bool) {
        if !self.symbolizer.knows(raw.regs.ip) {
            self.refresh(raw.monotonic_ns);
        }
        if self.threads.insert(raw.tid) {
            self.read_threads();
        }
        let sample = self.symbolizer.sample(raw, self.origin_ns, sound);
        self.samples += 1;
        self.sampled_ns += raw.weight_ns;
        self.first_sample_ns
            .get_or_insert(raw.monotonic_ns.saturating_sub(self.origin_ns));
        self.write_new();
        self.writer.sample(&sample);
    }

    /// `module` is what was read of the code and can be trusted.
    pub(crate) fn code(&mut self, event: &CodeRegistered, module: Option<ModuleCode>) {
        if !self.symbolizer.vm().jit.contains(event.code_start) {
            self.refresh(event.monotonic_ns);
        }
        let Some(change) = self.symbolizer.code_registered(event, module) else {
            return;
        };
        let (since_ns, announced) = &mut self.announced;
        let counts = since_ns.is_some_and(|since_ns| event.monotonic_ns > since_ns);
        *announced += u64::from(counts && change.loaded);
        self.writer.code(&CodeEvent {
            ts_ns: change.monotonic_ns.saturating_sub(self.origin_ns) as i64,
            event: if change.loaded {
                CodeAction::Load
            } else {
                CodeAction::Unload
            },
            module: change.module.unwrap_or_default(),
            functions: change.functions,
            start: change.start,
            size: change.bytes,
        });
    }

    /// The target has mapped code that is not known: a NIF library, a driver, more JIT code.
    fn refresh(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.refreshed_ns) < REFRESH_NS {
            return;
        }
        self.refreshed_ns = now_ns;
        // A target that is gone keeps the mappings that were known.
        if self.symbolizer.vm_mut().refresh_jit_ranges().is_ok() {
            self.update_mappings();
        }
    }

    pub(crate) fn update_mappings(&mut self) {
        if let Ok(mappings) = read_executable_mappings(self.symbolizer.vm().pid) {
            self.symbolizer.update_mappings(mappings);
        }
    }

    pub(crate) fn read_threads(&mut self) {
        for thread in read_threads(self.symbolizer.vm().pid) {
            self.threads.insert(thread.tid);
            self.writer.thread(&thread);
        }
    }
}
