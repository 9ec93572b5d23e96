//! One recording, from attach to stop.
//!
//! [`Recorder::start`] finds a BEAM, proves that it can be read, starts the capture and a
//! recording; [`Recorder::run`] drains, names and writes until it is told to stop, the time is
//! up, the target ends or the disk is full; [`Recorder::finish`] leaves a whole recording.
//!
//! Invariant: whatever goes wrong after the start, what was captured until then is on disk and
//! opens.

#![forbid(unsafe_code)]

mod checkpoints;
mod cost;
mod error;
mod events;
mod find;
mod intake;
mod launch;
mod literals;
mod losses;
mod manifest;
mod options;
mod outcome;
mod pipeline;
mod recorder;
mod rested;
mod saved;
mod setup;
mod snapshot;
mod state;
mod stop;
mod target_end;
mod tree;
mod watch;

pub use checkpoints::{CheckpointChoice, CheckpointCounts};
pub use cost::Cost;
pub use error::{Refusal, SessionError};
pub use escope_beam::layout::{Given, Layout};
pub use escope_beam::memory::Memory;
pub use escope_beam::probes::{NativeName, NoNative};
pub use escope_beam::said::{BadPattern, FieldRule, Redaction, Rules};
pub use escope_beam::snapshot::{MessageOptions, ProcessSnapshot, SnapshotOptions, StackFrame};
pub use escope_beam::state::{
    Behaviour, Child, Part, ProcessState, Rests, Run, StackPlace, StateOptions, Supervision, lines,
};
pub use escope_beam::term::{
    Change, Difference, Elements, Holes, Limits, Node, NotExternal, Step, Term, What, atom_text,
};
pub use escope_beam::{Beam, BeamError, CoreFile, Vm, find_beams, is_stopped, read_threads};
pub use escope_capture::{
    CaptureError, Clock, ClockChoice, HitPrice, KEEPER_COMMAND, KernelSupport, check_proc,
    keep_probes, online_cpus, probe_breakpoints, probe_kernel,
};
pub use escope_recording::EndedHow;
pub use escope_symbolizer::Statistics;
pub use events::{
    EventReplay, EventSelection, EventSupport, KindSupport, SaidCounts, StateCounts, Wanted,
    WantedProcess, event_support,
};
pub use find::{TargetChoice, choose};
pub use launch::Launched;
pub use options::{
    EventLimits, PayloadLimits, RecordOptions, RingTooLarge, StateLimits, WantedNatives,
};
pub use outcome::{Checked, Copies, EventsSummary, Progress, Stop, Summary, WindowsSummary};
pub use recorder::Recorder;
pub use saved::{Saved, save_checkpoint};
pub use snapshot::{count_missing, list_called, open_core, open_image, save_image, take_snapshot};
pub use state::{StateAnswer, StateOf, States, StatesOptions, read_states, read_states_stopped};
pub use stop::StopTime;
pub use tree::{
    Group, Linked, Node as TreeNode, Occupant, Outsiders, Presence, Root, Tree, TreeOptions, Trees,
    read_trees,
};
pub use watch::{
    CallSnapshot, Called, Caller, Condition, FunctionCount, Immediate, Mark, Seen, SnapshotState,
    SnapshotsWanted, Watch, WatchEnd, WatchOptions, WatchSummary, WatchedCall,
};
