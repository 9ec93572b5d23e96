//! How tracing ends: at its limits, exactly there; and whatever happens to us, without a trace in the VM.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Node, Output, free_port, start};

const PATIENCE: Duration = Duration::from_secs(120);
/// Calls of work/2 that the worker makes each time it is asked.
const CALLS: usize = 6;

fn lines(output: &Output) -> Vec<Value> {
    let lines = output.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// How many lines are of this kind.
fn count(lines: &[Value], kind: &str) -> usize {
    lines.iter().filter(|line| line["kind"] == kind).count()
}

/// Traces work/2 while the worker makes its calls so many times, more than a second apart.
fn trace(node: &mut Node, more: &[&str], rounds: usize) -> (Vec<Value>, Output) {
    let pid = node.vm.pid().to_string();
    let args = [&["traced:work/2", "--format", "json"], more].concat();
    let mut watch = start(&node.args(&pid, "watch", &args));
    watch.wait_for("tracer: tracing", PATIENCE);
    for round in 0..rounds {
        if round > 0 {
            sleep(Duration::from_millis(1200));
        }
        node.vm.count();
    }
    let output = watch.finish(PATIENCE).success();
    assert!(output.stderr.contains("tracer: removed"), "{output:#?}");
    (lines(&output), output)
}

#[test]
fn limits_are_exact() {
    live!();
    let mut node = Node::start("traced", &[]);
    for (more, rounds, end, calls) in [
        (&["--max-hits", "3"][..], 1, "limit", 3),
        (&["--max-hits", "6"], 1, "limit", CALLS),
        // One more than may be ends it.
        (&["--max-rate", "5"], 1, "rate", CALLS),
        // As many as may be, each second anew.
        (&["--max-rate", "6", "-d", "4s"], 2, "duration", 2 * CALLS),
    ] {
        let (lines, output) = trace(&mut node, more, rounds);
        let last = lines.last().unwrap();
        assert_eq!(last["end"], end, "{output:#?}");
        assert_eq!(last["calls"], calls, "{output:#?}");
        assert_eq!(last["returned"], calls, "{output:#?}");
        assert_eq!(last["dropped"], 0, "{output:#?}");
        assert_eq!(count(&lines, "call"), calls, "{output:#?}");
        assert_eq!(count(&lines, "return"), calls, "{output:#?}");
    }
    let (lines, output) = trace(&mut node, &["--no-results", "--max-hits", "5"], 1);
    assert_eq!(count(&lines, "call"), 5, "{output:#?}");
    assert_eq!(count(&lines, "return"), 0, "{output:#?}");
    assert_eq!(lines.last().unwrap()["end"], "limit", "{output:#?}");
    let nothing = node.run("watch", &["traced:nothing/0"]);
    assert_eq!(nothing.code, Some(3), "{nothing:#?}");
    assert!(nothing.stderr.contains("no such function"), "{nothing:#?}");
    node.is_clean();
}

#[test]
fn a_flood_ends_it_and_of_one_process_nobody_else_is_seen() {
    live!();
    let mut node = Node::start("traced", &[("FLOOD", "1")]);
    let output = node.run(
        "watch",
        &["traced:work/2", "--max-hits", "100000", "--format", "json"],
    );
    let output = output.success();
    let told = lines(&output);
    let end = told.last().unwrap()["end"].as_str().unwrap();
    assert!(["rate", "flood"].contains(&end), "{end}");
    assert!(count(&told, "call") <= 1001, "{end}");
    let one = ["--when", "process=traced_worker", "-d", "2s"];
    let (told, output) = trace(&mut node, &one, 1);
    assert_eq!(count(&told, "call"), CALLS, "{output:#?}");
    assert_eq!(told.last().unwrap()["end"], "duration", "{output:#?}");
    node.is_clean();
}

#[test]
fn tracing_of_others_goes_on_and_gets_none_of_our_calls() {
    live!();
    let mut node = Node::start("traced", &[("OTHERS", "1")]);
    let theirs = |node: &mut Node| node.vm.count().number("theirs");
    // One call of secret/2 each time, which they trace.
    let begun = theirs(&mut node);
    assert_eq!(theirs(&mut node), begun + 1);
    let (lines, output) = trace(&mut node, &["-d", "2s"], 1);
    assert_eq!(count(&lines, "call"), CALLS, "{output:#?}");
    assert_eq!(theirs(&mut node), begun + 3);
}

#[test]
fn nothing_stays_when_it_is_killed_while_calls_come() {
    live!();
    // Every other millisecond, and as fast as four processes can.
    for (variable, value) in [("PACE", "2"), ("FLOOD", "1")] {
        let mut node = Node::start("traced", &[(variable, value)]);
        for _ in 0..3 {
            let pid = node.vm.pid().to_string();
            let most = ["--max-hits", "1000000", "--max-rate", "100000", "-d", "10m"];
            let functions = ["traced:work/2", "traced:fail/1", "--format", "json"];
            let args = node.args(&pid, "watch", &[&functions[..], &most].concat());
            let mut watch = start(&args);
            watch.wait_for("tracer: tracing", PATIENCE);
            // A flood may have ended it already.
            if variable == "PACE" {
                while !watch.read_line(PATIENCE).contains("\"return\"") {}
                let facts = node.vm.count();
                assert_eq!(facts.number("patterns"), 2, "{facts:?}");
            }
            watch.kill();
            node.is_clean();
        }
    }
}

/// Passes bytes on between its clients and a port; the first connection until it is told to cut it.
struct Between {
    address: String,
    first: std::sync::mpsc::Receiver<(TcpStream, TcpStream)>,
}

impl Between {
    fn start(port: u16) -> Between {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, first) = std::sync::mpsc::channel();
        // Ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let both = || (client.try_clone().unwrap(), server.try_clone().unwrap());
                let _ = tell.send(both());
                let ((from, to), (back_to, back_from)) = (both(), both());
                thread::spawn(move || pass(from, to));
                thread::spawn(move || pass(back_from, back_to));
            }
        });
        Between { address, first }
    }

    fn cut(&self) {
        let (client, server) = self.first.recv_timeout(PATIENCE).unwrap();
        client.shutdown(Shutdown::Both).unwrap();
        server.shutdown(Shutdown::Both).unwrap();
    }
}

fn pass(mut from: impl Read, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.flush();
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_connection_that_fails_is_a_failure_and_the_vm_is_asked_again() {
    live!();
    let port = free_port();
    let text = port.to_string();
    let listen = ["inet_dist_listen_min", "inet_dist_listen_max"];
    let at: Vec<&str> = listen
        .iter()
        .flat_map(|what| ["-kernel", what, &text])
        .collect();
    let mut node = Node::start_with("traced", &at, &[]);
    let between = Between::start(port);
    let pid = node.vm.pid().to_string();
    let args = ["traced:work/2", "--dist-address", &between.address];
    let mut watch = start(&node.args(&pid, "watch", &args));
    watch.wait_for("tracer: tracing", PATIENCE);
    node.vm.count();
    let begun = Instant::now();
    between.cut();
    let output = watch.finish(PATIENCE);
    assert!(begun.elapsed() < Duration::from_secs(15), "{output:#?}");
    assert_eq!(output.code, Some(1), "{output:#?}");
    for text in [
        "closed the connection",
        "asking the VM by another one",
        "tracer: removed",
    ] {
        assert!(output.stderr.contains(text), "{text}: {output:#?}");
    }
    node.is_clean();
}
