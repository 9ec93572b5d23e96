//! The VM's own answer is the oracle: `state` says what `sys:get_state/1` says, and under load
//! nothing that is called exact is of no instant, or of another one than it was read at.
//! `ESCOPE_READS=1000000` reads more often.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use escope_beam::Vm;
use escope_beam::code::CodeMap;
use escope_beam::snapshot::called;
use escope_beam::state::{
    Behaviour, ProcessState, Reading, Rests, StateCode, StateOptions, read_state,
};
use escope_beam::term::{Limits, Term, TermReader};
use escope_session::{StateAnswer, StatesOptions, read_states};

use crate::support::{Facts, Workload, escope, monotonic_ns, number, unhex};

const ELIXIR: &str = "/usr/lib/elixir/lib/elixir/ebin";
/// How often all states change.
const ROUNDS: usize = 40;
/// How often the state of a busy process is read, of one VM.
const READS: u64 = 4000;

/// Everything, and nothing masked.
fn all() -> StateOptions {
    StateOptions {
        limits: Limits {
            depth: 200,
            nodes: 1_000_000,
            bytes: 1_000_000,
        },
        redaction: None,
        children: 0,
    }
}

/// Processes by what the workload calls them, what they are, and how they rest.
fn resting() -> Vec<(&'static str, Behaviour, Rests)> {
    use Behaviour::{Agent, GenEvent, GenServer, GenStatem, None, Supervisor};
    use Rests::{Hibernating, Suspended, Waiting};
    vec![
        ("server", GenServer, Waiting),
        ("alone", GenServer, Waiting),
        ("global", GenServer, Waiting),
        ("impatient", GenServer, Waiting),
        ("timed", GenServer, Waiting),
        ("hibernated", GenServer, Hibernating),
        ("suspended", GenServer, Suspended),
        ("statem", GenStatem, Waiting),
        ("statem_timed", GenStatem, Waiting),
        ("statem_hibernated", GenStatem, Hibernating),
        ("statem_suspended", GenStatem, Suspended),
        ("event", GenEvent, Waiting),
        ("event_hibernated", GenEvent, Hibernating),
        // Whether a supervisor hibernates at first is up to the release.
        ("supervisor", Supervisor, Waiting),
        ("simple_supervisor", Supervisor, Waiting),
        ("bare", None, Waiting),
        ("bare_hibernated", None, Hibernating),
        ("agent", Agent, Waiting),
    ]
}

#[test]
fn states_at_rest_are_what_the_vm_says() {
    live!();
    let elixir = if Path::new(ELIXIR).is_dir() {
        ELIXIR
    } else {
        ""
    };
    let mut vm = Workload::start("states", &[], &[("SEED", "11"), ("ELIXIR_EBIN", elixir)]);
    let has_agent = vm.ready().text("agent") == "true";
    vm.go();
    let mut target = Vm::attach(vm.pid()).unwrap();
    let options = StatesOptions {
        state: all(),
        processes: 1000,
        tries: 100,
    };
    let mut wrong = Vec::new();
    for round in 0..ROUNDS {
        let facts = vm.count();
        let states = read_states(&mut target, &|_| true, &options).unwrap();
        let told: BTreeMap<&str, &StateAnswer> = states
            .told
            .iter()
            .map(|one| (one.process.pid.as_str(), &one.answer))
            .collect();
        for (name, behaviour, rests) in resting() {
            if name == "agent" && !has_agent {
                continue;
            }
            let pid = facts.text(&format!("{name}_pid"));
            let theirs = unhex(facts.text(name));
            let StateAnswer::Exact(state) = told[pid] else {
                wrong.push(format!("{round} {name}: {:?}", told[pid]));
                continue;
            };
            let is_supervisor = behaviour == Behaviour::Supervisor;
            if state.behaviour != behaviour || !is_supervisor && state.rests != rests {
                wrong.push(format!(
                    "{round} {name}: it is {behaviour:?}, {rests:?}: {state:?}"
                ));
                continue;
            }
            let ours = terms(name, state, &theirs);
            if ours != theirs {
                wrong.push(format!("{round} {name}: we say {ours}, the VM {theirs}"));
            }
        }
        if wrong.len() > 20 {
            break;
        }
    }
    let (_, _) = vm.stop();
    assert!(vm.quit().success());
    let count = wrong.len();
    wrong.truncate(6);
    assert!(count == 0, "{count} differences: {wrong:#?}");
}

/// The terms of a state as the workload tells them.
fn terms(name: &str, state: &ProcessState, theirs: &str) -> String {
    let texts = state.parts.iter().map(|part| part.term.to_string());
    let texts: Vec<String> = match name {
        // Which slot has the variable, only the compiler knows.
        "bare" => texts.filter(|text| text == theirs).take(1).collect(),
        "bare_hibernated" => match state.parts.as_slice() {
            [_, _, arguments] => match &arguments.term {
                Term::List(list) => list.items.iter().map(Term::to_string).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        },
        _ => texts.collect(),
    };
    texts.join("\n")
}

/// The processes that change all the time.
const BUSY: [(&str, Behaviour); 5] = [
    ("states_busy", Behaviour::GenServer),
    ("states_busy_statem", Behaviour::GenStatem),
    ("states_busy_event", Behaviour::GenEvent),
    ("states_busy_supervisor", Behaviour::Supervisor),
    ("states_busy_agent", Behaviour::Agent),
];

/// Under load, read as often as can be: what is called exact is whole, and was so while it was read.
#[test]
fn what_is_called_exact_was_so_at_one_instant() {
    live!();
    let mut exact: BTreeMap<&str, u64> = BTreeMap::new();
    let mut ran = 0;
    let mut with_agent = false;
    for round in 0..number("ESCOPE_READS", 2 * READS).div_ceil(READS) {
        let pause = ["0", "2"][round as usize % 2];
        let env = [("BUSY", "1"), ("PAUSE", pause), ("ELIXIR_EBIN", ELIXIR)];
        let mut vm = Workload::start("states", &["+S", "2:2"], &env);
        with_agent = vm.ready().text("agent") == "true";
        vm.go();
        let names = BUSY
            .iter()
            .filter(|(name, _)| with_agent || *name != "states_busy_agent");
        let all: Vec<_> = names
            .map(|busy| {
                (
                    busy,
                    readings(vm.pid(), busy.0, READS as usize / BUSY.len()),
                )
            })
            .collect();
        let (log, _) = vm.stop();
        assert!(vm.quit().success());
        let began: BTreeMap<i64, i64> = log.iter().map(change).collect();
        for ((name, behaviour), readings) in all {
            let mut last = 0;
            for (from_ns, to_ns, reading) in readings {
                let Reading::Exact(state) = reading else {
                    assert!(matches!(reading, Reading::Ran(_)), "{reading:?}");
                    ran += 1;
                    continue;
                };
                if state.rests == Rests::InCallback {
                    ran += 1;
                    continue;
                }
                assert_eq!(state.behaviour, *behaviour, "{state:?}");
                let number = number_of(&state);
                assert!(number >= last, "{name}: {number} after {last}");
                last = number;
                if *name == "states_busy" {
                    was_then(&began, number, (from_ns, to_ns));
                }
                *exact.entry(name).or_default() += 1;
            }
        }
    }
    println!("exact: {exact:?}, {ran} not");
    let least = exact.values().min().copied().unwrap_or(0);
    let names = if with_agent {
        BUSY.len()
    } else {
        BUSY.len() - 1
    };
    assert!(
        exact.len() == names && least > 200 && ran > 100,
        "{exact:?} exact, {ran} not"
    );
}

/// A state of this number began before its reading ended, and the next one after that began.
fn was_then(began: &BTreeMap<i64, i64>, number: i64, (from_ns, to_ns): (i64, i64)) {
    if let Some(&began_ns) = began.get(&number) {
        assert!(
            began_ns <= to_ns,
            "{number} began {began_ns}, read until {to_ns}"
        );
    }
    if let Some(&next_ns) = began.get(&(number + 1)) {
        assert!(
            from_ns < next_ns,
            "{number} was followed at {next_ns}, and read from {from_ns} on"
        );
    }
}

fn change(facts: &Facts) -> (i64, i64) {
    (facts.number("seq"), facts.number("ns"))
}

/// Reads a process so often: when each time began and ended, and what came of it.
fn readings(pid: u32, name: &str, times: usize) -> Vec<(i64, i64, Reading)> {
    let mut vm = Vm::attach(pid).unwrap();
    let mut map = CodeMap::new();
    vm.read_code(&mut map).unwrap();
    let mut code = StateCode::new(&vm, map);
    let all_called = called(&vm).unwrap();
    let is_it = |(_, _, process): &&(u64, u64, _)| {
        let process: &escope_beam::snapshot::ProcessSnapshot = process;
        process.name.as_deref() == Some(name)
    };
    let (pid, address, _) = all_called.iter().find(is_it).unwrap();
    let reader = TermReader::new(&vm);
    let options = all();
    let read = |_| {
        let from_ns = monotonic_ns();
        let reading = read_state(
            &reader,
            &vm,
            &mut code,
            (*address, *pid, Some(name)),
            &options,
        );
        (from_ns, monotonic_ns(), reading)
    };
    (0..times).map(read).collect()
}

/// The number that a state is of, all of it.
fn number_of(state: &ProcessState) -> i64 {
    let texts: Vec<String> = state
        .parts
        .iter()
        .map(|part| part.term.to_string())
        .collect();
    if state.behaviour == Behaviour::Supervisor {
        return children(&texts[0]);
    }
    let (texts, at) = match state.behaviour {
        Behaviour::GenStatem => (&texts[1..], Some(&texts[0])),
        _ => (&texts[..], None),
    };
    let Term::Tuple(elements) = &state.parts.last().unwrap().term else {
        panic!("{state:?}");
    };
    let Term::Integer(number) = elements.items[1] else {
        panic!("{state:?}");
    };
    let count = if state.behaviour == Behaviour::GenEvent {
        2
    } else {
        1
    };
    assert_eq!(texts, vec![expected(number); count]);
    assert!(
        at.is_none_or(|at| *at == format!("{{at,{number}}}")),
        "{at:?} {number}"
    );
    number
}

/// The last child of a supervisor, whose children follow one another.
fn children(text: &str) -> i64 {
    let numbers = |tag: &str| -> BTreeSet<i64> {
        let places = text
            .match_indices(tag)
            .map(|(at, _)| &text[at + tag.len()..]);
        places
            .map(|rest| rest.split('}').next().unwrap().parse().unwrap())
            .collect()
    };
    let (ids, started) = (numbers("{n,"), numbers("{server,"));
    assert_eq!(ids, started, "{text}");
    let (first, last) = (*ids.first().unwrap(), *ids.last().unwrap());
    assert!(
        ids.len() <= 3 && last - first + 1 == ids.len() as i64,
        "{text}"
    );
    last
}

fn expected(number: i64) -> String {
    let list: Vec<String> = (1..=60).map(|more| (number + more).to_string()).collect();
    let bytes: Vec<String> = number.to_be_bytes().iter().map(u8::to_string).collect();
    format!(
        "{{busy,{number},[{}],{{{number},#{{1 => {number},2 => {number}}}}},<<{}>>,{number}}}",
        list.join(","),
        bytes.join(",")
    )
}

/// What the command prints, and what it refuses.
#[test]
fn the_command_tells_states_and_why_it_does_not() {
    live!();
    let mut vm = Workload::start("states", &[], &[]);
    vm.go();
    vm.count();
    let pid = vm.pid().to_string();
    let state = |process: &str, more: &[&str]| {
        escope(&[&["state", "-p", &pid, "--process", process], more].concat())
    };
    let masked = state("states_secrets", &[]).success().stdout;
    assert!(
        !masked.contains("hunter2") && !masked.contains("k-17"),
        "{masked}"
    );
    assert!(
        masked.contains("password => ***") && masked.contains("user => joe"),
        "{masked}"
    );
    assert!(
        masked.contains("2 values masked") && masked.contains("exact"),
        "{masked}"
    );
    let more = state("states_secrets", &["--redact", "user"])
        .success()
        .stdout;
    assert!(!more.contains("joe"), "{more}");
    let unmasked = state("states_secrets", &["--unmasked"]).success().stdout;
    assert!(
        unmasked.contains("hunter2") && unmasked.contains("k-17"),
        "{unmasked}"
    );
    let shallow = state("states_secrets", &["--depth", "1", "--unmasked"])
        .success()
        .stdout;
    assert!(
        shallow.contains("options => ...") && shallow.contains("(not all of it)"),
        "{shallow}"
    );
    let short = state("states_secrets", &["--max-bytes", "20", "--width", "0"])
        .success()
        .stdout;
    assert!(short.lines().any(|line| line.ends_with("...")), "{short}");
    let elixir = state("states_secrets", &["--format", "elixir"]);
    let elixir = elixir.success().stdout;
    assert!(elixir.contains("user: "), "{elixir}");
    let json = state("states_secrets", &["--format", "json", "--json"]);
    let json = json.success().json();
    let term: serde_json::Value =
        serde_json::from_str(json[0]["parts"][0]["term"].as_str().unwrap()).unwrap();
    assert_eq!(term["password"], serde_json::json!({ "$masked": true }));
    let etf = |more: &[&str]| {
        let args = [&["--format", "etf"], more].concat();
        state("states_secrets", &args).success().stdout
    };
    assert!(etf(&[]).contains("not written: the term is not whole: a part of it is masked"));
    assert!(
        etf(&["--unmasked"])
            .lines()
            .any(|line| line.starts_with("    8374"))
    );
    let narrow = state("states_supervisor", &["--width", "60"])
        .success()
        .stdout;
    assert!(narrow.contains("strategy one_for_one"), "{narrow}");
    assert!(
        narrow.contains("at most 3 restarts in 7 s; 0 remembered"),
        "{narrow}"
    );
    assert!(
        narrow.contains("child born <0.") && narrow.contains("worker, permanent, shutdown 250"),
        "{narrow}"
    );
    assert!(
        narrow.contains("2 children") && narrow.contains("worker, transient"),
        "{narrow}"
    );

    let rows = state("states:init/1", &["--json", "-n", "100"])
        .success()
        .json();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() > 8, "{rows:#?}");
    assert!(
        rows.iter().all(|row| row["certainty"] == "exact"),
        "{rows:#?}"
    );
    let few = state("states:init/1", &["-n", "1"]).success().stdout;
    assert!(few.contains(" more: -n shows them"), "{few}");

    let waiting = state("states_in_callback", &["--json"]).success().json();
    assert_eq!(waiting[0]["rests"], "in_callback", "{waiting:#}");
    assert_eq!(
        waiting[0]["callback"], "states:handle_cast/2",
        "{waiting:#}"
    );
    assert_eq!(waiting[0]["as_of"], "before_callback", "{waiting:#}");
    assert_eq!(waiting[0]["parts"][0]["term"], "first", "{waiting:#}");

    let sensitive = state("states_sensitive", &[]);
    sensitive.refused(1);
    assert!(sensitive.stderr.contains("sensitive"), "{sensitive:?}");
    state("nobody", &[]).refused(1);
    state("states_server", &["--redact", "("]).refused(2);
    escope(&["state", "-p", &pid]).misused("required arguments");
    escope(&["state", "-p", "1", "--process", "x"]).refused(3);
    vm.stop();
    assert!(vm.quit().success());
}
