//! A connection that gives whole messages, each within a time.
//!
//! What was read of a message that is not whole stays here, so waiting can end at any moment and go
//! on later. Memory grows with what has come, never with what the peer says will come.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::AttachedError;
use crate::tls::{Session, Tls};

/// Read at a time.
const PIECE: usize = 64 << 10;
/// For a peer that takes nothing.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// How a message says its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// Two bytes, as in the handshake without TLS.
    Short,
    /// Four, as afterwards, and under TLS.
    Long,
}

impl Header {
    fn bytes(self) -> usize {
        match self {
            Header::Short => 2,
            Header::Long => 4,
        }
    }
}

/// What carries the bytes.
#[derive(Debug)]
enum Carrier {
    Plain(TcpStream),
    Secure(Box<Session>),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    carrier: Carrier,
    read: Vec<u8>,
}

impl Link {
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> std::io::Result<Link> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        // Small messages that wait for one another: 40 ms a call without it.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Link {
            carrier: Carrier::Plain(stream),
            read: Vec::new(),
        })
    }

    /// The same connection under TLS, with a VM on this host; nothing may have been read of it.
    pub(crate) fn secure(
        self,
        tls: &Tls,
        host: &str,
        until: Instant,
    ) -> Result<Link, AttachedError> {
        match self.carrier {
            Carrier::Plain(stream) => Ok(Link {
                carrier: Carrier::Secure(Box::new(tls.begin(stream, host, until)?)),
                read: self.read,
            }),
            Carrier::Secure(_) => Ok(self),
        }
    }

    /// How messages of the distribution's handshake say their length.
    pub(crate) fn handshake_header(&self) -> Header {
        match self.carrier {
            Carrier::Plain(_) => Header::Short,
            Carrier::Secure(_) => Header::Long,
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> Result<(), AttachedError> {
        match &mut self.carrier {
            Carrier::Plain(stream) => stream.write_all(bytes).map_err(|why| match why.kind() {
                // Or it would be taken for the reader of our output that has gone.
                ErrorKind::BrokenPipe => AttachedError::Closed("it was written to"),
                _ => why.into(),
            }),
            Carrier::Secure(session) => session.write_all(bytes),
        }
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, header: Header, message: &[u8]) -> Result<(), AttachedError> {
        let too_large = || AttachedError::Protocol("a message of ours is too long".to_owned());
        let mut bytes = match header {
            Header::Short => u16::try_from(message.len())
                .map(|length| length.to_be_bytes().to_vec())
                .map_err(|_| too_large())?,
            Header::Long => u32::try_from(message.len())
                .map(|length| length.to_be_bytes().to_vec())
                .map_err(|_| too_large())?,
        };
        bytes.extend(message);
        self.send_raw(&bytes)
    }

    /// The next message of at most so many bytes; `None` when the time is up before.
    pub(crate) fn next(
        &mut self,
        header: Header,
        limit: usize,
        until: Instant,
    ) -> Result<Option<Vec<u8>>, AttachedError> {
        let start = header.bytes();
        loop {
            if let Some(length) = self.read.get(..start) {
                let length = length
                    .iter()
                    .fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
                if length > limit {
                    return Err(AttachedError::TooLarge {
                        bytes: length,
                        limit,
                    });
                }
                if let Some(message) = self.read.get(start..start + length) {
                    let message = message.to_vec();
                    self.read.drain(..start + length);
                    return Ok(Some(message));
                }
            }
            if !self.more(until)? {
                return Ok(None);
            }
        }
    }

    /// All that comes until the peer closes, at most so much.
    pub(crate) fn rest(&mut self, limit: usize, until: Instant) -> Result<Vec<u8>, AttachedError> {
        loop {
            match self.more(until) {
                Ok(true) if self.read.len() <= limit => {}
                Ok(_) | Err(AttachedError::Closed(_)) => return Ok(std::mem::take(&mut self.read)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads more; `false` when the time is up.
    fn more(&mut self, until: Instant) -> Result<bool, AttachedError> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut piece = vec![0; PIECE];
        let read = match &mut self.carrier {
            Carrier::Plain(stream) => read(stream, &mut piece, left)?,
            Carrier::Secure(session) => session.read(&mut piece, until)?,
        };
        match read {
            Some(0) => Err(AttachedError::Closed("it was read")),
            Some(count) => {
                self.read.extend(piece.iter().take(count));
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// Some bytes, 0 when the peer has closed; `None` when the time is up.
fn read(
    stream: &mut TcpStream,
    piece: &mut [u8],
    left: Duration,
) -> Result<Option<usize>, AttachedError> {
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    loop {
        return match stream.read(piece) {
            Ok(count) => Ok(Some(count)),
            Err(why) => match why.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(None),
                ErrorKind::ConnectionReset => Ok(Some(0)),
                ErrorKind::Interrupted => continue,
                _ => Err(why.into()),
            },
        };
    }
}
