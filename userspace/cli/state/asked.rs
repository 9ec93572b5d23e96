//! `state --tracer`: processes tell their states themselves, by `sys:get_state/2`.
//!
//! A process that handles no system messages would keep the question in its mailbox for ever. So
//! each is looked at from outside first, and only those are asked that run a behaviour of OTP.

use std::io::Write;

use escope_attached::{Attached, StateRequest};
use escope_session::{
    Behaviour, Node, Part, ProcessSnapshot, Redaction, SnapshotOptions, StateAnswer, StatesOptions,
    Term, Vm, read_states, take_snapshot,
};
use serde_json::{Value, json};

use super::{INDENT, TERM_INDENT, nobody, options, text};
use crate::args::StateArgs;
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::say::say;
use crate::snapshot::{is_wanted, who};
use crate::tracer::{attach, later, numbers};

/// How the state was come by.
const RUNG: &str = "by the attached tracer: sys:get_state/2, answered by the process itself";
/// Words of memory beyond which a state is not asked for: it is copied within the VM.
const WORDS_MAX: u64 = 16 << 20;

/// A process that was asked for.
struct Asked {
    process: ProcessSnapshot,
    behaviour: Behaviour,
    /// Its state, or why there is none.
    answer: Result<Vec<Part>, String>,
    masked: u32,
    /// Names of records whose fields have no names here.
    nameless: Vec<String>,
}

pub(super) fn run(vm: &mut Vm, args: &StateArgs) -> anyhow::Result<()> {
    let options = options(args)?;
    vm.redaction.clone_from(&options.state.redaction);
    let wanted = |process: &ProcessSnapshot| is_wanted(process, &args.process);
    let (processes, all) = take_snapshot(vm, SnapshotOptions::default(), Some(&wanted))?;
    if processes.is_empty() {
        return Err(nobody(all, args).into());
    }
    let more = processes.len().saturating_sub(args.rows.get());
    let mut attached = attach(vm, &args.tracer)?;
    let mut told = Vec::new();
    for process in processes.into_iter().take(args.rows.get()) {
        let (limits, redaction) = (options.state.limits, options.state.redaction.as_ref());
        let one = match may_ask(vm, &process, (args, &options)) {
            Err(why) => Asked {
                process,
                behaviour: Behaviour::None,
                answer: Err(why),
                masked: 0,
                nameless: Vec::new(),
            },
            Ok((pid, behaviour)) => {
                let timeout = args.timeout;
                say!(
                    "tracer: runs sys:get_state({}, {})",
                    process.pid,
                    timeout.as_millis()
                );
                let request = StateRequest {
                    pid,
                    timeout,
                    limits,
                };
                let answer = attached.get_state(&request).map_err(later)?;
                let mut masker = Masker::new(redaction, vm, &process);
                Asked {
                    answer: answer.map(|state| parts(behaviour, state, &mut masker)),
                    masked: masker.masked,
                    nameless: masker.nameless,
                    process,
                    behaviour,
                }
            }
        };
        told.push(one);
    }
    print(vm, &attached, (&told, more), args)
}

/// Whether a process answers system messages, as far as can be seen from outside.
fn may_ask(
    vm: &mut Vm,
    process: &ProcessSnapshot,
    (args, options): (&StateArgs, &StatesOptions),
) -> Result<((u64, u64), Behaviour), String> {
    if process.sensitive && !args.sensitive {
        return Err(
            "it is sensitive: it has asked not to be looked at, by process_flag(sensitive, true); \
             --sensitive asks it all the same"
                .to_owned(),
        );
    }
    if process.total_heap_words > WORDS_MAX {
        return Err(format!(
            "it has {} MiB on its heap, and its state would be copied within the VM: read it from \
             outside, without --tracer",
            process.total_heap_words >> 17
        ));
    }
    let behaviour = behaviour(vm, process, options);
    if behaviour == Behaviour::None {
        return Err(
            "it runs none of the behaviours that answer system messages, as far as its stack tells: \
             what it is asked might stay in its mailbox for ever; read it from outside, without --tracer"
                .to_owned(),
        );
    }
    let pid = numbers(&process.pid).ok_or_else(|| "its pid cannot be told".to_owned())?;
    Ok((pid, behaviour))
}

/// By the loop at the bottom of its stack. One that hibernates has none, and one that is suspended is in
/// that of `sys`: what they are is what they prove to be when they are read from outside.
fn behaviour(vm: &mut Vm, process: &ProcessSnapshot, options: &StatesOptions) -> Behaviour {
    let spawned = process.spawned_as.as_ref();
    if spawned.is_none_or(|mfa| mfa.module != "proc_lib") {
        return Behaviour::None;
    }
    let initial = process.initial_call.as_ref();
    let begun_as = |module: &str| initial.is_some_and(|mfa| mfa.module == module);
    let frames = process.stack.iter().rev();
    let mut modules = frames.filter_map(|frame| Some(frame.mfa.as_ref()?.module.as_str()));
    let outermost = modules.find(|module| module.starts_with("gen_") || *module == "sys");
    match outermost {
        Some("gen_server") if begun_as("supervisor") => Behaviour::Supervisor,
        Some("gen_server") if begun_as("Elixir.Agent.Server") => Behaviour::Agent,
        Some("gen_server") => Behaviour::GenServer,
        Some("gen_statem") => Behaviour::GenStatem,
        Some("gen_event") => Behaviour::GenEvent,
        None if !process.stack.is_empty() => Behaviour::None,
        _ => {
            let is_it = |one: &ProcessSnapshot| one.pid == process.pid;
            let read = read_states(vm, &is_it, options).ok();
            let told = read.and_then(|states| states.told.into_iter().next());
            match told.map(|one| one.answer) {
                Some(StateAnswer::Exact(state)) => state.behaviour,
                _ => Behaviour::None,
            }
        }
    }
}

/// Masks what a process has told.
struct Masker<'m> {
    redaction: Option<&'m Redaction>,
    vm: &'m Vm,
    /// The module that the process was spawned for.
    module: Option<String>,
    masked: u32,
    nameless: Vec<String>,
}

impl<'m> Masker<'m> {
    fn new(redaction: Option<&'m Redaction>, vm: &'m Vm, process: &ProcessSnapshot) -> Masker<'m> {
        let initial = process.initial_call.as_ref();
        Masker {
            redaction,
            vm,
            module: initial.map(|mfa| mfa.module.clone()),
            masked: 0,
            nameless: Vec::new(),
        }
    }

    /// A term of its own, or of an event handler.
    fn mask(&mut self, handler: Option<&str>, mut term: Term) -> Term {
        let Some(redaction) = self.redaction else {
            return term;
        };
        let own = self.module.as_deref();
        for module in own.into_iter().chain(handler) {
            redaction.learn(self.vm, module);
        }
        let masked = match redaction.may_hide(own) {
            true => redaction.outline(&mut term),
            false => redaction.mask_of(handler, &mut term),
        };
        self.masked = self.masked.saturating_add(masked);
        term
    }

    fn part(&mut self, name: String, handler: Option<&str>, term: Term) -> Part {
        let term = self.mask(handler, term);
        let nameless = self.redaction.map(|redaction| redaction.nameless(&term));
        let nameless = nameless.into_iter().flatten();
        let is_new: Vec<String> = nameless
            .filter(|name| !self.nameless.contains(name))
            .collect();
        self.nameless.extend(is_new);
        Part {
            name,
            whole: is_whole(&term),
            term,
        }
    }
}

/// The parts of a state, named as they are when it is read from outside, and masked.
fn parts(behaviour: Behaviour, state: Term, masker: &mut Masker<'_>) -> Vec<Part> {
    match (behaviour, state) {
        (Behaviour::GenStatem, Term::Tuple(both)) if both.items.len() == 2 => {
            let names = ["state", "data"].into_iter();
            let named = names.zip(both.items);
            named
                .map(|(name, term)| masker.part(name.to_owned(), None, term))
                .collect()
        }
        (Behaviour::GenEvent, Term::List(handlers)) => {
            let handlers = handlers.items.into_iter();
            handlers
                .map(|handler| of_handler(handler, masker))
                .collect()
        }
        (_, state) => vec![masker.part("state".to_owned(), None, state)],
    }
}

/// `{Module, Id, State}`, or `{Module, false, State}` of one that is known by its module.
fn of_handler(handler: Term, masker: &mut Masker<'_>) -> Part {
    match handler {
        Term::Tuple(of) if of.items.len() == 3 => match <[Term; 3]>::try_from(of.items) {
            Ok([Term::Atom(module), Term::Atom(no), state]) if *no == *"false" => {
                masker.part(module.to_string(), Some(&*module), state)
            }
            Ok([Term::Atom(module), id, state]) => {
                let id = masker.mask(Some(&*module), id);
                let name = format!("{module} {}", id.text(ID_CHARS));
                masker.part(name, Some(&*module), state)
            }
            Ok([_, _, state]) => masker.part("handler".to_owned(), None, state),
            Err(_) => masker.part("handler".to_owned(), None, Term::Cut),
        },
        other => masker.part("handler".to_owned(), None, other),
    }
}

/// Of the id of an event handler.
const ID_CHARS: usize = 60;

/// Whether nothing of a term is missing.
fn is_whole(term: &Term) -> bool {
    let node = Node {
        name: "nonode@nohost".into(),
        creation: 0,
        channel: 0,
    };
    term.to_external(Some(&node)).is_ok()
}

fn print(
    vm: &Vm,
    attached: &Attached,
    (told, more): (&[Asked], usize),
    args: &StateArgs,
) -> anyhow::Result<()> {
    let untold: Vec<(&str, &str)> = told
        .iter()
        .filter_map(|one| {
            Some((
                one.process.pid.as_str(),
                one.answer.as_ref().err()?.as_str(),
            ))
        })
        .collect();
    if untold.len() < told.len() {
        let node = attached.peer();
        match args.json {
            true => {
                let told: Value = told
                    .iter()
                    .map(|one| for_programs(one, args, node))
                    .collect();
                output::json(&told)?;
            }
            false => output::write_to(None, Content::Text, |out| {
                writeln!(
                    out,
                    "{} (pid {}, OTP {})",
                    one_line(&node.name),
                    vm.pid,
                    vm.otp_release,
                )?;
                told.iter()
                    .try_for_each(|one| for_people(one, args, node, out))?;
                match more {
                    0 => Ok(()),
                    more => Ok(writeln!(out, "\nand {more} more: -n shows them")?),
                }
            })?,
        }
    }
    match untold.as_slice() {
        [] => Ok(()),
        [(pid, why), others @ ..] => {
            let more = match others.len() {
                0 => String::new(),
                more => format!("; and {more} more are not told"),
            };
            Err(Failure::failed(format!("the state of {pid} is not told: {why}{more}")).into())
        }
    }
}

fn for_people(
    one: &Asked,
    args: &StateArgs,
    node: &Node,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n{} {}",
        one.process.pid,
        one_line(&who(&one.process))
    )?;
    let parts = match &one.answer {
        Ok(parts) => parts,
        Err(why) => return Ok(writeln!(out, "{:INDENT$}not told: {}", "", one_line(why))?),
    };
    writeln!(out, "{:INDENT$}{}", "", one_line(&what(one)))?;
    let masked = match one.masked {
        0 => String::new(),
        1 => ", 1 value masked (***)".to_owned(),
        many => format!(", {many} values masked (***)"),
    };
    writeln!(out, "{:INDENT$}{RUNG}{masked}", "")?;
    if let Some(note) = super::nameless(&one.nameless) {
        writeln!(out, "{:INDENT$}{}", "", one_line(&note))?;
    }
    for part in parts {
        let cut = if part.whole { "" } else { " (not all of it)" };
        writeln!(out, "{:INDENT$}{}{cut}", "", one_line(&part.name))?;
        for line in text(&part.term, args, Some(node)) {
            writeln!(out, "{:TERM_INDENT$}{}", "", one_line(&line))?;
        }
    }
    Ok(())
}

fn what(one: &Asked) -> String {
    let behaviour = one.behaviour.word();
    match &one.process.initial_call {
        Some(call) if call.function == "init" && call.module != behaviour => {
            format!("{behaviour} of {}", call.module)
        }
        _ => behaviour.to_owned(),
    }
}

fn for_programs(one: &Asked, args: &StateArgs, node: &Node) -> Value {
    let called = &one.process;
    let parts = one.answer.as_ref().map(|parts| {
        let parts = parts.iter().map(|part| {
            json!({
                "name": part.name,
                "term": text(&part.term, args, Some(node)).join("\n"),
                "whole": part.whole,
            })
        });
        parts.collect::<Vec<_>>()
    });
    json!({
        "pid": called.pid,
        "name": called.name,
        "label": called.label,
        "initial_call": called.initial_call.as_ref().map(ToString::to_string),
        "certainty": if one.answer.is_ok() { "answered" } else { "not_told" },
        "source": RUNG,
        "behaviour": one.behaviour.word(),
        "masked": one.masked,
        "nameless": one.nameless,
        "parts": parts.as_ref().ok(),
        "why": parts.as_ref().err(),
    })
}
