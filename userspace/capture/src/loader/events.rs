//! The probes that see events, and their ring.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use escope_wire::{
    COOKIE_SITE_SHIFT, COOKIE_WHAT_SHIFT, EventConfig, EventCounters, SchedulerKey, SchedulerSlot,
    what,
};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{ErrorKind, Link, MapCore, MapFlags};
use rustix::time::{ClockId, clock_gettime};
use zerocopy::{FromBytes, IntoBytes};

use super::event_ring::{EventRing, map_bytes};
use super::ring::Ring;
use super::skeleton::{self, EventsSkel, EventsSkelBuilder};
use super::{failed, namespace};
use crate::keeper::{Kept, Place, Request};
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
    /// Its number where its hits are counted apart (`EventCounters::sites`), else 0.
    pub number: u32,
}

impl EventSite {
    fn place(&self) -> Place {
        let mut place = place(self.file_offset, self.what, self.registers);
        place.cookie |= u64::from(self.number) << COOKIE_SITE_SHIFT;
        place
    }
}

/// A C function of the target whose calls are events, in whichever of its files it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeSite {
    /// Its file, as we can open it.
    pub file: PathBuf,
    /// Offset in the file of an instruction that every call executes once.
    pub file_offset: u64,
    /// What the kernel half must know of it: as [`escope_wire::native_call`].
    pub flags: u32,
    /// Where its returns are events too: offset of an instruction that is executed while the
    /// stack pointer is at the return address.
    pub returns_of: Option<u64>,
}

fn place(file_offset: u64, what: u32, registers: u32) -> Place {
    Place {
        file_offset,
        cookie: u64::from(what) << COOKIE_WHAT_SHIFT | u64::from(registers),
    }
}

/// Which events to capture, and from whom.
#[derive(Debug, Clone)]
pub struct EventOptions {
    /// What the kernel half must know of the target.
    pub config: EventConfig,
    /// The target's schedulers.
    pub schedulers: Vec<(SchedulerKey, SchedulerSlot)>,
    /// Size of the ring, as [`event_ring_bytes`] makes it.
    pub ring_bytes: u32,
    /// The target's executable, as we can open it.
    pub binary: PathBuf,
    /// Where its probes go.
    pub sites: Vec<EventSite>,
    /// Which C functions' calls are events.
    pub natives: Vec<NativeSite>,
    /// Where the configuration says that only some processes are wanted: those that are there,
    /// by pid, as a term, and address; 0 for an address that is not known.
    pub wanted: Vec<(u64, u64)>,
    /// The same of those whose states are wanted.
    pub states: Vec<(u64, u64)>,
    /// Probes that do nothing, to measure what the others cost more.
    pub bare: bool,
    /// Whether to see when the kernel takes CPUs from schedulers' threads, and gives them back.
    pub switches: bool,
}

/// Probes at a VM's functions. Dropping it removes everything from the kernel.
pub struct EventCapture {
    // Order matters: links are detached before the programs and maps they use are closed.
    /// In the order in which they are placed; empty where there are no sites.
    probes: Vec<Kept>,
    switches_link: Option<Link>,
    ring: EventRing,
    /// Has a record for each time that somebody is to look soon.
    waker: Ring,
    skeleton: EventsSkel<'static>,
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

/// What is tried when it fails.
const PLACING: &str = "placing probes in the VM's code";

/// The least that a ring has.
const RING_BYTES_MIN: u32 = 64 * 1024;

/// The most: the verifier wants places in a map below 2^29 (`BPF_MAX_VAR_OFF`), with all that is added to them.
const RING_BYTES_MAX: u32 = 1 << 28;

/// What a ring of events has that was asked for with so many bytes: a power of two.
#[must_use]
pub fn event_ring_bytes(asked: u32) -> u32 {
    let bytes = asked.clamp(RING_BYTES_MIN, RING_BYTES_MAX);
    bytes.next_power_of_two()
}

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
        let ring_bytes = event_ring_bytes(options.ring_bytes);
        open.maps
            .event_ring
            .set_value_size(map_bytes(ring_bytes))
            .map_err(|error| failed("sizing the ring of events", &error))?;
        let mut config = options.config;
        config.ring_mask = u64::from(ring_bytes) - 1;
        // Different each time, and nothing that the target could know.
        config.ring_key = RandomState::new().hash_one(ring_bytes);
        config.pid_namespace = namespace::own()?;
        skeleton::set_event_config(&mut open, &config);
        let switches = options.switches && !options.bare;
        open.progs.switched.set_autoload(switches);
        let skeleton = open.load().map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => CaptureError::NotPermitted,
            _ => CaptureError::LoadEvents(error.to_string()),
        })?;
        for (key, slot) in &options.schedulers {
            skeleton
                .maps
                .event_schedulers
                .update(key.as_bytes(), slot.as_bytes(), MapFlags::ANY)
                .map_err(|error| failed("telling the kernel about a scheduler", &error))?;
        }
        let probes = kept(&skeleton, &options)?;
        let capture = EventCapture {
            probes,
            switches_link: None,
            ring: EventRing::new(&skeleton.maps.event_ring, ring_bytes, config.ring_key)?,
            waker: Ring::new(&skeleton.maps.event_waker)?,
            skeleton,
            window: 0,
            switches,
        };
        capture.want(&options.wanted)?;
        capture.want_states(&options.states);
        Ok(capture)
    }

    /// Wakes who waits for it by a record that has to be looked at before what it tells has changed.
    #[must_use]
    pub fn waker(&self) -> BorrowedFd<'_> {
        self.skeleton.maps.event_waker.as_fd()
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

    /// Adds processes to those whose states are wanted, likewise; for how many there was no room.
    pub fn want_states(&self, processes: &[(u64, u64)]) -> u64 {
        let states = &self.skeleton.maps.event_states;
        let tell = |key: u64, value: u64| {
            let (key, value) = (key.to_ne_bytes(), value.to_ne_bytes());
            key == [0; 8] || states.update(&key, &value, MapFlags::ANY).is_ok()
        };
        let told = processes
            .iter()
            .filter(|&&(pid, address)| tell(pid, address) && tell(address, pid));
        (processes.len() - told.count()) as u64
    }

    /// The same, and forgets all others: who has ended while nobody looked.
    ///
    /// # Errors
    /// When those cannot be read.
    pub fn want_only_states(&self, processes: &[(u64, u64)]) -> Result<u64, CaptureError> {
        let states = &self.skeleton.maps.event_states;
        let both = processes.iter().flat_map(|&(pid, address)| [pid, address]);
        let there: HashSet<[u8; 8]> = both.map(u64::to_ne_bytes).collect();
        let known: Vec<Vec<u8>> = states.keys().collect();
        for key in known.iter().filter(|key| !there.contains(key.as_slice())) {
            // It may be gone by now.
            let _ = states.delete(key);
        }
        Ok(self.want_states(processes))
    }

    /// Places all probes at once; those of returns, and those in other files than the
    /// executable, one after the other. A call under way has no return: those are placed first,
    /// so that a call that was seen to begin is seen to end.
    ///
    /// # Errors
    /// When the kernel refuses; then none is there.
    pub fn arm(&mut self) -> Result<(), CaptureError> {
        for number in 0..self.probes.len() {
            let placed = self.probes[number].place();
            placed.inspect_err(|_| self.remove_probes())?;
        }
        if self.switches {
            let link = self.skeleton.progs.switched.attach();
            let link = link.map_err(|error| failed("tracing switches of threads", &error));
            self.switches_link = Some(link.inspect_err(|_| self.remove_probes())?);
        }
        self.window = self.window % u64::from(u16::MAX) + 1;
        skeleton::set_event_window(&mut self.skeleton, self.window);
        Ok(())
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
        self.remove_probes();
    }

    fn remove_probes(&mut self) {
        // Entries before returns.
        for probes in self.probes.iter_mut().rev() {
            probes.remove();
        }
    }

    /// How many of the processes that keep the probes were killed by others so far. Probes that
    /// were in place stayed so.
    #[must_use]
    pub fn keepers_killed(&self) -> u64 {
        self.probes.iter().map(Kept::killed).sum()
    }

    /// How many bytes of the ring are reserved and not taken out.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.ring.reserved() - self.ring.consumed()
    }

    /// Passes over a record that nobody has ended. Returns whether that can be: not while its length is not
    /// known.
    pub fn pass_over(&mut self) -> bool {
        self.ring.pass_over()
    }

    /// Takes at most `limit` records out of the ring, in its order.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub fn fetch(&mut self, limit: usize, batch: &mut Batch) -> Result<Fetched, CaptureError> {
        // Whoever was waked looks now.
        self.waker.consume(usize::MAX, &mut |_| {})?;
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

/// All probes, in the order in which they are to be placed.
fn kept(skeleton: &EventsSkel<'_>, options: &EventOptions) -> Result<Vec<Kept>, CaptureError> {
    let (mut entries, mut returns) = (Vec::new(), Vec::new());
    let own = places_in(&mut entries, &options.binary);
    own.extend(options.sites.iter().map(EventSite::place));
    for site in &options.natives {
        let entry = place(site.file_offset, what::NATIVE_CALL, site.flags);
        places_in(&mut entries, &site.file).push(entry);
        if let Some(start) = site.returns_of {
            let back = place(start, what::NATIVE_RETURN, site.flags);
            places_in(&mut returns, &site.file).push(back);
        }
    }
    let program = match options.bare {
        true => skeleton.progs.bare.as_fd(),
        false => skeleton.progs.event.as_fd(),
    };
    let of = |returns| move |(file, places)| (file, places, returns);
    let all = returns.into_iter().map(of(true));
    let all = all.chain(entries.into_iter().map(of(false)));
    let all = all.filter(|(_, places, _)| !places.is_empty());
    all.map(|(file, places, returns)| {
        let request = Request::Events {
            pid: options.config.tgid,
            returns,
            places,
        };
        Kept::new(PLACING, request, program, &file)
    })
    .collect()
}

/// The probes of a file among those of others.
fn places_in<'a>(files: &'a mut Vec<(PathBuf, Vec<Place>)>, file: &Path) -> &'a mut Vec<Place> {
    let known = files.iter().position(|(known, _)| known == file);
    let at = known.unwrap_or_else(|| {
        files.push((file.to_owned(), Vec::new()));
        files.len() - 1
    });
    &mut files[at].1
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
