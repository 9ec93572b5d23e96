//! `record`: a running BEAM into a recording.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use escope_recording::{Clocks, Writer};
use escope_session::{
    ClockChoice, EndedHow, EventLimits, Launched, Limits, PayloadLimits, Progress, RecordOptions,
    Recorder, Redaction, RingTooLarge, SessionError, StateLimits, StateOptions, Stop, Vm, Wanted,
    WantedNatives, check_proc, choose, is_stopped,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{ClockArg, RecordArgs, warn_of_absent};
use crate::failure::Failure;
use crate::printable;
use crate::say::say;
use crate::signals;
use crate::summary;

pub(crate) fn run(args: RecordArgs) -> anyhow::Result<()> {
    // One for all: what it learns of one value holds for others.
    let redaction = args.redact.redaction()?;
    let values = (
        payload(&args, redaction.clone())?,
        states(&args, redaction.clone()),
    );
    let limits = event_limits(&args, values)?;
    let stop = signals::stop()?;
    check_proc().map_err(SessionError::from)?;
    if let Some(output) = &args.output {
        // Before anything is started.
        Writer::check_free(output).map_err(SessionError::from)?;
    }
    let (mut vm, launched) = target(&args, &stop)?;
    vm.redaction = Some(redaction);
    warn_of_absent(&vm);
    let mut recorder = match start(&args, vm, limits) {
        Ok(recorder) => recorder,
        Err(error) => {
            if let Some(launched) = launched {
                launched.end();
            }
            return Err(error);
        }
    };
    let pid = recorder.vm().pid;
    if !args.quiet && is_stopped(pid) {
        say!("warning: pid {pid} is stopped and uses no CPU before `kill -CONT {pid}`");
    }
    let bar = progress_bar(&args, &recorder);
    let ran = recorder.run(&stop, |progress| show(&bar, progress));
    bar.finish_and_clear();
    let (summary, mut problem) = match ran {
        Ok(ended) => (recorder.finish(ended, None), None),
        // A full disk, mostly: what is there is closed as well as it can be.
        Err(error) => {
            let error = Arc::new(error);
            let note = Some(error.to_string());
            (recorder.finish(EndedHow::Failed, note), Some(error))
        }
    };
    if let Some(mut launched) = launched {
        // Reaped if it has ended; else it runs on without us.
        if matches!(launched.child.try_wait(), Ok(None)) && !args.quiet {
            say!(
                "{} runs on as pid {}",
                args.command.join(" "),
                launched.child.id()
            );
        }
    }
    if !args.quiet {
        summary::print(&summary);
    }
    problem = problem.or(summary.problem);
    problem.map_or(Ok(()), |error| Err(error.into()))
}

fn start(args: &RecordArgs, vm: Vm, limits: EventLimits) -> anyhow::Result<Recorder> {
    let output = match &args.output {
        Some(output) => output.clone(),
        None => default_output(&vm)?,
    };
    Ok(Recorder::start(vm, options(args, output, limits))?)
}

fn target(args: &RecordArgs, stop: &Stop) -> Result<(Vm, Option<Launched>), SessionError> {
    if !args.command.is_empty() {
        let (launched, vm) = Launched::start(&args.command, &args.target.layout.given(), stop)?;
        return Ok((vm, Some(launched)));
    }
    let pid = choose(&args.target.choice())?;
    Ok((Vm::attach_with(pid, &args.target.layout.given())?, None))
}

fn options(args: &RecordArgs, output: PathBuf, limits: EventLimits) -> RecordOptions {
    let mut options = RecordOptions::new(output);
    options.frequency_hz = args.frequency;
    options.duration = args.duration;
    options.clock = match args.clock {
        ClockArg::Auto => ClockChoice::Auto,
        ClockArg::CpuClock => ClockChoice::CpuClock,
        ClockArg::Cycles => ClockChoice::Cycles,
    };
    options.erlang_stack_bytes = args.stack_kib * 1024;
    options.events = args.events;
    options.natives = WantedNatives {
        names: args.calls.clone(),
        times: args.call_times,
    };
    options.event_limits = limits;
    options.checkpoints = args.checkpoint.unwrap_or_default();
    options.ring_bytes = args.ring_kib.map(|kib| kib * 1024);
    options
}

/// What messages say is recorded of processes that were named, and of no others.
fn payload(args: &RecordArgs, redaction: Redaction) -> anyhow::Result<Option<PayloadLimits>> {
    let Some(bytes) = args.payload else {
        // Why processes end, their labels and the tags of messages come with events.
        let has_effect =
            !args.state.is_empty() || !args.events.is_empty() || args.checkpoint.is_some();
        return match args.redact.is_empty() || has_effect {
            true => Ok(None),
            false => Err(Failure::usage(
                "what begins with --redact says what of events, messages and states is masked, and none are \
                 recorded: add --events, --payload or --state",
            )
            .into()),
        };
    };
    if args.processes.is_empty() {
        return Err(Failure::usage(
            "--payload records what messages say, and that only of processes that are named: say \
             which with --processes NAME,PID,MFA",
        )
        .into());
    }
    if !args.events.msg {
        return Err(Failure::usage(
            "--payload records what messages say, and no messages are recorded: add --events msg",
        )
        .into());
    }
    Ok(Some(PayloadLimits { bytes, redaction }))
}

/// What processes have is recorded of those that were named, and of no others.
fn states(args: &RecordArgs, redaction: Redaction) -> Option<StateLimits> {
    if args.state.is_empty() {
        return None;
    }
    Some(StateLimits {
        wanted: Wanted(args.state.clone()),
        state: StateOptions {
            limits: STATE_LIMITS,
            redaction: Some(redaction),
            children: 0,
        },
    })
}

/// All of what is copied, unless it refers to the same again and again, and some megabytes of what is
/// not.
const STATE_LIMITS: Limits = Limits {
    depth: 128,
    nodes: 1 << 18,
    bytes: 4 << 20,
};

/// What is recorded of what processes say and have.
type Values = (Option<PayloadLimits>, Option<StateLimits>);

fn event_limits(args: &RecordArgs, (payload, states): Values) -> anyhow::Result<EventLimits> {
    let memory_bytes = u64::from(args.max_memory) << 20;
    let mut limits = EventLimits::within(memory_bytes);
    if let Some(payload) = payload {
        limits = limits.listening(payload);
    }
    if let Some(states) = states {
        limits = limits.resting(states);
    }
    limits.share = args.max_overhead.0;
    limits.bare = args.bare_probes;
    if let Some(kib) = args.event_ring_kib {
        let fits = limits.with_ring(kib * 1024, memory_bytes);
        limits = fits.map_err(|ring| Failure::usage(too_large(kib, args.max_memory, &ring)))?;
    }
    if !args.processes.is_empty() {
        limits.processes = Some(Wanted(args.processes.clone()));
    }
    Ok(limits)
}

fn too_large(asked_kib: u32, memory_mib: u32, ring: &RingTooLarge) -> String {
    let kib = |bytes: u64| bytes >> 10;
    let held = match ring.times {
        1 => String::new(),
        times => format!(
            ", which --payload and --state hold {times} times, {} KiB",
            kib(ring.bytes())
        ),
    };
    format!(
        "--event-ring-kib {asked_kib} makes a ring of {} KiB, a power of two{held}: more than half of \
         --max-memory {memory_mib}, which is {} KiB; ask for a smaller ring, or more memory",
        kib(ring.ring_bytes),
        kib(ring.allowed_bytes),
    )
}

/// `rabbit@host-20260131T120000.escope` here.
fn default_output(vm: &Vm) -> anyhow::Result<PathBuf> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Failure::failed("the clock is set before 1970: give a path with -o"))?;
    let stamp: String = Clocks::new(0, now.as_nanos() as i64)
        .start_realtime
        .chars()
        .take(19)
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    let node = vm.node.as_deref().filter(|name| *name != "nonode@nohost");
    let who: String = match node {
        Some(name) => name
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || "@_-.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect(),
        None => format!("beam-{}", vm.pid),
    };
    Ok(PathBuf::from(format!("{who}-{stamp}.escope")))
}

fn progress_bar(args: &RecordArgs, recorder: &Recorder) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        if !args.quiet {
            say!("{}", greeting(args, recorder));
        }
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = match args.duration {
        Some(duration) => ProgressBar::new(duration.as_millis() as u64),
        None => ProgressBar::no_length(),
    };
    let template = match args.duration {
        Some(_) => "{prefix} {bar:24} {msg}",
        None => "{prefix} {spinner} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.println(printable::message(&greeting(args, recorder)));
    bar.set_prefix("recording");
    bar
}

fn greeting(args: &RecordArgs, recorder: &Recorder) -> String {
    let vm = recorder.vm();
    let node = vm.node.as_deref().unwrap_or("unnamed node");
    format!(
        "recording {node} (pid {}, OTP {}, ERTS {}) at {} Hz by {}{}",
        vm.pid,
        vm.otp_release,
        vm.erts_version,
        args.frequency,
        recorder.clock().as_str(),
        if args.duration.is_none() {
            "; Ctrl-C ends it"
        } else {
            ""
        }
    )
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let seconds = progress.elapsed.as_secs_f64().max(1e-3);
    bar.set_position(progress.elapsed.as_millis() as u64);
    bar.set_message(format!(
        "{:.1} s, {} samples ({:.0}/s), {} lost, own CPU {:.1} %",
        seconds,
        progress.samples,
        progress.samples as f64 / seconds,
        progress.lost,
        100.0 * Duration::from_nanos(progress.cpu_ns).as_secs_f64() / seconds,
    ));
}
