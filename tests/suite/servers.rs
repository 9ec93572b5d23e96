//! Servers that people run: of each process at rest the whole stack is what the VM itself says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{RabbitMq, Server, ejabberd, escope, is_system_otp, unhex};

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
    let mut questioner = server.questioner();
    let asked = questioner.go().number("asked");
    let pid = server.pid().to_string();
    let output = escope(&[
        "snapshot", "-p", &pid, "--frames", "4096", "--format", "json",
    ]);
    let (told, _) = questioner.stop();
    assert!(questioner.quit().success());

    let rows = output.success().json();
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
    // Some serve the questions, some wake up now and then: most have not run in between.
    assert!(asked > 150, "{asked} processes");
    assert!(
        told.len() as f64 > 0.8 * asked as f64,
        "{} of {asked} were at rest",
        told.len()
    );
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
