//! `/tmp/jit-PID.dump`, which a VM with `+JPperf dump` or `true` writes: records with times.
//!
//! Format: `tools/perf/Documentation/jitdump-specification.txt` of the kernel. What the VM writes
//! of it is in `JitPerfDump` of `beam_jit_metadata.cpp`, the same in OTP 25 to 29, in the byte
//! order of its machine:
//!
//! ```text
//! u32 magic, version, header size, machine, 0, pid | u64 time, flags
//!   u32 id, record size | u64 time, then
//!   0 load:  u32 pid, tid | u64 address, address, size, index | name NUL | code
//!   2 lines: u64 address, count | count times: u64 address | u32 line, column | file NUL
//! ```
//!
//! Lines come before the code that they describe, and end with a line 0. Times are
//! `erts_os_monotonic_time`: `CLOCK_MONOTONIC` in ns, as everything else here, unless a flag
//! says that it is the processor's counter.

mod follow;

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use rustc_hash::FxHashSet;

pub use follow::DumpFollower;

use super::pieces::{Grouper, Pieces, Range};

/// "JiTD" as a number.
const MAGIC: u32 = 0x4a69_5444;
/// Magic to flags.
const HEADER_BYTES: u32 = 40;
/// `JITDUMP_FLAGS_ARCH_TIMESTAMP`.
const PROCESSOR_TIME: u64 = 1;
/// Id, size, time.
const RECORD_BYTES: u64 = 16;
/// The numbers of a load record, behind its head.
const LOAD_BYTES: u64 = 40;
/// The longest name: see the map's lines.
const NAME_MAX: u64 = 8 << 10;
/// More than the lines of one function take.
const LINES_MAX: u64 = 64 << 20;
/// More than is read of one file: it has the code itself, some 100 MB in a large node.
const BYTES_MAX: u64 = 1 << 30;

/// Why a file is no dump that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DumpError {
    /// It does not begin as one.
    #[error("it does not begin as a jitdump of version 1")]
    Header,
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a dump. `is_jit` as for a map.
///
/// A record whose size makes no sense ends the reading: where the next one begins is not known.
///
/// # Errors
/// When it is no dump, or cannot be read.
pub(crate) fn read_jitdump(
    source: impl BufRead,
    is_jit: impl Fn(u64, u64) -> bool,
) -> Result<Pieces, DumpError> {
    let mut reader = Reader {
        source: source.take(BYTES_MAX),
        state: State::default(),
        whole_only: false,
    };
    reader.header()?;
    while reader.state.pieces.has_room() && reader.record(&is_jit)?.is_some() {}
    let mut pieces = reader.state.pieces;
    reader.state.grouper.finish(&mut pieces.pieces);
    pieces.cut = reader.source.limit() == 0 || !pieces.has_room();
    Ok(pieces)
}

/// Lines that were read and wait for their code.
#[derive(Default)]
struct Lines {
    /// The code's address.
    start: u64,
    lines: Vec<(u64, u32, Arc<str>)>,
    files: FxHashSet<Arc<str>>,
}

/// What is known between two records.
#[derive(Default)]
struct State {
    /// Whether times are the processor's instead of `CLOCK_MONOTONIC`.
    untimed: bool,
    pieces: Pieces,
    grouper: Grouper,
    lines: Lines,
}

struct Reader<R> {
    source: io::Take<R>,
    state: State,
    /// Leave a record alone that is not all there yet.
    whole_only: bool,
}

impl<R: BufRead> Reader<R> {
    fn header(&mut self) -> Result<(), DumpError> {
        let mut header = Vec::new();
        self.source
            .by_ref()
            .take(u64::from(HEADER_BYTES))
            .read_to_end(&mut header)?;
        let magic = number(&header, 0, 4).ok_or(DumpError::Header)?;
        let version = number(&header, 4, 4).ok_or(DumpError::Header)?;
        let size = number(&header, 8, 4).ok_or(DumpError::Header)?;
        let flags = number(&header, 32, 8).ok_or(DumpError::Header)?;
        let more = size.checked_sub(u64::from(HEADER_BYTES));
        let (true, true, Some(more @ 0..4096)) = (magic == u64::from(MAGIC), version == 1, more)
        else {
            return Err(DumpError::Header);
        };
        self.skip(more)?;
        self.state.untimed = flags & PROCESSOR_TIME != 0;
        Ok(())
    }

    /// Takes one record and tells its size; `None` at the end.
    fn record(&mut self, is_jit: &impl Fn(u64, u64) -> bool) -> io::Result<Option<u64>> {
        let mut head = Vec::new();
        self.source
            .by_ref()
            .take(RECORD_BYTES)
            .read_to_end(&mut head)?;
        let numbers = (number(&head, 0, 4), number(&head, 4, 4));
        let ((Some(id), Some(size)), Some(time)) = (numbers, number(&head, 8, 8)) else {
            self.state.pieces.nonsense += u64::from(!head.is_empty() && !self.whole_only);
            return Ok(None);
        };
        let Some(bytes) = size.checked_sub(RECORD_BYTES) else {
            self.state.pieces.nonsense += 1;
            return Ok(None);
        };
        if self.whole_only && bytes > self.source.limit() {
            return Ok(None);
        }
        let read = match id {
            0 => self.load(bytes, if self.state.untimed { 0 } else { time }, is_jit)?,
            2 => self.debug_info(bytes)?,
            // Moved code, the end, tables for unwinding: the VM writes none of them.
            1 | 3 | 4 => self.skip(bytes)?.then_some(()),
            _ => {
                self.skip(bytes)?;
                None
            }
        };
        self.state.pieces.nonsense += u64::from(read.is_none());
        Ok(Some(size))
    }

    /// A range of code. `None` if it makes no sense; it is read over in any case.
    fn load(
        &mut self,
        bytes: u64,
        at_ns: u64,
        is_jit: &impl Fn(u64, u64) -> bool,
    ) -> io::Result<Option<()>> {
        let front = self.take(bytes.min(LOAD_BYTES + NAME_MAX))?;
        let whole = self.skip(bytes.saturating_sub(front.len() as u64))?;
        let field = |at| number(&front, at, 8);
        let (Some(start), Some(size)) = (field(16), field(24)) else {
            return Ok(None);
        };
        let text = front.get(LOAD_BYTES as usize..).unwrap_or_default();
        let Some(end) = text.iter().position(|&byte| byte == 0) else {
            return Ok(None);
        };
        let (Some(last), Ok(text)) = (
            size.checked_sub(1).and_then(|size| start.checked_add(size)),
            str::from_utf8(text.get(..end).unwrap_or_default()),
        ) else {
            return Ok(None);
        };
        let front = LOAD_BYTES + end as u64 + 1;
        // The code of a record that is being written is not there yet.
        if !whole || bytes.checked_sub(front) != Some(size) {
            return Ok(None);
        }
        let lines = std::mem::take(&mut self.state.lines.lines);
        if !is_jit(start, last) {
            self.state.pieces.outside += 1;
            return Ok(Some(()));
        }
        let range = Range {
            start,
            bytes: size,
            text,
            at_ns,
        };
        let lines = if self.state.lines.start == start {
            lines
        } else {
            Vec::new()
        };
        let taken = self
            .state
            .grouper
            .take(range, &lines, &mut self.state.pieces.pieces);
        self.state.pieces.ranges += u64::from(taken);
        Ok(taken.then_some(()))
    }

    /// Lines of the code that comes next.
    fn debug_info(&mut self, bytes: u64) -> io::Result<Option<()>> {
        if bytes > LINES_MAX {
            self.skip(bytes)?;
            return Ok(None);
        }
        let record = self.take(bytes)?;
        self.state.lines.lines.clear();
        self.state.lines.files.clear();
        let (Some(start), Some(count)) = (number(&record, 0, 8), number(&record, 8, 8)) else {
            return Ok(None);
        };
        self.state.lines.start = start;
        let mut rest = record.get(16..).unwrap_or_default();
        for _ in 0..count {
            let (Some(address), Some(line)) = (number(rest, 0, 8), number(rest, 8, 4)) else {
                return Ok(None);
            };
            let file = rest.get(16..).unwrap_or_default();
            let Some(end) = file.iter().position(|&byte| byte == 0) else {
                return Ok(None);
            };
            let (file, behind) = file.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            if line == 0 && file.is_empty() {
                continue;
            }
            let file = self.state.lines.intern(&String::from_utf8_lossy(file));
            self.state.lines.lines.push((address, line as u32, file));
        }
        Ok(Some(()))
    }

    /// As many bytes as are there, up to `bytes`, which the caller has bounded.
    fn take(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        let mut taken = Vec::new();
        self.source.by_ref().take(bytes).read_to_end(&mut taken)?;
        Ok(taken)
    }

    /// Reads over bytes; `false` if so many are not there.
    fn skip(&mut self, bytes: u64) -> io::Result<bool> {
        let skipped = io::copy(&mut self.source.by_ref().take(bytes), &mut io::sink())?;
        Ok(skipped == bytes)
    }
}

impl Lines {
    fn intern(&mut self, file: &str) -> Arc<str> {
        if let Some(known) = self.files.get(file) {
            return known.clone();
        }
        let file: Arc<str> = file.into();
        self.files.insert(file.clone());
        file
    }
}

/// A little-endian number of 4 or 8 bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let mut number = [0; 8];
    number
        .get_mut(..size)?
        .copy_from_slice(bytes.get(at..at.checked_add(size)?)?);
    Some(u64::from_le_bytes(number))
}

#[cfg(test)]
mod tests;
