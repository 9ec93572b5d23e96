//! The probes that see events, and their ring.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::PathBuf;

use escope_wire::{COOKIE_WHAT_SHIFT, EventConfig, EventCounters, SchedulerKey, SchedulerSlot};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{ErrorKind, Link, MapCore, MapFlags, UprobeMultiOpts};
use rustix::time::{ClockId, clock_gettime};
use zerocopy::{FromBytes, IntoBytes};

use super::ring::Ring;
use super::skeleton::{self, EventsSkel, EventsSkelBuilder};
use super::{failed, namespace};
use crate::price_switches::ran_ns;
use crate::{Batch, CaptureError};

/// One place in the target's executable where a program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSite {
    /// What it sees: one of [`escope_wire::what`].
    pub what: u32,
    /// Offset in the executable file.
    pub file_offset: u64,
    /// In which registers its values are: a nibble each, from the lowest.
    pub registers: u32,
}

impl EventSite {
    /// Offset and cookie.
    fn place(&self) -> (usize, u64) {
        let cookie = u64::from(self.what) << COOKIE_WHAT_SHIFT | u64::from(self.registers);
        (self.file_offset as usize, cookie)
    }
}

/// Which events to capture, and from whom.
#[derive(Debug, Clone)]
pub struct EventOptions {
    /// What the kernel half must know of the target.
    pub config: EventConfig,
    /// The target's schedulers.
    pub schedulers: Vec<(SchedulerKey, SchedulerSlot)>,
    /// Size of the ring, rounded up to a power of two.
    pub ring_bytes: u32,
    /// The target's executable, as we can open it.
    pub binary: PathBuf,
    /// Where its probes go.
    pub sites: Vec<EventSite>,
    /// Where the configuration says that only some processes are wanted: those that are there,
    /// by pid, as a term, and address; 0 for an address that is not known.
    pub wanted: Vec<(u64, u64)>,
    /// Probes that do nothing, to measure what the others cost more.
    pub bare: bool,
    /// Whether to see when the kernel takes CPUs from schedulers' threads, and gives them back.
    pub switches: bool,
}

/// Probes at a VM's functions. Dropping it removes everything from the kernel.
pub struct EventCapture {
    // Order matters: the link is detached before the programs and maps it uses are closed.
    link: Option<Link>,
    switches_link: Option<Link>,
    ring: Ring,
    skeleton: EventsSkel<'static>,
    tgid: u32,
    binary: PathBuf,
    sites: Vec<EventSite>,
    bare: bool,
    /// How many times probes were placed, from 1, as 16 bits.
    window: u64,
    switches: bool,
}

/// What was taken out of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// How many records.
    pub records: usize,
    /// Up to this `CLOCK_MONOTONIC` time no record is still to come, if that is known: not while
    /// one that was reserved before is not written yet.
    pub whole_until_ns: Option<u64>,
}

/// For how long a CPU may keep a store to itself, generously.
const STORE_NS: u64 = 10_000;

/// The least that a ring has.
const RING_BYTES_MIN: u32 = 64 * 1024;

impl EventCapture {
    /// Loads the programs. Nothing is seen before [`Self::arm`].
    ///
    /// # Errors
    /// When the kernel lacks a feature or a permission; nothing is left behind.
    pub fn load(options: EventOptions) -> Result<EventCapture, CaptureError> {
        // Leaked as the samplers' is, and for the same reason: one small object a recording.
        let object = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = EventsSkelBuilder::default()
            .open(object)
            .map_err(|error| failed("opening the BPF object of events", &error))?;
        let ring_bytes = options.ring_bytes.max(RING_BYTES_MIN).next_power_of_two();
        open.maps
            .event_ring
            .set_max_entries(ring_bytes)
            .map_err(|error| failed("sizing the ring of events", &error))?;
        let mut config = options.config;
        config.pid_namespace = namespace::own()?;
        skeleton::set_event_config(&mut open, &config);
        let switches = options.switches && !options.bare;
        open.progs.switched.set_autoload(switches);
        let skeleton = open.load().map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => CaptureError::NotPermitted,
            _ => CaptureError::Load(error.to_string()),
        })?;
        for (key, slot) in &options.schedulers {
            skeleton
                .maps
                .event_schedulers
                .update(key.as_bytes(), slot.as_bytes(), MapFlags::ANY)
                .map_err(|error| failed("telling the kernel about a scheduler", &error))?;
        }
        let capture = EventCapture {
            link: None,
            switches_link: None,
            ring: Ring::new(&skeleton.maps.event_ring)?,
            skeleton,
            tgid: config.tgid,
            binary: options.binary,
            sites: options.sites,
            bare: options.bare,
            window: 0,
            switches,
        };
        capture.want(&options.wanted)?;
        Ok(capture)
    }

    /// Adds processes to those that are wanted, as [`EventOptions::wanted`].
    ///
    /// # Errors
    /// When there is no room for more.
    pub fn want(&self, processes: &[(u64, u64)]) -> Result<(), CaptureError> {
        for &(pid, address) in processes {
            for key in [pid, address].into_iter().filter(|&key| key != 0) {
                let (key, pid) = (key.to_ne_bytes(), pid.to_ne_bytes());
                let wanted = &self.skeleton.maps.event_wanted;
                wanted
                    .update(&key, &pid, MapFlags::ANY)
                    .map_err(|error| failed("telling the kernel about a process", &error))?;
            }
        }
        Ok(())
    }

    /// Places all probes at once.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn arm(&mut self) -> Result<(), CaptureError> {
        if !self.sites.is_empty() {
            self.link = Some(self.place_probes()?);
        }
        if self.switches {
            let link = self.skeleton.progs.switched.attach();
            let link = link.map_err(|error| failed("tracing switches of threads", &error));
            self.switches_link = Some(link.inspect_err(|_| self.link = None)?);
        }
        self.window = self.window % u64::from(u16::MAX) + 1;
        skeleton::set_event_window(&mut self.skeleton, self.window);
        Ok(())
    }

    fn place_probes(&self) -> Result<Link, CaptureError> {
        let (offsets, cookies) = self.sites.iter().map(EventSite::place).unzip();
        let options = UprobeMultiOpts {
            offsets,
            cookies,
            ..UprobeMultiOpts::default()
        };
        let program = match self.bare {
            true => &self.skeleton.progs.bare,
            false => &self.skeleton.progs.event,
        };
        let link =
            program.attach_uprobe_multi_with_opts(self.tgid as i32, &self.binary, "", options);
        link.map_err(|error| failed("placing probes in the VM's executable", &error))
    }

    /// For how long the program that sees switches has run, over all CPUs, while the kernel was
    /// asked to count that.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn switches_ran_ns(&self) -> Result<u64, CaptureError> {
        ran_ns(self.skeleton.progs.switched.as_fd())
    }

    /// Removes the probes; what is in the ring can still be fetched.
    pub fn disarm(&mut self) {
        skeleton::set_event_window(&mut self.skeleton, 0);
        self.switches_link = None;
        self.link = None;
    }

    /// Takes at most `limit` records out of the ring, in its order.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub fn fetch(&mut self, limit: usize, batch: &mut Batch) -> Result<Fetched, CaptureError> {
        // In this order: what is reserved after the time was read has a later time.
        let now_ns = monotonic_ns().saturating_sub(STORE_NS);
        let reserved = self.ring.reserved();
        let records = self.ring.consume(limit, &mut |bytes| batch.push(bytes))?;
        let is_whole = self.ring.consumed() >= reserved;
        Ok(Fetched {
            records,
            whole_until_ns: is_whole.then_some(now_ns),
        })
    }

    /// What the kernel half has counted so far, over all CPUs.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> Result<EventCounters, CaptureError> {
        let per_cpu = self
            .skeleton
            .maps
            .event_counters
            .lookup_percpu(&0u32.to_ne_bytes(), MapFlags::ANY)
            .map_err(|error| failed("reading the counters of events", &error))?
            .unwrap_or_default();
        let mut sum = EventCounters::default();
        for bytes in &per_cpu {
            if let Ok((cpu, _)) = EventCounters::read_from_prefix(bytes) {
                sum = super::add(&sum, &cpu);
            }
        }
        Ok(sum)
    }
}

/// The clock of `bpf_ktime_get_ns`.
fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Drop for EventCapture {
    fn drop(&mut self) {
        self.disarm();
    }
}
