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
    file.write_all(&[0; BYTES])?;
    file.sync()
}

/// Gives it back; harmless where there is none.
pub(crate) fn release(disk: &dyn Disk, folder: &Path) {
    let _ = disk.remove(&folder.join(NAME));
}
