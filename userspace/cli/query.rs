//! `query`: SQL over a recording.

use crate::args::QueryArgs;

pub(crate) fn run(_args: QueryArgs) -> anyhow::Result<()> {
    unimplemented_until_ready()
}

fn unimplemented_until_ready() -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
