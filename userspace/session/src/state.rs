//! The states of processes, read again until each was seen to rest; or once, while the VM is stopped.

use std::thread;
use std::time::Duration;

use escope_beam::Vm;
use escope_beam::code::CodeMap;
use escope_beam::memory::Memory;
use escope_beam::snapshot::{ProcessSnapshot, called};
use escope_beam::state::{
    ProcessState, Reading, Rests, StateCode, StateOptions, read_state, read_still,
};
use escope_beam::term::{Node, TermReader};
use escope_beam::{Ran, Runners};

use crate::SessionError;
use crate::setup::leave_no_core;
use crate::stop::{Standstill, StopTime, while_stopped};

/// Between two tries, the first few of which come at once; it grows up to the second of these.
const NAP: Duration = Duration::from_micros(200);
const NAP_MAX: Duration = Duration::from_millis(10);
const AT_ONCE: u32 = 3;
/// One that waits in a callback may come back to its loop soon, or never.
const IN_CALLBACK_TRIES: u32 = 10;
/// What cannot be read while its process rests will not get better.
const UNREADABLE_TRIES: u32 = 3;
/// Processes that are read once before the VM is stopped, for what they have in common.
const READ_BEFORE: usize = 64;

/// What is told of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateAnswer {
    /// Its state, exact: it waited all the time while it was read.
    Exact(Box<ProcessState>),
    /// It ran while it was read, each time; its status at last.
    Ran(&'static str),
    /// It has ended.
    Gone,
    /// It has asked not to be looked at.
    Sensitive,
    /// It waits, and what it waits with cannot be read: the reason.
    Unreadable(String),
    /// Code that it waits in was loaded or purged meanwhile.
    Replaced,
    /// The time was up before all of it was read: that of a stop of the VM, or of all reading.
    NoTime,
}

impl StateAnswer {
    /// How sure it is, or why there is no state, in a word for programs.
    #[must_use]
    pub fn certainty(&self) -> &'static str {
        match self {
            StateAnswer::Exact(_) => "exact",
            StateAnswer::Ran(_) => "ran",
            StateAnswer::Gone => "gone",
            StateAnswer::Sensitive => "sensitive",
            StateAnswer::Unreadable(_) => "unreadable",
            StateAnswer::Replaced => "replaced",
            StateAnswer::NoTime => "no_time",
        }
    }
}

/// A process that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateOf {
    /// What it is called; of the rest only its status was read.
    pub process: ProcessSnapshot,
    /// What is told.
    pub answer: StateAnswer,
    /// How often it was read.
    pub tries: u32,
}

/// All that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// The first of them, in the order of the process table.
    pub told: Vec<StateOf>,
    /// How many there are that were asked for.
    pub asked_for: usize,
    /// How many processes there are.
    pub processes: usize,
    /// The VM's node, which identities of its own name in the external term format.
    pub node: Option<Node>,
    /// How long the VM was stopped for that, if it was.
    pub stop: Option<StopTime>,
}

/// How states are read.
#[derive(Debug, Clone)]
pub struct StatesOptions {
    /// What of each, and what not to tell.
    pub state: StateOptions,
    /// How many processes at most.
    pub processes: usize,
    /// How often each is read before it is given up.
    pub tries: u32,
}

/// Who was asked for, and what it takes to read them.
struct Prepared {
    code: StateCode,
    /// Those who are read, with the address of their struct and their pid as a term.
    these: Vec<(u64, u64, ProcessSnapshot)>,
    asked_for: usize,
    processes: usize,
}

/// Reads the states of the processes of which `wanted` says so by what they are called.
///
/// # Errors
/// When the VM's code or its process table cannot be read.
pub fn read_states<M: Memory>(
    vm: &mut Vm<M>,
    wanted: &dyn Fn(&ProcessSnapshot) -> bool,
    options: &StatesOptions,
) -> Result<States, SessionError> {
    leave_no_core();
    let mut prepared = prepare(vm, wanted, options)?;
    let reader = TermReader::new(vm);
    let code = &mut prepared.code;
    let answers = prepared.these.iter().map(|(address, pid, process)| {
        let who = (*address, *pid, process.name.as_deref());
        read_patiently(&reader, vm, code, who, options)
    });
    let answers = answers.collect();
    let node = reader.this_node();
    finish(vm, prepared, answers, (node, None))
}

/// The same while all threads of the VM are stopped, for no longer than `limit`: of all processes at
/// one instant, and also of those that never rest. What can be found out before, is; then each
/// process is read once.
///
/// # Errors
/// As [`read_states`]; and when the VM cannot be stopped, or not in time.
pub fn read_states_stopped(
    vm: &mut Vm,
    wanted: &dyn Fn(&ProcessSnapshot) -> bool,
    options: &StatesOptions,
    limit: Duration,
) -> Result<States, SessionError> {
    leave_no_core();
    let mut prepared = prepare(vm, wanted, options)?;
    let runners = vm.runners()?;
    let reader = TermReader::new(vm);
    for (address, pid, process) in prepared.these.iter().take(READ_BEFORE) {
        let who = (*address, *pid, process.name.as_deref());
        // Atoms never change, and what is in the caches of the machine is read faster.
        let _ = read_state(&reader, vm, &mut prepared.code, who, &options.state);
    }
    let node = reader.this_node();
    drop(reader);
    let memory = vm.memory;
    let stopped = while_stopped(vm.pid, limit, |still| {
        vm.memory = memory.until(still.until);
        read_at_once(vm, &mut prepared, &runners, still, &options.state)
    });
    vm.memory = memory;
    vm.ran = Ran::default();
    let (answers, stop) = stopped?;
    finish(vm, prepared, answers, (node, Some(stop)))
}

fn prepare<M: Memory>(
    vm: &mut Vm<M>,
    wanted: &dyn Fn(&ProcessSnapshot) -> bool,
    options: &StatesOptions,
) -> Result<Prepared, SessionError> {
    let mut map = CodeMap::new();
    vm.read_code(&mut map)?;
    let code = StateCode::new(vm, map);
    let all = called(vm)?;
    let processes = all.len();
    let these = all.into_iter().filter(|(_, _, process)| wanted(process));
    let mut these: Vec<_> = these
        .map(|(pid, address, process)| (address, pid, process))
        .collect();
    let asked_for = these.len();
    these.truncate(options.processes);
    Ok(Prepared {
        code,
        these,
        asked_for,
        processes,
    })
}

fn finish<M: Memory>(
    vm: &Vm<M>,
    prepared: Prepared,
    answers: Vec<(StateAnswer, u32)>,
    (node, stop): (Option<Node>, Option<StopTime>),
) -> Result<States, SessionError> {
    let these = prepared.these.into_iter().zip(answers);
    let mut told = these
        .map(|((_, _, process), (answer, tries))| StateOf {
            process,
            answer,
            tries,
        })
        .collect::<Vec<_>>();
    forget_replaced(vm, &prepared.code, &mut told)?;
    Ok(States {
        told,
        asked_for: prepared.asked_for,
        processes: prepared.processes,
        node,
        stop,
    })
}

/// Reads each process once, as long as the VM stands still.
fn read_at_once(
    vm: &mut Vm,
    prepared: &mut Prepared,
    runners: &Runners,
    still: &Standstill<'_>,
    options: &StateOptions,
) -> Vec<(StateAnswer, u32)> {
    vm.ran = vm.running_on(runners, &still.threads);
    let reader = TermReader::new(vm);
    let code = &mut prepared.code;
    let read = |(address, pid, process): &(u64, u64, ProcessSnapshot)| {
        if !still.holds() {
            return (StateAnswer::NoTime, 0);
        }
        let who = (*address, *pid, process.name.as_deref());
        let answer = answer(read_still(&reader, vm, code, who, options));
        // What was read while it went on may be of two instants, or may not have been read at all.
        match still.holds() {
            true => (answer, 1),
            false => (StateAnswer::NoTime, 1),
        }
    };
    prepared.these.iter().map(read).collect()
}

fn answer(reading: Reading) -> StateAnswer {
    match reading {
        Reading::Exact(state) => StateAnswer::Exact(state),
        Reading::Ran(status) => StateAnswer::Ran(status),
        Reading::Gone => StateAnswer::Gone,
        Reading::Sensitive => StateAnswer::Sensitive,
        Reading::Unreadable(why) => StateAnswer::Unreadable(why),
    }
}

/// Reads one process, given the address of its struct, its pid as a term and its name, until it was
/// seen to rest or has been read often enough; how often it was.
pub(crate) fn read_patiently<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    code: &mut StateCode,
    who: (u64, u64, Option<&str>),
    options: &StatesOptions,
) -> (StateAnswer, u32) {
    // What has ended does not change any more.
    if !vm.memory.is_running() {
        return (answer(read_still(reader, vm, code, who, &options.state)), 1);
    }
    let most = options.tries.max(1);
    let mut tries = 0;
    loop {
        let reading = read_state(reader, vm, code, who, &options.state);
        tries += 1;
        let enough = match &reading {
            Reading::Exact(state) if state.rests == Rests::InCallback => IN_CALLBACK_TRIES,
            Reading::Ran(_) => most,
            Reading::Unreadable(_) => UNREADABLE_TRIES,
            Reading::Exact(_) | Reading::Gone | Reading::Sensitive => 1,
        };
        if tries >= enough.min(most) {
            return (answer(reading), tries);
        }
        if tries >= AT_ONCE {
            // Not in step with anything that the process does at regular times.
            let naps = tries.wrapping_mul(7) % 11 + 1;
            thread::sleep((NAP * naps * (tries / 10 + 1)).min(NAP_MAX));
        }
    }
}

/// Takes back what was told of processes that wait in code that was loaded or purged meanwhile:
/// what its functions are called may be of what came after or before.
fn forget_replaced<M: Memory>(
    vm: &Vm<M>,
    code: &StateCode,
    told: &mut [StateOf],
) -> Result<(), SessionError> {
    let mut now = CodeMap::new();
    vm.list_code(&mut now)?;
    let replaced = code.replaced(vm, &now);
    for one in told {
        if let StateAnswer::Exact(state) = &one.answer {
            let in_replaced = |place| replaced.iter().any(|range| range.contains(place));
            if state.places.iter().any(in_replaced) {
                one.answer = StateAnswer::Replaced;
            }
        }
    }
    Ok(())
}
