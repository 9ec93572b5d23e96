//! What the user wants to see of which functions.

use std::time::Duration;

use escope_beam::snapshot::called;
use escope_beam::{ProcessBlock, Vm};
use escope_model::{Mfa, quote_atom};
use escope_wire::{CallCondition, WATCH_CONDITIONS, WatchConfig};

use super::SnapshotsWanted;
use crate::SessionError;
use crate::events::copy_layout;

/// What to watch.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// At most four functions.
    pub functions: Vec<Mfa>,
    /// Which calls: those for which all of these hold.
    pub conditions: Vec<Condition>,
    /// Copy arguments.
    pub arguments: bool,
    /// Find out what processes are called.
    pub processes: bool,
    /// Copy what processes have as they call; it ends with the last of these calls.
    pub snapshots: Option<SnapshotsWanted>,
    /// After how many calls, wanted or not, it ends.
    pub hits_max: u64,
    /// How long; until it is stopped when not given.
    pub duration: Option<Duration>,
}

/// What must hold of a call. Decided in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The process is this one: a pid `<0.N.S>`, or who has this name at the time.
    Process(String),
    /// An argument, counted from 1, is this.
    Argument(u8, Immediate),
}

/// A term that fits into a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Immediate {
    /// An integer of at most 60 bits.
    Integer(i64),
    /// An atom, unquoted.
    Atom(String),
    /// The empty list.
    Nil,
}

impl Immediate {
    /// The word, as in `erl_term.h`.
    fn term(&self, vm: &Vm) -> Result<u64, SessionError> {
        match self {
            Immediate::Integer(value) => Ok((*value << 4) as u64 | 0xf),
            Immediate::Nil => Ok(0x3b),
            Immediate::Atom(name) => atom(vm, name),
        }
    }
}

fn atom(vm: &Vm, name: &str) -> Result<u64, SessionError> {
    let found = vm.atoms.find(&vm.memory, &[name])?;
    let found = found.first().copied().flatten();
    found.ok_or_else(|| SessionError::NoAtom {
        name: quote_atom(name).into_owned(),
    })
}

/// A pid's term.
fn pid(vm: &Vm, pid: &str) -> Result<u64, SessionError> {
    let all = called(vm)?;
    let found = all.into_iter().find(|(_, _, process)| process.pid == pid);
    let found = found.map(|(term, ..)| term);
    found.ok_or_else(|| SessionError::NoProcess {
        pid: pid.to_owned(),
    })
}

/// What the kernel half must know.
pub(super) fn config(vm: &Vm, options: &WatchOptions) -> Result<WatchConfig, SessionError> {
    let process = &vm.layout.process;
    let mut config = WatchConfig {
        hits_max: options.hits_max,
        with_arguments: u32::from(options.arguments || options.snapshots.is_some()),
        process_id_at: process.id,
        process_reg_at: process.reg,
        reg_name_at: vm.layout.reg_proc.name,
        process_initial_at: process.initial,
        process_trace_flags_at: process.trace_flags,
        sensitive: ProcessBlock::SENSITIVE as u32,
        ..WatchConfig::default()
    };
    if let Some(snapshots) = &options.snapshots {
        config.copies_max = u64::from(snapshots.count);
        config.copies = copy_layout(vm)?;
    }
    for condition in &options.conditions {
        match condition {
            Condition::Process(name) if name.starts_with('<') => config.only_pid = pid(vm, name)?,
            Condition::Process(name) => config.only_name = atom(vm, name)?,
            Condition::Argument(number, value) => {
                let at = config.condition_count as usize;
                let wanted = CallCondition {
                    argument: u64::from(number.saturating_sub(1)),
                    term: value.term(vm)?,
                };
                // The command line has refused more.
                if let Some(condition) = config.conditions.get_mut(at.min(WATCH_CONDITIONS)) {
                    *condition = wanted;
                    config.condition_count += 1;
                }
            }
        }
    }
    Ok(config)
}
