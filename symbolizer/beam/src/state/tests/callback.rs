//! A `gen_server` in a callback, waiting, on its turn, and running.

use super::super::{Behaviour, ProcessState, Reading, Rests};
use super::{
    CODE, HEAP, PROCESS, Process, RUNNING, WAITING, atom, boxed, heap, pid, read, read_when_still,
    small, with,
};
use crate::Vm;
use crate::died::Ran;
use crate::memory::Image;
use crate::term::NIL;

const HANDLE_MSG: u64 = CODE + 0x900;
const TRY_DISPATCH: u64 = CODE + 0x1100;
const HANDLE_CAST: u64 = CODE + 0x2_0900;
const DEEP: u64 = CODE + 0x2_1100;
const RUNNABLE: u32 = WAITING | 1 << 13 | 1 << 14;
const COLLECTING: u32 = RUNNING | 1 << 17;
const CATCH: u64 = 0x1b;

/// The slots of `handle_msg/6` for a cast: hibernation, module, state, name, parent, message.
fn loop_slots(state: u64) -> Vec<u64> {
    vec![
        atom("infinity"),
        atom("wl"),
        state,
        atom("wl_srv"),
        pid(79),
        small(1),
    ]
}

/// A stack in `handle_cast/2`, below which so many frames more of the callback's are.
fn in_callback(state: u32, loop_slots: &[u64], deep: usize) -> Process {
    let mut slots = vec![small(7), NIL];
    for _ in 0..deep {
        slots.extend([DEEP, small(1)]);
    }
    slots.extend([HANDLE_CAST, TRY_DISPATCH]);
    slots.extend([NIL, NIL, NIL, NIL, NIL, NIL, NIL, CATCH, HANDLE_MSG]);
    slots.extend(loop_slots);
    Process {
        i: if deep > 0 { DEEP } else { HANDLE_CAST },
        state,
        ..Process::waiting(slots)
    }
}

fn exact(reading: Reading) -> ProcessState {
    match reading {
        Reading::Exact(state) => *state,
        other => panic!("{other:?}"),
    }
}

/// With its place known, as from the registers of a thread.
fn placed(process: &Process) -> Vm<Image> {
    let mut vm = with(process, &heap());
    vm.ran = Ran::at(PROCESS, super::STACK, process.i);
    vm
}

fn assert_before(state: &ProcessState) {
    assert_eq!(state.rests, Rests::InCallback, "{state:?}");
    assert_eq!(state.behaviour, Behaviour::GenServer, "{state:?}");
    assert_eq!(state.module.as_deref(), Some("wl"), "{state:?}");
    let callback = state.callback.as_ref().map(ToString::to_string);
    assert_eq!(callback.as_deref(), Some("wl:handle_cast/2"), "{state:?}");
    assert_eq!(state.parts.len(), 1, "{state:?}");
    assert_eq!(state.parts[0].term.to_string(), "{8,{password,***}}");
}

#[test]
fn the_state_of_before_a_callback_is_told() {
    let slots = loop_slots(boxed(3));
    for deep in [0, 3] {
        let waiting = in_callback(WAITING, &slots, deep);
        assert_before(&exact(read(&with(&waiting, &heap()))));
        let runnable = in_callback(RUNNABLE, &slots, deep);
        let vm = with(&runnable, &heap());
        assert_eq!(read(&vm), Reading::Ran("runnable"));
        let state = exact(read_when_still(&vm));
        assert_eq!(state.status, "runnable");
        assert_before(&state);
    }
}

#[test]
fn one_that_runs_is_told_where_its_place_is_known() {
    // More of a stack than is looked at from its top.
    for deep in [0, 3, 20_000] {
        let running = in_callback(RUNNING, &loop_slots(boxed(3)), deep);
        let vm = with(&running, &heap());
        assert_eq!(read_when_still(&vm), Reading::Ran("running"));
        let vm = placed(&running);
        assert_eq!(read(&vm), Reading::Ran("running"));
        let state = exact(read_when_still(&vm));
        assert_eq!(state.status, "running");
        assert_before(&state);
    }
    let collecting = in_callback(COLLECTING, &loop_slots(boxed(3)), 3);
    let reading = read_when_still(&placed(&collecting));
    assert_eq!(reading, Reading::Ran("garbage_collecting"));
}

#[test]
fn one_that_runs_between_two_callbacks_is_not_told() {
    for i in [CODE + 0x400, HANDLE_MSG, TRY_DISPATCH] {
        let running = Process {
            i,
            state: RUNNING,
            ..Process::waiting(super::slots(boxed(3)))
        };
        let reading = read_when_still(&placed(&running));
        assert_eq!(reading, Reading::Ran("running"));
    }
    // Nor one that is on its turn there: it has its state in registers.
    let runnable = Process {
        i: HANDLE_MSG,
        state: RUNNABLE,
        ..Process::waiting(Vec::new())
    };
    let reading = read_when_still(&with(&runnable, &heap()));
    assert_eq!(reading, Reading::Ran("runnable"));
    // In its loop it is told: it has been woken up, and has done nothing yet.
    let woken = Process {
        state: RUNNABLE,
        ..Process::waiting(super::slots(boxed(3)))
    };
    let state = exact(read_when_still(&with(&woken, &heap())));
    assert_eq!((state.rests, state.status), (Rests::Waiting, "runnable"));
    assert_eq!(state.parts[0].term.to_string(), "{8,{password,***}}");
}

#[test]
fn a_callers_frame_that_proves_nothing_is_not_told() {
    let doubtful: [fn(&mut Vec<u64>); 5] = [
        |slots| slots[0] = boxed(0),
        |slots| slots[1] = atom("nobody"),
        |slots| (slots[3], slots[4]) = (atom("nobody"), pid(7)),
        |slots| slots.truncate(5),
        |slots| slots.push(NIL),
    ];
    for doubt in doubtful {
        let mut slots = loop_slots(boxed(3));
        doubt(&mut slots);
        let running = in_callback(RUNNING, &slots, 3);
        let state = exact(read_when_still(&placed(&running)));
        assert_eq!(state.rests, Rests::InCallback);
        assert!(state.parts.is_empty(), "{slots:x?}: {state:?}");
    }
    // A stack that does not end as stacks do.
    let mut vm = placed(&in_callback(RUNNING, &loop_slots(boxed(3)), 3));
    vm.normal_exit = HEAP;
    match read_when_still(&vm) {
        Reading::Exact(state) => assert!(state.parts.is_empty(), "{state:?}"),
        other => assert!(matches!(other, Reading::Unreadable(_)), "{other:?}"),
    }
}
