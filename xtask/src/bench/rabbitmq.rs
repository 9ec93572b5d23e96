//! A RabbitMQ node of the bench's own under load: loopback only, with its own port mapper.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::cpu;
use super::vm::{Works, Yardstick, told_units};
use crate::commands::root;

const PATIENCE: Duration = Duration::from_secs(120);
/// Messages that each publisher sends a second: the node uses a good half of a CPU, the clients
/// most of another.
const RATE: u32 = 4000;

/// The node, two publishers and two consumers. Dropping it ends them all.
pub(super) struct RabbitMq {
    // The clients end before the node.
    clients: Clients,
    node: Node,
}

struct Node {
    child: Child,
    beam: u32,
    epmd_port: String,
}

struct Clients {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl RabbitMq {
    /// Starts all of it in a folder, which is emptied.
    pub(super) fn start(folder: &Path) -> Result<RabbitMq> {
        let port = free_port()?;
        let node = Node::start(folder, port)?;
        let clients = Clients::start(port)?;
        Ok(RabbitMq { clients, node })
    }
}

impl Works for RabbitMq {
    fn pid(&self) -> u32 {
        self.node.beam
    }

    fn units(&mut self) -> Result<u64> {
        let stdin = self.clients.stdin.as_mut().context("no clients")?;
        stdin
            .write_all(b"units\n")
            .context("the clients are gone")?;
        told_units(&self.clients.line()?)
    }

    /// The clients do the same for each message.
    fn yardstick(&mut self, units: u64) -> Result<Yardstick> {
        let clients = children(self.clients.child.id());
        let cpu_ns = |pid| Ok(cpu::of_threads(pid)?.all_ns);
        let cpu_ns: Result<u64> = clients.into_iter().map(cpu_ns).sum();
        let cpu_ns = cpu_ns?;
        Ok(Yardstick { units, cpu_ns })
    }
}

impl Node {
    fn start(folder: &Path, port: u16) -> Result<Node> {
        const NAME: &str = "escope-bench@localhost";
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let home = home().context("there is no RabbitMQ: apt install rabbitmq-server")?;
        let config = folder.join("rabbitmq.conf");
        fs::write(&config, format!("listeners.tcp.1 = 127.0.0.1:{port}\n"))?;
        let epmd_port = free_port()?.to_string();
        let child = Command::new(home.join("sbin/rabbitmq-server"))
            .env("RABBITMQ_HOME", &home)
            .env("RABBITMQ_NODENAME", NAME)
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", free_port()?.to_string())
            .env("RABBITMQ_CONFIG_FILE", config)
            .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", &epmd_port)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("said"))?)
            .stderr(Stdio::null())
            // One group, so that its end is the end of all.
            .process_group(0)
            .spawn()
            .context("cannot run rabbitmq-server")?;
        let beam = child.id();
        let mut node = Node {
            child,
            beam,
            epmd_port,
        };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if node.child.try_wait()?.is_some() || Instant::now() > end {
                bail!("RabbitMQ does not start: {}/said", folder.display());
            }
            sleep(Duration::from_millis(100));
        }
        node.beam = beam_of(node.child.id()).context("RabbitMQ has no BEAM")?;
        Ok(node)
    }
}

/// A script becomes the BEAM, or has it as a child.
fn beam_of(script: u32) -> Option<u32> {
    let mut pids = children(script).into_iter().chain([script]);
    pids.find(|pid| {
        let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        exe.ends_with("beam.smp")
    })
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace();
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

impl Drop for Node {
    fn drop(&mut self) {
        // Ours and not waited for yet: the number is its, and its group's.
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
        // It refuses until it has noticed that the node is gone.
        for _ in 0..50 {
            let mut kill = Command::new("epmd");
            let answer = kill.args(["-port", &self.epmd_port, "-kill"]).output();
            if answer.is_ok_and(|answer| !answer.stdout.starts_with(b"Killing not allowed")) {
                break;
            }
            sleep(Duration::from_millis(100));
        }
    }
}

impl Clients {
    fn start(port: u16) -> Result<Clients> {
        let mut child = Command::new("python3")
            .arg(root().join("tests/load/rabbitmq.py"))
            .args([port.to_string(), RATE.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run python3")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the clients have no output")?;
        let mut clients = Clients {
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
        };
        match clients.line()?.as_str() {
            "running" => Ok(clients),
            said => bail!("the clients (which need Python's pika) say {said:?}"),
        }
    }

    fn line(&mut self) -> Result<String> {
        let line = self.lines.next().context("the clients have ended")?;
        line.context("cannot read from the clients")
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // They end their own processes when nobody asks any more.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

fn home() -> Option<PathBuf> {
    let homes = fs::read_dir("/usr/lib/rabbitmq/lib").ok()?;
    homes.flatten().next().map(|entry| entry.path())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
