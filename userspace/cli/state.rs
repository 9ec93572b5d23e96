//! `state`: the states of behaviours, from outside.

mod asked;
mod history;
mod json;
mod received;
mod recorded;
pub(crate) mod told;
mod words;

use std::fmt::Write as _;
use std::io::Write;

use escope_session::{
    Limits, Memory, Node, ProcessSnapshot, ProcessState, Rests, SessionError, StateAnswer, StateOf,
    StateOptions, States, StatesOptions, Term, Vm, choose, is_stopped, lines, open_core,
    read_states, read_states_stopped,
};

use crate::args::{StateArgs, TermFormat, warn_of_absent};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::say::say;
use crate::snapshot::{is_wanted, who};
use words::{milliseconds, stopped, what, whereabouts, why_not};

/// Before what is told of a process.
const INDENT: usize = 2;
/// Before a term.
const TERM_INDENT: usize = 4;

pub(crate) fn run(args: StateArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.recording {
        if args.unmasked || !args.redact.is_empty() {
            return Err(Failure::usage(
                "--unmasked and what begins with --redact are of a running VM: what a recording has was masked \
                 when it was made",
            )
            .into());
        }
        return recorded::run(path, &args);
    }
    let given = args.target.layout.given();
    if let Some(path) = &args.core {
        let (_, vm) = open_core(path, args.exe.as_deref(), &given)?;
        return show(vm, &args);
    }
    let pid = choose(&args.target.choice())?;
    if is_stopped(pid) {
        say!("pid {pid} is stopped: `kill -CONT {pid}` lets it go on");
    }
    let mut vm = Vm::attach_with(pid, &given).map_err(SessionError::from)?;
    let options = options(&args)?;
    vm.redaction.clone_from(&options.state.redaction);
    warn_of_absent(&vm);
    if args.tracer.tracer {
        return asked::run(&mut vm, &args);
    }
    let Some(limit) = args.stop else {
        return show(vm, &args);
    };
    let wanted = |process: &ProcessSnapshot| is_wanted(process, &args.process);
    let states = read_states_stopped(&mut vm, &wanted, &options, limit)?;
    if let Some(stop) = states.stop.filter(|stop| stop.took > stop.limit) {
        say!(
            "the VM was stopped for {}, longer than {}: this machine is busy",
            milliseconds(stop.took),
            milliseconds(stop.limit)
        );
    }
    print(&vm, &states, &args)
}

/// Terms of a state, each some hundred bytes of memory here.
const NODES_MAX: usize = 1 << 21;

fn options(args: &StateArgs) -> anyhow::Result<StatesOptions> {
    let redaction = args.redact.redaction()?;
    let bytes = args.max_bytes as usize;
    // Each term takes one character at least; but what is shared is read as often as it is there.
    let nodes = bytes.min(NODES_MAX);
    Ok(StatesOptions {
        state: StateOptions {
            limits: Limits {
                depth: usize::from(args.depth),
                nodes,
                bytes,
            },
            redaction: (!args.unmasked).then_some(redaction),
            children: 0,
        },
        processes: args.rows.get(),
        tries: args.tries,
    })
}

/// Reads the states of a VM's processes, running or not, and prints them.
fn show<M: Memory>(mut vm: Vm<M>, args: &StateArgs) -> anyhow::Result<()> {
    let options = options(args)?;
    vm.redaction.clone_from(&options.state.redaction);
    let wanted = |process: &ProcessSnapshot| is_wanted(process, &args.process);
    let states = read_states(&mut vm, &wanted, &options)?;
    print(&vm, &states, args)
}

fn print<M: Memory>(vm: &Vm<M>, states: &States, args: &StateArgs) -> anyhow::Result<()> {
    if states.asked_for == 0 {
        return Err(nobody(states.processes, args).into());
    }
    let untold: Vec<&StateOf> = states.told.iter().filter(|one| !is_told(one)).collect();
    // With no result there is none to be printed.
    if untold.len() < states.told.len() {
        match args.json {
            true => output::json(&json::of(states, args))?,
            false => output::write_to(None, Content::Text, |out| table(vm, states, args, out))?,
        }
    }
    match untold.as_slice() {
        [] => Ok(()),
        [one, others @ ..] => {
            let more = match others.len() {
                0 => String::new(),
                more => format!("; and {more} more are not told"),
            };
            let why = why_not(&one.answer, one.tries, args);
            let pid = &one.process.pid;
            let stopped = match states.stop {
                Some(stop) => format!("; the VM was stopped for {}", milliseconds(stop.took)),
                None => String::new(),
            };
            let what = format!("the state of {pid} is not told: {why}{more}{stopped}");
            Err(Failure::failed(what).into())
        }
    }
}

fn nobody(processes: usize, args: &StateArgs) -> Failure {
    Failure::failed(format!(
        "none of {processes} processes is {}: give a registered name, a pid <0.N.S>, a label, an \
         initial call, or a module",
        args.process
    ))
}

fn is_told(one: &StateOf) -> bool {
    matches!(one.answer, StateAnswer::Exact(_))
}

fn table<M: Memory>(
    vm: &Vm<M>,
    states: &States,
    args: &StateArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} (pid {}, OTP {})",
        one_line(vm.node.as_deref().unwrap_or("unnamed node")),
        vm.pid,
        vm.otp_release,
    )?;
    if let Some(stop) = &states.stop {
        writeln!(out, "{}", stopped(stop))?;
    }
    for one in &states.told {
        let process = &one.process;
        writeln!(out, "\n{} {}", process.pid, one_line(&who(process)))?;
        match &one.answer {
            StateAnswer::Exact(state) => told(state, one, (args, states.node.as_ref()), out)?,
            answer => writeln!(
                out,
                "{:INDENT$}not told: {}",
                "",
                why_not(answer, one.tries, args)
            )?,
        }
    }
    let more = states.asked_for - states.told.len();
    if more > 0 {
        writeln!(out, "\nand {more} more: -n shows them")?;
    }
    Ok(())
}

fn told(
    state: &ProcessState,
    one: &StateOf,
    (args, node): (&StateArgs, Option<&Node>),
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(out, "{:INDENT$}{}", "", one_line(&what(state, one)))?;
    writeln!(out, "{:INDENT$}{}", "", one_line(&whereabouts(state)))?;
    let masked = match state.masked {
        0 => String::new(),
        1 => ", 1 value masked (***)".to_owned(),
        many => format!(", {many} values masked (***)"),
    };
    let again = match one.tries {
        1 => String::new(),
        tries => format!(", read {tries} times"),
    };
    let reductions = state.reductions;
    writeln!(
        out,
        "{:INDENT$}exact, at {reductions} reductions{again}{masked}",
        ""
    )?;
    if state.rests == Rests::InCallback && !state.parts.is_empty() {
        let callback = state.callback.as_ref();
        let callback = callback.map_or_else(String::new, |callback| format!(" {callback}"));
        let before = format!("as of before its callback{callback}");
        writeln!(out, "{:INDENT$}{}", "", one_line(&before))?;
    }
    if let Some(note) = nameless(&state.nameless) {
        writeln!(out, "{:INDENT$}{}", "", one_line(&note))?;
    }
    for word in &state.words {
        writeln!(out, "{:INDENT$}{}", "", one_line(word))?;
    }
    for part in &state.parts {
        let cut = if part.whole { "" } else { " (not all of it)" };
        writeln!(out, "{:INDENT$}{}{cut}", "", one_line(&part.name))?;
        for line in text(&part.term, args, node) {
            writeln!(out, "{:TERM_INDENT$}{}", "", one_line(&line))?;
        }
    }
    Ok(())
}

/// What is to be said of records whose fields have no names here, by their names.
pub(crate) fn nameless(names: &[String]) -> Option<String> {
    let rule = match names {
        [] => return None,
        [name] => name,
        _ => "NAME",
    };
    let all: Vec<String> = names.iter().map(|name| format!("#{name}{{}}")).collect();
    Some(format!(
        "fields of {} have no names here, so none is masked by its name: --redact-field {rule}:N masks \
         element N",
        all.join(", ")
    ))
}

/// The lines of a term, as it was asked for.
fn text(term: &Term, args: &StateArgs, node: Option<&Node>) -> Vec<String> {
    let (width, chars) = (usize::from(args.width), args.max_bytes as usize);
    match args.format {
        TermFormat::Erlang => lines(term, width, TERM_INDENT, chars),
        TermFormat::Elixir => vec![term.elixir(chars)],
        // What is cut says so in its place: JSON that ends in the middle is of no use.
        TermFormat::Json => vec![term.to_json()],
        TermFormat::Etf => match term.to_external(node) {
            Ok(bytes) => vec![hexadecimal(&bytes)],
            Err(why) => vec![format!("not written: {why}")],
        },
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
