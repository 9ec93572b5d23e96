//! A recording, filtered and tallied: what report, flamegraph and export have in common.

use std::path::Path;

use anyhow::Context;
use escope_model::Dictionary;
use escope_profile::{Filter, GroupBy, Tally};
use escope_recording::{EndedHow, Manifest, Recording, TimeRange};

use crate::args::{ByArg, FilterArgs};
use crate::failure::Failure;
use crate::say::say;
use crate::time;

/// What a view is made of.
pub(crate) struct Loaded {
    pub(crate) manifest: Manifest,
    pub(crate) dictionary: Dictionary,
    pub(crate) tally: Tally,
    /// How long was recorded, or how long the asked-for part is.
    pub(crate) duration_ns: u64,
}

impl Loaded {
    /// Reads a recording of which something must pass the filter. Damage is told on stderr;
    /// what can be read is used.
    pub(crate) fn open(
        path: &Path,
        args: &FilterArgs,
        include_idle: bool,
    ) -> anyhow::Result<Loaded> {
        let loaded = Loaded::open_any(path, args, include_idle)?;
        loaded.require_samples(args)?;
        Ok(loaded)
    }

    /// The same where samples are not all that counts.
    pub(crate) fn open_any(
        path: &Path,
        args: &FilterArgs,
        include_idle: bool,
    ) -> anyhow::Result<Loaded> {
        let recording = Recording::open(path)?;
        let manifest = recording.manifest().clone();
        let filter = filter(args, include_idle, manifest.clocks.start_realtime_ns)?;
        let (dictionary, problems) = recording.dictionary()?;
        for problem in &problems {
            say!("escope-bpf: warning: {problem}");
        }
        let range = TimeRange {
            since_ns: filter.since_ns,
            until_ns: filter.until_ns,
        };
        let mut tally = Tally::new(filter.clone());
        let mut last_ns = 0;
        let mut rows = recording.samples_within(range)?;
        for sample in &mut rows {
            let sample = sample.with_context(|| format!("cannot read {}", path.display()))?;
            last_ns = last_ns.max(sample.ts_ns);
            tally.add(&sample);
        }
        for problem in rows.problems() {
            say!("escope-bpf: warning: {problem}");
        }
        // A recording that lacks its end covers what it has.
        let whole = manifest
            .ended
            .as_ref()
            .filter(|ended| ended.how != EndedHow::Failed);
        let end = whole.map_or(last_ns, |ended| ended.at_ns);
        let from = filter.since_ns.unwrap_or(0).clamp(0, end);
        let until = filter.until_ns.unwrap_or(end).clamp(from, end);
        Ok(Loaded {
            manifest,
            dictionary,
            tally,
            duration_ns: (until - from) as u64,
        })
    }

    /// Fails if a filter leaves no sample.
    pub(crate) fn require_samples(&self, args: &FilterArgs) -> anyhow::Result<()> {
        let is_filtered = args.process.is_some() || args.module.is_some();
        if is_filtered && self.tally.total(&self.dictionary).samples == 0 {
            return Err(Failure::failed(
                "no sample passes this filter: `report` without it lists the processes and modules",
            )
            .into());
        }
        Ok(())
    }

    /// What was recorded, for a title.
    pub(crate) fn title(&self) -> String {
        let who = node(&self.manifest);
        format!("{who}: CPU at {} Hz", self.manifest.options.frequency_hz)
    }
}

/// The node that was recorded, or the OS process.
pub(crate) fn node(manifest: &Manifest) -> String {
    let target = &manifest.target;
    match target.node.as_deref() {
        Some(node) if node != "nonode@nohost" => node.to_owned(),
        _ => format!("beam.smp {}", target.pid),
    }
}

/// A part of a recording, as the user says it.
pub(crate) fn range(
    since: Option<&str>,
    until: Option<&str>,
    start_ns: i64,
) -> anyhow::Result<TimeRange> {
    let point = |text: Option<&str>| {
        text.map(|text| time::parse_point(text, start_ns).map_err(Failure::usage))
            .transpose()
    };
    let (since_ns, until_ns) = (point(since)?, point(until)?);
    if let (Some(since), Some(until)) = (since_ns, until_ns)
        && since >= until
    {
        return Err(Failure::usage("--since is not before --until: swap them").into());
    }
    Ok(TimeRange { since_ns, until_ns })
}

fn filter(args: &FilterArgs, include_idle: bool, start_ns: i64) -> anyhow::Result<Filter> {
    let TimeRange { since_ns, until_ns } =
        range(args.since.as_deref(), args.until.as_deref(), start_ns)?;
    Ok(Filter {
        since_ns,
        until_ns,
        process: args.process.clone(),
        module: args.module.clone(),
        include_idle,
        ..Filter::default()
    })
}

impl From<ByArg> for GroupBy {
    fn from(by: ByArg) -> GroupBy {
        match by {
            ByArg::Process => GroupBy::Process,
            ByArg::Pid => GroupBy::Pid,
            ByArg::Scheduler => GroupBy::Scheduler,
            ByArg::Activity => GroupBy::Activity,
            ByArg::None => GroupBy::None,
        }
    }
}
