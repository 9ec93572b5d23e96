//! JIT code of many modules: blobs and list entries as the VM writes them, and where the
//! calls in it return to.

use escope_beam::memory::Image;

use super::random::Random;

/// Where JIT code begins: far from anything that a process maps by itself.
pub(super) const CODE: u64 = 0x1000_0000_0000;
const BLOBS: u64 = 0x2000_0000_0000;
const ENTRIES: u64 = 0x3000_0000_0000;
pub(super) const DESCRIPTOR: u64 = 0x3100_0000_0000;
const FUNCTIONS: usize = 30;
/// A call returns to every such distance, after the prologue.
const SITES: u64 = 32;
const PROLOGUE: u64 = 48;
/// The C functions that the code calls as BIFs.
pub(super) const BIFS: u64 = 0x5000_0000_0000;
pub(super) const BIF_COUNT: u64 = 400;

/// Fragments that JIT code calls C through, as the VM names them.
pub(super) const FRAGMENTS: [&str; 6] = [
    "call_light_bif_shared",
    "call_bif_shared",
    "call_nif_shared",
    "garbage_collect_shared",
    "i_loop_rec_shared",
    "process_main",
];
const FRAGMENT_BYTES: u64 = 256;
const FRAGMENTS_BYTES: u64 = 4096;

/// Where a call out of a fragment returns to.
pub(super) fn fragment_return(fragment: usize) -> u64 {
    CODE + fragment as u64 * FRAGMENT_BYTES + 128
}

/// Bottom of every process's stack.
pub(super) const NORMAL_EXIT: u64 = CODE + FRAGMENTS_BYTES - 64;

/// One function's code.
#[derive(Clone, Copy)]
pub(super) struct Function {
    start: u64,
    end: u64,
}

impl Function {
    /// An instruction of it.
    pub(super) fn pc(self, random: &mut Random) -> u64 {
        self.start + 16 + random.below((self.end - self.start - 16) as usize) as u64
    }

    /// Where one of its calls returns to.
    pub(super) fn site(self, random: &mut Random) -> u64 {
        let sites = (self.end - self.start - PROLOGUE) / SITES;
        self.start + PROLOGUE + SITES * random.below(sites as usize) as u64
    }
}

/// All code of a VM.
pub(super) struct Code {
    pub(super) functions: Vec<Function>,
    pub(super) end: u64,
}

impl Code {
    /// Writes `modules` modules to memory, on the debugger interface's list.
    pub(super) fn write(image: &mut Image, modules: usize) -> Code {
        let mut random = Random::new(modules as u64);
        let mut code = Code {
            functions: Vec::with_capacity(modules * FUNCTIONS),
            end: CODE + FRAGMENTS_BYTES,
        };
        let mut blobs = vec![fragments()];
        for module in 0..modules {
            blobs.push(code.module(module, &mut random));
        }
        let mut blob_at = BLOBS;
        for (index, blob) in blobs.iter().enumerate() {
            let entry = ENTRIES + 32 * index as u64;
            let next = match index + 1 < blobs.len() {
                true => entry + 32,
                false => 0,
            };
            image.map_words(entry, &[next, 0, blob_at, blob.len() as u64]);
            image.map(blob_at, blob.as_slice());
            blob_at += blob.len().next_multiple_of(64) as u64;
        }
        image.map_words(DESCRIPTOR, &[1, 0, ENTRIES]);
        image.map(CODE, code.instructions());
        code
    }

    /// A function, hot ones more often; hot ones lie in all modules.
    pub(super) fn function(&self, random: &mut Random) -> Function {
        const PRIME: usize = 1_000_003;
        let rank = random.skewed(self.functions.len());
        self.functions[rank * PRIME % self.functions.len()]
    }

    fn module(&mut self, number: usize, random: &mut Random) -> Vec<u8> {
        let elixir = number % 2 == 1;
        let (name, printed, file) = if elixir {
            let name = format!("Elixir.Shop.Orders.Line{number}");
            let printed = format!("'{name}'");
            (name, printed, format!("lib/shop/orders/line{number}.ex"))
        } else {
            let name = format!("shop_orders_{number}");
            (name.clone(), name, format!("shop_orders_{number}.erl"))
        };
        let base = self.end;
        let mut ranges = vec![Range::new(0, 64, format!("{name}::codeHeader"))];
        let mut at = 64;
        for function in 0..FUNCTIONS {
            let end = at + 128 + 32 * random.below(16) as u32;
            let text = format!("{printed}:handle_step_{function}/{}", function % 5);
            ranges.push(Range::new(at, at + 16, format!("{text}-CodeInfoPrologue")));
            let mut range = Range::new(at + 16, end, text);
            range.lines = (at + 16..end)
                .step_by(40)
                .enumerate()
                .map(|(line, offset)| (offset, (40 * function + line) as u32 + 1))
                .collect();
            ranges.push(range);
            self.functions.push(Function {
                start: base + u64::from(at),
                end: base + u64::from(end),
            });
            at = end;
        }
        self.end = base + u64::from(at).next_multiple_of(256);
        blob(base, at, &name, &file, &ranges)
    }

    /// The instructions, as far as they are looked at: each call site loads a BIF's address.
    fn instructions(&self) -> Vec<u8> {
        let mut bytes = vec![0x90; (self.end - CODE) as usize];
        for (number, function) in self.functions.iter().enumerate() {
            let bif = BIFS + 64 * (number as u64 % BIF_COUNT);
            let first = function.start + PROLOGUE;
            for site in (first..function.end).step_by(SITES as usize) {
                let load = (site - CODE - 24) as usize;
                bytes[load..load + 2].copy_from_slice(&[0x48, 0xb8]);
                bytes[load + 2..load + 10].copy_from_slice(&bif.to_le_bytes());
            }
        }
        bytes
    }
}

fn fragments() -> Vec<u8> {
    let mut ranges: Vec<Range> = FRAGMENTS
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let start = index as u32 * FRAGMENT_BYTES as u32;
            let end = start + FRAGMENT_BYTES as u32;
            Range::new(start, end, format!("global::{name}"))
        })
        .collect();
    let exit = (NORMAL_EXIT - CODE) as u32;
    ranges.push(Range::new(
        exit,
        exit + 64,
        "global::normal_exit".to_owned(),
    ));
    blob(CODE, FRAGMENTS_BYTES as u32, "global", "", &ranges)
}

struct Range {
    start: u32,
    end: u32,
    name: String,
    lines: Vec<(u32, u32)>,
}

impl Range {
    fn new(start: u32, end: u32, name: String) -> Range {
        Range {
            start,
            end,
            name,
            lines: Vec::new(),
        }
    }
}

/// A blob as `erts/emulator/beam/jit/beam_jit_metadata.cpp` writes it.
fn blob(base: u64, size: u32, name: &str, file: &str, ranges: &[Range]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str, pad: usize| {
        bytes.extend((text.len() as u16 + 1).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.resize(bytes.len() + 1 + pad, 0);
    };
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(base.to_le_bytes());
    bytes.extend((ranges.len() as u32).to_le_bytes());
    bytes.extend(size.to_le_bytes());
    text(&mut bytes, name, 6);
    for range in ranges {
        bytes.extend(range.start.to_le_bytes());
        bytes.extend(range.end.to_le_bytes());
        bytes.extend((range.lines.len() as u32).to_le_bytes());
        text(&mut bytes, &range.name, 2);
        for (offset, line) in &range.lines {
            bytes.extend(offset.to_le_bytes());
            bytes.extend(line.to_le_bytes());
            text(&mut bytes, file, 2);
        }
    }
    bytes
}
