//! Ports, and what processes and ports give each other, as rows of the recording.

use serde::{Deserialize, Serialize};

use crate::happening::words;
use crate::ids::{PortId, ProcId};

words! {
    /// What happened to a port.
    PortAction {
        /// It was opened, or made by its driver for a connection that was accepted.
        Open = "open",
        /// It is gone.
        Close = "close",
        /// A process gave it data.
        Output = "output",
        /// It gave a process data, or told it something.
        Input = "input",
    }
}

/// What is known of a port: a row of `ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// Its number in the recording.
    pub port: PortId,
    /// As the VM prints it, `#Port<0.5>`.
    pub id: Option<String>,
    /// Its driver, as `tcp_inet` or `spawn`.
    pub driver: Option<String>,
    /// What was said to open it, as a command; cut after 31 bytes.
    pub name: Option<String>,
    /// The process that it was connected to first, as far as that was seen.
    pub owner: Option<ProcId>,
    /// When it was opened, if that was seen: nanoseconds since the recording's start.
    pub opened_ns: Option<i64>,
    /// When it was gone, if that was seen.
    pub closed_ns: Option<i64>,
    /// Bytes that it gave to processes since it was opened, of those that the VM counts: known when
    /// it was closed.
    pub bytes_in: Option<u64>,
    /// Bytes that processes gave to it.
    pub bytes_out: Option<u64>,
}

/// Something that happened to a port: a row of `port_events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortEvent {
    /// Nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// Which port.
    pub port: PortId,
    /// What.
    pub event: PortAction,
    /// The process that gave or got something, or that the port is connected to.
    pub proc: Option<ProcId>,
    /// How many bytes, where that is known.
    pub bytes: Option<u64>,
}

impl PortInfo {
    /// A port of which nothing is known.
    #[must_use]
    pub fn unknown(port: PortId) -> PortInfo {
        PortInfo {
            port,
            id: None,
            driver: None,
            name: None,
            owner: None,
            opened_ns: None,
            closed_ns: None,
            bytes_in: None,
            bytes_out: None,
        }
    }

    /// What to call it: `tcp_inet #Port<0.5>`, `spawn cat #Port<0.6>`.
    #[must_use]
    pub fn display_name(&self) -> String {
        let named = self
            .name
            .as_ref()
            .filter(|&it| Some(it) != self.driver.as_ref());
        let id = match &self.id {
            Some(id) => id.clone(),
            None => format!("port {}", self.port.0),
        };
        let parts = [
            self.driver.as_deref(),
            named.map(String::as_str),
            Some(&*id),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::{PortAction, PortInfo};
    use crate::ids::PortId;

    #[test]
    fn every_word_parses_back() {
        let parses = |it: &PortAction| PortAction::parse(it.as_str()) == Some(*it);
        assert!(PortAction::ALL.iter().all(parses));
    }

    #[test]
    fn a_port_is_called_by_what_is_known_of_it() {
        let mut port = PortInfo::unknown(PortId(3));
        assert_eq!(port.display_name(), "port 3");
        port.id = Some("#Port<0.5>".to_owned());
        port.driver = Some("tcp_inet".to_owned());
        port.name = port.driver.clone();
        assert_eq!(port.display_name(), "tcp_inet #Port<0.5>");
        (port.driver, port.name) = (Some("spawn".to_owned()), Some("cat".to_owned()));
        assert_eq!(port.display_name(), "spawn cat #Port<0.5>");
    }
}
