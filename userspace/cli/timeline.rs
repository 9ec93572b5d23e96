//! `timeline`: who ran, waited, sent and collected.

mod chart;
mod facts;
mod influence;
mod natives;
mod others;
mod process;
mod sequence;
mod story;
mod totals;

use escope_recording::Recording;

use crate::args::TimelineArgs;
use crate::coverage::name;
use crate::load::range;
use crate::say::say;

pub(crate) fn run(args: TimelineArgs) -> anyhow::Result<()> {
    let recording = Recording::open(&args.recording)?;
    let (dictionary, problems) = recording.dictionary()?;
    for problem in &problems {
        say!("escope-bpf: warning: {problem}");
    }
    let start_ns = recording.manifest().clocks.start_realtime_ns;
    let range = range(args.since.as_deref(), args.until.as_deref(), start_ns)?;
    if !args.picture.sequence.is_empty() {
        return sequence::draw(&recording, &dictionary, range, &args);
    }
    if chart::is_asked_for(&args)? {
        return chart::draw(&recording, &dictionary, range, &args);
    }
    if let Some(asked) = &args.before {
        return influence::before(&recording, &dictionary, range, asked, &args);
    }
    if let Some(asked) = &args.path {
        return influence::path(&recording, &dictionary, range, asked, &args);
    }
    if let Some(wanted) = &args.process {
        return process::tell(&recording, &dictionary, range, wanted, &args);
    }
    totals::tell(&recording, &dictionary, range, &args)
}
