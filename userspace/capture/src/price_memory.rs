//! What the functions of the recorder hand to the programs while prices are measured
//! ([`crate::hit_prices`]): memory that looks like the VM's.

use escope_wire::{
    EventConfig, PAYLOAD_PIECE_BYTES, PAYLOAD_PIECES, STATE_BYTES, STATE_CLASSES, second, what,
};

/// Memory that the programs may look at, in words: more than a `Process` has.
const WORDS: usize = 2048;
/// Where the list is that is given to a port, in words, and how many cells it has: as many as are
/// ever looked at (`IOLIST_STEPS`), which most data have not.
const LIST_AT: usize = WORDS - 2 * LIST_CELLS;
const LIST_CELLS: usize = 64;
/// Where it has a `RegProc`.
const REGISTRATION_AT: usize = LIST_AT - 8;

/// What looks like a process, a message and its term: enough for the programs to read what they
/// read in a VM.
pub(crate) struct Memory {
    words: Box<[u64]>,
    first: Option<u64>,
}

/// Where in it terms lie: behind them is room for all that may be copied of a message.
const TERMS: usize = WORDS / 2;
const _: () = assert!((WORDS - TERMS) * 8 >= 4096 + 64);
/// Tags of terms, and a term: `erl_term.h`.
const CONS: u64 = 1;
const BOXED: u64 = 2;
const ATOM: u64 = 0x4b;
const NIL: u64 = 0x3b;
/// The pid of who sends, as a term.
const SENDER: u64 = 0x13;
/// What a signal that is no message has for a term: a link (`signal.rs` of the reader of VMs).
const LINK: u64 = 5 << 6 | 0x30;

impl Memory {
    /// `said` is what messages that say something are measured with: then all others are signals.
    pub(crate) fn new(config: &EventConfig, said: &Memory) -> Memory {
        let mut memory = Memory {
            words: vec![0; WORDS].into(),
            first: None,
        };
        // A boxed pair whose first element is an atom.
        let address = memory.address();
        let term = (address + 8 * TERMS as u64) | 2;
        memory.put(&[
            (TERMS, 2 << 6),
            (TERMS + 1, 0x4b),
            (config.message_term_at as usize / 8, term),
            // It lies in the fragment within the message.
            (config.message_attached_at as usize / 8, 1),
            (config.message_used_at as usize / 8, 3),
            (config.process_save_at as usize / 8, address),
            // It is the one that runs, and has a stack.
            (config.current_process_at as usize / 8, address),
            (config.process_stop_at as usize / 8, address),
            // It has run before.
            (config.process_reds_at as usize / 8, u64::MAX),
        ]);
        if config.payload_bytes > 0 {
            memory.put(&[
                (config.message_term_at as usize / 8, LINK),
                (config.current_process_at as usize / 8, said.address()),
            ]);
        }
        // A name of the process.
        let process_at = REGISTRATION_AT + config.registration_process_at as usize / 8;
        memory.put(&[(process_at, address)]);
        // A list of bytes.
        for cell in 0..LIST_CELLS {
            let at = LIST_AT + 2 * cell;
            let next = match cell + 1 {
                LIST_CELLS => NIL,
                _ => (address + 8 * (at as u64 + 2)) | 1,
            };
            memory.put(&[(at, 0x41f), (at + 1, next)]);
        }
        memory
    }

    /// A message that says as much as is ever copied, of a process that runs here.
    pub(crate) fn said(config: &EventConfig) -> Memory {
        let mut memory = Memory {
            words: vec![0; WORDS].into(),
            first: Some(SENDER),
        };
        let address = memory.address();
        let term = (address + 8 * TERMS as u64) | 2;
        memory.put(&[
            (TERMS, 6 << 6),
            (TERMS + 1, 0x4b),
            (config.message_term_at as usize / 8, term),
        ]);
        // Elsewhere, as literals are.
        for piece in 0..PAYLOAD_PIECES {
            let literal = address + (piece * PAYLOAD_PIECE_BYTES) as u64;
            memory.put(&[(TERMS + 2 + piece, literal | 2)]);
        }
        memory.put(&[
            (config.process_id_at as usize / 8, SENDER),
            (config.process_trace_flags_at as usize / 8, 0),
            (config.process_stop_at as usize / 8, address),
        ]);
        memory
    }

    /// A process that has not run before, and whose parent is at no end of its links: as many of these
    /// are looked at as ever are (`linked` and `monitored` in `events.bpf.c`).
    pub(crate) fn born(config: &EventConfig) -> Memory {
        let mut memory = Memory {
            words: vec![0; WORDS].into(),
            first: None,
        };
        let address = memory.address();
        // A node of a tree that is its own children.
        let node = address + 8 * TERMS as u64;
        let in_node = |at: u32| TERMS + at as usize / 8;
        let initial = address + u64::from(config.process_initial_at);
        memory.put(&[
            (config.process_reds_at as usize / 8, 0),
            (config.process_current_at as usize / 8, initial),
            (config.process_parent_at as usize / 8, SENDER),
            (config.process_links_at as usize / 8, node),
            (config.process_monitored_by_at as usize / 8, node),
            (in_node(config.relation_left_at), node),
            (in_node(config.relation_right_at), node),
        ]);
        memory
    }

    /// What a probe of a kind makes nothing of: a scheduler that has run no process, a name that is
    /// somebody else's, a signal that arrives whole from another node.
    pub(crate) fn passing(kind: u32) -> Memory {
        let mut memory = Memory {
            words: vec![0; WORDS].into(),
            first: (kind == what::OUT).then_some(0),
        };
        if kind == what::REGISTER {
            memory.words.fill(SENDER);
        }
        memory
    }

    /// A process that ends with `{{badmatch, true}, [{Module, Function, Arguments, []}]}`, and more
    /// arguments than are ever counted: there is no dearer reason.
    pub(crate) fn ending(config: &EventConfig) -> Memory {
        let mut memory = Memory {
            words: vec![0; WORDS].into(),
            first: None,
        };
        let address = memory.address();
        let at = |word: usize| address + 8 * word as u64;
        let (reason, inner, trace, frame) = (TERMS, TERMS + 3, TERMS + 6, TERMS + 8);
        let arguments = TERMS + 13;
        let mut words = vec![
            (config.process_reason_at as usize / 8, at(reason) | BOXED),
            (reason, 2 << 6),
            (reason + 1, at(inner) | BOXED),
            (reason + 2, at(trace) | CONS),
            (inner, 2 << 6),
            (inner + 1, ATOM),
            (inner + 2, ATOM),
            (trace, at(frame) | BOXED),
            (trace + 1, NIL),
            (frame, 4 << 6),
            (frame + 1, ATOM),
            (frame + 2, ATOM),
            (frame + 3, at(arguments) | CONS),
            (frame + 4, NIL),
        ];
        let many = second::ARGUMENTS_MAX as usize + 1;
        for argument in (0..many).map(|number| arguments + 2 * number) {
            let last = argument == arguments + 2 * (many - 1);
            let next = if last { NIL } else { at(argument + 2) | CONS };
            words.extend([(argument, ATOM), (argument + 1, next)]);
        }
        memory.put(&words);
        memory
    }

    /// A process that waits, with as much on its heap as records of a class hold; with more after the
    /// last class.
    pub(crate) fn resting(config: &EventConfig, class: usize) -> Memory {
        let bytes = STATE_BYTES.get(class).copied();
        let bytes = bytes.unwrap_or(STATE_BYTES[STATE_CLASSES - 1] + 8);
        let mut memory = Memory {
            words: vec![0; WORDS + bytes as usize / 8].into(),
            first: None,
        };
        let heap = memory.address() + 8 * WORDS as u64;
        let htop = heap + u64::from(bytes);
        let (top, young) = (config.copies.top_at, config.copies.young_at);
        memory.put(&[
            (config.process_id_at as usize / 8, (class as u64) << 4 | 3),
            (config.process_reds_at as usize / 8, u64::MAX),
            (top as usize / 8, htop),
            (top as usize / 8 + 1, htop),
            (young as usize / 8, heap),
            (young as usize / 8 + 1, htop),
        ]);
        memory
    }

    /// The pid, as a term.
    pub(crate) fn id(&self, config: &EventConfig) -> u64 {
        let at = config.process_id_at as usize / 8;
        self.words.get(at).copied().unwrap_or(0)
    }

    fn put(&mut self, words: &[(usize, u64)]) {
        for &(at, value) in words {
            if let Some(word) = self.words.get_mut(at) {
                *word = value;
            }
        }
    }

    /// Data for a port, as a term.
    pub(crate) fn list(&self) -> u64 {
        (self.address() + 8 * LIST_AT as u64) | 1
    }

    /// What the table of names has.
    pub(crate) fn registration(&self) -> u64 {
        self.address() + 8 * REGISTRATION_AT as u64
    }

    /// The first argument of a probed function, where that is not its address.
    pub(crate) fn first(&self) -> Option<u64> {
        self.first
    }

    pub(crate) fn address(&self) -> u64 {
        self.words.as_ptr() as u64
    }
}

#[cfg(test)]
mod tests {
    use escope_wire::{EventConfig, second};

    use super::{ATOM, BOXED, CONS, Memory, NIL};

    /// Where OTP 25 has what is looked at.
    fn config() -> EventConfig {
        EventConfig {
            process_reason_at: 120,
            process_reds_at: 280,
            process_initial_at: 448,
            process_current_at: 472,
            process_parent_at: 480,
            process_links_at: 56,
            process_monitored_by_at: 64,
            relation_right_at: 8,
            relation_left_at: 16,
            relation_item_at: 24,
            ..EventConfig::default()
        }
    }

    /// The word at an address in it.
    fn word(memory: &Memory, address: u64) -> u64 {
        let offset = address.checked_sub(memory.address()).expect("within");
        assert_eq!(offset % 8, 0);
        memory.words[offset as usize / 8]
    }

    /// The elements of a tuple of so many.
    fn tuple(memory: &Memory, term: u64, size: u64) -> Vec<u64> {
        assert_eq!(term & 3, BOXED);
        assert_eq!(word(memory, term - BOXED), size << 6);
        let elements = 1..=size;
        elements
            .map(|at| word(memory, term - BOXED + 8 * at))
            .collect()
    }

    fn list(memory: &Memory, mut term: u64) -> Vec<u64> {
        let mut all = Vec::new();
        while term != NIL {
            assert_eq!(term & 3, CONS);
            all.push(word(memory, term - CONS));
            term = word(memory, term - CONS + 8);
        }
        all
    }

    #[test]
    fn the_reason_of_an_exit_is_the_dearest_that_there_is() {
        let memory = Memory::ending(&config());
        let reason = word(&memory, memory.address() + 120);
        let reason = tuple(&memory, reason, 2);
        assert_eq!(tuple(&memory, reason[0], 2), [ATOM; 2]);
        let trace = list(&memory, reason[1]);
        let frame = tuple(&memory, trace[0], 4);
        assert_eq!([frame[0], frame[1], frame[3]], [ATOM, ATOM, NIL]);
        let arguments = list(&memory, frame[2]);
        assert_eq!(arguments.len(), second::ARGUMENTS_MAX as usize + 1);
    }

    #[test]
    fn one_that_is_born_is_looked_for_in_all_its_links() {
        let memory = Memory::born(&config());
        let process = memory.address();
        let of = |at: u64| word(&memory, process + at);
        assert_eq!((of(280), of(472)), (0, process + 448));
        for root in [of(56), of(64)] {
            let (left, right) = (word(&memory, root + 16), word(&memory, root + 8));
            for node in [root, left, right] {
                assert_ne!(node, 0);
                assert_ne!(word(&memory, node + 24), of(480));
            }
        }
    }
}
