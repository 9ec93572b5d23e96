use std::collections::{BTreeMap, BTreeSet};

use escope_model::{Fate, Life, LifeEvent, Message, MessageKind, ProcId};
use proptest::prelude::*;

use super::{Edge, Edges, How, Latest, Past, Reach};
use crate::causality::{Clocks, Moment, Relation, Step};
use crate::merged::Happening;

const MANY: u32 = 5;

fn life(proc: u32, event: LifeEvent, ts_ns: i64, other: Option<u32>, reason: &str) -> Life {
    Life {
        ts_ns,
        proc: ProcId(proc),
        event,
        other: other.map(ProcId),
        name: None,
        reason: (event == LifeEvent::Exit).then(|| reason.to_owned()),
    }
}

fn message(msg: u64, from: u32, to: u32, sent_ns: i64, received_ns: Option<i64>) -> Message {
    Message {
        msg,
        from: Some(ProcId(from)),
        to: ProcId(to),
        kind: MessageKind::Message,
        tag: None,
        sent_ns,
        received_ns,
        fate: received_ns.map_or(Fate::Waiting, |_| Fate::Received),
        size_words: None,
    }
}

fn edges(rows: &[Happening]) -> Vec<Edge> {
    let mut edges = Edges::default();
    for row in rows {
        if let Happening::Life(life) = row {
            edges.learn(life);
        }
    }
    rows.iter().filter_map(|row| edges.of(row)).collect()
}

fn past(edges: &[Edge], who: u32, at_ns: u64) -> Past {
    let mut latest = Latest::new(1 << 20);
    edges.iter().for_each(|&edge| latest.push(edge));
    Past::of(latest, &[ProcId(who)], at_ns)
}

fn reach(edges: &[Edge], who: u32, since_ns: u64) -> Reach {
    let mut reach = Reach::from(&[ProcId(who)], since_ns);
    edges.iter().for_each(|&edge| reach.push(edge));
    reach.finish();
    reach
}

#[test]
fn an_exit_signal_may_have_ended_whom_it_reached() {
    let signal = |msg, from, sent_ns| Message {
        kind: MessageKind::Exit,
        fate: Fate::Unknown,
        ..message(msg, from, 3, sent_ns, None)
    };
    let rows = [
        Happening::Life(life(1, LifeEvent::Exit, 10, None, "normal")),
        Happening::Message(signal(1, 1, 11)),
        Happening::Life(life(2, LifeEvent::Exit, 20, None, "killed")),
        Happening::Message(signal(2, 2, 21)),
        Happening::Life(life(3, LifeEvent::Exit, 30, None, "killed")),
        Happening::Message(signal(3, 2, 40)),
    ];
    let edges = edges(&rows);
    let told: Vec<_> = edges
        .iter()
        .map(|it| (it.from.0, it.sent_ns, it.got_ns, it.how))
        .collect();
    assert_eq!(told, [(2, 21, 30, How::ExitSignal(2))]);
}

#[test]
fn what_was_never_taken_leads_to_nothing() {
    let lost = Message {
        fate: Fate::Unknown,
        ..message(1, 1, 2, 20, None)
    };
    let rows = [
        Happening::Message(message(0, 1, 2, 10, None)),
        Happening::Message(lost),
    ];
    let mut edges = Edges::default();
    assert!(rows.iter().all(|row| edges.of(row).is_none()));
    assert_eq!((edges.unknown(ProcId(2)), edges.unknown(ProcId(1))), (1, 0));
}

#[test]
fn a_past_that_has_no_room_says_since_when_it_is_whole() {
    let mut latest = Latest::new(10);
    for msg in 0..100 {
        latest.push(
            edges(&[Happening::Message(message(
                msg,
                1,
                2,
                msg as i64,
                Some(msg as i64),
            ))])[0],
        );
    }
    let past = Past::of(latest, &[ProcId(2)], 1000);
    assert!((10..20).contains(&past.edges.len()));
    let oldest = past.edges.last().map(|edge| edge.got_ns);
    assert_eq!(oldest, Some(past.complete_since_ns));
}

/// Spawns and messages; `apart` of them no two things happen at once.
fn programs(apart: bool) -> impl Strategy<Value = Vec<Happening>> {
    let step = (0..4u8, 0..MANY, 0..MANY, 0..30i64, 0..20i64, any::<bool>());
    prop::collection::vec(step, 0..25).prop_map(move |steps| {
        let scale = if apart { 200 } else { 1 };
        let mut rows: Vec<Happening> = Vec::new();
        for (number, (what, from, to, at, lay, is_got)) in steps.into_iter().enumerate() {
            let number = if apart { number as i64 } else { 0 };
            let sent = at * scale + number;
            let got = (at + lay) * scale + number + if apart { 100 } else { 0 };
            rows.push(match what {
                0 if from != to => {
                    Happening::Life(life(to, LifeEvent::Spawn, sent, Some(from), ""))
                }
                _ => {
                    let msg = rows.len() as u64;
                    Happening::Message(message(msg, from, to, sent, is_got.then_some(got)))
                }
            });
        }
        rows.sort_by_key(Happening::begin_ns);
        rows
    })
}

/// The edges from which a chain leads to a process until an instant: by trying until nothing
/// changes.
fn leads_to(edges: &[Edge], who: u32, at_ns: u64) -> BTreeSet<usize> {
    let mut inside = BTreeSet::new();
    loop {
        let before = inside.len();
        for (number, edge) in edges.iter().enumerate() {
            let ends = edge.to == ProcId(who) && edge.got_ns <= at_ns;
            let goes_on = inside.iter().any(|&next: &usize| {
                edges[next].from == edge.to && edge.got_ns <= edges[next].sent_ns
            });
            if ends || goes_on {
                inside.insert(number);
            }
        }
        if inside.len() == before {
            return inside;
        }
    }
}

/// When each process is reached: by trying until nothing changes.
fn arrivals(edges: &[Edge], who: u32, since_ns: u64) -> BTreeMap<ProcId, u64> {
    let mut reached = BTreeMap::from([(ProcId(who), since_ns)]);
    loop {
        let before = reached.clone();
        for edge in edges {
            if reached
                .get(&edge.from)
                .is_some_and(|&ns| ns <= edge.sent_ns)
            {
                let ns = reached.entry(edge.to).or_insert(edge.got_ns);
                *ns = edge.got_ns.min(*ns);
            }
        }
        if reached == before {
            return reached;
        }
    }
}

/// The same rows as events of processes, and which event ends each edge; the event that is
/// asked for is the last of its instant.
fn moments(edges: &[Edge], who: u32, at_ns: u64) -> (Vec<Moment<ProcId>>, Vec<usize>, usize) {
    // At one instant a spawn comes before what the child does, and what is asked for last.
    let mut events: Vec<(u64, u8, usize, Moment<ProcId>)> = Vec::new();
    for (number, edge) in edges.iter().enumerate() {
        let mut add = |ns, order, who, what| events.push((ns, order, number, Moment { who, what }));
        match edge.how {
            How::Message(msg, _) | How::ExitSignal(msg) => {
                add(edge.sent_ns, 0, edge.from, Step::Send(msg));
                add(edge.got_ns, 1, edge.to, Step::Receive(msg));
            }
            How::Spawn => {
                add(edge.sent_ns, 0, edge.from, Step::Spawn(edge.to));
                add(edge.got_ns, 1, edge.to, Step::Local);
            }
        }
    }
    let asked = Moment {
        who: ProcId(who),
        what: Step::Local,
    };
    events.push((at_ns, 2, usize::MAX, asked));
    events.sort_by_key(|event| (event.0, event.1));
    let mut ends = vec![0; edges.len()];
    let mut query = 0;
    for (at, event) in events.iter().enumerate() {
        match (event.2, event.1) {
            (usize::MAX, _) => query = at,
            (number, 1) => ends[number] = at,
            _ => {}
        }
    }
    (
        events.into_iter().map(|event| event.3).collect(),
        ends,
        query,
    )
}

proptest! {
    #[test]
    fn the_past_is_what_vector_clocks_say(
        rows in programs(true),
        who in 0..MANY,
        at_ns in 0..12_000u64,
    ) {
        let edges = edges(&rows);
        let past = past(&edges, who, at_ns);
        let (moments, ends, query) = moments(&edges, who, at_ns);
        let clocks = Clocks::of(&moments);
        let expected: BTreeSet<usize> = (0..edges.len())
            .filter(|&number| clocks.compare(ends[number], query) == Some(Relation::Before))
            .collect();
        let told: BTreeSet<usize> = past.edges.iter()
            .map(|edge| edges.iter().position(|it| it == edge).expect("one of them"))
            .collect();
        prop_assert_eq!(told, expected);
        let clock = clocks.at(query).expect("there is such an event");
        for other in 0..MANY {
            let is_in = past.until_ns.contains_key(&ProcId(other));
            prop_assert_eq!(is_in, clock.count(ProcId(other)) > 0);
        }
    }

    #[test]
    fn the_past_is_all_from_which_a_chain_leads(
        rows in programs(false),
        who in 0..MANY,
        at_ns in 0..60u64,
    ) {
        let edges = edges(&rows);
        let past = past(&edges, who, at_ns);
        let mut told: Vec<Edge> = past.edges.clone();
        let mut expected: Vec<Edge> =
            leads_to(&edges, who, at_ns).into_iter().map(|number| edges[number]).collect();
        prop_assert!(told.windows(2).all(|pair| pair[0].got_ns >= pair[1].got_ns));
        let key = |edge: &Edge| (edge.got_ns, edge.sent_ns, edge.from, edge.to, format!("{:?}", edge.how));
        told.sort_by_key(key);
        expected.sort_by_key(key);
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn whom_a_process_reaches_and_when(
        rows in programs(false),
        who in 0..MANY,
        since_ns in 0..40u64,
    ) {
        let edges = edges(&rows);
        let reach = reach(&edges, who, since_ns);
        let arrivals = arrivals(&edges, who, since_ns);
        prop_assert_eq!(reach.count(), arrivals.len());
        for (&to, &at_ns) in &arrivals {
            prop_assert_eq!(reach.at_ns(to), Some(at_ns));
            let chain = reach.chain(to).expect("it was reached");
            let (mut here, mut now) = (ProcId(who), since_ns);
            for edge in &chain {
                prop_assert!(edges.contains(edge));
                prop_assert!(edge.from == here && edge.sent_ns >= now);
                (here, now) = (edge.to, edge.got_ns);
            }
            prop_assert_eq!((here, now), (to, at_ns));
        }
    }
}
