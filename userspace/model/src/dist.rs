//! Signals that go to other nodes and come from them, as rows of the recording.

use serde::{Deserialize, Serialize};

use crate::happening::words;
use crate::ids::ProcId;

words! {
    /// What happened between this node and another one.
    DistAction {
        /// A signal was encoded for the other node and put into the queue of its connection.
        Sent = "sent",
        /// A signal from the other node was whole.
        Received = "received",
        /// A part of a signal from the other node had arrived that is not its last.
        Fragment = "fragment",
        /// The process that sends was suspended, because there is too much in the queue.
        Suspended = "suspended",
    }
}

words! {
    /// What a signal between nodes is for.
    DistOp {
        /// A message for a pid.
        Send = "send",
        /// A message for a name.
        RegSend = "reg_send",
        /// A message for an alias.
        AliasSend = "alias_send",
        /// A link.
        Link = "link",
        /// The end of a link.
        Unlink = "unlink",
        /// That this is known now.
        UnlinkAck = "unlink_ack",
        /// A process that is linked has ended.
        Exit = "exit",
        /// `exit/2` was called.
        ExitSignal = "exit_signal",
        /// A monitor.
        Monitor = "monitor",
        /// The end of a monitor.
        Demonitor = "demonitor",
        /// A process that is monitored has ended.
        MonitorExit = "monitor_exit",
        /// A group leader.
        GroupLeader = "group_leader",
        /// A process is to be spawned.
        SpawnRequest = "spawn_request",
        /// It was, or was not.
        SpawnReply = "spawn_reply",
        /// None of these.
        Other = "other",
    }
}

impl DistOp {
    /// What the first element of a control message stands for (`enum dop` in `dist.h`, *Distribution
    /// Protocol* in the documentation of ERTS; the same in OTP 25 to 29). That of signals with a
    /// priority says it in the next one.
    #[must_use]
    pub fn of(number: u64, flags: u64) -> DistOp {
        match number {
            // SEND, SEND_TT, SEND_SENDER, SEND_SENDER_TT.
            2 | 12 | 22 | 23 => DistOp::Send,
            6 | 16 => DistOp::RegSend,
            33 | 34 => DistOp::AliasSend,
            1 => DistOp::Link,
            // UNLINK, UNLINK_ID.
            4 | 35 => DistOp::Unlink,
            36 => DistOp::UnlinkAck,
            // EXIT, EXIT_TT, PAYLOAD_EXIT, PAYLOAD_EXIT_TT.
            3 | 13 | 24 | 25 => DistOp::Exit,
            // EXIT2 and so on.
            8 | 18 | 26 | 27 => DistOp::ExitSignal,
            19 => DistOp::Monitor,
            20 => DistOp::Demonitor,
            // MONITOR_P_EXIT, PAYLOAD_MONITOR_P_EXIT.
            21 | 28 => DistOp::MonitorExit,
            7 => DistOp::GroupLeader,
            29 | 30 => DistOp::SpawnRequest,
            31 | 32 => DistOp::SpawnReply,
            // ALTACT_SIG_SEND, by ERTS_DOP_ALTACT_SIG_FLG_EXIT, _NAME and _ALIAS.
            37 if flags & 16 != 0 => DistOp::ExitSignal,
            37 if flags & 8 != 0 => DistOp::RegSend,
            37 if flags & 4 != 0 => DistOp::AliasSend,
            37 => DistOp::Send,
            _ => DistOp::Other,
        }
    }

    /// Whether it is a message of a process.
    #[must_use]
    pub fn is_message(self) -> bool {
        matches!(self, DistOp::Send | DistOp::RegSend | DistOp::AliasSend)
    }
}

/// Something that happened between this node and another one: a row of `dist`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistEvent {
    /// Nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// The process that sends or is suspended, or that gets the signal, where that is known.
    pub proc: Option<ProcId>,
    /// The other node's name, unquoted, where it is known.
    pub node: Option<String>,
    /// What.
    pub event: DistAction,
    /// What the signal is for, of one that was sent or received.
    pub op: Option<DistOp>,
    /// How many bytes, where that is known: of a signal that came in parts those of its last one.
    pub bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::{DistAction, DistOp};

    #[test]
    fn every_word_parses_back() {
        let parses = |it: &DistAction| DistAction::parse(it.as_str()) == Some(*it);
        assert!(DistAction::ALL.iter().all(parses));
        let parses = |it: &DistOp| DistOp::parse(it.as_str()) == Some(*it);
        assert!(DistOp::ALL.iter().all(parses));
    }

    #[test]
    fn what_a_signal_is_for() {
        assert_eq!(DistOp::of(22, 0), DistOp::Send);
        assert_eq!(DistOp::of(6, 0), DistOp::RegSend);
        // The next element of others is no flags.
        assert_eq!(DistOp::of(2, 16), DistOp::Send);
        let flags = [
            (0, DistOp::Send),
            (5, DistOp::AliasSend),
            (9, DistOp::RegSend),
        ];
        for (flags, op) in flags.into_iter().chain([(17, DistOp::ExitSignal)]) {
            assert_eq!(DistOp::of(37, flags), op);
        }
        assert_eq!(DistOp::of(5, 0), DistOp::Other);
        assert!(DistOp::AliasSend.is_message() && !DistOp::Link.is_message());
    }
}
