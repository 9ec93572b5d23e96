//! Reading `manifest.json`, and replacing it in one step.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Deserialize;

use super::{FORMAT_VERSION, FormatVersion, Manifest};
use crate::disk::Disk;
use crate::error::RecordingError;

const NAME: &str = "manifest.json";
const NEW_NAME: &str = "manifest.json.new";

/// A real one has a few KiB.
const MAX_BYTES: u64 = 16 << 20;

/// Only what decides whether the rest can be understood.
#[derive(Deserialize)]
struct Version {
    format_version: FormatVersion,
}

/// Reads the manifest of the recording at `recording`.
///
/// # Errors
/// If there is no recording, it is newer than this program, or not readable.
pub(crate) fn load(recording: &Path) -> Result<Manifest, RecordingError> {
    let path = recording.join(NAME);
    let bytes = read(recording, &path)?;
    let bad = |what: String| RecordingError::BadManifest {
        path: path.clone(),
        what,
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(bad(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let version: Version = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    let found = version.format_version.major;
    if found > FORMAT_VERSION.major {
        return Err(RecordingError::Newer {
            path: recording.to_owned(),
            found,
            supported: FORMAT_VERSION.major,
        });
    }
    serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))
}

fn read(recording: &Path, path: &Path) -> Result<Vec<u8>, RecordingError> {
    let io = |e| RecordingError::io("read", path, e);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) => {
            return Err(match e.kind() {
                io::ErrorKind::NotFound if !recording.exists() => RecordingError::Missing {
                    path: recording.to_owned(),
                },
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    RecordingError::NotARecording {
                        path: recording.to_owned(),
                    }
                }
                _ => io(e),
            });
        }
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

/// Replaces the manifest: after a crash at any point the old or the new one is there.
///
/// # Errors
/// If the disk refuses; then the old one is there.
pub(crate) fn save(
    disk: &dyn Disk,
    recording: &Path,
    manifest: &Manifest,
) -> Result<(), RecordingError> {
    let new = recording.join(NEW_NAME);
    let path = recording.join(NAME);
    let io = |e| RecordingError::io("write", &new, e);
    let text = serde_json::to_vec_pretty(manifest).map_err(|e| io(e.into()))?;
    match disk.remove(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    let mut file = disk.create(&new).map_err(io)?;
    file.write_all(&text)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync())
        .and_then(|()| disk.rename(&new, &path))
        .and_then(|()| disk.sync_dir(recording))
        .map_err(|e| {
            // Best effort: a leftover is ignored by readers.
            let _ = disk.remove(&new);
            io(e)
        })
}

/// Removes the manifest of a recording that could not be begun.
pub(crate) fn remove(disk: &dyn Disk, recording: &Path) {
    for name in [NAME, NEW_NAME] {
        let _ = disk.remove(&recording.join(name));
    }
}
