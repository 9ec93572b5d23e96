//! Those who watch from inside of the VM: `benches/beam/bench_watch.erl`.

use std::time::Instant;

use anyhow::{Result, bail};

use super::{Seen, Watcher};
use crate::bench::vm::Works;

/// What the VM is told to do, as `bench_watch.erl` has it.
pub(in crate::bench) struct Inside {
    name: &'static str,
    what: String,
    begun_after_ns: u64,
}

impl Inside {
    /// A name for people and the words for the VM.
    pub(in crate::bench) fn new(name: &'static str, what: impl Into<String>) -> Inside {
        Inside {
            name,
            what: what.into(),
            begun_after_ns: 0,
        }
    }

    /// `erlang:trace/3` of all processes with these flags.
    pub(in crate::bench) fn trace(flags: &str) -> Inside {
        Inside::new("erlang:trace", format!("trace {flags}"))
    }
}

impl Watcher for Inside {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn begin(&mut self, load: &mut dyn Works) -> Result<()> {
        let start = Instant::now();
        let said = load.tell(&format!("watch {}", self.what))?;
        if said != "watching" {
            bail!("what is {said:?}?");
        }
        self.begun_after_ns = start.elapsed().as_nanos() as u64;
        Ok(())
    }

    fn end(&mut self, load: &mut dyn Works) -> Result<Seen> {
        let start = Instant::now();
        let said = load.tell("unwatch")?;
        let mut seen = Seen {
            begun_after_ns: self.begun_after_ns,
            ended_after_ns: start.elapsed().as_nanos() as u64,
            ..Seen::default()
        };
        let Some(facts) = said.strip_prefix("unwatched") else {
            bail!("what is {said:?}?");
        };
        for fact in facts.split_whitespace() {
            if let Some((key, count)) = fact.split_once('=') {
                seen.counts.insert(key.to_owned(), count.parse()?);
            }
        }
        let count = |name: &str| seen.counts.get(name).copied().unwrap_or(0);
        (seen.records, seen.bytes) = (count("events"), count("bytes"));
        Ok(seen)
    }
}
