//! `snapshot`: the process table, from outside.

mod json;

use std::cell::Cell;
use std::cmp::Reverse;
use std::io::Write;

use escope_model::Mfa;
use escope_recording::Writer;
use escope_session::{
    Memory, MessageOptions, ProcessSnapshot, SessionError, SnapshotOptions, StackFrame, Vm, choose,
    is_stopped, open_image, save_image, take_snapshot,
};

use crate::args::{SnapshotArgs, SnapshotFormat, SortArg, warn_of_absent};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::say::say;
use crate::summary::bytes;

mod core;
mod save;

const WORD_BYTES: u64 = 8;

pub(crate) fn run(args: SnapshotArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.core {
        return core::run(path, &args);
    }
    if let Some(path) = &args.image {
        return show(open_image(path, &args.target.layout.given())?, &args);
    }
    let pid = choose(&args.target.choice())?;
    if is_stopped(pid) {
        say!("pid {pid} is stopped: `kill -CONT {pid}` lets it go on");
    }
    if let Some(output) = &args.output {
        // Before anything is read.
        Writer::check_free(output).map_err(SessionError::from)?;
    }
    let vm = Vm::attach_with(pid, &args.target.layout.given()).map_err(SessionError::from)?;
    match &args.output {
        Some(output) => save::run(vm, output, &args),
        None => show(vm, &args),
    }
}

/// Reads the table of a VM, running or not, and prints it.
fn show<M: Memory>(mut vm: Vm<M>, args: &SnapshotArgs) -> anyhow::Result<()> {
    let redaction = args.redact.redaction()?;
    vm.redaction = (!args.unmasked).then_some(redaction);
    warn_of_absent(&vm);
    let options = SnapshotOptions {
        frames: args.frames,
        show: args.mailbox.then_some(MessageOptions {
            first: args.messages,
            values: args.values,
        }),
        ..match args.format {
            SnapshotFormat::Table => SnapshotOptions::default(),
            SnapshotFormat::Json => SnapshotOptions::all(),
        }
    };
    if let Some(path) = &args.save_image {
        // An image answers what it was asked: so ask for everything.
        let everything = SnapshotOptions {
            frames: args.frames,
            show: Some(MessageOptions {
                first: args.messages,
                values: true,
            }),
            ..SnapshotOptions::all()
        };
        let size = save_image(vm, everything, path)?;
        say!("{}: {}", path.display(), bytes(size as u64));
        return Ok(());
    }
    let met = Cell::new(false);
    let called = |process: &ProcessSnapshot| {
        let wanted = args.process.as_ref();
        let is = wanted.is_none_or(|wanted| is_wanted(process, wanted));
        met.set(met.get() | is);
        is
    };
    let is_asked_for = |process: &ProcessSnapshot| {
        let status = args.status.as_ref();
        called(process) && status.is_none_or(|status| process.status == status)
    };
    let some = args.process.is_some() || args.status.is_some();
    let wanted: Option<&dyn Fn(&ProcessSnapshot) -> bool> = match some {
        true => Some(&is_asked_for),
        false => None,
    };
    let (mut processes, all) = take_snapshot(&mut vm, options, wanted)?;
    if let (Some(wanted), false) = (&args.process, met.get()) {
        return Err(Failure::failed(format!(
            "none of {all} processes is {wanted}: give a registered name, a pid <0.N.S>, a label, \
             an initial call, or a module"
        ))
        .into());
    }
    sort(&mut processes, args.sort);
    let content = match args.format {
        SnapshotFormat::Table => Content::Text,
        SnapshotFormat::Json => Content::Json,
    };
    output::write_to(None, content, |out| match args.format {
        SnapshotFormat::Table => table(&vm, &processes, all, args, out),
        SnapshotFormat::Json => json::write(&processes, out),
    })
}

/// Whether a process is called so.
pub(crate) fn is_wanted(process: &ProcessSnapshot, wanted: &str) -> bool {
    let call = |call: &Option<Mfa>| call.as_ref().is_some_and(|mfa| mfa.to_string() == wanted);
    let module = |call: &Option<Mfa>| call.as_ref().is_some_and(|mfa| mfa.module == wanted);
    process.pid == wanted
        || process.name.as_deref() == Some(wanted)
        || process.label.as_deref() == Some(wanted)
        || module(&process.initial_call)
        || module(&process.spawned_as)
        || call(&process.initial_call)
        || call(&process.spawned_as)
}

fn sort(processes: &mut [ProcessSnapshot], by: SortArg) {
    match by {
        SortArg::Memory => processes.sort_by_key(|p| Reverse(p.total_heap_words)),
        // What could not be counted is the longest.
        SortArg::Mailbox => processes.sort_by_key(|p| Reverse(p.mailbox.unwrap_or(u64::MAX))),
        SortArg::Reductions => processes.sort_by_key(|p| Reverse(p.reductions)),
        SortArg::Pid => processes.sort_by_cached_key(|p| spawned(&p.pid)),
        SortArg::Name => processes.sort_by_cached_key(|p| (p.name.is_none(), p.name.clone())),
    }
}

/// `<0.N.S>` by S, then by N: as the VM gives pids out.
fn spawned(pid: &str) -> (u64, u64) {
    let mut numbers = pid.trim_matches(['<', '>']).split('.').skip(1);
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    let number = next().unwrap_or(u64::MAX);
    (next().unwrap_or(u64::MAX), number)
}

fn table<M: Memory>(
    vm: &Vm<M>,
    processes: &[ProcessSnapshot],
    all: usize,
    args: &SnapshotArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let inconsistent = processes.iter().filter(|p| !p.consistent).count();
    writeln!(
        out,
        "{} (pid {}, OTP {}): {all} processes",
        one_line(vm.node.as_deref().unwrap_or("unnamed node")),
        vm.pid,
        vm.otp_release,
    )?;
    if inconsistent > 0 && args.core.is_some() {
        writeln!(
            out,
            "{inconsistent} of them, marked ~, ran when the VM died or are not whole in the core: \
             their heaps and reductions are of when they were last scheduled out"
        )?;
    } else if inconsistent > 0 {
        writeln!(
            out,
            "{inconsistent} of them, marked ~, ran or changed while they were read: what is told of \
             one may be of different instants"
        )?;
    }
    writeln!(
        out,
        "\n  {:<14} {:<12} {:>8} {:>10} {:>12}  process, and where it is",
        "pid", "status", "mailbox", "heaps", "reductions"
    )?;
    for process in processes.iter().take(args.rows) {
        let mailbox = process.mailbox;
        let at_least = if process.mailbox_cut { ">" } else { "" };
        writeln!(
            out,
            "{} {:<14} {:<12} {:>8} {:>10} {:>12}  {}, {}",
            if process.consistent { ' ' } else { '~' },
            process.pid,
            process.status,
            mailbox.map_or_else(|| "?".to_owned(), |count| format!("{at_least}{count}")),
            format!(
                "{at_least}{}",
                bytes(process.total_heap_words.saturating_mul(WORD_BYTES))
            ),
            process.reductions,
            one_line(&who(process)),
            one_line(&whereabouts(process)),
        )?;
        if args.mailbox {
            messages(process, out)?;
        }
        if args.stack {
            callers(process, out)?;
            if process.stack_cut {
                writeln!(out, "{:63} ...", "")?;
            }
        }
    }
    if processes.len() > args.rows {
        let more = processes.len() - args.rows;
        writeln!(out, "  and {more} more: -n shows them")?;
    }
    Ok(())
}

/// What waits in its mailbox, oldest first.
fn messages(process: &ProcessSnapshot, out: &mut dyn Write) -> anyhow::Result<()> {
    const INDENT: &str = "        ";
    if process.sensitive && process.mailbox != Some(0) {
        writeln!(out, "{INDENT}sensitive: its messages are not shown")?;
    }
    let groups = process.messages.as_deref().unwrap_or_default();
    for group in groups {
        let text = one_line(&group.text);
        writeln!(out, "{INDENT}{:>5} x {text}", group.count)?;
    }
    let shown: u64 = groups.iter().map(|group| group.count).sum();
    let more = process.mailbox.unwrap_or(0).saturating_sub(shown);
    if more > 0 && !process.sensitive {
        writeln!(out, "{INDENT}and {more} more: --messages shows them")?;
    }
    Ok(())
}

/// The stack below its first frame; a recursion once.
fn callers(process: &ProcessSnapshot, out: &mut dyn Write) -> anyhow::Result<()> {
    let callers = process.stack.get(1..).unwrap_or_default();
    for run in callers.chunk_by(|left, right| left == right) {
        if let Some(frame) = run.first() {
            write!(out, "{:63} {}", "", one_line(&place(frame)))?;
        }
        match run.len() {
            1 => writeln!(out)?,
            times => writeln!(out, "  ({times} times)")?,
        }
    }
    Ok(())
}

/// What a process is called.
pub(crate) fn who(process: &ProcessSnapshot) -> String {
    match (&process.name, &process.label, &process.initial_call) {
        (Some(name), _, _) | (None, Some(name), _) => name.clone(),
        (None, None, Some(call)) => call.to_string(),
        (None, None, None) => "unknown".to_owned(),
    }
}

fn whereabouts(process: &ProcessSnapshot) -> String {
    match (process.stack.first(), &process.current_function) {
        (Some(frame), _) => place(frame),
        (None, Some(function)) => function.to_string(),
        (None, None) => "unknown".to_owned(),
    }
}

fn place(frame: &StackFrame) -> String {
    match (&frame.mfa, &frame.location) {
        (Some(mfa), Some((file, line))) => format!("{mfa}  {file}:{line}"),
        (Some(mfa), None) => mfa.to_string(),
        (None, _) => "code that was replaced meanwhile".to_owned(),
    }
}
