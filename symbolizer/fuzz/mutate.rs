//! From seeds to cases.

use escope_symbolizer::fuzz::Target;
use fastrand::Rng;

/// A case is not longer than that: more bytes find no more.
const BYTES_MAX: usize = 4 << 20;
/// Headers are where it hurts.
const HEAD: usize = 512;
/// Numbers that are at an edge.
const EDGES: [u64; 14] = [
    0,
    1,
    7,
    8,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    1 << 40,
    1 << 47,
    u64::MAX - 7,
    u64::MAX,
];

/// What cases are made from.
pub(crate) struct Seeds(Vec<Vec<u8>>);

impl Seeds {
    /// Those of the target, and its corpus: names beginning with `found` are what cases have
    /// become, and would make cases depend on what was found before.
    pub(crate) fn of(target: &Target) -> Seeds {
        let mut seeds = (target.seeds)();
        let corpus = target.corpus().unwrap_or_default();
        let corpus = corpus.into_iter().filter(|(path, _)| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| !name.starts_with("found"))
        });
        seeds.extend(corpus.map(|(_, bytes)| bytes));
        Seeds(seeds)
    }
}

/// The bytes of a case: the same for the same seed and number.
pub(crate) fn case(seeds: &Seeds, seed: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let Some(mut bytes) = rng.choice(&seeds.0).cloned() else {
        return Vec::new();
    };
    // Few changes as often as many.
    let most = 1 << rng.u32(..5);
    for _ in 0..1 + rng.usize(..most) {
        change(&mut bytes, &seeds.0, &mut rng);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    if bytes.is_empty() {
        bytes.extend((0..rng.usize(1..64)).map(|_| rng.u8(..)));
        return;
    }
    let end = match rng.bool() {
        true => bytes.len().min(HEAD),
        false => bytes.len(),
    };
    let at = rng.usize(..end);
    match rng.u32(..10) {
        0 => bytes[at] ^= 1 << rng.u32(..8),
        1 => bytes[at] = rng.u8(..),
        2 | 3 => number(bytes, at, rng),
        4 => {
            // A word of elsewhere.
            let (from, width) = (rng.usize(..bytes.len()), 1 << rng.u32(..4));
            let word = bytes[from..].iter().take(width).copied().collect();
            put(bytes, at, word);
        }
        5 => {
            let more: Vec<u8> = (0..rng.usize(1..40)).map(|_| rng.u8(..)).collect();
            bytes.splice(at..at, more);
        }
        6 if rng.u32(..4) == 0 => bytes.truncate(at),
        6 => drop(bytes.drain(at..bytes.len().min(at + rng.usize(1..32)))),
        7 => {
            let other = rng.choice(seeds).map(Vec::as_slice).unwrap_or_default();
            let from = rng.usize(..=other.len());
            put(bytes, at, other[from..].iter().take(64).copied().collect());
        }
        8 => {
            let copy = bytes[at..].iter().take(rng.usize(1..128)).copied();
            let copy: Vec<u8> = copy.collect();
            bytes.splice(at..at, copy);
        }
        _ => {
            let random = (0..16).map(|_| rng.u8(..)).collect();
            put(bytes, at & !15, random);
        }
    }
}

/// An edge, or a little more or less than what is there.
fn number(bytes: &mut [u8], at: usize, rng: &mut Rng) {
    let at = match rng.bool() {
        true => at & !3,
        false => at,
    };
    let width = 1 << rng.u32(..4);
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes[at..].iter().take(width)) {
        *to = *from;
    }
    let old = u64::from_le_bytes(word);
    let new = match rng.u32(..3) {
        0 => old.wrapping_add(rng.u64(..64)).wrapping_sub(32),
        1 => old ^ 1 << rng.u32(..64),
        _ => rng.choice(EDGES).unwrap_or(0),
    };
    put(bytes, at, new.to_le_bytes()[..width].to_vec());
}

fn put(bytes: &mut [u8], at: usize, new: Vec<u8>) {
    for (to, from) in bytes[at..].iter_mut().zip(new) {
        *to = from;
    }
}
