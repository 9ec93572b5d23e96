//! A process that hibernates without a stack: what it resumes with.
//!
//! `erlang:hibernate/3` (and so `proc_lib:hibernate/3`) leaves module, function and list of arguments in
//! the argument registers that the process keeps, and the code that resumes it calls them
//! (`erts_hibernate` in `erl_process.c`, `run_process` of the JIT).

use super::behaviour::Found;
use super::evidence::Evidence;
use super::frames::Frame;
use super::{gen_event, gen_server, gen_statem};
use crate::memory::Memory;

/// More arguments than functions of behaviours have.
const ARGUMENTS_MAX: usize = 16;

/// Whether a frame is that of a process that will call what it has as arguments.
pub(super) fn resumes_with_arguments(frame: &Frame) -> bool {
    frame.is_of("erts_beamasm") && frame.is("erts_beamasm", "run_process", 3)
}

/// The behaviour whose loop it resumes in.
pub(super) fn found<M: Memory>(evidence: &Evidence<'_, '_, M>) -> Option<Found> {
    let call = registers(evidence)?;
    let [module, function, arguments] = call;
    let is = |term, text| evidence.is_atom(term, text);
    let arguments = evidence.list(arguments, ARGUMENTS_MAX)?;
    // `proc_lib` has its own function called, which calls the other one.
    let (module, function, arguments) = match arguments.as_slice() {
        [module, function, arguments] if is(call[0], "proc_lib") && is(call[1], "wake_up") => (
            *module,
            *function,
            evidence.list(*arguments, ARGUMENTS_MAX)?,
        ),
        _ => (module, function, arguments),
    };
    let (module, function) = (evidence.atom(module)?, evidence.atom(function)?);
    match (&*module, &*function) {
        ("gen_server", "wake_hib") => gen_server::hibernating(evidence, &arguments),
        ("gen_statem", "wakeup_from_hibernate") => gen_statem::hibernating(evidence, &arguments),
        ("gen_event", "wake_hib") => gen_event::hibernating(evidence, &arguments),
        ("sys", "suspend_loop_hib") => match arguments.as_slice() {
            [_state, parent, module, _debug, misc, _hib] => {
                super::behaviour::suspended(evidence, *parent, *module, *misc)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Module, function and list of arguments that it will be resumed with.
pub(super) fn registers<M: Memory>(evidence: &Evidence<'_, '_, M>) -> Option<[u64; 3]> {
    let fields = &evidence.vm.layout.process;
    if evidence.process.word(fields.arity) & 0xff != 3 {
        return None;
    }
    let arguments = evidence.process.word(fields.arguments);
    let words = evidence.reader.words(arguments, 3).ok()?;
    <[u64; 3]>::try_from(words).ok()
}
