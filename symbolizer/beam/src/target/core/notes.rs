//! What a core's notes tell: the kernel's `fs/binfmt_elf.c` and `include/uapi/linux/elfcore.h`,
//! as of Linux 6.1; structs of x86-64.

use object::LittleEndian;
use object::read::elf::NoteIterator;

/// More notes than a core has: some 2 KiB for each thread.
pub(super) const NOTES_MAX: u64 = 64 << 20;
/// More files than are mapped.
const FILES_MAX: u64 = 1 << 17;
/// `PATH_MAX` of the kernel.
const PATH_MAX: usize = 4096;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

/// `AT_PHDR` and `AT_ENTRY` of `uapi/linux/auxvec.h`: addresses inside of the executable.
const INSIDE_EXE: [u64; 2] = [9, 3];

/// One thread of a process that has died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreThread {
    /// Its number.
    pub tid: u32,
    /// The signal it was given; 0 for none.
    pub signal: i32,
    /// Instruction pointer.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Base of the `fs` segment: its `pthread_t`.
    pub fs_base: u64,
}

/// A part of a file that was mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedFile {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The file as the process saw it.
    pub path: String,
}

impl MappedFile {
    /// Where in the file an address of this mapping lies.
    pub(super) fn offset_of(&self, address: u64) -> u64 {
        self.offset.wrapping_add(address.wrapping_sub(self.start))
    }
}

/// What was found in the notes so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) pid: Option<u32>,
    pub(super) threads: Vec<CoreThread>,
    /// Ascending.
    pub(super) files: Vec<MappedFile>,
    auxv: Vec<(u64, u64)>,
}

impl Notes {
    /// Takes over a segment of notes; garbage ends it.
    pub(super) fn read(&mut self, bytes: &[u8], align: u64) {
        // Cores state 0 or 1 and mean 4.
        let Ok(mut notes) = NoteIterator::<object::elf::FileHeader64<LittleEndian>>::new(
            LittleEndian,
            align.max(4),
            bytes,
        ) else {
            return;
        };
        while let Ok(Some(note)) = notes.next() {
            let data = note.desc();
            match (note.name(), note.n_type(LittleEndian).0) {
                (b"CORE", NT_PRSTATUS) => self.threads.extend(thread(data)),
                // elf_prpsinfo: pr_pid.
                (b"CORE", NT_PRPSINFO) => self.pid = u32_at(data, 24),
                (b"CORE", NT_AUXV) => {
                    let pairs = data.as_chunks::<16>().0.iter();
                    let pairs = pairs.filter_map(|pair| Some((u64_at(pair, 0)?, u64_at(pair, 8)?)));
                    self.auxv = pairs.take(64).collect();
                }
                (b"CORE", NT_FILE) => self.files = files(data).unwrap_or_default(),
                _ => {}
            }
        }
        self.files.sort_by_key(|file| file.start);
    }

    /// The executable's path: the file that the program's own headers and first instruction
    /// were in.
    pub(super) fn exe(&self) -> Option<&str> {
        INSIDE_EXE.iter().find_map(|&kind| {
            let (_, address) = self.auxv.iter().find(|(of, _)| *of == kind)?;
            let file = self
                .files
                .iter()
                .find(|file| (file.start..file.end).contains(address))?;
            Some(file.path.as_str())
        })
    }
}

/// `elf_prstatus`: `pr_cursig` 12, `pr_pid` 32, `pr_reg` 112 with the order of
/// `user_regs_struct`.
fn thread(data: &[u8]) -> Option<CoreThread> {
    let register = |index: usize| u64_at(data, 112 + 8 * index);
    Some(CoreThread {
        tid: u32_at(data, 32)?,
        signal: i32::from(u16::from_le_bytes(*data.get(12..)?.first_chunk()?)),
        ip: register(16)?,
        sp: register(19)?,
        fs_base: register(21)?,
    })
}

/// `NT_FILE`: count, page size, then start, end, offset in pages of each, then the names.
fn files(data: &[u8]) -> Option<Vec<MappedFile>> {
    let count = u64_at(data, 0)?;
    let page = u64_at(data, 8)?;
    if count > FILES_MAX {
        return None;
    }
    let rows = data.get(16..)?;
    let names = rows.get(usize::try_from(count).ok()? * 24..)?;
    rows.as_chunks::<24>()
        .0
        .iter()
        .zip(names.split(|&byte| byte == 0))
        .take(count as usize)
        .map(|(row, name)| {
            Some(MappedFile {
                start: u64_at(row, 0)?,
                end: u64_at(row, 8)?,
                offset: u64_at(row, 16)?.wrapping_mul(page),
                path: String::from_utf8_lossy(name.get(..PATH_MAX).unwrap_or(name)).into_owned(),
            })
        })
        .collect()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
