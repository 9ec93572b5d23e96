//! What recorder and keeper tell each other: one message each.
//!
//! ```text
//! request   kind u32 | pid u32 | count u32 | 0 u32     then count times: file_offset u64 | cookie u64
//! answer    errno u32 | 0 u32 | cpu_ns u64
//! ```
//!
//! Both are the same program on the same machine, so numbers are as the machine has them. A message
//! that is not exactly that is refused.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The most places that one request can have: some hundred are used.
const PLACES_MAX: usize = 1024;
/// No request is longer.
pub(super) const REQUEST_BYTES_MAX: usize = HEAD_BYTES + PLACES_MAX * PLACE_BYTES;
/// How long an answer is.
pub(super) const ANSWER_BYTES: usize = size_of::<Answer>();

const HEAD_BYTES: usize = size_of::<Head>();
const PLACE_BYTES: usize = size_of::<Place>();

/// One link for many places, of a program `uprobe.multi`.
const KIND_EVENTS: u32 = 1;
/// One place, of a program `uprobe`.
const KIND_CODE: u32 = 2;
/// As [`KIND_EVENTS`], where the functions that start there return.
const KIND_RETURNS: u32 = 3;

/// Where a program is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Place {
    /// Offset in the executable file.
    pub(crate) file_offset: u64,
    /// What the program is told about it.
    pub(crate) cookie: u64,
}

/// Which probes to place. The program and the executable come beside it, as descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Of a program `uprobe.multi`, at some places.
    Events {
        /// In which process.
        pid: u32,
        /// Not there, but where the functions that start there return.
        returns: bool,
        /// Where.
        places: Vec<Place>,
    },
    /// Of a program `uprobe`, at one place.
    Code {
        /// In which process.
        pid: u32,
        /// Where in the executable file.
        file_offset: u64,
    },
}

/// What has become of it. If it was done, the link comes beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Answer {
    /// Why not, as the kernel says it; 0 if it was done.
    pub(super) errno: u32,
    unused: u32,
    /// CPU time that the keeper has used so far.
    pub(super) cpu_ns: u64,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Head {
    kind: u32,
    pid: u32,
    count: u32,
    unused: u32,
}

impl Request {
    /// As bytes; nothing if there are more places than a request can have.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let code;
        let (kind, pid, places) = match self {
            Request::Events {
                pid,
                returns,
                places,
            } => {
                let kind = if *returns { KIND_RETURNS } else { KIND_EVENTS };
                (kind, *pid, places.as_slice())
            }
            Request::Code { pid, file_offset } => {
                code = [Place {
                    file_offset: *file_offset,
                    cookie: 0,
                }];
                (KIND_CODE, *pid, code.as_slice())
            }
        };
        let head = Head {
            kind,
            pid,
            count: u32::try_from(places.len()).ok()?,
            unused: 0,
        };
        let bytes = [head.as_bytes(), places.as_bytes()].concat();
        Request::decode(&bytes).map(|_| bytes)
    }

    /// Nothing if the bytes are no request. One for process 0, which would be all of them, is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Request> {
        let (head, rest) = Head::read_from_prefix(bytes).ok()?;
        let count = head.count as usize;
        let is_sound = head.unused == 0 && head.pid != 0 && (1..=PLACES_MAX).contains(&count);
        if !is_sound || rest.len() != count * PLACE_BYTES {
            return None;
        }
        let (chunks, _) = rest.as_chunks::<PLACE_BYTES>();
        let places: Vec<Place> = chunks
            .iter()
            .filter_map(|chunk| Place::read_from_bytes(chunk).ok())
            .collect();
        match (head.kind, places.as_slice()) {
            (kind @ (KIND_EVENTS | KIND_RETURNS), _) => Some(Request::Events {
                pid: head.pid,
                returns: kind == KIND_RETURNS,
                places,
            }),
            (KIND_CODE, &[place]) if place.cookie == 0 => Some(Request::Code {
                pid: head.pid,
                file_offset: place.file_offset,
            }),
            _ => None,
        }
    }
}

impl Answer {
    pub(super) fn new(errno: u32, cpu_ns: u64) -> Answer {
        Answer {
            errno,
            unused: 0,
            cpu_ns,
        }
    }

    /// Nothing if the bytes are no answer.
    pub(super) fn decode(bytes: &[u8]) -> Option<Answer> {
        let answer = Answer::read_from_bytes(bytes).ok()?;
        (answer.unused == 0).then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_BYTES, Answer, PLACES_MAX, Place, REQUEST_BYTES_MAX, Request};
    use zerocopy::IntoBytes;

    fn events(count: usize) -> Request {
        let place = |at| Place {
            file_offset: 4096 + at,
            cookie: at << 40,
        };
        Request::Events {
            pid: 42,
            returns: count.is_multiple_of(2),
            places: (0..count as u64).map(place).collect(),
        }
    }

    const CODE: Request = Request::Code {
        pid: 42,
        file_offset: 0x1234,
    };

    #[test]
    fn what_was_said_is_what_is_heard() {
        for request in [events(1), events(30), events(PLACES_MAX), CODE] {
            let bytes = request.encode().expect("it can be said");
            assert!(bytes.len() <= REQUEST_BYTES_MAX);
            assert_eq!(Request::decode(&bytes), Some(request));
        }
        let answer = Answer::new(13, u64::MAX);
        assert_eq!(Answer::decode(answer.as_bytes()), Some(answer));
    }

    #[test]
    fn too_much_or_nothing_cannot_be_said() {
        assert_eq!(events(0).encode(), None);
        assert_eq!(events(PLACES_MAX + 1).encode(), None);
        let all = Request::Code {
            pid: 0,
            file_offset: 1,
        };
        assert_eq!(all.encode(), None);
    }

    #[test]
    fn what_is_cut_or_has_more_is_refused() {
        for request in [events(3), CODE] {
            let bytes = request.encode().expect("it can be said");
            for length in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..length]), None, "{length}");
            }
            assert_eq!(Request::decode(&[&bytes[..], &[0]].concat()), None);
            assert_eq!(Request::decode(&[&bytes[..], &[0; 16]].concat()), None);
        }
        for length in (0..64).filter(|&length| length != ANSWER_BYTES) {
            assert_eq!(Answer::decode(&vec![0; length]), None);
        }
    }

    #[test]
    fn any_bytes_are_a_request_or_none() {
        // Each byte of the head, with each value: what is heard can be said so, and means the same.
        for request in [events(3), CODE] {
            let bytes = request.encode().expect("it can be said");
            for at in 0..16 {
                for value in 0..=u8::MAX {
                    let mut bytes = bytes.clone();
                    bytes[at] = value;
                    if let Some(heard) = Request::decode(&bytes) {
                        assert_eq!(heard.encode(), Some(bytes));
                    }
                }
            }
        }
        // A count that overflows.
        let mut bytes = CODE.encode().expect("it can be said");
        bytes[8..12].fill(0xff);
        assert_eq!(Request::decode(&bytes), None);
    }
}
