//! Breakpoints in Erlang code, and their ring.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::time::{Duration, Instant};

use escope_wire::{
    STATE_BYTES, STATE_CLASSES, WATCH_FUNCTIONS, WATCH_MEASURE, WATCH_MOVED_SHIFT, WatchConfig,
    WatchCounters,
};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{ErrorKind, Link, MapCore, MapFlags, PerfEventOpts};
use zerocopy::FromBytes;

use super::failed;
use super::ring::Ring;
use super::skeleton::{self, WatchSkel, WatchSkelBuilder};
use crate::breakpoints::{self, BreakpointEvent};
use crate::{Batch, CaptureError};

/// A function to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breakpoint {
    /// Its number, below [`WATCH_FUNCTIONS`].
    pub function: usize,
    /// How many arguments it takes.
    pub arity: u8,
    /// Its first instruction.
    pub address: u64,
    /// How many times this function's breakpoints were moved before.
    pub moved: u32,
}

impl Breakpoint {
    fn cookie(&self) -> u64 {
        let moved = u64::from(self.moved) << WATCH_MOVED_SHIFT;
        moved | u64::from(self.arity) << 8 | self.function as u64
    }
}

/// What a hit costs who makes it, on this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HitPrice {
    /// Of one hit.
    pub hit_ns: u64,
    /// Of one hit at which as much is copied as ever is; 0 where nothing is copied.
    pub copy_ns: u64,
    /// Whether a hit beyond the limit turns its breakpoint off at once.
    pub turns_off: bool,
}

/// Rounds that are measured, of which the middle one stands.
const ROUNDS: usize = 9;
/// Hits of a round.
const ROUND_HITS: u32 = 32;
/// The least that a ring has.
const RING_BYTES_MIN: u32 = 64 * 1024;

/// Whether breakpoints can be had here, and what a hit of one costs, as measured on ourselves.
///
/// # Errors
/// As those of [`WatchCapture::load`].
pub fn probe_breakpoints() -> Result<HitPrice, CaptureError> {
    Ok(WatchCapture::load(&WatchConfig::default(), RING_BYTES_MIN)?.price())
}

struct Armed {
    // Order matters: the program is detached before the event is closed.
    _link: Link,
    tid: u32,
    function: usize,
    event: BreakpointEvent,
}

/// Breakpoints at functions. Dropping it removes everything from the kernel.
pub struct WatchCapture {
    armed: Vec<Armed>,
    /// Memory of ours, to measure what a copy costs.
    rehearsal: Box<[u8]>,
    /// Hits of events that are closed.
    closed: [u64; WATCH_FUNCTIONS],
    price: HitPrice,
    ring: Ring,
    skeleton: WatchSkel<'static>,
}

impl WatchCapture {
    /// Loads the program and measures what a hit costs, on ourselves. Nothing of the target is
    /// touched before [`Self::arm`].
    ///
    /// # Errors
    /// When the kernel or the machine lacks a feature, or a permission is missing; nothing is
    /// left behind.
    pub fn load(config: &WatchConfig, ring_bytes: u32) -> Result<WatchCapture, CaptureError> {
        libbpf_rs::set_print(None);
        // Leaked as the samplers' is, and for the same reason: one small object a session.
        let object = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = WatchSkelBuilder::default()
            .open(object)
            .map_err(|error| failed("opening the BPF object of calls", &error))?;
        open.maps
            .call_ring
            .set_max_entries(ring_bytes.max(RING_BYTES_MIN).next_power_of_two())
            .map_err(|error| failed("sizing the ring of calls", &error))?;
        let rehearsal = match config.copies_max {
            0 => Box::default(),
            _ => vec![1; STATE_BYTES[STATE_CLASSES - 1] as usize].into_boxed_slice(),
        };
        let config = WatchConfig {
            rehearsal_at: rehearsal.as_ptr() as u64,
            ..*config
        };
        skeleton::set_watch_config(&mut open, &config);
        let skeleton = open.load().map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => CaptureError::NotPermitted,
            _ => CaptureError::Load(error.to_string()),
        })?;
        let mut capture = WatchCapture {
            armed: Vec::new(),
            rehearsal,
            closed: [0; WATCH_FUNCTIONS],
            price: HitPrice::default(),
            ring: Ring::new(&skeleton.maps.call_ring)?,
            skeleton,
        };
        capture.price = HitPrice {
            hit_ns: capture.measure(WATCH_MEASURE)?,
            copy_ns: match capture.rehearsal.is_empty() {
                true => 0,
                false => capture.measure(1 << 9 | WATCH_MEASURE)?,
            },
            turns_off: capture.can_turn_off()?,
        };
        Ok(capture)
    }

    /// What a hit costs.
    #[must_use]
    pub fn price(&self) -> HitPrice {
        self.price
    }

    /// Places the breakpoints of a function for threads; returns for how many, which is less
    /// where some have ended. A thread that has one already gets no second.
    ///
    /// # Errors
    /// When the kernel refuses; those that were placed until then stay.
    pub fn arm(&mut self, tids: &[u32], at: Breakpoint) -> Result<usize, CaptureError> {
        breakpoints::make_room(2 * (self.armed.len() + tids.len()) as u64);
        let mut count = 0;
        let have = self.armed.iter().filter(|it| it.function == at.function);
        let have: BTreeSet<u32> = have.map(|armed| armed.tid).collect();
        for &tid in tids.iter().filter(|tid| !have.contains(tid)) {
            let Some(event) = breakpoints::open(tid, at.address)? else {
                continue;
            };
            let link = self.attach(&event, at.cookie())?;
            if self.price.turns_off {
                event.allow_turning_off()?;
            }
            self.armed.push(Armed {
                _link: link,
                tid,
                function: at.function,
                event,
            });
            count += 1;
        }
        Ok(count)
    }

    /// Removes the breakpoints of a function.
    ///
    /// # Errors
    /// When the kernel does not tell how often they were hit.
    pub fn disarm(&mut self, function: usize) -> Result<(), CaptureError> {
        let (gone, kept) = self
            .armed
            .drain(..)
            .partition::<Vec<Armed>, _>(|armed| armed.function == function);
        self.armed = kept;
        for armed in &gone {
            armed.event.turn_off()?;
        }
        for armed in gone {
            let hits = armed.event.hits()?;
            if let Some(closed) = self.closed.get_mut(armed.function) {
                *closed += hits;
            }
        }
        Ok(())
    }

    /// Removes all breakpoints; what is in the ring can still be fetched.
    ///
    /// # Errors
    /// As of [`Self::disarm`].
    pub fn disarm_all(&mut self) -> Result<(), CaptureError> {
        (0..WATCH_FUNCTIONS).try_for_each(|function| self.disarm(function))
    }

    /// How often each function's breakpoints were hit, by the kernel's own count: whether the
    /// program could run or not.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn hits(&self) -> Result<[u64; WATCH_FUNCTIONS], CaptureError> {
        let mut hits = self.closed;
        for armed in &self.armed {
            if let Some(hits) = hits.get_mut(armed.function) {
                *hits += armed.event.hits()?;
            }
        }
        Ok(hits)
    }

    /// How many calls the program has seen, of all functions, with those beyond the limit.
    #[must_use]
    pub fn taken(&self) -> u64 {
        skeleton::calls_taken(&self.skeleton)
    }

    /// How many of the wanted calls were to be copied, likewise.
    #[must_use]
    pub fn copies_taken(&self) -> u64 {
        skeleton::copies_taken(&self.skeleton)
    }

    /// What the program has counted so far, over all CPUs.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> Result<WatchCounters, CaptureError> {
        let per_cpu = self
            .skeleton
            .maps
            .watch_counters
            .lookup_percpu(&0u32.to_ne_bytes(), MapFlags::ANY)
            .map_err(|error| failed("reading the counters of calls", &error))?
            .unwrap_or_default();
        let mut sum = WatchCounters::default();
        for bytes in &per_cpu {
            if let Ok((cpu, _)) = WatchCounters::read_from_prefix(bytes) {
                sum = super::add(&sum, &cpu);
            }
        }
        Ok(sum)
    }

    /// Takes at most `limit` records out of the ring, in its order; returns how many there were.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub fn fetch(&mut self, limit: usize, batch: &mut Batch) -> Result<usize, CaptureError> {
        self.ring.consume(limit, &mut |bytes| batch.push(bytes))
    }

    /// Attaching turns the event on.
    fn attach(&self, event: &BreakpointEvent, cookie: u64) -> Result<Link, CaptureError> {
        let options = PerfEventOpts {
            cookie,
            ..PerfEventOpts::default()
        };
        // The link closes the descriptor that it is given.
        let descriptor = event.descriptor()?;
        let program = &self.skeleton.progs.call;
        let link = program
            .attach_perf_event_with_opts(descriptor.as_raw_fd(), options)
            .map_err(|error| failed("attaching to a breakpoint", &error))?;
        let _ = descriptor.into_raw_fd();
        Ok(link)
    }

    /// By a breakpoint on a function of our own, with this cookie.
    fn measure(&self, cookie: u32) -> Result<u64, CaptureError> {
        let round = || {
            let begun = Instant::now();
            breakpoints::land(ROUND_HITS);
            begun.elapsed()
        };
        let middle = |mut rounds: Vec<Duration>| {
            rounds.sort_unstable();
            rounds.get(ROUNDS / 2).copied().unwrap_or_default()
        };
        let without = middle((0..ROUNDS).map(|_| round()).collect());
        let (_link, event) = self.on_ourselves(u64::from(cookie))?;
        let with = middle((0..ROUNDS).map(|_| round()).collect());
        let expected = ROUNDS as u64 * u64::from(ROUND_HITS);
        let hits = event.hits()?;
        if hits != expected {
            return Err(CaptureError::Bpf {
                what: "measuring what a breakpoint costs",
                message: format!("it was hit {hits} times instead of {expected}"),
            });
        }
        let nanoseconds = with.saturating_sub(without).as_nanos() as u64;
        Ok(nanoseconds / u64::from(ROUND_HITS))
    }

    /// Whether a budget of one hit is left alone by hits that the program does not pass on, and
    /// used up by the first that it does.
    fn can_turn_off(&self) -> Result<bool, CaptureError> {
        const HITS: u32 = 4;
        let mut hits = [0; 2];
        for (hits, pass_on) in hits.iter_mut().zip([0, 1u64]) {
            let (_link, event) = self.on_ourselves(pass_on << 8 | u64::from(WATCH_MEASURE))?;
            if event.allow_turning_off().is_err() {
                return Ok(false);
            }
            breakpoints::land(HITS);
            *hits = event.hits()?;
        }
        Ok(hits == [u64::from(HITS), 1])
    }

    fn on_ourselves(&self, cookie: u64) -> Result<(Link, BreakpointEvent), CaptureError> {
        let event = breakpoints::open(0, breakpoints::landing_address())?;
        let event = event.ok_or(CaptureError::NotPermitted)?;
        Ok((self.attach(&event, cookie)?, event))
    }
}
