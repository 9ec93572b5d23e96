//! Where results go.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::printable::{Printable, Printing};
use crate::say::say;

/// What a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Text for people, in which names of the target have their place.
    Text,
    /// JSON, the same value however its characters are written.
    Json,
    /// A format that keeps names from breaking it itself, byte by byte.
    Data,
}

/// Writes a result to stdout, or to a file that is complete or not there at all.
///
/// Terminals get nothing that they would obey; see [`Content`] for what others get.
pub(crate) fn write_to(
    path: Option<&Path>,
    content: Content,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        let out = io::stdout().lock();
        let is_terminal = out.is_terminal();
        let written = pass(out, is_terminal, content, write);
        return written.map_err(|error| match error.is::<io::Error>() {
            true => error.context("cannot write to standard output"),
            false => error,
        });
    };
    if !path
        .parent()
        .is_none_or(|parent| parent == Path::new("") || parent.is_dir())
        || path.is_dir()
        || path.exists() && !path.is_file()
    {
        // A device or a pipe is written straight, and a missing folder says so itself.
        let file = File::create(path).with_context(|| cannot_write(path))?;
        let is_terminal = file.is_terminal();
        return pass(file, is_terminal, content, write).with_context(|| cannot_write(path));
    }
    let temporary = beside(path);
    let result: anyhow::Result<()> = (|| {
        pass(File::create(&temporary)?, false, content, write)?;
        fs::rename(&temporary, path)?;
        Ok(())
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result.with_context(|| cannot_write(path))
}

/// Writes JSON for programs to stdout.
pub(crate) fn json(value: &serde_json::Value) -> anyhow::Result<()> {
    write_to(None, Content::Json, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        Ok(writeln!(out)?)
    })
}

/// Writes a picture, and says where it went.
pub(crate) fn picture(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    write_to(path, Content::Data, write)?;
    if let Some(path) = path.filter(|path| *path != Path::new("-")) {
        say!("wrote {}", path.display());
    }
    Ok(())
}

fn pass(
    out: impl Write,
    is_terminal: bool,
    content: Content,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(out);
    let printing = match content {
        Content::Text => Printing::Lines,
        Content::Json => Printing::Json,
        Content::Data if is_terminal => Printing::Data,
        Content::Data => {
            write(&mut out)?;
            return Ok(out.flush()?);
        }
    };
    let mut out = Printable::new(out, printing);
    write(&mut out)?;
    Ok(out.finish()?)
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::{Content, pass};

    fn passed(is_terminal: bool, content: Content) -> String {
        let mut out = Vec::new();
        pass(&mut out, is_terminal, content, |out| {
            Ok(out.write_all("\"a\u{9b}\u{1b}\tb\"\n".as_bytes())?)
        })
        .expect("written");
        String::from_utf8(out).expect("written")
    }

    /// Data go out byte by byte, but not to a terminal.
    #[test]
    fn what_is_replaced_depends_on_what_it_is() {
        let raw = "\"a\u{9b}\u{1b}\tb\"\n";
        assert_eq!(passed(false, Content::Data), raw);
        assert_eq!(passed(true, Content::Data), "\"a\u{fffd}\u{fffd}\tb\"\n");
        for is_terminal in [true, false] {
            let text = "\"a\u{fffd}\u{fffd}\u{fffd}b\"\n";
            assert_eq!(passed(is_terminal, Content::Text), text);
            let json = "\"a\\u009b\\u001b\\u0009b\"\n";
            assert_eq!(passed(is_terminal, Content::Json), json);
        }
    }
}
