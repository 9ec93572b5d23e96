//! What a hit of a probe costs here and now.
//!
//! The programs are loaded once more, for this very process, and a function of ours is probed
//! that hands them memory that looks like the VM's. Its thread's CPU time with and without the
//! probe differs by the price: the trap, the program, the record. In a VM it is more by what the
//! trap drives out of its caches; nothing here can know that.

use std::arch::{asm, naked_asm};
use std::hint::black_box;
use std::path::PathBuf;
use std::thread;

use escope_wire::{
    EventConfig, NO_REGISTER, STATE_BYTES, STATE_CLASSES, SchedulerKey, SchedulerSlot, native_call,
    what,
};
use rustix::time::{ClockId, clock_gettime};

use crate::loader::{EventCapture, EventOptions, EventSite, NativeSite};
use crate::price_memory::Memory;
use crate::{Batch, CaptureError};

/// Hits that one measurement takes, some milliseconds.
const HITS: u32 = 1_000;
/// Measurements of each kind; the middle one counts.
const ROUNDS: usize = 5;
/// Room for the records of one measurement.
const RING_BYTES: u32 = 1 << 20;
/// The same where processes are copied, and how much of it one measurement fills: of large copies there
/// are fewer.
const STATES_RING_BYTES: u32 = 8 << 20;
const STATES_FILL_BYTES: u32 = 6 << 20;
/// What a record of a process has besides a quarter more than it copies, generously.
const STATE_HEADS_BYTES: u32 = 2 << 10;
/// Where the first four arguments of a C function are in `pt_regs`: di, si, dx, cx
/// (System V ABI, AMD64, 3.2.3; the numbers are those of [`escope_wire::REGISTERS`]).
const ARGUMENTS: u32 = 0xbcde;
/// Where the third one is.
const CODE_ARGUMENT: u32 = 0xc;
/// The file that this program runs from.
const OWN_FILE: &str = "/proc/self/exe";

/// Prices of hits, in nanoseconds of CPU time, by [`what`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HitPrices(pub [f64; what::COUNT]);

/// Nothing costs anything.
impl Default for HitPrices {
    fn default() -> Self {
        HitPrices([0.0; what::COUNT])
    }
}

impl HitPrices {
    /// What so many hits cost, in nanoseconds.
    #[must_use]
    pub fn cost_ns(&self, hits: &[u64; what::COUNT]) -> f64 {
        let priced = self.0.iter().zip(hits);
        priced.map(|(price, &hits)| price * hits as f64).sum()
    }
}

/// Defines functions to be probed. They begin as functions do where a probe is cheap: the kernel
/// emulates `push` (`arch/x86/kernel/uprobes.c`, `push_setup_xol_ops`).
macro_rules! probed {
    ($($name:ident)*) => {
        $(
            #[unsafe(naked)]
            extern "C" fn $name(_: u64, _: u64, _: u64, _: u64) {
                naked_asm!("push rbp", "pop rbp", "ret")
            }
        )*
        /// One for each kind of hit that is measured, and those of [`NATIVES`].
        const PROBED: [Probed; KINDS.len() + 2] = [$($name),*];
    };
}

type Probed = extern "C" fn(u64, u64, u64, u64);

/// What is measured. The others are like one of these.
const KINDS: [u32; 17] = [
    what::IN,
    what::BORN,
    what::OUT,
    what::ENQUEUE,
    what::DEQUEUE,
    what::EXIT,
    what::FAILED,
    what::GC_START,
    what::REGISTER,
    what::PORT_OUTPUT,
    what::PAYLOAD,
    what::PASSED,
    what::STATE_FIRST,
    what::STATE_FIRST + 1,
    what::STATE_FIRST + 2,
    what::STATE_LAST,
    what::STATE_NONE,
];

/// What [`NATIVES`] measure.
const NATIVE_KINDS: [u32; 2] = [what::NATIVE_CALL, what::NATIVE_RETURN];

/// Kinds that are like another one.
const LIKE: [(u32, u32); 12] = [
    (what::GC_END, what::GC_START),
    (what::HIBERNATE_START, what::GC_START),
    (what::HIBERNATE_END, what::GC_START),
    (what::UNREGISTER, what::REGISTER),
    (what::CODE_LOAD, what::GC_START),
    (what::CODE_PURGE, what::GC_START),
    (what::PORT_OPEN, what::PORT_OUTPUT),
    (what::PORT_CLOSE, what::PORT_OUTPUT),
    (what::PORT_INPUT, what::PORT_OUTPUT),
    (what::DIST_SEND, what::PORT_OUTPUT),
    (what::DIST_FRAGMENT, what::PORT_OUTPUT),
    (what::DIST_RECEIVE, what::PORT_OUTPUT),
];

probed!(probed_0 probed_1 probed_2 probed_3 probed_4 probed_5 probed_6 probed_7 probed_8 probed_9 probed_10 probed_11 probed_12 probed_13
    probed_14 probed_15 probed_16 native_0 native_1);

/// Of these, what is probed as C functions of BIFs and NIFs are: without and with returns.
const NATIVES: [Probed; 2] = [native_0, native_1];

/// Measures the price of each kind of hit that the target's sites have. `config` is the target's.
///
/// # Errors
/// When the kernel refuses a probe in this process, or shows no hits of it or those of one thread alone.
pub fn hit_prices(
    config: &EventConfig,
    sites: &[EventSite],
    natives: &[NativeSite],
) -> Result<HitPrices, CaptureError> {
    let said = Memory::said(config);
    let memory = Memory::new(config, &said);
    let (born, ending) = (Memory::born(config), Memory::ending(config));
    let passing = Memory::passing(passed_by(sites));
    let resting = match config.states {
        0 => Vec::new(),
        _ => (0..=STATE_CLASSES)
            .map(|class| Memory::resting(config, class))
            .collect(),
    };
    let mut prices = [0.0; what::COUNT];
    let mut measured = Vec::new();
    for (kind, probed) in KINDS.into_iter().zip(PROBED) {
        let (seen_by, memory) = match kind {
            what::STATE_FIRST..=what::STATE_NONE => {
                match resting.get((kind - what::STATE_FIRST) as usize) {
                    Some(memory) => (what::OUT, memory),
                    None => continue,
                }
            }
            what::PAYLOAD if config.payload_bytes == 0 => continue,
            what::PAYLOAD => (what::ENQUEUE, &said),
            what::PASSED => (passed_by(sites), &passing),
            what::BORN => (what::IN, &born),
            what::FAILED => (what::EXIT, &ending),
            _ => (kind, &memory),
        };
        let is_like =
            |site: &&EventSite| site.what == seen_by || LIKE.contains(&(site.what, seen_by));
        if let Some(site) = sites.iter().find(is_like) {
            let site = EventSite {
                what: seen_by,
                ..*site
            };
            let free_ns = time_of_hits(memory, probed, kind);
            measured.push((kind, site, probed, memory, free_ns));
        }
    }
    let times = natives.iter().any(|site| site.returns_of.is_some());
    let natives = NATIVES.into_iter().take(match natives {
        [] => 0,
        _ => 1 + usize::from(times),
    });
    let natives: Vec<(Probed, f64)> = natives
        .map(|probed| (probed, time_of_hits(&memory, probed, what::NATIVE_CALL)))
        .collect();
    let probed = measured
        .iter()
        .map(|(_, site, probed, ..)| (*site, *probed));
    let any = measured
        .first()
        .map(|&(kind, _, probed, memory, _)| (memory, probed, kind));
    let native = natives
        .first()
        .map(|&(probed, _)| (&memory, probed, what::NATIVE_CALL));
    let states: Vec<(u64, u64)> = resting
        .iter()
        .map(|memory| (memory.id(config), memory.address()))
        .collect();
    let mut capture = load(config, &memory, probed, &natives, states)?;
    capture.arm()?;
    if let Some((memory, probed, kind)) = any.or(native) {
        try_threads(&mut capture, memory, probed, kind)?;
    }
    for (kind, _, probed, memory, free_ns) in measured {
        let price = time_probed(&mut capture, memory, probed, kind)? - free_ns;
        if let Some(slot) = prices.get_mut(kind as usize) {
            *slot = price.max(0.0);
        }
    }
    let mut call_ns = 0.0;
    for ((probed, free_ns), kind) in natives.into_iter().zip(NATIVE_KINDS) {
        let price = time_probed(&mut capture, &memory, probed, kind)? - free_ns;
        // What a return costs is what a call with it costs more.
        prices[kind as usize] = (price - call_ns).max(0.0);
        call_ns = price;
    }
    for (kind, other) in LIKE {
        prices[kind as usize] = prices[other as usize];
    }
    if prices[what::PASSED as usize] == 0.0 {
        // What ports give was then nothing.
        prices[what::PASSED as usize] = prices[what::PORT_INPUT as usize];
    }
    Ok(HitPrices(prices))
}

/// Who has the dearest hits at which there is nothing to see, of those that there are.
fn passed_by(sites: &[EventSite]) -> u32 {
    let dearest_first = [what::DIST_FRAGMENT, what::REGISTER];
    let is_there = |kind: &u32| sites.iter().any(|site| site.what == *kind);
    dearest_first
        .into_iter()
        .find(is_there)
        .unwrap_or(what::OUT)
}

/// Hits that try whether there are any.
const TRIED: u32 = 16;

/// Tries whether hits of all threads of a process are seen, whose first one may be this.
fn try_threads(
    capture: &mut EventCapture,
    memory: &Memory,
    probed: Probed,
    kind: u32,
) -> Result<(), CaptureError> {
    let seen = |capture: &EventCapture| -> Result<u64, CaptureError> {
        Ok(capture.counters()?.attempts.iter().sum())
    };
    let before = seen(capture)?;
    hit(TRIED, memory, probed, kind);
    let between = seen(capture)?;
    thread::scope(|scope| {
        let other = scope.spawn(|| hit(TRIED, memory, probed, kind));
        // It does nothing that could panic.
        let _ = other.join();
    });
    let after = seen(capture)?;
    let mut batch = Batch::default();
    while capture.fetch(usize::MAX, &mut batch)?.records > 0 {}
    judge(
        between.saturating_sub(before),
        after.saturating_sub(between),
    )
}

/// What hits of this thread and of another one that were seen say of the kernel. Before Linux 6.10
/// (commit 46ba0e49b642) a link of `uprobe.multi` that is for a process takes it for its first thread.
fn judge(own: u64, other: u64) -> Result<(), CaptureError> {
    match (own, other) {
        (_, 1..) => Ok(()),
        (1.., 0) => Err(CaptureError::OneThread),
        // This is not the first thread either, or there is no hit at all.
        (0, 0) => Err(CaptureError::NoHits),
    }
}

/// What a call of a probed function takes.
fn time_probed(
    capture: &mut EventCapture,
    memory: &Memory,
    probed: Probed,
    kind: u32,
) -> Result<f64, CaptureError> {
    let mut batch = Batch::default();
    let mut times = [0.0; ROUNDS];
    for time in &mut times {
        *time = time_of_hits(memory, probed, kind);
        while capture.fetch(usize::MAX, &mut batch)?.records > 0 {}
        batch.clear();
    }
    Ok(middle(times))
}

/// The programs, for this process, with sites like the target's.
fn load(
    config: &EventConfig,
    memory: &Memory,
    measured: impl Iterator<Item = (EventSite, Probed)>,
    natives: &[(Probed, f64)],
    states: Vec<(u64, u64)>,
) -> Result<EventCapture, CaptureError> {
    let mut config = *config;
    config.tgid = std::process::id();
    config.filtered = 0;
    let mut sites = Vec::new();
    for (site, probed) in measured {
        sites.push(EventSite {
            what: site.what,
            file_offset: own_offset(probed as *const () as u64)?,
            registers: registers(&site),
            number: site.number,
        });
    }
    let mut native_sites = Vec::new();
    for (at, (probed, _)) in natives.iter().enumerate() {
        let start = own_offset(*probed as *const () as u64)?;
        native_sites.push(NativeSite {
            file: PathBuf::from(OWN_FILE),
            file_offset: start,
            flags: native_call::BIF | NO_REGISTER << 4 | CODE_ARGUMENT,
            returns_of: (at == 1).then_some(start),
        });
    }
    let slot = SchedulerSlot {
        data: memory.address(),
        kind: 0,
        number: 1,
    };
    let key = SchedulerKey {
        thread_pointer: thread_pointer(),
    };
    EventCapture::load(EventOptions {
        config,
        schedulers: vec![(key, slot)],
        ring_bytes: match states.is_empty() {
            true => RING_BYTES,
            false => STATES_RING_BYTES,
        },
        binary: PathBuf::from(OWN_FILE),
        sites,
        natives: native_sites,
        wanted: Vec::new(),
        states,
        bare: false,
        switches: false,
    })
}

/// What the target has in no register must be read here too.
fn registers(site: &EventSite) -> u32 {
    (0..4).fold(0, |registers, place| {
        let register = match site.registers >> (4 * place) & 15 {
            NO_REGISTER => NO_REGISTER,
            _ => ARGUMENTS >> (4 * place) & 15,
        };
        registers | register << (4 * place)
    })
}

/// Nanoseconds of CPU time that a call takes.
fn time_of_hits(memory: &Memory, probed: Probed, kind: u32) -> f64 {
    let hits = hits(kind);
    hit(hits, memory, probed, kind) as f64 / f64::from(hits)
}

/// Calls a probed function so many times; returns the CPU time that it took, in nanoseconds.
fn hit(times: u32, memory: &Memory, probed: Probed, kind: u32) -> u64 {
    let address = black_box(memory.address());
    let first = black_box(match kind {
        what::REGISTER => memory.registration(),
        _ => memory.first().unwrap_or(address),
    });
    let third = black_box(match kind {
        what::PORT_OUTPUT => memory.list(),
        _ => address,
    });
    let call = black_box(probed);
    let before = thread_ns();
    for _ in 0..times {
        call(first, address, third, address);
    }
    thread_ns().saturating_sub(before)
}

/// How many hits of a kind there is room for in one measurement.
fn hits(kind: u32) -> u32 {
    let class = kind.checked_sub(what::STATE_FIRST);
    match class.and_then(|class| STATE_BYTES.get(class as usize)) {
        Some(bytes) => HITS.min(STATES_FILL_BYTES / (bytes + bytes / 4 + STATE_HEADS_BYTES)),
        None => HITS,
    }
}

fn middle(mut times: [f64; ROUNDS]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The `fs` base, by which schedulers are known; its first word is itself (ELF TLS, variant 2).
pub(crate) fn thread_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reads one word that every thread of a program with a C library has.
    unsafe { asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly)) };
    pointer
}

/// Where an address of ours lies in our file.
fn own_offset(address: u64) -> Result<u64, CaptureError> {
    let failed = |message: String| CaptureError::Bpf {
        what: "finding this program's own code",
        message,
    };
    let maps =
        std::fs::read_to_string("/proc/self/maps").map_err(|error| failed(error.to_string()))?;
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let offset = maps.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (start, end) = (hexadecimal(start)?, hexadecimal(end)?);
        let offset = hexadecimal(fields.nth(1)?)?;
        (start..end)
            .contains(&address)
            .then(|| address - start + offset)
    });
    offset.ok_or_else(|| failed("it is in no mapping".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{HitPrices, OWN_FILE, PROBED, judge, own_offset};
    use crate::CaptureError;

    #[test]
    fn our_own_code_is_found_in_its_file() {
        let bytes = std::fs::read(OWN_FILE).expect("readable");
        let mut offsets = PROBED.map(|probed| {
            let offset = own_offset(probed as *const () as u64).expect("mapped");
            // push rbp; pop rbp; ret
            assert_eq!(bytes[offset as usize..][..3], [0x55, 0x5d, 0xc3]);
            offset
        });
        // Each has a place of its own.
        offsets.sort_unstable();
        assert!(offsets.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_kernel_that_sees_one_thread_alone_is_refused() {
        assert!(judge(16, 16).is_ok());
        assert!(matches!(judge(16, 0), Err(CaptureError::OneThread)));
        // On that kernel, from any but the first thread.
        assert!(matches!(judge(0, 0), Err(CaptureError::NoHits)));
        let told = CaptureError::OneThread.to_string();
        assert!(told.contains("Linux 6.10"), "{told}");
    }

    #[test]
    fn hits_cost_what_their_kind_costs() {
        let mut prices = HitPrices([0.0; escope_wire::what::COUNT]);
        let mut hits = [0; escope_wire::what::COUNT];
        (prices.0[0], prices.0[3]) = (1.5, 2.0);
        (hits[0], hits[1], hits[3]) = (10, 99, 2);
        assert!((prices.cost_ns(&hits) - 19.0).abs() < 1e-9);
    }
}
