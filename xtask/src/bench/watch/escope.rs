//! We: `escope-bpf record`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Observer, Says, Seen, Watcher};
use crate::bench::vm::Works;

/// A recorder with its options.
pub(in crate::bench) struct Escope {
    name: String,
    program: PathBuf,
    recording: PathBuf,
    args: Vec<String>,
    keeps: bool,
    running: Option<(Observer, u64)>,
}

impl Escope {
    /// `args` are those of `record` but for pid and output. The recording is removed when it was
    /// read.
    pub(in crate::bench) fn new(program: &Path, recording: PathBuf, args: &[&str]) -> Escope {
        Escope {
            name: format!("escope-bpf {}", args.join(" ")),
            program: program.to_owned(),
            recording,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            keeps: false,
            running: None,
        }
    }

    /// The recording stays until the next one.
    pub(in crate::bench) fn keeping(mut self) -> Escope {
        self.keeps = true;
        self
    }
}

impl Watcher for Escope {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn begin(&mut self, load: &mut dyn Works) -> Result<()> {
        remove(&self.recording)?;
        let mut command = Command::new(&self.program);
        command.args(["record", "-p", &load.pid().to_string(), "-o"]);
        command.arg(&self.recording).args(&self.args);
        self.running = Some(Observer::start(&mut command, Says::Stderr, "recording")?);
        Ok(())
    }

    fn pids(&self) -> Vec<u32> {
        self.running
            .iter()
            .map(|(observer, _)| observer.pid())
            .collect()
    }

    fn end(&mut self, _: &mut dyn Works) -> Result<Seen> {
        let (observer, begun_after_ns) = self.running.take().context("it does not run")?;
        let used = observer.interrupt()?;
        if !used.status.success() {
            bail!("it failed: {}", used.status);
        }
        let manifest = fs::read_to_string(self.recording.join("manifest.json"))?;
        let manifest: Value = serde_json::from_str(&manifest)?;
        let totals = &manifest["totals"];
        let counters = totals["counters"].as_object();
        let counts = counters.into_iter().flatten();
        let counts = counts.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)));
        let mut seen = Seen {
            begun_after_ns,
            ended_after_ns: used.ended_after.as_nanos() as u64,
            cpu_ns: used.cpu_ns,
            peak_rss_bytes: used.peak_rss_bytes,
            bytes: bytes_below(&self.recording)?,
            counts: counts.collect(),
            ..Seen::default()
        };
        for name in ["samples", "attempts", "erlang_stacks", "complete_stacks"] {
            let count = totals[name].as_u64().unwrap_or(0);
            seen.counts.insert(name.to_owned(), count);
        }
        let count = |name: &str| seen.counts.get(name).copied().unwrap_or(0);
        seen.records = count("samples") + count("events_recorded");
        seen.lost = totals["lost"].as_u64().unwrap_or(0) + count("events_lost");
        if !self.keeps {
            remove(&self.recording)?;
        }
        Ok(seen)
    }
}

/// Bytes of a recording's files.
fn bytes_below(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

fn remove(recording: &Path) -> Result<()> {
    match fs::remove_dir_all(recording) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
