//! A server of the test's own that runs on a BEAM: loopback only, with its own port mapper.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::{Folder, Workload, temp_dir};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node that accepts connections. Dropping it ends it.
pub(crate) struct Server {
    node: Child,
    beam: u32,
    name: String,
    cookie: String,
    epmd_port: String,
    folder: Folder,
}

impl Server {
    /// Starts what `command` makes of a folder, and waits until `port` is open. The node is
    /// called NAME and finds its cookie in the folder, which is its home.
    pub(crate) fn start(name: &str, port: u16, command: impl FnOnce(&Folder) -> Command) -> Server {
        let folder = temp_dir();
        let (epmd_port, cookie) = (free_port().to_string(), "escopetestcookie".to_owned());
        let cookie_file = folder.path(".erlang.cookie");
        fs::write(&cookie_file, &cookie).unwrap();
        // The VM refuses a cookie that others can read.
        let mode = Command::new("chmod").args(["400", &cookie_file]).status();
        assert!(mode.unwrap().success());
        let mut command = command(&folder);
        command
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", &epmd_port)
            .env("HOME", folder.path(""))
            .stdin(Stdio::null())
            .stdout(File::create(folder.path("said")).unwrap())
            .stderr(Stdio::null())
            // One group, so that its end is the end of all.
            .process_group(0);
        let mut server = Server {
            node: command.spawn().unwrap(),
            beam: 0,
            name: name.to_owned(),
            cookie,
            epmd_port,
            folder,
        };
        server.await_start(port);
        server
    }

    /// The BEAM's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.beam
    }

    /// Another node, of the tests, that asks this one: `tests/beam/told.erl`.
    pub(crate) fn questioner(&self) -> Workload {
        let args = [
            "-hidden",
            "-sname",
            "escope-asks@localhost",
            "-setcookie",
            &self.cookie,
            "-kernel",
            "inet_dist_use_interface",
            "{127,0,0,1}",
        ];
        let home = self.folder.path("");
        let env = [
            ("NODE", self.name.as_str()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1"),
            ("ERL_EPMD_PORT", &self.epmd_port),
            ("HOME", &home),
        ];
        Workload::start("told", &args, &env)
    }

    fn await_start(&mut self, port: u16) {
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.node.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "{} does not start ({ended:?}): {}",
                self.name,
                fs::read_to_string(self.folder.path("said")).unwrap()
            );
            thread::sleep(Duration::from_millis(100));
        }
        // A script becomes the BEAM, or has it as a child.
        let is_beam = |pid: u32| {
            let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            exe.ends_with("beam.smp")
        };
        let own = self.node.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        self.beam = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .chain([own])
            .find(|&pid| is_beam(pid))
            .expect("its BEAM");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ours and not waited for yet: the number is its, and its group's.
        let group = format!("-{}", self.node.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.node.wait();
        // It refuses until it has noticed that the node is gone.
        for _ in 0..50 {
            let kill = ["-port", &self.epmd_port, "-kill"];
            let answer = Command::new("epmd").args(kill).output();
            if answer.is_ok_and(|answer| !answer.stdout.starts_with(b"Killing not allowed")) {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    socket.local_addr().unwrap().port()
}
