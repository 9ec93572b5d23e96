//! What a message said, from memory that was copied as it was sent: as text, as far as it was
//! copied, and without what must not be told.

mod mask;
mod nameless;
mod record_names;
mod records;
mod redact;
#[cfg(test)]
mod rule_tests;
mod rules;
#[cfg(test)]
mod tests;

pub use redact::Redaction;
pub use rules::{BadPattern, FieldRule, Rules};

use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::{Beyond, Limits, Ports, Term, TermError, TermReader};
use crate::vm::Vm;

/// Characters of a text; what has more ends in `...`.
pub const TEXT_MAX: usize = 4096;

/// Of a few kilobytes: more than that would be the same terms again and again.
const LIMITS: Limits = Limits {
    depth: 32,
    nodes: 2_000,
    bytes: 16 << 10,
};

/// What a message said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// As `io:format("~0tp", [Message])` prints it. `...` stands for what was not copied, `***` for
    /// what is not told; no term prints so.
    pub text: String,
    /// Whether all of it was copied and is in the text.
    pub whole: bool,
    /// How many values are not told.
    pub masked: u32,
}

/// Reads messages out of what was copied of them.
#[derive(Debug, Default)]
pub struct Listener {
    redaction: Redaction,
    ports: Ports,
}

impl Listener {
    /// One that tells all that this allows.
    #[must_use]
    pub fn new(redaction: Redaction) -> Listener {
        Listener {
            redaction,
            ports: Ports::default(),
        }
    }

    /// What a term says that lies in these pieces of memory, each an address and bytes, and that is between
    /// processes of these modules, as far as they are known. Of the VM's memory only names of atoms and the like are read, which never
    /// change.
    ///
    /// # Errors
    /// When what was copied is no term.
    pub fn said<M: Memory>(
        &self,
        vm: &Vm<M>,
        term: u64,
        copied: &[(u64, &[u8])],
        modules: &[Option<&str>],
    ) -> Result<Said, TermError> {
        let reader = TermReader::of_copy(vm, copied, &self.ports, Beyond::Nothing);
        let mut term = reader.decode(term, LIMITS)?;
        let whole = is_whole(&term);
        for module in modules.iter().flatten() {
            self.redaction.learn(vm, module);
        }
        let masked = match modules
            .iter()
            .any(|module| self.redaction.may_hide(*module))
        {
            true => self.redaction.outline(&mut term),
            false => self.redaction.mask(&mut term),
        };
        let text = term.text(TEXT_MAX);
        let fits = text.chars().nth(TEXT_MAX).is_none();
        Ok(Said {
            whole: whole && fits,
            text,
            masked,
        })
    }
}

/// Whether nothing of a term is missing where it is printed.
pub(crate) fn is_whole(term: &Term) -> bool {
    match term {
        Term::Cut => false,
        Term::BigInteger(big) => big.digits.len() == big.length,
        Term::Tuple(elements) => elements.missing == 0 && elements.items.iter().all(is_whole),
        Term::List(list) => {
            list.items.iter().all(is_whole) && list.tail.as_deref().is_none_or(is_whole)
        }
        Term::Map(map) => {
            let is_there = |(key, value): &(Term, Term)| is_whole(key) && is_whole(value);
            map.missing == 0 && map.pairs.iter().all(is_there)
        }
        Term::Record(record) => {
            record.missing == 0 && record.fields.iter().all(|(_, value)| is_whole(value))
        }
        Term::Bits(bits) => bits.is_whole(),
        _ => true,
    }
}

/// Whether a process, by its pid as a term, has asked not to be looked at; `None` where it is not
/// there any more or cannot be read.
#[must_use]
pub fn is_sensitive<M: Memory>(vm: &Vm<M>, pid: u64) -> Option<bool> {
    let at = |base: u64, offset: u32| base.wrapping_add(u64::from(offset));
    let table = at(vm.globals.process_table, vm.layout.process_table.read_only);
    let slots = vm.memory.u32(at(table, vm.layout.process_table.max)).ok()?;
    let slot = vm
        .pids
        .slot(pid, slots)
        .filter(|slot| *slot < u64::from(slots))?;
    let first = vm.memory.u64(table).ok()?;
    let process = vm.memory.u64(first.wrapping_add(8 * slot)).ok()?;
    let id = vm.memory.u64(at(process, vm.layout.process.id)).ok()?;
    if id != pid {
        return None;
    }
    let flags = vm.memory.u32(at(process, vm.layout.process.trace_flags));
    Some(u64::from(flags.ok()?) & ProcessBlock::SENSITIVE != 0)
}
