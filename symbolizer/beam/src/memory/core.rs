//! The memory of a process that has died: a core, and what it leaves to the executable.
//!
//! A core lacks what can be had from files (`core(5)`, `coredump_filter`): the emulator's
//! constants and its code come from its executable.

use std::cell::Cell;

use super::Memory;
use super::source::Source;
use crate::BeamError;

/// Consecutive addresses, and where their bytes are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where in its file it begins.
    pub(crate) offset: u64,
    /// Whether that file is the executable instead of the core.
    pub(crate) of_exe: bool,
}

/// The memory of a process that has died.
#[derive(Debug, Clone)]
pub struct CoreMemory {
    core: Source,
    exe: Option<Source>,
    /// Ascending.
    pieces: Vec<Piece>,
    failed: Cell<u64>,
}

impl CoreMemory {
    pub(crate) fn new(core: Source, exe: Option<Source>, mut pieces: Vec<Piece>) -> CoreMemory {
        pieces.retain(|piece| piece.start < piece.end);
        pieces.sort_by_key(|piece| piece.start);
        CoreMemory {
            core,
            exe,
            pieces,
            failed: Cell::new(0),
        }
    }

    /// Fills a buffer as far as one piece goes; how far that is.
    fn read_piece(&self, address: u64, buffer: &mut [u8]) -> Option<usize> {
        let after = self.pieces.partition_point(|piece| piece.start <= address);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        let there = usize::try_from(piece.end.checked_sub(address)?).ok()?;
        let count = there.min(buffer.len());
        let source = match piece.of_exe {
            true => self.exe.as_ref()?,
            false => &self.core,
        };
        let offset = piece.offset.checked_add(address - piece.start)?;
        let found = count > 0 && source.read(offset, buffer.get_mut(..count)?);
        found.then_some(count)
    }
}

impl Memory for CoreMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), BeamError> {
        let bytes = buffer.len();
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = address.checked_add(done as u64);
            match at.and_then(|at| self.read_piece(at, rest)) {
                Some(count) => done += count,
                None => {
                    self.failed.set(self.failed.get().saturating_add(1));
                    return Err(BeamError::Unreadable { address, bytes });
                }
            }
        }
        Ok(())
    }

    fn failed_reads(&self) -> u64 {
        self.failed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::{CoreMemory, Piece, Source};
    use crate::memory::Memory;

    fn piece(start: u64, end: u64, offset: u64, of_exe: bool) -> Piece {
        Piece {
            start,
            end,
            offset,
            of_exe,
        }
    }

    #[test]
    fn a_read_goes_through_pieces_that_touch() {
        let core = Source::Bytes((0..64).collect());
        let exe = Source::Bytes((100..132).collect());
        let pieces = vec![
            piece(0x1010, 0x1018, 16, true),
            piece(0x1000, 0x1010, 8, false),
            piece(0x2000, 0x2100, 0, false),
        ];
        let memory = CoreMemory::new(core, Some(exe), pieces);
        let mut bytes = [0; 6];
        memory.read(0x100d, &mut bytes).expect("both pieces");
        assert_eq!(bytes, [21, 22, 23, 116, 117, 118]);
        assert!(memory.read(0x1014, &mut bytes).is_err());
        assert!(memory.read(0xfff, &mut bytes).is_err());
        // The core ends before the piece does.
        assert!(memory.read(0x203c, &mut bytes).is_err());
        assert!(memory.read(u64::MAX, &mut bytes).is_err());
        assert!(memory.read(u64::MAX, &mut []).is_ok());
    }
}
