//! The files that a VM has loaded its modules from, as far as its command line tells where they are.
//!
//! What `code:which/1` would say only the VM knows. Here folders are gone through in the order of its code
//! path: `-pa`, the working folder, `ebin` of each application in `lib` of `-root` and in `ERL_LIBS`, `-pz`
//! (`lib/kernel/src/code_server.erl`); Mix's folders are below `_build`. So a file may be another one than
//! the VM has loaded: nothing is read out of it but what may do no harm if it is.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Links, open_inside, proc_path};

/// Of the command line, the environment, and the file of a module.
const TEXT_BYTES_MAX: u64 = 1 << 20;
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Folders in which modules are looked for, and entries of a folder.
const FOLDERS_MAX: usize = 4096;
const ENTRIES_MAX: usize = 4096;

/// The files of the modules of one VM; of one that does not run any more there are none.
#[derive(Debug, Default)]
pub struct ModuleFiles {
    pid: Option<u32>,
    folders: OnceLock<Vec<PathBuf>>,
}

impl ModuleFiles {
    /// Those of a process.
    #[must_use]
    pub fn of(pid: u32) -> ModuleFiles {
        ModuleFiles {
            pid: Some(pid),
            folders: OnceLock::new(),
        }
    }

    /// The file of a module, the first one that there is.
    pub(crate) fn read(&self, module: &str) -> Option<Vec<u8>> {
        let pid = self.pid?;
        let is_name = |c: char| c != '/' && c != '\0';
        if module.is_empty() || !module.chars().all(is_name) {
            return None;
        }
        let name = format!("{module}.beam");
        let folders = self.folders.get_or_init(|| folders(pid));
        folders.iter().find_map(|folder| {
            let file = open_inside(pid, &folder.join(&name), Links::Followed).ok()?;
            let size = file.metadata().ok().filter(|data| data.is_file())?.len();
            let mut bytes = Vec::new();
            file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
            (size <= FILE_BYTES_MAX).then_some(bytes)
        })
    }
}

/// Where modules may lie, as the target names it.
fn folders(pid: u32) -> Vec<PathBuf> {
    let text = |name| {
        let mut text = Vec::new();
        let file = File::open(proc_path(pid, name)).ok()?;
        file.take(TEXT_BYTES_MAX).read_to_end(&mut text).ok()?;
        Some(text)
    };
    let said = Said::parse(
        &text("cmdline").unwrap_or_default(),
        &text("environ").unwrap_or_default(),
    );
    let list = |folder: &Path| entries(pid, folder);
    said.folders(&list)
}

/// Names in a folder of the target.
fn entries(pid: u32, folder: &Path) -> Vec<PathBuf> {
    let Ok(folder) = open_inside(pid, folder, Links::Followed) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd())) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name().into());
    let mut names: Vec<PathBuf> = names.take(ENTRIES_MAX).collect();
    names.sort_unstable();
    names
}

/// What a command line and an environment say of where modules are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    first: Vec<PathBuf>,
    last: Vec<PathBuf>,
    libraries: Vec<PathBuf>,
}

impl Said {
    /// From arguments and environment, each ended by a NUL.
    fn parse(command: &[u8], environment: &[u8]) -> Said {
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let mut said = Said::default();
        let mut to: Option<&mut Vec<PathBuf>> = None;
        for argument in command.split(|&byte| byte == 0) {
            match argument {
                b"-pa" => to = Some(&mut said.first),
                b"-pz" => to = Some(&mut said.last),
                b"-root" => to = Some(&mut said.libraries),
                [b'-' | b'+', ..] | b"" => to = None,
                value => {
                    if let Some(to) = &mut to {
                        to.push(path(value));
                    }
                }
            }
        }
        for root in &mut said.libraries {
            root.push("lib");
        }
        let variables = environment.split(|&byte| byte == 0);
        let more = variables.filter_map(|variable| variable.strip_prefix(b"ERL_LIBS="));
        let more = more.flat_map(|value| value.split(|&byte| byte == b':'));
        let more = more.filter(|folder| !folder.is_empty()).map(path);
        said.libraries.extend(more);
        said
    }

    fn folders(self, list: &dyn Fn(&Path) -> Vec<PathBuf>) -> Vec<PathBuf> {
        let ebins = |library: &Path| -> Vec<PathBuf> {
            let names = list(library).into_iter();
            names.map(|name| library.join(name).join("ebin")).collect()
        };
        let mut all = self.first;
        all.extend([PathBuf::from("."), PathBuf::from("ebin")]);
        for library in &self.libraries {
            all.extend(ebins(library));
        }
        for environment in list(Path::new("_build")) {
            all.extend(ebins(&Path::new("_build").join(environment).join("lib")));
        }
        all.extend(self.last);
        all.truncate(FOLDERS_MAX);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{ModuleFiles, Said};

    #[test]
    fn folders_come_in_the_order_of_the_code_path() {
        let command =
            b"/usr/lib/erlang/erts-13.1.5/bin/beam.smp\0-S\x002:2\0--\0-root\0/usr/lib/erlang\0\
            -bindir\0/b\0--\0-pa\0one\0/two\0-noshell\0-pz\0three\0-s\0init\0";
        let said = Said::parse(command, b"HOME=/root\0ERL_LIBS=/more::/other\0");
        let list = |folder: &Path| -> Vec<PathBuf> {
            match folder.to_str() {
                Some("/usr/lib/erlang/lib") => vec!["kernel-8.5".into()],
                Some("/other") => vec!["app".into()],
                Some("_build") => vec!["dev".into()],
                Some("_build/dev/lib") => vec!["shop".into()],
                _ => Vec::new(),
            }
        };
        let expected = [
            "one",
            "/two",
            ".",
            "ebin",
            "/usr/lib/erlang/lib/kernel-8.5/ebin",
            "/other/app/ebin",
            "_build/dev/lib/shop/ebin",
            "three",
        ];
        assert_eq!(said.folders(&list), expected.map(PathBuf::from));
    }

    #[test]
    fn a_module_is_no_path() {
        let files = ModuleFiles::of(std::process::id());
        for name in ["", "../x", "/etc/passwd", "a\0b"] {
            assert_eq!(files.read(name), None);
        }
        assert_eq!(ModuleFiles::default().read("lists"), None);
    }
}
