//! Ports, by their numbers in the VM, which are not used again for long.

use std::collections::hash_map::Entry;

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::term::PortPrinter;
use escope_model::{PortAction, PortEvent, PortId, PortInfo, ProcId, VmEvent, VmEventKind};
use rustc_hash::FxHashMap;

use crate::pipeline::Pipeline;

/// How many ports are known at a time; past that all are met anew.
const PORTS_MAX: usize = 1 << 20;
/// How many drivers' names are remembered.
const DRIVERS_MAX: usize = 1 << 10;
/// Longer names of drivers are cut.
const DRIVER_NAME_MAX: usize = 64;
/// How much of what was said to open a port is seen: the last byte ends it.
const NAME_MAX: usize = 31;

/// What is known of ports.
#[derive(Default)]
pub(super) struct Ports {
    /// By their terms.
    known: FxHashMap<u64, PortInfo>,
    /// Names of drivers by their addresses.
    drivers: FxHashMap<u64, Option<String>>,
    printer: Option<PortPrinter>,
    next: u32,
    origin_ns: u64,
    /// Ports that are watched since they were opened: whether one was seen to give something, and to
    /// get something.
    whole: FxHashMap<u64, [bool; 2]>,
    /// How many of those that are closed did so by the VM's own count alone.
    unseen: [u64; 2],
}

/// What an event tells of a port besides what happened.
#[derive(Debug, Clone, Copy)]
struct Seen {
    port: u64,
    /// The process that it is connected to.
    owner: Option<ProcId>,
    driver: u64,
}

impl Ports {
    pub(super) fn new<M: Memory>(vm: &Vm<M>, origin_ns: u64) -> Ports {
        Ports {
            printer: PortPrinter::read(&vm.memory, vm.globals.process_table, &vm.layout),
            origin_ns,
            ..Ports::default()
        }
    }

    /// Events are missing: of no port it is known whether all was seen.
    pub(super) fn gap(&mut self) {
        self.whole.clear();
    }

    /// How many ports gave data to processes, and how many got some, of which nothing was seen.
    pub(super) fn unseen(&self) -> [u64; 2] {
        self.unseen
    }

    fn watch(&mut self, what: &VmEventKind) {
        match *what {
            VmEventKind::PortOpen { port, .. } => {
                if self.whole.len() >= PORTS_MAX {
                    self.whole.clear();
                }
                self.whole.insert(port, [false; 2]);
            }
            VmEventKind::PortInput { port, .. } => {
                if let Some([gave, _]) = self.whole.get_mut(&port) {
                    *gave = true;
                }
            }
            VmEventKind::PortOutput { port, .. } => {
                if let Some([_, got]) = self.whole.get_mut(&port) {
                    *got = true;
                }
            }
            VmEventKind::PortClose {
                port,
                bytes_in,
                bytes_out,
                ..
            } => {
                let seen = self.whole.remove(&port).unwrap_or([true; 2]);
                for (at, bytes) in [bytes_in, bytes_out].into_iter().enumerate() {
                    self.unseen[at] += u64::from(bytes > 0 && !seen[at]);
                }
            }
            _ => {}
        }
    }

    /// An event of a port. `by` is the process that the event is about, if it is about one.
    pub(super) fn on<M: Memory>(
        &mut self,
        event: &VmEvent,
        by: Option<ProcId>,
        pipeline: &mut Pipeline<M>,
    ) {
        self.watch(&event.what);
        match event.what {
            VmEventKind::PortOpen {
                port,
                owner,
                driver,
                name,
            } => {
                // Another one that was not seen to go.
                self.known.remove(&port);
                let owner = pipeline.symbolizer.process(owner, 0);
                let seen = Seen {
                    port,
                    owner,
                    driver,
                };
                let at_ns = self.since_origin(event);
                let known = self.meet(seen, pipeline, |info| {
                    info.opened_ns = Some(at_ns);
                    info.name = text(name);
                });
                if let Some(id) = known {
                    self.tell(event, id, PortAction::Open, (owner, None), pipeline);
                }
            }
            VmEventKind::PortClose {
                port,
                owner,
                driver,
                bytes_in,
                bytes_out,
            } => {
                let owner = pipeline.symbolizer.process(owner, 0);
                let seen = Seen {
                    port,
                    owner,
                    driver,
                };
                let at_ns = self.since_origin(event);
                let Some(id) = self.meet(seen, pipeline, |_| {}) else {
                    return;
                };
                if let Some(mut info) = self.known.remove(&port) {
                    info.closed_ns = Some(at_ns);
                    (info.bytes_in, info.bytes_out) = (Some(bytes_in), Some(bytes_out));
                    pipeline.port(&info);
                }
                self.tell(event, id, PortAction::Close, (owner, None), pipeline);
            }
            VmEventKind::PortOutput {
                port,
                driver,
                bytes,
            } => {
                let seen = Seen {
                    port,
                    owner: None,
                    driver,
                };
                if let Some(id) = self.meet(seen, pipeline, |_| {}) {
                    self.tell(event, id, PortAction::Output, (by, bytes), pipeline);
                }
            }
            VmEventKind::PortInput {
                port,
                to,
                driver,
                bytes,
            } => {
                let to = pipeline.symbolizer.process(to, 0);
                let seen = Seen {
                    port,
                    owner: None,
                    driver,
                };
                let Some(id) = self.meet(seen, pipeline, |_| {}) else {
                    return;
                };
                // Some say only that it is for whom the port is connected to.
                let to = to.or_else(|| self.known.get(&port)?.owner);
                self.tell(event, id, PortAction::Input, (to, bytes), pipeline);
            }
            _ => {}
        }
    }

    /// The number of a port, and a row of it if anything is new. `None` for what is no port, as
    /// where it could not be read.
    fn meet<M: Memory>(
        &mut self,
        seen: Seen,
        pipeline: &mut Pipeline<M>,
        also: impl FnOnce(&mut PortInfo),
    ) -> Option<PortId> {
        if seen.port & 0xf != 7 {
            return None;
        }
        if self.known.len() >= PORTS_MAX && !self.known.contains_key(&seen.port) {
            self.known.clear();
        }
        let driver = self.driver(seen.driver, pipeline.symbolizer.vm());
        let (info, is_new) = match self.known.entry(seen.port) {
            Entry::Occupied(entry) => (entry.into_mut(), false),
            Entry::Vacant(entry) => {
                let mut info = PortInfo::unknown(PortId(self.next));
                self.next = self.next.checked_add(1)?;
                info.id = self.printer.and_then(|printer| printer.print(seen.port));
                (entry.insert(info), true)
            }
        };
        let before = info.clone();
        info.driver = info.driver.take().or(driver);
        info.owner = info.owner.or(seen.owner);
        also(info);
        if is_new || before != *info {
            pipeline.port(info);
        }
        Some(info.port)
    }

    /// What a driver is called: drivers stay, their names are read once.
    fn driver<M: Memory>(&mut self, address: u64, vm: &Vm<M>) -> Option<String> {
        if address == 0 {
            return None;
        }
        if let Some(name) = self.drivers.get(&address) {
            return name.clone();
        }
        let read = || {
            let at = u64::from(vm.layout.port.as_ref()?.driver_name);
            let name = vm.memory.u64(address.wrapping_add(at)).ok()?;
            let name = vm.memory.c_string(name, DRIVER_NAME_MAX).ok()?;
            (!name.is_empty()).then_some(name)
        };
        let name = read();
        if self.drivers.len() < DRIVERS_MAX {
            self.drivers.insert(address, name.clone());
        }
        name
    }

    fn tell<M: Memory>(
        &self,
        event: &VmEvent,
        port: PortId,
        action: PortAction,
        (proc, bytes): (Option<ProcId>, Option<u64>),
        pipeline: &mut Pipeline<M>,
    ) {
        pipeline.port_event(&PortEvent {
            ts_ns: self.since_origin(event),
            port,
            event: action,
            proc,
            bytes,
        });
    }

    fn since_origin(&self, event: &VmEvent) -> i64 {
        event.monotonic_ns.saturating_sub(self.origin_ns) as i64
    }
}

/// A C string in words; what is as long as there is room for was longer.
fn text(words: [u64; 4]) -> Option<String> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let end = bytes.iter().position(|&byte| byte == 0);
    let end = end.unwrap_or(NAME_MAX).min(NAME_MAX);
    let text = String::from_utf8_lossy(bytes.get(..end)?);
    // What follows are arguments, which may hold secrets.
    match text.split_once(char::is_whitespace) {
        Some((first, _)) => Some(format!("{first} \u{2026}")),
        None if end == 0 => None,
        None if end == NAME_MAX => Some(format!("{text}\u{2026}")),
        None => Some(text.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_name_ends_where_its_string_does() {
        let words = |text: &[u8]| {
            let mut bytes = [0; 32];
            bytes[..text.len()].copy_from_slice(text);
            let words = bytes.as_chunks::<8>().0;
            [0, 1, 2, 3].map(|at| u64::from_le_bytes(words[at]))
        };
        assert_eq!(text(words(b"tcp_inet")).as_deref(), Some("tcp_inet"));
        assert_eq!(text(words(b"")), None);
        assert_eq!(text(words(b"a\xff")).as_deref(), Some("a\u{fffd}"));
        let long = [b'x'; 31];
        let cut = format!("{}\u{2026}", "x".repeat(31));
        assert_eq!(text(words(&long)), Some(cut.clone()));
        // The kernel ends it, but who knows.
        assert_eq!(text(words(&[b'x'; 32])), Some(cut));
    }
}
