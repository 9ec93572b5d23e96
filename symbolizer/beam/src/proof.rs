//! What holds in any VM of any release, seen in the target before anything of it is believed:
//! pointers that lead round in a circle, and its first process.
//!
//! The VM runs meanwhile, so what does not fit is looked at again. What then still contradicts
//! the layout refuses the target; what could not be decided lowers the certainty. Each outcome is
//! a note.

use escope_model::{Mfa, SchedulerKind, Words};

use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::scheduler::Scheduler;
use crate::{BeamError, Vm, stack};

/// Slots of the process table that are looked at: the first processes never end.
const SLOTS: usize = 2048;
/// Processes that are looked at.
const PROCESSES: usize = 256;
/// How often something that may be changing is looked at.
const ATTEMPTS: usize = 8;
/// More stack than the first process has.
const STACK_BYTES_MAX: u64 = 1 << 20;
/// What the VM starts first: `erl_first_process_otp` in `erl_init.c`.
const FIRST: (&str, &str, u32) = ("erl_init", "start", 2);

/// How a proof ended.
enum Outcome {
    Holds(String),
    /// It could not be looked at, which is no sign of anything.
    Absent(String),
    /// It should have been there.
    Undecided(String),
    Contradicts(String),
}

/// Proves what can be proved of a VM whose schedulers have been read.
///
/// # Errors
/// What was looked for and what was found instead.
pub(crate) fn prove<M: Memory>(vm: &mut Vm<M>, schedulers: &[Scheduler]) -> Result<(), BeamError> {
    let running = running(vm, schedulers);
    let processes = processes(vm)?;
    let (table, first) = match processes {
        Ok(processes) => (
            Outcome::Holds(format!(
                "{} processes of the table have pids of their slots",
                processes.len()
            )),
            first_process(vm, &processes),
        ),
        Err(what) => (Outcome::Contradicts(what), Vec::new()),
    };
    for outcome in [table, running].into_iter().chain(first) {
        let note = match outcome {
            Outcome::Holds(what) => format!("checked: {what}"),
            Outcome::Absent(what) => format!("not checked: {what}"),
            Outcome::Undecided(what) => {
                vm.certainty.level = crate::layout::Status::Unverified.word();
                format!("not checked, less certain: {what}")
            }
            Outcome::Contradicts(what) => {
                return Err(BeamError::SelfCheck {
                    pid: vm.pid,
                    otp: vm.layout.otp,
                    what,
                });
            }
        };
        vm.certainty.notes.push(note);
    }
    Ok(())
}

/// Scheduler to process and back. A process on a dirty scheduler may name another one.
fn running<M: Memory>(vm: &Vm<M>, schedulers: &[Scheduler]) -> Outcome {
    let current = u64::from(vm.layout.scheduler.process);
    let back = u64::from(vm.layout.process.scheduler);
    let mut seen = None;
    for _ in 0..ATTEMPTS {
        let normal = |scheduler: &&Scheduler| scheduler.id.kind == SchedulerKind::Normal;
        for scheduler in schedulers.iter().filter(normal) {
            let Ok(process) = vm.memory.u64(scheduler.data.wrapping_add(current)) else {
                continue;
            };
            if process == 0 {
                continue;
            }
            match vm.memory.u64(process.wrapping_add(back)) {
                Ok(owner) if owner == scheduler.data => {
                    return Outcome::Holds("a running process names its scheduler".into());
                }
                _ => seen = Some(scheduler.id),
            }
        }
    }
    match seen {
        None => Outcome::Absent("no process was running that could name its scheduler".into()),
        Some(id) => Outcome::Undecided(format!(
            "the process on scheduler {} did not name it; it may have been coming or going",
            id.number
        )),
    }
}

/// Processes of the table, each with a pid that belongs into its slot; or which one is not so.
fn processes<M: Memory>(vm: &Vm<M>) -> Result<Result<Vec<u64>, String>, BeamError> {
    let layout = &vm.layout.process_table;
    let table = vm
        .globals
        .process_table
        .wrapping_add(u64::from(layout.read_only));
    let slots = vm.memory.u64(table)?;
    let max = vm.memory.u32(table.wrapping_add(u64::from(layout.max)))?;
    let invalid = vm
        .memory
        .u64(table.wrapping_add(u64::from(layout.invalid)))?;
    if !max.is_power_of_two() {
        return Ok(Err(format!("its process table claims {max} slots")));
    }
    let mut wrong = String::new();
    for _ in 0..ATTEMPTS {
        let pointers = vm.memory.words(slots, SLOTS.min(max as usize))?;
        let taken: Vec<(usize, u64)> = pointers
            .into_iter()
            .enumerate()
            .filter(|&(_, process)| process != 0 && process != invalid)
            .take(PROCESSES)
            .collect();
        if taken.is_empty() {
            let (pid, what) = (vm.pid, "its first process");
            return Err(BeamError::Starting { pid, what });
        }
        let unfit = taken.iter().find_map(|&(slot, process)| {
            let at = process.wrapping_add(u64::from(vm.layout.process.id));
            let id = vm.memory.u64(at).ok();
            let printed = id.and_then(|id| vm.pids.print(id));
            let its = id.and_then(|id| vm.pids.slot(id, max));
            let fits = printed.is_some() && its == Some(slot as u64);
            (!fits).then(|| match (printed, its) {
                (Some(pid), Some(its)) => {
                    format!("slot {slot} of its process table has {pid}, which belongs into {its}")
                }
                _ => format!("slot {slot} of its process table leads to what has no pid"),
            })
        });
        match unfit {
            None => return Ok(Ok(taken.into_iter().map(|(_, process)| process).collect())),
            Some(what) => wrong = what,
        }
    }
    Ok(Err(wrong))
}

/// The process `init`: what it was spawned as, and its stack.
fn first_process<M: Memory>(vm: &Vm<M>, processes: &[u64]) -> Vec<Outcome> {
    let is_init = |process: &&u64| name(vm, **process).as_deref() == Some("init");
    let Some(&init) = processes.iter().find(is_init) else {
        let what = "no process is registered as init; the VM may be starting or ending";
        return vec![Outcome::Undecided(what.into())];
    };
    vec![spawned_as(vm, init), walked(vm, init)]
}

fn name<M: Memory>(vm: &Vm<M>, process: u64) -> Option<std::sync::Arc<str>> {
    let at = process.wrapping_add(u64::from(vm.layout.process.reg));
    let registration = vm.memory.u64(at).ok().filter(|&at| at != 0)?;
    let at = registration.wrapping_add(u64::from(vm.layout.reg_proc.name));
    vm.atom(vm.memory.u64(at).ok()?)
}

fn spawned_as<M: Memory>(vm: &Vm<M>, init: u64) -> Outcome {
    let (module, function, arity) = FIRST;
    let at = init.wrapping_add(u64::from(vm.layout.process.initial));
    let call = vm.memory.words(at, 3).ok().and_then(|words| {
        let words: [u64; 3] = words.try_into().ok()?;
        vm.mfa(words)
    });
    let told = |mfa: &Mfa| format!("{}:{}/{}", mfa.module, mfa.function, mfa.arity);
    match &call {
        Some(mfa) if told(mfa) == format!("{module}:{function}/{arity}") => {
            Outcome::Holds(format!("init was spawned as {module}:{function}/{arity}"))
        }
        other => Outcome::Contradicts(format!(
            "its process init was spawned as {}, not as {module}:{function}/{arity}",
            other.as_ref().map_or("no function".to_owned(), told)
        )),
    }
}

/// The stack of `init`, which waits almost always.
fn walked<M: Memory>(vm: &Vm<M>, init: u64) -> Outcome {
    let mut wrong = None;
    for _ in 0..ATTEMPTS {
        let Some((before, words)) = resting(vm, init) else {
            continue;
        };
        let process = ProcessBlock::new(&before, &vm.layout);
        let mut returns = Vec::new();
        let walk = stack::scan(Words::new(&words), &vm.jit, vm.normal_exit, &mut returns);
        let resumes = vm.jit.contains(process.i());
        match (walk.reached_bottom, resumes) {
            (true, true) => {
                return Outcome::Holds("the stack of init leads to the exit of processes".into());
            }
            (false, _) => wrong = Some("its stack does not end in the exit of processes"),
            (_, false) => wrong = Some("it resumes at what is no JIT code"),
        }
    }
    match wrong {
        Some(what) => Outcome::Contradicts(format!("of its process init, {what}")),
        None => Outcome::Undecided("init was running whenever it was looked at".into()),
    }
}

/// A process and its stack, if it rested while both were copied.
fn resting<M: Memory>(vm: &Vm<M>, address: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    let copy = || {
        let mut block = vec![0; vm.layout.process.size as usize];
        vm.memory.read(address, &mut block).ok()?;
        Some(block)
    };
    let before = copy()?;
    let process = ProcessBlock::new(&before, &vm.layout);
    if process.state().status() != "waiting" {
        return None;
    }
    let bytes = process.hend().saturating_sub(process.stop()) & !7;
    let mut stack = vec![0; bytes.min(STACK_BYTES_MAX) as usize];
    // What cannot be read is an empty stack, which leads nowhere.
    if vm.memory.read(process.stop(), &mut stack).is_err() {
        stack.clear();
    }
    (copy()? == before).then_some((before, stack))
}

#[cfg(test)]
mod tests;
