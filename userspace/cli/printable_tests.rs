//! Nothing that a terminal obeys gets through, and JSON keeps its values.

use super::*;

/// Escape, CSI in one character, DEL, line and paragraph separators, marks, embeddings,
/// isolates, joiners, an invisible plus, the mark of byte order, a tag beyond 16 bits.
const HOSTILE: &str = "\0\u{7}\u{8}\r\u{1b}\u{7f}\u{80}\u{85}\u{9b}\u{9f}\u{ad}\u{61c}\u{200b}\u{200c}\
    \u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2064}\
    \u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{e0041}";

/// Letters of several scripts, with what combines; a space that does not break.
const PLAIN: &str = "az~ ÄÖß\u{a0}日本語 עברית e\u{301} 🦀 \u{fffd}";

fn printed(printing: Printing, bytes: &[u8], size: usize) -> String {
    let mut out = Vec::new();
    let mut printable = Printable::new(&mut out, printing);
    for part in bytes.chunks(size) {
        printable.write_all(part).expect("as it should be");
    }
    printable.finish().expect("as it should be");
    String::from_utf8(out).expect("as it should be")
}

#[test]
fn hostile_characters_are_replaced_one_by_one() {
    for c in HOSTILE.chars() {
        let text = format!("a{c}b\nc");
        for printing in [Printing::Lines, Printing::Data] {
            let seen = printed(printing, text.as_bytes(), 100);
            assert_eq!(seen, "a\u{fffd}b\nc", "{c:?}");
        }
        assert_eq!(one_line(&text), "a\u{fffd}b\u{fffd}c", "{c:?}");
        assert_eq!(message(&text), "a\u{fffd}b\n    c", "{c:?}");
        assert!(!is_plain(&text), "{c:?}");
    }
    assert_eq!(one_line("a\tb"), "a\u{fffd}b");
    assert_eq!(printed(Printing::Data, b"a\tb", 100), "a\tb");
}

#[test]
fn plain_text_stays_as_it_is() {
    for size in 1..8 {
        for printing in [Printing::Lines, Printing::Json, Printing::Data] {
            assert_eq!(printed(printing, PLAIN.as_bytes(), size), PLAIN);
        }
    }
    assert!(matches!(one_line(PLAIN), Cow::Borrowed(_)));
    assert!(is_plain(&format!("{PLAIN}\n{PLAIN}")));
}

/// Wherever writes divide characters.
#[test]
fn json_reads_back_as_what_it_was() {
    let value = serde_json::json!({ HOSTILE: [HOSTILE, PLAIN, "\n\"\\"] });
    let json = serde_json::to_string_pretty(&value).expect("as it should be");
    for size in 1..8 {
        let seen = printed(Printing::Json, json.as_bytes(), size);
        assert!(is_plain(&seen), "{seen:?}");
        assert!(seen.contains(r"\u009b"), "{seen:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&seen).expect("as it should be"),
            value
        );
    }
}

/// Bytes that are no UTF-8, also at the very end.
#[test]
fn broken_bytes_are_replaced() {
    for size in 1..4 {
        let seen = printed(Printing::Lines, b"a\x9b2Jb\xe2\x80", size);
        assert_eq!(seen, "a\u{fffd}2Jb\u{fffd}");
    }
}
