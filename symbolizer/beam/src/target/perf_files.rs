//! The files that a VM with `+JPperf` writes for `perf`: where they are, and whether they can be
//! believed.
//!
//! They usually lie in `/tmp`, where anybody may have put a file of that name. So one is only
//! read if it is a regular file of the VM's own user (or root's), which others cannot write and
//! which has been written since the VM was started. Paths are those of the VM: each is opened
//! below `/proc/PID/root`, and a symbolic link never leads out of there.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::inside::{Links, open_inside};
use super::{ExecutableMapping, age, proc_path};

/// Which of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerfFileKind {
    /// `perf-PID.map`: text, a line for each function.
    Map,
    /// `jit-PID.dump`: records with times, lines and code.
    Dump,
}

impl PerfFileKind {
    /// What it is called.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PerfFileKind::Map => "perf map",
            PerfFileKind::Dump => "jitdump",
        }
    }
}

/// One of the files, as far as it can be opened.
#[derive(Debug)]
pub(crate) struct PerfFile {
    pub(crate) kind: PerfFileKind,
    /// As the VM names it.
    pub(crate) path: PathBuf,
    /// Open for reading, or why it is not read.
    pub(crate) file: Result<File, String>,
}

/// Where the VM puts the files unless it is told otherwise (`beam_jit_metadata.cpp`).
const FOLDER: &str = "/tmp";
/// The grain of a process's start time, twice, and of a file's.
const START_SLACK: Duration = Duration::from_millis(40);
/// More of a command line or an environment than is looked at.
const TEXT_MAX: u64 = 4 << 20;

/// The files that a VM says it writes; the dump, which tells more, first.
pub(crate) fn open_perf_files(pid: u32, mappings: &[ExecutableMapping]) -> Vec<PerfFile> {
    let (Some(flags), Some(vm)) = (Flags::read(pid), Identity::read(pid)) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    if flags.dump {
        files.extend(open_dump(pid, &vm, mappings));
    }
    if flags.map {
        files.push(open_map(pid, &vm, &flags));
    }
    files
}

/// The dump is mapped by the VM, so that `perf` notices it: the mapping leads to the very file,
/// wherever it lies.
fn open_dump(pid: u32, vm: &Identity, mappings: &[ExecutableMapping]) -> Option<PerfFile> {
    let name = format!("jit-{}.dump", vm.inner_pid);
    let mapping = mappings.iter().find(|mapping| {
        let path = mapping.path.strip_suffix(" (deleted)");
        Path::new(path.unwrap_or(&mapping.path)).ends_with(&name)
    })?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    // Leads to the mapped file itself and needs a capability; by its path it must be the same.
    let file = openat(CWD, mapping.open_path(pid), flags, Mode::empty())
        .map(File::from)
        .or_else(|_| open_inside(pid, Path::new(&mapping.path), Links::Refused))
        .map_err(|error| error.to_string())
        .and_then(|file| {
            let same = file.metadata().is_ok_and(|it| mapping.is_same_file(&it));
            vm.believes(&file)?;
            same.then_some(file)
                .ok_or_else(|| "it is another file than the one that is mapped".to_owned())
        });
    Some(PerfFile {
        kind: PerfFileKind::Dump,
        path: PathBuf::from(&mapping.path),
        file,
    })
}

fn open_map(pid: u32, vm: &Identity, flags: &Flags) -> PerfFile {
    let usual = flags.folder.join(format!("perf-{}.map", vm.inner_pid));
    let open = |path: &Path| {
        let file = open_inside(pid, path, Links::Refused).map_err(|error| error.to_string())?;
        vm.believes(&file).map(|()| file)
    };
    // Releases that do not know the variable write the usual file.
    if let Some(path) = &flags.map_file
        && let Ok(file) = open(path)
    {
        return PerfFile {
            kind: PerfFileKind::Map,
            path: path.clone(),
            file: Ok(file),
        };
    }
    PerfFile {
        kind: PerfFileKind::Map,
        file: open(&usual),
        path: usual,
    }
}

/// What the VM was told to write: `erl_init.c`, `+JP`.
#[derive(Debug, PartialEq, Eq)]
struct Flags {
    map: bool,
    dump: bool,
    /// `+JPperfdirectory`.
    folder: PathBuf,
    /// `ERL_SYM_MAP_FILE`.
    map_file: Option<PathBuf>,
}

impl Flags {
    fn read(pid: u32) -> Option<Flags> {
        let text = |name| {
            let mut text = Vec::new();
            let file = File::open(proc_path(pid, name)).ok()?;
            file.take(TEXT_MAX).read_to_end(&mut text).ok()?;
            Some(text)
        };
        Some(Flags::parse(
            &text("cmdline")?,
            &text("environ").unwrap_or_default(),
        ))
    }

    /// From arguments and environment, each ended by a NUL.
    fn parse(command: &[u8], environment: &[u8]) -> Flags {
        let path = |bytes| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let mut flags = Flags {
            map: false,
            dump: false,
            folder: FOLDER.into(),
            map_file: environment
                .split(|&byte| byte == 0)
                .find_map(|entry| entry.strip_prefix(b"ERL_SYM_MAP_FILE="))
                .filter(|name| !name.is_empty())
                .map(path),
        };
        let arguments = command.split(|&byte| byte == 0);
        // What follows is not the emulator's.
        let mut arguments = arguments.take_while(|argument| *argument != b"--");
        while let Some(argument) = arguments.next() {
            let Some(rest) = argument.strip_prefix(b"-JPperf") else {
                continue;
            };
            let folder = rest.strip_prefix(b"directory");
            // The value is the rest of the argument, or else the next one.
            let value = match folder.unwrap_or(rest) {
                b"" => arguments.next().unwrap_or_default(),
                value => value,
            };
            match (folder, value) {
                (Some(_), _) => flags.folder = path(value),
                (None, b"true") => (flags.map, flags.dump) = (true, true),
                (None, b"false") => (flags.map, flags.dump) = (false, false),
                (None, b"map") => flags.map = true,
                (None, b"dump") => flags.dump = true,
                _ => {}
            }
        }
        flags
    }
}

/// Whose files are believed.
#[derive(Debug, Clone, Copy)]
struct Identity {
    /// User and group that it makes files as.
    uid: u32,
    gid: u32,
    /// The pid that it knows itself by.
    inner_pid: u32,
    started: SystemTime,
}

impl Identity {
    fn read(pid: u32) -> Option<Identity> {
        let status = fs::read_to_string(proc_path(pid, "status")).ok()?;
        // The last number: of the file system's ids, of the innermost PID namespace.
        let last = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next_back()?.parse::<u32>().ok()
        };
        Some(Identity {
            uid: last("Uid:")?,
            gid: last("Gid:")?,
            inner_pid: last("NSpid:").unwrap_or(pid),
            started: SystemTime::now().checked_sub(age(pid)?)?,
        })
    }

    /// Whether a file can be this VM's own.
    ///
    /// # Errors
    /// Why not.
    fn believes(&self, file: &File) -> Result<(), String> {
        let it = file.metadata().map_err(|error| error.to_string())?;
        let (mode, owner) = (it.mode(), it.uid());
        if !it.is_file() {
            return Err("it is no regular file".into());
        }
        if owner != self.uid && owner != 0 {
            return Err(format!(
                "it belongs to user {owner}, the VM runs as {}",
                self.uid
            ));
        }
        let groups_own = it.gid() == self.gid || it.gid() == 0;
        if mode & 0o002 != 0 || mode & 0o020 != 0 && !groups_own {
            return Err(format!("others may write to it (mode {:o})", mode & 0o777));
        }
        let written = it.modified().map_err(|error| error.to_string())?;
        if written + START_SLACK < self.started {
            return Err("it is older than the VM: left behind by one with the same pid".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use super::{Flags, Identity};

    fn flags(command: &str, environment: &str) -> (bool, bool, PathBuf, Option<PathBuf>) {
        let nul = |text: &str| text.replace(' ', "\0").into_bytes();
        let flags = Flags::parse(&nul(command), &nul(environment));
        (flags.map, flags.dump, flags.folder, flags.map_file)
    }

    #[test]
    fn what_the_vm_was_told_is_in_its_arguments() {
        let tmp = || PathBuf::from("/tmp");
        let both = flags("beam.smp -JPperf true -- -root /", "A=b");
        assert_eq!(both, (true, true, tmp(), None));
        let later = flags("beam.smp -JPperf true -JPperffalse -JPperf map --", "");
        assert_eq!(later, (true, false, tmp(), None));
        let elsewhere = flags(
            "beam.smp -JPperfdirectory /var/perf -JPperfdump",
            "X=1 ERL_SYM_MAP_FILE=/a/b",
        );
        assert_eq!(
            elsewhere,
            (false, true, "/var/perf".into(), Some("/a/b".into()))
        );
        let behind = flags("beam.smp -- -JPperf true", "");
        assert_eq!(behind, (false, false, tmp(), None));
        assert_eq!(flags("beam.smp -JPperf", ""), (false, false, tmp(), None));
    }

    #[test]
    fn only_the_vms_own_files_are_believed() {
        let folder = std::env::temp_dir().join(format!("escope-perf-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("file");
        let file = File::create(&path).expect("a file");
        let own = file.metadata().expect("metadata");
        let (uid, gid) = {
            use std::os::unix::fs::MetadataExt;
            (own.uid(), own.gid())
        };
        let vm = Identity {
            uid,
            gid,
            inner_pid: 1,
            started: SystemTime::now() - Duration::from_secs(1),
        };
        let mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).expect("mine");
        mode(0o664);
        assert_eq!(vm.believes(&file), Ok(()));
        mode(0o646);
        assert!(vm.believes(&file).is_err_and(|why| why.contains("others")));
        mode(0o644);
        let later = Identity {
            started: SystemTime::now() + Duration::from_secs(1),
            ..vm
        };
        assert!(
            later
                .believes(&file)
                .is_err_and(|why| why.contains("older"))
        );
        if uid != 0 {
            let other = Identity { uid: uid + 1, ..vm };
            assert!(other.believes(&file).is_err_and(|why| why.contains("user")));
        }
        let opened = File::open(&folder).expect("a folder");
        assert!(
            vm.believes(&opened)
                .is_err_and(|why| why.contains("regular"))
        );
        fs::remove_dir_all(&folder).expect("mine");
    }
}
