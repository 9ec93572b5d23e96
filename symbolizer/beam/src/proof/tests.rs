//! The proofs on an image of a VM of OTP 25 with two processes, right and wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use escope_model::{SchedulerId, SchedulerKind};

use super::prove;
use crate::layout::{Globals, Layout, table_for};
use crate::memory::Image;
use crate::scheduler::Scheduler;
use crate::stack::JitRanges;
use crate::term::{AtomTable, PidPrinter};
use crate::{BeamError, Certainty, Vm};

const ATOMS: u64 = 0x1_0000;
const TABLE: u64 = 0x2_0000;
const SLOTS: u64 = 0x3_0000;
const INIT: u64 = 0x4_0000;
const OTHER: u64 = 0x5_0000;
const SCHEDULER: u64 = 0x6_0000;
const REG: u64 = 0x7_0000;
const STACK: u64 = 0x8_0000;
const CODE: u64 = 0x9_0000;
const EXIT: u64 = CODE + 8;

/// Terms of atoms: `init`, `erl_init`, `start`.
const NAMES: [&str; 3] = ["init", "erl_init", "start"];

fn atom(index: u64) -> u64 {
    index << 6 | 0x0b
}

/// The pid of a slot, of OTP 25: the slot in the upper half.
fn pid(slot: u64) -> u64 {
    slot << 32 | slot << 4 | 3
}

/// What a test changes: words of the process `init` by offset, and of its stack.
#[derive(Default)]
struct Change {
    init: Vec<(u32, u64)>,
    stack: Option<[u64; 3]>,
    running: Option<u64>,
}

fn vm(layout: &Layout, change: &Change) -> (Vm<Image>, Vec<Scheduler>) {
    let mut image = Image::new();
    write_atoms(&mut image, layout);
    let mut table = vec![0; 512];
    let read_only = layout.process_table.read_only;
    put(&mut table, read_only, SLOTS);
    put(&mut table, read_only + layout.process_table.max, 8);
    put(&mut table, read_only + layout.process_table.invalid, 0xdead);
    image.map(TABLE, table);
    image.map_words(SLOTS, &[INIT, 0, 0xdead, OTHER, 0, 0, 0, 0]);
    let fields = &layout.process;
    let process = |words: &[(u32, u64)]| {
        let mut bytes = vec![0; fields.size as usize];
        for &(at, word) in words {
            put(&mut bytes, at, word);
        }
        bytes
    };
    let mut init = vec![
        (fields.id, pid(0)),
        (fields.reg, REG),
        (fields.initial, atom(1)),
        (fields.initial + 8, atom(2)),
        (fields.initial + 16, 2),
        (fields.i, CODE + 16),
        (fields.stop, STACK),
        (fields.hend, STACK + 24),
    ];
    init.extend(&change.init);
    image.map(INIT, process(&init));
    let other = [(fields.id, pid(3)), (fields.scheduler, SCHEDULER)];
    image.map(OTHER, process(&other));
    let stack = change.stack.unwrap_or([CODE + 32, atom(0), EXIT]);
    image.map_words(STACK, &stack);
    image.map_words(REG + u64::from(layout.reg_proc.name), &[atom(0)]);
    let running = change.running.unwrap_or(0);
    image.map_words(SCHEDULER + u64::from(layout.scheduler.process), &[running]);
    let scheduler = Scheduler {
        id: SchedulerId {
            kind: SchedulerKind::Normal,
            number: 1,
        },
        data: SCHEDULER,
        thread: 0,
    };
    let vm = Vm {
        pid: 1,
        pids: PidPrinter::read(&image, TABLE, layout).expect("no masks to read"),
        atoms: AtomTable::new(ATOMS, layout.atom.clone()),
        memory: image,
        jit: JitRanges::new(vec![(CODE, CODE + 0x1000)]),
        fragments: 0..0,
        layout: layout.clone(),
        globals: Globals::of_image(ATOMS, TABLE, 0),
        exe: PathBuf::new(),
        build_id: None,
        otp_release: "25".into(),
        erts_version: "13".into(),
        frame_pointers: false,
        normal_exit: EXIT,
        node: None,
        bifs: BTreeMap::new(),
        dirty_main: None,
        jit_register_file_offset: None,
        ran: crate::died::Ran::default(),
        files: crate::target::ModuleFiles::default(),
        redaction: None,
        certainty: Certainty {
            level: "verified",
            source: String::new(),
            notes: Vec::new(),
        },
    };
    (vm, vec![scheduler])
}

fn write_atoms(image: &mut Image, layout: &Layout) {
    let mut table = vec![0; 256];
    put(&mut table, layout.atom.segments, ATOMS + 0x200);
    image.map(ATOMS, table);
    image.map_words(ATOMS + 0x200, &[ATOMS + 0x300]);
    let places: Vec<u64> = (0..3).map(|index| ATOMS + 0x400 + 0x100 * index).collect();
    image.map_words(ATOMS + 0x300, &places);
    for (name, place) in NAMES.iter().zip(places) {
        let mut bytes = vec![0; 64];
        put(&mut bytes, layout.atom.length, name.len() as u64);
        put(&mut bytes, layout.atom.name, place + 64);
        bytes.extend(name.as_bytes());
        image.map(place, bytes);
    }
}

fn put(bytes: &mut [u8], at: u32, word: u64) {
    bytes[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
}

fn proved(change: &Change) -> Result<(&'static str, Vec<String>), String> {
    let layout = table_for("25").expect("a table");
    let (mut vm, schedulers) = vm(&layout, change);
    match prove(&mut vm, &schedulers) {
        Ok(()) => Ok((vm.certainty.level, vm.certainty.notes)),
        Err(BeamError::SelfCheck { what, .. }) => Err(what),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_sound_vm_proves_itself() {
    let change = Change {
        running: Some(OTHER),
        ..Change::default()
    };
    let (level, notes) = proved(&change).expect("proofs");
    assert_eq!(level, "verified");
    assert_eq!(
        notes,
        [
            "checked: 2 processes of the table have pids of their slots",
            "checked: a running process names its scheduler",
            "checked: init was spawned as erl_init:start/2",
            "checked: the stack of init leads to the exit of processes",
        ]
    );
}

#[test]
fn what_contradicts_is_refused_with_what_was_found() {
    let fields = table_for("25").expect("a table").process;
    let of_init = |at: u32, word: u64| Change {
        init: vec![(at, word)],
        ..Change::default()
    };
    let stack = |words: [u64; 3]| Change {
        stack: Some(words),
        ..Change::default()
    };
    for (change, found) in [
        (
            of_init(fields.id, pid(5)),
            "slot 0 of its process table has <0.5.0>, which belongs into 5",
        ),
        (of_init(fields.id, 0x1234), "leads to what has no pid"),
        (
            of_init(fields.initial + 8, atom(1)),
            "spawned as erl_init:erl_init/2, not as erl_init:start/2",
        ),
        (of_init(fields.initial, 0), "spawned as no function"),
        (of_init(fields.i, 0x1000), "resumes at what is no JIT code"),
        (of_init(fields.hend, 0), "its stack does not end"),
        (of_init(fields.stop, 8), "its stack does not end"),
        (
            stack([CODE + 32, EXIT, atom(0)]),
            "its stack does not end in the exit of processes",
        ),
    ] {
        let said = proved(&change).expect_err(found);
        assert!(said.contains(found), "{said}");
    }
}

#[test]
fn what_cannot_be_decided_lowers_the_certainty() {
    let fields = table_for("25").expect("a table").process;
    let nameless = (fields.reg, 0);
    let collecting = (fields.state, 1 << 17);
    for (init, running, note) in [
        (vec![nameless], None, "no process is registered as init"),
        (vec![collecting], None, "init was running whenever"),
        (vec![], Some(INIT), "the process on scheduler 1 did not"),
        (vec![], Some(0x1000), "the process on scheduler 1 did not"),
    ] {
        let change = Change {
            init,
            running,
            ..Change::default()
        };
        let (level, notes) = proved(&change).expect("no contradiction");
        assert_eq!(level, "unverified", "{note}");
        let is_there = |line: &String| line.contains("less certain") && line.contains(note);
        assert!(notes.iter().any(is_there), "{notes:?}");
    }
    // A VM in which nothing runs is nothing special.
    let (level, _) = proved(&Change::default()).expect("no contradiction");
    assert_eq!(level, "verified");
}
