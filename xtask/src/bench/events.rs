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

use super::ratio::Ratio;
use super::vm::{Load, Vm};
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
    let (rounds, window) = match bench.quick {
        true => (6, Duration::from_secs(30)),
        false => (12, Duration::from_secs(30)),
    };
    let mut vm = ping_pong(bench)?;
    let (mut ratios, mut last) = (Vec::new(), None);
    for _ in 0..=rounds {
        let alone_ns = per_unit(&mut vm, window, |_| Ok(()))?;
        // Against the windows before and after: drift cancels.
        if let Some((alone_before_ns, recorded_ns)) = last {
            let alone: f64 = alone_before_ns + alone_ns;
            ratios.push(recorded_ns / (alone / 2.0));
            println!("{:.4}", recorded_ns / (alone / 2.0));
        }
        let args = ["--events", "full", "--max-overhead", "2"];
        last = Some((alone_ns, while_recorded(bench, &mut vm, window, &args)?));
    }
    let ratio = Ratio::of(ratios).context("too few rounds")?;
    println!(
        "CPU for a message within 2 %: {:.4} of that without, 95 %: {:.4} to {:.4} ({} pairs of {} s)",
        ratio.median,
        ratio.interval.0,
        ratio.interval.1,
        ratio.pairs,
        window.as_secs()
    );
    Ok(json!({
        "what": "CPU time for a message while all events are recorded with --max-overhead 2, against none",
        "ratio": { "median": ratio.median, "low": ratio.interval.0, "high": ratio.interval.1 },
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
    while_recorded(bench, vm, window, &[&all[..], more].concat())
}

/// CPU time per unit of work while a recorder is at work.
fn while_recorded(bench: &Bench, vm: &mut Vm, window: Duration, args: &[&str]) -> Result<f64> {
    let recorder = Recorder::start(bench, vm.pid(), args)?;
    let measured = per_unit(vm, window, |_| Ok(()));
    recorder.stop()?;
    measured
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

    fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("what a pid")?;
        kill(Pid::from_raw(pid), Signal::SIGINT).context("it is gone")?;
        let status = self.child.wait()?;
        remove(&self.recording)?;
        if !status.success() {
            bail!("it failed: {status}");
        }
        Ok(())
    }
}

fn remove(recording: &Path) -> Result<()> {
    match fs::remove_dir_all(recording) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
