//! What rules mask: with each rule what is planted is not there any more, without it it is.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::record_names::records_of;
use super::{Redaction, Rules};
use crate::term::{Bits, Elements, List, Map, Term};

pub(super) fn atom(text: &str) -> Term {
    Term::Atom(text.into())
}

pub(super) fn binary(text: &str) -> Term {
    Term::Bits(Bits {
        bytes: text.as_bytes().to_vec(),
        bits: 8 * text.len() as u64,
    })
}

pub(super) fn chars(text: &str) -> Term {
    let codes = text.bytes().map(|byte| Term::Integer(byte.into()));
    list(codes.collect())
}

pub(super) fn list(items: Vec<Term>) -> Term {
    Term::List(List { items, tail: None })
}

pub(super) fn tuple(items: Vec<Term>) -> Term {
    Term::Tuple(Elements { items, missing: 0 })
}

pub(super) fn map(key: Term, value: Term) -> Term {
    Term::Map(Map {
        pairs: vec![(key, value)],
        missing: 0,
    })
}

fn rules(of: impl FnOnce(&mut Rules)) -> Redaction {
    let mut rules = Rules::default();
    of(&mut rules);
    Redaction::of(&rules).expect("rules")
}

fn masked(redaction: &Redaction, mut term: Term) -> (String, u32) {
    let count = redaction.mask(&mut term);
    (term.to_string(), count)
}

/// A state that keeps its secret where no name tells of it.
fn state() -> Term {
    tuple(vec![
        atom("state"),
        binary("joe"),
        chars("sekrit"),
        Term::Integer(3),
    ])
}

#[test]
fn a_field_is_masked_by_its_number() {
    let (all, none) = masked(&Redaction::default(), state());
    assert_eq!((&*all, none), (r#"{state,<<"joe">>,"sekrit",3}"#, 0));
    let third = rules(|rules| rules.fields.push("state:3".parse().expect("a field")));
    let hidden = r#"{state,<<"joe">>,***,3}"#;
    assert_eq!(masked(&third, state()), (hidden.to_owned(), 1));
    let within = masked(&third, list(vec![map(atom("a"), state())]));
    assert_eq!(within, (format!("[#{{a => {hidden}}}]"), 1));
    let other = rules(|rules| rules.fields.push("state/3:3".parse().expect("a field")));
    assert_eq!(masked(&other, state()).0, all);
    assert!(third.nameless(&state()).is_empty());
    assert_eq!(other.nameless(&state()), ["state"]);
    assert!(Redaction::default().nameless(&binary("state")).is_empty());
}

#[test]
fn a_text_is_masked_by_what_it_is() {
    let secret = || {
        [
            atom("sekrit_1"),
            binary("a sekrit b"),
            chars("sekrit"),
            list(vec![atom("x"), chars("my sekrit")]),
            map(binary("sekrit"), Term::Integer(1)),
        ]
    };
    let by_value = rules(|rules| rules.values.push("sek[r]it".to_owned()));
    for term in secret() {
        let open = masked(&Redaction::default(), term.clone());
        assert!(open.0.contains("sekrit") && open.1 == 0, "{open:?}");
        let hidden = masked(&by_value, term);
        assert!(!hidden.0.contains("sekrit") && hidden.1 == 1, "{hidden:?}");
    }
    assert_eq!(masked(&by_value, binary("harmless")).1, 0);
    // As it was given, and not in any case of letters.
    assert_eq!(masked(&by_value, binary("SEKRIT")).1, 0);
    // More of it may match.
    let cut = Term::Bits(Bits {
        bytes: b"sek".to_vec(),
        bits: 800,
    });
    assert_eq!(masked(&by_value, cut.clone()), ("***".to_owned(), 1));
    assert_eq!(masked(&Redaction::default(), cut).1, 0);
    assert!(by_value.hides_word("a_sekrit") && !by_value.hides_word("boom"));
    assert!(
        Redaction::of(&Rules {
            values: vec!["(".to_owned()],
            ..Rules::default()
        })
        .is_err()
    );
}

#[test]
fn of_a_module_shapes_alone_are_told() {
    let hides = rules(|rules| rules.modules.push("vault".to_owned()));
    assert!(hides.hides("vault") && !hides.hides("shop"));
    assert!(hides.may_hide(None) && hides.may_hide(Some("vault")));
    assert!(!hides.may_hide(Some("shop")) && !Redaction::default().may_hide(None));
    let cases = [
        (state(), "{***,***,***,***}", 4),
        (chars("abc"), "[***,***,***]", 3),
        (map(atom("a"), chars("b")), "#{*** => ***}", 1),
        (binary("sekrit"), "***", 1),
        (Term::Integer(7), "***", 1),
        (Term::Cut, "...", 0),
    ];
    for (term, text, count) in cases {
        let mut hidden = term.clone();
        assert_eq!(hides.mask_of(["shop", "vault"], &mut hidden), count);
        assert_eq!(hidden.to_string(), text);
        let mut open = term.clone();
        hides.mask_of(["shop"], &mut open);
        assert_eq!(open, term);
    }
    let mut arguments = vec![state(), atom("sekrit")];
    assert_eq!(hides.mask_arguments(("vault", "open"), &mut arguments), 5);
    assert_eq!(tuple(arguments).to_string(), "{{***,***,***,***},***}");
    let mut arguments = vec![state(), atom("sekrit")];
    assert_eq!(hides.mask_arguments(("shop", "open"), &mut arguments), 0);
}

/// `-record(Name, {Fields})` as the compiler keeps it: fields plain, with a default, and with a type.
fn record(name: &str, fields: [&str; 3]) -> Term {
    let line = || Term::Integer(7);
    let named = |name: &str| tuple(vec![atom("atom"), line(), atom(name)]);
    let plain = |name| tuple(vec![atom("record_field"), line(), named(name)]);
    let [first, second, third] = fields;
    let default = tuple(vec![
        atom("record_field"),
        line(),
        named(second),
        named("x"),
    ]);
    let typed = tuple(vec![atom("typed_record_field"), plain(third), named("x")]);
    let definition = tuple(vec![atom(name), list(vec![plain(first), default, typed])]);
    tuple(vec![atom("attribute"), line(), atom("record"), definition])
}

fn debug_info(forms: Vec<Term>) -> Vec<u8> {
    let metadata = tuple(vec![list(forms), list(Vec::new())]);
    let all = vec![atom("debug_info_v1"), atom("erl_abstract_code"), metadata];
    tuple(all).to_external(None).expect("a whole term")
}

/// A module's file with another chunk, of an odd length, before this one.
fn file(data: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let length = (data.len() as u32).to_be_bytes();
        let fill = vec![0; data.len().next_multiple_of(4) - data.len()];
        [name, &length[..], data, &fill].concat()
    };
    let chunks = [chunk(b"Atom", b"abcde"), chunk(b"Dbgi", data)].concat();
    let length = (chunks.len() as u32 + 4).to_be_bytes();
    [b"FOR1", &length[..], b"BEAM", &chunks].concat()
}

fn compressed(term: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&term[1..]).expect("memory");
    let length = (term.len() as u32 - 1).to_be_bytes();
    [&[131, 80], &length[..], &zlib.finish().expect("memory")].concat()
}

fn zipped(file: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(file).expect("memory");
    gzip.finish().expect("memory")
}

fn module() -> Vec<u8> {
    let export = tuple(vec![
        atom("attribute"),
        Term::Integer(1),
        atom("module"),
        atom("m"),
    ]);
    debug_info(vec![
        export,
        record("state", ["user", "db_password", "count"]),
        record("plain", ["a", "b", "c"]),
    ])
}

#[test]
fn fields_are_masked_by_the_names_that_their_module_gives_them() {
    let files = [
        file(&module()),
        file(&compressed(&module())),
        zipped(&file(&compressed(&module()))),
    ];
    for file in files {
        let redaction = Redaction::default();
        assert_eq!(redaction.nameless(&state()), ["state"]);
        assert_eq!(masked(&redaction, state()).1, 0);
        redaction.learn_from("m", || Some(file.clone()));
        // Whoever was made of it knows as well.
        let told = masked(&redaction.clone(), state());
        assert_eq!(told, (r#"{state,<<"joe">>,***,3}"#.to_owned(), 1));
        assert!(redaction.nameless(&state()).is_empty());
        let plain = tuple(vec![atom("plain"), chars("a"), chars("b"), chars("c")]);
        assert_eq!(masked(&redaction, plain.clone()).1, 0);
        assert!(redaction.nameless(&plain).is_empty());
        // One of another size is another record.
        let longer = tuple(vec![
            atom("state"),
            chars("a"),
            chars("b"),
            chars("c"),
            chars("d"),
        ]);
        assert_eq!(masked(&redaction, longer).1, 0);
        redaction.learn_from("m", || panic!("once for each module"));
    }
    let by_name = rules(|rules| rules.names.push("^COUNT$".to_owned()));
    by_name.learn_from("m", || Some(file(&module())));
    assert_eq!(masked(&by_name, state()).0, r#"{state,<<"joe">>,***,***}"#);
}

/// As `term_to_binary/2` writes atoms in OTP 25: 100, two bytes of a length, Latin-1.
#[test]
fn atoms_may_be_written_as_they_were_before() {
    let mut old = Vec::new();
    let mut rest = &module()[..];
    while let Some((&byte, behind)) = rest.split_first() {
        match (byte, behind.split_first()) {
            (119, Some((&length, text))) => {
                let (text, behind) = text.split_at(length.into());
                old.extend([&[100, 0, length], text].concat());
                rest = behind;
            }
            _ => {
                old.push(byte);
                rest = behind;
            }
        }
    }
    let redaction = Redaction::default();
    redaction.learn_from("m", || Some(file(&compressed(&old))));
    assert_eq!(masked(&redaction, state()).1, 1);
}

#[test]
fn a_file_may_say_nothing() {
    let none = debug_info(Vec::new());
    let other = tuple(vec![
        atom("debug_info_v1"),
        atom("elixir_erl"),
        atom("none"),
    ]);
    let other = other.to_external(None).expect("a whole term");
    for bytes in [
        Vec::new(),
        b"FOR1".to_vec(),
        file(b""),
        file(&none),
        file(&other),
    ] {
        assert!(records_of(&bytes).is_empty());
    }
    // What is inflated is bounded.
    let bomb = [&[131][..], &vec![b'a'; 20 << 20]].concat();
    assert!(records_of(&file(&compressed(&bomb))).is_empty());
    // A size that is not there.
    let mut cut = file(&module());
    let length = cut.len();
    cut.truncate(length - 9);
    assert!(records_of(&cut).is_empty());
}

proptest! {
    /// Any damage to a file, whole or in its chunk: an answer of bounded size.
    #[test]
    fn a_damaged_file_gives_an_answer(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        (is_compressed, length) in (any::<bool>(), any::<prop::sample::Index>()),
    ) {
        let plain = module();
        let mut file = match is_compressed {
            true => file(&compressed(&plain)),
            false => file(&plain),
        };
        for (place, byte) in places {
            let at = place.index(file.len());
            file[at] = byte;
        }
        file.truncate(length.index(file.len()) + 1);
        prop_assert!(records_of(&file).len() <= 3);
    }
}
