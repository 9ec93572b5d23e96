//! No source file is longer than one can keep in mind.

use std::path::Path;

use anyhow::Result;

use super::tree::{below, each_file, read};

/// Lines a source file may have.
pub const LIMIT: usize = 800;

const SOURCES: [&str; 7] = ["rs", "c", "h", "erl", "ex", "py", "sh"];

/// Folders with files that a program wrote.
const GENERATED: [&str; 3] = ["generated", "golden", "fixtures"];

/// Source files over the limit.
///
/// # Errors
/// If a file cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    each_file(root, &mut |path| {
        let is_source = path
            .extension()
            .is_some_and(|ending| SOURCES.iter().any(|source| ending == *source));
        let is_generated = path
            .components()
            .any(|part| GENERATED.iter().any(|name| part.as_os_str() == *name));
        if is_source && !is_generated {
            let lines = read(path)?.lines().count();
            if lines > LIMIT {
                let path = below(root, path);
                wrong.push(format!(
                    "{path} has {lines} lines, the limit is {LIMIT}: split it by subject"
                ));
            }
        }
        Ok(())
    })?;
    Ok(wrong)
}
