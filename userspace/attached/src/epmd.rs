//! epmd, which knows the ports of a machine's nodes.
//!
//! ```text
//! to it:   length (2) | 'z' | name      its answer: 'w' | result (1) | port (2) | ...
//! to it:   length (2) | 'n'             its answer: its port (4) | lines "name N at port P"
//! ```
//! (`erts/epmd/src/epmd_int.h` and `lib/kernel/src/erl_epmd.erl` of OTP 25 to 29.)

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::AttachedError;
use crate::address::Target;
use crate::link::{Header, Link};

const PORT_PLEASE2: u8 = b'z';
const PORT2_RESPONSE: u8 = b'w';
const NAMES: u8 = b'n';
/// More nodes than a machine has names for in this many bytes are not told.
const ANSWER_MAX: usize = 16 << 10;
/// Names in a sentence.
const NAMES_MAX: usize = 20;

/// Where a node listens, as epmd says.
pub(crate) fn look_up(target: &Target, patience: Duration) -> Result<SocketAddr, AttachedError> {
    let asked = [&[PORT_PLEASE2], target.alive.as_bytes()].concat();
    match port(&ask(target, &asked, patience)?) {
        Some(port) => Ok(SocketAddr::new(target.epmd.ip(), port)),
        None => Err(AttachedError::NotInEpmd {
            address: target.epmd,
            node: target.node.clone(),
            known: known(&ask(target, &[NAMES], patience).unwrap_or_default()),
        }),
    }
}

fn ask(target: &Target, request: &[u8], patience: Duration) -> Result<Vec<u8>, AttachedError> {
    let none = |why: String| AttachedError::NoEpmd {
        address: target.epmd,
        node: target.node.clone(),
        why,
    };
    let mut link = Link::open(target.epmd, patience).map_err(|why| none(why.to_string()))?;
    let until = Instant::now() + patience;
    let answered = link
        .send(Header::Short, request)
        .and_then(|()| link.rest(ANSWER_MAX, until));
    answered.map_err(|why| none(why.to_string()))
}

/// `None` when it does not know the node.
fn port(answer: &[u8]) -> Option<u16> {
    match answer {
        [PORT2_RESPONSE, 0, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// The names of an answer that lists them.
fn known(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer.get(4..).unwrap_or_default());
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("name ")?.split(' ').next())
        .take(NAMES_MAX)
        .collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::{known, port};

    #[test]
    fn answers_are_read_and_nonsense_is_none() {
        assert_eq!(port(&[119, 0, 0x1f, 0x90, 77, 0]), Some(8080));
        assert_eq!(port(&[119, 1]), None);
        assert_eq!(port(b""), None);
        let text = b"\0\0\x11\x11name shop at port 4000\nname bank at port 4001\n";
        assert_eq!(known(text), "shop, bank");
        assert_eq!(known(b"x"), "none");
    }
}
