//! The attached tracer: what it tells is what the program knows, and nothing of it stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Facts, Folder, Output, Workload, escope, free_port, start, temp_dir, unhex};

const PATIENCE: Duration = Duration::from_secs(120);
const COOKIE: &str = "escopetestcookie";

/// A port mapper of the test's own. Dropping it ends it.
struct Epmd {
    child: Child,
    port: String,
}

impl Epmd {
    fn start() -> Epmd {
        let port = free_port().to_string();
        let child = Command::new("epmd")
            .args(["-port", &port, "-address", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let epmd = Epmd { child, port };
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(format!("127.0.0.1:{}", epmd.port)).is_err() {
            assert!(Instant::now() < end, "epmd does not start");
            sleep(Duration::from_millis(20));
        }
        epmd
    }
}

impl Drop for Epmd {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A workload that is a node, and what is needed to join it.
struct Node {
    vm: Workload,
    /// Processes before anybody joined it.
    before: i64,
    cookie_file: String,
    _epmd: Epmd,
    _folder: Folder,
}

impl Node {
    fn start(module: &str, env: &[(&str, &str)]) -> Node {
        let (epmd, folder) = (Epmd::start(), temp_dir());
        let cookie_file = folder.path("cookie");
        write_cookie(&cookie_file, COOKIE);
        let home = folder.path("");
        let args = [
            "+S",
            "2:2",
            "-sname",
            "escope-traced@localhost",
            "-setcookie",
            COOKIE,
            "-start_epmd",
            "false",
            "-kernel",
            "inet_dist_use_interface",
            "{127,0,0,1}",
            // What it says of wrong cookies would stand between its answers.
            "-kernel",
            "logger_level",
            "none",
        ];
        let mut all = vec![
            ("HOME", home.as_str()),
            ("ERL_EPMD_PORT", &epmd.port),
            ("ERL_EPMD_ADDRESS", "127.0.0.1"),
        ];
        all.extend(env);
        let mut vm = Workload::start(module, &args, &all);
        vm.go();
        let facts = vm.count();
        Node {
            vm,
            before: if module == "traced" {
                facts.number("processes")
            } else {
                0
            },
            cookie_file,
            _epmd: epmd,
            _folder: folder,
        }
    }

    /// The arguments of a command that joins it.
    fn args<'a>(&'a self, pid: &'a str, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let join = [
            command,
            "-p",
            pid,
            "--tracer",
            "--cookie-file",
            &self.cookie_file,
        ];
        [&join[..], more].concat()
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        let pid = self.vm.pid().to_string();
        escope(&self.args(&pid, command, more))
    }

    /// Waits until the program says that nothing is traced and nobody is there who was not before.
    fn is_clean(&mut self) -> Facts {
        let before = self.before;
        let end = Instant::now() + PATIENCE;
        loop {
            let facts = self.vm.count();
            let is = |what: &str| facts.number(what);
            let traces = is("flags") + is("sessions") + is("patterns");
            if traces == 0 && is("processes") <= before {
                return facts;
            }
            assert!(Instant::now() < end, "before {before}: {facts:?}");
            sleep(Duration::from_millis(100));
        }
    }
}

fn write_cookie(path: &str, cookie: &str) {
    fs::write(path, cookie).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

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
    assert!(
        facts.number("flags") > 10 && facts.number("patterns") == 4,
        "{facts:?}"
    );
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

#[test]
fn limits_are_kept_in_the_vm() {
    live!();
    let mut node = Node::start("traced", &[("FLOOD", "1")]);
    for (more, why) in [
        (&["--max-hits", "3"][..], "the limit of calls was reached"),
        (
            &["--max-hits", "100000", "--max-rate", "50"],
            "more than 50 calls came",
        ),
        (
            &["-d", "300ms", "--when", "process=traced_worker"],
            "time is up",
        ),
    ] {
        let args = [&["traced:work/2"][..], more].concat();
        let output = node.run("watch", &args).success();
        let ended = [why, "calls came faster"]
            .iter()
            .any(|why| output.stderr.contains(why));
        assert!(ended, "{output:#?}");
        assert!(output.stderr.contains("tracer: removed"), "{output:#?}");
        let calls = output
            .stdout
            .lines()
            .filter(|line| line.contains("traced:work/2 ("))
            .count();
        assert!(calls <= 51, "{output:#?}");
    }
    let nothing = node.run("watch", &["traced:nothing/0"]);
    nothing_is_traced(&nothing);
    node.is_clean();
}

#[track_caller]
fn nothing_is_traced(output: &Output) {
    assert_eq!(output.code, Some(3), "{output:#?}");
    assert!(output.stderr.contains("no such function"), "{output:#?}");
}

#[test]
fn nothing_stays_when_it_is_killed() {
    live!();
    for flood in ["0", "1"] {
        let mut node = Node::start("traced", &[("FLOOD", flood)]);
        for round in 0..3 {
            let pid = node.vm.pid().to_string();
            let most = ["--max-hits", "1000000", "--max-rate", "100000", "-d", "10m"];
            let functions = ["traced:work/2", "traced:fail/1"];
            let args = node.args(&pid, "watch", &[&functions[..], &most].concat());
            let mut watch = start(&args);
            watch.wait_for("tracer: tracing", PATIENCE);
            // A flood may have ended it already.
            if round > 0 && flood == "0" {
                let facts = node.vm.count();
                let (flags, patterns) = (facts.number("flags"), facts.number("patterns"));
                assert!(flags > 10 && patterns == 2, "{facts:?}");
            }
            watch.kill();
            node.is_clean();
        }
    }
}
