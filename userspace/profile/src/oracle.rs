//! The same questions answered the slow and obvious way, sample by sample, and
//! compared with what the crate says.

use std::collections::{BTreeMap, BTreeSet};

use escope_model::{
    Activity, Dictionary, Frame, FrameId, FrameKind, ProcId, Sample, SchedulerId, SchedulerKind,
    StackId, Truncation,
};
use proptest::prelude::*;

use crate::{
    Filter, GroupBy, Limits, Report, ReportOptions, StackOptions, Stacks, Tally, Weight, kit,
};

const ALL_ROWS: ReportOptions = ReportOptions {
    limits: Limits { rows: usize::MAX },
    duration_ns: None,
};

fn callable(frame: &Frame) -> bool {
    matches!(
        frame.kind,
        FrameKind::Erlang | FrameKind::Bif | FrameKind::Nif
    )
}

/// Known frames, leaf first.
fn frames<'d>(dictionary: &'d Dictionary, sample: &Sample) -> Vec<&'d Frame> {
    dictionary
        .stack(sample.stack)
        .iter()
        .filter_map(|&id| dictionary.frame(id))
        .collect()
}

fn accepts(filter: &Filter, dictionary: &Dictionary, sample: &Sample) -> bool {
    let idle = !sample.activity.is_work();
    let activity = if filter.include.is_empty() {
        !idle || filter.include_idle
    } else {
        filter.include.contains(&sample.activity)
    };
    let process = filter.process.as_ref().is_none_or(|wanted| {
        sample
            .proc
            .and_then(|proc| dictionary.process(proc))
            .is_some_and(|process| {
                [&process.pid, &process.group_name()].contains(&wanted)
                    || process.name.as_ref() == Some(wanted)
            })
    });
    let module = filter.module.as_ref().is_none_or(|wanted| {
        frames(dictionary, sample).iter().any(|frame| {
            frame.module.as_deref().is_some_and(|module| {
                module == wanted || module.strip_prefix("Elixir.") == Some(wanted)
            })
        })
    });
    activity
        && !filter.exclude.contains(&sample.activity)
        && filter.since_ns.is_none_or(|since| since <= sample.ts_ns)
        && filter.until_ns.is_none_or(|until| sample.ts_ns < until)
        && process
        && module
}

#[derive(Default, Debug, PartialEq, Eq)]
struct Charged {
    own: Weight,
    total: Weight,
}

fn add(into: &mut BTreeMap<String, Charged>, name: String, own: bool, weight: Weight) {
    let charged = into.entry(name).or_default();
    if own {
        charged.own += weight;
    } else {
        charged.total += weight;
    }
}

fn functions(dictionary: &Dictionary, samples: &[Sample]) -> BTreeMap<String, Charged> {
    let mut functions = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.activity.is_work()) {
        let weight = Weight::one(sample.weight_ns);
        let stack = frames(dictionary, sample);
        let names: BTreeSet<String> = stack
            .iter()
            .filter(|frame| callable(frame))
            .map(|frame| frame.name())
            .collect();
        for name in names {
            add(&mut functions, name, false, weight);
        }
        if let Some(owner) = stack.iter().find(|frame| callable(frame)) {
            add(&mut functions, owner.name(), true, weight);
        }
    }
    functions
}

prop_compose! {
    fn samples()(
        samples in prop::collection::vec(
            (
                (0i64..100, 0u32..12, 0u64..1000),
                prop::option::of(0u32..4),
                prop::option::of(1u16..3),
                0..Activity::ALL.len(),
                prop::option::of(0..Truncation::ALL.len()),
            ),
            0..80,
        )
    ) -> Vec<Sample> {
        samples.into_iter().map(|((ts_ns, stack, weight), proc, scheduler, activity, cut)| {
            Sample {
                ts_ns,
                tid: scheduler.map_or(9, u32::from),
                scheduler: scheduler.map(|number| SchedulerId {
                    kind: SchedulerKind::Normal,
                    number,
                }),
                proc: proc.map(ProcId),
                activity: Activity::ALL[activity],
                truncated: cut.map(|cut| Truncation::ALL[cut]),
                ..kit::sample(stack, weight)
            }
        }).collect()
    }
}

prop_compose! {
    fn filters()(
        since_ns in prop::option::of(0i64..100),
        until_ns in prop::option::of(0i64..100),
        process in prop::option::of(prop::sample::select(vec!["<0.101.0>", "logger", "work:loop/1"])),
        module in prop::option::of(prop::sample::select(vec!["work", "Enum", "Elixir.Enum", "none"])),
        include in prop::collection::vec(prop::sample::select(Activity::ALL), 0..4),
        exclude in prop::collection::vec(prop::sample::select(Activity::ALL), 0..2),
        include_idle in any::<bool>(),
    ) -> Filter {
        Filter {
            since_ns,
            until_ns,
            process: process.map(str::to_owned),
            module: module.map(str::to_owned),
            include,
            exclude,
            include_idle,
        }
    }
}

prop_compose! {
    fn options()(
        group_by in prop::sample::select(vec![
            GroupBy::None, GroupBy::Process, GroupBy::Pid, GroupBy::Scheduler, GroupBy::Activity,
        ]),
        lines in any::<bool>(),
        reverse in any::<bool>(),
        labels in any::<bool>(),
    ) -> StackOptions {
        StackOptions { group_by, lines, reverse, labels, fold_recursion: false }
    }
}

/// The kit's dictionary, with a stack that names frames it does not have.
fn dictionary() -> Dictionary {
    let mut dictionary = kit::dictionary();
    dictionary.stacks.push([FrameId(999), FrameId(0)].into());
    dictionary
}

proptest! {
    #[test]
    fn stacks_add_up_to_the_filtered_samples(
        samples in samples(), filter in filters(), options in options(),
    ) {
        let dictionary = dictionary();
        let taken: Vec<Sample> =
            samples.iter().filter(|s| accepts(&filter, &dictionary, s)).copied().collect();
        let expected: Weight = taken.iter().map(|s| Weight::one(s.weight_ns)).sum();
        let stacks = Stacks::build(&Tally::of(samples, filter), &dictionary, options);
        prop_assert_eq!(stacks.total(), expected);
        let folded: Weight = stacks.entries().iter().map(|entry| entry.weight).sum();
        prop_assert_eq!(folded, expected);
        let processes: BTreeSet<_> = taken.iter().filter_map(|sample| sample.proc).collect();
        prop_assert_eq!(stacks.processes(), processes.len());

        let mut seen = BTreeSet::new();
        for entry in stacks.entries() {
            prop_assert!(seen.insert((entry.group, stacks.path(entry), entry.labels)));
            prop_assert!(stacks.full_path(entry).all(|f| (f as usize) < stacks.frames().len()));
            prop_assert_eq!(entry.group.is_some(), options.group_by != GroupBy::None);
            prop_assert_eq!(stacks.labels(entry).is_some(), options.labels);
        }
    }

    #[test]
    fn paths_are_the_stacks_by_name(samples in samples(), reverse in any::<bool>()) {
        let dictionary = dictionary();
        let mut expected: BTreeMap<Vec<String>, Weight> = BTreeMap::new();
        for sample in samples.iter().filter(|sample| sample.activity.is_work()) {
            let mut path: Vec<String> =
                frames(&dictionary, sample).iter().map(|frame| frame.name()).collect();
            if path.is_empty() {
                path.push("[no stack]".to_owned());
            }
            if !reverse {
                path.reverse();
            }
            *expected.entry(path).or_default() += Weight::one(sample.weight_ns);
        }
        let options = StackOptions { reverse, ..StackOptions::default() };
        let stacks = Stacks::build(&Tally::of(samples, Filter::default()), &dictionary, options);
        let mut actual: BTreeMap<Vec<String>, Weight> = BTreeMap::new();
        for entry in stacks.entries() {
            let path = stacks.path(entry).iter();
            let path = path.map(|&f| stacks.frames()[f as usize].name.clone()).collect();
            *actual.entry(path).or_default() += entry.weight;
        }
        prop_assert_eq!(actual, expected);
    }

    #[test]
    fn functions_are_charged_as_documented(samples in samples()) {
        let dictionary = dictionary();
        let expected = functions(&dictionary, &samples);
        let tally = Tally::of(samples, Filter { include_idle: true, ..Filter::default() });
        let report = Report::build(&tally, &dictionary, ALL_ROWS);
        let actual: BTreeMap<String, Charged> = report.functions.rows.iter().map(|row| {
            let own = Weight { samples: row.samples, cpu_ns: row.erlang_self_ns };
            let total = Weight { samples: row.total_samples, cpu_ns: row.total_ns };
            (row.name.clone(), Charged { own, total })
        }).collect();
        prop_assert_eq!(actual, expected);
        for row in &report.functions.rows {
            let parts = row.self_ns + row.native_ns + row.kernel_ns + row.gc_ns;
            prop_assert_eq!(parts, row.erlang_self_ns);
        }
    }

    #[test]
    fn tables_add_up(samples in samples(), filter in filters()) {
        let dictionary = dictionary();
        let taken: Vec<Sample> =
            samples.iter().filter(|s| accepts(&filter, &dictionary, s)).copied().collect();
        let sum = |wanted: &dyn Fn(&Sample) -> bool| -> u64 {
            taken.iter().filter(|sample| wanted(sample)).map(|sample| sample.weight_ns).sum()
        };
        let report = Report::build(&Tally::of(samples, filter), &dictionary, ALL_ROWS);
        prop_assert_eq!(report.total.cpu_ns, sum(&|_| true));
        prop_assert_eq!(report.work.cpu_ns, sum(&|s| s.activity.is_work()));
        let of_processes = sum(&|s| s.proc.is_some() && s.activity.is_work());
        let by_process: u64 = report.processes.rows.iter().map(|row| row.cpu_ns).sum();
        let by_group: u64 = report.groups.rows.iter().map(|row| row.cpu_ns).sum();
        prop_assert_eq!((by_process, by_group), (of_processes, of_processes));
        let by_activity: u64 = report.activities.iter().map(|row| row.cpu_ns).sum();
        prop_assert_eq!(by_activity, report.total.cpu_ns);
        let on_schedulers: u64 = report.schedulers.iter().map(|row| {
            assert_eq!(row.work_ns + row.busy_wait_ns + row.idle_ns, row.cpu_ns);
            row.cpu_ns
        }).sum();
        prop_assert_eq!(on_schedulers, sum(&|s| s.scheduler.is_some()));
        let elsewhere: u64 = report.threads.rows.iter().map(|row| row.cpu_ns).sum();
        prop_assert_eq!(elsewhere, sum(&|s| s.scheduler.is_none()));
        let cut: u64 = report.truncated.iter().map(|row| row.cpu_ns).sum();
        prop_assert_eq!(cut, sum(&|s| s.truncated.is_some()));
        let nobody = sum(&|s| s.activity.is_work()
            && frames(&dictionary, s).iter().all(|f| f.kind == FrameKind::Marker));
        prop_assert_eq!(report.unattributed.cpu_ns, nobody);
        let by_leaf: u64 = report.functions.rows.iter().map(|row| row.erlang_self_ns).sum();
        let by_module: u64 = report.modules.rows.iter().map(|row| row.erlang_self_ns).sum();
        prop_assert_eq!(by_leaf, by_module);
    }
}

#[test]
fn recursion_counts_once_and_the_hot_line_is_shown() {
    let dictionary = kit::dictionary();
    let samples = [kit::sample(1, 100), kit::sample(0, 10), kit::sample(0, 10)];
    let report = Report::build(
        &Tally::of(samples, Filter::default()),
        &dictionary,
        ALL_ROWS,
    );
    let row = report
        .functions
        .rows
        .iter()
        .find(|row| row.name == "work:loop/1")
        .expect("the function has a row");
    assert_eq!((row.erlang_self_ns, row.total_ns), (20, 120));
    assert_eq!(
        (row.file.as_deref(), row.line),
        (Some("work.erl"), Some(10))
    );
}

#[test]
fn merged_lines_keep_their_range_and_split_lines_their_number() {
    let dictionary = kit::dictionary();
    let tally = Tally::of([kit::sample(1, 1)], Filter::default());
    let locations = |lines| -> Vec<String> {
        let options = StackOptions {
            lines,
            ..StackOptions::default()
        };
        let stacks = Stacks::build(&tally, &dictionary, options);
        let frames = stacks.frames().iter();
        frames.filter_map(|frame| frame.location()).collect()
    };
    assert_eq!(locations(false), ["work.erl:10-12", "work.erl:20"]);
    assert_eq!(
        locations(true),
        ["work.erl:12", "work.erl:10", "work.erl:20"]
    );
}

#[test]
fn groups_are_named_for_people() {
    let dictionary = kit::dictionary();
    let mut samples = vec![kit::sample(0, 1); 5];
    samples[0].proc = Some(ProcId(0));
    samples[1].proc = Some(ProcId(1));
    samples[2].proc = Some(ProcId(77));
    samples[3].scheduler = None;
    samples[3].tid = 9;
    let names = |group_by| -> Vec<(String, u64)> {
        let options = StackOptions {
            group_by,
            ..StackOptions::default()
        };
        let tally = Tally::of(samples.clone(), Filter::default());
        let stacks = Stacks::build(&tally, &dictionary, options);
        let name = |group: u32| stacks.frames()[group as usize].name.clone();
        let mut groups: Vec<_> = stacks
            .entries()
            .iter()
            .filter_map(|entry| Some((name(entry.group?), entry.weight.samples)))
            .collect();
        groups.sort();
        groups
    };
    let expected = |groups: &[(&str, u64)]| -> Vec<(String, u64)> {
        groups
            .iter()
            .map(|&(name, n)| (name.to_owned(), n))
            .collect()
    };
    assert_eq!(
        names(GroupBy::Process),
        expected(&[
            ("[poll threads]", 1),
            ("[schedulers]", 1),
            ("[unknown process 77]", 1),
            ("work:loop/1", 2)
        ])
    );
    assert_eq!(
        names(GroupBy::Pid)[3..],
        expected(&[("work:loop/1 <0.100.0>", 1), ("work:loop/1 <0.101.0>", 1)])
    );
    assert_eq!(
        names(GroupBy::Scheduler),
        expected(&[("erts_poll_1", 1), ("scheduler_1", 4)])
    );
}

#[test]
fn a_report_reads_well_as_json() {
    let dictionary = kit::dictionary();
    let mut samples: Vec<Sample> = (0..9).map(|stack| kit::sample(stack, 1000)).collect();
    for sample in &mut samples {
        sample.proc = Some(ProcId(u32::from(sample.stack == StackId(6))));
    }
    samples[3].activity = Activity::Gc;
    samples[4].activity = Activity::BusyWait;
    samples[4].proc = None;
    samples[5].truncated = Some(Truncation::Unreadable);
    samples.push(Sample {
        scheduler: None,
        tid: 9,
        activity: Activity::Native,
        ..kit::sample(6, 500)
    });
    let filter = Filter {
        include_idle: true,
        ..Filter::default()
    };
    let options = ReportOptions {
        limits: Limits { rows: 4 },
        duration_ns: Some(10_000),
    };
    let report = Report::build(&Tally::of(samples, filter), &dictionary, options);
    let json = serde_json::to_string_pretty(&report).expect("a report serializes");
    insta::assert_snapshot!(json);
}

#[test]
#[ignore = "a measurement, not a check: run with --release --nocapture"]
fn a_million_samples() {
    let mut dictionary = kit::dictionary();
    dictionary.frames = (0..4000)
        .map(|n| {
            kit::erlang(
                &format!("module_{}", n % 200),
                &format!("function_{n}"),
                n + 1,
            )
        })
        .collect();
    dictionary.stacks = (0..20_000u32)
        .map(|n| (0..40).map(|d| FrameId((n >> (d / 3)) % 4000)).collect())
        .collect();
    dictionary.processes = (0..5000).map(|n| kit::process(n, None)).collect();
    let samples: Vec<Sample> = (0..1_000_000u32)
        .map(|n| {
            let stack = n.wrapping_mul(2_654_435_761) % 20_000;
            let mut sample = kit::sample(stack, 1_000_000);
            sample.proc = Some(ProcId(stack % 5000));
            sample.tid = 1 + n % 8;
            sample
        })
        .collect();
    let start = std::time::Instant::now();
    let tally = Tally::of(samples, Filter::default());
    let tallied = start.elapsed();
    let stacks = Stacks::build(&tally, &dictionary, StackOptions::default());
    let folded = start.elapsed();
    let report = Report::build(&tally, &dictionary, ReportOptions::default());
    println!(
        "tally {tallied:?}, stacks {:?} ({} entries), report {:?} ({} functions omitted)",
        folded - tallied,
        stacks.entries().len(),
        start.elapsed() - folded,
        report.functions.omitted,
    );
}
