//! Terms that hold each other, as bytes: records of 16 bytes each, all of which mean something.
//!
//! ```text
//! u8 kind | u8 count | 7 * u16 field
//! ```
//!
//! A record is a term, or a node of one, in a slot of its own, and is laid out as the release has
//! it. Fields are its words, over and over: pointers to other records mostly, so that terms share
//! what they hold, hold themselves, and end nowhere.

use serde::de::IgnoredAny;

use super::VMS;
use crate::Vm;
use crate::layout::{BitsLayout, BytesLayout, Layout};
use crate::memory::Image;
use crate::said::{Listener, Redaction, TEXT_MAX};
use crate::term::{ExternalError, Limits, NIL, Node, Term, TermReader};

/// Bytes of a record.
const RECORD: usize = 16;
/// More records than that are the same again.
const RECORDS_MAX: usize = 256;
/// Words of a slot: the largest is a map of so many pairs, its keys, and what funs end in.
const SLOT: usize = 64;
/// Words in a row, at most.
const COUNT_MAX: usize = 16;
/// Where a slot has a second object: keys of a map, the entry of a fun, a node.
const SECOND: usize = 40;
/// Where nothing of an image is.
const HEAP: u64 = 0x6fff_0000_0000;
/// Terms that are read of each case.
const ROOTS: u64 = 4;

/// Decodes, writes in all forms, compares and shapes the first terms, in the release that the first
/// byte says.
pub fn term(bytes: &[u8]) {
    let Some((which, records)) = bytes.split_first() else {
        return;
    };
    let vms = &*VMS;
    let Some(image) = vms.get(usize::from(*which) % vms.len().max(1)) else {
        return;
    };
    // Nothing of the VM but its atoms and tables is looked at: it is believed as it is.
    let Ok(mut vm) = Vm::known(image.facts.clone(), image.memory.clone(), None) else {
        return;
    };
    let records = records.as_chunks::<RECORD>().0;
    let records = records.get(..RECORDS_MAX).unwrap_or(records);
    let words = heap(records, &vm.layout);
    vm.memory.map_words(HEAP, &words);
    use_terms(&vm, records.len() as u64);
}

/// What of the same terms was copied in two pieces, with as many words between as the second byte
/// says, and what is told of it.
pub fn said(bytes: &[u8]) {
    let Some((&[which, hole], records)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let vms = &*VMS;
    let Some(image) = vms.get(usize::from(which) % vms.len().max(1)) else {
        return;
    };
    let Ok(vm) = Vm::known(image.facts.clone(), image.memory.clone(), None) else {
        return;
    };
    let records = records.as_chunks::<RECORD>().0;
    let records = records.get(..RECORDS_MAX).unwrap_or(records);
    let words = heap(records, &vm.layout);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    let hole = usize::from(hole);
    let second = rest.get(8 * hole..).unwrap_or_default();
    let at = HEAP + (first.len() + 8 * hole) as u64;
    let copied = [(HEAP, first), (at, second), (u64::MAX - 8, first)];
    let listener = Listener::new(Redaction::new(&["a.*b"]).unwrap_or_default());
    for record in 0..(records.len() as u64).min(ROOTS) {
        let at = HEAP + record * (SLOT * 8) as u64;
        for word in [at | 1, at | 2] {
            if let Ok(said) = listener.said(&vm, word, &copied, &[]) {
                assert!(said.text.chars().count() <= TEXT_MAX + 3);
            }
        }
    }
}

/// The same to begin with, without a hole and with one.
#[must_use]
pub fn said_seeds() -> Vec<Vec<u8>> {
    let seeds = term_seeds();
    let seeds = seeds.iter().filter_map(|seed| seed.split_first());
    seeds
        .flat_map(|(which, records)| [0, 70].map(|hole| [&[*which, hole], records].concat()))
        .collect()
}

fn use_terms(vm: &Vm<Image>, count: u64) {
    let reader = TermReader::new(vm);
    let mut last = Term::Cut;
    for record in 0..count.min(ROOTS) {
        let at = HEAP + record * (SLOT * 8) as u64;
        for word in [at | 1, at | 2] {
            for limits in [
                Limits::default(),
                Limits {
                    depth: usize::MAX,
                    ..Limits::default()
                },
            ] {
                if let Ok(term) = reader.decode(word, limits) {
                    let _ = (term.text(1000), term.to_string());
                    write_forms(&term);
                    compare(&last, &term);
                    last = term;
                }
            }
            let _ = reader.shape(word);
        }
    }
}

/// What is not whole has no external form; whatever it is, its JSON can be read.
fn write_forms(term: &Term) {
    let node = Node {
        name: "fuzz@nowhere".into(),
        creation: 1,
        channel: 0,
    };
    match term.to_external(Some(&node)) {
        Err(ExternalError::Cut | ExternalError::Masked) => assert!(!term.is_whole()),
        Ok(_) => assert!(term.is_whole()),
        Err(_) => {}
    }
    for write in [Term::elixir, Term::source] {
        assert!(write(term, 1000).chars().count() <= 1003);
        let _ = write(term, usize::MAX);
    }
    let json = term.to_json();
    assert!(serde_json::from_str::<IgnoredAny>(&json).is_ok());
}

/// A term differs from another one, and not from itself.
fn compare(old: &Term, new: &Term) {
    let found = old.diff(new, 20);
    assert!(found.changes.len() <= 20);
    assert!(found.text(100, Term::text).len() < 1 << 20);
    assert!(new.diff(&new.clone(), 20).changes.is_empty());
}

/// The records as they lie on a heap.
fn heap(records: &[[u8; RECORD]], layout: &Layout) -> Vec<u64> {
    let mut heap = Vec::with_capacity(records.len() * SLOT);
    for (index, record) in records.iter().enumerate() {
        let [kind, count, fields @ ..] = record;
        let fields = fields.as_chunks::<2>().0;
        let fields = fields.iter().map(|field| u16::from_le_bytes(*field));
        let slot = Slot {
            at: HEAP + (index * SLOT * 8) as u64,
            fields: fields.map(|field| word(field, records)).collect(),
            count: usize::from(*count) % (COUNT_MAX + 1),
            words: vec![NIL; SLOT],
        };
        heap.extend(slot.filled(*kind, layout));
    }
    heap
}

/// What a field means: of eight, five are pointers to a record, with the tag that it needs.
fn word(field: u16, records: &[[u8; RECORD]]) -> u64 {
    let (what, value) = (field & 7, u64::from(field >> 3));
    let target = value as usize % records.len().max(1);
    let at = HEAP + (target * SLOT * 8) as u64;
    let is_list = records.get(target).is_some_and(|it| it[0] % KINDS == LIST);
    match what {
        0..4 => at | if is_list { 1 } else { 2 },
        // A key and a value: what a large map has in its nodes.
        4 => at | 1,
        5 => value << 4 | 0xf,
        // Atoms, pids and ports; any tag.
        6 => (value & !3) << 4 | [0x0b, 0x03, 0x07, 0x3b][value as usize & 3],
        _ => value,
    }
}

const KINDS: u8 = 14;
const LIST: u8 = 1;

/// One record's place.
struct Slot {
    at: u64,
    fields: Vec<u64>,
    count: usize,
    words: Vec<u64>,
}

impl Slot {
    fn filled(mut self, kind: u8, layout: &Layout) -> Vec<u64> {
        let (term, count) = (&layout.term, self.count as u64);
        let header = |tag: u32, rest: u64| u64::from(tag) << 2 | rest << 6;
        let ones = (1 << self.count) - 1;
        let (first, second) = (self.field(0), self.at + 8 * SECOND as u64);
        match kind % KINDS {
            0 => self.row(&[header(term.tuple, count)], self.count),
            LIST => self.row(&[], 2),
            2 => {
                self.row(&[header(term.map, 0), count, second | 2], self.count);
                self.put(8 * SECOND as u32, header(term.tuple, count));
                for index in 0..self.count {
                    let key = self.field(index + 3);
                    self.put(8 * (SECOND + 1 + index) as u32, key);
                }
            }
            3 => self.row(&[header(term.map, 3 | ones << 10), count], self.count),
            4 => self.row(&[header(term.map, 2), count], 16),
            5 => self.row(&[header(term.map, 1 | ones << 10)], self.count),
            6 => self.fun(layout),
            7 | 8 => {
                if let Some(bytes) = &term.bytes {
                    self.bytes(bytes);
                }
                if let Some(bits) = &term.bits {
                    self.bits(bits);
                }
            }
            9 => self.row(&[header(term.reference, count), first], 2),
            10 => {
                let tags = [
                    term.external_pid,
                    term.external_port,
                    term.external_reference,
                ];
                let tag = tags.get(self.count % 3).copied().unwrap_or(0);
                self.row(&[header(tag, 3)], 5);
                self.put(layout.reference.external_node, second);
                self.put(8 * SECOND as u32 + layout.node.sysname, 0x0b);
            }
            11 => {
                if let Some(record) = &term.record {
                    self.row(&[header(record.subtag, count + 1), first], self.count);
                }
            }
            12 => self.row(&[header(term.negative, count)], self.count),
            _ => self.row(&[header(self.count as u32, first)], self.count),
        }
        self.words
    }

    /// Fields over and over.
    fn field(&self, index: usize) -> u64 {
        let index = index % self.fields.len().max(1);
        self.fields.get(index).copied().unwrap_or(NIL)
    }

    fn put(&mut self, offset: u32, word: u64) {
        if let Some(place) = self.words.get_mut(offset as usize / 8) {
            *place = word;
        }
    }

    /// These words, and fields behind them.
    fn row(&mut self, head: &[u64], fields: usize) {
        for (index, word) in head.iter().enumerate() {
            self.put(8 * index as u32, *word);
        }
        for index in 0..fields {
            self.put(8 * (head.len() + index) as u32, self.field(index));
        }
    }

    /// With its environment, and the entry behind it; on OTP 25 with whoever made it.
    fn fun(&mut self, layout: &Layout) {
        let fun = &layout.fun;
        let second = 8 * SECOND as u32;
        let (free, mut header) = (self.count as u64, u64::from(layout.term.fun) << 2);
        if let Some(place) = &fun.header {
            header |= 1u64.checked_shl(place.arity_shift).unwrap_or(0);
            header |= (free + 1).checked_shl(place.free_shift).unwrap_or(0);
        }
        self.put(0, header);
        if let Some(stored) = &fun.stored {
            // Arity and size lie in one word.
            self.put(stored.arity, 1 | free << 8);
            // A process often enough: of any other nothing is read.
            let creator = match self.count % 2 {
                0 => 0x23,
                _ => self.field(6),
            };
            self.put(stored.creator, creator);
        }
        self.put(fun.entry, self.at + u64::from(second));
        for index in 0..self.count {
            self.put(fun.environment + 8 * index as u32, self.field(index));
        }
        self.put(second + fun.module, 0x0b);
    }

    /// A binary on the heap, or a part of whatever the first field is.
    fn bytes(&mut self, layout: &BytesLayout) {
        let is_part = self.count % 2 == 1;
        let tag = if is_part { layout.part } else { layout.heap };
        self.put(0, u64::from(tag) << 2 | 4 << 6);
        self.put(layout.size, self.field(1));
        if is_part {
            self.put(layout.part_offset, self.field(2) & 0xff);
            self.put(layout.part_bits, self.field(3));
            self.put(layout.part_original, self.field(0));
        }
    }

    fn bits(&mut self, layout: &BitsLayout) {
        let is_part = self.count % 2 == 1;
        let tag = if is_part { layout.part } else { layout.heap };
        self.put(0, u64::from(tag) << 2 | 4 << 6);
        if is_part {
            self.put(layout.base, self.field(1));
            self.put(layout.start, self.field(2) & 0xff);
            self.put(layout.end, self.field(3));
            self.put(layout.original, self.field(0));
        } else {
            self.put(layout.size, self.field(1));
        }
    }
}

/// Cases to begin with, for each release: of each kind a chain of records that hold the next one
/// at each of their places, a record that holds itself, and all kinds at once.
#[must_use]
pub fn term_seeds() -> Vec<Vec<u8>> {
    let record = |kind: u8, fields: [u16; 7]| {
        let fields = fields.map(u16::to_le_bytes);
        [&[kind, COUNT_MAX as u8][..], fields.as_flattened()].concat()
    };
    let mut seeds = Vec::new();
    for which in 0..VMS.len() as u8 {
        for kind in 0..KINDS {
            let chain = (1..20).map(|next| record(kind, [next << 3; 7])).collect();
            let itself = vec![record(kind, [0; 7])];
            // A large map's nodes below its head.
            let nodes =
                (1..20).map(|next| record(if next == 1 { kind } else { 5 }, [next << 3; 7]));
            for records in [chain, itself, nodes.collect::<Vec<_>>()] {
                seeds.push([&[which][..], &records.concat()].concat());
            }
        }
        let mixed = (0..64u16).map(|index| {
            let fields =
                [0, 1, 2, 3, 4, 5, 6].map(|field| ((index * 7 + field * 5 + 1) % 64) << 3 | field);
            record(index as u8, fields)
        });
        seeds.push([&[which][..], &mixed.collect::<Vec<_>>().concat()].concat());
    }
    seeds
}
