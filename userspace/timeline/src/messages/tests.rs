//! Single rules by name, then random traffic against a list that is searched, and
//! against the mailboxes of a small VM that reuses addresses.

use escope_model::Fate;
use proptest::prelude::*;

use super::{Entry, MessageRow, Messages, Sent};

/// A message's number, when it was received, what became of it.
type Told = (u64, Option<u64>, Fate);

fn sent(at_ns: u64, address: u64, to: char) -> Sent<char, ()> {
    Sent {
        at_ns,
        address,
        from: Some('s'),
        to,
        entry: Entry::Message,
        what: (),
    }
}

fn signal(at_ns: u64, address: u64, to: char, entry: Entry) -> Sent<char, ()> {
    Sent {
        entry,
        ..sent(at_ns, address, to)
    }
}

fn told(rows: &mut Vec<MessageRow<char, ()>>) -> Vec<Told> {
    let rows = rows.drain(..);
    rows.map(|row| (row.msg, row.received_ns, row.fate))
        .collect()
}

#[test]
fn a_message_is_followed_from_sender_to_receiver() {
    let mut messages = Messages::default();
    let mut rows = Vec::new();
    let first = Sent {
        at_ns: 10,
        address: 0x100,
        from: None,
        to: 'a',
        entry: Entry::Message,
        what: "hello",
    };
    let second = Sent {
        address: 0x200,
        ..first
    };
    assert_eq!(messages.on_enqueue(first, &mut rows), Some(0));
    assert_eq!(messages.on_enqueue(second, &mut rows), Some(1));
    assert_eq!(messages.open(), 2);
    // A selective receive takes the later one first.
    assert_eq!(messages.on_dequeue(20, 0x200, 'a', &mut rows), Some(1));
    assert_eq!(messages.on_dequeue(9, 0x100, 'a', &mut rows), Some(0));
    let received = |msg, sent, ns| MessageRow {
        msg,
        sent,
        received_ns: Some(ns),
        fate: Fate::Received,
    };
    assert_eq!(rows, [received(1, second, 20), received(0, first, 10)]);
    assert_eq!((messages.unmatched(), messages.open()), (0, 0));
}

#[test]
fn an_address_that_comes_again_is_another_message() {
    let mut messages = Messages::default();
    let mut rows = Vec::new();
    messages.on_enqueue(sent(10, 0x100, 'a'), &mut rows);
    messages.on_enqueue(sent(20, 0x100, 'b'), &mut rows);
    assert_eq!(told(&mut rows), [(0, None, Fate::Unknown)]);
    assert_eq!(messages.open(), 1);
    let other = signal(30, 0x100, 'a', Entry::Signal);
    assert_eq!(messages.on_enqueue(other, &mut rows), None);
    assert_eq!(told(&mut rows), [(1, None, Fate::Unknown)]);
    assert_eq!(messages.on_dequeue(40, 0x100, 'a', &mut rows), None);
    assert_eq!((rows.len(), messages.unmatched()), (0, 1));
}

#[test]
fn what_another_process_takes_is_not_what_was_sent() {
    let mut messages = Messages::default();
    let mut rows = Vec::new();
    messages.on_enqueue(sent(10, 0x100, 'a'), &mut rows);
    assert_eq!(messages.on_dequeue(20, 0x100, 'b', &mut rows), None);
    assert_eq!(told(&mut rows), [(0, None, Fate::Unknown)]);
    assert_eq!((messages.unmatched(), messages.open()), (1, 0));
}

#[test]
fn a_signal_that_becomes_a_message_is_received_or_of_unknown_fate() {
    let mut messages = Messages::default();
    let mut rows = Vec::new();
    for (address, to) in [(1, 'a'), (2, 'a'), (3, 'b'), (4, 'c')] {
        messages.on_enqueue(signal(10, address, to, Entry::MayBecomeMessage), &mut rows);
    }
    assert_eq!(messages.open(), 4);
    messages.on_dequeue(20, 1, 'a', &mut rows);
    messages.on_exit('b', 30, &mut rows);
    messages.on_enqueue(signal(30, 5, 'b', Entry::MayBecomeMessage), &mut rows);
    messages.finish(&mut rows);
    assert_eq!(
        told(&mut rows),
        [
            (0, Some(20), Fate::Received),
            (2, None, Fate::Unknown),
            (4, None, Fate::Unknown),
            (1, None, Fate::Unknown),
            (3, None, Fate::Unknown),
        ]
    );
}

#[test]
fn what_is_in_the_mailbox_goes_with_its_process() {
    let mut messages = Messages::default();
    let mut rows = Vec::new();
    for (address, to) in [(1, 'a'), (2, 'b'), (3, 'a')] {
        messages.on_enqueue(sent(10, address, to), &mut rows);
    }
    messages.on_exit('a', 20, &mut rows);
    messages.on_enqueue(sent(21, 4, 'a'), &mut rows);
    assert_eq!(messages.open(), 1);
    messages.finish(&mut rows);
    assert_eq!(
        told(&mut rows),
        [
            (0, None, Fate::Dropped),
            (2, None, Fate::Dropped),
            (3, None, Fate::Dropped),
            (1, None, Fate::Waiting),
        ]
    );
}

#[test]
fn after_a_gap_an_address_proves_nothing() {
    let mut messages = Messages::default();
    let mut rows = Vec::new();
    messages.on_enqueue(sent(10, 1, 'a'), &mut rows);
    messages.gap(&mut rows);
    assert_eq!(told(&mut rows), [(0, None, Fate::Unknown)]);
    assert_eq!(messages.open(), 0);
    assert_eq!(messages.on_dequeue(20, 1, 'a', &mut rows), None);
    assert_eq!((rows.len(), messages.unmatched()), (0, 1));
}

#[test]
fn too_many_open_messages_push_out_the_oldest() {
    let mut messages = Messages::new(2);
    let mut rows = Vec::new();
    for address in 1..=4 {
        messages.on_enqueue(sent(address, address, 'a'), &mut rows);
    }
    let pushed_out = [(0, None, Fate::Unknown), (1, None, Fate::Unknown)];
    assert_eq!(told(&mut rows), pushed_out);
    assert_eq!((messages.evicted(), messages.open()), (2, 2));
    let mut none = Messages::new(0);
    none.on_enqueue(sent(1, 1, 'a'), &mut rows);
    assert_eq!(told(&mut rows), [(0, None, Fate::Unknown)]);
}

#[derive(Debug, Clone)]
enum Step {
    Enqueue(u64, char, Entry),
    Dequeue(u64, char),
    Exit(char),
    Gap,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let address = || 0..6u64;
    let who = || prop::char::range('a', 'd');
    let entry = prop_oneof![
        4 => Just(Entry::Message),
        2 => Just(Entry::MayBecomeMessage),
        1 => Just(Entry::Signal),
    ];
    let step = prop_oneof![
        8 => (address(), who(), entry).prop_map(|(at, to, entry)| Step::Enqueue(at, to, entry)),
        8 => (address(), who()).prop_map(|(at, by)| Step::Dequeue(at, by)),
        1 => who().prop_map(Step::Exit),
        1 => Just(Step::Gap),
    ];
    prop::collection::vec(step, 0..80)
}

type Received = Option<u64>;

/// All messages ever sent, in a list. Open is what has no fate.
#[derive(Default)]
struct Plain {
    all: Vec<(Sent<char, ()>, Received, Option<Fate>)>,
    exited: Vec<char>,
    unmatched: u64,
}

impl Plain {
    fn close(&mut self, fate: Fate, which: impl Fn(&Sent<char, ()>) -> bool) {
        let open = self.all.iter_mut().filter(|it| it.2.is_none());
        for it in open.filter(|it| which(&it.0)) {
            let is_message = it.0.entry == Entry::Message;
            it.2 = Some(if is_message { fate } else { Fate::Unknown });
        }
    }

    fn step(&mut self, ns: u64, step: &Step, capacity: usize) {
        match *step {
            Step::Enqueue(address, to, entry) => {
                self.close(Fate::Unknown, |it| it.address == address);
                if entry != Entry::Signal {
                    self.all.push((signal(ns, address, to, entry), None, None));
                }
                let exited = self.exited.clone();
                self.close(Fate::Dropped, |it| exited.contains(&it.to));
                let mut open: Vec<_> = self.all.iter_mut().filter(|it| it.2.is_none()).collect();
                let over = open.len().saturating_sub(capacity);
                open.iter_mut()
                    .take(over)
                    .for_each(|it| it.2 = Some(Fate::Unknown));
            }
            Step::Dequeue(address, by) => {
                let mut open = self.all.iter_mut().filter(|it| it.2.is_none());
                match open.find(|it| it.0.address == address) {
                    Some(it) if it.0.to == by => (it.1, it.2) = (Some(ns), Some(Fate::Received)),
                    other => {
                        self.unmatched += 1;
                        other.into_iter().for_each(|it| it.2 = Some(Fate::Unknown));
                    }
                }
            }
            Step::Exit(who) => {
                self.close(Fate::Dropped, |it| it.to == who);
                self.exited.push(who);
            }
            Step::Gap => self.close(Fate::Unknown, |_| true),
        }
    }

    fn open(&self) -> usize {
        self.all.iter().filter(|it| it.2.is_none()).count()
    }
}

proptest! {
    #[test]
    fn any_traffic_gives_what_a_search_through_a_list_gives(
        steps in steps(), capacity in 1..8usize,
    ) {
        let (mut messages, mut plain) = (Messages::new(capacity), Plain::default());
        let mut rows = Vec::new();
        for (step, ns) in steps.iter().zip(1..) {
            match *step {
                Step::Enqueue(address, to, entry) => {
                    messages.on_enqueue(signal(ns, address, to, entry), &mut rows);
                }
                Step::Dequeue(address, by) => {
                    messages.on_dequeue(ns, address, by, &mut rows);
                }
                Step::Exit(who) => messages.on_exit(who, ns, &mut rows),
                Step::Gap => messages.gap(&mut rows),
            }
            plain.step(ns, step, capacity);
            prop_assert!(messages.open() <= capacity);
            prop_assert_eq!(messages.at.len(), messages.open());
            prop_assert_eq!(messages.open(), plain.open());
            let in_boxes: usize = messages.boxes.values().map(|of| of.len()).sum();
            prop_assert_eq!(in_boxes, messages.open());
        }
        messages.finish(&mut rows);
        plain.close(Fate::Waiting, |_| true);
        let mut told = told(&mut rows);
        told.sort_unstable_by_key(|row| row.0);
        let expected: Vec<Told> = plain.all.iter().zip(0..)
            .map(|(it, msg)| (msg, it.1, it.2.unwrap_or(Fate::Waiting))).collect();
        prop_assert_eq!(told, expected);
        prop_assert_eq!(messages.unmatched(), plain.unmatched);
    }

    #[test]
    fn where_nothing_is_lost_every_message_is_told_as_it_was(
        steps in prop::collection::vec((any::<bool>(), 0..3usize, any::<prop::sample::Index>()), 0..80),
    ) {
        // A VM with three processes. A freed address is taken again at once.
        let mut vm: [Vec<(u64, u64)>; 3] = Default::default();
        let (mut free, mut next, mut sends) = (Vec::new(), 0, 0);
        let (mut messages, mut rows, mut expected) = (Messages::default(), Vec::new(), Vec::new());
        let name = |who: usize| char::from(b'a' + u8::try_from(who).unwrap_or(0));
        for ((is_send, who, pick), ns) in steps.into_iter().zip(1..) {
            if is_send {
                let address = free.pop().unwrap_or_else(|| { next += 16; next });
                vm[who].push((sends, address));
                sends += 1;
                messages.on_enqueue(sent(ns, address, name(who)), &mut rows);
            } else if !vm[who].is_empty() {
                let nth = pick.index(vm[who].len());
                let (msg, address) = vm[who].remove(nth);
                free.push(address);
                expected.push((msg, Some(ns), Fate::Received));
                prop_assert_eq!(messages.on_dequeue(ns, address, name(who), &mut rows), Some(msg));
            }
            prop_assert_eq!(messages.open(), vm.iter().map(Vec::len).sum::<usize>());
        }
        messages.finish(&mut rows);
        expected.extend(vm.iter().flatten().map(|&(msg, _)| (msg, None, Fate::Waiting)));
        expected.sort_unstable_by_key(|row| row.0);
        let mut told = told(&mut rows);
        told.sort_unstable_by_key(|row| row.0);
        prop_assert_eq!(told, expected);
        prop_assert_eq!(messages.unmatched(), 0);
    }
}
