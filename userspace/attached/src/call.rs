//! A connection to a VM, and calls of its functions.
//!
//! ```text
//! length (4) | 'p' | control, a term | for some controls a message, a term
//! ```
//! A length of 0 is a tick, which says no more than that the peer is there. Calls are requests to the
//! registered process `rex` of the kernel application, as `gen_server:call/2` would send them, which
//! runs each in a process of its own (`handle_call/3` in `lib/kernel/src/rpc.erl` of OTP 25 to 29).

use std::time::{Duration, Instant};

use escope_beam::term::{Limits, Node, NotExternal, Pid, Reference, Term};

use crate::AttachedError;
use crate::address::Target;
use crate::cookie::Cookie;
use crate::epmd;
use crate::handshake::{random, shake_hands};
use crate::inbox::Inbox;
use crate::link::{Header, Link};
use crate::reason::outline;
use crate::terms::{atom, elements, integer, is_atom, list, tuple};
use crate::tls::Tls;

/// Of a message between nodes: what is to be shown is smaller.
const MESSAGE_MAX: usize = 64 << 20;
/// So many of us at a VM. Names that were used once stay in its atom table, so they are few.
const NAMES: u32 = 8;
/// For the first two terms of a message: who it is to.
const CONTROL: Limits = Limits {
    depth: 8,
    nodes: 100,
    bytes: 1 << 10,
};
/// For answers that are not to be shown.
const ANSWER: Limits = Limits {
    depth: 200,
    nodes: 1 << 20,
    bytes: 1 << 20,
};

/// `DOP_*` in `erts/emulator/beam/dist.h`.
const SEND: i64 = 2;
const REG_SEND: u64 = 6;
const SEND_SENDER: i64 = 22;
/// What a message begins with that has no atom cache: `PASS_THROUGH` in `external.h`.
const PASS_THROUGH: u8 = b'p';

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// For each step of connecting, and for answers of functions that do not wait.
    pub patience: Duration,
    /// The pid that the VM has in its own PID namespace, if it must be that one.
    pub os_pid: Option<u32>,
    /// How to speak TLS with it, if it does.
    pub tls: Option<Tls>,
}

/// A connection to a VM.
#[derive(Debug)]
pub struct Attached {
    link: Link,
    own: Node,
    peer: Node,
    patience: Duration,
    calls: u32,
    inbox: Inbox,
}

impl Attached {
    /// Joins the VM as a hidden node.
    ///
    /// # Errors
    /// When there is no way to it, or it refuses us.
    pub fn connect(
        target: &Target,
        cookie: &Cookie,
        options: &ConnectOptions,
    ) -> Result<Attached, AttachedError> {
        let patience = options.patience;
        let address = match target.address {
            Some(address) => address,
            None => epmd::look_up(target, patience)?,
        };
        for number in 1..=NAMES {
            let mut link =
                Link::open(address, patience).map_err(|why| AttachedError::NoConnection {
                    node: target.node.clone(),
                    address,
                    why: why.to_string(),
                })?;
            let own = Node {
                name: format!("escope_bpf_{number}@{}", target.host).into(),
                // 0 is for nodes that do not know theirs.
                creation: random()?.max(1),
                channel: 1,
            };
            let until = Instant::now() + patience;
            if let Some(tls) = &options.tls {
                link = link.secure(tls, &target.host, until)?;
            }
            let peer = shake_hands(&mut link, &own, &target.node, cookie, until)?;
            let Some(peer) = peer else { continue };
            let mut attached = Attached {
                link,
                own,
                peer,
                patience,
                calls: 0,
                inbox: Inbox::default(),
            };
            if let Some(wanted) = options.os_pid {
                attached.is_process(wanted)?;
            }
            return Ok(attached);
        }
        Err(AttachedError::Clash {
            node: target.node.clone(),
        })
    }

    /// What we are called while we are there.
    #[must_use]
    pub fn own_name(&self) -> &str {
        &self.own.name
    }

    /// The VM's node, which identities of its own name in the external term format.
    #[must_use]
    pub fn peer(&self) -> &Node {
        &self.peer
    }

    /// Two VMs can have had one name: whether this is the one that was meant.
    fn is_process(&mut self, wanted: u32) -> Result<(), AttachedError> {
        let said = self.call("os", "getpid", Vec::new())?;
        let pid = said.to_string();
        let pid = pid.trim_matches('"');
        match pid.parse() == Ok(wanted) {
            true => Ok(()),
            false => Err(AttachedError::OtherVm {
                node: self.peer.name.to_string(),
                pid: pid.chars().take(20).collect(),
                wanted,
            }),
        }
    }

    /// Our process, as the VM sees it: there is one.
    pub(crate) fn us(&self) -> Term {
        Term::Pid(self.own_pid())
    }

    fn own_pid(&self) -> Pid {
        Pid {
            node: Some(self.own.clone().into()),
            number: 1,
            serial: 0,
        }
    }

    /// Has the VM call a function and takes what it returns.
    ///
    /// # Errors
    /// When it fails there, or nothing comes in time.
    pub(crate) fn call(
        &mut self,
        module: &str,
        function: &str,
        arguments: Vec<Term>,
    ) -> Result<Term, AttachedError> {
        let patience = self.patience;
        let answer = self.try_call((module, function), arguments, &ANSWER, patience)?;
        answer.map_err(|why| AttachedError::Failed {
            call: format!("{module}:{function}"),
            why: outline(&why),
        })
    }

    /// The same with limits of its own; the inner error is the reason that the VM gives.
    pub(crate) fn try_call(
        &mut self,
        (module, function): (&str, &str),
        arguments: Vec<Term>,
        limits: &Limits,
        patience: Duration,
    ) -> Result<Result<Term, Term>, AttachedError> {
        self.calls = self.calls.wrapping_add(1);
        let number = self.calls;
        let reference = Term::Reference(Reference {
            node: Some(self.own.clone().into()),
            numbers: vec![number & 0x3_ffff, 0, 0],
            printed: 3,
        });
        let call = tuple(vec![
            atom("call"),
            atom(module),
            atom(function),
            list(arguments),
            atom("user"),
        ]);
        let request = tuple(vec![
            atom("$gen_call"),
            tuple(vec![self.us(), reference.clone()]),
            call,
        ]);
        let control = tuple(vec![integer(REG_SEND), self.us(), atom(""), atom("rex")]);
        self.send(&control, &request)?;
        let until = Instant::now() + patience;
        loop {
            let Some(bytes) = self.read(until)? else {
                return Err(AttachedError::Late {
                    what: format!("{module}:{function} did not return"),
                    after: patience,
                });
            };
            match elements::<2>(&self.decode(&bytes, limits)?) {
                Some([tag, answer]) if *tag == reference => {
                    return Ok(match elements::<2>(answer) {
                        Some([bad, why]) if is_atom(bad, "badrpc") => Err(why.clone()),
                        _ => Ok(answer.clone()),
                    });
                }
                _ => self.inbox.push(bytes),
            }
        }
    }

    /// The next message to us that is no answer; `None` when the time is up.
    pub(crate) fn receive(
        &mut self,
        limits: &Limits,
        until: Instant,
    ) -> Result<Option<Term>, AttachedError> {
        let bytes = match self.inbox.pop() {
            Some(bytes) => Some(bytes),
            None => self.read(until)?,
        };
        bytes.map(|bytes| self.decode(&bytes, limits)).transpose()
    }

    /// Messages that came while an answer was waited for, and were too many to be kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }

    /// Sends a message to a process of the VM.
    pub(crate) fn send_to(&mut self, process: &Term, message: &Term) -> Result<(), AttachedError> {
        let control = tuple(vec![integer(SEND as u64), atom(""), process.clone()]);
        self.send(&control, message)
    }

    fn send(&mut self, control: &Term, message: &Term) -> Result<(), AttachedError> {
        let mut bytes = vec![PASS_THROUGH];
        for term in [control, message] {
            let written = term.to_external(Some(&self.peer));
            bytes.extend(written.map_err(|why| AttachedError::Protocol(why.to_string()))?);
        }
        self.link.send(Header::Long, &bytes)
    }

    /// The next message to our process, as it came; links, monitors and the like are none.
    fn read(&mut self, until: Instant) -> Result<Option<Vec<u8>>, AttachedError> {
        loop {
            let Some(bytes) = self.link.next(Header::Long, MESSAGE_MAX, until)? else {
                return Ok(None);
            };
            if bytes.is_empty() {
                // Whoever says nothing for a minute is taken for dead.
                self.link.send(Header::Long, &[])?;
                continue;
            }
            if let Some(message) = self.message(&bytes)? {
                return Ok(Some(message.to_vec()));
            }
        }
    }

    /// What is sent to our process, in the external term format.
    fn message<'b>(&self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, AttachedError> {
        let Some((&PASS_THROUGH, bytes)) = bytes.split_first() else {
            let why = "a message is in a form that we have not said to know";
            return Err(AttachedError::Protocol(why.to_owned()));
        };
        let (control, rest) =
            Term::from_external(bytes, Some(&self.peer), &CONTROL).map_err(wrong)?;
        let is_to_us = match elements::<3>(&control) {
            Some([Term::Integer(SEND | SEND_SENDER), _, Term::Pid(to)]) => *to == self.own_pid(),
            _ => false,
        };
        Ok(is_to_us.then_some(rest))
    }

    fn decode(&self, message: &[u8], limits: &Limits) -> Result<Term, AttachedError> {
        let (message, _) = Term::from_external(message, Some(&self.peer), limits).map_err(wrong)?;
        Ok(message)
    }
}

fn wrong(why: NotExternal) -> AttachedError {
    AttachedError::Protocol(why.to_string())
}

#[cfg(test)]
mod tests;
