use escope_model::{Cut, Fate, LeftAs};
use proptest::prelude::*;

use super::{Arrow, Facts, Gantt, GanttOptions, Gap, GapKind, Lane, LaneKind, MarkKind, Span};
use crate::ExportError;
use crate::seen::{Element, elements as svg_elements};
use crate::tests::nasty;

fn lane(kind: LaneKind, name: &str) -> Lane {
    Lane {
        kind,
        name: name.to_owned(),
        details: vec![format!("all about {name}")],
        began_ns: None,
        ended_ns: None,
        spans: u64::MAX,
    }
}

fn span(start_ns: i64, end_ns: i64) -> Span {
    Span {
        start_ns,
        end_ns,
        left_as: Some(LeftAs::Waiting),
        cut: None,
        reductions: Some(7),
    }
}

fn gap(from_ns: i64, to_ns: i64, kind: GapKind) -> Gap {
    Gap {
        from_ns,
        to_ns,
        kind,
        details: vec!["17 events".to_owned()],
    }
}

fn facts(text: &str) -> Facts {
    Facts {
        label: text.to_owned(),
        lines: vec![text.to_owned()],
    }
}

fn drawn(chart: &mut Gantt) -> String {
    let mut out = Vec::new();
    chart.write(&mut out).expect("a chart is drawn");
    String::from_utf8(out).expect("a picture is text")
}

/// A scheduler and two processes, one of each kind of thing.
fn small() -> Gantt {
    let options = GanttOptions {
        title: "shop@db: timeline".to_owned(),
        subtitle: "1 ms".to_owned(),
        notes: vec!["12 more processes".to_owned()],
        to_ns: 1_000_000,
        width_px: 1000,
        ..GanttOptions::default()
    };
    let mut second = lane(LaneKind::Process, "logger");
    (second.began_ns, second.ended_ns) = (Some(100_000), Some(900_000));
    let lanes = vec![
        lane(LaneKind::Scheduler, "scheduler_1"),
        lane(LaneKind::Process, "shop"),
        second,
    ];
    let gaps = vec![
        gap(600_000, 700_000, GapKind::NotRecorded),
        gap(300_000, 350_000, GapKind::Lost),
    ];
    let mut chart = Gantt::new(options, lanes, gaps);
    for (lane, at_ns, ways) in [
        (1, 0, LeftAs::Waiting),
        (2, 150_000, LeftAs::Runnable),
        (1, 400_000, LeftAs::Dirty),
        (2, 850_000, LeftAs::Exiting),
    ] {
        let run = Span {
            left_as: Some(ways),
            ..span(at_ns, at_ns + 50_000)
        };
        chart.run(lane, run, || facts("1"));
        chart.run(0, run, || facts("shop"));
    }
    for at_ns in (500_000..510_000).step_by(1000) {
        chart.run(1, span(at_ns, at_ns + 200), || facts("short"));
    }
    let unseen = Span {
        left_as: None,
        cut: Some(Cut::End),
        ..span(580_000, 600_000)
    };
    chart.run(1, unseen, || facts("cut"));
    chart.collection(2, span(160_000, 170_000), || facts("gc"));
    for n in 0..6 {
        chart.mail(1, 450_000 + n * 1000, Some(502_000 + n));
    }
    chart.mark(
        2,
        100_000,
        MarkKind::Spawn,
        vec!["spawned by shop".to_owned()],
    );
    chart.mark(
        2,
        900_000,
        MarkKind::Crash,
        vec!["ended: killed".to_owned()],
    );
    for (received_ns, fate) in [
        (Some(150_000), Fate::Received),
        (None, Fate::Dropped),
        (Some(650_000), Fate::Received),
    ] {
        let arrow = Arrow {
            from: 1,
            to: 2,
            sent_ns: 40_000,
            received_ns,
            fate,
        };
        chart.arrow(arrow, || vec!["message".to_owned()]);
    }
    chart
}

#[test]
fn the_chart_matches_its_golden() {
    insta::assert_snapshot!(drawn(&mut small()));
}

#[test]
fn nothing_is_an_error_of_its_own() {
    let mut chart = Gantt::new(GanttOptions::default(), Vec::new(), Vec::new());
    let error = chart.write(&mut Vec::new());
    assert!(matches!(error, Err(ExportError::NoRuns)));
}

#[test]
fn what_is_known_and_what_not_is_told_at_the_foot() {
    let svg = drawn(&mut small());
    for text in [
        "15 runs of these processes: 5 drawn one by one, 10 merged into shaded bars",
        "since not all is known of the time that they were under way: 1<",
        "12 more processes",
        " runs, merged",
        "mailbox, most 6",
    ] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn too_many_messages_are_none() {
    let mut chart = small();
    let arrow = Arrow {
        from: 2,
        to: 1,
        sent_ns: 710_000,
        received_ns: Some(720_000),
        fate: Fate::Received,
    };
    for _ in 0..300 {
        chart.arrow(arrow, || vec!["one of many".to_owned()]);
    }
    let svg = drawn(&mut chart);
    assert!(!svg.contains("one of many"));
    assert!(svg.contains("since they are more than 200: 302;"));
}

#[test]
fn a_million_runs_of_many_rows_make_a_picture_of_bounded_size() {
    let lanes: Vec<Lane> = (0..100)
        .map(|n| lane(LaneKind::Process, &format!("worker {n}")))
        .collect();
    let to_ns = 10_000_000_000;
    let options = GanttOptions {
        to_ns,
        ..GanttOptions::default()
    };
    let mut chart = Gantt::new(options, lanes, Vec::new());
    let each_ns = to_ns / 10_000;
    for row in 0..100 {
        for n in 0..10_000 {
            // Long and short ones, so that no two columns look the same.
            let long_ns = each_ns * (1 + (n * 7919 + row) % 97) / 100;
            let start_ns = n * each_ns;
            chart.run(
                row as usize,
                span(start_ns, start_ns + long_ns),
                Facts::default,
            );
        }
    }
    let account = chart.account(LaneKind::Process);
    assert_eq!(account.drawn + account.merged, 1_000_000);
    let svg = drawn(&mut chart);
    assert!(svg.len() < 20_000_000, "{} bytes", svg.len());
}

#[test]
fn hostile_names_stay_in_their_place() {
    for name in nasty() {
        let lanes = vec![lane(LaneKind::Process, &name)];
        let options = GanttOptions {
            title: name.clone(),
            subtitle: name.clone(),
            notes: vec![name.clone()],
            to_ns: 1000,
            ..GanttOptions::default()
        };
        let hostile = Gap {
            details: vec![name.clone()],
            ..gap(10, 20, GapKind::Lost)
        };
        let mut chart = Gantt::new(options, lanes, vec![hostile]);
        chart.run(0, span(100, 900), || facts(&name));
        chart.mark(0, 50, MarkKind::Exit, vec![name.clone()]);
        let svg = drawn(&mut chart);
        let elements = svg_elements(&svg);
        let known = [
            "svg", "style", "defs", "rect", "g", "path", "text", "title", "pattern", "marker",
        ];
        for element in &elements {
            assert!(
                known.contains(&element.name.as_str()),
                "{} in {name:?}",
                element.name
            );
        }
        assert_eq!(elements.iter().filter(|it| is_bar(it)).count(), 1);
        assert!(svg.chars().all(|c| !c.is_control() || c == '\n'));
    }
}

fn is_bar(element: &Element) -> bool {
    element.is_in("bars runs") && element.name == "rect"
}

/// From where to where, and how low it stands.
fn extent(element: &Element) -> (f64, f64, f64) {
    let (x, width) = (element.number("x"), element.number("width"));
    (x, x + width, element.number("y"))
}

/// What two roundings to a hundredth of a pixel may cost.
const ROUNDED_PX: f64 = 0.021;

fn any_span() -> impl Strategy<Value = (usize, i64, i64, Option<LeftAs>)> {
    let length = prop_oneof![0_i64..3, 0_i64..300, 0_i64..20_000];
    let left = proptest::option::of(proptest::sample::select(LeftAs::ALL));
    (0_usize..3, -2_000_i64..102_000, length, left)
        .prop_map(|(lane, start, length, left)| (lane, start, start + length, left))
}

proptest! {
    #[test]
    fn bars_neither_overlap_nor_lie_in_gaps_and_every_run_is_accounted_for(
        mut spans in proptest::collection::vec(any_span(), 0..300),
        gaps in proptest::collection::vec((-1_000_i64..101_000, 0_i64..4_000), 0..12),
    ) {
        spans.sort_by_key(|(_, start, ..)| *start);
        let lanes = (0..3).map(|n| lane(LaneKind::Process, &n.to_string())).collect();
        let gaps: Vec<Gap> = gaps
            .into_iter()
            .map(|(from, length)| gap(from, from + length, GapKind::NotRecorded))
            .collect();
        let options = GanttOptions { to_ns: 100_000, width_px: 700, ..GanttOptions::default() };
        let mut chart = Gantt::new(options, lanes, gaps);
        for &(lane, start_ns, end_ns, left_as) in &spans {
            chart.run(lane, Span { left_as, ..span(start_ns, end_ns) }, Facts::default);
        }
        let account = chart.account(LaneKind::Process);
        let sum = account.drawn + account.merged + account.outside + account.in_gaps
            + account.no_room;
        prop_assert_eq!(sum, spans.len() as u64);

        let svg = drawn(&mut chart);
        let elements = svg_elements(&svg);
        let mut bars: Vec<(f64, f64, f64)> =
            elements.iter().filter(|it| is_bar(it)).map(extent).collect();
        bars.sort_by(|a, b| (a.2, a.0).partial_cmp(&(b.2, b.0)).expect("numbers"));
        for pair in bars.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            prop_assert!(
                before.2 != after.2 || before.1 <= after.0 + ROUNDED_PX,
                "{:?} {:?}", before, after
            );
        }
        let closed: Vec<(f64, f64, f64)> =
            elements.iter().filter(|it| it.class == "gap").map(extent).collect();
        for bar in &bars {
            for gap in &closed {
                prop_assert!(
                    bar.1 <= gap.0 + ROUNDED_PX || gap.1 <= bar.0 + ROUNDED_PX,
                    "{:?} in {:?}", bar, gap
                );
            }
        }
        let merged: u64 = elements
            .iter()
            .filter(|it| is_bar(it))
            .filter_map(|it| it.title.split_once(" runs, merged")?.0.replace(',', "").parse::<u64>().ok())
            .sum();
        // A column that a gap or bar divides shows its sum on each side.
        prop_assert!(merged >= account.merged, "{} of {}", merged, account.merged);
        let single = bars.len() as u64
            - elements.iter().filter(|it| it.title.contains(" runs, merged")).count() as u64;
        prop_assert_eq!(single, account.drawn);
    }
}
