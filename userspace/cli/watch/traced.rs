//! `watch --tracer`: calls with arguments and results, by the VM's own tracing.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use escope_attached::{AttachedError, Ended, Hit, Remains, Said, TraceOptions, Tracing};
use escope_session::{
    Condition, Limits, Redaction, SessionError, Stop, Vm, choose, is_stopped, list_called,
};
use serde_json::json;

use super::traced_calls::Open;
use crate::args::{ReportFormat, WatchArgs, warn_of_absent};
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::say::say;
use crate::tracer::{attach, later, numbers};

/// When it is not said otherwise.
const CALLS_MAX: u64 = 1000;
const LIFE: Duration = Duration::from_secs(30);
/// What is remembered of calls that do not return is bounded by this.
const CALLS_LARGEST: u64 = 1_000_000;
/// Between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// For the tracer to say that it has ended.
const END_PATIENCE: Duration = Duration::from_secs(15);
/// Characters of a text for a byte in the external format: escapes and digits take several.
const CHARS_FOR_BYTE: usize = 4;
const REMOVED: &str =
    "tracer: removed; the VM was asked, and has no process, session, trace pattern or flag of it";

pub(super) fn run(args: &WatchArgs, stop: &Stop) -> anyhow::Result<()> {
    let redaction = args.redact.redaction()?;
    let redaction = (!args.unmasked).then_some(redaction);
    let pid = choose(&args.target.choice())?;
    if is_stopped(pid) {
        say!("warning: pid {pid} is stopped and answers nothing before `kill -CONT {pid}`");
    }
    let mut vm = Vm::attach_with(pid, &args.target.layout.given()).map_err(SessionError::from)?;
    vm.redaction.clone_from(&redaction);
    warn_of_absent(&vm);
    let options = options(args, &vm)?;
    for function in &args.functions {
        if let Some(redaction) = &redaction {
            redaction.learn(&vm, &function.module);
        }
    }
    let attached = attach(&vm, &args.tracer)?;
    for line in Tracing::plan(&options, &vm.otp_release) {
        say!("tracer: {line}");
    }
    let until = Instant::now() + options.life;
    let mut tracing = Tracing::start(attached, options).map_err(later)?;
    match tracing.stood_still() {
        Some(time) => say!(
            "tracer: tracing; to begin took the VM {time:.1?}, in which its schedulers stood still at most"
        ),
        None => say!("tracer: tracing"),
    }
    let content = match args.format {
        ReportFormat::Table => Content::Text,
        ReportFormat::Json => Content::Json,
    };
    output::write_to(None, content, |out| {
        let mut shown = Shown {
            names: Names::of(&vm),
            open: Open::default(),
            redaction,
            out,
        };
        let followed = shown.follow(&mut tracing, (args, until), stop);
        let ended = match followed {
            Ok(ended) => ended,
            Err(error) if error.is::<AttachedError>() => {
                look_again(&tracing.abandon(), &vm, args);
                let called = shown.open.called;
                return Err(Failure::failed(format!("{error:#}; {called} calls shown")).into());
            }
            Err(error) => return Err(error),
        };
        let left = tracing.check_removed().map_err(later)?;
        let (open, dropped) = (&shown.open, tracing.dropped());
        if args.format == ReportFormat::Json {
            let end = json!({
                "kind": "end",
                "end": word(ended),
                "calls": open.called,
                "returned": open.returned,
                "dropped": dropped,
                "left": left,
            });
            writeln!(shown.out, "{end}")?;
        }
        conclude(args, ended, (open, dropped), &left)
    })
}

/// What is told of a trace while it goes on.
struct Shown<'v, 'o> {
    names: Names<'v>,
    open: Open,
    redaction: Option<Redaction>,
    out: &'o mut dyn Write,
}

impl Shown<'_, '_> {
    /// Writes what comes until the tracer says that it has ended.
    fn follow(
        &mut self,
        tracing: &mut Tracing,
        (args, until): (&WatchArgs, Instant),
        stop: &Stop,
    ) -> anyhow::Result<Ended> {
        let mut late = until + END_PATIENCE;
        let mut asked_to_end = false;
        let mut flushed = Instant::now();
        loop {
            if stop.flag().load(Ordering::Relaxed) && !asked_to_end {
                asked_to_end = true;
                late = Instant::now() + END_PATIENCE;
                tracing.stop()?;
            }
            match tracing.next(Instant::now() + LOOK)? {
                Some(Said::Hit(hit)) => self.write(*hit, args)?,
                Some(Said::Ended(ended)) => return Ok(ended),
                None => {}
            }
            // Somebody may be looking.
            if flushed.elapsed() >= LOOK {
                self.out.flush()?;
                flushed = Instant::now();
            }
            if Instant::now() > late {
                let what = "the tracer did not say that it has ended".to_owned();
                let after = END_PATIENCE;
                return Err(AttachedError::Late { what, after }.into());
            }
        }
    }

    fn write(&mut self, hit: Hit, args: &WatchArgs) -> anyhow::Result<()> {
        let name = self.names.name(&hit.pid);
        let chars = args.max_bytes as usize * CHARS_FOR_BYTE;
        let line = self.open.line(hit, name, (self.redaction.as_ref(), chars));
        match args.format {
            ReportFormat::Table => writeln!(self.out, "{}", one_line(&line.text()))?,
            ReportFormat::Json => writeln!(self.out, "{}", line.json())?,
        }
        Ok(())
    }
}

/// When the connection has failed: whether its end has ended the tracer, asked by another one.
fn look_again(remains: &Remains, vm: &Vm, args: &WatchArgs) {
    say!("tracer: the connection failed; asking the VM by another one whether anything is left");
    let asked = attach(vm, &args.tracer).and_then(|mut attached| {
        let left = remains.check(&mut attached)?;
        Ok(left)
    });
    match asked {
        Ok(left) if left.is_empty() => say!("{REMOVED}"),
        Ok(left) => say!(
            "warning: the VM still has something of the tracer: {}",
            left.join(", ")
        ),
        Err(why) => say!(
            "warning: the VM cannot be asked whether anything is left ({why:#}): the tracer ends when the VM \
             sees that our connection has"
        ),
    }
}

fn options(args: &WatchArgs, vm: &Vm) -> anyhow::Result<TraceOptions> {
    let calls_max = args.max_hits.unwrap_or(CALLS_MAX);
    if calls_max > CALLS_LARGEST {
        let largest = format!("with --tracer --max-hits is at most {CALLS_LARGEST}");
        return Err(Failure::usage(largest).into());
    }
    let mut process = None;
    for condition in &args.when {
        match condition {
            Condition::Process(wanted) => process = Some(find(vm, wanted)?),
            Condition::Argument(..) => {
                let why = "with --tracer --when takes process=NAME or process=<0.N.S> alone";
                return Err(Failure::usage(why).into());
            }
        }
    }
    Ok(TraceOptions {
        functions: args.functions.clone(),
        process,
        results: !args.no_results,
        calls_max,
        rate_max: args.max_rate,
        life: args.duration.unwrap_or(LIFE),
        bytes_max: u64::from(args.max_bytes),
        limits: Limits {
            depth: 200,
            nodes: args.max_bytes as usize,
            bytes: args.max_bytes as usize,
        },
    })
}

fn find(vm: &Vm, wanted: &str) -> anyhow::Result<(u64, u64)> {
    let all = list_called(vm)?;
    let is = |name: &Option<String>| name.as_deref() == Some(wanted);
    let found = all.iter().find(|one| one.pid == wanted || is(&one.name));
    let found = found.and_then(|one| numbers(&one.pid));
    found.ok_or_else(|| {
        let what = format!("no process is {wanted}: give a registered name or a pid <0.N.S>");
        Failure::failed(what).into()
    })
}

/// What processes are called, read from outside.
struct Names<'v> {
    vm: &'v Vm,
    known: HashMap<String, Option<String>>,
    read: Instant,
}

/// Between two readings of all names.
const NAMES_EVERY: Duration = Duration::from_millis(500);

impl Names<'_> {
    fn of(vm: &Vm) -> Names<'_> {
        let mut names = Names {
            vm,
            known: HashMap::new(),
            read: Instant::now(),
        };
        names.read_all();
        names
    }

    /// What cannot be read has no name.
    fn read_all(&mut self) {
        let all = list_called(self.vm).unwrap_or_default().into_iter();
        self.known = all
            .map(|one| {
                let call = one.initial_call.as_ref().map(ToString::to_string);
                (one.pid, one.name.or(one.label).or(call))
            })
            .collect();
        self.read = Instant::now();
    }

    fn name(&mut self, pid: &str) -> Option<String> {
        if !self.known.contains_key(pid) && self.read.elapsed() > NAMES_EVERY {
            self.read_all();
        }
        self.known.get(pid).cloned().flatten()
    }
}

fn word(ended: Ended) -> &'static str {
    match ended {
        Ended::Time => "duration",
        Ended::Limit => "limit",
        Ended::Rate => "rate",
        Ended::Flood => "flood",
        Ended::Heap => "memory",
        Ended::Slow => "slow_reader",
        Ended::Stopped => "interrupted",
    }
}

/// How it ended, and what the VM says is left of it.
fn conclude(
    args: &WatchArgs,
    ended: Ended,
    (open, dropped): (&Open, u64),
    left: &[String],
) -> anyhow::Result<()> {
    let why = match ended {
        Ended::Time => "time is up".to_owned(),
        Ended::Limit => "the limit of calls was reached: --max-hits sets it".to_owned(),
        Ended::Rate => format!(
            "more than {} calls came within a second: --max-rate sets how many may",
            args.max_rate
        ),
        Ended::Flood => {
            "calls came faster than the tracer in the VM took them: later ones are not shown; narrow it \
             with --when process=NAME, or count calls without --tracer"
                .to_owned()
        }
        Ended::Heap => {
            "what was traced filled the tracer's memory in the VM: calls are not shown; these functions \
             take or return too much"
                .to_owned()
        }
        Ended::Slow => "we read too slowly, and the VM did not wait: later calls are not shown".to_owned(),
        Ended::Stopped => "interrupted".to_owned(),
    };
    let called = open.called;
    match args.no_results {
        true => say!("{why}; {called} calls shown"),
        false => say!(
            "{why}; {called} calls shown, {} returned, {} had not when it ended",
            open.returned,
            open.left()
        ),
    }
    if dropped > 0 {
        say!(
            "warning: {dropped} messages came while an answer was waited for, and are not shown: more than is \
             kept of what a VM sends"
        );
    }
    if left.is_empty() {
        say!("{REMOVED}");
        return Ok(());
    }
    let left = left.join(", ");
    let what =
        format!("the VM still has something of the tracer: {left}; it ends with our connection");
    Err(Failure::failed(what).into())
}
