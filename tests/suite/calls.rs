//! What `report` and `timeline` make of calls whose fates the program itself has counted.

use serde_json::Value;

use crate::support::{Facts, Workload, escope, record_all, temp_dir};

#[test]
fn every_call_has_its_reply_or_is_counted_as_without() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("calls", &["+S", "2:2"], &[]);
    let (lines, done, output) = record_all(&mut vm, &path, &["--events", "full"]);
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");

    let args = ["report", &path, "--format", "json", "-n", "100000"];
    let report = escope(&args).success().json();
    calls(&report["events"], &done);
    lives(&report["events"], &lines, &done);
    senders(&report["events"], &lines);
    let of_back = [&args[..], &["--process", "calls_back"]].concat();
    let of_back = escope(&of_back).success().json();
    // Somebody else was asked what it answers.
    assert_eq!(of_back["events"]["calls"]["unasked"], done.number("front"));
    time(&path);
    timeouts(&path, &lines, &done);
    influence(&path, lines[0].text("client"));
}

/// The row of a process in a table.
#[track_caller]
fn row<'a>(section: &'a Value, key: &str, is: &str) -> &'a Value {
    let rows = section["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row[key] == is);
    row.unwrap_or_else(|| panic!("no {is} in {section:#}"))
}

fn calls(events: &Value, done: &Facts) {
    let of = |name: &str| {
        let row = row(&events["calls"], "name", name);
        let count = |it: &Value| it.as_i64().unwrap();
        (
            count(&row["calls"]),
            count(&row["total"]["count"]),
            count(&row["ambiguous"]),
            count(&row["unanswered"]),
        )
    };
    let (direct, late, pair) = (
        done.number("direct"),
        done.number("late"),
        done.number("pair"),
    );
    assert!(direct > 10 && pair > 10, "{done:?}");
    assert_eq!(of("calls_direct"), (direct, direct, 0, 0));
    assert_eq!(of("calls_late"), (late, late, 0, 0));
    let front = done.number("front");
    assert_eq!(of("calls_front"), (front, 0, 0, front));
    let silent = done.number("silent");
    assert_eq!(of("calls_silent"), (silent, 0, 0, silent));
    assert_eq!(of("calls_pair"), (pair, 0, pair, 0));

    let slowest = events["slowest_calls"]["rows"].as_array().unwrap();
    let ns = |call: &Value, key: &str| call[key].as_i64().unwrap_or(0);
    for call in slowest {
        let parts = ["queued_ns", "service_ns", "returning_ns"].map(|key| ns(call, key));
        assert_eq!(parts.iter().sum::<i64>(), ns(call, "took_ns"), "{call:#}");
        assert!(ns(call, "running_ns") <= ns(call, "service_ns"), "{call:#}");
    }
    // A call is worked on as long as its server waits before it answers, and does not run.
    let waited = |server: &str, least_ns: i64| {
        let these = slowest.iter().filter(|call| call["to_name"] == server);
        let these = these.filter(|call| ns(call, "service_ns") >= least_ns);
        let idle = these.filter(|call| ns(call, "running_ns") < ns(call, "service_ns") / 2);
        idle.count() as i64
    };
    assert!(waited("calls_direct", 20_000_000) >= done.number("slow"));
    assert!(waited("calls_late", 12_000_000) >= late / 2);
}

fn lives(events: &Value, lines: &[Facts], done: &Facts) {
    let boom = row(&events["exits"], "reason", "boom");
    assert_eq!(boom["exits"], done.number("boom"));
    let kind = row(&events["lifetimes"], "kind", "calls:boom/0");
    assert_eq!(kind["spawned"], done.number("boom"));
    assert_eq!(kind["lived"]["count"], done.number("boom"));
    for line in lines {
        let client = row(&events["spawners"], "pid", line.text("client"));
        assert_eq!(client["spawned"], line.number("boom"));
    }
}

fn senders(events: &Value, lines: &[Facts]) {
    for line in lines {
        let asked = ["direct", "front", "late", "silent", "pair"];
        let asked: i64 = asked.iter().map(|kind| line.number(kind)).sum();
        let client = row(&events["senders"], "pid", line.text("client"));
        assert_eq!(client["kinds"]["call"], asked, "{client:#}");
    }
    // Nobody takes what has lain there since its caller gave up but who was called.
    assert_eq!(events["covers"]["windows"], 1);
    assert_eq!(events["covers"]["gaps"], 0);
}

/// Where the time of a server went, instant by instant.
fn time(path: &str) {
    let args = [
        "timeline",
        path,
        "--process",
        "calls_direct",
        "--format",
        "json",
    ];
    let told = escope(&args).success().json();
    let process = &told["processes"][0];
    let time = process["time"].as_object().unwrap();
    let number = |it: &Value| it.as_i64().unwrap();
    let observed = number(&process["observed_to_ns"]) - number(&process["observed_from_ns"]);
    assert_eq!(time.values().map(number).sum::<i64>(), observed);
    assert!(number(&time["waiting_ns"]) > 0 && number(&time["running_ns"]) > 0);
    let events = told["events"].as_array().unwrap();
    let runs = events.iter().filter(|event| event["event"] == "run");
    let left = runs.clone().filter(|run| !run["left_as"].is_null()).count();
    let places = told["left_in"]["rows"].as_array().unwrap();
    let counted: i64 = places.iter().map(|place| number(&place["count"])).sum();
    assert_eq!(counted, left as i64);
    assert_eq!(number(&process["runs"]), runs.count() as i64);
    assert!(
        places
            .iter()
            .any(|place| place["function"] == "calls:direct/0")
    );
    let stamps: Vec<i64> = events.iter().map(|event| number(&event["ts_ns"])).collect();
    assert!(stamps.is_sorted(), "events are out of order");
}

/// Whose receives timed out, and how often.
fn timeouts(path: &str, lines: &[Facts], done: &Facts) {
    let timed_out = |who: &str| {
        let args = ["timeline", path, "--process", who, "--format", "json"];
        let told = escope(&args).success().json();
        let events = told["events"].as_array().unwrap();
        let runs = events.iter().filter(|event| event["event"] == "run");
        runs.filter(|run| run["woken_by"] == "timeout").count() as i64
    };
    assert_eq!(timed_out("calls_direct"), done.number("slow"));
    // Every other one was asked in haste.
    assert_eq!(timed_out("calls_late"), done.number("late") / 2);
    assert_eq!(timed_out("calls_pair"), 0);
    for line in lines {
        let given_up = line.number("late") / 2 + line.number("silent");
        assert_eq!(timed_out(line.text("client")), given_up, "{line:?}");
    }
}

/// Whoever is asked is influenced by who asks, and who never says anything influences nobody.
fn influence(path: &str, client: &str) {
    let ask = |from: &str, to: &str| {
        let pair = format!("{from},{to}");
        escope(&["timeline", path, "--path", &pair, "--format", "json"])
            .success()
            .json()
    };
    let there = ask(client, "calls_back");
    let chain = there["chain"].as_array().unwrap();
    let way: Vec<&str> = chain
        .iter()
        .map(|edge| edge["to_name"].as_str().unwrap())
        .collect();
    assert_eq!(way, ["calls_front", "calls_back"]);
    assert!(ask("calls_silent", client)["influenced_ns"].is_null());

    let end = chain[1]["got_ns"].as_i64().unwrap() as f64 / 1e9;
    let before = format!("calls_back@{:.9}s", end + 1e-9);
    let past = escope(&["timeline", path, "--before", &before, "--format", "json"]);
    let past = past.success().json();
    let past = past["past"].as_array().unwrap();
    let numbers: Vec<&Value> = past.iter().map(|edge| &edge["msg"]).collect();
    assert!(
        chain.iter().all(|edge| numbers.contains(&&edge["msg"])),
        "{past:#?}"
    );
    let of_silent = past
        .iter()
        .filter(|edge| edge["from_name"] == "calls_silent");
    assert_eq!(of_silent.count(), 0);
}
