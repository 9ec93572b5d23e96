//! The programs in the kernel, through libbpf.

mod event_ring;
mod events;
mod links;
mod namespace;
mod open;
mod ring;
mod skeleton;
mod watch;

use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use escope_wire::{Config, Counters, SchedulerKey, SchedulerSlot};
use libbpf_rs::{ErrorKind, Link, MapCore, MapFlags};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::keeper::{Kept, Request};
use crate::ticks::{self, Clock, ClockChoice};
use crate::{Batch, CaptureError, cpus};
pub use events::{EventCapture, EventOptions, EventSite, Fetched, NativeSite, event_ring_bytes};
pub(crate) use links::place_probes;
pub use namespace::check_proc;
pub use open::{KernelSupport, probe_kernel};
pub use watch::{Breakpoint, HitPrice, WatchCapture, probe_breakpoints};

use open::load;
use ring::Ring;
use skeleton::EscopeSkel;

/// Where the VM announces JIT code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeProbe {
    /// The file that holds `__jit_debug_register_code`.
    pub binary: PathBuf,
    /// The function's offset in that file.
    pub file_offset: u64,
}

/// What to capture, and from whom.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// What the kernel half must know of the target.
    pub config: Config,
    /// The target's schedulers.
    pub schedulers: Vec<(SchedulerKey, SchedulerSlot)>,
    /// Samples a second on each CPU; 0 for none, where code alone is followed.
    pub frequency_hz: u32,
    /// Which clock to sample by.
    pub clock: ClockChoice,
    /// Size of the ring, rounded up to a power of two of at least one page.
    pub ring_bytes: u32,
    /// Where code loading can be followed exactly.
    pub code_probe: Option<CodeProbe>,
}

/// How code loading is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeFollowing {
    /// Every registration is seen, with its time.
    Exact,
    /// No probe could be placed: the list must be read again now and then.
    Polling(String),
}

/// A running capture. Dropping it removes everything from the kernel.
pub struct Capture {
    events: Vec<(u32, OwnedFd)>,
    // Order matters: links are detached before the programs and maps they use are closed.
    ticks: Vec<Link>,
    code: Option<Kept>,
    ring: Ring,
    skeleton: EscopeSkel<'static>,
    clock: Clock,
    code_following: CodeFollowing,
}

impl Capture {
    /// Loads the programs and follows code loading. No sample is taken before
    /// [`Self::start_ticks`], so that what is read of the target's code in between is at least
    /// as new as any sample.
    ///
    /// # Errors
    /// When the kernel lacks a feature or a permission; nothing is left behind.
    pub fn load(options: &CaptureOptions) -> Result<Capture, CaptureError> {
        if !Path::new("/sys/kernel/btf/vmlinux").exists() {
            return Err(CaptureError::NoBtf);
        }
        let online = cpus::online_cpus()?;
        let mut config = options.config;
        // Opened first: cheap, and tells the clock, which decides a sample's weight.
        let (clock, events) = match options.frequency_hz {
            0 => (Clock::CpuClock, Vec::new()),
            frequency_hz => ticks::open(options.clock, frequency_hz, &online)?,
        };
        if clock == Clock::Cycles {
            config.weight_ns = 1_000_000_000 / u64::from(options.frequency_hz.max(1));
        }

        config.pid_namespace = namespace::own()?;
        let skeleton = load(config, options.ring_bytes)?;
        let mut capture = Capture {
            events,
            ticks: Vec::new(),
            code: None,
            ring: Ring::new(&skeleton.maps.ring)?,
            skeleton,
            clock,
            code_following: CodeFollowing::Exact,
        };
        for (key, slot) in &options.schedulers {
            capture.set_scheduler(key, slot)?;
        }
        capture.code_following = capture.follow_code(options);
        Ok(capture)
    }

    /// What its ring has room for. The kernel counts it twice as memory of this process.
    #[must_use]
    pub fn ring_bytes(&self) -> u64 {
        self.ring.bytes()
    }

    /// Starts the timers.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn start_ticks(&mut self) -> Result<(), CaptureError> {
        for (_, event) in self.events.drain(..) {
            let link = self
                .skeleton
                .progs
                .tick
                .attach_perf_event(event.as_raw_fd())
                .map_err(|error| failed("attaching to a timer", &error))?;
            // The link now owns the descriptor and closes it.
            let _ = event.into_raw_fd();
            self.ticks.push(link);
        }
        Ok(())
    }

    /// Which clock samples are taken by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// How code loading is followed.
    #[must_use]
    pub fn code_following(&self) -> &CodeFollowing {
        &self.code_following
    }

    /// Tells the kernel half about a scheduler.
    ///
    /// # Errors
    /// When the table is full.
    pub fn set_scheduler(
        &mut self,
        key: &SchedulerKey,
        slot: &SchedulerSlot,
    ) -> Result<(), CaptureError> {
        self.skeleton
            .maps
            .schedulers
            .update(key.as_bytes(), slot.as_bytes(), MapFlags::ANY)
            .map_err(|error| failed("telling the kernel about a scheduler", &error))
    }

    /// Stops the timers and probes; what is in the ring can still be drained.
    pub fn stop(&mut self) {
        // In this order: no sample may be taken when code loading is no longer followed.
        self.ticks.clear();
        self.code = None;
    }

    /// Takes at most `limit` records out of the ring, in its order; returns how many there were.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub fn fetch(&mut self, limit: usize, batch: &mut Batch) -> Result<usize, CaptureError> {
        self.ring.consume(limit, &mut |bytes| batch.push(bytes))
    }

    /// How many registrations of code were lost or not readable so far. Looked at after a fetch,
    /// it counts all that any record fetched may have been affected by.
    #[must_use]
    pub fn code_doubts(&self) -> u64 {
        skeleton::code_doubts(&self.skeleton)
    }

    /// How many registrations of code were put into the ring so far, taken out or not.
    #[must_use]
    pub fn code_records(&self) -> u64 {
        skeleton::code_records(&self.skeleton)
    }

    /// What the kernel half has counted so far, over all CPUs.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> Result<Counters, CaptureError> {
        let per_cpu = self
            .skeleton
            .maps
            .counters
            .lookup_percpu(&0u32.to_ne_bytes(), MapFlags::ANY)
            .map_err(|error| failed("reading the counters", &error))?
            .unwrap_or_default();
        let mut sum = Counters::default();
        for bytes in &per_cpu {
            let Ok((cpu, _)) = Counters::read_from_prefix(bytes) else {
                continue;
            };
            sum = add(&sum, &cpu);
        }
        Ok(sum)
    }

    fn follow_code(&mut self, options: &CaptureOptions) -> CodeFollowing {
        let Some(probe) = &options.code_probe else {
            return CodeFollowing::Polling("the VM's registration function was not found".into());
        };
        let request = Request::Code {
            pid: options.config.tgid,
            file_offset: probe.file_offset,
        };
        let program = self.skeleton.progs.code_loaded.as_fd();
        let kept = Kept::new("placing a probe", request, program, &probe.binary);
        match kept.and_then(|mut kept| kept.place().map(|()| kept)) {
            Ok(kept) => {
                self.code = Some(kept);
                CodeFollowing::Exact
            }
            Err(error) => CodeFollowing::Polling(format!("no probe could be placed: {error}")),
        }
    }
}

fn failed(what: &'static str, error: &libbpf_rs::Error) -> CaptureError {
    if error.kind() == ErrorKind::PermissionDenied {
        return CaptureError::NotPermitted;
    }
    CaptureError::Bpf {
        what,
        message: error.to_string(),
    }
}

/// The sum of two blocks of 64-bit counters.
fn add<T: IntoBytes + FromBytes + Immutable + Default>(left: &T, right: &T) -> T {
    let mut sum = T::default();
    let words = |counters: &T| -> Vec<u64> {
        counters
            .as_bytes()
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| u64::from_ne_bytes(*bytes))
            .collect()
    };
    let bytes: Vec<u8> = words(left)
        .iter()
        .zip(words(right))
        .flat_map(|(left, right)| left.wrapping_add(right).to_ne_bytes())
        .collect();
    sum.as_mut_bytes().copy_from_slice(&bytes);
    sum
}

impl From<io::Error> for CaptureError {
    fn from(error: io::Error) -> Self {
        CaptureError::Bpf {
            what: "talking to the kernel",
            message: error.to_string(),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop();
    }
}
