//! Which BEAMs run on this host.

use std::fs;
use std::path::PathBuf;

use super::proc_path;

/// A process that runs an Erlang emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beam {
    /// Its pid.
    pub pid: u32,
    /// What it runs, as it sees it.
    pub exe: PathBuf,
    /// The node name from its command line, as it was given there.
    pub node_argument: Option<String>,
    /// Its user.
    pub uid: u32,
    /// Its pid in the PID namespace that it is in, where that is another one than ours.
    pub inner_pid: Option<u32>,
}

/// Every BEAM this user may see, by pid.
#[must_use]
pub fn find_beams() -> Vec<Beam> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut beams: Vec<Beam> = entries
        .flatten()
        .filter_map(|entry| beam(entry.file_name().to_str()?.parse().ok()?))
        .collect();
    beams.sort_by_key(|beam| beam.pid);
    beams
}

fn beam(pid: u32) -> Option<Beam> {
    // The link needs the right to trace; the status file, which shows the name, does not.
    let status = fs::read_to_string(proc_path(pid, "status")).ok()?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
    };
    if field("State:") == Some("Z") {
        return None;
    }
    let exe = fs::read_link(proc_path(pid, "exe"));
    let is_beam = |name: &str| name.starts_with("beam.") || name == "beam";
    let found = match &exe {
        Ok(exe) => is_beam(exe.file_name()?.to_str()?),
        Err(_) => is_beam(field("Name:")?),
    };
    if !found {
        return None;
    }
    Some(Beam {
        pid,
        exe: exe.unwrap_or_default(),
        node_argument: node_argument(pid),
        uid: field("Uid:")?.parse().ok()?,
        inner_pid: inner_pid(&status),
    })
}

/// The last of the numbers that a process has from our PID namespace down to its own:
/// proc_pid_status(5), `NSpid`.
fn inner_pid(status: &str) -> Option<u32> {
    let numbers = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    match numbers.as_slice() {
        [_, .., inner] => inner.parse().ok(),
        _ => None,
    }
}

/// The argument of `-sname` or `-name`.
fn node_argument(pid: u32) -> Option<String> {
    let line = fs::read(proc_path(pid, "cmdline")).ok()?;
    let mut arguments = line.split(|&byte| byte == 0);
    while let Some(argument) = arguments.next() {
        if matches!(argument, b"-sname" | b"-name") {
            return Some(String::from_utf8_lossy(arguments.next()?).into_owned());
        }
    }
    None
}
