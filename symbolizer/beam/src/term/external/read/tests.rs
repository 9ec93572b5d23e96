use proptest::collection::vec;
use proptest::prelude::*;

use crate::term::{
    BigInteger, Bits, Elements, Fun, Limits, List, LocalFun, Map, Node, Pid, Port, Reference, Term,
};

const ALL: Limits = Limits {
    depth: 200,
    nodes: 1 << 20,
    bytes: 1 << 20,
};

fn node() -> Node {
    Node {
        name: "n@h".into(),
        creation: 0x0102_0304,
        channel: 0,
    }
}

#[track_caller]
fn read(term: &Term, limits: &Limits) -> Term {
    let mut bytes = term.to_external(Some(&node())).expect("a form of it");
    bytes.extend(b"behind");
    let (read, rest) = Term::from_external(&bytes, Some(&node()), limits).expect("a form of it");
    assert_eq!(rest, b"behind");
    read
}

fn leaf() -> impl Strategy<Value = Term> {
    let own = |number, serial| Pid {
        node: None,
        number,
        serial,
    };
    prop_oneof![
        any::<i32>().prop_map(|value| Term::Integer(i64::from(value))),
        (-(1i64 << 59)..(1 << 59)).prop_map(Term::Integer),
        (any::<bool>(), 1u64 << 60..).prop_map(|(negative, digit)| {
            Term::BigInteger(BigInteger {
                negative,
                digits: vec![digit, 7],
                length: 2,
            })
        }),
        any::<f64>().prop_map(|value| Term::Float(value.to_bits())),
        "[a-zé]{0,70}".prop_map(|name| Term::Atom(name.into())),
        (0..1u64 << 28, 0..1u64 << 20).prop_map(move |(a, b)| Term::Pid(own(a, b))),
        any::<u64>().prop_map(|number| Term::Port(Port {
            node: None,
            number: Some(number)
        })),
        vec(any::<u32>(), 3..6).prop_map(|numbers| Term::Reference(Reference {
            node: None,
            printed: numbers.len(),
            numbers
        })),
        vec(any::<u8>(), 0..40).prop_map(|bytes| {
            let bits = bytes.len() as u64 * 8;
            Term::Bits(Bits { bytes, bits })
        }),
        Just(Term::Bits(Bits {
            bytes: vec![0xa0],
            bits: 3
        })),
        any::<u8>().prop_map(|arity| Term::Fun(Fun::External {
            module: "m".into(),
            function: "f".into(),
            arity
        })),
    ]
}

fn term() -> impl Strategy<Value = Term> {
    leaf().prop_recursive(5, 200, 8, |inner| {
        let items = vec(inner.clone(), 0..8);
        let pairs = vec((inner.clone(), inner.clone()), 0..8);
        prop_oneof![
            items
                .clone()
                .prop_map(|items| Term::Tuple(Elements { items, missing: 0 })),
            items
                .clone()
                .prop_map(|items| Term::List(List { items, tail: None })),
            pairs.prop_map(|pairs| Term::Map(Map { pairs, missing: 0 })),
            items.prop_map(|items| Term::Fun(Fun::Local(Box::new(LocalFun {
                module: "m".into(),
                arity: 2,
                index: 3,
                uniq: [9; 16],
                old_index: 4,
                old_uniq: 0x8000_0005,
                environment: Elements { items, missing: 0 },
                creator: Some(Term::Integer(1)),
            })))),
        ]
    })
}

proptest! {
    /// What is written is read as it was, and what stands behind it is found.
    #[test]
    fn what_is_written_is_read_again(term in term()) {
        prop_assert_eq!(read(&term, &ALL), term);
    }

    /// However little is kept, the end of a term is found, and no more is kept than may be.
    #[test]
    fn limits_cut_and_the_end_is_found(term in term(), depth in 0usize..4, nodes in 0usize..20) {
        let limits = Limits { depth, nodes, bytes: 8 };
        let kept = read(&term, &limits);
        prop_assert!(count(&kept) <= 2 * nodes + 1, "{kept:?}");
    }

    /// Whatever the bytes are, it ends.
    #[test]
    fn any_bytes_end(bytes in vec(any::<u8>(), 0..400)) {
        for start in [&[131u8, 104, 40][..], &[131], &[131, 108, 255, 255, 255, 255]] {
            let bytes = [start, bytes.as_slice()].concat();
            let _ = Term::from_external(&bytes, None, &Limits::default());
        }
    }
}

fn count(term: &Term) -> usize {
    1 + match term {
        Term::Tuple(elements) => elements.items.iter().map(count).sum(),
        Term::List(list) => {
            list.items.iter().map(count).sum::<usize>()
                + list.tail.iter().map(|t| count(t)).sum::<usize>()
        }
        Term::Map(map) => map.pairs.iter().map(|(k, v)| count(k) + count(v)).sum(),
        Term::Fun(Fun::Local(fun)) => fun.environment.items.iter().map(count).sum(),
        _ => 0,
    }
}

#[test]
fn texts_are_lists_of_their_bytes() {
    let bytes = [131, 107, 0, 2, 1, 255];
    let (term, rest) = Term::from_external(&bytes, None, &ALL).expect("a form of it");
    assert_eq!((term.to_string().as_str(), rest.len()), ("[1,255]", 0));
}

#[test]
fn depth_and_length_are_no_danger() {
    let mut deep = vec![131];
    deep.extend([104, 1].repeat(1 << 20));
    deep.push(106);
    let (term, rest) = Term::from_external(&deep, None, &ALL).expect("a form of it");
    assert!(rest.is_empty());
    assert!(term.to_string().contains("..."));
    // A list that says it has four thousand million elements.
    let long = [131, 108, 255, 255, 255, 255, 106];
    assert!(Term::from_external(&long, None, &ALL).is_err());
    assert!(Term::from_external(&[131, 109, 255, 255, 255, 255], None, &ALL).is_err());
    assert!(Term::from_external(&[131, 80, 0, 0, 0, 1], None, &ALL).is_err());
}

#[test]
fn funs_within_the_numbers_of_funs_are_refused() {
    // As far as the first of both numbers of a fun, where another one begins, and so on.
    let mut one = vec![112, 0, 0, 0, 0, 0];
    one.extend([0; 16 + 4 + 4]);
    one.extend([119, 1, b'm']);
    let bytes = [&[131][..], &one.repeat(200_000)].concat();
    assert!(Term::from_external(&bytes, None, &ALL).is_err());
}

#[test]
fn identities_of_other_nodes_stay_theirs() {
    let other = Node {
        creation: 5,
        ..node()
    };
    let pid = Term::Pid(Pid {
        node: None,
        number: 80,
        serial: 1,
    });
    let bytes = pid.to_external(Some(&other)).expect("a form of it");
    let (term, _) = Term::from_external(&bytes, Some(&node()), &ALL).expect("a form of it");
    assert!(
        matches!(&term, Term::Pid(Pid { node: Some(_), .. })),
        "{term:?}"
    );
    let (term, _) = Term::from_external(&bytes, Some(&other), &ALL).expect("a form of it");
    assert_eq!(term, pid);
}
