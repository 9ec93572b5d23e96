//! What processes had at any instant, as the program itself has logged it: whatever is said to be exact
//! is, and that is nearly all where nothing was too large. `ESCOPE_CHANGES=50000` makes more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use escope_beam::term::{Elements, Holes, Term};
use escope_model::{ProcId, StateRow, StateSeen};
use escope_recording::{Recording, TimeRange};
use escope_timeline::states::{Certainty, Had, Instant, Rest, Rests};

use super::formats::run;
use crate::support::{Facts, Workload, escope, number as setting, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(180);
/// In each text that must be nowhere, also as a list of characters, as text and in the external format.
const SECRETS: [&str; 3] = ["sekrit", "115,101,107,114,105,116", "asaeakaraiat"];
/// The servers whose heaps are copied, and the one that has too much.
const COPIED: [&str; 3] = ["history_0", "history_1", "history_2"];
const LARGE: &str = "history_3";
/// The one whose garbage is collected when the VM thinks fit.
const GROWN: &str = "history_grown";
/// The one that waits in its callbacks.
const HELD: &str = "history_held";
/// Instants that are looked at, of each server.
const INSTANTS: usize = 5000;
/// How often the state of each server changes.
const CHANGES: u64 = 1500;

/// Records the workload; its lines, and what was said at the end.
fn record(path: &str, env: &[(&str, &str)], states: &str, more: &[&str]) -> (Vec<Facts>, String) {
    let mut vm = Workload::start("history", &["+S", "2:2"], env);
    let pid = vm.pid().to_string();
    let args = [
        &[
            "record",
            "-p",
            &pid,
            "--max-overhead",
            "off",
            "-o",
            path,
            "--state",
            states,
        ],
        more,
    ];
    let mut recorder = start(&args.concat());
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    // Some milliseconds for each change, on a busy machine some more.
    let changes = env.iter().find(|(name, _)| *name == "CHANGES");
    let changes = changes.map_or(0, |(_, changes)| changes.parse().unwrap());
    let (lines, _) = vm.stop_within(PATIENCE + Duration::from_millis(40 * changes));
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());
    (lines, output.stderr)
}

/// All rests of the processes that have this name, by process.
fn rests(recording: &Recording, name: &str) -> BTreeMap<ProcId, Vec<Rest>> {
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let procs = dictionary.processes.iter();
    let procs = procs.filter(|process| process.name.as_deref() == Some(name));
    let procs: BTreeSet<ProcId> = procs.map(|process| process.proc).collect();
    let mut open: BTreeMap<ProcId, (Rests, Vec<Rest>)> = BTreeMap::new();
    for row in recording.states(TimeRange::default()).unwrap() {
        let row = row.unwrap();
        if procs.contains(&row.proc) {
            let (rests, all) = open.entry(row.proc).or_default();
            all.extend(rests.row(row));
        }
    }
    let done = open.into_iter().map(|(proc, (mut rests, mut all))| {
        all.extend(rests.finish());
        (proc, all)
    });
    done.collect()
}

/// The term of the only part.
fn term(had: &Had) -> Term {
    let [row] = &had.parts[..] else {
        panic!("{:?}", had.parts);
    };
    term_of(row)
}

fn term_of(row: &StateRow) -> Term {
    let holes = Holes {
        cut: row.seen == StateSeen::Cut,
        masked: row.masked > 0,
    };
    Term::from_recorded(row.term.as_ref().unwrap(), None, holes).unwrap()
}

fn items(term: &Term) -> &[Term] {
    match term {
        Term::Tuple(Elements { items, missing: 0 }) => items,
        _ => panic!("{term:?}"),
    }
}

fn integer(term: &Term) -> i64 {
    match term {
        Term::Integer(value) => *value,
        _ => panic!("{term:?}"),
    }
}

/// The number that a state is of, all of it.
fn number(term: &Term, size: i64) -> i64 {
    let [name, n, list, map] = items(term) else {
        panic!("{term:?}");
    };
    assert_eq!(*name, Term::Atom("history".into()));
    let n = integer(n);
    let Term::List(list) = list else {
        panic!("{list:?}");
    };
    assert_eq!(list.items.len() as i64, size);
    let is_right = |(item, value): (&Term, i64)| *item == Term::Integer(value);
    assert!(
        list.items.iter().zip(n..).all(is_right),
        "of another one than {n}"
    );
    let Term::Map(map) = map else {
        panic!("{map:?}");
    };
    let pair = |key: &str, value| (Term::Atom(key.into()), Term::Integer(value));
    assert_eq!(map.pairs, [pair("n", n), pair("twice", 2 * n)]);
    n
}

/// Numbers that look random, and are the same each time.
fn random(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::from_fn(move || {
        // Knuth's MMIX; the low bits are no good.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some(state >> 20)
    })
}

/// What is told of an instant.
fn at(rests: &[Rest], at_ns: i64) -> (Option<Had>, Certainty) {
    let after = rests.partition_point(|rest| rest.ts_ns <= at_ns);
    let has_parts = |rest: &Rest| !rest.parts.is_empty();
    let from = rests[..after].iter().rposition(has_parts).unwrap_or(0);
    let mut instant = Instant::new(at_ns);
    for rest in rests.iter().skip(from) {
        if !instant.rest(rest.clone()) {
            break;
        }
    }
    instant.told(true)
}

/// Of so many instants, how many were told to be exact; each of them must be right.
fn exact(recording: &Recording, lines: &[Facts], name: &str, size: i64) -> (usize, usize) {
    let origin_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let of = lines
        .iter()
        .filter(|line| line.text_of("server") == Some(name));
    // When the callback began that made each.
    let log: Vec<(i64, i64)> = of
        .map(|line| (line.number("ns") - origin_ns, line.number("n")))
        .collect();
    let all = rests(recording, name);
    let rests = all.values().next().unwrap();
    assert_eq!(all.len(), 1);
    let (first, last) = (log[0].0, log[log.len() - 1].0);
    let mut count = 0;
    for random in random(size as u64).take(INSTANTS) {
        let at_ns = first + (random % (last - first) as u64) as i64;
        let (had, certainty) = at(rests, at_ns);
        if certainty != Certainty::Exact {
            continue;
        }
        let had = had.unwrap();
        if had.seen != StateSeen::Exact {
            continue;
        }
        let place = log.partition_point(|(ns, _)| *ns <= at_ns);
        let expected = log[place - 1].1;
        let n = number(&term(&had), size);
        assert_eq!(n, expected, "{name} at {at_ns}: {had:?}");
        count += 1;
    }
    (count, log.len())
}

#[test]
fn what_is_said_to_be_exact_is_and_that_is_nearly_all() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let names = [&COPIED[..], &[GROWN, LARGE, HELD]].concat().join(",");
    let wanted = setting("ESCOPE_CHANGES", CHANGES);
    // While they run their states are none: so they rest for most of the time.
    let env = [("CHANGES", &*wanted.to_string()), ("PAUSE", "8")];
    let (lines, summary) = record(&path, &env, &names, &[]);
    let recording = Recording::open(Path::new(&path)).unwrap();
    assert_eq!(
        recording.manifest().totals.counters["events_lost"],
        0,
        "{summary}"
    );
    let sizes = [30, 250, 1000];
    for (name, size) in COPIED.into_iter().zip(sizes) {
        let (count, changes) = exact(&recording, &lines, name, size);
        assert_eq!(changes as u64, wanted);
        eprintln!("{name}: {count} of {INSTANTS} exact");
        assert!(
            count * 100 >= INSTANTS * 99,
            "{name}: {count} of {INSTANTS}: {summary}"
        );
    }
    let (count, _) = exact(&recording, &lines, LARGE, 25_000);
    eprintln!("{LARGE}: {count} of {INSTANTS} exact");
    assert!(count * 2 > INSTANTS, "{count}: {summary}");
    // With its garbage it is at times larger than what the kernel copies.
    let (count, _) = exact(&recording, &lines, GROWN, 1000);
    eprintln!("{GROWN}: {count} of {INSTANTS} exact");
    assert!(count * 2 > INSTANTS, "{count}: {summary}");
    // While it waits in a callback what it had before is not its state.
    let (count, changes) = exact(&recording, &lines, HELD, 30);
    eprintln!("{HELD}: {count} of {INSTANTS} exact, of {changes} changes");
    assert!(
        count * 2 > INSTANTS && count < INSTANTS * 19 / 20,
        "{count}"
    );
    told(&path, &recording, &lines, wanted);
}

/// As the command tells it.
fn told(path: &str, recording: &Recording, lines: &[Facts], changes: u64) {
    let origin_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let of = lines
        .iter()
        .filter(|line| line.text_of("server") == Some("history_0"));
    let log: Vec<i64> = of.map(|line| line.number("ns") - origin_ns).collect();
    let at_ns = (log[700] + log[701]) / 2;
    let at = format!("{at_ns}ns");
    let args = [
        "state",
        path,
        "--process",
        "history_0",
        "--at",
        &at,
        "--json",
    ];
    let json = escope(&args).success().json();
    let json = &json[0];
    let n = |json: &serde_json::Value| {
        let text = json["parts"][0]["term"].as_str().unwrap().to_owned();
        let rest = text.strip_prefix("{history,").unwrap();
        rest.trim_start()
            .split(',')
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    assert_eq!(json["behaviour"], "gen_server", "{json}");
    let now = n(json);
    assert!(json["certainty"] != "exact" || now == 701, "{json}");
    for (step, other) in [("back", now - 1), ("forward", now + 1)] {
        let args = [&args[..], &["--step", step]].concat();
        let json = escope(&args).success().json();
        assert_eq!(n(&json[0]), other, "{json}");
    }
    let text = escope(&args[..6]).success().stdout;
    assert!(text.contains("gen_server of history"), "{text}");
    let args = ["state", path, "--process", "history_0", "--history"];
    let text = escope(&args).success().stdout;
    let last = format!("{{2}}: {} -> {changes}", changes - 1);
    assert!(text.contains(&last), "{text}");
    assert!(text.contains("#{n}"), "{text}");
}

#[test]
fn a_server_that_crashes_leaves_its_last_state_and_message() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let name = "history_crasher";
    let env = [("SIZES", "30"), ("CHANGES", "1"), ("CRASHES", "40")];
    let more = ["--events", "messages", "--processes", name, "--payload"];
    let (lines, summary) = record(&path, &env, name, &more);
    let recording = Recording::open(Path::new(&path)).unwrap();
    let all = rests(&recording, name);
    let (dictionary, _) = recording.dictionary().unwrap();
    let payloads = recording.payloads(TimeRange::default()).unwrap();
    let said: BTreeMap<u64, Option<String>> = payloads
        .map(Result::unwrap)
        .map(|row| (row.msg, row.text))
        .collect();
    let messages = recording.messages(TimeRange::default()).unwrap();
    let messages: Vec<_> = messages.map(Result::unwrap).collect();
    let lives: Vec<&Facts> = lines
        .iter()
        .filter(|line| line.text_of("life").is_some())
        .collect();
    assert_eq!(lives.len(), 40);
    for line in lives {
        let (life, steps, pid) = (line.number("life"), line.number("steps"), line.text("pid"));
        let process = dictionary
            .processes
            .iter()
            .find(|process| process.pid == pid);
        let proc = process.unwrap_or_else(|| panic!("{pid}: {summary}")).proc;
        let rests = &all.get(&proc).unwrap_or_else(|| panic!("{pid}: {summary}"))[..];
        let (had, certainty) = at(rests, i64::MAX);
        let had = had.unwrap();
        let state = term(&had).text(100);
        assert_eq!(
            state,
            format!("{{crasher,{life},{steps}}}"),
            "{certainty:?}"
        );
        assert_eq!(rests[rests.len() - 1].seen, StateSeen::Ended);
        // What it received after that it died of; then it asked others for what it reported.
        let received = messages.iter().filter(|message| message.to == proc);
        let after = |ns: i64| ns > had.seen_ns;
        let received = received.filter(|message| message.received_ns.is_some_and(after));
        let last = received.min_by_key(|message| message.received_ns);
        let last = last.unwrap_or_else(|| panic!("{pid}: {messages:?} {summary}"));
        let text = said[&last.msg].as_deref().unwrap_or_default();
        assert_eq!(text, format!("{{'$gen_cast',{{die,{life}}}}}"));
    }
    let args = ["state", &path, "--process", name, "--history"];
    let text = escope(&args).success().stdout;
    assert!(
        text.contains("it ended") && text.contains("{die,7}"),
        "{text}"
    );
}

/// What it makes of its state while messages wait nobody sees: that is said, and which they were.
#[test]
fn a_server_that_does_not_rest_before_it_dies_is_told_as_of_before() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let name = "history_crasher";
    let env = [
        ("SIZES", "30"),
        ("CHANGES", "1"),
        ("CRASHES", "12"),
        ("BURST", "1"),
    ];
    let more = ["--events", "messages", "--processes", name, "--payload"];
    let (lines, _) = record(&path, &env, name, &more);
    let lives = lines.iter().filter(|line| line.text_of("life").is_some());
    let mut count = 0;
    for line in lives {
        let (life, steps, pid) = (line.number("life"), line.number("steps"), line.text("pid"));
        let json = escope(&["state", &path, "--process", pid, "--json"])
            .success()
            .json();
        let json = &json[0];
        assert_eq!(json["certainty"], "unknown", "{json:#}");
        assert_eq!(
            json["parts"][0]["term"],
            format!("{{crasher,{life},0}}"),
            "{json:#}"
        );
        assert!(json["runs_since"].as_u64().unwrap() > 0, "{json:#}");
        let said = json["why"].as_str().unwrap();
        assert!(said.contains("is not told: it has run"), "{said}");
        let received = json["received"].as_array().unwrap();
        let texts: Vec<&str> = received
            .iter()
            .map(|got| got["text"].as_str().unwrap())
            .collect();
        let mut expected = vec!["cast {'$gen_cast',step}".to_owned(); steps as usize];
        expected.push(format!("cast {{'$gen_cast',{{die,{life}}}}}"));
        assert_eq!(texts[..expected.len()], expected, "{json:#}");
        count += 1;
    }
    assert_eq!(count, 12);
    let text = escope(&["state", &path, "--process", name])
        .success()
        .stdout;
    assert!(
        text.contains("it ended at") && text.contains("received since"),
        "{text}"
    );
}

/// Whose states have secrets, and what each tells nevertheless.
const KEEPERS: [(&str, &str); 5] = [
    ("history_secret", "port"),
    ("history_record", "joe"),
    ("history_field", "80"),
    ("history_value", "port"),
    ("history_vault", "***"),
];

/// What is masked where no name tells of it.
const RULES: [&str; 6] = [
    "--redact-field",
    "safe:3",
    "--redact-value",
    "sek[r]it",
    "--redact-module",
    "vault",
];

#[test]
fn secrets_are_in_no_byte_of_a_recording() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let names = KEEPERS.map(|(name, _)| name).join(",");
    let env = [("SIZES", "30"), ("CHANGES", "200")];
    let more = [
        "--events",
        "messages",
        "--processes",
        &names,
        "--payload=4096",
    ];
    let more = [&more[..], &RULES].concat();
    let (_, summary) = record(&path, &env, &names, &more);
    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    for (name, open) in KEEPERS {
        let all = rests(&recording, name);
        let told = all.values().flatten().filter(|rest| rest.is_told).count();
        assert!(told > 100, "{name}: {told}: {summary}");
        for row in all.values().flatten().flat_map(|rest| &rest.parts) {
            let text = term_of(row).text(1 << 20);
            // What is no secret is there: so a secret would be seen.
            assert!(text.contains(open) && text.contains("***"), "{text}");
            none_in(text.as_bytes(), "a state");
            none_in(row.term.as_ref().unwrap(), "a term");
            none_in(format!("{row:?}").as_bytes(), "a row");
        }
    }
    let labelled = dictionary
        .processes
        .iter()
        .filter_map(|it| it.label.as_deref());
    let labelled: Vec<&str> = labelled.collect();
    assert!(
        labelled.contains(&"{history,#{password => ***},{port,80}}")
            && labelled.contains(&"{***,***}"),
        "{labelled:?}"
    );
    // What was said to the others: that one was told of by its number.
    let payloads = recording.payloads(TimeRange::default()).unwrap();
    let said: Vec<String> = payloads.filter_map(|row| row.unwrap().text).collect();
    let is_told = |text: &&String| text.starts_with("{told,") && text.contains("{port,");
    let told: Vec<&String> = said.iter().filter(is_told).collect();
    assert!(
        told.len() > 100,
        "{} of {}: {summary}",
        told.len(),
        said.len()
    );
    let fields = "{account,";
    let shown = told
        .iter()
        .filter(|text| text.contains(fields) && text.contains("***"));
    assert!(shown.count() > 100, "{}", told[0]);
    let ends = recording.lifecycle(TimeRange::default()).unwrap();
    let ends: Vec<_> = ends.filter_map(|row| row.unwrap().reason).collect();
    for text in said.iter().chain(&ends) {
        none_in(text.as_bytes(), "a message or an end");
    }
    let text = format!("{dictionary:?}");
    none_in(text.as_bytes(), "the dictionary");
    none_in_files(&path);
    for (name, open) in KEEPERS {
        let text = escope(&["state", &path, "--process", name])
            .success()
            .stdout;
        assert!(text.contains(open) && text.contains("***"), "{text}");
        none_in(text.as_bytes(), "what is printed");
    }
}

/// Without a word of its user: what is found by names, also those of the fields of records.
#[test]
fn what_is_masked_by_default_is_in_no_byte_of_a_recording() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let names = "history_secret,history_record";
    let env = [("SIZES", "30"), ("CHANGES", "200")];
    let more = ["--events", "proc"];
    let (_, summary) = record(&path, &env, names, &more);
    let recording = Recording::open(Path::new(&path)).unwrap();
    for name in names.split(',') {
        let all = rests(&recording, name);
        let parts: Vec<_> = all
            .values()
            .flatten()
            .flat_map(|rest| &rest.parts)
            .collect();
        assert!(parts.len() > 50, "{name}: {summary}");
        for row in parts {
            let text = term_of(row).text(1 << 20);
            assert!(text.contains("***"), "{text}");
            none_in(text.as_bytes(), "a state");
            none_in(row.term.as_ref().unwrap(), "a term");
        }
    }
    let ends = recording.lifecycle(TimeRange::default()).unwrap();
    let ends: Vec<_> = ends.filter_map(|row| row.unwrap().reason).collect();
    assert!(
        ends.contains(&"{db_password, _}".to_owned()),
        "{ends:?}: {summary}"
    );
    none_in_files(&path);
}

/// Every value of every table, as another reader takes them out of their compression; and all bytes of all
/// files.
fn none_in_files(path: &str) {
    let mut files = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let file = entry.unwrap().path();
        none_in(&std::fs::read(&file).unwrap(), &file.display().to_string());
        files += 1;
    }
    assert!(files > 5);
    let script = format!(
        "import duckdb, glob\n\
         for file in sorted(glob.glob('{path}/*.parquet')):\n    \
             for row in duckdb.sql(f\"select * from read_parquet('{{file}}')\").fetchall():\n        \
                 print(file, row)\n"
    );
    let told = run("python3", &["-c", &script]);
    assert!(
        told.contains("history_secret") && told.contains("states.parquet"),
        "{told}"
    );
    none_in(told.as_bytes(), "the tables");
}

/// What is searched for is found where it is: in each form that a secret may have.
#[test]
fn what_is_planted_is_found_where_nothing_is_masked() {
    let bytes = |text: &str| {
        Term::Bits(escope_beam::term::Bits {
            bytes: text.as_bytes().to_vec(),
            bits: 8 * text.len() as u64,
        })
    };
    let codes = |text: &str| {
        text.bytes()
            .map(|byte| Term::Integer(byte.into()))
            .collect()
    };
    let chars = |text: &str| {
        Term::List(escope_beam::term::List {
            items: codes(text),
            tail: None,
        })
    };
    for term in [
        bytes("a sekrit"),
        chars("sekrit-7"),
        Term::Atom("a_sekrit".into()),
    ] {
        let external = term.to_external_with_holes(None).unwrap();
        assert!(found_in(&external).is_some(), "{external:?}");
        assert!(found_in(term.text(1000).as_bytes()).is_some(), "{term}");
        // As a program prints bytes that it does not know.
        let shown: String = external
            .iter()
            .map(|byte| byte.escape_ascii().to_string())
            .collect();
        assert!(found_in(shown.as_bytes()).is_some(), "{shown}");
        let mut masked = Term::Tuple(Elements {
            items: vec![Term::Atom("password".into()), term],
            missing: 0,
        });
        escope_beam::said::Redaction::default().mask(&mut masked);
        let external = masked.to_external_with_holes(None).unwrap();
        assert_eq!(found_in(&external), None);
    }
}

/// The same states where nothing is masked: so they are in them.
#[test]
fn secrets_are_told_where_they_are_asked_for() {
    live!();
    let mut vm = Workload::start(
        "history",
        &["+S", "2:2"],
        &[("SIZES", "30"), ("CHANGES", "2")],
    );
    let pid = vm.pid().to_string();
    vm.go();
    let (_, _) = vm.stop();
    for (name, _) in KEEPERS {
        let args = ["state", "-p", &pid, "--process", name];
        let open = escope(&[&args[..], &["--unmasked"]].concat())
            .success()
            .stdout;
        assert!(found_in(open.as_bytes()).is_some(), "{name}: {open}");
        let masked = escope(&[&args[..], &RULES].concat()).success().stdout;
        assert!(masked.contains("***"), "{name}: {masked}");
        none_in(masked.as_bytes(), name);
    }
    let args = ["state", "-p", &pid, "--process", "history_vault"];
    let text = escope(&args).success().stdout;
    assert!(text.contains("--redact-field vault:N"), "{text}");
    let args = ["state", "-p", &pid, "--process", "history_record"];
    let text = escope(&args).success().stdout;
    assert!(
        text.contains("joe") && !text.contains("--redact-field"),
        "{text}"
    );
    none_in(text.as_bytes(), "a record whose names are known");
    let args = [
        "snapshot",
        "-p",
        &pid,
        "--process",
        "history_secret",
        "--format",
        "json",
    ];
    let text = escope(&args).success().stdout;
    assert!(text.contains("password => ***"), "{text}");
    none_in(text.as_bytes(), "a snapshot");
    let args = ["snapshot", "-p", &pid, "--process", "history_vault"];
    let args = [&args[..], &["--format", "json"]].concat();
    let text = escope(&args).success().stdout;
    assert!(text.contains("hidden-label") && text.contains("hidden-key"));
    let module = [&args[..], &["--redact-module", "vault"]].concat();
    let output = escope(&module).success();
    let text = output.stdout.as_str();
    assert!(
        text.contains("{***,***}") && !text.contains("hidden-"),
        "{text}"
    );
    assert_eq!(output.stderr, "");
    let misspelt = [&args[..], &["--redact-module", "vaultt"]].concat();
    let stderr = escope(&misspelt).success().stderr;
    assert!(
        stderr.contains("--redact-module vaultt: no such module is loaded"),
        "{stderr}"
    );
    assert!(vm.quit().success());
}

fn found_in(bytes: &[u8]) -> Option<&'static str> {
    let is_in = |secret: &&str| {
        let mut places = bytes.windows(secret.len());
        places.any(|bytes| bytes == secret.as_bytes())
    };
    SECRETS.into_iter().find(is_in)
}

fn none_in(bytes: &[u8], place: &str) {
    if let Some(secret) = found_in(bytes) {
        panic!("{secret} in {place}");
    }
}

#[test]
fn of_those_that_are_sensitive_it_is_told_that_they_are() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let env = [("SIZES", "30"), ("CHANGES", "100")];
    let (_, summary) = record(&path, &env, "history_sensitive,history_0", &[]);
    let recording = Recording::open(Path::new(&path)).unwrap();
    let all = rests(&recording, "history_sensitive");
    let rested = all.values().flatten().filter(|rest| rest.seen.rests());
    let rested: Vec<&Rest> = rested.collect();
    assert!(rested.len() >= 100, "{summary}");
    for rest in rested {
        assert_eq!((rest.seen, rest.is_told), (StateSeen::Sensitive, false));
        assert_eq!(rest.parts, []);
    }
    let others = rests(&recording, "history_0");
    assert!(others.values().flatten().any(|rest| rest.is_told));
    let counters = &recording.manifest().totals.counters;
    assert!(counters["states_withheld"] >= 100, "{counters:?}");
    assert!(summary.contains("withheld as sensitive"), "{summary}");
}

#[test]
fn states_are_recorded_of_those_that_are_named_and_can_be() {
    let output = escope(&["record", "--redact", "a"]);
    output.refused(2);
    let output = escope(&["record", "--state", "a", "--redact", "("]);
    output.refused(2);
    escope(&["record", "--state", "a", "--redact-value", "("]).refused(2);
    for (option, wrong) in [("--redact-field", "state"), ("--redact-module", "")] {
        escope(&["record", "--state", "a", option, wrong]).misused(option);
    }
    let output = escope(&["record", "--redact-module", "a"]);
    output.refused(2);
    escope(&["state", "--process", "a", "--at", "1s"]).misused("required");
    let missing = escope(&["state", "/nonexistent.escope", "--process", "a"]);
    missing.refused(1);
}
