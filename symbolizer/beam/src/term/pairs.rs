//! The pairs of a map as words: for one of whose values only a few are wanted.

use super::decode::{ARITY_MAX, arity, subtag};
use super::map::{FLAT, HEAD_ARRAY, KEYS, LEVELS, NODE, SIZE, VALUES, kind};
use super::reader::TermReader;
use super::{TermError, boxed, cons};
use crate::memory::Memory;

/// The pairs of a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs {
    /// Keys and values that were read, in the VM's own order.
    pub(crate) pairs: Vec<(u64, u64)>,
    /// How many were not.
    pub(crate) missing: usize,
}

impl<M: Memory> TermReader<'_, M> {
    /// So many pairs of a map at most; `None` where the term is no map.
    ///
    /// # Errors
    /// When it is no map any more, or cannot be read.
    pub(crate) fn pairs(&self, term: u64, most: usize) -> Result<Option<Pairs>, TermError> {
        let Some(address) = boxed(term) else {
            return Ok(None);
        };
        let header = self.word(address)?;
        if header & 3 != 0 {
            return Err(TermError::Changed { address });
        }
        if subtag(header) != self.vm.layout.term.map || kind(header) == NODE {
            return Ok(None);
        }
        let size = self.word(address.wrapping_add(SIZE))?;
        let pairs = match kind(header) {
            FLAT => self.flat_pairs(address, size, most)?,
            _ => self.tree_pairs(address, header, most)?,
        };
        let missing = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Some(Pairs {
            missing: missing.saturating_sub(pairs.len()),
            pairs,
        }))
    }

    fn flat_pairs(
        &self,
        address: u64,
        size: u64,
        most: usize,
    ) -> Result<Vec<(u64, u64)>, TermError> {
        let changed = TermError::Changed { address };
        let keys = boxed(self.word(address.wrapping_add(KEYS))?).ok_or(changed)?;
        let head = self.word(keys)?;
        if size > ARITY_MAX || subtag(head) != self.vm.layout.term.tuple || arity(head) != size {
            return Err(changed);
        }
        let count = (size as usize).min(most);
        let keys = self.words(keys.wrapping_add(8), count)?;
        let values = self.words(address.wrapping_add(VALUES), count)?;
        Ok(keys.into_iter().zip(values).collect())
    }

    /// Walks the nodes in the order in which the VM iterates. Nodes that share a child are as many
    /// as the paths to it, so they are counted as well.
    fn tree_pairs(
        &self,
        address: u64,
        header: u64,
        most: usize,
    ) -> Result<Vec<(u64, u64)>, TermError> {
        let mut pairs = Vec::new();
        let mut nodes_left = most.saturating_mul(2).saturating_add(16);
        let mut levels = vec![self.node_children(address, header)?.into_iter()];
        while let Some(level) = levels.last_mut() {
            let Some(child) = level.next() else {
                levels.pop();
                continue;
            };
            if let Some(cell) = cons(child) {
                if pairs.len() == most {
                    break;
                }
                pairs.push(self.cell(cell)?);
                continue;
            }
            let node = boxed(child).ok_or(TermError::Changed { address })?;
            let Some(left) = nodes_left.checked_sub(1) else {
                break;
            };
            nodes_left = left;
            if levels.len() == LEVELS {
                return Err(TermError::Changed { address: node });
            }
            let header = self.word(node)?;
            levels.push(self.node_children(node, header)?.into_iter());
        }
        Ok(pairs)
    }

    fn node_children(&self, address: u64, header: u64) -> Result<Vec<u64>, TermError> {
        let changed = TermError::Changed { address };
        let layout = &self.vm.layout.term;
        let bitmap = (header >> 16 & 0xffff).count_ones() as usize;
        let (first, count) = match kind(header) {
            _ if header & 3 != 0 => return Err(changed),
            // Keys whose hashes are the same.
            _ if subtag(header) == layout.tuple && arity(header) <= COLLIDING_MAX => {
                (8, arity(header) as usize)
            }
            _ if subtag(header) != layout.map => return Err(changed),
            NODE => (8, bitmap),
            HEAD_ARRAY => (KEYS, 16),
            FLAT => return Err(changed),
            _ => (KEYS, bitmap),
        };
        self.words(address.wrapping_add(first), count)
    }
}

/// More keys than collide in all bits of their hashes.
const COLLIDING_MAX: u64 = 4096;
