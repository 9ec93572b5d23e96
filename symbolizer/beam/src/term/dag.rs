//! Terms that hold each other many times over: small in memory, endless as a tree.

use std::time::{Duration, Instant};

use super::hostile::{HEAP, boxed, cons, decode, small, vm};
use super::reader::DEPTH_MAX;
use super::{Elements, Fun, Limits, Term, TermError, TermReader};

/// Far more than 10,000 terms take.
const SOON: Duration = Duration::from_secs(5);
/// The stack of a thread, where nobody asks for more.
const STACK: usize = 2 << 20;
const MAP: u64 = 15 << 2;
/// OTP 25: header, entry, next, arity and size, creator, environment.
const FUN_WORDS: u64 = 5;

/// Words of nodes, the first one at the start, each of which holds the next one `width` times.
fn levels(head: &[u64], width: usize, count: u64, next: fn(u64) -> u64) -> Vec<u64> {
    let words = (head.len() + width) as u64;
    let level = |index| {
        let child = next((index + 1) * words);
        head.iter()
            .copied()
            .chain(std::iter::repeat_n(child, width))
    };
    (0..count).flat_map(level).collect()
}

fn soon(heap: &[u64], term: u64, limits: Limits) -> Result<Term, TermError> {
    let start = Instant::now();
    let term = decode(heap, term, limits);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    term
}

#[test]
fn nodes_of_maps_count() {
    // 15 levels of full nodes below an array, without a single pair: 16^16 empty nodes.
    let node = MAP | 1 << 6 | 0xffff << 16;
    let mut heap = vec![MAP | 2 << 6, 0];
    heap.extend([boxed(18); 16]);
    let below = levels(&[node], 16, 15, |word| boxed(word + 18));
    heap.extend(below);
    for (last, what) in [(MAP | 1 << 6, "empty"), (0, "no keys of one hash")] {
        let mut heap = heap.clone();
        heap.push(last);
        let Ok(Term::Map(map)) = soon(&heap, boxed(0), Limits::default()) else {
            panic!("no map: {what}");
        };
        assert_eq!((map.pairs.len(), map.missing), (0, 1), "{what}");
    }
    // Deeper than any hash is long.
    heap.extend(levels(&[node], 16, 4, |word| boxed(word + 18 + 15 * 17)));
    let deep = soon(&heap, boxed(0), Limits::default());
    assert!(matches!(deep, Err(TermError::Changed { .. })));
    // A node in itself.
    let cycle = [MAP | 3 << 6 | 1 << 16, 7, boxed(0)];
    assert!(soon(&cycle, boxed(0), Limits::default()).is_err());
}

#[test]
fn a_large_map_is_whole_where_it_is_allowed() {
    // Two nodes of one pair each.
    let heap = [
        MAP | 3 << 6 | 3 << 16,
        2,
        boxed(4),
        boxed(6),
        MAP | 1 << 6 | 1 << 16,
        cons(8),
        MAP | 1 << 6 | 1 << 16,
        cons(10),
        small(1),
        small(2),
        small(3),
        small(4),
    ];
    let text = |nodes| {
        let limits = Limits {
            nodes,
            ..Limits::default()
        };
        soon(&heap, boxed(0), limits).map(|term| term.to_string())
    };
    assert_eq!(text(7).as_deref(), Ok("#{1 => 2,3 => 4}"));
    assert_eq!(text(6).as_deref(), Ok("#{1 => 2,...}"));
    assert_eq!(text(2).as_deref(), Ok("#{...}"));
}

#[test]
fn what_is_held_often_is_cut() {
    let limits = Limits::default();
    // Tuples, lists and funs that hold the next one 16 times.
    let tuples = levels(&[16 << 6], 16, 40, boxed);
    let all: Vec<u64> = (0..40 * 16)
        .map(|cell: u64| (cell / 16 + 1) * 32)
        .zip(0..)
        .flat_map(|(next, cell)| {
            let tail = if cell % 16 == 15 {
                super::NIL
            } else {
                cons(2 * cell + 2)
            };
            [cons(next), tail]
        })
        .collect();
    let head = [5 << 2 | (FUN_WORDS + 15) << 6, HEAP, 0, 1 | 16 << 8, 0x23];
    // The entry lies in the last words.
    let mut funs = levels(&head, 16, 40, boxed);
    let entry = HEAP + 8 * funs.len() as u64;
    for fun in funs.chunks_mut(21) {
        fun[1] = entry;
    }
    funs.extend([0, 0, 0, 0, 0x8b, 0, 0, 0, 0, 0]);
    for (heap, term) in [(&tuples, boxed(0)), (&all, cons(0)), (&funs, boxed(0))] {
        let found = soon(heap, term, limits).expect("a term");
        assert!(is_cut(&found), "{found}");
        let vm = vm("25", heap);
        let reader = TermReader::new(&vm);
        let start = Instant::now();
        let shape = reader.shape(term).expect("a shape");
        assert!(start.elapsed() < SOON && shape.len() < 1 << 20);
    }
}

#[test]
fn references_and_bits_count() {
    let limits = Limits::default();
    // 65,536 tuples that all hold the same reference, and a binary of 64 KiB.
    for last in [
        vec![4 << 2 | 2 << 6, u64::MAX >> 32, 1],
        vec![9 << 2 | 2 << 6, 64 << 10],
    ] {
        let mut heap = levels(&[16 << 6], 16, 4, boxed);
        heap.extend(last);
        heap.resize(heap.len() + (8 << 10), 0);
        let found = soon(&heap, boxed(0), limits).expect("a term");
        assert!(is_cut(&found), "{found}");
    }
}

#[test]
fn lists_in_a_shape_count_together() {
    // A tuple of tuples of tuples of the same list, which is long.
    let mut heap = levels(&[12 << 6], 12, 4, boxed);
    let list = heap.len() as u64;
    for tuple in heap.chunks_mut(13).skip(3) {
        tuple[1..].fill(cons(list));
    }
    heap.extend([small(1), cons(list)]);
    let vm = vm("25", &heap);
    let start = Instant::now();
    let shape = TermReader::new(&vm).shape(boxed(0)).expect("a shape");
    assert!(start.elapsed() < SOON);
    assert!(
        shape.starts_with("{{{{list(over 100000),list(over 1"),
        "{shape}"
    );
    assert!(shape.ends_with("...}"), "{shape}");
}

#[test]
fn only_a_process_made_a_fun() {
    // One that says it made itself; one that a tuple made.
    for creator in [boxed(0), boxed(5), small(3)] {
        let heap = [
            5 << 2 | 4 << 6,
            HEAP + 8 * 6,
            0,
            1,
            creator,
            0,
            0,
            0,
            0,
            0,
            0x8b,
            0,
            0,
            0,
            0,
            0,
        ];
        let found = soon(&heap, boxed(0), Limits::default());
        assert_eq!(found, Err(TermError::Changed { address: creator }));
    }
}

/// Each kind of term within another one, as deep as anyone may ask: the smallest stack has room
/// to decode, print, compare and drop it.
#[test]
fn any_depth_is_safe() {
    let limits = Limits {
        depth: usize::MAX,
        nodes: 300_000,
        ..Limits::default()
    };
    let count = 100_000;
    let pair_words = 5;
    let tuples = levels(&[1 << 6], 1, count, boxed);
    let lists: Vec<u64> = (0..count)
        .flat_map(|cell| [cons(2 * cell + 2), super::NIL])
        .collect();
    // A map with one key, whose value is the next one: the keys are at the end.
    let keys = boxed(4 * count);
    let mut maps = levels(&[MAP, 1, keys], 1, count, boxed);
    maps.extend([1 << 6, small(1)]);
    // The same as a tree.
    let mut trees: Vec<u64> = (0..count)
        .flat_map(|tree| {
            let at = tree * pair_words;
            let head = [MAP | 3 << 6 | 1 << 16, 1, cons(at + 3)];
            head.into_iter().chain([small(1), boxed(at + pair_words)])
        })
        .collect();
    trees.push(0);
    let head = [5 << 2 | FUN_WORDS << 6, HEAP, 0, 1 | 1 << 8, 0x23];
    let mut funs = levels(&head, 1, count, boxed);
    let entry = HEAP + 8 * funs.len() as u64;
    for fun in funs.chunks_mut(6) {
        fun[1] = entry;
    }
    funs.extend([0, 0, 0, 0, 0x8b, 0, 0, 0, 0, 0]);
    for (heap, term) in [
        (tuples, boxed(0)),
        (lists, cons(0)),
        (maps, boxed(0)),
        (trees, boxed(0)),
        (funs, boxed(0)),
    ] {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let deep = move || {
            let found = soon(&heap, term, limits).expect("a term");
            assert_eq!(depth(&found), DEPTH_MAX);
            assert!(!found.to_string().is_empty());
            assert_eq!(found.clone(), found);
        };
        thread.spawn(deep).expect("a thread").join().expect("deep");
    }
}

/// Whether a term says that there is more.
fn is_cut(term: &Term) -> bool {
    let text = format!("{term:?}");
    let missing = text.split("missing: ").skip(1);
    text.contains("Cut") || missing.into_iter().any(|count| !count.starts_with('0'))
}

/// How many terms are within each other, above the one that was cut.
fn depth(term: &Term) -> usize {
    let mut term = term;
    let mut depth = 0;
    loop {
        term = match term {
            Term::Tuple(Elements { items, .. }) => &items[0],
            Term::List(list) => &list.items[0],
            Term::Map(map) => &map.pairs[0].1,
            Term::Fun(Fun::Local(fun)) => match fun.environment.items.first() {
                Some(item) => item,
                None => return depth,
            },
            _ => return depth,
        };
        depth += 1;
    }
}
