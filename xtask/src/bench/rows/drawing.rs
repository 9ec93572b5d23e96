//! From the end of a recording to a flame graph, and how large recordings are.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{BUSY, warm_up};
use crate::bench::Bench;
use crate::bench::pause::pause;
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::{Estimate, median};
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Works};
use crate::bench::watch::{Perf, Seen, Watcher};
use crate::commands::{cargo, run_to_end};

const HZ: u32 = 4999;

/// A recording of ours and one of perf's, each of a million samples, or of a hundred thousand.
pub(super) fn from_end_to_svg(bench: &Bench) -> Result<Vec<Row>> {
    let example = ["--package", "escope-export", "--example", "perf_flamegraph"];
    run_to_end(cargo().args(["build", "--release"]).args(example))?;
    let length = Duration::from_secs(if bench.quick { 10 } else { 105 });
    let load = Load {
        flags: &["+JPperf", "true"],
        ..BUSY
    };
    let mut vm = bench.vm(load)?;
    warm_up(bench, 2)?;
    let recording = bench.folder.join("bench.escope");
    let data = bench.folder.join("perf.data");
    let mut ours = bench.recorder(&["-F", &HZ.to_string()]).keeping();
    let ours = record(&mut vm, &mut ours, length)?;
    let perf = record(&mut vm, &mut Perf::new(HZ, data.clone())?, length)?;
    let draw_s = thrice(|| {
        let svg = bench.folder.join("ours.svg");
        let mut draw = Command::new(&bench.escope);
        run_to_end(
            draw.arg("flamegraph")
                .arg(&recording)
                .arg("-o")
                .arg(svg)
                .stdout(Stdio::null()),
        )
    })?;
    let perf_draw_s = seconds(|| bench.draw_by_perf(&data))?;
    // perf reads its map of the VM's code when it draws.
    drop(vm);
    std::fs::remove_dir_all(&recording).context("the recording is gone")?;
    std::fs::remove_file(&data).context("perf.data is gone")?;
    Ok(rows((&ours, draw_s), (&perf, perf_draw_s)))
}

fn rows((ours, draw_s): (&Seen, f64), (perf, perf_draw_s): (&Seen, f64)) -> Vec<Row> {
    let ended_s = |seen: &Seen| seen.ended_after_ns as f64 / 1e9;
    // For as many samples: perf has fewer or more by chance.
    let as_many = ours.records as f64 / perf.records.max(1) as f64;
    let our_s = ended_s(ours) + draw_s;
    let perf_s = (ended_s(perf) + perf_draw_s) * as_many;
    let counts = format!(
        "{} samples of ours, {} of perf's",
        ours.records, perf.records
    );
    let question = "from the end of recording to the flame graph, of perf (perf script, collapse, flamegraph) against ours";
    let faster = Row::new(
        "drawing",
        question,
        (Estimate::once(perf_s / our_s), Unit::Times),
        Target::AtLeast(20.0),
    )
    .noting(counts)
    .noting(format!(
        "ours took {our_s:.2} s, perf's {perf_s:.2} s for as many samples"
    ))
    .from(json!({
        "ours": { "seen": ours, "drawn_s": draw_s },
        "perf": { "seen": perf, "drawn_s": perf_draw_s },
    }));
    let bytes = |seen: &Seen| seen.bytes as f64 / seen.records.max(1) as f64;
    let question = "bytes of a sample, of perf.data with -g against ours";
    let smaller = Row::new(
        "bytes",
        question,
        (Estimate::once(bytes(perf) / bytes(ours)), Unit::Times),
        Target::AtLeast(20.0),
    )
    .noting(format!(
        "ours has {:.1} bytes a sample, perf.data {:.0}",
        bytes(ours),
        bytes(perf)
    ));
    vec![faster, smaller]
}

fn record(vm: &mut dyn Works, watcher: &mut dyn Watcher, length: Duration) -> Result<Seen> {
    println!("  {}", watcher.name());
    watcher.begin(vm)?;
    pause(length)?;
    watcher.end(vm)
}

fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn thrice(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let took = [
        seconds(&mut work)?,
        seconds(&mut work)?,
        seconds(&mut work)?,
    ];
    median(&took).context("no times")
}

impl Bench {
    /// `perf script | inferno-collapse-perf | inferno-flamegraph`, the last two in one program.
    fn draw_by_perf(&self, data: &Path) -> Result<()> {
        let mut script = Command::new("perf")
            .args(["script", "-i"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run perf script")?;
        let text = script.stdout.take().context("perf script has no output")?;
        let svg = File::create(self.folder.join("perf.svg"))?;
        let mut draw = Command::new(&self.perf_flamegraph);
        let drawn = run_to_end(draw.stdin(text).stdout(svg));
        let status = script.wait()?;
        if !status.success() {
            bail!("perf script failed: {status}");
        }
        drawn
    }
}
