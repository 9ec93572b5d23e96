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

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::pieces::{Grouper, MODULES_MAX, Piece, Pieces, Range};

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

/// A dump that grows while it is read.
///
/// The VM writes and flushes the records of a module before its code can run, so that what ran
/// at a time is in the file by then.
pub struct DumpFollower {
    file: File,
    /// How much of it has been taken.
    offset: u64,
    state: State,
}

impl DumpFollower {
    /// From the beginning of an open dump.
    ///
    /// # Errors
    /// Why it is none that can be followed: its times must be those of `CLOCK_MONOTONIC`.
    pub(crate) fn new(file: File) -> Result<DumpFollower, String> {
        let mut follower = DumpFollower {
            file,
            offset: 0,
            state: State::default(),
        };
        let mut reader = follower.reader().map_err(|error| error.to_string())?;
        let header = reader.header();
        let (state, left) = (reader.state, reader.source.limit());
        let end = follower.file.metadata().map_or(0, |it| it.len());
        header.map_err(|error| error.to_string())?;
        if state.untimed {
            return Err("its times are the processor's".to_owned());
        }
        follower.state = state;
        follower.offset = end.saturating_sub(left).min(u64::from(HEADER_BYTES));
        Ok(follower)
    }

    /// Takes what has been written since the last call.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn poll(&mut self) -> io::Result<Vec<Piece>> {
        let mut reader = self.reader()?;
        let mut taken = 0;
        let mut read = Ok(());
        // What is left is for the next call.
        while reader.state.pieces.pieces.len() < MODULES_MAX {
            match reader.record(&|_, _| true) {
                Ok(Some(bytes)) => taken += bytes,
                Ok(None) => break,
                Err(error) => {
                    read = Err(error);
                    break;
                }
            }
        }
        self.state = reader.state;
        self.offset += taken;
        read?;
        Ok(std::mem::take(&mut self.state.pieces.pieces))
    }

    /// Reads on where the last one ended, to what is the end now.
    fn reader(&mut self) -> io::Result<Reader<BufReader<&File>>> {
        let end = self.file.metadata()?.len();
        self.file.seek(SeekFrom::Start(self.offset))?;
        let left = end.saturating_sub(self.offset).min(BYTES_MAX);
        Ok(Reader {
            source: BufReader::with_capacity(64 << 10, &self.file).take(left),
            state: std::mem::take(&mut self.state),
            whole_only: true,
        })
    }
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
mod tests {
    use std::io::Write;

    use super::{DumpError, DumpFollower, read_jitdump};

    fn header(flags: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [0x4a69_5444u32, 1, 40, 62, 0, 99] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(5u64.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes
    }

    fn record(id: u32, time: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.extend((16 + body.len() as u32).to_le_bytes());
        bytes.extend(time.to_le_bytes());
        bytes.extend(body);
        bytes
    }

    fn load(time: u64, start: u64, size: u64, name: &str) -> Vec<u8> {
        let mut body = Vec::new();
        for number in [99 << 32 | 99, start, start, size, 1] {
            body.extend(u64::to_le_bytes(number));
        }
        body.extend(name.as_bytes());
        body.push(0);
        body.extend(vec![0xcc; size as usize]);
        record(0, time, &body)
    }

    fn lines(start: u64, lines: &[(u64, u32, &str)]) -> Vec<u8> {
        let mut body = start.to_le_bytes().to_vec();
        body.extend((lines.len() as u64).to_le_bytes());
        for (address, line, file) in lines {
            body.extend(address.to_le_bytes());
            body.extend(line.to_le_bytes());
            body.extend(0u32.to_le_bytes());
            body.extend(file.as_bytes());
            body.push(0);
        }
        record(2, 0, &body)
    }

    fn dump() -> Vec<u8> {
        [
            header(0),
            load(7, 0x1000, 0x10, "m::codeHeader"),
            load(8, 0x1010, 0x20, "m:f/1-CodeInfoPrologue"),
            lines(
                0x1030,
                &[
                    (0x1034, 12, "m.erl"),
                    (0x1040, 13, "m.hrl"),
                    (0x1060, 0, ""),
                ],
            ),
            load(9, 0x1030, 0x30, "m:f/1"),
            load(10, 0x1060, 0x8, "m::codeFooter"),
        ]
        .concat()
    }

    #[test]
    fn records_become_modules_with_times_and_lines() {
        let read = read_jitdump(dump().as_slice(), |_, _| true).expect("a dump");
        assert_eq!((read.ranges, read.nonsense, read.outside), (4, 0, 0));
        let [piece] = read.pieces.as_slice() else {
            panic!("{read:?}");
        };
        let module = &piece.module;
        assert_eq!(piece.at_ns, 7);
        assert_eq!(
            (&*module.name, module.base, module.size),
            ("m", 0x1000, 0x68)
        );
        let function = module.function_at(0x41).expect("a function");
        assert_eq!((&*function.name, function.arity), ("f", Some(1)));
        assert_eq!(module.line_at(function, 0x41), Some(("m.hrl".into(), 13)));
        assert_eq!(module.line_at(function, 0x35), Some(("m.erl".into(), 12)));
        assert_eq!(module.line_at(function, 0x30), None);
    }

    #[test]
    fn what_makes_no_sense_is_counted_and_read_over() {
        let mut bytes = dump();
        bytes.extend(record(9, 1, b"what is this"));
        bytes.extend(record(0, 1, b"too short"));
        bytes.extend(record(2, 1, b"too short as well"));
        bytes.extend(load(11, u64::MAX, 2, "n::codeHeader"));
        bytes.extend(load(11, 0x9000, 2, "n::codeHeader"));
        bytes.extend(load(12, 0x2000, 8, "n::codeHeader"));
        let whole = bytes.len();
        bytes.extend(load(13, 0x2008, 8, "n:f/0"));
        for cut in whole + 1..bytes.len() {
            let read = read_jitdump(&bytes[..cut], |_, last| last < 0x8000).expect("a dump");
            assert_eq!((read.ranges, read.nonsense, read.outside), (5, 5, 1));
        }
        // A size that cannot be: nothing behind it is found.
        bytes.extend([0; 16]);
        bytes.extend(load(14, 0x2010, 8, "n:g/0"));
        let read = read_jitdump(bytes.as_slice(), |_, last| last < 0x8000).expect("a dump");
        assert_eq!((read.ranges, read.nonsense, read.pieces.len()), (6, 5, 2));
    }

    #[test]
    fn a_dump_is_followed_as_it_grows() {
        let path = std::env::temp_dir().join(format!("escope-dump-{}", std::process::id()));
        let whole = [dump(), dump()[40..].to_vec()].concat();
        let mut found = Vec::new();
        let mut written = std::fs::File::create(&path).expect("a file");
        written.write_all(&whole[..40]).expect("room");
        let file = std::fs::File::open(&path).expect("a file");
        let mut follower = DumpFollower::new(file).expect("a dump");
        for part in whole[40..].chunks(7) {
            written.write_all(part).expect("room");
            found.extend(follower.poll().expect("readable"));
        }
        std::fs::remove_file(&path).expect("ours");
        let read = read_jitdump(whole.as_slice(), |_, _| true).expect("a dump");
        assert_eq!(found, read.pieces);
        assert_eq!(found.len(), 2);
        assert_eq!(follower.state.pieces.nonsense, 0);
    }

    #[test]
    fn times_of_the_processor_are_none_of_ours() {
        let mut bytes = header(1);
        bytes.extend(&dump()[40..]);
        let read = read_jitdump(bytes.as_slice(), |_, _| true).expect("a dump");
        assert_eq!(read.pieces[0].at_ns, 0);
    }

    #[test]
    fn other_files_are_refused() {
        let mut swapped = header(0);
        swapped[..4].reverse();
        for bytes in [&swapped[..], &header(0)[..39], b""] {
            let read = read_jitdump(bytes, |_, _| true);
            assert!(matches!(read, Err(DumpError::Header)), "{read:?}");
        }
    }

    proptest::proptest! {
        /// Any change of any byte gives entries and a count, or a refusal.
        #[test]
        fn any_bytes_are_read(changes in proptest::collection::vec((0usize..600, proptest::num::u8::ANY), 0..20), cut in 0usize..700) {
            let mut bytes = dump();
            for (at, value) in changes {
                let length = bytes.len();
                bytes[at % length] = value;
            }
            bytes.truncate(cut);
            if let Ok(read) = read_jitdump(bytes.as_slice(), |_, _| true) {
                proptest::prop_assert!(read.ranges <= 4 && read.nonsense <= 30);
            }
        }
    }
}
