//! Everything that reads bytes of others, by name: `cargo xtask fuzz`. What was found once is in
//! `tests/fixtures/corpus` and is tried again by the test below.

use std::path::{Path, PathBuf};
use std::{fs, io};

use escope_beam::fuzz as beam;

use crate::native;

/// Something that reads bytes which it cannot trust.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder of the corpus.
    pub name: &'static str,
    /// What must end soon, in bounded memory, without a panic.
    pub run: fn(&[u8]),
    /// Bytes to begin with, besides those of the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target. A new one is a line here, and a folder of the corpus where it has one.
pub const TARGETS: &[Target] = &[
    target("image", beam::image, beam::image_seeds),
    target("vm", beam::vm, beam::vm_seeds),
    target("scan", beam::scan, beam::vm_seeds),
    target("term", beam::term, beam::term_seeds),
    target("external", beam::external, beam::external_seeds),
    target("said", beam::said, beam::said_seeds),
    target("module_file", beam::module_file, beam::module_file_seeds),
    target("core", beam::core, Vec::new),
    target("perf_map", beam::perf_map, beam::perf_map_seeds),
    target("jitdump", beam::jitdump, beam::jitdump_seeds),
    target("debug_info", beam::debug_info, Vec::new),
    target("table", beam::table, beam::table_seeds),
    target("elf", beam::elf, Vec::new),
    target("native", native::fuzz, Vec::new),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

impl Target {
    /// Where its corpus lies.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/corpus");
        corpus.join(self.name)
    }

    /// The files of its corpus, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn corpus(&self) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let entries = match fs::read_dir(self.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let bytes = fs::read(&path)?;
            files.push((path, bytes));
        }
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::TARGETS;

    /// Far more than any takes, on a machine that has other things to do.
    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn what_was_found_once_is_not_found_again() {
        for target in TARGETS {
            let corpus = target.corpus().expect("readable");
            let seeds = (target.seeds)();
            assert!(!corpus.is_empty() || !seeds.is_empty(), "{}", target.name);
            let seeds = seeds.into_iter().map(|seed| ("a seed".into(), seed));
            for (path, bytes) in corpus.into_iter().chain(seeds) {
                let start = Instant::now();
                (target.run)(&bytes);
                let took = start.elapsed();
                assert!(took < LIMIT, "{took:?} for {}", path.display());
            }
        }
    }
}
