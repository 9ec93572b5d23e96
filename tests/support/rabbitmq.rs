//! A RabbitMQ node of the test's own, on loopback, and its load.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::{Folder, temp_dir};

/// How long the node may take to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node that accepts connections. Dropping it ends it.
pub(crate) struct RabbitMq {
    node: Child,
    beam: u32,
    port: u16,
    epmd_port: String,
    _folder: Folder,
}

impl RabbitMq {
    /// Starts a node; `None` when RabbitMQ is not installed.
    pub(crate) fn start() -> Option<RabbitMq> {
        let folder = temp_dir();
        let home = home()?;
        let (port, epmd_port) = (free_port(), free_port().to_string());
        let config = format!("listeners.tcp.1 = 127.0.0.1:{port}\n");
        fs::write(folder.path("rabbitmq.conf"), config).unwrap();
        let mut command = Command::new(home.join("sbin/rabbitmq-server"));
        command
            .env("RABBITMQ_HOME", &home)
            .env("RABBITMQ_NODENAME", "escope-test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", free_port().to_string())
            .env("RABBITMQ_CONFIG_FILE", folder.path("rabbitmq.conf"))
            .env("RABBITMQ_MNESIA_BASE", folder.path("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder.path("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.path("plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", &epmd_port)
            .env("HOME", folder.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // One group, so that its end is the end of all.
            .process_group(0);
        let mut rabbit = RabbitMq {
            node: command.spawn().unwrap(),
            beam: 0,
            port,
            epmd_port,
            _folder: folder,
        };
        rabbit.await_start();
        Some(rabbit)
    }

    /// The BEAM's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.beam
    }

    fn await_start(&mut self) {
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "RabbitMQ does not start");
            assert_eq!(self.node.try_wait().unwrap(), None, "RabbitMQ ended");
            thread::sleep(Duration::from_millis(100));
        }
        // The script becomes the BEAM, or has it as a child.
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

    /// Publishes and consumes until it is dropped.
    pub(crate) fn load(&self) -> Load {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/load/rabbitmq.py");
        let mut child = Command::new("python3")
            .args([script, &self.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().and_then(Result::ok);
        assert_eq!(first.as_deref(), Some("running"), "the load needs pika");
        Load { child, lines }
    }
}

impl Drop for RabbitMq {
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

/// Messages that flow.
pub(crate) struct Load {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Load {
    /// Ends it; how many messages were consumed.
    pub(crate) fn stop(mut self) -> u64 {
        drop(self.child.stdin.take());
        let line = self.lines.next().and_then(Result::ok).unwrap();
        assert!(self.child.wait().unwrap().success());
        line.strip_prefix("consumed ").unwrap().parse().unwrap()
    }
}

fn home() -> Option<PathBuf> {
    let homes = fs::read_dir("/usr/lib/rabbitmq/lib").ok()?;
    homes.flatten().next().map(|entry| entry.path())
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    socket.local_addr().unwrap().port()
}
