//! A dump that grows while it is read.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::super::pieces::{MODULES_MAX, Piece};
use super::{BYTES_MAX, HEADER_BYTES, Reader, State};

/// A dump that grows while it is read.
///
/// The VM writes and flushes the records of a module before its code can run, so that what ran
/// at a time is in the file by then.
pub struct DumpFollower {
    file: File,
    /// How much of it has been taken.
    offset: u64,
    pub(super) state: State,
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
