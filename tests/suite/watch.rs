//! Every call of a watched function once, however it is made: counted by the program itself.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Facts, Output, Workload, escope, start};

const PATIENCE: Duration = Duration::from_secs(120);
/// What `calls` does in a round besides.
const KINDS: u64 = 7;

/// The lines of a kind.
fn lines(output: &Output, kind: &str) -> Vec<Value> {
    let lines = output.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

/// What became of the hits of a function: all of them, seen, filtered; nothing else.
#[track_caller]
fn counts(output: &Output, function: &str) -> (u64, u64, u64) {
    let end = lines(output, "end");
    let functions = end[0]["functions"].as_array().unwrap();
    let of = functions.iter().find(|it| it["function"] == function);
    let of = |what: &str| of.unwrap()[what].as_u64().unwrap();
    for what in ["lost", "unseen", "foreign", "beyond_limit"] {
        assert_eq!(of(what), 0, "{what}: {output:#?}");
    }
    assert_eq!(of("hits"), of("seen") + of("filtered"));
    (of("hits"), of("seen"), of("filtered"))
}

/// Watches `calls` from before its workers begin until they have finished.
#[track_caller]
fn watched(env: &[(&str, &str)], args: &[&str]) -> (Facts, Output) {
    let mut vm = Workload::start("watched", &["+S", "2:2"], env);
    let (pid, first) = (
        vm.pid().to_string(),
        vm.ready().text("watched_1").to_owned(),
    );
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.replace("CALLS_1", &first))
        .collect();
    let mut all = vec!["watch", "-p", &pid, "--format", "json"];
    all.extend(args.iter().map(String::as_str));
    let mut watch = start(&all);
    watch.wait_for("watching in", PATIENCE);
    vm.go();
    let (_, done) = vm.stop();
    watch.signal("INT");
    let output = watch.finish(PATIENCE).success();
    assert!(vm.quit().success());
    (done, output)
}

#[test]
fn every_call_is_counted_once() {
    live!();
    let functions = [
        "watched:target/1",
        "watched:body/1",
        "watched:loop/2",
        "watched:woken/1",
    ];
    let (done, output) = watched(&[], &[&["--count"], &functions[..]].concat());
    let told = |fact: &str| done.number(fact) as u64;
    for (function, fact) in functions
        .into_iter()
        .zip(["target", "body", "loop", "woken"])
    {
        let all = told(fact);
        assert!(all > 100, "{done:?}");
        assert_eq!(counts(&output, function), (all, all, 0), "{function}");
    }
    let by = |call: &str| {
        let of = lines(&output, "count").into_iter().filter(|line| {
            line["function"] == "watched:target/1" && line["caller"]["call"] == call
        });
        of.map(|line| line["calls"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(by("direct"), told("local") + told("full"), "{output:#?}");
    assert_eq!(by("tail"), told("tail"), "{output:#?}");
    assert_eq!(by("first"), told("first"), "{output:#?}");
    let others = told("apply") + told("fun") + told("closure");
    assert_eq!(by("unknown"), others, "{output:#?}");
    // The body of a recursion is called by itself, but for the first time.
    for line in lines(&output, "count") {
        if line["function"] == "watched:body/1" {
            let rounds = told("local");
            let calls = line["calls"].as_u64().unwrap();
            match line["caller"]["function"].as_str().unwrap() {
                "watched:body/1" => assert_eq!(calls, told("body") - rounds),
                "watched:rounds/3" => assert_eq!(calls, rounds),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn what_is_not_wanted_is_left_out_by_the_kernel() {
    live!();
    let few = [("ROUNDS", "20"), ("LONG", "10")];
    let (workers, rounds) = (4, 20);
    let target = |conditions: &[&str], seen: u64| {
        let mut args = vec!["watched:target/1"];
        for condition in conditions {
            args.extend(["--when", condition]);
        }
        let (done, output) = watched(&few, &args);
        let all = done.number("target") as u64;
        assert_eq!(
            counts(&output, "watched:target/1"),
            (all, seen, all - seen),
            "{conditions:?}"
        );
        assert_eq!(lines(&output, "call").len() as u64, seen);
        output
    };
    target(&["arg1=3"], workers * KINDS);
    // One kind is called in a process of its own.
    target(&["process=watched_1"], rounds * (KINDS - 1));
    let output = target(&["process=CALLS_1", "arg1=3"], KINDS - 1);
    for call in lines(&output, "call") {
        assert_eq!(call["name"], "watched_1");
        assert_eq!(call["caller"]["function"], "watched:rounds/3");
        assert_eq!(
            call["caller"]["file"].as_str().unwrap().rsplit('/').next(),
            Some("watched.erl")
        );
    }
    target(&["arg1=never"], 0);
}

#[test]
fn arguments_are_told_by_what_they_are() {
    live!();
    let args = [
        "watched:described/9",
        "--args",
        "--when",
        "arg1=ok",
        "--when",
        "arg3=[]",
    ];
    let (done, output) = watched(&[("ROUNDS", "10"), ("LONG", "10")], &args);
    let calls = lines(&output, "call");
    assert_eq!(calls.len() as i64, done.number("described"));
    for call in calls {
        let expected = serde_json::json!([
            "ok",
            "-7",
            "[]",
            "list",
            "{point,_,_}",
            "map(1)",
            "binary(5)",
            "float",
            "fun(2)"
        ]);
        assert_eq!(call["arguments"], expected);
    }
}

/// Exactly as many calls as are allowed, and at most one more for each thread that runs code.
#[test]
fn at_the_limit_the_kernel_turns_breakpoints_off() {
    live!();
    let mut vm = Workload::start("watched", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let args = [
        "watch",
        "-p",
        &pid,
        "--format",
        "json",
        "--max-hits",
        "500",
        "watched:loop/2",
    ];
    let mut watch = start(&args);
    watch.wait_for("watching in", PATIENCE);
    vm.go();
    let output = watch.finish(PATIENCE).success();
    assert!(
        output.stderr.contains("the limit of 500 calls was reached"),
        "{output:#?}"
    );
    let end = &lines(&output, "end")[0];
    assert_eq!(end["end"], "limit");
    let of = |what: &str| end["functions"][0][what].as_u64().unwrap();
    assert_eq!((of("seen"), of("lost"), of("unseen")), (500, 0, 0), "{end}");
    assert_eq!(lines(&output, "call").len(), 500);
    assert_eq!(of("hits"), 500 + of("beyond_limit"));
    assert!(of("beyond_limit") <= 2, "{end}");
    let (_, done) = vm.stop();
    assert_eq!(done.number("loop"), 4 * (50 * 31 + 9001));
    assert!(vm.quit().success());
    nothing_stays();
}

/// A program that is gone has no link and no breakpoint any more.
#[track_caller]
fn nothing_stays() {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let tool = xtask::commands::find("bpftool").unwrap();
        let output = Command::new(tool).args(["-j", "prog", "show"]).output();
        let rows: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        let mut rows = rows.as_array().unwrap().iter();
        if !rows.any(|row| row["name"] == "call") {
            return;
        }
        assert!(Instant::now() < end, "still in the kernel");
        // The kernel tells nobody when it is done.
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn code_that_is_loaded_anew_is_watched_on() {
    live!();
    let mut vm = Workload::start("watched", &["+S", "2:2"], &[("LONG", "10")]);
    let pid = vm.pid().to_string();
    let mut watch = start(&[
        "watch",
        "-p",
        &pid,
        "--format",
        "json",
        "watched_again:again/1",
    ]);
    watch.wait_for("watching in", PATIENCE);
    vm.go();
    for times in 1..=5 {
        assert_eq!(vm.count().number("again"), 100 * times);
        watch.wait_for(
            "another version of watched_again:again/1 was loaded",
            PATIENCE,
        );
    }
    let (_, done) = vm.stop();
    watch.signal("INT");
    let output = watch.finish(PATIENCE).success();
    assert!(vm.quit().success());
    let all = done.number("again") as u64;
    assert_eq!(
        counts(&output, "watched_again:again/1"),
        (all, all, 0),
        "{output:#?}"
    );
    assert_eq!(lines(&output, "moved").len(), 5);
}

#[test]
fn what_cannot_be_watched_is_refused_with_what_helps() {
    live!();
    let mut vm = Workload::start("watched", &["+S", "2:2"], &[("LONG", "10")]);
    let pid = vm.pid().to_string();
    let refused = |function: &str, text: &str| {
        let output = escope(&["watch", "-p", &pid, function]);
        output.refused(1);
        assert!(output.stderr.contains(text), "{output:#?}");
    };
    refused("watched:traget/1", "there is watched:target/1");
    refused("watched:target/2", "there is watched:target/1");
    refused("lists:mpa/2", "there is lists:map/2");
    refused("wached:target/1", "there is watched");
    refused("wached:target/1", "is not loaded");
    refused("erlang:send/2", "is a BIF");
    refused("prim_file:get_cwd_nif/0", "is a NIF");
    let output = escope(&[
        "watch",
        "-p",
        &pid,
        "watched:target/1",
        "--when",
        "process=no_such_atom_here",
    ]);
    output.refused(1);
    let output = escope(&["watch", "-p", &pid, "watched:target/1", "watched:target/1"]);
    output.refused(2);
    let output = escope(&["watch", "-p", &pid, "watched:target/1", "--when", "arg2=1"]);
    output.refused(2);
    // Others have the registers.
    let four = [
        "watched:target/1",
        "watched:body/1",
        "watched:loop/2",
        "watched:woken/1",
    ];
    let mut first = start(&[&["watch", "-p", &pid][..], &four].concat());
    first.wait_for("watching in", PATIENCE);
    let output = escope(&["watch", "-q", "-p", &pid, "watched:never/0"]);
    output.refused(3);
    assert!(
        output.stderr.contains("no breakpoint register is free"),
        "{output:#?}"
    );
    vm.go();
    // And when they are gone, whoever is killed, they are free.
    first.kill();
    nothing_stays();
    let (_, done) = vm.stop();
    assert!(done.number("target") > 0);
    let mut again = start(&[&["watch", "-p", &pid][..], &four].concat());
    again.wait_for("watching in", PATIENCE);
    assert!(vm.quit().success());
    let output = again.finish(PATIENCE).success();
    assert!(output.stderr.contains("the target ended"), "{output:#?}");
}
