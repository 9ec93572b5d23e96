//! The VM's own answer is the oracle: `snapshot` says what `process_info/2` says.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::support::{Facts, Workload, escope};

/// Characters of a message that are shown.
const VALUE_MAX: usize = 4000;
/// How many frames `process_info(Pid, current_stacktrace)` has.
const TRACE: usize = 8;

#[test]
fn a_table_at_rest_is_what_the_vm_says() {
    live!();
    let mut vm = Workload::start("table", &[], &[("PROCESSES", "1000")]);
    vm.go();
    let pid = vm.pid().to_string();
    let output = escope(&["snapshot", "-p", &pid, "--format", "json"]).success();
    let (told, _) = vm.stop();
    assert!(vm.quit().success());

    assert_eq!(told.len(), 1000);
    let rows = output.json();
    let mut wrong = differences(&rows, &told);
    // Asking costs reductions: they can only be compared with what was seen before.
    let rows = by_pid(&rows);
    for facts in &told {
        let (ours, theirs) = (
            &rows[facts.text("pid")]["reductions"],
            facts.number("reductions"),
        );
        if *ours != theirs {
            wrong.push(format!(
                "reductions: we say {ours}, the VM {theirs}: {facts:?}"
            ));
        }
    }
    let count = wrong.len();
    wrong.truncate(12);
    assert!(count == 0, "{count} differences: {wrong:#?}");
}

/// Rows by pid.
pub(crate) fn by_pid(rows: &Value) -> BTreeMap<&str, &Value> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (row["pid"].as_str().unwrap(), row))
        .collect()
}

/// Where rows are not what the VM has told of its processes, which all rest.
pub(crate) fn differences(rows: &Value, told: &[Facts]) -> Vec<String> {
    let rows = by_pid(rows);
    let mut wrong = Vec::new();
    for facts in told {
        let Some(row) = rows.get(facts.text("pid")) else {
            wrong.push(format!("{} is missing", facts.text("pid")));
            continue;
        };
        if row["consistent"] != true {
            wrong.push(format!("it is not called consistent: {row:#}"));
        }
        compare(row, facts, &mut wrong);
    }
    wrong
}

/// Terms of every kind in a mailbox: each prints as the VM prints it, and in the order in which
/// they came. A map prints in the order in which the VM iterates over it.
#[test]
fn terms_are_what_the_vm_says() {
    live!();
    let mut vm = Workload::start("terms", &[], &[("TERMS", "3000")]);
    vm.go();
    let pid = vm.pid().to_string();
    let command = ["snapshot", "-p", &pid, "--format", "json", "--mailbox"];
    let all = ["--values", "--messages", "10000", "--unmasked"];
    let values = [&command[..], &all].concat();
    let values = escope(&values).success().json();
    let shapes = escope(&command).success().json();
    let sensitive = [&command[..], &["--values", "--process", "terms_sensitive"]].concat();
    let sensitive = escope(&sensitive).success();
    let (told, _) = vm.stop();
    assert!(vm.quit().success());
    for name in ["terms_on_heap", "terms_off_heap"] {
        let row = named(&values, name);
        assert_eq!(row["consistent"], true, "{name}");
        let messages = row["messages"].as_array().unwrap();
        assert_eq!(messages.len(), told.len());
        let mut wrong: Vec<String> = Vec::new();
        for (message, facts) in messages.iter().zip(&told) {
            let (ours, mut theirs) = (message["text"].as_str().unwrap(), hex(facts, "text"));
            if let Some((at, _)) = theirs.char_indices().nth(VALUE_MAX) {
                theirs.replace_range(at.., "...");
            }
            if ours != theirs {
                let index = facts.text("index");
                let same = ours.chars().zip(theirs.chars()).take_while(|(a, b)| a == b);
                let same = same.count().saturating_sub(10);
                let part = |text: &str| text.chars().skip(same).take(80).collect::<String>();
                let (ours, theirs) = (part(ours), part(&theirs));
                wrong.push(format!(
                    "{name} {index} at {same}: we say {ours}, the VM {theirs}"
                ));
            }
        }
        let count = wrong.len();
        wrong.truncate(12);
        assert!(count == 0, "{count} differences: {wrong:#?}");
    }
    let shapes: Vec<(&str, u64)> = named(&shapes, "terms_shapes")["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            (
                group["text"].as_str().unwrap(),
                group["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shapes,
        [
            ("{'$gen_call',{pid,[alias|reference]},{get,binary(3)}}", 1),
            ("{'$gen_cast',{put,atom,float}}", 2),
            ("lone", 1),
            ("{tag,list(3),map(1),list(4),{},list(0)}", 1),
            ("integer", 1),
            ("bitstring(3)", 1),
        ]
    );
    let row = &sensitive.json()[0];
    assert_eq!(row["sensitive"], true);
    assert_eq!(row["mailbox"], 1);
    assert_eq!(row["messages"], Value::Null);
    assert_eq!(row["dictionary_keys"], serde_json::json!([]));
    assert!(!sensitive.stdout.contains("do not tell"));
}

fn named<'a>(rows: &'a Value, name: &str) -> &'a Value {
    let mut rows = rows.as_array().unwrap().iter();
    rows.find(|row| row["name"] == name).unwrap()
}

/// Others may give a process a name and take it away while it rests.
#[test]
fn a_name_is_never_that_of_another() {
    live!();
    let mut vm = Workload::start("renamed", &["+S", "2:2"], &[]);
    vm.go();
    let pid = vm.pid().to_string();
    // How many have a name when one looks is up to who has the CPU: so until there were enough.
    let (mut snapshots, mut seen) = (Vec::new(), 0);
    while snapshots.len() < 30 || seen <= 50 && snapshots.len() < 500 {
        let rows = escope(&["snapshot", "-p", &pid, "--format", "json"]);
        let rows = rows.success().json();
        let is_renamed = |row: &&Value| {
            let name = row["name"].as_str();
            row["consistent"] == true && name.is_some_and(|name| name.starts_with("renamed_"))
        };
        seen += rows.as_array().unwrap().iter().filter(is_renamed).count();
        snapshots.push(rows);
    }
    let (told, _) = vm.stop();
    assert!(vm.quit().success());
    let (mut named, mut unnamed) = (0, 0);
    for rows in &snapshots {
        let rows = by_pid(rows);
        for facts in &told {
            let row = rows[facts.text("pid")];
            match row["name"].as_str() {
                _ if row["consistent"] != true => {}
                None => unnamed += 1,
                Some(name) => {
                    assert_eq!(name, facts.text("name"), "{row:#}");
                    named += 1;
                }
            }
        }
    }
    assert!(
        named > 50 && unnamed > 50,
        "{named} with a name, {unnamed} without"
    );
}

/// What is asked for by its status has it, also when it is read in full a moment later.
#[test]
fn a_status_that_is_asked_for_is_the_one_that_is_shown() {
    live!();
    let mut vm = Workload::start("flip", &[], &[]);
    vm.go();
    let pid = vm.pid().to_string();
    let mut seen = 0;
    for status in ["waiting", "runnable", "running"]
        .into_iter()
        .cycle()
        .take(30)
    {
        let command = [
            "snapshot", "-p", &pid, "--format", "json", "--status", status,
        ];
        let rows = escope(&command).success().json();
        for row in rows.as_array().unwrap() {
            assert_eq!(row["status"], status, "{row:#}");
            seen += 1;
        }
    }
    let nobody = ["snapshot", "-p", &pid, "--process", "nobody"];
    escope(&nobody).refused(1);
    escope(&[&nobody[..], &["--status", "waiting"]].concat()).refused(1);
    vm.stop();
    assert!(vm.quit().success());
    assert!(seen > 100, "{seen} rows");
}

/// Under load what is called consistent is true: a process that rests is in one of two states.
#[test]
fn what_is_called_consistent_is() {
    live!();
    let mut vm = Workload::start("flip", &[], &[]);
    vm.go();
    let pid = vm.pid().to_string();
    let (mut consistent, mut other) = ([0, 0], 0);
    for _ in 0..60 {
        let output = escope(&[
            "snapshot",
            "-p",
            &pid,
            "--process",
            "flip:side/1",
            "--format",
            "json",
        ]);
        for row in output.success().json().as_array().unwrap() {
            if row["consistent"] == false {
                other += 1;
                continue;
            }
            let stack = row["stack"].as_array().unwrap().iter();
            let stack: Vec<&str> = stack
                .filter_map(|frame| frame["function"].as_str())
                .collect();
            let (leaf, depth) = match stack[0] {
                "flip:low/1" => (0, 3),
                "flip:high/1" => (1, 9),
                _ => panic!("it rests elsewhere: {row:#}"),
            };
            let whole = [vec!["flip:down/3"; depth], vec!["flip:flip/2"]].concat();
            assert_eq!(stack[1..], whole, "{row:#}");
            let (monitors, key) = [(0, "low"), (2, "high")][leaf];
            assert_eq!(
                row["monitors"].as_array().unwrap().len(),
                monitors,
                "{row:#}"
            );
            assert_eq!(row["dictionary_keys"], serde_json::json!([key]), "{row:#}");
            consistent[leaf] += 1;
        }
    }
    let (_, done) = vm.stop();
    assert!(vm.quit().success());
    assert!(done.number("flips") > 10_000, "{done:?}");
    let [low, high] = consistent;
    assert!(
        low > 50 && high > 50,
        "{low} low, {high} high, {other} inconsistent"
    );
}

/// A VM that is stopped answers nobody, and is read all the same.
#[test]
fn a_vm_that_stands_still() {
    live!();
    let mut vm = Workload::start("split", &["+S", "1:1"], &[]);
    vm.go();
    let pid = vm.pid().to_string();
    vm.signal("STOP");
    let output = escope(&["snapshot", "-p", &pid, "--format", "json"]);
    let table = escope(&["snapshot", "-p", &pid, "--process", "split_two", "--stack"]);
    vm.signal("CONT");
    let rows = output.success().json();
    let names: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["name"].as_str())
        .collect();
    for name in [
        "init",
        "code_server",
        "split_one",
        "split_two",
        "split_three",
    ] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    // One runs, or none if it was stopped in between: what runs is not called consistent.
    for row in rows.as_array().unwrap() {
        assert_ne!(
            (&row["status"], &row["consistent"]),
            (&"running".into(), &true.into())
        );
    }
    let table = table.success();
    assert!(table.stdout.contains("split_two"), "{table:#?}");
    assert!(table.stdout.contains("split:worker/4"), "{table:#?}");
    escope(&["snapshot", "-p", &pid, "--process", "nobody"]).refused(1);
    // A reader that goes away, as `head` does, is no failure.
    let script = "\"$0\" snapshot -p $1 --format json | head -n 1; echo ${PIPESTATUS[0]}";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_escope-bpf"), &pid])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "[\n0\n",
        "{output:?}"
    );
    assert!(output.stderr.is_empty(), "{output:?}");
    vm.stop();
    assert!(vm.quit().success());
}

fn compare(row: &Value, facts: &Facts, wrong: &mut Vec<String>) {
    let mut differ = |field: &str, ours: String, theirs: String| {
        if ours != theirs {
            let pid = facts.text("pid");
            wrong.push(format!("{pid} {field}: we say {ours:?}, the VM {theirs:?}"));
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    differ("name", text(&row["name"]), hex(facts, "registered"));
    let call = |value: &Value| text(value).replace('\'', "");
    differ(
        "spawned_as",
        call(&row["spawned_as"]),
        hex(facts, "spawned_as"),
    );
    differ(
        "initial_call",
        call(&row["initial_call"]),
        hex(facts, "initial_call"),
    );
    differ(
        "current",
        call(&row["current_function"]),
        hex(facts, "current"),
    );
    differ(
        "status",
        text(&row["status"]),
        facts.text("status").to_owned(),
    );
    differ(
        "leader",
        text(&row["group_leader"]),
        facts.text("leader").to_owned(),
    );
    if facts.text("parent") != "unknown" {
        differ(
            "parent",
            text(&row["parent"]),
            facts.text("parent").to_owned(),
        );
    }
    for (field, fact) in [
        ("mailbox", "mailbox"),
        ("heap_words", "heap"),
        ("total_heap_words", "total"),
        ("stack_words", "stack"),
        ("memory_bytes", "memory"),
        ("trap_exit", "trap"),
        ("min_heap_words", "min_heap"),
        ("fullsweep_after", "fullsweep"),
    ] {
        differ(field, row[field].to_string(), facts.text(fact).to_owned());
    }
    differ(
        "message_queue_data",
        text(&row["message_queue_data"]),
        facts.text("data").to_owned(),
    );
    differ("label", text(&row["label"]), hex(facts, "label"));
    for (field, fact) in [
        ("links", "links"),
        ("monitored_by", "monitored_by"),
        ("dictionary_keys", "keys"),
    ] {
        let ours = row[field].as_array().unwrap().iter().map(text).collect();
        differ(field, lines(ours), hex(facts, fact));
    }
    let monitors = row["monitors"].as_array().unwrap().iter();
    let monitors = monitors
        .map(|monitor| format!("{{{},{}}}", text(&monitor["kind"]), text(&monitor["item"])))
        .collect();
    differ("monitors", lines(monitors), hex(facts, "monitors"));
    let trace = hex(facts, "trace");
    let ours: Vec<String> = row["stack"].as_array().unwrap()[..]
        .iter()
        .take(TRACE)
        .map(|frame| {
            let line = frame["line"].as_u64().unwrap_or(0);
            let file = text(&frame["file"]);
            format!("{} {file}:{line}", call(&frame["function"]))
        })
        .collect();
    differ("stack", ours.join("\n"), trace);
}

fn lines(mut lines: Vec<String>) -> String {
    lines.sort_unstable();
    lines.join("\n")
}

/// A name that is told in hexadecimal.
fn hex(facts: &Facts, key: &str) -> String {
    let digits = facts.text(key);
    let bytes = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    String::from_utf8(bytes).unwrap()
}
