//! bpftrace, counting hits of the functions at which we record messages.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Observer, Says, Seen, Watcher};
use crate::bench::vm::Works;
use crate::commands::find;

/// What sends and what receives (`erts/emulator/beam/erl_proc_sig_queue.c` and
/// `jit/beam_jit_common.cpp`, OTP 25 to 29). The second one has the name that C++ gives it.
const FUNCTIONS: [&str; 2] = [
    "erts_proc_sig_queue_try_enqueue_to_buffer",
    "*beam_jit_remove_message*",
];

/// A count for each function, and nothing else.
#[derive(Default)]
pub(in crate::bench) struct Bpftrace {
    running: Option<(Observer, u64)>,
}

impl Bpftrace {
    /// None where there is no bpftrace.
    pub(in crate::bench) fn new() -> Option<Bpftrace> {
        find("bpftrace").map(|_| Bpftrace::default())
    }
}

impl Watcher for Bpftrace {
    fn name(&self) -> String {
        "bpftrace, counting".to_owned()
    }

    fn begin(&mut self, load: &mut dyn Works) -> Result<()> {
        let pid = load.pid();
        let beam = fs::read_link(format!("/proc/{pid}/exe")).context("the VM is gone")?;
        let probes = FUNCTIONS.map(|name| format!("uprobe:{}:{name}", beam.display()));
        let script = format!("{} {{ @hits = count(); }}", probes.join(", "));
        let mut command = Command::new("bpftrace");
        command.args(["-p", &pid.to_string(), "-e", &script]);
        self.running = Some(Observer::start(&mut command, Says::Stdout, "Attaching")?);
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
        Ok(Seen {
            begun_after_ns,
            ended_after_ns: used.ended_after.as_nanos() as u64,
            cpu_ns: used.cpu_ns,
            peak_rss_bytes: used.peak_rss_bytes,
            ..Seen::default()
        })
    }
}
