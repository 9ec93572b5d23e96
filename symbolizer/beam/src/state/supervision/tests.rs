//! Supervisors in memory that is made up.

use super::{Child, Run};
use crate::state::tests::{atom, pid, supervision};
use crate::term::NIL;
use crate::term::hostile::{boxed, cons, small};

/// A heap on which terms are put.
#[derive(Default)]
struct Heap(Vec<u64>);

impl Heap {
    fn put(&mut self, words: &[u64]) -> u64 {
        let at = self.0.len() as u64;
        self.0.extend(words);
        at
    }

    fn tuple(&mut self, elements: &[u64]) -> u64 {
        let header = (elements.len() as u64) << 6;
        boxed(self.put(&[&[header], elements].concat()))
    }

    fn list(&mut self, items: &[u64]) -> u64 {
        let add = |tail, item: &u64| cons(self.put(&[*item, tail]));
        items.iter().rev().fold(NIL, add)
    }

    /// A flat map; its header in OTP 25 has the subtag of maps, 15.
    fn map(&mut self, pairs: &[(u64, u64)]) -> u64 {
        let (keys, values): (Vec<u64>, Vec<u64>) = pairs.iter().copied().unzip();
        let keys = self.tuple(&keys);
        let head = [15 << 2, pairs.len() as u64, keys];
        boxed(self.put(&[&head[..], &values].concat()))
    }

    fn child(&mut self, who: u64, id: u64) -> u64 {
        let modules = self.list(&[atom("wl")]);
        self.tuple(&[
            atom("child"),
            who,
            id,
            // What it is started with is not looked at.
            0x40,
            atom("permanent"),
            atom("false"),
            small(5000),
            atom("worker"),
            modules,
        ])
    }

    fn state(&mut self, strategy: &str, children: u64, dynamics: u64) -> u64 {
        let restarts = self.list(&[small(-5), small(-9)]);
        self.tuple(&[
            atom("state"),
            atom("wl_srv"),
            atom(strategy),
            children,
            dynamics,
            small(3),
            small(7),
            restarts,
            small(0),
            atom("never"),
            atom("wl"),
            0x40,
        ])
    }

    /// Children by id, in the order in which they were started.
    fn children(&mut self, children: &[(u64, u64)]) -> u64 {
        let records: Vec<(u64, u64)> = children
            .iter()
            .map(|&(id, who)| (id, self.child(who, id)))
            .collect();
        let ids: Vec<u64> = children.iter().rev().map(|(id, _)| *id).collect();
        let (ids, by_id) = (self.list(&ids), self.map(&records));
        self.tuple(&[ids, by_id])
    }
}

fn runs(children: &[Child]) -> Vec<(Option<&str>, &Run)> {
    children
        .iter()
        .map(|child| (child.id.as_deref(), &child.run))
        .collect()
}

#[test]
fn children_by_id_are_told_in_the_order_of_their_start() {
    let mut heap = Heap::default();
    let restarting = heap.tuple(&[atom("restarting"), pid(90)]);
    let children = heap.children(&[
        (atom("wl"), pid(81)),
        (small(2), restarting),
        (atom("nobody"), atom("undefined")),
    ]);
    let state = heap.state("one_for_one", children, atom("undefined"));
    let told = supervision("supervisor", state, &heap.0, 100).expect("a supervisor");
    assert_eq!(told.strategy.as_deref(), Some("one_for_one"));
    assert_eq!((told.intensity, told.period_s), (Some(3), Some(7)));
    assert_eq!((told.restarts, told.missing), (2, 0));
    assert_eq!(told.callbacks.as_deref(), Some("wl"));
    let pid = Run::Process("<0.81.0>".to_owned());
    assert_eq!(
        runs(&told.children),
        [
            (Some("wl"), &pid),
            (Some("2"), &Run::Restarting),
            (Some("nobody"), &Run::Nothing)
        ]
    );
    let first = &told.children[0];
    assert_eq!(first.kind.as_deref(), Some("worker"));
    assert_eq!(first.restart.as_deref(), Some("permanent"));
    assert_eq!(first.shutdown.as_deref(), Some("5000"));
    assert_eq!(first.modules.as_deref(), Some(&["wl".into()][..]));
}

#[test]
fn children_of_one_specification_are_in_a_map_or_a_set() {
    let mut heap = Heap::default();
    let template = heap.children(&[(atom("wl"), atom("undefined"))]);
    let map = heap.map(&[(pid(81), NIL), (pid(82), NIL), (pid(83), NIL)]);
    let maps = heap.tuple(&[atom("maps"), map]);
    let bucket = heap.list(&[pid(81), pid(83)]);
    let other = heap.list(&[pid(82)]);
    let mut buckets = [NIL; 16];
    (buckets[3], buckets[9]) = (bucket, other);
    let segment = heap.tuple(&buckets);
    let segments = heap.tuple(&[segment]);
    let empty = small(0);
    let set = heap.tuple(&[
        atom("set"),
        small(3),
        small(16),
        small(16),
        small(8),
        small(80),
        small(48),
        empty,
        segments,
    ]);
    let sets = heap.tuple(&[atom("sets"), set]);
    for (dynamics, most, missing) in [(maps, 100, 0), (sets, 100, 0), (maps, 2, 1), (sets, 2, 1)] {
        let state = heap.state("simple_one_for_one", template, dynamics);
        let told = supervision("supervisor", state, &heap.0, most).expect("a supervisor");
        assert!(told.is_dynamic);
        assert_eq!((told.children.len(), told.missing), (3 - missing, missing));
        assert!(told.children.iter().all(|child| child.id.is_none()
            && matches!(child.run, Run::Process(_))
            && child.kind.as_deref() == Some("worker")));
    }
    let state = heap.state("simple_one_for_one", template, atom("undefined"));
    let none = supervision("supervisor", state, &heap.0, 100).expect("a supervisor");
    assert_eq!(none.children, []);
}

#[test]
fn children_of_a_dynamic_supervisor_are_told() {
    let mut heap = Heap::default();
    let modules = heap.list(&[atom("wl")]);
    let what = [
        0x40,
        atom("temporary"),
        atom("brutal_kill"),
        atom("worker"),
        modules,
    ];
    let one = heap.tuple(&what);
    let again = heap.tuple(&[atom("restarting"), one]);
    let children = heap.map(&[(pid(81), one), (pid(82), again)]);
    let fields = [
        (atom("__struct__"), atom("Elixir.DynamicSupervisor")),
        (atom("children"), children),
        (atom("max_restarts"), small(4)),
        (atom("max_seconds"), small(9)),
        (atom("restarts"), NIL),
        (atom("strategy"), atom("one_for_one")),
    ];
    let state = heap.map(&fields);
    let told = supervision("Elixir.DynamicSupervisor", state, &heap.0, 100);
    let told = told.expect("a supervisor");
    let pid = Run::Process("<0.81.0>".to_owned());
    assert_eq!(
        runs(&told.children),
        [(None, &pid), (None, &Run::Restarting)]
    );
    assert_eq!(told.children[1].shutdown.as_deref(), Some("brutal_kill"));
    assert_eq!((told.intensity, told.period_s), (Some(4), Some(9)));
}

#[test]
fn states_that_are_not_as_they_should_be_are_not_told() {
    let doubtful: [fn(&mut Heap) -> u64; 6] = [
        // No record, and a strategy that is none.
        |heap| heap.tuple(&[atom("child"), NIL]),
        |heap| {
            let children = heap.children(&[]);
            heap.state("permanent", children, atom("undefined"))
        },
        // A list of ids that leads round.
        |heap| {
            let here = heap.0.len() as u64;
            let ids = cons(heap.put(&[atom("wl"), cons(here)]));
            let by_id = heap.map(&[]);
            let children = heap.tuple(&[ids, by_id]);
            heap.state("one_for_one", children, atom("undefined"))
        },
        // More ids than children.
        |heap| {
            let ids = heap.list(&[atom("wl"), atom("nobody")]);
            let child = heap.child(pid(81), atom("wl"));
            let by_id = heap.map(&[(atom("wl"), child)]);
            let children = heap.tuple(&[ids, by_id]);
            heap.state("one_for_one", children, atom("undefined"))
        },
        // A map that says it has more than there is memory for.
        |heap| {
            let keys = heap.tuple(&[]);
            let map = boxed(heap.put(&[15 << 2, u64::MAX, keys]));
            let children = heap.tuple(&[NIL, map]);
            heap.state("one_for_one", children, atom("undefined"))
        },
        // What runs is no pid.
        |heap| {
            let children = heap.children(&[(atom("wl"), small(17))]);
            heap.state("one_for_one", children, atom("undefined"))
        },
    ];
    for (at, doubt) in doubtful.into_iter().enumerate() {
        let mut heap = Heap::default();
        let state = doubt(&mut heap);
        assert_eq!(
            supervision("supervisor", state, &heap.0, 1000),
            None,
            "{at}"
        );
    }
}
