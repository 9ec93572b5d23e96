//! The keeper itself.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::net::SocketType;
use rustix::net::sockopt::socket_type;
use rustix::stdio::stdin;
use rustix::time::{ClockId, clock_gettime};
use zerocopy::IntoBytes;

use super::message::{Answer, REQUEST_BYTES_MAX, Request};
use super::socket::{Message, Socket};
use crate::CaptureError;
use crate::loader::place_probes;

/// The argument by which this program is run as a keeper.
pub const KEEPER_COMMAND: &str = "keep-probes";

/// Keeps the probes of the recorder at the other end of the standard input until that ends. The process
/// must end when this returns: that is what removes them.
///
/// # Errors
/// When no recorder is there.
pub fn keep_probes() -> Result<(), CaptureError> {
    if !socket_type(stdin()).is_ok_and(|kind| kind == SocketType::SEQPACKET) {
        return Err(CaptureError::NoRecorder);
    }
    stand_apart();
    let socket = stdin().try_clone_to_owned().and_then(Socket::given);
    let link = serve(&socket.map_err(|_| CaptureError::NoRecorder)?, place_probes);
    // Left to the end of the process, which no signal can interrupt.
    let _ = link.map(IntoRawFd::into_raw_fd);
    Ok(())
}

/// No signal to everybody around, no descriptor of others, no lack of memory is to end us before the
/// recorder does. Each of these can fail without harm to what we do.
fn stand_apart() {
    // SAFETY: a set that is filled before it is used, and calls that keep nothing of it.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
    // By number: older C libraries have no such function.
    // SAFETY: nothing has been opened by this process yet; what there is was left open by others.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    let _ = rustix::thread::set_name(c"escope-keeper");
    // Who is killed for lack of memory while it places probes leaves them; and it has hardly any.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
}

/// Does what it is asked to and waits until it is no longer wanted. Returns what it still holds then.
fn serve(
    socket: &Socket,
    place: impl Fn(&Request, BorrowedFd<'_>, BorrowedFd<'_>) -> io::Result<OwnedFd>,
) -> Option<OwnedFd> {
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    // Nothing: the recorder is gone. Anything else than a request: it is none.
    let Message { bytes, descriptors } = socket.receive(&mut buffer).ok()??;
    let (request, [program, binary]) = (Request::decode(bytes)?, descriptors.as_slice()) else {
        return None;
    };
    let (link, errno) = match place(&request, program.as_fd(), binary.as_fd()) {
        Ok(link) => (Some(link), 0),
        Err(error) => (None, error.raw_os_error().unwrap_or(libc::EIO)),
    };
    drop(descriptors);
    let answer = Answer::new(errno.unsigned_abs(), cpu_ns());
    let beside: Vec<BorrowedFd<'_>> = link.iter().map(AsFd::as_fd).collect();
    if socket.send(answer.as_bytes(), &beside).is_ok() {
        // There is nothing else to be said: whatever this is, it is the end.
        let _ = socket.receive(&mut buffer);
    }
    link
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::super::message::{ANSWER_BYTES, Answer, REQUEST_BYTES_MAX, Request};
    use super::super::socket::Socket;
    use super::serve;
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::thread;

    const REQUEST: Request = Request::Code {
        pid: 7,
        file_offset: 99,
    };

    /// A keeper whose links are pipes: the kernel tells that the last of them is gone.
    fn keeper(socket: Socket, result: Result<OwnedFd, i32>) -> thread::JoinHandle<bool> {
        thread::spawn(move || {
            let place = |request: &Request, _: BorrowedFd<'_>, _: BorrowedFd<'_>| {
                assert_eq!(*request, REQUEST);
                match &result {
                    Ok(link) => link.try_clone(),
                    Err(errno) => Err(io::Error::from_raw_os_error(*errno)),
                }
            };
            serve(&socket, place).is_some()
        })
    }

    fn link() -> (io::PipeReader, OwnedFd) {
        let (reader, writer) = io::pipe().expect("a pipe");
        (reader, writer.into())
    }

    fn ask(ours: &Socket, bytes: &[u8]) {
        ours.send(bytes, &[ours.as_fd(), ours.as_fd()])
            .expect("sent");
    }

    #[test]
    fn what_was_placed_is_kept_until_the_recorder_is_gone() {
        let (ours, its) = Socket::pair().expect("a pair");
        let (_reader, link) = link();
        let keeper = keeper(its, Ok(link));
        ask(&ours, &REQUEST.encode().expect("it can be said"));
        let mut buffer = [0; 64];
        let message = ours.receive(&mut buffer).expect("received").expect("one");
        assert_eq!(message.bytes.len(), ANSWER_BYTES);
        let answer = Answer::decode(message.bytes).expect("an answer");
        assert_eq!((answer.errno, message.descriptors.len()), (0, 1));
        assert!(answer.cpu_ns > 0);
        assert!(!keeper.is_finished());
        drop(ours);
        assert!(keeper.join().expect("no panic"), "it held the link");
    }

    #[test]
    fn what_the_kernel_says_is_told() {
        let (ours, its) = Socket::pair().expect("a pair");
        let keeper = keeper(its, Err(libc::EACCES));
        ask(&ours, &REQUEST.encode().expect("it can be said"));
        let mut buffer = [0; 64];
        let message = ours.receive(&mut buffer).expect("received").expect("one");
        let answer = Answer::decode(message.bytes).expect("an answer");
        assert_eq!(answer.errno, libc::EACCES as u32);
        assert!(message.descriptors.is_empty());
        ours.end();
        assert!(!keeper.join().expect("no panic"));
    }

    #[test]
    fn what_is_no_request_ends_it() {
        let sound = REQUEST.encode().expect("it can be said");
        let long = vec![1; REQUEST_BYTES_MAX + 1];
        for bytes in [&sound[..sound.len() - 1], &[0; 16], b"what?", &long] {
            let (ours, its) = Socket::pair().expect("a pair");
            let keeper = keeper(its, Err(libc::EIO));
            ask(&ours, bytes);
            assert!(ours.receive(&mut [0; 64]).expect("its end").is_none());
            assert!(!keeper.join().expect("no panic"));
        }
        // Nothing to place, or in nothing.
        let (ours, its) = Socket::pair().expect("a pair");
        let keeper = keeper(its, Err(libc::EIO));
        ours.send(&sound, &[ours.as_fd()]).expect("sent");
        assert!(ours.receive(&mut [0; 64]).expect("its end").is_none());
        assert!(!keeper.join().expect("no panic"));
    }

    #[test]
    fn a_recorder_that_is_gone_at_once_is_no_trouble() {
        let (ours, its) = Socket::pair().expect("a pair");
        let (_reader, link) = link();
        let keeper = keeper(its, Ok(link));
        ask(&ours, &REQUEST.encode().expect("it can be said"));
        drop(ours);
        keeper.join().expect("no panic");
    }
}
