use escope_model::{Fate, LeftAs, MessageKind};
use proptest::prelude::*;

use super::{Letter, Note, Participant, Script, Sequence};
use crate::ExportError;
use crate::gantt::{Gap, GapKind};
use crate::seen::{Element, elements};
use crate::tests::nasty;

fn participant(name: &str) -> Participant {
    Participant {
        name: name.to_owned(),
        details: vec![format!("all about {name}")],
    }
}

fn letter(kind: MessageKind, (from, to): (usize, usize), sent_ns: i64, lain_ns: i64) -> Letter {
    Letter {
        from,
        to,
        from_id: Some(from as u64),
        to_id: to as u64,
        sent_ns,
        received_ns: Some(sent_ns + lain_ns),
        kind,
        tag: None,
        payload: None,
        fate: Fate::Received,
    }
}

/// A call, a message under way while others come and go, and one of each fate.
fn small() -> Sequence {
    let lost = Letter {
        received_ns: None,
        fate: Fate::Dropped,
        tag: Some("stop".to_owned()),
        ..letter(MessageKind::Message, (0, 2), 61_000, 0)
    };
    let unknown = Letter {
        fate: Fate::Unknown,
        ..lost.clone()
    };
    let script = Script {
        title: "shop@db: messages".to_owned(),
        subtitle: "100 µs".to_owned(),
        remarks: vec!["3 later messages are not drawn".to_owned()],
        participants: ["shop", "the end", "Zürich; <b>"].map(participant).to_vec(),
        letters: vec![
            letter(MessageKind::Call, (0, 1), 1_000, 4_000),
            letter(MessageKind::Message, (2, 1), 2_000, 20_000),
            letter(MessageKind::Cast, (1, 1), 7_000, 100),
            letter(MessageKind::Reply, (1, 0), 9_000, 300),
            lost,
            unknown,
            letter(MessageKind::Timeout, (1, 2), 900_000, 10),
        ],
        notes: vec![
            Note {
                at_ns: 500,
                lane: 2,
                text: "spawned by shop".to_owned(),
                is_end: false,
            },
            Note {
                at_ns: 60_000,
                lane: 2,
                text: "ended: killed".to_owned(),
                is_end: true,
            },
        ],
        gaps: vec![Gap {
            from_ns: 70_000,
            to_ns: 80_000,
            kind: GapKind::Lost,
            details: vec!["17 events".to_owned()],
        }],
    };
    let mut sequence = Sequence::new(script);
    for (lane, start_ns, end_ns, left_as) in [
        (0, 0, 1_500, LeftAs::Waiting),
        (1, 4_500, 9_500, LeftAs::Runnable),
        (1, 65_000, 90_000, LeftAs::Waiting),
    ] {
        sequence.run(lane, start_ns, end_ns, Some(left_as));
    }
    sequence
}

fn svg(sequence: &Sequence) -> String {
    let mut out = Vec::new();
    sequence.write_svg(&mut out).expect("a picture is drawn");
    String::from_utf8(out).expect("a picture is text")
}

fn mermaid(sequence: &Sequence) -> String {
    let mut out = Vec::new();
    sequence.write_mermaid(&mut out).expect("text is written");
    String::from_utf8(out).expect("text is text")
}

#[test]
fn the_picture_matches_its_golden() {
    insta::assert_snapshot!(svg(&small()));
}

#[test]
fn the_text_matches_its_golden() {
    insta::assert_snapshot!(mermaid(&small()));
}

#[test]
fn nothing_is_an_error_of_its_own() {
    let nothing = Sequence::new(Script::default());
    let error = nothing.write_svg(&mut Vec::new());
    assert!(matches!(error, Err(ExportError::NoMessages)));
    let error = nothing.write_mermaid(&mut Vec::new());
    assert!(matches!(error, Err(ExportError::NoMessages)));
}

#[test]
fn a_message_that_lay_long_is_slanted_and_others_are_level() {
    let picture = svg(&small());
    let slants: Vec<bool> = elements(&picture)
        .iter()
        .filter(|it| it.is_in("letters") && it.name == "path")
        .filter_map(|it| {
            let (_, ends) = it.attribute("d").split_once(' ')?;
            let (y, end) = ends.split_once('L')?;
            Some(end.split_once(' ')?.1 != y)
        })
        .collect();
    // Call, message, reply, two of no known end, timeout.
    assert_eq!(slants, [true, true, false, false, false, false]);
}

#[test]
fn no_statement_is_longer_than_mermaid_takes() {
    let mut script = Script {
        participants: ["a", "b"].map(participant).to_vec(),
        ..Script::default()
    };
    for n in 0..5000 {
        script.letters.push(Letter {
            tag: Some("a tag; that has #signs: many".to_owned()),
            ..letter(MessageKind::Message, (0, 1), n * 1000, 10)
        });
    }
    let text = mermaid(&Sequence::new(script));
    assert!(text.chars().count() < 50_000);
    let drawn = text.matches("-)p1").count();
    assert!(drawn > 300, "{drawn}");
    assert!(text.contains(&format!("{} more messages are left out", 5000 - drawn)));
}

#[test]
fn hostile_names_stay_in_their_place() {
    for name in nasty() {
        let mut script = Script {
            title: name.clone(),
            subtitle: name.clone(),
            remarks: vec![name.clone()],
            participants: [name.as_str(), "b"].map(participant).to_vec(),
            ..Script::default()
        };
        script.letters.push(Letter {
            tag: Some(name.clone()),
            ..letter(MessageKind::Message, (0, 1), 1000, 10)
        });
        script.notes.push(Note {
            at_ns: 2000,
            lane: 1,
            text: name.clone(),
            is_end: false,
        });
        let sequence = Sequence::new(script);
        let picture = svg(&sequence);
        let known = [
            "svg", "style", "defs", "rect", "g", "path", "text", "pattern", "marker",
        ];
        for element in elements(&picture) {
            assert!(known.contains(&element.name.as_str()), "{name:?}");
        }
        assert!(picture.chars().all(|c| !c.is_control() || c == '\n'));
        let text = mermaid(&sequence);
        assert_eq!(text.lines().count(), 8, "{text}");
        for line in text.lines().skip(1) {
            // What follows the statement's own signs is letters, digits and codes.
            let (_, quoted) = line
                .split_once(": ")
                .or(line.split_once(" as "))
                .expect(line);
            assert!(
                quoted
                    .chars()
                    .all(|c| c.is_alphanumeric() || " #;._,/".contains(c)),
                "{line}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn order_is_kept_and_nothing_overlaps(
        letters in proptest::collection::vec(
            (0_usize..3, 0_usize..3, 0_i64..1_000_000, proptest::option::of(0_i64..400_000)),
            1..40,
        ),
        runs in proptest::collection::vec((0_i64..1_000_000, 0_i64..50_000), 0..60),
        gaps in proptest::collection::vec((0_i64..1_000_000, 1_i64..50_000), 0..4),
    ) {
        let script = Script {
            participants: ["a", "b", "c"].map(participant).to_vec(),
            letters: letters.iter().map(|&(from, to, sent_ns, lain_ns)| Letter {
                received_ns: lain_ns.map(|lain_ns| sent_ns + lain_ns),
                fate: lain_ns.map_or(Fate::Unknown, |_| Fate::Received),
                ..letter(MessageKind::Message, (from, to), sent_ns, 0)
            }).collect(),
            gaps: gaps.iter().map(|&(from_ns, length_ns)| Gap {
                from_ns,
                to_ns: from_ns + length_ns,
                kind: GapKind::Lost,
                details: Vec::new(),
            }).collect(),
            ..Script::default()
        };
        let mut sequence = Sequence::new(script);
        let mut runs = runs;
        runs.sort_unstable();
        for (start_ns, length_ns) in runs {
            sequence.run(1, start_ns, start_ns + length_ns, None);
        }
        let mut times: Vec<i64> = letters.iter().map(|letter| letter.2).collect();
        times.sort_unstable();
        for pair in times.windows(2) {
            let room = sequence.scale.y(pair[1]) - sequence.scale.y(pair[0]);
            prop_assert!(room > 20.0 || pair[0] == pair[1], "{}", room);
        }
        let all = elements(&svg(&sequence));
        let extent = |it: &Element| (it.number("y"), it.number("y") + it.number("height"));
        let bars: Vec<(f64, f64)> =
            all.iter().filter(|it| it.is_in("bars runs")).map(extent).collect();
        prop_assert!(bars.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 0.021), "{:?}", bars);
        let closed: Vec<(f64, f64)> =
            all.iter().filter(|it| it.class == "gap").map(extent).collect();
        for bar in &bars {
            for gap in &closed {
                prop_assert!(bar.1 <= gap.0 + 0.7 || gap.1 <= bar.0 + 0.7, "{:?} {:?}", bar, gap);
            }
        }
        let arrows = all.iter().filter(|it| it.is_in("letters") && it.name == "path").count();
        prop_assert_eq!(arrows, letters.len());
        prop_assert!(mermaid(&sequence).lines().count() >= letters.len());
    }
}
