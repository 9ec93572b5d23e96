//! What can go wrong with a recording, and what the user can do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a recording could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The path of a new recording is taken.
    #[error("{path} already exists: choose another name or remove it first")]
    Exists {
        /// The recording.
        path: PathBuf,
    },
    /// The folder that should hold a new recording is missing.
    #[error("cannot create {path}: its parent folder does not exist, create it first")]
    ParentMissing {
        /// The recording.
        path: PathBuf,
    },
    /// The file system refused access.
    #[error("no permission to {action} {path}: use another folder or ask its owner")]
    Permission {
        /// What was tried, such as `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
    },
    /// The disk or the quota is full.
    #[error("cannot {action} {path}: the disk or quota is full, free some space")]
    DiskFull {
        /// What was tried, such as `append to`.
        action: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Any other failure of the operating system.
    #[error("cannot {action} {path}: {source}; check the disk and its mount")]
    Io {
        /// What was tried, such as `append to`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is nothing at this path.
    #[error("{path} does not exist: give the path of a recording, a folder NAME.escope")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is no `manifest.json`.
    #[error("{path} is not a recording: it has no manifest.json, give a folder NAME.escope")]
    NotARecording {
        /// The path.
        path: PathBuf,
    },
    /// The manifest is not valid.
    #[error("{path} cannot be understood: {what}; restore it from a copy")]
    BadManifest {
        /// The manifest's file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A later version wrote this recording.
    #[error(
        "{path} has recording format {found}, this program reads up to {supported}: use an escope-bpf that reads format {found}"
    )]
    Newer {
        /// The recording.
        path: PathBuf,
        /// Its major format version.
        found: u32,
        /// The latest major version that is understood here.
        supported: u32,
    },
    /// A table's file is damaged.
    #[error("table {table} is damaged in {path}: {what}; run check to see what is readable")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Rows could not be put into Arrow or Parquet form: a defect of this program.
    #[error("cannot encode table {table} for {path}: {what}; please report this")]
    Encode {
        /// The table.
        table: &'static str,
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        what: String,
    },
    /// Compaction failed; the recording is whole in its other form.
    #[error("the recording is complete but was not compacted: {source}; it opens as it is")]
    NotCompacted {
        /// What stopped it.
        source: Box<RecordingError>,
    },
}

impl RecordingError {
    /// Sorts a failure of the operating system into the cases that differ in remedy.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> RecordingError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                RecordingError::Permission { action, path }
            }
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => RecordingError::DiskFull { action, path },
            _ => RecordingError::Io {
                action,
                path,
                source,
            },
        }
    }

    /// A damaged table.
    pub(crate) fn corrupt(table: &'static str, path: &Path, what: impl ToString) -> RecordingError {
        RecordingError::Corrupt {
            table,
            path: path.to_owned(),
            what: what.to_string(),
        }
    }
}

/// Something that is wrong or missing in a recording that opens nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or table it concerns, relative to the recording.
    pub place: String,
    /// What is wrong and what it means, one sentence in lower case.
    pub what: String,
}

impl Problem {
    /// A problem at a place.
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Problem {
        Problem {
            place: place.into(),
            what: what.into(),
        }
    }

    /// A problem with a file, named by its last path component.
    pub(crate) fn in_file(path: &Path, what: impl Into<String>) -> Problem {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Problem::new(name.to_string_lossy(), what)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
