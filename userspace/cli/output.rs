//! Where results go.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes a result to stdout, or to a file that is complete or not there at all.
pub(crate) fn write_to(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out)?;
        out.flush()?;
        return Ok(());
    };
    if !path
        .parent()
        .is_none_or(|parent| parent == Path::new("") || parent.is_dir())
        || path.is_dir()
        || path.exists() && !path.is_file()
    {
        // A device or a pipe is written straight, and a missing folder says so itself.
        let file = File::create(path).with_context(|| cannot_write(path))?;
        let mut out = BufWriter::new(file);
        write(&mut out).with_context(|| cannot_write(path))?;
        return out.flush().with_context(|| cannot_write(path));
    }
    let temporary = beside(path);
    let result: anyhow::Result<()> = (|| {
        let mut out = BufWriter::new(File::create(&temporary)?);
        write(&mut out)?;
        out.flush()?;
        fs::rename(&temporary, path)?;
        Ok(())
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result.with_context(|| cannot_write(path))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
