//! Which node is meant, and where it listens.

use std::net::{Ipv4Addr, SocketAddr};

use crate::AttachedError;

/// epmd's port, unless a variable of the environment says another one.
const EPMD_PORT: u16 = 4369;
const EPMD_VARIABLE: &str = "ERL_EPMD_PORT";

/// The node that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its whole name.
    pub node: String,
    /// What its machine's epmd knows it by.
    pub(crate) alive: String,
    /// What is behind the `@`: long or short, ours is of the same kind because it is the same.
    pub(crate) host: String,
    /// Where it listens, if that is known.
    pub(crate) address: Option<SocketAddr>,
    /// Where epmd listens.
    pub(crate) epmd: SocketAddr,
}

impl Target {
    /// A node of this machine, by its name.
    ///
    /// # Errors
    /// When the VM has no name.
    pub fn new(
        node: Option<&str>,
        address: Option<SocketAddr>,
        epmd_port: u16,
    ) -> Result<Target, AttachedError> {
        let node = node.ok_or(AttachedError::NotAlive)?;
        let (alive, host) = node
            .split_once('@')
            .ok_or_else(|| AttachedError::BadName(node.to_owned()))?;
        if (alive, host) == ("nonode", "nohost") {
            return Err(AttachedError::NotAlive);
        }
        if alive.is_empty() || host.is_empty() || node.len() > 255 {
            return Err(AttachedError::BadName(node.to_owned()));
        }
        Ok(Target {
            node: node.to_owned(),
            alive: alive.to_owned(),
            host: host.to_owned(),
            address,
            epmd: SocketAddr::from((Ipv4Addr::LOCALHOST, epmd_port)),
        })
    }
}

/// The port of epmd that an environment says, of lines that end in 0 bytes as in `/proc/PID/environ`;
/// else the usual one.
#[must_use]
pub fn epmd_port_of(environments: &[Vec<u8>]) -> u16 {
    let ports = environments.iter().filter_map(|environment| {
        let mut lines = environment.split(|byte| *byte == 0);
        lines.find_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let (name, value) = line.split_once('=')?;
            (name == EPMD_VARIABLE).then(|| value.trim().parse().ok())?
        })
    });
    ports.into_iter().next().unwrap_or(EPMD_PORT)
}

#[cfg(test)]
mod tests {
    use super::{Target, epmd_port_of};

    #[test]
    fn a_name_has_two_sides() {
        let target = Target::new(Some("shop@127.0.0.1"), None, 4369).unwrap();
        assert_eq!(
            (target.alive.as_str(), target.host.as_str()),
            ("shop", "127.0.0.1")
        );
        for name in [
            None,
            Some("nonode@nohost"),
            Some("shop"),
            Some("@host"),
            Some("a@"),
        ] {
            assert!(Target::new(name, None, 4369).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_first_environment_that_says_so_counts() {
        let with = |text: &str| text.as_bytes().to_vec();
        let port =
            |texts: &[&str]| epmd_port_of(&texts.iter().map(|t| with(t)).collect::<Vec<_>>());
        assert_eq!(port(&[]), 4369);
        assert_eq!(
            port(&["A=1\0ERL_EPMD_PORT=5000\0", "ERL_EPMD_PORT=6000"]),
            5000
        );
        assert_eq!(port(&["A=1\0", "ERL_EPMD_PORT=6000"]), 6000);
        assert_eq!(port(&["ERL_EPMD_PORT=x"]), 4369);
    }
}
