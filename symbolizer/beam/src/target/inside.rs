//! Files of the target, by the names that they have for it.
//!
//! Its file system may be another one than ours, and hostile: each file is opened below
//! `/proc/PID/root`, where no link, absolute or not, leads out (`openat2(2)`, `RESOLVE_IN_ROOT`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

use super::proc_path;

/// What becomes of a name that is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// It leads on, below the target's root.
    Followed,
    /// It is an error: in a folder that anybody may write to.
    Refused,
}

/// Opens a file by the name that it has for the target: below its root, or, if the name is
/// relative, below its working folder. Nothing else than files and folders: to open a device may do something.
pub(crate) fn open_inside(pid: u32, path: &Path, links: Links) -> io::Result<File> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let (from, resolve) = match path.is_absolute() {
        true => ("root", ResolveFlags::IN_ROOT),
        false => ("cwd", ResolveFlags::BENEATH),
    };
    let from = openat(CWD, proc_path(pid, from), folder, Mode::empty())?;
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    }
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    let place = openat2(from, path, flags, Mode::empty(), resolve)?;
    match FileType::from_raw_mode(fstat(&place)?.st_mode) {
        FileType::RegularFile | FileType::Directory => {}
        FileType::Symlink => return Err(io::Error::from(Errno::LOOP)),
        _ => return Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
    // What was looked at, whatever the name leads to by now.
    let same = format!("/proc/self/fd/{}", place.as_raw_fd());
    Ok(openat(CWD, same, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{Links, open_inside};

    #[test]
    fn links_are_followed_where_that_is_wanted_and_names_lead_nowhere_else() {
        let folder = std::env::temp_dir().join(format!("escope-inside-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (path, link) = (folder.join("file"), folder.join("link"));
        File::create(&path).expect("a file");
        symlink(&path, &link).expect("a link");
        let me = std::process::id();
        assert!(open_inside(me, &path, Links::Refused).is_ok());
        assert!(open_inside(me, &link, Links::Refused).is_err());
        assert!(open_inside(me, &link, Links::Followed).is_ok());
        let out = Path::new("../../etc/passwd");
        assert!(open_inside(me, out, Links::Followed).is_err());
        assert!(open_inside(me, &folder, Links::Refused).is_ok());
        let device = Path::new("/dev/null");
        assert!(open_inside(me, device, Links::Followed).is_err());
        fs::remove_dir_all(&folder).expect("mine");
    }
}
