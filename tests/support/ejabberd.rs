//! An ejabberd node of the test's own.

use std::fs;
use std::process::Command;

use super::server::{Server, free_port};

/// Where Debian's packages for Erlang lie, ejabberd and its libraries among them.
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// Modules that have processes and need nothing else.
const MODULES: [&str; 10] = [
    "mod_adhoc",
    "mod_announce",
    "mod_caps",
    "mod_last",
    "mod_muc",
    "mod_offline",
    "mod_ping",
    "mod_pubsub",
    "mod_roster",
    "mod_vcard",
];

/// Starts a node that accepts clients; `None` when ejabberd is not installed.
pub(crate) fn ejabberd() -> Option<Server> {
    const NODE: &str = "escope-ejabberd@localhost";
    let is_ejabberd = |entry: fs::DirEntry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("ejabberd-")
    };
    fs::read_dir(LIBRARIES)
        .ok()?
        .flatten()
        .any(is_ejabberd)
        .then_some(())?;
    let port = free_port();
    Some(Server::start(NODE, port, |folder| {
        let modules: String = MODULES.map(|name| format!("  {name}: {{}}\n")).concat();
        let config = format!(
            "hosts: [localhost]\nlisten:\n  - port: {port}\n    ip: \"127.0.0.1\"\n    \
             module: ejabberd_c2s\nmodules:\n{modules}"
        );
        let file = folder.path("ejabberd.yml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("erl");
        command
            .args(["-noinput", "-sname", NODE])
            .args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
            .args(["-mnesia", "dir"])
            .arg(format!("\"{}\"", folder.path("mnesia")))
            .args(["-s", "ejabberd"])
            .env("ERL_LIBS", LIBRARIES)
            .env("EJABBERD_CONFIG_PATH", file)
            .env("EJABBERD_LOG_PATH", folder.path("log"));
        command
    }))
}
