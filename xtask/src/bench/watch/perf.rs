//! `perf record -g`, for a VM that was started with `+JPperf true`.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{ChildStderr, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Observer, Seen, Watcher};
use crate::bench::vm::Works;
use crate::commands::find;

const PATIENCE: Duration = Duration::from_secs(20);

/// perf at so many samples a second.
pub(in crate::bench) struct Perf {
    frequency: u32,
    data: PathBuf,
    running: Option<Running>,
}

struct Running {
    observer: Observer,
    stderr: ChildStderr,
    begun_after_ns: u64,
}

impl Perf {
    /// It writes to a file, which stays until the next time.
    pub(in crate::bench) fn new(frequency: u32, data: PathBuf) -> Result<Perf> {
        if find("perf").is_none() {
            bail!("there is no perf: apt install linux-perf");
        }
        Ok(Perf {
            frequency,
            data,
            running: None,
        })
    }
}

impl Watcher for Perf {
    fn name(&self) -> String {
        format!("perf record -g -F {}", self.frequency)
    }

    fn begin(&mut self, load: &mut dyn Works) -> Result<()> {
        let _ = fs::remove_file(&self.data);
        let start = Instant::now();
        let mut child = Command::new("perf")
            .args(["record", "-g", "-F", &self.frequency.to_string()])
            .args(["-p", &load.pid().to_string(), "-o"])
            .arg(&self.data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run perf")?;
        let stderr = child.stderr.take().context("perf has no stderr")?;
        let mut observer = Observer::of(child)?;
        // It says nothing when it begins; it opens its file after its counters.
        while !fs::metadata(&self.data).is_ok_and(|data| data.len() > 0) {
            if !observer.is_alive() || start.elapsed() > PATIENCE {
                bail!("perf does not record");
            }
            sleep(Duration::from_millis(5));
        }
        self.running = Some(Running {
            observer,
            stderr,
            begun_after_ns: start.elapsed().as_nanos() as u64,
        });
        Ok(())
    }

    fn pids(&self) -> Vec<u32> {
        self.running
            .iter()
            .map(|perf| perf.observer.pid())
            .collect()
    }

    fn end(&mut self, _: &mut dyn Works) -> Result<Seen> {
        let mut running = self.running.take().context("it does not run")?;
        // It ends by the signal that it got, so its status says nothing.
        let used = running.observer.interrupt()?;
        let mut said = String::new();
        let _ = running.stderr.read_to_string(&mut said);
        Ok(Seen {
            begun_after_ns: running.begun_after_ns,
            ended_after_ns: used.ended_after.as_nanos() as u64,
            cpu_ns: used.cpu_ns,
            peak_rss_bytes: used.peak_rss_bytes,
            bytes: fs::metadata(&self.data)
                .context("perf wrote nothing")?
                .len(),
            records: samples(&said).with_context(|| format!("what does perf say: {said}"))?,
            ..Seen::default()
        })
    }
}

/// Of `[ perf record: Captured and wrote 1.2 MB perf.data (345 samples) ]`.
fn samples(said: &str) -> Option<u64> {
    let (before, _) = said.split_once(" samples)")?;
    let (_, count) = before.rsplit_once('(')?;
    count.trim_start_matches('~').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn perf_says_how_much_it_has() {
        let said = "[ perf record: Woken up 1 times to write data ]\n\
                    [ perf record: Captured and wrote 0.046 MB /x/perf.data (345 samples) ]\n";
        assert_eq!(samples(said), Some(345));
        assert_eq!(samples("[ perf record: Woken up 1 times ]"), None);
    }
}
