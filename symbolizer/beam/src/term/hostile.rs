//! Terms in memory that is made up, whole and broken.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{AtomTable, Fun, Limits, PidPrinter, Term, TermError, TermReader};
use crate::layout::{Globals, table_for};
use crate::memory::Image;
use crate::stack::JitRanges;
use crate::{Certainty, Vm};

pub(crate) const HEAP: u64 = 0x10_0000;
const ATOMS: u64 = 0x1000;

/// A VM of a release with these words on a heap, and the atoms `false`, `true` and `mod`.
pub(crate) fn vm(release: &str, heap: &[u64]) -> Vm<Image> {
    let layout = table_for(release).expect("a table");
    let mut table = vec![0u8; 128];
    table[116..120].copy_from_slice(&3u32.to_le_bytes());
    table[120..128].copy_from_slice(&0x2000u64.to_le_bytes());
    let mut image = Image::new();
    image
        .map(ATOMS, table)
        .map_words(0x2000, &[0x3000])
        .map_words(0x3000, &[0x4000, 0x5000, 0x5800])
        .map_words(0x4000, &[0, 0, 0, 5, 0x6000])
        .map_words(0x5000, &[0, 0, 0, 4, 0x7000])
        .map_words(0x5800, &[0, 0, 0, 3, 0x7800])
        .map(0x6000, *b"false")
        .map(0x7000, *b"true")
        .map(0x7800, *b"mod")
        .map_words(HEAP, heap);
    Vm {
        pid: 0,
        atoms: AtomTable::new(ATOMS, layout.atom.clone()),
        pids: PidPrinter {
            number_bits: 15,
            data_bits: 28,
            masks: None,
        },
        memory: image,
        jit: JitRanges::new(Vec::new()),
        fragments: 0..0,
        globals: Globals::of_image(ATOMS, 0, 0),
        layout,
        exe: PathBuf::new(),
        build_id: None,
        otp_release: release.to_owned(),
        erts_version: String::new(),
        frame_pointers: false,
        normal_exit: 0,
        node: None,
        bifs: BTreeMap::new(),
        dirty_main: None,
        jit_register_file_offset: None,
        ran: crate::died::Ran::default(),
        files: crate::target::ModuleFiles::default(),
        redaction: None,
        certainty: Certainty {
            source: String::new(),
            level: "verified",
            notes: Vec::new(),
        },
    }
}

pub(crate) fn small(value: i64) -> u64 {
    (value << 4) as u64 | 0xf
}

pub(crate) fn boxed(word: u64) -> u64 {
    HEAP + 8 * word + 2
}

pub(crate) fn cons(word: u64) -> u64 {
    HEAP + 8 * word + 1
}

pub(crate) fn decode(heap: &[u64], term: u64, limits: Limits) -> Result<Term, TermError> {
    let vm = vm("25", heap);
    TermReader::new(&vm).decode(term, limits)
}

#[test]
fn a_tuple_is_read_and_cut_where_the_limits_are() {
    let heap = [3 << 6, small(1), 0x4b, boxed(4), 1 << 6, small(2)];
    let text = |limits| decode(&heap, boxed(0), limits).map(|term| term.to_string());
    let all = Limits::default();
    assert_eq!(text(all).as_deref(), Ok("{1,true,{2}}"));
    assert_eq!(
        text(Limits { depth: 1, ..all }).as_deref(),
        Ok("{1,true,...}")
    );
    assert_eq!(
        text(Limits { nodes: 3, ..all }).as_deref(),
        Ok("{1,true,...}")
    );
    assert_eq!(text(Limits { nodes: 0, ..all }).as_deref(), Ok("..."));
}

#[test]
fn what_moved_is_an_error() {
    let limits = Limits::default();
    // A collection leaves a pointer where the header was.
    let moved = decode(&[boxed(4), 0], boxed(0), limits);
    assert_eq!(moved, Err(TermError::Changed { address: HEAP }));
    // No subtag of any term in OTP 25; a header, and nothing, where a term should be.
    for (heap, term) in [([7 << 2, 0], boxed(0)), ([0, 0], 0), ([0, 0], 1 << 6)] {
        assert!(matches!(
            decode(&heap, term, limits),
            Err(TermError::Changed { .. })
        ));
    }
    let gone = decode(&[], boxed(1 << 20), limits);
    assert!(matches!(gone, Err(TermError::Unreadable { .. })));
}

#[test]
fn loops_end_at_the_limits() {
    let limits = Limits::default();
    let Ok(Term::List(list)) = decode(&[small(1), cons(0)], cons(0), limits) else {
        panic!("no list");
    };
    assert_eq!(list.items.len(), limits.nodes - 1);
    assert_eq!(list.tail.as_deref(), Some(&Term::Cut));
    // A tuple in itself, and one that says it is larger than memory.
    let text = decode(&[1 << 6, boxed(0)], boxed(0), limits).map(|term| term.to_string());
    assert_eq!(text.map(|text| text.len()), Ok(2 * limits.depth + 3));
    assert!(decode(&[u64::MAX << 6, 0], boxed(0), limits).is_err());
    let vm = vm("25", &[small(1), cons(0)]);
    let shape = TermReader::new(&vm).shape(cons(0));
    assert_eq!(shape.as_deref(), Ok("list(over 100000)"));
}

#[test]
fn a_fun_keeps_its_environment() {
    // OTP 25: header, entry, next, arity and size, creator, two values; then the entry.
    let entry = HEAP + 8 * 8;
    let heap = [
        5 << 2 | 6 << 6,
        entry,
        0,
        1 | 2 << 8,
        0x23,
        small(5),
        0x4b,
        0,
        0,
        0,
        0,
        0,
        0x8b,
        1,
        7,
        0,
        9 << 32,
        3,
    ];
    let Ok(Term::Fun(Fun::Local(fun))) = decode(&heap, boxed(0), Limits::default()) else {
        panic!("no fun");
    };
    assert_eq!((&*fun.module, fun.arity, fun.index), ("mod", 1, 7));
    assert_eq!((fun.old_uniq, fun.old_index), (9, 3));
    let environment = [Term::Integer(5), Term::Atom("true".into())];
    assert_eq!(fun.environment.items, environment);
    assert!(matches!(fun.creator, Some(Term::Pid(_))));
}

proptest::proptest! {
    /// Any words on a heap that point to each other: an answer, of bounded size.
    #[test]
    fn any_heap_gives_an_answer(
        words in proptest::collection::vec((0u64..80, 0u64..5, proptest::num::u64::ANY), 1..80),
        release in 0usize..3,
    ) {
        let heap: Vec<u64> = words
            .iter()
            .map(|&(word, kind, any)| match kind {
                0 => boxed(word),
                1 => cons(word),
                2 => (any & 0xf) << 2 | (any >> 8 & 0x3ff) << 6,
                3 => any,
                _ => small(word as i64),
            })
            .collect();
        let vm = vm(["25", "27", "29"][release], &heap);
        let reader = TermReader::new(&vm);
        for word in 0..heap.len() as u64 {
            for term in [boxed(word), cons(word)] {
                let limits = Limits { nodes: 2000, bytes: 4096, ..Limits::default() };
                let text = reader.decode(term, limits).map(|term| term.text(1000));
                if let Ok(text) = text {
                    assert!(text.chars().count() <= 1003);
                }
                let _ = reader.shape(term);
            }
        }
    }
}
