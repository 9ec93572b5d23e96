//! What processes had as they called: copied by the kernel at the hit, read here.
//!
//! The copy is of one instant, because the process goes on only when it is made. What lies elsewhere and
//! is shared by all processes is read later, and believed only if nothing of that was freed meanwhile
//! ([`crate::literals`]).

use std::time::Duration;

use escope_beam::Vm;
use escope_beam::code::CodeMap;
use escope_beam::state::{
    CalledWith, CopyReader, Part, ProcessCopy, ProcessState, RanAt, Reading, StackPlace, StateCode,
    StateOptions,
};
use escope_capture::{Call, CallCopy, StateCopied};

use crate::cost::monotonic_ns;
use crate::literals::Literals;

/// Of which calls processes are copied, and what is told of them.
#[derive(Debug, Clone)]
pub struct SnapshotsWanted {
    /// Of so many calls that are wanted, the first ones.
    pub count: u32,
    /// How much of each value, and what of it is not told.
    pub state: StateOptions,
}

/// What a process had as it called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSnapshot {
    /// For how long it was held up for the copy.
    pub took: Duration,
    /// How many bytes were copied.
    pub bytes: u64,
    /// Whether that is all that it had.
    pub whole: bool,
    /// The arguments, masked.
    pub arguments: Vec<Part>,
    /// How many values in them are masked.
    pub masked: u32,
    /// Its stack, the function first.
    pub stack: Vec<StackPlace>,
    /// After so many of these some are missing.
    pub gap: Option<usize>,
    /// Its state.
    pub state: SnapshotState,
}

/// The state of a process that called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotState {
    /// It is a behaviour's: as of before the callback that it is in.
    Of(Box<ProcessState>),
    /// It is in no callback of a behaviour.
    None,
    /// It is not told: the reason.
    NotTold(String),
}

/// Reads the copies.
#[derive(Debug)]
pub(super) struct Snapshots {
    reader: CopyReader,
    literals: Literals,
}

/// The pid of a call, its process's name, and how many of its arguments are in registers.
type Who<'a> = (&'a Call, Option<&'a str>);

impl Snapshots {
    pub(super) fn new(vm: &Vm, options: StateOptions) -> Snapshots {
        let mut literals = Literals::find(vm);
        literals.look(vm, monotonic_ns());
        Snapshots {
            reader: CopyReader::new(options),
            literals,
        }
    }

    /// Looks at what copies depend on.
    pub(super) fn look(&mut self, vm: &Vm) {
        self.literals.look(vm, monotonic_ns());
    }

    /// What was copied at a call; `None` where that cannot be read.
    pub(super) fn read(
        &mut self,
        (vm, map): (&Vm, &mut CodeMap),
        (call, name): Who<'_>,
        copy: &CallCopy,
    ) -> Option<CallSnapshot> {
        let (process, copied) = copy.process()?;
        let StateCopied::Pieces(pieces, whole) = copied else {
            return None;
        };
        let of = ProcessCopy {
            address: call.process,
            pid: call.pid,
            process,
            pieces: &pieces,
            reductions: 0,
        };
        let at = RanAt {
            stop: copy.stop,
            htop: copy.htop,
            i: call.ip,
        };
        let arguments: Vec<u64> = call.arguments.iter().map(|it| it.term).collect();
        let mut code = StateCode::at(std::mem::take(map), call.monotonic_ns);
        let asked = (name, &*arguments);
        let (called, touched) = self
            .reader
            .read_call(vm, &mut code, (&of, whole), at, asked);
        *map = code.into_map();
        let holds = !touched.shared
            || self
                .literals
                .hold_since(vm, call.monotonic_ns, monotonic_ns());
        Some(told(called, (copy, &pieces, whole), holds))
    }
}

fn told(
    called: CalledWith,
    (copy, pieces, whole): (&CallCopy, &[(u64, &[u8])], bool),
    holds: bool,
) -> CallSnapshot {
    let freed = "literals that it refers to may have been freed before they were read".to_owned();
    let state = match called.state {
        _ if !holds => SnapshotState::NotTold(freed),
        Reading::Exact(state) => SnapshotState::Of(state),
        Reading::Ran(_) => SnapshotState::None,
        Reading::Gone => SnapshotState::NotTold("it was about to end".to_owned()),
        Reading::Sensitive => SnapshotState::NotTold("it is sensitive".to_owned()),
        Reading::Unreadable(why) => SnapshotState::NotTold(why),
    };
    CallSnapshot {
        took: Duration::from_nanos(copy.took_ns),
        bytes: pieces.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        whole,
        arguments: match holds {
            true => called.arguments,
            false => Vec::new(),
        },
        masked: called.masked,
        stack: called.stack,
        gap: called.gap,
        state,
    }
}
