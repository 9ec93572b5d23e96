//! What a process had as it called: what its arguments say of themselves, and of the state before.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Workload, start};

const PATIENCE: Duration = Duration::from_secs(120);
/// Calls that are looked at.
const CALLS: usize = 20;

/// The first calls of `history:handle_call/3` by a process, and all that was printed of them.
fn calls(name: &str, changes: &str) -> (Vec<Value>, String) {
    let mut vm = Workload::start("history", &["+S", "2:2"], &[("CHANGES", changes)]);
    let pid = vm.pid().to_string();
    let (only, count) = (format!("process={name}"), format!("--snapshot={CALLS}"));
    let mut watch = start(&[
        "watch",
        "-p",
        &pid,
        "--format",
        "json",
        "history:handle_call/3",
        "--when",
        &only,
        &count,
    ]);
    watch.wait_for("watching in", PATIENCE);
    vm.go();
    // It ends by itself.
    let output = watch.finish(PATIENCE).success();
    vm.stop();
    assert!(vm.quit().success());
    let lines = output.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (calls, others): (Vec<Value>, Vec<Value>) = lines.partition(|line| line["kind"] == "call");
    assert_eq!(others[0]["end"], "snapshots", "{others:?}");
    assert_eq!(calls.len(), CALLS);
    (calls, output.stdout)
}

fn term(parts: &Value, number: usize) -> &str {
    let part = &parts[number];
    assert_eq!(part["whole"], true, "{parts}");
    part["term"].as_str().unwrap()
}

/// As the program makes it.
fn state(n: usize, size: usize) -> String {
    let list: Vec<String> = (n..n + size).map(|number| number.to_string()).collect();
    let list = list.join(",");
    format!("{{history,{n},[{list}],#{{n => {n},twice => {}}}}}", 2 * n)
}

#[test]
fn a_snapshot_is_of_the_call() {
    live!();
    for (name, size) in [("history_0", 30), ("history_2", 1000)] {
        let (calls, _) = calls(name, "60");
        for (call, n) in calls.iter().zip(1..) {
            let snapshot = &call["snapshot"];
            assert_eq!(snapshot["whole"], true, "{call}");
            assert_eq!(term(&snapshot["arguments"], 0), format!("{{next,{n}}}"));
            // The change that it makes is from the one before.
            let before = state(n - 1, size);
            assert_eq!(term(&snapshot["arguments"], 2), before);
            let told = &snapshot["state"];
            assert_eq!(told["behaviour"], "gen_server", "{snapshot}");
            assert_eq!(told["module"], "history");
            assert_eq!(told["callback"], "history:handle_call/3");
            assert_eq!(term(&told["parts"], 0), before);
            let stack: Vec<&str> = snapshot["stack"]
                .as_array()
                .unwrap()
                .iter()
                .map(|place| place.as_str().unwrap())
                .collect();
            assert!(stack[0].starts_with("history:handle_call/3"), "{stack:?}");
            assert!(
                stack[1].starts_with("gen_server:try_handle_call/4"),
                "{stack:?}"
            );
            assert!(
                stack.last().unwrap().starts_with("proc_lib:init_p"),
                "{stack:?}"
            );
            assert_eq!(snapshot["stack_gap"], Value::Null);
            assert!(snapshot["took_ns"].as_u64().unwrap() > 0);
        }
    }
}

#[test]
fn of_one_that_has_more_than_is_copied_its_stack_is_told() {
    live!();
    let (calls, _) = calls("history_3", "60");
    for call in &calls {
        let snapshot = &call["snapshot"];
        assert_eq!(snapshot["whole"], false, "{call}");
        let stack = snapshot["stack"].as_array().unwrap();
        let first = stack[0].as_str().unwrap();
        assert!(first.starts_with("history:handle_call/3"), "{stack:?}");
        // What lies on its heap is missing, and nothing is made up.
        for argument in snapshot["arguments"].as_array().unwrap() {
            assert_eq!(argument["whole"], false, "{call}");
        }
    }
}

#[test]
fn secrets_of_a_snapshot_are_masked() {
    live!();
    let (calls, all) = calls("history_secret", "60");
    assert!(!all.contains("sekrit") && !all.contains("115,101,107,114,105,116"));
    for call in &calls {
        let masked = call["snapshot"]["state"]["masked"].as_u64();
        assert!(masked.unwrap() > 2, "{call}");
        assert!(call["snapshot"]["masked"].as_u64().unwrap() > 2, "{call}");
    }
}
