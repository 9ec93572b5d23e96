//! Other nodes' pids and ports, and references of any node.

use std::sync::Arc;

use super::reader::TermReader;
use super::{Node, Pid, Port, Reference, Term, TermError};
use crate::memory::Memory;

/// Numbers of a reference: `ERTS_MAX_REF_NUMBERS` is 5.
const NUMBERS_MAX: u64 = 8;

impl<M: Memory> TermReader<'_, M> {
    /// The VM's own node as others name it; `None` where it was not found. It may get another
    /// name and creation while the VM runs, so it is read each time.
    #[must_use]
    pub fn this_node(&self) -> Option<Node> {
        let memory = &self.vm.memory;
        let node = memory.u64(self.vm.globals.this_node?).ok()?;
        let layout = &self.vm.layout.node;
        let at = |offset: u32| node.wrapping_add(u64::from(offset));
        Some(Node {
            name: self.vm.atom(memory.u64(at(layout.sysname)).ok()?)?,
            creation: memory.u32(at(layout.creation)).ok()?,
            channel: 0,
        })
    }

    /// A reference of the VM's own: ordinary, with a process in it, or magic.
    pub(super) fn reference(&self, address: u64, arity: u64) -> Result<Term, TermError> {
        let layout = &self.vm.layout.reference;
        let at = |offset: u32| address.wrapping_add(u64::from(offset));
        if !(2..=NUMBERS_MAX).contains(&arity) {
            return Err(TermError::Changed { address });
        }
        // The marker takes the first half of the first word.
        let (start, count) = if self.half(at(layout.marker))? == u32::MAX {
            (at(layout.numbers), 2 * arity as usize - 1)
        } else {
            let binary = self.word(at(layout.magic))?;
            if !self.may_leave_heap(address, binary) {
                return Err(TermError::Unreadable { address: binary });
            }
            (binary.wrapping_add(u64::from(layout.magic_numbers)), 3)
        };
        Ok(Term::Reference(Reference {
            node: None,
            numbers: self.numbers(start, count)?,
            printed: layout.printed as usize,
        }))
    }

    /// The reference that a resource of a NIF goes by: `erts_bld_resource_ref`.
    pub(crate) fn resource(&self, data: u64) -> Result<Term, TermError> {
        let start = data.wrapping_sub(u64::from(self.vm.layout.reference.resource));
        Ok(Term::Reference(Reference {
            node: None,
            numbers: self.numbers(start, 3)?,
            printed: 3,
        }))
    }

    pub(super) fn external_reference(&self, address: u64, arity: u64) -> Result<Term, TermError> {
        let changed = TermError::Changed { address };
        let data = self.external_data(address);
        // The count comes first, in 32 bits.
        let count = self.half(data)? as usize;
        let room = arity.saturating_sub(2).min(NUMBERS_MAX) as usize * 2;
        if count + 1 > room {
            return Err(changed);
        }
        Ok(Term::Reference(Reference {
            node: Some(self.external_node(address)?),
            numbers: self.numbers(data.wrapping_add(4), count)?,
            printed: count,
        }))
    }

    pub(super) fn external_pid(&self, address: u64) -> Result<Term, TermError> {
        let numbers = self.word(self.external_data(address))?;
        Ok(Term::Pid(Pid {
            node: Some(self.external_node(address)?),
            number: numbers & 0xffff_ffff,
            serial: numbers >> 32,
        }))
    }

    pub(super) fn external_port(&self, address: u64) -> Result<Term, TermError> {
        Ok(Term::Port(Port {
            node: Some(self.external_node(address)?),
            number: Some(self.word(self.external_data(address))?),
        }))
    }

    fn external_data(&self, address: u64) -> u64 {
        address.wrapping_add(u64::from(self.vm.layout.reference.external_data))
    }

    fn external_node(&self, address: u64) -> Result<Arc<Node>, TermError> {
        let at = address.wrapping_add(u64::from(self.vm.layout.reference.external_node));
        let address = self.word(at)?;
        if let Some(node) = self.nodes.borrow().get(&address) {
            return Ok(node.clone());
        }
        let layout = &self.vm.layout.node;
        let at = |offset: u32| address.wrapping_add(u64::from(offset));
        let name = self.word(at(layout.sysname))?;
        let own = Some(self.word(at(layout.dist_entry))?) == self.this_dist();
        let node = Arc::new(Node {
            name: self.atom(name)?,
            creation: self.half(at(layout.creation))?,
            // `dist_entry_channel_no`: the index of the name's atom.
            channel: if own { 0 } else { name >> 6 },
        });
        self.nodes.borrow_mut().insert(address, node.clone());
        Ok(node)
    }

    fn numbers(&self, address: u64, count: usize) -> Result<Vec<u32>, TermError> {
        (0..count as u64)
            .map(|index| self.half(address.wrapping_add(4 * index)))
            .collect()
    }
}
