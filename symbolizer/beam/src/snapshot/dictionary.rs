//! What a process keeps in its dictionary: slots that hold a pair, or a list of those that share
//! the slot (`erl_process_dict.c`).

use escope_model::Mfa;

use crate::Vm;
use crate::memory::Memory;
use crate::process::ProcessBlock;
use crate::term::{Limits, Term, TermError, TermReader, boxed, cons};

const SLOTS_MAX: u32 = 4096;
const BUCKET_MAX: usize = 64;
/// How much of a key or a label is shown.
const TEXT_MAX: usize = 1000;
const LIMITS: Limits = Limits {
    depth: 16,
    nodes: 1000,
    bytes: 4096,
};

/// What is known of a dictionary.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// `$initial_call`, which processes of `proc_lib` have.
    pub(super) initial_call: Option<Mfa>,
    /// `$process_label`: `proc_lib:set_label/1`, masked.
    pub(super) label: Option<String>,
    pub(super) keys: Vec<String>,
    /// More keys, or slots, than were looked at.
    pub(super) cut: bool,
    /// What it takes.
    pub(super) bytes: u64,
}

/// Fetches the dictionaries of many processes.
pub(super) fn prefetch<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    blocks: &[Option<Vec<u8>>],
) {
    let heads: Vec<u64> = blocks
        .iter()
        .flatten()
        .map(|block| ProcessBlock::new(block, &vm.layout).word(vm.layout.process.dictionary))
        .filter(|&dictionary| dictionary != 0)
        .collect();
    reader.prefetch(heads.iter().copied());
    let slots = heads
        .iter()
        .filter_map(|&head| slots(reader, vm, head).ok());
    let pointers = slots.flat_map(|(_, slots)| slots);
    reader.prefetch(pointers.filter_map(|slot| boxed(slot).or_else(|| cons(slot))));
}

/// How many slots a dictionary has, and those that are looked at.
fn slots<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    dictionary: u64,
) -> Result<(u32, Vec<u64>), TermError> {
    let layout = &vm.layout.dictionary;
    let size = reader.half(dictionary.wrapping_add(u64::from(layout.size)))?;
    let data = dictionary.wrapping_add(u64::from(layout.data));
    let slots = reader.words(data, size.min(SLOTS_MAX) as usize)?;
    Ok((size, slots))
}

/// Reads a process's dictionary: what names it, and its keys if wanted. A sensitive process has
/// none to be seen.
///
/// # Errors
/// When it is not what a dictionary should be.
pub(super) fn read<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    process: &ProcessBlock<'_>,
    keys: bool,
    (sensitive, spawned_as): (bool, Option<&Mfa>),
) -> Result<Dictionary, TermError> {
    let mut dictionary = Dictionary::default();
    let head = process.word(vm.layout.process.dictionary);
    if head == 0 {
        return Ok(dictionary);
    }
    let (size, slots) = slots(reader, vm, head)?;
    dictionary.bytes = u64::from(vm.layout.dictionary.data) + 8 * u64::from(size);
    if sensitive {
        return Ok(dictionary);
    }
    let mut found = Found::default();
    let cut = each_pair(reader, slots, &mut |pair| {
        dictionary.pair(reader, vm, pair, &mut found)
    })?;
    dictionary.cut = cut || size > SLOTS_MAX;
    // What must not be told depends on the module, which may be the last pair.
    let call = dictionary.initial_call.as_ref().or(spawned_as);
    let told = Told {
        reader,
        vm,
        module: call.map(|call| &*call.module),
    };
    dictionary.label = found.label.map(|label| told.text(label)).transpose()?;
    if keys {
        let keys = found.keys.into_iter().map(|key| told.text(key));
        dictionary.keys = keys.collect::<Result<_, _>>()?;
    }
    Ok(dictionary)
}

/// `$initial_call`, if the dictionary has it.
pub(crate) fn initial_call<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    process: &ProcessBlock<'_>,
) -> Option<Mfa> {
    let size_and_slots = slots(reader, vm, process.word(vm.layout.process.dictionary));
    let mut dictionary = Dictionary::default();
    each_pair(reader, size_and_slots.ok()?.1, &mut |pair| {
        dictionary.pair(reader, vm, pair, &mut Found::default())
    })
    .ok()?;
    dictionary.initial_call
}

/// Terms of a dictionary that are told, as words.
#[derive(Default)]
struct Found {
    label: Option<u64>,
    keys: Vec<u64>,
}

/// Hands on each pair in these slots; whether there are more than one slot may have.
fn each_pair<M: Memory>(
    reader: &TermReader<'_, M>,
    slots: Vec<u64>,
    take: &mut dyn FnMut(u64) -> Result<(), TermError>,
) -> Result<bool, TermError> {
    let mut cut = false;
    for slot in slots {
        let mut term = slot;
        for _ in 0..BUCKET_MAX {
            let Some(cell) = cons(term) else {
                break;
            };
            let (pair, next) = reader.cell(cell)?;
            take(pair)?;
            term = next;
        }
        if boxed(term).is_some() {
            take(term)?;
        }
        cut |= cons(term).is_some();
    }
    Ok(cut)
}

/// Key and value of a pair.
fn key_and_value<M: Memory>(
    reader: &TermReader<'_, M>,
    pair: u64,
) -> Result<(u64, u64), TermError> {
    let changed = TermError::Changed { address: pair };
    reader.cell(boxed(pair).ok_or(changed)?.wrapping_add(8))
}

/// Keys and values, as words; and whether there are more than were looked at.
///
/// # Errors
/// When it is not what a dictionary should be.
pub(super) fn pairs<M: Memory>(
    reader: &TermReader<'_, M>,
    vm: &Vm<M>,
    process: &ProcessBlock<'_>,
) -> Result<(Vec<(u64, u64)>, bool), TermError> {
    let head = process.word(vm.layout.process.dictionary);
    if head == 0 {
        return Ok((Vec::new(), false));
    }
    let (size, slots) = slots(reader, vm, head)?;
    let mut pairs = Vec::new();
    let cut = each_pair(reader, slots, &mut |pair| {
        pairs.push(key_and_value(reader, pair)?);
        Ok(())
    })?;
    Ok((pairs, cut || size > SLOTS_MAX))
}

impl Dictionary {
    fn pair<M: Memory>(
        &mut self,
        reader: &TermReader<'_, M>,
        vm: &Vm<M>,
        pair: u64,
        found: &mut Found,
    ) -> Result<(), TermError> {
        let (key, value) = key_and_value(reader, pair)?;
        match vm.atom(key).as_deref() {
            Some("$initial_call") => {
                self.initial_call = boxed(value)
                    .and_then(|call| reader.words(call, 4).ok())
                    .and_then(|call| vm.mfa_of_terms([call[1], call[2], call[3]]));
            }
            Some("$process_label") => found.label = Some(value),
            _ => {}
        }
        found.keys.push(key);
        Ok(())
    }
}

/// What is told of a process of a module, if that is known.
struct Told<'t, 'v, M: Memory> {
    reader: &'t TermReader<'v, M>,
    vm: &'t Vm<M>,
    module: Option<&'t str>,
}

impl<M: Memory> Told<'_, '_, M> {
    /// The text of a term, without what must not be told: a label or a key may be any term. Of a hidden
    /// module's an atom is told, as names are.
    fn text(&self, word: u64) -> Result<String, TermError> {
        let mut term = self.reader.decode(word, LIMITS)?;
        if let Some(redaction) = &self.vm.redaction {
            let is_hidden = !matches!(term, Term::Atom(_)) && redaction.may_hide(self.module);
            match is_hidden {
                true => redaction.outline(&mut term),
                false => redaction.mask(&mut term),
            };
        }
        Ok(term.text(TEXT_MAX))
    }
}
