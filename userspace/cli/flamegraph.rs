//! `flamegraph`: a recording as SVG.

use std::path::{Path, PathBuf};

use escope_export::flamegraph::{self, FlamegraphOptions};
use escope_profile::{StackOptions, Stacks};

use crate::args::FlamegraphArgs;
use crate::load::Loaded;
use crate::output::{self, Content};
use crate::say::say;

pub(crate) fn run(args: FlamegraphArgs) -> anyhow::Result<()> {
    let loaded = Loaded::open(&args.recording, &args.filter, args.idle)?;
    let stacks = Stacks::build(
        &loaded.tally,
        &loaded.dictionary,
        StackOptions {
            group_by: args.by.into(),
            lines: args.lines,
            reverse: args.reverse,
            labels: false,
            fold_recursion: !args.unfold,
        },
    );
    let options = FlamegraphOptions {
        title: args.title.clone().unwrap_or_else(|| loaded.title()),
        duration_ns: Some(loaded.duration_ns),
        lost: Some(loaded.manifest.totals.lost),
        ..FlamegraphOptions::default()
    };
    let path = args.output.unwrap_or_else(|| beside(&args.recording));
    output::write_to(Some(&path), Content::Data, |mut out| {
        Ok(flamegraph::write(&stacks, &options, &mut out)?)
    })?;
    if path != Path::new("-") {
        say!("wrote {}", path.display());
    }
    Ok(())
}

/// `rabbit.escope` gives `rabbit.svg`.
fn beside(recording: &Path) -> PathBuf {
    recording.with_extension("svg")
}
