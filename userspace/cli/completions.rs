//! `completions`: for shells.

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs};
use crate::output::{self, Content};

pub(crate) fn run(args: CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "escope-bpf", &mut script);
    output::write_to(None, Content::Data, |out| Ok(out.write_all(&script)?))
}
