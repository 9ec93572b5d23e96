//! Maps: up to 32 keys as a tuple and a row of values, more as a tree of hashes
//! (`erts/emulator/beam/erl_map.h`, the same in OTP 25 to 29).

use super::decode::{ARITY_MAX, Decoder, arity, subtag};
use super::{Map, Term, TermError, boxed, cons};
use crate::memory::Memory;

/// `MAP_HEADER_TAG_*`, bits 6 and 7 of the header.
pub(super) const FLAT: u64 = 0;
pub(super) const NODE: u64 = 1;
pub(super) const HEAD_ARRAY: u64 = 2;
/// Where the number of pairs lies, and the keys, and what comes after them.
pub(super) const SIZE: u64 = 8;
pub(super) const KEYS: u64 = 16;
pub(super) const VALUES: u64 = 24;
/// A hash of 64 bits, 4 at each level, and a node for those that agree in all.
pub(super) const LEVELS: usize = 17;
/// More pairs than a memory has room for.
const PAIRS_MAX: u64 = 1 << 40;

/// Which kind of node a header is of.
pub(super) fn kind(header: u64) -> u64 {
    header >> 6 & 3
}

impl<M: Memory> Decoder<'_, '_, M> {
    pub(super) fn map(
        &mut self,
        address: u64,
        header: u64,
        depth: usize,
    ) -> Result<Term, TermError> {
        let size = self.reader.word(address.wrapping_add(SIZE))?;
        if size > PAIRS_MAX || kind(header) == NODE {
            return Err(TermError::Changed { address });
        }
        if depth == 0 && size > 0 {
            return Ok(Term::Cut);
        }
        let mut map = Map::default();
        let whole = if kind(header) == FLAT {
            self.flat(address, size, &mut map, depth)?
        } else {
            self.tree(address, header, &mut map, depth)?
        };
        map.missing = (size as usize).saturating_sub(map.pairs.len());
        if !whole {
            // Whatever the size says.
            map.missing = map.missing.max(1);
        }
        Ok(Term::Map(map))
    }

    /// Reads a tuple's keys and their values; `false` when the limits ended it.
    fn flat(
        &mut self,
        address: u64,
        size: u64,
        map: &mut Map,
        depth: usize,
    ) -> Result<bool, TermError> {
        let changed = TermError::Changed { address };
        if size > ARITY_MAX {
            return Err(changed);
        }
        let keys = boxed(self.reader.word(address.wrapping_add(KEYS))?).ok_or(changed)?;
        let head = match self.reader.word(keys) {
            // An empty one shares its keys with all others.
            Err(error) if self.reader.is_elsewhere(error) => return Ok(size == 0),
            head => head?,
        };
        if subtag(head) != self.reader.vm.layout.term.tuple || arity(head) != size {
            return Err(changed);
        }
        let (keys, values) = (keys.wrapping_add(8), address.wrapping_add(VALUES));
        let wanted = self.allowed(size as usize) * 8;
        let there = self.reader.there(keys, wanted);
        let count = there.min(self.reader.there(values, wanted)) / 8;
        let keys = self.reader.words(keys, count)?;
        let values = self.reader.words(values, count)?;
        for (key, value) in keys.into_iter().zip(values) {
            if !self.pair(key, value, map, depth)? {
                return Ok(false);
            }
        }
        Ok(count as u64 == size)
    }

    /// Adds a pair; `false` when no more may be read.
    fn pair(
        &mut self,
        key: u64,
        value: u64,
        map: &mut Map,
        depth: usize,
    ) -> Result<bool, TermError> {
        let Some(depth) = depth.checked_sub(1).filter(|_| self.allowed(2) == 2) else {
            return Ok(false);
        };
        let pair = (self.term(key, depth)?, self.term(value, depth)?);
        map.pairs.push(pair);
        Ok(true)
    }

    /// Walks the nodes in the order in which the VM iterates; `false` when the limits ended it.
    /// Each node counts as a term: nodes that share a child are as many as the paths to it.
    fn tree(
        &mut self,
        address: u64,
        header: u64,
        map: &mut Map,
        depth: usize,
    ) -> Result<bool, TermError> {
        let changed = TermError::Changed { address };
        let (children, mut whole) = self.children(address, header)?;
        let mut levels = vec![children.into_iter()];
        while let Some(level) = levels.last_mut() {
            let Some(child) = level.next() else {
                levels.pop();
                continue;
            };
            if let Some(cell) = cons(child) {
                let (key, value) = match self.reader.cell(cell) {
                    Err(error) if self.reader.is_elsewhere(error) => {
                        whole = false;
                        continue;
                    }
                    pair => pair?,
                };
                if !self.pair(key, value, map, depth)? {
                    return Ok(false);
                }
                continue;
            }
            if !self.take() {
                return Ok(false);
            }
            let node = boxed(child).ok_or(changed)?;
            if levels.len() == LEVELS {
                return Err(TermError::Changed { address: node });
            }
            let header = match self.reader.word(node) {
                Err(error) if self.reader.is_elsewhere(error) => {
                    whole = false;
                    continue;
                }
                header => header?,
            };
            let (children, all) = self.children(node, header)?;
            whole &= all;
            levels.push(children.into_iter());
        }
        Ok(whole)
    }

    /// What is in a node, as much of it as may be read, and whether that is all.
    fn children(&self, address: u64, header: u64) -> Result<(Vec<u64>, bool), TermError> {
        let changed = TermError::Changed { address };
        if header & 3 != 0 {
            return Err(changed);
        }
        let layout = &self.reader.vm.layout.term;
        let bitmap = (header >> 16 & 0xffff).count_ones() as usize;
        let (first, count) = match kind(header) {
            // Keys whose hashes are the same.
            _ if subtag(header) == layout.tuple && arity(header) <= ARITY_MAX => {
                (8, arity(header) as usize)
            }
            _ if subtag(header) != layout.map => return Err(changed),
            NODE => (8, bitmap),
            HEAD_ARRAY => (KEYS, 16),
            FLAT => return Err(changed),
            _ => (KEYS, bitmap),
        };
        let first = address.wrapping_add(first);
        let read = self.reader.there(first, self.allowed(count) * 8) / 8;
        let children = self.reader.words(first, read)?;
        Ok((children, read == count))
    }
}
