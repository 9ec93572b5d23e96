//! `doctor` says what holds: the kernel takes our programs, and a VM can be read.

use std::fs;

use crate::support::{Workload, escope, temp_dir};

#[test]
fn a_good_host_and_a_good_vm_are_found_so() {
    live!();
    let vm = Workload::start("split", &["+S", "1:1"], &[]);
    let pid = vm.pid().to_string();
    let output = escope(&["doctor", "-p", &pid]).success();
    for line in [
        "BPF programs load; samples by",
        "kernel type information (BTF)",
        "layout: ",
        "checked: the first atom",
        "pids of their slots",
        "checked: init was spawned as erl_init:start/2",
        "checked: the stack of init",
        "breakpoints for `watch`: a hit costs",
        "events: sched, msg, proc, gc, code, port, dist; each costs",
        "events: when schedulers have no CPU, with sched; each switch costs",
    ] {
        assert!(output.stdout.contains(line), "no {line:?} in {output:#?}");
    }
    assert!(!output.stdout.contains("NO "), "{output:#?}");
    assert!(vm.quit().success());
}

/// A table that does not fit is refused by what the VM's code says; the right one is used.
#[test]
fn a_table_that_is_given() {
    live!();
    let mut vm = Workload::start("idle", &[], &[]);
    vm.go();
    let folder = temp_dir();
    let pid = vm.pid().to_string();
    let text = own_table(&vm);
    let (given, wrong) = (
        folder.path("wrong.toml"),
        text.replacen("stop = 88", "stop = 96", 1),
    );
    fs::write(&given, wrong).unwrap();
    let output = escope(&["snapshot", "-p", &pid, "--layout", &given]);
    output.refused(3);
    assert!(output.stderr.contains("Process.stop"), "{output:#?}");

    fs::write(&given, "otp = 25").unwrap();
    escope(&["snapshot", "-p", &pid, "--layout", &given]).misused("--layout");
    vm.stop();
    assert!(vm.quit().success());
}

/// Each of these values is wrong by a word, and what is proved of a VM finds it out.
#[test]
fn a_wrong_value_is_refused_or_makes_less_certain() {
    live!();
    let mut vm = Workload::start("idle", &[], &[]);
    vm.go();
    let folder = temp_dir();
    let pid = vm.pid().to_string();
    let text = own_table(&vm);
    let given = folder.path("wrong.toml");
    for (value, found) in [
        ("hend", "its process init"),
        ("id", "process table"),
        ("initial", "its process init was spawned as"),
    ] {
        fs::write(&given, shifted(&text, value)).unwrap();
        let output = escope(&["snapshot", "-p", &pid, "--layout", &given]);
        output.refused(3);
        assert!(output.stderr.contains(found), "{value}: {output:#?}");
    }
    fs::write(&given, shifted(&text, "reg")).unwrap();
    let output = escope(&["doctor", "-p", &pid, "--layout", &given]).success();
    let less = "less certain: no process is registered as init";
    assert!(output.stdout.contains(less), "{output:#?}");
    vm.stop();
    assert!(vm.quit().success());
}

/// The one table of its release that fits a VM. A release whose structs changed has several:
/// `otp-25.toml`, `otp-25.3.2.11.toml`.
fn own_table(vm: &Workload) -> String {
    let pid = vm.pid().to_string();
    let otp = vm.ready().text("otp").to_owned();
    let layouts = concat!(env!("CARGO_MANIFEST_DIR"), "/symbolizer/beam/layouts");
    let mut tables: Vec<String> = fs::read_dir(layouts)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&format!("otp-{otp}.")))
        .map(|name| format!("{layouts}/{name}"))
        .collect();
    tables.sort();
    let fits = |table: &String| {
        let output = escope(&["snapshot", "-p", &pid, "--layout", table]);
        if output.code != Some(0) {
            output.refused(3);
            assert!(output.stderr.contains("says it is number"), "{output:#?}");
        }
        output.code == Some(0)
    };
    let fitting: Vec<&String> = tables.iter().filter(|table| fits(table)).collect();
    let [own] = fitting[..] else {
        panic!("of {tables:?} exactly one should fit, but {fitting:?} do");
    };
    fs::read_to_string(own).unwrap()
}

/// A table with one value of `[process]` a word further on.
fn shifted(table: &str, value: &str) -> String {
    let (before, process) = table.split_once("[process]\n").unwrap();
    let line = |line: &str| match line.strip_prefix(&format!("{value} = ")) {
        None => line.to_owned(),
        Some(rest) => {
            let number: u32 = rest.split(' ').next().unwrap().parse().unwrap();
            format!("{value} = {}", number + 8)
        }
    };
    let (process, after) = process.split_once("\n\n").unwrap();
    let process: Vec<String> = process.lines().map(line).collect();
    format!("{before}[process]\n{}\n\n{after}", process.join("\n"))
}
