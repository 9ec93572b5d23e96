//! The programs in the kernel, through libbpf.

mod ring;
mod skeleton;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use escope_model::RawEvent;
use escope_wire::{Config, Counters, SchedulerKey, SchedulerSlot};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{ErrorKind, Link, MapCore, MapFlags, UprobeMultiOpts, UprobeOpts};
use zerocopy::{FromBytes, IntoBytes};

use crate::ticks::{self, Clock, ClockChoice};
use crate::{CaptureError, cpus};
use ring::Ring;
use skeleton::{EscopeSkel, EscopeSkelBuilder};

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
    /// Samples a second on each CPU.
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
    links: Vec<Link>,
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
        let (clock, events) = ticks::open(options.clock, options.frequency_hz, &online)?;
        if clock == Clock::Cycles {
            config.weight_ns = 1_000_000_000 / u64::from(options.frequency_hz.max(1));
        }

        let multi = load(&config, options.ring_bytes, true);
        let (skeleton, has_multi) = match multi {
            Ok(skeleton) => (skeleton, true),
            Err(error @ CaptureError::NotPermitted) => return Err(error),
            // Kernels before 6.6 do not know uprobe.multi; if that was not the reason, the
            // second attempt fails as well and says why.
            Err(_) => (load(&config, options.ring_bytes, false)?, false),
        };
        let mut capture = Capture {
            events,
            links: Vec::new(),
            ring: Ring::new(&skeleton.maps.ring)?,
            skeleton,
            clock,
            code_following: CodeFollowing::Exact,
        };
        for (key, slot) in &options.schedulers {
            capture.set_scheduler(key, slot)?;
        }
        capture.code_following = capture.follow_code(options, has_multi);
        Ok(capture)
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
            self.links.push(link);
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
        // In reverse: no sample may be taken when code loading is no longer followed.
        while let Some(link) = self.links.pop() {
            drop(link);
        }
    }

    /// Hands over every event since the last call, in the ring's order.
    ///
    /// # Errors
    /// When a record cannot be read, which would be a defect of ours.
    pub fn drain(&mut self, sink: &mut dyn FnMut(RawEvent<'_>)) -> Result<(), CaptureError> {
        let mut bad = None;
        self.ring.consume(&mut |bytes| match crate::decode(bytes) {
            Ok(event) => sink(event),
            Err(error) => bad = Some(error),
        })?;
        bad.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Hands over the bytes of every record since the last call.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub fn drain_bytes(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<(), CaptureError> {
        self.ring.consume(sink)
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

    fn follow_code(&mut self, options: &CaptureOptions, has_multi: bool) -> CodeFollowing {
        let Some(probe) = &options.code_probe else {
            return CodeFollowing::Polling("the VM's registration function was not found".into());
        };
        let pid = options.config.tgid as i32;
        let offset = probe.file_offset as usize;
        let link = if has_multi {
            self.skeleton
                .progs
                .code_multi
                .attach_uprobe_multi_with_opts(
                    pid,
                    &probe.binary,
                    "",
                    UprobeMultiOpts {
                        offsets: vec![offset],
                        ..UprobeMultiOpts::default()
                    },
                )
        } else {
            let opts = UprobeOpts::default();
            self.skeleton.progs.code_single.attach_uprobe_with_opts(
                pid,
                &probe.binary,
                offset,
                opts,
            )
        };
        match link {
            Ok(link) => {
                self.links.push(link);
                CodeFollowing::Exact
            }
            Err(error) => CodeFollowing::Polling(format!("no probe could be placed: {error}")),
        }
    }
}

/// What this kernel can do for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSupport {
    /// Which clock samples would be taken by.
    pub clock: &'static str,
    /// Whether many probes can be attached at once.
    pub multi_uprobes: bool,
}

/// A config like a real one: the verifier takes limits of zero for dead code, and what is
/// left is another program.
fn plausible() -> Config {
    Config {
        tgid: u32::MAX,
        process_bytes: 776,
        erlang_bytes: 64 * 1024,
        native_bytes: 64 * 1024,
        jit_descriptor: 1,
        atom_proc_lib: 1,
        atom_initial_call: 1,
        process_htop_at: 80,
        process_stop_at: 88,
        process_heap_at: 128,
        process_hend_at: 136,
        process_reg_at: 48,
        process_initial_at: 448,
        process_dictionary_at: 416,
        process_current_at: 472,
        process_scheduler_at: 760,
        process_state_at: 640,
        process_state_gc: 1 << 17,
        dictionary_size_at: 8,
        dictionary_data_at: 24,
        ..Config::default()
    }
}

/// Loads the programs, opens the timers and removes both again.
///
/// # Errors
/// What [`Capture::load`] would fail with.
pub fn probe_kernel() -> Result<KernelSupport, CaptureError> {
    const RING_BYTES: u32 = 4096;
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(CaptureError::NoBtf);
    }
    let (clock, _events) = ticks::open(ClockChoice::Auto, 1, &cpus::online_cpus()?)?;
    let config = plausible();
    let multi_uprobes = match load(&config, RING_BYTES, true) {
        Ok(_) => true,
        Err(error @ CaptureError::NotPermitted) => return Err(error),
        Err(_) => load(&config, RING_BYTES, false).map(|_| false)?,
    };
    Ok(KernelSupport {
        clock: clock.as_str(),
        multi_uprobes,
    })
}

fn load(
    config: &Config,
    ring_bytes: u32,
    multi: bool,
) -> Result<EscopeSkel<'static>, CaptureError> {
    // libbpf would write the verifier's log to stderr, thousands of lines.
    libbpf_rs::set_print(None);
    // The skeleton borrows the object for its whole life; one small object per capture is
    // leaked rather than tied into a self-referential struct.
    let object = Box::leak(Box::new(MaybeUninit::uninit()));
    let mut open = EscopeSkelBuilder::default()
        .open(object)
        .map_err(|error| failed("opening the BPF object", &error))?;
    open.progs.code_multi.set_autoload(multi);
    open.progs.code_single.set_autoload(!multi);
    let ring_bytes = ring_bytes.max(4096).next_power_of_two();
    open.maps
        .ring
        .set_max_entries(ring_bytes)
        .and_then(|()| {
            open.maps
                .drafts
                .set_max_entries(cpus::cpu_limit().unwrap_or(1))
        })
        .map_err(|error| failed("sizing the BPF maps", &error))?;
    skeleton::set_config(&mut open, config);
    open.load().map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => CaptureError::NotPermitted,
        _ => CaptureError::Load(error.to_string()),
    })
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

fn add(left: &Counters, right: &Counters) -> Counters {
    let mut sum = Counters::default();
    let words = |counters: &Counters| -> Vec<u64> {
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
