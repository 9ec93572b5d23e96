//! The diagram as Mermaid's text.
//!
//! Format: <https://mermaid.js.org/syntax/sequenceDiagram.html>. Everything that is not
//! a letter, a digit or plain punctuation is written as `#CODE;`, which Mermaid
//! replaces after it has parsed; so no name means anything to its grammar. So is the
//! first letter of the one word that does.

use escope_model::{Fate, MessageKind};

use super::draw::gap_text;
use super::{Letter, Sequence, label};
use crate::text::{drawn, duration};

/// Mermaid refuses more than 50,000 characters (`maxTextSize`).
const CHARS_MAX: usize = 46_000;
/// Longest name or label, in characters.
const TEXT_MAX: usize = 80;
/// Longest sentence about the whole.
const SENTENCE_MAX: usize = 200;
/// A pause that is longer than this part of the whole is told.
const PAUSE_PART: u64 = 20;

/// The word that Mermaid's manual warns of, wherever it stands.
const WORD: &str = "end";

pub(super) fn text(sequence: &Sequence) -> String {
    let script = &sequence.script;
    let mut out = String::from("sequenceDiagram\n");
    out += &format!("    title: {}\n", quoted(&script.title));
    for (lane, participant) in script.participants.iter().enumerate() {
        out += &format!("    participant p{lane} as {}\n", quoted(&participant.name));
    }
    let all = match script.participants.len() {
        0 | 1 => "p0".to_owned(),
        lanes => format!("p0,p{}", lanes - 1),
    };
    let over_all = |text: &str| format!("    Note over {all}: {}\n", cut(text, SENTENCE_MAX));
    out += &over_all(&script.subtitle);
    for remark in &script.remarks {
        out += &over_all(remark);
    }
    let statements = statements(sequence, &over_all);
    let mut left_out = 0;
    for (is_letter, statement) in statements {
        if left_out == 0 && out.len() + statement.len() <= CHARS_MAX {
            out += &statement;
        } else {
            left_out += usize::from(is_letter);
        }
    }
    if left_out > 0 {
        out += &over_all(&format!(
            "{left_out} more messages are left out: Mermaid takes no longer text"
        ));
    }
    out
}

/// All statements in the order of time, and whether each is a message.
fn statements(sequence: &Sequence, over_all: &dyn Fn(&str) -> String) -> Vec<(bool, String)> {
    let script = &sequence.script;
    // Times, what comes first of what is at once, whether it is a message, the text.
    let mut all: Vec<(i64, u8, bool, String)> = Vec::new();
    for (at, letter) in script.letters.iter().enumerate() {
        all.push((letter.sent_ns, 1, true, message(sequence, at, letter)));
    }
    for note in &script.notes {
        let text = quoted(&note.text);
        let text = format!("    Note over p{}: {text}\n", note.lane);
        all.push((note.at_ns, 2, false, text));
    }
    for gap in &script.gaps {
        all.push((gap.from_ns, 0, false, over_all(&gap_text(gap))));
    }
    if let Some((from_ns, to_ns)) = sequence.scale.span() {
        let least_ns = (to_ns.abs_diff(from_ns) / PAUSE_PART).max(1000);
        let mut last_ns = from_ns;
        for letter in &script.letters {
            let pause_ns = letter.sent_ns.abs_diff(last_ns);
            let is_gap = script
                .gaps
                .iter()
                .any(|gap| gap.from_ns < letter.sent_ns && gap.to_ns > last_ns);
            if pause_ns > least_ns && !is_gap {
                let text = over_all(&format!("{} later", duration(pause_ns)));
                all.push((letter.sent_ns, 0, false, text));
            }
            last_ns = letter.sent_ns;
        }
    }
    all.sort_by_key(|(at_ns, rank, ..)| (*at_ns, *rank));
    all.into_iter()
        .map(|(_, _, is_letter, text)| (is_letter, text))
        .collect()
}

fn message(sequence: &Sequence, at: usize, letter: &Letter) -> String {
    let is_paired = matches!(sequence.partners.get(at), Some(Some(_)));
    let (arrow, mark) = match (letter.fate, letter.kind) {
        (Fate::Dropped, _) => ("-x", ""),
        (Fate::Waiting | Fate::Unknown, _) => ("--)", ""),
        (Fate::Received, MessageKind::Call) if is_paired => ("->>", "+"),
        (Fate::Received, MessageKind::Reply) if is_paired => ("-->>", "-"),
        (Fate::Received, MessageKind::Reply) => ("-->>", ""),
        (Fate::Received, MessageKind::Call) => ("->>", ""),
        (Fate::Received, _) => ("-)", ""),
    };
    let mut text = label::short(sequence, at, letter);
    if let Some(lain_ns) = label::lain_ns(letter).filter(|lain_ns| *lain_ns > 0) {
        text += &format!(", {} in the mailbox", duration(lain_ns));
    }
    format!(
        "    p{}{arrow}{mark}p{}: {}\n",
        letter.from,
        letter.to,
        quoted(&text)
    )
}

/// A name or label that means nothing to the grammar.
fn quoted(text: &str) -> String {
    cut(text, TEXT_MAX)
}

fn cut(text: &str, most: usize) -> String {
    let text = drawn(text);
    let mut words = Vec::new();
    let cut: String = text.chars().take(most).collect();
    for word in cut.split(' ') {
        words.push(quoted_word(word));
    }
    let mut out = words.join(" ");
    if cut.len() < text.len() {
        out += "#8230;";
    }
    out
}

fn quoted_word(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    // Where letters begin or end that could be a word of the grammar.
    let mut at_start = true;
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic());
        let run = rest.get(..letters.unwrap_or(rest.len())).unwrap_or(rest);
        let is_word = at_start && run.eq_ignore_ascii_case(WORD);
        let is_plain = c.is_alphanumeric() || matches!(c, '.' | ',' | '_' | '/');
        if is_plain && !is_word {
            out.push(c);
        } else {
            out += &format!("#{};", u32::from(c));
        }
        at_start = !c.is_ascii_alphabetic();
        rest = rest.strip_prefix(c).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn nothing_means_anything() {
        assert_eq!(quoted("shop_server 2.5"), "shop_server 2.5");
        assert_eq!(quoted("a;b#c:d"), "a#59;b#35;c#58;d");
        assert_eq!(quoted("the end"), "the #101;nd");
        assert_eq!(quoted("END-end"), "#69;ND#45;#101;nd");
        assert_eq!(quoted("legend ender"), "legend ender");
        assert_eq!(quoted("<0.1.0>"), "#60;0.1.0#62;");
        assert_eq!(quoted("a\nb %%{init}"), "a b #37;#37;#123;init#125;");
        assert_eq!(quoted("Zürich ✓"), "Zürich #10003;");
        assert!(quoted(&"x".repeat(200)).ends_with("x#8230;"));
    }
}
