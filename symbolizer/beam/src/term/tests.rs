use super::number::{decimal, float};
use super::{BigInteger, Bits, Elements, List, Map, Term, atom_text};

fn text(term: &Term) -> String {
    term.to_string()
}

fn integers(values: &[i64]) -> Vec<Term> {
    values.iter().map(|&value| Term::Integer(value)).collect()
}

#[test]
fn floats_print_as_erlang_prints_them() {
    for (value, expected) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (100.0, "100.0"),
        (1000.0, "1.0e3"),
        (1.0e22, "1.0e22"),
        (0.0001, "0.0001"),
        (0.00001, "1.0e-5"),
        (123.456, "123.456"),
        (12_340.0, "12340.0"),
        (123_400.0, "1.234e5"),
        (9_007_199_254_740_992.0, "9.007199254740992e15"),
        (9_007_199_254_740_991.0, "9007199254740991.0"),
        (1.797_693_134_862_315_7e308, "1.7976931348623157e308"),
        (5e-324, "5.0e-324"),
        (-2.5, "-2.5"),
        (8_699_452_055_326_993.0 / 4.0, "2174863013831748.2"),
    ] {
        assert_eq!(float(f64::to_bits(value)), expected);
    }
}

#[test]
fn large_integers_are_exact() {
    assert_eq!(decimal(&[0, 1]), "18446744073709551616");
    assert_eq!(decimal(&[u64::MAX, 0]), "18446744073709551615");
    let cut = BigInteger {
        negative: true,
        digits: Vec::new(),
        length: 4,
    };
    assert_eq!(text(&Term::BigInteger(cut)), "...");
}

#[test]
fn atoms_are_quoted_where_erlang_needs_it() {
    for (name, expected) in [
        ("abc_D@1", "abc_D@1"),
        ("", "''"),
        ("Abc", "'Abc'"),
        ("after", "'after'"),
        ("maybe", "maybe"),
        ("été", "été"),
        ("x\u{3b1}", "'x\u{3b1}'"),
        ("it's\n\u{1}", "'it\\'s\\n\\001'"),
        ("\u{7f}\u{85}", "'\\d\\205'"),
    ] {
        assert_eq!(atom_text(name), expected);
    }
}

#[test]
fn strings_lists_and_what_was_cut() {
    let list = |items: Vec<Term>, tail: Option<Term>| {
        let tail = tail.map(Box::new);
        text(&Term::List(List { items, tail }))
    };
    assert_eq!(list(Vec::new(), None), "[]");
    assert_eq!(list(integers(&[72, 233, 10]), None), "\"H\u{e9}\\n\"");
    assert_eq!(list(integers(&[72, 1]), None), "[72,1]");
    assert_eq!(list(integers(&[72]), Some(Term::Integer(1))), "[72|1]");
    assert_eq!(list(integers(&[72]), Some(Term::Cut)), "[72|...]");
    let tuple = |items, missing| text(&Term::Tuple(Elements { items, missing }));
    assert_eq!(tuple(integers(&[1, 2]), 0), "{1,2}");
    assert_eq!(tuple(integers(&[1]), 3), "{1,...}");
    assert_eq!(tuple(Vec::new(), 3), "{...}");
    let pairs = vec![(Term::Atom("a".into()), Term::Integer(1))];
    assert_eq!(text(&Term::Map(Map { pairs, missing: 2 })), "#{a => 1,...}");
}

#[test]
fn binaries_print_as_text_or_numbers() {
    let bits = |bytes: &[u8], bits| {
        let bytes = bytes.to_vec();
        text(&Term::Bits(Bits { bytes, bits }))
    };
    assert_eq!(bits(b"", 0), "<<>>");
    assert_eq!(bits(b"a\"b", 24), "<<\"a\\\"b\">>");
    assert_eq!(bits("é".as_bytes(), 16), "<<\"é\"/utf8>>");
    assert_eq!(bits(&[0xe9], 8), "<<\"é\">>");
    assert_eq!(bits("ж".as_bytes(), 16), "<<208,182>>");
    assert_eq!(bits(&[1, 0xa0], 11), "<<1,5:3>>");
    assert_eq!(bits(&[1, 2], 800), "<<1,2,...>>");
    assert_eq!(bits(&[], 800), "<<...>>");
}

#[test]
fn text_has_a_limit() {
    let tuple = Term::Tuple(Elements {
        items: integers(&[12_345, 6]),
        missing: 0,
    });
    assert_eq!(tuple.text(4), "{123...");
    assert_eq!(tuple.text(9), "{12345,6}");
}
