//! What can be probed, and which words each probe is for.

use super::site::{Want, Word};
use crate::layout::Layout;

/// Something that happens in the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Probe {
    /// A scheduler is done with a process, if it had one.
    ScheduleOut,
    /// A scheduler has a process and goes into its code.
    ScheduleIn,
    /// A dirty scheduler calls a NIF.
    DirtyNif,
    /// A dirty scheduler calls a BIF.
    DirtyBif,
    /// A dirty scheduler collects the garbage of a process, or does something else for it.
    DirtySystemTask,
    /// Signals, among them messages, are given to a process.
    Enqueue,
    /// A process takes a message out of its mailbox.
    Dequeue,
    /// A process is to be spawned.
    Spawn,
    /// A process exits by itself, for a reason.
    Exit,
    /// A process is ending, however that came; more than once if there is much to do.
    ContinueExit,
    /// A garbage collection may begin: from JIT code and for system tasks.
    CollectNoBump,
    /// The same from C code.
    Collect,
    /// The same after a BIF.
    CollectAfterBif,
    /// A garbage collection because of hibernation may begin.
    CollectHibernate,
    /// A garbage collection begins, wherever it was asked for.
    CollectBegin,
    /// It has ended. One that is given up has no end.
    CollectEnd,
    /// A garbage collection because of hibernation, or for literals, begins.
    HibernateBegin,
    /// It has ended.
    HibernateEnd,
    /// A name was looked up to be given to a process, and is given to it if it was free.
    Register,
    /// A name was looked up to be taken away from a process, and is if it was there.
    Unregister,
    /// The code of a module is put in place.
    LoadModule,
    /// A step of removing the old code of a module.
    PurgeModule,
    /// A port was put into the table of ports, or could not be.
    OpenPort,
    /// A port was taken out of it.
    ClosePort,
    /// A process gives data to a port.
    PortOutput,
    /// A port gives bytes to a process,
    PortBytes,
    /// or a binary,
    PortBinary,
    /// or what lies in several places,
    PortVector,
    /// or a term,
    PortTerm,
    /// or a term, to a process that is named,
    PortTermTo,
    /// or a term, with the port's number,
    PortIdTerm,
    /// or both.
    PortIdTermTo,
    /// A signal for another node is encoded,
    DistSend,
    /// and who sends it is suspended, for there is no room.
    DistSuspend,
    /// Data from another node have arrived.
    DistArrive,
    /// A signal from another node is whole.
    DistReceive,
}

/// All of them.
pub const PROBES: [Probe; 36] = [
    Probe::ScheduleOut,
    Probe::ScheduleIn,
    Probe::DirtyNif,
    Probe::DirtyBif,
    Probe::DirtySystemTask,
    Probe::Enqueue,
    Probe::Dequeue,
    Probe::Spawn,
    Probe::Exit,
    Probe::ContinueExit,
    Probe::CollectNoBump,
    Probe::Collect,
    Probe::CollectAfterBif,
    Probe::CollectHibernate,
    Probe::CollectBegin,
    Probe::CollectEnd,
    Probe::HibernateBegin,
    Probe::HibernateEnd,
    Probe::Register,
    Probe::Unregister,
    Probe::LoadModule,
    Probe::PurgeModule,
    Probe::OpenPort,
    Probe::ClosePort,
    Probe::PortOutput,
    Probe::PortBytes,
    Probe::PortBinary,
    Probe::PortVector,
    Probe::PortTerm,
    Probe::PortTermTo,
    Probe::PortIdTerm,
    Probe::PortIdTermTo,
    Probe::DistSend,
    Probe::DistSuspend,
    Probe::DistArrive,
    Probe::DistReceive,
];

/// A word that a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Pointer to the `Process` that this is about; may be 0 where a scheduler had none.
    Process,
    /// Reductions that it has used, 32 bits.
    Reductions,
    /// Who sends, as a term.
    From,
    /// Pointer to the `Process` that receives.
    Receiver,
    /// Pointer to the first signal.
    First,
    /// Pointer to the last one's pointer to the next, which is at the begin of a signal.
    Last,
    /// How many of the signals are messages.
    Length,
    /// Pointer to the message. Where it is not at hand it is what `save` of the process's inner
    /// queue leads to.
    Message,
    /// Pointer to the `Process` that spawns.
    Parent,
    /// Module, an atom.
    Module,
    /// Function, an atom.
    Function,
    /// Reason of an exit, as a term.
    Reason,
    /// Pointer to a `RegProc`; may be 0.
    Registration,
    /// Pointer to the arguments of a BIF.
    Arguments,
    /// Pointer to the `Port`.
    Port,
    /// Whether it was done, 32 bits.
    Done,
    /// Data for a port, a term.
    Data,
    /// How many bytes come first.
    Header,
    /// How many bytes there are.
    Bytes,
    /// Pointer to an `ErlIOVec`.
    Vector,
    /// How many bytes of it are left out.
    Skip,
    /// Pointer to the parts of a term to be made.
    Parts,
    /// How many words these are, 32 bits.
    Words,
    /// Who receives, as a term.
    To,
    /// Pointer to an `ErtsDSigSendContext`.
    Context,
    /// Pointer to data from another node.
    Buffer,
    /// Pointer to a node's `DistEntry`.
    Entry,
    /// Pointer to a control message, a tuple.
    Control,
    /// What a control message is for, as a term.
    Operation,
}

/// A word, and how it is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Which word.
    pub what: What,
    passed: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// As an argument.
    Argument(u8),
    /// The same, of 32 bits.
    Half(u8),
    /// What the next message of a process, an argument, is. Not needed.
    NextMessage(u8),
    /// What lies at an argument where the function's code says (`loading.rs`).
    Inside(u8),
}

impl Passed {
    fn want(self, layout: &Layout, inside: i64) -> Want {
        match self.passed {
            How::Argument(n) | How::Half(n) => Want {
                word: Word::Argument(n),
                half: matches!(self.passed, How::Half(_)),
                needed: true,
            },
            How::NextMessage(n) => Want {
                word: Word::AtAt(n, i64::from(save(layout)), 0),
                half: false,
                needed: false,
            },
            How::Inside(n) => Want {
                word: Word::At(n, inside),
                half: false,
                needed: true,
            },
        }
    }
}

/// `sig_qs.save` of a process: behind `first` and `last` in `ErtsSignalPrivQueues`
/// (`erl_message.h`, the
/// same in OTP 25 to 29). It points to the pointer to the message that `receive` looks at.
pub(super) fn save(layout: &Layout) -> u32 {
    layout.process.inner_queue.saturating_add(16)
}

const fn argument(what: What, number: u8) -> Passed {
    let passed = How::Argument(number);
    Passed { what, passed }
}

impl Probe {
    pub(super) fn wants(self, layout: &Layout) -> Vec<Want> {
        self.wants_inside(layout, 0)
    }

    /// The same of a function that finds a word so many bytes inside an argument.
    pub(super) fn wants_inside(self, layout: &Layout, inside: i64) -> Vec<Want> {
        let words = self.words().iter();
        words.map(|word| word.want(layout, inside)).collect()
    }

    /// The words that it is for: the prototypes in `erl_process.h`, `beam_common.h`, `global.h`,
    /// `bif.h`, `erl_proc_sig_queue.h`, `erl_gc.h`, `register.h`, `beam_code.h`, `erl_port.h`, `erl_driver.h`, `external.h` and
    /// `jit/beam_jit_common.hpp`, the same in OTP 25 to 29 as far as named here.
    #[must_use]
    pub fn words(self) -> &'static [Passed] {
        match self {
            // (ErtsSchedulerData *, Process *, int reds)
            Probe::ScheduleOut => {
                &const {
                    let passed = How::Half(2);
                    let what = What::Reductions;
                    [argument(What::Process, 1), Passed { what, passed }]
                }
            }
            // (ErtsSchedulerData *, Process *, I, reg)
            Probe::DirtyNif | Probe::DirtyBif => &const { [argument(What::Process, 1)] },
            // (from, receiver, locks, first, last, last_next, len, ...)
            Probe::Enqueue => {
                &const {
                    [
                        argument(What::From, 0),
                        argument(What::Receiver, 1),
                        argument(What::First, 3),
                        argument(What::Last, 4),
                        argument(What::Length, 6),
                    ]
                }
            }
            // (Process *, ...)
            Probe::Dequeue => {
                &const {
                    let passed = How::NextMessage(0);
                    let what = What::Message;
                    [argument(What::Process, 0), Passed { what, passed }]
                }
            }
            // (parent, mod, func, args, opts)
            Probe::Spawn => {
                &const {
                    [
                        argument(What::Parent, 0),
                        argument(What::Module, 1),
                        argument(What::Function, 2),
                    ]
                }
            }
            Probe::Exit => &const { [argument(What::Process, 0), argument(What::Reason, 1)] },
            // No arguments, but what the table of names has: `names.rs`.
            Probe::Register => {
                &const { [argument(What::Registration, 0), argument(What::Process, 1)] }
            }
            Probe::Unregister => &const { [argument(What::Registration, 0)] },
            // (prepared code, Process *, locks, where the module goes)
            Probe::LoadModule => {
                &const {
                    let passed = How::Inside(0);
                    let what = What::Module;
                    [argument(What::Process, 1), Passed { what, passed }]
                }
            }
            // (Process *, arguments, ...)
            Probe::PurgeModule => {
                &const { [argument(What::Process, 0), argument(What::Arguments, 1)] }
            }
            // Not an argument, but what it gets from the table: `port.rs`.
            Probe::OpenPort => {
                &const {
                    let passed = How::Half(1);
                    let what = What::Done;
                    [argument(What::Port, 0), Passed { what, passed }]
                }
            }
            // (Port *)
            Probe::ClosePort => &const { [argument(What::Port, 0)] },
            // (Process *, flags, Port *, from, data, where a reference goes)
            Probe::PortOutput => {
                &const {
                    [
                        argument(What::Process, 0),
                        argument(What::Port, 2),
                        argument(What::Data, 4),
                    ]
                }
            }
            // (port, header, its bytes, buffer, bytes)
            Probe::PortBytes => {
                &const {
                    [
                        argument(What::Port, 0),
                        argument(What::Header, 2),
                        argument(What::Bytes, 4),
                    ]
                }
            }
            // (port, header, its bytes, binary, offset, bytes)
            Probe::PortBinary => {
                &const {
                    [
                        argument(What::Port, 0),
                        argument(What::Header, 2),
                        argument(What::Bytes, 5),
                    ]
                }
            }
            // (port, header, its bytes, vector, bytes to skip)
            Probe::PortVector => {
                &const {
                    [
                        argument(What::Port, 0),
                        argument(What::Header, 2),
                        argument(What::Vector, 3),
                        argument(What::Skip, 4),
                    ]
                }
            }
            // (port, parts, words)
            Probe::PortTerm | Probe::PortIdTerm => {
                &const {
                    let passed = How::Half(2);
                    let what = What::Words;
                    [
                        argument(What::Port, 0),
                        argument(What::Parts, 1),
                        Passed { what, passed },
                    ]
                }
            }
            // (port, process, parts, words)
            Probe::PortTermTo | Probe::PortIdTermTo => {
                &const {
                    let passed = How::Half(3);
                    let what = What::Words;
                    [
                        argument(What::Port, 0),
                        argument(What::Parts, 2),
                        Passed { what, passed },
                        argument(What::To, 1),
                    ]
                }
            }
            // Neither are arguments: `dist.rs`.
            Probe::DistSend | Probe::DistSuspend => &const { [argument(What::Context, 0)] },
            Probe::DistReceive => {
                &const { [argument(What::Control, 0), argument(What::Operation, 1)] }
            }
            // (ErtsDistExternal *, data, bytes, Binary *, DistEntry *, connection, cache)
            Probe::DistArrive => {
                &const {
                    [
                        argument(What::Buffer, 1),
                        argument(What::Bytes, 2),
                        argument(What::Entry, 4),
                    ]
                }
            }
            // (Process *, ...)
            Probe::ScheduleIn
            | Probe::ContinueExit
            | Probe::DirtySystemTask
            | Probe::CollectNoBump
            | Probe::Collect
            | Probe::CollectAfterBif
            | Probe::CollectHibernate
            | Probe::CollectBegin
            | Probe::CollectEnd
            | Probe::HibernateBegin
            | Probe::HibernateEnd => &const { [argument(What::Process, 0)] },
        }
    }
}
