//! Which files a process has mapped where: `proc_pid_maps(5)`.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::proc_path;
use super::state::is_kernel_thread;
use crate::BeamError;

/// One executable mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutableMapping {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Where in the file it begins.
    pub file_offset: u64,
    /// Device of the file, major and minor.
    pub device: (u32, u32),
    /// Inode; 0 for anonymous memory.
    pub inode: u64,
    /// The file's name as the target sees it, `[vdso]`, or empty.
    pub path: String,
}

impl ExecutableMapping {
    /// Whether the VM's JIT emitted this code: the memory file of the dual mapping, or
    /// anonymous memory where dual mapping is off.
    #[must_use]
    pub fn may_be_jit(&self) -> bool {
        self.path.is_empty() || self.path.starts_with("/memfd:vmem")
    }

    /// A path by which the recorder can open the mapped file even when it was replaced,
    /// removed, or lies in another mount namespace.
    #[must_use]
    pub fn open_path(&self, pid: u32) -> PathBuf {
        proc_path(pid, &format!("map_files/{:x}-{:x}", self.start, self.end))
    }
}

impl ExecutableMapping {
    /// Whether an open file is the one that is mapped. `false` may also mean that the file
    /// system gives one file several identities, as btrfs and overlayfs do.
    #[must_use]
    pub fn is_same_file(&self, file: &Metadata) -> bool {
        let device = file.dev();
        file.ino() == self.inode
            && self.device == (rustix::fs::major(device), rustix::fs::minor(device))
    }
}

/// The executable mappings of a process, ascending.
///
/// # Errors
/// When the process is gone or may not be read.
pub fn read_executable_mappings(pid: u32) -> Result<Vec<ExecutableMapping>, BeamError> {
    let text = fs::read_to_string(proc_path(pid, "maps")).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => BeamError::NotPermitted { pid },
        _ => BeamError::NoSuchProcess { pid },
    })?;
    if text.is_empty() {
        return Err(match is_kernel_thread(pid) {
            true => BeamError::NotBeam {
                pid,
                exe: "a thread of the kernel".into(),
            },
            false => BeamError::Died { pid },
        });
    }
    Ok(text.lines().filter_map(parse_line).collect())
}

fn parse_line(line: &str) -> Option<ExecutableMapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    if !fields.next()?.contains('x') {
        return None;
    }
    let file_offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let inode = fields.next()?.parse().ok()?;
    Some(ExecutableMapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        file_offset,
        device: (
            u32::from_str_radix(major, 16).ok()?,
            u32::from_str_radix(minor, 16).ok()?,
        ),
        inode,
        path: fields.next().unwrap_or("").trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse_line;

    #[test]
    fn executable_lines_are_read() {
        let jit = parse_line("7f12-7f34 r-xs 00001000 00:01 1029   /memfd:vmem (deleted)");
        let jit = jit.expect("executable");
        assert_eq!(
            (jit.start, jit.end, jit.file_offset),
            (0x7f12, 0x7f34, 0x1000)
        );
        assert!(jit.may_be_jit());
        let anonymous = parse_line("7f12-7f34 rwxp 00000000 00:00 0").expect("executable");
        assert!(anonymous.may_be_jit());
        assert!(parse_line("7f12-7f34 rw-p 00000000 00:00 0 [heap]").is_none());
        assert!(parse_line("garbage").is_none());
    }
}
