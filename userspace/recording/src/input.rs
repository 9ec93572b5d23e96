//! Opening files that came from anywhere, and running decoders on them.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::RecordingError;

/// Opens a regular file for reading.
///
/// Links, pipes and devices are refused: a recording never holds them, and a crafted
/// one could make a reader hang or read something else.
pub(crate) fn open(path: &Path) -> Result<File, RecordingError> {
    let io = |e| RecordingError::io("read", path, e);
    let metadata = fs::symlink_metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(io(std::io::Error::other("it is not a regular file")));
    }
    File::open(path).map_err(io)
}

/// Runs a decoder of another crate on bytes of unknown origin.
///
/// Lengths and offsets are checked before; this is the last line of defence against
/// an assertion that a crafted file still reaches.
pub(crate) fn decode<T, E: ToString>(run: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err("its contents are inconsistent".to_owned()),
    }
}
