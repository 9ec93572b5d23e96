use std::sync::Arc;

use crate::term::{BigInteger, Bits, Elements, Fun, List, LocalFun, Map, Node, Pid, Record, Term};

fn atom(name: &str) -> Term {
    Term::Atom(name.into())
}

fn one() -> Term {
    Term::Integer(1)
}

fn bits(bytes: &[u8], bits: u64) -> Term {
    let bytes = bytes.to_vec();
    Term::Bits(Bits { bytes, bits })
}

fn map(pairs: Vec<(Term, Term)>, missing: usize) -> String {
    Term::Map(Map { pairs, missing }).to_json()
}

#[test]
fn what_json_has_is_itself() {
    assert_eq!(one().to_json(), "1");
    let big = Term::BigInteger(BigInteger {
        negative: true,
        digits: vec![0, 1],
        length: 2,
    });
    assert_eq!(big.to_json(), "-18446744073709551616");
    assert_eq!(Term::Float(1f64.to_bits()).to_json(), "1.0");
    assert_eq!(
        Term::Float(f64::NAN.to_bits()).to_json(),
        "{\"$float\":\"NaN\"}"
    );
    for (name, expected) in [
        ("true", "true"),
        ("nil", "null"),
        ("null", "null"),
        ("ok", "\"ok\""),
    ] {
        assert_eq!(atom(name).to_json(), expected);
    }
    assert_eq!(
        bits("né\"\n\\".as_bytes(), 48).to_json(),
        "\"né\\\"\\n\\\\\""
    );
    assert_eq!(atom("\0\u{7f}").to_json(), "\"\\u0000\\u007f\"");
    let list = List {
        items: vec![one(), atom("a")],
        tail: None,
    };
    assert_eq!(Term::List(list).to_json(), "[1,\"a\"]");
    let pairs = vec![(atom("a"), one()), (bits(b"b", 8), atom("nil"))];
    assert_eq!(map(pairs, 0), "{\"a\":1,\"b\":null}");
}

#[test]
fn the_rest_says_what_it_is() {
    assert_eq!(bits(&[0, 255], 16).to_json(), "{\"$binary\":\"00ff\"}");
    assert_eq!(
        bits(&[0, 0xa0], 11).to_json(),
        "{\"$bits\":\"00a0\",\"size\":11}"
    );
    let tuple = Elements {
        items: vec![atom("ok"), one()],
        missing: 0,
    };
    assert_eq!(Term::Tuple(tuple).to_json(), "{\"$tuple\":[\"ok\",1]}");
    let improper = List {
        items: vec![one()],
        tail: Some(Box::new(one())),
    };
    assert_eq!(
        Term::List(improper).to_json(),
        "{\"$improper\":[1],\"tail\":1}"
    );
    assert_eq!(map(vec![(one(), one())], 0), "{\"$map\":[[1,1]]}");
    assert_eq!(map(vec![(atom("$a"), one())], 0), "{\"$map\":[[\"$a\",1]]}");
    let twice = vec![(atom("a"), one()), (bits(b"a", 8), one())];
    assert_eq!(map(twice, 0), "{\"$map\":[[\"a\",1],[\"a\",1]]}");
    let node = Node {
        name: "o@h".into(),
        creation: 1,
        channel: 9,
    };
    let pid = |node| {
        Term::Pid(Pid {
            node,
            number: 80,
            serial: 0,
        })
    };
    assert_eq!(pid(None).to_json(), "{\"$pid\":\"<0.80.0>\"}");
    let other = pid(Some(Arc::new(node))).to_json();
    assert_eq!(other, "{\"$pid\":\"<9.80.0>\",\"node\":\"o@h\"}");
    let local = LocalFun {
        module: "m".into(),
        arity: 2,
        index: 0,
        uniq: [0; 16],
        old_index: 0,
        old_uniq: 1,
        environment: Elements {
            items: vec![one()],
            missing: 0,
        },
        creator: None,
    };
    assert_eq!(
        Term::Fun(Fun::Local(Box::new(local))).to_json(),
        "{\"$fun\":\"#Fun<m.0.1>\",\"module\":\"m\",\"arity\":2,\"environment\":[1]}"
    );
    let record = Record {
        module: "m".into(),
        name: "r".into(),
        exported: true,
        fields: vec![("a".into(), one())],
        missing: 1,
    };
    assert_eq!(
        Term::Record(record).to_json(),
        "{\"$record\":\"m:r\",\"fields\":{\"a\":1,\"$cut\":1}}"
    );
}

#[test]
fn what_is_not_there_is_said() {
    assert_eq!(Term::Cut.to_json(), "{\"$cut\":true}");
    assert_eq!(Term::Masked.to_json(), "{\"$masked\":true}");
    let list = List {
        items: vec![one()],
        tail: Some(Box::new(Term::Cut)),
    };
    assert_eq!(Term::List(list).to_json(), "[1,{\"$cut\":true}]");
    let tuple = Elements {
        items: Vec::new(),
        missing: 3,
    };
    assert_eq!(Term::Tuple(tuple).to_json(), "{\"$tuple\":[{\"$cut\":3}]}");
    assert_eq!(map(vec![(atom("a"), one())], 2), "{\"a\":1,\"$cut\":2}");
    assert_eq!(
        map(vec![(one(), one())], 2),
        "{\"$map\":[[1,1],{\"$cut\":2}]}"
    );
    assert_eq!(map(Vec::new(), 2), "{\"$cut\":2}");
    assert_eq!(
        bits(b"ab", 80).to_json(),
        "{\"$binary\":\"6162\",\"$cut\":8}"
    );
}

/// Whatever the tree: readers take it.
#[cfg(feature = "image")]
#[test]
fn readers_take_it() {
    let items = vec![atom("\u{2028}\u{0}"), bits(&[0xff], 8), Term::Cut, one()];
    let pairs = vec![(
        Term::List(List {
            items,
            tail: Some(Box::new(one())),
        }),
        Term::Masked,
    )];
    let text = Term::Map(Map { pairs, missing: 1 }).to_json();
    assert!(
        serde_json::from_str::<serde_json::Value>(&text).is_ok(),
        "{text}"
    );
}
