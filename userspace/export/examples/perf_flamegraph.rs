//! What `inferno-collapse-perf | inferno-flamegraph` do, in one program: `perf script | perf_flamegraph > FILE.svg`.
//! For `cargo xtask bench`, which compares with it.

use std::error::Error;
use std::io::{self, BufReader, BufWriter};

use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options};
use inferno::flamegraph;

fn main() -> Result<(), Box<dyn Error>> {
    let mut folded = Vec::new();
    let script = BufReader::with_capacity(1 << 20, io::stdin().lock());
    Folder::from(Options::default()).collapse(script, &mut folded)?;
    let mut options = flamegraph::Options::default();
    let svg = BufWriter::new(io::stdout().lock());
    flamegraph::from_reader(&mut options, &folded[..], svg)?;
    Ok(())
}
