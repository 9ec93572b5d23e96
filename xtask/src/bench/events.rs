//! What events cost the VM: CPU time for a message, by turns with and without.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::rabbitmq::RabbitMq;
use super::ratio::Ratio;
use super::vm::{Load, Mark, Vm, Works};
use super::{Bench, per_unit, work};

/// A message for which nobody does anything, one that is probed but not recorded, one that is
/// recorded, and one that the VM traces itself: nanoseconds of CPU time each.
pub(super) fn price(bench: &Bench) -> Result<Value> {
    let (rounds, window) = match bench.quick {
        true => (6, Duration::from_secs(1)),
        false => (20, Duration::from_secs(2)),
    };
    let mut vm = ping_pong(bench)?;
    let (mut bare, mut traced, mut prices) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let alone_ns = per_unit(&mut vm, window, |_| Ok(()))?;
        let bare_ns = recorded(bench, &mut vm, window, &["--bare-probes"])?;
        let recorded_ns = recorded(bench, &mut vm, window, &[])?;
        vm.tell("trace", "traced")?;
        let traced_ns = per_unit(&mut vm, window, |_| Ok(()));
        vm.tell("untrace", "untraced")?;
        let traced_ns = traced_ns?;
        println!(
            "round {round}: {alone_ns:.0} ns alone, {bare_ns:.0} with bare probes, {recorded_ns:.0} \
             recorded, {traced_ns:.0} traced"
        );
        bare.push((recorded_ns - alone_ns) / (bare_ns - alone_ns));
        traced.push((recorded_ns - alone_ns) / (traced_ns - alone_ns));
        prices.push(json!([alone_ns, bare_ns, recorded_ns, traced_ns]));
    }
    Ok(json!({
        "what": "CPU time that a message costs more than alone, sent and received, recorded",
        "against_bare_probes": said("recording a message, against probes that do nothing", bare)?,
        "against_erlang_trace": said("recording a message, against erlang:trace", traced)?,
        "ns_alone_bare_recorded_traced": prices,
    }))
}

/// CPU time for a message while all events are recorded within 2 %, against none.
pub(super) fn budget(bench: &Bench) -> Result<Value> {
    let rounds = if bench.quick { 6 } else { 12 };
    let mut vm = ping_pong(bench)?;
    let window = Duration::from_secs(30);
    within(bench, &mut vm, rounds, (window, window), "2")
}

/// The same within 1 %, which is what is kept to unless told otherwise, of a RabbitMQ node between two publishers and two consumers, who have what is left of
/// the CPUs. A unit is a message that comes or goes. How fast a shared machine is at a time shows in
/// what a unit costs those clients, whom nobody records.
pub(super) fn rabbitmq(bench: &Bench) -> Result<Value> {
    let rounds = if bench.quick { 6 } else { 12 };
    let mut node = RabbitMq::start(&bench.folder.join("rabbitmq"))?;
    // Until its memory has its size.
    per_unit(&mut node, Duration::from_secs(20), |_| Ok(()))?;
    let window = Duration::from_secs(45);
    within(bench, &mut node, rounds, (window, window), "1")
}

/// One recording of the same node within 1 % that is so long that it has a million events.
pub(super) fn million(bench: &Bench) -> Result<Value> {
    let mut node = RabbitMq::start(&bench.folder.join("rabbitmq"))?;
    per_unit(&mut node, Duration::from_secs(20), |_| Ok(()))?;
    let windows = (Duration::from_secs(60), Duration::from_secs(500));
    within(bench, &mut node, 1, windows, "1")
}

/// By turns alone and while all events are recorded within so many percent, for so long each.
fn within(
    bench: &Bench,
    vm: &mut impl Works,
    rounds: usize,
    (alone_for, recorded_for): (Duration, Duration),
    percent: &str,
) -> Result<Value> {
    let mut pairs = Pairs::default();
    let mut last = None;
    let (mut events, mut most) = (0, 0);
    for round in 0..=rounds {
        let alone = work(vm, alone_for, |_| Ok(()))?;
        if let Some((before, recorded)) = last {
            pairs.add(before, recorded, alone);
        }
        if round == rounds {
            break;
        }
        let args = ["--events", "full", "--max-overhead", percent];
        let (recorded, counted) = while_recorded(bench, vm, recorded_for, &args)?;
        last = Some((alone, recorded));
        events += counted;
        most = most.max(counted);
    }
    println!("{events} events in all, up to {most} in a recording");
    let mut said = json!({
        "what": format!("CPU time for a unit of work while all events are recorded with --max-overhead {percent}, against none"),
        "window_s": recorded_for.as_secs(),
        "events": events,
        "ratio": said(&format!("CPU for a unit of work within {percent} %, against none"), pairs.ratios)?,
        "alone": said("the same VM alone, one window against the next", pairs.alone)?,
    });
    if !pairs.against_peers.is_empty() {
        let what = "the same, each against what a unit costs the clients at that time";
        said["against_peers"] = self::said(what, pairs.against_peers)?;
        let what = "the clients, one window against the next";
        said["peers"] = self::said(what, pairs.peers)?;
    }
    Ok(said)
}

/// Windows with a recorder, each against the windows before and after: drift cancels.
#[derive(Default)]
struct Pairs {
    ratios: Vec<f64>,
    alone: Vec<f64>,
    against_peers: Vec<f64>,
    peers: Vec<f64>,
}

impl Pairs {
    fn add(&mut self, before: Mark, recorded: Mark, after: Mark) {
        let against = |cost: fn(Mark) -> f64| cost(recorded) * 2.0 / (cost(before) + cost(after));
        let ratio = against(Mark::per_unit);
        self.ratios.push(ratio);
        self.alone.push(after.per_unit() / before.per_unit());
        if recorded.peers_cpu_ns == 0 {
            println!("{ratio:.4}");
            return;
        }
        let peers = |mark: Mark| mark.peers_cpu_ns as f64 / mark.units as f64;
        let against_peers = against(|mark| mark.cpu_ns as f64 / mark.peers_cpu_ns as f64);
        println!("{ratio:.4}, against the clients {against_peers:.4}");
        self.against_peers.push(against_peers);
        self.peers.push(against(peers));
    }
}

/// Prints what ratios say.
fn said(what: &str, ratios: Vec<f64>) -> Result<Value> {
    // Of one there is no interval.
    if let [ratio] = ratios[..] {
        println!("{what}: {ratio:.4}");
        return Ok(json!({ "median": ratio, "pairs": 1 }));
    }
    let ratio = Ratio::of(ratios).context("too few rounds")?;
    println!(
        "{what}: {:.4}, 95 %: {:.4} to {:.4}, quarters {:.4} apart ({} pairs)",
        ratio.median, ratio.interval.0, ratio.interval.1, ratio.spread, ratio.pairs
    );
    Ok(json!({
        "median": ratio.median,
        "low": ratio.interval.0,
        "high": ratio.interval.1,
        "spread": ratio.spread,
        "pairs": ratio.pairs,
    }))
}

/// One scheduler, so that who sends and who receives do not wait for one another's CPU.
fn ping_pong(bench: &Bench) -> Result<Vm> {
    Vm::start(
        &bench.folder,
        Load {
            pairs: 1,
            schedulers: 1,
            ..Load::default()
        },
    )
}

fn recorded(bench: &Bench, vm: &mut Vm, window: Duration, more: &[&str]) -> Result<f64> {
    let all = ["--events", "msg", "--max-overhead", "off"];
    let (mark, _) = while_recorded(bench, vm, window, &[&all[..], more].concat())?;
    Ok(mark.per_unit())
}

/// What is done while a recorder is at work, and how many events it recorded.
fn while_recorded(
    bench: &Bench,
    vm: &mut impl Works,
    window: Duration,
    args: &[&str],
) -> Result<(Mark, u64)> {
    let recorder = Recorder::start(bench, vm.pid(), args)?;
    let measured = work(vm, window, |_| Ok(()));
    let events = recorder.stop()?;
    Ok((measured?, events))
}

struct Recorder {
    child: Child,
    recording: PathBuf,
}

impl Recorder {
    /// Returns once it records.
    fn start(bench: &Bench, pid: u32, args: &[&str]) -> Result<Recorder> {
        let recording = bench.folder.join("events.escope");
        remove(&recording)?;
        let mut child = Command::new(&bench.escope)
            .args(["record", "-p", &pid.to_string(), "-F", "1", "-o"])
            .arg(&recording)
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run the profiler")?;
        let stderr = child.stderr.take().context("it has no stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        if !first.starts_with("recording") {
            bail!("it does not record: {first}");
        }
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Recorder { child, recording })
    }

    /// How many events it has recorded.
    fn stop(mut self) -> Result<u64> {
        let pid = i32::try_from(self.child.id()).context("what a pid")?;
        kill(Pid::from_raw(pid), Signal::SIGINT).context("it is gone")?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("it failed: {status}");
        }
        let manifest = fs::read_to_string(self.recording.join("manifest.json"))?;
        let manifest: Value = serde_json::from_str(&manifest)?;
        remove(&self.recording)?;
        let events = &manifest["totals"]["counters"]["events_recorded"];
        events.as_u64().context("it counts no events")
    }
}

fn remove(recording: &Path) -> Result<()> {
    match fs::remove_dir_all(recording) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
