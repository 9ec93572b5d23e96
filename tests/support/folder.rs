//! A folder that goes away with the test.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// Removed on drop.
pub(crate) struct Folder(TempDir);

/// A new, empty folder below `target`.
pub(crate) fn temp_dir() -> Folder {
    let target = env!("CARGO_TARGET_TMPDIR");
    fs::create_dir_all(target).unwrap();
    Folder(TempDir::new_in(target).unwrap())
}

impl Folder {
    /// A path in it, as an argument.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Every file and folder below it with its length, sorted.
    pub(crate) fn listing(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        list(self.0.path(), &mut found);
        found.sort();
        found
    }
}

fn list(folder: &Path, found: &mut Vec<(String, u64)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_folder = path.is_dir();
        let bytes = if is_folder {
            0
        } else {
            path.metadata().unwrap().len()
        };
        found.push((path.display().to_string(), bytes));
        if is_folder {
            list(&path, found);
        }
    }
}
