//! Why the VM could not be asked, and what helps.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why the VM could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachedError {
    /// It has no name, so nobody can join it.
    #[error(
        "the VM is not alive as a node, so the attached tracer cannot join it: start it with -sname \
         or -name, or let it call net_kernel:start/2; without that, read it from outside"
    )]
    NotAlive,
    /// The name is none.
    #[error("{0:?} is no name of a node")]
    BadName(String),
    /// There is no cookie.
    #[error("no cookie: {0}; give --cookie-file FILE, or the variable ESCOPE_COOKIE")]
    NoCookie(String),
    /// Nobody knows where nodes listen.
    #[error(
        "no epmd answers at {address} ({why}), so the port of {node} is not known: if its epmd has \
         another port, set ERL_EPMD_PORT; or give the node's own address by --dist-address IP:PORT"
    )]
    NoEpmd {
        /// Where it was looked for.
        address: SocketAddr,
        /// The node.
        node: String,
        /// What was met.
        why: String,
    },
    /// It does not know this one.
    #[error(
        "the epmd at {address} does not know {node}; it knows {known}: if the node uses another epmd, \
         as in a container, set ERL_EPMD_PORT, or give its own address by --dist-address IP:PORT"
    )]
    NotInEpmd {
        /// Where it listens.
        address: SocketAddr,
        /// The node.
        node: String,
        /// Those that it knows.
        known: String,
    },
    /// Nobody listens there.
    #[error(
        "no connection to {node} at {address}: {why}; --dist-address IP:PORT says where it listens"
    )]
    NoConnection {
        /// The node.
        node: String,
        /// Where.
        address: SocketAddr,
        /// What was met.
        why: String,
    },
    /// The proof of the cookie failed.
    #[error(
        "{node} refused the cookie from {source_}: give the VM's own by --cookie-file FILE, or by the \
         variable ESCOPE_COOKIE; the VM has logged the attempt"
    )]
    WrongCookie {
        /// The node.
        node: String,
        /// Where the cookie came from.
        source_: String,
    },
    /// It speaks TLS, and we did not.
    #[error(
        "{node} speaks TLS: give the authority of its certificate by --tls-cacert FILE, and a certificate of \
         ours by --tls-cert FILE and --tls-key FILE if it wants one"
    )]
    WantsTls {
        /// The node.
        node: String,
    },
    /// There is no TLS connection with it.
    #[error("TLS with the VM failed: {0}")]
    Tls(String),
    /// A file for TLS cannot be used.
    #[error("{}: {why}", .path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// All our names are taken.
    #[error("{node} has connections from as many of us as there may be: end one of them")]
    Clash {
        /// The node.
        node: String,
    },
    /// It will not talk to us.
    #[error("{node} refused us: {why}")]
    Refused {
        /// The node.
        node: String,
        /// What it said.
        why: String,
    },
    /// Another VM answered.
    #[error(
        "who answered as {node} is the process {pid}, and not {wanted}: give --dist-address IP:PORT"
    )]
    OtherVm {
        /// The node.
        node: String,
        /// Its pid.
        pid: String,
        /// The one that was meant.
        wanted: u32,
    },
    /// Nothing came in time.
    #[error(
        "{what} within {after:?}: the VM is busy or stopped, or the connection hangs; try again later"
    )]
    Late {
        /// What did not come.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection ended.
    #[error("the VM closed the connection while {0}")]
    Closed(&'static str),
    /// What came makes no sense.
    #[error("the peer does not speak the distribution protocol as OTP 25 and later do: {0}")]
    Protocol(String),
    /// What came is too much.
    #[error(
        "the VM sent {bytes} bytes at once, more than the {limit} that are taken: ask for less"
    )]
    TooLarge {
        /// So much.
        bytes: usize,
        /// At most so much.
        limit: usize,
    },
    /// A call failed in the VM.
    #[error("{call} failed in the VM: {why}")]
    Failed {
        /// The call.
        call: String,
        /// Its reason.
        why: String,
    },
    /// A function cannot be traced.
    #[error("the VM does not trace: {0}")]
    NotTraced(String),
    /// The network failed.
    #[error("the connection to the VM failed: {0}")]
    Io(#[from] std::io::Error),
}

impl AttachedError {
    /// Whether the target would not be joined, as opposed to something that went wrong later.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(
            self,
            AttachedError::Closed(_)
                | AttachedError::TooLarge { .. }
                | AttachedError::Failed { .. }
                | AttachedError::Io(_)
        )
    }
}
