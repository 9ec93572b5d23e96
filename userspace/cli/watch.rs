//! `watch`: exact calls of a few functions.

mod json;
pub(crate) mod parse;
mod snapshot;
mod text;
mod traced;
mod traced_calls;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use escope_model::Mfa;
use escope_session::{
    Caller, Condition, Mark, Redaction, Seen, SessionError, SnapshotsWanted, StateOptions, Stop,
    Vm, Watch, WatchEnd, WatchOptions, WatchSummary, check_proc, choose, is_stopped,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{ReportFormat, WatchArgs, warn_of_absent};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::say::say;
use crate::signals;
use crate::time;

/// Calls by function and caller.
type Counts = BTreeMap<(usize, Caller), u64>;

pub(crate) fn run(args: WatchArgs) -> anyhow::Result<()> {
    check(&args)?;
    let stop = signals::stop()?;
    if args.tracer.tracer {
        return traced::run(&args, &stop);
    }
    check_proc().map_err(SessionError::from)?;
    let pid = choose(&args.target.choice())?;
    let mut vm = Vm::attach_with(pid, &args.target.layout.given()).map_err(SessionError::from)?;
    let redaction = args.redact.redaction()?;
    vm.redaction = (!args.unmasked).then(|| redaction.clone());
    warn_of_absent(&vm);
    let mut watch = Watch::start(vm, options(&args, redaction))?;
    if !args.quiet {
        greet(&args, &watch);
    }
    let threads = watch.arm()?;
    if !args.quiet {
        say!(
            "watching in {threads} threads{}",
            match args.duration {
                Some(_) => "",
                None => "; Ctrl-C ends it",
            }
        );
    }
    let content = match args.format {
        ReportFormat::Table => Content::Text,
        ReportFormat::Json => Content::Json,
    };
    let mut finished = None;
    output::write_to(None, content, |out| {
        let mut counts = Counts::new();
        let followed = follow(&args, &mut watch, &stop, &mut counts, out);
        // What was counted until then is told, whatever went wrong.
        let summary = watch.finish()?;
        match (args.count, args.format) {
            (true, ReportFormat::Table) => text::counts(&args.functions, &counts, out)?,
            (true, ReportFormat::Json) => json::counts(&args.functions, &counts, out)?,
            (false, _) => {}
        }
        let end = followed?;
        if args.format == ReportFormat::Json {
            json::end(end, &summary, out)?;
        }
        finished = Some((end, summary));
        Ok(())
    })?;
    if let (false, Some((end, summary))) = (args.quiet, finished) {
        conclude(&args, end, &summary);
    }
    Ok(())
}

/// What clap cannot see.
fn check(args: &WatchArgs) -> Result<(), Failure> {
    let functions = &args.functions;
    let shows_values = args.snapshot.is_some() || args.tracer.tracer;
    if !shows_values && (args.unmasked || !args.redact.is_empty()) {
        return Err(Failure::usage(
            "--redact and --unmasked say what of values is masked, and none are shown: add --snapshot \
             or --tracer",
        ));
    }
    for (at, function) in functions.iter().enumerate() {
        if functions.iter().skip(at + 1).any(|other| other == function) {
            return Err(Failure::usage(format!("{function} is given twice")));
        }
    }
    let (mut processes, mut arguments) = (0, 0);
    for condition in &args.when {
        let Condition::Argument(number, _) = condition else {
            processes += 1;
            continue;
        };
        arguments += 1;
        let has_less = |function: &&Mfa| function.arity < u32::from(*number);
        if let Some(function) = functions.iter().find(has_less) {
            return Err(Failure::usage(format!(
                "{function} has no argument {number}: a condition holds for all functions that are \
                 given"
            )));
        }
    }
    if processes > 1 || arguments > CONDITIONS_MAX {
        return Err(Failure::usage(format!(
            "at most one process and {CONDITIONS_MAX} arguments can be given with --when"
        )));
    }
    Ok(())
}

/// As many as the kernel half has room for.
const CONDITIONS_MAX: usize = 4;
/// When it is not said otherwise.
const HITS_MAX: u64 = 100_000;

fn hits_max(args: &WatchArgs) -> u64 {
    args.max_hits.unwrap_or(HITS_MAX)
}

fn options(args: &WatchArgs, redaction: Redaction) -> WatchOptions {
    WatchOptions {
        snapshots: args.snapshot.map(|count| SnapshotsWanted {
            count,
            state: StateOptions {
                limits: snapshot::LIMITS,
                redaction: (!args.unmasked).then_some(redaction),
                children: 0,
            },
        }),
        functions: args.functions.clone(),
        conditions: args.when.clone(),
        arguments: args.args,
        processes: !args.count,
        hits_max: hits_max(args),
        duration: args.duration,
    }
}

/// The price first.
fn greet(args: &WatchArgs, watch: &Watch) {
    let vm = watch.vm();
    let pid = vm.pid;
    say!(
        "{} (pid {pid}, OTP {}, ERTS {})",
        vm.node.as_deref().unwrap_or("unnamed node"),
        vm.otp_release,
        vm.erts_version,
    );
    let price = watch.price();
    let most = hits_max(args).saturating_mul(price.hit_ns);
    say!(
        "each call costs the process that makes it {}, as measured here; at most {} calls, wanted or \
         not: {}",
        time::show(price.hit_ns),
        hits_max(args),
        time::show(most),
    );
    if let Some(count) = args.snapshot {
        say!(
            "at the first {count} that are wanted the process is copied, of 64 KiB at most: {} each; then it \
             ends",
            time::show(price.copy_ns),
        );
    }
    if !price.turns_off {
        say!(
            "note: this kernel cannot turn a breakpoint off by itself (Linux 6.10 and later can): calls \
             beyond the limit cost the same until we do, within some 10 ms"
        );
    }
    if let Some(why) = watch.polls() {
        say!("note: loads of code are looked for once a second only ({why})");
    }
    if is_stopped(pid) {
        say!("warning: pid {pid} is stopped and calls nothing before `kill -CONT {pid}`");
    }
}

/// Shows calls, or counts them.
fn follow(
    args: &WatchArgs,
    watch: &mut Watch,
    stop: &Stop,
    counts: &mut Counts,
    out: &mut dyn Write,
) -> anyhow::Result<WatchEnd> {
    let bar = progress_bar(args);
    let price_ns = watch.price().hit_ns;
    let tell = |seen: Vec<Seen>| -> anyhow::Result<()> {
        for seen in seen {
            match seen {
                Seen::Call(call) if args.count => {
                    *counts.entry((call.function, call.caller)).or_default() += 1;
                }
                Seen::Call(call) => match args.format {
                    ReportFormat::Table => {
                        text::call(&args.functions, &call, out)?;
                        snapshot::print(&call, out)?;
                    }
                    ReportFormat::Json => json::call(&args.functions, &call, out)?,
                },
                Seen::Mark(mark) => {
                    if args.format == ReportFormat::Json {
                        json::mark(&args.functions, &mark, out)?;
                    }
                    if !args.quiet {
                        bar.suspend(|| tell_mark(&args.functions, &mark));
                    }
                }
            }
        }
        // Somebody may be looking.
        Ok(out.flush()?)
    };
    let end = watch.run(stop, tell, |elapsed, hits| {
        let rate = hits as f64 / elapsed.as_secs_f64().max(1e-3);
        bar.set_message(format!(
            "{:.1} s, {hits} calls ({rate:.0}/s), {:.2} % of one scheduler",
            elapsed.as_secs_f64(),
            rate * price_ns as f64 / 1e7,
        ));
    })?;
    bar.finish_and_clear();
    Ok(end)
}

/// Only where it is not in the way of what is shown.
fn progress_bar(args: &WatchArgs) -> ProgressBar {
    let is_free = args.count || !std::io::stdout().is_terminal();
    if args.quiet || !is_free || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("watching {spinner} {msg}") {
        bar.set_style(style);
    }
    bar
}

fn name(functions: &[Mfa], function: usize) -> String {
    functions
        .get(function)
        .map_or_else(String::new, Mfa::to_string)
}

fn tell_mark(functions: &[Mfa], mark: &Mark) {
    match mark {
        Mark::Moved {
            function,
            loaded,
            watched,
        } => say!(
            "mark: another version of {} was loaded at {}: it is watched from {} on, the old one no \
             longer; calls in between were not seen",
            name(functions, *function),
            seconds(*loaded),
            seconds(*watched),
        ),
        Mark::Gone { function, at, why } => say!(
            "mark: {} is not watched any more since {}: {why}",
            name(functions, *function),
            seconds(*at),
        ),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// How it ended, what became of all calls, and what it cost.
fn conclude(args: &WatchArgs, end: WatchEnd, summary: &WatchSummary) {
    let elapsed = summary.elapsed.as_secs_f64();
    let why = match end {
        WatchEnd::Duration => "time is up".to_owned(),
        WatchEnd::Interrupted => "interrupted".to_owned(),
        WatchEnd::TargetExited => "the target ended".to_owned(),
        WatchEnd::Limit => format!("the limit of {} calls was reached", hits_max(args)),
        WatchEnd::Snapshots => "all snapshots were taken".to_owned(),
    };
    say!("{why} after {elapsed:.1} s");
    for count in &summary.functions {
        let mut parts = vec![format!("{} calls", count.hits)];
        let shown = if args.count { "counted" } else { "shown" };
        parts.push(format!("{} {shown}", count.seen));
        for (number, what) in [
            (count.filtered, "not wanted"),
            (count.lost, "LOST, the ring was full"),
            (
                count.unseen,
                "LOST, the kernel was busy with another program",
            ),
            (count.foreign, "of code that took its place"),
            (count.beyond, "beyond the limit, before it was off"),
        ] {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        }
        say!("  {}  {}", count.function, parts.join(", "));
    }
    let hits: u64 = summary.functions.iter().map(|count| count.hits).sum();
    let rate = hits as f64 / elapsed.max(1e-3);
    say!(
        "  spent  {} in the target, {:.2} % of one scheduler ({rate:.0} calls a second, {} each); {} of \
         CPU here",
        time::show(summary.spent().as_nanos() as u64),
        rate * summary.price.hit_ns as f64 / 1e7,
        time::show(summary.price.hit_ns),
        time::show(summary.cost.cpu_ns),
    );
    if end == WatchEnd::Limit {
        say!(
            "  note   what was called after that is not in these numbers: --max-hits sets the limit"
        );
    }
}
