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
use super::vm::{Load, Vm, Works};
use super::{Bench, per_unit};

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
    let said = |what: &str, ratios: Vec<f64>| -> Result<Value> {
        let ratio = Ratio::of(ratios).context("too few rounds")?;
        println!(
            "what recording a message costs, against {what}: {:.3}, 95 %: {:.3} to {:.3}",
            ratio.median, ratio.interval.0, ratio.interval.1
        );
        Ok(json!({ "median": ratio.median, "low": ratio.interval.0, "high": ratio.interval.1 }))
    };
    Ok(json!({
        "what": "CPU time that a message costs more than alone, sent and received, recorded",
        "against_bare_probes": said("probes that do nothing", bare)?,
        "against_erlang_trace": said("erlang:trace", traced)?,
        "ns_alone_bare_recorded_traced": prices,
    }))
}

/// CPU time for a message while all events are recorded within 2 %, against none.
pub(super) fn budget(bench: &Bench) -> Result<Value> {
    let rounds = if bench.quick { 6 } else { 12 };
    let mut vm = ping_pong(bench)?;
    within(bench, &mut vm, rounds, Duration::from_secs(30))
}

/// The same of a RabbitMQ node between two publishers and two consumers, who have what is left of
/// the CPUs. A unit is a message that comes or goes.
pub(super) fn rabbitmq(bench: &Bench) -> Result<Value> {
    let rounds = if bench.quick { 6 } else { 12 };
    let mut node = RabbitMq::start(&bench.folder.join("rabbitmq"))?;
    // Until its memory has its size.
    per_unit(&mut node, Duration::from_secs(20), |_| Ok(()))?;
    within(bench, &mut node, rounds, Duration::from_secs(30))
}

/// By turns alone and while all events are recorded within 2 %.
fn within(bench: &Bench, vm: &mut impl Works, rounds: usize, window: Duration) -> Result<Value> {
    let (mut ratios, mut noise, mut last) = (Vec::new(), Vec::new(), None);
    let (mut events, mut most) = (0, 0);
    for _ in 0..=rounds {
        let alone_ns = per_unit(vm, window, |_| Ok(()))?;
        // Against the windows before and after: drift cancels.
        if let Some((alone_before_ns, recorded_ns)) = last {
            let alone: f64 = alone_before_ns + alone_ns;
            ratios.push(recorded_ns / (alone / 2.0));
            noise.push(alone_ns / alone_before_ns);
            println!("{:.4}", recorded_ns / (alone / 2.0));
        }
        let args = ["--events", "full", "--max-overhead", "2"];
        let (recorded_ns, counted) = while_recorded(bench, vm, window, &args)?;
        last = Some((alone_ns, recorded_ns));
        events += counted;
        most = most.max(counted);
    }
    let ratio = Ratio::of(ratios).context("too few rounds")?;
    let noise = Ratio::of(noise).context("too few rounds")?;
    println!(
        "CPU for a unit of work within 2 %: {:.4} of that without, 95 %: {:.4} to {:.4} ({} pairs of {} s)",
        ratio.median,
        ratio.interval.0,
        ratio.interval.1,
        ratio.pairs,
        window.as_secs()
    );
    println!(
        "the same VM alone, one window against the next: {:.4}, quarters {:.4} apart",
        noise.median, noise.spread
    );
    println!("{events} events in all, up to {most} in a recording");
    Ok(json!({
        "what": "CPU time for a unit of work while all events are recorded with --max-overhead 2, against none",
        "ratio": { "median": ratio.median, "low": ratio.interval.0, "high": ratio.interval.1 },
        "alone": { "median": noise.median, "spread": noise.spread },
        "pairs": ratio.pairs,
        "window_s": window.as_secs(),
        "events": events,
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
    let (cost_ns, _) = while_recorded(bench, vm, window, &[&all[..], more].concat())?;
    Ok(cost_ns)
}

/// CPU time per unit of work while a recorder is at work, and how many events it recorded.
fn while_recorded(
    bench: &Bench,
    vm: &mut impl Works,
    window: Duration,
    args: &[&str],
) -> Result<(f64, u64)> {
    let recorder = Recorder::start(bench, vm.pid(), args)?;
    let measured = per_unit(vm, window, |_| Ok(()));
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
