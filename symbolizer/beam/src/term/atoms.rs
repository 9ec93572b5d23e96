//! Atoms: an index into a table that only grows.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::is_atom;
use crate::BeamError;
use crate::layout::AtomLayout;
use crate::memory::Memory;

/// Atoms in one segment of the table (`INDEX_PAGE_SIZE`).
const SEGMENT: u64 = 1024;
/// The VM's own limit is 1,048,576 by default and can be raised; beyond this it is garbage.
const ATOMS_MAX: u64 = 64 << 20;
/// `MAX_ATOM_SZ_LIMIT`: 255 characters of up to 4 bytes.
const NAME_MAX: usize = 4 * 255;

/// `ERL_ONHEAP_BINARY_LIMIT` in `erl_bits.h`, OTP 28 and 29: a longer binary lies elsewhere.
const ONHEAP_MAX: usize = 64;
/// Before the data of one that does not: header, size in bits (`ErlHeapBits`).
const HEAP_BITS_HEAD: u64 = 16;
/// `SUB_BITS_SUBTAG` in `erl_term.h`, and the low bits of its pointer that are flags.
const SUB_BITS: u64 = 9;
const FLAGS: u64 = 3;

/// The target's atoms. An atom is never renamed or freed, so each is read once.
pub struct AtomTable {
    table: u64,
    layout: AtomLayout,
    names: RefCell<FxHashMap<u64, Arc<str>>>,
}

impl AtomTable {
    /// `table` is the address of `erts_atom_table`.
    #[must_use]
    pub fn new(table: u64, layout: AtomLayout) -> AtomTable {
        AtomTable {
            table,
            layout,
            names: RefCell::default(),
        }
    }

    /// The text of an atom term; `None` when it is no atom or cannot be read.
    pub fn name(&self, memory: &impl Memory, term: u64) -> Option<Arc<str>> {
        if !is_atom(term) {
            return None;
        }
        if let Some(name) = self.names.borrow().get(&term) {
            return Some(name.clone());
        }
        // A failure is not remembered: the table may have been growing.
        let name = self.read_name(memory, term).ok()?;
        self.names.borrow_mut().insert(term, name.clone());
        Some(name)
    }

    fn read_name(&self, memory: &impl Memory, term: u64) -> Result<Arc<str>, BeamError> {
        let index = term >> 6;
        let segments = memory.u64(self.table.wrapping_add(u64::from(self.layout.segments)))?;
        let segment = memory.u64(segments.wrapping_add(8 * (index / SEGMENT)))?;
        let atom = memory.u64(segment.wrapping_add(8 * (index % SEGMENT)))?;
        let (address, length) = self.name_at(memory, atom)?;
        let mut bytes = vec![0; length];
        memory.read(address, &mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into())
    }

    fn name_at(&self, memory: &impl Memory, atom: u64) -> Result<(u64, usize), BeamError> {
        let mut length = [0; 2];
        memory.read(
            atom.wrapping_add(u64::from(self.layout.length)),
            &mut length,
        )?;
        let length = usize::from(u16::from_le_bytes(length)).min(NAME_MAX);
        let mut address = memory.u64(atom.wrapping_add(u64::from(self.layout.name)))?;
        if self.layout.name_is_term {
            address &= !3;
            address = match length {
                0..=ONHEAP_MAX => address.wrapping_add(HEAP_BITS_HEAD),
                _ => bytes_of(memory, address)?,
            };
        }
        Ok((address, length))
    }

    /// The terms of atoms by their text, in the order asked for. Reads the whole table.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn find(
        &self,
        memory: &impl Memory,
        wanted: &[&str],
    ) -> Result<Vec<Option<u64>>, BeamError> {
        let mut found = vec![None; wanted.len()];
        let entries = memory.u32(self.table.wrapping_add(u64::from(self.layout.entries)))?;
        let entries = u64::from(entries).min(ATOMS_MAX);
        let segments = memory.u64(self.table.wrapping_add(u64::from(self.layout.segments)))?;
        for first in (0..entries).step_by(SEGMENT as usize) {
            let segment = memory.u64(segments.wrapping_add(8 * (first / SEGMENT)))?;
            let count = SEGMENT.min(entries - first) as usize;
            let atoms = memory.words(segment, count)?;
            self.find_in_segment(memory, first, &atoms, wanted, &mut found);
            if found.iter().all(Option::is_some) {
                break;
            }
        }
        Ok(found)
    }

    fn find_in_segment(
        &self,
        memory: &impl Memory,
        first: u64,
        atoms: &[u64],
        wanted: &[&str],
        found: &mut [Option<u64>],
    ) {
        let mut heads = vec![[0u8; 64]; atoms.len()];
        let mut requests: Vec<(u64, &mut [u8])> = atoms
            .iter()
            .zip(&mut heads)
            .map(|(&atom, head)| (atom, &mut head[..self.layout.name as usize + 8]))
            .collect();
        let read = memory.read_many(&mut requests);
        for (index, head) in heads.iter().enumerate().filter(|(index, _)| read[*index]) {
            let at = self.layout.length as usize;
            let length = usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
            for (slot, name) in wanted.iter().enumerate() {
                if name.len() != length || found[slot].is_some() {
                    continue;
                }
                let Ok((address, _)) = self.name_at(memory, atoms[index]) else {
                    continue;
                };
                let mut bytes = vec![0; length];
                if memory.read(address, &mut bytes).is_ok() && bytes == name.as_bytes() {
                    found[slot] = Some((first + index as u64) << 6 | 0x0b);
                }
            }
        }
    }
}

/// Where the bytes of a long boxed binary lie: from a bit on where it says (`ErlSubBits` in
/// `erl_bits.h`, OTP 28 and 29), or still behind its header and size.
fn bytes_of(memory: &impl Memory, address: u64) -> Result<u64, BeamError> {
    let header = memory.u64(address)?;
    if header >> 2 & 0xf != SUB_BITS {
        return Ok(address.wrapping_add(HEAP_BITS_HEAD));
    }
    let base = memory.u64(address.wrapping_add(8))? & !FLAGS;
    let first_bit = memory.u64(address.wrapping_add(16))?;
    Ok(base.wrapping_add(first_bit / 8))
}

#[cfg(test)]
mod tests {
    use super::AtomTable;
    use crate::layout::table_for;
    use crate::memory::Image;

    #[test]
    fn atoms_are_read_and_found() {
        let layout = table_for("25").expect("a table").atom;
        let mut image = Image::new();
        let mut table = vec![0u8; 128];
        table[116..120].copy_from_slice(&2u32.to_le_bytes());
        table[120..128].copy_from_slice(&0x2000u64.to_le_bytes());
        image
            .map(0x1000, table)
            .map_words(0x2000, &[0x3000])
            .map_words(0x3000, &[0x4000, 0x5000])
            .map_words(0x4000, &[0, 0, 0, 4, 0x6000])
            .map_words(0x5000, &[0, 0, 0, 13, 0x7000])
            .map(0x6000, *b"true")
            .map(0x7000, *b"$initial_call");
        let atoms = AtomTable::new(0x1000, layout);
        assert_eq!(atoms.name(&image, 0x4b).as_deref(), Some("$initial_call"));
        assert_eq!(atoms.name(&image, 0x0b).as_deref(), Some("true"));
        assert_eq!(atoms.name(&image, 0x8b), None);
        assert_eq!(atoms.name(&image, 0x0f), None);
        let found = atoms
            .find(&image, &["$initial_call", "false"])
            .expect("read");
        assert_eq!(found, [Some(0x4b), None]);
    }
    #[test]
    fn long_names_lie_elsewhere() {
        let layout = table_for("29").expect("a table").atom;
        let mut image = Image::new();
        let mut table = vec![0u8; 128];
        table[116..120].copy_from_slice(&2u32.to_le_bytes());
        table[120..128].copy_from_slice(&0x2000u64.to_le_bytes());
        image
            .map(0x1000, table)
            .map_words(0x2000, &[0x3000])
            .map_words(0x3000, &[0x4000, 0x5000])
            .map_words(0x4000, &[0, 0, 0, 5, 0x6002])
            .map_words(0x5000, &[0, 0, 0, 70, 0x7002])
            .map_words(
                0x6000,
                &[8 << 2 | 2 << 6, 40, u64::from_le_bytes(*b"false   ")],
            )
            .map_words(0x7000, &[9 << 2 | 4 << 6, 0x8001, 16, 16 + 70 * 8, 0x9002])
            .map(0x8000, [b"??", &[b'x'; 70][..]].concat());
        let atoms = AtomTable::new(0x1000, layout);
        let long = "x".repeat(70);
        assert_eq!(atoms.name(&image, 0x0b).as_deref(), Some("false"));
        assert_eq!(atoms.name(&image, 0x4b).as_deref(), Some(&*long));
        let found = atoms.find(&image, &[&long]).expect("read");
        assert_eq!(found, [Some(0x4b)]);
    }
}
