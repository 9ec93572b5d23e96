//! The VM's own answer is the oracle: the trees are those that `supervisor:which_children/1` and
//! `supervisor:get_childspec/2` say from the applications down.

use std::fs;
use std::path::Path;
use std::time::Instant;

use escope_beam::term::atom_text;
use serde_json::Value;

use crate::support::{Workload, escope, temp_dir, unhex};

const ELIXIR: &str = "/usr/lib/elixir/lib/elixir/ebin";
const ROUNDS: usize = 5;

fn start() -> Workload {
    let elixir = match Path::new(ELIXIR).is_dir() {
        true => ELIXIR,
        false => "",
    };
    let mut vm = Workload::start("supervised", &[], &[("ELIXIR_EBIN", elixir)]);
    vm.go();
    vm
}

fn tree(vm: &Workload, more: &[&str]) -> crate::support::Output {
    let pid = vm.pid().to_string();
    escope(&[&["tree", "-p", &pid], more].concat())
}

/// A value as Erlang would print it.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn atom(value: &Value) -> String {
    value.as_str().map_or_else(|| "null".to_owned(), atom_text)
}

/// The lines of trees as the workload writes them.
fn lines(trees: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for tree in trees["trees"].as_array().unwrap() {
        for node in tree["children"].as_array().unwrap() {
            if tree["root"] == "application" {
                let (name, master) = (atom(&tree["application"]), word(&tree["master"]));
                lines.push(format!("app|{name}|{master}|{}", word(&node["pid"])));
            }
            below(node, &mut lines);
        }
    }
    lines.sort();
    lines
}

fn below(node: &Value, lines: &mut Vec<String>) {
    let it = &node["supervisor"];
    let pid = word(&node["pid"]);
    if it.is_object() {
        assert_eq!(node["certainty"], "exact", "{node:#}");
        assert_eq!(it["children_not_read"], 0, "{node:#}");
        lines.push(format!(
            "sup|{pid}|{}|{}|{}|{}|{}",
            atom(&it["strategy"]),
            it["intensity"],
            it["period_s"],
            it["restarts_remembered"],
            atom(&it["callbacks"])
        ));
    }
    for child in node["children"].as_array().unwrap() {
        let run = match child["presence"].as_str().unwrap() {
            "here" => word(&child["pid"]),
            absent => absent.to_owned(),
        };
        let modules = match (&child["modules"], &child["type"]) {
            (Value::Array(names), _) => {
                let names: Vec<String> = names.iter().map(atom).collect();
                format!("[{}]", names.join(","))
            }
            // A bridge says nothing of its child.
            (_, Value::Null) => "null".to_owned(),
            _ => "dynamic".to_owned(),
        };
        lines.push(format!(
            "child|{pid}|{}|{run}|{}|{modules}|{}|{}",
            word(&child["id"]),
            word(&child["type"]),
            word(&child["restart"]),
            word(&child["shutdown"])
        ));
        below(child, lines);
    }
}

/// A place in trees, by its pid.
fn find<'t>(nodes: &'t Value, pid: &str) -> Option<&'t Value> {
    nodes.as_array()?.iter().find_map(|node| {
        if node["pid"] == pid {
            return Some(node);
        }
        find(&node["children"], pid)
    })
}

#[test]
fn trees_are_what_the_vm_says() {
    live!();
    let mut vm = start();
    let mut seen = 0;
    for round in 0..ROUNDS {
        let told = vm.count();
        let theirs = unhex(told.text("tree"));
        let theirs: Vec<&str> = theirs.split('\n').collect();
        let begun = Instant::now();
        let trees = tree(&vm, &["--json", "--all"]).success().json();
        let took = begun.elapsed();
        let blocked = told.text("blocked");
        let node = trees["trees"].as_array().unwrap();
        let node = node
            .iter()
            .find_map(|tree| find(&tree["children"], blocked));
        let node = node.unwrap_or_else(|| panic!("no {blocked} in {trees:#}"));
        assert_eq!(node["supervisor"], Value::Null, "{node:#}");
        assert!(!node["links"].as_array().unwrap().is_empty(), "{node:#}");
        let ours = lines(&trees);
        let missing: Vec<&&str> = theirs
            .iter()
            .filter(|line| !ours.iter().any(|it| it == *line))
            .collect();
        let more: Vec<&String> = ours
            .iter()
            .filter(|line| !theirs.contains(&line.as_str()))
            .collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{round}: the VM says {missing:#?}, we say {more:#?}"
        );
        assert_eq!(ours.len(), theirs.len());
        seen += ours.len();
        // Who is in no tree is counted, and everybody is somewhere.
        let outside = trees["outside"].as_array().unwrap().iter();
        let outside: i64 = outside.map(|line| line["count"].as_i64().unwrap()).sum();
        let inside = trees["processes_in_trees"].as_i64().unwrap();
        assert_eq!(inside + outside, trees["processes"].as_i64().unwrap());
        println!("{} lines in {took:?}", ours.len());
    }
    println!("{seen} lines are the same");
    vm.stop();
    assert!(vm.quit().success());
}

#[test]
fn trees_are_drawn_and_many_of_a_kind_are_one_line() {
    live!();
    let mut vm = start();
    vm.count();
    let text = tree(&vm, &[]).success().stdout;
    for part in [
        "kernel <0.",
        "└── kernel_sup <0.",
        "supervised_top <0.",
        "one_for_all, 3 restarts in 7 s, of supervised",
        "x supervised  worker",
        "'it\\'s' <0.",
        "undefined: nothing runs",
        "restarting: ",
        "children not told: it waits in a callback",
        "1 remembered",
        "in no tree: ",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(text.lines().count() < 200, "{text}");
    let all = tree(&vm, &["--all"]).success().stdout;
    assert!(all.lines().count() > 2000);
    let below = tree(&vm, &["--process", "supervised_top"]).success().stdout;
    assert!(
        below.contains("supervised_top") && !below.contains("kernel_sup"),
        "{below}"
    );
    tree(&vm, &["--process", "nobody"]).refused(1);
    let folder = temp_dir();
    let path = folder.path("tree.svg");
    tree(&vm, &["--svg", &path]).success();
    let picture = fs::read_to_string(&path).unwrap();
    assert!(picture.contains("kernel_sup") && picture.ends_with("</svg>\n"));
    vm.stop();
    assert!(vm.quit().success());
}
