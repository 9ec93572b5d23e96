//! Writes every format for an invented web server into a directory, to look at and to
//! open with other tools: `cargo run -p escope-export --example gallery -- DIRECTORY`.

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;

use escope_export::flamegraph::{self, FlamegraphOptions};
use escope_export::{folded, pprof, speedscope};
use escope_profile::{Filter, GroupBy, Measure, StackOptions, Stacks, Tally};

#[path = "../src/kit.rs"]
mod kit;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os()
        .nth(1)
        .ok_or("usage: gallery DIRECTORY")?;
    let directory = PathBuf::from(directory);
    std::fs::create_dir_all(&directory)?;
    let create = |name: &str| File::create(directory.join(name));
    let (dictionary, samples) = kit::shop();
    let tally = Tally::of(samples, Filter::default());
    let by_process = StackOptions {
        group_by: GroupBy::Process,
        ..StackOptions::default()
    };
    let stacks = Stacks::build(&tally, &dictionary, by_process);
    let picture = FlamegraphOptions {
        title: "shop@10.0.3.7, by process".to_owned(),
        duration_ns: Some(30_000_000_000),
        lost: Some(0),
        ..FlamegraphOptions::default()
    };
    flamegraph::write(&stacks, &picture, &mut create("process.svg")?)?;
    folded::write(
        &stacks,
        &folded::FoldedOptions::default(),
        &mut create("process.folded")?,
    )?;
    let speedscope_options = speedscope::SpeedscopeOptions::default();
    speedscope::write(
        &stacks,
        &speedscope_options,
        &mut create("shop.speedscope.json")?,
    )?;

    let reversed = StackOptions {
        reverse: true,
        ..StackOptions::default()
    };
    let icicle = FlamegraphOptions {
        title: "shop@10.0.3.7, callers of what ran".to_owned(),
        measure: Measure::CpuNs,
        inverted: true,
        lost: Some(12),
        ..picture
    };
    let callers = Stacks::build(&tally, &dictionary, reversed);
    flamegraph::write(&callers, &icicle, &mut create("callers.svg")?)?;

    let labelled = StackOptions {
        lines: true,
        labels: true,
        fold_recursion: false,
        ..StackOptions::default()
    };
    let options = pprof::PprofOptions {
        time_ns: 1_750_000_000_000_000_000,
        duration_ns: 30_000_000_000,
        period_ns: 10_101_010,
        comments: vec!["recorded by escope-bpf".to_owned()],
    };
    let labelled = Stacks::build(&tally, &dictionary, labelled);
    pprof::write(&labelled, &options, &mut create("shop.pb.gz")?)?;
    Ok(())
}
