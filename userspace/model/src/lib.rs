//! The vocabulary that every other crate speaks.
//!
//! Plain data, no I/O, no threads. What the kernel half saw is a [`RawEvent`];
//! what a recording holds is a [`Sample`] that points into a [`Dictionary`] of
//! frames, stacks, processes and threads.
//!
//! Identities here are ours: sequential, never reused. A `ProcId` names one
//! Erlang process for ever, although its pid and its address may come back.

#![forbid(unsafe_code)]

mod activity;
mod checkpoints;
mod dictionary;
mod dist;
mod event;
mod frame;
mod happening;
mod ids;
mod loss;
mod modules;
mod names;
mod ports;
mod printable;
mod process;
mod sample;
mod states;
mod thread;
mod vm_event;

pub use activity::Activity;
pub use checkpoints::{CheckpointRow, CheckpointSeen, ProcessStatus};
pub use dictionary::Dictionary;
pub use dist::{DistAction, DistEvent, DistOp};
pub use event::{
    CodeRegistered, RawEvent, RawSample, RawScheduler, SampleFlags, StackCopy, UserRegs, Words,
};
pub use frame::{Frame, FrameKind};
pub use happening::{
    Collection, CollectionKind, Cut, Fate, LeftAs, Life, LifeEvent, Message, MessageKind,
    NativeCall, OffCpu, OffCpuWhy, Payload, PayloadSeen, Run, Window, WokenBy,
};
pub use ids::{FrameId, PortId, ProcId, StackId};
pub use loss::Loss;
pub use modules::{ModuleAction, ModuleEvent};
pub use names::{ErlangName, quote_atom};
pub use ports::{PortAction, PortEvent, PortInfo};
pub use printable::is_printable;
pub use process::{Mfa, ProcessInfo};
pub use sample::{Sample, Truncation};
pub use states::{StateRow, StateSeen, StateSource, state_hash};
pub use thread::{SchedulerId, SchedulerKind, ThreadInfo, ThreadKind};
pub use vm_event::{ExitReason, Heaps, MessageShape, SecondElement, VmEvent, VmEventKind};
