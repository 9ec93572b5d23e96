//! The writable data of the emulator, and what can be recognised in it.

use super::super::globals::{Count, SchedulerArray};
use super::super::symbols::BIFS_MAX;
use super::super::{AtomLayout, Layout};
use super::text::Text;
use crate::BeamError;
use crate::code::read_list_begin;
use crate::memory::Memory;
use crate::target::Elf;
use crate::term::{AtomTable, is_atom};

/// More data than an emulator has; beyond it, it is none.
const DATA_MAX: u64 = 64 << 20;
/// `ERTS_MAX_NO_OF_SCHEDULERS`.
const SCHEDULERS_MAX: u64 = 1024;
/// Fewer BIFs than any release has.
const BIFS_MIN: u64 = 300;
/// How much of a list of code is looked at before it is believed to be one.
const LIST_BEGIN: usize = 16;
/// How many slots of a process table are looked at: the first processes never end.
const SLOTS: usize = 512;

/// A copy of the writable segments.
pub(super) struct Data {
    segments: Vec<(u64, Vec<u64>)>,
}

impl Data {
    pub(super) fn read(memory: &impl Memory, elf: &Elf, bias: u64) -> Result<Data, BeamError> {
        let mut segments = Vec::new();
        let mut left = DATA_MAX;
        for (start, bytes) in elf.writable() {
            let start = start.wrapping_add(bias);
            let start = start.checked_next_multiple_of(8).unwrap_or(start);
            let bytes = bytes.min(left);
            left -= bytes;
            segments.push((start, memory.words(start, (bytes / 8) as usize)?));
        }
        Ok(Data { segments })
    }

    /// Every word with its address.
    fn words(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.segments.iter().flat_map(|(start, words)| {
            words
                .iter()
                .enumerate()
                .map(move |(index, &word)| (start.wrapping_add(8 * index as u64), word))
        })
    }

    /// Words from an address on.
    fn from(&self, address: u64) -> &[u64] {
        self.segments
            .iter()
            .find_map(|(start, words)| {
                words.get(usize::try_from(address.checked_sub(*start)? / 8).ok()?..)
            })
            .unwrap_or_default()
    }

    /// `struct jit_descriptor`: version 1, an action of 0 to 2, the relevant entry, the first
    /// one, and that one leads to a list of modules.
    pub(super) fn jit_descriptor(&self, memory: &impl Memory) -> Option<u64> {
        only(self.words().filter_map(|(address, word)| {
            let looks_so = word as u32 == 1 && word >> 32 <= 2;
            let first = *self.from(address).get(2)?;
            if !looks_so || !is_pointer(first) || memory.u64(first + 8).ok()? != 0 {
                return None;
            }
            // Its begin: hostile data may have as many lists as words, each without an end.
            let (entries, _) = read_list_begin(memory, address, LIST_BEGIN).ok()?;
            (entries.len() > 1).then_some(address)
        }))
    }

    /// `IndexTable erts_atom_table`: its first atoms are `false` and `true` in every release.
    pub(super) fn atom_table(&self, memory: &impl Memory, layout: &AtomLayout) -> Option<u64> {
        let segments_at = u64::from(layout.segments);
        only(self.words().filter_map(|(place, segments)| {
            let table = place.checked_sub(segments_at)?;
            if !is_pointer(segments) || !is_pointer(memory.u64(segments).ok()?) {
                return None;
            }
            let entries = memory
                .u32(table.wrapping_add(u64::from(layout.entries)))
                .ok()?;
            if !(100..1 << 28).contains(&entries) {
                return None;
            }
            let atoms = AtomTable::new(table, layout.clone());
            let name = |index: u64| atoms.name(memory, index << 6 | 0x0b);
            let right = name(0).as_deref() == Some("false") && name(1).as_deref() == Some("true");
            right.then_some(table)
        }))
    }

    /// `ErtsPTab erts_proc`: a table of a power of two slots, in which all that is in use has
    /// the tag of a pid. The table of ports has another tag.
    pub(super) fn process_table(&self, memory: &impl Memory, layout: &Layout) -> Option<u64> {
        let read_only = u64::from(layout.process_table.read_only);
        only(self.words().filter_map(|(place, slots)| {
            let table = place.checked_sub(read_only)?;
            let max = *self
                .from(place)
                .get(layout.process_table.max as usize / 8)? as u32;
            let plausible = max.is_power_of_two() && (1024..=1 << 27).contains(&max);
            if !plausible || table % 64 != 0 || !is_pointer(slots) {
                return None;
            }
            let invalid = u64::from(layout.process_table.invalid);
            let invalid = memory.u64(place.wrapping_add(invalid)).ok()?;
            let slots = memory.words(slots, SLOTS.min(max as usize)).ok()?;
            let (mut pids, mut others) = (0, 0);
            for slot in slots
                .into_iter()
                .filter(|&slot| slot != 0 && slot != invalid)
            {
                let id = memory.u64(slot.wrapping_add(u64::from(layout.process.id)));
                match id {
                    Ok(id) if id & 15 == 3 => pids += 1,
                    _ => others += 1,
                }
            }
            (pids >= 3 && others == 0).then_some(table)
        }))
    }

    /// Pointers to arrays whose first element says that it is scheduler 1 of its kind, and
    /// whose sleep state points back. Elements are counted while they say what they should.
    pub(super) fn schedulers(
        &self,
        memory: &impl Memory,
        layout: &Layout,
    ) -> [Option<SchedulerArray>; 3] {
        let mut found = [None; 3];
        for (pointer, array) in self.words() {
            if !is_pointer(array) || array % 64 != 0 {
                continue;
            }
            let Some(kind) = scheduler(memory, layout, array, 1) else {
                continue;
            };
            let count = (1..SCHEDULERS_MAX)
                .take_while(|index| {
                    let data = array + index * u64::from(layout.scheduler.stride);
                    scheduler(memory, layout, data, index + 1) == Some(kind)
                })
                .count() as u64;
            // Other variables may point at the first scheduler alone: the first one stands.
            found[kind].get_or_insert(SchedulerArray {
                pointer,
                count: Count::Is(count + 1),
            });
        }
        found
    }

    /// `BifEntry bif_table[]`: the longest run of module atom, function atom, arity, function.
    pub(super) fn bif_table(&self, layout: &Layout, code: &Text) -> Option<(u64, u64)> {
        let layout = &layout.bif;
        let stride = layout.size as usize / 8;
        let is_entry = |words: &[u64]| {
            let field = |at: u32| words.get(at as usize / 8).copied().unwrap_or(0);
            is_atom(field(layout.module))
                && is_atom(field(layout.name))
                && field(layout.arity) as u32 <= 255
                && code.contains(field(layout.function))
        };
        let mut best = (0, 0);
        for (start, words) in &self.segments {
            let mut at = 0;
            while at + stride <= words.len() {
                let run = words[at..].chunks_exact(stride).take_while(|e| is_entry(e));
                let length = run.count();
                if length > best.1 {
                    best = (start.wrapping_add(8 * at as u64), length);
                }
                at += (length * stride).max(1);
            }
        }
        let count = best.1 as u64;
        (BIFS_MIN..=BIFS_MAX)
            .contains(&count)
            .then_some((best.0, count))
    }

    /// `ErlNode *erts_this_node`: its name is an atom that can be a node's.
    pub(super) fn this_node(
        &self,
        memory: &impl Memory,
        layout: &Layout,
        atom_table: u64,
    ) -> Option<u64> {
        let atoms = AtomTable::new(atom_table, layout.atom.clone());
        self.words()
            .filter(|&(_, node)| is_pointer(node) && node % 8 == 0)
            .find(|&(_, node)| {
                let name = memory.u64(node.wrapping_add(u64::from(layout.node.sysname)));
                name.is_ok_and(|name| {
                    is_atom(name)
                        && atoms
                            .name(memory, name)
                            .is_some_and(|name| is_node_name(&name))
                })
            })
            .map(|(place, _)| place)
    }
}

/// Whether a text can be a node's name. Of words that only look like an atom the text is any bytes, and an
/// `@` is among those of some.
fn is_node_name(text: &str) -> bool {
    let is_part = |part: &str| {
        let mut chars = part.chars();
        !part.is_empty() && chars.all(|c| c.is_alphanumeric() || "_-.:[]".contains(c))
    };
    let parts = text.split_once('@');
    text.len() <= 255 && parts.is_some_and(|(alive, host)| is_part(alive) && is_part(host))
}

/// The kind of a scheduler, if it is one and has this number.
fn scheduler(memory: &impl Memory, layout: &Layout, data: u64, number: u64) -> Option<usize> {
    let at = |field: u32| data.wrapping_add(u64::from(field));
    let kind = memory.u32(at(layout.scheduler.kind)).ok()? as usize;
    let number_at = match kind {
        0 => layout.scheduler.number,
        1 | 2 => layout.scheduler.dirty_number,
        _ => return None,
    };
    if memory.u64(at(number_at)).ok()? != number
        || memory.u64(at(layout.scheduler.thread)).ok()? == 0
    {
        return None;
    }
    let sleep_info = memory.u64(at(layout.scheduler.sleep_info)).ok()?;
    if sleep_info != 0 {
        let owner = sleep_info.wrapping_add(u64::from(layout.sleep_info.scheduler));
        if memory.u64(owner).ok()? != data {
            return None;
        }
    } else if kind == 0 {
        return None;
    }
    Some(kind)
}

fn is_pointer(word: u64) -> bool {
    word.is_multiple_of(8) && (0x1_0000..1 << 47).contains(&word)
}

/// The element of an iterator that has exactly one.
fn only(mut found: impl Iterator<Item = u64>) -> Option<u64> {
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::is_node_name;

    #[test]
    fn a_node_has_a_name_and_a_host() {
        for name in [
            "nonode@nohost",
            "shop@10.0.0.1",
            "a-b_c@host.example",
            "x@[::1]",
        ] {
            assert!(is_node_name(name), "{name}");
        }
        let long = format!("{}@host", "x".repeat(300));
        for text in [
            "",
            "@",
            "shop",
            "shop@",
            "@host",
            "a@b@c",
            "\u{1}@\u{7f}",
            "a b@c",
            &*long,
        ] {
            assert!(!is_node_name(text), "{text}");
        }
    }
}
