//! A `gen_server` in memory that is made up: at rest, running, and with slots that prove nothing.

mod callback;

use std::sync::Arc;

use super::{
    Behaviour, Reading, Rests, StateCode, StateOptions, Supervision, read_state, read_still,
};
use crate::Vm;
use crate::code::{CodeMap, ModuleCode};
use crate::memory::Image;
use crate::said::{Redaction, Rules};
use crate::stack::JitRanges;
use crate::term::hostile::{HEAP, boxed, cons, small, vm};
use crate::term::{AtomTable, Limits, NIL, TermReader};

const ATOMS: [&str; 29] = [
    "false",
    "infinity",
    "wl",
    "wl_srv",
    "password",
    "supervisor",
    "nobody",
    "state",
    "child",
    "one_for_one",
    "simple_one_for_one",
    "undefined",
    "restarting",
    "permanent",
    "temporary",
    "worker",
    "dynamic",
    "maps",
    "sets",
    "set",
    "never",
    "brutal_kill",
    "__struct__",
    "Elixir.DynamicSupervisor",
    "children",
    "strategy",
    "max_restarts",
    "max_seconds",
    "restarts",
];
const ATOM_TABLE: u64 = 0x40_0000;
const PROCESS: u64 = 0x50_0000;
const STACK: u64 = 0x60_0000;
const CODE: u64 = 0x80_0000;
const EXIT: u64 = CODE + 0x10_0000;
/// In `gen_server:loop/7`, and behind its caller's call.
const LOOP: u64 = CODE + 0x400;
const CALLER: u64 = CODE + 0x1_0100;
const WAITING: u32 = 0x2a;
const RUNNING: u32 = WAITING | 1 << 15;
const SENSITIVE: u64 = 1 << 3;

pub(super) fn atom(name: &str) -> u64 {
    let index = ATOMS
        .iter()
        .position(|atom| *atom == name)
        .expect("an atom");
    (index as u64) << 6 | 0x0b
}

/// A pid of the VM's own in OTP 25.
pub(super) fn pid(number: u64) -> u64 {
    number << 4 | 3
}

/// A process of OTP 25, by field.
struct Process {
    i: u64,
    state: u32,
    reds: u64,
    slots: Vec<u64>,
    trace_flags: u64,
}

impl Process {
    fn waiting(slots: Vec<u64>) -> Process {
        Process {
            i: LOOP,
            state: WAITING,
            reds: 4000,
            slots,
            trace_flags: 0,
        }
    }

    fn block(&self, vm: &Vm<Image>) -> Vec<u8> {
        let fields = &vm.layout.process;
        let mut block = vec![0; fields.size as usize];
        let stack = 8 * self.stack().len() as u64;
        for (at, value) in [
            (fields.id, pid(80)),
            (fields.parent, pid(79)),
            (fields.reds, self.reds),
            (fields.i, self.i),
            (fields.heap, HEAP),
            (fields.stop, STACK),
            (fields.hend, STACK + stack),
            (fields.trace_flags, self.trace_flags),
        ] {
            block[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
        }
        let at = fields.state as usize;
        block[at..at + 4].copy_from_slice(&self.state.to_le_bytes());
        block
    }

    fn stack(&self) -> Vec<u64> {
        [&self.slots[..], &[CALLER, EXIT]].concat()
    }
}

/// A VM with this process in it, and these words on its heap.
fn with(process: &Process, heap: &[u64]) -> Vm<Image> {
    let mut vm = vm("25", heap);
    let entries: Vec<u64> = (0..ATOMS.len() as u64)
        .map(|at| ATOM_TABLE + 0x2000 + at * 0x100)
        .collect();
    let mut table = vec![0u8; 128];
    table[116..120].copy_from_slice(&(ATOMS.len() as u32).to_le_bytes());
    table[120..128].copy_from_slice(&(ATOM_TABLE + 0x1000).to_le_bytes());
    vm.memory
        .map(ATOM_TABLE, table)
        .map_words(ATOM_TABLE + 0x1000, &[ATOM_TABLE + 0x1800])
        .map_words(ATOM_TABLE + 0x1800, &entries);
    for (name, entry) in ATOMS.iter().zip(entries) {
        let words = [0, 0, 0, name.len() as u64, entry + 0x80];
        vm.memory.map_words(entry, &words).map(entry + 0x80, *name);
    }
    vm.atoms = AtomTable::new(ATOM_TABLE, vm.layout.atom.clone());
    vm.jit = JitRanges::new(vec![(CODE, EXIT + 0x100)]);
    vm.normal_exit = EXIT;
    let block = process.block(&vm);
    vm.memory
        .map(PROCESS, block)
        .map_words(STACK, &process.stack());
    vm
}

/// Reads the process by this way of reading.
macro_rules! read_by {
    ($read:ident, $vm:expr, $children:expr) => {{
        let vm = $vm;
        let mut code = code(vm);
        let reader = TermReader::new(vm);
        let options = StateOptions {
            // Of a supervisor no term is read but what it supervises.
            limits: match $children {
                0 => Limits::default(),
                _ => Limits {
                    depth: 0,
                    nodes: 0,
                    bytes: 0,
                },
            },
            redaction: Some(Redaction::default()),
            children: $children,
        };
        let who = (PROCESS, pid(80), Some("wl_srv"));
        $read(&reader, vm, &mut code, who, &options)
    }};
}

fn read(vm: &Vm<Image>) -> Reading {
    read_by!(read_state, vm, 0)
}

/// The same where the VM stands still.
fn read_when_still(vm: &Vm<Image>) -> Reading {
    read_by!(read_still, vm, 0)
}

/// What a supervisor says that has this state.
pub(super) fn supervision(
    module: &str,
    state: u64,
    heap: &[u64],
    most: usize,
) -> Option<Supervision> {
    let mut slots = slots(state);
    slots[2] = atom(module);
    match read_by!(read_state, &with(&Process::waiting(slots), heap), most) {
        Reading::Exact(state) => state.supervision,
        other => panic!("{other:?}"),
    }
}

fn code(vm: &Vm<Image>) -> StateCode {
    let mut map = CodeMap::new();
    let none = ("none", 0);
    for (module, at, functions) in [
        (
            "gen_server",
            CODE,
            [("loop", 7), ("handle_msg", 6), ("try_dispatch", 4)],
        ),
        (
            "proc_lib",
            CODE + 0x1_0000,
            [("init_p_do_apply", 3), ("wake_up", 3), ("start", 3)],
        ),
        (
            "wl",
            CODE + 0x2_0000,
            [("init", 1), ("handle_cast", 2), ("deep", 1)],
        ),
        ("supervisor", CODE + 0x3_0000, [("init", 1), none, none]),
        (
            "Elixir.DynamicSupervisor",
            CODE + 0x4_0000,
            [("init", 1), none, none],
        ),
    ] {
        let functions = (0..).zip(functions).map(|(index, (function, arity))| {
            let begin = 0x10 + index * 0x800;
            (begin, begin + 0x7f0, function.to_owned(), Some(arity))
        });
        let code = ModuleCode::from_functions(module, at, 0x2000, functions);
        map.add_known(0, Arc::new(code));
    }
    StateCode::new(vm, map)
}

/// Slots of `loop/7` without a time: debug, hibernation, module, state, name, parent.
fn slots(state: u64) -> Vec<u64> {
    vec![
        NIL,
        atom("infinity"),
        atom("wl"),
        state,
        atom("wl_srv"),
        pid(79),
    ]
}

/// `{password, 17, {8}}`
fn heap() -> Vec<u64> {
    vec![
        2 << 6,
        atom("password"),
        small(17),
        2 << 6,
        small(8),
        boxed(0),
    ]
}

#[test]
fn the_state_of_one_that_waits_is_exact() {
    let timed = {
        let mut timed = slots(boxed(3));
        timed.insert(2, small(5000));
        timed
    };
    for slots in [slots(boxed(3)), timed] {
        let vm = with(&Process::waiting(slots), &heap());
        let Reading::Exact(state) = read(&vm) else {
            panic!("{:?}", read(&vm));
        };
        assert_eq!(state.behaviour, Behaviour::GenServer);
        assert_eq!(state.rests, Rests::Waiting);
        assert_eq!(state.module.as_deref(), Some("wl"));
        assert_eq!(state.parts[0].term.to_string(), "{8,{password,***}}");
        assert_eq!((state.masked, state.reductions), (1, 4000));
    }
}

#[test]
fn slots_that_prove_nothing_are_told_as_slots() {
    let doubtful: [fn(&mut Vec<u64>); 6] = [
        |slots| slots[2] = atom("nobody"),
        |slots| slots[1] = atom("wl"),
        |slots| slots[0] = small(1),
        |slots| slots[5] = small(1),
        |slots| (slots[4], slots[5]) = (atom("nobody"), pid(7)),
        |slots| slots.truncate(5),
    ];
    for doubt in doubtful {
        let mut slots = slots(boxed(3));
        doubt(&mut slots);
        let vm = with(&Process::waiting(slots.clone()), &heap());
        let Reading::Exact(state) = read(&vm) else {
            panic!("{:?}", read(&vm));
        };
        // It is in a function of `gen_server`, and that is all there is to tell.
        assert_eq!(state.behaviour, Behaviour::None, "{slots:x?}");
        assert_eq!(state.parts.len(), slots.len(), "{slots:x?}");
        assert_eq!(state.parts[0].name, "y0");
    }
}

#[test]
fn one_that_runs_is_not_told() {
    let running = Process {
        state: RUNNING,
        ..Process::waiting(slots(boxed(3)))
    };
    assert_eq!(read(&with(&running, &heap())), Reading::Ran("running"));
    let sensitive = Process {
        trace_flags: SENSITIVE,
        ..Process::waiting(slots(boxed(3)))
    };
    assert_eq!(read(&with(&sensitive, &heap())), Reading::Sensitive);
}

/// One that ran while its state was read, and comes to rest while its struct is copied for the
/// second time: the copy has the reductions of before the run and the flags of after it. Its flags
/// alone, read before, tell.
#[test]
fn one_that_comes_to_rest_just_then_is_not_told() {
    let mut vm = with(&Process::waiting(slots(boxed(3))), &heap());
    let flags = PROCESS + u64::from(vm.layout.process.state);
    // What is read from there on alone is another piece of memory than the struct.
    vm.memory.map(flags, RUNNING.to_le_bytes());
    assert_eq!(read(&vm), Reading::Ran("running"));
    // And one that had run and come to rest by then has other reductions.
    let vm = with(&Process::waiting(slots(boxed(3))), &heap());
    let before = Process {
        reds: 3999,
        ..Process::waiting(slots(boxed(3)))
    };
    let before = before.block(&vm);
    let reading = super::rest::verdict(&vm, PROCESS, &before, Err("not looked at".into()));
    assert_eq!(reading, Reading::Ran("running"));
}

#[test]
fn hostile_states_end() {
    // A list that leads round, a state that is no term, and none that is there.
    for (state, heap, cut) in [
        (cons(0), vec![small(1), cons(0)], true),
        (0x40, heap(), false),
        (boxed(1 << 30), heap(), false),
    ] {
        let vm = with(&Process::waiting(slots(state)), &heap);
        match read(&vm) {
            Reading::Exact(state) => assert!(cut && !state.parts[0].whole, "{state:?}"),
            Reading::Unreadable(why) => assert!(!cut, "{why}"),
            other => panic!("{other:?}"),
        }
    }
    // A stack without any return address.
    let mut vm = with(&Process::waiting(slots(boxed(3))), &heap());
    vm.memory.map_words(STACK, &[NIL; 8]);
    assert!(matches!(read(&vm), Reading::Unreadable(_)));
}

#[test]
fn of_a_hidden_module_the_shape_is_told() {
    let vm = with(&Process::waiting(slots(boxed(3))), &heap());
    let rules = Rules {
        modules: vec!["wl".to_owned()],
        ..Rules::default()
    };
    let options = StateOptions {
        limits: Limits::default(),
        redaction: Some(Redaction::of(&rules).expect("rules")),
        children: 0,
    };
    let who = (PROCESS, pid(80), Some("wl_srv"));
    let reading = read_state(&TermReader::new(&vm), &vm, &mut code(&vm), who, &options);
    let Reading::Exact(state) = reading else {
        panic!("{reading:?}");
    };
    assert_eq!(state.parts[0].term.to_string(), "{***,***}");
    assert_eq!(state.masked, 2);
    assert!(state.nameless.is_empty());
}

#[test]
fn a_record_without_names_is_said_to_be_one() {
    let heap = [2 << 6, atom("state"), small(17)];
    let vm = with(&Process::waiting(slots(boxed(0))), &heap);
    let Reading::Exact(state) = read(&vm) else {
        panic!("{:?}", read(&vm));
    };
    assert_eq!(state.parts[0].term.to_string(), "{state,17}");
    assert_eq!(state.nameless, ["state"]);
}
