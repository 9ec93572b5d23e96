//! `export`: a recording for other tools.

mod timeline;

use std::io::Write;

use escope_export::{folded, pprof, speedscope};
use escope_profile::{GroupBy, Measure, StackOptions, Stacks};

use crate::args::{ExportArgs, ExportFormat};
use crate::load::Loaded;
use crate::output::{self, Content};

use timeline::TimelineFormat;

pub(crate) fn run(args: ExportArgs) -> anyhow::Result<()> {
    match args.format {
        ExportFormat::Perfetto => timeline::run(&args, TimelineFormat::Perfetto),
        ExportFormat::ChromeTrace => timeline::run(&args, TimelineFormat::ChromeTrace),
        ExportFormat::Folded => samples(&args, SampleFormat::Folded),
        ExportFormat::Pprof => samples(&args, SampleFormat::Pprof),
        ExportFormat::Speedscope => samples(&args, SampleFormat::Speedscope),
    }
}

/// Formats that sum samples up.
#[derive(Debug, Clone, Copy)]
enum SampleFormat {
    Folded,
    Pprof,
    Speedscope,
}

fn samples(args: &ExportArgs, format: SampleFormat) -> anyhow::Result<()> {
    let loaded = Loaded::open(&args.recording, &args.filter, args.idle)?;
    let group_by = args.by.map(GroupBy::from);
    let stacks = |default, lines, labels| {
        Stacks::build(
            &loaded.tally,
            &loaded.dictionary,
            StackOptions {
                group_by: group_by.unwrap_or(default),
                lines,
                reverse: false,
                labels,
                fold_recursion: false,
            },
        )
    };
    let name = loaded.title();
    let content = match format {
        SampleFormat::Speedscope => Content::Json,
        SampleFormat::Folded | SampleFormat::Pprof => Content::Data,
    };
    let path = args.output.as_deref();
    output::write_to(path, content, |mut out: &mut dyn Write| {
        match format {
            SampleFormat::Folded => {
                let stacks = stacks(GroupBy::Process, false, false);
                folded::write(&stacks, &folded::FoldedOptions::default(), &mut out)?;
            }
            SampleFormat::Pprof => {
                let options = pprof::PprofOptions {
                    time_ns: loaded.manifest.clocks.start_realtime_ns,
                    duration_ns: loaded.duration_ns,
                    period_ns: 1_000_000_000
                        / u64::from(loaded.manifest.options.frequency_hz.max(1)),
                    comments: vec![name.clone()],
                };
                pprof::write(&stacks(GroupBy::None, true, true), &options, &mut out)?;
            }
            SampleFormat::Speedscope => {
                let options = speedscope::SpeedscopeOptions {
                    name: name.clone(),
                    measure: Measure::CpuNs,
                };
                speedscope::write(&stacks(GroupBy::None, true, false), &options, &mut out)?;
            }
        }
        Ok(())
    })
}
