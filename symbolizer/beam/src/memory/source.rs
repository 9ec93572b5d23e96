//! A file's bytes, or a test's, at offsets.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Bytes that are read where they are needed: a core may be larger than our memory.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    File { file: Arc<File>, bytes: u64 },
    Bytes(Arc<[u8]>),
}

impl Source {
    pub(crate) fn open(path: &Path) -> io::Result<Source> {
        // Never waits, as opening a pipe would.
        let mut options = File::options();
        let file = options
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Ok(Source::File {
            bytes: about.len(),
            file: Arc::new(file),
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Source::File { bytes, .. } => *bytes,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Fills a buffer from an offset; whether all of it was there.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> bool {
        match self {
            Source::File { file, .. } => file.read_exact_at(buffer, offset).is_ok(),
            Source::Bytes(bytes) => {
                let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
                match from.and_then(|from| from.get(..buffer.len())) {
                    Some(found) => {
                        buffer.copy_from_slice(found);
                        true
                    }
                    None => false,
                }
            }
        }
    }

    /// So many bytes from an offset, if they are there and at most `limit`.
    pub(crate) fn take(&self, offset: u64, count: u64, limit: u64) -> Option<Vec<u8>> {
        let end = offset.checked_add(count)?;
        if count > limit || end > self.len() {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(count).ok()?];
        self.read(offset, &mut bytes).then_some(bytes)
    }
}
