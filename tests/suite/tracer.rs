//! The attached tracer: what it tells is what the program knows, and nothing of it stays.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Node, Output, Workload, escope, start, unhex, write_cookie};

const PATIENCE: Duration = Duration::from_secs(120);

fn lines(output: &Output) -> Vec<Value> {
    let lines = output.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn states_are_what_the_processes_say() {
    live!();
    let mut node = Node::start("states", &[]);
    for _ in 0..3 {
        let facts = node.vm.count();
        for name in [
            "server",
            "alone",
            "hibernated",
            "suspended",
            "statem",
            "statem_suspended",
            "event",
            "supervisor",
        ] {
            let pid = facts.text(&format!("{name}_pid"));
            let theirs = unhex(facts.text(name));
            let whole = ["--unmasked", "--width", "0", "--depth", "200", "--json"];
            let asked = ["--process", pid, "--max-bytes", "1000000"];
            let output = node.run("state", &[&asked[..], &whole].concat()).success();
            let told: Value = serde_json::from_str(&output.stdout).unwrap();
            let parts = told[0]["parts"].as_array().unwrap();
            let ours: Vec<&str> = parts
                .iter()
                .map(|part| part["term"].as_str().unwrap())
                .collect();
            // What follows in a supervisor's state in OTP 29 says whether its timer runs to hibernate.
            let lasting = |text: &str| text.split(",undefined,3,7,").next().map(str::to_owned);
            assert_eq!(
                lasting(&ours.join("\n")),
                lasting(&theirs),
                "{name}: {output:#?}"
            );
            assert!(output.stderr.contains("runs sys:get_state("), "{output:#?}");
        }
    }
    let secrets = node
        .run("state", &["--process", "states_secrets"])
        .success()
        .stdout;
    assert!(
        secrets.contains("joe") && secrets.contains("***"),
        "{secrets}"
    );
    assert!(
        !secrets.contains("hunter2") && !secrets.contains("k-17"),
        "{secrets}"
    );
}

#[test]
fn who_cannot_answer_is_not_asked_or_given_up() {
    live!();
    let mut node = Node::start("states", &[]);
    let _ = node.vm.count();
    let late = node.run(
        "state",
        &["--process", "states_in_callback", "--timeout", "500ms"],
    );
    assert_eq!(late.code, Some(1), "{late:#?}");
    assert!(
        late.stderr.contains("did not answer within 500ms"),
        "{late:#?}"
    );
    let bare = node.run("state", &["--process", "states_bare"]);
    assert_eq!(bare.code, Some(1), "{bare:#?}");
    assert!(bare.stderr.contains("none of the behaviours"), "{bare:#?}");
    assert!(!bare.stderr.contains("runs sys:"), "{bare:#?}");
    let sensitive = node.run("state", &["--process", "states_sensitive"]);
    assert!(
        sensitive.stderr.contains("it is sensitive"),
        "{sensitive:#?}"
    );
}

#[test]
fn a_wrong_cookie_is_refused_in_a_sentence() {
    live!();
    let mut node = Node::start("traced", &[]);
    write_cookie(&node.cookie_file, "another");
    let pid = node.vm.pid().to_string();
    for (command, more) in [
        ("state", &["--process", "traced_worker"][..]),
        ("watch", &["traced:work/2"]),
    ] {
        let output = escope(&node.args(&pid, command, more));
        output.refused(3);
        assert!(output.stderr.contains("refused the cookie"), "{output:#?}");
        assert!(!output.stderr.contains("another"), "{output:#?}");
    }
    node.is_clean();
    let nobody = Workload::start("traced", &[], &[]);
    let pid = nobody.pid().to_string();
    let output = escope(&node.args(&pid, "watch", &["traced:work/2"]));
    output.refused(3);
    assert!(output.stderr.contains("not alive as a node"), "{output:#?}");
}

#[test]
fn calls_have_their_arguments_and_results() {
    live!();
    let mut node = Node::start("traced", &[]);
    let pid = node.vm.pid().to_string();
    let functions = [
        "traced:work/2",
        "traced:nested/1",
        "traced:secret/2",
        "traced:fail/1",
    ];
    let args = node.args(
        &pid,
        "watch",
        &[&functions[..], &["--format", "json"]].concat(),
    );
    let mut watch = start(&args);
    watch.wait_for("tracer: tracing", PATIENCE);
    let facts = node.vm.count();
    // Before OTP 27 by meta tracing, which needs no flags.
    let is_flagged = facts.number("flags") > 10;
    assert_eq!(is_flagged, facts.number("has_sessions") == 1, "{facts:?}");
    assert_eq!(facts.number("patterns"), 4, "{facts:?}");
    watch.signal("INT");
    let output = watch.finish(PATIENCE).success();
    let lines = lines(&output);
    let told: Vec<String> = lines
        .iter()
        .filter(|line| line["kind"] != "end")
        .map(|line| {
            assert_eq!(line["pid"], facts.text("worker"));
            assert_eq!(line["name"], "traced_worker");
            let function = line["function"].as_str().unwrap();
            let value = match line["kind"].as_str().unwrap() {
                "call" => format!("{}", line["arguments"]),
                "return" => format!("-> {}", line["value"]),
                _ => format!("! {}:{}", line["class"], line["reason"]),
            };
            format!("{function} {value}").replace('"', "")
        })
        .collect();
    let mut expected = Vec::new();
    for n in 1..=5 {
        expected.push(format!("traced:work/2 [{n},#{{size => {}}}]", n * 100));
        expected.push(format!("traced:work/2 -> {{done,{n},{}}}", n * 100));
    }
    for line in [
        "traced:nested/1 [10]",
        "traced:work/2 [10,#{size => 1000}]",
        "traced:work/2 -> {done,10,1000}",
        "traced:nested/1 -> {nested,{done,10,1000}}",
        "traced:secret/2 [***,***]",
        "traced:secret/2 -> ***",
        "traced:fail/1 [1]",
        "traced:fail/1 ! error:oops",
        "traced:fail/1 [2]",
        "traced:fail/1 ! error:oops",
    ] {
        expected.push(line.to_owned());
    }
    assert_eq!(told, expected, "{output:#?}");
    let nested = lines
        .iter()
        .find(|line| line["function"] == "traced:work/2" && line["arguments"][0] == "10");
    assert_eq!(nested.unwrap()["caller"], "traced:nested/1");
    let end = lines.last().unwrap();
    assert_eq!(
        (&end["end"], &end["calls"], &end["returned"]),
        (&"interrupted".into(), &10.into(), &10.into())
    );
    assert_eq!(end["left"], Value::Array(Vec::new()));
    node.is_clean();
}
