//! The list of everything the JIT has emitted: GDB manual, "JIT Interface".

use super::blob::{ModuleCode, parse_blob};
use crate::BeamError;
use crate::memory::Memory;

/// More pieces of code than any system has; beyond it the list is a loop.
const ENTRIES_MAX: usize = 1 << 20;
/// The largest blob that is believed. A generated module of 30 MB of source stays below.
const BLOB_MAX: u64 = 64 << 20;

/// One piece of code, as far as its blob's head tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListEntry {
    /// The entry's address, its identity.
    pub entry: u64,
    /// Address of the blob.
    pub blob: u64,
    /// Size of the blob in bytes.
    pub blob_bytes: u64,
    /// First address of the code.
    pub start: u64,
    /// Size of the code in bytes.
    pub bytes: u32,
    /// Whether the module is called `global`, as one of OTP and the JIT's helpers are.
    pub global: bool,
}

impl ListEntry {
    /// The module's name, unquoted; `None` where it cannot be read.
    #[must_use]
    pub fn name(&self, memory: &impl Memory) -> Option<String> {
        let mut length = [0; 2];
        memory.read(self.blob.checked_add(24)?, &mut length).ok()?;
        let length = usize::from(u16::from_le_bytes(length));
        if (length as u64) > self.blob_bytes {
            return None;
        }
        let mut name = vec![0; length];
        memory.read(self.blob.checked_add(26)?, &mut name).ok()?;
        let name = name.strip_suffix(&[0])?;
        Some(String::from_utf8_lossy(name).into_owned())
    }
}

/// Every module on the list, newest first. OTP 25 and 26 leave entries of purged code on it, so of
/// two that overlap the first is right.
///
/// The VM may change the list meanwhile: a walk that breaks off returns what it has, with
/// `false`, and is worth repeating.
///
/// # Errors
/// When not even the descriptor can be read.
pub fn read_list(
    memory: &impl Memory,
    descriptor: u64,
) -> Result<(Vec<ListEntry>, bool), BeamError> {
    read_list_begin(memory, descriptor, ENTRIES_MAX)
}

/// The same of the first so many entries: with `false` where there are more.
///
/// # Errors
/// When not even the descriptor can be read.
pub(crate) fn read_list_begin(
    memory: &impl Memory,
    descriptor: u64,
    limit: usize,
) -> Result<(Vec<ListEntry>, bool), BeamError> {
    let mut address = memory.u64(descriptor.wrapping_add(16))?;
    let mut entries = Vec::new();
    let mut before = 0;
    for _ in 0..limit {
        if address == 0 {
            return Ok((entries, true));
        }
        let Ok(entry) = memory.words(address, 4) else {
            return Ok((entries, false));
        };
        let (next, previous, blob, blob_bytes) = (entry[0], entry[1], entry[2], entry[3]);
        // An entry that was freed under us leads anywhere. New ones come before the first.
        if previous != before && !entries.is_empty() {
            return Ok((entries, false));
        }
        before = address;
        if let Some((start, bytes, global)) = read_head(memory, blob, blob_bytes) {
            entries.push(ListEntry {
                global,
                entry: address,
                blob,
                blob_bytes,
                start,
                bytes,
            });
        }
        address = next;
    }
    Ok((entries, false))
}

/// What the JIT says of the emulator itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emulator {
    /// Whether JIT code keeps frame pointers: `ERTS_FRAME_LAYOUT_FP_RA`.
    pub frame_pointers: bool,
    /// The return address at the bottom of each process's stack.
    pub normal_exit: u64,
}

/// Reads the entry that is no module's: the oldest on the list. `None` as long as there is none.
///
/// # Errors
/// When not even the descriptor can be read.
pub fn read_emulator(memory: &impl Memory, descriptor: u64) -> Result<Option<Emulator>, BeamError> {
    let mut address = memory.u64(descriptor.wrapping_add(16))?;
    let mut before = 0;
    for _ in 0..ENTRIES_MAX {
        if address == 0 {
            break;
        }
        let Ok(entry) = memory.words(address, 4) else {
            break;
        };
        let (next, previous, blob, blob_bytes) = (entry[0], entry[1], entry[2], entry[3]);
        // As in the list as a whole: what leads nowhere leads round in circles.
        if previous != before && before != 0 {
            break;
        }
        before = address;
        if (24..=BLOB_MAX).contains(&blob_bytes)
            && let Ok([kind, layout, normal_exit]) = memory.words(blob, 3).as_deref()
            && *kind as u32 == 0
            && *normal_exit != 0
        {
            return Ok(Some(Emulator {
                frame_pointers: *layout as u32 == 1,
                normal_exit: *normal_exit,
            }));
        }
        address = next;
    }
    Ok(None)
}

/// Where a module's code lies and whether it is called `global`; `None` for the emulator's own
/// entry and for garbage.
fn read_head(memory: &impl Memory, blob: u64, blob_bytes: u64) -> Option<(u64, u32, bool)> {
    if !(34..=BLOB_MAX).contains(&blob_bytes) {
        return None;
    }
    let mut head = [0; 33];
    memory.read(blob, &mut head).ok()?;
    let word = |at: usize| Some(u64::from_le_bytes(*head.get(at..)?.first_chunk::<8>()?));
    let bytes = (word(16)? >> 32) as u32;
    (word(0)? as u32 == 1).then_some((word(8)?, bytes, head[26..] == *b"global\0"))
}

/// The blob's bytes.
///
/// # Errors
/// When it cannot be read whole.
fn read_blob(memory: &impl Memory, blob: u64, blob_bytes: u64) -> Result<Vec<u8>, BeamError> {
    if blob_bytes > BLOB_MAX {
        return Err(BeamError::Unreadable {
            address: blob,
            bytes: usize::MAX,
        });
    }
    let mut bytes = vec![0; blob_bytes as usize];
    memory.read(blob, &mut bytes)?;
    Ok(bytes)
}

/// The module that a blob describes; `None` for one that is not there or no module's.
#[must_use]
pub fn read_module(memory: &impl Memory, blob: u64, blob_bytes: u64) -> Option<ModuleCode> {
    parse_blob(&read_blob(memory, blob, blob_bytes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::read_list;
    use crate::code::blob::tests::blob;
    use crate::memory::Image;

    #[test]
    fn the_list_is_walked_and_the_emulators_entry_left_out() {
        let bytes = blob(0x9000, 100, "m", &[]);
        let mut image = Image::new();
        image
            .map_words(0x100, &[1, 0, 0x200])
            .map_words(0x200, &[0x300, 0, 0x400, bytes.len() as u64])
            .map_words(0x300, &[0, 0x200, 0x500, 32])
            .map(0x400, bytes)
            .map_words(0x500, &[0, 0, 0, 0]);
        let (entries, whole) = read_list(&image, 0x100).expect("a descriptor");
        assert!(whole);
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].start, entries[0].bytes), (0x9000, 100));
        assert_eq!(entries[0].name(&image).as_deref(), Some("m"));
    }

    #[test]
    fn a_loop_ends() {
        let mut image = Image::new();
        image
            .map_words(0x100, &[1, 0, 0x200])
            .map_words(0x200, &[0x200, 0, 0, 0]);
        let (entries, whole) = read_list(&image, 0x100).expect("a descriptor");
        assert!(entries.is_empty() && !whole);
    }
}
