//! The files of the tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Calls `visit` with every file below `folder`, in order of names; what is built,
/// downloaded or hidden is left out.
pub(super) fn each_file(folder: &Path, visit: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = !matches!(&*name, "target" | "node_modules") && !name.starts_with('.');
        if path.is_symlink() || !is_ours {
            continue;
        }
        if path.is_dir() {
            each_file(&path, visit)?;
        } else {
            visit(&path)?;
        }
    }
    Ok(())
}

/// The file's text.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The path below `root`, for messages.
pub(super) fn below<'a>(root: &Path, path: &'a Path) -> std::path::Display<'a> {
    path.strip_prefix(root).unwrap_or(path).display()
}
