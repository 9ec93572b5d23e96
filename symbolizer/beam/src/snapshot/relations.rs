//! Links and monitors of many processes: trees and rings of nodes (`erl_monitor_link.h`).
//!
//! Every node names the one before it, so that a walk that was led astray by a change stops, and
//! none can go in circles. All nodes that are one step further are read at once.

use crate::Vm;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::{Term, TermReader, boxed};

/// `ERTS_MON_TYPE_*` and `ERTS_LNK_TYPE_*`, the same in OTP 25 to 29.
mod kind {
    pub(super) const PROCESS: u32 = 0;
    pub(super) const PORT: u32 = 1;
    pub(super) const TIME_OFFSET: u32 = 2;
    pub(super) const REMOTE_PROCESS: u32 = 3;
    pub(super) const REMOTE_PORT: u32 = 4;
    pub(super) const RESOURCE: u32 = 5;
    pub(super) const NODE: u32 = 6;
    pub(super) const NODES: u32 = 7;
    pub(super) const SUSPEND: u32 = 8;
    pub(super) const ALIAS: u32 = 9;
    pub(super) const LINK_REMOTE_PROCESS: u32 = 12;
    pub(super) const LINK_REMOTE_PORT: u32 = 13;
}

/// A monitor that a process has, as `process_info(Pid, monitors)` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// `process`, `port` or `time_offset`.
    pub kind: &'static str,
    /// Whom it monitors: an identity, or `{Name,Node}`.
    pub item: String,
}

/// What a process is tied to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// Processes and ports it is linked to.
    pub links: Vec<String>,
    /// Whom it monitors.
    pub monitors: Vec<Monitor>,
    /// Who monitors it: processes, ports, and resources of NIFs as references.
    pub monitored_by: Vec<String>,
    /// Whether there are more than were read.
    pub cut: bool,
}

/// The relations of one process, and what `process_info(Pid, memory)` counts for them.
#[derive(Default)]
pub(super) struct Read {
    pub(super) relations: Relations,
    pub(super) bytes: u64,
    /// All nodes were where they should be.
    pub(super) whole: bool,
    /// Shared counters of monitors, and what they were.
    pub(super) counters: Vec<(u64, u32)>,
    nodes: usize,
}

impl Read {
    /// Counts what a node takes, which the target may say anything of.
    fn take(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Links,
    Monitors,
    /// A ring, with the address of its first node.
    MonitoredBy(u64),
}

/// A node to be read.
#[derive(Clone, Copy)]
struct Step {
    process: usize,
    place: Place,
    address: u64,
    /// The node that leads there; 0 for the root of a tree and the first of a ring.
    from: u64,
}

/// Reads the relations of processes, given their structs; of each at most `limit` nodes.
pub(super) fn read<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    blocks: &[Option<Vec<u8>>],
    limit: usize,
) -> Vec<Read> {
    let mut reads: Vec<Read> = blocks
        .iter()
        .map(|block| Read {
            whole: block.is_some(),
            ..Read::default()
        })
        .collect();
    let mut steps = roots(blocks, &vm.layout);
    while !steps.is_empty() {
        let nodes = read_nodes(vm, &steps);
        let monitors = read_monitors(vm, &steps, &nodes);
        let mut further = Vec::new();
        for ((step, node), monitor) in steps.iter().zip(&nodes).zip(&monitors) {
            let Some(read) = reads.get_mut(step.process) else {
                continue;
            };
            if read.nodes == limit {
                read.relations.cut = true;
                continue;
            }
            read.nodes += 1;
            let walk = Walk { reader, vm, step };
            let node = node.as_deref().map(|bytes| Node::new(bytes, vm));
            let seen = node.and_then(|node| {
                walk.follow(&node, &mut further)?;
                walk.add(&node, monitor.as_deref(), read)
            });
            read.whole &= seen.is_some();
        }
        steps = further;
    }
    reads
}

fn roots(blocks: &[Option<Vec<u8>>], layout: &Layout) -> Vec<Step> {
    let fields = &layout.process;
    let mut steps = Vec::new();
    for (process, block) in blocks.iter().enumerate() {
        let block = ProcessBlock::new(block.as_deref().unwrap_or_default(), layout);
        let ring = block.word(fields.monitored_by);
        for (address, place) in [
            (block.word(fields.links), Place::Links),
            (block.word(fields.monitors), Place::Monitors),
            (ring, Place::MonitoredBy(ring)),
        ] {
            if address != 0 {
                steps.push(Step {
                    process,
                    place,
                    address,
                    from: 0,
                });
            }
        }
    }
    steps
}

fn read_nodes<M: Memory>(vm: &Vm<M>, steps: &[Step]) -> Vec<Option<Vec<u8>>> {
    // What follows the node of a link to the node itself is one more word.
    let bytes = vm.layout.relation.size as usize + 8;
    read_all(vm, steps.iter().map(|step| step.address), bytes)
}

/// The whole that each node of a monitor is a half of.
fn read_monitors<M: Memory>(
    vm: &Vm<M>,
    steps: &[Step],
    nodes: &[Option<Vec<u8>>],
) -> Vec<Option<Vec<u8>>> {
    let addresses = steps.iter().zip(nodes).map(|(step, node)| match node {
        Some(node) if step.place != Place::Links => {
            step.address.wrapping_sub(Node::new(node, vm).offset())
        }
        _ => 0,
    });
    read_all(vm, addresses, vm.layout.monitor.size as usize)
}

/// So many bytes at each address; none where it is 0.
fn read_all<M: Memory>(
    vm: &Vm<M>,
    addresses: impl Iterator<Item = u64>,
    bytes: usize,
) -> Vec<Option<Vec<u8>>> {
    let addresses: Vec<u64> = addresses.collect();
    let size = |address: u64| if address == 0 { 0 } else { bytes };
    let mut copies: Vec<Vec<u8>> = addresses.iter().map(|&at| vec![0; size(at)]).collect();
    let mut requests: Vec<(u64, &mut [u8])> = addresses
        .iter()
        .zip(&mut copies)
        .filter(|(address, _)| **address != 0)
        .map(|(&address, copy)| (address, copy.as_mut_slice()))
        .collect();
    let mut read = vm.memory.read_many(&mut requests).into_iter();
    let mut done = |address: u64| address != 0 && read.next().unwrap_or(false);
    let done: Vec<bool> = addresses.iter().map(|&address| done(address)).collect();
    copies
        .into_iter()
        .zip(done)
        .map(|(copy, done)| done.then_some(copy))
        .collect()
}

/// A copied `ErtsMonLnkNode`.
struct Node<'a> {
    bytes: &'a [u8],
    layout: &'a Layout,
}

impl<'a> Node<'a> {
    fn new<M: Memory>(bytes: &'a [u8], vm: &'a Vm<M>) -> Node<'a> {
        let layout = &vm.layout;
        Node { bytes, layout }
    }

    fn word(&self, at: u32) -> u64 {
        word(self.bytes, at)
    }

    fn flags(&self) -> u32 {
        self.word(self.layout.relation.flags) as u32
    }

    fn kind(&self) -> u32 {
        let layout = &self.layout.relation;
        self.flags().checked_shr(layout.kind_shift).unwrap_or(0) & layout.kind_mask
    }

    fn has(&self, flag: u32) -> bool {
        self.flags() & flag != 0
    }

    fn offset(&self) -> u64 {
        self.word(self.layout.relation.offset) & 0xffff
    }

    fn item(&self) -> u64 {
        self.word(self.layout.relation.item)
    }
}

fn word(bytes: &[u8], at: u32) -> u64 {
    bytes
        .get(at as usize..)
        .and_then(|bytes| bytes.first_chunk::<8>())
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

struct Walk<'w, 'a, M: Memory> {
    reader: &'w TermReader<'a, M>,
    vm: &'w Vm<M>,
    step: &'w Step,
}

impl<M: Memory> Walk<'_, '_, M> {
    /// Notes where it goes on from a node; `None` when the node is not what led here.
    fn follow(&self, node: &Node<'_>, further: &mut Vec<Step>) -> Option<()> {
        let layout = &self.vm.layout.relation;
        let step = |address, from| Step {
            address,
            from,
            ..*self.step
        };
        let here = self.step.address;
        if let Place::MonitoredBy(first) = self.step.place {
            let next = node.word(layout.next);
            if here != first && node.word(layout.previous) != self.step.from {
                return None;
            }
            if next != first {
                further.push(step(next, here));
            }
            return Some(());
        }
        // The low bits are the node's colour.
        if node.word(layout.parent) & !7 != self.step.from {
            return None;
        }
        for child in [node.word(layout.left), node.word(layout.right)] {
            if child != 0 {
                further.push(step(child, here));
            }
        }
        Some(())
    }

    /// Notes whom a node is tied to, and what it takes; `None` when it cannot be told.
    fn add(&self, node: &Node<'_>, monitor: Option<&[u8]>, read: &mut Read) -> Option<()> {
        match self.step.place {
            Place::Links => self.add_link(node, read),
            Place::Monitors | Place::MonitoredBy(_) => {
                let data = monitor?;
                let layout = &self.vm.layout.monitor;
                let start = self.step.address.wrapping_sub(node.offset());
                let references = word(data, layout.references) as u32;
                let counter = start.wrapping_add(u64::from(layout.references));
                read.counters.push((counter, references));
                let share = self.monitor_size(node, data)?;
                read.take(share.checked_div(u64::from(references))?);
                if node.has(self.vm.layout.relation.target) {
                    self.add_monitored_by(node, read)
                } else {
                    self.add_monitor(node, start, read)
                }
            }
        }
    }

    fn text(&self, term: u64) -> Option<String> {
        self.decode(term).map(|term| term.to_string())
    }

    fn decode(&self, term: u64) -> Option<Term> {
        self.reader
            .decode(term, crate::term::Limits::default())
            .ok()
    }

    /// `collect_one_link` in `erl_bif_info.c`, and `erts_link_size`.
    fn add_link(&self, node: &Node<'_>, read: &mut Read) -> Option<()> {
        let layout = &self.vm.layout.link;
        let remote = matches!(
            node.kind(),
            kind::LINK_REMOTE_PROCESS | kind::LINK_REMOTE_PORT
        );
        let unlinking = if remote {
            let start = self.step.address.wrapping_sub(node.offset());
            let at = |offset: u32| start.wrapping_add(u64::from(offset));
            let references = self.reader.half(at(layout.external_references)).ok()?;
            let heap = self.reader.word(at(layout.external_heap)).ok()?;
            let bytes = u64::from(layout.external_size).saturating_add(8 * (heap >> 6));
            read.take(bytes.checked_div(u64::from(references))?);
            self.reader.word(at(layout.external_unlinking)).ok()?
        } else {
            read.take(u64::from(self.vm.layout.relation.size));
            node.word(layout.unlinking)
        };
        if unlinking == 0 {
            read.relations.links.push(self.text(node.item())?);
        }
        Some(())
    }

    /// `collect_one_origin_monitor`.
    fn add_monitor(&self, node: &Node<'_>, start: u64, read: &mut Read) -> Option<()> {
        let flags = &self.vm.layout.relation;
        let mut kind = match node.kind() {
            kind::PROCESS | kind::REMOTE_PROCESS | kind::REMOTE_PORT => "process",
            kind::PORT => "port",
            kind::TIME_OFFSET => "time_offset",
            _ => return Some(()),
        };
        if node.has(flags.pending) {
            return Some(());
        }
        let item = if node.has(flags.named) {
            // By name it is told by whom the name was of.
            kind = if node.item() & 0xf == 7 {
                "port"
            } else {
                "process"
            };
            let layout = &self.vm.layout.monitor;
            let at = |offset: u32| start.wrapping_add(u64::from(offset));
            let name = self.text(self.reader.word(at(layout.name)).ok()?)?;
            let dist = self.reader.word(at(layout.dist)).ok()?;
            let node = match dist {
                0 => crate::term::atom_text(self.vm.node.as_deref()?),
                dist => {
                    let at = dist.wrapping_add(u64::from(layout.dist_node));
                    self.text(self.reader.word(at).ok()?)?
                }
            };
            format!("{{{name},{node}}}")
        } else {
            self.text(node.item())?
        };
        read.relations.monitors.push(Monitor { kind, item });
        Some(())
    }

    /// `collect_one_target_monitor`.
    fn add_monitored_by(&self, node: &Node<'_>, read: &mut Read) -> Option<()> {
        let item = match node.kind() {
            kind::PROCESS | kind::PORT | kind::REMOTE_PROCESS | kind::REMOTE_PORT => {
                self.text(node.item())?
            }
            kind::RESOURCE => self.reader.resource(node.item()).ok()?.to_string(),
            _ => return Some(()),
        };
        read.relations.monitored_by.push(item);
        Some(())
    }

    /// `erts_monitor_size`, before it is divided among those that hold it.
    fn monitor_size(&self, node: &Node<'_>, data: &[u8]) -> Option<u64> {
        let layout = &self.vm.layout.monitor;
        let size = match node.kind() {
            kind::ALIAS => layout.size,
            kind::SUSPEND => layout.suspend_size,
            _ if !node.has(self.vm.layout.relation.extended) => layout.heap_size,
            kind::NODE | kind::NODES => layout.extended_size.saturating_sub(8),
            other => {
                let item = self.vm.layout.relation.item;
                let mut words = self.heap_words(word(data, layout.reference))?;
                if matches!(other, kind::REMOTE_PROCESS | kind::REMOTE_PORT) {
                    words += self.heap_words(word(data, item))?;
                    words += self.heap_words(word(data, layout.target.saturating_add(item)))?;
                }
                return Some(u64::from(layout.extended_size).saturating_sub(8) + 8 * words);
            }
        };
        Some(u64::from(size))
    }

    /// `NC_HEAP_SIZE`: nothing for what is in the word itself.
    fn heap_words(&self, term: u64) -> Option<u64> {
        match boxed(term) {
            None => Some(0),
            Some(address) => Some((self.reader.word(address).ok()? >> 6 & 0xff) + 1),
        }
    }
}
