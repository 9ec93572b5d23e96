//! Servers that people run: of each process at rest the whole stack is what the VM itself says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Facts, RabbitMq, Server, ejabberd, escope, is_system_otp, unhex};

/// How often a server is asked whether it rests.
const TRIES: usize = 10;

#[test]
fn rabbitmq_at_rest() {
    live!();
    if is_system_otp() {
        compare(RabbitMq::start().map(|rabbit| rabbit.server), "rabbit");
    }
}

#[test]
fn ejabberd_at_rest() {
    live!();
    if is_system_otp() {
        compare(ejabberd(), "ejabberd");
    }
}

fn compare(server: Option<Server>, prefix: &str) {
    let Some(server) = server else {
        assert!(
            !xtask::live::is_required(),
            "this test must run: install rabbitmq-server and ejabberd"
        );
        return;
    };
    let pid = server.pid().to_string();
    // Code that is loaded makes every process run, to look whether it is in the old one: then
    // nobody was at rest, and it is asked again.
    let (rows, told) = (0..TRIES)
        .map(|_| ask(&server, &pid))
        .find_map(|(rows, asked, told)| {
            assert!(asked > 150, "{asked} processes");
            (told.len() as f64 > 0.8 * asked as f64).then_some((rows, told))
        })
        .expect("most were at rest at some time");
    let rows: BTreeMap<&str, &Value> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["pid"].as_str().unwrap(), row))
        .collect();
    let own = rows.values().filter(|row| {
        let name = row["name"].as_str().unwrap_or_default();
        name.starts_with(prefix)
    });
    assert!(own.count() > 10, "is this {prefix}?");
    let mut wrong = Vec::new();
    for facts in &told {
        let row = rows[facts.text("pid")];
        let (ours, theirs) = (stack(row), unhex(facts.text("trace")));
        if ours != theirs || row["stack_cut"] == true {
            wrong.push(format!("{}:\n{ours}\nthe VM:\n{theirs}", facts.text("pid")));
        }
    }
    let count = wrong.len();
    wrong.truncate(5);
    assert!(count == 0, "{count} differ:\n{}", wrong.join("\n\n"));
}

/// A snapshot, how many processes waited before it, and what the VM says of those that have not
/// run until after it.
fn ask(server: &Server, pid: &str) -> (Value, i64, Vec<Facts>) {
    let mut questioner = server.questioner();
    let asked = questioner.go().number("asked");
    let output = escope(&[
        "snapshot", "-p", pid, "--frames", "4096", "--format", "json",
    ]);
    let (told, _) = questioner.stop();
    assert!(questioner.quit().success());
    (output.success().json(), asked, told)
}

/// One function a line, with its file and line.
fn stack(row: &Value) -> String {
    let frame = |frame: &Value| {
        format!(
            "{} {}:{}",
            frame["function"].as_str().unwrap().replace('\'', ""),
            frame["file"].as_str().unwrap_or_default(),
            frame["line"].as_u64().unwrap_or(0)
        )
    };
    let stack: Vec<String> = row["stack"].as_array().unwrap().iter().map(frame).collect();
    stack.join("\n")
}
