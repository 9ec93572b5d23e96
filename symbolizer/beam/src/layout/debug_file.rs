//! Debug information of an executable: in itself, or in a file of its own that belongs to it.
//!
//! Where such files lie: GDB's manual, "Debugging Information in Separate Files".

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::ladder::Target;
use crate::BeamError;
use crate::memory::Memory;
use crate::target::{Elf, Links, open_inside, proc_path};

/// Where distributions put them.
const FOLDER: &str = "usr/lib/debug";
/// More than a file that a debug link names has.
const BYTES_MAX: u64 = 2 << 30;

/// A file with debug information that belongs to an executable.
pub(super) struct DebugFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it has besides; `None` if it is the executable itself.
    pub(super) elf: Option<Elf>,
    file: File,
}

impl DebugFile {
    /// Opens it, to read what it holds.
    pub(super) fn open(&self) -> Result<File, String> {
        let again = self.file.try_clone().and_then(rewound);
        again.map_err(|error| error.to_string())
    }
}

/// Finds the debug information of a target: what the user gives, else its own, else what its
/// build id or its debug link leads to, in its own file system or in ours. With one line on
/// what was found.
///
/// # Errors
/// When what the user gives does not belong to it.
pub(super) fn find<M: Memory>(
    target: &Target<'_, M>,
) -> Result<(Option<DebugFile>, String), BeamError> {
    if let Some(path) = &target.given.debug_info {
        return given(target, path);
    }
    if target.elf.has_debug_info() {
        let file = open(target.file).map_err(|error| BeamError::DebugInfo {
            path: target.file.to_owned(),
            what: error.to_string(),
        })?;
        let own = DebugFile {
            path: target.file.to_owned(),
            elf: None,
            file,
        };
        return Ok((Some(own), "debug information: its own".to_owned()));
    }
    let mut roots = Vec::new();
    if target.memory.is_running() {
        // Below its root, the executable's own name does not have that root's.
        let inside = std::fs::read_link(proc_path(target.pid, "root"))
            .ok()
            .and_then(|root| target.exe.strip_prefix(root).ok())
            .unwrap_or(target.exe);
        roots.push((Root::Target(target.pid), inside));
    }
    roots.push((Root::Host, target.exe));
    let id = target.elf.build_id();
    let by_id = id.and_then(build_id_path);
    let by_link = target.elf.debug_link();
    let mut unfit = None;
    for (root, exe) in &roots {
        let by_id = by_id.iter().map(|path| (path.clone(), None));
        let link = by_link.as_ref();
        let by_link = link.into_iter().flat_map(|(name, sum)| {
            let paths = link_paths(exe, name).into_iter();
            paths.map(|path| (path, Some(*sum)))
        });
        for (path, sum) in by_id.chain(by_link) {
            let name = root.name(&path);
            match separate(root.open(&path), &name, id, sum) {
                Ok(Some(found)) => {
                    let note = format!("debug information: {}", name.display());
                    return Ok((Some(found), note));
                }
                Ok(None) => {}
                Err(what) => unfit = Some(format!("{} {what}", name.display())),
            }
        }
    }
    let why = unfit.unwrap_or_else(|| match (&by_id, &by_link) {
        (None, None) => "it has none and names no file with it".to_owned(),
        (Some(path), _) => format!("it has none, and there is no /{}", path.display()),
        (None, Some((name, _))) => format!("it has none, and {name} is not there"),
    });
    Ok((None, format!("debug information: not used: {why}")))
}

fn given<M: Memory>(
    target: &Target<'_, M>,
    path: &Path,
) -> Result<(Option<DebugFile>, String), BeamError> {
    let refuse = |what: String| BeamError::DebugInfo {
        path: path.to_owned(),
        what,
    };
    let file = open(path).map_err(|error| refuse(error.to_string()))?;
    let copy = file
        .try_clone()
        .map_err(|error| refuse(error.to_string()))?;
    let elf = Elf::read(copy, path)?;
    let (own, its) = (target.elf.build_id(), elf.build_id());
    if own.is_none() || own != its {
        let id = |id: Option<&str>| id.map_or("none".to_owned(), str::to_owned);
        return Err(refuse(format!(
            "its build id is {}, that of process {} is {}: give the file of that very build",
            id(its),
            target.pid,
            id(own)
        )));
    }
    let note = format!("debug information: {}, which was given", path.display());
    let found = DebugFile {
        path: path.to_owned(),
        elf: Some(elf),
        file,
    };
    Ok((Some(found), note))
}

/// Where debug information is looked for, by names relative to a root.
enum Root {
    /// What the target sees.
    Target(u32),
    /// What we see.
    Host,
}

impl Root {
    fn open(&self, path: &Path) -> io::Result<File> {
        let path = Path::new("/").join(path);
        match self {
            Root::Target(pid) => regular(open_inside(*pid, &path, Links::Followed)?),
            Root::Host => open(&path),
        }
    }

    fn name(&self, path: &Path) -> PathBuf {
        match self {
            Root::Target(pid) => proc_path(*pid, "root").join(path),
            Root::Host => Path::new("/").join(path),
        }
    }
}

/// A file that is there and belongs to the build; `None` where there is no file.
fn separate(
    file: io::Result<File>,
    path: &Path,
    id: Option<&str>,
    sum: Option<u32>,
) -> Result<Option<DebugFile>, String> {
    let Ok(file) = file else {
        return Ok(None);
    };
    let copy = || file.try_clone().map_err(|error| error.to_string());
    if let Some(sum) = sum {
        let seen = checksum(copy()?).map_err(|error| error.to_string())?;
        if seen != sum {
            return Err(format!(
                "has the checksum {seen:08x}, the debug link says {sum:08x}"
            ));
        }
    }
    let elf = Elf::read(copy()?, path).map_err(|error| error.to_string())?;
    match (id, elf.build_id()) {
        (Some(own), Some(its)) if own != its => return Err(format!("is of build {its}")),
        (_, None) | (None, _) if sum.is_none() => return Err("does not say its build".to_owned()),
        _ => {}
    }
    if !elf.has_debug_info() {
        return Err("has no debug information".to_owned());
    }
    Ok(Some(DebugFile {
        path: path.to_owned(),
        elf: Some(elf),
        file,
    }))
}

/// A regular file of ours.
fn open(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    regular(file)
}

fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// From its beginning: copies of an open file share the place at which they are.
fn rewound(mut file: File) -> io::Result<File> {
    file.rewind()?;
    Ok(file)
}

/// The checksum of a debug link is the CRC of zlib.
fn checksum(file: File) -> io::Result<u32> {
    let mut sum = crc32fast::Hasher::new();
    let mut file = file.take(BYTES_MAX);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finalize()),
            read => sum.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Below a root: `usr/lib/debug/.build-id/ab/cdef.debug`.
fn build_id_path(id: &str) -> Option<PathBuf> {
    let (first, rest) = id.split_at_checked(2)?;
    let is_hex = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && !rest.is_empty())
        .then(|| PathBuf::from(format!("{FOLDER}/.build-id/{first}/{rest}.debug")))
}

/// Where a debug link may lead, below a root.
fn link_paths(exe: &Path, name: &str) -> Vec<PathBuf> {
    // A name, never a path.
    if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
        return Vec::new();
    }
    let folder = exe.parent().unwrap_or(Path::new("/"));
    let folder = folder.strip_prefix("/").unwrap_or(folder);
    vec![
        folder.join(name),
        folder.join(".debug").join(name),
        Path::new(FOLDER).join(folder).join(name),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{build_id_path, checksum, link_paths};

    #[test]
    fn names_of_a_hostile_file_stay_below_the_folders() {
        let exe = Path::new("/usr/lib/erlang/erts/bin/beam.smp");
        assert_eq!(
            link_paths(exe, "cd.debug")
                .last()
                .map(|path| path.as_path()),
            Some(Path::new("usr/lib/debug/usr/lib/erlang/erts/bin/cd.debug"))
        );
        for name in ["", ".", "..", "../x", "/etc/passwd"] {
            assert!(link_paths(exe, name).is_empty(), "{name}");
        }
        assert_eq!(
            build_id_path("abcdef").as_deref(),
            Some(Path::new("usr/lib/debug/.build-id/ab/cdef.debug"))
        );
        for id in ["", "a", "ab", "../../x", "äb"] {
            assert_eq!(build_id_path(id), None, "{id}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_debug_links() {
        let folder = std::env::temp_dir().join(format!("escope-crc-{}", std::process::id()));
        std::fs::write(&folder, b"123456789").expect("written");
        let file = std::fs::File::open(&folder).expect("there");
        let sum = checksum(file).expect("read");
        std::fs::remove_file(&folder).expect("removed");
        assert_eq!(sum, 0xcbf4_3926);
    }
}
