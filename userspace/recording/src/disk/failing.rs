//! A disk that dies after so many operations or fills up after so many bytes.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Disk, DiskFile, RealDisk};

/// Counts down operations and bytes; both shared with its files.
#[derive(Clone)]
pub(crate) struct FailingDisk {
    operations: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl FailingDisk {
    /// Everything fails after `count` operations, as if the program were dead.
    pub(crate) fn dies_after(count: u64) -> FailingDisk {
        FailingDisk::new(count, u64::MAX)
    }

    /// Writes fail once `bytes` were written; everything else works.
    pub(crate) fn fills_after(bytes: u64) -> FailingDisk {
        FailingDisk::new(u64::MAX, bytes)
    }

    fn new(operations: u64, bytes: u64) -> FailingDisk {
        FailingDisk {
            operations: Arc::new(AtomicU64::new(operations)),
            bytes: Arc::new(AtomicU64::new(bytes)),
        }
    }

    /// More room, as if the user had removed something.
    pub(crate) fn free(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Operations left before it dies.
    pub(crate) fn operations_left(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    fn step(&self) -> io::Result<()> {
        let take = |left: u64| left.checked_sub(1);
        self.operations
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map(drop)
            .map_err(|_| io::Error::other("the program is dead"))
    }
}

struct FailingFile {
    disk: FailingDisk,
    file: Box<dyn DiskFile>,
}

impl Write for FailingFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.disk.step().is_err() {
            // Dying in the middle of a write leaves part of it.
            self.file.write_all(&buffer[..buffer.len() / 2])?;
            return Err(io::Error::other("the program is dead"));
        }
        let room = self.disk.bytes.load(Ordering::Relaxed);
        let count = buffer
            .len()
            .min(usize::try_from(room).unwrap_or(usize::MAX));
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(&buffer[..count])?;
        self.disk.bytes.fetch_sub(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for FailingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.step()?;
        self.file.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.disk.step()?;
        self.file.truncate(bytes)
    }
}

impl Disk for FailingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.step()?;
        let file = RealDisk.create(path)?;
        let disk = self.clone();
        Ok(Box::new(FailingFile { disk, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let bytes = path.metadata().map_or(0, |file| file.len());
        RealDisk.remove(path)?;
        if self.bytes.load(Ordering::Relaxed) != u64::MAX {
            self.free(bytes);
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.sync_dir(path)
    }
}
