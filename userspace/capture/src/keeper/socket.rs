//! Messages with descriptors between two processes. `SOCK_SEQPACKET`: a message arrives as a whole or not
//! at all (unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::io::retry_on_intr;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    recvmsg, sendmsg, shutdown, socketpair,
};

/// The most descriptors that come with a message.
const DESCRIPTORS_MAX: usize = 2;

/// One end.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

/// What came.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Socket {
    /// Both ends, for nobody else.
    pub(super) fn pair() -> io::Result<(Socket, Socket)> {
        let (one, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Socket(one), Socket(other)))
    }

    /// The end that we were given.
    pub(super) fn given(descriptor: OwnedFd) -> io::Result<Socket> {
        if socket_type(&descriptor)? != SocketType::SEQPACKET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Socket(descriptor))
    }

    /// Waits no longer than this for a message.
    pub(super) fn patience(&self, time: Duration) -> io::Result<()> {
        Ok(set_socket_timeout(&self.0, Timeout::Recv, Some(time))?)
    }

    /// Says something; that nobody listens any more is an error, not a signal.
    pub(super) fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let is_too_much = descriptors.len() > DESCRIPTORS_MAX;
        let rights = SendAncillaryMessage::ScmRights(descriptors);
        if is_too_much || !descriptors.is_empty() && !beside.push(rights) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let bytes = [IoSlice::new(bytes)];
        retry_on_intr(|| sendmsg(&self.0, &bytes, &mut beside, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// The next message, or nothing if the other end is closed. One that does not fit `buffer`, or has more
    /// descriptors than it may, is an error.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Message<'a>>> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let into = &mut [IoSliceMut::new(buffer)];
            recvmsg(&self.0, into, &mut beside, RecvFlags::CMSG_CLOEXEC)
        });
        let received = match received {
            Ok(received) => received,
            // Closed before it had taken all that was said to it.
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut descriptors = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        let cut = ReturnFlags::TRUNC | ReturnFlags::CTRUNC;
        if received.flags.intersects(cut) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let bytes = buffer.get(..received.bytes).unwrap_or_default();
        Ok((!bytes.is_empty()).then_some(Message { bytes, descriptors }))
    }

    /// Nothing more will be said.
    pub(super) fn end(&self) {
        // It can only fail where the other end is gone.
        let _ = shutdown(&self.0, Shutdown::Write);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> OwnedFd {
        socket.0
    }
}

#[cfg(test)]
mod tests {
    use super::Socket;
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    #[test]
    fn messages_come_whole_with_what_is_beside_them() {
        let (one, other) = Socket::pair().expect("a pair");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        one.send(b"first", &[writer.as_fd()]).expect("sent");
        one.send(b"second", &[]).expect("sent");
        drop((one, writer));
        let mut buffer = [0; 16];
        let message = other.receive(&mut buffer).expect("received").expect("one");
        assert_eq!(message.bytes, b"first");
        let mut descriptors = message.descriptors;
        let mut writer = File::from(descriptors.pop().expect("a descriptor"));
        assert!(descriptors.is_empty());
        writer.write_all(b"through").expect("written");
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "through");
        let message = other.receive(&mut buffer).expect("received").expect("one");
        assert_eq!(message.bytes, b"second");
        assert!(message.descriptors.is_empty());
        assert!(other.receive(&mut buffer).expect("its end").is_none());
        assert!(other.send(b"nobody", &[]).is_err());
    }

    #[test]
    fn what_is_too_much_is_an_error() {
        let (one, other) = Socket::pair().expect("a pair");
        one.send(b"longer than that", &[]).expect("sent");
        assert!(other.receive(&mut [0; 4]).is_err());
        let own = one.as_fd();
        assert!(one.send(b"three", &[own, own, own]).is_err());
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (one, _other) = Socket::pair().expect("a pair");
        one.patience(Duration::from_millis(5)).expect("set");
        let error = one.receive(&mut [0; 4]).expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn only_such_a_socket_is_taken() {
        let (reader, _writer) = io::pipe().expect("a pipe");
        assert!(Socket::given(OwnedFd::from(reader)).is_err());
        let (one, _other) = Socket::pair().expect("a pair");
        assert!(Socket::given(OwnedFd::from(one)).is_ok());
    }
}
