//! Reads one process while it rests, and proves that it did; or while its VM stands still.

use std::sync::Arc;

use super::behaviour::{self, Found};
use super::evidence::Evidence;
use super::frames::{self, Stack};
use super::{
    Behaviour, Part, ProcessState, Reading, Rests, StateCode, StateOptions, supervision, supervisor,
};
use crate::Vm;
use crate::memory::Memory;
use crate::process::{ProcessBlock, ProcessState as Flags};
use crate::said::{Redaction, is_whole};
use crate::snapshot::{initial_call, is_unchanged};
use crate::term::{Limits, Term, TermError, TermReader};

/// Of what is told behind the name of a part.
const ID: Limits = Limits {
    depth: 4,
    nodes: 50,
    bytes: 200,
};
const ID_CHARS: usize = 60;

/// What was found of a process before it is known whether it rested.
pub(super) struct Looked {
    before: Vec<u8>,
    pub(super) state: Result<ProcessState, String>,
}

/// Reads the state of a process, given the address of its struct, its pid as a term and what it
/// is registered as. Once: one that ran meanwhile may rest the next time.
pub fn read_state<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    code: &mut StateCode,
    who: Who<'_>,
    options: &StateOptions,
) -> Reading {
    match look(reader, vm, code, who, (options, Sight::Passing)) {
        Ok(looked) => verdict(vm, who.0, &looked.before, looked.state),
        Err(reading) => reading,
    }
}

/// The same of a VM that stands still, as its caller knows: one whose threads are stopped, or that
/// has died. A process need not rest there. Of one that runs, [`Vm::ran`] has to say where it
/// is; its state is told as of before the callback that it is in.
pub fn read_still<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    code: &mut StateCode,
    who: Who<'_>,
    options: &StateOptions,
) -> Reading {
    match look(reader, vm, code, who, (options, Sight::Still)) {
        Ok(looked) => match looked.state {
            Ok(state) => Reading::Exact(Box::new(state)),
            Err(why) => Reading::Unreadable(why),
        },
        Err(reading) => reading,
    }
}

/// Whether the VM goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    Passing,
    Still,
    /// Of this process: it was copied where it ran, and its struct says where that was.
    Halted,
}

/// A process: the address of its struct, its pid as a term, what it is registered as.
pub(super) type Who<'w> = (u64, u64, Option<&'w str>);

fn look<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    code: &mut StateCode,
    who: Who<'_>,
    how: (&StateOptions, Sight),
) -> Result<Looked, Reading> {
    reader.forget();
    let mut before = block(vm, who.0).ok_or(Reading::Gone)?;
    vm.ran.correct(who.0, &mut before, &vm.layout);
    look_at(reader, vm, (code, before), who, how)
}

/// The same of one whose struct was read.
pub(super) fn look_at<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    (code, before): (&mut StateCode, Vec<u8>),
    (address, pid, name): Who<'_>,
    (options, sight): (&StateOptions, Sight),
) -> Result<Looked, Reading> {
    let process = ProcessBlock::new(&before, &vm.layout);
    let flags = process.state();
    if process.id() != pid || flags.0 & Flags::ENDING != 0 {
        return Err(Reading::Gone);
    }
    if process.is_sensitive() {
        return Err(Reading::Sensitive);
    }
    let status = flags.status();
    let may_be_read = match sight {
        Sight::Passing => status == "waiting",
        Sight::Still => !flags.collecting() && (!flags.running() || vm.ran.knows(address)),
        Sight::Halted => !flags.collecting(),
    };
    if !may_be_read {
        return Err(Reading::Ran(status));
    }
    let Some(stack) = frames::read(reader, vm, code, &process, sight == Sight::Halted) else {
        let state = Err("its stack cannot be read".into());
        return Ok(Looked { before, state });
    };
    let evidence = Evidence {
        reader,
        vm,
        code,
        process: &process,
        name: name.map(Arc::from),
    };
    let found = match flags.running() {
        true => behaviour::find_running(&evidence, &stack).ok_or(Reading::Ran(status))?,
        false => behaviour::find(&evidence, &stack),
    };
    // Between two callbacks what it has is in its registers.
    if status != "waiting"
        && found.behaviour == Behaviour::None
        && behaviour::is_in_behaviour(&stack)
    {
        return Err(Reading::Ran(status));
    }
    let supervision = match (options.children, found.rests) {
        (0, _) => None,
        // What it had before its callback is no tree any more.
        (_, Rests::InCallback | Rests::Ending) => None,
        (most, _) => supervision::read(&evidence, &found, most),
    };
    let state = put_together(&evidence, &stack, found, options).map(|state| ProcessState {
        supervision,
        ..state
    });
    Ok(Looked {
        state: state.map_err(|why| why.to_string()),
        before,
    })
}

fn block<M: Memory>(vm: &Vm<M>, address: u64) -> Option<Vec<u8>> {
    let mut block = vec![0; vm.layout.process.size as usize];
    vm.memory.read(address, &mut block).ok()?;
    Some(block)
}

/// Whether a process rested while something was read of it, which is then exact. Its flags first,
/// then the struct: see the module's page.
pub(super) fn verdict<M: Memory>(
    vm: &Vm<M>,
    address: u64,
    before: &[u8],
    state: Result<ProcessState, String>,
) -> Reading {
    let flags = address.wrapping_add(u64::from(vm.layout.process.state));
    let Ok(flags) = vm.memory.u32(flags).map(Flags) else {
        return Reading::Gone;
    };
    let Some(mut after) = block(vm, address) else {
        return Reading::Gone;
    };
    vm.ran.correct(address, &mut after, &vm.layout);
    if ProcessBlock::new(before, &vm.layout).state() != flags
        || !is_unchanged(before, &after, &vm.layout)
    {
        return Reading::Ran(match flags.status() {
            "waiting" => "running",
            status => status,
        });
    }
    match state {
        Ok(state) => Reading::Exact(Box::new(state)),
        Err(why) => Reading::Unreadable(why),
    }
}

fn put_together<M: Memory>(
    evidence: &Evidence<'_, '_, M>,
    stack: &Stack,
    found: Found,
    options: &StateOptions,
) -> Result<ProcessState, TermError> {
    let (reader, process) = (evidence.reader, evidence.process);
    let masker = options.redaction.as_ref();
    let masker = masker.map(|redaction| OfProcess::new(redaction, evidence, stack, &found));
    let mut masked = 0u32;
    let mut nameless = Vec::new();
    let mut parts = Vec::with_capacity(found.terms.len());
    for named in found.terms {
        let handler = (found.behaviour == Behaviour::GenEvent).then_some(named.name.as_str());
        let mut term = reader.decode(named.term, options.limits)?;
        let mut id = match named.id {
            Some(id) => Some(reader.decode(id, ID)?),
            None => None,
        };
        if let Some(masker) = &masker {
            for term in std::iter::once(&mut term).chain(&mut id) {
                masked = masked.saturating_add(masker.mask(evidence.vm, handler, term));
            }
            // Others are of OTP, or no states.
            let is_own = matches!(
                found.behaviour,
                Behaviour::GenServer | Behaviour::GenStatem | Behaviour::GenEvent
            );
            if is_own {
                nameless.extend(masker.redaction.nameless(&term));
            }
        }
        let name = match id {
            Some(id) => format!("{} {}", named.name, id.text(ID_CHARS)),
            None => named.name,
        };
        parts.push(Part {
            name,
            whole: is_whole(&term),
            term,
        });
    }
    nameless.sort_unstable();
    nameless.dedup();
    let words = match (found.behaviour, parts.as_slice()) {
        (Behaviour::Supervisor, [state]) => supervisor::words(&state.term),
        _ => Vec::new(),
    };
    let top = stack.top.first().and_then(|frame| frame.function.clone());
    Ok(ProcessState {
        behaviour: found.behaviour,
        status: process.state().status(),
        rests: found.rests,
        module: found.module,
        waits_in: top.as_ref().map(|function| function.mfa.clone()),
        location: top.and_then(|function| function.location),
        callback: found.callback,
        parts,
        words,
        supervision: None,
        masked,
        nameless,
        reductions: process.reductions(),
        places: stack.places(),
    })
}

/// Masks what a process has, by whose it is.
struct OfProcess<'r> {
    redaction: &'r Redaction,
    /// Nothing but shapes is told of it.
    is_hidden: bool,
}

impl<'r> OfProcess<'r> {
    fn new<M: Memory>(
        redaction: &'r Redaction,
        evidence: &Evidence<'_, '_, M>,
        stack: &Stack,
        found: &Found,
    ) -> OfProcess<'r> {
        let (vm, process) = (evidence.vm, evidence.process);
        let mut modules: Vec<String> = found.module.iter().map(ToString::to_string).collect();
        modules.extend(found.callback.iter().map(|mfa| mfa.module.clone()));
        modules.extend(vm.mfa(process.initial()).map(|mfa| mfa.module));
        if found.behaviour == Behaviour::None {
            let functions = stack.top.iter().filter_map(|frame| frame.function.as_ref());
            modules.extend(functions.map(|function| function.mfa.module.clone()));
        }
        // What `proc_lib` was asked for is in the dictionary alone, which is not among what is copied.
        if redaction.hides_modules() {
            let call = initial_call(&TermReader::new(vm), vm, process);
            modules.extend(call.map(|mfa| mfa.module));
        }
        modules.sort_unstable();
        modules.dedup();
        modules
            .iter()
            .for_each(|module| redaction.learn(vm, module));
        OfProcess {
            redaction,
            is_hidden: modules.iter().any(|module| redaction.hides(module)),
        }
    }

    /// A part of it, which may be of an event handler.
    fn mask<M: Memory>(&self, vm: &Vm<M>, handler: Option<&str>, term: &mut Term) -> u32 {
        if self.is_hidden {
            return self.redaction.outline(term);
        }
        if let Some(module) = handler {
            self.redaction.learn(vm, module);
        }
        self.redaction.mask_of(handler, term)
    }
}
