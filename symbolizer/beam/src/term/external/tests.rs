use std::sync::Arc;

use super::ExternalError;
use crate::term::{
    BigInteger, Bits, Elements, Fun, List, LocalFun, Map, Node, Pid, Port, Record, Reference, Term,
};

fn node() -> Node {
    Node {
        name: "n@h".into(),
        creation: 0x0102_0304,
        channel: 0,
    }
}

#[track_caller]
fn written(term: &Term, expected: &[u8]) {
    let bytes = term.to_external(Some(&node()));
    assert_eq!(bytes.as_deref(), Ok(&[&[131], expected].concat()[..]));
}

fn tuple(items: Vec<Term>) -> Term {
    Term::Tuple(Elements { items, missing: 0 })
}

#[test]
fn integers_take_the_form_that_fits() {
    written(&Term::Integer(255), &[97, 255]);
    written(&Term::Integer(-1), &[98, 255, 255, 255, 255]);
    written(&Term::Integer(256), &[98, 0, 0, 1, 0]);
    written(&Term::Integer(1 << 31), &[110, 4, 0, 0, 0, 0, 128]);
    written(&Term::Integer(-(1 << 40)), &[110, 6, 1, 0, 0, 0, 0, 0, 1]);
    let big = |digits: Vec<u64>, negative| {
        Term::BigInteger(BigInteger {
            negative,
            length: digits.len(),
            digits,
        })
    };
    written(
        &big(vec![1, 2], true),
        &[110, 9, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2],
    );
    let large = big(vec![u64::MAX; 32], false).to_external(None);
    assert_eq!(
        large.map(|bytes| bytes[..7].to_vec()),
        Ok(vec![131, 111, 0, 0, 1, 0, 0])
    );
    let cut = BigInteger {
        negative: false,
        digits: Vec::new(),
        length: 3,
    };
    assert_eq!(
        Term::BigInteger(cut).to_external(None),
        Err(ExternalError::Cut)
    );
}

#[test]
fn what_is_made_of_others() {
    let a = || Term::Atom("a".into());
    written(&a(), &[119, 1, 97]);
    written(
        &Term::Float(1.5f64.to_bits()),
        &[70, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
    );
    written(&tuple(vec![a()]), &[104, 1, 119, 1, 97]);
    written(&Term::List(List::default()), &[106]);
    let list = |tail: Option<Term>| {
        Term::List(List {
            items: vec![Term::Integer(1)],
            tail: tail.map(Box::new),
        })
    };
    written(&list(None), &[108, 0, 0, 0, 1, 97, 1, 106]);
    written(&list(Some(a())), &[108, 0, 0, 0, 1, 97, 1, 119, 1, 97]);
    let pairs = vec![(a(), Term::Integer(2))];
    written(
        &Term::Map(Map { pairs, missing: 0 }),
        &[116, 0, 0, 0, 1, 119, 1, 97, 97, 2],
    );
    let bits = |bytes: &[u8], bits| {
        let bytes = bytes.to_vec();
        Term::Bits(Bits { bytes, bits })
    };
    written(&bits(&[7, 8], 16), &[109, 0, 0, 0, 2, 7, 8]);
    written(&bits(&[7, 0xa0], 11), &[77, 0, 0, 0, 2, 3, 7, 0xa0]);
    assert_eq!(bits(&[7], 16).to_external(None), Err(ExternalError::Cut));
    let wide = tuple(vec![Term::Integer(0); 256]).to_external(None);
    assert_eq!(
        wide.map(|bytes| bytes[..6].to_vec()),
        Ok(vec![131, 105, 0, 0, 1, 0])
    );
    let long: Arc<str> = "ä".repeat(200).into();
    let long = Term::Atom(long).to_external(None);
    assert_eq!(
        long.map(|bytes| bytes[..4].to_vec()),
        Ok(vec![131, 118, 1, 144])
    );
}

#[test]
fn identities_name_their_node() {
    let own = [119, 3, b'n', b'@', b'h'];
    let other = Arc::new(Node {
        name: "o@h".into(),
        creation: 9,
        channel: 17,
    });
    let pid = |node| {
        Term::Pid(Pid {
            node,
            number: 80,
            serial: 1,
        })
    };
    let numbers = [0, 0, 0, 80, 0, 0, 0, 1];
    written(
        &pid(None),
        &[&[88][..], &own, &numbers, &[1, 2, 3, 4]].concat(),
    );
    let theirs = [119, 3, b'o', b'@', b'h'];
    let expected = [&[88][..], &theirs, &numbers, &[0, 0, 0, 9]].concat();
    written(&pid(Some(other.clone())), &expected);
    assert_eq!(pid(None).to_external(None), Err(ExternalError::NoNode));
    assert!(pid(Some(other)).to_external(None).is_ok());
    let port = |number| Term::Port(Port { node: None, number });
    let expected = [&[89][..], &own, &[0, 0, 0, 5, 1, 2, 3, 4]].concat();
    written(&port(Some(5)), &expected);
    let expected = [&[120][..], &own, &[0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]].concat();
    written(&port(Some(1 << 40)), &expected);
    assert_eq!(
        port(None).to_external(Some(&node())),
        Err(ExternalError::NoPort)
    );
    let reference = Term::Reference(Reference {
        node: None,
        numbers: vec![1, 2],
        printed: 2,
    });
    let expected = [&[90, 0, 2][..], &own, &[1, 2, 3, 4, 0, 0, 0, 1, 0, 0, 0, 2]].concat();
    written(&reference, &expected);
}

#[test]
fn funs_are_known_by_their_module() {
    let fun = |environment| {
        Term::Fun(Fun::Local(Box::new(LocalFun {
            module: "m".into(),
            arity: 1,
            index: 2,
            uniq: [7; 16],
            old_index: 3,
            old_uniq: 4,
            environment,
            creator: None,
        })))
    };
    let whole = Elements {
        items: vec![Term::Integer(9)],
        missing: 0,
    };
    let pid = [
        88, 119, 3, b'n', b'@', b'h', 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4,
    ];
    let tail = [&[119, 1, b'm', 97, 3, 97, 4][..], &pid, &[97, 9]].concat();
    let size = (4 + 1 + 16 + 4 + 4 + tail.len()) as u8;
    let head = [
        &[112, 0, 0, 0, size, 1][..],
        &[7; 16],
        &[0, 0, 0, 2, 0, 0, 0, 1],
    ]
    .concat();
    written(&fun(whole), &[head, tail].concat());
    let cut = Elements {
        items: Vec::new(),
        missing: 1,
    };
    assert_eq!(fun(cut).to_external(Some(&node())), Err(ExternalError::Cut));
    let external = Term::Fun(Fun::External {
        module: "m".into(),
        function: "f".into(),
        arity: 3,
    });
    written(&external, &[113, 119, 1, b'm', 119, 1, b'f', 97, 3]);
}

#[test]
fn records_have_names_before_values() {
    let record = |missing| {
        Term::Record(Record {
            module: "m".into(),
            name: "r".into(),
            exported: true,
            fields: vec![
                ("b".into(), Term::Integer(1)),
                ("a".into(), Term::Integer(2)),
            ],
            missing,
        })
    };
    let names = [119, 1, b'm', 119, 1, b'r', 119, 1, b'b', 119, 1, b'a'];
    let expected = [&[67, 0, 0, 0, 2, 1][..], &names, &[97, 1, 97, 2]].concat();
    written(&record(0), &expected);
    let cut = record(1).to_external(Some(&node()));
    assert_eq!(cut, Err(ExternalError::Cut));
}

#[test]
fn what_is_not_whole_is_an_error() {
    for (term, why) in [
        (Term::Cut, ExternalError::Cut),
        (Term::Masked, ExternalError::Masked),
        (
            Term::Tuple(Elements {
                items: Vec::new(),
                missing: 1,
            }),
            ExternalError::Cut,
        ),
        (
            Term::Map(Map {
                pairs: Vec::new(),
                missing: 1,
            }),
            ExternalError::Cut,
        ),
        (
            Term::List(List {
                items: vec![Term::Integer(1)],
                tail: Some(Box::new(Term::Cut)),
            }),
            ExternalError::Cut,
        ),
    ] {
        let within = tuple(vec![Term::Integer(1), term]);
        assert_eq!(within.to_external(Some(&node())), Err(why));
    }
}
