//! A RabbitMQ node of the test's own, and its load.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::server::{Server, free_port};

/// A node that accepts connections. Dropping it ends it.
pub(crate) struct RabbitMq {
    /// As any other server.
    pub(crate) server: Server,
    port: u16,
}

impl RabbitMq {
    /// Starts a node; `None` when RabbitMQ is not installed.
    pub(crate) fn start() -> Option<RabbitMq> {
        const NODE: &str = "escope-test@localhost";
        let home = home()?;
        let port = free_port();
        let server = Server::start(NODE, port, |folder| {
            let config = format!("listeners.tcp.1 = 127.0.0.1:{port}\n");
            fs::write(folder.path("rabbitmq.conf"), config).unwrap();
            let mut command = Command::new(home.join("sbin/rabbitmq-server"));
            command
                .env("RABBITMQ_HOME", &home)
                .env("RABBITMQ_NODENAME", NODE)
                .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
                .env("RABBITMQ_DIST_PORT", free_port().to_string())
                .env("RABBITMQ_CONFIG_FILE", folder.path("rabbitmq.conf"))
                .env("RABBITMQ_MNESIA_BASE", folder.path("mnesia"))
                .env("RABBITMQ_LOG_BASE", folder.path("log"))
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.path("plugins"))
                .env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
            command
        });
        Some(RabbitMq { server, port })
    }

    /// The BEAM's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
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
