//! The shop as a child process.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const OPENING: Duration = Duration::from_secs(30);

/// A running shop. Dropping it ends it.
pub(super) struct Shop {
    child: Child,
}

impl Shop {
    /// Starts the shop compiled into `ebin` and waits until it serves.
    pub(super) fn open(ebin: &Path) -> Result<Shop> {
        let mut command = Command::new("erl");
        command
            .arg("-noinput")
            .arg("-pa")
            .arg(ebin)
            .args(["-s", "shop", "main"])
            .env("SHOP_WAIT", "stdin")
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for us: the VM would open its menu.
            .process_group(0);
        let child = command.spawn().context("cannot start erl")?;
        let mut shop = Shop { child };
        shop.wait_until_ready()?;
        Ok(shop)
    }

    /// The VM's process id: `erl` replaces itself by it.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let Some(output) = self.child.stdout.take() else {
            bail!("the shop has no output");
        };
        let (said, hears) = mpsc::channel();
        // Goes on reading after the line, lest the shop wait for a full pipe.
        thread::Builder::new()
            .name("shop-output".to_owned())
            .spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = said.send(line);
                }
            })
            .context("cannot start a thread")?;
        let ready = format!("shop ready pid={}", self.child.id());
        loop {
            match hears.recv_timeout(OPENING) {
                Ok(line) if line.trim_end() == ready => return Ok(()),
                Ok(line) if line.starts_with("shop ready") => {
                    bail!("the shop runs as another process than ours: {line}")
                }
                Ok(line) => println!("      shop: {line}"),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the shop did not open within {} s", OPENING.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the shop ended before it opened; its messages are above")
                }
            }
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Our own child and not waited for yet: the number cannot mean another process.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
