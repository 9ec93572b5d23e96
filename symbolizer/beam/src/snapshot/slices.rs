//! The process table a piece at a time, for those who have something else to do between two.
//!
//! A process belongs to a piece if its place in the table named the same struct before it was read and
//! after it: of one that ended meanwhile nothing is told, as its memory may be another's by now.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{CHUNK, ProcessSnapshot, SLOTS_MAX, SnapshotOptions, chunk, is_at_rest};
use crate::code::CodeMap;
use crate::memory::Memory;
use crate::term::TermReader;
use crate::{BeamError, Vm};

/// Processes that are read at a time: at first, and at most. Most take a few microseconds, and one with ten
/// thousand messages as many milliseconds: so there are fewer in a piece after one that took long.
const AT_FIRST: usize = 16;
const AT_ONCE: usize = 128;
/// How long a piece may take before the next one has half as many; twice as many after one that took a quarter
/// of it.
const PIECE: Duration = Duration::from_millis(2);
/// Slots of the table that are read at a time; most are empty.
const SLOTS_AT_ONCE: u64 = 32 << 10;
/// How often one that ran meanwhile is read again by itself, and how many of a piece are.
const ATTEMPTS_ALONE: usize = 2;
const AGAIN_MAX: usize = 16;

/// A process of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its pid, as a term.
    pub pid: u64,
    /// Where its struct lies.
    pub address: u64,
    /// Where in the code it resumes; of one that runs, where it did.
    pub resumes: u64,
    /// What it is called, its status, mailbox, heaps and reductions; no stack.
    pub process: ProcessSnapshot,
}

/// Goes through the process table.
#[derive(Debug)]
pub struct Slices {
    /// Where the slots are, and how many.
    slots: u64,
    count: u64,
    invalid: u64,
    next: u64,
    /// Slots that are taken, and by whom; the last one is read first.
    pending: Vec<(u64, u64)>,
    /// How many are in the next piece.
    at_once: usize,
    options: SnapshotOptions,
}

impl Slices {
    /// From the begin. Of each mailbox so many messages are counted at most.
    ///
    /// # Errors
    /// When the process table cannot be read.
    pub fn new<M: Memory>(vm: &Vm<M>, messages: u64) -> Result<Slices, BeamError> {
        let layout = &vm.layout.process_table;
        let table = vm
            .globals
            .process_table
            .wrapping_add(u64::from(layout.read_only));
        let at = |offset: u32| table.wrapping_add(u64::from(offset));
        let max = u64::from(vm.memory.u32(at(layout.max))?);
        Ok(Slices {
            slots: vm.memory.u64(table)?,
            count: max.min(SLOTS_MAX as u64),
            invalid: vm.memory.u64(at(layout.invalid))?,
            next: 0,
            pending: Vec::new(),
            at_once: AT_FIRST,
            options: SnapshotOptions {
                messages,
                ..SnapshotOptions::NAMES
            },
        })
    }

    /// The next piece, which may be empty; `None` after the last one.
    ///
    /// # Errors
    /// When the process table cannot be read any more.
    pub fn next<M: Memory>(&mut self, vm: &Vm<M>) -> Result<Option<Vec<Placed>>, BeamError> {
        if self.pending.is_empty() {
            if self.next >= self.count {
                return Ok(None);
            }
            self.look(vm)?;
        }
        let first = self.pending.len().saturating_sub(self.at_once);
        let these = self.pending.split_off(first);
        let begun = Instant::now();
        let read = self.read(vm, &these);
        self.at_once = next_size(self.at_once, begun.elapsed());
        Ok(Some(read))
    }

    /// Which of the next slots are taken.
    fn look<M: Memory>(&mut self, vm: &Vm<M>) -> Result<(), BeamError> {
        let until = self.count.min(self.next + SLOTS_AT_ONCE);
        while self.next < until {
            let slots = (until - self.next).min(CHUNK as u64);
            let at = self.slots.wrapping_add(8 * self.next);
            let words = vm.memory.words(at, slots as usize)?;
            let taken = (0..).zip(words);
            let taken = taken.filter(|&(_, word)| word != 0 && word != self.invalid);
            self.pending
                .extend(taken.map(|(slot, word)| (at.wrapping_add(8 * slot), word)));
            self.next += slots;
        }
        Ok(())
    }

    fn read<M: Memory>(&self, vm: &Vm<M>, these: &[(u64, u64)]) -> Vec<Placed> {
        // Some may have ended since the slots were read.
        let these = still_there(vm, these);
        let addresses: Vec<u64> = these.iter().map(|(_, address)| *address).collect();
        let reader = TermReader::new(vm);
        let (mut code, native) = (CodeMap::new(), BTreeMap::new());
        let mut again = AGAIN_MAX;
        let mut all = Vec::with_capacity(these.len());
        let reads = chunk(&reader, vm, &mut code, &addresses, &native, self.options);
        for mut read in reads {
            for _ in 0..ATTEMPTS_ALONE {
                // One whose mailbox is not counted to its end is not read whole ever.
                let is_done = read.process.consistent || read.process.mailbox_cut;
                if is_done || !is_at_rest(read.process.status) || again == 0 {
                    break;
                }
                again -= 1;
                let one = [read.address];
                let reads = chunk(&reader, vm, &mut code, &one, &native, self.options);
                match reads.into_iter().next() {
                    Some(alone) if alone.id == read.id => read = alone,
                    _ => break,
                }
            }
            all.push(Placed {
                pid: read.id,
                address: read.address,
                resumes: read.resumes,
                process: read.process,
            });
        }
        let there = still_there(vm, &these);
        all.retain(|placed| there.iter().any(|(_, address)| *address == placed.address));
        all
    }
}

/// How many are read at a time after so many took so long.
fn next_size(at_once: usize, took: Duration) -> usize {
    match took {
        _ if took > PIECE => (at_once / 2).max(1),
        _ if took < PIECE / 4 => (at_once * 2).min(AT_ONCE),
        _ => at_once,
    }
}

/// Those whose slot still names them.
fn still_there<M: Memory>(vm: &Vm<M>, these: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut copies = vec![[0u8; 8]; these.len()];
    let mut requests: Vec<(u64, &mut [u8])> = these
        .iter()
        .zip(&mut copies)
        .map(|((slot, _), copy)| (*slot, copy.as_mut_slice()))
        .collect();
    let read = vm.memory.read_many(&mut requests);
    let now = copies.into_iter().zip(read);
    these
        .iter()
        .zip(now)
        .filter(|((_, address), (copy, read))| *read && u64::from_le_bytes(*copy) == *address)
        .map(|(this, _)| *this)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_shrink_where_processes_take_long_and_grow_again() {
        let sizes = |mut size: usize, took: Duration| {
            let next = std::iter::repeat_with(move || {
                size = next_size(size, took);
                size
            });
            next.take(9).collect::<Vec<_>>()
        };
        let long = sizes(AT_FIRST, PIECE * 5);
        assert_eq!(long, [8, 4, 2, 1, 1, 1, 1, 1, 1]);
        let short = sizes(1, PIECE / 10);
        assert_eq!(short, [2, 4, 8, 16, 32, 64, AT_ONCE, AT_ONCE, AT_ONCE]);
        assert_eq!(next_size(64, PIECE / 2), 64);
    }
}
