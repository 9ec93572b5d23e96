//! The states of processes, read again until each was seen to rest.

use std::thread;
use std::time::Duration;

use escope_beam::Vm;
use escope_beam::code::CodeMap;
use escope_beam::memory::Memory;
use escope_beam::snapshot::{ProcessSnapshot, called};
use escope_beam::state::{ProcessState, Reading, Rests, StateCode, StateOptions, read_state};
use escope_beam::term::{Node, TermReader};

use crate::SessionError;

/// Between two tries, the first few of which come at once; it grows up to the second of these.
const NAP: Duration = Duration::from_micros(200);
const NAP_MAX: Duration = Duration::from_millis(10);
const AT_ONCE: u32 = 3;
/// One that waits in a callback may come back to its loop soon, or never.
const IN_CALLBACK_TRIES: u32 = 10;
/// What cannot be read while its process rests will not get better.
const UNREADABLE_TRIES: u32 = 3;

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

/// Reads the states of the processes of which `wanted` says so by what they are called.
///
/// # Errors
/// When the VM's code or its process table cannot be read.
pub fn read_states<M: Memory>(
    vm: &mut Vm<M>,
    wanted: &dyn Fn(&ProcessSnapshot) -> bool,
    options: &StatesOptions,
) -> Result<States, SessionError> {
    let mut map = CodeMap::new();
    vm.read_code(&mut map)?;
    let mut code = StateCode::new(vm, map);
    let all = called(vm)?;
    let processes = all.len();
    let these: Vec<_> = all
        .into_iter()
        .filter(|(_, _, process)| wanted(process))
        .collect();
    let asked_for = these.len();
    let reader = TermReader::new(vm);
    let mut told = Vec::new();
    for (pid, address, process) in these.into_iter().take(options.processes) {
        let who = (address, pid, process.name.as_deref());
        let (answer, tries) = read_patiently(&reader, vm, &mut code, who, options);
        told.push(StateOf {
            process,
            answer,
            tries,
        });
    }
    let node = reader.this_node();
    forget_replaced(vm, &code, &mut told)?;
    Ok(States {
        told,
        asked_for,
        processes,
        node,
    })
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
    let most = match vm.memory.is_running() {
        true => options.tries.max(1),
        false => 1,
    };
    let mut tries = 0;
    loop {
        let reading = read_state(reader, vm, code, who, &options.state);
        tries += 1;
        let (answer, enough) = match reading {
            Reading::Exact(state) => {
                let enough = match state.rests {
                    Rests::InCallback => IN_CALLBACK_TRIES,
                    _ => 1,
                };
                (StateAnswer::Exact(state), enough)
            }
            Reading::Ran(status) => (StateAnswer::Ran(status), most),
            Reading::Gone => (StateAnswer::Gone, 1),
            Reading::Sensitive => (StateAnswer::Sensitive, 1),
            Reading::Unreadable(why) => (StateAnswer::Unreadable(why), UNREADABLE_TRIES),
        };
        if tries >= enough.min(most) {
            return (answer, tries);
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
