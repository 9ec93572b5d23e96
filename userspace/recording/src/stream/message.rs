//! Splits a segment into messages without believing any of its lengths.
//!
//! ```text
//! ff ff ff ff | metadata length, i32 | metadata, flatbuffer | body
//! ```
//! The metadata says how long the body is. A length of 0 is the end mark. Everything
//! is checked against what the file still has before memory is taken for it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::{Message, root_as_message};

use crate::error::RecordingError;

const MARK: [u8; 4] = [0xff; 4];
const MAX_METADATA_BYTES: u64 = 1 << 20;
const MAX_BODY_BYTES: u64 = 1 << 30;

/// One message: metadata that was verified, and a body of the length it states.
pub(super) struct RawMessage {
    /// Where it starts in the file.
    pub(super) offset: u64,
    metadata: Vec<u8>,
    /// What the metadata describes.
    pub(super) body: Buffer,
}

impl RawMessage {
    /// The metadata.
    pub(super) fn header(&self) -> Result<Message<'_>, String> {
        root_as_message(&self.metadata).map_err(|_| "its metadata is invalid".to_owned())
    }
}

/// How a segment ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By its end mark, or after a whole message.
    Whole,
    /// In the middle of a message; so many bytes belong to it.
    Cut(u64),
    /// At something that is no message; so many bytes are behind it.
    Damaged(u64, String),
}

/// What comes next in a segment.
pub(super) enum Next {
    /// A whole message.
    Message(RawMessage),
    /// Nothing more.
    End(End),
}

/// Reads a segment message by message.
pub(super) struct MessageReader {
    path: PathBuf,
    file: BufReader<File>,
    len: u64,
    at: u64,
}

impl MessageReader {
    /// Opens a segment at its start.
    pub(super) fn open(path: &Path) -> Result<MessageReader, RecordingError> {
        let file = crate::input::open(path)?;
        let len = file
            .metadata()
            .map_err(|e| RecordingError::io("read", path, e))?
            .len();
        Ok(MessageReader {
            path: path.to_owned(),
            file: BufReader::new(file),
            len,
            at: 0,
        })
    }

    /// Continues at a message's start.
    pub(super) fn seek(&mut self, offset: u64) -> Result<(), RecordingError> {
        if offset != self.at {
            self.file
                .seek(SeekFrom::Start(offset))
                .map_err(|e| self.io(e))?;
            self.at = offset;
        }
        Ok(())
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Result<Next, RecordingError> {
        self.read().map_err(|e| self.io(e))
    }

    fn io(&self, e: io::Error) -> RecordingError {
        RecordingError::io("read", &self.path, e)
    }

    fn read(&mut self) -> io::Result<Next> {
        let offset = self.at;
        let left = self.len.saturating_sub(offset);
        let damaged = |what: &str| Ok(Next::End(End::Damaged(left, what.to_owned())));
        if left == 0 {
            return Ok(Next::End(End::Whole));
        }
        if left < 8 {
            return Ok(Next::End(End::Cut(left)));
        }
        let mut prefix = [0; 8];
        self.file.read_exact(&mut prefix)?;
        let [a, b, c, d, length @ ..] = prefix;
        if [a, b, c, d] != MARK {
            return damaged("no message starts here");
        }
        let Ok(length) = u64::try_from(i32::from_le_bytes(length)) else {
            return damaged("a message has a negative length");
        };
        if length == 0 {
            return Ok(Next::End(match left {
                8 => End::Whole,
                _ => End::Damaged(left - 8, "something follows the end mark".to_owned()),
            }));
        }
        if length > MAX_METADATA_BYTES {
            return damaged("a message's metadata is too long");
        }
        if length > left - 8 {
            return Ok(Next::End(End::Cut(left)));
        }
        let mut metadata = vec![0; to_usize(length)];
        self.file.read_exact(&mut metadata)?;
        let Ok(message) = root_as_message(&metadata) else {
            return damaged("a message's metadata is invalid");
        };
        let body_length = match u64::try_from(message.bodyLength()) {
            Ok(length) if length <= MAX_BODY_BYTES => length,
            _ => return damaged("a message's body is too long"),
        };
        if body_length > left - 8 - length {
            return Ok(Next::End(End::Cut(left)));
        }
        let mut body = MutableBuffer::from_len_zeroed(to_usize(body_length));
        self.file.read_exact(body.as_slice_mut())?;
        self.at = offset + 8 + length + body_length;
        Ok(Next::Message(RawMessage {
            offset,
            metadata,
            body: body.into(),
        }))
    }
}

/// Lengths here are bounded far below the address space.
fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(0)
}
