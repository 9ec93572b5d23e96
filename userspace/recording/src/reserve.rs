//! Room for the last words: a file that is there only to be removed when the disk is full, so
//! that the manifest can still say what was lost.

use std::io::{self, Write};
use std::path::Path;

use crate::disk::Disk;

const NAME: &str = "reserve";
/// A manifest with many losses has some ten KiB.
pub(crate) const BYTES: usize = 64 << 10;

/// Takes the room.
pub(crate) fn take(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let mut file = disk.create(&folder.join(NAME))?;
    file.write_all(&incompressible())?;
    file.sync()
}

/// Some file systems compress, and zeros would reserve nothing there.
fn incompressible() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(BYTES);
    while bytes.len() < BYTES {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

/// Gives it back; harmless where there is none.
pub(crate) fn release(disk: &dyn Disk, folder: &Path) {
    let _ = disk.remove(&folder.join(NAME));
}
