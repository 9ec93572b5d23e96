//! What happened in the VM, as rows of the recording: runs, messages, lives, collections.

use serde::{Deserialize, Serialize};

use crate::ids::{FrameId, ProcId};
use crate::thread::SchedulerId;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All there are.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word used in recordings and reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// What a recording's word stands for.
            #[must_use]
            pub fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

pub(crate) use words;

words! {
    /// How a run of a process ended.
    LeftAs {
        /// Waits for a message or a timeout.
        Waiting = "waiting",
        /// Could go on: it used up its reductions, or yielded.
        Runnable = "runnable",
        /// Was suspended.
        Suspended = "suspended",
        /// Is on its way out.
        Exiting = "exiting",
        /// Went to a dirty scheduler, or came back from one.
        Dirty = "dirty",
    }
}

words! {
    /// What ended the waiting of a process.
    WokenBy {
        /// It went on where it had waited: a message or another signal came, or it was resumed.
        Signal = "signal",
        /// The time of its `receive` was up when it went on. A message may have come too, before or
        /// after that.
        Timeout = "timeout",
    }
}

words! {
    /// Which ends of a span were not seen. Its times are then those of the seen part.
    Cut {
        /// It had begun before it could be seen.
        Start = "start",
        /// It went on when it could no longer be seen.
        End = "end",
        /// Both.
        Both = "both",
    }
}

words! {
    /// What a message is, by its shape.
    MessageKind {
        /// Anything else.
        Message = "message",
        /// A request of `gen`: `{'$gen_call', From, Request}`.
        Call = "call",
        /// `{'$gen_cast', Request}`.
        Cast = "cast",
        /// A reply to an alias.
        Reply = "reply",
        /// Of a monitor.
        Down = "down",
        /// Of a link or `exit/2`.
        Exit = "exit",
        /// Of a timer: `{timeout, Ref, Message}`.
        Timeout = "timeout",
        /// `{system, From, Request}`.
        System = "system",
        /// `{Port, Data}` or `{tcp, Socket, Data}` and the like.
        Port = "port",
        /// Came from another node and is not decoded yet.
        Distributed = "distributed",
    }
}

words! {
    /// What became of a message.
    Fate {
        /// The receiver took it out of its mailbox.
        Received = "received",
        /// It was in the mailbox when that could no longer be seen.
        Waiting = "waiting",
        /// The receiver ended first.
        Dropped = "dropped",
        /// Cannot be told: events are missing.
        Unknown = "unknown",
    }
}

words! {
    /// How much of what a message said is known.
    PayloadSeen {
        /// All of it.
        Whole = "whole",
        /// Less than was sent: `...` in its text stands for the rest.
        Cut = "cut",
        /// Nothing: the sender or the receiver has asked not to be looked at.
        Sensitive = "sensitive",
        /// Nothing: the sender was gone before it could be asked.
        Unasked = "unasked",
        /// Nothing: memory could not be read, or what was there was no term.
        Unreadable = "unreadable",
        /// Nothing: there was no room for it when it was sent.
        NoRoom = "no_room",
    }
}

words! {
    /// What a collection was.
    CollectionKind {
        /// Of the young generation.
        Minor = "minor",
        /// Of the whole heap: a fullsweep.
        Major = "major",
        /// Of the whole heap, because the process hibernates. Those are in no count of the VM's.
        Hibernation = "hibernation",
    }
}

words! {
    /// Why a thread had no CPU.
    OffCpuWhy {
        /// The kernel took it away: the thread could have gone on.
        Preempted = "preempted",
        /// It had to wait for something: a page, a lock, a system call, or work.
        Blocked = "blocked",
    }
}

words! {
    /// What happened to a process, besides running.
    LifeEvent {
        /// It was spawned; `other` did it.
        Spawn = "spawn",
        /// It ended, for `reason`.
        Exit = "exit",
        /// It got a name.
        Register = "register",
        /// It lost it.
        Unregister = "unregister",
        /// It linked itself to `other`.
        Link = "link",
        /// It removed that link.
        Unlink = "unlink",
        /// It monitors `other`.
        Monitor = "monitor",
        /// It stopped that.
        Demonitor = "demonitor",
    }
}

/// One run of a process on a scheduler: a row of `runs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Who.
    pub proc: ProcId,
    /// Where.
    pub scheduler: SchedulerId,
    /// Nanoseconds since the recording's start.
    pub start_ns: i64,
    /// The same.
    pub end_ns: i64,
    /// What let it run after it had waited; unknown where that was not seen, or it had not.
    pub woken_by: Option<WokenBy>,
    /// What it used; unknown of a run whose end was not seen.
    pub reductions: Option<u32>,
    /// How it ended; unknown of a run whose end was not seen.
    pub left_as: Option<LeftAs>,
    /// Where in the code it ended.
    pub at: Option<FrameId>,
    /// Which ends were not seen.
    pub cut: Option<Cut>,
}

/// One message: a row of `messages`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Ours, sequential in the order of sending, from 0.
    pub msg: u64,
    /// Who sent it, if a process of this node did.
    pub from: Option<ProcId>,
    /// Who was to get it.
    pub to: ProcId,
    /// What it is.
    pub kind: MessageKind,
    /// The first element of a tuple, or the message, where that is an atom.
    pub tag: Option<String>,
    /// Nanoseconds since the recording's start.
    pub sent_ns: i64,
    /// When it was taken out of the mailbox.
    pub received_ns: Option<i64>,
    /// What became of it.
    pub fate: Fate,
    /// How many words were copied to send it; 0 for a term that is a word itself. Known only of
    /// what lies in the fragment within the message, as all does that is sent to a mailbox off
    /// heap. Literals are not copied, and not counted.
    pub size_words: Option<u32>,
}

/// What a message said: a row of `payloads`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The message's number.
    pub msg: u64,
    /// When it was sent, in nanoseconds since the recording's start.
    pub sent_ns: i64,
    /// How much of it is known.
    pub seen: PayloadSeen,
    /// The message as `io:format("~0tp", [Message])` prints it, with `...` for what was not copied
    /// and `***` for what was masked.
    pub text: Option<String>,
    /// How many values in it were masked.
    pub masked: u32,
}

/// One event of a process's life: a row of `lifecycle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// Whose.
    pub proc: ProcId,
    /// What.
    pub event: LifeEvent,
    /// The other one concerned.
    pub other: Option<ProcId>,
    /// The name that was registered or given up.
    pub name: Option<String>,
    /// Why it ended, as text, cut where it is long.
    pub reason: Option<String>,
}

/// One garbage collection: a row of `gc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// Whose heap.
    pub proc: ProcId,
    /// Nanoseconds since the recording's start.
    pub start_ns: i64,
    /// The same.
    pub end_ns: i64,
    /// Words that the heaps took before.
    pub before_words: Option<u64>,
    /// Words that they took after.
    pub after_words: Option<u64>,
    /// What it was; unknown where its end was not seen.
    pub kind: Option<CollectionKind>,
    /// Which ends were not seen.
    pub cut: Option<Cut>,
}

/// A time in which a scheduler's thread had no CPU: a row of `off_cpu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffCpu {
    /// Which process it ran; none if the scheduler ran none, or ports, or slept.
    pub proc: Option<ProcId>,
    /// Which.
    pub scheduler: SchedulerId,
    /// Nanoseconds since the recording's start.
    pub start_ns: i64,
    /// The same.
    pub end_ns: i64,
    /// Why; unknown where its begin was not seen.
    pub why: Option<OffCpuWhy>,
    /// For how long, at its end, the thread was ready to go on and no CPU took it, by the kernel's
    /// account: all of it where it was preempted, and where it was blocked what came after it was
    /// woken. Unknown where the end was not seen, or the kernel does not count.
    pub ready_ns: Option<u64>,
    /// Which ends were not seen.
    pub cut: Option<Cut>,
}

impl OffCpu {
    /// From when on the thread could have gone on, nanoseconds since the recording's start:
    /// before that it was blocked, from then on it had no CPU. Where that is not known, it
    /// counts as blocked until the end if it was blocked.
    #[must_use]
    pub fn ready_from_ns(&self) -> i64 {
        let ready_ns = match (self.why, self.ready_ns) {
            (Some(OffCpuWhy::Preempted), _) => return self.start_ns,
            (_, ready_ns) => ready_ns.unwrap_or(0),
        };
        let ready_ns = i64::try_from(ready_ns).unwrap_or(i64::MAX);
        let end_ns = self.end_ns.max(self.start_ns);
        end_ns.saturating_sub(ready_ns).max(self.start_ns)
    }
}

/// One call of a BIF or NIF: a row of `native_calls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeCall {
    /// Who called.
    pub proc: ProcId,
    /// Where.
    pub scheduler: Option<SchedulerId>,
    /// When its C function was entered, in nanoseconds since the recording's start.
    pub start_ns: i64,
    /// When it returned; `None` where returns were not watched.
    pub end_ns: Option<i64>,
    /// What was called.
    pub function: FrameId,
    /// Where in Erlang code it returns to, which is who called it unless that was by a tail call.
    pub caller: Option<FrameId>,
    /// Which ends were not seen; only where returns were watched.
    pub cut: Option<Cut>,
}

/// A time in which events were watched: a row of `windows`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Nanoseconds since the recording's start.
    pub from_ns: i64,
    /// The same.
    pub to_ns: i64,
    /// Hits of probes.
    pub attempts: u64,
    /// Of those, recorded.
    pub recorded: u64,
    /// Of those, lost.
    pub lost: u64,
    /// What all normal schedulers have run meanwhile.
    pub reductions: Option<u64>,
    /// CPU time that the VM used meanwhile.
    pub target_cpu_ns: u64,
    /// How much of it the probes have cost, by the price of a hit.
    pub cost_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::{
        CollectionKind, Cut, Fate, LeftAs, LifeEvent, MessageKind, OffCpu, OffCpuWhy, PayloadSeen,
    };
    use crate::{SchedulerId, SchedulerKind};

    #[test]
    fn every_word_parses_back() {
        assert!(
            LeftAs::ALL
                .iter()
                .all(|it| LeftAs::parse(it.as_str()) == Some(*it))
        );
        assert!(
            Cut::ALL
                .iter()
                .all(|it| Cut::parse(it.as_str()) == Some(*it))
        );
        assert!(
            Fate::ALL
                .iter()
                .all(|it| Fate::parse(it.as_str()) == Some(*it))
        );
        assert!(
            LifeEvent::ALL
                .iter()
                .all(|it| LifeEvent::parse(it.as_str()) == Some(*it))
        );
        assert!(
            MessageKind::ALL
                .iter()
                .all(|it| MessageKind::parse(it.as_str()) == Some(*it))
        );
        assert!(
            CollectionKind::ALL
                .iter()
                .all(|it| CollectionKind::parse(it.as_str()) == Some(*it))
        );
        assert!(
            OffCpuWhy::ALL
                .iter()
                .all(|it| OffCpuWhy::parse(it.as_str()) == Some(*it))
        );
        assert!(
            PayloadSeen::ALL
                .iter()
                .all(|it| PayloadSeen::parse(it.as_str()) == Some(*it))
        );
        assert_eq!(Fate::parse("lost"), None);
    }

    #[test]
    fn who_is_woken_waits_for_a_cpu_at_the_end() {
        let off = |why, ready_ns| OffCpu {
            proc: None,
            scheduler: SchedulerId {
                kind: SchedulerKind::Normal,
                number: 1,
            },
            start_ns: 100,
            end_ns: 150,
            why,
            ready_ns,
            cut: None,
        };
        let from = |why, ready_ns| off(why, ready_ns).ready_from_ns();
        assert_eq!(from(Some(OffCpuWhy::Blocked), Some(10)), 140);
        assert_eq!(from(Some(OffCpuWhy::Blocked), None), 150);
        assert_eq!(from(Some(OffCpuWhy::Preempted), Some(10)), 100);
        assert_eq!(from(None, Some(u64::MAX)), 100);
    }
}
