//! What a hit of a probe costs here and now.
//!
//! The programs are loaded once more, for this very process, and a function of ours is probed
//! that hands them memory that looks like the VM's. Its thread's CPU time with and without the
//! probe differs by the price: the trap, the program, the record. In a VM it is more by what the
//! trap drives out of its caches; nothing here can know that.

use std::arch::{asm, naked_asm};
use std::hint::black_box;
use std::path::PathBuf;

use escope_wire::{EventConfig, NO_REGISTER, SchedulerKey, SchedulerSlot, what};
use rustix::time::{ClockId, clock_gettime};

use crate::loader::{EventCapture, EventOptions, EventSite};
use crate::{Batch, CaptureError};

/// Hits that one measurement takes, some milliseconds.
const HITS: u32 = 2_000;
/// Measurements of each kind; the middle one counts.
const ROUNDS: usize = 5;
/// Room for the records of one measurement.
const RING_BYTES: u32 = 1 << 20;
/// Where the first four arguments of a C function are in `pt_regs`: di, si, dx, cx
/// (System V ABI, AMD64, 3.2.3; the numbers are those of [`escope_wire::REGISTERS`]).
const ARGUMENTS: u32 = 0xbcde;
/// Memory that the programs may look at, in words: more than a `Process` has.
const WORDS: usize = 512;

/// Prices of hits, in nanoseconds of CPU time, by [`what`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HitPrices(pub [f64; what::COUNT]);

impl HitPrices {
    /// What so many hits cost, in nanoseconds.
    #[must_use]
    pub fn cost_ns(&self, hits: &[u64; what::COUNT]) -> f64 {
        let priced = self.0.iter().zip(hits);
        priced.map(|(price, &hits)| price * hits as f64).sum()
    }
}

/// What is probed. It begins as functions do where a probe is cheap: the kernel emulates `push`
/// (`arch/x86/kernel/uprobes.c`, `push_setup_xol_ops`).
#[unsafe(naked)]
extern "C" fn probed(_: u64, _: u64, _: u64, _: u64) {
    naked_asm!("push rbp", "pop rbp", "ret")
}

/// Measures the price of each kind of hit. `config` and `sites` are the target's.
///
/// # Errors
/// When the kernel refuses a probe in this process.
pub fn hit_prices(config: &EventConfig, sites: &[EventSite]) -> Result<HitPrices, CaptureError> {
    let memory = Memory::new(config);
    let mut prices = [0.0; what::COUNT];
    let kinds = [what::IN, what::OUT, what::ENQUEUE, what::DEQUEUE];
    let rare = [what::EXIT, what::GC_START, what::REGISTER];
    let free_ns = time_of_hits(&memory)?;
    for kind in kinds.into_iter().chain(rare) {
        let Some(site) = sites.iter().find(|site| site.what == kind) else {
            continue;
        };
        let with_ns = with_probe(config, *site, &memory)?;
        if let Some(price) = prices.get_mut(kind as usize) {
            *price = (with_ns - free_ns).max(0.0);
        }
    }
    let like = |prices: &mut [f64; what::COUNT], kind: u32, other: u32| {
        prices[kind as usize] = prices[other as usize];
    };
    for collects in [what::GC_END, what::HIBERNATE_START, what::HIBERNATE_END] {
        like(&mut prices, collects, what::GC_START);
    }
    like(&mut prices, what::UNREGISTER, what::REGISTER);
    Ok(HitPrices(prices))
}

/// What looks like a process, a message and its term: enough for the programs to read what they
/// read in a VM.
struct Memory {
    words: Box<[u64; WORDS]>,
}

impl Memory {
    fn new(config: &EventConfig) -> Memory {
        let mut words = Box::new([0u64; WORDS]);
        let address = words.as_ptr() as u64;
        // A boxed pair whose first element is an atom.
        let pair = WORDS - 4;
        let term = address + 8 * pair as u64 | 2;
        for (at, value) in [
            (pair, 2 << 6),
            (pair + 1, 0x4b),
            (config.message_term_at as usize / 8, term),
            (config.process_save_at as usize / 8, address),
            // It has run before.
            (config.process_reds_at as usize / 8, u64::MAX),
        ] {
            if let Some(word) = words.get_mut(at) {
                *word = value;
            }
        }
        Memory { words }
    }

    fn address(&self) -> u64 {
        self.words.as_ptr() as u64
    }
}

/// What a call costs with a probe like that of a target's site.
fn with_probe(config: &EventConfig, site: EventSite, memory: &Memory) -> Result<f64, CaptureError> {
    let mut config = *config;
    config.tgid = std::process::id();
    config.filtered = 0;
    let (binary, file_offset) = own_place(probed as *const () as u64)?;
    // What is in no register there must be read here too.
    let missing = |place: u32| site.registers >> (4 * place) & 15 == NO_REGISTER;
    let registers = (0..4).fold(0, |registers, place| {
        let register = match missing(place) {
            true => NO_REGISTER,
            false => ARGUMENTS >> (4 * place) & 15,
        };
        registers | register << (4 * place)
    });
    let slot = SchedulerSlot {
        data: memory.address(),
        kind: 0,
        number: 1,
        ..SchedulerSlot::default()
    };
    let key = SchedulerKey {
        thread_pointer: thread_pointer(),
    };
    let mut capture = EventCapture::load(EventOptions {
        config,
        schedulers: vec![(key, slot)],
        ring_bytes: RING_BYTES,
        binary,
        sites: vec![EventSite {
            what: site.what,
            file_offset,
            registers,
        }],
        wanted: Vec::new(),
    })?;
    capture.arm()?;
    let mut batch = Batch::default();
    let mut times = [0.0; ROUNDS];
    for time in &mut times {
        *time = time_of_hits(memory)?;
        while capture.fetch(usize::MAX, &mut batch)?.records > 0 {}
        batch.clear();
    }
    Ok(middle(times))
}

/// Nanoseconds of CPU time that a call takes.
fn time_of_hits(memory: &Memory) -> Result<f64, CaptureError> {
    let address = black_box(memory.address());
    let call: extern "C" fn(u64, u64, u64, u64) = black_box(probed);
    let before = thread_ns();
    for _ in 0..HITS {
        call(address, address, address, address);
    }
    Ok(thread_ns().saturating_sub(before) as f64 / f64::from(HITS))
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
fn thread_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reads one word that every thread of a program with a C library has.
    unsafe { asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly)) };
    pointer
}

/// The file that an address of ours is mapped from, and where it lies in it.
fn own_place(address: u64) -> Result<(PathBuf, u64), CaptureError> {
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
    let offset = offset.ok_or_else(|| failed("it is in no mapping".to_owned()))?;
    Ok((PathBuf::from("/proc/self/exe"), offset))
}

#[cfg(test)]
mod tests {
    use super::{HitPrices, own_place, probed};

    #[test]
    fn our_own_code_is_found_in_its_file() {
        let (file, offset) = own_place(probed as *const () as u64).expect("mapped");
        let bytes = std::fs::read(file).expect("readable");
        // push rbp; pop rbp; ret
        assert_eq!(bytes[offset as usize..][..3], [0x55, 0x5d, 0xc3]);
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
