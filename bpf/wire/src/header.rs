//! The C text of the records.

use alloc::format;
use alloc::string::String;

use crate::records::{
    CodeRecord, Config, Counters, RecordHead, SampleHead, SchedulerKey, SchedulerSlot,
};
use crate::{call_flag, flag, *};

/// A C header with every record, limit and flag, and an assertion of each size.
///
/// Needs `u32` and `u64` to be defined before it.
#[must_use]
pub fn c_header() -> String {
    let mut text = String::from("/* Generated from the crate escope-wire. */\n#pragma once\n\n");
    let limits = [
        ("KIND_SAMPLE", KIND_SAMPLE),
        ("KIND_CODE", KIND_CODE),
        ("KIND_EVENT", KIND_EVENT),
        ("KIND_CALL", KIND_CALL),
        ("COOKIE_WHAT_SHIFT", COOKIE_WHAT_SHIFT),
        ("EVENT_WORDS", EVENT_WORDS as u32),
        ("EVENT_IN", what::IN),
        ("EVENT_OUT", what::OUT),
        ("EVENT_ENQUEUE", what::ENQUEUE),
        ("EVENT_DEQUEUE", what::DEQUEUE),
        ("EVENT_EXIT", what::EXIT),
        ("EVENT_GC_START", what::GC_START),
        ("EVENT_GC_END", what::GC_END),
        ("EVENT_REGISTER", what::REGISTER),
        ("EVENT_UNREGISTER", what::UNREGISTER),
        ("EVENT_HIBERNATE_START", what::HIBERNATE_START),
        ("EVENT_HIBERNATE_END", what::HIBERNATE_END),
        ("EVENT_CODE_LOAD", what::CODE_LOAD),
        ("EVENT_CODE_PURGE", what::CODE_PURGE),
        ("EVENT_PORT_OPEN", what::PORT_OPEN),
        ("EVENT_PORT_CLOSE", what::PORT_CLOSE),
        ("EVENT_PORT_OUTPUT", what::PORT_OUTPUT),
        ("EVENT_PORT_INPUT", what::PORT_INPUT),
        ("EVENT_DIST_SEND", what::DIST_SEND),
        ("EVENT_DIST_FRAGMENT", what::DIST_FRAGMENT),
        ("EVENT_DIST_RECEIVE", what::DIST_RECEIVE),
        ("EVENT_SWITCHED_OUT", what::SWITCHED_OUT),
        ("EVENT_SWITCHED_IN", what::SWITCHED_IN),
        ("EVENT_NATIVE_CALL", what::NATIVE_CALL),
        ("EVENT_NATIVE_RETURN", what::NATIVE_RETURN),
        ("EVENT_PAYLOAD", what::PAYLOAD),
        ("EVENT_PASSED", what::PASSED),
        ("EVENT_BORN", what::BORN),
        ("EVENT_FAILED", what::FAILED),
        ("EVENT_STATE_FIRST", what::STATE_FIRST),
        ("EVENT_STATE_NONE", what::STATE_NONE),
        ("EVENT_COUNT", what::COUNT as u32),
        ("NATIVE_CALL_BIF", native_call::BIF),
        ("NATIVE_CALL_FRAME_POINTERS", native_call::FRAME_POINTERS),
        ("NATIVE_CALL_FUNCTION_SHIFT", native_call::FUNCTION_SHIFT),
        ("COOKIE_WAY_SHIFT", COOKIE_WAY_SHIFT),
        ("COOKIE_SITE_SHIFT", COOKIE_SITE_SHIFT),
        ("SITES", SITES as u32),
        ("WAY_BYTES", way::BYTES),
        ("WAY_VECTOR", way::VECTOR),
        ("WAY_TERM", way::TERM),
        ("WAY_TERM_TO", way::TERM_TO),
        ("WAY_ID_TERM", way::ID_TERM),
        ("WAY_ID_TERM_TO", way::ID_TERM_TO),
        (
            "PAYLOAD_RECEIVER_SENSITIVE",
            payload_flag::RECEIVER_SENSITIVE,
        ),
        ("PAYLOAD_SENDER_SENSITIVE", payload_flag::SENDER_SENSITIVE),
        ("PAYLOAD_SENDER_UNKNOWN", payload_flag::SENDER_UNKNOWN),
        ("PAYLOAD_UNREADABLE", payload_flag::UNREADABLE),
        ("PAYLOAD_NO_ROOM", payload_flag::NO_ROOM),
        ("PAYLOAD_BYTES_MIN", *PAYLOAD_BYTES.start()),
        ("PAYLOAD_BYTES_MAX", *PAYLOAD_BYTES.end()),
        ("PAYLOAD_PIECES", PAYLOAD_PIECES as u32),
        ("PAYLOAD_PIECE_BYTES", PAYLOAD_PIECE_BYTES as u32),
        ("STATE_SENSITIVE", state_flag::SENSITIVE),
        ("STATE_TOO_LARGE", state_flag::TOO_LARGE),
        ("STATE_NO_ROOM", state_flag::NO_ROOM),
        ("STATE_PARTIAL", state_flag::PARTIAL),
        ("STATE_BYTES_0", STATE_BYTES[0]),
        ("STATE_BYTES_1", STATE_BYTES[1]),
        ("STATE_BYTES_2", STATE_BYTES[2]),
        ("STATE_BYTES_3", STATE_BYTES[3]),
        ("STATE_PIECES", STATE_PIECES as u32),
        ("STATE_FRAGMENTS", STATE_FRAGMENTS),
        ("WAY_SUSPENDS", way::SUSPENDS),
        ("SECOND_WORD", second::WORD),
        ("SECOND_TRACE", second::TRACE),
        ("SECOND_TUPLE", second::TUPLE),
        ("SECOND_SHIFT", second::SHIFT),
        ("SECOND_ARITY_UNKNOWN", second::ARITY_UNKNOWN),
        ("SECOND_ARGUMENTS_MAX", second::ARGUMENTS_MAX),
        ("TIES_LINKED", ties::LINKED),
        ("TIES_MONITORED", ties::MONITORED),
        ("WANTED_CALLS_MAX", WANTED_CALLS_MAX as u32),
        ("WANTED_NAMES_MAX", WANTED_NAMES_MAX as u32),
        ("PROCESS_BYTES", PROCESS_BYTES),
        ("ERLANG_BYTES_MAX", ERLANG_BYTES_MAX),
        ("ERLANG_BOTTOM_BYTES", ERLANG_BOTTOM_BYTES),
        ("NATIVE_BYTES_MAX", NATIVE_BYTES_MAX),
        ("KERNEL_BYTES_MAX", KERNEL_BYTES_MAX),
        ("SCHEDULERS_MAX", SCHEDULERS_MAX),
        ("FLAG_IN_KERNEL", flag::IN_KERNEL),
        ("FLAG_SCHEDULER_UNREADABLE", flag::SCHEDULER_UNREADABLE),
        ("FLAG_PROCESS_UNREADABLE", flag::PROCESS_UNREADABLE),
        ("FLAG_ERLANG_UNREADABLE", flag::ERLANG_UNREADABLE),
        ("FLAG_ERLANG_CAPPED", flag::ERLANG_CAPPED),
        ("FLAG_NATIVE_CAPPED", flag::NATIVE_CAPPED),
        ("FLAG_ON_ERLANG_STACK", flag::ON_ERLANG_STACK),
        ("WATCH_FUNCTIONS", WATCH_FUNCTIONS as u32),
        ("WATCH_ARGUMENTS", WATCH_ARGUMENTS as u32),
        ("WATCH_CONDITIONS", WATCH_CONDITIONS as u32),
        ("WATCH_MEASURE", WATCH_MEASURE),
        ("WATCH_MOVED_SHIFT", WATCH_MOVED_SHIFT),
        ("CALL_PROCESS_UNREADABLE", call_flag::PROCESS_UNREADABLE),
        ("CALL_CALLER_UNREADABLE", call_flag::CALLER_UNREADABLE),
        ("CALL_ARGUMENTS_UNREADABLE", call_flag::ARGUMENTS_UNREADABLE),
        ("CALL_SENSITIVE", call_flag::SENSITIVE),
        ("CALL_COPIED", call_flag::COPIED),
        ("CALL_NO_ROOM", call_flag::NO_ROOM),
        ("RING_DATA_AT", RING_DATA_AT),
        ("RING_SPILL", RING_SPILL),
        ("RING_BUSY", RING_BUSY),
        ("RING_PLACE_SHIFT", RING_PLACE_SHIFT),
    ];
    for (name, value) in limits {
        text.push_str(&format!("#define {name} {value}u\n"));
    }
    text.push_str(&format!("#define NOT_COUNTED {NOT_COUNTED}ull\n"));
    let structs = [
        (RecordHead::C_TEXT, RecordHead::C_SIZE),
        (SampleHead::C_TEXT, SampleHead::C_SIZE),
        (CodeRecord::C_TEXT, CodeRecord::C_SIZE),
        (Counters::C_TEXT, Counters::C_SIZE),
        (SchedulerKey::C_TEXT, SchedulerKey::C_SIZE),
        (SchedulerSlot::C_TEXT, SchedulerSlot::C_SIZE),
        (Config::C_TEXT, Config::C_SIZE),
        (EventRecord::C_TEXT, EventRecord::C_SIZE),
        (PayloadHead::C_TEXT, PayloadHead::C_SIZE),
        (StatePiece::C_TEXT, StatePiece::C_SIZE),
        (StateHead::C_TEXT, StateHead::C_SIZE),
        (CopyLayout::C_TEXT, CopyLayout::C_SIZE),
        (EventCounters::C_TEXT, EventCounters::C_SIZE),
        (RingHead::C_TEXT, RingHead::C_SIZE),
        (EventConfig::C_TEXT, EventConfig::C_SIZE),
        (CallArgument::C_TEXT, CallArgument::C_SIZE),
        (CallRecord::C_TEXT, CallRecord::C_SIZE),
        (CallCopy::C_TEXT, CallCopy::C_SIZE),
        (CallCondition::C_TEXT, CallCondition::C_SIZE),
        (WatchCounters::C_TEXT, WatchCounters::C_SIZE),
        (WatchConfig::C_TEXT, WatchConfig::C_SIZE),
    ];
    for (c_text, (name, bytes)) in structs {
        text.push('\n');
        text.push_str(c_text);
        text.push_str(&format!(
            "_Static_assert(sizeof(struct {name}) == {bytes}, \"{name}\");\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_record_is_in_the_header_once() {
        let text = super::c_header();
        for name in [
            "record_head",
            "sample_head",
            "code_record",
            "counters",
            "config",
            "event_record",
            "payload_head",
            "state_piece",
            "state_head",
            "copy_layout",
            "event_counters",
            "ring_head",
            "event_config",
            "call_record",
            "watch_counters",
            "watch_config",
        ] {
            assert_eq!(text.matches(&alloc::format!("struct {name} {{")).count(), 1);
        }
    }
}
