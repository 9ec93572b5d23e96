//! The handshake of distribution version 6, as the one who calls.
//!
//! ```text
//! we: 'N' flags (8) creation (4) length (2) name
//! it: 's' "ok" or why not
//! it: 'N' flags (8) its number (4) creation (4) length (2) its name
//! we: 'r' our number (4) proof of the cookie with its number (16)
//! it: 'a' proof with our number (16)
//! ```
//! Each with its length in two bytes, under TLS in four (`lib/kernel/src/dist_util.erl`, "Distribution Handshake" in the
//! documentation of ERTS; the same in OTP 25 to 29). A peer that refuses the proof closes.

use std::time::Instant;

use escope_beam::term::Node;

use crate::AttachedError;
use crate::cookie::Cookie;
use crate::link::{Header, Link};

/// More than any message of the handshake has.
const MESSAGE_MAX: usize = 2 << 10;

/// What we can do: `DFLAG_*` in `erts/emulator/beam/dist.h`. Those that OTP 25 and 26 require, and
/// monitors. Not among them: being published, which makes us hidden; fragments and the atom cache, so
/// that each message is whole in itself.
const FLAGS: u64 = {
    const EXTENDED_REFERENCES: u64 = 0x4;
    const DIST_MONITOR: u64 = 0x8;
    const FUN_TAGS: u64 = 0x10;
    const NEW_FUN_TAGS: u64 = 0x80;
    const EXTENDED_PIDS_PORTS: u64 = 0x100;
    const EXPORT_PTR_TAG: u64 = 0x200;
    const BIT_BINARIES: u64 = 0x400;
    const NEW_FLOATS: u64 = 0x800;
    const SMALL_ATOM_TAGS: u64 = 0x4000;
    const UTF8_ATOMS: u64 = 0x10000;
    const MAP_TAG: u64 = 0x20000;
    const BIG_CREATION: u64 = 0x40000;
    const HANDSHAKE_23: u64 = 0x0100_0000;
    const UNLINK_ID: u64 = 0x0200_0000;
    const V4_NC: u64 = 0x4_0000_0000;
    EXTENDED_REFERENCES
        | DIST_MONITOR
        | FUN_TAGS
        | NEW_FUN_TAGS
        | EXTENDED_PIDS_PORTS
        | EXPORT_PTR_TAG
        | BIT_BINARIES
        | NEW_FLOATS
        | SMALL_ATOM_TAGS
        | UTF8_ATOMS
        | MAP_TAG
        | BIG_CREATION
        | HANDSHAKE_23
        | UNLINK_ID
        | V4_NC
};

/// What the peer says to our name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Go on.
    Ok,
    /// Somebody has this name already.
    Taken,
    /// It will not talk to us.
    Refused(String),
}

/// Shakes hands under a name; `None` if the name is taken.
pub(crate) fn shake_hands(
    link: &mut Link,
    own: &Node,
    node: &str,
    cookie: &Cookie,
    until: Instant,
) -> Result<Option<Node>, AttachedError> {
    link.send(link.handshake_header(), &introduction(own))?;
    match status(&next(link, "it was told our name", node, until)?)? {
        Status::Ok => {}
        Status::Taken => return Ok(None),
        Status::Refused(why) => {
            return Err(AttachedError::Refused {
                node: node.to_owned(),
                why,
            });
        }
    }
    let (peer, its) = challenge(&next(link, "shaking hands", node, until)?)?;
    if *peer.name != *node {
        let why = format!("{} answered instead of {node}", peer.name);
        return Err(AttachedError::Protocol(why));
    }
    let ours = random()?;
    let mut reply = vec![b'r'];
    reply.extend(ours.to_be_bytes());
    reply.extend(cookie.digest(its));
    link.send(link.handshake_header(), &reply)?;
    let wrong = || AttachedError::WrongCookie {
        node: node.to_owned(),
        source_: cookie.source().to_string(),
    };
    let proof = match next(link, "the cookie was shown", node, until) {
        Err(AttachedError::Closed(_)) => return Err(wrong()),
        proof => proof?,
    };
    match proof.split_first() {
        Some((b'a', proof)) if *proof == cookie.digest(ours) => Ok(Some(peer)),
        Some((b'a', _)) => Err(wrong()),
        _ => Err(unexpected("its proof")),
    }
}

fn next(
    link: &mut Link,
    doing: &'static str,
    node: &str,
    until: Instant,
) -> Result<Vec<u8>, AttachedError> {
    let begun = Instant::now();
    match link.next(link.handshake_header(), MESSAGE_MAX, until) {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(AttachedError::Late {
            what: format!("{node} did not answer while {doing}"),
            after: until.saturating_duration_since(begun),
        }),
        Err(AttachedError::Closed(_)) => Err(AttachedError::Closed(doing)),
        Err(AttachedError::TooLarge { bytes, .. }) if is_alert(link, bytes) => {
            Err(AttachedError::WantsTls {
                node: node.to_owned(),
            })
        }
        Err(error) => Err(error),
    }
}

/// Whether the length that was read is the begin of what TLS says to those who speak none: a record
/// of type 21 and version 3.
fn is_alert(link: &Link, length: usize) -> bool {
    link.handshake_header() == Header::Short && length == 0x15_03
}

/// Any number.
pub(crate) fn random() -> Result<u32, AttachedError> {
    let mut bytes = [0; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(std::io::Error::from)?;
    Ok(u32::from_ne_bytes(bytes))
}

fn introduction(own: &Node) -> Vec<u8> {
    let mut bytes = vec![b'N'];
    bytes.extend(FLAGS.to_be_bytes());
    bytes.extend(own.creation.to_be_bytes());
    bytes.extend((own.name.len() as u16).to_be_bytes());
    bytes.extend(own.name.as_bytes());
    bytes
}

fn status(message: &[u8]) -> Result<Status, AttachedError> {
    match message.split_first() {
        Some((b's', b"ok" | b"ok_simultaneous")) => Ok(Status::Ok),
        Some((b's', b"nok" | b"alive")) => Ok(Status::Taken),
        Some((b's', b"not_allowed")) => Ok(Status::Refused(
            "it lets only nodes in that net_kernel:allow/1 names".to_owned(),
        )),
        Some((b's', other)) => {
            let other: String = String::from_utf8_lossy(other).chars().take(40).collect();
            Ok(Status::Refused(format!("it says {other:?}")))
        }
        _ => Err(unexpected("a status")),
    }
}

/// Who the peer is, and its number.
fn challenge(message: &[u8]) -> Result<(Node, u32), AttachedError> {
    let read = || {
        let (tag, rest) = message.split_first()?;
        let (_flags, rest) = rest.split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let (creation, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let name = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        let node = Node {
            name: std::str::from_utf8(name).ok()?.into(),
            creation: u32::from_be_bytes(*creation),
            channel: 0,
        };
        (*tag == b'N').then_some((node, u32::from_be_bytes(*number)))
    };
    read().ok_or_else(|| unexpected("who it is"))
}

fn unexpected(what: &str) -> AttachedError {
    AttachedError::Protocol(format!("it did not say {what} in the handshake"))
}

#[cfg(test)]
mod tests {
    use escope_beam::term::Node;

    use super::{Status, challenge, introduction, status};

    #[test]
    fn names_and_numbers_are_where_they_belong() {
        let own = Node {
            name: "a@b".into(),
            creation: 7,
            channel: 1,
        };
        let bytes = introduction(&own);
        assert_eq!(bytes.len(), 1 + 8 + 4 + 2 + 3);
        assert_eq!(bytes[9..], [0, 0, 0, 7, 0, 3, b'a', b'@', b'b']);
        let mut message = vec![b'N'];
        message.extend([0; 8]);
        message.extend([0, 0, 0, 5, 0, 0, 0, 9, 0, 3]);
        message.extend(b"n@h");
        let (node, number) = challenge(&message).unwrap();
        assert_eq!((&*node.name, node.creation, number), ("n@h", 9, 5));
        for length in 0..message.len() {
            assert!(challenge(&message[..length]).is_err());
        }
    }

    #[test]
    fn a_status_is_a_word() {
        assert_eq!(status(b"sok").unwrap(), Status::Ok);
        assert_eq!(status(b"salive").unwrap(), Status::Taken);
        assert!(matches!(
            status(b"snot_allowed").unwrap(),
            Status::Refused(_)
        ));
        assert!(matches!(status(b"swhat\xff").unwrap(), Status::Refused(_)));
        assert!(status(b"").is_err());
    }
}
