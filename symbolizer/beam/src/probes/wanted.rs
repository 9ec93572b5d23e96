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
    /// A name is to be registered.
    Register,
    /// A name is to be unregistered.
    Unregister,
}

/// All of them.
pub const PROBES: [Probe; 20] = [
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
    /// Name, an atom.
    Name,
    /// Pid or port, as a term.
    Id,
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
}

impl Passed {
    fn want(self, layout: &Layout) -> Want {
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
        let words = self.words().iter();
        words.map(|word| word.want(layout)).collect()
    }

    /// The words that it is for: the prototypes in `erl_process.h`, `beam_common.h`, `global.h`,
    /// `bif.h`, `erl_proc_sig_queue.h`, `erl_gc.h`, `register.h` and `jit/beam_jit_common.hpp`, the
    /// same in OTP 25 to 29 as far as named here.
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
            // (Process *, name, id)
            Probe::Register => {
                &const {
                    [
                        argument(What::Process, 0),
                        argument(What::Name, 1),
                        argument(What::Id, 2),
                    ]
                }
            }
            // (Process *, locks, Port *, name)
            Probe::Unregister => &const { [argument(What::Process, 0), argument(What::Name, 3)] },
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
