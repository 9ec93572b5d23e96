//! A raw stream: samples one after the other, as the kernel half puts them into its ring.
//!
//! Of the samples 60 % are in JIT code, 30 % in C that JIT code called, 10 % of a scheduler
//! without work. A few thousand stacks come again and again, some much more often than
//! others; the program counter differs from sample to sample.

use escope_beam::layout::{ProcessLayout, table_for};
use escope_beam::sleep;
use escope_wire::{KIND_SAMPLE, PROCESS_BYTES, SampleHead, flag};
use zerocopy::IntoBytes;

use super::World;
use super::code::{FRAGMENTS, Function, NORMAL_EXIT, fragment_return};
use super::native::Native;
use super::random::Random;
use super::vm::{ATOM_COUNT, atom, put};

const PROCESSES: usize = 200;
const STACKS: usize = 4096;
const HEAPS: u64 = 0x6000_0000_0000;
const HEAP_BYTES: u64 = 1 << 20;
const SCHEDULERS: usize = 8;
const KERNEL_CODE: u64 = 0xffff_ffff_8100_0000;

/// What a stream is like.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Return addresses on each Erlang stack.
    pub(crate) depth: usize,
    /// How many samples.
    pub(crate) samples: usize,
}

/// Records one after the other.
pub(crate) struct Stream {
    bytes: Vec<u8>,
}

/// An Erlang stack of a process, and where in C it may have been.
struct Stack {
    process: usize,
    leaf: Function,
    words: Vec<u64>,
    native: usize,
    fragment: usize,
    current_call: [u64; 3],
}

impl Stream {
    /// Samples of a VM.
    pub(crate) fn new(world: &World, shape: Shape) -> Stream {
        let mut maker = Maker::new(world, shape.depth);
        for number in 0..shape.samples {
            match number % 10 {
                0 => maker.idle(),
                1..=3 => maker.in_c(),
                _ => maker.in_jit(),
            }
        }
        Stream { bytes: maker.bytes }
    }

    /// Each record's bytes.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let length = rest.get(4..)?.first_chunk::<4>()?;
            let (record, after) = rest.split_at(u32::from_le_bytes(*length) as usize);
            rest = after;
            Some(record)
        })
    }
}

struct Maker {
    random: Random,
    layout: ProcessLayout,
    native: &'static Native,
    stacks: Vec<Stack>,
    bytes: Vec<u8>,
    now_ns: u64,
}

impl Maker {
    fn new(world: &World, depth: usize) -> Maker {
        let native = Native::get();
        let mut random = Random::new(depth as u64);
        let stacks = (0..STACKS)
            .map(|_| Stack {
                process: random.skewed(PROCESSES),
                leaf: world.code.function(&mut random),
                words: erlang_stack(world, depth, &mut random),
                native: random.below(native.stacks.len()),
                fragment: random.below(FRAGMENTS.len()),
                current_call: [
                    atom(random.below(ATOM_COUNT)),
                    atom(random.below(ATOM_COUNT)),
                    random.below(4) as u64,
                ],
            })
            .collect();
        Maker {
            random,
            layout: table_for("25").expect("a layout").process,
            native,
            stacks,
            bytes: Vec::new(),
            now_ns: 1_000_000_000,
        }
    }

    fn in_jit(&mut self) {
        let stack = self.random.skewed(STACKS);
        let mut head = self.erlang_head(stack);
        head.flags = flag::ON_ERLANG_STACK;
        head.ip = self.stacks[stack].leaf.pc(&mut self.random);
        head.sp = head.erlang_address;
        self.push(head, stack, &[], &[]);
    }

    fn in_c(&mut self) {
        let stack = self.random.skewed(STACKS);
        let mut head = self.erlang_head(stack);
        let at = &self.stacks[stack];
        head.jit_return = fragment_return(at.fragment);
        head.current_call = at.current_call;
        let native = self.enter_c(at.native, &mut head);
        self.push(head, stack, &native, &[]);
    }

    fn idle(&mut self) {
        let mut head = self.head();
        head.sleep_flags = sleep::WAITING | sleep::SLEEPING;
        head.jit_return = fragment_return(FRAGMENTS.len() - 1);
        let mut kernel = Vec::new();
        if self.random.below(2) == 0 {
            head.flags = flag::IN_KERNEL;
            head.sleep_flags |= sleep::POLL;
            kernel = (0..8).map(|frame| KERNEL_CODE + 0x100 * frame).collect();
        }
        let stack = self.random.below(self.native.stacks.len());
        let native = self.enter_c(stack, &mut head);
        self.push(head, STACKS, &native, &kernel);
    }

    fn head(&mut self) -> SampleHead {
        self.now_ns += 5_000;
        let scheduler = self.random.below(SCHEDULERS) as u32;
        SampleHead {
            kind: KIND_SAMPLE,
            monotonic_ns: self.now_ns,
            weight_ns: 1_000_000,
            cpu: scheduler,
            tid: 1000 + scheduler,
            scheduler_number: scheduler + 1,
            ..SampleHead::default()
        }
    }

    fn erlang_head(&mut self, stack: usize) -> SampleHead {
        let mut head = self.head();
        let stack = &self.stacks[stack];
        let process = stack.process;
        head.process = process_address(process);
        head.process_bytes = self.layout.size;
        // Some are registered, most are of a behaviour.
        if process.is_multiple_of(4) {
            head.registered_name = atom(process);
        }
        if !process.is_multiple_of(3) {
            head.initial_call = [atom(process + 1), atom(process + 2), 1 << 4 | 0xf];
        }
        head.erlang_address = heap_end(process) - 8 * stack.words.len() as u64;
        head
    }

    /// Puts the thread into C code, called from JIT code.
    fn enter_c(&mut self, stack: usize, head: &mut SampleHead) -> Vec<u64> {
        let stack = &self.native.stacks[stack];
        head.ip = *self.random.pick(&self.native.leaves);
        head.sp = stack.sp;
        head.bp = stack.bp;
        head.native_address = stack.sp;
        let mut words = stack.words.clone();
        words.pop();
        words.push(head.jit_return);
        words
    }

    fn push(&mut self, mut head: SampleHead, stack: usize, native: &[u64], kernel: &[u64]) {
        let stack = self.stacks.get(stack);
        let erlang = stack.map_or(&[][..], |stack| &stack.words);
        head.native_bytes = native.as_bytes().len() as u32;
        head.kernel_bytes = kernel.as_bytes().len() as u32;
        head.erlang_bytes = erlang.as_bytes().len() as u32;
        let sections = [native, kernel, erlang];
        let words: usize = sections.iter().map(|section| section.len()).sum();
        head.bytes = (size_of::<SampleHead>() + 8 * words) as u32 + PROCESS_BYTES;
        self.bytes.extend(head.as_bytes());
        let process = match stack {
            Some(stack) => self.process(stack.process, head.erlang_address),
            None => vec![0; PROCESS_BYTES as usize],
        };
        self.bytes.extend(process);
        for section in sections {
            self.bytes.extend(section.as_bytes());
        }
    }

    fn process(&self, process: usize, stop: u64) -> Vec<u8> {
        let mut bytes = vec![0; PROCESS_BYTES as usize];
        let layout = &self.layout;
        put(&mut bytes, layout.id, pid(process));
        put(&mut bytes, layout.stop, stop);
        put(&mut bytes, layout.heap, heap_end(process) - HEAP_BYTES);
        put(&mut bytes, layout.hend, heap_end(process));
        put(&mut bytes, layout.initial, atom(process));
        put(&mut bytes, layout.initial + 8, atom(process + 1));
        put(&mut bytes, layout.initial + 16, 2);
        put(&mut bytes, layout.parent, pid(0));
        bytes
    }
}

/// Return addresses with a term between them on average, down to the exit of processes.
fn erlang_stack(world: &World, depth: usize, random: &mut Random) -> Vec<u64> {
    let mut words = Vec::with_capacity(2 * depth + 1);
    for _ in 0..depth {
        words.push(world.code.function(random).site(random));
        for _ in 0..random.below(3) {
            let pointer = HEAPS + 8 * random.below(1 << 20) as u64;
            words.push(match random.below(4) {
                0 => pointer | 1,
                1 => pointer | 2,
                2 => atom(random.below(ATOM_COUNT)),
                _ => (random.below(1 << 20) as u64) << 4 | 0xf,
            });
        }
    }
    words.push(NORMAL_EXIT);
    words
}

fn process_address(process: usize) -> u64 {
    0x7000_0000_0000 + 1024 * process as u64
}

fn heap_end(process: usize) -> u64 {
    HEAPS + 2 * HEAP_BYTES * (process as u64 + 1)
}

fn pid(process: usize) -> u64 {
    (process as u64 + 100) << 4 | 3
}
