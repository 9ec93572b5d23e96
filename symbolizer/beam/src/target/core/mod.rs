//! A core file: what an operating system, or a debugger, has kept of a process (`core(5)`).

mod notes;

use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::elf::{ET_CORE, FileHeader64, PF_X, PN_XNUM, PT_LOAD, PT_NOTE, ProgramHeader64};

use super::ExecutableMapping;
use super::elf::build_id_of_notes;
use crate::BeamError;
use crate::memory::source::Source;
use crate::memory::{CoreMemory, Memory, Piece};

pub use notes::{CoreThread, MappedFile};
use notes::{NOTES_MAX, Notes};

/// More segments than a process can have mappings (`vm.max_map_count` is 65,530 by default).
const SEGMENTS_MAX: u64 = 1 << 18;
/// More mappings than a VM has that can be executed, or of its executable.
const MAPPINGS_MAX: usize = 4096;
const HEADER: u64 = size_of::<ProgramHeader64<LittleEndian>>() as u64;

/// A core file, as far as its headers tell.
#[derive(Debug, Clone)]
pub struct CoreFile {
    /// The process.
    pub pid: u32,
    /// What killed it; 0 where a debugger took the core of a process that ran on.
    pub signal: i32,
    /// Its threads, the one that died first.
    pub threads: Vec<CoreThread>,
    /// The files it had mapped, ascending.
    pub files: Vec<MappedFile>,
    /// Its executable, as it saw it; empty if the core does not say.
    pub exe: PathBuf,
    /// Bytes that its headers tell of and that are not there: the core is cut.
    pub missing_bytes: u64,
    path: PathBuf,
    source: Source,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    start: u64,
    end: u64,
    offset: u64,
    /// How much of it is in the core.
    bytes: u64,
    executable: bool,
}

impl Segment {
    /// What the core has of it.
    fn dumped(&self) -> Piece {
        Piece {
            start: self.start,
            end: self.start.saturating_add(self.bytes),
            offset: self.offset,
            of_exe: false,
        }
    }
}

impl CoreFile {
    /// Reads the headers and notes of a core file.
    ///
    /// # Errors
    /// When it cannot be opened, or is no core of an x86-64 process.
    pub fn open(path: &Path) -> Result<CoreFile, BeamError> {
        let source = Source::open(path).map_err(|error| BeamError::NoFile {
            path: path.to_owned(),
            what: error.to_string(),
        })?;
        CoreFile::read(source, path).map_err(|what| BeamError::BadFile {
            path: path.to_owned(),
            what: what.to_owned(),
        })
    }

    /// The same from bytes in memory.
    ///
    /// # Errors
    /// When they are no core of an x86-64 process.
    pub fn parse(bytes: &[u8]) -> Result<CoreFile, BeamError> {
        let path = PathBuf::from("core");
        CoreFile::read(Source::Bytes(bytes.into()), &path).map_err(|what| BeamError::BadFile {
            path,
            what: what.to_owned(),
        })
    }

    fn read(source: Source, path: &Path) -> Result<CoreFile, &'static str> {
        let headers = program_headers(&source)?;
        let mut notes = Notes::default();
        let mut segments = Vec::new();
        let (mut missing_bytes, mut notes_left) = (0u64, NOTES_MAX);
        let little = LittleEndian;
        for header in headers {
            let offset = header.p_offset.get(little);
            let stated = header.p_filesz.get(little);
            let there = stated.min(source.len().saturating_sub(offset));
            missing_bytes = missing_bytes.saturating_add(stated - there);
            match header.p_type.get(little) {
                PT_NOTE => {
                    let bytes = source.take(offset, there, notes_left).unwrap_or_default();
                    notes_left -= bytes.len() as u64;
                    notes.read(&bytes, header.p_align.get(little));
                }
                PT_LOAD => {
                    let start = header.p_vaddr.get(little);
                    let size = header.p_memsz.get(little);
                    segments.push(Segment {
                        start,
                        end: start.saturating_add(size),
                        offset,
                        bytes: there.min(size),
                        executable: header.p_flags.get(little).contains(PF_X),
                    });
                }
                _ => {}
            }
        }
        if notes.threads.is_empty() && notes.pid.is_none() {
            return Err("it has no note of a process of x86-64: it is cut before them, or no core");
        }
        segments.sort_by_key(|segment| segment.start);
        Ok(CoreFile {
            pid: notes
                .pid
                .or(notes.threads.first().map(|t| t.tid))
                .unwrap_or(0),
            signal: notes.threads.first().map_or(0, |thread| thread.signal),
            exe: notes.exe().map(PathBuf::from).unwrap_or_default(),
            threads: notes.threads,
            files: notes.files,
            missing_bytes,
            path: path.to_owned(),
            source,
            segments,
        })
    }

    /// The core's own path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was mapped executable, ascending, then the executable's other mappings: a debugger
    /// leaves out what it can have from the file, and does not say what it was for.
    #[must_use]
    pub fn mappings(&self) -> Vec<ExecutableMapping> {
        let executable = self.segments.iter().filter(|segment| segment.executable);
        let executable = executable.map(|segment| {
            let file = self.file_at(segment.start);
            mapping(segment.start, segment.end, file)
        });
        let others = self.exe_files();
        let others = others.map(|file| mapping(file.start, file.end, Some(file)));
        executable.take(MAPPINGS_MAX).chain(others).collect()
    }

    /// The executable's mappings.
    fn exe_files(&self) -> impl Iterator<Item = &MappedFile> {
        let exe = self.exe.as_os_str();
        self.files
            .iter()
            .filter(move |file| exe == file.path.as_str())
            .take(MAPPINGS_MAX)
    }

    fn file_at(&self, address: u64) -> Option<&MappedFile> {
        let after = self.files.partition_point(|file| file.start <= address);
        let file = self.files.get(after.checked_sub(1)?)?;
        (address < file.end).then_some(file)
    }

    /// The process's memory. What the core leaves to the executable is read from `exe`.
    ///
    /// # Errors
    /// When `exe` cannot be opened or is another build than the one that ran.
    pub fn memory(&self, exe: Option<&Path>) -> Result<CoreMemory, BeamError> {
        let exe = exe
            .map(|path| Source::open(path).map_err(|error| self.other_exe(path, error.to_string())))
            .transpose()?;
        let mut pieces: Vec<Piece> = self.segments.iter().map(Segment::dumped).collect();
        pieces.retain(|piece| piece.start < piece.end);
        let mut left = Vec::new();
        // Both ascend: what lies between pieces that were dumped is the file's.
        let mut from = 0;
        for file in self.exe_files() {
            from = file.start.max(from);
            let first = pieces.partition_point(|piece| piece.start <= from);
            let after = Piece {
                start: file.end,
                ..Piece::default()
            };
            let dumped = pieces.get(first.saturating_sub(1)..).unwrap_or_default();
            let dumped = dumped.iter().take_while(|piece| piece.start < file.end);
            for piece in dumped.chain([&after]) {
                let end = piece.start.min(file.end);
                if from < end {
                    left.push(Piece {
                        start: from,
                        end,
                        offset: file.offset_of(from),
                        of_exe: true,
                    });
                }
                from = from.max(piece.end);
            }
        }
        pieces.extend(left);
        Ok(CoreMemory::new(self.source.clone(), exe, pieces))
    }

    /// The build id of the executable that ran, from the copy of its first page.
    #[must_use]
    pub fn build_id(&self) -> Option<String> {
        let base = self.exe_files().find(|file| file.offset == 0)?.start;
        build_id_in(&self.memory(None).ok()?, base)
    }

    /// The executable does not fit, with the reason.
    pub(crate) fn other_exe(&self, exe: &Path, what: String) -> BeamError {
        BeamError::CoreExe {
            core: self.path.clone(),
            exe: exe.to_owned(),
            what,
        }
    }
}

fn mapping(start: u64, end: u64, file: Option<&MappedFile>) -> ExecutableMapping {
    ExecutableMapping {
        start,
        end,
        file_offset: file.map_or(0, |file| file.offset_of(start)),
        device: (0, 0),
        inode: u64::from(file.is_some()),
        path: file.map_or_else(String::new, |file| file.path.clone()),
    }
}

/// The program headers of a core.
fn program_headers(source: &Source) -> Result<Vec<ProgramHeader64<LittleEndian>>, &'static str> {
    let little = LittleEndian;
    let head = source
        .take(0, size_of::<FileHeader64<LittleEndian>>() as u64, 64)
        .ok_or("it is too short for a core")?;
    let header = object::pod::from_bytes::<FileHeader64<LittleEndian>>(&head);
    let (header, _) = header.map_err(|()| "it is too short for a core")?;
    let ident = [0x7f, b'E', b'L', b'F', 2, 1];
    if !head.starts_with(&ident) || header.e_type.get(little) != ET_CORE {
        return Err("it is no core file of a 64-bit little-endian process");
    }
    if header.e_machine.get(little) != object::elf::EM_X86_64 {
        return Err("it is a core of another architecture than x86-64");
    }
    let count = match header.e_phnum.get(little) {
        PN_XNUM => {
            // More than 65,534: the first section header has the number (elf(5), `e_phnum`).
            let info = source.take(header.e_shoff.get(little).saturating_add(44), 4, 4);
            let info = info.and_then(|info| Some(u32::from_le_bytes(*info.first_chunk()?)));
            u64::from(info.ok_or("it is cut before its number of segments")?)
        }
        count => u64::from(count),
    };
    if count > SEGMENTS_MAX {
        return Err("it has more segments than a process can have");
    }
    let bytes = source
        .take(header.e_phoff.get(little), count * HEADER, u64::MAX)
        .ok_or("it is cut in its headers")?;
    let headers = object::pod::slice_from_all_bytes::<ProgramHeader64<LittleEndian>>(&bytes);
    Ok(headers.map_err(|()| "it has no headers")?.to_vec())
}

/// The build id of an ELF file that is mapped at an address.
fn build_id_in(memory: &impl Memory, base: u64) -> Option<String> {
    /// A page has room for no more.
    const HEADERS_MAX: usize = 64;
    const NOTE_MAX: u64 = 4096;
    let little = LittleEndian;
    let mut head = [0; size_of::<FileHeader64<LittleEndian>>()];
    memory.read(base, &mut head).ok()?;
    let (header, _) = object::pod::from_bytes::<FileHeader64<LittleEndian>>(&head).ok()?;
    let count = usize::from(header.e_phnum.get(little)).min(HEADERS_MAX);
    let mut bytes = vec![0; count * HEADER as usize];
    memory
        .read(base.wrapping_add(header.e_phoff.get(little)), &mut bytes)
        .ok()?;
    let headers =
        object::pod::slice_from_all_bytes::<ProgramHeader64<LittleEndian>>(&bytes).ok()?;
    headers
        .iter()
        .filter(|header| header.p_type.get(little) == PT_NOTE)
        .find_map(|header| {
            let bytes = header.p_filesz.get(little).min(NOTE_MAX) as usize;
            let mut notes = vec![0; bytes];
            // In the file's first page offsets are distances from where it is mapped.
            let at = base.wrapping_add(header.p_offset.get(little));
            memory.read(at, &mut notes).ok()?;
            build_id_of_notes(&notes, header.p_align.get(little))
        })
}

#[cfg(test)]
mod tests;
