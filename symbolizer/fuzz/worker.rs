//! The process that runs cases, until it is killed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;

use escope_symbolizer::fuzz::Target;

use super::by_name;
use super::mutate::{Seeds, case};

/// Runs one case after the other from `first` on; notes in a file which.
pub(crate) fn run(target: Target, seed: u64, first: u64, progress: &Path) -> ExitCode {
    let Ok(progress) = File::options().write(true).open(progress) else {
        return ExitCode::from(2);
    };
    let seeds = Seeds::of(&target);
    for number in first.. {
        let bytes = case(&seeds, seed, number);
        if progress.write_all_at(&number.to_le_bytes(), 0).is_err() {
            return ExitCode::from(2);
        }
        (target.run)(&bytes);
    }
    ExitCode::SUCCESS
}

/// Runs files of the corpus, whose folders say which target they are of.
pub(crate) fn replay(files: &[&str]) -> ExitCode {
    for file in files {
        let path = Path::new(file);
        let folder = path.parent().and_then(Path::file_name);
        let target = folder.and_then(|name| by_name(name.to_str()?));
        let (Some(target), Ok(bytes)) = (target, std::fs::read(path)) else {
            eprintln!("{file}: no file in the folder of a target");
            return ExitCode::from(2);
        };
        eprintln!("{file}");
        (target.run)(&bytes);
    }
    ExitCode::SUCCESS
}
