//! `state --stop`: what is told while all threads are stopped, how long they are, and that they go on.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use escope_beam::Vm;
use escope_beam::snapshot::ProcessSnapshot;
use escope_beam::state::{ProcessState, Rests, StateOptions};
use escope_beam::term::{Limits, Term};
use escope_session::{StateAnswer, States, StatesOptions, read_states_stopped};

use crate::support::{Workload, escope, monotonic_ns, start};

/// Some twenty threads, of which two work all the time: where there are two CPUs, who watches the clock is then hardly
/// ever kept from it but by a stop.
const ERL: [&str; 8] = ["+S", "2:2", "+SDcpu", "2:2", "+SDio", "10", "+A", "4"];
/// Longer than anything takes, on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// How often the VM is stopped where times are looked at.
fn stops() -> usize {
    let asked = std::env::var("ESCOPE_STOPS").ok();
    asked.map_or(50, |stops| stops.parse().unwrap())
}

/// Whether the machine does nothing else, so that times mean something.
fn is_quiet() -> bool {
    std::env::var_os("ESCOPE_STOPS").is_some()
}

fn options() -> StatesOptions {
    StatesOptions {
        state: StateOptions {
            limits: Limits::default(),
            redaction: None,
            children: 0,
        },
        processes: 20_000,
        tries: 1,
    }
}

/// Stops a VM and reads those that have one of these names.
fn read(vm: &mut Vm, names: &[&str], limit: Duration) -> States {
    let wanted = |process: &ProcessSnapshot| {
        let name = process.name.as_deref();
        name.is_some_and(|name| names.contains(&name))
    };
    read_states_stopped(vm, &wanted, &options(), limit).unwrap()
}

fn told(states: &States) -> BTreeMap<&str, &ProcessState> {
    let told = states.told.iter().filter_map(|one| match &one.answer {
        StateAnswer::Exact(state) => Some((one.process.name.as_deref()?, &**state)),
        StateAnswer::Ran(_) | StateAnswer::NoTime => None,
        other => panic!("{other:?}"),
    });
    told.collect()
}

fn texts(state: &ProcessState) -> String {
    let texts = state.parts.iter().map(|part| part.term.to_string());
    texts.collect::<Vec<_>>().join(" ")
}

/// The states of a process's threads, as letters.
fn thread_states(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let states = tasks.flatten().filter_map(|task| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let state = status
            .lines()
            .find_map(|line| line.strip_prefix("State:"))?;
        state.trim().chars().next()
    });
    states.collect()
}

/// Waits until the workers have gone on and no thread is stopped.
#[track_caller]
fn assert_goes_on(vm: &mut Workload) {
    let until = Instant::now() + LONG;
    let from = vm.count().number("rounds");
    while vm.count().number("rounds") == from || thread_states(vm.pid()).contains(['t', 'T']) {
        let states = thread_states(vm.pid());
        assert!(Instant::now() < until, "it does not go on: {states}");
    }
}

/// Those that never rest are told, as of before their callback, and nothing but that.
#[test]
fn processes_that_never_rest_are_told() {
    live!();
    let mut vm = Workload::start("stops", &ERL, &[("PROCESSES", "10")]);
    vm.go();
    let pid = vm.pid().to_string();
    let restless = ["state", "-p", &pid, "--process", "stops_restless"];
    escope(&[&restless[..], &["--tries", "30"]].concat()).refused(1);
    let expected = [
        (
            "stops_restless",
            r#"{restless,[1,2,3],<<"kept">>}"#,
            "stops:",
        ),
        ("stops_deep", r#"{restless,[1,2,3],<<"kept">>}"#, "stops:"),
        ("stops_statem", "spinning #{kept => 1}", "stops:"),
    ];
    let names = expected.map(|(name, _, _)| name);
    let mut target = Vm::attach(vm.pid()).unwrap();
    let mut times: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let (mut stopped, mut ran) = (0, 0);
    for _ in 0..200 {
        let states = read(&mut target, &names, Duration::from_millis(200));
        let told = told(&states);
        stopped += 1;
        ran += states.told.len() - told.len();
        for (name, text, callback) in expected {
            let Some(state) = told.get(name) else {
                continue;
            };
            assert_eq!(state.rests, Rests::InCallback, "{state:?}");
            assert_eq!(texts(state), text, "{state:?}");
            let called = state.callback.as_ref().unwrap().to_string();
            // What is called last takes the place of its caller.
            assert!(called.starts_with(callback), "{state:?}");
            let (running, others) = times.entry(name).or_default();
            match state.status {
                "running" => *running += 1,
                _ => *others += 1,
            }
        }
    }
    eprintln!("{stopped} stops, not told {ran}; running and not running: {times:?}");
    for name in names {
        let (running, others) = times.get(name).copied().unwrap_or_default();
        // Its garbage is collected much of the time.
        assert!(running > 0 && running + others > 10, "{name}: {times:?}");
    }
    assert_goes_on(&mut vm);

    // The command tells the same, if not the first time: it may be between two instructions that
    // do not tell where it is.
    let told = (0..30).find_map(|_| {
        let output = escope(&[&restless[..], &["--stop", "200", "--json"]].concat());
        (output.code == Some(0)).then(|| output.json())
    });
    let told = &told.unwrap()[0];
    assert_eq!(told["as_of"], "before_callback", "{told:#}");
    assert!(
        told["callback"].as_str().unwrap().starts_with("stops:"),
        "{told:#}"
    );
    assert!(told["stopped_us"].as_u64().unwrap() > 0, "{told:#}");
    vm.stop();
    assert!(vm.quit().success());
}

/// All processes are of one instant.
#[test]
fn many_processes_are_told_at_one_instant() {
    live!();
    let mut vm = Workload::start("stops", &["+S", "4:4"], &[("PROCESSES", "3000")]);
    vm.go();
    let mut target = Vm::attach(vm.pid()).unwrap();
    let (mut pairs, mut ahead) = (0, 0);
    for _ in 0..300 {
        let states = read(&mut target, &["stops_first", "stops_second"], LONG);
        let told = told(&states);
        let number = |name| number(told.get(name)?);
        let (Some(first), Some(second)) = (number("stops_first"), number("stops_second")) else {
            continue;
        };
        assert!((0..=1).contains(&(first - second)), "{first} and {second}");
        pairs += 1;
        ahead += first - second;
    }
    eprintln!("{pairs} pairs, {ahead} times the first one was ahead");
    assert!(pairs > 50, "{pairs}");

    let pid = vm.pid().to_string();
    let all = [
        "state",
        "-p",
        &pid,
        "--process",
        "stops:init/1",
        "-n",
        "10000",
        "--json",
    ];
    let output = escope(&[&all[..], &["--stop", "10000"]].concat());
    let rows = output.json();
    let rows = rows.as_array().unwrap();
    let resting: Vec<&str> = rows
        .iter()
        .filter(|row| row["as_of"] == "now")
        .filter_map(|row| row["parts"][0]["term"].as_str())
        .filter(|term| term.starts_with("{server,"))
        .collect();
    assert_eq!(resting.len(), 3000, "{}", output.stderr);
    // Of so many not all can be read in so short a time, and that is said.
    let few = escope(&[&all[..], &["--stop", "1"]].concat());
    assert!(few.stderr.contains("--stop"), "{few:?}");
    assert_goes_on(&mut vm);
    vm.stop();
    assert!(vm.quit().success());
}

/// The number in a state `{set,N}`; `None` where it is not told.
fn number(state: &ProcessState) -> Option<i64> {
    match &state.parts.first()?.term {
        Term::Tuple(elements) => match elements.items[1] {
            Term::Integer(number) => Some(number),
            _ => panic!("{state:?}"),
        },
        _ => panic!("{state:?}"),
    }
}

/// What stops took.
struct Stops {
    /// What was told of each, and the longest time meanwhile in which the VM's watcher saw no clock, both in
    /// nanoseconds, the shortest first.
    seen: Vec<(i64, i64)>,
    refused: usize,
}

/// Stops a VM many times.
fn stopped(vm: &mut Workload) -> Stops {
    let mut target = Vm::attach(vm.pid()).unwrap();
    let limit = Duration::from_millis(if is_quiet() { 5 } else { 500 });
    let mut windows = Vec::new();
    let mut refused = 0;
    let wanted = |process: &ProcessSnapshot| process.name.as_deref() == Some("stops_first");
    for _ in 0..stops() {
        let from_ns = monotonic_ns();
        match read_states_stopped(&mut target, &wanted, &options(), limit) {
            Ok(states) => {
                let stop = states.stop.unwrap();
                assert!(stop.threads >= 16 && stop.limit == limit, "{stop:?}");
                windows.push((from_ns, monotonic_ns(), stop.took.as_nanos() as i64));
            }
            Err(error) => {
                assert!(error.to_string().contains("did not stop within"), "{error}");
                refused += 1;
            }
        }
        assert!(!thread_states(vm.pid()).contains(['t', 'T']));
    }
    let (gaps, _) = vm.stop();
    let gaps: Vec<(i64, i64)> = gaps
        .iter()
        .map(|gap| (gap.number("from_ns"), gap.number("to_ns")))
        .collect();
    let seen = |&(from_ns, to_ns, took_ns): &(i64, i64, i64)| {
        let within = gaps.iter().filter(|gap| gap.0 < to_ns && gap.1 > from_ns);
        let longest = within.map(|gap| gap.1 - gap.0).max().unwrap_or(0);
        (took_ns, longest)
    };
    let mut seen: Vec<(i64, i64)> = windows.iter().map(seen).collect();
    seen.sort_unstable();
    let stops = Stops { seen, refused };
    eprintln!(
        "{} stops, {refused} refused; told in ns: median {}, 90 % {}, 99 % {}, most {}; gaps {:?}",
        stops.seen.len(),
        stops.told_ns(50),
        stops.told_ns(90),
        stops.told_ns(99),
        stops.told_ns(100),
        stops.seen.iter().map(|seen| seen.1).collect::<Vec<_>>()
    );
    stops
}

impl Stops {
    /// A percentile of what was told; those that were refused took longer than all others.
    fn told_ns(&self, percent: usize) -> i64 {
        let place = (self.seen.len() + self.refused) * percent / 100;
        let last = self.seen.len() + self.refused - 1;
        self.seen
            .get(place.min(last))
            .map_or(i64::MAX, |seen| seen.0)
    }

    /// How many of a hundred are like that.
    fn percent(&self, is: impl Fn(i64, i64) -> bool) -> usize {
        let seen = self.seen.iter();
        seen.filter(|(told, gap)| is(*told, *gap)).count() * 100 / self.seen.len()
    }
}

/// A VM at work is stopped for a short time.
#[test]
fn stops_are_short() {
    live!();
    let mut vm = Workload::start("stops", &ERL, &[]);
    vm.go();
    let all = stopped(&mut vm);
    assert!(vm.quit().success());
    let Stops { seen, refused } = &all;
    assert!(seen.len() > stops() / 2, "{refused} of {} refused", stops());
    assert!(!is_quiet() || all.told_ns(99) <= 5_000_000, "{seen:?}");
    // Who watches the clock has waited as well, and for its turn on a CPU.
    assert!(all.percent(|told, gap| gap * 8 > told) > 50, "{seen:?}");
}

/// The time that is told is the time in which a process of the VM sees no clock, that has a CPU for itself.
#[test]
fn the_time_of_a_stop_is_true() {
    live!();
    let mut vm = Workload::start("stops", &ERL, &[("BUSY", "0")]);
    vm.go();
    let all = stopped(&mut vm);
    assert!(vm.quit().success());
    let Stops { seen, refused } = &all;
    assert!(seen.len() > stops() / 2, "{refused} of {} refused", stops());
    // The watcher is stopped after the first thread is seized, and let go before the last one is. Then the kernel has
    // to wake a CPU for it, which takes more than a hundred microseconds of a virtual one, or it waits for a tick.
    let near = all.percent(|told, gap| gap * 2 > told && gap < told + 300_000);
    let enough = if is_quiet() { 70 } else { 30 };
    assert!(near >= enough, "{near} %: {seen:?}");
}

/// Whatever ends the recorder in the middle, the VM goes on; and one that was stopped stays so.
#[test]
fn the_vm_goes_on_whatever_happens() {
    live!();
    let mut vm = Workload::start("stops", &ERL, &[]);
    vm.go();
    let pid = vm.pid().to_string();
    let slow = [
        "state",
        "-p",
        &pid,
        "--process",
        "stops:init/1",
        "-n",
        "20000",
        "--stop",
        "10000",
    ];
    for signal in ["KILL", "KILL", "INT", "TERM"] {
        let until = Instant::now() + LONG;
        let mut recorder = start(&slow);
        loop {
            let states = thread_states(vm.pid());
            if !states.is_empty() && states.chars().all(|state| state == 't') {
                recorder.signal(signal);
                break;
            }
            assert!(Instant::now() < until, "it was not stopped: {states}");
            if !recorder.runs_on(Duration::ZERO) {
                recorder = start(&slow);
            }
        }
        drop(recorder.finish(LONG));
        assert_goes_on(&mut vm);
    }
    vm.signal("STOP");
    let until = Instant::now() + LONG;
    while thread_states(vm.pid()).contains(|state| state != 'T') {
        assert!(Instant::now() < until, "{}", thread_states(vm.pid()));
    }
    let output = escope(&[
        "state",
        "-p",
        &pid,
        "--process",
        "stops_first",
        "--stop",
        "500",
    ]);
    assert!(
        output.stdout.contains("stopped for ") || output.code == Some(1),
        "{output:?}"
    );
    assert!(thread_states(vm.pid()).chars().all(|state| state == 'T'));
    vm.signal("CONT");
    assert_goes_on(&mut vm);
    escope(&["state", "-p", &pid, "--process", "x", "--stop", "0"]).misused("--stop");
    vm.stop();
    assert!(vm.quit().success());
}
