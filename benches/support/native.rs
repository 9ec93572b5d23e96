//! C stacks that really unwind: those of threads of this process.
//!
//! Each thread calls itself down a path of its own through four functions and waits. The
//! kernel tells where its stack pointer and program counter are, its stack is read like
//! any target's. What of it is a call that "came from JIT code", which rbp it had and which
//! other program counters would unwind the same way is found by trying it out: only what
//! the symbolizer unwinds to the end is used.

use std::fs;
use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use escope_beam::memory::{Image, LiveMemory, Memory};
use escope_beam::{ExecutableMapping, read_executable_mappings};
use escope_model::{RawSample, RawScheduler, SampleFlags, StackCopy, UserRegs, Words};
use escope_symbolizer::{NewEntries, Symbolizer};

use super::World;
use super::code::fragment_return;
use super::random::Random;

const THREADS: usize = 16;
const STACK_WORDS: usize = 512;
const BP_WORDS: usize = 64;
const LEAVES: usize = 512;
/// As deep as C stacks of a VM commonly are.
const FRAMES: std::ops::RangeInclusive<usize> = 3..=14;

/// One C stack, up to the return address into JIT code, which is its last word.
pub(super) struct NativeStack {
    pub(super) sp: u64,
    pub(super) bp: u64,
    pub(super) words: Vec<u64>,
}

/// C stacks and the program counters that fit any of them.
pub(super) struct Native {
    pub(super) stacks: Vec<NativeStack>,
    pub(super) leaves: Vec<u64>,
}

impl Native {
    /// The stacks of some threads, taken once.
    pub(super) fn get() -> &'static Native {
        static NATIVE: OnceLock<Native> = OnceLock::new();
        NATIVE.get_or_init(Native::take)
    }

    fn take() -> Native {
        let mappings = read_executable_mappings(std::process::id()).expect("our own mappings");
        let mut probe = Probe::new();
        let mut stacks = Vec::new();
        let mut ip = 0;
        for number in 0..THREADS {
            let (at, sp, words) = parked(number);
            ip = at;
            stacks.extend(probe.complete(ip, sp, &words, &mappings));
        }
        assert!(
            stacks.len() >= THREADS / 2,
            "only {} C stacks",
            stacks.len()
        );
        let leaves = probe.leaves(ip, &stacks[0], &mappings);
        assert!(leaves.len() >= LEAVES / 2, "only {} leaves", leaves.len());
        Native { stacks, leaves }
    }
}

/// Program counter, stack pointer and stack of a thread while it waits; it ends afterwards.
fn parked(number: usize) -> (u64, u64, Vec<u64>) {
    let (tell, told) = channel();
    let waiting = thread::spawn(move || descend_0(number * 7 + 1, 2 + number % 8, &tell));
    let tid: String = told.recv().expect("the thread's id");
    let path = format!("/proc/{tid}/syscall");
    let (sp, ip) = loop {
        let text = fs::read_to_string(&path).expect("a thread's system call");
        // futex(2) on x86-64.
        if let Some(arguments) = text.strip_prefix("202 ") {
            let mut last = arguments.split_whitespace().rev().map(|word| {
                u64::from_str_radix(word.trim_start_matches("0x"), 16).expect("an address")
            });
            let ip = last.next().expect("a program counter");
            break (last.next().expect("a stack pointer"), ip);
        }
        thread::yield_now();
    };
    let memory = LiveMemory::new(std::process::id());
    let words = (1..=STACK_WORDS)
        .rev()
        .step_by(64)
        .find_map(|count| memory.words(sp, count).ok())
        .expect("a thread's stack");
    waiting.thread().unpark();
    (ip, sp, words)
}

macro_rules! descend {
    ($($name:ident, $words:literal => $next:ident, $other:ident;)*) => {
        $(
            #[inline(never)]
            fn $name(path: usize, left: usize, tell: &Sender<String>) -> usize {
                let local = black_box([path; $words]);
                let below = match (left, path % 2) {
                    (0, _) => wait(tell),
                    (_, 0) => $next(path / 2, left - 1, tell),
                    _ => $other(path / 2, left - 1, tell),
                };
                below + black_box(local)[path % $words]
            }
        )*
    };
}

descend! {
    descend_0, 3 => descend_1, descend_2;
    descend_1, 9 => descend_2, descend_3;
    descend_2, 2 => descend_3, descend_0;
    descend_3, 17 => descend_0, descend_1;
}

#[inline(never)]
fn wait(tell: &Sender<String>) -> usize {
    let link = fs::read_link("/proc/thread-self").expect("a thread's folder");
    tell.send(link.display().to_string()).expect("a listener");
    thread::park();
    1
}

/// Tries out stacks.
struct Probe {
    symbolizer: Symbolizer<Image>,
    new: NewEntries,
    lengths: Vec<usize>,
}

impl Probe {
    fn new() -> Probe {
        Probe {
            symbolizer: World::new(1).symbolizer(),
            new: NewEntries::default(),
            lengths: Vec::new(),
        }
    }

    /// How many frames a stack has that ends with a call from JIT code; `None` when it cannot
    /// be unwound so far.
    fn frames(&mut self, ip: u64, stack: &NativeStack) -> Option<usize> {
        let bytes: Vec<u8> = stack.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let raw = RawSample {
            monotonic_ns: 1,
            weight_ns: 1,
            cpu: 0,
            tid: 1,
            flags: SampleFlags(0),
            regs: UserRegs {
                ip,
                sp: stack.sp,
                bp: stack.bp,
                ..UserRegs::default()
            },
            scheduler: Some(RawScheduler {
                data: 0,
                registers: 0,
                process: 0,
                port: 0,
                sleep_flags: 0,
                kind: 0,
                number: 1,
                jit_return: fragment_return(0),
            }),
            process: &[],
            registered_name: 0,
            initial_call: [0; 3],
            current_call: [0; 3],
            erlang: StackCopy::default(),
            erlang_bottom: StackCopy::default(),
            native: StackCopy {
                address: stack.sp,
                words: Words::new(&bytes),
            },
            kernel: Words::default(),
        };
        let sample = self.symbolizer.sample(&raw, 0, &|| true);
        self.symbolizer.take_new(&mut self.new);
        let stacks = self.new.stacks.drain(..);
        self.lengths.extend(stacks.map(|(_, frames)| frames.len()));
        let frames = self.lengths[sample.stack.index()];
        sample.truncated.is_none().then_some(frames)
    }

    /// The deepest usable part of a thread's stack.
    fn complete(
        &mut self,
        ip: u64,
        sp: u64,
        words: &[u64],
        mappings: &[ExecutableMapping],
    ) -> Option<NativeStack> {
        let mut best = None;
        for (index, word) in words.iter().enumerate() {
            let is_code = |m: &ExecutableMapping| (m.start..m.end).contains(word);
            if !mappings.iter().any(is_code) {
                continue;
            }
            // rbp, which the kernel does not tell, points into one of the last frames.
            for bp in (sp..).step_by(8).take(BP_WORDS) {
                let mut words = words[..=index].to_vec();
                words[index] = fragment_return(0);
                let stack = NativeStack { sp, bp, words };
                let frames = self.frames(ip, &stack).filter(|n| FRAMES.contains(n));
                if frames > best.as_ref().map(|(frames, _)| *frames) {
                    best = frames.map(|frames| (frames, stack));
                }
            }
        }
        best.map(|(_, stack)| stack)
    }

    /// Program counters of this process's code with which a stack unwinds as it does.
    fn leaves(&mut self, ip: u64, stack: &NativeStack, mappings: &[ExecutableMapping]) -> Vec<u64> {
        const ATTEMPTS: usize = 40_000;
        let wanted = self.frames(ip, stack);
        let files: Vec<&ExecutableMapping> = mappings
            .iter()
            .filter(|mapping| mapping.path.starts_with('/'))
            .collect();
        let mut random = Random::new(1);
        let mut leaves = vec![ip];
        for _ in 0..ATTEMPTS {
            let mapping = *random.pick(&files);
            let bytes = (mapping.end - mapping.start) as usize;
            let ip = mapping.start + random.below(bytes) as u64;
            if self.frames(ip, stack) == wanted {
                leaves.push(ip);
            }
            if leaves.len() == LEAVES {
                break;
            }
        }
        leaves
    }
}
