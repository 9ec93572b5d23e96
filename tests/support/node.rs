//! A workload that is a node, and what is needed to join it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Facts, Folder, Output, Workload, escope, free_port, temp_dir};

const PATIENCE: Duration = Duration::from_secs(120);
const COOKIE: &str = "escopetestcookie";

/// A port mapper of the test's own. Dropping it ends it.
struct Epmd {
    child: Child,
    port: String,
}

impl Epmd {
    fn start() -> Epmd {
        let port = free_port().to_string();
        let child = Command::new("epmd")
            .args(["-port", &port, "-address", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let epmd = Epmd { child, port };
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(format!("127.0.0.1:{}", epmd.port)).is_err() {
            assert!(Instant::now() < end, "epmd does not start");
            sleep(Duration::from_millis(20));
        }
        epmd
    }
}

impl Drop for Epmd {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The VM, its epmd and its cookie. Dropping it ends them.
pub(crate) struct Node {
    pub(crate) vm: Workload,
    /// Processes before anybody joined it.
    pub(crate) before: i64,
    pub(crate) cookie_file: String,
    _epmd: Epmd,
    _folder: Folder,
}

impl Node {
    /// Starts it with a cookie, and an epmd of its own.
    pub(crate) fn start(module: &str, env: &[(&str, &str)]) -> Node {
        Node::start_with(module, &[], env)
    }

    /// The same with more arguments.
    pub(crate) fn start_with(module: &str, more: &[&str], env: &[(&str, &str)]) -> Node {
        let (epmd, folder) = (Epmd::start(), temp_dir());
        let cookie_file = folder.path("cookie");
        write_cookie(&cookie_file, COOKIE);
        let home = folder.path("");
        let args = [
            "+S",
            "2:2",
            "-sname",
            "escope-traced@localhost",
            "-setcookie",
            COOKIE,
            "-start_epmd",
            "false",
            "-kernel",
            "inet_dist_use_interface",
            "{127,0,0,1}",
            // What it says of wrong cookies would stand between its answers.
            "-kernel",
            "logger_level",
            "none",
        ];
        let args = [&args[..], more].concat();
        let mut all = vec![
            ("HOME", home.as_str()),
            ("ERL_EPMD_PORT", &epmd.port),
            ("ERL_EPMD_ADDRESS", "127.0.0.1"),
        ];
        all.extend(env);
        let mut vm = Workload::start(module, &args, &all);
        vm.go();
        let facts = vm.count();
        Node {
            vm,
            before: if module == "traced" {
                facts.number("processes")
            } else {
                0
            },
            cookie_file,
            _epmd: epmd,
            _folder: folder,
        }
    }

    /// The arguments of a command that joins it.
    pub(crate) fn args<'a>(
        &'a self,
        pid: &'a str,
        command: &'a str,
        more: &[&'a str],
    ) -> Vec<&'a str> {
        let join = [
            command,
            "-p",
            pid,
            "--tracer",
            "--cookie-file",
            &self.cookie_file,
        ];
        [&join[..], more].concat()
    }

    /// Runs one to its end.
    pub(crate) fn run(&self, command: &str, more: &[&str]) -> Output {
        let pid = self.vm.pid().to_string();
        escope(&self.args(&pid, command, more))
    }

    /// Waits until the program says that nothing is traced and nobody is there who was not before.
    #[track_caller]
    pub(crate) fn is_clean(&mut self) -> Facts {
        let before = self.before;
        let end = Instant::now() + PATIENCE;
        loop {
            let facts = self.vm.count();
            let is = |what: &str| facts.number(what);
            let traces = is("flags") + is("sessions") + is("patterns");
            if traces == 0 && is("processes") <= before {
                return facts;
            }
            assert!(Instant::now() < end, "before {before}: {facts:?}");
            sleep(Duration::from_millis(100));
        }
    }
}

/// A file that its owner alone may read.
pub(crate) fn write_cookie(path: &str, cookie: &str) {
    fs::write(path, cookie).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
